//! Groups cases, counts them, and finds the middle of what their steps took.
//!
//! # What the public learns
//! Only incidents that it sees on the map, by the areas that it sees. Incidents of sensitive categories are
//! few, and each is about somebody. They are counted for the public in cells (category, agency, district,
//! month), each as a whole or not at all, and not where a cell holds fewer than [`SMALL_MAX`]. So whatever
//! questions somebody subtracts from each other, what is left is a union of cells: many incidents, or none.

use std::collections::{BTreeMap, HashMap};

use super::ledger::{Case, Month, Step};
use crate::city::{AreaLevel, City, Text};
use crate::live::{Filter, is_public};
use crate::model::{AgencyId, AreaId, CategoryId, Projection, Status, TimeMs};

/// Fewer incidents of a sensitive category than this are not told of in public.
pub const SMALL_MAX: u32 = 5;

/// What groups are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Agency,
    Category,
    /// At this level; what lies higher up stands for itself.
    Area(AreaLevel),
    Month,
}

impl By {
    pub fn key(self) -> &'static str {
        match self {
            By::Agency => "agency",
            By::Category => "category",
            By::Area(_) => "area",
            By::Month => "month",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub by: By,
    pub projection: Projection,
    /// Its categories, agencies, areas, times and drill count, and nothing else of it.
    pub filter: Filter,
}

/// What a group has in common. In this order groups are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey {
    Agency(AgencyId),
    Category(CategoryId),
    Area(AreaId),
    Month(Month),
    /// Of no agency, or outside of all areas.
    Without,
}

impl GroupKey {
    /// Its key in the city pack, or `2026-11`; `None` for what has none.
    pub fn key(self, city: &City) -> Option<String> {
        match self {
            GroupKey::Agency(id) => Some(city.agency(id).key.clone()),
            GroupKey::Category(id) => Some(city.category(id).key.clone()),
            GroupKey::Area(id) => Some(city.areas.get(id).code.clone()),
            GroupKey::Month(Month { year, month }) => Some(format!("{year:04}-{month:02}")),
            GroupKey::Without => None,
        }
    }

    /// What people call it.
    pub fn name(self, by: By, city: &City) -> Text {
        match self {
            GroupKey::Agency(id) => city.agency(id).name.clone(),
            GroupKey::Category(id) => city.category(id).name.clone(),
            GroupKey::Area(id) => {
                let name = &city.areas.get(id).name;
                Text { id: name.clone(), en: name.clone() }
            }
            GroupKey::Month(month) => month_name(month),
            GroupKey::Without if by == By::Agency => text("Belum ditugaskan", "Not assigned"),
            GroupKey::Without => text("Di luar wilayah", "Outside the areas"),
        }
    }
}

fn text(id: &str, en: &str) -> Text {
    Text { id: id.to_owned(), en: en.to_owned() }
}

fn month_name(Month { year, month }: Month) -> Text {
    const ID: [&str; 12] = [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ];
    const EN: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let at = usize::from(month.unsigned_abs().clamp(1, 12)) - 1;
    Text { id: format!("{} {year}", ID[at]), en: format!("{} {year}", EN[at]) }
}

/// What one step took, of those that took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepFigures {
    pub n: u32,
    /// Whole seconds from the opening; `None` where none took the step.
    pub median_s: Option<u32>,
    pub p90_s: Option<u32>,
}

/// The figures of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `None` for all of them together.
    pub key: Option<GroupKey>,
    pub incidents: u32,
    pub open: u32,
    pub resolved: u32,
    /// Resolved not after the deadline of the whole; time for which it was paused does not count.
    pub on_time: u32,
    /// Resolved after it, or open and past it.
    pub late: u32,
    /// Those that have such a deadline; of the others nobody can say either.
    pub with_deadline: u32,
    /// In the order of [`Step::ALL`].
    pub steps: [StepFigures; 4],
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub groups: Vec<Group>,
    pub total: Group,
    /// Until a deadline passes that nothing else would tell of.
    pub(super) good_until: TimeMs,
}

impl Figures {
    pub(super) fn of(cases: &[Case], question: &Question, now: TimeMs, city: &City) -> Figures {
        let small = SmallCells::of(cases, question.projection, city);
        let (mut groups, mut total) = (BTreeMap::<GroupKey, Gather>::new(), Gather::default());
        let mut good_until = TimeMs::MAX;
        for case in cases.iter().filter(|case| question.counts(case, &small, city)) {
            groups.entry(question.group_of(case, city)).or_default().add(case, now);
            total.add(case, now);
            let ends_at = case.whole.ends_at().filter(|ends_at| case.status.is_open() && *ends_at > now);
            good_until = good_until.min(ends_at.unwrap_or(TimeMs::MAX));
        }
        let groups = groups.into_iter().map(|(key, gather)| gather.finish(Some(key))).collect();
        Figures { groups, total: total.finish(None), good_until }
    }
}

impl Question {
    fn counts(&self, case: &Case, small: &SmallCells, city: &City) -> bool {
        let filter = &self.filter;
        let is_in = !case.is_absorbed
            && filter.categories.is_none_or(|set| set.has(case.category.0))
            && filter.agencies.is_none_or(|set| case.agency.is_some_and(|agency| set.has(agency.0)))
            && filter.drill.unwrap_or(false) == case.drill;
        if !is_in {
            return false;
        }
        if self.projection == Projection::Public && !is_public(case.status) {
            return false;
        }
        if self.projection == Projection::Public && city.category(case.category).sensitive {
            return self.counts_cell_of(case, small, city);
        }
        filter.since.is_none_or(|since| case.opened_at >= since)
            && filter.until.is_none_or(|until| case.opened_at < until)
            && self.holds_area(case.area(self.projection))
    }

