//! What only the database has: other writers, marks, maps, lost sessions.

mod losses;
mod seals;
mod upgrades;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::health::Condition;
use crate::journal::postgres_server::{Cluster, shared};
use crate::journal::suite;
use crate::journal::testing::{self, NOW, act, import_row, key, receipt, report, sensitive_report};
use crate::journal::{HotspotRow, Standby, Waiting, Whereabouts};
use crate::model::{Action, ImportRow, IncidentNo, Projection, Receipt, ReportNo, Seq, Status};

/// A database that goes with the test.
struct Db {
    cluster: &'static Cluster,
    text: String,
}

impl Db {
    fn new() -> Option<Db> {
        let cluster = shared()?;
        Some(Db { cluster, text: cluster.new_database().unwrap() })
    }

    fn url(&self) -> StoreUrl {
        self.text.parse().unwrap()
    }

    fn open(&self) -> PostgisJournal {
        PostgisJournal::open(&self.url(), testing::city(), FolderMode::Live)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    fn refused(&self, city: Arc<City>, mode: FolderMode) -> String {
        match PostgisJournal::open(&self.url(), city, mode) {
            Ok(_) => panic!("opened"),
            Err(error) => error.to_string(),
        }
    }

    fn query(&self, sql: &str) -> String {
        self.cluster.query(self.text.rsplit('/').next().unwrap(), sql).unwrap().trim().to_owned()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.cluster.drop_database(&self.text).unwrap();
    }
}

fn some_history(db: &Db) {
    let mut journal = db.open();
    let first = vec![
        Command::Pack { key: "testville".to_owned(), hash: [1; 32] },
        report(|r| r.idempotency = key("k", 1)),
        Command::Report(Box::new(sensitive_report())),
        report(|r| r.incident = Some(crate::model::IncidentNo(1))),
        act(1, Action::Verify),
        report(|r| r.import = import_row("a.csv", 1, Status::Resolved)),
        Command::Tick,
    ];
    journal.append(first, NOW, None).unwrap();
    let body = r#"{"drill":false,"state":"growing","reports":4,"reporters":3,"name":{"id":"A","en":"B"},"why":{"id":"c","en":"d"},"first_at_ms":0,"last_at_ms":1000,"outline_e6":[[[[127000000,500000],[127100000,500000],[127100000,600000],[127000000,500000]]]]}"#;
    let hotspot = HotspotRow {
        projection: Projection::Public,
        id: "7-0".to_owned(),
        category: "garbage".to_owned(),
        changed_seq: Seq(7),
        ended_seq: None,
        body: body.to_owned(),
    };
    let derived = DerivedUpdate { as_of_seq: Seq(7), hotspots: vec![hotspot], ..DerivedUpdate::default() };
    journal.append(vec![], NOW, Some(&derived)).unwrap();
}

#[test]
fn a_database_of_another_city_mode_or_newer_pantau_is_refused_with_a_sentence() {
    let Some(db) = Db::new() else { return };
    drop(db.open());
    let sentence = db.refused(testing::city(), FolderMode::Replay);
    assert!(sentence.contains("a replay needs a store of its own"), "{sentence}");
    let other = Arc::new(testing::city_with("elsewhere", &["garbage"], &[]));
    let sentence = db.refused(other, FolderMode::Live);
    assert!(sentence.contains("belongs to the city \"testville\", not to \"elsewhere\""), "{sentence}");
    db.query("INSERT INTO pantau.migration VALUES ('9999_future', '')");
    let sentence = db.refused(testing::city(), FolderMode::Live);
    assert!(sentence.contains("newer pantau") && sentence.contains("9999_future"), "{sentence}");
    db.query(
        "DELETE FROM pantau.migration WHERE name = '9999_future'; UPDATE pantau.migration SET sha256 = 'x'",
    );
    let sentence = db.refused(testing::city(), FolderMode::Live);
    assert!(sentence.contains("another 0001_journal.sql"), "{sentence}");
}

#[test]
fn a_migration_that_is_cut_leaves_nothing_and_heals() {
    let Some(db) = Db::new() else { return };
    // Its name is taken: the migration fails at its very end.
    db.query("CREATE SCHEMA pantau_map");
    assert!(db.refused(testing::city(), FolderMode::Live).contains("the store failed"));
    assert_eq!(db.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'pantau'"), "0");
    db.query("DROP SCHEMA pantau_map");
    drop(db.open());
}

#[test]
fn a_database_of_before_opens_and_knows_who_resolved_what() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    let deeds = [(1, Action::Verify), (1, Action::Resolve), (2, Action::Verify)];
    let mut commands = vec![report(|_| {}), report(|_| {})];
    commands.extend(deeds.map(|(no, action)| act(no, action)));
    journal.append(commands, NOW, None).unwrap();
    drop(journal);
    db.query("ALTER TABLE pantau.incident DROP COLUMN standing; DELETE FROM pantau.migration WHERE name = '0005_standing'");
    let journal = db.open();
    let resolved_by = |no| journal.reader().incident(IncidentNo(no)).unwrap().unwrap().standing.resolved_by;
    assert_eq!([1, 2].map(resolved_by), [Some("budi".to_owned()), None]);
    drop(journal);
    assert_eq!(crate::journal::verify_database(&db.url(), &mut |_, _| {}).unwrap().faults, []);
}

#[test]
fn a_second_writer_waits_as_a_standby_and_takes_over_when_the_first_ends() {
    let Some(db) = Db::new() else { return };
    let mut first = db.open();
    let mut second = PostgisStandby::open(&db.url(), testing::city(), FolderMode::Live).unwrap();
    assert!(second.take_now().unwrap().is_none());
    assert!(db.refused(testing::city(), FolderMode::Live).contains("is written by another pantau"));
    first.append(vec![report(|_| {})], NOW, None).unwrap();
    assert_eq!(second.moment().unwrap().0, first.head());
    assert_eq!(second.secret(), first.secret());
    drop(first);
    let mut taken = loop {
        match second.take_now().unwrap() {
            Some(journal) => break journal,
            None => Standby::wait(&mut second),
        }
    };
    let outcomes = taken.append(vec![report(|_| {})], NOW, None).unwrap();
    assert!(matches!(receipt(&outcomes[0]), Receipt::Report { seq: Seq(2), report: ReportNo(2), .. }));
}

#[test]
fn a_writer_whose_term_is_over_is_refused() {
    let Some(db) = Db::new() else { return };
    let mut old = db.open();
    old.append(vec![report(|_| {})], NOW, None).unwrap();
    db.query("UPDATE pantau.writer SET term = term + 1");
    let refused = old.append(vec![report(|_| {})], NOW, None);
    assert!(matches!(refused, Err(JournalError::Fenced(_))), "{refused:?}");
    assert_eq!(db.query("SELECT count(*) FROM pantau.entry"), "1");
    assert!(matches!(old.resume(), Ok(None)));
    let ended = loop {
        match old.resume() {
            Ok(None) => std::thread::yield_now(),
            other => break other,
        }
    };
    assert!(matches!(ended, Err(JournalError::Fenced(_))), "{ended:?}");
}

/// Two writers, each slow, and readers who look all the time: they see a dense beginning of the log.
#[test]
fn commits_follow_each_other_in_the_order_of_their_seqs_also_under_two_slow_writers() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
    let term: i64 = db.query("SELECT term FROM pantau.writer").parse().unwrap();
    let slow = Link::connect(&Driver::start().unwrap(), &db.url()).unwrap();
    // The first writer has written its entry and does not commit yet.
    let insert = |seq: u32| format!("INSERT INTO entry VALUES ({seq}, 1, 'tick', '{{}}', '\\x00')");
    slow.run(&format!("BEGIN; SELECT fence({term})")).unwrap();
    slow.run(&insert(2)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let reader = db.url();
        let (done_reading, done_writing) = (done.clone(), done.clone());
        let looking = scope.spawn(move || {
            let link = Link::connect(&Driver::start().unwrap(), &reader).unwrap();
            let mut counts = Vec::new();
            loop {
                let last_look = done_reading.load(Ordering::Acquire);
                let row =
                    link.first("SELECT count(*), coalesce(max(seq), 0) FROM entry", &[]).unwrap().unwrap();
                let (count, max): (i64, i64) = (row.get(0), row.get(1));
                assert_eq!(count, max, "a reader sees a gap");
                counts.push(count);
                if last_look {
                    return counts;
                }
            }
        });
        // A second writer that raises the term has to wait for the first one's commit.
        let url = db.url();
        let raising = scope.spawn(move || {
            let link = Link::connect(&Driver::start().unwrap(), &url).unwrap();
            link.run("BEGIN; UPDATE writer SET term = term + 1").unwrap();
            let row = link.first("SELECT coalesce(max(seq), 0) FROM entry", &[]).unwrap().unwrap();
            let head: i64 = row.get(0);
            link.run(&format!("INSERT INTO entry VALUES ({}, 1, 'tick', '{{}}', '\\x00')", head + 1))
                .unwrap();
            link.run("COMMIT").unwrap();
            done_writing.store(true, Ordering::Release);
            head
        });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while db.query(waits) != "1" {}
        slow.run("COMMIT").unwrap();
        assert_eq!(raising.join().unwrap(), 2, "the second counts on from what the first committed");
        looking.join().unwrap()
    });
    assert_eq!(seen.last(), Some(&3));
    assert!(seen.is_sorted());
    // And the first, late, under the old term.
    let late = slow.run(&format!("BEGIN; SELECT fence({term})"));
    assert!(matches!(late, Err(JournalError::Fenced(_))), "{late:?}");
}

