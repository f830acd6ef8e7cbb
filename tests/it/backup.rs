//! Backups: what is restored is what was, and nothing else is ever taken for it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pantau::backup::{self, BackupError, Opener, Restored, Sealer, Updated};
use pantau::city::City;
use pantau::engine;
use pantau::journal::{
    AccountStore, EVENT_DAYS, EventRow, FolderMode, Journal, SqliteJournal, VerifyReport, Whereabouts,
    verify,
};
use pantau::live::LiveWriter;
use pantau::model::{
    CategoryId, Channel, Command, DAY_MS, IdKey, Idempotency, ImportRow, LngLat, NewReport, Outcome,
    ReportNo, ReportPrivate, Status, TimeMs,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::app::Setup;
use crate::support::history::{History, START, Step, any_step};
use crate::support::seen::difference;
use crate::support::ternate;

/// A data folder, a target, and where to restore.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { root: tempfile::tempdir().unwrap() };
        fs::create_dir(place.target()).unwrap();
        place
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn target(&self) -> PathBuf {
        self.root.path().join("target")
    }

    fn anew(&self) -> PathBuf {
        self.root.path().join("anew")
    }

    fn open(&self) -> SqliteJournal {
        open(&self.data())
    }

    fn history(&self) -> History {
        History::over(ternate(), Box::new(self.open()))
    }

    fn backup(&self) -> Updated {
        self.try_backup(&Sealer::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn try_backup(&self, sealer: &Sealer) -> Result<Updated, BackupError> {
        backup::backup(&self.data(), &self.target(), sealer, &mut |_, _| {})
    }

    fn restore(&self) -> Restored {
        self.try_restore(&Opener::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn try_restore(&self, opener: &Opener) -> Result<Restored, BackupError> {
        let _ = fs::remove_dir_all(self.anew());
        backup::restore(&self.target(), &self.anew(), opener, &mut |_, _, _| {})
    }

    fn refused(&self) -> String {
        self.try_backup(&Sealer::default()).unwrap_err().to_string()
    }

    fn unrestored(&self) -> String {
        let sentence = self.try_restore(&Opener::default()).unwrap_err().to_string();
        assert!(!self.anew().join("pantau.db").exists(), "a journal was made of it");
        sentence
    }

    fn pieces(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.target()).unwrap().map(|entry| entry.unwrap().path());
        let mut pieces: Vec<PathBuf> = files
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("piece-"))
            .collect();
        pieces.sort();
        pieces
    }
}

fn open(dir: &Path) -> SqliteJournal {
    SqliteJournal::open(dir, ternate(), FolderMode::Live).unwrap_or_else(|e| panic!("{e}"))
}

fn stood_up(journal: &dyn Journal) -> LiveWriter {
    let city: Arc<City> = ternate();
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    engine::open(&*journal.reader(), journal.head(), city, ids, None).unwrap_or_else(|e| panic!("{e}"))
}

fn new_report(text: &str) -> NewReport {
    let place = LngLat::new(127.38, 0.79).unwrap();
    NewReport {
        category: CategoryId(0),
        place,
        coarse_place: None,
        accuracy_m: None,
        occurred_at: None,
        area: ternate().areas.locate(place),
        incident: None,
        agency: None,
        due_after_ms: None,
        sender: None,
        channel: Channel::Web,
        drill: false,
        private: ReportPrivate { description: Some(text.to_owned()), ..ReportPrivate::default() },
        idempotency: None,
        import: None,
    }
}

fn report(text: &str) -> Command {
    Command::Report(Box::new(new_report(text)))
}

/// Thirty entries.
fn some_history(place: &Place) -> History {
    let mut history = place.history();
    for n in 0..28 {
        history.submit(report(&format!("laporan {n}")));
    }
    history.submit(Command::Tick);
    history.submit(Command::Tick);
    history
}

/// What the restored folder holds is what `history` shows: rows, chain, hotspots, to the last letter.
fn check_restored(place: &Place, history: &History) {
    let restored = place.restore();
    let original = verify(&place.data(), &mut |_, _| {}).unwrap();
    assert_eq!(original.faults, []);
    // Checkpoints are under the key of the folder before; the new one begins its own.
    let whole = VerifyReport { checkpoints: 0, ..original };
    assert_eq!(restored.verified, whole);
    let journal = open(&place.anew());
    let map = stood_up(&journal);
    assert_ne!(journal.head().epoch, history.journal.head().epoch, "clients of before must load anew");
    assert_eq!(journal.secret(), history.journal.secret(), "codes and links of before stay good");
    let difference = difference(history.map(), map.map());
    assert!(difference.is_none(), "\n{}", difference.unwrap_or_default());
    assert_eq!(history.map().state_hash(), map.map().state_hash());
    drop(journal);
    let anew = verify(&place.anew(), &mut |_, _| {}).unwrap();
    assert_eq!(VerifyReport { checkpoints: 0, ..anew }, whole);
    let conn = rusqlite::Connection::open(place.anew().join("pantau.db")).unwrap();
    for table in [
        "derived",
        "hotspot",
        "hotspot_state",
        "hotspot_member",
        "hotspot_event",
        "surge",
        "import_source",
        "import_key",
        "import_key_new",
        "idempotency",
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE sum IS NULL");
        let without: u32 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(without, 0, "rows of {table} without a sum");
    }
}

#[derive(Debug, Clone)]
enum Event {
    Happens(Step),
    BackedUp,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event =
        prop_oneof![12 => any_step(&ternate()).prop_map(Event::Happens), 1 => Just(Event::BackedUp)];
    prop::collection::vec(event, 20..160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_restored_is_what_was_however_often_it_was_backed_up(events in events()) {
        let place = Place::new();
        let mut history = place.history();
        for event in &events {
            match event {
                Event::Happens(step) => history.step(step),
                Event::BackedUp => {
                    place.backup();
                }
            }
        }
        place.backup();
        check_restored(&place, &history);
    }
}

#[test]
fn a_second_run_writes_only_what_is_new() {
    let place = Place::new();
    let mut history = some_history(&place);
    let first = place.backup();
    assert!(first.first && first.new_entries == 30 && first.head == 30, "{first:?}");
    let pieces = place.pieces();
    // The derived tables of the last tick come with the next commit.
    assert_eq!(place.backup().bytes_written, 0);
    history.submit(report("satu lagi"));
    let second = place.backup();
    assert_eq!((second.new_entries, second.new_pieces, second.head), (1, 1, 31), "{second:?}");
    assert!(pieces.iter().all(|piece| place.pieces().contains(piece)), "what was there stays as it is");
    check_restored(&place, &history);
}

#[test]
fn many_small_runs_stay_few_files() {
    let place = Place::new();
    let mut history = some_history(&place);
    for n in 0..300 {
        history.submit(report(&format!("laporan {n}")));
        place.backup();
    }
    assert!(place.pieces().len() < 48, "{} pieces", place.pieces().len());
    check_restored(&place, &history);
}

#[test]
fn keys_of_submissions_and_imports_come_back_so_nothing_is_taken_twice() {
    let place = Place::new();
    let sent = || {
        let mut sent = new_report("lewat kabel");
        sent.idempotency = Some(Idempotency { key: "kunci-1".to_owned(), body_digest: [5; 32] });
        Command::Report(Box::new(sent))
    };
    let imported = |n: u8| {
        let mut row = new_report("dari berkas");
        row.import =
            Some(ImportRow { source: "a.csv".to_owned(), row_digest: [n; 16], status: Status::Resolved });
        Command::Report(Box::new(row))
    };
    let mut journal = place.open();
    journal.append(vec![sent(), imported(1)], START, None).unwrap();
    place.backup();
    journal.append(vec![imported(2), report("lain")], START, None).unwrap();
    place.backup();
    place.restore();
    let mut journal = open(&place.anew());
    let outcomes = journal.append(vec![sent(), imported(1), imported(2)], START, None).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Repeat { .. })), "{outcomes:?}");
    assert!(matches!(journal.append(vec![imported(3)], START, None).unwrap()[0], Outcome::Accepted { .. }));
}

