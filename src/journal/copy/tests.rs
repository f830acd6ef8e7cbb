//! A history there and back, whole and cut.

use super::*;
use crate::journal::postgres_server;
use crate::journal::testing::{self, NOW, act, import_row, key, merge, report, sensitive_report, split};
use crate::journal::{
    AccountStore, CodeTold, DerivedUpdate, EventRow, HotspotMemberRow, HotspotMembersUpdate, HotspotRow,
    PostgisStandby, SurgeRow, Unshared, Waiting, Whereabouts, verify,
};
use crate::model::{Action, Command, IncidentNo, Projection, ReportNo, Status};

/// Something in every table.
fn fill(journal: &mut dyn Journal) {
    let (photo, files) = testing::kept_photo(1);
    let put: Vec<_> = [photo.name, photo.thumb].into_iter().zip(files.iter().map(Vec::as_slice)).collect();
    journal.reader().photo_files().unwrap().put(&put).unwrap();
    let first = vec![
        Command::Pack { key: "testville".to_owned(), hash: testing::city().hash },
        report(|r| {
            r.idempotency = key("k", 1);
            r.private.photos = vec![photo];
        }),
        Command::Report(Box::new(sensitive_report())),
        report(|r| r.incident = Some(IncidentNo(1))),
        act(1, Action::Verify),
        report(|r| r.import = import_row("a.csv", 1, Status::Resolved)),
        Command::Tick,
    ];
    journal.append(first, NOW, None).unwrap();
    let id = || "7-0".to_owned();
    let (projection, category) = (Projection::Staff, "garbage".to_owned());
    let member = HotspotMemberRow {
        seq: Seq(2),
        report: ReportNo(1),
        received_at: NOW,
        core: true,
        doubts: [1, 2, 1, 1, 0, 3],
    };
    let hotspot = HotspotRow {
        projection,
        id: id(),
        category: category.clone(),
        changed_seq: Seq(7),
        ended_seq: None,
        body: "{}".to_owned(),
    };
    let members =
        HotspotMembersUpdate { projection, id: id(), whole: true, came: vec![member], left: vec![] };
    let surge = SurgeRow {
        projection,
        seq: Seq(7),
        n: 0,
        at: NOW,
        category,
        area: "01".to_owned(),
        until_day: "2026-11-24".to_owned(),
        body: "{}".to_owned(),
    };
    let derived = DerivedUpdate {
        as_of_seq: Seq(7),
        hotspots: vec![hotspot],
        members: vec![members],
        surges: vec![surge],
        ..DerivedUpdate::default()
    };
    let merges = [merge(2, 1), merge(5, 4), merge(4, 1), split(2, 1)];
    let more = (0..16).map(|_| report(|_| {})).chain(merges).collect();
    journal.append(more, NOW, Some(&derived)).unwrap();
}

struct Places {
    _dir: tempfile::TempDir,
    folder: Place,
    back: Place,
    database: Place,
    url: String,
}

impl Places {
    fn new() -> Option<Places> {
        let url = postgres_server::shared()?.new_database().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let folder = Place::Folder(dir.path().join("var"));
        let back = Place::Folder(dir.path().join("back"));
        Some(Places { _dir: dir, folder, back, database: Place::Database(url.parse().unwrap()), url })
    }

    fn open(place: &Place) -> Box<dyn Journal> {
        place.open(testing::city(), FolderMode::Live).unwrap_or_else(|e| panic!("{e}"))
    }

    fn query(&self, sql: &str) -> String {
        let name = self.url.rsplit('/').next().unwrap();
        postgres_server::shared().unwrap().query(name, sql).unwrap().trim().to_owned()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        postgres_server::shared().unwrap().drop_database(&self.url).unwrap();
    }
}

fn migrated(from: &Place, to: &Place) -> Copied {
    let mut told = (0, 0);
    let copied = migrate(from, to, testing::city(), &mut |done, total| told = (done, total));
    let copied = copied.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(told.0, told.1, "the progress ends where it should");
    copied
}

