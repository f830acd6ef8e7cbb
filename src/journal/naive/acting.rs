//! What the naive model says of an action: what forbids it, and when the incident is due after it.

use crate::journal::IncidentRow;
use crate::model::{
    Action, AgencyId, Clock, NewAction, Refusal, Requirement, Status, Step as ClockStep, TimeMs,
};

/// When an incident is due after an action, and its clock: the pack has no times of steps, so that all of
/// them are due with the whole.
pub(super) fn due(
    row: &IncidentRow,
    new: &NewAction,
    (to, agency): (Status, Option<AgencyId>),
    at: TimeMs,
) -> Result<(Option<TimeMs>, Option<Clock>), Refusal> {
    let running = |step, due_at: Option<TimeMs>| Ok((due_at, due_at.map(|due_at| clock(step, due_at))));
    let step = |status, agency: Option<AgencyId>| match status {
        Status::New => ClockStep::Verify,
        Status::Verified if agency.is_none() => ClockStep::Assign,
        Status::Verified => ClockStep::Start,
        _ => ClockStep::Resolve,
    };
    // As if the time of the pause had not been.
    let unpaused =
        |clock: Clock| clock.due_at.plus_ms(clock.paused_at.map_or(0, |paused| at.since(paused)));
    match (new.action, row.clock) {
        (Action::Pause | Action::Resume, None) => Err(Refusal::NoClock),
        (Action::Pause, Some(Clock { paused_at: Some(_), .. })) => Err(Refusal::Paused),
        (Action::Pause, Some(clock)) => Ok((None, Some(Clock { paused_at: Some(at), ..clock }))),
        (Action::Resume, Some(Clock { paused_at: None, .. })) => Err(Refusal::NotPaused),
        (Action::Resume, Some(clock)) => running(clock.step, Some(unpaused(clock))),
        (Action::Reopen, _) => running(step(to, agency), new.due_after_ms.map(|ms| at.plus_ms(ms))),
        (_, None) => Ok((row.due_at, None)),
        (Action::Reject | Action::Resolve, Some(_)) => Ok((row.due_at, None)),
        (_, Some(clock)) => {
            let handed_on = clock.step == ClockStep::Start && row.agency != agency;
            if step(to, agency) == clock.step && !handed_on {
                return Ok((row.due_at, Some(clock)));
            }
            running(step(to, agency), Some(unpaused(clock)))
        }
    }
}

/// A clock that is due with the whole.
pub(super) fn clock(step: ClockStep, due_at: TimeMs) -> Clock {
    Clock {
        step,
        due_at,
        warn_at: None,
        escalate_at: [None; 2],
        whole_due_at: Some(due_at),
        is_working: false,
        paused_at: None,
    }
}

/// What forbids an action that the status allows.
pub(super) fn forbidden(new: &NewAction, row: &IncidentRow) -> Option<Refusal> {
    let says = matches!(
        new.action,
        Action::Note | Action::Answer | Action::Return | Action::Reject | Action::Pause
    );
    let lacks = if says && new.note.is_none() {
        Some(Requirement::Note)
    } else if new.action == Action::Reject && new.more.disposition.is_none() {
        Some(Requirement::Disposition)
    } else if new.action == Action::Assign && new.agency.is_none() {
        Some(Requirement::Agency)
    } else if new.action == Action::Check && new.more.step.is_none() {
        Some(Requirement::Step)
    } else if new.action == Action::Photo && new.more.photos.is_none()
        || matches!(new.action, Action::Release | Action::Withdraw) && new.more.photo.is_none()
    {
        Some(Requirement::Photo)
    } else {
        None
    };
    if let Some(what) = lacks {
        return Some(Refusal::Lacks { action: new.action, what });
    }
    match new.action {
        Action::Return if row.agency.is_none() => Some(Refusal::Unassigned),
        Action::Confirm if row.standing.confirmed => Some(Refusal::Confirmed),
        Action::Confirm if row.standing.resolved_by.as_ref() == Some(&new.actor) => {
            Some(Refusal::FourEyes { by: new.actor.clone() })
        }
        _ => None,
    }
}
