//! The live stream as Server-Sent Events, over real TCP.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{LAT, LNG, report, with};
use crate::support::app::{PATIENCE, TestApp};
use crate::support::fold::{Client, by_id};

/// A reader of events that folds what it hears.
pub struct Events {
    lines: BufReader<TcpStream>,
    pub client: Client,
    last_id: Option<String>,
    kinds: Vec<String>,
}

impl Events {
    pub async fn open(app: &TestApp, query: &str, last_id: Option<&str>) -> Events {
        let mut tcp = TcpStream::connect(app.address).await.unwrap();
        let resume = last_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        // HTTP/1.0: what comes after the head is the stream itself, in no chunks.
        let head =
            format!("GET /api/v1/live.sse?{query} HTTP/1.0\r\nHost: {}\r\n{resume}\r\n", app.address);
        tcp.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(tcp);
        let (mut line, mut headers) = (String::new(), String::new());
        while lines.read_line(&mut line).await.unwrap() > 2 {
            headers += &line.to_lowercase();
            line.clear();
        }
        assert!(
            headers.contains("200 ok") && headers.contains("content-type: text/event-stream"),
            "{headers}"
        );
        Events { lines, client: Client::default(), last_id: None, kinds: Vec::new() }
    }

    async fn next(&mut self) {
        let (mut data, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            let n = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("an event").unwrap();
            assert!(n > 0, "the stream goes on");
            match line.trim_end().split_once(": ") {
                Some(("data", text)) => data = text.to_owned(),
                Some(("id", id)) => self.last_id = Some(id.to_owned()),
                None if !data.is_empty() => break,
                _ => {}
            }
        }
        let message: Value = serde_json::from_str(&data).unwrap();
        self.kinds.push(message["type"].as_str().unwrap().to_owned());
        self.client.fold(&message);
    }

    pub async fn until(&mut self, state: impl Fn(&Client) -> bool) {
        while !state(&self.client) {
            self.next().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_fold_to_what_the_server_shows_and_a_reader_that_comes_back_resumes() {
    let app = TestApp::start().await;
    let first = app.report(&report("garbage")).await;
    let bbox = format!("{},{},{},{}", LNG - 0.05, LAT - 0.05, LNG + 0.05, LAT + 0.05);
    let query = format!("bbox={bbox}&zoom=14&layers=incidents,hotspots,stats");
    let mut events = Events::open(&app, &query, None).await;
    events.until(|client| client.held.features.len() == 1).await;
    assert_eq!(events.kinds, ["hello", "snapshot"]);

    let second = app.report(&with(report("garbage"), json!({"lng": LNG + 0.02}))).await;
    events.until(|client| client.seq >= second["seq"].as_u64().unwrap()).await;
    let shown = app.get(&format!("/api/v1/clusters?bbox={bbox}&zoom=14")).send().await.json();
    assert_eq!(events.client.held.features, by_id(&shown["features"]));

    // Away for a while, and back as a browser does it.
    let Events { client, last_id, .. } = events;
    let third = app.report(&with(report("garbage"), json!({"lng": LNG - 0.02, "category": "water"}))).await;
    let mut back = Events::open(&app, &query, last_id.as_deref()).await;
    back.client = client;
    back.until(|client| client.seq >= third["seq"].as_u64().unwrap()).await;
    assert_eq!(back.kinds, ["hello", "delta"], "no second snapshot");
    let shown = app.get(&format!("/api/v1/clusters?bbox={bbox}&zoom=14")).send().await.json();
    assert_eq!(back.client.held.features, by_id(&shown["features"]));

    let filtered = app.get("/api/v1/live.sse?bbox=1,2,3&zoom=99&category=nonsense&colour=red").send().await;
    assert_eq!(filtered.status, 400);
    let pointers: Vec<Value> =
        filtered.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers.len(), 4, "{pointers:?}");
    assert_ne!(first["incident"], second["incident"]);
    drop(back);
    app.stop().await;
}
