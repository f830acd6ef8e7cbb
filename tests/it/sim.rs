//! The whole center, simulated: some hundred seeds of what `make sim` plays as often as one likes.

use crate::support::sim::{Plan, Sabotage, Tally, run};
use crate::support::ternate;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=200;
/// A control that is not noticed within so many seeds is not noticed.
const CONTROL_SEEDS: u64 = 20;

/// What the seeds must have brought about; else they prove less than they seem to.
const HAPPENED: [&str; 27] = [
    "alarms compared",
    "answered alike",
    "clocks set",
    "disk full",
    "disk slow",
    "edges begun anew",
    "edges killed",
    "edges paused",
    "entries by the stream",
    "entries from the origin",
    "failed flushes",
    "histories carried into a file",
    "keys expired",
    "keys refused",
    "kills",
    "messages doubled",
    "messages lost",
    "messages out of order",
    "partitions both ways",
    "partitions one way",
    "power cuts in the middle of a commit",
    "restores",
    "screens ahead of a node",
    "screens compared",
    "store away",
    "stream wiped",
    "torn",
];

#[test]
fn nothing_is_lost_or_wrong_while_everything_fails_and_all_is_at_rest_after_the_healing() {
    let mut tally = Tally::default();
    for seed in SEEDS {
        let run = run(&ternate(), Plan::of(seed, Sabotage::None));
        let (lost, doubled, faults) = (run.lost, run.doubled, run.faults.join("\n"));
        assert!(
            run.holds(),
            "make sim SEEDS=1 SEED={seed} plays it again: lost={lost} doubled={doubled}\n{faults}"
        );
        tally.add(&run);
    }
    println!("{}", tally.line(*SEEDS.start()));
    assert!(tally.holds() && tally.acknowledged > 0);
    for what in HAPPENED {
        assert!(tally.counts.of(what) > 0, "no seed brought about: {what}");
    }
}

#[test]
fn a_seed_goes_the_same_way_again() {
    for seed in 201..=210 {
        let digests = [(); 2].map(|()| run(&ternate(), Plan::of(seed, Sabotage::None)).digest);
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
    let other = run(&ternate(), Plan::of(211, Sabotage::None)).digest;
    assert_ne!(other, run(&ternate(), Plan::of(210, Sabotage::None)).digest);
}

/// Without these the seeds would prove nothing.
#[test]
fn whatever_is_broken_on_purpose_is_noticed() {
    for sabotage in Sabotage::ALL {
        let is_red = |seed: u64| sabotage.shows_in(&run(&ternate(), Plan::of(seed, sabotage)));
        assert!((1..=CONTROL_SEEDS).any(is_red), "{sabotage:?} was not noticed");
    }
}
