//! What a view shows at one moment, and what changed in it since another.
//!
//! The ring says only which incidents changed after a seq, never how. That is enough: for every cell
//! they lie in a delta holds what the cell shows now and removes whatever it may have shown then, and
//! to remove what a client does not hold is harmless.

use std::collections::{BTreeMap, HashMap, HashSet};

use geo::{BoundingRect, Intersects};
use geo_types::{Coord, Rect};

use super::changes::{Changes, Touched, may_match};
use super::view::View;
use super::wire::{self, Feature, HotspotMember, StatsBody, cell_id};
use crate::city::City;
use crate::live::hotspots::{Hotspot, Layer, Surge};
use crate::live::{Alarm, CellRange, Change, Filter, LiveMap, Summary};
use crate::model::{AreaId, Bbox, Cell, IncidentNo, Projection, Seq};

/// A change of a view's contents. `None` and empty: nothing changed in that part.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    pub upsert: Vec<Feature<'a>>,
    pub remove: Vec<String>,
    pub hotspots_upsert: Vec<Feature<'a>>,
    pub hotspots_remove: Vec<String>,
    pub stats: Option<StatsBody<'a>>,
}

impl<'a> Contents<'a> {
    pub fn is_empty(&self) -> bool {
        self.upsert.is_empty()
            && self.remove.is_empty()
            && self.hotspots_upsert.is_empty()
            && self.hotspots_remove.is_empty()
            && self.stats.is_none()
    }

