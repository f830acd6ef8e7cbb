//! What readers ask of one moment: clusters, figures, lists.

use std::cmp::Reverse;
use std::ops::Bound;

use super::cell_range::CellRange;
use super::day::KeyCounts;
use super::filter::Filter;
use super::incident::Incident;
use super::keys::StatusSet;
use super::map::LiveMap;
use super::member::Member;
use super::pyramid::{Cells, Matcher, Region};
use super::tally::Summary;
use super::timeline::Timeline;
use super::title::Title;
use crate::journal::IncidentRow;
use crate::model::{
    Bbox, Cell, Disposition, EARTH_RADIUS_M, IncidentNo, LEVEL_MAX, LngLat, Projection, Status, TimeMs,
    great_circle_m,
};

/// At most this many features an answer: where a level has more cells, a coarser one is used.
pub const FEATURES_MAX: usize = 10_000;

/// All within `radius_m` of a place, on the great circle, the rim included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    pub centre: LngLat,
    pub radius_m: f64,
}

impl Circle {
    /// Whether the circle holds a box that does not cross the antimeridian. The farthest point of a
    /// box narrower than half the world is one of its corners.
    fn holds(&self, inner: &Bbox) -> bool {
        let corners = [
            (inner.west(), inner.south()),
            (inner.west(), inner.north()),
            (inner.east(), inner.south()),
            (inner.east(), inner.north()),
        ];
        let near = |(lng, lat): (f64, f64)| {
            LngLat::new(lng, lat)
                .is_ok_and(|corner| great_circle_m(self.centre, corner) + 1.0 <= self.radius_m)
        };
        inner.east() - inner.west() < 90.0 && corners.into_iter().all(near)
    }

    /// A box that holds the circle; across the antimeridian and over the poles too.
    fn bounds(&self) -> Bbox {
        let reach_lat = (self.radius_m / EARTH_RADIUS_M).to_degrees() + 1e-6;
        let (south, north) = (self.centre.lat() - reach_lat, self.centre.lat() + reach_lat);
        let furthest_lat = south.abs().max(north.abs());
        let reach_lng = reach_lat / furthest_lat.to_radians().cos().max(1e-9);
        let (south, north) = (south.max(-90.0), north.min(90.0));
        let whole_turn = furthest_lat >= 90.0 || reach_lng >= 180.0;
        let (west, east) = if whole_turn {
            (-180.0, 180.0)
        } else {
            let wrap = |lng: f64| {
                if lng < -180.0 {
                    lng + 360.0
                } else if lng > 180.0 {
                    lng - 360.0
                } else {
                    lng
                }
            };
            (wrap(self.centre.lng() - reach_lng), wrap(self.centre.lng() + reach_lng))
        };
        Bbox::new(west, south, east, north).unwrap_or(Bbox::WORLD)
    }
}

/// Where a page of the newest is reached by so many look-ups down the order of opening, no search
/// through the pyramid is faster.
const LOOK_UPS_MAX: u64 = 1_000;

/// Where to look: what is given must all hold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Where {
    pub bbox: Option<Bbox>,
    pub circle: Option<Circle>,
    pub cell: Option<Cell>,
}

impl Where {
    fn is_anywhere(&self) -> bool {
        *self == Where::default()
    }

    /// The same, ready to be tested against many cells.
    fn prepared(&self) -> PreparedWhere<'_> {
        let boxes = [self.bbox, self.circle.map(|circle| circle.bounds())];
        let ranges = boxes.iter().flatten().map(|bbox| CellRange::of(bbox, LEVEL_MAX));
        PreparedWhere { place: self, boxes: ranges.collect() }
    }
}

/// What floating point may lose at the edge of a cell, in degrees: a tenth of a metre.
const EDGE_DEG: f64 = 1e-6;

struct PreparedWhere<'a> {
    place: &'a Where,
    /// Boxes that must all meet a cell, as the deepest cells they touch.
    boxes: Vec<CellRange>,
}

