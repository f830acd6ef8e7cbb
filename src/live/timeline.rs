//! Incidents in the order of a time of theirs.

use std::ops::Bound;

use super::sorted::SortedSet;
use crate::model::{IncidentNo, TimeMs};

/// Incidents by a time, then by number. Persistent, as [`SortedSet`] is.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline(SortedSet<Stop>);

/// Time and number in 12 bytes and in their order: the time's sign bit turned over, its halves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stop([u32; 3]);

const SIGN: u64 = 1 << 63;

impl Stop {
    fn of((at, no): (TimeMs, IncidentNo)) -> Stop {
        let at = at.0 as u64 ^ SIGN;
        Stop([(at >> 32) as u32, at as u32, no.0])
    }

    fn get(self) -> (TimeMs, IncidentNo) {
        let [high, low, no] = self.0;
        (TimeMs(((u64::from(high) << 32 | u64::from(low)) ^ SIGN) as i64), IncidentNo(no))
    }
}

impl Timeline {
    /// Of incidents in any order, none twice.
    pub fn of(incidents: impl Iterator<Item = (TimeMs, IncidentNo)>) -> Timeline {
        let mut stops: Vec<Stop> = Vec::with_capacity(incidents.size_hint().1.unwrap_or(0));
        stops.extend(incidents.map(Stop::of));
        stops.sort_unstable();
        Timeline(SortedSet::from_sorted(&stops))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn first(&self) -> Option<(TimeMs, IncidentNo)> {
        self.0.first().map(Stop::get)
    }

    pub fn last(&self) -> Option<(TimeMs, IncidentNo)> {
        self.0.last().map(Stop::get)
    }

    /// All at or after a time, the earliest first.
    pub fn since(&self, from: TimeMs) -> impl Iterator<Item = (TimeMs, IncidentNo)> {
        self.0.since(Stop::of((from, IncidentNo(0)))).map(Stop::get)
    }

    /// All below the bound, the latest first.
    pub fn down_from(
        &self,
        below: Bound<(TimeMs, IncidentNo)>,
    ) -> impl Iterator<Item = (TimeMs, IncidentNo)> {
        self.0.down_from(below.map(Stop::of)).map(Stop::get)
    }

    pub fn insert(&mut self, at: TimeMs, no: IncidentNo) {
        self.0.insert(Stop::of((at, no)));
    }

    /// Does nothing where the incident is not there.
    pub fn remove(&mut self, at: TimeMs, no: IncidentNo) {
        self.0.remove(Stop::of((at, no)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_come_first_and_come_back_whole() {
        let stops: Vec<_> = [i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]
            .into_iter()
            .flat_map(|at| [0, 7, u32::MAX].map(|no| (TimeMs(at), IncidentNo(no))))
            .collect();
        let timeline = Timeline::of(stops.iter().rev().copied());
        assert!(timeline.since(TimeMs(i64::MIN)).eq(stops.iter().copied()));
        assert!(timeline.since(TimeMs(0)).eq(stops[6..].iter().copied()));
    }
}
