//! The numbered facts that the journal keeps and the live map adds up.

use super::{
    Action, ActionMore, AgencyId, AreaId, CategoryId, Channel, Clock, Disposition, ErasureFact, IncidentNo,
    LngLat, MergeFact, Photo, PhotoKind, RecordFact, ReportNo, SenderId, Seq, Status, TimeMs,
};

/// One fact with its number. `at` never falls from one entry to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub seq: Seq,
    pub at: TimeMs,
    pub fact: Fact,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// From here on this city pack is in force.
    Pack { key: String, hash: [u8; 32] },
    /// A report came in, and opened an incident or joined one.
    Report(Box<ReportFact>),
    /// Staff acted on an incident.
    Action(Box<ActionFact>),
    /// Personal data was erased.
    Erasure(Box<ErasureFact>),
    /// Time passed: hotspots are computed anew. Always the last entry of its commit.
    Tick,
    /// An incident was absorbed by another.
    Merge(Box<MergeFact>),
    /// An incident that another had absorbed stands by itself again.
    Split(Box<MergeFact>),
    /// Something was written down that changes nothing on the map.
    Record(Box<RecordFact>),
}

impl Fact {
    /// The incident that was acted on, absorbed or let go of.
    pub fn turned(&self) -> Option<IncidentNo> {
        match self {
            Fact::Action(action) => Some(action.incident),
            Fact::Merge(fact) | Fact::Split(fact) => Some(fact.absorbed),
            _ => None,
        }
    }
}

/// What is kept of a report for ever, and beside it what may be erased (`private`).
#[derive(Debug, Clone, PartialEq)]
pub struct ReportFact {
    pub report: ReportNo,
    pub incident: IncidentNo,
    /// Set where the report opened its incident, unset where it joined one.
    pub opens: Option<Opening>,
    /// The place as known: exact, or only its H3 cell's centre once the exact one was erased.
    pub place: LngLat,
    /// Radius within which the reporter's device believed itself to be, in metres.
    pub accuracy_m: Option<u32>,
    pub category: CategoryId,
    pub occurred_at: TimeMs,
    /// The finest area that holds the place.
    pub area: Option<AreaId>,
    pub sender: SenderId,
    /// It joined an incident that the same sender had reported before. Entries of before this was noted
    /// never say so.
    pub again: bool,
    pub channel: Channel,
    pub drill: bool,
    /// From an import: no alarm, no deadline.
    pub imported: bool,
    /// How many photos came with it, also where they are erased; 0 in entries of before photos were kept.
    pub n_photos: u8,
    pub private: ReportPrivate,
}

/// How an incident stands at its opening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opening {
    /// `New`, but for imports of past incidents.
    pub status: Status,
    pub agency: Option<AgencyId>,
    pub opened_at: TimeMs,
    /// When its first step is due; `None` where no deadline runs.
    pub due_at: Option<TimeMs>,
    pub clock: Option<Clock>,
}

/// Personal data: kept outside the chained body, which holds a salted digest of it, so that it can
/// be erased on request and the chain still verifies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportPrivate {
    pub description: Option<String>,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub photos: Vec<Photo>,
}

/// What staff did, the status before and after included, so that an entry can be undone.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionFact {
    pub incident: IncidentNo,
    pub action: Action,
    pub from: Status,
    pub to: Status,
    /// The agency after the action.
    pub agency: Option<AgencyId>,
    /// When the incident is due after the action; of one that it closed, when it was.
    pub due_at: Option<TimeMs>,
    /// The clock after the action. `None` in entries of before there were clocks, too.
    pub clock: Option<Clock>,
    /// Who acted, as the journal shall remember it.
    pub actor: String,
    /// Note, reason or answer. Erasable like [`ReportPrivate`].
    pub note: Option<String>,
    pub more: ActionMore,
}

impl ActionFact {
    /// What a rejected incident is said to be after the action, given what it was said to be before.
    pub fn disposition_after(&self, before: Option<Disposition>) -> Option<Disposition> {
        match (self.to, self.action) {
            (Status::Rejected, Action::Reject) => self.more.disposition,
            (Status::Rejected, _) => before,
            _ => None,
        }
    }

    /// Whether a photo of the finished work is there since the incident was opened or reopened, after the action.
    pub fn repair_shown_after(&self, before: bool) -> bool {
        let shows = self.more.photos.as_ref().is_some_and(|added| added.kind == PhotoKind::After);
        self.action != Action::Reopen && (before || shows)
    }

    /// What is erased with its note: whether anything of it is there.
    pub fn has_private(&self) -> bool {
        self.note.is_some() || self.more.photos.as_ref().is_some_and(|added| added.has_private())
    }

    /// Forgets that.
    pub fn erase(&mut self) {
        self.note = None;
        self.more.photos.iter_mut().for_each(|added| added.erase());
    }

    /// Whether an agency has sent it back and nobody else has it yet, after the action.
    pub fn returned_after(&self, before: bool) -> bool {
        match self.action {
            Action::Return => true,
            Action::Assign => false,
            _ => before,
        }
    }
}
