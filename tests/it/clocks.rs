//! Deadlines as the center meets them: warned of before, told of after, paused and resumed; all of it the
//! same on every node, after a restart, and for who was away.

use std::collections::BTreeMap;
use std::sync::Arc;

use pantau::city::City;
use pantau::clock::ManualClock;
use pantau::feed::{Beat, Session, Views};
use pantau::live::{IdSet, LiveMap, Sight};
use pantau::model::{
    Action, AgencyId, Clock, ClockState, Entry, Fact, IncidentNo, LngLat, MINUTE_MS, Seq, TimeMs,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::http::report;
use crate::support::app::{Kept, Setup, TestApp};
use crate::support::history::{History, START, Step, any_step};
use crate::support::seen::difference;
use crate::support::{blank, ternate};

const ACCIDENT: u8 = 4;

fn accident() -> Step {
    accident_at(127.38)
}

fn accident_at(lng: f64) -> Step {
    Step::Report {
        category: ACCIDENT,
        place: LngLat::new(lng, 0.79).unwrap(),
        age_min: 0,
        sender: 1,
        join: None,
        drill: false,
        text: false,
    }
}

/// On the first incident.
fn act(action: Action) -> Step {
    Step::Act { incident: 0, action, agency: 5 }
}

fn state(history: &History) -> ClockState {
    history.map().clock(IncidentNo(1)).expect("a clock runs").1
}

/// As the engine does: a tick where one is due.
fn pass(history: &mut History, minutes: u16) {
    history.step(&Step::Pass { minutes });
    if history.writer.tick_is_due(history.now) {
        history.step(&Step::Tick);
    }
}

#[test]
fn time_alone_warns_of_a_step_and_climbs_its_ladder() {
    let mut history = History::new(ternate());
    history.step(&accident());
    // Five minutes to verify; the supervisor is told ten minutes later, the head thirty.
    let due_at = START.plus_ms(5 * MINUTE_MS);
    assert_eq!(history.map().incident(IncidentNo(1)).unwrap().due_at(), Some(due_at));
    assert_eq!(
        history.writer.tick_due_at(),
        Some(START.plus_ms(225_000)),
        "a warning after three quarters"
    );
    let steps = [
        (3, ClockState::Ok, false),
        (1, ClockState::Soon, false),
        (1, ClockState::Late { escalation: 0 }, true),
        (10, ClockState::Late { escalation: 1 }, true),
        (20, ClockState::Late { escalation: 2 }, true),
    ];
    for (minutes, expected, overdue) in steps {
        pass(&mut history, minutes);
        assert_eq!(state(&history), expected);
        assert_eq!(history.map().incident(IncidentNo(1)).unwrap().overdue, overdue, "{expected:?}");
    }
    // Work on the step ends it; the next one has its own time, within the two hours of the whole.
    history.step(&act(Action::Verify));
    assert_eq!(state(&history), ClockState::Ok);
    assert!(!history.map().incident(IncidentNo(1)).unwrap().overdue);
    history.step(&act(Action::Start));
    let clock = *history.map().clock(IncidentNo(1)).unwrap().0;
    assert_eq!(clock.due_at, START.plus_ms(120 * MINUTE_MS), "no step outlasts the whole");
    history.step(&act(Action::Resolve));
    assert_eq!(history.map().clock(IncidentNo(1)), None);
}

#[test]
fn a_paused_clock_is_never_late_and_has_its_time_left_afterwards() {
    let mut history = History::new(ternate());
    history.step(&accident());
    pass(&mut history, 2);
    history.step(&act(Action::Pause));
    let version = history.map().incident(IncidentNo(1)).unwrap().version;
    pass(&mut history, 600);
    assert_eq!(state(&history), ClockState::Paused);
    history.step(&act(Action::Pause));
    assert_eq!(history.map().incident(IncidentNo(1)).unwrap().version, version, "paused once");
    history.restart();
    assert_eq!(state(&history), ClockState::Paused, "also after a restart");
    history.step(&act(Action::Resume));
    let left = history.map().incident(IncidentNo(1)).unwrap().due_at();
    assert_eq!(left, Some(history.now.plus_ms(3 * MINUTE_MS)));
    let version = history.map().incident(IncidentNo(1)).unwrap().version;
    history.step(&act(Action::Resume));
    assert_eq!(history.map().incident(IncidentNo(1)).unwrap().version, version, "it runs already");
    pass(&mut history, 3);
    assert_eq!(state(&history), ClockState::Late { escalation: 0 });
}

/// One reader with a subscription of its own.
struct Reader {
    session: Session,
    seq: u64,
}

fn beat(history: &History) -> Beat {
    Beat::new(LiveMap::clone(history.map()), &ManualClock::at(history.now), 0)
}

fn ask() -> Value {
    json!({"type": "subscribe", "id": "main", "bbox": [0, 0, 1, 1], "zoom": 3})
}

fn alarms(frames: Vec<pantau::feed::Frame>) -> Vec<Value> {
    let frames = frames.into_iter().map(|frame| serde_json::from_slice::<Value>(frame.json()).unwrap());
    frames.filter(|frame| frame["type"] == "alarm" && frame["kind"] == "overdue").collect()
}

impl Reader {
    fn new(history: &History, sight: &Sight) -> Reader {
        let now = beat(history);
        let mut session = Session::new(sight.clone(), Arc::new(Views::default()), history.search(), &now);
        assert_eq!(
            alarms(session.receive(&ask().to_string(), &now)),
            Vec::<Value>::new(),
            "none of the past"
        );
        Reader { session, seq: history.map().seq().0 }
    }

    fn told(&mut self, history: &History) -> Vec<Value> {
        alarms(self.session.beat(&beat(history)))
    }

    /// The same reader, who was away since it subscribed.
    fn comes_back(&self, history: &History) -> Vec<Value> {
        let now = beat(history);
        let sight = self.session.sight().clone();
        let mut session = Session::new(sight, Arc::new(Views::default()), history.search(), &now);
        let mut ask = ask();
        ask["resume"] =
            json!({"epoch": history.map().epoch().to_string(), "seq": self.seq, "view": "none"});
        alarms(session.receive(&ask.to_string(), &now))
    }
}

#[test]
fn each_rung_is_told_once_to_those_whom_it_concerns_and_to_who_was_away() {
    let mut history = History::new(ternate());
    history.step(&accident());
    let police = Sight::of_agencies(IdSet::of_agencies([AgencyId(5)]));
    let cleaners = Sight::of_agencies(IdSet::of_agencies([AgencyId(0)]));
    let mut staff = Reader::new(&history, &Sight::STAFF);
    let mut police = Reader::new(&history, &police);
    let others = [Reader::new(&history, &cleaners), Reader::new(&history, &Sight::PUBLIC)];
    let mut all = Vec::new();
    for (minutes, level, title) in [
        (5, 0, "Verification overdue: Accident"),
        (10, 1, "Verification overdue, to the supervisor: Accident"),
        (20, 2, "Verification overdue, to the head: Accident"),
    ] {
        pass(&mut history, minutes);
        let told = staff.told(&history);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["level"], level);
        assert!(told[0]["title"]["en"].as_str().unwrap().starts_with(title), "{}", told[0]["title"]);
        assert_eq!(told[0]["feature"]["properties"]["clock"]["escalation"], level);
        assert_eq!(police.told(&history), told);
        all.extend(told);
    }
    for mut other in others {
        assert_eq!(other.told(&history), Vec::<Value>::new());
        assert_eq!(other.comes_back(&history), Vec::<Value>::new());
    }
    assert_eq!(staff.told(&history), Vec::<Value>::new(), "nothing twice");
    let ids = |alarms: &[Value]| alarms.iter().map(|alarm| alarm["id"].to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&staff.comes_back(&history)), ids(&all));
    // The journal's tail reaches back ten minutes: the rung of twenty minutes ago is still the newest entry.
    history.restart();
    assert_eq!(ids(&staff.comes_back(&history)).last(), ids(&all).last());
    assert_eq!(staff.told(&history), Vec::<Value>::new(), "a restart says nothing twice");
}

