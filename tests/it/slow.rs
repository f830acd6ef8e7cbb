//! Clients that do not read, do not answer, or come back all at once.

use std::time::Duration;

use futures_util::future::join_all;
use pantau::server::Pulse;
use serde_json::{Value, json};

use crate::http::{LAT, LNG, report, with};
use crate::support::app::{Setup, TestApp, wait_for};
use crate::support::fold::by_id;
use crate::support::socket::{Dial, End, Socket};

/// The whole world, every incident by itself.
fn all() -> Value {
    json!({"bbox": [-180, -90, 180, 90], "zoom": 20})
}

async fn report_at(app: &TestApp, i: usize) -> u64 {
    let place = json!({"lng": LNG + (i % 50) as f64 * 0.0005, "lat": LAT + (i / 50) as f64 * 0.0005});
    app.report(&with(report("garbage"), place)).await["seq"].as_u64().unwrap()
}

/// Asks for far more than a line holds, and reads none of it.
async fn choke(socket: &mut Socket) {
    for i in 0..120 {
        socket.subscribe(with(all(), json!({"zoom": 19 + i % 2}))).await;
    }
}

async fn town(pulse: Pulse) -> TestApp {
    let app = Setup { pulse, ..Setup::default() }.start().await;
    for i in 0..200 {
        report_at(&app, i).await;
    }
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_line_stays_full_is_sent_away_and_holds_up_nobody() {
    let app = town(Pulse { patience: Duration::from_millis(200), ..Setup::default().pulse }).await;
    let mut deaf = Dial { receive_bytes: 2_048, ..Dial::default() }.connect(app.address).await.unwrap();
    let mut other = Socket::connect(app.address, "").await;
    other.subscribe(with(all(), json!({"filter": {"drill": false}}))).await;
    other.until_type("snapshot").await;
    choke(&mut deaf).await;
    let mut i = 200;
    wait_for("the deaf to be let go", async || {
        let seq = report_at(&app, i).await;
        i += 1;
        other.until("the report", |client| client.seq >= seq).await;
        (app.app.views.view_count() == 1).then_some(())
    })
    .await;
    assert_eq!(other.client.held.features.len(), i);
    // If it reads in the end it may still hear why.
    assert!(matches!(deaf.end().await, End::Code(4000) | End::Cut));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_late_is_brought_into_step() {
    // No heartbeat comes to its aid.
    let app = town(Pulse { heartbeat: Duration::from_secs(3_600), ..Setup::default().pulse }).await;
    let mut late = Dial { receive_bytes: 2_048, ..Dial::default() }.connect(app.address).await.unwrap();
    choke(&mut late).await;
    let mut seq = 0;
    for i in 200..230 {
        seq = report_at(&app, i).await;
    }
    late.until("everything", |client| client.seq >= seq && client.reasons.len() == 120).await;
    late.until("the newest", |client| client.held.features.len() == 230).await;
    let shown = app.get("/api/v1/clusters?bbox=-180,-90,180,90&zoom=20").send().await.ok();
    assert_eq!(late.client.held.features, by_id(&shown["features"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_come_back_at_once_resume_while_reports_go_on() {
    let app = town(Setup::default().pulse).await;
    let connect = async |client: Option<Value>| {
        let mut socket = Socket::connect(app.address, "").await;
        socket.subscribe(client.map_or(all(), |resume| with(all(), json!({"resume": resume})))).await;
        socket
    };
    let mut sockets = join_all((0..200).map(|_| connect(None))).await;
    join_all(sockets.iter_mut().map(|socket| socket.until_type("snapshot"))).await;
    let held: Vec<_> = sockets.into_iter().map(Socket::cut).collect();
    let reports = async {
        let mut seq = 0;
        for i in 200..240 {
            seq = report_at(&app, i).await;
        }
        seq
    };
    let back = join_all(held.into_iter().map(async |client| {
        let mut socket = connect(Some(client.resume())).await;
        socket.client = client;
        socket
    }));
    let (seq, mut sockets) = tokio::join!(reports, back);
    join_all(sockets.iter_mut().map(|socket| socket.until("the newest", |client| client.seq >= seq))).await;
    for socket in &sockets {
        assert_eq!(socket.client.reasons, ["subscribed"], "no second snapshot");
        assert_eq!(socket.client.held.features.len(), 240);
    }
    drop(sockets);
    wait_for("all to be gone", async || (app.app.views.view_count() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_every_client_know_and_waits_for_none_that_is_deaf() {
    let app = town(Pulse { patience: Duration::from_millis(200), ..Setup::default().pulse }).await;
    let mut deaf = Dial { receive_bytes: 2_048, ..Dial::default() }.connect(app.address).await.unwrap();
    choke(&mut deaf).await;
    let mut others = join_all((0..20).map(|_| Socket::connect(app.address, ""))).await;
    let (ends, ()) = tokio::join!(join_all(others.iter_mut().map(Socket::end)), app.stop());
    assert!(ends.iter().all(|end| *end == End::Code(1001)), "{ends:?}");
}
