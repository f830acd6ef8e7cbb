//! Debian's PostgreSQL with PostGIS, and as much of its protocol (version 3) as the rows need.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail, ensure};

#[allow(dead_code, reason = "shared with the tests, which use other parts of it")]
#[path = "../../../tests/it/support/postgres.rs"]
mod cluster;

use cluster::Cluster;

/// More than Debian's defaults give it; everything durable, as ours.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=1GB",
    "maintenance_work_mem=512MB",
    "work_mem=64MB",
    "max_wal_size=8GB",
    "max_connections=100",
];
pub const NAME: &str = "PostgreSQL with PostGIS from Debian, fsync on, shared_buffers 1 GB";

/// The table as one would lay it out for the same questions.
pub const SCHEMA: &str = "create table incident (
        id bigserial primary key, geom geometry(Point, 4326) not null, category smallint not null,
        status smallint not null, opened_at timestamptz not null, description text);
    create index on incident using gist (geom);
    create index on incident (opened_at desc, id desc);
    create index on incident (category, status, opened_at desc)";

pub struct Postgres {
    cluster: Cluster,
}

impl Postgres {
    /// `None` where PostGIS is not on the machine.
    pub fn start() -> anyhow::Result<Option<Postgres>> {
        let Some(cluster) = Cluster::start(&SETTINGS)? else { return Ok(None) };
        cluster.query("postgres", "create database bench template pantau_template")?;
        Ok(Some(Postgres { cluster }))
    }

    pub fn link(&self) -> anyhow::Result<Link> {
        Link::connect(self.cluster.address, "bench")
    }

    /// The address of a new empty database.
    pub fn new_database(&self) -> anyhow::Result<String> {
        self.cluster.new_database()
    }

    pub fn drop_database(&self, url: &str) -> anyhow::Result<()> {
        self.cluster.drop_database(url)
    }
}

/// One connection.
pub struct Link {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
}

pub type Rows = Vec<Vec<String>>;

impl Link {
    fn connect(address: SocketAddr, database: &str) -> anyhow::Result<Link> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut link = Link { stream: BufReader::new(stream), out: Vec::new() };
        let body = format!("user\0pantau\0database\0{database}\0\0");
        link.out.extend((body.len() as u32 + 8).to_be_bytes());
        link.out.extend(196_608_u32.to_be_bytes());
        link.out.extend(body.bytes());
        link.flush()?;
        link.answer()?;
        Ok(link)
    }

    /// Runs one or more statements; the rows of all.
    pub fn query(&mut self, sql: &str) -> anyhow::Result<Rows> {
        self.message(b'Q', &[sql.as_bytes(), b"\0"].concat());
        self.flush()?;
        self.answer()
    }

    pub fn number(&mut self, sql: &str) -> anyhow::Result<u64> {
        let rows = self.query(sql)?;
        Ok(rows.first().and_then(|row| row.first()).context("a number")?.parse()?)
    }

    /// Prepares a statement under a name.
    pub fn prepare(&mut self, name: &str, sql: &str) -> anyhow::Result<()> {
        let body = [name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat();
        self.message(b'P', &body);
        self.message(b'S', b"");
        self.flush()?;
        self.answer().map(|_| ())
    }

    pub fn execute(&mut self, name: &str, parameters: &[&str]) -> anyhow::Result<Rows> {
        let mut body = [b"\0", name.as_bytes(), b"\0\0\0"].concat();
        body.extend((parameters.len() as u16).to_be_bytes());
        for parameter in parameters {
            body.extend((parameter.len() as u32).to_be_bytes());
            body.extend(parameter.bytes());
        }
        body.extend([0, 0]);
        self.message(b'B', &body);
        self.message(b'E', b"\0\0\0\0\0");
        self.message(b'S', b"");
        self.flush()?;
        self.answer()
    }

    /// Sends lines of text to `COPY … FROM STDIN`.
    pub fn copy<'a>(&mut self, sql: &str, chunks: impl Iterator<Item = &'a [u8]>) -> anyhow::Result<()> {
        self.message(b'Q', &[sql.as_bytes(), b"\0"].concat());
        self.flush()?;
        let (kind, body) = self.next()?;
        ensure!(kind == b'G', "COPY was refused: {}", String::from_utf8_lossy(&body));
        for chunk in chunks {
            self.message(b'd', chunk);
            self.flush()?;
        }
        self.message(b'c', b"");
        self.flush()?;
        self.answer().map(|_| ())
    }

    fn message(&mut self, kind: u8, body: &[u8]) {
        self.out.push(kind);
        self.out.extend((body.len() as u32 + 4).to_be_bytes());
        self.out.extend(body);
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn next(&mut self) -> anyhow::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Reads until the server is ready for the next question.
    fn answer(&mut self) -> anyhow::Result<Rows> {
        let (mut rows, mut fault) = (Rows::new(), None);
        loop {
            let (kind, body) = self.next()?;
            match kind {
                b'D' => rows.push(read_row(&body)?),
                b'E' => fault = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
                b'Z' => break,
                _ => {}
            }
        }
        match fault {
            Some(fault) => bail!("PostgreSQL: {fault}"),
            None => Ok(rows),
        }
    }
}

fn read_row(body: &[u8]) -> anyhow::Result<Vec<String>> {
    let (_, mut rest) = body.split_first_chunk::<2>().context("a row")?;
    let mut row = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        // A null has the length -1; here it reads as an empty text.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (cell, after) = after.split_at_checked(length).context("a whole row")?;
        row.push(std::str::from_utf8(cell)?.to_owned());
        rest = after;
    }
    Ok(row)
}
