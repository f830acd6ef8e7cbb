//! Whether a hotspot is more than what is usual where it lies: its surge, and what its words call usual.
//!
//! Invariant: a function of the history and of the hotspot's members at the tick that described it.

use std::collections::BTreeSet;

use jiff::{ToSpan, civil};

use super::ears;
use super::history::{HISTORY_WEEKS, History, Series};
use super::poisson;
use crate::model::{AreaId, TimeMs};

/// So many weeks must be known before the same hours of the week are called usual.
const WEEKS_MIN: usize = 4;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub series: Series<'a>,
    /// The finest areas that its members lie in.
    pub areas: &'a [AreaId],
    pub reports: u32,
    pub first_at: TimeMs,
    pub last_at: TimeMs,
    pub now: TimeMs,
}

/// What is usual in the areas that the members lie in, all of them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Usual {
    /// In the hours from the first to the last report, on the same days of earlier weeks, on average.
    Hours(f64),
    /// On one of the seven days before, on average: where four weeks are not known yet.
    Day(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Answer {
    /// In sigma, in hundredths; `None` where there is nothing to compare with yet.
    pub surge: Option<f64>,
    pub usual: Option<Usual>,
}

/// The surge is the highest of EARS C1, C2 and C3 of the day of the newest report, in the areas that
/// the members lie in and in those above them, and of the tail of a Poisson distribution of the same
/// hours of earlier weeks.
pub(super) fn answer(history: &History, question: &Question<'_>) -> Answer {
    let begins_at = history.begins_at(question.series.drill, question.now);
    let Some(begins_at) = begins_at.filter(|_| !question.areas.is_empty()) else {
        return Answer::default();
    };
    let days = Days::of(history, question, begins_at);
    let in_hours = hours(history, question, begins_at);
    let of_hours = in_hours
        .map(|mean| poisson::sigmas(poisson::tail(question.reports, mean.max(poisson::MEAN_FLOOR))));
    let surge = days.highest.into_iter().chain(of_hours).max_by(f64::total_cmp);
    Answer {
        surge: surge.map(|surge| (surge * 100.0).round() / 100.0),
        usual: in_hours.map(Usual::Hours).or_else(|| days.mean().map(Usual::Day)),
    }
}

/// Whole days; the last is the day of the newest report, as far as it has come.
struct Days {
    /// The highest statistic of EARS among the areas of the members and those above them.
    highest: Option<f64>,
    /// Reports in the areas of the members, oldest first.
    counts: Vec<u32>,
}

impl Days {
    fn of(history: &History, question: &Question<'_>, begins_at: TimeMs) -> Days {
        let city = question.series.city;
        let newest = city.day_of(question.last_at);
        let day = |ago: usize| newest.checked_sub((ago as i64).days()).ok().map(|day| city.start_of(day));
        let mut borders: Vec<TimeMs> = (0..ears::DAYS_MAX).rev().filter_map(day).collect();
        let unknown = borders.iter().filter(|start| **start < begins_at).count();
        borders.push(city.day_end(question.last_at));
        let areas: BTreeSet<AreaId> =
            question.areas.iter().flat_map(|area| city.areas.with_ancestors(*area)).collect();
        let mut days = Days { highest: None, counts: vec![0; borders.len() - 1 - unknown] };
        history.day_counts(question.series, areas.into_iter(), &borders, |area, daily| {
            let highest = days.highest.into_iter().chain(daily.highest(unknown));
            days.highest = highest.max_by(f64::total_cmp);
            if question.areas.contains(&area) {
                add(&mut days.counts, &daily.counts()[unknown..]);
            }
        });
        days
    }

    /// The mean of the seven days before the newest report's.
    fn mean(&self) -> Option<f64> {
        let before = self.counts.len().checked_sub(1)?;
        let days = &self.counts[before.checked_sub(ears::BASELINE_DAYS)?..before];
        Some(f64::from(days.iter().sum::<u32>()) / days.len() as f64)
    }
}

fn add(sum: &mut [u32], counts: &[u32]) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// The mean count in the hours that hold the first to the last report, a whole number of weeks before.
/// Weeks that were not counted from their first hour on, or that the hours themselves reach into, are
/// left out.
fn hours(history: &History, question: &Question<'_>, begins_at: TimeMs) -> Option<f64> {
    let zone = &question.series.city.time_zone;
    let hour = |at: TimeMs| {
        let local = zone.to_datetime(at.timestamp());
        civil::DateTime::from_parts(local.date(), civil::time(local.hour(), 0, 0, 0))
    };
    let moment = |local: civil::DateTime, weeks: i64| {
        let then = local.checked_sub(weeks.weeks()).ok()?;
        Some(TimeMs(zone.to_timestamp(then).ok()?.as_millisecond()))
    };
    let (first, end) = (hour(question.first_at), hour(question.last_at).checked_add(1.hour()).ok()?);
    let starts_at = moment(first, 0)?;
    let mut areas = question.areas.to_vec();
    areas.sort_unstable();
    let mut totals = Vec::new();
    for weeks in 1..=HISTORY_WEEKS {
        let (Some(from), Some(to)) = (moment(first, weeks), moment(end, weeks)) else { break };
        if from < begins_at {
            break;
        }
        if to <= starts_at {
            totals.push(history.count_of(question.series, areas.clone(), [from, to]));
        }
    }
    let is_enough = totals.len() >= WEEKS_MIN;
    is_enough.then(|| f64::from(totals.iter().sum::<u32>()) / totals.len() as f64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::city::City;
    use crate::live::hotspots::Layer;
    use crate::live::hotspots::ears::Method;
    use crate::live::hotspots::history::PastReport;
    use crate::model::{CategoryId, DAY_MS, IncidentNo, ReportNo};

    /// Three villages, `1.1` to `1.3`, in the city `1`.
    fn city(zone: &str) -> City {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hotspots/pack");
        City { time_zone: jiff::tz::TimeZone::get(zone).unwrap(), ..City::load(&pack).unwrap() }
    }

    fn at(text: &str) -> TimeMs {
        TimeMs::parse_rfc3339(text).unwrap()
    }

    fn tell(told: &mut Vec<(PastReport, bool)>, area: AreaId, occurred_at: TimeMs, n: u32) {
        for _ in 0..n {
            let no = told.len() as u32 + 1;
            let (report, incident) = (ReportNo(no), IncidentNo(no));
            let category = CategoryId(0);
            told.push((PastReport { report, incident, area, category, occurred_at, drill: false }, true));
        }
    }

    fn ask(
        city: &City,
        told: Vec<(PastReport, bool)>,
        areas: &[AreaId],
        now: TimeMs,
        reports: u32,
    ) -> Answer {
        let series = Series { city, layer: Layer::All, drill: false };
        let question = Question { series, areas, reports, first_at: now, last_at: now, now };
        answer(&History::of(told, now), &question)
    }

    #[test]
    fn the_same_hour_is_that_of_the_citys_clock_also_across_summer_time() {
        let city = city("Europe/Berlin");
        let area = city.areas.by_code("1.1").unwrap();
        let mut told = Vec::new();
        // Wednesdays at half past two; on 29 March the clocks go forward.
        for day in ["2026-02-25", "2026-03-04", "2026-03-11", "2026-03-18", "2026-03-25"] {
            tell(&mut told, area, at(&format!("{day}T14:30:00+01:00")), 9);
        }
        tell(&mut told, area, at("2026-04-01T14:30:00+02:00"), 9);
        let found = ask(&city, told, &[area], at("2026-04-08T14:05:00+02:00"), 20);
        assert_eq!(found.usual, Some(Usual::Hours(9.0)));
    }

    #[test]
    fn the_surge_is_the_highest_of_the_village_and_of_what_lies_above_it() {
        let city = city("Asia/Jayapura");
        let [quiet, busy] = ["1.1", "1.2"].map(|code| city.areas.by_code(code).unwrap());
        let now = at("2026-02-21T20:00:00+09:00");
        let own = [3, 4, 3, 4, 3, 4, 3, 4, 3, 4, 3, 4];
        for others in [[0; 12], [2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 9, 30]] {
            let mut told = Vec::new();
            for (ago, (own, others)) in (0..12).rev().zip(own.into_iter().zip(others)) {
                // Morning and evening of one day.
                tell(&mut told, quiet, now.plus_ms(-ago * DAY_MS - 13 * 3_600_000), own);
                tell(&mut told, busy, now.plus_ms(-ago * DAY_MS), others);
            }
            // The day before all of them, so that the first of them is known from its beginning.
            tell(&mut told, quiet, now.plus_ms(-12 * DAY_MS), 1);
            let all: Vec<u32> = own.iter().zip(others).map(|(own, others)| own + others).collect();
            let highest = |counts: &[u32]| {
                let of = |method| ears::statistic(method, counts, ears::SIGMA_FLOOR).unwrap();
                Method::ALL.map(of).into_iter().fold(f64::MIN, f64::max)
            };
            let expected = highest(&own).max(highest(&all));
            let found = ask(&city, told, &[quiet], now, 4).surge.unwrap();
            assert!((found - expected).abs() < 0.005_1, "{found} and {expected}");
            assert_eq!(others[11] > 0, found > 3.0, "{found}");
        }
    }

    #[test]
    fn hours_that_reach_into_their_own_weeks_are_left_out() {
        let city = city("Asia/Jayapura");
        let area = city.areas.by_code("1.1").unwrap();
        let now = at("2026-02-21T20:00:00+09:00");
        let mut told = Vec::new();
        // Two a day for eight weeks, ten a day in the newest ten days.
        (0..56).for_each(|ago| {
            tell(&mut told, area, now.plus_ms(-ago * DAY_MS), if ago < 10 { 10 } else { 2 })
        });
        let series = Series { city: &city, layer: Layer::All, drill: false };
        let (first_at, last_at) = (now.plus_ms(-9 * DAY_MS), now);
        let question = Question { series, areas: &[area], reports: 100, first_at, last_at, now };
        // Ten days two to six weeks before.
        let history = History::of(told, now);
        assert_eq!(answer(&history, &question).usual, Some(Usual::Hours(20.0)));
    }
}
