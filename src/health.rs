//! What is not well with this node, each thing by its name.
//!
//! Whoever finds a fault raises its condition; it stands until the finder clears it. Raising logs once,
//! `/readyz` and `/metrics` show what stands. Clones share one list.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A fault that can stand for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The store failed: nothing more is acknowledged until the server is started again.
    ReadOnly,
    /// Another process writes the store; this one follows and takes nothing.
    StandsBy,
    /// The database does not answer: reports are kept here until it does.
    DatabaseAway,
    /// The store's own settings break the promise that nothing acknowledged is lost.
    PromiseBroken,
    /// The disk is full: reports are refused until there is room, or, where it is the database's, kept here.
    DiskFull,
    /// Entries that were acknowledged are gone: the disk did not keep what it had confirmed.
    EntriesLost,
    /// The journal is not as it was written: the disk or a hand changed something.
    Damaged,
    /// The machine's clock is behind the newest entry.
    ClockBehind,
    /// The second place that entries are shipped to is not up to date: gone, full, or too slow.
    NotShipped,
    /// Reports that were acknowledged cannot go into the journal as they are: they are kept, and somebody must look.
    SetAside,
}

impl Condition {
    pub const ALL: [Condition; 10] = [
        Condition::ReadOnly,
        Condition::StandsBy,
        Condition::DatabaseAway,
        Condition::PromiseBroken,
        Condition::DiskFull,
        Condition::EntriesLost,
        Condition::Damaged,
        Condition::ClockBehind,
        Condition::NotShipped,
        Condition::SetAside,
    ];

    /// Its name in answers and figures.
    pub fn key(self) -> &'static str {
        match self {
            Condition::ReadOnly => "read-only",
            Condition::StandsBy => "stands-by",
            Condition::DatabaseAway => "database-away",
            Condition::PromiseBroken => "promise-broken",
            Condition::DiskFull => "disk-full",
            Condition::EntriesLost => "entries-lost",
            Condition::Damaged => "damaged",
            Condition::ClockBehind => "clock-behind",
            Condition::NotShipped => "not-shipped",
            Condition::SetAside => "reports-set-aside",
        }
    }

    /// Whether reports are refused while it stands.
    pub fn stops_reports(self) -> bool {
        match self {
            Condition::ReadOnly | Condition::StandsBy | Condition::DiskFull => true,
            Condition::DatabaseAway
            | Condition::PromiseBroken
            | Condition::EntriesLost
            | Condition::Damaged
            | Condition::ClockBehind
            | Condition::NotShipped
            | Condition::SetAside => false,
        }
    }
}

impl Condition {
    /// Whether what is shown lacks reports that were sent, or soon will.
    fn degrades(self) -> bool {
        matches!(self, Condition::ReadOnly | Condition::DatabaseAway | Condition::DiskFull)
    }
}

/// The conditions that stand, with a sentence each.
#[derive(Debug, Clone, Default)]
pub struct Health {
    standing: Arc<Mutex<BTreeMap<Condition, String>>>,
}

impl Health {
    /// `detail` says in a sentence what is wrong and what to do. Logged where it did not stand yet.
    pub fn raise(&self, condition: Condition, detail: impl Into<String>) {
        let detail = detail.into();
        if self.lock().insert(condition, detail.clone()).is_none() {
            tracing::error!(condition = condition.key(), "{detail}");
        }
    }

    pub fn clear(&self, condition: Condition) {
        if self.lock().remove(&condition).is_some() {
            tracing::info!(condition = condition.key(), "over");
        }
    }

    pub fn stands(&self, condition: Condition) -> bool {
        self.lock().contains_key(&condition)
    }

    /// Whether screens should say that new reports may be missing from what they show.
    pub fn is_degraded(&self) -> bool {
        self.lock().keys().any(|condition| condition.degrades())
    }

    /// All that stands, the gravest first.
    pub fn standing(&self) -> Vec<(Condition, String)> {
        self.lock().iter().map(|(condition, detail)| (*condition, detail.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Condition, String>> {
        // A map of plain values: a panic cannot leave it half written.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_stands_for_every_clone_until_it_is_cleared() {
        let health = Health::default();
        let elsewhere = health.clone();
        health.raise(Condition::ClockBehind, "set it");
        health.raise(Condition::DiskFull, "free space");
        health.raise(Condition::DiskFull, "free more space");
        let standing = elsewhere.standing();
        assert_eq!(standing[0], (Condition::DiskFull, "free more space".to_owned()));
        assert_eq!(standing.len(), 2);
        assert!(elsewhere.is_degraded());
        elsewhere.clear(Condition::DiskFull);
        assert!(!elsewhere.is_degraded(), "a slow clock hides no report");
        assert!(!health.stands(Condition::DiskFull) && health.stands(Condition::ClockBehind));
    }

    #[test]
    fn every_condition_is_listed_under_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Condition::ALL.map(Condition::key).into();
        assert_eq!(names.len(), Condition::ALL.len());
        assert!(Condition::ALL.is_sorted());
    }
}
