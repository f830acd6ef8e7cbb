//! Shipping: what was committed is in the second place a moment later, and whatever happens to that place
//! holds nobody up.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pantau::access::Role;
use pantau::accounts::AccountEvent;
use pantau::backup::{self, Opener, Sealer, ShipSettings};
use pantau::engine;
use pantau::journal::{AccountStore, FolderMode, Journal, SqliteJournal};
use pantau::live::LiveWriter;
use pantau::model::{Fact, IdKey, Seq};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PATIENCE, Setup, TestApp, wait_for};
use crate::support::node::{Node, monotonic};
use crate::support::power_cut::PowerCut;
use crate::support::{skipped_because, ternate};

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

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn target(&self) -> PathBuf {
        self.path("target")
    }

    async fn serve(&self, sealer: Sealer) -> TestApp {
        let ship = Some(ShipSettings { target: self.target(), sealer });
        Setup { ship, ..Setup::in_folder(&self.data()) }.start().await
    }

    /// Restores into a folder of its own and stands the map up there.
    fn restored(&self, opener: &Opener) -> (LiveWriter, SqliteJournal) {
        let anew = self.path("anew");
        let _ = fs::remove_dir_all(&anew);
        backup::restore(&self.target(), &anew, opener, &mut |_, _, _| {}).unwrap_or_else(|e| panic!("{e}"));
        let journal = SqliteJournal::open(&anew, ternate(), FolderMode::Live).unwrap();
        let ids = IdKey::new(journal.secret(), &ternate().code_prefix);
        let map = engine::open(&*journal.reader(), journal.head(), ternate(), ids, None).unwrap();
        (map, journal)
    }
}

async fn post(app: &TestApp, n: usize) {
    for i in 0..n {
        app.report(&body(&format!("ke-{i}"))).await;
    }
}

fn body(text: &str) -> Value {
    json!({"category": "disaster", "lng": 127.38, "lat": 0.79, "description": text})
}

async fn ready(app: &TestApp) -> Value {
    app.get("/readyz").send().await.ok()
}

/// Waits until nothing waits to be shipped, and nothing is wrong with it.
async fn wait_until_shipped(app: &TestApp) {
    wait_for("the target to be up to date", async || {
        let ready = ready(app).await;
        (ready["ship"]["behind"] == 0 && ready["conditions"] == json!([])).then_some(())
    })
    .await;
}

async fn wait_until_said(app: &TestApp, words: &str) {
    wait_for(words, async || {
        let conditions = ready(app).await["conditions"].clone();
        let said = conditions[0]["name"] == "not-shipped"
            && conditions[0]["detail"].as_str().is_some_and(|detail| detail.contains(words));
        said.then_some(())
    })
    .await;
}

fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_leaves_behind_is_in_the_target_to_the_last_hotspot() {
    let place = Place::new();
    let key = place.path("kunci");
    let public = backup::new_key(&key).unwrap();
    let app = place.serve(Sealer::of(&[public]).unwrap()).await;
    post(&app, 40).await;
    wait_until_shipped(&app).await;
    // Beside the server that goes on writing it.
    let (beside, _) = place.restored(&Opener::from_file(&key).unwrap());
    assert!(beside.map().incident_count() >= 40);
    post(&app, 5).await;
    app.stop().await;
    let source = SqliteJournal::open(&place.data(), ternate(), FolderMode::Live).unwrap();
    let ids = IdKey::new(source.secret(), &ternate().code_prefix);
    let original = engine::open(&*source.reader(), source.head(), ternate(), ids, None).unwrap();
    let (restored, _) = place.restored(&Opener::from_file(&key).unwrap());
    assert_eq!(restored.map().seq(), original.map().seq());
    assert_eq!(restored.map().state_hash(), original.map().state_hash());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_sign_in_is_shipped_too() {
    let place = Place::new();
    let app = place.serve(Sealer::default()).await;
    post(&app, 3).await;
    wait_until_shipped(&app).await;
    app.token(Role::Operator, "", "");
    let event = AccountEvent { actor: Some("ani"), action: "sign-in", ..AccountEvent::default() };
    app.accounts().tell(&event);
    app.accounts().write_log().unwrap();
    app.stop().await;
    drop(place.restored(&Opener::default()));
    let lasting = |folder: PathBuf| AccountStore::in_folder(&folder).unwrap().lasting().unwrap();
    let shipped = lasting(place.path("anew"));
    assert_eq!(shipped, lasting(place.data()));
    assert_eq!(shipped.tokens.len(), 1, "the token of the operator");
    let events = |folder: PathBuf| {
        AccountStore::in_folder(&folder).unwrap().events_from(i64::MIN, i64::MAX, 100).unwrap()
    };
    let shipped = events(place.path("anew"));
    assert_eq!(shipped, events(place.data()), "with what happened to accounts");
    assert!(shipped.iter().any(|event| event.action == "sign-in"), "{shipped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_pulled_is_said_and_caught_up_with_once_it_is_back() {
    let place = Place::new();
    let app = place.serve(Sealer::default()).await;
    post(&app, 3).await;
    wait_until_shipped(&app).await;

    fs::rename(place.target(), place.path("pulled")).unwrap();
    post(&app, 3).await;
    wait_until_said(&app, "there is no such folder").await;
    let metrics = app.get("/metrics").send().await.text();
    assert!(figure(&metrics, "pantau_ship_behind_entries") >= 3.0, "{metrics}");
    assert!(figure(&metrics, "pantau_ship_behind_seconds") > 0.0, "{metrics}");

    // Where a stick was, an empty folder is left: that is not the place for a new backup.
    fs::create_dir(place.target()).unwrap();
    wait_until_said(&app, "is gone: the disk may be unplugged").await;
    post(&app, 3).await;
    assert!(!place.target().join("manifest.json").exists());

    fs::remove_dir_all(place.target()).unwrap();
    fs::rename(place.path("pulled"), place.target()).unwrap();
    wait_until_shipped(&app).await;
    let metrics = app.get("/metrics").send().await.text();
    assert_eq!(figure(&metrics, "pantau_ship_seq"), figure(&metrics, "pantau_seq"));
    app.stop().await;
    let (_, restored) = place.restored(&Opener::default());
    let entries = restored.reader().entries(Seq(0), 1_000).unwrap();
    assert_eq!(entries.iter().filter(|entry| matches!(entry.fact, Fact::Report(_))).count(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_its_target_and_takes_no_empty_folder_for_it() {
    let place = Place::new();
    fs::remove_dir(place.target()).unwrap();
    let app = place.serve(Sealer::default()).await;
    post(&app, 2).await;
    wait_until_said(&app, "plug the disk in").await;
    // The very first time a new folder is what it asked for.
    fs::create_dir(place.target()).unwrap();
    wait_until_shipped(&app).await;
    app.stop().await;

    fs::remove_dir_all(place.target()).unwrap();
    fs::create_dir(place.target()).unwrap();
    let app = place.serve(Sealer::default()).await;
    post(&app, 2).await;
    wait_until_said(&app, "run pantau backup").await;
    backup::backup(&place.data(), &place.target(), &Sealer::default(), &mut |_, _| {}).unwrap();
    wait_until_shipped(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_that_is_damaged_while_the_target_is_away_is_written_anew() {
    let place = Place::new();
    let app = place.serve(Sealer::default()).await;
    post(&app, 3).await;
    wait_until_shipped(&app).await;
    fs::rename(place.target(), place.path("pulled")).unwrap();
    post(&app, 1).await;
    wait_until_said(&app, "there is no such folder").await;
    let piece = fs::read_dir(place.path("pulled")).unwrap().map(|entry| entry.unwrap().path());
    let piece = piece.filter(|path| path.extension().is_some_and(|end| end == "gz")).min().unwrap();
    fs::write(&piece, "damaged").unwrap();
    fs::rename(place.path("pulled"), place.target()).unwrap();
    wait_for("the piece to be whole", async || {
        let anew = place.path("anew");
        let _ = fs::remove_dir_all(&anew);
        // What is reported meanwhile brings the next look at the target.
        post(&app, 1).await;
        backup::restore(&place.target(), &anew, &Opener::default(), &mut |_, _, _| {}).ok()
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_full_stops_no_report_and_goes_on_once_it_has_room() {
    if let Some(why) = PowerCut::missing() {
        return skipped_because("a full target", why);
    }
    let place = Place::new();
    let platters = tempfile::tempdir().unwrap();
    let mut disk = PowerCut::mount(platters.path(), &place.target()).unwrap();
    let app = place.serve(Sealer::default()).await;
    post(&app, 3).await;
    wait_until_shipped(&app).await;
    disk.fill(0);
    post(&app, 3).await;
    wait_until_said(&app, "No space left").await;
    post(&app, 3).await;
    disk.behave(|manners| manners.room = None);
    wait_until_shipped(&app).await;
    app.stop().await;
    let (restored, _) = place.restored(&Opener::default());
    assert_eq!(restored.map().incident_count(), 9);
    disk.unmount().unwrap();
}

/// An acknowledged report: its code, its seq, and when its sender knew.
struct Acknowledged {
    code: String,
    seq: u64,
    at: Duration,
}

/// Posts until the server is gone.
fn keep_posting(node: &Node, acknowledged: &Mutex<Vec<Acknowledged>>) {
    let client = node.client();
    while let Ok(receipt) = client.post("/api/v1/reports", &body("terkirim"), None) {
        let code = receipt["code"].as_str().unwrap().to_owned();
        let one = Acknowledged { code, seq: receipt["seq"].as_u64().unwrap(), at: monotonic() };
        acknowledged.lock().unwrap().push(one);
    }
}

/// What the manifest says that the target holds.
fn shipped_seq(target: &Path) -> Option<u64> {
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(target.join("manifest.json")).ok()?).ok()?;
    manifest["manifest"]["seq"].as_u64()
}

/// When the target was seen to hold each seq, until `over`.
fn watch_target(target: &Path, over: &AtomicBool) -> Vec<(u64, Duration)> {
    let mut seen: Vec<(u64, Duration)> = Vec::new();
    loop {
        let is_last = over.load(Ordering::Acquire);
        let seq = shipped_seq(target);
        if let Some(seq) = seq.filter(|seq| seen.last().is_none_or(|(last, _)| seq > last)) {
            seen.push((seq, monotonic()));
        }
        if is_last {
            return seen;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

fn number(key: &str) -> Option<usize> {
    std::env::var(key).ok().and_then(|text| text.parse().ok())
}

/// `PANTAU_SHIP_REPORTS=20000` measures longer.
#[test]
fn what_is_older_than_a_moment_survives_the_death_of_the_source() {
    /// Far more than it takes on a quiet machine, which is what `docs/reliability.md` says.
    const BEHIND_MAX: Duration = Duration::from_secs(5);
    let place = Place::new();
    let target = place.target();
    fs::create_dir(place.data()).unwrap();
    let settings = [("PANTAU_SHIP", target.to_str().unwrap())];
    let node = Node::start(&place.data(), &settings).unwrap();
    let acknowledged = Mutex::new(Vec::new());
    let over = AtomicBool::new(false);
    let until = number("PANTAU_SHIP_REPORTS").unwrap_or(1_500);
    let mut killed_at = Duration::ZERO;
    let seen = thread::scope(|scope| {
        let watching = scope.spawn(|| watch_target(&target, &over));
        let posting: Vec<_> = (0..8).map(|_| scope.spawn(|| keep_posting(&node, &acknowledged))).collect();
        // A quick machine takes that many before the first of them is shipped.
        let enough = || {
            let acknowledged = acknowledged.lock().unwrap();
            let shipped = shipped_seq(&target).unwrap_or(0);
            acknowledged.len() >= until && acknowledged.iter().any(|one| one.seq <= shipped)
        };
        while !enough() {
            assert!(posting.iter().all(|one| !one.is_finished()), "the server is gone");
            thread::park_timeout(Duration::from_millis(5));
        }
        killed_at = monotonic();
        node.signal("KILL");
        posting.into_iter().for_each(|one| one.join().unwrap());
        over.store(true, Ordering::Release);
        watching.join().unwrap()
    });
    node.kill();
    let acknowledged = acknowledged.into_inner().unwrap();
    tell(&acknowledged, &seen);

    let (restored, journal) = place.restored(&Opener::default());
    let held = restored.map().seq();
    let codes = codes_of(&journal);
    for one in &acknowledged {
        let is_there = codes.contains(&one.code);
        assert_eq!(is_there, one.seq <= held.0, "{} at {}", one.code, one.seq);
        assert!(is_there || killed_at < one.at + BEHIND_MAX, "{} had waited too long", one.code);
    }
    // The same as the source was at that entry.
    let source = SqliteJournal::open(&place.data(), ternate(), FolderMode::Live).unwrap();
    let mut replayed = LiveWriter::new(
        ternate(),
        IdKey::new(source.secret(), &ternate().code_prefix),
        source.head().epoch,
    );
    let mut entries = source.reader().entries(Seq(0), 1_000_000).unwrap();
    entries.retain(|entry| entry.seq <= held);
    replayed.apply(&entries);
    assert_eq!(restored.map().state_hash(), replayed.map().state_hash());
}

fn codes_of(journal: &SqliteJournal) -> std::collections::HashSet<String> {
    let ids = IdKey::new(journal.secret(), &ternate().code_prefix);
    let entries = journal.reader().entries(Seq(0), 1_000_000).unwrap();
    let reports = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Report(report) => Some(ids.report_code(report.report)),
        _ => None,
    });
    reports.collect()
}

/// How long after its acknowledgement each report was in the target.
fn tell(acknowledged: &[Acknowledged], seen: &[(u64, Duration)]) {
    let behind = |one: &Acknowledged| {
        let index = seen.partition_point(|(seq, _)| *seq < one.seq);
        seen.get(index).map(|(_, at)| at.saturating_sub(one.at))
    };
    let mut behind: Vec<Duration> = acknowledged.iter().filter_map(behind).collect();
    behind.sort_unstable();
    let Some(last) = behind.len().checked_sub(1) else { panic!("nothing was shipped") };
    let ms = |part: usize| behind[last * part / 1_000].as_millis();
    let took = acknowledged.last().unwrap().at.saturating_sub(acknowledged[0].at).as_secs_f64();
    println!(
        "ship reports={} reports_per_s={:.0} rounds={} behind_ms_p50={} p99={} max={}",
        behind.len(),
        behind.len() as f64 / took,
        seen.len(),
        ms(500),
        ms(990),
        ms(1_000)
    );
    assert!(behind[last / 2] < PATIENCE);
}
