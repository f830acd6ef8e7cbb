//! What only the file on disk has: locks, marks, tampering, a full disk, a crash.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::fallible_iterator::FallibleIterator;
use tempfile::TempDir;

use super::*;
use crate::journal::testing::{self, NOW, act, import_row, key, receipt, report, sensitive_report};
use crate::journal::{Noted, suite};
use crate::model::{Action, AreaId, IncidentNo, Outcome, Receipt, ReportNo, Seq, Status};

pub(super) fn open(dir: &TempDir) -> SqliteJournal {
    SqliteJournal::open(dir.path(), testing::city(), FolderMode::Live).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(dir: &TempDir, city: Arc<City>, mode: FolderMode) -> String {
    match SqliteJournal::open(dir.path(), city, mode) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

pub(super) fn raw(dir: &TempDir) -> Connection {
    let conn = Connection::open(file_in(dir.path())).unwrap();
    sums::teach(&conn).unwrap();
    conn
}

pub(super) fn verified(dir: &TempDir) -> VerifyReport {
    verify(dir.path(), &mut |done, total| assert!(done <= total)).unwrap()
}

/// Nine entries of every kind, about three incidents.
pub(super) fn some_history(dir: &TempDir) {
    let mut journal = open(dir);
    let first = vec![
        Command::Pack { key: "testville".to_owned(), hash: [1; 32] },
        report(|r| r.idempotency = key("k", 1)),
        Command::Report(Box::new(sensitive_report())),
        report(|r| r.incident = Some(IncidentNo(1))),
        act(1, Action::Verify),
        act(2, Action::Reject),
    ];
    journal.append(first, NOW, None).unwrap();
    let second = vec![
        report(|r| r.import = import_row("a.csv", 1, Status::Resolved)),
        act(2, Action::Reopen),
        Command::Tick,
    ];
    journal.append(second, NOW.plus_ms(60_000), None).unwrap();
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let sentence = refused(&dir, testing::city(), FolderMode::Live);
    assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
    drop(journal);
    open(&dir);
}

#[test]
fn a_folder_of_another_city_or_mode_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let sentence = refused(&dir, testing::city(), FolderMode::Replay);
    assert!(sentence.contains("a replay needs a folder of its own"), "{sentence}");
    let other = Arc::new(testing::city_with("elsewhere", &["garbage"], &[]));
    let sentence = refused(&dir, other, FolderMode::Live);
    assert!(sentence.contains("belongs to the city \"testville\", not to \"elsewhere\""), "{sentence}");

    let dir = tempfile::tempdir().unwrap();
    drop(SqliteJournal::open(dir.path(), testing::city(), FolderMode::Replay).unwrap());
    let sentence = refused(&dir, testing::city(), FolderMode::Live);
    assert!(sentence.contains("add --clock replay"), "{sentence}");
}

#[cfg(unix)]
#[test]
fn a_new_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("var").join("data");
    SqliteJournal::open(&dir, testing::city(), FolderMode::Live).unwrap();
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn each_folder_has_its_own_epoch_and_secret() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (open(&a), open(&b));
    assert_ne!(a.head().epoch, b.head().epoch);
    assert_ne!(a.secret(), b.secret());
    assert_eq!(a.head().epoch.0.get_version_num(), 7);
}

#[test]
fn tables_made_by_other_migrations_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    raw(&dir).execute("UPDATE migration SET sha256 = 'x'", []).unwrap();
    let sentence = refused(&dir, testing::city(), FolderMode::Live);
    assert!(sentence.contains("another 0001_journal.sql"), "{sentence}");
}

#[test]
fn a_folder_from_before_the_index_of_places_gets_it_and_asks_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let before = suite::report_places(&*open(&dir).reader(), TimeMs::MIN);
    assert!(!before.is_empty());
    raw(&dir)
        .execute_batch(
            "DROP INDEX report_places; DELETE FROM migration WHERE name = '0002_report_places'; \
             CREATE INDEX report_week ON report (occurred_at / 604800000)",
        )
        .unwrap();
    assert_eq!(suite::report_places(&*open(&dir).reader(), TimeMs::MIN), before);
    let plan = format!("EXPLAIN QUERY PLAN {}", super::read::REPORT_PLACES);
    let step: String = raw(&dir).query_row(&plan, [0], |row| row.get("detail")).unwrap();
    assert_eq!(step, "SEARCH report USING COVERING INDEX report_places (<expr>>?)");
}

