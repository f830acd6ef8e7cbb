//! Durable means durable: the real server is killed, and its power cut, in the middle of its work.

use crate::support::crash::{Disk, Plan, lost_to_lies, lost_without_flushes, run};
use crate::support::power_cut::{Lies, PowerCut};
use crate::support::{repo, skipped_because};

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().and_then(|text| text.parse().ok())
}

fn plan(disk: Disk, rounds: u32) -> Plan {
    let seed = number("PANTAU_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let rounds = number("PANTAU_CRASH_ROUNDS").map_or(rounds, |n| n as u32);
    Plan { program: env!("CARGO_BIN_EXE_pantau").into(), city: repo("geodata/ternate"), rounds, seed, disk }
}

fn holds(plan: &Plan) {
    let tally = run(plan, |_| {}).expect("the rounds run to their end");
    let line = tally.line(plan.seed);
    println!("{line}");
    assert!(tally.holds() && tally.acknowledged > 0, "{line}\n{}", tally.faults.join("\n"));
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    holds(&plan(Disk::Real, 3));
}

#[test]
fn what_was_acknowledged_survives_power_cuts_and_failed_flushes() {
    match PowerCut::missing() {
        Some(why) => skipped_because("power cuts", why),
        None => holds(&plan(Disk::PowerCut, 4)),
    }
}

/// Without this, the rounds above would prove nothing.
#[test]
fn a_disk_that_lies_about_flushes_loses_what_was_acknowledged() {
    if let Some(why) = PowerCut::missing() {
        return skipped_because("the controls of power cuts", why);
    }
    let plan = plan(Disk::PowerCut, 1);
    for lies in [Lies::WriteAheadLog, Lies::All] {
        let lost = lost_to_lies(&plan, lies).expect("the round runs to its end");
        assert!(lost > 0, "{lies:?}: nothing was lost, so a round would not notice either");
    }
}

/// The disk is honest; the store does not wait for it.
#[test]
fn a_store_that_does_not_flush_its_commits_loses_what_was_acknowledged() {
    if let Some(why) = PowerCut::missing() {
        return skipped_because("the controls of power cuts", why);
    }
    let plan = plan(Disk::PowerCut, 1);
    for synchronous in ["NORMAL", "OFF"] {
        let lost = lost_without_flushes(&plan, synchronous).expect("the round runs to its end");
        assert!(lost > 0, "{synchronous}: nothing was lost, so a round would not notice either");
    }
    let lost = lost_without_flushes(&plan, "FULL").expect("the round runs to its end");
    assert_eq!(lost, 0, "the same with the flushes");
}
