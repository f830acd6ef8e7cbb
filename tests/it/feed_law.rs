//! The law of the feed: a client that applies a snapshot and all deltas up to seq n holds exactly what
//! a fresh snapshot at n holds; through pans, filter changes, cuts, resumes, slow reading and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use pantau::clock::ManualClock;
use pantau::feed::wire::Feature;
use pantau::feed::{Beat, Contents, FilterSpec, Frame, Layers, Session, TextSearch, View, Views};
use pantau::live::{IdSet, Sight};
use pantau::model::{AgencyId, Bbox, Projection};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::fold::Client;
use crate::support::history::{History, Step, any_step};
use crate::support::{blank, ternate};

/// What a test does to a subscriber.
#[derive(Debug, Clone)]
enum Move {
    World(Step),
    /// The subscriber is handed the newest moment.
    Beat {
        heartbeat: bool,
    },
    Pan {
        bbox: usize,
    },
    Filter {
        filter: usize,
    },
    Zoom {
        zoom: u8,
    },
    /// The connection is lost, and resumed after a while: until then the new one has a heartbeat for each step.
    Cut {
        meanwhile: Vec<Step>,
    },
    /// The server restarts; the connection is lost and resumed.
    Restart,
}

fn any_move(step: BoxedStrategy<Step>) -> impl Strategy<Value = Move> {
    let meanwhile = prop::collection::vec(step.clone(), 0..4);
    prop_oneof![
        12 => step.prop_map(Move::World),
        6 => prop::bool::weighted(0.2).prop_map(|heartbeat| Move::Beat { heartbeat }),
        2 => (0..6_usize).prop_map(|bbox| Move::Pan { bbox }),
        1 => (0..10_usize).prop_map(|filter| Move::Filter { filter }),
        1 => (0..=20_u8).prop_map(|zoom| Move::Zoom { zoom }),
        1 => meanwhile.prop_map(|meanwhile| Move::Cut { meanwhile }),
        1 => Just(Move::Restart),
    ]
}

/// A subscriber that asks in one way at a time.
struct Subscriber {
    session: Session,
    client: Client,
    bbox: Value,
    zoom: u8,
    filter: Value,
}

impl Subscriber {
    fn ask(&self) -> Value {
        json!({"type": "subscribe", "id": "main", "bbox": self.bbox, "zoom": self.zoom, "filter": self.filter,
            "layers": ["incidents", "hotspots", "stats"]})
    }

    fn send(&mut self, ask: &Value, beat: &Beat) {
        let frames = self.session.receive(&ask.to_string(), beat);
        self.take(frames);
    }

    fn take(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.client.fold(&serde_json::from_slice(frame.json()).expect("JSON"));
        }
        assert_eq!(self.client.errors, Vec::<Value>::new());
    }
}

fn boxes(history: &History) -> Vec<Value> {
    let (lng, lat) = (history.city.centre.lng(), history.city.centre.lat());
    let around = |west: f64, south: f64, side: f64| {
        json!([lng + west, lat + south, lng + west + side, lat + south + side])
    };
    vec![
        json!([-180, -90, 180, 90]),
        around(-0.01, -0.01, 0.03),
        around(0.0, 0.0, 0.004),
        around(0.003, 0.002, 0.004),
        around(0.004, 0.0, 0.002),
        json!([170, -60, -170, 90]),
    ]
}

fn filters(history: &History, sight: &Sight) -> Vec<Value> {
    let (lng, lat) = (history.city.centre.lng(), history.city.centre.lat());
    let (east, north) = (lng + 0.005, lat + 0.004);
    let triangle =
        json!({"type": "Polygon", "coordinates": [[[lng, lat], [east, lat], [lng, north], [lng, lat]]]});
    let area = history.city.areas.locate(history.city.centre).map(|id| &history.city.areas.get(id).code);
    let since = history.now.plus_ms(-3_600_000).to_rfc3339();
    vec![
        json!({}),
        json!({"category": ["garbage", "accident"]}),
        json!({"status": ["new", "verified", "in_progress", "resolved", "rejected"]}),
        json!({"status": ["verified", "resolved"], "drill": false}),
        json!({"overdue": true}),
        json!({"within": triangle}),
        json!({"since": since}),
        area.map_or(json!({"drill": true}), |code| json!({"area": [code]})),
        json!({"q": "banjir masjid"}),
        match sight.projection() {
            Projection::Staff => json!({"escalation": 1}),
            Projection::Public => json!({"overdue": false}),
        },
    ]
}

