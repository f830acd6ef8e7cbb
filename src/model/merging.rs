//! Two incidents that become one, and two again: as a command and as a fact.
//!
//! Reports stay with the incident that they opened or joined; which one they count under follows from
//! who absorbed whom. So a split has nothing to put back but the two incidents themselves.

use super::{IncidentNo, Status};

/// A wish that one incident be absorbed by another, or be set free by it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMerge {
    pub absorbed: IncidentNo,
    /// The one that stays.
    pub into: IncidentNo,
    /// Refused unless the incident that was acted on still has this version: of a merge the one that is to
    /// be absorbed, of a split the one that absorbed it.
    pub version: Option<u32>,
    pub note: Option<String>,
    pub actor: String,
}

/// What of two incidents changed as they became one, or two again: enough to tell it of either alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeFact {
    pub absorbed: IncidentNo,
    /// The one that stays.
    pub into: IncidentNo,
    /// Of the absorbed one, which keeps it until it is free again.
    pub status: Status,
    /// Of the one that stays.
    pub into_status: Status,
    /// So many reports, all of the absorbed one's, come to count under the one that stays, or no longer do.
    pub reports: u32,
    /// Distinct senders of all that counts under the one that stays, after it.
    pub reporters: u32,
    /// Who acted, as the journal shall remember it.
    pub actor: String,
    /// Erasable, as an action's.
    pub note: Option<String>,
}

impl MergeFact {
    /// The other of the two.
    pub fn partner(&self, no: IncidentNo) -> IncidentNo {
        if no == self.absorbed { self.into } else { self.absorbed }
    }
}