impl Region for PreparedWhere<'_> {
    fn may_meet(&self, cell: Cell) -> bool {
        let in_boxes = self.boxes.iter().all(|range| range.meets(cell));
        in_boxes
            && self.place.cell.is_none_or(|wanted| {
                let level = wanted.level.min(cell.level);
                wanted.ancestor(level) == cell.ancestor(level)
            })
    }

    fn covers(&self, cell: Cell) -> bool {
        // The outermost rows hold what lies beyond the map, too.
        let rows = 1_u32 << cell.level;
        if cell.y == 0 || cell.y + 1 == rows {
            return *self.place == Where::default();
        }
        let of_cell = cell.bbox();
        let w = self.place;
        w.bbox.is_none_or(|bbox| bbox.parts().any(|part| holds(&part, &of_cell)))
            && w.circle.is_none_or(|circle| circle.holds(&of_cell))
            && w.cell
                .is_none_or(|wanted| cell.level >= wanted.level && cell.ancestor(wanted.level) == wanted)
    }

    fn contains(&self, place: LngLat) -> bool {
        let w = self.place;
        w.bbox.is_none_or(|bbox| bbox.contains(place))
            && w.circle.is_none_or(|c| great_circle_m(c.centre, place) <= c.radius_m)
            && w.cell.is_none_or(|cell| Cell::at(place, cell.level) == cell)
    }
}

/// Whether one box holds another with its edges. Neither crosses the antimeridian.
fn holds(outer: &Bbox, inner: &Bbox) -> bool {
    inner.west() - EDGE_DEG >= outer.west()
        && inner.east() + EDGE_DEG <= outer.east()
        && inner.south() - EDGE_DEG >= outer.south()
        && inner.north() + EDGE_DEG <= outer.north()
}

/// The order of a list. Equal values stand by number, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    NewestFirst,
    OldestFirst,
    LatestChangeFirst,
    MostReportsFirst,
    /// The nearest deadline first, those without one last.
    DueFirst,
}

impl Sort {
    pub const ALL: [Sort; 5] = [
        Sort::NewestFirst,
        Sort::OldestFirst,
        Sort::LatestChangeFirst,
        Sort::MostReportsFirst,
        Sort::DueFirst,
    ];

    pub fn key(self) -> &'static str {
        match self {
            Sort::NewestFirst => "-opened_at",
            Sort::OldestFirst => "opened_at",
            Sort::LatestChangeFirst => "-updated_at",
            Sort::MostReportsFirst => "-reports",
            Sort::DueFirst => "due_at",
        }
    }

    pub fn from_key(key: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.key() == key)
    }

    /// Where an incident stands in this order: smaller comes first.
    pub fn rank(self, incident: &Incident) -> Cursor {
        let value = match self {
            Sort::NewestFirst => -incident.opened_at.0,
            Sort::OldestFirst => incident.opened_at.0,
            Sort::LatestChangeFirst => -incident.updated_at.0,
            Sort::MostReportsFirst => -i64::from(incident.reports),
            Sort::DueFirst => incident.due_at().map_or(i64::MAX, |at| at.0),
        };
        Cursor { value, no: Reverse(incident.no) }
    }
}

/// A position in a sorted list: the next page begins after it, whatever came or went meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub value: i64,
    pub no: Reverse<IncidentNo>,
}

impl Cursor {
    /// In the order of the newest first.
    fn opened_at(self) -> TimeMs {
        TimeMs(self.value.saturating_neg())
    }
}

/// Where a page of the newest begins in the order of opening.
fn start_of_page(after: Option<Cursor>) -> Bound<(TimeMs, IncidentNo)> {
    after.map_or(Bound::Unbounded, |after| Bound::Excluded((after.opened_at(), after.no.0)))
}

