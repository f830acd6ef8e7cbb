//! Every message and every answer, pinned under `tests/wire/`: one fixed morning in Ternate.

use std::sync::{Arc, LazyLock};

use pantau::clock::ManualClock;
use pantau::feed::wire::ServerMessage;
use pantau::feed::{Beat, Frame, Session, Views};
use pantau::live::{Alarm, LiveMap};
use pantau::model::{Action, Command, LngLat, Projection, Seq};
use pantau::server::Pulse;
use serde_json::{Value, json};

use crate::support::app::{Kept, Setup, TestApp};
use crate::support::golden::{Redactions, check};
use crate::support::history::{History, Step};
use crate::support::socket::Socket;
use crate::support::{repo, ternate};

const WATER: u8 = 2;
const GARBAGE: u8 = 0;
const ACCIDENT: u8 = 4;

fn report(category: u8, place: (f64, f64), sender: u8) -> Step {
    old_report(category, place, sender, 2)
}

fn old_report(category: u8, (lng, lat): (f64, f64), sender: u8, age_min: u16) -> Step {
    Step::Report {
        category,
        place: LngLat::new(lng, lat).unwrap(),
        age_min,
        sender,
        join: None,
        drill: false,
        text: true,
    }
}

fn act(incident: u16, action: Action) -> Step {
    // The history counts from 0.
    Step::Act { incident: incident - 1, action, agency: 3 }
}

/// The pack is in force; water fails in one street, a heap of garbage lies elsewhere, an accident happened.
fn morning() -> History {
    let city = ternate();
    let mut history = History::new(city.clone());
    history.submit(Command::Pack { key: city.key.clone(), hash: city.hash });
    for i in 0..5_u8 {
        history.step(&report(WATER, (127.3800 + f64::from(i) * 0.0001, 0.7900), i + 1));
        history.step(&Step::Pass { minutes: 1 });
    }
    history.step(&report(GARBAGE, (127.3900, 0.8000), 7));
    history.step(&report(ACCIDENT, (127.3700, 0.7800), 8));
    history.step(&report(GARBAGE, (127.4100, 0.8000), 10));
    history.step(&Step::Report {
        category: GARBAGE,
        place: LngLat::new(127.3905, 0.8100).unwrap(),
        age_min: 0,
        sender: 9,
        join: None,
        drill: true,
        text: false,
    });
    for incident in [1, 2, 3, 4, 6, 7] {
        history.step(&act(incident, Action::Verify));
    }
    history.step(&Step::Tick);
    history
}

/// The hour after: the heap is cleared, the water fails in more houses.
fn hour_after(history: &mut History) {
    history.step(&Step::Pass { minutes: 20 });
    history.step(&act(6, Action::Start));
    history.step(&act(6, Action::Resolve));
    for i in 0..6_u8 {
        history.step(&report(WATER, (127.3801 + f64::from(i) * 0.0001, 0.7901), i + 20));
    }
    history.step(&Step::Tick);
}

/// One subscriber of one projection, as the server sees it.
struct Reader {
    session: Session,
    redactions: Redactions,
}

impl Reader {
    fn new(history: &History, projection: Projection) -> Reader {
        let session =
            Session::new(projection, Arc::new(Views::default()), history.search(), &beat(history, 0));
        Reader { session, redactions: Redactions::default() }
    }

    fn send(&mut self, message: &Value, history: &History) -> Vec<Value> {
        let frames = self.session.receive(&message.to_string(), &beat(history, 0));
        self.read(frames)
    }

    fn beat(&mut self, history: &History, heartbeat_no: u64) -> Vec<Value> {
        let frames = self.session.beat(&beat(history, heartbeat_no));
        self.read(frames)
    }

    fn read(&mut self, frames: Vec<Frame>) -> Vec<Value> {
        let parse = |frame: Frame| self.redactions.apply(serde_json::from_slice(frame.json()).unwrap());
        frames.into_iter().map(parse).collect()
    }
}

