//! What one core of the server sends to many walls.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::crowd::Crowd;
use super::freshness::payload;
use super::{Scene, check_first_wall};
use crate::fixture::Bench;
use crate::ingest::server_with;
use crate::machine::cpu_s;
use crate::ours::{Ours, report_body};
use crate::peers::nats::{self, Nats};
use crate::peers::redis::Redis;
use crate::table::{AtLeast, Better, Row, grouped, median};

/// Twice as many changes as frames: every frame has something to tell.
const CHANGES_PER_S: f64 = 20.0;
const FRAMES_PER_S: f64 = 10.0;
/// Messages that are published at once, to see what a server can do at its fastest, and how often.
const BURST: usize = 50;
const BURSTS: usize = 8;
const REDIS_PER_S: f64 = 1.2e6;

/// Messages of a run: how many a second of the server's processor time, and how long.
struct Sent {
    per_core: f64,
    bytes: f64,
    per_s: f64,
}

pub fn fan_out(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let sizes = if bench.quick { [(200, 1.5), (500, 4.0)] } else { [(1_000, 1.5), (5_000, 4.0)] };
    sizes.into_iter().map(|(n, times)| to_walls(bench, n, times)).collect()
}

fn to_walls(bench: &Bench, n: usize, times: f64) -> anyhow::Result<Row> {
    let lasting = Duration::from_secs(if bench.quick { 3 } else { 10 });
    let (folder, server) = server_with(bench, &format!("fan-out-{n}"), 100_000)?;
    let scene = Scene::of(&folder)?;
    let mut walls = Crowd::connect(bench, "pantau", server.address, n, &[scene.subscribe()])?;
    let nats = Nats::start()?;
    let mut peers = match &nats {
        Some(nats) => Some(Crowd::connect(bench, "nats", nats.websocket, n, &[])?),
        None => None,
    };
    let (mut ours, mut bytes, mut rates, mut peer) = (vec![], vec![], vec![], vec![]);
    let mut seq = 0;
    for _ in 0..bench.runs() {
        let sent = ours_sent(bench, &scene, &server, &mut walls, lasting)?;
        check_first_wall(&mut walls, &scene, &server)?;
        ours.push(sent.per_core);
        bytes.push(sent.bytes);
        rates.push(sent.per_s);
        if let (Some(nats), Some(crowd)) = (&nats, &mut peers) {
            peer.push(nats_sent(nats, crowd, lasting, sent.bytes as usize, &mut seq)?.per_core);
        }
    }
    let size = median(&bytes) as usize;
    let mut notes = vec![format!(
        "{} walls on one screen, {} messages/s in all, {} bytes each, one a wall and beat; the server's processor seconds hold taking {CHANGES_PER_S} reports/s durably, hotspots and figures too",
        grouped(n as f64),
        grouped(median(&rates)),
        grouped(size as f64)
    )];
    if let (Some(nats), Some(crowd)) = (&nats, &mut peers) {
        let fastest = nats_burst(nats, crowd, size, &mut seq)?;
        notes.push(format!(
            "NATS is given as many messages of the same size at the same rate; published {BURST} at once, so that it writes many at a time, it sends {} messages/s per core",
            grouped(fastest)
        ));
    }
    drop((walls, peers));
    if let Some(per_core) = redis_burst(bench, n, size)? {
        notes.push(format!(
            "Redis, over TCP without frames or filters, published {BURST} at once: {} messages/s per core",
            grouped(per_core)
        ));
    }
    let reached = median(&ours) >= REDIS_PER_S;
    Ok(Row {
        reason: "a message is a wake-up, a frame and a write of its own at both; by samples of the processor two fifths of ours is the kernel's sending, as much the task of each socket (waking, session, framing), the rest copying the frame",
        name: format!("feed-fanout-{n}"),
        what: if times < 2.0 {
            "fan-out, messages/s per core, 1,000 walls"
        } else {
            "fan-out, messages/s per core, 5,000 walls"
        },
        unit: "msg/s/core",
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

fn ours_sent(
    bench: &Bench,
    scene: &Scene,
    server: &Ours,
    walls: &mut Crowd,
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
        std::thread::sleep(
            Duration::from_secs_f64(n as f64 / CHANGES_PER_S).saturating_sub(began.elapsed()),
        );
    }
    let after = walls.wait_until(|count| count.least_seq >= last)?;
    let (cpu, took_s) = (cpu_s(server.pid())? - cpu, began.elapsed().as_secs_f64());
    let messages = (after.messages - before.messages) as f64;
    Ok(Sent {
        per_core: messages / cpu,
        bytes: (after.bytes - before.bytes) as f64 / messages,
        per_s: messages / took_s,
    })
}

fn nats_sent(
    nats: &Nats,
    walls: &mut Crowd,
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
        std::thread::sleep(
            Duration::from_secs_f64(n as f64 / FRAMES_PER_S).saturating_sub(began.elapsed()),
        );
    }
    let expected = before.messages + n * walls.n as u64;
    let after = walls.wait_until(|count| count.messages >= expected)?;
    let (cpu, took_s) = (cpu_s(nats.pid())? - cpu, began.elapsed().as_secs_f64());
    let whole = after.messages == expected && after.least_count == before.least_count + n;
    ensure!(whole && after.least_seq == *seq, "a NATS wall lacks a message");
    let messages = (after.messages - before.messages) as f64;
    Ok(Sent { per_core: messages / cpu, bytes: bytes as f64, per_s: messages / took_s })
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
