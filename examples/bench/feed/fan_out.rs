//! What one core of the server tells many walls.
//!
//! Every change must reach every wall. NATS sends each as a message of its own; ours puts what changed
//! since a wall's last frame into one. So what is compared is changes told, and beside it, as a note,
//! messages: as many of the same size at the same rate at both.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::crowd::Crowd;
use super::freshness::payload;
use super::{Scene, centrifugo, check_first_wall};
use crate::fixture::Bench;
use crate::ingest::server_with;
use crate::machine::cpu_s;
use crate::ours::{Ours, report_body};
use crate::peers::nats::{self, Nats};
use crate::peers::redis::Redis;
use crate::table::{AtLeast, Better, Row, grouped, median};

/// Changes that every wall is to be told of.
const CHANGES_PER_S: f64 = 50.0;
/// So few that nearly each has a frame of its own.
const FEW_CHANGES_PER_S: f64 = 15.0;
/// Messages that are published at once, to see what a server can do at its fastest, and how often.
const BURST: usize = 50;
const BURSTS: usize = 8;
const REDIS_PER_S: f64 = 1.2e6;

/// What a run sent to all walls together.
struct Sent {
    changes: f64,
    messages: f64,
    /// Of a message.
    bytes: f64,
    /// Of the server's processor.
    cpu_s: f64,
    took_s: f64,
}

impl Sent {
    fn changes_per_core(&self) -> f64 {
        self.changes / self.cpu_s
    }

    fn messages_per_core(&self) -> f64 {
        self.messages / self.cpu_s
    }
}

pub fn fan_out(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let sizes = if bench.quick { [(200, 1.5), (500, 4.0)] } else { [(1_000, 1.5), (5_000, 4.0)] };
    sizes.into_iter().map(|(n, times)| to_walls(bench, n, times)).collect()
}

fn to_walls(bench: &Bench, n: usize, times: f64) -> anyhow::Result<Row> {
    let lasting = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let (folder, server) = server_with(bench, &format!("fan-out-{n}"), 100_000)?;
    let scene = Scene::of(&folder)?;
    let feature_bytes = feature_bytes(&server)?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
    let nats = Nats::start()?;
    let mut peers = match &nats {
        Some(nats) => Some(Crowd::connect(bench, "nats", nats.websocket, n, &[])?),
        None => None,
    };
    let (mut ours, mut frames, mut peer) = (vec![], vec![], vec![]);
    let mut seq = 0;
    for _ in 0..bench.runs() {
        let sent = ours_sent(bench, &scene, &server, &mut walls, CHANGES_PER_S, lasting)?;
        check_first_wall(&mut walls, &scene, &server)?;
        ours.push(sent.changes_per_core());
        frames.push(sent);
        if let (Some(nats), Some(crowd)) = (&nats, &mut peers) {
            let sent = nats_sent(nats, crowd, CHANGES_PER_S, lasting, feature_bytes, &mut seq)?;
            peer.push(sent.changes_per_core());
        }
    }
    let middle = |of: fn(&Sent) -> f64| median(&frames.iter().map(of).collect::<Vec<_>>());
    let mut notes = vec![format!(
        "{} walls on one screen, {CHANGES_PER_S} changes/s, each of which reaches every wall. Ours puts what changed since a wall's last frame into one: {} frames/s a wall, {} bytes each; the server's processor seconds hold taking the reports durably, hotspots and figures too",
        grouped(n as f64),
        grouped(middle(|sent| sent.messages / sent.took_s) / n as f64),
        grouped(middle(|sent| sent.bytes)),
    )];
    if let (Some(nats), Some(crowd)) = (&nats, &mut peers) {
        notes.push(format!(
            "NATS sends each change as a message of {feature_bytes} bytes, as long as the one feature that a report makes here"
        ));
        let few = ours_sent(bench, &scene, &server, &mut walls, FEW_CHANGES_PER_S, lasting)?;
        let rate = few.messages / few.took_s / n as f64;
        let same = nats_sent(nats, crowd, rate, lasting, few.bytes as usize, &mut seq)?;
        let (ours, theirs) = (few.messages_per_core(), same.messages_per_core());
        notes.push(format!(
            "Message for message, {} a second a wall of {} bytes at both: ours {} messages/s per core, NATS {}, {} x (one run)",
            grouped(rate),
            grouped(few.bytes),
            grouped(ours),
            grouped(theirs),
            grouped(ours / theirs)
        ));
        let fastest = nats_burst(nats, crowd, few.bytes as usize, &mut seq)?;
        notes.push(format!(
            "NATS published {BURST} messages of that size at once, so that it writes many at a time: {} messages/s per core",
            grouped(fastest)
        ));
    }
    drop((walls, peers));
    notes.push(centrifugo::fan_out_note(bench, n, feature_bytes, CHANGES_PER_S, lasting));
    if let Some(per_core) = redis_burst(bench, n, feature_bytes)? {
        notes.push(format!(
            "Redis, over TCP without frames or filters, {feature_bytes} bytes published {BURST} at once: {} messages/s per core",
            grouped(per_core)
        ));
    }
    let reached = median(&ours) >= REDIS_PER_S;
    Ok(Row {
        reason: "nearly all of a round is the kernel's sending, one call a wall",
        name: format!("feed-fanout-{n}"),
        what: if times < 2.0 {
            "fan-out, changes told/s per core, 50 changes/s, 1,000 walls"
        } else {
            "fan-out, changes told/s per core, 50 changes/s, 5,000 walls"
        },
        unit: "changes/s/core",
        better: Better::Larger,
        ours,
        peer,
        peer_is: nats::NAME.to_owned(),
        at_least: AtLeast::Times(times),
        aim: "Redis pub/sub's rate (1.2 M/s), with WebSocket framing and filters",
        aim_met: Some(reached),
        guard: "after each run every wall has the newest seq, and what one wall folded equals /api/v1/clusters; every NATS wall has every message".to_owned(),
        notes,
    })
}

