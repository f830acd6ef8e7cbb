//! What readers ask of one moment: clusters and figures.

use super::cell_range::CellRange;
use super::day::KeyCounts;
use super::filter::Filter;
use super::incident::Incident;
use super::keys::StatusSet;
use super::map::LiveMap;
use super::member::Member;
use super::place::Where;
use super::pyramid::{Cells, Matcher};
use super::tally::Summary;
use super::timeline::Timeline;
use super::title::Title;
use crate::model::{Bbox, Cell, Disposition, IncidentNo, Projection, Status};

/// At most this many features an answer: where a level has more cells, a coarser one is used.
pub const FEATURES_MAX: usize = 10_000;

/// The figures of a filter. Days are the city's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Matching, open or not as the filter says; likewise `overdue` and `by_category`.
    pub matched: Summary,
    /// Counts in the order of `Status::ALL`; the filter's statuses ignored, as in the next two.
    pub by_status: [u32; 5],
    pub opened_today: u32,
    pub resolved_today: u32,
    /// For staff: of the rejected ones those that were said to be something, in the order of
    /// [`Disposition::ALL`]; the filter's statuses ignored.
    pub by_disposition: Option<[u32; 6]>,
}

impl LiveMap {
    /// The finest level, not deeper than that of `zoom`, whose cells fit an answer.
    pub fn level_in_force(&self, projection: Projection, filter: &Filter, bbox: &Bbox, zoom: u8) -> u8 {
        let finest = zoom + 3;
        let matcher = self.matcher(filter, projection);
        let fits = |level: u8| {
            let range = CellRange::of(bbox, level);
            if range.n_cells() <= FEATURES_MAX as u64 || self.incidents.len() <= FEATURES_MAX {
                return true;
            }
            let mut n_cells = 0;
            self.pyramid.each_cell(&range, &matcher, |_, _| {
                n_cells += 1;
                n_cells <= FEATURES_MAX
            });
            n_cells <= FEATURES_MAX
        };
        (0..=finest).rev().find(|level| fits(*level)).unwrap_or(0)
    }

    /// Every cell of the range in which anything matches, with its sums, in the order of the
    /// curve.
    pub fn cells(&self, projection: Projection, filter: &Filter, range: &CellRange) -> Cells {
        self.pyramid.cells(range, &self.matcher(filter, projection))
    }

    /// The sums of one cell.
    pub fn cell(&self, projection: Projection, filter: &Filter, cell: Cell) -> Summary {
        self.pyramid.cell(cell, &self.matcher(filter, projection))
    }

    /// The first zoom at which a cell falls apart; `None`: not by zoom 20.
    pub fn expand_zoom(&self, projection: Projection, filter: &Filter, cell: Cell) -> Option<u8> {
        let matcher = self.matcher(filter, projection);
        let level = self.pyramid.level_of_split(cell, &matcher)?;
        Some(level.saturating_sub(3))
    }

    /// At most `limit` matching incidents of a cell, by number.
    pub fn members_of_cell(
        &self,
        projection: Projection,
        filter: &Filter,
        cell: Cell,
        limit: usize,
    ) -> Vec<IncidentNo> {
        let mut members = Vec::new();
        let matcher = self.matcher(filter, projection);
        self.pyramid.members_of_cell(cell, &matcher, |member| {
            members.push(member.no);
            members.len() < limit
        });
        members.sort_unstable();
        members
    }

    pub fn stats(&self, projection: Projection, filter: &Filter) -> Stats {
        let any_status = filter.of_any_status();
        let matcher = self.matcher(&any_status, projection);
        let today = |counts: &KeyCounts, set: &Timeline| {
            if matcher.is_by_key() {
                return counts.count(|key| matcher.key(key));
            }
            let incidents = set.since(self.day.0).filter_map(|(_, no)| self.incident(no));
            incidents.filter(|incident| matcher.incident(incident)).count() as u32
        };
        let by_status = self.pyramid.summary(&matcher).by_status;
        let is_staff = projection == Projection::Staff;
        Stats {
            matched: self.pyramid.summary(&self.matcher(filter, projection)),
            by_status,
            by_disposition: is_staff
                .then(|| self.dispositions(filter, by_status[Status::Rejected as usize])),
            opened_today: today(&self.day_counts.opened, &self.by_opened),
            resolved_today: today(&self.day_counts.resolved, &self.by_resolved),
        }
    }

    /// What `n_rejected` incidents, those of a filter for staff, were said to be.
    fn dispositions(&self, filter: &Filter, n_rejected: u32) -> [u32; 6] {
        if n_rejected == 0 {
            return [0; 6];
        }
        Disposition::ALL.map(|disposition| {
            let statuses = StatusSet::of([Status::Rejected]);
            let filter = Filter { statuses, disposition: Some(disposition), ..filter.clone() };
            self.pyramid.summary(&self.matcher(&filter, Projection::Staff)).total.count
        })
    }

    /// Calls `each` for every incident that matches, in no order that means anything.
    pub fn each_incident<'a>(
        &'a self,
        projection: Projection,
        filter: &Filter,
        mut each: impl FnMut(&'a Incident),
    ) {
        self.each_member(projection, filter, |member| {
            self.incident(member.no).into_iter().for_each(&mut each);
        });
    }

    /// Calls `each` for every member that matches, in no order that means anything.
    pub(super) fn each_member(
        &self,
        projection: Projection,
        filter: &Filter,
        mut each: impl FnMut(&Member),
    ) {
        self.pyramid.members(&Where::default().prepared(), &self.matcher(filter, projection), |member| {
            each(member);
            true
        });
    }

    /// What an incident is called on screens.
    pub fn title(&self, incident: &Incident, projection: Projection) -> Title<'_> {
        let area = incident.area(projection).map(|area| self.city.areas.get(area).name.as_str());
        Title { category: &self.city.category(incident.category).name, area }
    }
}
