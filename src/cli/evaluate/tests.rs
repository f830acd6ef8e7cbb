use std::fmt::Write as _;

use super::*;

const MAPPING: &str = r#"
[columns]
lng = "lng"
lat = "lat"
occurred_at = "at"

[time]
format = "rfc3339"

[category]
default = "water"

[status]
default = "new"
"#;

/// A report every ten minutes: of each `of`, `hot` near one corner, the others spread over a square of
/// about eleven kilometres.
fn set(n: usize, hot: usize, of: usize) -> String {
    let mut csv = "lng,lat,at\n".to_owned();
    let mut chance = crate::cli::chance::Chance::new(7);
    let start = TimeMs::parse_rfc3339("2026-11-01T00:00:00Z").unwrap();
    for i in 0..n {
        let at = start.plus_ms(i as i64 * 600_000).to_rfc3339();
        let side = if i % of < hot { 0.002 } else { 0.1 };
        let (lng, lat) = (110.0 + side * chance.unit(), -7.0 + side * chance.unit());
        writeln!(csv, "{lng:.6},{lat:.6},{at}").unwrap();
    }
    csv
}

fn evaluated(csv: &str, hold_out: f64) -> anyhow::Result<Evaluation> {
    let folder = tempfile::tempdir()?;
    let (file, map) = (folder.path().join("set.csv"), folder.path().join("map.toml"));
    std::fs::write(&file, csv)?;
    std::fs::write(&map, MAPPING)?;
    evaluate(&file, &map, Arc::new(City::load(Path::new("geodata/blank"))?), hold_out, 2 * HOUR_MS)
}

#[test]
fn where_most_reports_come_from_one_corner_they_are_foretold_from_little_area() {
    let evaluation = evaluated(&set(600, 3, 4), 0.5).unwrap();
    let hotspots = &evaluation.methods[0];
    assert!(hotspots.hit_rate > 0.6, "{evaluation}");
    assert!(evaluation.area_share < 0.02, "{evaluation}");
    assert!(hotspots.pai.unwrap() > 30.0, "{evaluation}");
    // By hand: each of the others has cells of 200 or 100 m within the corner too.
    assert!(evaluation.methods[1..].iter().all(|method| method.pai.unwrap() > 10.0), "{evaluation}");
}

#[test]
fn where_nothing_is_dense_nothing_is_foretold() {
    let evaluation = evaluated(&set(300, 0, 4), 0.3).unwrap();
    assert_eq!(evaluation.area_share, 0.0, "{evaluation}");
    assert!(evaluation.methods.iter().all(|method| method.hit_rate == 0.0 && method.pai.is_none()));
    assert!(evaluation.to_string().contains("there was no hotspot"));
}

#[test]
fn too_few_reports_are_refused_with_a_sentence() {
    let fault = evaluated(&set(20, 3, 4), 0.3).unwrap_err().to_string();
    assert!(fault.contains("too few"), "{fault}");
}

#[test]
fn a_metre_is_a_metre() {
    let plane = Plane::around(LngLat::new(127.38, 0.79).unwrap());
    let there = LngLat::new(127.39, 0.80).unwrap();
    let Metres { x, y } = plane.metres(there);
    let apart = crate::model::great_circle_m(plane.centre, there);
    assert!((x.hypot(y) - apart).abs() < 0.5, "{} {apart}", x.hypot(y));
    let across = Plane::around(LngLat::new(179.99, 0.0).unwrap());
    assert!((across.metres(LngLat::new(-179.99, 0.0).unwrap()).x - 2_223.9).abs() < 1.0);
}