#[test]
fn a_category_that_the_pack_lost_is_named() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let poorer = Arc::new(testing::city_with("testville", &["garbage"], &["01", "02"]));
    let journal = SqliteJournal::open(dir.path(), poorer, FolderMode::Live).unwrap();
    let sentence = journal.reader().entries(Seq(0), 10).unwrap_err().to_string();
    assert!(
        sentence.contains("the category \"accident\"") && sentence.contains("put it back"),
        "{sentence}"
    );
}

#[test]
fn an_area_that_the_pack_lost_is_looked_up_by_place() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let renamed = Arc::new(testing::city_with("testville", &["garbage", "accident"], &["A", "B", "C"]));
    let journal = SqliteJournal::open(dir.path(), renamed, FolderMode::Live).unwrap();
    let rows = suite::incidents(&*journal.reader(), TimeMs::MIN);
    assert!(rows.iter().all(|row| row.area == Some(AreaId(0))), "{rows:?}");
}

#[test]
fn a_batch_that_finds_the_disk_full_leaves_nothing_and_counting_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir);
    let row =
        |no: u8, source: &'static str| report(move |r| r.import = import_row(source, no, Status::New));
    journal.append(vec![row(0, "a.csv")], NOW, None).unwrap();
    let head = journal.head();
    let pages: u32 = journal.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    journal.conn.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let batch = || (1..=200).map(|no| row(no, "b.csv")).collect::<Vec<_>>();
    assert!(matches!(journal.append(batch(), NOW, None), Err(JournalError::Full)));
    assert_eq!(journal.head(), head);
    assert_eq!(suite::reports(&*journal.reader(), TimeMs::MIN).len(), 1);

    journal.conn.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let outcomes = journal.append(batch(), NOW, None).unwrap();
    assert!(matches!(receipt(&outcomes[0]), Receipt::Report { seq: Seq(2), report: ReportNo(2), .. }));
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted { .. })));
    drop(journal);
    assert_eq!(verified(&dir).faults, []);
}

#[test]
fn what_was_appended_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir);
    journal.append(vec![report(|_| {}), act(1, Action::Verify)], NOW, None).unwrap();
    // As a killed process leaves it: the log not yet copied back, nothing closed.
    let after_crash = tempfile::tempdir().unwrap();
    for name in ["pantau.db", "pantau.db-wal"] {
        std::fs::copy(dir.path().join(name), after_crash.path().join(name)).unwrap();
    }
    let mut reopened = open(&after_crash);
    assert_eq!(reopened.head(), journal.head());
    reopened.append(vec![act(1, Action::Start)], NOW, None).unwrap();
    drop(reopened);
    assert_eq!(verified(&after_crash).faults, []);
}

#[test]
fn every_reader_sees_at_once_what_was_appended() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir);
    let (sender, receiver) = std::sync::mpsc::channel::<Seq>();
    let reader = journal.reader();
    let reading = std::thread::spawn(move || {
        for seq in receiver {
            let entries = reader.entries(Seq(seq.0 - 1), 1).unwrap();
            assert_eq!(entries[0].seq, seq);
        }
    });
    for _ in 0..50 {
        let outcomes = journal.append(vec![report(|_| {})], NOW, None).unwrap();
        sender.send(receipt(&outcomes[0]).seq()).unwrap();
    }
    drop(sender);
    reading.join().unwrap();
}

