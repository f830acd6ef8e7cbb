//! Edges as processes behind an origin: whatever is killed, wiped, held or replaced, all are equal again, and
//! no screen sees a wrong or an older state.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::app::wait_for;
use crate::support::nodes::{Nats, Node, Place, Plan, State, are_equal, free_address};
use crate::support::postgres;
use crate::support::repo;
use crate::support::screen::{Screen, Seen};
use crate::support::socket::Socket;

fn plan(city: &str) -> Plan {
    Plan::new(Path::new(env!("CARGO_BIN_EXE_pantau")), &repo(city), free_address())
}

/// One origin, some edges, and the stream between them.
struct Center {
    nats: Nats,
    folder: tempfile::TempDir,
    origin_plan: Plan,
    origin: Node,
    edges: Vec<Node>,
}

impl Center {
    async fn start(n_edges: usize) -> Option<Center> {
        let nats = Nats::start(&Place::default(), free_address())?;
        wait_for("NATS", async || nats.is_up().then_some(())).await;
        let folder = tempfile::tempdir().unwrap();
        let origin_plan = plan("geodata/ternate").origin(folder.path(), Some(&nats.url()));
        let origin = origin_plan.start().unwrap();
        let edge = |_| plan("geodata/ternate").edge(origin.address, Some(&nats.url())).start().unwrap();
        let edges = (0..n_edges).map(edge).collect();
        let center = Center { nats, folder, origin_plan, origin, edges };
        center.until_streaming().await;
        Some(center)
    }

    async fn until_streaming(&self) {
        for edge in &self.edges {
            wait_for("the stream", async || (edge.ready()["edge"]["stream"]["is"] == "up").then_some(()))
                .await;
        }
    }

    /// All show the same; answers what.
    async fn until_equal(&self) -> State {
        let nodes: Vec<&Node> = [&self.origin].into_iter().chain(&self.edges).collect();
        wait_for("all to be equal", async || are_equal(&nodes)).await
    }

