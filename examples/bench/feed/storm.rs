//! All walls lose their line and come back at once, while reports go on coming.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use super::crowd::Crowd;
use super::{Scene, check_first_wall};
use crate::fixture::Bench;
use crate::ingest::server_with;
use crate::ours::{Ours, report_body};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

/// Reports while the walls come back.
const CHANGES_PER_S: f64 = 50.0;

pub fn storm(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 1_000 } else { 10_000 };
    let (folder, server) = server_with(bench, "storm", 100_000)?;
    let scene = Scene::of(&folder)?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
    let (mut ours, mut calm, mut stormy) = (vec![], Acks::default(), Acks::default());
    for _ in 0..bench.runs() {
        let lasting = Duration::from_secs(5);
        calm.add(acks_ms(bench, &scene, &server, || {
            std::thread::sleep(lasting);
            Ok(())
        })?);
        let mut took_s = 0.0;
        stormy.add(acks_ms(bench, &scene, &server, || {
            let began = Instant::now();
            walls.storm()?;
            walls.wait_until(|count| count.ready == n)?;
            took_s = began.elapsed().as_secs_f64();
            Ok(())
        })?);
        ours.push(took_s);
        let sample = scene.samples.first().context("something is in the scene")?;
        let last = server.http()?.report(&report_body(sample, &bench.city, 0))?;
        walls.wait_until(|count| count.least_seq >= last)?;
        check_first_wall(&mut walls, &scene, &server)?;
    }
    let fast = median(&ours) <= 2.0
        && median(&stormy.kept) <= 4.0 * median(&calm.kept)
        && median(&stormy.fresh) <= 4.0 * median(&calm.fresh);
    Ok(vec![Row {
        reason: "walls, clients and server share two cores",
        name: "feed-storm".to_owned(),
        what: "10,000 walls lose their line and come back at once: until all are in step",
        unit: "s",
        better: Better::Smaller,
        ours,
        peer: vec![],
        peer_is: "none: a figure of its own".to_owned(),
        at_least: AtLeast::AtMost(5.0),
        aim: "<= 2 s, p99 of acks meanwhile <= 4 x of before",
        aim_met: Some(fast),
        guard: "after each run one change reaches every wall, and what one wall folded over both lines equals /api/v1/clusters".to_owned(),
        notes: vec![
            format!(
                "{} walls resume from what each holds, while {CHANGES_PER_S} reports a second come over one connection and as many with a connection of their own each",
                grouped(n as f64),
            ),
            format!(
                "p99 of the acks over one connection: {} ms before, {} ms while the walls come back; over a new one each, connecting included: {} ms and {} ms",
                grouped(median(&calm.kept)),
                grouped(median(&stormy.kept)),
                grouped(median(&calm.fresh)),
                grouped(median(&stormy.fresh)),
            ),
        ],
    }])
}

/// The acks' p99 of each run, in milliseconds.
#[derive(Default)]
struct Acks {
    /// Over one connection.
    kept: Vec<f64>,
    /// Over a new connection each, from before it is made.
    fresh: Vec<f64>,
}

impl Acks {
    fn add(&mut self, (kept, fresh): (Vec<f64>, Vec<f64>)) {
        self.kept.push(quantile(&kept, 0.99));
        self.fresh.push(quantile(&fresh, 0.99));
    }
}

/// How long each ack took while something else was done: over one connection, over new ones.
fn acks_ms(
    bench: &Bench,
    scene: &Scene,
    server: &Ours,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let done = AtomicBool::new(false);
    let post = |fresh: bool| {
        let (began, mut acks) = (Instant::now(), Vec::new());
        let mut http = server.http()?;
        while !done.load(Relaxed) || acks.is_empty() {
            let sample = &scene.samples[acks.len() % scene.samples.len()];
            let sent = Instant::now();
            if fresh {
                http = server.http()?;
            }
            http.report(&report_body(sample, &bench.city, acks.len()))?;
            acks.push(sent.elapsed().as_secs_f64() * 1e3);
            let due = Duration::from_secs_f64(acks.len() as f64 / CHANGES_PER_S);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        anyhow::Ok(acks)
    };
    std::thread::scope(|scope| {
        let posting = [false, true].map(|fresh| scope.spawn(move || post(fresh)));
        let did = meanwhile();
        done.store(true, Relaxed);
        let [kept, fresh] =
            posting.map(|posting| posting.join().unwrap_or_else(|_| Err(anyhow!("a poster panicked"))));
        did?;
        let (kept, fresh) = (kept?, fresh?);
        ensure!(!kept.is_empty() && !fresh.is_empty(), "no report was sent");
        Ok((kept, fresh))
    })
}
