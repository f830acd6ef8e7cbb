//! npm's supercluster, in a node process of its own for each run.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::{find_program, last_line, write_points};
use crate::clusters::Screen;
use crate::data::Sample;
use crate::fixture::Bench;

pub const NAME: &str = "supercluster 8.0.1 on node, radius 64, extent 512, maxZoom 16";

pub struct Supercluster {
    node: PathBuf,
    script: PathBuf,
    module: PathBuf,
    points: PathBuf,
    screens: PathBuf,
}

#[derive(Deserialize)]
pub struct Run {
    pub load_ms: f64,
    pub times_us: Vec<f64>,
    /// How many clusters and points each screen shows.
    pub features: Vec<f64>,
}

impl Supercluster {
    /// `None` where node or the package is not on the machine.
    pub fn find(
        bench: &Bench,
        samples: &[Sample],
        screens: &[Screen],
    ) -> anyhow::Result<Option<Supercluster>> {
        let module = bench.repo.join("target/bench/npm/node_modules/supercluster/index.js");
        let (Some(node), true) = (find_program("node"), module.exists()) else { return Ok(None) };
        let points = bench.scratch.path().join("supercluster-points");
        write_points(&points, samples.iter().map(|sample| sample.place))?;
        let asked: Vec<_> = screens
            .iter()
            .map(|Screen { zoom, bbox }| {
                (f64::from(*zoom), bbox.west(), bbox.south(), bbox.east(), bbox.north())
            })
            .collect();
        let file = bench.scratch.path().join("supercluster-screens.json");
        std::fs::write(&file, serde_json::to_string(&asked)?)?;
        let script = bench.repo.join("examples/bench/peers/supercluster.mjs");
        Ok(Some(Supercluster { node, script, module, points, screens: file }))
    }

    /// Builds the index and asks for every screen.
    pub fn run(&self) -> anyhow::Result<Run> {
        let mut command = Command::new(&self.node);
        command.arg("--max-old-space-size=8192").arg(&self.script);
        command.args([&self.module, &self.points, &self.screens]);
        Ok(serde_json::from_str(&last_line(&mut command)?)?)
    }
}
