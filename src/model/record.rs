//! What is written down for the record and changes no incident: a look at contact data, the shift log.

use super::IncidentNo;

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Somebody looked at the contact data of an incident's reporters; the text says why.
    LookUp,
    /// A note in the shift log.
    ShiftNote,
    /// A shift was handed over.
    Handover,
}

impl RecordKind {
    pub const ALL: [RecordKind; 3] = [RecordKind::LookUp, RecordKind::ShiftNote, RecordKind::Handover];

    /// The word in the journal and in the audit.
    pub fn key(self) -> &'static str {
        match self {
            RecordKind::LookUp => "look-up",
            RecordKind::ShiftNote => "shift-note",
            RecordKind::Handover => "handover",
        }
    }

    pub fn from_key(key: &str) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// Whether it stands in the shift log.
    pub fn is_of_shift(self) -> bool {
        matches!(self, RecordKind::ShiftNote | RecordKind::Handover)
    }
}

/// A wish to write something down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub kind: RecordKind,
    /// What it is about, where that is an incident.
    pub incident: Option<IncidentNo>,
    pub actor: String,
    pub text: String,
}

/// What was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFact {
    pub kind: RecordKind,
    pub incident: Option<IncidentNo>,
    /// Who did it, as the journal shall remember it.
    pub actor: String,
    /// Erasable like [`super::ReportPrivate`]: then `None`.
    pub text: Option<String>,
}
