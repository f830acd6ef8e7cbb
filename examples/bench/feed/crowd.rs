//! The process that holds the walls, from the other side.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::fixture::Bench;
use crate::walls::read_arrivals;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Crowd {
    child: Child,
    lines: BufReader<ChildStdout>,
    out: PathBuf,
    pub n: usize,
}

/// What all walls have read so far.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Count {
    pub messages: u64,
    pub bytes: u64,
    /// Of the wall that is farthest behind.
    pub least_seq: u64,
    pub least_count: u64,
    pub gone: usize,
    /// Walls that have what they asked for when they last connected.
    pub ready: usize,
}

impl Crowd {
    /// Connects `n` walls; the i-th sends the i-th message, and so on from the first again. Answers
    /// once all have what they asked for.
    pub fn connect(
        bench: &Bench,
        kind: &str,
        address: SocketAddr,
        n: usize,
        messages: &[String],
    ) -> anyhow::Result<Crowd> {
        let (asked, out) =
            (bench.scratch.path().join("messages"), bench.scratch.path().join(format!("{kind}-out")));
        std::fs::write(&asked, serde_json::to_vec(messages)?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["walls", kind, &address.to_string(), &n.to_string()]).args([&asked, &out]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut crowd = Crowd { child, lines, out, n };
        let ready = crowd.line()?;
        ensure!(ready == "ready", "the walls are not ready: {ready:?}");
        Ok(crowd)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.lines.read_line(&mut line)? > 0, "the walls' process ended");
        Ok(line.trim_end().to_owned())
    }

    fn ask(&mut self, what: &str) -> anyhow::Result<String> {
        let input = self.child.stdin.as_mut().context("the input is piped")?;
        writeln!(input, "{what}")?;
        input.flush()?;
        self.line()
    }

    pub fn count(&mut self) -> anyhow::Result<Count> {
        let count: Count = serde_json::from_str(&self.ask("count")?)?;
        ensure!(count.gone == 0, "{} walls lost their line", count.gone);
        Ok(count)
    }

    pub fn wait_until(&mut self, holds: impl Fn(&Count) -> bool) -> anyhow::Result<Count> {
        let began = Instant::now();
        loop {
            let count = self.count()?;
            if holds(&count) {
                return Ok(count);
            }
            ensure!(began.elapsed() < PATIENCE, "the walls do not get there: {count:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Cuts all lines, and has all walls come back at once and resume.
    pub fn storm(&mut self) -> anyhow::Result<()> {
        self.ask("storm").map(|_| ())
    }

    pub fn record(&mut self) -> anyhow::Result<()> {
        self.ask("record").map(|_| ())
    }

    /// Wall, seq and time of every message since [`Crowd::record`], of each wall in order.
    pub fn arrivals(&mut self) -> anyhow::Result<Vec<(u32, u64, u64)>> {
        self.ask("arrivals")?;
        read_arrivals(&self.out)
    }

    /// All frames that the first wall of each message read, with its number.
    pub fn frames(&mut self) -> anyhow::Result<Vec<(usize, String)>> {
        self.ask("frames")?;
        let text = std::fs::read_to_string(&self.out)?;
        let frame = |line: &str| {
            let (wall, frame) = line.split_once(' ').context("a wall and its frame")?;
            Ok((wall.parse()?, frame.to_owned()))
        };
        text.lines().map(frame).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
