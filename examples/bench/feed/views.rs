//! Ten thousand walls that do not look at the same: a hundred distinct screens and filters over them.

use std::time::Duration;

use anyhow::{Context, ensure};
use pantau::city::{AreaSet, City};
use pantau::model::{Bbox, CategoryId};
use serde_json::json;

use super::crowd::Crowd;
use super::freshness::{Sent, paced, waits_ms};
use super::{Scene, check_walls, clusters_path, edges};
use crate::data::Sample;
use crate::fixture::{Bench, Folder};
use crate::ingest::server_with;
use crate::machine::{cpu_s, resident_bytes};
use crate::ours::{Ours, report_body};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

/// Half the width of a screen in degrees, and its zoom: the city, districts, streets.
const SCREENS: [(f64, u8); 10] = [
    (0.3, 11),
    (0.05, 12),
    (0.03, 13),
    (0.02, 13),
    (0.012, 14),
    (0.012, 15),
    (0.006, 14),
    (0.006, 16),
    (0.004, 16),
    (0.003, 17),
];

/// What a wall looks at.
struct View {
    bbox: Bbox,
    zoom: u8,
    /// All where it is empty.
    categories: Vec<CategoryId>,
    /// Its code, and all areas within it.
    area: Option<(String, AreaSet)>,
}

impl View {
    fn subscribe(&self, city: &City) -> String {
        let mut filter = json!({});
        if !self.categories.is_empty() {
            filter["category"] = json!(self.keys(city));
        }
        if let Some((code, _)) = &self.area {
            filter["area"] = json!([code]);
        }
        json!({
            "type": "subscribe", "id": "main", "zoom": self.zoom, "bbox": edges(&self.bbox),
            "filter": filter, "layers": ["incidents", "hotspots", "stats"],
        })
        .to_string()
    }

    /// The question over HTTP that the subscription is equal to.
    fn path(&self, city: &City) -> String {
        let mut path = clusters_path(&self.bbox, self.zoom);
        if !self.categories.is_empty() {
            path += &format!("&category={}", self.keys(city).join(","));
        }
        if let Some((code, _)) = &self.area {
            path += &format!("&area={code}");
        }
        path
    }

    fn keys<'a>(&self, city: &'a City) -> Vec<&'a str> {
        self.categories.iter().map(|id| &*city.category(*id).key).collect()
    }

    /// A report of this kind must come to whoever looks at it.
    fn concerns(&self, sample: &Sample, city: &City) -> bool {
        let within = |area: &(String, AreaSet)| {
            city.areas.locate(sample.place).is_some_and(|finest| area.1.contains(finest))
        };
        self.bbox.contains(sample.place)
            && (self.categories.is_empty() || self.categories.contains(&sample.category))
            && self.area.as_ref().is_none_or(within)
    }
}

/// Ten screens with ten filters each. The first is the whole city without a filter.
fn hundred(folder: &Folder, city: &City) -> anyhow::Result<Vec<View>> {
    let categories: Vec<CategoryId> = city.category_ids().collect();
    let of = |i: usize| categories[i % categories.len()];
    let mut views = Vec::new();
    for (i, (half_deg, zoom)) in SCREENS.into_iter().enumerate() {
        let located = folder.samples.iter().skip(i * 100).find_map(|sample| {
            let finest = city.areas.locate(sample.place)?;
            Some((sample.place, city.areas.with_ancestors(finest).nth(1)?))
        });
        let (place, district) = located.context("samples lie in districts")?;
        let (lng, lat) = (place.lng(), place.lat());
        let bbox = Bbox::new(lng - half_deg, lat - half_deg, lng + half_deg, lat + half_deg)?;
        let code = city.areas.get(district).code.to_string();
        let area = || Some((code.clone(), city.areas.with_descendants(&[district])));
        let filters = [
            (vec![], None),
            (vec![of(i)], None),
            (vec![of(i + 1)], None),
            (vec![of(i + 2)], None),
            (vec![of(i), of(i + 1)], None),
            (vec![of(i), of(i + 1), of(i + 2)], None),
            (vec![], area()),
            (vec![of(i)], area()),
            (vec![of(i + 1)], area()),
            (vec![of(i), of(i + 1)], area()),
        ];
        let view = |(categories, area)| View { bbox, zoom, categories, area };
        views.extend(filters.into_iter().map(view));
    }
    Ok(views)
}

/// One run over some walls.
struct Run {
    waits_ms: Vec<f64>,
    cpu_ms_a_change: f64,
    frames_a_change: f64,
}

