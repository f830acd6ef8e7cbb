//! How fast reports are taken: one by one over HTTP, and in bulk.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::data::{DESCRIPTION, Sample, Shape};
use crate::fixture::{Bench, Folder, SEED};
use crate::http::Http;
use crate::ours::{Ours, report_body};
use crate::peers::postgres::{self, Postgres};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

const CLIENTS: usize = 32;
/// The most lines that the server takes in one request.
pub const LINES_A_REQUEST: usize = 5_000;
pub const ALL_STATUSES: &str = "new,verified,in_progress,resolved,rejected";

/// What a crowd of clients was acknowledged, and how long each waited.
pub struct Taken {
    pub rate: f64,
    pub n: u64,
    pub waits_ms: Vec<f64>,
}

/// Has 32 clients do `once` over and over until the time is up.
fn crowd<C: Send>(
    lasting: Duration,
    connect: impl Fn(usize) -> anyhow::Result<C> + Sync,
    once: impl Fn(&mut C, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Taken> {
    let mut clients = (0..CLIENTS).map(&connect).collect::<anyhow::Result<Vec<C>>>()?;
    let began = Instant::now();
    let waits = std::thread::scope(|scope| {
        let work = |(i, client): (usize, &mut C)| {
            let mut waits_ms = Vec::new();
            let mut n = i;
            while began.elapsed() < lasting {
                let asked = Instant::now();
                once(client, n)?;
                waits_ms.push(asked.elapsed().as_secs_f64() * 1e3);
                n += CLIENTS;
            }
            Ok(waits_ms)
        };
        let threads: Vec<_> =
            clients.iter_mut().enumerate().map(|each| scope.spawn(move || work(each))).collect();
        let joined =
            threads.into_iter().map(|t| t.join().map_err(|_| anyhow::anyhow!("a client panicked"))?);
        joined.collect::<anyhow::Result<Vec<Vec<f64>>>>()
    })?;
    let took_s = began.elapsed().as_secs_f64();
    let waits_ms = waits.concat();
    Ok(Taken { rate: waits_ms.len() as f64 / took_s, n: waits_ms.len() as u64, waits_ms })
}

/// 32 clients post reports.
pub fn post_reports(
    bench: &Bench,
    address: SocketAddr,
    samples: &[Sample],
    lasting: Duration,
) -> anyhow::Result<Taken> {
    crowd(
        lasting,
        |_| Http::connect(address),
        |http, n| http.report(&report_body(&samples[n % samples.len()], &bench.city, n)).map(|_| ()),
    )
}

pub fn single(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let lasting = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let samples = bench.samples(Shape::City, 100_000, SEED);
    let postgres = Postgres::start()?;
    let (mut ours, mut peer, mut p99s, mut peer_p99s, mut syncs) = (vec![], vec![], vec![], vec![], vec![]);
    for run in 0..bench.runs() {
        syncs.extend(fdatasync_ms(bench)?);
        let folder = bench.scratch.path().join(format!("single-{run}"));
        let server = Ours::serve(bench, &folder)?;
        let taken = post_reports(bench, server.address, &samples, lasting)?;
        let kept =
            server.http()?.get_json(&format!("/api/v1/stats?status={ALL_STATUSES}"))?["total"].clone();
        ensure!(kept == taken.n, "{} were acknowledged, {kept} are there", taken.n);
        server.stop()?;
        let verified = Command::new(&bench.program).arg("verify").arg("--data").arg(&folder).output()?;
        ensure!(verified.status.success(), "pantau verify finds faults");
        std::fs::remove_dir_all(&folder)?;
        ours.push(taken.rate);
        p99s.push(quantile(&taken.waits_ms, 0.99));
        if let Some(postgres) = &postgres {
            let taken = insert_rows(postgres, &samples, lasting)?;
            peer.push(taken.rate);
            peer_p99s.push(quantile(&taken.waits_ms, 0.99));
        }
    }
    let (p99, sync) = (median(&p99s), median(&syncs));
    let mut notes = vec![format!(
        "The ack's p99 is {} ms; one fdatasync of 4 KB takes {} ms (p50) and {} ms (p99) on this disk",
        grouped(p99),
        grouped(sync),
        grouped(quantile(&syncs, 0.99))
    )];
    notes.push(format!(
        "At the p50 of this disk, 32 clients that each wait for their ack cannot pass {} reports/s on any server that flushes one group after the other",
        grouped(CLIENTS as f64 / sync * 1e3)
    ));
    if !peer_p99s.is_empty() {
        notes.push(format!("PostgreSQL's p99 is {} ms", grouped(median(&peer_p99s))));
    }
    let mut row = Row {
        reason: "server and clients share two cores; of the server's processor time half is the one engine thread (rows, log and indexes in SQLite, hash chain, clusters, hotspots), the other half HTTP and JSON; PostgreSQL inserts a bare row, for about as much in all",
        name: "ingest-single".to_owned(),
        what: "ingest, single reports over HTTP, 32 clients, durable ack",
        unit: "reports/s",
        better: Better::Larger,
        ours,
        peer,
        peer_is: format!("{}; 32 connections with a prepared insert of the same report", postgres::NAME),
        at_least: AtLeast::Times(5.0),
        aim: "10 x, p99 of the ack <= 4 x the disk's fdatasync",
        aim_met: None,
        guard: "after each run the figures count every acknowledged report, and pantau verify proves the log; count(*) at PostgreSQL".to_owned(),
        notes,
    };
    row.aim_met = row.ratio().map(|ratio| ratio >= 10.0 && p99 <= 4.0 * sync);
    Ok(vec![row])
}

fn insert_rows(postgres: &Postgres, samples: &[Sample], lasting: Duration) -> anyhow::Result<Taken> {
    postgres.link()?.query(&format!("drop table if exists incident; {}", postgres::SCHEMA))?;
    let connect = |_| {
        let mut link = postgres.link()?;
        link.prepare(
            "add",
            "insert into incident (geom, category, status, opened_at, description)
             values (st_setsrid(st_makepoint($1, $2), 4326), $3, 0, now(), $4) returning id",
        )?;
        Ok(link)
    };
    let taken = crowd(lasting, connect, |link, n| {
        let Sample { place, category, .. } = samples[n % samples.len()];
        let (lng, lat) = (place.lng().to_string(), place.lat().to_string());
        link.execute("add", &[&lng, &lat, &category.0.to_string(), DESCRIPTION]).map(|_| ())
    })?;
    let kept = postgres.link()?.number("select count(*) from incident")?;
    ensure!(kept == taken.n, "PostgreSQL: {} were acknowledged, {kept} are there", taken.n);
    Ok(taken)
}

/// How long the disk takes for one small durable write, many times.
fn fdatasync_ms(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    use std::io::Write;
    let mut file = std::fs::File::create(bench.scratch.path().join("fdatasync"))?;
    (0..200)
        .map(|_| {
            file.write_all(&[7; 4096])?;
            let began = Instant::now();
            file.sync_data()?;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}

pub fn bulk(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 50_000 } else { 300_000 };
    let samples = bench.samples(Shape::City, n, SEED);
    let bodies: Vec<Vec<u8>> =
        (0..).zip(samples.chunks(LINES_A_REQUEST)).map(|(i, c)| ndjson(bench, i, c)).collect();
    let lines: Vec<Vec<u8>> = samples.chunks(LINES_A_REQUEST).map(copy_lines).collect();
    let postgres = Postgres::start()?;
    let (mut ours, mut peer) = (vec![], vec![]);
    for run in 0..bench.runs() {
        let folder = bench.scratch.path().join(format!("bulk-{run}"));
        let server = Ours::serve(bench, &folder)?;
        let mut http = server.http()?;
        let began = Instant::now();
        for body in &bodies {
            let (status, answer) =
                http.ask("POST", "/api/v1/import?source=bench", "application/x-ndjson", body)?;
            ensure!(status == 200, "an import: {status} {}", String::from_utf8_lossy(&answer));
        }
        // The last answer means: durable, in the index, in the clusters. Ask for these to be sure.
        let counted = count_clusters(&mut http)?;
        ours.push(n as f64 / began.elapsed().as_secs_f64());
        ensure!(counted == n as u64, "the clusters count {counted} of {n}");
        drop(server);
        std::fs::remove_dir_all(&folder)?;
        if let Some(postgres) = &postgres {
            let mut link = postgres.link()?;
            link.query(&format!("drop table if exists incident; {}", postgres::SCHEMA))?;
            let began = Instant::now();
            let copy = "copy incident (geom, category, status, opened_at, description) from stdin";
            link.copy(copy, lines.iter().map(Vec::as_slice))?;
            let counted = link.number("select count(*) from incident")?;
            peer.push(n as f64 / began.elapsed().as_secs_f64());
            ensure!(counted == n as u64, "PostGIS counts {counted} of {n}");
        }
    }
    let mut row = Row {
        reason: "a row goes into five tables (log, report, incident, personal data, import key) and the hash chain, where COPY fills one; by samples seven eighths of the server's time are the engine thread: 26 % SQLite, 18 % clusters, rows and orders, 16 % allocation, 9 % the kernel, 6 % copies, 3 % hotspots, 3 % bodies and hashes; one connection sends, so nothing is parsed meanwhile",
        name: "ingest-bulk".to_owned(),
        what: "ingest, bulk (NDJSON) queryable and clustered",
        unit: "rows/s",
        better: Better::Larger,
        ours,
        peer,
        peer_is: format!(
            "{}; COPY into a table with a GiST index and two by time, category and status",
            postgres::NAME
        ),
        at_least: AtLeast::Times(2.0),
        aim: "5 x",
        aim_met: None,
        guard: "after each run the clusters of the world count every row; count(*) at PostGIS".to_owned(),
        notes: vec![format!(
            "{} city-shaped rows, one connection, {} lines a request, each request one durable commit; rows get their area, agency and hash chain on the way",
            grouped(n as f64),
            grouped(LINES_A_REQUEST as f64)
        )],
    };
    row.aim_met = row.ratio().map(|ratio| ratio >= 5.0);
    Ok(vec![row])
}

/// Sum of all clusters of the world, over all statuses.
pub fn count_clusters(http: &mut Http) -> anyhow::Result<u64> {
    let path = format!("/api/v1/clusters?bbox=-180,-90,180,90&zoom=4&status={ALL_STATUSES}");
    let answer = http.get_json(&path)?;
    let features = answer["features"].as_array().context("features")?;
    Ok(features.iter().map(|feature| feature["properties"]["count"].as_u64().unwrap_or(1)).sum())
}

pub fn ndjson(bench: &Bench, chunk: usize, samples: &[Sample]) -> Vec<u8> {
    let line = |(i, sample): (usize, &Sample)| {
        let (lng, lat) = (sample.place.lng(), sample.place.lat());
        let id = format!("{:032x}", (chunk * LINES_A_REQUEST + i) as u128 * 0x9E37_79B9_7F4A_7C15);
        let line = json!({
            "id": id, "lng": lng, "lat": lat, "occurred_at": sample.opened_at.to_rfc3339(),
            "category": bench.city.category(sample.category).key, "status": sample.status.key(),
            "description": DESCRIPTION,
        });
        format!("{line}\n")
    };
    samples.iter().enumerate().map(line).collect::<String>().into_bytes()
}

/// Lines for COPY.
pub fn copy_lines(samples: &[Sample]) -> Vec<u8> {
    let line = |sample: &Sample| {
        let Sample { place, category, status, opened_at } = sample;
        format!(
            "SRID=4326;POINT({} {})\t{}\t{}\t{}\t{DESCRIPTION}\n",
            place.lng(),
            place.lat(),
            category.0,
            *status as u8,
            opened_at.to_rfc3339()
        )
    };
    samples.iter().map(line).collect::<String>().into_bytes()
}

/// A server over a folder of `n` incidents of its own.
pub fn server_with(bench: &Bench, name: &str, n: usize) -> anyhow::Result<(Arc<Folder>, Ours)> {
    let path = bench.scratch.path().join(name);
    let samples = bench.samples(Shape::City, n, SEED);
    let folder = Folder::make(&path, &bench.city, samples, bench.now)?;
    let server = Ours::serve(bench, &path)?;
    Ok((Arc::new(folder), server))
}