#[test]
fn a_history_moves_into_the_database_and_back_and_is_the_same() {
    let Some(places) = Places::new() else { return };
    let mut journal = Places::open(&places.folder);
    fill(&mut *journal);
    journal.seal().unwrap();
    let (head, secret) = (journal.head(), journal.secret());
    let entries = journal.reader().entries(Seq(0), 100).unwrap();
    let derived = journal.reader().derived().unwrap();
    drop(journal);
    let copied = migrated(&places.folder, &places.database);
    assert_eq!((copied.head, copied.were_there), (head.seq, 0));
    assert_eq!((copied.photos, &copied.photos_missing[..]), (2, &[][..]));

    let mut journal = Places::open(&places.database);
    assert_eq!((journal.head(), journal.secret()), (head, secret));
    assert_eq!(journal.reader().entries(Seq(0), 100).unwrap(), entries);
    assert_eq!(journal.reader().derived().unwrap(), derived);
    let again = vec![
        report(|r| r.idempotency = key("k", 1)),
        report(|r| r.import = import_row("a.csv", 1, Status::Resolved)),
    ];
    let repeats = journal.append(again, NOW, None).unwrap();
    assert!(repeats.iter().all(|o| matches!(o, crate::model::Outcome::Repeat { .. })), "{repeats:?}");
    let coarse = sensitive_report().coarse_place.unwrap();
    let place = places.query("SELECT coarse_lng_e7, coarse_lat_e7 FROM pantau.report WHERE no = 2");
    assert_eq!(place, format!("{}|{}", coarse.lng_e7(), coarse.lat_e7()));
    let place = places.query("SELECT coarse_lng_e7, coarse_lat_e7 FROM pantau.incident WHERE no = 2");
    assert_eq!(place, format!("{}|{}", coarse.lng_e7(), coarse.lat_e7()));
    assert_eq!(places.query("SELECT count(*) FROM pantau_map.areas"), "2");
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
    let head = journal.head();
    drop(journal);

    let Place::Database(url) = &places.database else { unreachable!() };
    let (Place::Folder(folder), Place::Folder(back)) = (&places.folder, &places.back) else {
        unreachable!()
    };
    let found = verify_database(url, &mut |done, total| assert!(done <= total)).unwrap();
    assert_eq!((found.faults, found.head, found.unchecked), (vec![], head.seq, 1));
    let node = tempfile::tempdir().unwrap();
    assert_eq!(carry_key(back, node.path()).unwrap(), CopiedKey::None);
    assert_eq!(carry_key(folder, node.path()).unwrap(), CopiedKey::Carried);
    let found = verify_database_beside(url, Some(node.path()), None, &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.checkpoints, found.unchecked), (vec![], 1, 0), "sealed in the folder");
    std::fs::create_dir(back).unwrap();
    assert_eq!(carry_key(node.path(), back).unwrap(), CopiedKey::Carried);
    let copied = migrated(&places.database, &places.back);
    assert_eq!(copied.head_hash, found.head_hash);
    let found = verify(back, &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.head_hash), (vec![], copied.head_hash));
    assert_eq!((found.checkpoints, found.unchecked), (1, 0));
    assert_eq!(carry_key(folder, back).unwrap(), CopiedKey::Same);
    std::fs::remove_file(node.path().join("checkpoint.key")).unwrap();
    drop(Places::open(&Place::Folder(node.path().to_owned())));
    assert_eq!(carry_key(folder, node.path()).unwrap(), CopiedKey::Other);
    assert_eq!(Places::open(&places.back).head(), head);
    // A row of a hotspot that the disk changes there is noticed, though the database knows no sums.
    let conn = rusqlite::Connection::open(back.join("pantau.db")).unwrap();
    assert_eq!(conn.execute("UPDATE hotspot SET body = '{ }'", []).unwrap(), 1);
    drop(conn);
    let changed = verify(back, &mut |_, _| {}).unwrap().faults;
    assert!(changed[0].message.contains("table hotspot are not as they were written"), "{changed:?}");
}

