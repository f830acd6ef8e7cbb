//! The closed lists that reports and incidents are described with, and the short ids of what a
//! city pack names.

use std::fmt;

use super::transitions::transition;

/// Index of a category in the city pack's order; at most 64 categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryId(pub u8);

/// Index of an agency in the city pack's order; at most 64 agencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyId(pub u8);

/// Index of an area in the city pack's order (by code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaId(pub u16);

/// Where an incident stands. `New`, `Verified` and `InProgress` are *open*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    New = 0,
    Verified = 1,
    InProgress = 2,
    Resolved = 3,
    Rejected = 4,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::New, Status::Verified, Status::InProgress, Status::Resolved, Status::Rejected];

    pub fn is_open(self) -> bool {
        matches!(self, Status::New | Status::Verified | Status::InProgress)
    }

    /// The word in the API, the journal and the files.
    pub fn key(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Verified => "verified",
            Status::InProgress => "in_progress",
            Status::Resolved => "resolved",
            Status::Rejected => "rejected",
        }
    }

    pub fn from_key(key: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.key() == key)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What staff may do to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Verify,
    Reject,
    Assign,
    Start,
    Resolve,
    Reopen,
    /// Words for the center's own eyes.
    Note,
    /// An agency sends back what is not its own.
    Return,
    /// Words for the reporters.
    Answer,
    /// Somebody else has looked at what was resolved.
    Confirm,
    /// A step of the category's checklist.
    Check,
    /// Stops the clock of the step, with a reason.
    Pause,
    /// Lets it go on.
    Resume,
    /// Photos of before or after the work.
    Photo,
    /// The public may see a photo.
    Release,
    /// It may not any more.
    Withdraw,
}

impl Action {
    pub const ALL: [Action; 16] = [
        Action::Verify,
        Action::Reject,
        Action::Assign,
        Action::Start,
        Action::Resolve,
        Action::Reopen,
        Action::Note,
        Action::Return,
        Action::Answer,
        Action::Confirm,
        Action::Check,
        Action::Pause,
        Action::Resume,
        Action::Photo,
        Action::Release,
        Action::Withdraw,
    ];

    pub fn key(self) -> &'static str {
        match self {
            Action::Verify => "verify",
            Action::Reject => "reject",
            Action::Assign => "assign",
            Action::Start => "start",
            Action::Resolve => "resolve",
            Action::Reopen => "reopen",
            Action::Note => "note",
            Action::Return => "return",
            Action::Answer => "answer",
            Action::Confirm => "confirm",
            Action::Check => "check",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Photo => "photo",
            Action::Release => "release",
            Action::Withdraw => "withdraw",
        }
    }

    pub fn from_key(key: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|a| a.key() == key)
    }

    /// The status that this action leads to from `from`, or `None` where it is not allowed: see
    /// [`super::transitions`].
    pub fn leads_to(self, from: Status) -> Option<Status> {
        transition(self, from).map(|row| row.to)
    }
}

/// How a report came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    Web,
    App,
    Phone,
    Sms,
    Social,
    Sensor,
    Import,
    Other,
}

impl Channel {
    pub const ALL: [Channel; 8] = [
        Channel::Web,
        Channel::App,
        Channel::Phone,
        Channel::Sms,
        Channel::Social,
        Channel::Sensor,
        Channel::Import,
        Channel::Other,
    ];

    pub fn key(self) -> &'static str {
        match self {
            Channel::Web => "web",
            Channel::App => "app",
            Channel::Phone => "phone",
            Channel::Sms => "sms",
            Channel::Social => "social",
            Channel::Sensor => "sensor",
            Channel::Import => "import",
            Channel::Other => "other",
        }
    }

    pub fn from_key(key: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|c| c.key() == key)
    }
}

/// What a class of reader may see (design: "Who may see what").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    Public,
    Staff,
}

impl Projection {
    pub fn key(self) -> &'static str {
        match self {
            Projection::Public => "public",
            Projection::Staff => "staff",
        }
    }
}
