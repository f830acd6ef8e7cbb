//! Photos: of reports, and of staff before and after the work.
//!
//! The bytes are kept apart from the log, under names that follow from them; entries name them in their
//! private parts, so that a photo can be erased as a text can.

use std::fmt;

use super::{IncidentNo, ReportNo, Seq, TimeMs};

/// At most this many come with one submission.
pub const PHOTOS_MAX: usize = 4;

/// SHA-256 of the bytes of a kept file, and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoName(pub [u8; 32]);

impl fmt::Display for PhotoName {
    /// As 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A photo as an entry names it: what is kept of it, never what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Photo {
    pub name: PhotoName,
    /// The same picture, small.
    pub thumb: PhotoName,
    /// Pixels, as it is shown.
    pub width: u16,
    pub height: u16,
}

/// What a photo shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhotoKind {
    /// What a reporter saw.
    Report,
    /// What staff found.
    Before,
    /// What it looks like once the work is done.
    After,
}

impl PhotoKind {
    pub const ALL: [PhotoKind; 3] = [PhotoKind::Report, PhotoKind::Before, PhotoKind::After];

    /// The word in the API, the journal and the files.
    pub fn key(self) -> &'static str {
        match self {
            PhotoKind::Report => "report",
            PhotoKind::Before => "before",
            PhotoKind::After => "after",
        }
    }

    pub fn from_key(key: &str) -> Option<PhotoKind> {
        PhotoKind::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// Which photo: the entry that brought it, and its place there, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoNo {
    pub seq: Seq,
    pub n: u8,
}

/// Photos that staff add to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedPhotos {
    /// Before or after.
    pub kind: PhotoKind,
    /// The public may see them from the start.
    pub public: bool,
    /// How many there were; stays where they are erased.
    pub n: u8,
    /// Erasable like a note: then none.
    pub photos: Vec<Photo>,
    /// The key that they were sent under, where the sender gave one.
    pub sent: Option<SentPhotos>,
}

/// A sender's key for photos of one incident, so that what is sent again adds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentPhotos {
    /// Keyed digest of the Idempotency-Key; stays where the photos are erased, so that nobody brings them back.
    pub key: [u8; 16],
    /// Digest of all that was sent; erased with the photos.
    pub content: Option<[u8; 32]>,
}

impl AddedPhotos {
    /// Whether anything of it is there that can be erased.
    pub fn has_private(&self) -> bool {
        !self.photos.is_empty() || self.sent.is_some_and(|sent| sent.content.is_some())
    }

    /// Forgets what can be erased.
    pub fn erase(&mut self) {
        self.photos.clear();
        if let Some(sent) = &mut self.sent {
            sent.content = None;
        }
    }
}

/// A photo as the state tables hold it; its row goes when it is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoRow {
    pub no: PhotoNo,
    /// That the entry is of.
    pub incident: IncidentNo,
    /// Whose it is, where it came with a report.
    pub report: Option<ReportNo>,
    pub at: TimeMs,
    pub kind: PhotoKind,
    /// Who added it, where staff did.
    pub actor: Option<String>,
    pub photo: Photo,
    /// The public may see it, where it may see the incident.
    pub public: bool,
}
