//! `make bench`: Pantau's figures beside those of the systems that a city would use instead.
//!
//! One file a row, `peers/` speaks to the others. Everything is seeded and runs on this machine, on free
//! ports and in temporary folders that are gone at the end. Runs alternate, and after each the result is
//! compared with a naive recount: a figure whose answers are wrong is no figure.
//!
//! `QUICK=1` takes small sets and writes nothing; `ONLY=name` runs the rows whose names begin so;
//! `PANTAU_BENCH_REAL=folder` adds real sets that are no part of the project.

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the real clock")]

mod clusters;
mod data;
mod feed;
mod fixture;
mod hotspots;
mod http;
mod ingest;
mod ingest_postgis;
mod machine;
mod memory;
mod ours;
mod peers;
mod query;
mod real;
mod start;
mod table;
mod walls;

use fixture::Bench;
use table::{Row, Table};

/// As in the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What makes a row, or the rows that share their preparation.
type Measure = fn(&Bench) -> anyhow::Result<Vec<Row>>;

/// The rows by name, in the order of the table.
const ROWS: [(&str, Measure); 16] = [
    ("ingest-single", ingest::single),
    ("ingest-bulk", ingest::bulk),
    ("ingest-postgis-single", ingest_postgis::single),
    ("ingest-postgis-bulk", ingest_postgis::bulk),
    ("query-newest", query::newest),
    ("clusters-screen", clusters::screen),
    ("clusters-change", clusters::change),
    ("hotspots-arrival", hotspots::arrival),
    ("feed-freshness", feed::freshness),
    ("feed-fanout", feed::fan_out),
    ("feed-views", feed::views),
    ("feed-memory", feed::memory),
    ("feed-accept", feed::accept),
    ("feed-storm", feed::storm),
    ("start", start::to_first_answer),
    ("memory-incident", memory::per_incident),
];

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        // Processes of their own, so that what they use is not the server's or the bench's.
        ["walls", ..] => return walls::run(&args[1..]),
        ["hold", n, shape] => return memory::hold(n.parse()?, shape),
        ["keep", n, file] => return start::keep(n.parse()?, file.as_ref()),
        ["stand-up", file] => return start::stand_up(file.as_ref()),
        _ => {}
    }
    let bench = Bench::from_environment()?;
    let mut table = Table::begin(bench.quick)?;
    for (name, measure) in ROWS {
        if !bench.only.as_deref().is_none_or(|only| name.starts_with(only) || only.starts_with(name)) {
            continue;
        }
        eprintln!("== {name}");
        match measure(&bench) {
            Ok(rows) => rows.into_iter().for_each(|row| table.add(row)),
            Err(e) => table.fail(name, &format!("{e:#}")),
        }
    }
    println!("{}", table.plain());
    if !bench.quick && bench.only.is_none() {
        table.write(&bench.repo)?;
        println!("written: docs/benchmarks.md, docs/benchmarks.json");
    }
    anyhow::ensure!(table.is_whole(), "not every row was measured");
    Ok(())
}
