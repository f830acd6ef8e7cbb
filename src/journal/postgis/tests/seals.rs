//! The log in the database is sealed under a key that is not in it.

use std::path::Path;

use super::losses::open_in;
use super::*;
use crate::journal::codec::{CHAIN_START, Hash, chain};
use crate::journal::{VerifyReport, verify_database_beside};
use crate::model::hex;

fn verified(db: &Db, folder: &Path) -> VerifyReport {
    verify_database_beside(&db.url(), Some(folder), None, &mut |_, _| {}).unwrap()
}

/// A history with a checkpoint at every entry; the mark of the node is taken away.
fn sealed_history(db: &Db, folder: &Path) {
    let mut journal = open_in(db, folder);
    journal.session.as_mut().unwrap().sealer.as_mut().unwrap().every = 1;
    for minute in 0..9 {
        journal.append(vec![report(|_| {})], NOW.plus_ms(minute * 60_000), None).unwrap();
    }
    journal.seal().unwrap();
    drop(journal);
    forget_mark(folder);
}

fn forget_mark(folder: &Path) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "mark") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Writes all hashes from `first` on anew, as somebody does who knows how the chain is made.
fn restamp(db: &Db, first: i64) {
    let link = Link::connect(&Driver::start().unwrap(), &db.url()).unwrap();
    let mut before: Hash = CHAIN_START;
    let mut anew = String::new();
    link.rows("SELECT seq, at, body, hash FROM entry ORDER BY seq", &[], &mut |row| {
        let (seq, at, body): (i64, i64, &str) = (row.get(0), row.get(1), row.get(2));
        if seq < first {
            before = row.get::<_, &[u8]>(3).try_into().unwrap();
        } else {
            before = chain(&before, Seq(seq.cast_unsigned()), TimeMs(at), body);
            anew += &format!("UPDATE entry SET hash = '\\x{}' WHERE seq = {seq};", hex(&before));
        }
        Ok(())
    })
    .unwrap();
    link.run(&anew).unwrap();
}

const CUT: &str = "DELETE FROM pantau.entry WHERE seq >= 6; DELETE FROM pantau.report WHERE seq >= 6; \
                   DELETE FROM pantau.incident WHERE opened_seq >= 6";
const LATER: &str = "UPDATE pantau.entry SET at = at + 1 WHERE seq = 4; \
                     UPDATE pantau.report SET received_at = received_at + 1 WHERE seq = 4; \
                     UPDATE pantau.incident SET updated_at = updated_at + 1 WHERE opened_seq = 4";

#[test]
fn six_ways_of_tampering_with_the_database_are_found_at_the_first_bad_entry() {
    let swap = "UPDATE pantau.entry SET seq = 99 WHERE seq = 4; UPDATE pantau.entry SET seq = 4 WHERE seq = 5; \
                UPDATE pantau.entry SET seq = 5 WHERE seq = 99";
    let insert = "UPDATE pantau.entry SET seq = -(seq + 1) WHERE seq >= 4; UPDATE pantau.entry SET seq = -seq WHERE seq < 0; \
                  INSERT INTO pantau.entry SELECT 4, at, kind, body, hash FROM pantau.entry WHERE seq = 3";
    for (kind, sql, first) in [
        ("change", "UPDATE pantau.entry SET body = replace(body, '12', '13') WHERE seq = 4", 4),
        ("drop", "DELETE FROM pantau.entry WHERE seq = 4", 5),
        ("swap", swap, 4),
        ("insert", insert, 4),
        ("truncate", CUT, 6),
        ("restamp", LATER, 4),
    ] {
        let Some(db) = Db::new() else { return };
        let folder = tempfile::tempdir().unwrap();
        sealed_history(&db, folder.path());
        let found = verified(&db, folder.path());
        assert_eq!((found.faults, found.checkpoints, found.unchecked), (vec![], 9, 0), "before {kind}");
        db.query(sql);
        if kind == "restamp" {
            restamp(&db, 4);
        }
        let found = verified(&db, folder.path());
        assert_eq!(found.faults.first().and_then(|fault| fault.seq), Some(Seq(first)), "{kind}: {found:?}");
        if ["truncate", "restamp"].contains(&kind) {
            // What the tables alone tell: it takes the key.
            let elsewhere = tempfile::tempdir().unwrap();
            db.query("TRUNCATE pantau.checkpoint");
            assert_eq!(verified(&db, elsewhere.path()).faults, [], "{kind}");
        }
    }
}