pub fn views(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 1_000 } else { 10_000 };
    let lasting = Duration::from_secs(if bench.quick { 4 } else { 12 });
    let (folder, server) = server_with(bench, "views", 100_000)?;
    let city = &*bench.city;
    let views = hundred(&folder, city)?;
    let asked: Vec<String> = views.iter().map(|view| view.subscribe(city)).collect();
    let paths: Vec<String> = views.iter().map(|view| view.path(city)).collect();
    let before = resident_bytes(server.pid())?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &asked)?;
    let after = resident_bytes(server.pid())?;
    let metrics = server.http()?.ask("GET", "/metrics", "text/plain", b"")?.1;
    let distinct = format!("pantau_views {}\n", views.len());
    ensure!(String::from_utf8_lossy(&metrics).contains(&distinct), "the views are not all distinct");
    let concerns = |wall: usize, sample: &Sample| views[wall % views.len()].concerns(sample, city);
    let mut runs = Vec::new();
    for _ in 0..bench.runs() {
        runs.push(run(bench, &server, &mut walls, &folder.samples, lasting, &concerns)?);
        check_walls(&mut walls, &paths, &server)?;
    }
    let loaded = resident_bytes(server.pid())?;
    drop(walls);
    let scene = Scene::of(&folder)?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
    let one = run(bench, &server, &mut walls, &scene.samples, lasting, &|_, _| true)?;
    let middle = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let ours: Vec<f64> = runs.iter().map(|run| quantile(&run.waits_ms, 0.99)).collect();
    let kb_a_socket = |resident: f64| grouped((resident - before) / n as f64 / 1024.0);
    let (cpu_ms, frames) = (middle(|run| run.cpu_ms_a_change), middle(|run| run.frames_a_change));
    Ok(vec![Row {
        reason: "by samples more than half of the feed's thread sums members one by one: clusters and figures of filters by area, which the map has no sums of; a quarter is the kernel's sending",
        name: "feed-views".to_owned(),
        what: "freshness: durable -> read by the wall, 10 changes/s, 10,000 walls with 100 distinct views",
        unit: "ms p99",
        better: Better::Smaller,
        ours,
        peer: vec![],
        peer_is: "none: the peers have no filters; beside it, as a note, as many walls of ours with one view".to_owned(),
        at_least: AtLeast::AtMost(200.0),
        aim: "as fresh as with one view",
        aim_met: Some(median(&runs.iter().map(|run| quantile(&run.waits_ms, 0.99)).collect::<Vec<_>>()) <= quantile(&one.waits_ms, 0.99)),
        guard: "the server counts 100 views; after each run every wall is told that it is complete to the newest entry, and what one wall of each view folded equals /api/v1/clusters with its bbox, zoom and filter".to_owned(),
        notes: vec![
            format!(
                "{} walls over {} views: ten screens from the city at zoom 11 to a street at zoom 17, each with ten filters by category and area; reports from all over the city, each to be read by every wall whose bbox, categories and area hold it; p50 {} ms",
                grouped(n as f64),
                views.len(),
                grouped(middle(|run| median(&run.waits_ms))),
            ),
            format!(
                "{} ms of the server's processor a change (taking it durably, hotspots and ticks in it), with {} frames a change, so {} µs a frame; one view for all: {} ms, {} frames, {} µs (one run, p99 {} ms)",
                grouped(cpu_ms),
                grouped(frames),
                grouped(cpu_ms * 1e3 / frames),
                grouped(one.cpu_ms_a_change),
                grouped(one.frames_a_change),
                grouped(one.cpu_ms_a_change * 1e3 / one.frames_a_change),
                grouped(quantile(&one.waits_ms, 0.99)),
            ),
            format!(
                "Resident memory of the server grew by {} KB a socket when all had their snapshot, and by {} KB a socket after the runs, reports included",
                kb_a_socket(after),
                kb_a_socket(loaded),
            ),
        ],
    }])
}

/// Ten reports a second, and how long each took to every wall that it concerns.
fn run(
    bench: &Bench,
    server: &Ours,
    walls: &mut Crowd,
    samples: &[Sample],
    lasting: Duration,
    concerns: &dyn Fn(usize, &Sample) -> bool,
) -> anyhow::Result<Run> {
    let mut http = server.http()?;
    let (before, cpu) = (walls.count()?, cpu_s(server.pid())?);
    walls.record()?;
    let mut n = 0;
    let sent: Sent = paced(lasting, || {
        n += 1;
        http.report(&report_body(&samples[n % samples.len()], &bench.city, n))
    })?;
    let cpu = cpu_s(server.pid())? - cpu;
    let last = sent.last().map_or(0, |(seq, ..)| *seq);
    let after = walls.wait_until(|count| count.least_seq >= last)?;
    // The i-th change was made of the sample after the i-th.
    let waits = waits_ms(walls, &sent, |wall, i| concerns(wall, &samples[(i + 1) % samples.len()]))?;
    let n = n as f64;
    Ok(Run {
        waits_ms: waits.walls,
        cpu_ms_a_change: cpu * 1e3 / n,
        frames_a_change: (after.messages - before.messages) as f64 / n,
    })
}
