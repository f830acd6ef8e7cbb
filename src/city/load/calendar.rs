//! Reads `holidays.toml` and `calendar.toml`: both optional.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::super::{Calendar, Holiday, Hours};
use super::{Pack, Source};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct HolidaysFile {
    #[serde(default)]
    holiday: Vec<DayFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayFile {
    date: Spanned<String>,
    name: String,
    kind: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarFile {
    /// The first and the last year whose days off are all there.
    years: Option<Spanned<[i16; 2]>>,
    hours: Spanned<WeekFile>,
    /// Days off that are the city's own.
    #[serde(default)]
    day: Vec<OwnDayFile>,
}

/// Of each weekday its stretches of work, as `07:30-16:00`; left out: none.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WeekFile {
    monday: Vec<Spanned<String>>,
    tuesday: Vec<Spanned<String>>,
    wednesday: Vec<Spanned<String>>,
    thursday: Vec<Spanned<String>>,
    friday: Vec<Spanned<String>>,
    saturday: Vec<Spanned<String>>,
    sunday: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnDayFile {
    date: Spanned<String>,
    name: String,
}

/// What the two files say.
pub(super) struct Days {
    pub holidays: Vec<Holiday>,
    years: Option<RangeInclusive<i16>>,
    week: Option<[Vec<Hours>; 7]>,
}

impl Pack<'_> {
    pub(super) fn days_off(
        &mut self,
        holidays: Option<(Source, HolidaysFile)>,
        calendar: Option<(Source, CalendarFile)>,
    ) -> Days {
        let mut found = Vec::new();
        if let Some((source, file)) = holidays {
            for day in file.holiday {
                if !matches!(day.kind.get_ref().as_str(), "public" | "joint_leave") {
                    self.faults.push(source.fault(&day.kind, "kind must be \"public\" or \"joint_leave\""));
                }
                found.extend(self.day_off(&source, &day.date, day.name));
            }
        }
        // Without a word on it, the years in which there are holidays.
        let year = |holiday: &Holiday| holiday.date.year();
        let (first, last) = (found.iter().map(year).min(), found.iter().map(year).max());
        let mut days = Days { holidays: found, years: first.zip(last).map(|(a, b)| a..=b), week: None };
        if let Some((source, file)) = calendar {
            for day in file.day {
                let day = self.day_off(&source, &day.date, day.name);
                days.holidays.extend(day);
            }
            if let Some(years) = file.years {
                days.years = self.years(&source, &years);
            }
            days.week = self.week(&source, &file.hours);
        }
        days.holidays.sort_by_key(|day| day.date);
        days
    }

    /// The calendar of a city in its time zone; the plain week where the pack has none.
    pub(super) fn calendar(&mut self, days: &Days, time_zone: TimeZone) -> Option<Calendar> {
        let days_off: BTreeSet<Date> = days.holidays.iter().map(|day| day.date).collect();
        let plain = Calendar::plain_week();
        Calendar::new(time_zone, days.week.clone().unwrap_or(plain), days_off, days.years.clone())
    }

    fn day_off(&mut self, source: &Source, date: &Spanned<String>, name: String) -> Option<Holiday> {
        let read = date.get_ref().parse();
        let read = read.map_err(|_| source.fault(date, "date must be like 2026-01-01"));
        Some(Holiday { date: self.keep(read)?, name })
    }

    fn years(&mut self, source: &Source, years: &Spanned<[i16; 2]>) -> Option<RangeInclusive<i16>> {
        let [first, last] = *years.get_ref();
        if (1900..=9000).contains(&first) && (first..=9000).contains(&last) {
            return Some(first..=last);
        }
        self.faults
            .push(source.fault(years, "years are the first and the last, for instance [2026, 2027]"));
        None
    }

    fn week(&mut self, source: &Source, file: &Spanned<WeekFile>) -> Option<[Vec<Hours>; 7]> {
        let WeekFile { monday, tuesday, wednesday, thursday, friday, saturday, sunday } = file.get_ref();
        let days = [monday, tuesday, wednesday, thursday, friday, saturday, sunday];
        if days.iter().all(|day| day.is_empty()) {
            self.faults.push(source.fault(file, "there must be hours of work on at least one day"));
            return None;
        }
        let n_faults = self.faults.len();
        let week = days.map(|day| self.hours(source, day));
        (self.faults.len() == n_faults).then_some(week)
    }

    fn hours(&mut self, source: &Source, day: &[Spanned<String>]) -> Vec<Hours> {
        let mut hours: Vec<Hours> = Vec::new();
        for text in day {
            match read_hours(text.get_ref()) {
                Some(next) if hours.last().is_none_or(|last| last.to_min <= next.from_min) => {
                    hours.push(next)
                }
                Some(_) => self.faults.push(source.fault(text, "hours must follow one another")),
                None => {
                    self.faults.push(source.fault(text, "hours must be like 07:30-16:00, to 24:00 at most"))
                }
            }
        }
        hours
    }
}

fn read_hours(text: &str) -> Option<Hours> {
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60).then_some(hour * 60 + minute).filter(|min| *min <= 24 * 60)
    };
    let (from, to) = text.split_once('-')?;
    let (from_min, to_min) = (minutes(from)?, minutes(to)?);
    (from_min < to_min).then_some(Hours { from_min, to_min })
}
