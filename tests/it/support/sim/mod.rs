//! The whole center in one thread under a seeded clock, network and disk: senders, intake, the engine over a
//! simulated disk, live map, feed, screens, stream and edges. Safety first: nothing wrong is ever seen while
//! everything fails. Then liveness: once nothing fails any more, all are equal and at rest in time.
//!
//! The product's own code runs: `engine::Core`, `edge::Hand` and `edge::Questions`, `feed::Session`, intake's
//! rules, the journal's decisions. The test suite runs a few hundred seeds, `make sim` as many as one likes.

mod alarms;
mod book;
mod chain;
mod disk;
mod edge;
mod journal;
mod lines;
mod origin;
mod screen;
mod sender;
mod stream;
mod time;
mod trouble;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pantau::city::City;

use world::World;
pub use world::{Counts, Plan, Sabotage};

/// What came of one seed.
#[derive(Debug)]
pub struct Run {
    /// Of everything that happened: equal where a seed is played again.
    pub digest: u64,
    pub simulated_ms: u64,
    /// After the healing, or a later entry, edges differed for at most this long.
    pub healing_ms: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub doubled: u64,
    /// Whatever else did not hold, in words.
    pub faults: Vec<String>,
    pub counts: Counts,
}

impl Run {
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.faults.is_empty()
    }
}

pub fn run(city: &Arc<City>, plan: Plan) -> Run {
    let mut world = World::new(city.clone(), plan);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        world.book.fault(format!("panicked: {text}"));
    }
    Run {
        digest: world.digest(),
        simulated_ms: world.now.ms(),
        healing_ms: world.healing_ms,
        acknowledged: world.book.acknowledged,
        lost: world.book.lost,
        doubled: world.book.doubled,
        faults: std::mem::take(&mut world.book.faults),
        counts: world.counts,
    }
}

/// Many seeds together.
#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: u64,
    pub simulated_ms: u64,
    /// The longest.
    pub healing_ms: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub doubled: u64,
    pub faults: u64,
    pub counts: Counts,
}

impl Tally {
    pub fn add(&mut self, run: &Run) {
        self.rounds += 1;
        self.simulated_ms += run.simulated_ms;
        self.healing_ms = self.healing_ms.max(run.healing_ms);
        self.acknowledged += run.acknowledged;
        self.lost += run.lost;
        self.doubled += run.doubled;
        self.faults += run.faults.len() as u64;
        self.counts.join(&run.counts);
    }

    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.faults == 0
    }

    pub fn line(&self, seed: u64) -> String {
        let Tally { rounds, healing_ms, acknowledged, lost, doubled, faults, counts, .. } = self;
        let hours = self.simulated_ms / time::HOUR;
        let partitions = counts.of("partitions one way") + counts.of("partitions both ways");
        format!(
            "rounds={rounds} hours={hours} partitions={partitions} healing_ms={healing_ms} acknowledged={acknowledged} lost={lost} \
             doubled={doubled} faults={faults} seed={seed}"
        )
    }
}
