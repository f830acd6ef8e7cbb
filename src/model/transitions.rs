//! The table of transitions: what may be done to an incident, in which status, what must come with it.
//!
//! The one place that says so. The journal decides by it, the API checks and publishes it, and the
//! picture in `docs/incident-life.md` is drawn from it.

use super::{Action, NewAction, Status};
use Status::{InProgress, New, Rejected, Resolved, Verified};

/// What an action must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// Words: a reason, a note, an answer.
    Note,
    /// Who must act.
    Agency,
    /// What it was, where it was no incident.
    Disposition,
    /// Which step of the checklist.
    Step,
    /// A photo of the repair, added before, where the city pack wants one for the category.
    Photo,
}

impl Requirement {
    pub fn key(self) -> &'static str {
        match self {
            Requirement::Note => "note",
            Requirement::Agency => "agency",
            Requirement::Disposition => "disposition",
            Requirement::Step => "step",
            Requirement::Photo => "photo",
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub action: Action,
    pub from: Status,
    pub to: Status,
    pub requires: &'static [Requirement],
    /// Not by the one whose work it is about: who resolved it.
    pub four_eyes: bool,
}

const NOTHING: &[Requirement] = &[];
const WORDS: &[Requirement] = &[Requirement::Note];
const AGENCY: &[Requirement] = &[Requirement::Agency];
const REASON: &[Requirement] = &[Requirement::Note, Requirement::Disposition];
const STEP: &[Requirement] = &[Requirement::Step];
const REPAIR: &[Requirement] = &[Requirement::Photo];

const fn row(action: Action, from: Status, to: Status, requires: &'static [Requirement]) -> Transition {
    Transition { action, from, to, requires, four_eyes: false }
}

/// In the order in which an incident lives.
pub const TRANSITIONS: &[Transition] = &[
    row(Action::Verify, New, Verified, NOTHING),
    row(Action::Reject, New, Rejected, REASON),
    row(Action::Reject, Verified, Rejected, REASON),
    row(Action::Reject, InProgress, Rejected, REASON),
    row(Action::Assign, New, New, AGENCY),
    row(Action::Assign, Verified, Verified, AGENCY),
    row(Action::Assign, InProgress, InProgress, AGENCY),
    row(Action::Return, New, New, WORDS),
    row(Action::Return, Verified, Verified, WORDS),
    // Nobody works on it any more.
    row(Action::Return, InProgress, Verified, WORDS),
    row(Action::Start, Verified, InProgress, NOTHING),
    row(Action::Resolve, Verified, Resolved, REPAIR),
    row(Action::Resolve, InProgress, Resolved, REPAIR),
    Transition { four_eyes: true, ..row(Action::Confirm, Resolved, Resolved, NOTHING) },
    row(Action::Reopen, Resolved, Verified, NOTHING),
    row(Action::Reopen, Rejected, New, NOTHING),
    row(Action::Note, New, New, WORDS),
    row(Action::Note, Verified, Verified, WORDS),
    row(Action::Note, InProgress, InProgress, WORDS),
    row(Action::Note, Resolved, Resolved, WORDS),
    row(Action::Note, Rejected, Rejected, WORDS),
    row(Action::Answer, New, New, WORDS),
    row(Action::Answer, Verified, Verified, WORDS),
    row(Action::Answer, InProgress, InProgress, WORDS),
    row(Action::Answer, Resolved, Resolved, WORDS),
    row(Action::Answer, Rejected, Rejected, WORDS),
    row(Action::Check, New, New, STEP),
    row(Action::Check, Verified, Verified, STEP),
    row(Action::Check, InProgress, InProgress, STEP),
    row(Action::Check, Resolved, Resolved, STEP),
    row(Action::Pause, New, New, WORDS),
    row(Action::Pause, Verified, Verified, WORDS),
    row(Action::Pause, InProgress, InProgress, WORDS),
    row(Action::Resume, New, New, NOTHING),
    row(Action::Resume, Verified, Verified, NOTHING),
    row(Action::Resume, InProgress, InProgress, NOTHING),
    row(Action::Photo, New, New, NOTHING),
    row(Action::Photo, Verified, Verified, NOTHING),
    row(Action::Photo, InProgress, InProgress, NOTHING),
    row(Action::Photo, Resolved, Resolved, NOTHING),
    row(Action::Release, New, New, NOTHING),
    row(Action::Release, Verified, Verified, NOTHING),
    row(Action::Release, InProgress, InProgress, NOTHING),
    row(Action::Release, Resolved, Resolved, NOTHING),
    row(Action::Withdraw, New, New, NOTHING),
    row(Action::Withdraw, Verified, Verified, NOTHING),
    row(Action::Withdraw, InProgress, InProgress, NOTHING),
    row(Action::Withdraw, Resolved, Resolved, NOTHING),
    row(Action::Withdraw, Rejected, Rejected, NOTHING),
];

/// The row of an action on an incident that is `from`; `None` where it is not allowed.
pub fn transition(action: Action, from: Status) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|row| row.action == action && row.from == from)
}

/// What an action must carry, whatever the incident's status.
pub fn requirements(action: Action) -> &'static [Requirement] {
    TRANSITIONS.iter().find(|row| row.action == action).map_or(NOTHING, |row| row.requires)
}

impl Transition {
    /// The first thing that a wish must carry and does not. `repair_wanted`: its category wants a photo of the
    /// repair, and the incident has none.
    pub fn lacking(&self, new: &NewAction, repair_wanted: bool) -> Option<Requirement> {
        let has = |requirement: &&Requirement| match requirement {
            Requirement::Note => new.note.is_some(),
            Requirement::Agency => new.agency.is_some(),
            Requirement::Disposition => new.more.disposition.is_some(),
            Requirement::Step => new.more.step.is_some(),
            Requirement::Photo => !repair_wanted,
        };
        self.requires.iter().find(|requirement| !has(requirement)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_rows_each_once_and_requires_the_same_in_all() {
        for action in Action::ALL {
            let rows: Vec<_> = TRANSITIONS.iter().filter(|row| row.action == action).collect();
            assert!(!rows.is_empty(), "{action:?}");
            for row in &rows {
                assert_eq!(row.requires, requirements(action), "{action:?}");
                assert_eq!(
                    transition(action, row.from),
                    Some(*row),
                    "{action:?} from {:?} twice",
                    row.from
                );
            }
        }
    }

    #[test]
    fn every_status_can_be_reached_and_left() {
        for status in Status::ALL {
            let moves = || TRANSITIONS.iter().filter(|row| row.from != row.to);
            assert!(status == New || moves().any(|row| row.to == status), "{status}");
            assert!(moves().any(|row| row.from == status), "{status}");
        }
    }
}
