//! The release binary as a process of its own, on a folder and a free port.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use pantau::city::City;
use serde_json::json;

use crate::data::{DESCRIPTION, Sample};
use crate::fixture::Bench;
use crate::http::Http;

pub struct Ours {
    child: Child,
    /// What it says of itself.
    log: PathBuf,
    pub address: SocketAddr,
}

impl Ours {
    /// Answers once the server listens, and so can answer.
    pub fn serve(bench: &Bench, folder: &Path) -> anyhow::Result<Ours> {
        Ours::serve_on(bench, folder, None)
    }

    /// As [`Ours::serve`], with the journal in a database.
    pub fn serve_on(bench: &Bench, folder: &Path, store: Option<&str>) -> anyhow::Result<Ours> {
        std::fs::create_dir_all(folder)?;
        let log = folder.with_extension("log");
        let mut command = Command::new(&bench.program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--trust-loopback", "--data"]).arg(folder);
        command.arg("--city").arg(&bench.city_dir).current_dir(folder);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_"))
        {
            command.env_remove(key);
        }
        command.envs(store.map(|store| ("PANTAU_STORE", store)));
        let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the output is piped")?;
        let read = BufReader::new(stdout).read_line(&mut line);
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = url.and_then(|url| url.trim_end_matches('/').parse().ok());
        match (read, address) {
            (Ok(_), Some(address)) => Ok(Ours { child, log, address }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                anyhow::bail!("the server did not start: {line:?} {}", std::fs::read_to_string(&log)?)
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn http(&self) -> anyhow::Result<Http> {
        Http::connect(self.address)
    }

    /// Stops it as an operator would, and waits until all is durable.
    pub fn stop(mut self) -> anyhow::Result<()> {
        terminate(&self.child)?;
        let ended = self.child.wait()?;
        ensure!(
            ended.success(),
            "the server did not stop cleanly: {ended} {}",
            std::fs::read_to_string(&self.log)?
        );
        Ok(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// SIGTERM, without a library for it.
pub fn terminate(child: &Child) -> anyhow::Result<()> {
    ensure!(
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?.success(),
        "the process is gone"
    );
    Ok(())
}

/// A report as a page sends it.
pub fn report_body(sample: &Sample, city: &City, device: usize) -> String {
    json!({
        "category": city.category(sample.category).key,
        "lng": sample.place.lng(),
        "lat": sample.place.lat(),
        "description": DESCRIPTION,
        "reporter": {"device": format!("device {device}")},
    })
    .to_string()
}