#[test]
fn a_center_that_was_off_tells_every_rung_that_was_reached_meanwhile() {
    let mut history = History::new(ternate());
    history.step(&accident());
    let mut staff = Reader::new(&history, &Sight::STAFF);
    pass(&mut history, 600);
    let levels: Vec<Value> = staff.told(&history).iter().map(|alarm| alarm["level"].clone()).collect();
    assert_eq!(levels, [json!(0), json!(1), json!(2)]);
}

#[test]
fn a_center_that_was_off_tells_of_all_that_became_late_the_longest_too() {
    let mut history = History::new(ternate());
    (0..400).for_each(|_| history.step(&accident()));
    let mut staff = Reader::new(&history, &Sight::STAFF);
    pass(&mut history, 600);
    let told = staff.told(&history);
    assert_eq!(told.len(), 3 * 400);
    let again = staff.comes_back(&history);
    assert_eq!(again.len(), 3 * 400, "and whoever was away too");
    history.step(&accident());
    pass(&mut history, 5);
    assert_eq!(staff.told(&history).len(), 1);
    assert_eq!(staff.comes_back(&history).len(), 1_000, "then the newest thousand are remembered");
}

#[test]
fn what_an_entry_itself_made_late_is_told_again_after_a_restart() {
    let mut history = History::new(ternate());
    history.step(&accident());
    history.step(&accident_at(127.3805));
    history.step(&Step::Merge { absorbed: 0, into: 1 });
    // It is late when it is set free, and nobody was told of it while others worked on both.
    pass(&mut history, 600);
    let staff = Reader::new(&history, &Sight::STAFF);
    history.step(&Step::Split { absorbed: 0 });
    let ids = |alarms: &[Value]| alarms.iter().map(|alarm| alarm["id"].to_string()).collect::<Vec<_>>();
    let told = staff.comes_back(&history);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["level"], 2);
    history.restart();
    assert_eq!(ids(&staff.comes_back(&history)), ids(&told));
}

