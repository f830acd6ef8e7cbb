//! The real server is struck while 16 clients post, many times: `make crash ROUNDS=200`.
//!
//! `kill -9` on this machine's disk, then power cuts, torn sectors and failed flushes on a disk of ours
//! (FUSE), then two disks that must lose something. Ends with one line of figures, and with an error
//! where a promise was broken. The same rounds, a few of them, are part of the test suite.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;

#[path = "../tests/it/support/crash.rs"]
mod crash;
#[path = "../tests/it/support/platter.rs"]
mod platter;
#[path = "../tests/it/support/power_cut.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod power_cut;
#[path = "../tests/it/support/seen.rs"]
mod seen;

use crash::{Disk, Plan};
use power_cut::{Lies, PowerCut};

/// Strike the server in the middle of its work, and see whether it kept its promises
#[derive(Parser)]
struct Args {
    /// How often it is struck: this often by kill -9, and as often on the disk whose power is cut
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// The same seed strikes after the same number of answers, in the same way
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only power cuts
    #[arg(long)]
    cuts_only: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { rounds, seed, cuts_only } = Args::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--bin", "pantau"]).args(profile).current_dir(here);
    anyhow::ensure!(build.status()?.success(), "the server could not be built");
    let examples = std::env::current_exe()?;
    let folder = examples.parent().and_then(Path::parent).context("examples lie beside the program")?;
    let plan = |disk| Plan {
        program: folder.join("pantau"),
        city: here.join("geodata/ternate"),
        rounds,
        seed,
        disk,
    };
    let mut holds = true;
    if !cuts_only {
        holds &= strike(&plan(Disk::Real))?;
    }
    match PowerCut::missing() {
        Some(why) => {
            eprintln!("NOT DONE power cuts: {why}");
            holds = false;
        }
        None => {
            holds &= controls_are_red(&plan(Disk::PowerCut))?;
            holds &= strike(&plan(Disk::PowerCut))?;
        }
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn strike(plan: &Plan) -> anyhow::Result<bool> {
    let tally = crash::run(plan, |text| eprintln!("{text}"))?;
    for fault in &tally.faults {
        eprintln!("FAULT {fault}");
    }
    println!("{}", tally.line(plan.seed));
    Ok(tally.holds())
}

/// Disks that lie, and a store that does not wait for its disk: where nothing is lost on them, the rounds could not notice a loss.
fn controls_are_red(plan: &Plan) -> anyhow::Result<bool> {
    let mut red = true;
    for lies in [Lies::WriteAheadLog, Lies::All] {
        let lost = crash::lost_to_lies(plan, lies)?;
        println!("control lies={lies:?} lost={lost} {}", if lost > 0 { "(as it must)" } else { "NOT RED" });
        red &= lost > 0;
    }
    for synchronous in ["NORMAL", "OFF"] {
        let lost = crash::lost_without_flushes(plan, synchronous)?;
        println!(
            "control synchronous={synchronous} lost={lost} {}",
            if lost > 0 { "(as it must)" } else { "NOT RED" }
        );
        red &= lost > 0;
    }
    Ok(red)
}
