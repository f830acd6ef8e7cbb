//! The process inside the origin's namespace that lets others in and makes reports.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use pantau::clock::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};

use super::PORT;
use super::network::{ORIGIN, ORIGIN_PLACE};
use super::nodes::{Node, Process};

/// Tells it what to do.
pub struct Gate {
    child: std::process::Child,
    answers: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Gate {
    pub fn open() -> anyhow::Result<Gate> {
        let mut command = std::process::Command::new("ip");
        command.args(["netns", "exec", ORIGIN_PLACE]).arg(std::env::current_exe()?).arg("--gate");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let answers = std::io::BufRead::lines(std::io::BufReader::new(stdout));
        let mut gate = Gate { child, answers };
        gate.until_done()?;
        Ok(gate)
    }

    /// Reports, most of them verified; how long the slowest took with its actions.
    pub fn make(&mut self, n: usize) -> anyhow::Result<Duration> {
        self.tell(&format!("report {n}"))
    }

    /// Rows of an import: an entry each.
    pub fn import(&mut self, n: usize) -> anyhow::Result<Duration> {
        self.tell(&format!("import {n}"))
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<Duration> {
        use std::io::Write;
        let stdin = self.child.stdin.as_mut().context("the input is piped")?;
        writeln!(stdin, "{line}")?;
        self.until_done()
    }

    fn until_done(&mut self) -> anyhow::Result<Duration> {
        let answer = self.answers.next().context("the gate ended")??;
        let slowest_us = answer.strip_prefix("done ").with_context(|| answer.clone())?.parse()?;
        Ok(Duration::from_micros(slowest_us))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn gate() -> anyhow::Result<()> {
    let listener = TcpListener::bind((ORIGIN, PORT)).await?;
    let inner = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut inner) = TcpStream::connect(inner).await {
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                }
            });
        }
    });
    println!("done 0");
    tokio::task::spawn_blocking(move || {
        let (mut made, clock) = (0, SystemClock::new());
        for order in std::io::stdin().lines() {
            let order = order?;
            let (what, n) = order.split_once(' ').context("an order has two words")?;
            let n: usize = n.parse()?;
            let mut slowest = Duration::ZERO;
            match what {
                "report" => {
                    let origin = Node { process: Process::default(), address: inner };
                    for i in made..made + n {
                        let began = clock.monotonic();
                        origin.reports(i..i + 1);
                        slowest = slowest.max(clock.monotonic().saturating_sub(began));
                    }
                }
                _ => import(inner, made, n)?,
            }
            made += n;
            println!("done {}", slowest.as_micros());
        }
        Ok(())
    })
    .await?
}

fn import(address: SocketAddr, from: usize, n: usize) -> anyhow::Result<()> {
    let client = pantau::cli::Client::new(&format!("http://{address}"))?;
    let rows: Vec<usize> = (from..from + n).collect();
    for batch in rows.chunks(2_000) {
        let line = |i: &usize| {
            let (lng, lat) = (127.34 + (i % 100) as f64 * 0.000_7, 0.76 + (i / 100 % 90) as f64 * 0.000_7);
            serde_json::json!({"id": format!("{i:032x}"), "category": "garbage", "lng": lng, "lat": lat,
                "occurred_at": "2026-11-01T08:00:00+09:00", "status": "verified"})
            .to_string()
        };
        let body = batch.iter().map(line).collect::<Vec<_>>().join("\n");
        let path = "/api/v1/import?source=hour";
        let answer = client.post_bytes(path, "application/x-ndjson", body.as_bytes(), None)?;
        ensure!(answer["accepted"] == batch.len(), "{answer}");
    }
    Ok(())
}
