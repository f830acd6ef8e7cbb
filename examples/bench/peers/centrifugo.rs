//! Centrifugo, built by Go from its released module: walls over its WebSocket with JSON, publishing over
//! its HTTP API.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::ensure;
use serde_json::json;
use tempfile::TempDir;

use super::{Daemon, free_port, start};
use crate::fixture::Bench;
use crate::http::Http;

/// As much as NATS keeps for a slow client, and as long as NATS waits for one.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
const WRITE_TIMEOUT: &str = "10s";

pub struct Centrifugo {
    daemon: Daemon,
    _folder: TempDir,
    pub address: SocketAddr,
}

/// The version that `scripts/bench` builds.
pub fn version() -> &'static str {
    include_str!("go.txt").trim_end().rsplit_once('@').map_or("", |(_, version)| version)
}

impl Centrifugo {
    /// `None` where it is not on the machine.
    pub fn start(bench: &Bench) -> anyhow::Result<Option<Centrifugo>> {
        let program = bench.repo.join("target/bench/go/bin/centrifugo");
        if !program.is_file() {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("pantau-bench-centrifugo-").tempdir()?;
        let address = free_port()?;
        let file = folder.path().join("config.json");
        std::fs::write(&file, settings(address))?;
        let mut command = Command::new(program);
        command.current_dir(folder.path()).arg("--config").arg(&file);
        let daemon = start(&mut command, address)?;
        Ok(Some(Centrifugo { daemon, _folder: folder, address }))
    }

    pub fn pid(&self) -> u32 {
        self.daemon.0.id()
    }

    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        Ok(Publisher(Http::connect(self.address)?))
    }
}

/// On this machine alone, without sign-in, and it tells nobody of its use.
fn settings(address: SocketAddr) -> String {
    json!({
        "http_server": { "address": address.ip(), "port": address.port() },
        "http_api": { "insecure": true },
        "client": { "insecure": true, "queue_max_size": QUEUE_BYTES },
        "websocket": { "write_timeout": WRITE_TIMEOUT },
        "usage_stats": { "disabled": true },
        "log": { "level": "error" },
    })
    .to_string()
}

pub struct Publisher(Http);

impl Publisher {
    pub fn publish(&mut self, payload: &str) -> anyhow::Result<()> {
        let body = json!({ "channel": "wall", "data": payload }).to_string();
        let (status, answer) = self.0.ask("POST", "/api/publish", "application/json", body.as_bytes())?;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(status == 200 && answer.contains("\"result\""), "Centrifugo: {status} {answer}");
        Ok(())
    }
}
