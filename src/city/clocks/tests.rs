use jiff::tz::TimeZone;

use super::*;
use crate::cli::chance::Chance;
use crate::model::{ClockState, HOUR_MS, MINUTE_MS};

/// Monday to Friday from eight to four in Ternate.
fn calendar() -> Calendar {
    Calendar::plain(TimeZone::get("Asia/Jayapura").unwrap())
}

fn deadlines(start: &str, warn_percent: u8, escalate: [&str; 2]) -> Deadlines {
    let mut steps = [None; 4];
    steps[Step::Start as usize] = Some(Length::parse(start).unwrap());
    Deadlines { steps, warn_percent: Some(warn_percent), escalate: escalate.map(Length::parse) }
}

fn at(text: &str) -> TimeMs {
    TimeMs::parse_rfc3339(text).unwrap()
}

#[test]
fn a_step_is_warned_of_and_climbs_by_the_citys_hours() {
    // A Friday, in the afternoon.
    let from = at("2026-11-27T14:00:00+09:00");
    let clock = deadlines("4wh", 75, ["2wh", "1wd"]).begin(&calendar(), Step::Start, from, None).unwrap();
    assert_eq!(clock.due_at, at("2026-11-30T10:00:00+09:00"));
    assert_eq!(clock.warn_at, Some(at("2026-11-30T09:00:00+09:00")));
    let rungs = [at("2026-11-30T12:00:00+09:00"), at("2026-12-01T16:00:00+09:00")];
    assert_eq!(clock.escalate_at, rungs.map(Some));
    assert!(clock.is_working && clock.paused_at.is_none());
}

#[test]
fn no_step_outlasts_the_whole() {
    let from = at("2026-11-27T14:00:00+09:00");
    let whole = from.plus_ms(HOUR_MS);
    let clock =
        deadlines("4wh", 50, ["30m", "1h"]).begin(&calendar(), Step::Start, from, Some(whole)).unwrap();
    assert_eq!((clock.due_at, clock.is_working), (whole, false));
    assert_eq!(clock.warn_at, Some(from.plus_ms(HOUR_MS / 2)));
    // Of a step without a time of its own the whole is all there is, and without that nothing runs.
    let clock = deadlines("4wh", 50, ["30m", "1h"]).begin(&calendar(), Step::Resolve, from, Some(whole));
    assert_eq!(clock.unwrap().due_at, whole);
    assert_eq!(deadlines("4wh", 50, ["30m", "1h"]).begin(&calendar(), Step::Resolve, from, None), None);
    // Nobody is warned of what is late already.
    let past = from.plus_ms(-HOUR_MS);
    let clock =
        deadlines("4wh", 50, ["30m", "1h"]).begin(&calendar(), Step::Start, from, Some(past)).unwrap();
    assert_eq!(clock.warn_at, None);
    assert_eq!(clock.state_at(from), ClockState::Late { escalation: 2 });
}

#[test]
fn a_head_is_never_told_before_the_supervisor() {
    let from = at("2026-11-27T14:00:00+09:00");
    let clock = deadlines("1h", 50, ["1wd", "1h"]).begin(&calendar(), Step::Start, from, None).unwrap();
    assert_eq!(clock.escalate_at[0], clock.escalate_at[1]);
    let only_one = Deadlines { escalate: [Length::parse("2h"), None], ..deadlines("1h", 50, ["1h", "1h"]) };
    let clock = only_one.begin(&calendar(), Step::Start, from, None).unwrap();
    assert_eq!(clock.escalate_at, [Some(clock.due_at.plus_ms(2 * HOUR_MS)), None]);
}

#[test]
fn a_pause_takes_no_working_time_away() {
    let calendar = calendar();
    let rule = deadlines("4wh", 75, ["2wh", "1wd"]);
    let from = at("2026-11-27T14:00:00+09:00");
    let clock = rule.begin(&calendar, Step::Start, from, None).unwrap();
    // Paused after an hour of four, resumed on a Wednesday at noon: three hours are left.
    let paused = Clock { paused_at: Some(at("2026-11-27T15:00:00+09:00")), ..clock };
    let resumed = rule.resume(&calendar, &paused, at("2026-12-02T12:00:00+09:00"));
    assert_eq!(resumed.due_at, at("2026-12-02T15:00:00+09:00"));
    assert_eq!(resumed.warn_at, Some(at("2026-12-02T14:00:00+09:00")));
    assert_eq!(resumed.escalate_at[0], Some(at("2026-12-03T09:00:00+09:00")));
    assert_eq!(resumed.paused_at, None);
    // Paused in the night: nothing of the four hours passed meanwhile.
    let night = Clock { paused_at: Some(at("2026-11-28T02:00:00+09:00")), ..clock };
    let resumed = rule.resume(&calendar, &night, at("2026-11-30T08:00:00+09:00"));
    assert_eq!(resumed.due_at, clock.due_at);
}

#[test]
fn a_pause_makes_nothing_late_and_nothing_less_late() {
    for seed in 0..400 {
        let mut chance = Chance::new(seed);
        let calendar = calendar();
        let start = ["90m", "3d", "5wh", "2wd"][chance.below(4)];
        let rule = deadlines(start, 1 + chance.below(99) as u8, ["1h", "3wh"]);
        let any_ms = |chance: &mut Chance, hours: usize| chance.below(hours * 60) as i64 * MINUTE_MS;
        let from = at("2026-11-20T00:00:00+09:00").plus_ms(any_ms(&mut chance, 240));
        let whole = chance.happens(0.5).then(|| from.plus_ms(any_ms(&mut chance, 200)));
        let clock = rule.begin(&calendar, Step::Start, from, whole).unwrap();
        let paused_at = from.plus_ms(any_ms(&mut chance, 200));
        let resumed_at = paused_at.plus_ms(any_ms(&mut chance, 200));
        let paused = Clock { paused_at: Some(paused_at), ..clock };
        let resumed = rule.resume(&calendar, &paused, resumed_at);
        let said = format!("seed {seed}: {clock:?}, paused {paused_at}, resumed {resumed_at}: {resumed:?}");
        if clock.due_at <= paused_at {
            assert_eq!(resumed_at.since(resumed.due_at), paused_at.since(clock.due_at), "{said}");
            assert_eq!(resumed.state_at(resumed_at), clock.state_at(paused_at), "{said}");
        } else if clock.is_working {
            let left = |clock: &Clock, at| calendar.working_ms(at, clock.due_at);
            assert_eq!(left(&resumed, resumed_at), left(&clock, paused_at), "{said}");
        } else {
            assert_eq!(resumed.due_at.since(resumed_at), clock.due_at.since(paused_at), "{said}");
        }
        let was_warned = clock.state_at(paused_at) == ClockState::Soon;
        let is_late = clock.due_at <= paused_at;
        if !is_late && resumed.due_at > resumed_at {
            assert_eq!(resumed.state_at(resumed_at) == ClockState::Soon, was_warned, "{said}");
        }
        assert!(resumed.warn_at.is_none_or(|warn_at| warn_at < resumed.due_at), "{said}");
        assert!(resumed.escalate_at.iter().flatten().all(|rung| *rung >= resumed.due_at), "{said}");
    }
}