/// How long the feature of one incident is.
fn feature_bytes(server: &Ours) -> anyhow::Result<usize> {
    let answer = server.http()?.get_json("/api/v1/incidents?limit=1")?;
    Ok(answer["features"].get(0).context("there are incidents")?.to_string().len())
}

fn ours_sent(
    bench: &Bench,
    scene: &Scene,
    server: &Ours,
    walls: &mut Crowd,
    changes_per_s: f64,
    lasting: Duration,
) -> anyhow::Result<Sent> {
    let mut http = server.http()?;
    let (before, cpu, began) = (walls.count()?, cpu_s(server.pid())?, Instant::now());
    let mut last = 0;
    let mut n = 0;
    while began.elapsed() < lasting {
        let sample = &scene.samples[n % scene.samples.len()];
        last = http.report(&report_body(sample, &bench.city, n))?;
        n += 1;
        let due = Duration::from_secs_f64(n as f64 / changes_per_s);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let after = walls.wait_until(|count| count.least_seq >= last)?;
    let messages = (after.messages - before.messages) as f64;
    Ok(Sent {
        changes: (n * walls.n) as f64,
        messages,
        bytes: (after.bytes - before.bytes) as f64 / messages,
        cpu_s: cpu_s(server.pid())? - cpu,
        took_s: began.elapsed().as_secs_f64(),
    })
}

fn nats_sent(
    nats: &Nats,
    walls: &mut Crowd,
    messages_per_s: f64,
    lasting: Duration,
    bytes: usize,
    seq: &mut u64,
) -> anyhow::Result<Sent> {
    let mut publisher = nats.publisher()?;
    let (before, cpu, began) = (walls.count()?, cpu_s(nats.pid())?, Instant::now());
    let mut n = 0;
    while began.elapsed() < lasting {
        (*seq, n) = (*seq + 1, n + 1);
        publisher.publish(&payload(*seq, bytes))?;
        let due = Duration::from_secs_f64(n as f64 / messages_per_s);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let expected = before.messages + n * walls.n as u64;
    let after = walls.wait_until(|count| count.messages >= expected)?;
    let whole = after.messages == expected && after.least_count == before.least_count + n;
    ensure!(whole && after.least_seq == *seq, "a NATS wall lacks a message");
    let messages = (after.messages - before.messages) as f64;
    Ok(Sent {
        changes: messages,
        messages,
        bytes: bytes as f64,
        cpu_s: cpu_s(nats.pid())? - cpu,
        took_s: began.elapsed().as_secs_f64(),
    })
}

fn nats_burst(nats: &Nats, walls: &mut Crowd, bytes: usize, seq: &mut u64) -> anyhow::Result<f64> {
    let mut publisher = nats.publisher()?;
    let (before, cpu) = (walls.count()?, cpu_s(nats.pid())?);
    for burst in 1..=BURSTS {
        for _ in 0..BURST {
            *seq += 1;
            publisher.publish(&payload(*seq, bytes))?;
        }
        publisher.settle()?;
        let expected = before.messages + (burst * BURST * walls.n) as u64;
        walls.wait_until(|count| count.messages >= expected)?;
    }
    Ok((BURSTS * BURST * walls.n) as f64 / (cpu_s(nats.pid())? - cpu).max(0.01))
}

fn redis_burst(bench: &Bench, n: usize, bytes: usize) -> anyhow::Result<Option<f64>> {
    let Some(redis) = Redis::start()? else { return Ok(None) };
    let mut walls = Crowd::connect(bench, "redis", redis.address, n, &[])?;
    let cpu = cpu_s(redis.pid())?;
    for burst in 0..BURSTS {
        redis.publish((1..=BURST).map(|i| payload((burst * BURST + i) as u64, bytes)))?;
        walls.wait_until(|count| count.messages >= ((burst + 1) * BURST * n) as u64)?;
    }
    Ok(Some((BURSTS * BURST * n) as f64 / (cpu_s(redis.pid())? - cpu).max(0.01)))
}