#[test]
fn a_migration_that_was_cut_goes_on_and_cannot_be_served_before() {
    let Some(places) = Places::new() else { return };
    let mut journal = Places::open(&places.folder);
    fill(&mut *journal);
    drop(journal);
    migrated(&places.folder, &places.database);
    // As it stands where the process ended in the middle of the reports.
    places.query("INSERT INTO pantau.meta VALUES ('migrating', 'x'); DELETE FROM pantau.report WHERE no > 9; DELETE FROM pantau.entry WHERE seq > 20");
    // And a disk that changed a photo meanwhile.
    places.query("UPDATE pantau.photo_file SET bytes = 'x'");
    let refused = places.database.open(testing::city(), FolderMode::Live).err().unwrap().to_string();
    assert!(refused.contains("migration that was cut"), "{refused}");
    let copied = migrated(&places.folder, &places.database);
    assert_eq!(copied.were_there, 20, "the log goes on where it stopped; the rest is of another moment");
    assert_eq!((copied.photos, &copied.photos_missing[..]), (2, &[][..]));
    let Place::Database(url) = &places.database else { unreachable!() };
    assert_eq!(verify_database(url, &mut |_, _| {}).unwrap().faults, []);
}

#[test]
fn a_migration_that_was_cut_before_its_accounts_goes_on_and_cannot_be_served_before() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (Place::Folder(dir.path().join("from")), Place::Folder(dir.path().join("to")));
    fill(&mut *Places::open(&from));
    let event = EventRow {
        id: 0,
        at: NOW,
        actor: Some("ani".to_owned()),
        action: "sign-in".to_owned(),
        subject: None,
        network: None,
        detail: None,
    };
    AccountStore::open(&from).unwrap().add_events(&[event]).unwrap();
    // No file can be made there: it ends as a process that is killed then.
    let in_the_way = dir.path().join("to").join(AccountStore::FILE);
    std::fs::create_dir_all(&in_the_way).unwrap();
    migrate(&from, &to, testing::city(), &mut |_, _| {}).unwrap_err();
    let refused = to.open(testing::city(), FolderMode::Live).err().unwrap().to_string();
    assert!(refused.contains("migration that was cut"), "{refused}");
    std::fs::remove_dir(&in_the_way).unwrap();
    let copied = migrated(&from, &to);
    assert!(copied.were_there > 0 && copied.accounts.events == 1, "{copied:?}");
    assert_eq!(
        AccountStore::open(&to).unwrap().events_from(i64::MIN, i64::MAX, 10).unwrap(),
        AccountStore::open(&from).unwrap().events_from(i64::MIN, i64::MAX, 10).unwrap(),
    );
    Places::open(&to);
}