#[test]
fn after_a_lost_session_the_journal_comes_back_and_counts_on() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    journal.append(vec![report(|_| {})], NOW, None).unwrap();
    let end_sessions = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.query(end_sessions);
    let lost = journal.append(vec![report(|_| {})], NOW, None);
    assert!(matches!(lost, Err(JournalError::Away(_))), "{lost:?}");
    let head = loop {
        match journal.resume().unwrap() {
            Some(head) => break head,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(head.seq, Seq(1));
    assert_eq!(suite::reports(&*journal.reader(), TimeMs::MIN).len(), 1, "readers come back too");
    let outcomes = journal.append(vec![report(|_| {})], NOW, None).unwrap();
    assert!(matches!(receipt(&outcomes[0]), Receipt::Report { seq: Seq(2), report: ReportNo(2), .. }));
}

#[test]
fn a_table_that_somebody_rebuilds_is_a_database_that_is_away_and_will_be_back() {
    let Some(db) = Db::new() else { return };
    drop(db.open());
    let driver = Driver::start().unwrap();
    let [rebuilds, waits] = [0, 1].map(|_| Link::connect(&driver, &db.url()).unwrap());
    rebuilds.run("BEGIN; LOCK TABLE meta IN ACCESS EXCLUSIVE MODE").unwrap();
    waits.run("SET lock_timeout = '10ms'").unwrap();
    let refused = waits.run("SELECT count(*) FROM meta").unwrap_err();
    assert!(matches!(&refused, JournalError::Away(what) if what.contains("lock")), "{refused}");
    rebuilds.run("COMMIT").unwrap();
    waits.run("SELECT count(*) FROM meta").unwrap();
}

#[test]
fn of_reports_that_wait_the_database_sends_no_more_than_may_be_held() {
    let Some(db) = Db::new() else { return };
    let hand_in = PostgisStandby::open(&db.url(), testing::city(), FolderMode::Live).unwrap().hand_in();
    let places = || hand_in.waiting(10).unwrap().iter().map(|w| (w.no, w.body.len())).collect::<Vec<_>>();
    assert_eq!(places(), []);
    let of = |no: u64, mib: usize| {
        db.query(&format!(
            "INSERT INTO pantau.handed_in (waiting_no, key, body_digest, received_at, body) \
             VALUES ({no}, '{no}', sha256(''), 0, convert_to(repeat('x', {mib} << 20), 'UTF8'))"
        ));
        (no, mib << 20)
    };
    let large = of(1, 33);
    let small = [of(2, 1), of(3, 31), of(4, 1), of(5, 1)];
    assert_eq!(places(), [large], "at least one, however large");
    db.query("UPDATE pantau.handed_in SET body = NULL WHERE waiting_no = 1");
    assert_eq!(places(), small[..3], "and one more than there is room for");
    assert_eq!(hand_in.waiting(2).unwrap().len(), 2);
}

#[test]
fn of_reports_that_were_handed_in_the_digest_goes_with_the_body_also_of_refused_ones() {
    let Some(db) = Db::new() else { return };
    let hand_in = || PostgisStandby::open(&db.url(), testing::city(), FolderMode::Live).unwrap().hand_in();
    let waiting = |no: u64| Waiting {
        place: 0,
        no,
        key: format!("key {no}"),
        body_digest: [no as u8; 32],
        received_at: NOW,
        body: b"{}".to_vec(),
    };
    let room = hand_in();
    room.hand_in(&[waiting(1), waiting(2), waiting(3)]).unwrap();
    let places: Vec<i64> = room.waiting(10).unwrap().iter().map(|report| report.place).collect();
    room.handed_on(&[(places[0], Ok(ReportNo(7))), (places[1], Err("no".to_owned()))]).unwrap();
    let digests = || {
        db.query(
            "SELECT waiting_no FROM pantau.handed_in WHERE body_digest <> decode(repeat('00', 32), 'hex') \
             ORDER BY waiting_no",
        )
    };
    assert_eq!(digests(), "3", "of the one that waits, with its body");
    assert_eq!(room.waiting(10).unwrap()[0].body_digest, [3; 32]);
    assert_eq!(room.whereabouts(1).unwrap(), Some(Whereabouts::InJournal(ReportNo(7))));
    assert_eq!(room.whereabouts(2).unwrap(), Some(Whereabouts::Refused { received_at: NOW }));
    // The keys stay: what comes again is not put in again.
    room.hand_in(&[waiting(1), waiting(2)]).unwrap();
    assert_eq!((room.waiting(10).unwrap().len(), digests()), (1, "3".to_owned()));

    // As they were left by a program of before.
    db.query("UPDATE pantau.handed_in SET body_digest = sha256('x') WHERE body IS NULL");
    db.query("DELETE FROM pantau.migration WHERE name = '0013_handed_in'");
    drop(room);
    drop(hand_in());
    assert_eq!(digests(), "3");
}

#[test]
fn a_value_that_the_database_refuses_leaves_nothing_and_counting_goes_on() {
    let Some(db) = Db::new() else { return };
    let mut journal = db.open();
    let wrong = report(|r| r.import = import_row("a\0.csv", 1, Status::New));
    let refused = journal.append(vec![report(|_| {}), wrong], NOW, None);
    assert!(matches!(refused, Err(JournalError::Store(_))), "{refused:?}");
    assert_eq!(db.query("SELECT count(*) FROM pantau.report"), "0");
    let outcomes = journal.append(vec![report(|_| {})], NOW, None).unwrap();
    assert!(matches!(receipt(&outcomes[0]), Receipt::Report { seq: Seq(1), report: ReportNo(1), .. }));
}

#[test]
fn gis_programs_open_the_views_and_find_nothing_private() {
    let Some(db) = Db::new() else { return };
    some_history(&db);
    let coarse = sensitive_report().coarse_place.unwrap();
    let place = db.query(
        "SELECT round(ST_X(geom) * 1e7), round(ST_Y(geom) * 1e7) FROM pantau_map.reports WHERE no = 2",
    );
    assert_eq!(place, format!("{}|{}", coarse.lng_e7(), coarse.lat_e7()), "not the exact place");
    assert_eq!(db.query("SELECT area IS NULL FROM pantau_map.incidents WHERE no = 2"), "t");
    assert_eq!(db.query("SELECT round(ST_XMin(geom)::numeric, 6) FROM pantau_map.hotspots"), "127.000000");
    let columns = db.query("SELECT string_agg(column_name, ' ') FROM information_schema.columns WHERE table_schema = 'pantau_map'");
    assert!(
        !columns.contains("private") && !columns.contains("lng_e7") && !columns.contains("sender"),
        "{columns}"
    );
    let (address, name) = (db.cluster.address, db.text.rsplit('/').next().unwrap());
    let source = format!("PG:host={} port={} user=pantau dbname={name}", address.ip(), address.port());
    for (view, kind, count) in [
        ("incidents", "Point", 3),
        ("reports", "Point", 4),
        ("hotspots", "Multi Polygon", 1),
        ("areas", "Multi Polygon", 2),
    ] {
        let layer = format!("pantau_map.{view}");
        let answer = std::process::Command::new("ogrinfo").args(["-so", "-ro", &source, &layer]).output();
        let Ok(answer) = answer else {
            let line = "skipped: views of the database, ogrinfo is not on this machine (apt-get install gdal-bin)\n";
            // Not `println!`: the test runner would keep that to itself.
            return std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        };
        let text =
            String::from_utf8_lossy(&answer.stdout).into_owned() + &String::from_utf8_lossy(&answer.stderr);
        for said in
            [format!("Geometry: {kind}"), format!("Feature Count: {count}"), "ID[\"EPSG\",4326]".to_owned()]
        {
            assert!(text.contains(&said), "{layer}: {said:?} is not in\n{text}");
        }
    }
}

#[test]
fn what_breaks_the_promise_is_named() {
    let settings =
        ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "synchronous_commit=off"];
    let Some(cluster) = Cluster::start(&settings).unwrap() else { return };
    let url: StoreUrl = cluster.new_database().unwrap().parse().unwrap();
    let journal = PostgisJournal::open(&url, testing::city(), FolderMode::Live).unwrap();
    let (condition, said) = journal.health().standing().remove(0);
    assert_eq!(condition, Condition::PromiseBroken);
    assert!(said.contains("fsync = on") && said.contains("full_page_writes = on"), "{said}");
    assert!(journal.db.promise.commit_is_asynchronous);
    let session = journal.session.as_ref().unwrap();
    let row = session.link.first("SELECT current_setting('synchronous_commit')", &[]).unwrap().unwrap();
    assert_eq!(row.get::<_, &str>(0), "on", "the writer's own commits are synchronous all the same");
}

