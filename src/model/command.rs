//! What is asked of the journal, and what it answers.

use super::{
    Action, ActionMore, AgencyId, AreaId, CategoryId, Channel, Entry, IncidentNo, LngLat, NewErasure,
    NewMerge, NewRecord, ReportNo, ReportPrivate, Requirement, SenderId, Seq, Status, TimeMs,
};

/// A wish, checked as far as it can be without the state. The journal decides it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Pack {
        key: String,
        hash: [u8; 32],
    },
    Report(Box<NewReport>),
    Action(Box<NewAction>),
    Erasure(Box<NewErasure>),
    Tick,
    /// One incident is absorbed by another.
    Merge(Box<NewMerge>),
    /// It is set free again.
    Split(Box<NewMerge>),
    Record(Box<NewRecord>),
}

/// A report that passed intake's checks, placed in its area and routed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReport {
    pub category: CategoryId,
    pub place: LngLat,
    /// Set where the category is sensitive: all that the chained body may say of the place.
    pub coarse_place: Option<LngLat>,
    pub accuracy_m: Option<u32>,
    /// `None`: at the time of its entry.
    pub occurred_at: Option<TimeMs>,
    pub area: Option<AreaId>,
    /// The incident to join; `None` opens one.
    pub incident: Option<IncidentNo>,
    /// The agency that gets an incident opened by this report.
    pub agency: Option<AgencyId>,
    /// How long after its opening an incident opened by this report is due as a whole, in milliseconds.
    pub due_after_ms: Option<i64>,
    /// `None`: the report counts for itself.
    pub sender: Option<SenderId>,
    pub channel: Channel,
    pub drill: bool,
    pub private: ReportPrivate,
    pub idempotency: Option<Idempotency>,
    pub import: Option<ImportRow>,
}

/// A client's key for one submission, with the digest of what was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    pub body_digest: [u8; 32],
}

/// A row of an import: keyed by its source, stored with its own times and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Name of the source, for instance the file's.
    pub source: String,
    /// Digest of the row's id, or of the whole row where it has none.
    pub row_digest: [u8; 16],
    pub status: Status,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewAction {
    pub incident: IncidentNo,
    pub action: Action,
    pub agency: Option<AgencyId>,
    pub note: Option<String>,
    /// Refused unless the incident still has this version.
    pub version: Option<u32>,
    /// The deadline of the whole that a reopened incident gets, counted from its reopening, in
    /// milliseconds.
    pub due_after_ms: Option<i64>,
    pub actor: String,
    pub more: ActionMore,
}

/// The journal's answer to one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Durable now. The entries are dense and in order.
    Accepted {
        entries: Vec<Entry>,
        receipt: Receipt,
    },
    /// Was accepted before under the same key; nothing new was written.
    Repeat {
        receipt: Receipt,
    },
    Refused(Refusal),
}

/// Enough to answer the sender, now or when the same submission is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    Report {
        seq: Seq,
        report: ReportNo,
        received_at: TimeMs,
        incident: IncidentNo,
        opened_at: TimeMs,
    },
    Action {
        seq: Seq,
        incident: IncidentNo,
    },
    /// For packs, ticks, erasures and records.
    Other {
        seq: Seq,
    },
}

impl Receipt {
    pub fn seq(&self) -> Seq {
        match self {
            Receipt::Report { seq, .. } | Receipt::Action { seq, .. } | Receipt::Other { seq } => *seq,
        }
    }
}

/// Why a command was not accepted. The words are for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such incident")]
    UnknownIncident,
    #[error("the incident is {status}; send the report without \"incident\" to open a new one")]
    IncidentClosed { status: Status },
    #[error("there is no such report")]
    UnknownReport,
    #[error("there is no such note")]
    UnknownNote,
    #[error("a drill report can join only a drill incident, and a real one only a real incident")]
    DrillMismatch,
    #[error("{} is not possible while the incident is {from}", .action.key())]
    Transition { action: Action, from: Status },
    #[error("{} needs {}", .action.key(), .what.key())]
    Lacks { action: Action, what: Requirement },
    #[error("no agency has the incident, so none can send it back; assign it")]
    Unassigned,
    #[error("{by} resolved it; somebody else must confirm that")]
    FourEyes { by: String },
    #[error("it is confirmed already")]
    Confirmed,
    #[error("the incident was closed too long ago and is archived; open a new one")]
    Archived,
    #[error("the incident has version {current} by now; read it again and decide anew")]
    Version { current: u32 },
    #[error("the incident was joined with another one; act on that one")]
    Merged { into: IncidentNo },
    #[error("an incident cannot be joined with itself; name another one")]
    MergeSelf,
    #[error("an incident that is {status} cannot be joined with another; reopen it first")]
    MergeClosed { status: Status },
    #[error("an incident of a drill and a real one cannot be joined")]
    MergeDrill,
    #[error("that incident is not joined with this one; look at \"merged\" of this one")]
    NotMerged,
    #[error("no deadline runs for the incident, so there is no clock to pause or resume")]
    NoClock,
    #[error("the incident's clock is paused already; resume it first")]
    Paused,
    #[error("the incident's clock is not paused; it runs")]
    NotPaused,
    #[error("this Idempotency-Key was used before with another body; use a new key")]
    KeyReused,
}