    /// Everything that a view shows.
    pub fn snapshot(map: &'a LiveMap, view: &View, level: u8) -> Contents<'a> {
        let mut contents = Contents::default();
        if view.layers.incidents {
            contents.upsert = features(map, view.projection, &view.filter, &view.range(level));
        }
        if view.layers.hotspots {
            contents.hotspots_upsert =
                hotspot_features(map, view.hotspots, &view.filter, Some(&view.bbox), false);
        }
        contents.stats = view.layers.stats.then(|| stats(map, view));
        contents
    }

    /// What turns the view's contents at `from` into those now. The ring must reach back to `from`,
    /// and `level` must have been in force then too.
    pub fn delta(map: &'a LiveMap, view: &View, level: u8, from: Seq) -> Contents<'a> {
        let changes = Changes::since(map, view.projection, view.hotspots, from);
        Contents::of_touched(map, view, level, from, &changes.touching(map, view, level))
    }

    /// The same where it is known what can have changed after `from`.
    pub(super) fn of_touched(
        map: &'a LiveMap,
        view: &View,
        level: u8,
        from: Seq,
        touched: &Touched,
    ) -> Contents<'a> {
        let mut contents = Contents::default();
        if !touched.cells.is_empty() {
            let range = view.range(level);
            let ranges = Ranges { held: range, wanted: range };
            contents.add_cells(map, view, &ranges, touched.cells.iter().copied());
        }
        if touched.hotspots {
            contents.add_hotspots(map, view, view, from);
        }
        contents.stats = touched.stats.then(|| stats(map, view));
        contents
    }

    /// What turns the contents of `held` at `from` into those of `view`, its pan, now.
    pub fn pan(map: &'a LiveMap, held: &View, view: &View, level: u8, from: Seq) -> Contents<'a> {
        let mut contents = Contents::default();
        if view.layers.incidents {
            let ranges = Ranges { held: held.range(level), wanted: view.range(level) };
            let changes = map.changes_since(view.projection, from);
            let concerns = |change: &&Change| may_match(map, &view.filter, view.projection, change);
            contents.add_cells(map, view, &ranges, changes.filter(concerns));
        }
        if view.layers.hotspots {
            contents.add_hotspots(map, held, view, from);
        }
        let moved =
            || map.changes_since(view.projection, from).next().is_some() || map.day_began_since(from);
        contents.stats = (view.layers.stats && moved()).then(|| stats(map, view));
        contents
    }

    fn add_cells<'c>(
        &mut self,
        map: &'a LiveMap,
        view: &View,
        ranges: &Ranges,
        changes: impl IntoIterator<Item = &'c Change>,
    ) {
        let level = ranges.wanted.level();
        let mut touched: HashMap<Cell, Vec<&Change>> = HashMap::new();
        for change in changes {
            let cell = Cell::at(change.place(view.projection), level);
            if ranges.held.contains(cell) || ranges.wanted.contains(cell) {
                touched.entry(cell).or_default().push(change);
            }
        }
        let mut cells: Vec<_> = touched.iter().collect();
        cells.sort_unstable_by_key(|(cell, _)| **cell);
        for (cell, changes) in cells {
            self.add_touched_cell(map, view, ranges, *cell, changes);
        }
        if ranges.held != ranges.wanted {
            self.add_revealed_cells(map, view, ranges, &touched);
        }
        let upserted: HashSet<&str> = self.upsert.iter().map(|feature| &*feature.id).collect();
        self.remove.retain(|id| !upserted.contains(&**id));
    }

    fn add_touched_cell(
        &mut self,
        map: &'a LiveMap,
        view: &View,
        ranges: &Ranges,
        cell: Cell,
        changes: &[&Change],
    ) {
        let filter = &*view.filter.at_cell(cell);
        let sum = map.cell(view.projection, filter, cell);
        if ranges.held.contains(cell) {
            self.remove.push(cell_id(cell));
            let changed: BTreeMap<IncidentNo, &Change> = changes.iter().map(|c| (c.no, *c)).collect();
            self.remove.extend(changed.values().map(|c| incident_id(map, c)));
            self.remove.extend(lone_unchanged(map, view.projection, filter, cell, &sum, &changed));
        }
        if ranges.wanted.contains(cell) && sum.total.count > 0 {
            self.upsert.push(cell_feature(map, view.projection, filter, cell, &sum));
        }
    }

    /// Cells that nothing happened in, but that a pan brings in or takes out.
    fn add_revealed_cells(
        &mut self,
        map: &'a LiveMap,
        view: &View,
        ranges: &Ranges,
        touched: &HashMap<Cell, Vec<&Change>>,
    ) {
        let (projection, filter) = (view.projection, &view.filter);
        for (cell, sum) in map.cells(projection, filter, &ranges.wanted).iter() {
            if !ranges.held.contains(*cell) && !touched.contains_key(cell) {
                self.upsert.push(cell_feature(map, projection, filter, *cell, sum));
            }
        }
        for (cell, sum) in map.cells(projection, filter, &ranges.held).iter() {
            if !ranges.wanted.contains(*cell) && !touched.contains_key(cell) {
                self.remove.push(cell_feature(map, projection, filter, *cell, sum).id);
            }
        }
    }

    fn add_hotspots(&mut self, map: &'a LiveMap, held: &View, view: &View, from: Seq) {
        let board = map.hotspots(view.hotspots);
        let stays = held.bbox == view.bbox;
        for hotspot in board.live() {
            let changed = hotspot.changed_seq > from;
            if stays && !changed {
                continue;
            }
            let was_shown = shows(&held.filter, Some(&held.bbox), hotspot);
            if shows(&view.filter, Some(&view.bbox), hotspot) {
                if changed || !was_shown {
                    self.hotspots_upsert.push(Feature::hotspot(hotspot, None, map.city()));
                }
            } else if changed || was_shown {
                self.hotspots_remove.push(format!("h:{}", hotspot.id));
            }
        }
        self.hotspots_remove.extend(board.ended_since(from).map(|id| format!("h:{id}")));
    }
}

/// The cells that a client holds and those that it wants.
struct Ranges {
    held: CellRange,
    wanted: CellRange,
}

/// The one incident of a cell that did not change, if there is just one: the cell may have shown it
/// alone before its neighbours came.
fn lone_unchanged(
    map: &LiveMap,
    projection: Projection,
    filter: &Filter,
    cell: Cell,
    sum: &Summary,
    changed: &BTreeMap<IncidentNo, &Change>,
) -> Option<String> {
    if sum.total.count as usize > changed.len() + 1 {
        return None;
    }
    let members = map.members_of_cell(projection, filter, cell, changed.len() + 1);
    let mut unchanged = members.iter().filter(|no| !changed.contains_key(no));
    let lone = unchanged.next().filter(|_| unchanged.next().is_none())?;
    let incident = map.incident(*lone)?;
    Some(wire::incident_id(map, incident.no, incident.opened_at))
}

fn incident_id(map: &LiveMap, change: &Change) -> String {
    wire::incident_id(map, change.no, change.opened_at)
}

/// Clusters and incidents of a range, in the order of the curve.
pub fn features<'a>(
    map: &'a LiveMap,
    projection: Projection,
    filter: &Filter,
    range: &CellRange,
) -> Vec<Feature<'a>> {
    let cells = map.cells(projection, filter, range);
    cells.iter().map(|(cell, sum)| cell_feature(map, projection, filter, *cell, sum)).collect()
}

