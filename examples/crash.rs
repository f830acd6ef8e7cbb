//! `kill -9` of the real server while 16 clients post, many times: `cargo run --example crash -- --rounds 200`.
//!
//! Ends with one line of figures, and with an error where a promise was broken. The same rounds, a
//! few of them, are part of the test suite.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;

#[path = "../tests/it/support/crash.rs"]
mod crash;
#[path = "../tests/it/support/seen.rs"]
mod seen;

/// Kill the server in the middle of its work, and see whether it kept its promises
#[derive(Parser)]
struct Args {
    /// How often it is killed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// The same seed kills after the same number of answers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { rounds, seed } = Args::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--bin", "pantau"]).args(profile).current_dir(here);
    anyhow::ensure!(build.status()?.success(), "the server could not be built");
    let examples = std::env::current_exe()?;
    let folder = examples.parent().and_then(Path::parent).context("examples lie beside the program")?;
    let plan =
        crash::Plan { program: folder.join("pantau"), city: here.join("geodata/ternate"), rounds, seed };
    let tally = crash::run(&plan, |text| eprintln!("{text}"))?;
    for fault in &tally.faults {
        eprintln!("FAULT {fault}");
    }
    println!("{}", tally.line(seed));
    Ok(if tally.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
