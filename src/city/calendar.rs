//! The city's calendar: its time zone, its working hours, the days on which nobody works, and how a
//! length of time is added to a moment under it.
//!
//! Pure. Invariants: at least one weekday has working hours; the hours of a day are in order, apart from
//! each other, and never empty. Times of the city are turned into moments as RFC 5545 says: of a time that
//! is skipped in spring the moment as long after the skip, of one that comes twice the first.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::model::{DAY_MS, MINUTE_MS, TimeMs};

/// Minutes of a civil day.
const DAY_MIN: u16 = 24 * 60;

/// From and to, but not with, in minutes after midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    pub from_min: u16,
    /// At most 1,440: midnight at the end of the day.
    pub to_min: u16,
}

/// A length of time as a city pack says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// Time that passes: `30m`, `2h`.
    Minutes(u32),
    /// Days of the calendar, the time of day kept: `3d`.
    Days(u32),
    /// Time in which the city works: `4wh`.
    WorkingMinutes(u32),
    /// To the end of work on the so-manieth working day after the day it begins on: `3wd`.
    WorkingDays(u32),
}

impl Length {
    /// No length is more than ten years, nor a count of working days.
    pub const DAYS_MAX: u32 = 3_650;

    /// Reads a whole number from 1 and one of `m`, `h`, `d`, `wh`, `wd`.
    ///
    /// ```
    /// use pantau::city::Length;
    /// assert_eq!(Length::parse("30m"), Some(Length::Minutes(30)));
    /// assert_eq!(Length::parse("4wh"), Some(Length::WorkingMinutes(240)));
    /// assert_eq!(Length::parse("3wd"), Some(Length::WorkingDays(3)));
    /// assert_eq!(Length::parse("0h"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Length> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(unit_at);
        let n: u32 = number.parse().ok().filter(|n| *n > 0)?;
        let (length, a_day) = match unit {
            "m" => (Length::Minutes(n), 24 * 60),
            "h" => (Length::Minutes(n.checked_mul(60)?), 24),
            "d" => (Length::Days(n), 1),
            "wh" => (Length::WorkingMinutes(n.checked_mul(60)?), 24),
            "wd" => (Length::WorkingDays(n), 1),
            _ => return None,
        };
        (n <= Length::DAYS_MAX * a_day).then_some(length)
    }

    /// Whether it passes only while the city works.
    pub fn is_working(self) -> bool {
        matches!(self, Length::WorkingMinutes(_) | Length::WorkingDays(_))
    }
}

/// When a city works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    time_zone: TimeZone,
    /// From Monday.
    week: [Vec<Hours>; 7],
    days_off: BTreeSet<Date>,
    /// The years whose days off are known.
    years: Option<RangeInclusive<i16>>,
}

impl Calendar {
    /// `week` is from Monday on. `None` where no weekday has hours, or those of one are not in order.
    pub fn new(
        time_zone: TimeZone,
        week: [Vec<Hours>; 7],
        days_off: BTreeSet<Date>,
        years: Option<RangeInclusive<i16>>,
    ) -> Option<Calendar> {
        let is_sound = |hours: &Vec<Hours>| {
            hours.iter().all(|h| h.from_min < h.to_min && h.to_min <= DAY_MIN)
                && hours.windows(2).all(|pair| pair[0].to_min <= pair[1].from_min)
        };
        let works = week.iter().any(|hours| !hours.is_empty());
        (works && week.iter().all(is_sound)).then_some(Calendar { time_zone, week, days_off, years })
    }

    /// Monday to Friday from eight to four, no days off known.
    pub fn plain(time_zone: TimeZone) -> Calendar {
        Calendar { time_zone, week: Calendar::plain_week(), days_off: BTreeSet::new(), years: None }
    }

    /// Monday to Friday from eight to four.
    pub fn plain_week() -> [Vec<Hours>; 7] {
        let day = || vec![Hours { from_min: 8 * 60, to_min: 16 * 60 }];
        [day(), day(), day(), day(), day(), Vec::new(), Vec::new()]
    }

    /// The years whose days off are known; in others only the weekends are.
    pub fn years(&self) -> Option<&RangeInclusive<i16>> {
        self.years.as_ref()
    }

    /// Says in the log where days off are not known: now, or in a month.
    pub fn say_where_blind(&self, now: TimeMs) {
        if let Some(years) = self.years()
            && [0, 30].iter().any(|days| self.is_blind_at(now.plus_ms(days * DAY_MS)))
        {
            let (first, last) = (years.start(), years.end());
            tracing::warn!(
                "the city pack knows holidays from {first} to {last} only: working days count all other days but \
                 weekends; bring holidays.toml and calendar.toml up to date"
            );
        }
    }

