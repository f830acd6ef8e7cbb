//! Memory per incident: what the live map adds to a process.

use std::process::Command;

use anyhow::{Context, ensure};
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};
use pantau::journal::{Derived, Head};
use pantau::live::{Incident, LiveWriter, Restorer};
use pantau::model::{Epoch, IdKey, IncidentNo, Secret, Seq, TimeMs};
use serde::{Deserialize, Serialize};

use crate::clusters::Naive;
use crate::data::{Samples, Shape};
use crate::fixture::{Bench, SEED};
use crate::machine::resident_bytes;
use crate::table::{AtLeast, Better, Row, grouped};

/// What the process that holds the map found out.
#[derive(Serialize, Deserialize)]
struct Held {
    bytes_per_incident: f64,
    build_s: f64,
}

pub fn per_incident(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = bench.n_million() * 10;
    let (mut ours, mut build_s) = (vec![], 0.0);
    for _ in 0..bench.runs() {
        let held = in_own_process(n, "city")?;
        ours.push(held.bytes_per_incident);
        build_s = held.build_s;
    }
    let (uniform, tenth) = (in_own_process(n, "uniform")?, in_own_process(n / 10, "city")?);
    let at_most_64 = crate::table::median(&ours) <= 64.0;
    Ok(vec![Row {
        reason: "by the sizes of the structures: 64 B of columns, 40 B in the clusters (twice where the category is sensitive), 12 B in each order that an incident is in (by opening, by closing), and the nodes and slack of these",
        name: "memory-incident".to_owned(),
        what: "memory per incident, 10M",
        unit: "B",
        better: Better::Smaller,
        ours,
        peer: vec![],
        peer_is: "none: a figure of its own".to_owned(),
        at_least: AtLeast::AtMost(160.0),
        aim: "<= 64 B",
        aim_met: Some(at_most_64),
        guard: "the clusters of the world at four levels equal a recount of all places".to_owned(),
        notes: vec![
            format!(
                "{} city-shaped incidents stood up in a process of its own as a start from a snapshot does: growth of the resident memory after the inputs are dropped, both projections included (65 % resolved and 25 % open are public too); stood up in {} s",
                grouped(n as f64),
                grouped(build_s)
            ),
            format!(
                "Uniformly spread: {} B; at {}: {} B",
                grouped(uniform.bytes_per_incident),
                grouped(n as f64 / 10.0),
                grouped(tenth.bytes_per_incident)
            ),
            "Texts are in the journal, not in memory".to_owned(),
        ],
    }])
}

fn in_own_process(n: usize, shape: &str) -> anyhow::Result<Held> {
    let out = Command::new(std::env::current_exe()?).args(["hold", &n.to_string(), shape]).output()?;
    ensure!(out.status.success(), "hold {n} {shape}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// `bench hold N SHAPE`: holds N incidents, checks them, and says what they take.
pub fn hold(n: usize, shape: &str) -> anyhow::Result<()> {
    let city =
        std::sync::Arc::new(City::load(concat!(env!("CARGO_MANIFEST_DIR"), "/geodata/ternate").as_ref())?);
    let now = SystemClock::new().now();
    let shape = Shape::of_name(shape)?;
    let before = resident_bytes(std::process::id())?;
    let began = std::time::Instant::now();
    let incidents = incidents(&city, shape, n, now);
    let generated_s = began.elapsed().as_secs_f64();
    let writer = stand_up(&city, incidents, now)?;
    let build_s = began.elapsed().as_secs_f64() - generated_s;
    let after = resident_bytes(std::process::id())?;
    let places = Samples::new(&city, shape, SEED, now).take(n).map(|sample| sample.place);
    Naive::of(places).check_world(writer.map())?;
    ensure!(writer.map().incident_count() == n, "not all are there");
    let held = Held { bytes_per_incident: (after - before) / n as f64, build_s };
    println!("{}", serde_json::to_string(&held)?);
    Ok(())
}

pub fn incidents(city: &City, shape: Shape, n: usize, now: TimeMs) -> Vec<Incident> {
    let samples = Samples::new(city, shape, SEED, now).take(n);
    let mut incidents = Vec::with_capacity(n);
    incidents.extend(samples.zip(1..).map(|(sample, no)| sample.incident(IncidentNo(no), now, city)));
    incidents
}

/// A live map of these incidents, as a start makes it.
pub fn stand_up(
    city: &std::sync::Arc<City>,
    incidents: Vec<Incident>,
    now: TimeMs,
) -> anyhow::Result<LiveWriter> {
    let ids = IdKey::new(Secret([7; 32]), &city.code_prefix);
    let head = Head { epoch: Epoch(uuid::Uuid::nil()), seq: Seq(incidents.len() as u64), at: now };
    Restorer::new(city.clone(), ids, head, incidents, &Default::default(), None, Default::default())
        .finish(&Derived::default(), TimeMs::MIN, &[])
        .map_err(|e| anyhow::anyhow!("{e}"))
        .context("the map stands up")
}
