//! The deadlines of a category: how long each step may take, when it is warned before and who is told
//! after.
//!
//! Pure: makes the clocks that entries hold.

use super::{Calendar, Length};
use crate::model::{Clock, ESCALATION_MAX, Step, TimeMs};

/// What a city pack says of the clocks of one category. The default has none: only a deadline of the whole
/// runs where there is one, without warnings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// In the order of [`Step::ALL`].
    pub steps: [Option<Length>; 4],
    /// A step is due soon when so much of its time has passed: 1 to 99.
    pub warn_percent: Option<u8>,
    /// How long after a step became late the supervisor is told, then the head.
    pub escalate: [Option<Length>; ESCALATION_MAX as usize],
}

impl Deadlines {
    /// Whether any step has a time of its own.
    pub fn is_by_step(&self) -> bool {
        self.steps.iter().any(Option::is_some)
    }

    /// The clock of a step that begins at `at`: due by its own time or the whole's, whichever is earlier.
    /// `None` where neither runs.
    pub fn begin(
        &self,
        calendar: &Calendar,
        step: Step,
        at: TimeMs,
        whole_due_at: Option<TimeMs>,
    ) -> Option<Clock> {
        let length = self.steps[step as usize];
        let own = length.map(|length| (calendar.add(at, length), length.is_working()));
        let whole = whole_due_at.map(|due_at| (due_at, false));
        let (due_at, is_working) = own.into_iter().chain(whole).min_by_key(|(due_at, _)| *due_at)?;
        let clock = Clock {
            step,
            due_at,
            warn_at: None,
            escalate_at: self.escalate_at(calendar, due_at),
            whole_due_at,
            is_working,
            paused_at: None,
        };
        Some(Clock { warn_at: self.warn_at(calendar, &clock, at), ..clock })
    }

    /// The clock goes on at `at` with the time that was left at the pause; one that was late by then is as
    /// late as it was.
    pub fn resume(&self, calendar: &Calendar, clock: &Clock, at: TimeMs) -> Clock {
        let Some(paused_at) = clock.paused_at else { return *clock };
        let stood_ms = at.since(paused_at);
        let later = |moment: TimeMs| moment.plus_ms(stood_ms);
        let whole_due_at = clock.whole_due_at.map(later);
        let running = Clock { whole_due_at, paused_at: None, ..*clock };
        if clock.due_at <= paused_at {
            let escalate_at = clock.escalate_at.map(|rung| rung.map(later));
            return Clock {
                due_at: later(clock.due_at),
                warn_at: clock.warn_at.map(later),
                escalate_at,
                ..running
            };
        }
        let moved = |moment: TimeMs| {
            if !clock.is_working {
                return later(moment);
            }
            calendar.add_working_ms(at, calendar.working_ms(paused_at, moment))
        };
        let due_at = moved(clock.due_at);
        // Who was warned stays warned.
        let warn_at = clock.warn_at.map(|moment| if moment <= paused_at { at } else { moved(moment) });
        let warn_at = warn_at.filter(|moment| *moment < due_at);
        Clock { due_at, warn_at, escalate_at: self.escalate_at(calendar, due_at), ..running }
    }

    fn warn_at(&self, calendar: &Calendar, clock: &Clock, from: TimeMs) -> Option<TimeMs> {
        let percent = i64::from(self.warn_percent?);
        let part = |ms: i64| (i128::from(ms) * i128::from(percent) / 100) as i64;
        let due_at = clock.due_at;
        let warn_at = if clock.is_working {
            calendar.add_working_ms(from, part(calendar.working_ms(from, due_at)))
        } else {
            from.plus_ms(part(due_at.since(from)))
        };
        (from <= warn_at && warn_at < due_at).then_some(warn_at)
    }

    fn escalate_at(
        &self,
        calendar: &Calendar,
        due_at: TimeMs,
    ) -> [Option<TimeMs>; ESCALATION_MAX as usize] {
        let [supervisor, head] = self.escalate.map(|after| after.map(|after| calendar.add(due_at, after)));
        [supervisor, head.max(supervisor.filter(|_| head.is_some()))]
    }
}

#[cfg(test)]
#[path = "clocks/tests.rs"]
mod tests;