/// As in a folder that a history was moved into out of a database.
#[test]
fn codes_of_reports_that_waited_for_a_database_lead_to_them_after_a_restore_too() {
    let place = Place::new();
    drop(some_history(&place));
    let conn = rusqlite::Connection::open(place.data().join("pantau.db")).unwrap();
    conn.execute_batch(
        "INSERT INTO waiting_code (waiting_no, received_at, report_no) VALUES (77, 0, 1), (78, 0, 1)",
    )
    .unwrap();
    drop(conn);
    place.backup();
    place.restore();
    let known = |no| open(&place.anew()).reader().waiting_report(no).unwrap();
    assert_eq!(known(77), Some(Whereabouts::InJournal(ReportNo(1))));
    assert_eq!((known(78), known(79)), (known(77), None));
}

fn event(at: TimeMs, actor: &str) -> EventRow {
    EventRow {
        id: 0,
        at,
        actor: Some(actor.to_owned()),
        action: "sign-in".to_owned(),
        subject: None,
        network: Some("192.0.2.7".to_owned()),
        detail: None,
    }
}

fn events_in(folder: &Path) -> Vec<EventRow> {
    AccountStore::in_folder(folder).unwrap().events_from(i64::MIN, i64::MAX, 100_000).unwrap()
}

fn event_files(place: &Place) -> Vec<PathBuf> {
    let files = fs::read_dir(place.target()).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("events-")).collect()
}

