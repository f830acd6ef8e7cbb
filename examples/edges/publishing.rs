//! The origin publishes into a line that is cut: what that costs it, and how long the stream takes afterwards.

use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream;
use pantau::clock::{Clock, SystemClock};

use super::gate::Gate;
use super::network::{NATS, Network};
use super::nodes::{Node, are_equal};
use super::wait;

/// The line, and then nothing of it, both ways or one.
const WAYS: [&str; 4] = ["none", "cut", "deaf", "mute"];
/// It stays so for this long at least: acknowledgements are waited for several times.
const CUT: Duration = Duration::from_secs(20);
/// Connections and files that the origin may have open beyond those before the cut: what is tried one after the
/// other is closed one after the other.
const FILES_MAX: usize = 12;

pub struct Published {
    way: &'static str,
    entries: u64,
    import: Duration,
    /// A report with its actions.
    slowest: Duration,
    grown_kib: i64,
    /// Open at once, beyond those before.
    files: usize,
    /// After the line was whole: all nodes are equal, the stream has the newest entry.
    equal: Duration,
    streamed: Duration,
}

impl Published {
    pub fn line(&self) -> String {
        format!(
            "origin|stream {}: entries={} import_ms={} slowest_report_ms={} memory_grown_kib={} files_more={} equal_ms={} streamed_ms={}",
            self.way,
            self.entries,
            self.import.as_millis(),
            self.slowest.as_millis(),
            self.grown_kib,
            self.files,
            self.equal.as_millis(),
            self.streamed.as_millis(),
        )
    }

    pub fn is_bounded(&self) -> bool {
        self.files <= FILES_MAX
    }

    pub fn equal(&self) -> Duration {
        self.equal
    }
}

/// Each way once, with so many entries while it lasts.
pub async fn publish(
    entries: usize,
    (network, gate): (&Network, &mut Gate),
    origin: &Node,
    edges: &[Node],
) -> anyhow::Result<Vec<Published>> {
    let mut all = Vec::new();
    for way in WAYS {
        all.push(one(way, entries, (network, &mut *gate), origin, edges).await?);
        eprintln!("{}", all[all.len() - 1].line());
    }
    Ok(all)
}

async fn one(
    way: &'static str,
    entries: usize,
    (network, gate): (&Network, &mut Gate),
    origin: &Node,
    edges: &[Node],
) -> anyhow::Result<Published> {
    let clock = SystemClock::new();
    let seq = || Ok::<_, anyhow::Error>(origin.state().context("the origin answers")?.seq);
    let (before, kib, files) = (seq()?, memory_kib(origin)?, open_files(origin)?);
    network.line_fault(way)?;
    let began = clock.monotonic();
    gate.import(entries)?;
    let import = clock.monotonic().saturating_sub(began);
    let (mut slowest, mut most) = (Duration::ZERO, files);
    while clock.monotonic().saturating_sub(began) < CUT {
        slowest = slowest.max(gate.make(1)?);
        most = most.max(open_files(origin)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown_kib = memory_kib(origin)? - kib;
    network.line_heal()?;
    let healed = clock.monotonic();
    let nodes: Vec<&Node> = [origin].into_iter().chain(edges).collect();
    wait::wait_for("all to be equal", async || are_equal(&nodes)).await;
    let equal = clock.monotonic().saturating_sub(healed);
    let head = seq()?;
    wait::wait_for("the stream to have all", async || (newest().await? >= head).then_some(())).await;
    let streamed = clock.monotonic().saturating_sub(healed);
    let entries = head - before;
    let files = most.saturating_sub(files);
    Ok(Published { way, entries, import, slowest, grown_kib, files, equal, streamed })
}

/// The newest entry that the stream has.
async fn newest() -> Option<u64> {
    let client = async_nats::connect(format!("nats://{NATS}:4222")).await.ok()?;
    let stream = jetstream::new(client).get_stream("pantau-ternate").await.ok()?;
    let last = stream.get_info().await.ok()?.state.last_sequence;
    let message = stream.get_raw_message(last).await.ok()?;
    message.headers.get("Nats-Msg-Id")?.as_str().rsplit_once(':')?.1.parse().ok()
}

fn memory_kib(node: &Node) -> anyhow::Result<i64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.process.id()))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has a size")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn open_files(node: &Node) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", node.process.id()))?.count())
}
