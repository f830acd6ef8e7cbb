//! The live socket over real TCP: the law of the feed while everything happens at once, and what a
//! client may not do.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pantau::cli::chance::Chance;
use pantau::clock::ManualClock;
use pantau::health::Condition;
use pantau::model::{DAY_MS, TimeMs};
use pantau::server::Pulse;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::http::{LAT, LNG, report, with};
use crate::support::app::{Setup, TestApp, wait_for};
use crate::support::fold::{Client, by_id};
use crate::support::socket::{Dial, End, Socket};

/// What one subscriber asks for, and from where it looks.
struct Subscriber {
    socket: Socket,
    ask: Value,
    query: &'static str,
    chance: Chance,
}

fn boxes() -> [Value; 4] {
    [
        json!([-180, -90, 180, 90]),
        json!([LNG - 0.01, LAT - 0.01, LNG + 0.02, LAT + 0.02]),
        json!([LNG, LAT, LNG + 0.004, LAT + 0.004]),
        json!([LNG + 0.002, LAT + 0.001, LNG + 0.006, LAT + 0.005]),
    ]
}

fn filters() -> [Value; 6] {
    let within = json!({"type": "Polygon", "coordinates": [[[LNG, LAT], [LNG + 0.006, LAT], [LNG, LAT + 0.006], [LNG, LAT]]]});
    [
        json!({}),
        json!({"category": ["garbage", "accident"]}),
        json!({"status": ["verified", "resolved", "rejected"]}),
        json!({"drill": true}),
        json!({"within": within}),
        json!({"area": ["82.71"], "q": "banjir"}),
    ]
}

impl Subscriber {
    async fn new(app: &TestApp, seed: u64) -> Subscriber {
        let mut chance = Chance::new(seed);
        let query = ["", "?projection=public"][chance.below(2)];
        let ask = json!({"bbox": boxes()[chance.below(4)], "zoom": chance.below(21), "filter": filters()[chance.below(6)],
            "layers": ["incidents", "hotspots", "stats"]});
        let mut socket = dial(app, query, &mut chance).await;
        socket.subscribe(ask.clone()).await;
        Subscriber { socket, ask, query, chance }
    }

    /// Loses the line, comes back and resumes.
    async fn reconnect(&mut self, app: &TestApp) {
        let fresh = dial(app, self.query, &mut self.chance).await;
        let client = std::mem::replace(&mut self.socket, fresh).cut();
        let mut ask = self.ask.clone();
        if !client.view.is_empty() {
            ask["resume"] = client.resume();
        }
        self.socket.client = client;
        self.socket.subscribe(ask).await;
    }

    /// Reads, pans, filters, zooms, is cut off and falls behind, until the others are done.
    async fn wander(&mut self, app: &TestApp, done: &Cell<bool>) {
        while !done.get() {
            match self.chance.below(10) {
                0 => self.ask["bbox"] = boxes()[self.chance.below(4)].clone(),
                1 => self.ask["filter"] = filters()[self.chance.below(6)].clone(),
                2 => self.ask["zoom"] = self.chance.below(21).into(),
                3 => {
                    self.reconnect(app).await;
                    continue;
                }
                4 => {
                    // A slow reader: much happens before it looks again.
                    let until = app.live().seq().0 + 25;
                    wait_for("much to happen", async || {
                        (done.get() || app.live().seq().0 >= until).then_some(())
                    })
                    .await;
                    continue;
                }
                _ => {
                    let target = app.live().seq().0;
                    self.socket.until("the next change", |client| client.seq >= target).await;
                    continue;
                }
            }
            self.socket.subscribe(self.ask.clone()).await;
        }
    }

