//! What a person asks about their data, as the officer answers it: the real command, beside a running
//! server and without one; and what is erased is nowhere in the bytes, where it was before.

use std::fs;
use std::io::ErrorKind;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::sync::Arc;

use pantau::backup::{self, Opener, Sealer, ShipSettings};
use pantau::city::{City, Retention};
use pantau::clock::{Clock, ManualClock};
use pantau::engine::{self, Engine};
use pantau::journal::{FolderMode, Journal, MemoryJournal, SqliteJournal, VerifyReport, verify};
use pantau::live::{LiveMap, StateHash};
use pantau::model::{
    Action, ActionMore, CategoryId, Channel, Command, DAY_MS, Disposition, IdKey, IncidentNo, Kinds,
    LngLat, NewAction, NewErasure, NewReport, Projection, ReportNo, ReportPrivate, TimeMs,
};
use pantau::privacy::{proof, retention};
use serde_json::{Value, json};

use crate::support::app::{SECRET, Setup, TestApp, wait_for};
use crate::support::history::START;
use crate::support::node::Node;
use crate::support::postgres::{self, Cluster};
use crate::support::{repo, ternate};

const PHONE: &str = "0812-3456-7890";
const EMAIL: &str = "nurul.marker@example.id";
const NAME: &str = "Nurul Marker";
const TEXT: &str = "saya jatuh di depan rumah bernomor tujuhbelas";
const NOTE: &str = "ditelepon balik ke +62 812 3456 7890";
/// Of the sensitive report; no other place is near.
const EXACT: (f64, f64) = (127.371_234_5, 0.791_234_5);

/// A data folder with what a town has: the person's reports among those of others.
struct Town {
    root: tempfile::TempDir,
}