fn run(city: Arc<pantau::city::City>, sight: &Sight, moves: &[Move]) {
    let mut history = History::new(city);
    let views = Arc::new(Views::default());
    let search = history.search();
    let mut heartbeat_no = 0;
    let beat =
        |history: &History, no: u64| Beat::new(history.map().clone(), &ManualClock::at(history.now), no);
    let first = beat(&history, heartbeat_no);
    let mut subscriber = Subscriber {
        session: Session::new(sight.clone(), views.clone(), search.clone(), &first),
        client: Client { epoch: history.map().epoch().to_string(), ..Client::default() },
        bbox: boxes(&history)[1].clone(),
        zoom: 15,
        filter: json!({}),
    };
    let ask = subscriber.ask();
    subscriber.send(&ask, &first);

    for step in moves {
        match step {
            Move::World(step) => {
                history.step(step);
                continue;
            }
            Move::Beat { heartbeat } => {
                heartbeat_no += u64::from(*heartbeat);
                let frames = subscriber.session.beat(&beat(&history, heartbeat_no));
                subscriber.take(frames);
            }
            Move::Pan { bbox } => {
                subscriber.bbox = boxes(&history)[*bbox].clone();
                let ask = subscriber.ask();
                subscriber.send(&ask, &beat(&history, heartbeat_no));
            }
            Move::Filter { filter } => {
                subscriber.filter = filters(&history, sight)[*filter].clone();
                let ask = subscriber.ask();
                subscriber.send(&ask, &beat(&history, heartbeat_no));
            }
            Move::Zoom { zoom } => {
                subscriber.zoom = *zoom;
                let ask = subscriber.ask();
                subscriber.send(&ask, &beat(&history, heartbeat_no));
            }
            Move::Cut { .. } | Move::Restart => {
                if matches!(step, Move::Restart) {
                    history.restart();
                }
                let now = beat(&history, heartbeat_no);
                subscriber.session = Session::new(sight.clone(), views.clone(), search.clone(), &now);
                subscriber.client.in_step = false;
                if let Move::Cut { meanwhile } = step {
                    for step in meanwhile {
                        history.step(step);
                        heartbeat_no += 1;
                        let frames = subscriber.session.beat(&beat(&history, heartbeat_no));
                        subscriber.take(frames);
                    }
                }
                let mut ask = subscriber.ask();
                ask["resume"] = subscriber.client.resume();
                subscriber.send(&ask, &beat(&history, heartbeat_no));
            }
        }
        settle(&mut subscriber, &beat(&history, heartbeat_no), &views, search.clone());
    }
}

/// What an agency sees, or a responder of the areas around the centre.
fn part(agency: bool) -> Sight {
    let city = ternate();
    let own =
        city.areas.locate(city.centre).map(|area| city.areas.with_ancestors(area).nth(1).unwrap_or(area));
    match agency {
        true => Sight::of_agencies(IdSet::of_agencies([AgencyId(0), AgencyId(2)])),
        false => Sight::of_areas(city.areas.with_descendants(own.as_slice())),
    }
}

/// Hands over the newest moment and compares what is held with a fresh snapshot of it.
fn settle(subscriber: &mut Subscriber, beat: &Beat, views: &Arc<Views>, search: Arc<TextSearch>) {
    let frames = subscriber.session.beat(beat);
    subscriber.take(frames);
    let mut fresh = Client::default();
    let mut session = Session::new(subscriber.session.sight().clone(), views.clone(), search, beat);
    for frame in session.receive(&subscriber.ask().to_string(), beat) {
        fresh.fold(&serde_json::from_slice(frame.json()).expect("JSON"));
    }
    let differences = subscriber.client.held.differences(&fresh.held);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(subscriber.client.view, fresh.view);
}