    /// At one seq, what is held equals a fresh snapshot and what REST answers.
    async fn settle(&mut self, app: &TestApp) {
        for _ in 0..100 {
            // Messages are answered in order: after the pong the newest question is answered too.
            self.socket.send(&json!({"type": "ping", "t": 1})).await;
            self.socket.until_type("pong").await;
            let target = app.live().seq().0;
            self.socket.until("the feed to be complete", |client| client.seq >= target).await;
            let mut fresh = Socket::connect(app.address, self.query).await;
            fresh.subscribe(self.ask.clone()).await;
            fresh.until_type("snapshot").await;
            let rest = self.rest(app).await;
            let held = &self.socket.client;
            assert_eq!(held.errors, Vec::<Value>::new());
            if held.seq != fresh.client.seq || rest.iter().any(|answer| answer["seq"] != held.seq) {
                continue;
            }
            let name = format!("{} {}", self.ask, self.query);
            let differences = held.held.differences(&fresh.client.held);
            assert!(differences.is_empty(), "{name}\n{}", differences.join("\n"));
            assert_eq!(held.view, fresh.client.view, "{name}");
            let [clusters, hotspots, stats] = rest;
            assert_eq!(held.held.features, by_id(&clusters["features"]), "{name}");
            assert_eq!(held.held.hotspots, by_id(&hotspots["features"]), "{name}");
            let mut stats = stats;
            stats.as_object_mut().unwrap().remove("seq");
            assert_eq!(held.held.stats, stats, "{name}");
            return;
        }
        panic!("never in step");
    }

    async fn rest(&self, app: &TestApp) -> [Value; 3] {
        let numbers = |list: &Value| {
            list.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",")
        };
        let mut filter = form_urlencoded::Serializer::new(String::new());
        let mut hotspot_filter = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.ask["filter"].as_object().unwrap() {
            let text = match value {
                Value::Array(items) => {
                    items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(",")
                }
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            filter.append_pair(key, &text);
            if ["category", "area", "within", "drill"].contains(&&**key) {
                hotspot_filter.append_pair(key, &text);
            }
        }
        let (filter, hotspot_filter) = (filter.finish(), hotspot_filter.finish());
        let (bbox, zoom) = (numbers(&self.ask["bbox"]), &self.ask["zoom"]);
        let projection = self.query.trim_start_matches('?');
        let get = async |path: String| app.get(&path).send().await.ok();
        [
            get(format!("/api/v1/clusters?bbox={bbox}&zoom={zoom}&{filter}&{projection}")).await,
            get(format!("/api/v1/hotspots?bbox={bbox}&{hotspot_filter}&{projection}")).await,
            get(format!("/api/v1/stats?{filter}&{projection}")).await,
        ]
    }
}

async fn dial(app: &TestApp, query: &str, chance: &mut Chance) -> Socket {
    let receive_bytes = [0, 4_096][chance.below(2)];
    let deflate = chance.below(2) == 1;
    Dial { query, receive_bytes, deflate, ..Dial::default() }
        .connect(app.address)
        .await
        .expect("the handshake")
}

/// Reports and actions of a small busy town.
async fn town(app: &TestApp, seed: u64, incidents: &RefCell<Vec<Value>>) {
    let mut chance = Chance::new(seed);
    for _ in 0..60 {
        let known = incidents.borrow().len();
        if known > 0 && chance.happens(0.5) {
            let incident = incidents.borrow()[chance.below(known)].clone();
            let action = ["verify", "verify", "start", "resolve", "reject", "reopen"][chance.below(6)];
            let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
            let body = match action {
                "reject" => r#"{"note":"x","disposition":"prank"}"#,
                _ => r#"{"note":"x"}"#,
            };
            let answer = app.post(&path, body).send().await;
            assert!([200, 409].contains(&answer.status), "{}", answer.text());
            continue;
        }
        let category = ["garbage", "water", "accident", "traffic"][chance.below(4)];
        let step = |chance: &mut Chance| chance.below(12) as f64 * 0.000_5;
        let fields = json!({"lng": LNG + step(&mut chance), "lat": LAT + step(&mut chance), "drill": chance.happens(0.2),
            "description": "Banjir di depan masjid", "reporter": {"device": format!("d{}", chance.below(9))}});
        let receipt = app.report(&with(report(category), fields)).await;
        incidents.borrow_mut().push(receipt["incident"].clone());
    }
}

