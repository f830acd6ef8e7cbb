//! How many incidents were opened and resolved today, by key: the figures of a day are read with every
//! frame, and must not cost more the more there was.

use std::sync::Arc;

use super::incident::Incident;
use super::keys::{Audience, Key};
use crate::model::TimeMs;

/// Counts by key, none of 0, in the order of keys. A clone costs one count.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyCounts(Arc<Vec<(Key, u32)>>);

impl KeyCounts {
    /// Over the keys that `matches` says.
    pub fn count(&self, matches: impl Fn(Key) -> bool) -> u32 {
        self.0.iter().filter(|(key, _)| matches(*key)).map(|(_, count)| count).sum()
    }

    fn add(&mut self, key: Key) {
        let counts = Arc::make_mut(&mut self.0);
        match counts.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (key, 1)),
        }
    }

    /// The key must have been added before.
    fn subtract(&mut self, key: Key) {
        let counts = Arc::make_mut(&mut self.0);
        let at = counts.binary_search_by_key(&key, |(key, _)| *key).expect("what was added is there");
        counts[at].1 -= 1;
        if counts[at].1 == 0 {
            counts.remove(at);
        }
    }
}

/// The figures of the city's day.
#[derive(Debug, Clone, Default)]
pub(super) struct DayCounts {
    pub opened: KeyCounts,
    pub resolved: KeyCounts,
}

impl DayCounts {
    /// Of a day that began then.
    pub fn of<'a>(began: TimeMs, incidents: impl Iterator<Item = &'a Incident>) -> DayCounts {
        let mut counts = DayCounts::default();
        incidents.for_each(|incident| counts.add(began, incident));
        counts
    }

    pub fn add(&mut self, began: TimeMs, incident: &Incident) {
        let key = Key::of(incident, Audience::Everybody);
        if incident.opened_at >= began {
            self.opened.add(key);
        }
        if incident.resolved_at().is_some_and(|at| at >= began) {
            self.resolved.add(key);
        }
    }

    /// The incident, as it is, must have been added before.
    pub fn subtract(&mut self, began: TimeMs, incident: &Incident) {
        let key = Key::of(incident, Audience::Everybody);
        if incident.opened_at >= began {
            self.opened.subtract(key);
        }
        if incident.resolved_at().is_some_and(|at| at >= began) {
            self.resolved.subtract(key);
        }
    }
}
