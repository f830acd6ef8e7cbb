//! Two servers on one database: the second follows, takes over when the first dies or falls silent, and
//! there are never two writers. `PANTAU_TAKEOVERS=n` runs n rounds of each kind and prints how long they took.

use std::net::SocketAddr;
use std::ops::Not;
use std::thread;
use std::time::Duration;

use pantau::cli::Client;
use pantau::journal::verify_database;
use serde_json::{Value, json};

use crate::support::node::{Node, monotonic};
use crate::support::postgres;
use crate::support::socket::Socket;

/// The bound on a takeover.
const BOUND: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq)]
enum End {
    Kill,
    Silence,
}

fn report(mark: &str) -> Value {
    json!({"category": "garbage", "lng": 127.381, "lat": 0.791, "description": mark})
}

/// Waits a moment between two looks.
fn look_again() {
    thread::park_timeout(Duration::from_millis(5));
}

/// Posts until it is taken; how often it was not.
fn post_until_taken(client: &Client, mark: &str) -> Value {
    loop {
        match client.post("/api/v1/reports", &report(mark), Some(mark)) {
            Ok(receipt) => return receipt,
            Err(_) => look_again(),
        }
    }
}

fn seq_of(client: &Client) -> u64 {
    client.get("/api/v1/stats").unwrap()["seq"].as_u64().unwrap()
}

fn round(store: &str, end: End, n: usize) -> Duration {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Node::on_database(store, folders[0].path()).unwrap();
    let second = Node::on_database(store, folders[1].path()).unwrap();
    let (to_first, to_second) = (first.client(), second.client());
    let mut acknowledged = Vec::new();
    for i in 0..20 {
        let receipt = to_first.post("/api/v1/reports", &report(&format!("{n} before {i}")), None).unwrap();
        acknowledged.push(receipt);
    }
    // It is warm: what was acknowledged there is shown here, and it says what it is.
    let newest = acknowledged.last().unwrap()["seq"].as_u64().unwrap();
    while seq_of(&to_second) < newest {
        look_again();
    }
    let refused = to_second.post("/api/v1/reports", &report("too early"), None).unwrap_err().to_string();
    assert!(refused.contains("stands by"), "{refused}");
    assert!(to_second.get("/readyz").unwrap_err().to_string().contains("503"), "not ready to take reports");

    let began = monotonic();
    let silent = match end {
        End::Kill => {
            first.kill();
            None
        }
        End::Silence => {
            first.signal("STOP");
            Some(first)
        }
    };
    let receipt = post_until_taken(&to_second, &format!("{n} after"));
    let took = monotonic() - began;
    assert!(took < BOUND, "{took:?}");
    assert!(receipt["seq"].as_u64().unwrap() > newest);
    assert_eq!(to_second.get("/readyz").unwrap()["ready"], true);
    if let Some(woken) = silent {
        let to_woken = woken.client();
        woken.signal("CONT");
        // Whatever it is asked for first, it puts nothing into the journal, and ends with an error.
        let answer = to_woken.post("/api/v1/reports", &report(&format!("{n} woken")), None);
        assert!(answer.as_ref().map_or(true, |kept| kept["status"] == "waiting"), "{answer:?}");
        assert!(!woken.ended_well(), "it says that it was replaced");
        if let Ok(kept) = answer {
            // What it kept for later goes to the new writer once it is back, as the standby that it is now.
            let _back = Node::on_database(store, folders[0].path()).unwrap();
            let path = format!("/api/v1/reports/{}", kept["code"].as_str().unwrap());
            while to_second.get(&path).is_ok_and(|known| known["status"] == "new").not() {
                look_again();
            }
        }
    }
    for receipt in &acknowledged {
        let status = to_second.get(&format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap()));
        assert_eq!(status.unwrap()["status"], "new");
    }
    let receipt = post_until_taken(&to_second, &format!("{n} last"));
    second.kill();
    let found = verify_database(&store.parse().unwrap(), &mut |_, _| {}).unwrap();
    assert_eq!(found.faults, []);
    assert!(found.head.0 >= receipt["seq"].as_u64().unwrap());
    took
}