#[test]
fn import_keys_are_found_before_and_after_they_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let row = |no: u32| {
        report(move |r| {
            let mut digest = [0; 16];
            digest[12..].copy_from_slice(&no.wrapping_mul(0x9E37_79B9).to_be_bytes());
            r.import = import_row("a.csv", 0, Status::New).map(|mut row| {
                row.row_digest = digest;
                row
            });
        })
    };
    let mut journal = open(&dir);
    for first in (0..100_010).step_by(10_001) {
        journal.append((first..first + 10_001).map(row).collect(), NOW, None).unwrap();
    }
    let new_keys = |dir: &TempDir| {
        raw(dir).query_row("SELECT count(*) FROM import_key_new", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!(new_keys(&dir), 0, "merged");
    journal.append((200_000..200_005).map(row).collect(), NOW, None).unwrap();
    drop(journal);
    assert_eq!(new_keys(&dir), 5);
    let mut journal = open(&dir);
    let again = journal.append([0, 77_777, 100_009, 200_004].map(row).into(), NOW, None).unwrap();
    assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Repeat { .. })), "{again:?}");
}

#[test]
fn a_sound_journal_verifies_beside_its_writer() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let _journal = open(&dir);
    let found = verified(&dir);
    assert_eq!(found.faults, []);
    assert_eq!((found.entries, found.reports, found.incidents, found.erased), (9, 4, 3, 0));
    assert_eq!((found.head, found.head_hash.len()), (Seq(9), 64));
    let sentence = verify(&dir.path().join("nowhere"), &mut |_, _| {}).unwrap_err().to_string();
    assert!(sentence.contains("there is no journal in"), "{sentence}");
}

#[test]
fn the_chained_body_of_a_sensitive_report_holds_neither_its_place_nor_its_words() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let body: String =
        raw(&dir).query_row("SELECT body FROM entry WHERE seq = 3", [], |row| row.get(0)).unwrap();
    assert!(!body.contains("127.35,0.8]") && !body.contains("sampah"), "{body}");
}

#[test]
fn an_erased_private_part_is_counted_and_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let coarse = sensitive_report().coarse_place.unwrap();
    let erase = format!(
        "UPDATE report SET salt = NULL, private = NULL WHERE seq IN (2, 3); \
         UPDATE action SET salt = NULL, private = NULL WHERE seq = 5; \
         UPDATE report SET lng_e7 = {lng}, lat_e7 = {lat} WHERE seq = 3; \
         UPDATE incident SET lng_e7 = {lng}, lat_e7 = {lat} WHERE no = 2",
        lng = coarse.lng_e7(),
        lat = coarse.lat_e7(),
    );
    raw(&dir).execute_batch(&erase).unwrap();
    let found = verified(&dir);
    assert_eq!((found.faults, found.erased), (vec![], 3));
    let journal = open(&dir);
    let log = journal.reader().incident_log(IncidentNo(2)).unwrap();
    let place = |fact: &crate::model::Fact| match fact {
        crate::model::Fact::Report(report) => Some(report.place),
        _ => None,
    };
    assert_eq!(place(&log[0].fact), Some(coarse));
}

/// Edits a journal and checks that the first fault found is at `seq` and says `says`.
fn check_tampering(sql: &str, seq: Option<u64>, says: &str) {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    raw(&dir).execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let found = verified(&dir);
    let first = found.faults.first().unwrap_or_else(|| panic!("not found: {sql}"));
    assert_eq!(first.seq, seq.map(Seq), "{sql}: {:?}", found.faults);
    assert!(first.message.contains(says), "{sql}: {:?}", found.faults);
}

