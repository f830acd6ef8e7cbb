//! How a hotspot lives: its trend, its state, and when it raises an alarm.
//!
//! Invariants: the trend is a function of the members alone; the state changes at ticks only, and
//! [`state_due_at`] names the next moment at which it would change by time alone.

use super::times::Times;
use crate::model::{HOUR_MS, MINUTE_MS, TimeMs};

/// `Emerging → Growing | Steady → Cooling`; a hotspot that ended is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Born lately and not doubled yet.
    Emerging,
    /// Its newest reports come faster than those before.
    Growing,
    Steady,
    /// No new report for a quarter of its window.
    Cooling,
}

impl State {
    pub const ALL: [State; 4] = [State::Emerging, State::Growing, State::Steady, State::Cooling];

    /// The word in the API and in the journal.
    pub fn key(self) -> &'static str {
        match self {
            State::Emerging => "emerging",
            State::Growing => "growing",
            State::Steady => "steady",
            State::Cooling => "cooling",
        }
    }

    pub fn from_key(key: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.key() == key)
    }
}

/// From this trend on a hotspot is growing, until it falls below [`GROWING_UNTIL`]: the gap between
/// the two keeps the word on the wall from going to and fro.
const GROWING_FROM: f64 = 1.5;
const GROWING_UNTIL: f64 = 1.1;

/// How long a hotspot stays emerging: a twelfth of its window, at least 5 minutes, at most 6 hours.
fn emerging_ms(window_ms: i64) -> i64 {
    (window_ms / 12).clamp(5 * MINUTE_MS, 6 * HOUR_MS)
}

/// How long without a report until a hotspot is cooling: a quarter of its window.
fn quiet_ms(window_ms: i64) -> i64 {
    window_ms / 4
}

/// How many times as fast reports came in the newest third of the time between the first and the
/// last as in the two thirds before, in hundredths. Half a report is added to both sides, so that
/// few reports do not make wild figures. Without any span, and so at any single moment, 1.
pub(super) fn trend(occurred_at: &Times) -> f64 {
    let first = occurred_at.first().unwrap_or_default();
    let last = occurred_at.last().unwrap_or_default();
    let span_ms = last.since(first);
    if span_ms <= 0 {
        return 1.0;
    }
    let newest_from = last.plus_ms(-(span_ms / 3));
    let newest = occurred_at.after(newest_from) as f64;
    let before = occurred_at.len() as f64 - newest;
    let trend = (newest + 0.5) / (before / 2.0 + 0.5);
    (trend * 100.0).round() / 100.0
}

/// What the state depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vitals {
    pub window_ms: i64,
    pub born_at: TimeMs,
    pub last_at: TimeMs,
    pub trend: f64,
    pub doubled: bool,
}

/// The state at `now`; `before` is that of the tick before, `Emerging` at birth.
pub(super) fn state(before: State, vitals: &Vitals, now: TimeMs) -> State {
    let quiet = now >= vitals.last_at.plus_ms(quiet_ms(vitals.window_ms));
    let young = now < vitals.born_at.plus_ms(emerging_ms(vitals.window_ms));
    let growing_from = if before == State::Growing { GROWING_UNTIL } else { GROWING_FROM };
    match before {
        _ if quiet => State::Cooling,
        State::Emerging if young && !vitals.doubled => State::Emerging,
        _ if vitals.trend >= growing_from => State::Growing,
        _ => State::Steady,
    }
}

/// When the state, being `current`, changes next if nothing but time passes.
pub(super) fn state_due_at(current: State, vitals: &Vitals) -> Option<TimeMs> {
    let quiet_at = vitals.last_at.plus_ms(quiet_ms(vitals.window_ms));
    match current {
        State::Cooling => None,
        State::Emerging => Some(quiet_at.min(vitals.born_at.plus_ms(emerging_ms(vitals.window_ms)))),
        State::Growing | State::Steady => Some(quiet_at),
    }
}

/// How many times `reports` doubles the count at birth.
pub(super) fn level(born_reports: u32, reports: u32) -> u32 {
    (reports / born_reports.max(1)).max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals() -> Vitals {
        let hour = TimeMs(HOUR_MS);
        Vitals { window_ms: 4 * HOUR_MS, born_at: hour, last_at: hour, trend: 1.0, doubled: false }
    }

    #[test]
    fn trend_compares_the_newest_third_with_the_time_before() {
        for (minutes, expected) in [
            (vec![5], 1.0),
            (vec![5, 5, 5], 1.0),
            (vec![0, 10, 20, 30], 0.75),
            (vec![0, 25, 27, 28, 29, 30], 5.5),
            (vec![0, 1, 2, 3, 4, 30], 0.5),
        ] {
            let mut at = Times::default();
            minutes.iter().for_each(|m| at.insert(TimeMs(m * MINUTE_MS)));
            assert_eq!(trend(&at), expected, "{minutes:?}");
        }
    }

    #[test]
    fn a_hotspot_emerges_then_is_steady_then_cools() {
        let at = |before, minutes: i64| state(before, &vitals(), TimeMs(HOUR_MS + minutes * MINUTE_MS));
        assert_eq!(at(State::Emerging, 19), State::Emerging);
        assert_eq!(at(State::Emerging, 20), State::Steady);
        assert_eq!(at(State::Steady, 59), State::Steady);
        assert_eq!(at(State::Steady, 60), State::Cooling);
        assert_eq!(at(State::Cooling, 59), State::Steady, "a new report warms it again");
    }

    #[test]
    fn growing_needs_more_to_begin_than_to_go_on() {
        let at =
            |before, trend| state(before, &Vitals { doubled: true, trend, ..vitals() }, TimeMs(HOUR_MS));
        assert_eq!(at(State::Steady, 1.4), State::Steady);
        assert_eq!(at(State::Steady, 1.5), State::Growing);
        assert_eq!(at(State::Growing, 1.2), State::Growing);
        assert_eq!(at(State::Growing, 1.0), State::Steady);
    }

    #[test]
    fn the_state_changes_when_it_is_due_and_not_before() {
        for current in State::ALL {
            let Some(due) = state_due_at(current, &vitals()) else { continue };
            assert_eq!(state(current, &Vitals { trend: 1.2, ..vitals() }, due.plus_ms(-1)), current);
            assert_ne!(state(current, &vitals(), due), current);
        }
    }

    #[test]
    fn levels_are_doublings_of_the_count_at_birth() {
        let levels = [3, 4, 7, 8, 15, 16, 4_000].map(|reports| level(4, reports));
        assert_eq!(levels, [0, 0, 0, 1, 1, 2, 9]);
    }
}
