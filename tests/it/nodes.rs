//! Laws of what goes from node to node: a map that stood up from a snapshot is the map that it was taken
//! of, and stays it; nothing private is on the way; nobody but nodes gets anything.

use std::io::Read;
use std::sync::Arc;

use pantau::edge::{EdgeToken, NodeSettings, NodeSnapshot};
use pantau::engine::{Follower, Foundation};
use pantau::journal::{Pseudonyms, SharedEntry};
use pantau::live::LiveMap;
use pantau::model::Entry;
use proptest::prelude::*;
use serde_json::json;

use crate::http::report;
use crate::support::app::{Setup, TestApp};
use crate::support::history::{History, any_step};
use crate::support::nodes::TOKEN;
use crate::support::seen::difference;
use crate::support::{blank, ternate};

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new([9; 32])
}

/// A snapshot of a history as another node gets it, through its bytes.
fn follower_of(history: &History, map: Arc<LiveMap>) -> Follower {
    let reader = history.journal.reader();
    let foundation = Foundation::read(&|| map.clone(), &*reader).unwrap();
    let bytes = NodeSnapshot::encode(&foundation, &history.city, history.journal.secret(), &pseudonyms());
    let snapshot = NodeSnapshot::decode(&bytes, &history.city).unwrap();
    assert_eq!(snapshot.head, foundation.head);
    Follower::new(snapshot.stand_up(history.city.clone()).unwrap())
}

/// Entries as another node gets them, through their bytes.
fn shared(history: &History, entries: &[Entry]) -> Vec<Entry> {
    let send = |entry: &Entry| {
        let json = serde_json::to_string(&SharedEntry::of(entry, &history.city, &pseudonyms())).unwrap();
        serde_json::from_str::<SharedEntry>(&json).unwrap().entry(&history.city).unwrap()
    };
    entries.iter().map(send).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_edge_shows_what_the_origin_shows_from_its_snapshot_on(
        before in prop::collection::vec(any_step(&ternate()), 0..150),
        after in prop::collection::vec(any_step(&ternate()), 0..80),
    ) {
        let mut history = History::new(ternate());
        before.iter().for_each(|step| history.step(step));
        let mut edge = follower_of(&history, Arc::new(history.map().clone()));
        prop_assert_eq!(difference(edge.map(), history.map()), None);
        prop_assert_eq!(edge.map().state_hash(), history.map().state_hash());
        for step in &after {
            let from = history.entries.len();
            history.step(step);
            edge.apply(&shared(&history, &history.entries[from..])).unwrap();
            prop_assert_eq!(edge.map().state_hash(), history.map().state_hash());
        }
        prop_assert_eq!(difference(edge.map(), history.map()), None);
    }

    #[test]
    fn a_snapshot_that_is_taken_while_more_is_committed_is_of_its_own_moment(
        before in prop::collection::vec(any_step(&blank()), 1..120),
        meanwhile in prop::collection::vec(any_step(&blank()), 1..30),
    ) {
        let mut history = History::new(blank());
        before.iter().for_each(|step| history.step(step));
        let then = history.map().clone();
        for step in &meanwhile {
            // A tick would have its tables in the journal only with the commit after the next.
            if !matches!(step, crate::support::history::Step::Tick) {
                history.step(step);
            }
        }
        prop_assume!(history.journal.reader().derived().unwrap().as_of_seq <= then.seq());
        let mut edge = follower_of(&history, Arc::new(then.clone()));
        prop_assert_eq!(edge.map().state_hash(), then.state_hash());
        let newer: Vec<Entry> = history.entries.iter().filter(|e| e.seq > then.seq()).cloned().collect();
        edge.apply(&shared(&history, &newer)).unwrap();
        prop_assert_eq!(difference(edge.map(), history.map()), None);
    }
}

#[test]
fn a_snapshot_of_another_pack_or_torn_is_refused() {
    let history = History::new(ternate());
    let foundation =
        Foundation::read(&|| Arc::new(history.map().clone()), &*history.journal.reader()).unwrap();
    let bytes = NodeSnapshot::encode(&foundation, &history.city, history.journal.secret(), &pseudonyms());
    let refused = |bytes: &[u8], city: &pantau::city::City| {
        NodeSnapshot::decode(bytes, city).err().unwrap().to_string()
    };
    assert!(refused(&bytes, &blank()).contains("put the same geodata folder on both"));
    for len in 0..bytes.len() {
        refused(&bytes[..len], &ternate());
    }
}

