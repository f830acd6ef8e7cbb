//! Figures of the live core in one process: what a row costs, what a screen costs, what a start costs.
//!
//! ```sh
//! cargo run --release --example core_speed -- 1000000
//! cargo run --release --example core_speed -- growth
//! cargo run --release --example core_speed -- arrival
//! cargo run --release --example core_speed -- start FOLDER 1000000
//! ```
//!
//! `growth` has reports come by thousands between ticks, `arrival` one by one to a hundred thousand;
//! `start` opens a data folder, made where there is none, with a snapshot and without.
//!
//! City-shaped seeded rows go through a journal in a temporary folder. Each figure is the median of
//! its runs; the answers are compared with a naive recount before any figure is printed.

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the real clock")]

mod hotspots;
mod start;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::feed::Contents;
use pantau::feed::{Layers, View};
use pantau::journal::{FolderMode, Journal, Reader, SqliteJournal};
use pantau::live::hotspots::{HISTORY_MS, StudyArea};
use pantau::live::{CellRange, Filter, LiveMap, Sort, Where};
use pantau::model::{
    Bbox, CategoryId, Channel, Command, DAY_MS, IdKey, ImportRow, LngLat, NewReport, Outcome, Projection,
    ReportPrivate, Status, TimeMs,
};

const ROWS_DEFAULT: usize = 200_000;
const BATCH: usize = 5_000;
const RUNS: usize = 101;
const TICKS: usize = 31;
const NOW: TimeMs = TimeMs(1_795_478_400_000);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let city = Arc::new(City::load(Path::new("geodata/ternate"))?);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => core(city, ROWS_DEFAULT),
        ["growth"] => hotspots::growth(&city),
        ["arrival"] => hotspots::arrival(&city),
        ["start", folder, n] => start::measure(Path::new(folder), city, n.parse()?),
        [n, ..] => core(city, n.parse()?),
    }
}

fn core(city: Arc<City>, n_rows: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    println!("{n_rows} city-shaped rows, {} cores", std::thread::available_parallelism()?);

    let mut journal = SqliteJournal::open(folder.path(), city.clone(), FolderMode::Live)?;
    let mut chance = Chance::new(1);
    let rows: Vec<Command> = (0..n_rows).map(|n| row(n, &city, &mut chance)).collect();
    let started = Instant::now();
    for batch in rows.chunks(BATCH) {
        let outcomes = journal.append(batch.to_vec(), NOW, None)?;
        ensure!(outcomes.iter().all(|o| matches!(o, Outcome::Accepted { .. })), "a row was not taken");
    }
    say(
        "import into the journal",
        &format!("{:.0} rows/s", n_rows as f64 / started.elapsed().as_secs_f64()),
    );

    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let started = Instant::now();
    let mut writer = pantau::engine::open(&*journal.reader(), journal.head(), city.clone(), ids, None)?;
    say("start to first answer", &format!("{:.2} s", started.elapsed().as_secs_f64()));
    let map = writer.map().clone();
    check(&map, n_rows)?;

    let screen = Bbox::new(127.36, 0.77, 127.39, 0.80)?;
    let filter = Filter::everything();
    for zoom in [10, 13, 16] {
        let level = map.level_in_force(Projection::Staff, &filter, &screen, zoom);
        let range = CellRange::of(&screen, level);
        let median = median(|| map.cells(Projection::Staff, &filter, &range));
        say(&format!("clusters of one screen, zoom {zoom}"), &micros(median));
    }
    let newest = median(|| {
        map.incidents(
            Projection::Staff,
            &Filter::default(),
            &Where::default(),
            Sort::NewestFirst,
            None,
            200,
        )
    });
    say("newest 200 open incidents", &micros(newest));

    let layers = Layers { incidents: true, hotspots: true, stats: true };
    let view = View {
        projection: Projection::Staff,
        hotspots: Projection::Staff,
        bbox: screen,
        zoom: 14,
        filter: Filter::default(),
        layers,
    };
    let mut apply = Vec::new();
    let mut delta = Vec::new();
    for n in 0..RUNS {
        let held = writer.map().seq();
        let mut command = row(n_rows + n, &city, &mut chance);
        if let Command::Report(report) = &mut command {
            report.import = None;
        }
        for outcome in journal.append(vec![command], NOW, None)? {
            let Outcome::Accepted { entries, .. } = outcome else { continue };
            let started = Instant::now();
            writer.apply(&entries);
            apply.push(started.elapsed());
        }
        let now = writer.map().clone();
        let level = view.level_in_force(&now);
        let started = Instant::now();
        std::hint::black_box(Contents::delta(&now, &view, level, held));
        delta.push(started.elapsed());
    }
    let mut ticks = Vec::new();
    for n in 0..TICKS {
        let mut command = row(n_rows + RUNS + n, &city, &mut chance);
        if let Command::Report(report) = &mut command {
            (report.import, report.occurred_at) = (None, None);
        }
        let derived = writer.take_derived();
        for outcome in journal.append(vec![command, Command::Tick], NOW, derived.as_ref())? {
            let Outcome::Accepted { entries, .. } = outcome else { continue };
            let started = Instant::now();
            writer.apply(&entries);
            ticks.push(started.elapsed());
        }
    }
    // Each second one is the tick.
    let ticks: Vec<Duration> = ticks.into_iter().skip(1).step_by(2).collect();
    let n_hotspots = writer.map().hotspots(Projection::Staff).live().count();
    say("one report to the live map (a reader holds the last)", &micros(middle(apply)));
    say("its delta for one wall, figures included", &micros(middle(delta)));
    say(&format!("the first tick, which describes {n_hotspots} hotspots, twice"), &micros(ticks[0]));
    say("a tick after one report", &micros(middle(ticks[1..].to_vec())));
    statistics(&*journal.reader(), &city)?;
    Ok(())
}

