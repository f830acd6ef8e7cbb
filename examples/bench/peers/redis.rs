//! Redis's publish and subscribe, over its own protocol.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use anyhow::ensure;
use tempfile::TempDir;

use super::{Daemon, find_program, free_port, start};

pub struct Redis {
    daemon: Daemon,
    _folder: TempDir,
    pub address: SocketAddr,
}

impl Redis {
    /// `None` where it is not on the machine.
    pub fn start() -> anyhow::Result<Option<Redis>> {
        let Some(program) = find_program("redis-server") else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("pantau-bench-redis-").tempdir()?;
        let address = free_port()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""]);
        // Walls come from several addresses of this machine, not from 127.0.0.1 alone.
        command.args(["--protected-mode", "no", "--appendonly", "no"]);
        command.args(["--client-output-buffer-limit", "pubsub 0 0 0", "--dir"]);
        let daemon = start(command.arg(folder.path()), address)?;
        Ok(Some(Redis { daemon, _folder: folder, address }))
    }

    pub fn pid(&self) -> u32 {
        self.daemon.0.id()
    }

    /// Publishes all, as fast as it takes them.
    pub fn publish(&self, payloads: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let stream = TcpStream::connect(self.address)?;
        let mut stream = BufReader::new(stream);
        let mut sent = 0;
        for payload in payloads {
            let message =
                format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nwall\r\n${}\r\n{payload}\r\n", payload.len());
            stream.get_mut().write_all(message.as_bytes())?;
            sent += 1;
        }
        let mut line = String::new();
        for _ in 0..sent {
            line.clear();
            ensure!(stream.read_line(&mut line)? > 0, "Redis ended the line");
            ensure!(line.starts_with(':'), "Redis: {line}");
        }
        Ok(())
    }
}