/// All that lies in the target about accounts, unpacked.
fn events_told(place: &Place) -> String {
    let mut told = String::new();
    for file in event_files(place) {
        flate2::read::GzDecoder::new(fs::File::open(file).unwrap()).read_to_string(&mut told).unwrap();
    }
    told
}

#[test]
fn what_happened_to_accounts_comes_back_with_its_ids_and_what_is_too_old_goes_from_the_target_too() {
    let place = Place::new();
    some_history(&place);
    let store = AccountStore::in_folder(&place.data()).unwrap();
    store.add_events(&[event(START, "marker-old"), event(START.plus_ms(1), "ani")]).unwrap();
    place.backup();
    assert_eq!(place.backup().bytes_written, 0, "nothing happened since");
    for day in 1..=40 {
        store.add_events(&[event(START.plus_ms(day * DAY_MS), "ani")]).unwrap();
        place.backup();
    }
    assert!(event_files(&place).len() < 20, "{} files after 40 runs", event_files(&place).len());
    assert!(events_told(&place).contains("marker-old"));
    place.restore();
    assert_eq!(events_in(&place.anew()), events_in(&place.data()));
    assert_eq!(events_in(&place.anew()).len(), 42);

    // A folder that was restored goes on with the same target.
    let anew = AccountStore::in_folder(&place.anew()).unwrap();
    let carry_on = || backup::backup(&place.anew(), &place.target(), &Sealer::default(), &mut |_, _| {});
    anew.add_events(&[event(START.plus_ms(41 * DAY_MS), "budi")]).unwrap();
    carry_on().unwrap();
    assert_eq!(events_told(&place).lines().count(), 43);

    // What the store forgets, the target forgets within a day of the run that finds it.
    anew.add_events(&[event(START.plus_ms((EVENT_DAYS + 2) * DAY_MS), "citra")]).unwrap();
    carry_on().unwrap();
    carry_on().unwrap();
    let told = events_told(&place);
    assert!(!told.contains("marker-old"));
    let at = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].as_i64().unwrap();
    assert!(told.lines().all(|line| at(line) >= START.plus_ms(DAY_MS).0), "{told}");
    assert!(events_in(&place.anew()).iter().all(|event| told.contains(&format!("\"at\":{}", event.at.0))));
}

#[test]
fn events_of_another_store_take_the_place_of_those_before() {
    let place = Place::new();
    some_history(&place);
    let store = AccountStore::in_folder(&place.data()).unwrap();
    store.add_events(&[event(START, "ani"), event(START, "ani")]).unwrap();
    place.backup();
    drop(store);
    for name in ["accounts.db", "accounts.db-wal", "accounts.db-shm"] {
        let _ = fs::remove_file(place.data().join(name));
    }
    let store = AccountStore::in_folder(&place.data()).unwrap();
    store.add_events(&[event(START, "budi"), event(START, "budi"), event(START, "budi")]).unwrap();
    place.backup();
    let told = events_told(&place);
    assert_eq!((told.matches("budi").count(), told.matches("ani").count()), (3, 0));
    place.restore();
    assert_eq!(events_in(&place.anew()), events_in(&place.data()));
}