/// Keeps the first `limit` in any order. The last of them, where there are so many.
fn keep_first(ranked: &mut Vec<Cursor>, limit: usize) -> Option<Cursor> {
    let last = limit.checked_sub(1).filter(|last| *last < ranked.len())?;
    let (_, worst, _) = ranked.select_nth_unstable(last);
    let worst = *worst;
    ranked.truncate(limit);
    Some(worst)
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Found {
    /// How many match on all pages.
    pub matched: u64,
    pub incidents: Vec<Incident>,
    /// Unset on the last page.
    pub next: Option<Cursor>,
}

/// What is asked of the archive: as of the live map, one page.
#[derive(Debug, Clone)]
pub struct ArchiveQuestion {
    pub projection: Projection,
    pub filter: Filter,
    pub place: Where,
    pub sort: Sort,
    pub after: Option<Cursor>,
    pub limit: usize,
}

/// What the archive answers: how many match, and the first of them.
#[derive(Debug, Default)]
pub struct ArchivePage {
    matched: u64,
    incidents: Vec<Incident>,
}

impl ArchivePage {
    /// Keeps one more than a page, which says whether there is another page.
    fn keep_first(&mut self, ask: &ArchiveQuestion) {
        self.incidents.sort_by_key(|incident| ask.sort.rank(incident));
        self.incidents.truncate(ask.limit + 1);
    }
}

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

    /// One page of what matches, after `after` in the order of `sort`.
    pub fn incidents(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        sort: Sort,
        after: Option<Cursor>,
        limit: usize,
    ) -> Found {
        let (matched, mut page) = match sort {
            Sort::NewestFirst if filter.since.is_some() => {
                self.newest_counted(projection, filter, place, after, limit + 1)
            }
            Sort::NewestFirst if filter.is_by_key_and_place() || place.is_anywhere() => {
                let matched = self.pyramid.count(&place.prepared(), &self.matcher(filter, projection));
                // Reading down the order of opening meets a match every so many incidents.
                let every = self.incidents.len() as u64 / matched.max(1);
                let page = if every.saturating_mul(limit as u64 + 1) <= LOOK_UPS_MAX {
                    self.newest_in_order(projection, filter, place, after, limit + 1)
                } else {
                    self.newest(projection, filter, place, after, limit + 1)
                };
                (matched, page)
            }
            _ => self.collected(projection, filter, place, sort, after, limit + 1),
        };
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|last| sort.rank(last));
        Found { matched, incidents: page, next }
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
    pub(super) fn each_member(&self, projection: Projection, filter: &Filter, each: impl FnMut(&Member)) {
        self.pyramid.members(&Where::default().prepared(), &self.matcher(filter, projection), each);
    }

    /// The newest that match, searched for in the pyramid: best where few of all match.
    fn newest(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        after: Option<Cursor>,
        limit: usize,
    ) -> Vec<Incident> {
        let before = after.map(|after| (after.opened_at(), after.no.0));
        let newest =
            self.pyramid.newest(&place.prepared(), &self.matcher(filter, projection), before, limit);
        newest.into_iter().filter_map(|(_, no)| self.incident(no)).copied().collect()
    }

    /// The same read off the order of opening: best where most match.
    fn newest_in_order(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        after: Option<Cursor>,
        limit: usize,
    ) -> Vec<Incident> {
        let order = self.by_opened.down_from(start_of_page(after));
        self.matching(projection, filter, place, order).take(limit).copied().collect()
    }

    /// The newest where the filter says since when: counts on through the whole time asked for.
    fn newest_counted(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        after: Option<Cursor>,
        limit: usize,
    ) -> (u64, Vec<Incident>) {
        let until = filter.until.map_or(Bound::Unbounded, |until| Bound::Excluded((until, IncidentNo(0))));
        let since = filter.since.unwrap_or(TimeMs::MIN);
        let order = self.by_opened.down_from(until).take_while(|(at, _)| *at >= since);
        let (mut matched, mut page) = (0, Vec::new());
        for incident in self.matching(projection, filter, place, order) {
            matched += 1;
            let on_page = after.is_none_or(|after| Sort::NewestFirst.rank(incident) > after);
            if on_page && page.len() < limit {
                page.push(*incident);
            }
        }
        (matched, page)
    }

    fn matching<'a>(
        &'a self,
        projection: Projection,
        filter: &'a Filter,
        place: &'a Where,
        order: impl Iterator<Item = (TimeMs, IncidentNo)> + 'a,
    ) -> impl Iterator<Item = &'a Incident> {
        let (matcher, place) = (self.matcher(filter, projection), place.prepared());
        let incidents = order.filter_map(|(_, no)| self.incident(no));
        incidents
            .filter(move |i| matcher.incident(i) && place.contains(i.spot(projection, &self.city).place))
    }

    /// Collects all hits, counts them, and sorts out one page.
    fn collected(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        sort: Sort,
        after: Option<Cursor>,
        limit: usize,
    ) -> (u64, Vec<Incident>) {
        let mut matched = 0;
        let mut ranked = Vec::new();
        let matcher = self.matcher(filter, projection);
        // Where so many are found already, what ranks after the last of them is not on the page.
        let mut worst = None;
        self.pyramid.members(&place.prepared(), &matcher, |member| {
            matched += 1;
            let Some(rank) = self.rank(sort, member) else { return };
            if after.is_none_or(|after| rank > after) && worst.is_none_or(|worst| rank < worst) {
                ranked.push(rank);
                if ranked.len() >= limit.max(1_000).saturating_mul(2) {
                    worst = keep_first(&mut ranked, limit);
                }
            }
        });
        keep_first(&mut ranked, limit);
        ranked.sort_unstable();
        let page = ranked.iter().filter_map(|rank| self.incident(rank.no.0)).copied().collect();
        (matched, page)
    }

    /// Most orders are those of columns that members have.
    fn rank(&self, sort: Sort, member: &Member) -> Option<Cursor> {
        let value = match sort {
            Sort::NewestFirst => -member.opened_at.0,
            Sort::OldestFirst => member.opened_at.0,
            Sort::MostReportsFirst => -i64::from(member.reports),
            Sort::LatestChangeFirst | Sort::DueFirst => {
                return self.incident(member.no).map(|i| sort.rank(i));
            }
        };
        Some(Cursor { value, no: Reverse(member.no) })
    }

    /// Incidents closed up to then have left memory; `None` where all are kept.
    pub fn archived_up_to(&self) -> Option<TimeMs> {
        self.city.keep_closed_ms.map(|keep_ms| self.now.plus_ms(-keep_ms))
    }

    /// Counts an incident that left memory, if it matches, and keeps it if it belongs on the page. Its
    /// texts are not here, so words find its title only.
    pub fn add_archived(&self, page: &mut ArchivePage, row: &IncidentRow, ask: &ArchiveQuestion) {
        let incident = Incident::from_row(row, &self.city);
        let inside = ask.place.prepared().contains(incident.spot(ask.projection, &self.city).place);
        if !inside || !self.matcher(&ask.filter, ask.projection).incident(&incident) {
            return;
        }
        page.matched += 1;
        if ask.after.is_none_or(|after| ask.sort.rank(&incident) > after) {
            page.incidents.push(incident);
        }
        // Sorted out now and then, so that a page's worth is held and the cost stays small.
        if page.incidents.len() > 2 * ask.limit + 2 {
            page.keep_first(ask);
        }
    }

    /// The page of incidents in memory and archived ones together.
    pub fn merge_archived(&self, found: Found, mut archived: ArchivePage, ask: &ArchiveQuestion) -> Found {
        let more_in_memory = found.next.is_some();
        archived.matched += found.matched;
        archived.incidents.extend(found.incidents);
        archived.keep_first(ask);
        let more = more_in_memory || archived.incidents.len() > ask.limit;
        archived.incidents.truncate(ask.limit);
        let next = archived.incidents.last().filter(|_| more).map(|last| ask.sort.rank(last));
        Found { matched: archived.matched, incidents: archived.incidents, next }
    }

    /// What an incident is called on screens.
    pub fn title(&self, incident: &Incident, projection: Projection) -> Title<'_> {
        let area = incident.area(projection).map(|area| self.city.areas.get(area).name.as_str());
        Title { category: &self.city.category(incident.category).name, area }
    }
}