#[test]
fn an_edited_log_is_found_at_its_first_wrong_entry() {
    let changed = "its hash is not that of its contents";
    for (sql, seq, says) in [
        ("UPDATE entry SET body = replace(body, 'garbage', 'accident') WHERE seq = 4", 4, changed),
        ("UPDATE entry SET at = at - 1 WHERE seq = 5", 5, "its time is before"),
        ("UPDATE entry SET at = at + 1 WHERE seq = 7", 7, changed),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 4", 4, changed),
        ("UPDATE entry SET kind = 'tick' WHERE seq = 4", 4, "its kind is not the one in its body"),
        ("DELETE FROM entry WHERE seq = 4", 5, "entries 4 to 4 are missing"),
        ("DELETE FROM entry WHERE seq BETWEEN 2 AND 5", 6, "entries 2 to 5 are missing"),
        // Swapped.
        (
            "UPDATE entry SET seq = 99 WHERE seq = 4; UPDATE entry SET seq = 4 WHERE seq = 5; \
             UPDATE entry SET seq = 5 WHERE seq = 99",
            4,
            changed,
        ),
        // Inserted, those behind moved up.
        (
            "UPDATE entry SET seq = -(seq + 1) WHERE seq >= 4; UPDATE entry SET seq = -seq WHERE seq < 0; \
             INSERT INTO entry SELECT 4, at, kind, body, hash FROM entry WHERE seq = 3",
            4,
            changed,
        ),
        // Dropped, those behind moved down.
        (
            "DELETE FROM entry WHERE seq = 4; UPDATE entry SET seq = -(seq - 1) WHERE seq > 4; \
             UPDATE entry SET seq = -seq WHERE seq < 0",
            4,
            changed,
        ),
    ] {
        check_tampering(sql, Some(seq), says);
    }
}

#[test]
fn a_row_that_differs_from_its_entries_is_found() {
    for (sql, seq, says) in [
        (
            "UPDATE report SET category = 'accident' WHERE no = 1",
            Some(2),
            "report 1 says otherwise (category)",
        ),
        ("UPDATE report SET lng_e7 = 0 WHERE no = 2", Some(3), "report 2 says otherwise (place)"),
        ("UPDATE report SET area = '02' WHERE no = 1", Some(2), "report 1 says otherwise (area)"),
        ("DELETE FROM report WHERE no = 4", Some(7), "report 4 has no row"),
        ("UPDATE report SET no = 5 WHERE no = 4", Some(7), "report 4 has no row"),
        ("UPDATE report SET private = '{}' WHERE no = 1", Some(2), "its private part was changed"),
        ("UPDATE report SET private = NULL WHERE no = 1", Some(2), "erased by half"),
        ("UPDATE report SET private = NULL, salt = NULL WHERE no = 2", Some(3), "says otherwise (place)"),
        ("UPDATE action SET actor = 'ani' WHERE seq = 5", Some(5), "the row of its action says otherwise"),
        ("DELETE FROM action WHERE seq = 5", Some(5), "its action has no row"),
        (
            "INSERT INTO action SELECT 50, 1, 'note', 'x', NULL, NULL",
            None,
            "the action of entry 50 has a row",
        ),
        (
            "UPDATE incident SET status = 'resolved' WHERE no = 1",
            Some(2),
            "incident 1 says otherwise (status)",
        ),
        ("UPDATE incident SET due_at = NULL WHERE no = 2", Some(3), "incident 2 says otherwise (due_at)"),
        ("DELETE FROM incident WHERE no = 2", Some(3), "incident 2 has no row"),
        ("UPDATE import_key_new SET report_no = 77, sum = NULL", None, "an import row leads to report 77"),
        (
            "UPDATE idempotency SET report_no = 77, sum = NULL",
            None,
            "an idempotency key leads to report 77",
        ),
        (
            "INSERT INTO derived (only_row, as_of_seq) VALUES (1, 500)",
            None,
            "the hotspots stand at an entry that is not there",
        ),
        // Cut at the end: the mark beside the database tells.
        ("DELETE FROM entry WHERE seq >= 7", Some(7), "entries 7 to 9 were acknowledged and are gone"),
    ] {
        check_tampering(sql, seq, says);
    }
}