#[test]
fn a_damaged_file_of_events_is_named_by_restore_and_healed_by_backup() {
    let place = Place::new();
    some_history(&place);
    let store = AccountStore::in_folder(&place.data()).unwrap();
    store.add_events(&[event(START, "ani")]).unwrap();
    place.backup();
    let file = event_files(&place).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 8;
    fs::write(&file, bytes).unwrap();
    let sentence = place.try_restore(&Opener::default()).unwrap_err().to_string();
    assert!(sentence.contains("events-") && sentence.contains("damaged"), "{sentence}");
    // Nobody gets a journal without its accounts, and what the try left is known for what it is.
    let there = |name: &str| place.anew().join(name).exists();
    assert!(!there("pantau.db") && !there("accounts.db"));
    let refused =
        SqliteJournal::open(&place.anew(), ternate(), FolderMode::Live).err().unwrap().to_string();
    assert!(refused.contains("a restore that was cut or failed"), "{refused}");
    // As where it was cut while it put its files in place: the accounts come first.
    fs::write(place.anew().join("accounts.db"), "of the try before").unwrap();

    let healed = place.backup().healed;
    assert!(healed.len() == 1 && healed[0].starts_with("events-"), "{healed:?}");
    backup::restore(&place.target(), &place.anew(), &Opener::default(), &mut |_, _, _| {}).unwrap();
    assert_eq!(events_in(&place.anew()), events_in(&place.data()));
    assert!(!there("restore.accounts") && !there("restore.part"));
    open(&place.anew());
    // Accounts that somebody made in a folder of their own are overwritten by nobody.
    fs::remove_file(place.anew().join("pantau.db")).unwrap();
    let own = backup::restore(&place.target(), &place.anew(), &Opener::default(), &mut |_, _, _| {});
    assert!(own.unwrap_err().to_string().contains("is not empty"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_the_running_server_is_one_moment_of_it() {
    let place = Place::new();
    let app = Setup::in_folder(&place.data()).start().await;
    let post = async {
        for n in 0..120 {
            let body = serde_json::json!({"category": "disaster", "lng": 127.38, "lat": 0.79, "description": format!("ke-{n}")});
            app.report(&body).await;
        }
    };
    let (data, target) = (place.data(), place.target());
    let backups = tokio::task::spawn_blocking(move || {
        for _ in 0..6 {
            backup::backup(&data, &target, &Sealer::default(), &mut |_, _| {})
                .unwrap_or_else(|e| panic!("{e}"));
            let manifest = fs::read_to_string(target.join("manifest.json")).unwrap();
            assert!(manifest.contains("\"seq\""), "{manifest}");
        }
    });
    let ((), done) = tokio::join!(post, backups);
    done.unwrap();
    // Wherever among the reports it ended, it is whole; restoring proves it.
    let middle = place.restore();
    assert!(middle.verified.entries > 0);
    app.stop().await;
    place.backup();
    let restored = place.restore();
    let (original, anew) = (place.open(), open(&place.anew()));
    assert_eq!(restored.verified.reports, 120);
    assert_eq!(stood_up(&original).map().state_hash(), stood_up(&anew).map().state_hash());
}

#[test]
fn every_fault_of_a_target_is_named_and_nothing_is_written() {
    let place = Place::new();
    drop(some_history(&place));
    let target = |path: &Path| {
        backup::backup(&place.data(), path, &Sealer::default(), &mut |_, _| {}).unwrap_err().to_string()
    };
    let nowhere = target(&place.root.path().join("nowhere"));
    assert!(nowhere.contains("there is no such folder") && nowhere.contains("mkdir"), "{nowhere}");
    let file = place.root.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(target(&file).contains("it is a file; name a folder"));

    fs::write(place.target().join("foto.jpg"), "x").unwrap();
    assert!(place.refused().contains("holds other things (foto.jpg)"), "{}", place.refused());
    assert!(place.pieces().is_empty());
    assert!(place.unrestored().contains("there is no backup in the target"), "whatever else is there");
    fs::remove_file(place.target().join("foto.jpg")).unwrap();
    assert!(place.unrestored().contains("there is no backup in the target"));

    let other = Place::new();
    drop(some_history(&other));
    place.backup();
    let foreign = backup::backup(&other.data(), &place.target(), &Sealer::default(), &mut |_, _| {});
    let foreign = foreign.unwrap_err().to_string();
    assert!(foreign.contains("the backup of another center"), "{foreign}");
    let empty = backup::backup(&other.target(), &place.target(), &Sealer::default(), &mut |_, _| {});
    assert!(empty.unwrap_err().to_string().contains("there is no journal"));
}

#[test]
fn a_target_that_is_ahead_or_of_another_history_is_left_alone() {
    let place = Place::new();
    let mut history = some_history(&place);
    place.backup();
    place.restore();
    history.submit(report("hanya di sini"));
    place.backup();
    drop(history);
    // The restored folder lacks what came after the backup that it is of.
    let back = |data: &Path| backup::backup(data, &place.target(), &Sealer::default(), &mut |_, _| {});
    let newer = back(&place.anew()).unwrap_err().to_string();
    assert!(newer.contains("the backup is newer") && newer.contains("up to 31"), "{newer}");
    open(&place.anew()).append(vec![report("lain"), report("lagi")], START, None).unwrap();
    let parted = back(&place.anew()).unwrap_err().to_string();
    assert!(parted.contains("another history"), "{parted}");
    let before = fs::read(place.target().join("manifest.json")).unwrap();
    assert_eq!(fs::read(place.target().join("manifest.json")).unwrap(), before);
}

#[test]
fn a_restored_folder_carries_its_backup_on() {
    let place = Place::new();
    drop(some_history(&place));
    place.backup();
    place.restore();
    open(&place.anew()).append(vec![report("sesudahnya")], START, None).unwrap();
    let updated =
        backup::backup(&place.anew(), &place.target(), &Sealer::default(), &mut |_, _| {}).unwrap();
    assert_eq!((updated.new_entries, updated.head), (1, 31), "{updated:?}");
}

#[test]
fn a_damaged_piece_is_named_by_restore_and_healed_by_backup() {
    let place = Place::new();
    let history = some_history(&place);
    place.backup();
    let piece = place.pieces().remove(0);
    let sound = fs::read(&piece).unwrap();
    let name = piece.file_name().unwrap().to_string_lossy().into_owned();
    let damages: [(&str, Vec<u8>); 4] = [
        ("a flipped bit", {
            let mut bytes = sound.clone();
            bytes[sound.len() / 2] ^= 4;
            bytes
        }),
        ("a lost tail", sound[..sound.len() - 9].to_vec()),
        ("more than there was", [sound.as_slice(), b"x"].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in damages {
        fs::write(&piece, bytes).unwrap();
        let sentence = place.unrestored();
        assert!(sentence.contains(&name) && sentence.contains("damaged"), "{what}: {sentence}");
        assert!(sentence.contains("entries 1 to 30"), "{what}: {sentence}");
    }
    fs::remove_file(&piece).unwrap();
    assert!(place.unrestored().contains("it is not there"));
    let healed = place.backup();
    assert_eq!(healed.healed, [name.as_str()]);
    check_restored(&place, &history);

    let manifest = place.target().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"seq\":30", "\"seq\":29")).unwrap();
    assert!(place.unrestored().contains("its checksum is not that of its contents"));
    assert!(place.refused().contains("manifest.json of the backup is damaged"), "{}", place.refused());
}

#[test]
fn a_run_that_was_cut_short_leaves_the_backup_before_it() {
    let place = Place::new();
    let history = some_history(&place);
    place.backup();
    // What a cut leaves: files that nothing names yet.
    for name in ["piece-000002.jsonl.gz.part", "piece-000002.jsonl.gz", "manifest.json.part"] {
        fs::write(place.target().join(name), "by half").unwrap();
    }
    check_restored(&place, &history);
    drop(history);
    place.open().append(vec![report("lagi")], START, None).unwrap();
    place.backup();
    let names: Vec<String> = fs::read_dir(place.target())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!names.iter().any(|name| name.ends_with(".part")), "{names:?}");
    assert_eq!(place.restore().verified.entries, 31);
}

#[test]
fn a_restore_overwrites_nothing_and_goes_on_after_a_cut() {
    let place = Place::new();
    drop(some_history(&place));
    place.backup();
    let into = |dir: &Path| backup::restore(&place.target(), dir, &Opener::default(), &mut |_, _, _| {});
    let sentence = into(&place.data()).unwrap_err().to_string();
    assert!(sentence.contains("is not empty") && sentence.contains("overwrites nothing"), "{sentence}");
    fs::create_dir(place.anew()).unwrap();
    fs::write(place.anew().join("restore.part"), "left by a cut").unwrap();
    fs::write(place.anew().join("lock"), "4711\n").unwrap();
    into(&place.anew()).unwrap();
    assert!(into(&place.anew()).unwrap_err().to_string().contains("is not empty"));
}

#[test]
fn a_row_of_a_hotspot_that_the_disk_changed_is_not_backed_up_as_if_it_were_right() {
    let place = Place::new();
    drop(some_history(&place));
    let conn = rusqlite::Connection::open(place.data().join("pantau.db")).unwrap();
    let row = "INSERT INTO hotspot_event VALUES (1, 'staff', 'h', 'born', 0, '{}', 4711)";
    conn.execute(row, []).unwrap();
    drop(conn);
    let refused = place.refused();
    assert!(refused.contains("a row of table hotspot_event was changed"), "{refused}");
}

#[test]
fn nothing_is_taken_away_from_a_restore_in_the_middle_of_its_reading() {
    let place = Place::new();
    drop(some_history(&place));
    place.backup();
    let mut refused = String::new();
    backup::restore(&place.target(), &place.anew(), &Opener::default(), &mut |_, _, _| {
        refused = place.refused();
    })
    .unwrap();
    assert!(refused.contains("another pantau is writing or restoring it"), "{refused}");
    place.backup();
}

#[test]
fn history_that_was_edited_in_the_backup_is_not_restored() {
    use std::io::{Read, Write};
    let place = Place::new();
    drop(some_history(&place));
    place.backup();
    // Whoever edits a piece can make its checksum and the manifest's anew; the chain they cannot.
    let piece = place.pieces().remove(0);
    let old = fs::read(&piece).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(old.as_slice()).read_to_string(&mut text).unwrap();
    let text = text.replacen("laporan 7", "laporan 8", 1);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    fs::write(&piece, &packed).unwrap();
    let manifest = place.target().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let outer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let inner = &text[text.find("\"manifest\":").unwrap() + 11..text.len() - 1];
    let edited = inner
        .replace(&sha256(&old), &sha256(&packed))
        .replace(&format!("\"bytes\":{}", old.len()), &format!("\"bytes\":{}", packed.len()));
    assert_ne!(edited, inner);
    let edited =
        text.replace(inner, &edited).replace(outer["sha256"].as_str().unwrap(), &sha256(edited.as_bytes()));
    fs::write(&manifest, edited).unwrap();
    let sentence = place.unrestored();
    assert!(
        sentence.contains("does not add up") && sentence.contains("private part was changed"),
        "{sentence}"
    );
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_encrypted_backup_shows_nothing_and_opens_for_its_key_alone() {
    let place = Place::new();
    let history = some_history(&place);
    let file = |name: &str| place.root.path().join(name);
    let public = backup::new_key(&file("kunci")).unwrap();
    backup::new_key(&file("lain")).unwrap();
    assert!(backup::new_key(&file("kunci")).is_err(), "a key is never overwritten");
    let sealer = Sealer::of(std::slice::from_ref(&public)).unwrap();
    let opener = |name: &str| Opener::from_file(&file(name)).unwrap();
    place.try_backup(&sealer).unwrap();
    // The secret key's own file names the same recipient.
    let same = Sealer::of(&[file("kunci").display().to_string()]).unwrap();
    assert_eq!(place.try_backup(&same).unwrap().bytes_written, 0);

    let secret: String = history.journal.secret().0.iter().map(|byte| format!("{byte:02x}")).collect();
    for entry in fs::read_dir(place.target()).unwrap() {
        let (path, bytes) = entry.map(|entry| (entry.path(), fs::read(entry.path()).unwrap())).unwrap();
        let shows = |marker: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
        assert!(
            !shows(b"laporan") && !shows(secret.as_bytes()) && !shows(&history.journal.secret().0),
            "{path:?}"
        );
        assert!(!bytes.starts_with(&[0x1f, 0x8b]), "{path:?} is only packed");
    }
    let without = place.unrestored();
    assert!(without.contains("encrypted") && without.contains("--identity"), "{without}");
    let wrong = place.try_restore(&opener("lain")).unwrap_err().to_string();
    assert!(wrong.contains("encrypted for another key"), "{wrong}");
    assert!(place.refused().contains(&format!("--recipient {public}")), "{}", place.refused());
    let restored = place.try_restore(&opener("kunci")).unwrap();
    assert_eq!(restored.verified.entries, 30);
    assert_eq!(stood_up(&open(&place.anew())).map().state_hash(), history.map().state_hash());

    let plain = Place::new();
    drop(some_history(&plain));
    plain.backup();
    assert!(plain.try_backup(&sealer).unwrap_err().to_string().contains("is not encrypted"));
    assert!(Sealer::of(&["age1salah".to_owned()]).is_err());
}