    /// Whether all of the cell that a sensitive case is of is asked for, and may be told.
    fn counts_cell_of(&self, case: &Case, small: &SmallCells, city: &City) -> bool {
        let (begins, ends) = case.month.span(city);
        let is_whole = self.filter.since.is_none_or(|since| begins >= since)
            && self.filter.until.is_none_or(|until| ends <= until)
            && self.holds_area(district(case.public_area, city))
            && !matches!(self.by, By::Area(AreaLevel::Village));
        is_whole && !small.holds(case, city)
    }

    fn holds_area(&self, area: Option<AreaId>) -> bool {
        self.filter.areas.as_ref().is_none_or(|set| area.is_some_and(|area| set.contains(area)))
    }

    fn group_of(&self, case: &Case, city: &City) -> GroupKey {
        match self.by {
            By::Agency => case.agency.map_or(GroupKey::Without, GroupKey::Agency),
            By::Category => GroupKey::Category(case.category),
            By::Month => GroupKey::Month(case.month),
            By::Area(level) => {
                let area = case.area(self.projection);
                let up = area.and_then(|area| {
                    city.areas.with_ancestors(area).find(|id| city.areas.get(*id).level <= level)
                });
                up.or(area).map_or(GroupKey::Without, GroupKey::Area)
            }
        }
    }
}

/// The district that holds an area; itself where none does.
fn district(area: Option<AreaId>, city: &City) -> Option<AreaId> {
    let area = area?;
    let is_district = |id: &AreaId| city.areas.get(*id).level <= AreaLevel::District;
    Some(city.areas.with_ancestors(area).find(is_district).unwrap_or(area))
}

type Cell = (CategoryId, Option<AgencyId>, Option<AreaId>, Month, bool);

/// How many incidents of sensitive categories each cell holds that the public sees.
struct SmallCells(HashMap<Cell, u32>);

impl SmallCells {
    fn of(cases: &[Case], projection: Projection, city: &City) -> SmallCells {
        let mut cells = HashMap::new();
        if projection == Projection::Public {
            let told = |case: &&Case| {
                city.category(case.category).sensitive && is_public(case.status) && !case.is_absorbed
            };
            for case in cases.iter().filter(told) {
                *cells.entry(SmallCells::cell(case, city)).or_default() += 1;
            }
        }
        SmallCells(cells)
    }

    fn cell(case: &Case, city: &City) -> Cell {
        (case.category, case.agency, district(case.public_area, city), case.month, case.drill)
    }

    /// Whether the cell of a case holds too few.
    fn holds(&self, case: &Case, city: &City) -> bool {
        self.0.get(&SmallCells::cell(case, city)).is_none_or(|n| *n < SMALL_MAX)
    }
}

/// A group while it is gathered.
#[derive(Default)]
struct Gather {
    incidents: u32,
    open: u32,
    resolved: u32,
    on_time: u32,
    late: u32,
    with_deadline: u32,
    seconds: [Vec<u32>; 4],
}

impl Gather {
    fn add(&mut self, case: &Case, now: TimeMs) {
        let left_ms = case.whole.left_ms(now);
        let is_overdue = case.status.is_open() && left_ms.is_some_and(|left_ms| left_ms <= 0);
        self.incidents += 1;
        self.open += u32::from(case.status.is_open());
        self.resolved += u32::from(case.status == Status::Resolved);
        self.on_time += u32::from(case.on_time == Some(true));
        self.late += u32::from(case.on_time == Some(false) || is_overdue);
        self.with_deadline += u32::from(left_ms.is_some());
        for step in Step::ALL {
            self.seconds[step as usize].extend(case.seconds(step));
        }
    }

    fn finish(self, key: Option<GroupKey>) -> Group {
        let Gather { incidents, open, resolved, on_time, late, with_deadline, seconds } = self;
        let steps = seconds.map(|mut seconds| StepFigures {
            n: seconds.len() as u32,
            median_s: quantile(&mut seconds, 5),
            p90_s: quantile(&mut seconds, 9),
        });
        Group { key, incidents, open, resolved, on_time, late, with_deadline, steps }
    }
}

/// The value below which `tenths` of ten lie, between neighbours in proportion (definition 7 of Hyndman and
/// Fan, "Sample quantiles in statistical packages", 1996: what R, NumPy and spreadsheets answer), cut to whole
/// seconds; `None` of nothing.
fn quantile(values: &mut [u32], tenths: u64) -> Option<u32> {
    let last = (values.len() as u64).checked_sub(1)?;
    let (below, part) = ((last * tenths / 10) as usize, last * tenths % 10);
    let (_, low, above) = values.select_nth_unstable(below);
    let low = *low;
    let high = above.iter().min().copied().unwrap_or(low);
    Some(low + (u64::from(high - low) * part / 10) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[u32], median: u32, p90: u32) {
        let mut values = values.to_vec();
        assert_eq!(quantile(&mut values, 5), Some(median), "{values:?}");
        assert_eq!(quantile(&mut values, 9), Some(p90), "{values:?}");
    }

    #[test]
    fn the_middle_lies_between_neighbours() {
        check(&[7], 7, 7);
        check(&[10, 0], 5, 9);
        check(&[3, 1, 2], 2, 2);
        check(&[40, 10, 30, 20], 25, 37);
        check(&[0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000], 500, 900);
        check(&[0, u32::MAX], u32::MAX / 2, 3_865_470_565);
        assert_eq!(quantile(&mut [], 5), None);
    }

    #[test]
    fn months_have_names_in_both_languages() {
        let name = month_name(Month { year: 2026, month: 5 });
        assert_eq!((name.id.as_str(), name.en.as_str()), ("Mei 2026", "May 2026"));
    }
}