#[test]
fn an_alarm_of_before_an_erasure_does_not_tell_the_place_that_went() {
    let mut history = History::new(ternate());
    history.step(&accident());
    let staff = Reader::new(&history, &Sight::STAFF);
    pass(&mut history, 5);
    let told_place = |history: &History| {
        let told = staff.comes_back(history);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0]["feature"]["geometry"].clone()
    };
    let exact = told_place(&history);
    history.step(&Step::Erase { report: 0, text: false, place: true });
    let coarse = told_place(&history);
    assert_ne!(coarse, exact);
    history.restart();
    assert_eq!(told_place(&history), coarse, "a node that was started since tells the same");
}

/// Who was told what, by walking the entries: at each of them every clock is looked at, before and after.
fn alarms_of(entries: &[Entry]) -> Vec<(Seq, IncidentNo, u8)> {
    let mut clocks: BTreeMap<IncidentNo, Clock> = BTreeMap::new();
    let mut parked: BTreeMap<IncidentNo, Clock> = BTreeMap::new();
    let mut told = Vec::new();
    let mut before = TimeMs(0);
    for entry in entries {
        let mut by_time: Vec<_> = clocks
            .iter()
            .flat_map(|(no, clock)| {
                let (was, is) = (clock.state_at(before).told(), clock.state_at(entry.at).told());
                (was..is).map(|level| (entry.seq, *no, level))
            })
            .collect();
        told.append(&mut by_time);
        let (no, clock) = match &entry.fact {
            Fact::Report(fact) if fact.opens.is_some() => (fact.incident, fact.opens.unwrap().clock),
            Fact::Action(fact) => (fact.incident, fact.clock),
            Fact::Merge(fact) => {
                parked.extend(clocks.remove(&fact.absorbed).map(|clock| (fact.absorbed, clock)));
                (IncidentNo(0), None)
            }
            Fact::Split(fact) => (fact.absorbed, parked.remove(&fact.absorbed)),
            _ => (IncidentNo(0), None),
        };
        if no.0 > 0 {
            let was = clocks.remove(&no).map_or(0, |clock| clock.state_at(entry.at).told());
            let is = clock.map_or(0, |clock| clock.state_at(entry.at).told());
            told.extend((is > was).then(|| (entry.seq, no, is - 1)));
            clocks.extend(clock.map(|clock| (no, clock)));
        }
        before = entry.at;
    }
    told
}

