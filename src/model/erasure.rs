//! What is erased of personal data, as a command and as a fact.

use super::{IncidentNo, LngLat, ReportNo, Seq};

/// Reports and notes of one erasure, at most: its entry stays some tens of kilobytes.
pub const ERASED_MAX: usize = 500;

/// Kinds of personal data in the private part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds {
    /// Name, phone and e-mail.
    pub contact: bool,
    /// What the reporter wrote.
    pub text: bool,
    /// The exact place of a sensitive report; its H3 cell's centre stays.
    pub place: bool,
    pub photos: bool,
}

impl Kinds {
    pub const NONE: Kinds = Kinds { contact: false, text: false, place: false, photos: false };
    pub const ALL: Kinds = Kinds { contact: true, text: true, place: true, photos: true };
    pub const CONTACT: Kinds = Kinds { contact: true, ..Kinds::NONE };
    /// What the reporter told: in words and in pictures.
    pub const TOLD: Kinds = Kinds { text: true, photos: true, ..Kinds::NONE };

    pub fn is_empty(self) -> bool {
        self == Kinds::default()
    }

    /// Their names, as entries and people see them.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        let named = [
            (self.contact, "contact"),
            (self.text, "text"),
            (self.place, "place"),
            (self.photos, "photos"),
        ];
        named.into_iter().filter(|(is_there, _)| *is_there).map(|(_, key)| key)
    }

    /// The kinds of these names; `None` where one is unknown.
    pub fn from_keys<'k>(keys: impl Iterator<Item = &'k str>) -> Option<Kinds> {
        let mut kinds = Kinds::default();
        for key in keys {
            match key {
                "contact" => kinds.contact = true,
                "text" => kinds.text = true,
                "place" => kinds.place = true,
                "photos" => kinds.photos = true,
                _ => return None,
            }
        }
        Some(kinds)
    }
}

/// A wish to erase. What is not there any more is left out; where nothing of it is, it is a repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewErasure {
    /// Why, as the journal shall remember it for good: no personal data.
    pub reason: String,
    pub kinds: Kinds,
    /// With the notes at most [`ERASED_MAX`].
    pub reports: Vec<ReportNo>,
    /// Notes of staff, by the seqs of their entries.
    pub notes: Vec<Seq>,
}

/// What was erased. Holds no personal data itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ErasureFact {
    pub reason: String,
    pub reports: Vec<ErasedReport>,
    pub notes: Vec<ErasedNote>,
}

impl ErasureFact {
    /// Whether exact places went, so that something moved on the map.
    pub fn moves_something(&self) -> bool {
        self.reports.iter().any(|report| report.place.is_some())
    }
}

/// A report that something was erased of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErasedReport {
    pub report: ReportNo,
    /// Of its entry.
    pub seq: Seq,
    pub incident: IncidentNo,
    /// It opened the incident, which stands at its place.
    pub opens: bool,
    /// What was there and went.
    pub gone: Kinds,
    /// The coarse place that is left, where the exact one went.
    pub place: Option<LngLat>,
}

/// An action whose note was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedNote {
    /// Of its entry.
    pub seq: Seq,
    pub incident: IncidentNo,
}
