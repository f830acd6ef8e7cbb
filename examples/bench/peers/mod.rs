//! The other systems: installed or built as ordinary packages by `scripts/bench`, started here on free ports in
//! temporary folders, and stopped at the end, also of a run that failed.

pub mod centrifugo;
pub mod nats;
pub mod postgres;
pub mod redis;
pub mod sklearn;
pub mod supercluster;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with its owner.
pub struct Daemon(pub Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Where a program is, if it is on the machine.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Starts a server and waits until it takes connections.
fn start(command: &mut Command, listens: SocketAddr) -> anyhow::Result<Daemon> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context(program.clone())?;
    let mut daemon = Daemon(child);
    let began = Instant::now();
    while TcpStream::connect(listens).is_err() {
        ensure!(daemon.0.try_wait()?.is_none(), "{program} ended at its start");
        ensure!(began.elapsed() < PATIENCE, "{program} does not listen on {listens}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(daemon)
}

/// Runs a script to its end; its last line of output.
fn last_line(command: &mut Command) -> anyhow::Result<String> {
    let out = command.stderr(Stdio::inherit()).output()?;
    ensure!(out.status.success(), "{:?} failed", command.get_program());
    let text = String::from_utf8(out.stdout)?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

/// Longitude and latitude as doubles: what the scripts read.
fn write_points(path: &Path, points: impl Iterator<Item = pantau::model::LngLat>) -> anyhow::Result<()> {
    let bytes: Vec<u8> =
        points.flat_map(|p| [p.lng().to_le_bytes(), p.lat().to_le_bytes()].concat()).collect();
    Ok(std::fs::write(path, bytes)?)
}
