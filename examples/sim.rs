//! The whole center in one thread under a seeded clock, network and disk: `make sim SEEDS=1000`.
//!
//! Ends with one line of figures, and with an error where a promise was broken; each seed that failed is
//! printed, and `make sim SEEDS=1 SEED=n` plays it again. The same, a few hundred seeds, is part of the test
//! suite.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};

#[path = "../tests/it/support/fold.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fold;
#[path = "../tests/it/support/sim/mod.rs"]
mod sim;

use sim::{Plan, Sabotage, Tally};

/// Of so many seeds one is played twice, and must go the same way.
const AGAIN_EVERY: u64 = 50;

/// Simulate the whole center while everything fails, and see whether it keeps its promises
#[derive(Parser)]
struct Args {
    /// How many seeds are played
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell every event on the error output
    #[arg(long)]
    tell: bool,
    /// So many seeds of each control, of which some must fail
    #[arg(long, default_value_t = 20)]
    controls: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { seeds, seed, controls, tell } = Args::parse();
    let city = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
    let city = Arc::new(City::load(&city)?);
    let mut holds = true;
    for sabotage in Sabotage::ALL {
        let red = (seed..seed + controls).filter(|seed| is_red(&city, *seed, sabotage)).count();
        println!("control {sabotage:?} red={red} of {controls}{}", if red == 0 { " NOT RED" } else { "" });
        holds &= red > 0 || controls == 0;
    }
    let mut tally = Tally::default();
    let clock = SystemClock::new();
    for seed in seed..seed + seeds {
        let run = sim::run(&city, Plan { tells: tell, ..Plan::of(seed, Sabotage::None) });
        if !run.holds() {
            println!("FAILED seed={seed} lost={} doubled={}", run.lost, run.doubled);
            run.faults.iter().for_each(|fault| println!("  {fault}"));
        }
        tally.add(&run);
        if seed % AGAIN_EVERY == 0 && sim::run(&city, Plan::of(seed, Sabotage::None)).digest != run.digest {
            println!("FAILED seed={seed} went another way when it was played again");
            holds = false;
        }
    }
    for (what, n) in &tally.counts.0 {
        println!("{n:>10} {what}");
    }
    let (simulated_s, real_s) = (tally.simulated_ms as f64 / 1e3, clock.monotonic().as_secs_f64());
    println!("{real_s:.1} s, {:.0} times as fast as it passes", simulated_s / real_s);
    println!("{}", tally.line(seed));
    Ok(if holds && tally.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_red(city: &Arc<City>, seed: u64, sabotage: Sabotage) -> bool {
    sabotage.shows_in(&sim::run(city, Plan::of(seed, sabotage)))
}
