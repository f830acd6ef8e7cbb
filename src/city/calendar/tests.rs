use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::*;
use crate::cli::chance::Chance;
use crate::model::DAY_MS;

fn ternate(days_off: &[Date]) -> Calendar {
    let zone = TimeZone::get("Asia/Jayapura").unwrap();
    let day = || vec![hours(7 * 60 + 30, 12 * 60), hours(13 * 60, 16 * 60)];
    let friday = vec![hours(7 * 60 + 30, 11 * 60 + 30), hours(13 * 60, 16 * 60 + 30)];
    let week = [day(), day(), day(), day(), friday, Vec::new(), Vec::new()];
    Calendar::new(zone, week, days_off.iter().copied().collect(), Some(2026..=2027)).unwrap()
}

fn hours(from_min: u16, to_min: u16) -> Hours {
    Hours { from_min, to_min }
}

fn at(text: &str) -> TimeMs {
    TimeMs::parse_rfc3339(text).unwrap()
}

fn check(calendar: &Calendar, from: &str, length: &str, expected: &str) {
    let found = calendar.add(at(from), Length::parse(length).unwrap());
    assert_eq!(found, at(expected), "{from} + {length} is {found}, not {expected}");
}

#[test]
fn lengths_follow_clock_calendar_working_hours_and_working_days() {
    // Good Friday and the day of Pancasila; 2026-04-03 is a Friday, 2026-06-01 a Monday.
    let calendar = ternate(&[date(2026, 4, 3), date(2026, 6, 1)]);
    check(&calendar, "2026-04-02T23:50:00+09:00", "30m", "2026-04-03T00:20:00+09:00");
    check(&calendar, "2026-04-02T15:00:00+09:00", "3d", "2026-04-05T15:00:00+09:00");
    // Thursday afternoon: an hour is left of the day, then Good Friday and the weekend, then Monday.
    check(&calendar, "2026-04-02T15:00:00+09:00", "2wh", "2026-04-06T08:30:00+09:00");
    check(&calendar, "2026-04-02T15:00:00+09:00", "1wh", "2026-04-02T16:00:00+09:00");
    // Over the noon break.
    check(&calendar, "2026-04-02T11:30:00+09:00", "1wh", "2026-04-02T13:30:00+09:00");
    // The day it begins on does not count, be it early or late.
    check(&calendar, "2026-04-02T00:10:00+09:00", "1wd", "2026-04-06T16:00:00+09:00");
    check(&calendar, "2026-04-02T23:10:00+09:00", "1wd", "2026-04-06T16:00:00+09:00");
    check(&calendar, "2026-05-29T10:00:00+09:00", "3wd", "2026-06-04T16:00:00+09:00");
    // Friday ends later.
    check(&calendar, "2026-06-04T10:00:00+09:00", "1wd", "2026-06-05T16:30:00+09:00");
    assert!(calendar.is_blind_at(at("2028-01-01T00:00:00+09:00")));
    assert!(!calendar.is_blind_at(at("2027-12-31T23:59:00+09:00")));
}

#[test]
fn words_that_are_no_lengths_are_refused() {
    for text in ["", "h", "0m", "-1h", "1.5h", "1w", "2 h", "99999999999m", "4000d", "4000wd", "3hw"] {
        assert_eq!(Length::parse(text), None, "{text:?}");
    }
}

#[test]
fn hours_that_overlap_or_end_before_they_begin_make_no_calendar() {
    let calendar = |monday: Vec<Hours>| {
        let week = [monday, vec![], vec![], vec![], vec![], vec![], vec![]];
        Calendar::new(TimeZone::UTC, week, BTreeSet::new(), None)
    };
    assert!(calendar(vec![hours(0, 1440)]).is_some());
    assert!(calendar(vec![]).is_none(), "nobody would ever work");
    assert!(calendar(vec![hours(600, 600)]).is_none());
    assert!(calendar(vec![hours(600, 1441)]).is_none());
    assert!(calendar(vec![hours(600, 700), hours(650, 800)]).is_none());
}

/// The same questions answered by walking: minute by minute through working time, day by day for the rest.
struct Naive<'a> {
    zone: TimeZone,
    week: &'a [Vec<Hours>; 7],
    days_off: &'a [Date],
}

