//! How long a change takes to every wall.

use std::time::{Duration, Instant};

use anyhow::ensure;
use pantau::cli::chance::Chance;

use super::crowd::Crowd;
use super::{Scene, centrifugo, check_first_wall};
use crate::fixture::{Bench, SEED};
use crate::ingest::server_with;
use crate::ours::{Ours, report_body};
use crate::peers::nats::{self, Nats};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};
use crate::walls::now_ns;

/// Changes come at these distances, evenly drawn: ten a second.
const BETWEEN_MS: (f64, f64) = (50.0, 150.0);

/// What was sent: its seq, when, and how long until it was acknowledged.
pub type Sent = Vec<(u64, u64, f64)>;

/// Milliseconds of each change to each wall, and of its ack.
pub struct Waits {
    pub walls: Vec<f64>,
    acks: Vec<f64>,
}

pub fn freshness(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 200 } else { 1_000 };
    let lasting = Duration::from_secs(if bench.quick { 4 } else { 15 });
    let (folder, server) = server_with(bench, "fresh", 100_000)?;
    let scene = Scene::of(&folder)?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
    let nats = Nats::start()?;
    let mut peers = match &nats {
        Some(nats) => Some(Crowd::connect(bench, "nats", nats.websocket, n, &[])?),
        None => None,
    };
    let (mut ours, mut middles, mut acks, mut peer, mut peer_middles) =
        (vec![], vec![], vec![], vec![], vec![]);
    let mut bytes = 0;
    for run in 0..bench.runs() {
        let before = walls.count()?;
        let waits = ours_ms(bench, &scene, &server, &mut walls, lasting)?;
        let after = walls.count()?;
        bytes = ((after.bytes - before.bytes) / (after.messages - before.messages)) as usize;
        check_first_wall(&mut walls, &scene, &server)?;
        ours.push(quantile(&waits.walls, 0.99));
        middles.push(median(&waits.walls));
        acks.push(quantile(&waits.acks, 0.99));
        if let (Some(nats), Some(crowd)) = (&nats, &mut peers) {
            let waits = nats_ms(nats, crowd, lasting, bytes, (run * 100_000) as u64)?;
            peer.push(quantile(&waits.walls, 0.99));
            peer_middles.push(median(&waits.walls));
        }
    }
    drop((walls, peers));
    let mut notes = vec![
        format!(
            "{} walls on one screen; from before the report is sent (so the disk's flush is in it) to the last byte of the frame at each wall; p50 {} ms; the p99 of the ack alone, durable and published, is {} ms",
            grouped(n as f64),
            grouped(median(&middles)),
            grouped(median(&acks)),
        ),
        "A change after a pause goes out at once; in the long run there are 20 frames a second (frame_ms), which 10 changes and a tick do not reach".to_owned(),
    ];
    if !peer_middles.is_empty() {
        notes.push(format!(
            "NATS: p50 {} ms, nothing durable, one message of {} bytes a change, as long as our frames",
            grouped(median(&peer_middles)),
            grouped(bytes as f64)
        ));
    }
    notes.push(centrifugo::freshness_note(bench, n, bytes, lasting));
    let many = if bench.quick { 1_000 } else { 10_000 };
    let mut crowd = Crowd::connect(bench, "pantau", server.address, many, &[scene.subscribe()])?;
    let waits = ours_ms(bench, &scene, &server, &mut crowd, lasting)?;
    check_first_wall(&mut crowd, &scene, &server)?;
    let p99 = quantile(&waits.walls, 0.99);
    notes.push(format!(
        "{} walls: p50 {} ms, p99 {} ms (one run; the walls' own process takes one of the cores)",
        grouped(many as f64),
        grouped(median(&waits.walls)),
        grouped(p99)
    ));
    Ok(vec![Row {
        reason: "the p99 is a change beside a tick: the tick computes hotspots on one of the two cores, and its frames go to every wall, too",
        name: "feed-freshness".to_owned(),
        what: "freshness: durable -> read by the wall, 10 changes/s, 1,000 walls",
        unit: "ms p99",
        better: Better::Smaller,
        ours,
        peer,
        peer_is: nats::NAME.to_owned(),
        at_least: AtLeast::AtMostThePeers,
        aim: "10,000 walls: p99 <= 200 ms",
        aim_met: Some(p99 <= 200.0),
        guard: "after each run every wall has the newest seq, and what one wall folded from its frames equals /api/v1/clusters; every NATS wall has every message".to_owned(),
        notes,
    }])
}

fn ours_ms(
    bench: &Bench,
    scene: &Scene,
    server: &Ours,
    walls: &mut Crowd,
    lasting: Duration,
) -> anyhow::Result<Waits> {
    let mut http = server.http()?;
    walls.record()?;
    let mut n = 0;
    let sent = paced(lasting, || {
        n += 1;
        let sample = &scene.samples[n % scene.samples.len()];
        http.report(&report_body(sample, &bench.city, n))
    })?;
    let last = sent.last().map_or(0, |(seq, ..)| *seq);
    walls.wait_until(|count| count.least_seq >= last)?;
    waits_ms(walls, &sent, |_, _| true)
}

fn nats_ms(
    nats: &Nats,
    walls: &mut Crowd,
    lasting: Duration,
    bytes: usize,
    first: u64,
) -> anyhow::Result<Waits> {
    let mut publisher = nats.publisher()?;
    walls.record()?;
    let mut seq = first;
    let sent = paced(lasting, || {
        seq += 1;
        publisher.publish(&payload(seq, bytes))?;
        Ok(seq)
    })?;
    walls.wait_until(|count| count.least_seq >= seq)?;
    waits_ms(walls, &sent, |_, _| true)
}

pub fn payload(seq: u64, bytes: usize) -> String {
    format!("payload {seq:010} {}", "x".repeat(bytes.saturating_sub(19)))
}

/// Does something ten times a second; what came of it.
pub fn paced(lasting: Duration, mut once: impl FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Sent> {
    let mut chance = Chance::new(SEED);
    let (began, mut due, mut sent) = (Instant::now(), Duration::ZERO, Sent::new());
    while due < lasting {
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let at_ns = now_ns();
        let seq = once()?;
        sent.push((seq, at_ns, now_ns().saturating_sub(at_ns) as f64 / 1e6));
        due += Duration::from_secs_f64(chance.between(BETWEEN_MS.0, BETWEEN_MS.1) / 1e3);
    }
    Ok(sent)
}

/// For each change and wall that it concerns: until the first message that holds the change. Both go by
/// their number.
pub fn waits_ms(
    walls: &mut Crowd,
    sent: &Sent,
    concerns: impl Fn(usize, usize) -> bool,
) -> anyhow::Result<Waits> {
    let mut by_wall: Vec<Vec<(u64, u64)>> = vec![Vec::new(); walls.n];
    for (wall, seq, at_ns) in walls.arrivals()? {
        by_wall[wall as usize].push((seq, at_ns));
    }
    let mut waits = Vec::with_capacity(sent.len() * walls.n);
    for (wall, arrivals) in by_wall.iter().enumerate() {
        for (i, (seq, sent_ns, _)) in sent.iter().enumerate() {
            if !concerns(wall, i) {
                continue;
            }
            let first = arrivals.partition_point(|(arrived, _)| arrived < seq);
            ensure!(first < arrivals.len(), "a wall never got the change of seq {seq}");
            waits.push(arrivals[first].1.saturating_sub(*sent_ns) as f64 / 1e6);
        }
    }
    Ok(Waits { walls: waits, acks: sent.iter().map(|(.., ack_ms)| *ack_ms).collect() })
}
