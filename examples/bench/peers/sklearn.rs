//! scikit-learn's DBSCAN, in a Python of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use pantau::model::LngLat;
use serde::Deserialize;

use super::{last_line, write_points};
use crate::fixture::Bench;

pub const NAME: &str = "scikit-learn's DBSCAN, haversine, ball tree, all cores";
const CORE: i32 = 1_000_000;

pub struct Sklearn {
    python: PathBuf,
    script: PathBuf,
    points: PathBuf,
    labels: PathBuf,
}

/// What it found, and how long that took.
pub struct Run {
    pub seconds: f64,
    pub version: String,
    /// Group of each point, and whether it is core; `None` is noise.
    pub labels: Vec<Option<(i32, bool)>>,
}

#[derive(Deserialize)]
struct Line {
    seconds: f64,
    version: String,
}

impl Sklearn {
    /// `None` where the package is not on the machine.
    pub fn find(bench: &Bench) -> Option<Sklearn> {
        let venv = bench.repo.join("target/bench/venv");
        let python = venv.join("bin/python");
        // Written by scripts/bench once all is installed.
        venv.join("ready").exists().then(|| Sklearn {
            python,
            script: bench.repo.join("examples/bench/peers/dbscan.py"),
            points: bench.scratch.path().join("sklearn-points"),
            labels: bench.scratch.path().join("sklearn-labels"),
        })
    }

    pub fn run(&self, places: &[LngLat], eps_m: f64, min_samples: f64) -> anyhow::Result<Run> {
        write_points(&self.points, places.iter().copied())?;
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&self.points);
        command.args([eps_m.to_string(), min_samples.to_string()]);
        let Line { seconds, version } = serde_json::from_str(&last_line(command.arg(&self.labels))?)?;
        let bytes = std::fs::read(&self.labels)?;
        ensure!(bytes.len() == places.len() * 4, "there is not a label for each point");
        let label = |four: &[u8]| {
            let label = i32::from_le_bytes(four.try_into().expect("chunks of four"));
            let core = label >= CORE;
            (label >= 0).then_some((if core { label - CORE } else { label }, core))
        };
        Ok(Run { seconds, version, labels: bytes.chunks_exact(4).map(label).collect() })
    }
}