fn cell_feature<'a>(
    map: &'a LiveMap,
    projection: Projection,
    filter: &Filter,
    cell: Cell,
    sum: &Summary,
) -> Feature<'a> {
    let lone = sum.only.and_then(|no| map.incident(no));
    match lone {
        Some(incident) => Feature::incident(map, incident, projection),
        None => Feature::cluster(cell, sum, map.expand_zoom(projection, filter, cell), map.city()),
    }
}

fn stats<'a>(map: &'a LiveMap, view: &View) -> StatsBody<'a> {
    StatsBody::of(&map.stats(view.projection, &view.filter), map.city())
}

/// The hotspots that a filter shows, in the order of their ids; with `members` for staff.
pub fn hotspot_features(
    map: &LiveMap,
    projection: Projection,
    filter: &Filter,
    bbox: Option<&Bbox>,
    members: bool,
) -> Vec<Feature<'static>> {
    let shown = map.hotspots(projection).live().filter(|hotspot| shows(filter, bbox, hotspot));
    let feature = |hotspot: &Hotspot| {
        let members = members.then(|| hotspot_members(map, hotspot));
        Feature::hotspot(hotspot, members, map.city())
    };
    shown.map(feature).collect()
}

/// The same of hotspots as they stood once.
pub fn past_hotspot_features(
    hotspots: &[Hotspot],
    filter: &Filter,
    bbox: Option<&Bbox>,
    city: &City,
) -> Vec<Feature<'static>> {
    let shown = hotspots.iter().filter(|hotspot| shows(filter, bbox, hotspot));
    shown.map(|hotspot| Feature::hotspot(hotspot, None, city)).collect()
}

fn hotspot_members(map: &LiveMap, hotspot: &Hotspot) -> Vec<HotspotMember> {
    let member = |member: &crate::live::hotspots::HotspotMember| HotspotMember {
        report: map.ids().report_uuid(member.report, member.received_at).to_string(),
        core: member.core,
        weight: member.doubts.weight(),
        why: member.doubts.keys().collect(),
        reason: member.doubts.reason(),
    };
    hotspot.members.iter().map(member).collect()
}

/// Hotspots heed only category, area, within, bbox and drill.
pub(super) fn shows(filter: &Filter, bbox: Option<&Bbox>, hotspot: &Hotspot) -> bool {
    let category = match (filter.categories, hotspot.layer) {
        (None, _) => true,
        (Some(set), Layer::Category(id)) => set.has(id.0),
        (Some(_), Layer::All) => false,
    };
    category
        && filter.drill.is_none_or(|drill| drill == hotspot.drill)
        && filter.areas.as_ref().is_none_or(|set| hotspot.areas.iter().any(|area| set.contains(*area)))
        && filter.within.as_ref().is_none_or(|within| {
            meets(&within.bounds(), hotspot) && within.polygons().intersects(&hotspot.outline)
        })
        && bbox.is_none_or(|bbox| bbox.parts().any(|part| meets(&rect(&part), hotspot)))
}

/// Whether an alarm is meant for a filter. It ignores the bbox.
pub(super) fn concerns(filter: &Filter, alarm: &Alarm, city: &City) -> bool {
    match alarm {
        Alarm::Hotspot(event) => shows(filter, None, &event.hotspot),
        Alarm::Surge(surge) => shows_surge(filter, surge, city),
    }
}

/// A surge of a district concerns each of its villages, and one of a village its district.
fn shows_surge(filter: &Filter, surge: &Surge, city: &City) -> bool {
    let in_it = |area: AreaId| city.areas.with_ancestors(area).any(|area| area == surge.area);
    filter.categories.is_none_or(|set| set.has(surge.category.0))
        && filter.drill.is_none_or(|drill| drill == surge.drill)
        && filter.areas.as_ref().is_none_or(|set| set.contains(surge.area) || set.iter().any(in_it))
        && filter
            .within
            .as_ref()
            .is_none_or(|within| within.polygons().intersects(&city.areas.get(surge.area).polygons))
}

fn rect(bbox: &Bbox) -> Rect<f64> {
    Rect::new(Coord { x: bbox.west(), y: bbox.south() }, Coord { x: bbox.east(), y: bbox.north() })
}

fn meets(rect: &Rect<f64>, hotspot: &Hotspot) -> bool {
    hotspot.outline.bounding_rect().is_some_and(|bounds| bounds.intersects(rect))
        && hotspot.outline.intersects(rect)
}