#[test]
fn a_log_is_sealed_every_hundred_entries_and_at_the_end_also_across_writers() {
    let Some(db) = Db::new() else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [0, 1].map(|i: usize| folders[i].path());
    let seals = || db.query("SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM pantau.checkpoint");
    let fill = |journal: &mut PostgisJournal, n: usize| {
        for _ in 0..n {
            journal.append(vec![report(|_| {})], NOW, None).unwrap();
        }
    };
    let mut journal = open_in(&db, first);
    fill(&mut journal, 101);
    assert_eq!(seals(), "100");
    // A session that is lost counts on.
    super::losses::end_sessions(&db);
    assert!(journal.append(vec![report(|_| {})], NOW, None).is_err());
    while journal.resume().unwrap().is_none() {
        std::thread::yield_now();
    }
    fill(&mut journal, 1);
    journal.seal().unwrap();
    journal.seal().unwrap();
    assert_eq!(seals(), "100 102");
    drop(journal);
    // Another server with a key of its own, and then the first again.
    let mut journal = open_in(&db, second);
    fill(&mut journal, 1);
    journal.seal().unwrap();
    drop(journal);
    let mut journal = open_in(&db, first);
    fill(&mut journal, 1);
    journal.seal().unwrap();
    drop(journal);
    assert_eq!(seals(), "100 102 103 104");
    let of = |folder: &Path| {
        let found = verified(&db, folder);
        assert_eq!(found.faults, []);
        (found.checkpoints, found.unchecked)
    };
    assert_eq!((of(first), of(second)), ((3, 1), (1, 3)));
    // With one key for all of them nothing is left unchecked.
    let third = tempfile::tempdir().unwrap();
    std::fs::copy(first.join("checkpoint.key"), third.path().join("checkpoint.key")).unwrap();
    assert_eq!(of(third.path()), (3, 1));
    db.query("DELETE FROM pantau.checkpoint WHERE seq = 103");
    let found = verified(&db, first).faults;
    assert!(
        found[0].message.contains("changed or taken away") && found[0].seq == Some(Seq(104)),
        "{found:?}"
    );
}

#[test]
fn the_mark_of_a_server_tells_a_cut_log_whose_checkpoints_were_cut_too() {
    let Some(db) = Db::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open_in(&db, folder.path());
    for _ in 0..9 {
        journal.append(vec![report(|_| {})], NOW, None).unwrap();
    }
    journal.seal().unwrap();
    drop(journal);
    assert_eq!(verified(&db, folder.path()).faults, []);
    db.query(&format!("{CUT}; DELETE FROM pantau.checkpoint WHERE seq >= 6"));
    let found = verified(&db, folder.path()).faults;
    assert!(found[0].message.contains("entries 6 to 9 were acknowledged and are gone"), "{found:?}");
    forget_mark(folder.path());
    assert_eq!(verified(&db, folder.path()).faults, []);
}

#[test]
fn a_server_whose_key_cannot_be_read_does_not_write_unsealed() {
    let Some(db) = Db::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("checkpoint.key"), "x").unwrap();
    let standby = PostgisStandby::open(&db.url(), testing::city(), FolderMode::Live).unwrap();
    let refused = standby.keeping_in(folder.path()).take_now().err().unwrap().to_string();
    assert!(refused.contains("is no key of checkpoints"), "{refused}");
}
