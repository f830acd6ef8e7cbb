//! Lists: one page of what matches, in an order, and how many match in all.

use std::ops::Bound;

use super::filter::Filter;
use super::incident::Incident;
use super::map::{LiveMap, MapMatcher};
use super::place::{PreparedWhere, Where};
use super::pyramid::{Region, Stretch};
use super::sort::{Cursor, Sort};
use crate::journal::IncidentRow;
use crate::model::{IncidentNo, Projection, TimeMs};

/// Where no sums tell how many match they are looked at one by one, and not more of them than this.
pub const COUNTED_MAX: u64 = 10_000;

/// Where a page of the newest is reached by about so many look-ups down the order of opening, no search
/// through the pyramid is faster.
const LOOK_UPS_MAX: u64 = 1_000;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Found {
    /// How many match on all pages; `None`: more than [`COUNTED_MAX`], and no sums tell how many.
    pub matched: Option<u64>,
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

/// Looks for one page among those that left memory.
pub struct ArchiveSearch<'a> {
    ask: &'a ArchiveQuestion,
    asked: Asked<'a>,
    page: ArchivePage,
}

impl<'a> ArchiveSearch<'a> {
    pub fn of(map: &'a LiveMap, ask: &'a ArchiveQuestion) -> ArchiveSearch<'a> {
        let asked = map.asked(ask.projection, &ask.filter, &ask.place);
        ArchiveSearch { ask, asked, page: ArchivePage::default() }
    }

    /// Counts an incident if it matches, and keeps it if it belongs on the page. Its texts are not here, so words
    /// find its title only.
    pub fn look_at(&mut self, row: &IncidentRow) {
        let (ask, page) = (self.ask, &mut self.page);
        let incident = Incident::from_row(row, &self.asked.map.city);
        if !self.asked.takes(&incident) {
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

    pub fn page(self) -> ArchivePage {
        self.page
    }
}

/// A question bound to a map.
struct Asked<'a> {
    map: &'a LiveMap,
    projection: Projection,
    filter: &'a Filter,
    matcher: MapMatcher<'a>,
    place: PreparedWhere<'a>,
}

impl LiveMap {
    /// One page of what matches, after `after` in the order of `sort`. Of what matches and is not on it few are
    /// looked at: those along the edge of what is asked for, and at most [`COUNTED_MAX`] to count them. Where more
    /// match, a page that is not the first of its order meets those before it.
    pub fn incidents(
        &self,
        projection: Projection,
        filter: &Filter,
        place: &Where,
        sort: Sort,
        after: Option<Cursor>,
        limit: usize,
    ) -> Found {
        let asked = self.asked(projection, filter, place);
        let (matched, mut page) = match asked.few() {
            Some(all) => (Some(all.len() as u64), first_of(all, sort, after, limit + 1)),
            None => {
                let matched = asked.matched_by_sums();
                (matched, asked.page(sort, after, limit + 1, matched))
            }
        };
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|last| sort.rank(last));
        Found { matched, incidents: page, next }
    }

    /// How many match, whatever it takes.
    pub fn count(&self, projection: Projection, filter: &Filter, place: &Where) -> u64 {
        let asked = self.asked(projection, filter, place);
        self.pyramid.count(&asked.place, &asked.matcher)
    }

    fn asked<'a>(&'a self, projection: Projection, filter: &'a Filter, place: &'a Where) -> Asked<'a> {
        let matcher = self.matcher(filter, projection);
        Asked { map: self, projection, filter, matcher, place: place.prepared() }
    }

    /// Incidents closed up to then have left memory; `None` where all are kept.
    pub fn archived_up_to(&self) -> Option<TimeMs> {
        self.city.keep_closed_ms.map(|keep_ms| self.now.plus_ms(-keep_ms))
    }

    /// The page of incidents in memory and archived ones together.
    pub fn merge_archived(&self, found: Found, mut archived: ArchivePage, ask: &ArchiveQuestion) -> Found {
        let more_in_memory = found.next.is_some();
        archived.incidents.extend(found.incidents);
        archived.keep_first(ask);
        let more = more_in_memory || archived.incidents.len() > ask.limit;
        archived.incidents.truncate(ask.limit);
        let next = archived.incidents.last().filter(|_| more).map(|last| ask.sort.rank(last));
        let matched = found.matched.map(|matched| matched + archived.matched);
        Found { matched, incidents: archived.incidents, next }
    }
}

/// One page of all that match.
fn first_of(all: Vec<&Incident>, sort: Sort, after: Option<Cursor>, limit: usize) -> Vec<Incident> {
    let behind = |incident: &&Incident| after.is_none_or(|after| sort.rank(incident) > after);
    let mut all: Vec<&Incident> = all.into_iter().filter(behind).collect();
    all.sort_unstable_by_key(|incident| sort.rank(incident));
    all.into_iter().take(limit).copied().collect()
}

impl<'a> Asked<'a> {
    fn takes(&self, incident: &Incident) -> bool {
        self.matcher.incident(incident)
            && self.place.contains(incident.spot(self.projection, &self.map.city).place)
    }

    fn matched_by_sums(&self) -> Option<u64> {
        let by_sums = self.filter.is_by_key_and_place();
        by_sums.then(|| self.map.pyramid.count(&self.place, &self.matcher))
    }