fn beat(history: &History, heartbeat_no: u64) -> Beat {
    Beat::new(LiveMap::clone(history.map()), &ManualClock::at(history.now), heartbeat_no)
}

/// Pins a frame, and checks it against the published schema.
pub fn pin(name: &str, frame: &Value) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let text = std::fs::read_to_string(repo("docs/live-protocol.schema.json")).unwrap();
        jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
    });
    check(name, frame);
    let faults: Vec<String> =
        SCHEMA.iter_errors(frame).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(
        faults.is_empty(),
        "{name} is not what docs/live-protocol.schema.json says:\n{}",
        faults.join("\n")
    );
}

fn only(frames: Vec<Value>, kind: &str) -> Value {
    let found: Vec<Value> = frames.into_iter().filter(|frame| frame["type"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found.into_iter().next().unwrap()
}

/// Two reports of water a day for nine days, all in one village.
fn dry_morning() -> History {
    let city = ternate();
    let mut history = History::new(city.clone());
    history.submit(Command::Pack { key: city.key.clone(), hash: city.hash });
    for no in 0..18_u16 {
        history.step(&old_report(WATER, (127.3800, 0.7900), no as u8 + 1, (no / 2 + 1) * 24 * 60));
        history.step(&act(no + 1, Action::Verify));
    }
    history.step(&Step::Tick);
    history
}

fn surges(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame["kind"] == "surge").cloned().collect()
}

#[test]
fn a_surge_is_told_as_published_once_and_to_the_public_when_it_may_know() {
    let mut history = dry_morning();
    let ask =
        json!({"type": "subscribe", "id": "main", "bbox": [0, 0, 1, 1], "zoom": 3, "layers": ["hotspots"]});
    let mut staff = Reader::new(&history, Projection::Staff);
    let mut public = Reader::new(&history, Projection::Public);
    staff.send(&ask, &history);
    let subscribed = only(public.send(&ask, &history), "snapshot");
    for sender in 30..50 {
        history.step(&report(WATER, (127.3800, 0.7900), sender));
    }
    history.step(&Step::Tick);
    let told = surges(&staff.beat(&history, 0));
    assert_eq!(told.len(), 1);
    pin("alarm_surge.json", &told[0]);
    assert_eq!(surges(&public.beat(&history, 0)), Vec::<Value>::new(), "nothing is confirmed yet");

    history.step(&Step::Pass { minutes: 3 });
    (19..=38).for_each(|incident| history.step(&act(incident, Action::Verify)));
    history.restart();
    assert!(history.writer.tick_is_due(history.now), "also after a restart");
    history.step(&Step::Tick);
    let public_told = surges(&public.beat(&history, 0));
    assert_eq!(public_told.len(), 1);
    assert_eq!(public_told[0]["title"], told[0]["title"]);
    assert_eq!(surges(&staff.beat(&history, 0)), Vec::<Value>::new(), "staff knows");

    history.restart();
    history.step(&report(WATER, (127.3800, 0.7900), 60));
    history.step(&act(39, Action::Verify));
    history.step(&Step::Tick);
    for reader in [&mut staff, &mut public] {
        assert_eq!(surges(&reader.beat(&history, 0)), Vec::<Value>::new(), "a restart says nothing twice");
    }
    let alarms = |map: &LiveMap| -> Vec<Alarm> {
        [Projection::Staff, Projection::Public]
            .into_iter()
            .flat_map(|p| map.hotspots(p).alarms_since(Seq(0)))
            .filter(|alarm| matches!(alarm, Alarm::Surge(_)))
            .cloned()
            .collect()
    };
    assert_eq!(alarms(history.map()).len(), 2);
    assert_eq!(alarms(history.map()), alarms(history.replayed().map()), "a replay raises the same");

    // Who was away gets it when it comes back, if it asked for it.
    let resume =
        json!({"epoch": history.map().epoch().to_string(), "seq": subscribed["seq"], "view": "none"});
    for (filter, n) in [
        (json!({}), 1),
        (json!({"category": ["water"], "area": ["82.71"]}), 1),
        (json!({"category": ["garbage"]}), 0),
        (json!({"drill": true}), 0),
        (json!({"within": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}), 0),
    ] {
        let mut back = Reader::new(&history, Projection::Public);
        let ask = json!({"type": "subscribe", "id": "main", "bbox": [0, 0, 1, 1], "zoom": 3, "layers": ["hotspots"],
            "filter": filter, "resume": resume});
        assert_eq!(surges(&back.send(&ask, &history)).len(), n, "{filter}");
    }
}

#[test]
fn every_message_of_the_live_socket_is_as_published() {
    let mut history = morning();
    let ask = json!({"type": "subscribe", "id": "main", "bbox": [127.36, 0.78, 127.40, 0.82], "zoom": 15,
        "layers": ["incidents", "hotspots", "stats"]});
    let mut staff = Reader::new(&history, Projection::Staff);
    let mut public = Reader::new(&history, Projection::Public);
    pin("subscribe.json", &ask);
    pin("snapshot.json", &only(staff.send(&ask, &history), "snapshot"));
    pin("snapshot_public.json", &only(public.send(&ask, &history), "snapshot"));

    let before = history.map().seq();
    hour_after(&mut history);
    let frames = staff.beat(&history, 0);
    let alarms: Vec<&Value> = frames.iter().filter(|frame| frame["kind"] == "hotspot").collect();
    pin("alarm.json", alarms.first().expect("the hotspot doubled"));
    let delta = only(frames.clone(), "delta");
    for part in ["upsert", "remove"] {
        assert!(!delta[part].as_array().unwrap().is_empty(), "{part}");
    }
    assert_eq!(delta["from"], before.0);
    pin("delta.json", &delta);
    pin("delta_public.json", &only(public.beat(&history, 0), "delta"));

    let mut pan = ask.clone();
    // West of it an incident goes, east of it one comes.
    pan["bbox"] = json!([127.375, 0.78, 127.415, 0.82]);
    pin("delta_pan.json", &only(staff.send(&pan, &history), "delta"));
    pin("heartbeat.json", &only(staff.beat(&history, 1), "heartbeat"));

    pin("ping.json", &json!({"type": "ping", "t": 1}));
    pin("pong.json", &only(staff.send(&json!({"type": "ping", "t": 1}), &history), "pong"));
    let wrong = json!({"type": "subscribe", "id": "main", "bbox": [1, 2, 3], "zoom": 21, "filter": {"category": ["fire"]}});
    pin("error.json", &only(staff.send(&wrong, &history), "error"));
    pin("unsubscribe.json", &json!({"type": "unsubscribe", "id": "main"}));
    assert_eq!(staff.send(&json!({"type": "unsubscribe", "id": "main"}), &history), Vec::<Value>::new());

    let resume =
        json!({"epoch": "01890000-0000-7000-8000-000000000000", "seq": 3, "view": "0123456789abcdef01"});
    let mut again = ask.clone();
    again["resume"] = resume;
    pin("resume.json", &again);
    let snapshot = only(staff.send(&again, &history), "snapshot");
    assert_eq!(snapshot["reason"], "epoch_changed");
}

#[test]
fn what_is_late_is_told_to_staff_as_published() {
    let mut history = morning();
    let ask = json!({"type": "subscribe", "id": "main", "bbox": [0, 0, 1, 1], "zoom": 3});
    let mut staff = Reader::new(&history, Projection::Staff);
    let mut public = Reader::new(&history, Projection::Public);
    staff.send(&ask, &history);
    public.send(&ask, &history);
    // A heap that nobody has looked at: four working hours, then two until the supervisor is told.
    history.step(&Step::Pass { minutes: 26 * 60 });
    history.step(&Step::Tick);
    let late = |frames: Vec<Value>| -> Vec<Value> {
        frames.into_iter().filter(|frame| frame["kind"] == "overdue").collect()
    };
    let told = late(staff.beat(&history, 0));
    let of_heap = told
        .iter()
        .find(|alarm| alarm["level"] == 1 && alarm["feature"]["properties"]["category"] == "garbage");
    pin("alarm_overdue.json", of_heap.expect("the supervisor is told"));
    assert_eq!(late(public.beat(&history, 0)), Vec::<Value>::new());
}

async fn stands_at(history: History) -> TestApp {
    let clock = Arc::new(ManualClock::at(history.now));
    let journal = Kept::Given(history.journal);
    Setup { journal, clock, pulse: Pulse::default(), ..Setup::default() }.start().await
}

/// Of an edge that does not hear of its origin.
fn out_of_touch() -> Value {
    let hello = ServerMessage::Hello {
        protocol: "pantau.v1",
        epoch: "7f9f3850-da6a-48c9-7833-63bff4200a0e".to_owned(),
        seq: 26,
        projection: "public",
        frame_ms: 50,
        heartbeat_s: 15,
        now: "2026-11-24T00:25:00Z".to_owned(),
        speed: 1.0,
        build: "0.0.0+build",
        degraded: false,
        in_touch: false,
        presence: false,
    };
    serde_json::to_value(&hello).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_published() {
    let mut history = morning();
    hour_after(&mut history);
    let newest = history.map().seq();
    let app = stands_at(history).await;
    assert_eq!(app.live().seq(), newest, "standing up adds nothing");
    let mut redactions = Redactions::default();

    let hello = Socket::connect(app.address, "?projection=public").await.hello;
    pin("hello.json", &redactions.apply(hello));
    pin("hello_out_of_touch.json", &out_of_touch());
    let bbox = "bbox=127.36,0.78,127.40,0.82";
    for (name, path) in [
        ("clusters.json", format!("/api/v1/clusters?{bbox}&zoom=15")),
        ("incidents.json", "/api/v1/incidents?limit=2".to_owned()),
        ("hotspots.json", "/api/v1/hotspots?category=water&members=true".to_owned()),
        ("stats.json", "/api/v1/stats".to_owned()),
        ("area.json", "/api/v1/areas/82.71.04".to_owned()),
        ("city.json", "/api/v1/city".to_owned()),
        ("readyz.json", "/readyz".to_owned()),
    ] {
        let mut answer = app.get(&path).send().await.ok();
        if name == "area.json" {
            // The outline follows the pack's data: its shape is pinned, not where it runs.
            let kind = answer["geometry"]["type"].take();
            assert!(kind == "Polygon" || kind == "MultiPolygon", "{kind}");
            let ring = json!([[127.3, 0.7], [127.4, 0.7], [127.4, 0.8], [127.3, 0.7]]);
            answer["geometry"] = json!({"type": "Polygon", "coordinates": [ring]});
        }
        check(&format!("rest/{name}"), &redactions.apply(answer));
    }
    let newest = app.get("/api/v1/incidents?limit=1").send().await.ok()["features"][0]["id"].clone();
    let path = format!("/api/v1/incidents/{}", newest.as_str().unwrap());
    check("rest/incident.json", &redactions.apply(app.get(&path).send().await.ok()));
    let problem = app.get("/api/v1/clusters?bbox=1,2,3&zoom=21&colour=red").send().await.problem(400);
    check("rest/problem.json", &redactions.apply(problem));

    let receipt = app.report(&json!({"category": "garbage", "lng": 127.38, "lat": 0.79})).await;
    let status =
        app.get(&format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap())).send().await.ok();
    check("rest/report_receipt.json", &receipt);
    let mut status = status;
    // The tick that follows the report may be there already.
    assert!(status["seq"].as_u64() >= receipt["seq"].as_u64());
    status["seq"] = receipt["seq"].clone();
    check("rest/report_status.json", &status);
}
