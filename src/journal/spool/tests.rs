use super::*;
use crate::clock::ManualClock;
use crate::journal::StoreUrl;
use crate::model::{Epoch, HOUR_MS, Secret};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

fn open(dir: &Path, at: TimeMs) -> Result<Spool, JournalError> {
    Spool::open(dir, Arc::new(ManualClock::at(at)))
}

/// Whether the bytes stand in a file of the folder, the write-ahead log among them.
fn stands_in(dir: &Path, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.map(|file| std::fs::read(file).unwrap()).any(|file| file.windows(bytes.len()).any(|w| w == bytes))
}

#[test]
fn what_is_kept_waits_in_order_also_after_a_restart_and_is_erased_once_it_was_handed_on() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    assert!(open(dir.path(), TimeMs(5)).err().unwrap().to_string().contains("in use"));
    let next = Cell::new(7);
    let draw = || Ok(next.replace(next.get() + 1));
    let keep = |spool: &Spool, key: &str, body: &str| {
        spool.keep(key, [body.len() as u8; 32], body.into(), TimeMs(5), draw).unwrap()
    };
    assert_eq!(keep(&spool, "a", "first"), Kept::Under(7));
    assert_eq!(keep(&spool, "b", "secret words"), Kept::Under(8));
    assert_eq!(keep(&spool, "a", "first"), Kept::Under(7), "the same again");
    assert_eq!(keep(&spool, "a", "other body"), Kept::OtherBody);
    drop(spool);
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    let waiting = spool.waiting(10).unwrap();
    assert_eq!(waiting.iter().map(|w| w.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let answers = [(waiting[0].place, Err("no".to_owned())), (waiting[1].place, Ok(ReportNo(3)))];
    assert!(stands_in(dir.path(), b"secret words"));
    spool.handed_on(&answers).unwrap();
    assert!(!stands_in(dir.path(), b"secret words"), "erased to the byte, of the log too");
    assert_eq!((spool.waiting(10).unwrap(), spool.unshared().unwrap()), (vec![], Unshared::default()));
    assert_eq!(spool.whereabouts(8).unwrap(), Some(Whereabouts::InJournal(ReportNo(3))));
    assert_eq!(spool.whereabouts(7).unwrap(), Some(Whereabouts::Refused { received_at: TimeMs(5) }));
    assert_eq!(spool.whereabouts(9).unwrap(), None);
    assert_eq!(keep(&spool, "b", "secret words"), Kept::Under(8), "the key is known for good");
}

#[test]
fn what_was_handed_in_goes_out_of_the_log_too_also_where_somebody_read_just_then() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    spool.keep("a", [1; 32], b"secret words".to_vec(), TimeMs(5), || Ok(7)).unwrap();
    let waiting = spool.waiting(10).unwrap();
    let reads = Connection::open(dir.path().join(FILE)).unwrap();
    reads.execute_batch("BEGIN; SELECT count(*) FROM spooled").unwrap();
    spool.file().conn.busy_timeout(Duration::ZERO).unwrap();
    spool.handed_in(&waiting).unwrap();
    assert!(stands_in(dir.path(), b"secret words"), "who reads holds it up");
    reads.execute_batch("COMMIT").unwrap();
    assert_eq!(spool.waiting(10).unwrap(), []);
    assert!(!stands_in(dir.path(), b"secret words"));
}

