//! The hand that applies: told by two ways in any order, it applies entries in theirs.
//!
//! No I/O, and the time is brought: threads and a simulation drive it alike. What is missing may be on
//! its way for a moment; then the origin is to be asked for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::news::{Lineage, Told};
use super::status::EdgeStatus;
use crate::engine::Follower;
use crate::model::{Entry, Seq};

/// Entries that came before their turn; more are fetched again when it is theirs.
const EARLY_MAX: usize = 20_000;
/// What is missing may be on its way for this long before the origin is asked for it.
const GRACE: Duration = Duration::from_millis(300);

pub struct Hand {
    follower: Follower,
    lineage: Lineage,
    status: Arc<EdgeStatus>,
    /// Entries whose turn has not come.
    early: BTreeMap<Seq, Entry>,
    /// Monotonic time since when something is missing, or since the origin was last asked for it.
    missing_since: Option<Duration>,
}

/// What became of what was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// So many entries were applied, some of them perhaps told before.
    pub applied: usize,
    /// The origin is to be asked at once.
    pub ask: bool,
}

impl Hand {
    /// `lineage` is that of what the follower shows.
    pub fn new(follower: Follower, lineage: Lineage, status: Arc<EdgeStatus>) -> Hand {
        Hand { follower, lineage, status, early: BTreeMap::new(), missing_since: None }
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Applies what can be applied; `now` is monotonic time.
    pub fn take(&mut self, told: Told, now: Duration) -> Taken {
        if told.lineage != self.lineage {
            // The stream may hold what is old; the origin knows.
            return Taken { applied: 0, ask: true };
        }
        self.status.heard(told.head);
        let next = self.follower.seq().next();
        self.early.extend(told.entries.into_iter().filter(|e| e.seq >= next).map(|e| (e.seq, e)));
        let mut ready = Vec::new();
        let mut turn = next;
        while let Some(entry) = self.early.remove(&turn) {
            ready.push(entry);
            turn = turn.next();
        }
        while self.early.len() > EARLY_MAX {
            self.early.pop_last();
        }
        if let Err(e) = self.follower.apply(&ready) {
            // Only time can be wrong with them: the origin's history is not the one that is shown.
            self.status.set_stuck(Some(format!("{e}; start this edge again")));
        }
        self.status.has_applied();
        self.missing_since = match self.missing_since {
            _ if self.status.behind() == 0 => None,
            Some(since) if ready.is_empty() => Some(since),
            _ => Some(now),
        };
        Taken { applied: ready.len(), ask: false }
    }

    /// When, by monotonic time, the origin is to be asked for what is missing; `None` where nothing is.
    pub fn asks_at(&self) -> Option<Duration> {
        self.missing_since.map(|since| since + GRACE)
    }

    /// The origin was asked for what is missing.
    pub fn has_asked(&mut self, now: Duration) {
        self.missing_since = self.missing_since.map(|_| now);
    }
}