fn with_token() -> Setup {
    let token = Some(EdgeToken::new(TOKEN).unwrap());
    Setup { nodes: NodeSettings { token, ..NodeSettings::default() }, ..Setup::default() }
}

/// A report with a mark in everything that is private.
async fn marked_report(app: &TestApp) -> serde_json::Value {
    let mut body = report("garbage");
    body["description"] = json!("marker-text");
    body["reporter"] =
        json!({"name": "marker-name", "phone": "+628119876543", "email": "marker@example.org"});
    let receipt = app.report(&body).await;
    app.act(&receipt["incident"], "verify", &json!({"note": "marker-note"})).await;
    receipt
}

#[tokio::test]
async fn nothing_private_goes_to_another_node() {
    let app = with_token().start().await;
    marked_report(&app).await;
    let entries = app.get("/api/v1/nodes/entries?after=0").send().await;
    let snapshot = app.get("/api/v1/nodes/snapshot").send().await;
    assert_eq!((entries.status, snapshot.status), (200, 200));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&snapshot.body[..]).read_to_end(&mut plain).unwrap();
    let plain = String::from_utf8_lossy(&plain).into_owned();
    // Who acted is `loopback` in these tests.
    for mark in ["marker", "9876543", "loopback"] {
        assert!(!entries.text().contains(mark) && !plain.contains(mark), "{mark}");
    }
    // The test can find what is there.
    assert!(entries.text().contains("\"report\"") && plain.contains("\"tail\""));
}

#[tokio::test]
async fn only_nodes_are_answered() {
    let app = with_token().start().await;
    for path in ["/api/v1/nodes/entries?after=0", "/api/v1/nodes/snapshot", "/api/v1/nodes/state"] {
        let bearer = format!("Bearer {TOKEN}");
        let named = app.get(path).by_the_public().header("authorization", &bearer).send().await;
        assert_eq!(named.status, 200, "{path}");
        app.get(path).by_the_public().send().await.problem(401);
        for wrong in ["Bearer a-token-of-the-tests-alon", "Bearer ", TOKEN, "Basic YTpi"] {
            app.get(path).by_the_public().header("authorization", wrong).send().await.problem(401);
            // Nor is who is trusted otherwise let in with a wrong one.
            app.get(path).header("authorization", wrong).send().await.problem(401);
        }
        assert_eq!(app.get(path).send().await.status, 200, "this machine is trusted");
        let forwarded = app.get(path).header("x-forwarded-for", "192.0.2.7").send().await;
        forwarded.problem(401);
    }
    let without = Setup::default().start().await;
    let bearer = format!("Bearer {TOKEN}");
    let asked = without.get("/api/v1/nodes/state").header("authorization", &bearer).send().await;
    asked.problem(401);
}

#[tokio::test]
async fn entries_are_told_from_where_one_asks_and_held_back_until_there_are_some() {
    let app = with_token().start().await;
    let news = app.get("/api/v1/nodes/entries?after=0&limit=1").send().await.ok();
    assert_eq!(news["entries"].as_array().unwrap().len(), 1);
    assert_eq!(news["entries"][0]["body"]["pack"]["key"], "ternate");
    let mut head = news["head"].as_u64().unwrap();
    let come = async {
        loop {
            let path = format!("/api/v1/nodes/entries?after={head}&wait_ms=20000");
            let news = app.get(&path).send().await.ok();
            let entries = news["entries"].as_array().filter(|entries| !entries.is_empty());
            let entries = entries.expect("held back until there are some");
            // A tick may come before the report.
            if let Some(entry) = entries.iter().find(|entry| entry["body"]["tick"].is_null()) {
                return entry["seq"].clone();
            }
            head = entries.last().unwrap()["seq"].as_u64().unwrap();
        }
    };
    let (seq, receipt) = tokio::join!(come, marked_report(&app));
    assert_eq!(seq, receipt["seq"]);
    assert_eq!(app.get("/api/v1/nodes/entries").send().await.pointers(400), ["after"]);
    assert_eq!(
        app.get("/api/v1/nodes/entries?after=x&wait_ms=9999999").send().await.pointers(400).len(),
        2
    );
}

#[tokio::test]
async fn the_state_of_a_node_is_a_function_of_what_it_shows() {
    let app = with_token().start().await;
    let before = app.get("/api/v1/nodes/state").send().await.ok();
    marked_report(&app).await;
    let after = app.get("/api/v1/nodes/state").send().await.ok();
    assert!(before["hash"] != after["hash"] && before["seq"].as_u64() < after["seq"].as_u64());
    assert_eq!(before["epoch"], after["epoch"]);
}
