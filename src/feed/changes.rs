//! What changed after a seq, found by place: so that each view looks only at what can concern it.
//!
//! Made once for all views in step. What it leaves out is certain to leave a view as it was: place,
//! category, area, drill and opening of an incident never change, so one that a filter shuts out by
//! these was never in the view and never will be; and a change says whose the incident was before it and after.
//! Nor may a view be told of what it never showed: an agency, or a responder of one area, sees a part only.

use crate::city::AreaSet;
use crate::live::{CellRange, Change, Filter, LiveMap};
use crate::model::{Bbox, Cell, LEVEL_MAX, Projection, Seq};

use super::view::View;

/// The changes that a projection may know of, in the order of their columns.
pub(super) struct Changes {
    from: Seq,
    by_column: Vec<(Cell, Change)>,
    /// A hotspot came, changed or ended.
    hotspots: bool,
    /// A new day began in the city.
    day: bool,
}

/// What of it can have changed what a view shows.
#[derive(Default)]
pub(super) struct Touched<'a> {
    /// Changes in the cells of the view.
    pub cells: Vec<&'a Change>,
    pub hotspots: bool,
    pub stats: bool,
}

impl Touched<'_> {
    pub fn is_nothing(&self) -> bool {
        self.cells.is_empty() && !self.hotspots && !self.stats
    }
}

impl Changes {
    /// Of `projection`, and of `hotspots` the hotspots.
    pub fn since(map: &LiveMap, projection: Projection, hotspots: Projection, from: Seq) -> Changes {
        let placed = |change: &Change| (Cell::at(change.place(projection), LEVEL_MAX), *change);
        let mut by_column: Vec<_> = map.changes_since(projection, from).map(placed).collect();
        // Newest first among equals, as they come.
        by_column.sort_by_key(|(cell, _)| cell.x);
        let board = map.hotspots(hotspots);
        let hotspots = board.as_of() > from
            && (board.live().any(|hotspot| hotspot.changed_seq > from)
                || board.ended_since(from).next().is_some());
        Changes { from, by_column, hotspots, day: map.day_began_since(from) }
    }

    pub fn from(&self) -> Seq {
        self.from
    }

    /// What can have changed in the view, which shows cells of `level`.
    pub fn touching(&self, map: &LiveMap, view: &View, level: u8) -> Touched<'_> {
        let (filter, projection) = (&view.filter, view.projection);
        let concerns = |change: &&Change| may_match(map, filter, projection, change);
        let cells = match view.layers.incidents {
            true => self.within(view.range(level)).filter(concerns).collect(),
            false => Vec::new(),
        };
        // Figures heed no bbox, but a drawn polygon.
        let anywhere = || match &filter.within {
            Some(within) => self.within(range_of(&within.bounds())).any(|change| concerns(&change)),
            None => self.by_column.iter().any(|(_, change)| concerns(&change)),
        };
        let stats = view.layers.stats && (self.day || !cells.is_empty() || anywhere());
        Touched { cells, hotspots: view.layers.hotspots && self.hotspots, stats }
    }

    /// The changes in the cells of a range.
    fn within(&self, range: CellRange) -> impl Iterator<Item = &Change> {
        let columns = range.deepest_columns();
        let runs = columns.into_iter().flatten().map(|(first, last)| {
            let from = self.by_column.partition_point(|(cell, _)| cell.x < first);
            let to = self.by_column.partition_point(|(cell, _)| cell.x <= last);
            &self.by_column[from..to]
        });
        let inside = move |(cell, _): &&(Cell, Change)| range.contains(cell.ancestor(range.level()));
        runs.flatten().filter(inside).map(|(_, change)| change)
    }
}

/// Whether the incident may match the filter, before the change or after it, as far as its lasting
/// features tell.
pub(super) fn may_match(map: &LiveMap, filter: &Filter, projection: Projection, change: &Change) -> bool {
    let outside = filter.since.is_some_and(|since| change.opened_at < since)
        || filter.until.is_some_and(|until| change.opened_at >= until)
        || filter.within.as_ref().is_some_and(|within| !within.contains(change.place(projection)))
        || filter.agencies.is_some_and(|set| !change.is_of(set));
    let elsewhere = |set: &AreaSet| !change.area(projection).is_some_and(|area| set.contains(area));
    if outside || filter.areas.as_ref().is_some_and(elsewhere) {
        return false;
    }
    // Of one that left memory no more is known.
    map.incident(change.no).is_none_or(|incident| {
        filter.categories.is_none_or(|set| set.has(incident.category.0))
            && filter.drill.is_none_or(|drill| drill == incident.drill)
    })
}

fn range_of(rect: &geo_types::Rect<f64>) -> CellRange {
    let (min, max) = (rect.min(), rect.max());
    CellRange::of(&Bbox::new(min.x, min.y, max.x, max.y).unwrap_or(Bbox::WORLD), LEVEL_MAX)
}
