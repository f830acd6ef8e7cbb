//! A clock as entries and rows hold it. A promise: only added to.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::JournalError;
use crate::model::{Clock, Seq, Step, TimeMs};

/// Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockWire<'a> {
    #[serde(borrow)]
    step: Cow<'a, str>,
    due_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warn_at: Option<i64>,
    /// When the supervisor is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supervisor_at: Option<i64>,
    /// When the head is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole_due_at: Option<i64>,
    /// The step's time passes in working hours only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    working: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_at: Option<i64>,
}

impl ClockWire<'_> {
    pub fn of(clock: &Clock) -> ClockWire<'static> {
        let ms = |at: Option<TimeMs>| at.map(|at| at.0);
        let [supervisor_at, head_at] = clock.escalate_at.map(ms);
        ClockWire {
            step: Cow::Borrowed(clock.step.key()),
            due_at: clock.due_at.0,
            warn_at: ms(clock.warn_at),
            supervisor_at,
            head_at,
            whole_due_at: ms(clock.whole_due_at),
            working: clock.is_working,
            paused_at: ms(clock.paused_at),
        }
    }

    /// The clock of an entry, if it has one.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where it names a step that there is not.
    pub fn read_any(wire: Option<&ClockWire>, seq: Seq) -> Result<Option<Clock>, JournalError> {
        let read = |wire: &ClockWire| {
            let no_step =
                || JournalError::Corrupt(format!("entry {seq}: there is no step {:?}", wire.step));
            wire.read().ok_or_else(no_step)
        };
        wire.map(read).transpose()
    }

    /// `None` where it names a step that there is not.
    pub fn read(&self) -> Option<Clock> {
        let at = |ms: Option<i64>| ms.map(TimeMs);
        Some(Clock {
            step: Step::from_key(&self.step)?,
            due_at: TimeMs(self.due_at),
            warn_at: at(self.warn_at),
            escalate_at: [at(self.supervisor_at), at(self.head_at)],
            whole_due_at: at(self.whole_due_at),
            is_working: self.working,
            paused_at: at(self.paused_at),
        })
    }
}

/// As the column of a row has it.
pub(super) fn write_clock(clock: &Clock) -> String {
    serde_json::to_string(&ClockWire::of(clock)).expect("plain structs become JSON")
}

/// As the column has it, where it has one.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read_clock(json: Option<&str>) -> Result<Option<Clock>, String> {
    let Some(json) = json else { return Ok(None) };
    let wire: ClockWire = serde_json::from_str(json).map_err(|e| format!("its clock: {e}"))?;
    wire.read().map(Some).ok_or_else(|| format!("there is no step {:?}", wire.step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_comes_back_as_it_was_written() {
        let full = Clock {
            step: Step::Assign,
            due_at: TimeMs(10),
            warn_at: Some(TimeMs(5)),
            escalate_at: [Some(TimeMs(12)), Some(TimeMs(14))],
            whole_due_at: Some(TimeMs(90)),
            is_working: true,
            paused_at: Some(TimeMs(7)),
        };
        let bare = Clock {
            warn_at: None,
            escalate_at: [None; 2],
            whole_due_at: None,
            is_working: false,
            paused_at: None,
            ..full
        };
        for clock in [full, bare] {
            assert_eq!(read_clock(Some(&write_clock(&clock))), Ok(Some(clock)));
        }
        assert_eq!(read_clock(None), Ok(None));
        assert_eq!(write_clock(&bare), r#"{"step":"assign","due_at":10}"#);
        assert!(read_clock(Some(r#"{"step":"sleep","due_at":10}"#)).unwrap_err().contains("sleep"));
    }
}
