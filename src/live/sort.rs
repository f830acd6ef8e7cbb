//! The orders of lists, and positions in them.

use std::cmp::Reverse;

use super::incident::Incident;
use crate::model::IncidentNo;

/// The order of a list. Equal values stand by number, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    NewestFirst,
    OldestFirst,
    LatestChangeFirst,
    MostReportsFirst,
    /// The nearest deadline first, those without one last.
    DueFirst,
}

impl Sort {
    pub const ALL: [Sort; 5] = [
        Sort::NewestFirst,
        Sort::OldestFirst,
        Sort::LatestChangeFirst,
        Sort::MostReportsFirst,
        Sort::DueFirst,
    ];

    pub fn key(self) -> &'static str {
        match self {
            Sort::NewestFirst => "-opened_at",
            Sort::OldestFirst => "opened_at",
            Sort::LatestChangeFirst => "-updated_at",
            Sort::MostReportsFirst => "-reports",
            Sort::DueFirst => "due_at",
        }
    }

    pub fn from_key(key: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.key() == key)
    }

    /// By what an incident stands in this order: smaller comes first.
    pub(super) fn value(self, incident: &Incident) -> i64 {
        match self {
            Sort::NewestFirst => -incident.opened_at.0,
            Sort::OldestFirst => incident.opened_at.0,
            Sort::LatestChangeFirst => -incident.updated_at.0,
            Sort::MostReportsFirst => -i64::from(incident.reports),
            Sort::DueFirst => incident.due_at().map_or(i64::MAX, |at| at.0),
        }
    }

    /// Where an incident stands in this order: smaller comes first.
    pub fn rank(self, incident: &Incident) -> Cursor {
        Cursor { value: self.value(incident), no: Reverse(incident.no) }
    }
}

/// A position in a sorted list: the next page begins after it, whatever came or went meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub value: i64,
    pub no: Reverse<IncidentNo>,
}

impl Cursor {
    /// Nothing stands before it.
    pub(super) const FIRST: Cursor = Cursor { value: i64::MIN, no: Reverse(IncidentNo(u32::MAX)) };
}
