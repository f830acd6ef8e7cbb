//! A disk that is full, and one whose flush fails, as those see it who send reports; and the room that is
//! kept for stopping, starting and deleting.

use std::path::Path;

use pantau::journal::{DerivedUpdate, FolderMode, Journal, JournalError, SqliteJournal};
use pantau::model::{Command, Kinds, NewErasure, Outcome, ReportNo, Seq};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{Kept, Setup, TestApp, wait_for};
use crate::support::history::{History, Step};
use crate::support::power_cut::{Cut, PowerCut};
use crate::support::{skipped_because, ternate};

const RESERVE_BYTES: u64 = 1 << 20;

/// A disk of ours under a folder.
struct Place {
    disk: PowerCut,
    mount: TempDir,
    _platters: TempDir,
}

/// `None`, said aloud, where this machine has no such disk.
fn place(what: &str) -> Option<Place> {
    if let Some(why) = PowerCut::missing() {
        skipped_because(what, why);
        return None;
    }
    let (platters, mount) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = PowerCut::mount(platters.path(), mount.path()).unwrap();
    Some(Place { disk, mount, _platters: platters })
}

fn open(dir: &Path) -> SqliteJournal {
    let mut journal = SqliteJournal::open(dir, ternate(), FolderMode::Live).unwrap();
    journal.keep_reserve(RESERVE_BYTES);
    journal
}

impl Place {
    fn reserve_bytes(&self) -> u64 {
        self.mount.path().join("reserve").metadata().map_or(0, |found| found.len())
    }

    async fn serve(&self) -> TestApp {
        let journal = Kept::Given(Box::new(open(self.mount.path())));
        Setup { journal, ..Setup::default() }.start().await
    }
}

