//! How many reports there were in each area, by quarter of an hour, over the last weeks: what is
//! usual there.
//!
//! Invariants: a function of the reports as they stand now: one whose incident was rejected since (or,
//! for the public, is not visible) does not count, whenever it came; nobody sees a count from before
//! the weeks that are kept. So a history read from rows answers as one that saw every entry.
//! Reports outside every area are not in it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::recall::{Daily, Recall, Span};
use super::{HotspotReport, Layer};
use crate::city::City;
use crate::model::{AreaId, CategoryId, DAY_MS, IncidentNo, MINUTE_MS, ReportNo, TimeMs};

/// So many weeks are kept.
pub const HISTORY_WEEKS: i64 = 8;
pub const HISTORY_MS: i64 = HISTORY_WEEKS * 7 * DAY_MS;

/// The hours and days of every time zone in use begin with one.
const QUARTER_MS: i64 = 15 * MINUTE_MS;

/// Costs some tens of bytes a report of the weeks that are kept. A count over a span costs in
/// proportion to the quarters with reports in it.
#[derive(Debug, Default)]
pub struct History {
    reports: BTreeMap<(IncidentNo, ReportNo), Reported>,
    /// Of those that count; no count is zero.
    counts: BTreeMap<Bin, u32>,
    /// The same over all areas and categories.
    quarters: BTreeMap<(bool, i64), u32>,
    /// When old ones are looked for again.
    forget_at: TimeMs,
    recall: RefCell<Recall>,
}

/// What the history keeps of a report, with the finest area that holds its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastReport {
    pub report: ReportNo,
    pub incident: IncidentNo,
    pub area: AreaId,
    pub category: CategoryId,
    pub occurred_at: TimeMs,
    pub drill: bool,
}

impl PastReport {
    /// `None` where the report lies outside every area.
    pub fn of(report: &HotspotReport) -> Option<PastReport> {
        let &HotspotReport { report: no, incident, area, category, occurred_at, drill, .. } = report;
        Some(PastReport { report: no, incident, area: area?, category, occurred_at, drill })
    }

    fn key(&self) -> (IncidentNo, ReportNo) {
        (self.incident, self.report)
    }