impl Naive<'_> {
    fn works_at(&self, at: TimeMs) -> bool {
        let local = self.zone.to_datetime(at.timestamp());
        let min = local.hour() as u16 * 60 + local.minute() as u16;
        !self.days_off.contains(&local.date())
            && self.week[local.weekday().to_monday_zero_offset() as usize]
                .iter()
                .any(|hours| (hours.from_min..hours.to_min).contains(&min))
    }

    fn add_working(&self, mut at: TimeMs, minutes: u32) -> TimeMs {
        let mut left = minutes;
        while left > 0 {
            left -= u32::from(self.works_at(at));
            at = at.plus_ms(MINUTE_MS);
        }
        at
    }

    fn working_between(&self, mut from: TimeMs, to: TimeMs) -> i64 {
        let mut n = 0;
        while from < to {
            n += i64::from(self.works_at(from));
            from = from.plus_ms(MINUTE_MS);
        }
        n * MINUTE_MS
    }

    /// To the minute after the last one of work on the n-th day with any, the day of `at` left out.
    fn add_working_days(&self, at: TimeMs, n: u32) -> TimeMs {
        let mut day = self.zone.to_datetime(at.timestamp()).date();
        let (mut worked, mut end) = (0, at);
        while worked < n {
            day = day.tomorrow().unwrap();
            let mut minute = TimeMs(self.zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap().as_millisecond());
            let mut any = false;
            while self.zone.to_datetime(minute.timestamp()).date() == day {
                if self.works_at(minute) {
                    (any, end) = (true, minute.plus_ms(MINUTE_MS));
                }
                minute = minute.plus_ms(MINUTE_MS);
            }
            worked += u32::from(any);
        }
        end
    }
}

/// Up to three stretches between six in the morning and ten in the evening, or none: clocks are turned at
/// night.
fn any_hours(chance: &mut Chance) -> Vec<Hours> {
    let mut borders: Vec<u16> = (0..2 * chance.below(4)).map(|_| 360 + chance.below(960) as u16).collect();
    borders.sort_unstable();
    borders.dedup();
    borders.chunks_exact(2).map(|pair| hours(pair[0], pair[1])).collect()
}

#[test]
fn sums_over_years_are_those_of_who_walks_minute_by_minute() {
    for seed in 0..10 {
        let mut chance = Chance::new(seed);
        let zone = ["Asia/Jayapura", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"]
            [chance.below(4)];
        let zone = TimeZone::get(zone).unwrap();
        let mut week: [Vec<Hours>; 7] = std::array::from_fn(|_| any_hours(&mut chance));
        week[chance.below(7)].push(hours(1_380, 1_440));
        let begin = at("2025-01-01T00:00:00Z");
        let any_moment =
            |chance: &mut Chance| begin.plus_ms(chance.below(900 * 24 * 60) as i64 * MINUTE_MS);
        let days_off: Vec<Date> =
            (0..200).map(|_| zone.to_datetime(any_moment(&mut chance).timestamp()).date()).collect();
        let calendar =
            Calendar::new(zone.clone(), week.clone(), days_off.iter().copied().collect(), None).unwrap();
        let naive = Naive { zone: zone.clone(), week: &week, days_off: &days_off };
        for round in 0..3 {
            let from = any_moment(&mut chance);
            let minutes = 1 + chance.below(6_000) as u32;
            let said = format!("seed {seed}, {zone:?}, from {from}, {minutes}");
            let found = calendar.add(from, Length::WorkingMinutes(minutes));
            assert_eq!(found, naive.add_working(from, minutes), "{said} working minutes");
            assert_eq!(calendar.working_ms(from, found), i64::from(minutes) * MINUTE_MS, "{said} back");
            let to = from.plus_ms(chance.below(100 * 24 * 60) as i64 * MINUTE_MS);
            assert_eq!(calendar.working_ms(from, to), naive.working_between(from, to), "{said} to {to}");
            // The first walk goes over years.
            let days = if seed == 0 && round == 0 { 300 } else { 1 + chance.below(20) as u32 };
            let found = calendar.add(from, Length::WorkingDays(days));
            assert_eq!(found, naive.add_working_days(from, days), "{said}: {days} working days");
            // A day of the calendar keeps the time of day, but where that is skipped.
            let found = calendar.add(from, Length::Days(days));
            let drift = found.since(from) - i64::from(days) * DAY_MS;
            assert!(drift.abs() <= 60 * MINUTE_MS, "{said}: {days} days drift {drift} ms");
        }
    }
}