    /// All that match, where no sums tell how many, and they are not more than [`COUNTED_MAX`] or not so many were
    /// opened within the span of time.
    fn few(&self) -> Option<Vec<&'a Incident>> {
        if self.filter.is_by_key_and_place() {
            return None;
        }
        self.of_short_span().or_else(|| {
            let mut numbers = Vec::new();
            self.map.pyramid.members(&self.place, &self.matcher, |member| {
                numbers.push(member.no);
                numbers.len() as u64 <= COUNTED_MAX
            });
            let is_all = numbers.len() as u64 <= COUNTED_MAX;
            is_all.then(|| numbers.into_iter().filter_map(|no| self.map.incident(no)).collect())
        })
    }

    /// All that match, read off the order of opening, where few were opened in the span of time that is asked for.
    fn of_short_span(&self) -> Option<Vec<&'a Incident>> {
        let (since, until) = (self.filter.since, self.filter.until);
        since.or(until)?;
        let opened = self.map.by_opened.since(since.unwrap_or(TimeMs::MIN));
        let mut opened = opened.take_while(|(at, _)| until.is_none_or(|until| *at < until));
        let numbers: Vec<IncidentNo> =
            opened.by_ref().take(COUNTED_MAX as usize).map(|(_, no)| no).collect();
        if opened.next().is_some() {
            return None;
        }
        let incidents = numbers.into_iter().filter_map(|no| self.map.incident(no));
        Some(incidents.filter(|incident| self.takes(incident)).collect())
    }

    fn page(&self, sort: Sort, after: Option<Cursor>, limit: usize, matched: Option<u64>) -> Vec<Incident> {
        // Reading in the order of opening meets a match every so many incidents, about.
        let every = self.map.incidents.len() as u64 / matched.unwrap_or(COUNTED_MAX).max(1);
        let begins_within = match sort {
            Sort::NewestFirst => after.is_some() || self.filter.until.is_some(),
            Sort::OldestFirst => after.is_some() || self.filter.since.is_some(),
            _ => false,
        };
        let looks = every.saturating_mul(limit as u64);
        let looks_max = if begins_within && matched.is_none_or(|matched| matched > COUNTED_MAX) {
            // A search would meet all that match and come before.
            looks.saturating_mul(4).max(2 * LOOK_UPS_MAX)
        } else if sort == Sort::NewestFirst && looks <= LOOK_UPS_MAX {
            2 * LOOK_UPS_MAX
        } else {
            0
        };
        let read = (looks_max > 0).then(|| self.read_in_order(sort, after, limit, looks_max)).flatten();
        read.unwrap_or_else(|| self.search(sort, after, limit))
    }

    /// A page of the newest or the oldest, read off the order of opening; `None` where that takes too many looks.
    fn read_in_order(
        &self,
        sort: Sort,
        after: Option<Cursor>,
        limit: usize,
        looks_max: u64,
    ) -> Option<Vec<Incident>> {
        let (since, until) = (self.filter.since.unwrap_or(TimeMs::MIN), self.filter.until);
        let (mut down, mut up);
        let order: &mut dyn Iterator<Item = (TimeMs, IncidentNo)> = if sort == Sort::NewestFirst {
            let before = after.map(|after| (TimeMs(after.value.saturating_neg()), after.no.0));
            let begin = before.into_iter().chain(until.map(|until| (until, IncidentNo(0)))).min();
            let order = self.map.by_opened.down_from(begin.map_or(Bound::Unbounded, Bound::Excluded));
            down = order.take_while(|(at, _)| *at >= since);
            &mut down
        } else {
            let begin = after.map_or(since, |after| since.max(TimeMs(after.value)));
            up =
                self.map.by_opened.since(begin).take_while(|(at, _)| until.is_none_or(|until| *at < until));
            &mut up
        };
        let mut page: Vec<Incident> = Vec::new();
        for (looks, (at, no)) in order.enumerate() {
            // Going up, those of one time are met in the other order of numbers.
            let is_behind = |last: &Incident| sort == Sort::NewestFirst || last.opened_at < at;
            if page.len() >= limit && page.last().is_none_or(is_behind) {
                break;
            }
            if looks as u64 >= looks_max {
                return None;
            }
            let incident = self.map.incident(no).filter(|incident| self.takes(incident));
            page.extend(incident.filter(|one| after.is_none_or(|after| sort.rank(one) > after)));
        }
        page.sort_by_key(|incident| sort.rank(incident));
        page.truncate(limit);
        Some(page)
    }

    fn search(&self, sort: Sort, after: Option<Cursor>, limit: usize) -> Vec<Incident> {
        let last = match sort {
            Sort::NewestFirst => self.filter.since.map(|since| since.0.saturating_neg()),
            Sort::OldestFirst => self.filter.until.map(|until| until.0),
            _ => None,
        };
        let rows = &self.map.incidents;
        let stretch = Stretch { sort, after, last: last.unwrap_or(i64::MAX), rows };
        let first = self.map.pyramid.first(&self.place, &self.matcher, &stretch, limit);
        first.into_iter().filter_map(|cursor| rows.get(cursor.no.0)).copied().collect()
    }
}
