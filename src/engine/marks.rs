//! State hashes that nodes can compare: each node takes them at the same entries, without asking.
//!
//! A mark is the first tick of each [`MARK_EVERY_MS`] of the entries' time. Ticks are entries and their
//! time is in them, so every node that applies them marks the same ones; a node that was busy, or began
//! in between, has some fewer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::live::{LiveMap, StateHash};
use crate::model::{Projection, SECOND_MS, Seq, TimeMs};

/// Marks are this far apart in the entries' time. A million incidents take a third of a second to hash.
const MARK_EVERY_MS: i64 = 30 * SECOND_MS;
/// The newest so many are known: half an hour of a busy day.
const MARKS_MAX: usize = 64;

/// The hash of the live map at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateMark {
    pub seq: Seq,
    pub at: TimeMs,
    pub hash: StateHash,
}

/// The newest marks of a node. Clones share them.
#[derive(Clone, Default)]
pub struct StateMarks(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Oldest first.
    marks: VecDeque<StateMark>,
    /// The span that the newest tick lay in.
    span: Option<i64>,
    /// Whoever offers a map waits for its hash.
    in_place: bool,
    /// A thread hashes.
    is_hashing: bool,
    /// What it shall hash next; a newer one takes the place of one that waits.
    waiting: Option<LiveMap>,
}

impl StateMarks {
    /// Hashed by whoever publishes, not by a thread beside: for a run in one thread.
    pub fn in_place() -> StateMarks {
        StateMarks(Arc::new(Mutex::new(Inner { in_place: true, ..Inner::default() })))
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<StateMark> {
        self.lock().marks.iter().copied().collect()
    }

    pub fn newest(&self) -> Option<StateMark> {
        self.lock().marks.back().copied()
    }

    /// Marks the map if it is at a tick that is to be marked: on a thread of its own, so that nobody waits,
    /// unless it is to be in place.
    pub(super) fn offer(&self, map: &LiveMap) {
        if map.hotspots(Projection::Staff).as_of() != map.seq() {
            return;
        }
        let span = map.now().0.div_euclid(MARK_EVERY_MS);
        let mut inner = self.lock();
        if inner.span.replace(span) == Some(span) {
            return;
        }
        inner.waiting = Some(map.clone());
        if inner.is_hashing {
            return;
        }
        inner.is_hashing = true;
        let (in_place, marks) = (inner.in_place, self.clone());
        drop(inner);
        if in_place {
            marks.hash_all();
        } else {
            std::thread::spawn(move || marks.hash_all());
        }
    }

    fn hash_all(&self) {
        while let Some(map) = self.next() {
            let mark = StateMark { seq: map.seq(), at: map.now(), hash: map.state_hash() };
            let mut inner = self.lock();
            inner.marks.push_back(mark);
            if inner.marks.len() > MARKS_MAX {
                inner.marks.pop_front();
            }
        }
    }

    fn next(&self) -> Option<LiveMap> {
        let mut inner = self.lock();
        let next = inner.waiting.take();
        inner.is_hashing = next.is_some();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Plain values, each whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