#[test]
fn what_is_set_aside_is_kept_whole_holds_up_nobody_and_is_tried_again_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let clock = || Arc::new(ManualClock::at(TimeMs(5)));
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    let next = Cell::new(7);
    for (key, body) in [("a", "odd words"), ("b", "plain words")] {
        let draw = || Ok(next.replace(next.get() + 1));
        spool.keep(key, [1; 32], body.into(), TimeMs(5), draw).unwrap();
    }
    let waiting = spool.waiting(10).unwrap();
    spool.set_aside(&[(waiting[0].place, "no such category".to_owned())]).unwrap();
    assert_eq!(spool.waiting(10).unwrap(), waiting[1..]);
    assert_eq!(spool.unshared().unwrap(), Unshared { waiting: 1, set_aside: 1 });
    assert_eq!(spool.whereabouts(7).unwrap(), Some(Whereabouts::Waiting { received_at: TimeMs(5) }));
    spool.handed_on(&[(waiting[1].place, Ok(ReportNo(1)))]).unwrap();
    assert!(!stands_in(dir.path(), b"plain words"), "one that is set aside keeps no other");

    // A command beside the server sees it, and everything that would leave it behind says so.
    let beside = Spool::beside(dir.path(), clock()).unwrap().unwrap();
    let held = beside.held().unwrap();
    assert_eq!((held.len(), held[0].no, &*held[0].body), (1, 7, &b"odd words"[..]));
    assert_eq!(held[0].why.as_deref(), Some("no such category"));
    let refused = check_spool(dir.path(), clock(), "do this").unwrap_err().to_string();
    assert!(refused.starts_with("1 report(s)") && refused.ends_with("; do this"), "{refused}");
    assert!(refused.contains("pantau waiting"), "{refused}");
    drop(spool);

    let spool = open(dir.path(), TimeMs(5)).unwrap();
    assert_eq!(spool.waiting(10).unwrap(), waiting[..1], "tried again");
    assert!(beside.discard(7, "discarded").unwrap() && !beside.discard(7, "discarded").unwrap());
    assert_eq!((spool.waiting(10).unwrap(), spool.unshared().unwrap()), (vec![], Unshared::default()));
    assert_eq!(spool.whereabouts(7).unwrap(), Some(Whereabouts::Refused { received_at: TimeMs(5) }));
    assert!(!stands_in(dir.path(), b"odd words"));
    check_spool(dir.path(), clock(), "do this").unwrap();
    check_spool(&dir.path().join("no such folder"), clock(), "do this").unwrap();
}

#[test]
fn the_folder_and_its_files_are_for_their_owner_alone_also_those_of_before() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let spool = open(&dir, TimeMs(5)).unwrap();
    let keep = |spool: &Spool| spool.keep("a", [1; 32], b"body".to_vec(), TimeMs(5), || Ok(7)).unwrap();
    keep(&spool);
    assert_eq!(mode(&dir), 0o700);
    let files = [FILE].into_iter().chain(BESIDE).map(|name| dir.join(name));
    let modes = || files.clone().map(|file| mode(&file)).collect::<Vec<_>>();
    assert_eq!(modes(), [0o600; 3]);
    for file in files.clone() {
        std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    drop(spool);
    keep(&open(&dir, TimeMs(5)).unwrap());
    assert_eq!(mode(&dir.join(FILE)), 0o600);
}

