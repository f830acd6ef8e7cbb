//! Centrifugo beside NATS, as a note: the same messages at the same rate to as many walls.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::crowd::Crowd;
use super::freshness::{paced, payload, waits_ms};
use crate::fixture::Bench;
use crate::machine::cpu_s;
use crate::peers::centrifugo::{Centrifugo, version};
use crate::table::{grouped, median, quantile};

const SKIPPED: &str =
    "Centrifugo: skipped, it is not on the machine; where there is Go, make bench builds it once";

/// What a run sent.
struct Sent {
    per_core: f64,
    publications_per_s: f64,
}

/// A note has no figure where something went wrong; the row is not about it.
fn note(measured: anyhow::Result<String>) -> String {
    measured.unwrap_or_else(|e| format!("Centrifugo {}: no figure, {e:#}", version()))
}

pub fn fan_out_note(bench: &Bench, n: usize, bytes: usize, per_s: f64, lasting: Duration) -> String {
    note(fan_out(bench, n, bytes, per_s, lasting))
}

fn fan_out(bench: &Bench, n: usize, bytes: usize, per_s: f64, lasting: Duration) -> anyhow::Result<String> {
    let Some(server) = Centrifugo::start(bench)? else { return Ok(SKIPPED.to_owned()) };
    let mut walls = Crowd::connect(bench, "centrifugo", server.address, n, &[])?;
    let mut seq = 0;
    let runs = (0..bench.runs()).map(|_| sent(&server, &mut walls, bytes, per_s, lasting, &mut seq));
    let runs: Vec<Sent> = runs.collect::<anyhow::Result<_>>()?;
    let middle = |of: fn(&Sent) -> f64| grouped(median(&runs.iter().map(of).collect::<Vec<_>>()));
    Ok(format!(
        "Centrifugo {} is given the same messages of {bytes} bytes, published one after the other over its HTTP API, read over its WebSocket as JSON: {} messages/s per core, with {} of {per_s} publications a second told to all walls (median of {} runs; every wall has every message)",
        version(),
        middle(|sent| sent.per_core),
        middle(|sent| sent.publications_per_s),
        runs.len(),
    ))
}

fn sent(
    server: &Centrifugo,
    walls: &mut Crowd,
    bytes: usize,
    per_s: f64,
    lasting: Duration,
    seq: &mut u64,
) -> anyhow::Result<Sent> {
    let mut publisher = server.publisher()?;
    let (before, cpu, began) = (walls.count()?, cpu_s(server.pid())?, Instant::now());
    let mut n = 0;
    while began.elapsed() < lasting {
        (*seq, n) = (*seq + 1, n + 1);
        publisher.publish(&payload(*seq, bytes))?;
        std::thread::sleep(Duration::from_secs_f64(n as f64 / per_s).saturating_sub(began.elapsed()));
    }
    let expected = before.messages + n * walls.n as u64;
    let after = walls.wait_until(|count| count.messages >= expected)?;
    let (cpu, took_s) = (cpu_s(server.pid())? - cpu, began.elapsed().as_secs_f64());
    let whole = after.messages == expected && after.least_count == before.least_count + n;
    ensure!(whole && after.least_seq == *seq, "a Centrifugo wall lacks a message");
    let messages = (n * walls.n as u64) as f64;
    Ok(Sent { per_core: messages / cpu.max(0.01), publications_per_s: n as f64 / took_s })
}

pub fn freshness_note(bench: &Bench, n: usize, bytes: usize, lasting: Duration) -> String {
    note(freshness(bench, n, bytes, lasting))
}

fn freshness(bench: &Bench, n: usize, bytes: usize, lasting: Duration) -> anyhow::Result<String> {
    let Some(server) = Centrifugo::start(bench)? else { return Ok(SKIPPED.to_owned()) };
    let mut walls = Crowd::connect(bench, "centrifugo", server.address, n, &[])?;
    let mut publisher = server.publisher()?;
    walls.record()?;
    let mut seq = 0;
    let sent = paced(lasting, || {
        seq += 1;
        publisher.publish(&payload(seq, bytes))?;
        Ok(seq)
    })?;
    let count = walls.wait_until(|count| count.least_seq >= seq)?;
    ensure!(count.least_count == seq, "a Centrifugo wall lacks a message");
    let waits = waits_ms(&mut walls, &sent, |_, _| true)?.walls;
    Ok(format!(
        "Centrifugo {}: p50 {} ms, p99 {} ms, nothing durable, the same messages as NATS over its HTTP API (one run; every wall has every message)",
        version(),
        grouped(median(&waits)),
        grouped(quantile(&waits, 0.99))
    ))
}
