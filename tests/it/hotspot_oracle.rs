//! Our DBSCAN equals scikit-learn's: core points are the same and partitioned identically, noise is
//! the same. `tests/oracle/dbscan.py` wrote what scikit-learn says.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use pantau::city::HotspotParameters;
use pantau::live::hotspots::{Point, dbscan};
use pantau::model::{LngLat, SenderId, Seq};
use serde::Deserialize;

const NOISE: i64 = -1;
const BORDER: i64 = -2;

#[derive(Deserialize)]
struct Fixture {
    eps_m: f64,
    min_reports: f64,
    /// A group's number, [`NOISE`] or [`BORDER`].
    labels: Vec<i64>,
    #[serde(default)]
    points_e7: Vec<[i32; 2]>,
}

fn fixture(name: &str) -> Fixture {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/hotspots/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// A file of the real data, which is not part of the project.
fn real(name: &str) -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("PANTAU_TEST_DATA").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join(name)).ok();
    if text.is_none() {
        // Not `println!`: the test runner would keep that to itself.
        let skipped =
            format!("skipped: {name} is not in {}, so its hotspots are not compared\n", folder.display());
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    text
}

fn check(name: &str, places: &[LngLat]) {
    let Fixture { eps_m, min_reports, labels, .. } = fixture(name);
    assert_eq!(places.len(), labels.len(), "{name}");
    let point = |(place, seq): (&LngLat, u64)| Point {
        seq: Seq(seq),
        place: *place,
        sender: SenderId(seq),
        weight: 1.0,
    };
    let points: Vec<Point> = places.iter().zip(1..).map(point).collect();
    let parameters = HotspotParameters { eps_m, min_reports, min_reporters: 1, window_ms: 1 };
    let groups = dbscan(&points, &parameters);

    let mut found = vec![NOISE; places.len()];
    let mut group_of_label: HashMap<i64, usize> = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        for member in &group.members {
            let row = member.point as usize;
            found[row] = if member.core { labels[row] } else { BORDER };
            if member.core {
                assert!(labels[row] >= 0, "{name}: row {row} is no core");
                let same = *group_of_label.entry(labels[row]).or_insert(number);
                assert_eq!(same, number, "{name}: row {row} is in another group than its like");
            }
        }
    }
    assert_eq!(found, labels, "{name}: core, border and noise");
    assert_eq!(group_of_label.len(), groups.len(), "{name}: number of groups");
}

#[test]
fn hotspots_of_made_cities_are_those_of_scikit_learn() {
    for name in ["city", "antimeridian", "north_pole", "wide"] {
        let places = fixture(name).points_e7;
        let place = |[lng, lat]: &[i32; 2]| LngLat::from_e7(*lng, *lat).unwrap();
        check(name, &places.iter().map(place).collect::<Vec<_>>());
    }
}

#[test]
fn hotspots_of_the_jakarta_flood_are_those_of_scikit_learn() {
    let Some(text) = real("petabencana_jakarta_2017-02.geojson") else { return };
    let collection: serde_json::Value = serde_json::from_str(&text).unwrap();
    let place = |feature: &serde_json::Value| {
        let at = &feature["geometry"]["coordinates"];
        LngLat::new(at[0].as_f64().unwrap(), at[1].as_f64().unwrap()).unwrap()
    };
    let places: Vec<LngLat> = collection["features"].as_array().unwrap().iter().map(place).collect();
    check("petabencana_200", &places);
    check("petabencana_500", &places);
}

#[test]
fn hotspots_of_the_maluku_earthquakes_are_those_of_scikit_learn() {
    #[derive(Deserialize)]
    struct Row {
        lat: f64,
        lon: f64,
    }
    let Some(text) = real("bmkg_north_maluku_2008_2015.csv") else { return };
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Row>();
    let places: Vec<LngLat> =
        rows.map(|row| row.unwrap()).map(|row| LngLat::new(row.lon, row.lat).unwrap()).collect();
    check("bmkg_10000", &places);
}