    fn reports(&self, numbers: std::ops::Range<usize>) -> u64 {
        self.origin.reports(numbers)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_show_what_the_origin_shows_and_pass_on_what_is_written() {
    let Some(center) = Center::start(2).await else { return };
    let seen = Seen::default();
    let at_origin = Screen::open(center.origin.address, "?projection=public", &seen);
    let screens: Vec<Screen> =
        center.edges.iter().map(|edge| Screen::open(edge.address, "", &seen)).collect();
    let edge = &center.edges[0];
    // Written at an edge, durable at the origin, shown at the edge before it is answered.
    let receipt = edge.report(0);
    let seq = receipt["seq"].as_u64().unwrap();
    assert!(edge.state().unwrap().seq >= seq);
    let body = json!({"category": "traffic", "lng": 127.381, "lat": 0.791});
    let key = Some("the-key-of-one-report");
    let first = edge.post("/api/v1/reports", &body, key).unwrap();
    let again = center.edges[1].post("/api/v1/reports", &body, key).unwrap();
    let at_the_origin = center.origin.post("/api/v1/reports", &body, key).unwrap();
    assert_eq!((first.status, &first.text), (201, &again.text));
    assert_eq!(first.text, at_the_origin.text);
    assert!(first.header("location").starts_with("/api/v1/reports/TTE-"));
    // Problems of the origin come as they are.
    let wrong = edge.post("/api/v1/reports", &json!({"category": "nonsense"}), None).unwrap();
    assert_eq!((wrong.status, wrong.header("content-type")), (422, "application/problem+json"));
    assert_eq!(wrong.json()["request_id"], wrong.header("x-request-id"));
    // Nobody becomes staff by way of an edge on the origin's machine.
    let path = format!("/api/v1/incidents/{}/verify", receipt["incident"].as_str().unwrap());
    assert_eq!(edge.post(&path, &json!({}), None).unwrap().status, 401);
    // What only the journal knows.
    let status =
        edge.get(&format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap()), false).unwrap();
    assert_eq!((status.status, status.json()["status"].as_str()), (200, Some("new")));
    assert_eq!(edge.get("/api/v1/incidents?include=archive", false).unwrap().status, 200);
    assert_eq!(edge.get("/api/v1/hotspots?at=2026-11-24T14:05:00Z", false).unwrap().status, 200);
    // An edge hands out no entries.
    assert_eq!(edge.get("/api/v1/nodes/snapshot", true).unwrap().status, 404);
    let newest = center.reports(1..60);
    for screen in screens.iter().chain([&at_origin]) {
        screen.until(newest).await;
    }
    center.until_equal().await;
    let ready = edge.ready();
    assert_eq!(
        (&ready["edge"]["behind"], &ready["edge"]["in_touch"]),
        (&json!(0), &json!(true)),
        "{ready}"
    );
    assert!(edge.figure("pantau_edge_entries_total{by=\"stream\"}") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_killed_and_wiped_costs_nothing() {
    let Some(mut center) = Center::start(2).await else { return };
    let seen = Seen::default();
    let screens: Vec<Screen> =
        center.edges.iter().map(|edge| Screen::open(edge.address, "", &seen)).collect();
    center.reports(0..20);
    center.nats.kill();
    let newest = center.reports(20..50);
    for screen in &screens {
        screen.until(newest).await;
    }
    center.until_equal().await;
    assert!(by_origin(&center.edges[0]) > 0.0, "what the stream did not bring came from the origin");
    center.nats.start_wiped();
    center.until_streaming().await;
    let newest = center.reports(50..80);
    for screen in &screens {
        screen.until(newest).await;
    }
    center.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_is_killed_is_missed_by_writers_only() {
    let Some(mut center) = Center::start(1).await else { return };
    let seen = Seen::default();
    let screen = Screen::open(center.edges[0].address, "", &seen);
    screen.until(center.reports(0..20)).await;
    center.origin.process.kill();
    let edge = &center.edges[0];
    let away =
        edge.post("/api/v1/reports", &json!({"category": "garbage", "lng": 127.38, "lat": 0.79}), None);
    let away = away.unwrap();
    assert_eq!(
        (away.status, away.json()["type"].as_str()),
        (503, Some("/problems/origin-away")),
        "{}",
        away.text
    );
    assert!(away.json()["detail"].as_str().unwrap().contains(&center.origin.address.to_string()));
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(edge.get("/api/v1/stats", false).unwrap().status, 200);
    wait_for("the edge to say so", async || (edge.ready()["edge"]["origin"]["is"] == "away").then_some(()))
        .await;
    assert_eq!(Socket::connect(edge.address, "").await.hello.get("in_touch"), None, "a moment ago it was");
    wait_for("the edge to be out of touch", async || {
        (edge.ready()["edge"]["in_touch"] == false).then_some(())
    })
    .await;
    assert_eq!(Socket::connect(edge.address, "").await.hello["in_touch"], false);
    center.origin = center.origin_plan.start().unwrap();
    screen.until(center.reports(20..40)).await;
    center.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_was_held_catches_up_also_where_the_stream_has_holes() {
    let Some(mut center) = Center::start(2).await else { return };
    let seen = Seen::default();
    let screens: Vec<Screen> =
        center.edges.iter().map(|edge| Screen::open(edge.address, "", &seen)).collect();
    center.reports(0..10);
    center.until_equal().await;
    let held = &center.edges[1];
    held.process.signal("STOP");
    center.reports(10..40);
    held.process.signal("CONT");
    center.until_equal().await;
    let before = by_origin(held);
    // Held again; what it missed meanwhile is in a new stream, but for some.
    held.process.signal("STOP");
    let newest = center.reports(40..70);
    center.nats.start_wiped();
    let stream = wait_for("the new stream", async || {
        let client = async_nats::connect(center.nats.url()).await.ok()?;
        let mut stream = async_nats::jetstream::new(client).get_stream("pantau-ternate").await.ok()?;
        // A message an entry, from the first on.
        (stream.info().await.ok()?.state.messages >= newest).then_some(stream)
    })
    .await;
    for sequence in newest - 25..newest - 15 {
        stream.delete_message(sequence).await.unwrap();
    }
    held.process.signal("CONT");
    let newest = center.reports(70..80);
    for screen in &screens {
        screen.until(newest).await;
    }
    center.until_equal().await;
    assert!(by_origin(held) > before, "holes are filled from the origin");
}

/// How many entries a node has from the origin itself.
fn by_origin(edge: &Node) -> f64 {
    edge.figure("pantau_edge_entries_total{by=\"origin\"}")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_is_begun_from_a_snapshot() {
    let Some(mut center) = Center::start(1).await else { return };
    let seen = Seen::default();
    let screen = Screen::open(center.edges[0].address, "", &seen);
    screen.until(center.reports(0..30)).await;
    let before = center.until_equal().await;
    center.origin.process.stop();
    // Another database: its counting begins anew, below where the edge is.
    center.folder = tempfile::tempdir().unwrap();
    center.origin_plan = Plan { listen: center.origin.address, ..plan("geodata/ternate") }
        .origin(center.folder.path(), Some(&center.nats.url()));
    center.origin = center.origin_plan.start().unwrap();
    let receipt = center.origin.report(0);
    let after = wait_for("the new history", async || {
        let state = are_equal(&[&center.origin, &center.edges[0]])?;
        (state.epoch != before.epoch && Some(state.seq) >= receipt["seq"].as_u64()).then_some(state)
    })
    .await;
    assert!(after.seq < before.seq);
    wait_for("the screen to follow", async || (screen.place().0 == after.epoch).then_some(())).await;
    center.reports(1..20);
    center.until_equal().await;
    assert!(screen.is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_needs_no_stream_but_the_same_pack() {
    let folder = tempfile::tempdir().unwrap();
    let origin = plan("geodata/ternate").origin(folder.path(), None).start().unwrap();
    let refused = plan("geodata/blank").edge(origin.address, None).start().err().unwrap();
    assert!(refused.contains("put the same geodata folder on both"), "{refused}");
    let edge = plan("geodata/ternate").edge(origin.address, None).start().unwrap();
    let seen = Seen::default();
    let screen = Screen::open(edge.address, "", &seen);
    let newest = origin.reports(0..30);
    screen.until(newest).await;
    wait_for("both to be equal", async || are_equal(&[&origin, &edge])).await;
    assert_eq!(edge.ready()["edge"]["stream"], Value::Null);
    // A table keeps its name on its way through.
    let table = edge.get("/api/v1/statistics.csv", false).unwrap();
    assert_eq!(
        (table.status, table.header("content-disposition")),
        (200, "attachment; filename=\"pantau-statistics.csv\"")
    );
    // A token goes no further that came over a line which others read: here, by another name than this machine's.
    let refused = edge.get_as("/api/v1/reports/TTE-7K3M-9QXAC", "peta.example").unwrap();
    assert_eq!((refused.status, refused.json()["type"].as_str()), (403, Some("/problems/needs-tls")));
    // The origin is given another pack: the edge shows what it had, and says that it does not follow.
    let address = origin.address;
    drop(origin);
    let blank = tempfile::tempdir().unwrap();
    let other =
        Plan { listen: address, ..plan("geodata/blank") }.origin(blank.path(), None).start().unwrap();
    wait_for("the edge to refuse", async || {
        let reply = edge.get("/readyz", false)?;
        (reply.status == 503 && reply.text.contains("geodata")).then_some(())
    })
    .await;
    assert!(edge.state().unwrap().seq >= newest && other.state().is_some());
    assert!(screen.is_right());
}

/// Stands before two servers, as a proxy does, and passes connections on to the one that is ready.
struct Front {
    address: SocketAddr,
    towards: Arc<Mutex<SocketAddr>>,
}

impl Front {
    async fn before(server: SocketAddr) -> Front {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, towards) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(server)));
        let there = towards.clone();
        tokio::spawn(async move {
            while let Ok((mut asks, _)) = listener.accept().await {
                let server = *there.lock().unwrap();
                tokio::spawn(async move {
                    if let Ok(mut answers) = tokio::net::TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut asks, &mut answers).await;
                    }
                });
            }
        });
        Front { address, towards }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_goes_on_when_a_standby_takes_over_from_its_origin() {
    let Some(cluster) = postgres::shared() else { return };
    let Some(nats) = Nats::start(&Place::default(), free_address()) else { return };
    wait_for("NATS", async || nats.is_up().then_some(())).await;
    let store = cluster.new_database().unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let server = |folder: &tempfile::TempDir| {
        let mut plan = plan("geodata/ternate").origin(folder.path(), Some(&nats.url()));
        plan.args.extend(["--store".to_owned(), store.clone()]);
        plan.start().unwrap()
    };
    let mut first = server(&folders[0]);
    let second = server(&folders[1]);
    let front = Front::before(first.address).await;
    let edge = plan("geodata/ternate").edge(front.address, Some(&nats.url())).start().unwrap();
    let seen = Seen::default();
    let screen = Screen::open(edge.address, "", &seen);
    screen.until(first.reports(0..30)).await;
    let before = wait_for("both to be equal", async || are_equal(&[&first, &edge])).await;

    first.process.kill();
    *front.towards.lock().unwrap() = second.address;
    wait_for("the takeover", async || (second.ready()["ready"] == true).then_some(())).await;
    screen.until(second.reports(30..60)).await;
    let written =
        edge.post("/api/v1/reports", &json!({"category": "water", "lng": 127.38, "lat": 0.79}), None);
    assert_eq!(written.unwrap().status, 201, "what is written at the edge reaches the one that took over");
    let after = wait_for("both to be equal", async || are_equal(&[&second, &edge])).await;
    assert_eq!(after.epoch, before.epoch, "the database counts on");
    assert!(after.seq > before.seq);
    assert!(screen.is_right());
    drop((screen, edge, first, second));
    cluster.drop_database(&store).unwrap();
}
