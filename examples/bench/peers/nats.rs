//! NATS, with its WebSocket listener; publishing is its text protocol over TCP.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use anyhow::ensure;
use tempfile::TempDir;

use super::{Daemon, find_program, free_port, start};

pub const NAME: &str = "nats-server from Debian, core NATS over its WebSocket";

pub struct Nats {
    daemon: Daemon,
    _folder: TempDir,
    tcp: SocketAddr,
    pub websocket: SocketAddr,
}

impl Nats {
    /// `None` where it is not on the machine.
    pub fn start() -> anyhow::Result<Option<Nats>> {
        let Some(program) = find_program("nats-server") else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("pantau-bench-nats-").tempdir()?;
        let (tcp, websocket) = (free_port()?, free_port()?);
        let file = folder.path().join("nats.conf");
        let settings =
            format!("listen: \"{tcp}\"\nwebsocket {{ listen: \"{websocket}\", no_tls: true }}\n");
        std::fs::write(&file, settings)?;
        let daemon = start(Command::new(program).arg("-c").arg(&file), websocket)?;
        Ok(Some(Nats { daemon, _folder: folder, tcp, websocket }))
    }

    pub fn pid(&self) -> u32 {
        self.daemon.0.id()
    }

    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        let stream = TcpStream::connect(self.tcp)?;
        stream.set_nodelay(true)?;
        let mut publisher = Publisher { stream: BufReader::new(stream) };
        publisher.stream.get_mut().write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        publisher.settle()?;
        Ok(publisher)
    }
}

pub struct Publisher {
    stream: BufReader<TcpStream>,
}

impl Publisher {
    pub fn publish(&mut self, payload: &str) -> anyhow::Result<()> {
        let message = format!("PUB wall {}\r\n{payload}\r\n", payload.len());
        Ok(self.stream.get_mut().write_all(message.as_bytes())?)
    }

    /// Waits until the server has taken in everything that was sent.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(b"PING\r\n")?;
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "NATS ended the line");
            ensure!(!line.starts_with("-ERR"), "NATS: {line}");
        }
        Ok(())
    }
}
