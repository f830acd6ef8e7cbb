//! The feed: how fresh, how many, how much memory, and what filters cost those who report.

mod centrifugo;
mod crowd;
mod fan_out;
mod freshness;
mod storm;
mod views;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use pantau::cli::chance::Chance;
use pantau::model::Bbox;
use serde_json::{Value, json};

use crate::data::Sample;
use crate::fixture::{Bench, Folder, SEED};
use crate::ingest::{post_reports, server_with};
use crate::machine::resident_bytes;
use crate::ours::Ours;
use crate::table::{AtLeast, Better, Row, grouped, median};
use crowd::Crowd;
pub use fan_out::fan_out;
pub use freshness::freshness;
pub use storm::storm;
pub use views::views;

/// The filters of `accept` are squares of about half a kilometre.
const FILTER_DEG: f64 = 0.002_5;

/// One screen of a wall: a few streets where much happens.
struct Scene {
    bbox: Bbox,
    zoom: u8,
    /// What lies within it.
    samples: Vec<Sample>,
}

impl Scene {
    fn of(folder: &Folder) -> anyhow::Result<Scene> {
        let place = folder.samples.first().context("there are samples")?.place;
        let (lng, lat) = (place.lng(), place.lat());
        let bbox = Bbox::new(lng - 0.006, lat - 0.004, lng + 0.006, lat + 0.004)?;
        let samples: Vec<Sample> =
            folder.samples.iter().filter(|s| bbox.contains(s.place)).copied().collect();
        Ok(Scene { bbox, zoom: 14, samples })
    }

    fn subscribe(&self) -> String {
        json!({
            "type": "subscribe", "id": "main", "zoom": self.zoom,
            "bbox": edges(&self.bbox), "layers": ["incidents", "hotspots", "stats"],
        })
        .to_string()
    }

    /// The question over HTTP that the subscription is equal to.
    fn path(&self) -> String {
        clusters_path(&self.bbox, self.zoom)
    }
}

fn clusters_path(bbox: &Bbox, zoom: u8) -> String {
    let edges = edges(bbox).map(|edge| edge.to_string()).join(",");
    format!("/api/v1/clusters?bbox={edges}&zoom={zoom}")
}

fn edges(bbox: &Bbox) -> [f64; 4] {
    [bbox.west(), bbox.south(), bbox.east(), bbox.north()]
}

/// Folds what the first wall read, and compares it with a fresh answer.
fn check_first_wall(crowd: &mut Crowd, scene: &Scene, server: &Ours) -> anyhow::Result<()> {
    check_walls(crowd, &[scene.path()], server)
}

/// As many of the first walls as there are paths: what each folded is what its path answers.
fn check_walls(crowd: &mut Crowd, paths: &[String], server: &Ours) -> anyhow::Result<()> {
    let mut walls = vec![BTreeMap::new(); paths.len()];
    for (wall, frame) in crowd.frames()? {
        let Some(held) = walls.get_mut(wall) else { continue };
        let frame: Value = serde_json::from_str(&frame)?;
        let list = |key: &str| frame[key].as_array().cloned().unwrap_or_default();
        let keyed = |feature: Value| (feature["id"].as_str().unwrap_or_default().to_owned(), feature);
        match frame["type"].as_str() {
            Some("snapshot") => *held = list("features").into_iter().map(keyed).collect(),
            Some("delta") => {
                list("remove").iter().filter_map(Value::as_str).for_each(|id| {
                    held.remove(id);
                });
                held.extend(list("upsert").into_iter().map(keyed));
            }
            _ => {}
        }
    }
    let mut http = server.http()?;
    for (held, path) in walls.iter().zip(paths) {
        let answer = http.get_json(path)?;
        let fresh = answer["features"].as_array().context("features")?;
        let is_held = |f: &Value| held.get(f["id"].as_str().unwrap_or_default()) == Some(f);
        let same = fresh.len() == held.len() && fresh.iter().all(is_held);
        ensure!(same, "a wall holds something else than {path} answers");
    }
    Ok(())
}