    fn bin(&self) -> Bin {
        let &PastReport { area, category, occurred_at, drill, .. } = self;
        Bin { drill, area, category, quarter: quarter_of(occurred_at) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Reported {
    bin: Bin,
    counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bin {
    pub drill: bool,
    pub area: AreaId,
    pub category: CategoryId,
    pub quarter: i64,
}

/// Reports of one layer, real or drill.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    pub city: &'a City,
    pub layer: Layer,
    pub drill: bool,
}

/// The quarter that holds `at`.
fn quarter_of(at: TimeMs) -> i64 {
    at.0.div_euclid(QUARTER_MS)
}

/// The first quarter that begins at `at` or later.
fn quarter_from(at: TimeMs) -> i64 {
    -(-at.0).div_euclid(QUARTER_MS)
}

/// The first quarter that is wholly within the weeks kept.
fn oldest_quarter(now: TimeMs) -> i64 {
    quarter_of(now.plus_ms(-HISTORY_MS)) + 1
}

impl History {
    /// Stands one up from reports, each with whether it counts: as [`History::add`] for each of them,
    /// in a fraction of the time.
    pub fn of(past: impl IntoIterator<Item = (PastReport, bool)>, now: TimeMs) -> History {
        let oldest = oldest_quarter(now);
        let reported =
            |(past, counts): (PastReport, bool)| (past.key(), Reported { bin: past.bin(), counts });
        let kept = past.into_iter().map(reported).filter(|(_, reported)| reported.bin.quarter >= oldest);
        let mut reports: Vec<_> = kept.collect();
        reports.sort_unstable_by_key(|(key, _)| *key);
        let bins =
            || reports.iter().filter(|(_, reported)| reported.counts).map(|(_, reported)| reported.bin);
        let counts = count(bins().collect());
        let quarters = count(bins().map(|bin| (bin.drill, bin.quarter)).collect());
        // Collected in order, a tree is built without a search for each place in it.
        let reports = reports.into_iter().collect();
        History { counts, quarters, reports, ..History::default() }
    }

    /// Takes in a report; one from before the weeks that are kept at `now` is left out.
    pub fn add(&mut self, past: &PastReport, counts: bool, now: TimeMs) {
        let (key, bin) = (past.key(), past.bin());
        if bin.quarter < oldest_quarter(now) {
            return;
        }
        let before = self.reports.insert(key, Reported { bin, counts: false });
        debug_assert!(before.is_none(), "a report comes once");
        if counts {
            self.set(key, true);
        }
    }

    /// Says whether the reports of an incident count, those of the past too.
    pub fn set_counts(&mut self, incident: IncidentNo, counts: bool) {
        let of_incident = (incident, ReportNo(0))..=(incident, ReportNo(u32::MAX));
        let keys: Vec<_> = self.reports.range(of_incident).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.set(key, counts));
    }

    fn set(&mut self, key: (IncidentNo, ReportNo), counts: bool) {
        let Some(report) = self.reports.get_mut(&key).filter(|report| report.counts != counts) else {
            return;
        };
        report.counts = counts;
        let bin = report.bin;
        change(&mut self.counts, bin, counts);
        self.recall.get_mut().change(&bin, counts);
        change(&mut self.quarters, (bin.drill, bin.quarter), counts);
    }

    /// Frees what is older than the weeks that are kept, now and then.
    pub fn forget_old(&mut self, now: TimeMs) {
        if now < self.forget_at {
            return;
        }
        self.forget_at = now.plus_ms(DAY_MS);
        let oldest = oldest_quarter(now);
        self.reports.retain(|_, report| report.bin.quarter >= oldest);
        self.counts.retain(|bin, _| bin.quarter >= oldest);
        self.quarters.retain(|(_, quarter), _| *quarter >= oldest);
    }

    /// Since when reports have been counted: the time of the oldest that counts. `None`: nothing is known.
    pub fn begins_at(&self, drill: bool, now: TimeMs) -> Option<TimeMs> {
        let kept = (drill, oldest_quarter(now))..=(drill, i64::MAX);
        self.quarters.range(kept).next().map(|((_, quarter), _)| TimeMs(quarter * QUARTER_MS))
    }

    /// Counts of one finest area between each two neighbours of `borders`, which rise and lie on whole
    /// quarters, none before [`History::begins_at`].
    pub fn counts(&self, series: Series<'_>, area: AreaId, borders: &[TimeMs]) -> Vec<u32> {
        let borders: Vec<i64> = borders.iter().map(|at| quarter_from(*at)).collect();
        self.count_between(series, area, &borders)
    }

    /// Hands out the same of several areas of any level; what is asked again is not counted again.
    pub(super) fn day_counts(
        &self,
        series: Series<'_>,
        areas: impl Iterator<Item = AreaId>,
        borders: &[TimeMs],
        each: impl FnMut(AreaId, &mut Daily),
    ) {
        let borders: Vec<i64> = borders.iter().map(|at| quarter_from(*at)).collect();
        let all = &series.city.areas;
        let below = |area: AreaId| {
            let finest = all.finest().map(|(id, _)| id);
            finest.filter(|id| all.with_ancestors(*id).any(|above| above == area)).collect()
        };
        let count = |area| self.count_between(series, area, &borders);
        let of = (series.drill, series.layer);
        self.recall.borrow_mut().days(&borders, of, areas, below, count, each);
    }

    /// The count of several finest areas, in ascending order, between two times. What is asked again is not
    /// counted again.
    pub fn count_of(&self, series: Series<'_>, areas: Vec<AreaId>, [from, to]: [TimeMs; 2]) -> u32 {
        let quarters = [from, to].map(quarter_from);
        let span = Span { drill: series.drill, layer: series.layer, quarters, areas };
        let count = |span: &Span| {
            span.areas.iter().map(|area| self.count_between(series, *area, &span.quarters)[0]).sum()
        };
        self.recall.borrow_mut().span(span, count)
    }

    fn count_between(&self, series: Series<'_>, area: AreaId, borders: &[i64]) -> Vec<u32> {
        let mut counts = vec![0; borders.len().saturating_sub(1)];
        let (Some(first), Some(end)) = (borders.first(), borders.last()) else { return counts };
        let one = match series.layer {
            Layer::Category(category) => Some(category),
            Layer::All => None,
        };
        let all = series.city.category_ids().filter(|id| one.is_none_or(|one| one == *id));
        for category in all {
            let bin = |quarter: i64| Bin { drill: series.drill, area, category, quarter };
            for (bin, count) in self.counts.range(bin(*first)..bin(*end)) {
                let span = borders.partition_point(|border| *border <= bin.quarter) - 1;
                counts[span] += count;
            }
        }
        counts
    }
}

/// How often each key is there.
fn count<K: Ord>(mut keys: Vec<K>) -> BTreeMap<K, u32> {
    keys.sort_unstable();
    let mut counts: Vec<(K, u32)> = Vec::with_capacity(keys.len());
    for key in keys {
        match counts.last_mut() {
            Some((last, count)) if *last == key => *count += 1,
            _ => counts.push((key, 1)),
        }
    }
    counts.into_iter().collect()
}

fn change<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, more: bool) {
    match counts.entry(key) {
        std::collections::btree_map::Entry::Vacant(entry) if more => drop(entry.insert(1)),
        std::collections::btree_map::Entry::Vacant(_) => {}
        std::collections::btree_map::Entry::Occupied(mut entry) => match (*entry.get(), more) {
            (count, true) => drop(entry.insert(count + 1)),
            (1, false) => drop(entry.remove()),
            (count, false) => drop(entry.insert(count - 1)),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::live::hotspots::ears::{self, Method};
    use crate::live::hotspots::testing::{cases, city_with_areas};
    use crate::model::HOUR_MS;

    const START: TimeMs = TimeMs(1_764_000_000_000);

    #[derive(Debug, Clone)]
    enum Step {
        Report { joins: bool, area: u16, category: u8, age_h: i64 },
        Counts { incident: u32, counts: bool },
        Pass { hours: i64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let age_h = prop_oneof![3 => 0..48_i64, 1 => 0..(9 * 168_i64)];
        prop_oneof![
            5 => (any::<bool>(), 0..3_u16, 0..2_u8, age_h).prop_map(|(joins, area, category, age_h)| {
                Step::Report { joins, area, category, age_h }
            }),
            2 => (1..20_u32, any::<bool>()).prop_map(|(incident, counts)| Step::Counts { incident, counts }),
            1 => (0..200_i64).prop_map(|hours| Step::Pass { hours }),
        ]
    }

    proptest! {
        #![proptest_config(cases(200))]

        /// Against a recount of everything that was told, and against a history that was told only how
        /// it stands in the end.
        #[test]
        fn a_count_is_a_recount_and_rows_give_the_same_as_the_whole_story(
            steps in prop::collection::vec(step(), 1..80),
        ) {
            let city = city_with_areas(200.0, 3.0, 2);
            let finest: Vec<AreaId> = city.areas.finest().map(|(id, _)| id).collect();
            let whole = city.areas.with_ancestors(finest[1]).last().unwrap();
            let (mut history, mut now) = (History::default(), START);
            let mut told: Vec<PastReport> = Vec::new();
            let mut hidden = std::collections::BTreeSet::new();
            let series = |layer| Series { city: &city, layer, drill: false };
            for step in steps {
                // Days, and a week of some days, that are asked about all the time.
                let kept = TimeMs(oldest_quarter(now) * QUARTER_MS);
                for layer in [Layer::All, Layer::Category(CategoryId(1))] {
                    let days: Vec<TimeMs> = (-20..=2).map(|day| START.plus_ms(day * DAY_MS)).collect();
                    let known = days.iter().filter(|day| **day < kept).count().min(22);
                    let mut recalled = Vec::new();
                    history.day_counts(series(layer), [finest[1], whole].into_iter(), &days, |_, daily| {
                        let highest = daily.highest(known);
                        let counts = daily.counts()[known..].to_vec();
                        recalled.push((counts, highest));
                    });
                    let counts = |area| history.counts(series(layer), area, &days[known..]);
                    let mut all = vec![0; days.len() - 1 - known];
                    for area in &finest {
                        all.iter_mut().zip(counts(*area)).for_each(|(sum, count)| *sum += count);
                    }
                    for ((recalled, highest), expected) in recalled.iter().zip([counts(finest[1]), all]) {
                        prop_assert_eq!(recalled, &expected);
                        let of = |m| ears::statistic(m, &expected, ears::SIGMA_FLOOR);
                        let statistics = Method::ALL.into_iter().filter_map(of);
                        prop_assert_eq!(*highest, statistics.max_by(f64::total_cmp));
                    }
                    let [from, to] = [-10, -3].map(|day| START.plus_ms(day * DAY_MS));
                    let count = |area| history.counts(series(layer), area, &[from, to])[0];
                    let areas = vec![finest[0], finest[2]];
                    let expected = areas.iter().map(|area| count(*area)).sum::<u32>();
                    let recalled = history.count_of(series(layer), areas, [from, to]);
                    prop_assert!(from < kept || recalled == expected);
                }
                match step {
                    Step::Report { joins, area, category, age_h } => {
                        let no = told.len() as u32 + 1;
                        let incident = if joins { no.div_ceil(2) } else { no };
                        let report = PastReport {
                            report: ReportNo(no),
                            incident: IncidentNo(incident),
                            area: finest[usize::from(area)],
                            category: CategoryId(category),
                            occurred_at: now.plus_ms(-age_h * HOUR_MS),
                            drill: false,
                        };
                        told.push(report);
                        history.add(&report, !hidden.contains(&incident), now);
                    }
                    Step::Counts { incident, counts } => {
                        if counts { hidden.remove(&incident) } else { hidden.insert(incident) };
                        history.set_counts(IncidentNo(incident), counts);
                    }
                    Step::Pass { hours } => {
                        now = now.plus_ms(hours * HOUR_MS);
                        history.forget_old(now);
                    }
                }
            }
            let read = told.iter().map(|report| (*report, !hidden.contains(&report.incident.0)));
            let read = History::of(read, now);
            prop_assert_eq!(history.begins_at(false, now), read.begins_at(false, now));
            let kept = oldest_quarter(now) * QUARTER_MS;
            let borders: Vec<TimeMs> = (0..=57).map(|day| TimeMs(kept + day * DAY_MS)).collect();
            for (area, layer) in finest.iter().flat_map(|area| {
                [Layer::All, Layer::Category(CategoryId(0)), Layer::Category(CategoryId(1))].map(|l| (*area, l))
            }) {
                let series = Series { city: &city, layer, drill: false };
                let counts = history.counts(series, area, &borders);
                prop_assert_eq!(&counts, &read.counts(series, area, &borders));
                let expected: Vec<u32> = borders.windows(2).map(|day| {
                    let is_meant = |report: &&PastReport| {
                        report.area == area
                            && (layer == Layer::All || layer == Layer::Category(report.category))
                            && !hidden.contains(&report.incident.0)
                            && (day[0]..day[1]).contains(&report.occurred_at)
                    };
                    told.iter().filter(is_meant).count() as u32
                }).collect();
                prop_assert_eq!(counts, expected);
            }
        }
    }
}
