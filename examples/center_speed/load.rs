//! What goes on beside: reports that come in by the clock, and walls that listen.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use pantau::city::City;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::center::Desk;
use crate::data::Sample;
use crate::tally::Took;

const SUBSCRIBE: &str = r#"{"type":"subscribe","id":"wall","bbox":[126.06,0.37,127.5,1.42],"zoom":12}"#;

pub fn body_of(sample: &Sample, city: &City, n: usize) -> Value {
    json!({
        "category": city.category(sample.category).key,
        "lng": sample.place.lng(),
        "lat": sample.place.lat(),
        "description": format!("laporan nomor {n}"),
        "reporter": {"phone": format!("0812{n:08}")},
    })
}

/// Sends `samples` in time, one each `every`, from when the pace says; timed from then, so that who comes while another
/// one waits is not left out.
pub fn reports(
    desk: &Desk,
    city: &City,
    samples: &[Sample],
    (first, step): (usize, usize),
    every: Duration,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Took>> {
    let (began, mut took) = (Instant::now(), Vec::new());
    for n in (first..samples.len()).step_by(step) {
        let due = every * n as u32;
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        desk.timed("/api/v1/reports", Some(&body_of(&samples[n], city, n)))?;
        took.push(("a report comes in", began.elapsed().saturating_sub(due)));
    }
    Ok(took)
}

/// `n` walls of somebody, who look at the whole city; counts what they were told, until all is over.
pub async fn walls(address: SocketAddr, cookie: &str, n: usize, ready: &AtomicU64, told: &AtomicU64) {
    let walls = (0..n).map(|_| async {
        if let Err(e) = wall(address, cookie, ready, told).await {
            eprintln!("a wall: {e:#}");
        }
    });
    futures_util::future::join_all(walls).await;
}

async fn wall(
    address: SocketAddr,
    cookie: &str,
    ready: &AtomicU64,
    told: &AtomicU64,
) -> anyhow::Result<()> {
    let mut request = format!("ws://{address}/api/v1/live").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("pantau.v1"));
    headers.insert("cookie", cookie.parse()?);
    headers.insert("origin", format!("http://{address}").parse()?);
    let tcp = TcpStream::connect(address).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
    socket.send(Message::text(SUBSCRIBE)).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        if text.contains("\"type\":\"snapshot\"") {
            ready.fetch_add(1, Ordering::Relaxed);
        }
        told.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
