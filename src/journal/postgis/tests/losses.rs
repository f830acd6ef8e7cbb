//! A database that comes back with less than it had confirmed, and one that is away while nobody writes.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::*;

/// The journal of a node with a folder.
pub(super) fn open_in(db: &Db, folder: &Path) -> PostgisJournal {
    let mut standby = standby_in(db, folder);
    for _ in 0..200 {
        if let Some(journal) = standby.take_now().unwrap() {
            return journal;
        }
        Standby::wait(&mut standby);
    }
    panic!("somebody else writes");
}

fn standby_in(db: &Db, folder: &Path) -> PostgisStandby {
    PostgisStandby::open(&db.url(), testing::city(), FolderMode::Live).unwrap().keeping_in(folder)
}

fn take_back(db: &Db, seq: u32) {
    db.query(&format!(
        "SET session_replication_role = replica; DELETE FROM pantau.entry WHERE seq >= {seq}; \
         DELETE FROM pantau.report WHERE seq >= {seq}; DELETE FROM pantau.incident WHERE opened_seq >= {seq}"
    ));
}

pub(super) fn end_sessions(db: &Db) {
    db.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

/// What it says in the end.
fn until_error<T>(mut ask: impl FnMut() -> Result<T, JournalError>) -> JournalError {
    for _ in 0..2_000 {
        if let Err(error) = ask() {
            return error;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("nothing was noticed");
}

fn lost(error: JournalError) -> String {
    match error {
        JournalError::Lost(what) => what,
        other => panic!("{other}"),
    }
}

#[test]
fn a_writer_notices_that_its_database_came_back_with_less_and_with_another_history() {
    let taken = "entries 2 to 3 were acknowledged and are gone";
    let changed = "UPDATE pantau.entry SET hash = decode(repeat('00', 32), 'hex') WHERE seq = 3";
    for (says, edit) in [(taken, None), ("entry 3 is not the one that was acknowledged", Some(changed))] {
        let Some(db) = Db::new() else { return };
        let mut journal = db.open();
        journal.append(vec![report(|_| {}), report(|_| {}), report(|_| {})], NOW, None).unwrap();
        match edit {
            None => take_back(&db, 2),
            Some(sql) => drop(db.query(sql)),
        }
        end_sessions(&db);
        let away = until_error(|| journal.append(vec![report(|_| {})], NOW, None));
        assert!(matches!(away, JournalError::Away(_)), "{away}");
        let what = lost(until_error(|| journal.resume()));
        assert!(what.contains(says) && what.contains("started again"), "{what}");
        assert_eq!(db.query("SELECT count(*) FROM pantau.entry WHERE seq > 3"), "0", "nothing is written");
    }
}

#[test]
fn an_older_term_is_an_older_copy_and_no_other_writer() {
    let older = "UPDATE pantau.writer SET term = term - 1; UPDATE pantau.writer_beat SET term = (SELECT term FROM pantau.writer)";
    let Some(db) = Db::new() else { return };
    // By its sign of life, and where it comes back.
    let mut journal = db.open();
    db.query(older);
    let what = lost(until_error(|| journal.check()));
    assert!(what.contains("older copy"), "{what}");
    drop(journal);
    let mut journal = db.open();
    db.query(older);
    end_sessions(&db);
    let mut noticed = until_error(|| journal.check());
    if matches!(noticed, JournalError::Away(_)) {
        noticed = until_error(|| journal.resume());
    }
    let what = lost(noticed);
    assert!(what.contains("older copy"), "{what}");
}

#[test]
fn a_start_notices_what_is_gone_and_counts_anew() {
    let Some(db) = Db::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open_in(&db, folder.path());
    journal.append(vec![report(|_| {}), report(|_| {})], NOW, None).unwrap();
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
    let before = journal.head();
    assert_eq!(journal.health().standing(), []);
    drop(journal);
    take_back(&db, 3);
    let mut epochs = Vec::new();
    for _ in 0..2 {
        let journal = open_in(&db, folder.path());
        let standing = journal.health().standing();
        assert_eq!(standing[0].0, Condition::EntriesLost);
        assert!(standing[0].1.contains("entries 3 to 3 were acknowledged and are gone"), "{standing:?}");
        assert!(standing[0].1.contains("database-losses.log"), "{standing:?}");
        epochs.push(journal.head().epoch);
    }
    assert!(epochs[0] == epochs[1] && epochs[0] != before.epoch, "once, and for good");
    std::fs::remove_file(folder.path().join("database-losses.log")).unwrap();
    assert_eq!(open_in(&db, folder.path()).health().standing(), [], "settled");
    // A node that knew nothing of it has nothing to say, nor has one whose database was given a new epoch.
    assert_eq!(open_in(&db, tempfile::tempdir().unwrap().path()).health().standing(), []);
    db.query("UPDATE pantau.meta SET value = gen_random_uuid()::text WHERE key = 'epoch'");
    take_back(&db, 2);
    assert_eq!(open_in(&db, folder.path()).health().standing(), []);
}

#[test]
fn a_standby_notices_it_too_and_at_its_start_says_what_its_node_knew() {
    let Some(db) = Db::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = db.open();
    writer.append(vec![report(|_| {}), report(|_| {})], NOW, None).unwrap();
    let mut standby = standby_in(&db, folder.path());
    for _ in 0..2 {
        standby.look_for_losses(Seq(2)).unwrap();
    }
    take_back(&db, 2);
    let what = lost(standby.look_for_losses(Seq(2)).unwrap_err());
    assert!(what.contains("entries 2 to 2 were acknowledged and are gone"), "{what}");
    drop(standby);
    for _ in 0..2 {
        let mut standby = standby_in(&db, folder.path());
        standby.look_for_losses(Seq(1)).unwrap();
        assert!(
            Standby::health(&standby).stands(Condition::EntriesLost),
            "until the next writer settles it"
        );
    }
    drop(writer);
    // It becomes the writer, and by its mark counts anew.
    let epoch = db.query("SELECT value FROM pantau.meta WHERE key = 'epoch'");
    let journal = open_in(&db, folder.path());
    assert_ne!(journal.head().epoch.0.to_string(), epoch);
    let mut follows = standby_in(&db, tempfile::tempdir().unwrap().path());
    follows.look_for_losses(Seq(1)).unwrap();
    db.query("UPDATE pantau.meta SET value = gen_random_uuid()::text WHERE key = 'epoch'");
    let what = lost(follows.look_for_losses(Seq(1)).unwrap_err());
    assert!(what.contains("another epoch"), "{what}");
}

#[test]
fn a_database_that_goes_while_nothing_is_written_is_noticed() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    journal.check().unwrap();
    end_sessions(&db);
    let away = until_error(|| journal.check());
    assert!(matches!(away, JournalError::Away(_)), "{away}");
    while journal.resume().unwrap().is_none() {
        thread::park_timeout(Duration::from_millis(10));
    }
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
}

#[test]
fn a_full_disk_of_the_database_is_said_until_it_has_room() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    db.query(
        "CREATE FUNCTION pantau.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER no_room BEFORE INSERT ON pantau.entry EXECUTE FUNCTION pantau.no_room()",
    );
    let full = journal.append(vec![report(|_| {})], NOW, None);
    assert!(matches!(full, Err(JournalError::Full)));
    assert!(journal.health().stands(Condition::DiskFull));
    journal.append(vec![], NOW, None).unwrap();
    assert!(journal.health().stands(Condition::DiskFull), "nothing was written");
    // This one finds room: the trigger is of one table.
    journal.try_again();
    assert!(!journal.health().stands(Condition::DiskFull));
    assert!(matches!(journal.append(vec![report(|_| {})], NOW, None), Err(JournalError::Full)));
    db.query("DROP TRIGGER no_room ON pantau.entry");
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
    assert!(!journal.health().stands(Condition::DiskFull));
}

/// A database of each pantau before, whose newer tables cannot be made: nothing of them is left, and the next
/// start makes them.
#[test]
fn migrations_that_are_cut_at_each_file_leave_the_tables_of_before_and_heal() {
    use super::super::open::{MIGRATIONS, migrate_by};
    let state = |db: &Db| {
        db.query(
            "SELECT string_agg(t, ',' ORDER BY t) FROM ( \
               SELECT table_schema || '.' || table_name || '.' || column_name AS t FROM information_schema.columns \
               WHERE table_schema LIKE 'pantau%' UNION ALL SELECT name FROM pantau.migration) AS known",
        )
    };
    for n in 1..=MIGRATIONS.len() {
        let Some(db) = Db::new() else { return };
        let driver = Driver::start().unwrap();
        let link = Link::connect(&driver, &db.url()).unwrap();
        migrate_by(&MIGRATIONS[..n], &link, &db.url()).unwrap();
        let before = state(&db);
        for (next, (name, sql)) in MIGRATIONS.into_iter().enumerate().skip(n) {
            let failing = format!("{sql};\nSELECT 1 / 0");
            let mut cut = MIGRATIONS[..next].to_vec();
            cut.push((name, failing.as_str()));
            assert!(migrate_by(&cut, &link, &db.url()).is_err(), "{name} fails");
            assert_eq!(state(&db), before, "{name} after {} files", n);
        }
        drop(link);
        some_history(&db);
        let found = crate::journal::verify_database(&db.url(), &mut |_, _| {}).unwrap();
        assert_eq!(found.faults, [], "from the tables of {}", MIGRATIONS[n - 1].0);
    }
}