#[test]
fn the_head_hash_tells_a_shorter_history_from_the_whole() {
    let (whole, longer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    some_history(&whole);
    let before = verified(&whole).head_hash;
    std::fs::copy(file_in(whole.path()), file_in(longer.path())).unwrap();
    open(&longer).append(vec![Command::Tick], NOW, None).unwrap();
    assert_ne!(verified(&longer).head_hash, before);
    assert_eq!(verified(&whole).head_hash, before);
}

/// A history with a checkpoint at every entry; the mark beside it is taken away.
fn sealed_history(dir: &TempDir) {
    let mut journal = open(dir);
    journal.sealer.every = 1;
    for minute in 0..9 {
        journal.append(vec![report(|_| {})], NOW.plus_ms(minute * 60_000), None).unwrap();
    }
    journal.seal().unwrap();
    drop(journal);
    std::fs::remove_file(dir.path().join("durable.mark")).unwrap();
}

/// Writes all hashes from `seq` on anew, as somebody does who knows how the chain is made.
fn restamp(conn: &Connection, seq: i64) {
    use crate::journal::codec::{CHAIN_START, chain};
    let before = conn.query_row("SELECT hash FROM entry WHERE seq = ?1", [seq - 1], |row| row.get(0));
    let mut hash = before.unwrap_or(CHAIN_START);
    let last: i64 = conn.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0)).unwrap();
    for seq in seq..=last {
        let (at, body): (i64, String) = conn
            .query_row("SELECT at, body FROM entry WHERE seq = ?1", [seq], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        hash = chain(&hash, Seq(seq.cast_unsigned()), TimeMs(at), &body);
        conn.execute("UPDATE entry SET hash = ?1 WHERE seq = ?2", rusqlite::params![hash, seq]).unwrap();
    }
}

#[test]
fn six_ways_of_tampering_are_found_at_the_first_bad_entry() {
    let swap = "UPDATE entry SET seq = 99 WHERE seq = 4; UPDATE entry SET seq = 4 WHERE seq = 5; \
                UPDATE entry SET seq = 5 WHERE seq = 99";
    let insert = "UPDATE entry SET seq = -(seq + 1) WHERE seq >= 4; UPDATE entry SET seq = -seq WHERE seq < 0; \
                  INSERT INTO entry SELECT 4, at, kind, body, hash FROM entry WHERE seq = 3";
    for (kind, sql, first) in [
        ("change", "UPDATE entry SET body = replace(body, '12', '13') WHERE seq = 4", 4),
        ("drop", "DELETE FROM entry WHERE seq = 4", 5),
        ("swap", swap, 4),
        ("insert", insert, 4),
        (
            "truncate",
            "DELETE FROM entry WHERE seq >= 6; DELETE FROM report WHERE seq >= 6; \
                      DELETE FROM incident WHERE opened_seq >= 6",
            6,
        ),
        (
            "restamp",
            "UPDATE entry SET at = at + 1 WHERE seq = 4; \
                     UPDATE report SET received_at = received_at + 1, occurred_at = occurred_at + 1 WHERE seq = 4; \
                     UPDATE incident SET opened_at = opened_at + 1, updated_at = updated_at + 1, due_at = due_at + 1 \
                     WHERE opened_seq = 4",
            4,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        sealed_history(&dir);
        assert_eq!(verified(&dir).faults, [], "before {kind}");
        let conn = raw(&dir);
        conn.execute_batch(sql).unwrap();
        if kind == "restamp" {
            restamp(&conn, 4);
        }
        let found = verified(&dir);
        assert_eq!(found.faults.first().and_then(|fault| fault.seq), Some(Seq(first)), "{kind}: {found:?}");
    }
}

#[test]
fn a_noted_checkpoint_tells_a_cut_history_whose_seals_and_mark_were_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    sealed_history(&dir);
    let noted = verified(&dir).noted.unwrap();
    assert_eq!(noted.to_string().parse::<Noted>(), Ok(noted));
    let against = |dir: &TempDir| verify_against(dir.path(), Some(noted), &mut |_, _| {}).unwrap();
    assert_eq!(against(&dir).faults, []);
    let cut = "DELETE FROM entry WHERE seq >= 6; DELETE FROM report WHERE seq >= 6; \
               DELETE FROM incident WHERE opened_seq >= 6; DELETE FROM checkpoint WHERE seq >= 6";
    raw(&dir).execute_batch(cut).unwrap();
    assert_eq!(verified(&dir).faults, []);
    let faults = against(&dir).faults;
    assert!(faults[0].seq == Some(Seq(6)) && faults[0].message.contains("noted"), "{faults:?}");
}

