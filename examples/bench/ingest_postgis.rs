//! How fast reports are taken with the journal in PostgreSQL, beside the same server on its file.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::data::Shape;
use crate::fixture::{Bench, SEED};
use crate::ingest::{ALL_STATUSES, LINES_A_REQUEST, count_clusters, ndjson, post_reports};
use crate::ours::Ours;
use crate::peers::postgres::{self, Postgres};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

/// What a run is called, and the database where it has one.
type Store<'s> = (&'s str, Option<&'s str>);

/// Proves what was taken, and takes the store away.
fn verify(bench: &Bench, folder: &std::path::Path, store: Option<&str>) -> anyhow::Result<()> {
    let mut verify = Command::new(&bench.program);
    verify.arg("verify");
    match store {
        Some(store) => verify.arg("--store").arg(store),
        None => verify.arg("--data").arg(folder),
    };
    ensure!(verify.output()?.status.success(), "pantau verify finds faults");
    Ok(std::fs::remove_dir_all(folder)?)
}

pub fn single(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(postgres) = Postgres::start()? else { return Ok(Vec::new()) };
    let lasting = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let samples = bench.samples(Shape::City, 100_000, SEED);
    let (mut ours, mut peer, mut p99s, mut peer_p99s) = (vec![], vec![], vec![], vec![]);
    for run in 0..bench.runs() {
        let url = postgres.new_database()?;
        let stores: [Store; 2] = [("postgis", Some(&url)), ("file", None)];
        for (name, store) in stores {
            let folder = bench.scratch.path().join(format!("single-{name}-{run}"));
            let server = Ours::serve_on(bench, &folder, store)?;
            let taken = post_reports(bench, server.address, &samples, lasting)?;
            let path = format!("/api/v1/stats?status={ALL_STATUSES}");
            let kept = server.http()?.get_json(&path)?["total"].clone();
            ensure!(kept == taken.n, "{name}: {} were acknowledged, {kept} are there", taken.n);
            server.stop()?;
            verify(bench, &folder, store)?;
            let (rates, p99s) =
                if store.is_some() { (&mut ours, &mut p99s) } else { (&mut peer, &mut peer_p99s) };
            rates.push(taken.rate);
            p99s.push(quantile(&taken.waits_ms, 0.99));
        }
        postgres.drop_database(&url)?;
    }
    Ok(vec![Row {
        reason: "a group commit is a round trip to another process that flushes it, and each row keeps a geometry and its GiST index up to date",
        name: "ingest-postgis-single".to_owned(),
        what: "ingest into PostGIS, single reports over HTTP, 32 clients, durable ack",
        unit: "reports/s",
        better: Better::Larger,
        ours,
        peer,
        peer_is: "the same server on its file, in the same run".to_owned(),
        at_least: AtLeast::Times(0.3),
        aim: "0.5 x",
        aim_met: None,
        guard: "after each run the figures count every acknowledged report, and pantau verify proves the log of both".to_owned(),
        notes: vec![format!(
            "The ack's p99 is {} ms, on the file {} ms; {}",
            grouped(median(&p99s)),
            grouped(median(&peer_p99s)),
            postgres::NAME
        )],
    }])
}

pub fn bulk(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(postgres) = Postgres::start()? else { return Ok(Vec::new()) };
    let n = if bench.quick { 50_000 } else { 300_000 };
    let samples = bench.samples(Shape::City, n, SEED);
    let bodies: Vec<Vec<u8>> =
        (0..).zip(samples.chunks(LINES_A_REQUEST)).map(|(i, c)| ndjson(bench, i, c)).collect();
    let (mut ours, mut peer) = (vec![], vec![]);
    for run in 0..bench.runs() {
        let url = postgres.new_database()?;
        let stores: [Store; 2] = [("postgis", Some(&url)), ("file", None)];
        for (name, store) in stores {
            let folder = bench.scratch.path().join(format!("bulk-{name}-{run}"));
            let server = Ours::serve_on(bench, &folder, store)?;
            let mut http = server.http()?;
            let began = Instant::now();
            for body in &bodies {
                let (status, answer) =
                    http.ask("POST", "/api/v1/import?source=bench", "application/x-ndjson", body)?;
                ensure!(status == 200, "an import: {status} {}", String::from_utf8_lossy(&answer));
            }
            let counted = count_clusters(&mut http)?;
            let rate = n as f64 / began.elapsed().as_secs_f64();
            ensure!(counted == n as u64, "{name}: the clusters count {counted} of {n}");
            if store.is_some() {
                ours.push(rate)
            } else {
                peer.push(rate)
            }
            server.stop()?;
            verify(bench, &folder, store)?;
        }
        postgres.drop_database(&url)?;
    }
    Ok(vec![Row {
        reason: "five tables with eleven indexes, two of them GiST, are kept by another process, and rows go there as arrays over a socket",
        name: "ingest-postgis-bulk".to_owned(),
        what: "ingest into PostGIS, bulk (NDJSON) queryable and clustered",
        unit: "rows/s",
        better: Better::Larger,
        ours,
        peer,
        peer_is: "the same server on its file, in the same run".to_owned(),
        at_least: AtLeast::Times(0.2),
        aim: "0.5 x",
        aim_met: None,
        guard: "after each run the clusters of the world count every row, and pantau verify proves the log of both".to_owned(),
        notes: vec![format!(
            "{} city-shaped rows, one connection, {} lines a request, each request one durable commit; {}",
            grouped(n as f64),
            grouped(LINES_A_REQUEST as f64),
            postgres::NAME
        )],
    }])
}
