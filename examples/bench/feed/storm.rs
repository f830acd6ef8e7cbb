//! All walls lose their line and come back at once, while reports go on coming.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

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
    let (mut ours, mut calm, mut stormy) = (vec![], vec![], vec![]);
    for _ in 0..bench.runs() {
        let lasting = Duration::from_secs(5);
        let acks = acks_ms(bench, &scene, &server, || {
            std::thread::sleep(lasting);
            Ok(())
        })?;
        calm.push(quantile(&acks, 0.99));
        let mut took_s = 0.0;
        let acks = acks_ms(bench, &scene, &server, || {
            let began = Instant::now();
            walls.storm()?;
            walls.wait_until(|count| count.ready == n)?;
            took_s = began.elapsed().as_secs_f64();
            Ok(())
        })?;
        stormy.push(quantile(&acks, 0.99));
        ours.push(took_s);
        let sample = scene.samples.first().context("something is in the scene")?;
        let last = server.http()?.report(&report_body(sample, &bench.city, 0))?;
        walls.wait_until(|count| count.least_seq >= last)?;
        check_first_wall(&mut walls, &scene, &server)?;
    }
    let fast = median(&ours) <= 2.0 && median(&stormy) <= 4.0 * median(&calm);
    Ok(vec![Row {
        reason: "walls, clients and server share two cores, and connections are taken up at a rate that leaves room to those who report; one that finds the kernel's queue full tries again after one and three seconds",
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
        notes: vec![format!(
            "{} walls resume from what each holds, while {CHANGES_PER_S} reports a second come, one after the other; p99 of their acks {} ms before and {} ms while the walls come back",
            grouped(n as f64),
            grouped(median(&calm)),
            grouped(median(&stormy))
        )],
    }])
}

/// How long each ack took while something else was done.
fn acks_ms(
    bench: &Bench,
    scene: &Scene,
    server: &Ours,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    let mut http = server.http()?;
    std::thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let (began, mut acks) = (Instant::now(), Vec::new());
            while !done.load(Relaxed) || acks.is_empty() {
                let sample = &scene.samples[acks.len() % scene.samples.len()];
                let sent = Instant::now();
                http.report(&report_body(sample, &bench.city, acks.len()))?;
                acks.push(sent.elapsed().as_secs_f64() * 1e3);
                let due = Duration::from_secs_f64(acks.len() as f64 / CHANGES_PER_S);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            anyhow::Ok(acks)
        });
        let did = meanwhile();
        done.store(true, Relaxed);
        let acks = posting.join().ok().context("the poster panicked")?;
        did?;
        let acks = acks?;
        ensure!(!acks.is_empty(), "no report was sent");
        Ok(acks)
    })
}
