//! The simulated time, and what is to happen when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use pantau::clock::Clock;
use pantau::model::TimeMs;

/// Milliseconds since the run began.
pub type Ms = u64;

pub const SECOND: Ms = 1_000;
pub const MINUTE: Ms = 60 * SECOND;
pub const HOUR: Ms = 60 * MINUTE;

/// 2026-11-24T09:00 in Ternate.
const START: TimeMs = TimeMs(1_795_478_400_000);

/// How far a run is. Clones share it.
#[derive(Clone, Default)]
pub struct Now(Arc<AtomicU64>);

impl Now {
    pub fn ms(&self) -> Ms {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, ms: Ms) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

/// The clock of one machine: it may show anything, but what passed on it is true.
pub struct SimClock {
    now: Now,
    off_ms: AtomicI64,
}

impl SimClock {
    pub fn new(now: Now) -> SimClock {
        SimClock { now, off_ms: AtomicI64::new(0) }
    }

    /// Somebody sets it.
    pub fn set_off_by(&self, ms: i64) {
        self.off_ms.store(ms, Ordering::Relaxed);
    }

    /// Somebody sets it to 1970.
    pub fn set_to_1970(&self) {
        self.set_off_by(-START.0 - self.now.ms() as i64);
    }
}

impl Clock for SimClock {
    fn now(&self) -> TimeMs {
        START.plus_ms(self.now.ms() as i64 + self.off_ms.load(Ordering::Relaxed))
    }

    fn speed(&self) -> f64 {
        1.0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now.ms())
    }
}

/// What is to happen when; of what is to happen at the same time the first put in comes first.
pub struct Agenda<E> {
    order: BinaryHeap<Reverse<(Ms, u64)>>,
    events: BTreeMap<u64, E>,
    last_no: u64,
}

impl<E> Agenda<E> {
    pub fn new() -> Agenda<E> {
        Agenda { order: BinaryHeap::new(), events: BTreeMap::new(), last_no: 0 }
    }

    pub fn put(&mut self, at: Ms, event: E) {
        self.last_no += 1;
        self.order.push(Reverse((at, self.last_no)));
        self.events.insert(self.last_no, event);
    }

    pub fn next(&mut self) -> Option<(Ms, E)> {
        let Reverse((at, no)) = self.order.pop()?;
        Some((at, self.events.remove(&no)?))
    }
}
