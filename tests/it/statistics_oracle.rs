//! Our statistics equal the reference ones: Gi* PySAL's esda, EARS R's surveillance, tails and
//! quantiles scipy's. `tests/oracle/gi_star.py` and `ears.R` wrote what those say; `scripts/oracles`
//! asks them anew where they can be installed.

use std::collections::BTreeMap;

use h3o::CellIndex;
use pantau::live::hotspots::ears::{self, Method};
use pantau::live::hotspots::{Confidence, StudyArea, poisson};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::support::{repo, ternate};

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = repo("tests/fixtures/hotspots").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Equal to 1e-9, of large numbers to the same share of themselves.
fn near(what: &str, found: f64, expected: f64) {
    let difference = (found - expected).abs();
    assert!(
        difference <= 1e-9 * expected.abs().max(1.0),
        "{what}: {found}, and the oracle says {expected}"
    );
}

#[derive(Deserialize)]
struct Cells {
    /// Those of the city's land where there are none.
    #[serde(default)]
    cells: Vec<String>,
    counts: Vec<u32>,
    z: Vec<f64>,
    p: Vec<f64>,
    confidence: Vec<u8>,
}

#[test]
fn gi_star_is_esdas_and_its_finds_are_those_of_benjamini_and_hochberg() {
    for (name, set) in fixture::<BTreeMap<String, Cells>>("gi_star.json") {
        let cells: Vec<CellIndex> = match set.cells[..] {
            [] => ternate().land_cells().to_vec(),
            _ => set.cells.iter().map(|cell| cell.parse().unwrap()).collect(),
        };
        assert_eq!(cells.len(), set.counts.len(), "{name}");
        let area = StudyArea::new(cells.clone());
        assert_eq!(area.cells(), cells, "{name}: sorted as H3 sorts them");
        let scores = area.scores(cells.iter().copied().zip(set.counts)).unwrap();
        for (i, score) in scores.iter().enumerate() {
            near(&format!("{name}: z of {}", cells[i]), score.z, set.z[i]);
            near(&format!("{name}: p of {}", cells[i]), score.p, set.p[i]);
            let percent = score.confidence.map_or(0, Confidence::percent);
            assert_eq!(percent, set.confidence[i], "{name}: {}", cells[i]);
        }
    }
}

#[derive(Deserialize)]
struct Series {
    series: String,
    method: String,
    sigma_floor: f64,
    z_alpha: f64,
    counts: Vec<u32>,
    /// Of each day that the method can assess; null is R's NA.
    upper: Vec<Option<f64>>,
    alarm: Vec<Option<bool>>,
    statistic: Option<Vec<f64>>,
}

#[test]
fn ears_is_that_of_r_surveillance() {
    let series: Vec<Series> = fixture("ears.json");
    assert!(series.len() >= 54);
    for series in series {
        let method = Method::ALL[["C1", "C2", "C3"].iter().position(|m| *m == series.method).unwrap()];
        let first = method.days_before();
        assert_eq!(series.upper.len(), series.counts.len() - first);
        for (i, expected) in series.upper.iter().enumerate() {
            let what = format!("{} {} day {}", series.series, series.method, first + i + 1);
            let counts = &series.counts[..=first + i];
            let upper = ears::upper_bound(method, counts, series.sigma_floor, series.z_alpha).unwrap();
            match expected {
                Some(expected) => near(&what, upper, *expected),
                None => assert!(upper.is_nan(), "{what}: {upper}"),
            }
            if let Some(alarm) = series.alarm[i] {
                assert_eq!(f64::from(counts[first + i]) > upper, alarm, "{what}");
            }
            if let Some(statistic) = &series.statistic {
                let found = ears::statistic(method, counts, series.sigma_floor).unwrap();
                near(&what, found, statistic[i]);
            }
        }
    }
}

#[derive(Deserialize)]
struct Tail {
    n: u32,
    mean: f64,
    tail: f64,
    sigmas: Option<f64>,
}

#[test]
fn tails_and_quantiles_are_scipys() {
    for Tail { n, mean, tail, sigmas } in fixture::<Vec<Tail>>("poisson.json") {
        let found = poisson::tail(n, mean);
        near(&format!("{n} where {mean} are usual"), found, tail);
        // Small ones to their own size.
        assert!((found - tail).abs() <= 1e-9 * tail, "{n} where {mean} are usual: {found} and {tail}");
        if let Some(sigmas) = sigmas {
            near(&format!("sigmas of {tail}"), poisson::sigmas(tail), sigmas);
        }
    }
}

#[test]
fn the_land_is_every_cell_that_an_area_touches() {
    let city = ternate();
    let cells = city.land_cells();
    for (_, area) in city.areas.finest() {
        assert!(cells.binary_search(&area.label.h3_cell(city.land.res)).is_ok(), "{}", area.name);
        for corner in area.polygons.iter().flat_map(|polygon| polygon.exterior().coords()) {
            let place = pantau::model::LngLat::new(corner.x, corner.y).unwrap();
            // A corner on a cell's border may be the neighbour's.
            let cell = place.h3_cell(city.land.res);
            let near = cell.grid_disk_safe(1).any(|cell| cells.binary_search(&cell).is_ok());
            assert!(near, "{}: {place:?}", area.name);
        }
    }
}