fn body() -> Value {
    json!({"category": "disaster", "lng": 127.38, "lat": 0.79, "description": "penuh"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_answers_507_until_there_is_room_and_reading_goes_on() {
    let Some(mut place) = place("507") else { return };
    let app = place.serve().await;
    app.report(&body()).await;
    place.disk.fill(0);
    // What a transaction needs may still fit into files that are there.
    let problem = wait_for("a refusal", async || {
        let answer = app.post("/api/v1/reports", body().to_string()).send().await;
        (answer.status != 201).then_some(answer)
    })
    .await;
    assert_eq!(problem.header("retry-after"), "60");
    let problem = problem.problem(507);
    assert_eq!(problem["type"], "/problems/disk-full", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("nothing was stored"), "{problem}");
    let listed = app.get("/api/v1/incidents").send().await.ok();
    assert!(listed["features"].as_array().is_some_and(|found| !found.is_empty()), "{listed}");
    let ready = app.get("/readyz").send().await.problem(503);
    assert_eq!(ready["type"], "/problems/disk-full", "{ready}");

    place.disk.behave(|manners| manners.room = None);
    wait_for("reports to be taken again", async || {
        let answer = app.post("/api/v1/reports", body().to_string()).send().await;
        (answer.status == 201).then_some(())
    })
    .await;
    app.get("/readyz").send().await.ok();
    app.stop().await;
    place.disk.unmount().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_fails_answers_503_from_then_on_and_reading_goes_on() {
    let Some(mut place) = place("503") else { return };
    let app = place.serve().await;
    app.report(&body()).await;
    place.disk.behave(|manners| manners.fail_next_sync = true);
    for _ in 0..2 {
        let answer = app.post("/api/v1/reports", body().to_string()).send().await;
        assert_eq!(answer.header("retry-after"), "60");
        let problem = answer.problem(503);
        assert_eq!(problem["type"], "/problems/read-only", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
    }
    let listed = app.get("/api/v1/incidents").send().await.ok();
    assert_eq!(listed["features"].as_array().map(Vec::len), Some(1), "{listed}");
    let ready = app.get("/readyz").send().await.problem(503);
    assert_eq!(ready["type"], "/problems/read-only", "{ready}");
    app.stop().await;
    place.disk.cut(Cut::Clean);
    place.disk.unmount().unwrap();
}

/// Something to keep that no report carries: what a stop leaves.
fn left_by_a_stop() -> DerivedUpdate {
    let event = |n: u64| pantau::journal::HotspotEventRow {
        projection: pantau::model::Projection::Staff,
        seq: Seq(1),
        at: pantau::model::TimeMs(0),
        id: format!("h{n}"),
        kind: "born".to_owned(),
        body: "x".repeat(2_000),
    };
    DerivedUpdate { as_of_seq: Seq(1), events: (0..40).map(event).collect(), ..DerivedUpdate::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stops_and_starts_on_a_full_disk_by_its_reserve() {
    let Some(mut place) = place("the reserve at a stop") else { return };
    let app = place.serve().await;
    app.report(&body()).await;
    assert_eq!(place.reserve_bytes(), RESERVE_BYTES);
    place.disk.fill(0);
    app.stop().await;
    // It starts again; nothing that was acknowledged is gone, and reports wait until the reserve is whole.
    let journal = SqliteJournal::open(place.mount.path(), ternate(), FolderMode::Live).unwrap();
    assert!(journal.head().seq >= Seq(2));
    drop(journal);
    place.disk.unmount().unwrap();
}

#[test]
fn the_reserve_is_used_up_by_a_stop_and_reports_wait_until_it_is_whole() {
    let Some(mut place) = place("the reserve used up") else { return };
    let mut journal = open(place.mount.path());
    let now = pantau::model::TimeMs(1_795_478_400_000);
    journal.append(vec![Command::Tick], now, None).unwrap();
    place.disk.fill(0);
    // More than fits into what is there: only the reserve makes room.
    journal.append(Vec::new(), now, Some(&left_by_a_stop())).unwrap();
    assert_eq!(place.reserve_bytes(), 0, "it was used");
    let refused = journal.append(vec![Command::Tick], now, None);
    assert!(matches!(refused, Err(JournalError::Full)), "{refused:?}");
    drop(journal);
    // Starting works without it, and what the stop left is there.
    let mut journal = SqliteJournal::open(place.mount.path(), ternate(), FolderMode::Live).unwrap();
    assert_eq!(journal.reader().derived().unwrap().events.len(), 40);
    journal.keep_reserve(RESERVE_BYTES);
    place.disk.behave(|manners| manners.room = None);
    journal.append(vec![Command::Tick], now, None).unwrap();
    assert_eq!(place.reserve_bytes(), RESERVE_BYTES, "it is whole again");
    drop(journal);
    place.disk.unmount().unwrap();
}

#[test]
fn who_asks_to_be_forgotten_is_forgotten_on_a_full_disk_too() {
    let Some(mut place) = place("the reserve at an erasure") else { return };
    let journal = open(place.mount.path());
    let mut history = History::over(ternate(), Box::new(journal));
    let step = Step::Report {
        category: 0,
        place: ternate().centre,
        age_min: 0,
        sender: 1,
        join: None,
        drill: false,
        text: true,
    };
    history.step(&step);
    place.disk.fill(0);
    let erasure = NewErasure {
        reason: "test".to_owned(),
        kinds: Kinds::ALL,
        reports: vec![ReportNo(1)],
        notes: Vec::new(),
    };
    let erasure = vec![Command::Erasure(Box::new(erasure))];
    let outcome = history.journal.append(erasure, history.now, None).unwrap();
    assert!(matches!(outcome[0], Outcome::Accepted { .. }), "{outcome:?}");
    assert_eq!(place.reserve_bytes(), 0, "it was used");
    let report = history.journal.reader().report(ReportNo(1)).unwrap().unwrap();
    assert_eq!(report.private.description, None);
    drop(history);
    place.disk.unmount().unwrap();
}

#[test]
fn the_reserve_makes_room_for_a_deletion() {
    let Some(mut place) = place("the reserve at a deletion") else { return };
    let mut journal = open(place.mount.path());
    let now = pantau::model::TimeMs(1_795_478_400_000);
    journal.append(vec![Command::Tick], now, Some(&left_by_a_stop())).unwrap();
    place.disk.fill(0);
    let delete = || {
        let conn = rusqlite::Connection::open(place.mount.path().join("pantau.db")).unwrap();
        // What is erased is overwritten.
        conn.execute_batch("PRAGMA secure_delete = ON; PRAGMA synchronous = FULL").unwrap();
        conn.execute("DELETE FROM hotspot_event", [])
    };
    assert!(delete().is_err(), "on a full disk even deleting needs room");
    assert!(journal.use_reserve());
    assert_eq!(delete().unwrap(), 40);
    assert!(!journal.use_reserve(), "there was one");
    drop(journal);
    place.disk.unmount().unwrap();
}