async fn busy_hour(app: &TestApp, seed: u64, subscribers: &mut [Subscriber]) {
    let (incidents, done) = (RefCell::new(Vec::new()), Cell::new(false));
    let posters = async {
        join_all((0..4).map(|i| town(app, seed * 10 + i, &incidents))).await;
        done.set(true);
    };
    let readers = join_all(subscribers.iter_mut().map(|subscriber| subscriber.wander(app, &done)));
    tokio::join!(posters, readers);
    // All at once: a socket that nobody reads meanwhile is let go.
    join_all(subscribers.iter_mut().map(|subscriber| subscriber.settle(app))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_folded_over_a_real_socket_is_what_the_server_shows() {
    let folder = tempfile::tempdir().unwrap();
    let pulse =
        Pulse { frame: Duration::from_millis(20), heartbeat: Duration::from_secs(1), ..Pulse::default() };
    let start = async || Setup { pulse, ..Setup::in_folder(folder.path()) }.start().await;
    let mut app = start().await;
    let mut subscribers = Vec::new();
    for seed in 0..8 {
        subscribers.push(Subscriber::new(&app, seed).await);
    }
    busy_hour(&app, 1, &mut subscribers).await;
    for round in 2..4 {
        let snapshots: Vec<usize> = subscribers.iter().map(|s| s.socket.client.reasons.len()).collect();
        let stop = app.stop();
        let ends = join_all(subscribers.iter_mut().map(|subscriber| subscriber.socket.end()));
        let ((), ends) = tokio::join!(stop, ends);
        assert!(ends.iter().all(|end| *end == End::Code(1001)), "{ends:?}");

        app = start().await;
        let back = async |subscriber: &mut Subscriber| {
            subscriber.reconnect(&app).await;
            subscriber.settle(&app).await;
        };
        join_all(subscribers.iter_mut().map(back)).await;
        let after: Vec<usize> = subscribers.iter().map(|s| s.socket.client.reasons.len()).collect();
        assert_eq!(after, snapshots, "after a restart a resume is a delta");
        busy_hour(&app, round, &mut subscribers).await;
    }
    drop(subscribers);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_in_every_later_answer() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(app.address, "").await;
    for _ in 0..30 {
        let receipt = app.report(&report("garbage")).await;
        socket.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 3, "filter": {"q": "sampah"}})).await;
        socket.until("it", |client| client.seq >= receipt["seq"].as_u64().unwrap()).await;
        let stats = app.get("/api/v1/stats").send().await.ok();
        assert!(stats["seq"].as_u64() >= receipt["seq"].as_u64());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_taken_is_answered_and_changes_nothing() {
    let app = TestApp::start().await;
    app.report(&report("garbage")).await;
    let mut socket = Socket::connect(app.address, "").await;
    let good = json!({"bbox": [127, 0, 128, 1], "zoom": 13, "layers": ["incidents", "stats"]});
    socket.subscribe(good.clone()).await;
    socket.until_type("snapshot").await;
    let held = socket.client.held.clone();

    for text in [
        "",
        "hello",
        "{",
        "[]",
        "null",
        "7",
        r#"{"type":"dance"}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"ping","u":1}"#,
        r#"{"type":"subscribe","id":"x","bbox":[0,0,1,1e999],"zoom":3}"#,
        r#"{"type":"subscribe","id":"x","bbox":"here","zoom":3}"#,
        r#"{"type":"subscribe","id":"x","bbox":[0,0,1,1],"zoom":3,"colour":"red"}"#,
        r#"{"type":"subscribe","id":"x","bbox":[0,0,1,1],"zoom":3,"filter":{"colour":"red"}}"#,
        r#"{"type":"subscribe","id":"x","bbox":[0,0,1,1],"zoom":3,"resume":{"seq":-1}}"#,
        r#"{"type":"unsubscribe","id":"nobody"}"#,
        &"[".repeat(60_000),
        &format!(r#"{{"type":"ping","t":{}1{}}}"#, "[".repeat(500), "]".repeat(500)),
    ] {
        socket.send_text(text).await;
        let error = socket.until_type("error").await;
        let name = &text[..text.len().min(80)];
        assert_eq!(error["problem"]["type"], "/problems/invalid-message", "{name}");
        assert!(
            error["problem"]["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty() && detail.len() < 2_000),
            "{name}: {error}"
        );
    }
    let bowtie =
        json!({"type": "Polygon", "coordinates": [[[127, 0], [128, 1], [128, 0], [127, 1], [127, 0]]]});
    let circle: Vec<[f64; 2]> = (0..=1_500)
        .map(|i| {
            let angle = std::f64::consts::TAU * f64::from(i % 1_500) / 1_500.0;
            [
                (LNG + angle.cos()).mul_add(1e4, 0.0).round() / 1e4,
                (LAT + angle.sin()).mul_add(1e4, 0.0).round() / 1e4,
            ]
        })
        .collect();
    let circle = json!({"type": "Polygon", "coordinates": [circle]});
    for (fields, pointers) in [
        (json!({"bbox": [1, 2, 3]}), &["/bbox"][..]),
        (json!({"bbox": [0, 1, 1, 0]}), &["/bbox"]),
        (json!({"bbox": [-181, 0, 1, 1]}), &["/bbox"]),
        (json!({"zoom": 21}), &["/zoom"]),
        (json!({"zoom": -1}), &["/zoom"]),
        (json!({"zoom": 12.5}), &["/zoom"]),
        (json!({"id": ""}), &["/id"]),
        (json!({"id": "x".repeat(65)}), &["/id"]),
        (json!({"layers": ["incidents", "weather"]}), &["/layers"]),
        (
            json!({"filter": {"category": ["fire"], "status": ["open"], "agency": ["x"], "area": ["99"], "since": "now", "q": " "}}),
            &[
                "/filter/category",
                "/filter/status",
                "/filter/agency",
                "/filter/area",
                "/filter/since",
                "/filter/q",
            ],
        ),
        (json!({"filter": {"category": []}}), &["/filter/category"]),
        (json!({"filter": {"within": bowtie}}), &["/filter/within"]),
        (json!({"filter": {"within": circle}}), &["/filter/within"]),
        (json!({"filter": {"within": {"type": "Point", "coordinates": [127, 0]}}}), &["/filter/within"]),
        (
            json!({"bbox": [], "zoom": 99, "layers": ["x"], "filter": {"q": ""}}),
            &["/bbox", "/zoom", "/layers", "/filter/q"],
        ),
    ] {
        socket.subscribe(with(good.clone(), fields.clone())).await;
        let error = socket.until_type("error").await;
        let found: Vec<&str> = error["problem"]["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(found, pointers, "{fields}");
    }
    assert_eq!(socket.client.held, held, "what was subscribed stays as it was");
    app.report(&report("garbage")).await;
    let delta = socket.until_type("delta").await;
    assert_eq!(delta["stats"]["total"], 2);
    socket.send(&json!({"type": "ping", "t": {"a": [1]}})).await;
    assert_eq!(socket.until_type("pong").await["t"], json!({"a": [1]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_has_eight_subscriptions_and_no_more() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(app.address, "").await;
    let ask = |id: usize| json!({"id": format!("s{id}"), "bbox": [0, 0, 1, 1], "zoom": id});
    for id in 0..8 {
        socket.subscribe(ask(id)).await;
        socket.until_type("snapshot").await;
    }
    socket.subscribe(ask(8)).await;
    let error = socket.until_type("error").await;
    assert_eq!(
        (&error["id"], &error["problem"]["type"]),
        (&json!("s8"), &json!("/problems/too-many-subscriptions"))
    );
    socket.send(&json!({"type": "unsubscribe", "id": "s3"})).await;
    socket.subscribe(ask(8)).await;
    socket.until_type("snapshot").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_protocol_is_sent_away_and_nobody_else_notices() {
    let app = TestApp::start().await;
    let mut other = Socket::connect(app.address, "").await;
    other.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 20})).await;

    let mut socket = Socket::connect(app.address, "").await;
    socket.try_send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.end().await, End::Code(4500));

    let mut socket = Socket::connect(app.address, "").await;
    socket.try_send(Message::text("x".repeat(64 * 1024 + 1))).await;
    assert_eq!(socket.end().await, End::Code(4501), "too large");

    let mut socket = Socket::connect(app.address, "").await;
    for t in 0..10_000 {
        if !socket.try_send(Message::text(format!(r#"{{"type":"ping","t":{t}}}"#))).await {
            break;
        }
    }
    assert_eq!(socket.end().await, End::Code(4002), "a flood");

    let receipt = app.report(&report("garbage")).await;
    other.until("the report", |client| client.seq >= receipt["seq"].as_u64().unwrap()).await;
    assert_eq!(other.client.held.features.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_at_the_handshake() {
    let app = TestApp::start().await;
    let own = format!("http://{}", app.address);
    let dial = async |query: &str, headers: &[(&str, &str)]| {
        let socket = Dial { query, headers, ..Dial::default() }.connect(app.address).await;
        socket.map(|socket| socket.hello["projection"].as_str().unwrap().to_owned())
    };
    assert_eq!(dial("", &[]).await, Ok("staff".into()));
    assert_eq!(dial("", &[("origin", &own)]).await, Ok("staff".into()));
    assert_eq!(dial("?projection=public", &[]).await, Ok("public".into()));
    assert_eq!(dial("", &[("x-forwarded-for", "192.0.2.1")]).await, Ok("public".into()));
    assert_eq!(dial("", &[("origin", "http://evil.example")]).await, Err(403));
    assert_eq!(dial("", &[("origin", "null")]).await, Err(403));
    assert_eq!(dial("", &[("authorization", "Bearer x")]).await, Err(401));
    assert_eq!(dial("?projection=staff", &[]).await, Err(400));
    assert_eq!(dial("?colour=red", &[]).await, Err(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_moves_the_cursor_where_nothing_changed() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(app.address, "").await;
    socket.subscribe(json!({"bbox": [0, 0, 1, 1], "zoom": 3})).await;
    socket.until_type("snapshot").await;
    let receipt = app.report(&report("garbage")).await;
    let seq = receipt["seq"].as_u64().unwrap();
    while socket.client.seq < seq {
        assert_eq!(socket.next().await.unwrap()["type"], "heartbeat", "nothing to show");
    }
    let mut again = Socket::connect(app.address, "").await;
    again.client = socket.cut();
    let resume = again.client.resume();
    again.subscribe(json!({"bbox": [0, 0, 1, 1], "zoom": 3, "resume": resume})).await;
    let delta = again.until_type("delta").await;
    assert!(delta["from"].as_u64().unwrap() >= seq);
    assert_eq!(delta.get("upsert"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_holds_up_nobody_and_is_let_go() {
    let app = TestApp::start().await;
    let dial = Dial { receive_bytes: 2_048, ..Dial::default() };
    let mut deaf = dial.connect(app.address).await.unwrap();
    let mut other = Socket::connect(app.address, "").await;
    let all =
        json!({"bbox": [-180, -90, 180, 90], "zoom": 20, "layers": ["incidents", "hotspots", "stats"]});
    deaf.subscribe(with(all.clone(), json!({"zoom": 19}))).await;
    other.subscribe(all).await;
    wait_for("both to be subscribed", async || (app.app.views.view_count() == 2).then_some(())).await;
    for i in 0..300 {
        let at = json!({"lng": LNG + f64::from(i) * 0.0001, "lat": LAT});
        let receipt = app.report(&with(report("garbage"), at)).await;
        other.until("the report", |client| client.seq >= receipt["seq"].as_u64().unwrap()).await;
    }
    assert_eq!(other.client.held.features.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_answers_no_ping_is_let_go() {
    let app = TestApp::start().await;
    let mut mute = Socket::connect(app.address, "").await;
    mute.subscribe(json!({"bbox": [0, 0, 1, 1], "zoom": 3})).await;
    wait_for("it to be subscribed", async || (app.app.views.view_count() == 1).then_some(())).await;
    wait_for("it to be let go", async || (app.app.views.view_count() == 0).then_some(())).await;
    assert_eq!(mute.end().await, End::Code(4001));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_from_ahead_waits_for_the_node_and_then_gives_up() {
    let app = TestApp::start().await;
    app.report(&report("garbage")).await;
    let ask = json!({"bbox": [-180, -90, 180, 90], "zoom": 20});
    let mut socket = Socket::connect(app.address, "").await;
    socket.subscribe(ask.clone()).await;
    socket.until_type("snapshot").await;
    let mut ahead = socket.client.resume();
    ahead["seq"] = 1_000.into();
    socket.subscribe(with(ask.clone(), json!({"resume": ahead}))).await;
    let snapshot = socket.until_type("snapshot").await;
    assert_eq!(snapshot["reason"], "ahead");

    let resume = socket.client.resume();
    for (fields, reason) in [
        (json!({"epoch": "01890000-0000-7000-8000-000000000000"}), "epoch_changed"),
        (json!({"view": "000000000000000000"}), "view_changed"),
    ] {
        let mut other = Socket::connect(app.address, "").await;
        other.subscribe(with(ask.clone(), json!({"resume": with(resume.clone(), fields)}))).await;
        assert_eq!(other.until_type("snapshot").await["reason"], reason);
    }
    for again in [json!({"zoom": 19}), json!({"zoom": 19})] {
        socket.subscribe(with(ask.clone(), again)).await;
        assert_eq!(socket.until_type("snapshot").await["reason"], "replaced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_reaches_who_looks_elsewhere_and_who_was_away() {
    let app = TestApp::start().await;
    let ask = json!({"bbox": [0, 0, 1, 1], "zoom": 3, "layers": ["hotspots"]});
    let water = with(ask.clone(), json!({"filter": {"category": ["water"]}}));
    let garbage = with(ask.clone(), json!({"filter": {"category": ["garbage"]}}));
    let incidents = with(ask.clone(), json!({"layers": ["incidents"]}));
    let mut sockets = Vec::new();
    for ask in [&water, &garbage, &incidents] {
        let mut socket = Socket::connect(app.address, "").await;
        socket.subscribe(ask.clone()).await;
        socket.until_type("snapshot").await;
        sockets.push(socket);
    }
    let before: Client = sockets[0].client.clone();
    for i in 0..6 {
        app.report(&with(report("water"), json!({"reporter": {"device": format!("d{i}")}}))).await;
    }
    let alarm = sockets[0].until_type("alarm").await;
    assert_eq!((&alarm["kind"], &alarm["sub"]), (&json!("hotspot"), &json!("main")));
    assert_eq!(alarm["feature"]["properties"]["category"], "water");
    assert!(alarm["title"]["id"].is_string() && alarm["title"]["en"].is_string());

    let seq = alarm["seq"].as_u64().unwrap();
    for socket in &mut sockets[1..] {
        socket.until("the same moment", |client| client.seq >= seq).await;
        assert_eq!(socket.client.alarms, Vec::<Value>::new(), "not what it asked for");
    }
    let mut back = Socket::connect(app.address, "").await;
    back.client = Client { alarms: Vec::new(), ..before };
    back.subscribe(with(water, json!({"resume": back.client.resume()}))).await;
    assert_eq!(back.until_type("alarm").await["id"], alarm["id"]);
    assert_eq!(back.next().await.unwrap()["type"], "delta", "alarms come first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surge_reaches_the_socket() {
    let at_noon = TimeMs::parse_rfc3339("2026-11-24T12:00:00+09:00").unwrap();
    let clock = Arc::new(ManualClock::at(at_noon));
    let app = Setup { clock: clock.clone(), ..Setup::default() }.start().await;
    for no in 0..18_i64 {
        let day = at_noon.plus_ms(-(no / 2 + 1) * DAY_MS).to_rfc3339();
        app.report(&with(report("water"), json!({"occurred_at": day}))).await;
    }
    let mut socket = Socket::connect(app.address, "").await;
    socket.subscribe(json!({"bbox": [0, 0, 1, 1], "zoom": 3, "layers": ["hotspots"]})).await;
    socket.until_type("snapshot").await;
    for i in 0..20 {
        // A tick is allowed after each of them.
        clock.advance_ms(1_000);
        app.report(&with(report("water"), json!({"reporter": {"device": format!("d{i}")}}))).await;
    }
    let is_surge = |alarm: &&Value| alarm["kind"] == "surge";
    socket.until("a surge", |client| client.alarms.iter().any(|alarm| is_surge(&alarm))).await;
    let alarm = socket.client.alarms.iter().find(is_surge).unwrap();
    assert_eq!(alarm["feature"]["properties"]["kind"], "surge");
    assert_eq!(alarm["feature"]["properties"]["category"], "water");
    assert!(alarm["title"]["id"].as_str().unwrap().starts_with("Lonjakan laporan air bersih di "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_degraded_says_so_at_once_and_takes_it_back() {
    // Longer than any test: what comes, comes early.
    let pulse = Pulse { heartbeat: Duration::from_secs(3_600), ..Pulse::default() };
    let app = Setup { pulse, ..Setup::default() }.start().await;
    let mut socket = Socket::connect(app.address, "").await;
    socket.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 10})).await;
    let health = app.app.engine.health().clone();
    health.raise(Condition::DatabaseAway, "it is gone");
    assert_eq!(socket.until_type("heartbeat").await["degraded"], true);
    health.clear(Condition::DatabaseAway);
    assert_eq!(socket.until_type("heartbeat").await.get("degraded"), None);
    drop(socket);
    app.stop().await;
}