fn check_history(city: Arc<City>, steps: &[Step]) {
    let mut history = History::new(city);
    for step in steps {
        history.step(step);
        if matches!(step, Step::Pass { .. }) && history.writer.tick_is_due(history.now) {
            history.step(&Step::Tick);
        }
    }
    let mut expected = alarms_of(&history.entries);
    let alarms = |history: &History| -> Vec<(Seq, IncidentNo, u8)> {
        let alarms = history.map().late_alarms_since(Seq(0));
        alarms.map(|alarm| (alarm.seq, alarm.incident.no, alarm.level)).collect()
    };
    let mut found = alarms(&history);
    assert!(found.is_sorted_by_key(|(seq, ..)| *seq));
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    for (no, clock) in history.map().clocks() {
        let incident = history.map().incident(no).expect("what has a clock is in memory");
        assert!(incident.status.is_open(), "{no:?} is closed");
        assert_eq!(incident.due_at(), clock.runs_until());
        let is_late = matches!(clock.state_at(history.map().now()), ClockState::Late { .. });
        assert_eq!(incident.overdue, is_late);
    }
    let bytes = history.snapshot();
    let before = history.map().clone();
    history.restart();
    let stood_up = |history: &History| difference(&before, history.map());
    assert_eq!(stood_up(&history), None, "from the tables");
    for alarm in alarms(&history) {
        assert!(expected.binary_search(&alarm).is_ok(), "{alarm:?} was never raised");
    }
    if let Some(bytes) = bytes {
        history.restart_from(&bytes);
        assert_eq!(stood_up(&history), None, "from a snapshot");
    }
    assert_eq!(difference(&before, history.replayed().map()), None, "replayed");
    assert_eq!(before.state_hash(), history.map().state_hash());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn clocks_and_alarms_follow_from_the_entries_alone(
        steps in prop::collection::vec(any_step(&ternate()), 1..150),
    ) {
        check_history(ternate(), &steps);
        check_history(blank(), &steps);
    }
}

/// The server at a moment of the test's choice.
async fn app_at(clock: &Arc<ManualClock>) -> TestApp {
    Setup { clock: clock.clone(), journal: Kept::InMemory, ..Setup::default() }.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_pause_a_clock_with_a_reason_and_see_who_did() {
    let clock = Arc::new(ManualClock::at(START));
    let app = app_at(&clock).await;
    let receipt = app.report(&report("accident")).await;
    let incident = &receipt["incident"];
    let path = |action: &str| format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
    assert_eq!(app.post(&path("pause"), "{}").send().await.pointers(422), ["/note"]);
    assert_eq!(app.post(&path("resume"), "{}").send().await.problem(409)["type"], "/problems/clock");

    let paused = app.act(incident, "pause", &json!({"note": "menunggu alat berat"})).await;
    let of_paused = &paused["properties"]["clock"];
    assert_eq!((&of_paused["state"], &of_paused["due_at"]), (&json!("paused"), &Value::Null));
    assert_eq!(of_paused["paused"]["note"], "menunggu alat berat");
    assert_eq!(of_paused["paused"]["left_s"], 300);
    assert!(of_paused["paused"]["by"].is_string(), "{paused}");
    assert_eq!(paused["properties"]["due_at"], Value::Null);
    let again = app.post(&path("pause"), r#"{"note":"lagi"}"#).send().await.problem(409);
    assert_eq!(again["type"], "/problems/clock");

    clock.advance_ms(60 * MINUTE_MS);
    let resumed = app.act(incident, "resume", &json!({})).await;
    assert_eq!(resumed["properties"]["due_at"], START.plus_ms(65 * MINUTE_MS).to_rfc3339());
    assert_eq!(resumed["properties"]["clock"]["paused"], Value::Null);

    // Eleven minutes after it was due the supervisor was told, the head not yet.
    clock.advance_ms(16 * MINUTE_MS);
    app.report(&report("garbage")).await;
    let count = async |query: &str| {
        let list = app.get(&format!("/api/v1/incidents?{query}")).send().await.ok();
        list["numberMatched"].as_u64().unwrap()
    };
    assert_eq!(
        (count("overdue=true").await, count("escalation=1").await, count("escalation=2").await),
        (1, 1, 0)
    );
    let of_public = app.get("/api/v1/incidents?escalation=1&projection=public").send().await;
    assert_eq!(of_public.pointers(400), ["escalation"]);
    assert_eq!(app.get("/api/v1/incidents?escalation=3").send().await.pointers(400), ["escalation"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_is_told_when_it_is_due_and_of_no_clock() {
    let app = TestApp::start().await;
    let receipt = app.report(&report("garbage")).await;
    app.act(&receipt["incident"], "verify", &json!({})).await;
    let seen = |projection: &str| format!("/api/v1/incidents?projection={projection}");
    let of = async |path: String| app.get(&path).send().await.ok()["features"][0]["properties"].clone();
    let public = of(seen("public")).await;
    assert!(public["due_at"].is_string() && public["clock"].is_null(), "{public}");
    let staff = of("/api/v1/incidents".to_owned()).await;
    assert_eq!(staff["clock"]["step"], "start");
    assert_eq!(staff["clock"]["due_at"], public["due_at"]);
    app.stop().await;
}
