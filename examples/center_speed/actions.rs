//! Every action under load.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};
use pantau::journal::{FolderMode, Journal, SqliteJournal};
use pantau::model::Outcome;

use crate::center::{Center, Desk};
use crate::data::{Sample, Samples, Shape};
use crate::story::Worker;
use crate::tally::{Tally, Took};
use crate::{load, machine};

const SEED: u64 = 82_71;
const ROWS_A_COMMIT: usize = 10_000;
/// Senders share the rate.
const SENDERS: usize = 8;
const PATIENCE_S: u64 = 30;
/// More than anybody works off.
const STORIES_MAX: usize = 100_000;

#[derive(clap::Args)]
pub struct Args {
    /// Incidents that were imported before
    #[arg(long, default_value_t = 100_000)]
    before: usize,
    #[arg(long, default_value_t = 50)]
    reports_a_minute: usize,
    #[arg(long, default_value_t = 100)]
    walls: usize,
    #[arg(long, default_value_t = 16)]
    operators: usize,
    /// Between the acts of one operator
    #[arg(long, default_value_t = 100)]
    think_ms: u64,
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("pantau-center-").tempdir()?;
    let city = Arc::new(City::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate"))?);
    let now = SystemClock::new().now();
    let samples = |seed, n| Samples::new(&city, Shape::City, seed, now).take(n).collect::<Vec<Sample>>();
    fill(folder.path(), &city, &samples(SEED, args.before))?;
    let center = Center::start(folder.path())?;
    let supervisor = center.sign_in("citra", "supervisor")?;
    let wall = center.sign_in("dinding", "viewer")?;
    let operators = (0..args.operators).map(|n| center.sign_in(&format!("op{n}"), "operator"));
    let operators = operators.collect::<anyhow::Result<Vec<Desk>>>()?;
    let strangers: Vec<Desk> = (0..SENDERS).map(|_| center.stranger()).collect();
    let (ready, told, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let seconds = Duration::from_secs(args.seconds);
    let every = Duration::from_secs(60) / args.reports_a_minute as u32;
    let coming = samples(SEED + 1, (args.seconds as usize + 1) * args.reports_a_minute / 60 + 1);
    let work: Vec<Vec<Sample>> =
        (0..args.operators).map(|n| samples(SEED + 2 + n as u64, STORIES_MAX / args.operators)).collect();
    let before = machine::cpu_s(center.node.process.id())?;
    let mut tally = Tally::default();
    let mut owed: Vec<(String, u64)> = Vec::new();
    let mut confirmed = 0;
    thread::scope(|scope| -> anyhow::Result<()> {
        let (address, cookie) = (center.node.address, wall.cookie.clone().context("a wall is signed in")?);
        let walls = (args.walls, &ready, &told, &stop);
        scope.spawn(move || watch(address, &cookie, walls));
        for _ in 0..PATIENCE_S * 50 {
            if ready.load(Ordering::Relaxed) >= args.walls as u64 {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        if ready.load(Ordering::Relaxed) < args.walls as u64 {
            stop.store(true, Ordering::Relaxed);
            anyhow::bail!("only {} of {} walls listen", ready.load(Ordering::Relaxed), args.walls);
        }
        let senders: Vec<_> = strangers
            .iter()
            .enumerate()
            .map(|(n, desk)| {
                let (city, coming, stop) = (&*city, &coming, &stop);
                scope.spawn(move || load::reports(desk, city, coming, (n, SENDERS), every, stop))
            })
            .collect();
        let workers: Vec<_> = operators
            .iter()
            .zip(&work)
            .map(|(operator, samples)| {
                let (city, supervisor, stop) = (&*city, &supervisor, &stop);
                let think = Duration::from_millis(args.think_ms);
                scope.spawn(move || {
                    let mut worker = Worker::new(operator, supervisor, city, think)?;
                    worker.work(samples, stop).map(|()| (worker.took, worker.acts, worker.confirmed))
                })
            })
            .collect();
        thread::sleep(seconds);
        stop.store(true, Ordering::Relaxed);
        let mut all: Vec<Took> = Vec::new();
        for (worker, operator) in workers.into_iter().zip(&operators) {
            let (took, acts, seen) = worker.join().expect("a worker does not panic")?;
            all.extend(took);
            owed.push((operator.name.clone(), acts));
            confirmed += seen;
        }
        for sender in senders {
            all.extend(sender.join().expect("a sender does not panic")?);
        }
        all.into_iter().for_each(|took| tally.add(took));
        Ok(())
    })?;
    owed.push((supervisor.name.clone(), confirmed));
    let acts: u64 = owed.iter().map(|(_, acts)| acts).sum();
    println!(
        "- Load: {} incidents before, {} reports a minute, {} walls ({} messages told), {} operators with {} acts a second together, {} s; processor of the server {:.0} %",
        args.before,
        args.reports_a_minute,
        args.walls,
        told.load(Ordering::Relaxed),
        args.operators,
        acts / args.seconds,
        args.seconds,
        (machine::cpu_s(center.node.process.id())? - before) / seconds.as_secs_f64() * 100.0,
    );
    tally.print("act");
    for (name, acts) in &owed {
        let has = audited(&supervisor, name)?;
        ensure!(has == *acts, "the audit has {has} acts of {name}, who did {acts}");
    }
    println!("\nThe audit has each of the {acts} acts.");
    Ok(())
}

fn watch(
    address: std::net::SocketAddr,
    cookie: &str,
    (n, ready, told, stop): (usize, &AtomicU64, &AtomicU64, &AtomicBool),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of its own").block_on(async {
        tokio::select! {
            () = load::walls(address, cookie, n, ready, told) => {}
            () = async { while !stop.load(Ordering::Relaxed) { tokio::time::sleep(Duration::from_millis(100)).await } } => {}
        }
    });
}

/// An import of before.
fn fill(folder: &Path, city: &Arc<City>, samples: &[Sample]) -> anyhow::Result<()> {
    let mut journal = SqliteJournal::open(folder, city.clone(), FolderMode::Live)?;
    let mut no = 0;
    for batch in samples.chunks(ROWS_A_COMMIT) {
        let commands = batch.iter().map(|sample| {
            no += 1;
            sample.command(no, city)
        });
        let outcomes = journal.append(commands.collect(), SystemClock::new().now(), None)?;
        ensure!(outcomes.iter().all(|o| matches!(o, Outcome::Accepted { .. })), "a row was not taken");
    }
    Ok(())
}

/// How many entries of the journal the audit has of somebody.
fn audited(supervisor: &Desk, name: &str) -> anyhow::Result<u64> {
    let (mut n, mut cursor) = (0, String::new());
    loop {
        let path = format!("/api/v1/audit?actor={name}&limit=1000{cursor}");
        let (page, _) = supervisor.timed(&path, None)?;
        let entries = page["entries"].as_array().context("a page has entries")?;
        n += entries.iter().filter(|entry| entry["seq"].is_u64()).count() as u64;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(n),
        }
    }
}