/// A screen that comes from a node that is ahead, and looks elsewhere while this one catches up.
#[test]
fn another_question_while_a_resume_waits_shows_nothing_older() {
    let mut history = History::new(ternate());
    history.submit(pantau::model::Command::Tick);
    let beat = |history: &History| Beat::new(history.map().clone(), &ManualClock::at(history.now), 0);
    let ask = |bbox: &Value| json!({"type": "subscribe", "id": "main", "bbox": bbox, "zoom": 15, "layers": ["incidents"]});
    let boxes = boxes(&history);
    for catches_up in [true, false] {
        let behind = beat(&history);
        let seq = behind.map.seq().0 + 1;
        let mut session = Session::new(Sight::STAFF, Arc::default(), history.search(), &behind);
        let mut first = ask(&boxes[1]);
        first["resume"] =
            json!({"epoch": behind.map.epoch().to_string(), "seq": seq, "view": "of another node"});
        assert!(session.receive(&first.to_string(), &behind).is_empty());
        assert!(session.receive(&ask(&boxes[2]).to_string(), &behind).is_empty(), "it waits on");
        assert!(session.is_waiting());
        let frames = if catches_up {
            history.submit(pantau::model::Command::Tick);
            session.beat(&beat(&history))
        } else {
            session.stop_waiting(session.newest_wait(), &behind)
        };
        let snapshot: Value = serde_json::from_slice(frames[0].json()).unwrap();
        let reason = if catches_up { "view_changed" } else { "ahead" };
        assert_eq!((&snapshot["reason"], frames.len()), (&json!(reason), 1));
        assert_eq!(snapshot["seq"].as_u64().unwrap() >= seq, catches_up);
        assert!(!session.is_waiting());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_deltas_add_up_to_a_fresh_snapshot_for_staff(
        moves in prop::collection::vec(any_move(any_step(&ternate())), 1..120),
    ) {
        run(ternate(), &Sight::STAFF, &moves);
    }

    #[test]
    fn a_snapshot_and_deltas_add_up_to_a_fresh_snapshot_for_the_public(
        moves in prop::collection::vec(any_move(any_step(&blank())), 1..120),
    ) {
        run(blank(), &Sight::PUBLIC, &moves);
    }

    #[test]
    fn a_snapshot_and_deltas_add_up_to_a_fresh_snapshot_for_whoever_sees_a_part(
        agency in any::<bool>(),
        moves in prop::collection::vec(any_move(any_step(&ternate())), 1..120),
    ) {
        run(ternate(), &part(agency), &moves);
    }
}

/// What a reader holds after it folded `contents` into `held`, as JSON by id.
fn fold(held: &mut BTreeMap<String, Value>, contents: &Contents) {
    let value = |feature: &Feature| serde_json::to_value(feature).expect("JSON");
    for id in contents.remove.iter().chain(&contents.hotspots_remove) {
        held.remove(id);
    }
    let upserts = contents.upsert.iter().chain(&contents.hotspots_upsert);
    held.extend(upserts.map(|feature| (feature.id.clone(), value(feature))));
    if let Some(stats) = &contents.stats {
        held.insert("stats".to_owned(), serde_json::to_value(stats).expect("JSON"));
    }
}

/// A delta looks only at changes that can concern its view. Whatever happened, it turns what the view
/// showed into what it shows, as one does that looks at every change; and where it finds nothing,
/// nothing is different.
fn check_guards(city: Arc<pantau::city::City>, sight: &Sight, before: &[Step], after: &[Step]) {
    let mut history = History::new(city);
    before.iter().for_each(|step| history.step(step));
    let then = history.map().clone();
    after.iter().for_each(|step| history.step(step));
    let now = history.map();
    if !now.reaches_back_to(then.seq()) {
        return; // Where a place was erased, everybody gets a snapshot.
    }
    let layers =
        [&["incidents"][..], &["hotspots"], &["stats"]].map(|keys| Layers::from_keys(keys.iter().copied()));
    for (bbox, filter) in
        boxes(&history).iter().zip(filters(&history, sight).iter().cycle().skip(before.len()))
    {
        let spec: FilterSpec = serde_json::from_value(filter.clone()).expect("a filter");
        let corner = |i: usize| bbox[i].as_f64().expect("degrees");
        let bbox = Bbox::new(corner(0), corner(1), corner(2), corner(3)).expect("a box");
        for (layers, zoom) in layers.iter().zip([15, 3, 18]) {
            let view = View {
                projection: sight.projection(),
                hotspots: sight.hotspots(),
                bbox,
                zoom,
                filter: spec.check(&history.city, sight, "/").expect("a filter"),
                layers: layers.clone().expect("layers"),
            };
            let level = view.level_in_force(now);
            let held = |contents: &[&Contents]| {
                let mut held = BTreeMap::new();
                contents.iter().for_each(|contents| fold(&mut held, contents));
                held
            };
            let first = Contents::snapshot(&then, &view, level);
            let guarded = Contents::delta(now, &view, level, then.seq());
            let unguarded = Contents::pan(now, &view, &view, level, then.seq());
            let fresh = held(&[&Contents::snapshot(now, &view, level)]);
            let name = format!("{filter} {bbox:?} {layers:?}");
            assert_eq!(held(&[&first, &unguarded]), fresh, "{name}");
            assert_eq!(held(&[&first, &guarded]), fresh, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_view_passes_over_only_what_leaves_it_as_it_was(
        sight in prop::sample::select(vec![Sight::PUBLIC, Sight::STAFF, part(true), part(false)]),
        before in prop::collection::vec(any_step(&ternate()), 0..60),
        after in prop::collection::vec(any_step(&ternate()), 0..12),
    ) {
        check_guards(ternate(), &sight, &before, &after);
    }

    #[test]
    fn a_view_of_the_world_passes_over_only_what_leaves_it_as_it_was(
        before in prop::collection::vec(any_step(&blank()), 0..60),
        after in prop::collection::vec(any_step(&blank()), 0..12),
    ) {
        check_guards(blank(), &Sight::STAFF, &before, &after);
    }
}