#[test]
fn codes_of_reports_that_waited_move_along_and_what_was_set_aside_is_not_left_behind() {
    let Some(places) = Places::new() else { return };
    fill(&mut *Places::open(&places.database));
    let Place::Database(url) = &places.database else { unreachable!() };
    let hand_in = PostgisStandby::open(url, testing::city(), FolderMode::Live).unwrap().hand_in();
    let waiting = |no: u64, key: &str| Waiting {
        place: 0,
        no,
        key: key.to_owned(),
        body_digest: [7; 32],
        received_at: NOW,
        body: b"secret words".to_vec(),
    };
    // One report came to two nodes under one key, and each gave out a code.
    hand_in.hand_in(&[waiting(11, "a"), waiting(12, "b"), waiting(13, "c")]).unwrap();
    hand_in.hand_in(&[waiting(21, "a")]).unwrap();
    let places_of = || hand_in.waiting(10).unwrap().iter().map(|w| (w.no, w.place)).collect::<Vec<_>>();
    let waits = places_of();
    assert_eq!(waits.iter().map(|(no, _)| *no).collect::<Vec<_>>(), [11, 12, 13, 21]);
    let told = |no, answer| CodeTold { no, received_at: NOW, answer };
    hand_in.note_codes(&[told(11, Ok(ReportNo(2))), told(21, Ok(ReportNo(2)))]).unwrap();
    hand_in.handed_on(&[(waits[0].1, Ok(ReportNo(2))), (waits[3].1, Ok(ReportNo(2)))]).unwrap();
    // And later to a third.
    hand_in.hand_in(&[waiting(31, "a")]).unwrap();
    hand_in.note_codes(&[told(12, Err("no".to_owned()))]).unwrap();
    hand_in.handed_on(&[(waits[1].1, Err("no".to_owned()))]).unwrap();
    hand_in.set_aside(&[(waits[2].1, "no such category".to_owned())]).unwrap();
    assert_eq!(places_of(), []);
    assert_eq!(hand_in.unshared().unwrap(), Unshared { waiting: 0, set_aside: 1 });
    let known = |place: &Place| {
        let reader = Places::open(place).reader();
        [11, 21, 31, 12, 13, 99].map(|no| reader.waiting_report(no).unwrap())
    };
    let (in_journal, refused) =
        (Whereabouts::InJournal(ReportNo(2)), Whereabouts::Refused { received_at: NOW });
    let there = [in_journal, in_journal, in_journal, refused].map(Some);
    let waits_on = Some(Whereabouts::Waiting { received_at: NOW });
    assert_eq!(known(&places.database), [&there[..], &[waits_on, None]].concat()[..]);

    let left =
        migrate(&places.database, &places.back, testing::city(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(left.contains("1 report(s)") && left.contains("pantau waiting"), "{left}");
    // The writer tries it again after its next start.
    hand_in.take_up_again().unwrap();
    assert_eq!(hand_in.waiting(10).unwrap()[0].body, b"secret words");
    assert!(hand_in.discard(13, "discarded").unwrap() && !hand_in.discard(13, "discarded").unwrap());
    migrated(&places.database, &places.back);
    assert_eq!(known(&places.back), [&there[..], &[None, None]].concat()[..]);
}

#[test]
fn a_place_with_a_history_of_its_own_is_never_written_over() {
    let Some(places) = Places::new() else { return };
    for place in [&places.folder, &places.database] {
        fill(&mut *Places::open(place));
    }
    for (from, to) in [(&places.folder, &places.database), (&places.database, &places.folder)] {
        let refused = migrate(from, to, testing::city(), &mut |_, _| {}).unwrap_err().to_string();
        assert!(refused.contains("a history of its own"), "{refused}");
    }
    let refused = migrate(&places.back, &places.database, testing::city(), &mut |_, _| {}).unwrap_err();
    assert!(refused.to_string().contains("there is no journal in"), "{refused}");
}

#[test]
fn a_database_in_which_reports_wait_is_not_left() {
    let Some(places) = Places::new() else { return };
    fill(&mut *Places::open(&places.database));
    places.query("INSERT INTO pantau.handed_in (waiting_no, key, body_digest, received_at, body) VALUES (1, 'k', '', 0, '{}')");
    let refused = migrate(&places.database, &places.back, testing::city(), &mut |_, _| {}).unwrap_err();
    assert!(refused.to_string().contains("start the server on it once"), "{refused}");
}

#[test]
fn an_edited_row_in_the_database_is_found() {
    let Some(places) = Places::new() else { return };
    fill(&mut *Places::open(&places.database));
    places.query("UPDATE pantau.entry SET body = replace(body, 'garbage', 'accident') WHERE seq = 4");
    let Place::Database(url) = &places.database else { unreachable!() };
    let found = verify_database(url, &mut |_, _| {}).unwrap();
    assert_eq!(found.faults[0].seq, Some(Seq(4)), "{:?}", found.faults);
}