/// Rows that were read by going through whole tables, by everybody who was here.
fn read_from_end_to_end(db: &Db) -> u64 {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while db.query(others) != "0" {
        std::thread::yield_now();
    }
    let tables = "'incident', 'report', 'idempotency', 'import_key', 'action', 'entry'";
    let sum = format!(
        "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname IN ({tables})"
    );
    db.query(&sum).parse().unwrap()
}

#[test]
fn a_commit_costs_the_same_however_large_the_tables_are() {
    let Some(db) = Db::new() else { return };
    let of_day = |day: u32| {
        let commands = (1..=2_000).map(|i| {
            report(|r| match i % 3 {
                0 => r.idempotency = key(&format!("{day}-{i}"), 1),
                1 => {
                    let row_digest = u128::from(i).to_be_bytes();
                    r.import =
                        Some(ImportRow { source: format!("{day}.csv"), row_digest, status: Status::New });
                }
                _ => r.incident = (day > 0).then_some(IncidentNo(i)),
            })
        });
        commands.collect::<Vec<_>>()
    };
    drop(db.open());
    let before = read_from_end_to_end(&db);
    let mut journal = db.open();
    journal.append(of_day(0), NOW, None).unwrap();
    drop(journal);
    let filled = read_from_end_to_end(&db);
    drop(db.open());
    let opened = read_from_end_to_end(&db);
    let mut journal = db.open();
    for command in of_day(1).into_iter().take(60).chain([act(5, Action::Verify)]) {
        journal.append(vec![command], NOW, None).unwrap();
    }
    drop(journal);
    assert_eq!(read_from_end_to_end(&db) - opened, opened - filled, "before it {}", filled - before);
}
