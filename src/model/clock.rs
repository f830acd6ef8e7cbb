//! The clock of an incident: which step is due when, and who is told once it is late.
//!
//! Entries hold clocks whole, so what they say follows from the entries alone, whatever the city pack says
//! by then. What a clock reads at a moment is a function of the two.

use super::{AgencyId, Status, TimeMs};

/// What must be done next of an open incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Of a new one: look whether it is so.
    Verify,
    /// Of a verified one that no agency has: say who acts.
    Assign,
    /// Of a verified one that an agency has: begin.
    Start,
    /// Of one that is being worked on.
    Resolve,
}

impl Step {
    pub const ALL: [Step; 4] = [Step::Verify, Step::Assign, Step::Start, Step::Resolve];

    /// `None` where the incident is closed.
    pub fn of(status: Status, agency: Option<AgencyId>) -> Option<Step> {
        match (status, agency) {
            (Status::New, _) => Some(Step::Verify),
            (Status::Verified, None) => Some(Step::Assign),
            (Status::Verified, Some(_)) => Some(Step::Start),
            (Status::InProgress, _) => Some(Step::Resolve),
            (Status::Resolved | Status::Rejected, _) => None,
        }
    }

    /// The word in the API, the journal and the city pack.
    pub fn key(self) -> &'static str {
        match self {
            Step::Verify => "verify",
            Step::Assign => "assign",
            Step::Start => "start",
            Step::Resolve => "resolve",
        }
    }

    pub fn from_key(key: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.key() == key)
    }
}

/// The highest rung of the ladder: 1 is the supervisor's, 2 the head's. The operator is told when the step
/// becomes late.
pub const ESCALATION_MAX: u8 = 2;

/// The clock of an open incident, as the entry left it that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub step: Step,
    /// When the step must be done. Of a paused clock: as it stood at the pause.
    pub due_at: TimeMs,
    /// From here on it is due soon; earlier than `due_at`.
    pub warn_at: Option<TimeMs>,
    /// When the supervisor is told, and when the head; neither before `due_at`, nor the head before the
    /// supervisor.
    pub escalate_at: [Option<TimeMs>; ESCALATION_MAX as usize],
    /// When the incident as a whole must be resolved.
    pub whole_due_at: Option<TimeMs>,
    /// The step's time passes only while the city works.
    pub is_working: bool,
    /// Since when it stands still.
    pub paused_at: Option<TimeMs>,
}

/// What a clock reads at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockState {
    Ok,
    Soon,
    /// With how many rungs of the ladder are reached, 0 to [`ESCALATION_MAX`].
    Late {
        escalation: u8,
    },
    Paused,
}

impl ClockState {
    pub fn key(self) -> &'static str {
        match self {
            ClockState::Ok => "ok",
            ClockState::Soon => "soon",
            ClockState::Late { .. } => "late",
            ClockState::Paused => "paused",
        }
    }

    pub fn escalation(self) -> u8 {
        match self {
            ClockState::Late { escalation } => escalation,
            ClockState::Ok | ClockState::Soon | ClockState::Paused => 0,
        }
    }

    /// How many were told of it: none, the operator, the supervisor too, the head too.
    pub fn told(self) -> u8 {
        match self {
            ClockState::Late { escalation } => 1 + escalation,
            ClockState::Ok | ClockState::Soon | ClockState::Paused => 0,
        }
    }
}

impl Clock {
    pub fn state_at(&self, now: TimeMs) -> ClockState {
        if self.paused_at.is_some() {
            return ClockState::Paused;
        }
        if self.due_at <= now {
            let reached = self.escalate_at.iter().flatten().filter(|at| **at <= now).count();
            return ClockState::Late { escalation: reached as u8 };
        }
        if self.warn_at.is_some_and(|at| at <= now) { ClockState::Soon } else { ClockState::Ok }
    }

    /// The moments at which time alone changes what it reads, in order; none while it is paused.
    pub fn moments(&self) -> impl Iterator<Item = TimeMs> {
        let runs = self.paused_at.is_none();
        let [supervisor, head] = self.escalate_at;
        let moments = [self.warn_at, Some(self.due_at), supervisor, head];
        moments.into_iter().flatten().filter(move |_| runs)
    }

    /// The next of [`Clock::moments`] after `now`.
    pub fn next_after(&self, now: TimeMs) -> Option<TimeMs> {
        self.moments().filter(|at| *at > now).min()
    }

    /// What the incident's row says: when it is due, if time runs.
    pub fn runs_until(&self) -> Option<TimeMs> {
        self.paused_at.is_none().then_some(self.due_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock {
            step: Step::Start,
            due_at: TimeMs(100),
            warn_at: Some(TimeMs(75)),
            escalate_at: [Some(TimeMs(110)), Some(TimeMs(130))],
            whole_due_at: None,
            is_working: false,
            paused_at: None,
        }
    }

    #[test]
    fn a_clock_climbs_the_ladder_rung_by_rung() {
        use ClockState::{Late, Ok, Soon};
        let late = |escalation| Late { escalation };
        let cases = [
            (74, Ok, Some(75)),
            (75, Soon, Some(100)),
            (99, Soon, Some(100)),
            (100, late(0), Some(110)),
            (109, late(0), Some(110)),
            (110, late(1), Some(130)),
            (130, late(2), None),
            (10_000, late(2), None),
        ];
        for (now, state, next) in cases {
            let now = TimeMs(now);
            assert_eq!(clock().state_at(now), state, "at {now:?}");
            assert_eq!(clock().next_after(now), next.map(TimeMs), "after {now:?}");
        }
    }

    #[test]
    fn a_paused_clock_is_never_late_and_waits_for_nothing() {
        let paused = Clock { paused_at: Some(TimeMs(90)), ..clock() };
        assert_eq!(paused.state_at(TimeMs(1_000)), ClockState::Paused);
        assert_eq!((paused.next_after(TimeMs(0)), paused.runs_until()), (None, None));
    }

    #[test]
    fn every_open_incident_has_a_step_and_no_closed_one() {
        for status in Status::ALL {
            for agency in [None, Some(AgencyId(0))] {
                assert_eq!(Step::of(status, agency).is_some(), status.is_open());
            }
        }
        for step in Step::ALL {
            assert_eq!(Step::from_key(step.key()), Some(step));
        }
    }
}
