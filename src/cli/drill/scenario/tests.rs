use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::*;
use crate::city::City;
use crate::model::{Status, great_circle_m};

fn ground(pack: &str) -> Ground {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata").join(pack);
    let city = City::load(&dir).unwrap();
    let keys =
        |keys: Vec<&String>| keys.iter().map(|key| serde_json::json!({"key": key})).collect::<Vec<_>>();
    let answer = serde_json::json!({
        "centre": [city.centre.lng(), city.centre.lat()],
        "categories": keys(city.categories.iter().map(|c| &c.key).collect()),
        "agencies": keys(city.agencies.iter().map(|a| &a.key).collect()),
    });
    let areas = std::fs::read_to_string(dir.join("areas.geojson"))
        .unwrap_or_else(|_| r#"{"type":"FeatureCollection","features":[]}"#.to_owned());
    Ground::from_answers(&answer, serde_json::from_str(&areas).unwrap()).unwrap()
}

fn events(seed: u64, rate: f64, ground: &Ground, seconds: u64) -> Vec<Event> {
    Scenario::new(seed, rate, ground.clone()).take_while(|event| event.at_ms < seconds * 1_000).collect()
}

fn reports(events: &[Event]) -> impl Iterator<Item = (u64, &Told)> {
    events.iter().filter_map(|event| match &event.deed {
        Deed::Report(told) => Some((event.at_ms, told)),
        Deed::Act(_) => None,
    })
}

#[test]
fn the_same_seed_gives_the_same_day_and_another_one_another() {
    let ground = ground("ternate");
    let day = events(7, 2.0, &ground, 600);
    assert_eq!(day, events(7, 2.0, &ground, 600));
    assert_ne!(day, events(8, 2.0, &ground, 600));
    assert!(day.is_sorted_by_key(|event| event.at_ms));
}

#[test]
fn every_place_is_on_land() {
    let ground = ground("ternate");
    for seed in 0..5 {
        for (_, told) in reports(&events(seed, 2.0, &ground, 600)) {
            assert!(ground.is_land(told.place), "seed {seed}: {told:?}");
        }
    }
}

#[test]
fn the_rate_is_kept_on_the_long_average() {
    let ground = ground("ternate");
    for rate in [0.5, 2.0, 20.0] {
        let seconds = (6_000.0 / rate) as u64;
        let count = reports(&events(3, rate, &ground, seconds)).count() as f64;
        let found = count / seconds as f64;
        assert!((0.7..1.3).contains(&(found / rate)), "{found} for {rate}");
    }
}

#[test]
fn the_first_report_comes_at_once_and_the_first_crowd_within_twelve_seconds() {
    for pack in ["ternate", "blank"] {
        let ground = ground(pack);
        for seed in 0..10 {
            let day = events(seed, 2.0, &ground, 12);
            let told: Vec<&Told> = reports(&day).map(|(_, told)| told).collect();
            assert_eq!(reports(&day).next().map(|(at_ms, _)| at_ms), Some(0));
            let crowd = told.iter().any(|core| {
                let near = told.iter().filter(|other| {
                    other.category == core.category && great_circle_m(other.place, core.place) <= 200.0
                });
                let senders: HashSet<String> = near.map(|other| format!("{:?}", other.sender)).collect();
                senders.len() >= 5
            });
            assert!(crowd, "{pack} seed {seed}");
        }
    }
}

/// Plays the day against the table of transitions.
#[test]
fn the_center_does_nothing_that_is_forbidden_and_every_status_has_life() {
    let ground = ground("ternate");
    for seed in 0..3 {
        let mut status: HashMap<u64, Status> = HashMap::new();
        let mut seen = HashSet::new();
        for event in events(seed, 2.0, &ground, 240) {
            match event.deed {
                Deed::Report(Told { joins: Some(main), .. }) => {
                    assert!(status[&main].is_open(), "seed {seed}: joins {main}");
                }
                Deed::Report(told) => {
                    status.insert(told.no, Status::New);
                    seen.insert(Status::New);
                }
                Deed::Act(act) => {
                    let to = act.action.leads_to(status[&act.on]);
                    let to = to.unwrap_or_else(|| panic!("seed {seed}: {act:?} from {}", status[&act.on]));
                    assert_eq!(act.agency.is_some(), act.action == Action::Assign);
                    status.insert(act.on, to);
                    seen.insert(to);
                }
            }
        }
        assert_eq!(seen.len(), Status::ALL.len(), "seed {seed}: {seen:?}");
    }
}

#[test]
fn a_prank_is_twenty_reports_of_one_phone() {
    let day = events(1, 2.0, &ground("ternate"), 200);
    let mut of_phone: HashMap<&str, usize> = HashMap::new();
    for (_, told) in reports(&day) {
        if let Some(phone) = &told.sender.phone {
            *of_phone.entry(phone).or_default() += 1;
        }
    }
    assert_eq!(of_phone.values().max(), Some(&PRANK_REPORTS));
}

/// What was planned and not yet played stays small for as long as the drill runs.
#[test]
fn the_script_does_not_grow() {
    let mut scenario = Scenario::new(1, 2.0, ground("blank"));
    assert!(scenario.by_ref().take(50_000).all(|event| event.at_ms < u64::MAX));
    assert!(scenario.waiting.len() < 5_000, "{}", scenario.waiting.len());
}