/// One row: a place near one of a few busy centres, two years of times, a third still open.
fn row(n: usize, city: &City, chance: &mut Chance) -> Command {
    let centre = chance.below(40) as f64;
    let spread = |chance: &mut Chance| (chance.unit() - 0.5) * 0.006;
    let lng = 127.33 + (centre * 0.618).fract() * 0.05 + spread(chance);
    let lat = 0.77 + (centre * 0.414).fract() * 0.06 + spread(chance);
    let place = LngLat::new(lng, lat).expect("near Ternate");
    let category = CategoryId(chance.below(7) as u8);
    let status = [Status::New, Status::Resolved, Status::Resolved][chance.below(3)];
    let mut row_digest = [0; 16];
    row_digest[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    Command::Report(Box::new(NewReport {
        category,
        place,
        coarse_place: None,
        accuracy_m: None,
        occurred_at: Some(NOW.plus_ms(-((chance.unit() * 730.0 * DAY_MS as f64) as i64))),
        area: city.areas.locate(place),
        incident: None,
        agency: city.category(category).agency,
        due_after_ms: None,
        sender: None,
        channel: Channel::Import,
        drill: false,
        private: ReportPrivate {
            description: Some("Sampah menumpuk di pinggir jalan".into()),
            ..Default::default()
        },
        idempotency: None,
        import: Some(ImportRow { source: "bench".into(), row_digest, status }),
    }))
}

/// What the scores of hotspots cost beside all else.
fn statistics(reader: &dyn Reader, city: &City) -> anyhow::Result<()> {
    let mut n_places = 0;
    let started = Instant::now();
    reader.report_places(NOW.plus_ms(-HISTORY_MS), &mut |_| n_places += 1)?;
    say(&format!("{n_places} reports of eight weeks, when and where"), &micros(started.elapsed()));
    let started = Instant::now();
    let land = StudyArea::new(city.land_cells().to_vec());
    let n_cells = land.cells().len();
    say(&format!("{n_cells} cells of land and their neighbours"), &micros(started.elapsed()));
    let counts = || land.cells().iter().zip(0..).map(|(cell, i)| (*cell, i % 7 / 5 * (i % 11)));
    say("Gi* of all of them", &micros(median(|| land.scores(counts()))));
    Ok(())
}

/// The figures below mean something only if the answers are right.
fn check(map: &LiveMap, n_rows: usize) -> anyhow::Result<()> {
    let all = Filter::everything();
    for level in [3, 12, 18, 23] {
        let cells = map.cells(Projection::Staff, &all, &CellRange::of(&Bbox::WORLD, level));
        let sum: u32 = cells.iter().map(|(_, sum)| sum.total.count).sum();
        ensure!(sum as usize == n_rows, "level {level} counts {sum} of {n_rows}");
    }
    Ok(())
}

fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let time = |_| {
        let started = Instant::now();
        std::hint::black_box(run());
        started.elapsed()
    };
    middle((0..RUNS).map(time).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

fn say(what: &str, figure: &str) {
    println!("{what:<54} {figure:>16}");
}
