//! The real server is stopped and killed under load, again and again, at one address: sockets come back and
//! resume without a hole, and no report is lost or stored twice.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pantau::cli::Client;
use pantau::journal::{FolderMode, Journal, SqliteJournal, verify};
use pantau::model::{Fact, Seq};
use serde_json::{Value, json};

use crate::support::node::{Node, monotonic};
use crate::support::socket::{Dial, Socket};
use crate::support::ternate;

const SENDERS: usize = 8;
const SOCKETS: usize = 24;
/// So many reports are acknowledged between two restarts.
const REPORTS: usize = 120;
/// Far more than it takes on a quiet machine, which is what `docs/reliability.md` says.
const RESUMED_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// A report that was acknowledged: its text, which no other has, and its code.
type Kept = (String, String);

/// Sends until `over`; what is not answered is sent again under the same key until it is.
fn keep_sending(client: &Client, name: usize, over: &AtomicBool, kept: &Mutex<Vec<Kept>>) {
    let mut n = 0;
    while !over.load(Ordering::Acquire) {
        let mark = format!("{name}-{n}");
        n += 1;
        let body = json!({
            "category": "garbage", "lng": 127.38 + (n % 30) as f64 * 0.000_3, "lat": 0.791, "description": mark,
        });
        let receipt = loop {
            match client.post("/api/v1/reports", &body, Some(&mark)) {
                Ok(receipt) => break receipt,
                Err(_) => thread::park_timeout(LOOK),
            }
        };
        kept.lock().unwrap().push((mark, receipt["code"].as_str().unwrap().to_owned()));
    }
}

fn ask() -> Value {
    json!({"bbox": [-180, -90, 180, 90], "zoom": 17, "layers": ["incidents", "hotspots", "stats"]})
}

