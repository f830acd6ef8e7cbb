//! Durable means durable: the real server is killed in the middle of its work.

use crate::support::crash::{Plan, run};
use crate::support::repo;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PANTAU_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let rounds = number("PANTAU_CRASH_ROUNDS").unwrap_or(3) as u32;
    let program = env!("CARGO_BIN_EXE_pantau").into();
    let plan = Plan { program, city: repo("geodata/ternate"), rounds, seed };
    let tally = run(&plan, |_| {}).expect("the rounds run to their end");
    println!("{}", tally.line(seed));
    assert!(tally.holds() && tally.acknowledged > 0, "{}\n{}", tally.line(seed), tally.faults.join("\n"));
}
