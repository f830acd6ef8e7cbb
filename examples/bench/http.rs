//! A small HTTP client: one connection, kept alive, one question at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};
use serde_json::Value;

pub struct Http {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    request: Vec<u8>,
}

impl Http {
    pub fn connect(host: SocketAddr) -> anyhow::Result<Http> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Http { stream: BufReader::new(stream), host, request: Vec::new() })
    }

    /// Status and body of the answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        )?;
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status line")?;
        let mut length = None;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the answer ends in its head");
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("the answer does not say how long it is")?];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }

    pub fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let (status, body) = self.ask("GET", path, "text/plain", b"")?;
        ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    pub fn get_json(&mut self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.get(path)?)?)
    }

    /// Sends a report; answers the seq of its entry, which is durable then.
    pub fn report(&mut self, body: &str) -> anyhow::Result<u64> {
        let (status, answer) = self.ask("POST", "/api/v1/reports", "application/json", body.as_bytes())?;
        ensure!(status == 201, "a report: {status} {}", String::from_utf8_lossy(&answer));
        let receipt: Value = serde_json::from_slice(&answer)?;
        receipt["seq"].as_u64().context("a receipt has a seq")
    }
}
