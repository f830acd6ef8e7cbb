//! Debian's PostgreSQL with PostGIS, and as much of its protocol (version 3) as the rows need.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::{Daemon, free_port, start};

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
    _daemon: Daemon,
    _folder: TempDir,
    address: SocketAddr,
}

impl Postgres {
    /// `None` where PostGIS is not on the machine.
    pub fn start() -> anyhow::Result<Option<Postgres>> {
        let Some(bin) = find_bin() else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("pantau-bench-pg-").tempdir()?;
        let user = ServerUser::of_this_machine(folder.path())?;
        let data = folder.path().join("data");
        let init = user
            .command(&bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", "pantau", "--locale=C.UTF-8", "-E", "UTF8"])
            .stdout(Stdio::null())
            .status()?;
        ensure!(init.success(), "initdb failed");
        let address = free_port()?;
        let mut command = user.command(&bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        command.args(["-p", &address.port().to_string()]);
        SETTINGS.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        let postgres = Postgres { _daemon: start(&mut command, address)?, _folder: folder, address };
        let mut link = postgres.link_to("postgres")?;
        link.query("create database bench")?;
        postgres.link()?.query("create extension postgis")?;
        Ok(Some(postgres))
    }

    pub fn link(&self) -> anyhow::Result<Link> {
        self.link_to("bench")
    }

    fn link_to(&self, database: &str) -> anyhow::Result<Link> {
        // It listens a moment before it lets anybody in.
        let began = std::time::Instant::now();
        loop {
            match Link::connect(self.address, database) {
                Err(_) if began.elapsed() < super::PATIENCE => {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                link => return link,
            }
        }
    }
}

fn find_bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut bins: Vec<PathBuf> = versions.filter_map(|v| Some(v.ok()?.path().join("bin"))).collect();
    bins.sort();
    let bin = bins.pop()?;
    let version = bin.parent()?.file_name()?;
    let postgis = Path::new("/usr/share/postgresql").join(version).join("extension/postgis.control");
    (bin.join("postgres").exists() && postgis.exists()).then_some(bin)
}

/// PostgreSQL does not run as root: then it runs as `postgres`, in a folder that it owns.
struct ServerUser {
    is_other: bool,
}

impl ServerUser {
    fn of_this_machine(folder: &Path) -> anyhow::Result<ServerUser> {
        let id = Command::new("id").arg("-u").output()?;
        let is_other = id.stdout.trim_ascii() == b"0";
        if is_other {
            let owned = Command::new("chown").arg("postgres").arg(folder).status()?;
            ensure!(owned.success(), "there is no user postgres");
        }
        Ok(ServerUser { is_other })
    }

    fn command(&self, program: &Path) -> Command {
        if !self.is_other {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command.current_dir("/");
        command
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