/// Transactions that a write-ahead log holds: the last frame of each says how large the file is after it.
fn commits_in(log: &Path) -> usize {
    let log = std::fs::read(log).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    log[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn reports_that_come_while_the_disk_is_busy_are_written_together() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    let log = dir.path().join("spool.db-wal");
    let next = AtomicUsize::new(7);
    let keep = |key: &str, body: &str| {
        let draw = || Ok(next.fetch_add(1, Ordering::Relaxed) as u64);
        spool.keep(key, [body.len() as u8; 32], body.into(), TimeMs(5), draw)
    };
    keep("first", "body").unwrap();
    let before = commits_in(&log);
    // As long as a flush takes.
    let busy = spool.file();
    let kept: Vec<Kept> = std::thread::scope(|scope| {
        let keep = &keep;
        let mut senders: Vec<_> =
            (0..30).map(|i| scope.spawn(move || keep(&format!("key {i}"), "body").unwrap())).collect();
        senders
            .extend(["body", "other body"].map(|body| scope.spawn(move || keep("first", body).unwrap())));
        while spool.group.len() < 32 {
            std::thread::yield_now();
        }
        drop(busy);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(commits_in(&log) - before, 1, "one transaction, one flush");
    assert_eq!(kept[30..], [Kept::Under(7), Kept::OtherBody]);
    let waiting: std::collections::BTreeMap<String, u64> =
        spool.waiting(100).unwrap().into_iter().map(|report| (report.key, report.no)).collect();
    assert_eq!(waiting.len(), 31);
    for (i, kept) in kept[..30].iter().enumerate() {
        assert_eq!(*kept, Kept::Under(waiting[&format!("key {i}")]), "each has an answer of its own");
    }
}

#[test]
fn one_that_cannot_be_written_spoils_nothing_for_those_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    let busy = spool.file();
    // Of the first two one has a number that is taken.
    let keep =
        |(key, no): (&str, u64)| spool.keep(key, [1; 32], b"body".to_vec(), TimeMs(5), || Ok(no)).is_ok();
    let kept: Vec<bool> = std::thread::scope(|scope| {
        let keep = &keep;
        let senders = [("a", 7), ("b", 7), ("c", 8)].map(|sent| scope.spawn(move || keep(sent)));
        while spool.group.len() < 3 {
            std::thread::yield_now();
        }
        drop(busy);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert!(kept[0] != kept[1] && kept[2], "{kept:?}");
    assert_eq!(spool.waiting(10).unwrap().len(), 2);
}

#[test]
fn the_digest_of_what_was_handed_on_is_forgotten_after_three_days_and_the_key_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(TimeMs(0)));
    let spool = Spool::open(dir.path(), clock.clone()).unwrap();
    let next = Cell::new(7);
    let keep = |spool: &Spool, key: &str, n: u8| {
        let draw = || Ok(next.replace(next.get() + 1));
        spool.keep(key, [n; 32], b"body".to_vec(), TimeMs(0), draw).unwrap()
    };
    keep(&spool, "gone on", 171);
    keep(&spool, "waits", 172);
    let place = spool.waiting(10).unwrap()[0].place;
    spool.handed_on(&[(place, Ok(ReportNo(3)))]).unwrap();
    let stands_there = |n: u8| stands_in(dir.path(), &[n; 32]);
    clock.advance_ms(72 * HOUR_MS);
    spool.waiting(10).unwrap();
    assert_eq!(keep(&spool, "gone on", 171), Kept::Under(7), "a phone may send it again until then");
    assert!(stands_there(171));
    clock.advance_ms(24 * HOUR_MS);
    assert_eq!(spool.waiting(10).unwrap().len(), 1);
    assert!(!stands_there(171) && stands_there(172));
    assert_eq!(keep(&spool, "gone on", 171), Kept::OtherBody, "it is never stored twice");
    assert_eq!(keep(&spool, "waits", 172), Kept::Under(8));
    drop(spool);
    let spool = open(dir.path(), TimeMs(0)).unwrap();
    let place = spool.waiting(10).unwrap()[0].place;
    spool.handed_on(&[(place, Ok(ReportNo(4)))]).unwrap();
    drop(spool);
    drop(open(dir.path(), TimeMs(73 * HOUR_MS)).unwrap());
    assert!(!stands_there(172), "also when it is opened");
}

#[test]
fn a_folder_knows_the_database_that_it_was_started_on_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = |name: &str| format!("postgres://budi@db.example/{name}").parse::<StoreUrl>().unwrap();
    let (ours, other) = (store("ours"), store("other"));
    let known = |secret| KnownDatabase {
        city: "ternate".to_owned(),
        epoch: Epoch(Uuid::from_u128(7)),
        secret: Secret([secret; 32]),
        seen_at: TimeMs(5),
    };
    let spool = open(dir.path(), TimeMs(5)).unwrap();
    assert_eq!(spool.known(&ours).unwrap(), None);
    assert!(spool.remember(&ours, &known(1)).unwrap(), "the first is nobody else");
    drop(spool);
    let spool = Spool::beside(dir.path(), Arc::new(ManualClock::at(TimeMs(5)))).unwrap().unwrap();
    assert_eq!((spool.known(&ours).unwrap(), spool.known(&other).unwrap()), (Some(known(1)), None));
    // What came last was sent before now, too, where the machine's clock says 1970.
    spool.keep("a", [1; 32], b"body".to_vec(), TimeMs(9), || Ok(7)).unwrap();
    assert_eq!(spool.known(&ours).unwrap().unwrap().seen_at, TimeMs(9));
    for (at, seen_at) in [(12, 12), (11, 12)] {
        spool.seen(TimeMs(at)).unwrap();
        assert_eq!(spool.known(&ours).unwrap().unwrap().seen_at, TimeMs(seen_at));
    }
    assert!(spool.remember(&ours, &known(1)).unwrap());
    assert!(!spool.remember(&ours, &known(2)).unwrap(), "another one in its place is noticed");
    assert!(spool.remember(&other, &known(3)).unwrap());
    assert_eq!(spool.known(&ours).unwrap(), None, "a folder belongs to one");
}

#[test]
fn a_spool_of_before_knows_no_database() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), TimeMs(5)).unwrap());
    Connection::open(dir.path().join(FILE)).unwrap().execute_batch("DROP TABLE known_database").unwrap();
    let spool = Spool::beside(dir.path(), Arc::new(ManualClock::at(TimeMs(5)))).unwrap().unwrap();
    assert_eq!(spool.known(&"postgres://a@b/c".parse().unwrap()).unwrap(), None);
}