#[test]
fn an_older_copy_in_the_place_of_the_journal_is_said_loudly_and_counts_anew() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    some_history(&dir);
    std::fs::copy(file_in(dir.path()), file_in(copy.path())).unwrap();
    let mut journal = open(&dir);
    let before = journal.head();
    assert_eq!(journal.health().standing(), []);
    journal.append(vec![report(|_| {})], NOW.plus_ms(90_000), None).unwrap();
    drop(journal);
    std::fs::copy(file_in(copy.path()), file_in(dir.path())).unwrap();
    for _ in 0..2 {
        let journal = open(&dir);
        let standing = journal.health().standing();
        assert_eq!(standing[0].0, Condition::EntriesLost);
        assert!(standing[0].1.contains("entries 10 to 10 were acknowledged and are gone"), "{standing:?}");
        assert_ne!(journal.head().epoch, before.epoch);
    }
    assert!(verified(&dir).loss.is_some());
}

#[test]
fn an_older_pantau_refuses_tables_of_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    raw(&dir).execute("INSERT INTO migration VALUES ('9999_tomorrow', 'x')", []).unwrap();
    let sentence = refused(&dir, testing::city(), FolderMode::Live);
    assert!(
        sentence.contains("a newer pantau has changed the tables of this folder (9999_tomorrow)"),
        "{sentence}"
    );
}

#[test]
fn a_bit_of_the_secret_that_the_disk_changed_does_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    raw(&dir).execute("UPDATE meta SET value = randomblob(32) WHERE key = 'secret'", []).unwrap();
    assert!(refused(&dir, testing::city(), FolderMode::Live).contains("city, mode or secret"));
}

#[test]
fn rows_from_before_there_were_sums_get_theirs_when_the_folder_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let conn = raw(&dir);
    conn.execute_batch(
        "CREATE TABLE migration (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT",
    )
    .unwrap();
    for (name, sql) in &super::open::MIGRATIONS[..5] {
        use sha2::{Digest, Sha256};
        conn.execute_batch(sql).unwrap();
        let digest = crate::model::hex(&Sha256::digest(sql));
        conn.execute("INSERT INTO migration VALUES (?1, ?2)", [*name, &digest]).unwrap();
    }
    let row = "INSERT INTO hotspot VALUES ('staff', '7-0', 'garbage', 1, NULL, '{}')";
    conn.execute(row, []).unwrap();
    drop(conn);
    some_history(&dir);
    assert_eq!(verified(&dir).faults, []);
    raw(&dir).execute("UPDATE hotspot SET body = '{ }' WHERE id = '7-0'", []).unwrap();
    assert!(verified(&dir).faults[0].message.contains("not as they were written"));
}

/// Each migration is broken off after each of its statements, as a power cut leaves it: the next open heals it.
#[test]
fn a_migration_that_is_cut_at_any_statement_heals_at_the_next_open() {
    for (at, (name, sql)) in super::open::MIGRATIONS.iter().enumerate() {
        let mut cut_after = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            let conn = raw(&dir);
            conn.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; \
                 CREATE TABLE migration (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT",
            )
            .unwrap();
            for (name, sql) in &super::open::MIGRATIONS[..at] {
                use sha2::{Digest, Sha256};
                conn.execute_batch(sql).unwrap();
                let digest = crate::model::hex(&Sha256::digest(sql));
                conn.execute("INSERT INTO migration VALUES (?1, ?2)", [*name, &digest]).unwrap();
            }
            conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            let mut statements = rusqlite::Batch::new(&conn, sql);
            let mut done = 0;
            while done < cut_after {
                let Some(mut statement) = statements.next().unwrap() else { break };
                statement.raw_execute().unwrap();
                done += 1;
            }
            let after = tempfile::tempdir().unwrap();
            for name in ["pantau.db", "pantau.db-wal"] {
                std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
            }
            some_history(&after);
            assert_eq!(verified(&after).faults, [], "{name} cut after statement {done}");
            if done < cut_after {
                break;
            }
            cut_after += 1;
        }
        assert!(cut_after > 1, "{name} has statements");
    }
}
