//! What the tests of this folder share: the naive oracle, seeded chance, small cities.

use std::path::Path;
use std::sync::Arc;

use proptest::test_runner::{Config, RngSeed};

use super::dbscan::Point;
use crate::city::{Areas, Category, City, Colour, CredibilityRule, HotspotParameters, Text, Zoom};
use crate::model::{Channel, HOUR_MS, LngLat, great_circle_m};

/// The same cases in every run; a failure prints the smallest input that shows it.
pub fn cases(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1996), failure_persistence: None, ..Config::default() }
}

pub fn place(lng: f64, lat: f64) -> LngLat {
    LngLat::new(lng, lat).unwrap()
}

/// `(point, core)` by point, for each group by its smallest core.
pub type NaiveGroups = Vec<Vec<(usize, bool)>>;

/// DBSCAN as the design words it, each pair of points looked at.
pub fn naive_dbscan(points: &[Point], parameters: &HotspotParameters) -> NaiveGroups {
    let near = |a: usize, b: usize| great_circle_m(points[a].place, points[b].place) <= parameters.eps_m;
    let all = 0..points.len();
    let units = |weight: f64| (weight * 1e6).round() as u64;
    let weight =
        |a: usize| all.clone().filter(|b| near(a, *b)).map(|b| units(points[b].weight)).sum::<u64>();
    let core: Vec<bool> = all.clone().map(|a| weight(a) >= units(parameters.min_reports)).collect();
    let mut label: Vec<Option<usize>> = vec![None; points.len()];
    for start in all.clone() {
        let mut todo = if core[start] && label[start].is_none() { vec![start] } else { Vec::new() };
        while let Some(a) = todo.pop() {
            if label[a].is_none() {
                label[a] = Some(start);
                todo.extend(all.clone().filter(|b| core[*b] && near(a, *b)));
            }
        }
    }
    for a in all.clone().filter(|a| !core[*a]) {
        let cores = all.clone().filter(|b| core[*b] && near(a, *b));
        let distance_m = |b: &usize| great_circle_m(points[a].place, points[*b].place);
        let nearest = cores.min_by(|b, c| distance_m(b).total_cmp(&distance_m(c)).then(b.cmp(c)));
        label[a] = nearest.and_then(|b| label[b]);
    }
    let group = |start: usize| -> Vec<(usize, bool)> {
        all.clone().filter(|a| label[*a] == Some(start)).map(|a| (a, core[a])).collect()
    };
    let enough = |group: &Vec<(usize, bool)>| {
        let senders: std::collections::HashSet<_> = group.iter().map(|(a, _)| points[*a].sender).collect();
        !group.is_empty() && senders.len() >= parameters.min_reporters
    };
    all.clone().map(group).filter(enough).collect()
}

/// The same with three square villages, whose borders are the meridians 127.38 and 127.39.
pub fn city_with_areas(eps_m: f64, min_reports: f64, min_reporters: usize) -> Arc<City> {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hotspots/pack");
    let City { areas, land, .. } = City::load(&pack).unwrap();
    let without = Arc::into_inner(city(eps_m, min_reports, min_reporters)).unwrap();
    Arc::new(City { areas, land, ..without })
}

/// A pack that weighs reports: of social media a half, and who leaves no mark on the web is as one.
pub fn weighing(city: Arc<City>) -> Arc<City> {
    let mut rule = CredibilityRule::default();
    assert!(rule.set_weight(Channel::Social, 0.5));
    rule.take_as_one(Channel::Web);
    Arc::new(City { credibility: Some(rule), ..Arc::into_inner(city).unwrap() })
}

/// A pack without areas: categories `water` (window 1 h) and `garbage` (3 h), all (2 h).
pub fn city(eps_m: f64, min_reports: f64, min_reporters: usize) -> Arc<City> {
    let text = |word: &str| Text { id: word.to_owned(), en: word.to_owned() };
    let hotspot =
        |hours: i64| HotspotParameters { eps_m, min_reports, min_reporters, window_ms: hours * HOUR_MS };
    let category = |key: &str, hours| Category {
        key: key.to_owned(),
        name: text(key),
        icon: "circle".to_owned(),
        colour: Colour { dark: "#000000".to_owned(), day: "#000000".to_owned() },
        agency: None,
        sensitive: false,
        repair_photo: false,
        deadline_ms: None,
        deadlines: Default::default(),
        checklist: Vec::new(),
        hotspot: hotspot(hours),
        join: crate::city::JoinRule { radius_m: eps_m, within_ms: hours * HOUR_MS },
    };
    Arc::new(City {
        retention: Default::default(),
        key: "test".to_owned(),
        name: text("Test"),
        code_prefix: "TST".to_owned(),
        centre: place(127.38, 0.79),
        zoom: Zoom { min: 0.0, start: 10.0, max: 20.0 },
        bounds: None,
        time_zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(9)),
        time_zone_name: "Asia/Jayapura".to_owned(),
        time_zone_label: "WIT".to_owned(),
        languages: vec!["id".to_owned(), "en".to_owned()],
        keep_closed_ms: None,
        coarse_res: h3o::Resolution::Nine,
        attribution: String::new(),
        basemap: None,
        overlays: Vec::new(),
        categories: vec![category("water", 1), category("garbage", 3)],
        all_categories: hotspot(2),
        agencies: Vec::new(),
        routes: Vec::new(),
        areas: Areas::default(),
        holidays: Vec::new(),
        calendar: crate::city::Calendar::plain(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))),
        credibility: None,
        land: crate::city::Land::new(h3o::Resolution::Nine),
        hash: [0; 32],
    })
}