pub fn memory(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 1_000 } else { 10_000 };
    let (mut ours, mut before_mb) = (vec![], 0.0);
    for run in 0..bench.runs() {
        let (folder, server) = server_with(bench, &format!("idle-{run}"), 20_000)?;
        let scene = Scene::of(&folder)?;
        // One wall first: what only the first costs is not a wall's.
        let one = Crowd::connect(bench, "pantau", server.address, 1, &[scene.subscribe()])?;
        drop(one);
        let before = resident_bytes(server.pid())?;
        before_mb = before / 1e6;
        let mut crowd = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
        std::thread::sleep(Duration::from_secs(2));
        ours.push((resident_bytes(server.pid())? - before) / n as f64 / 1024.0);
        // They are walls, not just sockets: a change reaches every one of them.
        let sample = scene.samples.first().context("something is in the scene")?;
        let seq = server.http()?.report(&crate::ours::report_body(sample, &bench.city, 0))?;
        crowd.wait_until(|count| count.least_seq >= seq)?;
        std::fs::remove_dir_all(&folder.path)?;
    }
    let at_most_4 = median(&ours) <= 4.0;
    Ok(vec![Row {
        reason: "a wall is its task, its line as the runtime knows it, session and cursors",
        name: "feed-memory".to_owned(),
        what: "memory per idle, resumable wall",
        unit: "KB",
        better: Better::Smaller,
        ours,
        peer: vec![],
        peer_is: "none: a figure of its own".to_owned(),
        at_least: AtLeast::AtMost(12.0),
        aim: "<= 4 KB",
        aim_met: Some(at_most_4),
        guard: "after each run one change reaches every wall".to_owned(),
        notes: vec![format!(
            "Growth of the server's resident memory by {} sockets with one subscription each, after all had their snapshot, from {} MB; the kernel's socket buffers are not in it",
            grouped(n as f64),
            grouped(before_mb)
        )],
    }])
}

pub fn accept(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 200 } else { 1_000 };
    let lasting = Duration::from_secs(if bench.quick { 2 } else { 6 });
    let (folder, server) = server_with(bench, "accept", 100_000)?;
    let filters = filters(&folder.samples, n);
    let (mut with, mut without) = (vec![], vec![]);
    for _ in 0..bench.runs() {
        without.push(post_reports(bench, server.address, &folder.samples, lasting)?.rate);
        let mut crowd = Crowd::connect(bench, "pantau", server.address, n, &filters)?;
        with.push(post_reports(bench, server.address, &folder.samples, lasting)?.rate);
        let seq =
            server.http()?.get_json("/api/v1/hotspots?category=water")?["seq"].as_u64().context("a seq")?;
        // Whatever a filter lets through is with its wall, and the heartbeat says so.
        crowd.wait_until(|count| count.least_seq >= seq)?;
    }
    server.stop()?;
    let mut row = Row {
        reason: "the deltas of those polygons that something happened in: by samples their sums over members of cells that the polygon cuts",
        name: "feed-accept".to_owned(),
        what: "accept rate with 1,000 live area filters",
        unit: "reports/s",
        better: Better::Larger,
        ours: with,
        peer: without,
        peer_is: "ourselves without a filter".to_owned(),
        at_least: AtLeast::Times(0.5),
        aim: "90 % with 10,000 polygons",
        aim_met: None,
        guard: "after each run every wall is told that it is complete to the newest entry".to_owned(),
        notes: vec![
            format!(
                "{} sockets, each with a polygon of its own of about half a kilometre; 32 clients post city-shaped reports; walls and clients share the cores with the server",
                grouped(n as f64)
            ),
            "A node serves at most 2,000 distinct views, so 10,000 polygons are refused with a sentence: the aim is out of reach by that bound".to_owned(),
        ],
    };
    row.aim_met = Some(false);
    Ok(vec![row])
}

/// A polygon for each wall, around places where something is.
fn filters(samples: &[Sample], n: usize) -> Vec<String> {
    let mut chance = Chance::new(SEED);
    let mut filter = || {
        let place = chance.pick(samples).place;
        let (west, south) = (place.lng() - FILTER_DEG, place.lat() - FILTER_DEG);
        let (east, north) = (place.lng() + FILTER_DEG, place.lat() + FILTER_DEG);
        let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
        json!({
            "type": "subscribe", "id": "main", "zoom": 16, "bbox": [west, south, east, north],
            "filter": {"within": {"type": "Polygon", "coordinates": [ring]}},
        })
        .to_string()
    };
    (0..n).map(|_| filter()).collect()
}