/// Connects as often as it takes.
async fn connected(address: SocketAddr) -> Socket {
    loop {
        match Dial::default().connect(address).await {
            Ok(socket) => return socket,
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// What the sockets have seen.
#[derive(Default)]
struct Seen {
    /// How many have resumed since the last blow.
    resumed: AtomicUsize,
    /// From the loss of the line to the first frame after it.
    away: Mutex<Vec<Duration>>,
    snapshots: Mutex<Vec<String>>,
}

/// At one seq a wall holds what a fresh one is shown, after all that it went through.
async fn settle(socket: &mut Socket, address: SocketAddr) {
    for _ in 0..100 {
        let mut fresh = connected(address).await;
        fresh.subscribe(ask()).await;
        fresh.until_type("snapshot").await;
        let fresh = fresh.cut();
        socket.until("the newest frame", |client| client.seq >= fresh.seq).await;
        if socket.client.seq == fresh.seq {
            assert_eq!(socket.client.held.differences(&fresh.held), Vec::<String>::new());
            return;
        }
    }
    panic!("the feed does not come to rest");
}

/// A wall: comes back whenever it is cut off, until `over`.
async fn watch(address: SocketAddr, seen: &Seen, over: &AtomicBool) {
    let mut socket = connected(address).await;
    socket.subscribe(ask()).await;
    socket.until_type("snapshot").await;
    loop {
        while socket.next().await.is_ok() {
            if over.load(Ordering::Acquire) {
                return settle(&mut socket, address).await;
            }
        }
        let lost = monotonic();
        let fresh = connected(address).await;
        let held = std::mem::replace(&mut socket, fresh).cut();
        let mut message = ask();
        message["resume"] = held.resume();
        let snapshots = held.reasons.len();
        socket.client = held;
        socket.subscribe(message).await;
        // The fold panics where a delta leaves a hole. The server may be gone again before it answers.
        loop {
            match socket.next().await {
                Ok(frame) if ["delta", "snapshot"].iter().any(|kind| frame["type"] == *kind) => break,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        seen.snapshots.lock().unwrap().extend(socket.client.reasons[snapshots..].iter().cloned());
        seen.away.lock().unwrap().push(monotonic().saturating_sub(lost));
        seen.resumed.fetch_add(1, Ordering::AcqRel);
    }
}

fn wait_until(what: &str, patience: Duration, state: impl Fn() -> bool) {
    let began = monotonic();
    while !state() {
        assert!(monotonic() - began < patience, "waited too long for {what}");
        thread::park_timeout(LOOK);
    }
}

/// One restart: load, a blow, and the same server at the same address.
fn restart(
    node: Node,
    n: usize,
    listen: &str,
    folder: &Path,
    seen: &Seen,
    kept: &Mutex<Vec<Kept>>,
) -> Node {
    let before = kept.lock().unwrap().len();
    wait_until("reports", RESUMED_WITHIN, || kept.lock().unwrap().len() >= before + REPORTS);
    seen.resumed.store(0, Ordering::Release);
    if n.is_multiple_of(2) {
        node.signal("TERM");
        assert!(node.ended_well(), "it stops cleanly under load");
    } else {
        node.kill();
    }
    let node = Node::start_at(listen, folder, &[]).unwrap();
    wait_until("the sockets", RESUMED_WITHIN, || seen.resumed.load(Ordering::Acquire) >= SOCKETS);
    node
}

fn rounds() -> usize {
    std::env::var("PANTAU_RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

#[test]
fn sockets_resume_without_a_hole_and_no_report_is_lost_over_restarts_under_load() {
    let folder = tempfile::tempdir().unwrap();
    // Asking for a port and giving it back leaves it free for a while.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = address.to_string();
    let node = Node::start_at(&listen, folder.path(), &[]).unwrap();
    let (seen, kept) = (Seen::default(), Mutex::new(Vec::new()));
    let (over, closing) = (AtomicBool::new(false), AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let node = thread::scope(|scope| {
        let mut node = node;
        let senders: Vec<_> = (0..SENDERS)
            .map(|i| {
                let (client, over, kept) = (node.client(), &over, &kept);
                scope.spawn(move || keep_sending(&client, i, over, kept))
            })
            .collect();
        let watching = scope.spawn(|| {
            let walls = (0..SOCKETS).map(|_| watch(address, &seen, &closing));
            runtime.block_on(futures_util::future::join_all(walls));
        });
        for n in 0..rounds() {
            node = restart(node, n, &listen, folder.path(), &seen, &kept);
        }
        over.store(true, Ordering::Release);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        // One more frame reaches each wall; then all comes to rest.
        closing.store(true, Ordering::Release);
        node.client()
            .post(
                "/api/v1/reports",
                &json!({
                    "category": "garbage", "lng": 127.38, "lat": 0.791, "description": "last",
                }),
                Some("last"),
            )
            .unwrap();
        watching.join().unwrap();
        node
    });
    node.kill();
    tell(&seen);
    assert_eq!(*seen.snapshots.lock().unwrap(), Vec::<String>::new(), "a resume is a delta");
    check(folder.path(), &kept.into_inner().unwrap());
}

/// Every acknowledged report is there, once.
fn check(folder: &Path, kept: &[Kept]) {
    assert_eq!(verify(folder, &mut |_, _| {}).unwrap().faults, []);
    let journal = SqliteJournal::open(folder, ternate(), FolderMode::Live).unwrap();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for entry in journal.reader().entries(Seq(0), 1_000_000).unwrap() {
        if let Fact::Report(report) = entry.fact {
            *times.entry(report.private.description.unwrap()).or_default() += 1;
        }
    }
    let lost = kept.iter().filter(|(mark, _)| !times.contains_key(mark)).count();
    let doubled = times.values().filter(|n| **n > 1).count();
    println!("restarts={} acknowledged={} lost={lost} doubled={doubled}", rounds(), kept.len());
    assert_eq!((lost, doubled), (0, 0));
}

fn tell(seen: &Seen) {
    let mut away = seen.away.lock().unwrap().clone();
    away.sort_unstable();
    let ms = |part: usize| away[(away.len() - 1) * part / 1_000].as_millis();
    println!(
        "sockets={SOCKETS} resumes={} away_ms_p50={} p99={} max={}",
        away.len(),
        ms(500),
        ms(990),
        ms(1_000)
    );
}
