//! A peer that vanished: no goodbye, no reset, as with a pulled cable. For that the test runs itself
//! once more in a network of its own, which goes away with it.

use std::process::Command;
use std::time::Duration;

use pantau::server::Pulse;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::http::report;
use crate::support::app::{Setup, TestApp, wait_for};
use crate::support::socket::{Dial, Socket};

/// Set where the network is the test's own.
const WITHIN: &str = "PANTAU_TEST_NETWORK";
/// Who is to vanish.
const VANISHING: [u8; 4] = [127, 0, 0, 2];
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a test of this file in a network namespace. Where there may be none it says why, and the rest
/// is left to the test that reads the options back (`api/entrance.rs`).
fn in_own_network(test: &str) {
    let own = ["--user", "--map-root-user", "--net"];
    match Command::new("unshare").args(own).args(["ip", "link", "set", "lo", "up"]).output() {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => {
            return println!("not checked: no namespaces: {}", String::from_utf8_lossy(&tried.stderr));
        }
        Err(e) => return println!("not checked: no unshare: {e}"),
    }
    let mut again = Command::new("unshare");
    again.args(own).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let ran = again.env(WITHIN, "1").output().unwrap();
    let said = [&ran.stdout[..], &ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

fn is_own_network() -> bool {
    std::env::var_os(WITHIN).is_some()
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(done.success(), "ip {words}");
}

/// From now on nothing reaches the one who is to vanish, and so no answer comes from there.
fn pull_the_cable() {
    ip("route replace blackhole 127.0.0.2/32 table local");
}

/// A server on which no ping ends a socket.
async fn app() -> TestApp {
    ip("link set lo up");
    let heartbeat = Duration::from_secs(3_600);
    Setup { pulse: Pulse { patience: PATIENCE, heartbeat, ..Setup::default().pulse }, ..Setup::default() }
        .start()
        .await
}

async fn subscribed(dial: Dial<'_>, app: &TestApp) -> Socket {
    let mut socket = dial.connect(app.address).await.unwrap();
    socket.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 20, "filter": {"drill": false}})).await;
    socket.until_type("snapshot").await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_that_vanished_is_let_go_when_what_it_was_sent_is_not_acknowledged() {
    if !is_own_network() {
        return in_own_network(
            "vanished::a_wall_that_vanished_is_let_go_when_what_it_was_sent_is_not_acknowledged",
        );
    }
    let app = app().await;
    let mut other = Socket::connect(app.address, "").await;
    other.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 19})).await;
    let wall = subscribed(Dial { source: Some(VANISHING), ..Dial::default() }, &app).await;
    assert_eq!(app.app.views.view_count(), 2);
    pull_the_cable();
    let seq = app.report(&report("garbage")).await["seq"].as_u64().unwrap();
    wait_for("the vanished to be let go", async || (app.app.views.view_count() == 1).then_some(())).await;
    other.until("the report", |client| client.seq >= seq).await;
    drop(wall);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_that_vanished_is_let_go_though_nothing_is_sent() {
    if !is_own_network() {
        return in_own_network("vanished::a_wall_that_vanished_is_let_go_though_nothing_is_sent");
    }
    let app = app().await;
    let wall = subscribed(Dial { source: Some(VANISHING), ..Dial::default() }, &app).await;
    let mut asking = asking(&app).await;
    pull_the_cable();
    wait_for("the vanished to be let go", async || (app.app.views.view_count() == 0).then_some(())).await;
    drop(wall);
    // A silent peer that is there still is not cut.
    asking.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    asking.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// A connection that asks nothing yet.
async fn asking(app: &TestApp) -> TcpStream {
    TcpSocket::new_v4().unwrap().connect(app.address).await.unwrap()
}
