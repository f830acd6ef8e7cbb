//! Screens that come from a node that is ahead, and wait until this one has caught up.

use pantau::clock::ManualClock;
use pantau::feed::{Beat, Frame, Session};
use pantau::journal::{FolderMode, SqliteJournal};
use pantau::live::{FEATURES_MAX, Sight};
use pantau::model::{Command, LngLat};
use serde_json::{Value, json};

use crate::support::history::{History, Step};
use crate::support::{blank, ternate};

fn beat(history: &History) -> Beat {
    Beat::new(history.map().clone(), &ManualClock::at(history.now), 0)
}

fn only(frames: &[Frame]) -> Value {
    assert_eq!(frames.len(), 1);
    serde_json::from_slice(frames[0].json()).unwrap()
}

/// A screen that waits for a node to catch up, past the entry by which its clusters became coarser.
#[test]
fn what_waited_is_answered_at_the_level_of_the_answer() {
    let mut history = History::new(blank());
    let report = |history: &mut History, n: u32| {
        let place = LngLat::new(100.0 + f64::from(n % 100) * 0.01, f64::from(n / 100) * 0.01).unwrap();
        let (category, age_min, sender, join, drill, text) = (0, 0, 0, None, false, false);
        history.step(&Step::Report { category, place, age_min, sender, join, drill, text });
    };
    (0..FEATURES_MAX as u32).for_each(|n| report(&mut history, n));
    let behind = beat(&history);
    report(&mut history, FEATURES_MAX as u32);
    let reached = beat(&history);
    let session = |beat: &Beat| Session::new(Sight::STAFF, Default::default(), history.search(), beat);
    let mut ask = json!({"type": "subscribe", "id": "main", "bbox": [-180, -90, 180, 90], "zoom": 20});
    let before = only(&session(&behind).receive(&ask.to_string(), &behind));
    let fresh = only(&session(&reached).receive(&ask.to_string(), &reached));
    assert!(fresh["level"].as_u64() < before["level"].as_u64(), "{} {}", fresh["level"], before["level"]);

    let seq = reached.map.seq().0;
    let epoch = reached.map.epoch().to_string();
    ask["resume"] = json!({"epoch": epoch, "seq": seq, "view": fresh["view"]});
    let mut waits = session(&behind);
    assert!(waits.receive(&ask.to_string(), &behind).is_empty());
    let answer = only(&waits.beat(&reached));
    assert_eq!((&answer["type"], &answer["view"]), (&json!("delta"), &fresh["view"]));

    ask["resume"]["seq"] = json!(seq + 1);
    let mut waits = session(&behind);
    assert!(waits.receive(&ask.to_string(), &behind).is_empty());
    let answer = only(&waits.stop_waiting(waits.newest_wait(), &reached));
    assert_eq!((&answer["reason"], &answer["level"]), (&json!("ahead"), &fresh["level"]));
    assert_eq!(answer["view"], fresh["view"]);
}

#[test]
fn each_of_a_sockets_questions_waits_for_its_own_time() {
    let mut history = History::new(ternate());
    history.submit(Command::Tick);
    let behind = beat(&history);
    let mut session = Session::new(Sight::STAFF, Default::default(), history.search(), &behind);
    let resume = json!({"epoch": behind.map.epoch().to_string(), "seq": 9, "view": "of another node"});
    let ask = |id: &str| json!({"type": "subscribe", "id": id, "bbox": [0, 0, 1, 1], "zoom": 3, "resume": resume});
    let waits = ["early", "late"].map(|id| {
        assert!(session.receive(&ask(id).to_string(), &behind).is_empty());
        session.newest_wait()
    });
    for (id, wait_no) in ["early", "late"].iter().zip(waits) {
        assert!(session.is_waiting());
        let frames = session.stop_waiting(wait_no, &behind);
        let answer = only(&frames);
        assert_eq!((&answer["id"], &answer["reason"]), (&json!(id), &json!("ahead")));
    }
    assert!(!session.is_waiting());
}

/// A search whose texts cannot be read just when the node has caught up.
#[test]
fn what_cannot_be_answered_yet_waits_on() {
    let folder = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(folder.path(), ternate(), FolderMode::Live).unwrap();
    let mut history = History::over(ternate(), Box::new(journal));
    let (place, age_min, sender, join, drill) = (history.city.centre, 0, 1, None, false);
    history.step(&Step::Report { category: 0, place, age_min, sender, join, drill, text: true });
    let behind = beat(&history);
    let mut session = Session::new(Sight::STAFF, Default::default(), history.search(), &behind);
    let seq = behind.map.seq().0 + 1;
    let ask = json!({"type": "subscribe", "id": "main", "bbox": [-180, -90, 180, 90], "zoom": 15,
        "filter": {"q": "banjir"},
        "resume": {"epoch": behind.map.epoch().to_string(), "seq": seq, "view": "of another node"}});
    assert!(session.receive(&ask.to_string(), &behind).is_empty());
    history.submit(Command::Tick);
    // Nobody remembers what was said lately: the texts are looked up anew.
    history.restart();
    let reached = beat(&history);
    let conn = rusqlite::Connection::open(folder.path().join("pantau.db")).unwrap();
    let kept: String = conn.query_row("SELECT private FROM report", [], |row| row.get(0)).unwrap();
    conn.execute("UPDATE report SET private = '?'", []).unwrap();
    assert!(session.beat(&reached).is_empty());
    assert!(session.is_waiting());
    conn.execute("UPDATE report SET private = ?1", [kept]).unwrap();
    let answer = only(&session.beat(&reached));
    assert_eq!((&answer["type"], &answer["reason"]), (&json!("snapshot"), &json!("view_changed")));
    assert_eq!(answer["seq"], seq);
    assert_eq!(answer["features"].as_array().map(Vec::len), Some(1));
}