impl Town {
    fn new() -> Town {
        Town { root: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    async fn app(&self) -> TestApp {
        Setup::in_folder(&self.data()).start().await
    }

    /// The person's two reports, one of them sensitive, with notes; and two hundred of others. Answers the
    /// codes.
    async fn fill(&self, app: &TestApp) -> [String; 2] {
        let mut codes = Vec::new();
        for n in 0..200 {
            let text = format!("laporan {n} {}", "panjang ".repeat(n % 90));
            let (lng, lat) =
                (127.33 + f64::from(n as u32 % 14) * 0.003, 0.77 + f64::from(n as u32 / 14) * 0.003);
            let phone = format!("0811-{n:08}");
            let category = ["garbage", "accident"][n % 2];
            let reporter = json!({"phone": phone, "name": format!("Orang {n}")});
            app.report(&json!({"category": category, "lng": lng, "lat": lat, "description": text,
                "reporter": reporter}))
                .await;
            if n == 70 {
                let reporter = json!({"name": NAME, "phone": PHONE, "email": EMAIL});
                let (lng, lat) = EXACT;
                let sensitive = app
                    .report(&json!({"category": "accident", "lng": lng, "lat": lat, "description": TEXT,
                        "reporter": reporter}))
                    .await;
                app.act(&sensitive["incident"], "verify", &json!({"note": NOTE})).await;
                app.act(&sensitive["incident"], "note", &json!({"note": "menunggu ambulans"})).await;
                codes.push(sensitive["code"].as_str().unwrap().to_owned());
            }
            if n == 130 {
                let reporter = json!({"phone": "+62 812 3456 7890"});
                let other = app
                    .report(
                        &json!({"category": "garbage", "lng": 127.36, "lat": 0.80, "reporter": reporter}),
                    )
                    .await;
                codes.push(other["code"].as_str().unwrap().to_owned());
            }
        }
        codes.try_into().unwrap()
    }

    /// The command as the officer types it.
    fn privacy(&self, args: &[&str]) -> Said {
        privacy(&self.data(), args, &[])
    }

    fn verified(&self) -> VerifyReport {
        let found = verify(&self.data(), &mut |_, _| {}).unwrap();
        assert_eq!(found.faults, []);
        found
    }

    /// In which files of the folder each marker stands.
    fn found(&self) -> Vec<(String, Vec<PathBuf>)> {
        markers().into_iter().map(|(name, value)| (name, found_in(&self.data(), value))).collect()
    }
}

/// What a command said, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn privacy(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Said {
    let mut command = Process::new(env!("CARGO_BIN_EXE_pantau"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_")) {
        command.env_remove(key);
    }
    command.arg("privacy").args(args).arg("--data").arg(data).arg("--city").arg(repo("geodata/ternate"));
    let Output { status, stdout, stderr } =
        command.envs(env.iter().copied()).current_dir(repo("")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

impl Said {
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }
}

/// Everything of the person that must go, as it stands in files.
fn markers() -> Vec<(String, Vec<u8>)> {
    let named = |text: &str| (text.to_owned(), text.as_bytes().to_vec());
    let place = LngLat::new(EXACT.0, EXACT.1).unwrap();
    let [table, snapshot] = proof::place_values(place);
    let mut markers: Vec<_> =
        [PHONE, "+62 812 3456 7890", EMAIL, NAME, TEXT, NOTE, "127.3712345", "0.7912345"].map(named).into();
    markers.push(("place in tables".to_owned(), table));
    markers.push(("place in the snapshot".to_owned(), snapshot));
    markers
}

fn found_in(dir: &Path, value: Vec<u8>) -> Vec<PathBuf> {
    proof::search(dir, &[value]).unwrap().found_in
}

fn hash(map: &LiveMap) -> StateHash {
    map.state_hash()
}

/// The hash of what a server shows that starts on the folder.
fn stood_up(data: &Path) -> StateHash {
    let journal = SqliteJournal::open(data, ternate(), FolderMode::Live).unwrap();
    let ids = IdKey::new(journal.secret(), "TTE");
    let writer = engine::open(&*journal.reader(), journal.head(), ternate(), ids, None).unwrap();
    hash(writer.map())
}

/// Off the runtime's threads: the command waits for the server.
async fn beside<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_markers_are_nowhere_in_the_folder_of_a_stopped_server_where_they_were_before() {
    let town = Town::new();
    let app = town.app().await;
    let codes = town.fill(&app).await;
    app.stop().await;
    for (name, files) in town.found() {
        assert!(!files.is_empty(), "{name} must be there before, or the test finds nothing");
    }
    let dry = town.privacy(&["erase", "--phone", "62812 34567890", "--dry-run"]).ok();
    assert!(codes.iter().all(|code| dry.contains(code)) && dry.contains("dry run"), "{dry}");
    assert!(dry.contains("2 report(s), 1 note(s)") && dry.contains("1 other note(s)"), "{dry}");
    assert!(town.found().iter().all(|(_, files)| !files.is_empty()), "a dry run erases nothing");

    let said = town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12/2026"]).ok();
    assert!(said.contains("entry") && said.contains("Proven"), "{said}");
    for (name, files) in town.found() {
        assert_eq!(files, Vec::<PathBuf>::new(), "{name}\n{said}");
    }
    let found = town.verified();
    assert_eq!((found.erased, found.erased_by_hand), (3, 0));
    let again = town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12/2026"]).ok();
    assert!(again.contains("erased before"), "{again}");
    // Nothing is known of what it was, so what was asked for is searched for, and said to have been.
    assert!(again.contains("Proven: of 5 way(s) to write what the person was asked for by"), "{again}");
    let stray = town.data().join("stray");
    fs::write(&stray, format!("kept by hand: {PHONE}")).unwrap();
    let left = town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12/2026", "--compact"]);
    assert!(
        left.code == 1 && left.out.contains("NOT GONE YET") && left.out.contains("stray"),
        "{}",
        left.out
    );
    fs::remove_file(stray).unwrap();
    let by_code = town.privacy(&["erase", "--code", &codes[0], "--reason", "surat 12/2026"]).ok();
    assert!(by_code.contains("Nothing was searched for") && !by_code.contains("Proven"), "{by_code}");
    assert_eq!(town.verified().entries, found.entries);

    let app = town.app().await;
    let answer = app.get(&format!("/api/v1/reports/{}", codes[0])).send().await;
    assert_eq!(answer.status, 200, "the code is good still");
    let moments = app.app.engine.moments();
    app.stop().await;
    assert_eq!(stood_up(&town.data()), hash(&moments.live()), "a start shows what was shown last");
    assert!(town.found().iter().all(|(_, files)| files.is_empty()), "nothing brings it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_erases_for_the_command_and_goes_on() {
    let town = Arc::new(Town::new());
    let app = town.app().await;
    let codes = town.fill(&app).await;
    // A clean stop, so that there is a snapshot to be forgotten too.
    app.stop().await;
    let app = town.app().await;
    assert!(town.found().iter().all(|(_, files)| !files.is_empty()));
    let socket = fs::metadata(town.data().join("control.sock")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&socket.permissions()) & 0o777, 0o600);

    let search = async || app.get("/api/v1/incidents?q=tujuhbelas").send().await.ok();
    assert_eq!(search().await["numberMatched"], 1);
    let asked = town.clone();
    let said = beside(move || asked.privacy(&["erase", "--phone", PHONE, "--reason", "letter 12"])).await;
    let said = said.ok();
    assert!(said.contains("Proven"), "{said}");
    for (name, files) in town.found() {
        assert_eq!(files, Vec::<PathBuf>::new(), "{name}\n{said}");
    }
    let live = app.live();
    let no = live.ids().report_of_code(&codes[0]).unwrap();
    let row = app.app.engine.reader().report(no).unwrap().unwrap();
    let incident = live.incident(row.incident).unwrap();
    let (lng, lat) = EXACT;
    let coarse = LngLat::new(lng, lat).unwrap().coarsened(live.city().coarse_res);
    assert_eq!(incident.spot(Projection::Staff, live.city()).place, coarse, "also in memory");
    assert_eq!(town.verified().erased, 3, "verified beside the server");

    app.report(&json!({"category": "water", "lng": 127.36, "lat": 0.80, "description": "sesudahnya"}))
        .await;
    assert_eq!(search().await["numberMatched"], 0, "no search finds the text");
    let moments = app.app.engine.moments();
    app.stop().await;
    assert_eq!(stood_up(&town.data()), hash(&moments.live()), "a start shows what was shown last");
    assert!(!town.data().join("control.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_all_that_is_held_about_the_person_and_nobody_else() {
    let town = Town::new();
    let app = town.app().await;
    let codes = town.fill(&app).await;
    let text = format!("hubungi {EMAIL} atau 08123 4567 890");
    app.report(&json!({"category": "garbage", "lng": 127.36, "lat": 0.80, "description": text})).await;
    app.stop().await;
    let file = town.root.path().join("export.json");
    let path = file.to_str().unwrap().to_owned();
    town.privacy(&["export", "--phone", "08123456 7890", "--out", &path]).ok();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    let export: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let reports = export["reports"].as_array().unwrap();
    let listed: Vec<&str> = reports.iter().map(|report| report["code"].as_str().unwrap()).collect();
    assert_eq!(listed, codes);
    let first = &reports[0];
    for (key, value) in [("name", NAME), ("phone", PHONE), ("email", EMAIL), ("text", TEXT)] {
        assert_eq!(first[key], value, "{first}");
    }
    assert_eq!((&first["place"]["lng"], &first["place"]["lat"]), (&json!(EXACT.0), &json!(EXACT.1)));
    assert_eq!(first["incident"]["status"], "verified");
    let actions = first["incident"]["actions"].as_array().unwrap();
    assert_eq!((&actions[0]["note"], &actions[1]["note"]), (&json!(NOTE), &Value::Null));
    assert!(first["received_at"].as_str().unwrap().ends_with("+09:00"), "{first}");
    assert_eq!(export["named_in_reports_of_others"].as_array().unwrap().len(), 1);
    assert!(!export.to_string().contains("Orang"), "{export}");

    let one = town.privacy(&["export", "--code", &codes[1]]).ok();
    assert!(one.contains(&codes[1]) && !one.contains(&codes[0]), "{one}");
    let again = town.privacy(&["export", "--phone", PHONE, "--out", &path]);
    assert!(again.code == 1 && again.err.contains("cannot be written"), "never over a file: {}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_of_looks_and_the_shift_log_are_told_and_erased_as_notes_are() {
    const SAID: &str = "pipa bocor di belakang masjid";
    let looks = [format!("{NAME} menelepon dua kali"), "memeriksa lokasi".to_owned()];
    let shift = [format!("Kabari {NAME} besok pagi"), format!("Dua regu ke sana: {SAID}")];
    let town = Town::new();
    let app = town.app().await;
    let report = json!({"category": "water", "lng": 127.36, "lat": 0.80, "description": SAID,
        "reporter": {"name": NAME, "phone": PHONE}});
    let receipt = app.report(&report).await;
    for reason in &looks {
        app.act(&receipt["incident"], "contacts", &json!({"reason": reason})).await;
    }
    for text in &shift {
        let answer = app.post("/api/v1/shift-log", json!({"text": text}).to_string()).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    app.stop().await;
    let found = |text: &str| found_in(&town.data(), text.as_bytes().to_vec());
    assert!(looks.iter().chain(&shift).all(|text| !found(text).is_empty()));

    let export: Value = serde_json::from_str(&town.privacy(&["export", "--phone", PHONE]).ok()).unwrap();
    let notes: Vec<&Value> = export["notes"].as_array().unwrap().iter().map(|note| &note["text"]).collect();
    assert_eq!(notes, [&json!(looks[0]), &json!(shift[0])], "{export}");
    let dry =
        |more: &[&str]| town.privacy(&[&["erase", "--phone", PHONE, "--dry-run"][..], more].concat()).ok();
    let some = dry(&[]);
    assert!(some.contains("1 report(s), 2 note(s)") && some.contains("1 other note(s)"), "{some}");
    let all = dry(&["--all-notes"]);
    assert!(all.contains("1 report(s), 3 note(s)") && !all.contains("other note(s)"), "{all}");
    // What was reported stands in a word of the shift log that names nobody, and stays there.
    let said = town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 7", "--all-notes"]).ok();
    assert!(
        said.contains("1 value(s) stand in what is held about others") && said.contains("Proven"),
        "{said}"
    );
    for gone in [&looks[0], &looks[1], &shift[0]] {
        assert_eq!(found(gone), Vec::<PathBuf>::new(), "{gone}");
    }
    assert!(!found(&shift[1]).is_empty());
}

/// As in a folder that a history was moved into out of a database.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_given_out_while_the_database_was_away_leads_to_its_report() {
    let town = Town::new();
    let app = town.app().await;
    let codes = town.fill(&app).await;
    app.stop().await;
    let secret = SqliteJournal::open(&town.data(), ternate(), FolderMode::Live).unwrap().secret();
    let ids = IdKey::new(secret, &ternate().code_prefix);
    let [known, refused, unknown] = [0, 1, 2].map(IdKey::waiting_no);
    let conn = rusqlite::Connection::open(town.data().join("pantau.db")).unwrap();
    let insert =
        "INSERT INTO waiting_code (waiting_no, received_at, report_no, refused) VALUES (?1, 0, ?2, ?3)";
    let report = ids.report_of_code(&codes[0]).unwrap();
    conn.execute(insert, (known.cast_signed(), Some(report.0), None::<&str>)).unwrap();
    conn.execute(insert, (refused.cast_signed(), None::<u32>, Some("discarded"))).unwrap();
    drop(conn);

    let export = |no| town.privacy(&["export", "--code", &ids.waiting_code(no)]);
    assert!(export(known).ok().contains(TEXT));
    for (no, says) in [(refused, "was refused"), (unknown, "look for a slip of the pen")] {
        let said = export(no);
        assert!(said.code == 1 && said.err.contains(says), "{}{}", said.out, said.err);
    }
    let erased = town.privacy(&["erase", "--code", &ids.waiting_code(known), "--reason", "surat 8"]).ok();
    assert!(erased.contains("Proven"), "{erased}");
    assert!(!export(known).ok().contains(TEXT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_answered_in_words_and_changes_nothing() {
    let town = Town::new();
    let app = town.app().await;
    let codes = town.fill(&app).await;
    app.stop().await;
    let entries = town.verified().entries;
    // A slip in the last sign, which checks the others.
    let last = if codes[0].ends_with('X') { 'Y' } else { 'X' };
    let slipped = format!("{}{last}", &codes[0][..codes[0].len() - 1]);
    for (args, code, says) in [
        (&["erase", "--phone", "0899 111 222", "--reason", "x"][..], 3, "Nothing is held"),
        (&["export", "--email", "nobody@example.id"], 3, "Nothing is held"),
        (&["export", "--email", "nobody"], 1, "no e-mail address"),
        (&["export", "--code", &slipped], 1, "no code of this center"),
        (&["erase", "--phone", PHONE], 2, "--reason"),
        (&["erase", "--phone", PHONE, "--reason", "  "], 1, "give a reason"),
        (&["erase", "--phone", PHONE, "--reason", "nurul marker asked"], 1, "names the person"),
        (&["erase", "--code", &codes[0], "--reason", "from 081234567890"], 1, "names the person"),
        (&["export"], 2, "--phone"),
        (&["export", "--phone", PHONE, "--email", EMAIL], 2, "cannot be used with"),
    ] {
        let said = town.privacy(args);
        assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
        assert!(format!("{}{}", said.out, said.err).contains(says), "{args:?}: {}{}", said.out, said.err);
    }
    assert_eq!(town.verified().entries, entries);
    assert!(town.found().iter().all(|(_, files)| !files.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_commit_and_the_wiping_is_made_good_at_the_next_start() {
    let town = Town::new();
    let app = town.app().await;
    let codes = town.fill(&app).await;
    let no = app.live().ids().report_of_code(&codes[0]).unwrap();
    app.stop().await;
    let mut journal = SqliteJournal::open(&town.data(), ternate(), FolderMode::Live).unwrap();
    let before = Town::new();
    copy(&town.data(), &before.data());
    let erasure =
        NewErasure { reason: "test".to_owned(), kinds: Kinds::ALL, reports: vec![no], notes: Vec::new() };
    let now = journal.head().at;
    journal.append(vec![Command::Erasure(Box::new(erasure))], now, None).unwrap();
    let crashed = Town::new();
    copy(&town.data(), &crashed.data());
    // All or nothing: before the commit it is all there, after it the entry is.
    assert_eq!((before.verified().erased, crashed.verified().erased), (0, 1));
    let left = |town: &Town| found_in(&town.data(), TEXT.as_bytes().to_vec());
    assert!(!left(&crashed).is_empty(), "the bytes outlive the commit until they are wiped");
    let app = crashed.app().await;
    let seq = app.app.engine.reader().last_erasure().unwrap();
    assert!(app.app.engine.wiped(seq).await);
    assert_eq!(left(&crashed), Vec::<PathBuf>::new());
    let [table, snapshot] = proof::place_values(LngLat::new(EXACT.0, EXACT.1).unwrap());
    assert!(found_in(&crashed.data(), table).is_empty() && found_in(&crashed.data(), snapshot).is_empty());
    app.stop().await;
    assert_eq!(crashed.verified().erased, 1);
}

/// Copies a folder as it stands: anew where something in it, such as a file of SQLite's own, changed meanwhile.
fn copy(from: &Path, to: &Path) {
    let stand = || {
        let files = fs::read_dir(from).unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            let about = entry.metadata().ok().filter(|about| about.is_file())?;
            Some((entry.file_name(), about.len(), about.modified().unwrap()))
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        files
    };
    loop {
        let before = stand();
        fs::create_dir(to).unwrap();
        for (name, ..) in &before {
            if let Err(e) = fs::copy(from.join(name), to.join(name)) {
                assert_eq!(e.kind(), ErrorKind::NotFound, "{name:?}");
            }
        }
        if stand() == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

/// All that a backup holds, unpacked, beside its bytes as they are.
fn unpacked(target: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(target).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let mut plain = Vec::new();
        if flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain).is_ok() {
            all.extend(plain);
        }
        all.extend(bytes);
    }
    all
}

fn stands_in(bytes: &[u8], value: &[u8]) -> bool {
    bytes.windows(value.len()).any(|window| window == value)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_forgets_what_was_erased_and_restores_to_the_same_map() {
    let town = Town::new();
    let app = town.app().await;
    town.fill(&app).await;
    app.stop().await;
    let root = town.root.path();
    let (target, old) = (root.join("target"), root.join("old"));
    fs::create_dir(&target).unwrap();
    let run = || backup::backup(&town.data(), &target, &Sealer::default(), &mut |_, _| {}).unwrap();
    run();
    copy(&target, &old);
    // In pieces the place stands as JSON, in tables not.
    let texts = || markers().into_iter().filter(|(name, _)| !name.starts_with("place in"));
    for (name, value) in texts() {
        assert!(stands_in(&unpacked(&target), &value), "{name} must be there before");
    }
    town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12"]).ok();
    let app = town.app().await;
    app.report(&json!({"category": "garbage", "lng": 127.36, "lat": 0.80})).await;
    app.stop().await;
    let expected = stood_up(&town.data());
    let updated = run();
    assert!(updated.forgot > 0, "{updated:?}");
    for (name, value) in texts() {
        assert!(!stands_in(&unpacked(&target), &value), "{name} is still in the backup");
    }
    let nothing_more = run();
    assert_eq!((nothing_more.forgot, nothing_more.bytes_written), (0, 0), "once is enough");

    let anew = root.join("anew");
    let restored = backup::restore(&target, &anew, &Opener::default(), &mut |_, _, _| {}).unwrap();
    assert_eq!((restored.verified.erased, restored.verified.erased_by_hand), (3, 0));
    assert_eq!(stood_up(&anew), expected);

    // An older backup brings it back, and the list of erasures takes it away again.
    let list = root.join("erasures.json");
    town.privacy(&["list", "--out", list.to_str().unwrap()]).ok();
    let listed = fs::read(&list).unwrap();
    assert!(markers().iter().all(|(_, value)| !stands_in(&listed, value)), "no personal data");
    let older = root.join("older");
    backup::restore(&old, &older, &Opener::default(), &mut |_, _, _| {}).unwrap();
    assert!(!found_in(&older, TEXT.as_bytes().to_vec()).is_empty());
    let said = privacy(&older, &["again", list.to_str().unwrap()], &[]).ok();
    assert!(said.contains("3 new entries"), "{said}");
    let said = privacy(&older, &["again", list.to_str().unwrap()], &[]).ok();
    assert!(said.contains("0 new entries"), "{said}");
    for (name, value) in markers() {
        assert_eq!(found_in(&older, value), Vec::<PathBuf>::new(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shipped_forgets_by_itself() {
    let town = Arc::new(Town::new());
    let target = town.root.path().join("target");
    fs::create_dir(&target).unwrap();
    let ship = Some(ShipSettings { target: target.clone(), sealer: Sealer::default() });
    let app = Setup { ship, ..Setup::in_folder(&town.data()) }.start().await;
    town.fill(&app).await;
    let until_shipped = async || {
        wait_for("the target to be up to date", async || {
            let ready = app.get("/readyz").send().await.ok();
            (ready["ship"]["behind"] == 0).then_some(())
        })
        .await;
    };
    until_shipped().await;
    let texts = || markers().into_iter().filter(|(name, _)| !name.starts_with("place in"));
    for (name, value) in texts() {
        assert!(stands_in(&unpacked(&target), &value), "{name} must be there before");
    }
    let asked = town.clone();
    beside(move || asked.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12"])).await.ok();
    until_shipped().await;
    for (name, value) in texts() {
        assert!(!stands_in(&unpacked(&target), &value), "{name} is still in the target");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_backup_after_an_erasure_writes_each_piece_once() {
    let town = Town::new();
    let app = town.app().await;
    town.fill(&app).await;
    app.stop().await;
    town.privacy(&["erase", "--phone", PHONE, "--reason", "surat 12"]).ok();
    let target = town.root.path().join("target");
    fs::create_dir(&target).unwrap();
    let updated = backup::backup(&town.data(), &target, &Sealer::default(), &mut |_, _| {}).unwrap();
    assert_eq!((updated.forgot, updated.bytes), (0, updated.bytes_written), "{updated:?}");
}

fn of_a_person(incident: Option<u32>) -> Command {
    let place = LngLat::new(127.36, 0.80).unwrap();
    let private = ReportPrivate {
        description: Some(TEXT.to_owned()),
        phone: Some(PHONE.to_owned()),
        ..ReportPrivate::default()
    };
    Command::Report(Box::new(NewReport {
        category: CategoryId(0),
        place,
        coarse_place: None,
        accuracy_m: None,
        occurred_at: None,
        area: None,
        incident: incident.map(IncidentNo),
        agency: None,
        due_after_ms: None,
        sender: None,
        channel: Channel::Web,
        drill: false,
        private,
        idempotency: None,
        import: None,
    }))
}

fn act(incident: u32, action: Action) -> Command {
    let rejects = action == Action::Reject;
    Command::Action(Box::new(NewAction {
        incident: IncidentNo(incident),
        action,
        agency: None,
        note: rejects.then(|| "bukan kejadian".to_owned()),
        version: None,
        due_after_ms: None,
        actor: "budi".to_owned(),
        more: ActionMore { disposition: rejects.then_some(Disposition::Ghost), ..ActionMore::default() },
    }))
}

/// Ternate's pack with a retention of the test's.
fn city_keeping(retention: Retention) -> Arc<City> {
    let mut city = City::load(&repo("geodata/ternate")).unwrap();
    city.retention = retention;
    Arc::new(city)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_city_keeps_no_longer_is_erased_by_the_time_of_entries() {
    let city = city_keeping(Retention { contact_days: Some(30), text_days: Some(60) });
    let clock = Arc::new(ManualClock::at(START));
    let journal = Box::new(MemoryJournal::new(city.clone(), SECRET));
    let (engine, thread) = Engine::start(journal, city.clone(), clock.clone() as Arc<dyn Clock>).unwrap();
    let submit = async |commands: Vec<Command>| engine.submit(commands).await.unwrap();
    // One stays open, one is closed and opened again, 450 are closed.
    submit(vec![of_a_person(None), of_a_person(None), act(2, Action::Reject), act(2, Action::Reopen)])
        .await;
    let closed: Vec<u32> = (3..453).collect();
    submit(closed.iter().map(|_| of_a_person(None)).collect()).await;
    submit(closed.iter().map(|no| act(*no, Action::Reject)).collect()).await;
    let private = |no: u32| engine.reader().report(ReportNo(no)).unwrap().unwrap().private;
    let pass = async |days: i64| {
        clock.advance_ms(days * DAY_MS);
        submit(vec![Command::Tick]).await;
    };
    let mut swept = retention::Swept::default();
    pass(29).await;
    assert_eq!(retention::sweep(&engine, &city, &mut swept).await.unwrap(), 0);
    pass(1).await;
    let head = engine.live().seq();
    assert_eq!(retention::sweep(&engine, &city, &mut swept).await.unwrap(), 450);
    let n_entries = engine.live().seq().0 - head.0;
    assert!(n_entries >= 3, "in parts of at most 200: {n_entries} entries");
    assert!(closed.iter().all(|no| private(*no).phone.is_none() && private(*no).description.is_some()));
    assert!([1, 2].iter().all(|no| private(*no).phone.is_some()), "what is open keeps what it has");
    assert_eq!(retention::sweep(&engine, &city, &mut swept).await.unwrap(), 0);
    // A server that was started anew knows as well that nothing is left to do.
    let mut anew = retention::Swept::default();
    assert_eq!(retention::sweep(&engine, &city, &mut anew).await.unwrap(), 0);
    pass(30).await;
    assert_eq!(retention::sweep(&engine, &city, &mut swept).await.unwrap(), 450);
    assert!(closed.iter().all(|no| private(*no) == ReportPrivate::default()));
    assert_eq!(private(1).description.as_deref(), Some(TEXT));
    drop(engine);
    thread.join().unwrap();
}

#[test]
fn the_packs_keep_contact_for_90_days_in_ternate_and_for_ever_in_none() {
    assert_eq!(ternate().retention, Retention { contact_days: Some(90), text_days: None });
    assert_eq!(crate::support::blank().retention, Retention::default());
}

#[test]
fn a_retention_that_is_none_is_named_with_file_and_line() {
    let pack = tempfile::tempdir().unwrap();
    for name in ["agencies.toml", "categories.toml", "base.pmtiles"] {
        fs::copy(repo("geodata/blank").join(name), pack.path().join(name)).unwrap();
    }
    let sound = fs::read_to_string(repo("geodata/blank/city.toml")).unwrap();
    let wrong = sound.replace("text_days = 0", "text_days = -1");
    fs::write(pack.path().join("city.toml"), &wrong).unwrap();
    let line = wrong.lines().position(|line| line.starts_with("text_days")).unwrap() + 1;
    let faults = City::load(pack.path()).unwrap_err().to_string();
    assert!(faults.contains(&format!("city.toml:{line}: retention is 0 to")), "{faults}");
}

fn in_database(server: &Cluster) -> String {
    server.new_database().unwrap()
}

#[test]
fn rows_of_a_database_are_emptied_by_the_same_command() {
    let Some(server) = postgres::shared() else { return };
    let store = in_database(server);
    let place = pantau::journal::Place::Database(store.parse().unwrap());
    let mut journal = place.open(ternate(), FolderMode::Live).unwrap();
    let mut noted = act(1, Action::Verify);
    if let Command::Action(action) = &mut noted {
        action.note = Some(NOTE.to_owned());
    }
    journal.append(vec![of_a_person(None), of_a_person(Some(1)), noted], TimeMs(START.0), None).unwrap();
    drop(journal);
    let dir = tempfile::tempdir().unwrap();
    let env = [("PANTAU_STORE", store.as_str())];
    let data = dir.path().join("none");
    let export = privacy(&data, &["export", "--phone", PHONE, "--store", &store], &[]).ok();
    assert!(export.contains(TEXT) && export.contains(PHONE), "{export}");
    let said =
        privacy(&data, &["erase", "--phone", PHONE, "--reason", "surat 1", "--store", &store], &env).ok();
    assert!(said.contains("VACUUM"), "{said}");
    let name = store.rsplit('/').next().unwrap();
    let left = "SELECT (SELECT count(*) FROM pantau.report WHERE private IS NOT NULL OR salt IS NOT NULL) \
                + (SELECT count(*) FROM pantau.action WHERE private IS NOT NULL OR salt IS NOT NULL)";
    assert_eq!(server.query(name, left).unwrap().trim(), "0");
    let again = privacy(&data, &["erase", "--phone", PHONE, "--reason", "surat 1", "--store", &store], &[]);
    assert_eq!(again.code, 3, "without a sender nothing ties them to the phone: {}", again.out);
    let found = pantau::journal::verify_database(&store.parse().unwrap(), &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.erased), (vec![], 3));
    server.drop_database(&store).unwrap();
}

#[test]
fn a_running_server_on_a_database_erases_for_the_command_and_goes_on() {
    let Some(server) = postgres::shared() else { return };
    let store = in_database(server);
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on_database(&store, folder.path()).unwrap();
    let client = node.client();
    let report = json!({"category": "garbage", "lng": 127.36, "lat": 0.80, "description": TEXT,
        "reporter": {"name": NAME, "phone": PHONE}});
    let receipt = client.post("/api/v1/reports", &report, None).unwrap();
    let search = || client.get("/api/v1/incidents?q=tujuhbelas").unwrap()["numberMatched"].clone();
    assert_eq!(search(), 1);
    let asked = ["erase", "--phone", PHONE, "--reason", "surat 1", "--store", &store];
    let said = privacy(folder.path(), &asked, &[]).ok();
    assert!(said.contains("Erased; it is entry"), "{said}");
    let name = store.rsplit('/').next().unwrap();
    let left = "SELECT count(*) FROM pantau.report WHERE private IS NOT NULL OR salt IS NOT NULL";
    assert_eq!(server.query(name, left).unwrap().trim(), "0");
    for (name, value) in [("name", NAME), ("phone", PHONE), ("text", TEXT)] {
        assert_eq!(found_in(folder.path(), value.as_bytes().to_vec()), Vec::<PathBuf>::new(), "{name}");
    }
    let later = json!({"category": "water", "lng": 127.36, "lat": 0.80, "description": "sesudahnya"});
    let after = client.post("/api/v1/reports", &later, None).unwrap();
    assert!(after["seq"].as_u64() > receipt["seq"].as_u64());
    assert_eq!(search(), 0, "no search finds the text");
    let code = receipt["code"].as_str().unwrap();
    assert_eq!(
        client.get(&format!("/api/v1/reports/{code}")).unwrap()["status"],
        "new",
        "the code is good still"
    );
    node.kill();
    let found = pantau::journal::verify_database(&store.parse().unwrap(), &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.erased), (vec![], 1));
    server.drop_database(&store).unwrap();
}