    /// Whether the days off around `at` are not known, though those of other years are.
    pub fn is_blind_at(&self, at: TimeMs) -> bool {
        self.years.as_ref().is_some_and(|years| !years.contains(&self.day_of(at).year()))
    }

    /// Whether anybody works on that day.
    pub fn is_working_day(&self, day: Date) -> bool {
        !self.hours_of(day).is_empty()
    }

    /// The moment a length after `at`; [`TimeMs::MAX`] beyond the years that a calendar has.
    pub fn add(&self, at: TimeMs, length: Length) -> TimeMs {
        match length {
            Length::Minutes(n) => at.plus_ms(i64::from(n) * MINUTE_MS),
            Length::Days(n) => self.add_days(at, n),
            Length::WorkingMinutes(n) => self.add_working_ms(at, i64::from(n) * MINUTE_MS),
            Length::WorkingDays(n) => self.end_of_working_day(at, n),
        }
    }

    /// The moment by which so much working time has passed since `at`; `at` where it is 0 or less. Walks
    /// the days between.
    pub fn add_working_ms(&self, at: TimeMs, ms: i64) -> TimeMs {
        let mut left = ms;
        if left <= 0 {
            return at;
        }
        for (from, to) in self.days_from(self.day_of(at)).flat_map(|day| self.working(day)) {
            let from = from.max(at);
            let here = to.since(from);
            if here >= left {
                return from.plus_ms(left);
            }
            left -= here.max(0);
        }
        TimeMs::MAX
    }

    /// The working time between two moments, in milliseconds; 0 where `to` is not the later one. Walks the
    /// days between.
    pub fn working_ms(&self, from: TimeMs, to: TimeMs) -> i64 {
        if to <= from {
            return 0;
        }
        let last = self.day_of(to);
        let days = self.days_from(self.day_of(from)).take_while(|day| *day <= last);
        let within = |(begins, ends): (TimeMs, TimeMs)| ends.min(to).since(begins.max(from)).max(0);
        days.flat_map(|day| self.working(day)).map(within).sum()
    }

    fn add_days(&self, at: TimeMs, n: u32) -> TimeMs {
        let local = self.time_zone.to_datetime(at.timestamp());
        let days: Span = i64::from(n.min(Length::DAYS_MAX)).days();
        let later = local.checked_add(days).and_then(|later| self.time_zone.to_timestamp(later));
        later.map_or(TimeMs::MAX, |later| TimeMs(later.as_millisecond()))
    }

    fn end_of_working_day(&self, at: TimeMs, n: u32) -> TimeMs {
        let days = self.days_from(self.day_of(at)).skip(1).filter(|day| self.is_working_day(*day));
        let last = days.take(n as usize).last();
        last.and_then(|day| self.working(day).last()).map_or(TimeMs::MAX, |(_, end)| end)
    }

    fn hours_of(&self, day: Date) -> &[Hours] {
        if self.days_off.contains(&day) {
            return &[];
        }
        &self.week[day.weekday().to_monday_zero_offset() as usize]
    }

    /// When the city works on a day, as moments.
    fn working(&self, day: Date) -> impl Iterator<Item = (TimeMs, TimeMs)> {
        let moments =
            move |hours: &Hours| (self.moment(day, hours.from_min), self.moment(day, hours.to_min));
        self.hours_of(day).iter().map(moments)
    }

    fn moment(&self, day: Date, min: u16) -> TimeMs {
        let civil = if min < DAY_MIN {
            Some(day.to_datetime(Time::constant((min / 60) as i8, (min % 60) as i8, 0, 0)))
        } else {
            day.tomorrow().ok().map(|next| next.to_datetime(Time::midnight()))
        };
        let moment = civil.and_then(|civil| self.time_zone.to_timestamp(civil).ok());
        moment.map_or(TimeMs::MAX, |moment| TimeMs(moment.as_millisecond()))
    }

    fn day_of(&self, at: TimeMs) -> Date {
        self.time_zone.to_datetime(at.timestamp()).date()
    }

    fn days_from(&self, day: Date) -> impl Iterator<Item = Date> {
        std::iter::successors(Some(day), |day| day.tomorrow().ok())
    }
}

#[cfg(test)]
#[path = "calendar/tests.rs"]
mod tests;
