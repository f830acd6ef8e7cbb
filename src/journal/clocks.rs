//! Decides what clock an incident has after an entry. Pure.
//!
//! A clock belongs to a step: it begins with the step and ends with it, whatever is done in between. Handing
//! an incident that nobody has begun to another agency begins the step anew: that one gets its time. The
//! whole runs on through all steps. Imported incidents have no clocks until somebody reopens them.

use super::IncidentRow;
use crate::city::{City, Deadlines};
use crate::model::{Action, AgencyId, Clock, Refusal, Status, Step, TimeMs};

/// What the entry says: when the incident is due, and its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Due {
    pub at: Option<TimeMs>,
    pub clock: Option<Clock>,
}

impl Due {
    fn of(clock: Option<Clock>) -> Due {
        Due { at: clock.and_then(|clock| clock.runs_until()), clock }
    }
}

/// An action as far as clocks are concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acted {
    pub action: Action,
    /// The status after it.
    pub to: Status,
    /// The agency after it.
    pub agency: Option<AgencyId>,
    pub at: TimeMs,
    /// How long after a reopening the whole is due.
    pub whole_after_ms: Option<i64>,
}

/// Of an incident that a report opens; `whole_after_ms` says when it is due as a whole.
pub(super) fn opened(
    city: &City,
    category: crate::model::CategoryId,
    status: Status,
    agency: Option<AgencyId>,
    (opened_at, whole_after_ms): (TimeMs, Option<i64>),
) -> Due {
    let whole_due_at = whole_after_ms.map(|ms| opened_at.plus_ms(ms));
    let rule = &city.category(category).deadlines;
    let clock =
        Step::of(status, agency).and_then(|step| rule.begin(&city.calendar, step, opened_at, whole_due_at));
    Due::of(clock)
}

/// Of an incident that stood as `row` says.
///
/// # Errors
/// Where its clock cannot be paused, or resumed.
pub(super) fn acted(city: &City, row: &IncidentRow, acted: &Acted) -> Result<Due, Refusal> {
    let rule = &city.category(row.category).deadlines;
    let kept = Due { at: row.due_at, clock: row.clock };
    match acted.action {
        Action::Pause => paused(row, acted.at),
        Action::Resume => resumed(city, rule, row, acted.at),
        _ if !acted.to.is_open() => Ok(Due { clock: None, ..kept }),
        _ if !row.status.is_open() => {
            let whole_due_at = acted.whole_after_ms.map(|ms| acted.at.plus_ms(ms));
            Ok(begin(city, rule, acted, whole_due_at))
        }
        _ if goes_on(row, acted) => Ok(kept),
        _ => Ok(begin(city, rule, acted, whole_due_at(row, acted.at))),
    }
}

fn begin(city: &City, rule: &Deadlines, acted: &Acted, whole_due_at: Option<TimeMs>) -> Due {
    let step = Step::of(acted.to, acted.agency);
    Due::of(step.and_then(|step| rule.begin(&city.calendar, step, acted.at, whole_due_at)))
}

/// Whether the step that ran before the action runs after it.
fn goes_on(row: &IncidentRow, acted: &Acted) -> bool {
    if row.imported && row.clock.is_none() {
        return true;
    }
    let before = Step::of(row.status, row.agency);
    let handed_on = before == Some(Step::Start) && row.agency != acted.agency;
    before == Step::of(acted.to, acted.agency) && !handed_on
}

/// When the incident is due as a whole. One of before there were clocks has its one deadline for that; time
/// that the step stood still does not count.
fn whole_due_at(row: &IncidentRow, at: TimeMs) -> Option<TimeMs> {
    let Some(clock) = row.clock else { return row.due_at };
    let stood_ms = clock.paused_at.map_or(0, |paused_at| at.since(paused_at));
    clock.whole_due_at.map(|whole| whole.plus_ms(stood_ms))
}

fn paused(row: &IncidentRow, at: TimeMs) -> Result<Due, Refusal> {
    let clock = clock_of(row).ok_or(Refusal::NoClock)?;
    if clock.paused_at.is_some() {
        return Err(Refusal::Paused);
    }
    Ok(Due::of(Some(Clock { paused_at: Some(at), ..clock })))
}

fn resumed(city: &City, rule: &Deadlines, row: &IncidentRow, at: TimeMs) -> Result<Due, Refusal> {
    let clock = clock_of(row).ok_or(Refusal::NoClock)?;
    if clock.paused_at.is_none() {
        return Err(Refusal::NotPaused);
    }
    Ok(Due::of(Some(rule.resume(&city.calendar, &clock, at))))
}

/// The clock of an open incident; one of before there were clocks has its one deadline.
fn clock_of(row: &IncidentRow) -> Option<Clock> {
    let step = Step::of(row.status, row.agency)?;
    let of_old = |due_at| Clock {
        step,
        due_at,
        warn_at: None,
        escalate_at: [None; 2],
        whole_due_at: Some(due_at),
        is_working: false,
        paused_at: None,
    };
    row.clock.or(row.due_at.map(of_old))
}
