//! From the start of the process to the first correct answer.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};
use pantau::live::{CellRange, Filter, Snapshot};
use pantau::model::{Bbox, Projection};

use crate::data::Shape;
use crate::fixture::Bench;
use crate::ingest::count_clusters;
use crate::memory;
use crate::ours::Ours;
use crate::table::{AtLeast, Better, Row, grouped, median};

pub fn to_first_answer(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let folder = bench.million()?;
    let n = folder.samples.len();
    let snapshot = folder.path.join("live.snapshot");
    // The first start and a clean stop leave a snapshot.
    Ours::serve(bench, &folder.path)?.stop()?;
    let (mut ours, mut from_tables) = (vec![], vec![]);
    for _ in 0..bench.runs() {
        ensure!(snapshot.exists(), "a clean stop leaves a snapshot");
        ours.push(time_start(bench, &folder.path, n)?);
        std::fs::remove_file(&snapshot)?;
        from_tables.push(time_start(bench, &folder.path, n)?);
    }
    let ten = ten_million(bench)?;
    Ok(vec![Row {
        reason: "two cores are busy all along: one with the clusters, most of all with the coarse places of sensitive incidents, the other with the orders, the rows and the hotspots; the journal's tail, the reports of the windows and those of the last eight weeks are read beside both",
        name: "start".to_owned(),
        what: "start to first correct answer",
        unit: "s",
        better: Better::Smaller,
        ours,
        peer: vec![],
        peer_is: "none: a figure of its own".to_owned(),
        at_least: AtLeast::AtMost(1.0),
        aim: "10M <= 3 s",
        aim_met: Some(median(&ten) <= 3.0),
        guard: "the clusters of the world, asked over HTTP, count every incident; so do those of the 10M"
            .to_owned(),
        notes: vec![
            format!(
                "pantau serve on a folder of {} city-shaped incidents, from the start of the process to the whole answer of /api/v1/clusters, with the snapshot of a clean stop and the file in the page cache; without a snapshot {} s",
                grouped(n as f64),
                grouped(median(&from_tables))
            ),
            format!(
                "{} incidents: {} s, from the start of a process over reading, decoding and indexing a snapshot file to the clusters of the world, in process; no journal of that size was written, so looking into one is not in it",
                grouped(bench.n_million() as f64 * 10.0),
                grouped(median(&ten))
            ),
        ],
    }])
}

fn time_start(bench: &Bench, folder: &Path, n: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let server = Ours::serve(bench, folder)?;
    let counted = count_clusters(&mut server.http()?)?;
    let took_s = began.elapsed().as_secs_f64();
    ensure!(counted == n as u64, "the first answer counts {counted} of {n}");
    server.stop()?;
    Ok(took_s)
}

fn ten_million(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let n = bench.n_million() * 10;
    let file = bench.scratch.path().join("ten-million.snapshot");
    let program = std::env::current_exe()?;
    let kept = Command::new(&program).args(["keep", &n.to_string()]).arg(&file).status()?;
    ensure!(kept.success(), "the snapshot of {n} could not be made");
    let times = (0..bench.runs()).map(|_| {
        let began = Instant::now();
        let out = Command::new(&program).arg("stand-up").arg(&file).output()?;
        // The process ends with its answer; tearing the map down is not part of a start.
        let took_s = began.elapsed().as_secs_f64();
        ensure!(out.status.success(), "stand-up: {}", String::from_utf8_lossy(&out.stderr));
        let counted: usize = String::from_utf8(out.stdout)?.trim().parse()?;
        ensure!(counted == n, "the first answer counts {counted} of {n}");
        Ok(took_s)
    });
    let times = times.collect();
    std::fs::remove_file(&file)?;
    times
}

fn city() -> anyhow::Result<Arc<City>> {
    Ok(Arc::new(City::load(concat!(env!("CARGO_MANIFEST_DIR"), "/geodata/ternate").as_ref())?))
}

/// `bench keep N FILE`: writes the snapshot of a map of N incidents.
pub fn keep(n: usize, file: &Path) -> anyhow::Result<()> {
    let (city, now) = (city()?, SystemClock::new().now());
    let writer = memory::stand_up(&city, memory::incidents(&city, Shape::City, n, now), now)?;
    Ok(std::fs::write(file, Snapshot::encode(writer.map(), &[0; 32]))?)
}

/// `bench stand-up FILE`: the snapshot's map, and how many incidents its clusters count.
pub fn stand_up(file: &Path) -> anyhow::Result<()> {
    let city = city()?;
    let snapshot = Snapshot::decode(&std::fs::read(file)?, &city)?;
    let writer = memory::stand_up(&city, snapshot.incidents, snapshot.at)?;
    let range = CellRange::of(&Bbox::WORLD, 7);
    let cells = writer.map().cells(Projection::Staff, &Filter::everything(), &range);
    println!("{}", cells.iter().map(|(_, sum)| u64::from(sum.total.count)).sum::<u64>());
    // Without tearing the map down.
    std::process::exit(0)
}
