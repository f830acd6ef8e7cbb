//! Announced hotspots that ended a moment ago: what comes back out of them is no new alarm.
//!
//! Invariant: `n_hotspots` counts, for each report, the faded hotspots that it was a member of; no
//! count is zero.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::hotspot::Hotspot;
use crate::model::{MINUTE_MS, Seq, TimeMs};

/// A group that comes back within this time, and within this many entries, is no new alarm. The
/// entries are fewer than those for which the journal keeps an ended hotspot.
const REVIVAL_MS: i64 = 30 * MINUTE_MS;
const REVIVAL_ENTRIES: u64 = 9_000;

#[derive(Debug, Default)]
pub(super) struct FadedHotspots {
    /// In the order of their ends.
    hotspots: VecDeque<Faded>,
    n_hotspots: HashMap<Seq, u32>,
}

#[derive(Debug)]
struct Faded {
    ended_seq: Seq,
    ended_at: TimeMs,
    hotspot: Arc<Hotspot>,
}

impl FadedHotspots {
    /// It would be a logic error to add one that ended before the last one did.
    pub fn add(&mut self, hotspot: Arc<Hotspot>, ended_seq: Seq, ended_at: TimeMs) {
        for member in hotspot.members.iter() {
            *self.n_hotspots.entry(member.seq).or_default() += 1;
        }
        self.hotspots.push_back(Faded { ended_seq, ended_at, hotspot });
    }

    /// Forgets those that ended too long ago.
    pub fn forget(&mut self, seq: Seq, now: TimeMs) {
        while let Some(faded) = self.hotspots.pop_front_if(|faded| !is_fresh(faded, seq, now)) {
            for member in faded.hotspot.members.iter() {
                if let Some(n) = self.n_hotspots.get_mut(&member.seq) {
                    *n -= 1;
                    if *n == 0 {
                        self.n_hotspots.remove(&member.seq);
                    }
                }
            }
        }
    }

    pub fn holds(&self, report: Seq) -> bool {
        self.n_hotspots.contains_key(&report)
    }
}

fn is_fresh(faded: &Faded, seq: Seq, now: TimeMs) -> bool {
    now.since(faded.ended_at) < REVIVAL_MS && faded.ended_seq.0 + REVIVAL_ENTRIES > seq.0
}