fn ask() -> Value {
    json!({"bbox": [-180, -90, 180, 90], "zoom": 17, "layers": ["incidents", "hotspots", "stats"]})
}

fn address(node: &Node) -> SocketAddr {
    node.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

async fn wall_at(address: SocketAddr) -> Socket {
    let mut wall = Socket::connect(address, "").await;
    wall.subscribe(ask()).await;
    wall.until_type("snapshot").await;
    wall
}

/// At one seq a wall that came over holds what a fresh one is shown.
async fn holds_what_is_there(wall: &mut Socket, address: SocketAddr) {
    for _ in 0..100 {
        let fresh = wall_at(address).await.cut();
        wall.until("the newest frame", |client| client.seq >= fresh.seq).await;
        if wall.client.seq == fresh.seq {
            assert_eq!(wall.client.held.differences(&fresh.held), Vec::<String>::new());
            return;
        }
    }
    panic!("the feed does not come to rest");
}

/// A wall of the first server comes to the second and goes on from where it was: without a snapshot, and never
/// back (the fold sees to that).
fn a_wall_comes_over(end: End) {
    let Some(cluster) = postgres::shared() else { return };
    let store = cluster.new_database().unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Node::on_database(&store, folders[0].path()).unwrap();
    let second = Node::on_database(&store, folders[1].path()).unwrap();
    let (to_first, to_second) = (first.client(), second.client());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    to_first.post("/api/v1/reports", &report("before"), None).unwrap();
    let mut wall = runtime.block_on(wall_at(address(&first)));
    let mut newest = 0;
    for i in 0..5 {
        let receipt = to_first.post("/api/v1/reports", &report(&format!("seen {i}")), None).unwrap();
        newest = receipt["seq"].as_u64().unwrap();
    }
    runtime.block_on(wall.until("what was reported", |client| client.seq >= newest));
    let _silent = match end {
        End::Kill => {
            first.kill();
            None
        }
        End::Silence => {
            first.signal("STOP");
            Some(first)
        }
    };
    // At once: the second may not have followed this far yet, and does not write.
    let held = wall.cut();
    let (seen, snapshots) = (held.seq, held.reasons.len());
    let mut message = ask();
    message["resume"] = held.resume();
    let mut wall = runtime.block_on(Socket::connect(address(&second), ""));
    assert_eq!(wall.hello["epoch"], *held.epoch, "one history");
    wall.client = held;
    runtime.block_on(wall.subscribe(message));
    let receipt = post_until_taken(&to_second, "after");
    let after = receipt["seq"].as_u64().unwrap();
    assert!(after > seen);
    runtime.block_on(async {
        wall.until("what was reported to the second", |client| client.in_step && client.seq >= after).await;
        assert_eq!(wall.client.reasons.len(), snapshots, "a delta: {:?}", wall.client.reasons);
        holds_what_is_there(&mut wall, address(&second)).await;
    });
    second.kill();
    cluster.drop_database(&store).unwrap();
}

#[test]
fn a_wall_of_a_server_that_was_killed_resumes_at_the_standby() {
    a_wall_comes_over(End::Kill);
}

#[test]
fn a_wall_of_a_silent_server_resumes_at_the_standby() {
    a_wall_comes_over(End::Silence);
}

fn rounds() -> usize {
    std::env::var("PANTAU_TAKEOVERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn takeovers(end: End, what: &str) {
    let Some(cluster) = postgres::shared() else { return };
    let store = cluster.new_database().unwrap();
    let mut took: Vec<Duration> = (0..rounds()).map(|n| round(&store, end, n)).collect();
    took.sort();
    let quantile = |q: f64| took[((took.len() - 1) as f64 * q).round() as usize].as_millis();
    println!(
        "takeover after {what}: rounds={} p50={} ms p99={} ms",
        took.len(),
        quantile(0.5),
        quantile(0.99)
    );
    cluster.drop_database(&store).unwrap();
}

#[test]
fn a_standby_takes_over_from_a_server_that_was_killed() {
    takeovers(End::Kill, "kill -9");
}

#[test]
fn a_standby_takes_over_from_a_silent_server_which_is_refused_when_it_wakes() {
    takeovers(End::Silence, "silence");
}
