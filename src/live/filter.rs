//! What a reader asks to see, the same on REST and on the socket.

use std::borrow::Cow;
use std::sync::Arc;

use geo::{BoundingRect, Intersects};
use geo_types::{Coord, MultiPolygon, Rect};

use super::keys::{IdSet, KeySet, StatusSet};
use super::member::{AreaBits, Member};
use super::place::EDGE_DEG;
use super::words::Words;
use crate::city::AreaSet;
use crate::model::{AreaId, Cell, Disposition, LngLat, Projection, TimeMs};

/// A polygon that a reader drew.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    polygons: MultiPolygon<f64>,
    bounds: Rect<f64>,
}

impl Within {
    /// `None` for a polygon without any point. Validity is checked where it is parsed.
    pub fn new(polygons: MultiPolygon<f64>) -> Option<Within> {
        let bounds = polygons.bounding_rect()?;
        Some(Within { polygons, bounds })
    }

    /// Borders count as inside.
    pub fn contains(&self, place: LngLat) -> bool {
        let point = place.to_geo();
        self.bounds.intersects(&point) && self.polygons.intersects(&point)
    }

    /// Whether every place that a cell can hold is inside; `false` in doubt. Costs a look at each edge.
    pub fn covers(&self, cell: Cell) -> bool {
        // The outermost rows hold what lies beyond the map, too.
        if cell.y == 0 || cell.y + 1 == 1 << cell.level {
            return false;
        }
        let of_cell = cell.bbox();
        let rect = Rect::new(
            Coord { x: of_cell.west() - EDGE_DEG, y: of_cell.south() - EDGE_DEG },
            Coord { x: of_cell.east() + EDGE_DEG, y: of_cell.north() + EDGE_DEG },
        );
        let rings = self.polygons.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        // Where no edge meets the cell it is inside as a whole, or outside.
        self.polygons.intersects(&rect.min())
            && rings.flat_map(|ring| ring.lines()).all(|edge| !edge.intersects(&rect))
    }

    pub fn bounds(&self) -> Rect<f64> {
        self.bounds
    }

    pub fn polygons(&self) -> &MultiPolygon<f64> {
        &self.polygons
    }
}

/// Of the areas that a filter asks for. Several areas may share a bit.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedAreas {
    /// Bits of which some areas are asked for: without any of them nothing matches.
    pub some: AreaBits,
    /// Bits of which all areas are: with no others everything matches.
    pub whole: AreaBits,
}

/// Lists are *or*, keys are *and*; what is absent does not filter, but for `statuses`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub categories: Option<IdSet>,
    /// The open ones unless a reader names others.
    pub statuses: StatusSet,
    pub agencies: Option<IdSet>,
    /// Closed downwards: an area stands for what lies below it too.
    pub areas: Option<AreaSet>,
    pub within: Option<Arc<Within>>,
    /// Opened at or after.
    pub since: Option<TimeMs>,
    /// Opened before.
    pub until: Option<TimeMs>,
    pub overdue: Option<bool>,
    /// Late, and so many rungs of the ladder or more are reached: 1 the supervisor's, 2 the head's.
    pub escalation: Option<u8>,
    pub drill: Option<bool>,
    /// Sent back by an agency, and not assigned anew.
    pub returned: Option<bool>,
    /// What was rejected, and said to be this: for the counts of the figures.
    pub disposition: Option<Disposition>,
    /// Each must stand in the title or, for staff, in a report's text.
    pub words: Words,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            categories: None,
            statuses: StatusSet::OPEN,
            agencies: None,
            areas: None,
            within: None,
            since: None,
            until: None,
            overdue: None,
            escalation: None,
            drill: None,
            returned: None,
            disposition: None,
            words: Words::default(),
        }
    }
}

impl Filter {
    /// Everything, closed and rejected included.
    pub fn everything() -> Filter {
        Filter { statuses: StatusSet::ALL, ..Filter::default() }
    }

    /// The part of the filter that a cell's tallies can answer.
    pub(super) fn keys(&self, projection: Projection) -> KeySet {
        let mut keys = KeySet::of_statuses(self.statuses, projection);
        if let Some(categories) = self.categories {
            keys = keys.with_categories(categories);
        }
        if let Some(agencies) = self.agencies {
            keys = keys.with_agencies(agencies);
        }
        if let Some(overdue) = self.overdue {
            keys = keys.with_overdue(overdue);
        }
        if self.escalation.is_some() {
            keys = keys.without_those_in_time();
        }
        if let Some(drill) = self.drill {
            keys = keys.with_drill(drill);
        }
        if let Some(returned) = self.returned {
            keys = keys.with_returned(returned);
        }
        if let Some(disposition) = self.disposition {
            keys = keys.with_disposition(disposition);
        }
        keys
    }

    /// Whether a cell's tallies are the whole answer, so that no incident need be looked at.
    pub fn is_by_key(&self) -> bool {
        self.areas.is_none() && self.within.is_none() && self.is_by_key_and_place()
    }

    /// Whether the tallies of a cell are the whole answer where all of the cell lies in the areas and in the
    /// polygon that are asked for.
    pub(super) fn is_by_key_and_place(&self) -> bool {
        self.since.is_none() && self.until.is_none() && self.escalation.is_none() && self.words.is_empty()
    }

    /// Everything but the key and the words.
    pub(super) fn matches_columns(&self, member: &Member) -> bool {
        self.since.is_none_or(|since| member.opened_at >= since)
            && self.until.is_none_or(|until| member.opened_at < until)
            && self.areas.as_ref().is_none_or(|set| member.area().is_some_and(|area| set.contains(area)))
            && self.within.as_ref().is_none_or(|within| within.contains(member.place))
    }

    /// The areas asked for; `None`: any, or none.
    pub(super) fn area_bits(&self, all: impl Iterator<Item = AreaId>) -> Option<AskedAreas> {
        let wanted = self.areas.as_ref()?;
        let (mut some, mut others) = (AreaBits::default(), AreaBits::default());
        others.add(None);
        for area in all {
            let bits = if wanted.contains(area) { &mut some } else { &mut others };
            bits.add(Some(area));
        }
        Some(AskedAreas { some, whole: some.without(others) })
    }

    /// The same filter for the members of one cell: without the polygon where it holds the whole cell,
    /// so that the cell's tallies may be the whole answer.
    pub fn at_cell(&self, cell: Cell) -> Cow<'_, Filter> {
        match &self.within {
            Some(within) if within.covers(cell) => Cow::Owned(Filter { within: None, ..self.clone() }),
            _ => Cow::Borrowed(self),
        }
    }

    /// The same filter without its statuses: what `by_status` counts.
    pub fn of_any_status(&self) -> Filter {
        Filter { statuses: StatusSet::ALL, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::chance::Chance;
    use geo_types::{LineString, Polygon};

    #[test]
    fn a_cell_that_a_polygon_covers_holds_no_place_outside_of_it() {
        let mut chance = Chance::new(17);
        let mut n_covered = 0;
        for _ in 0..8_000 {
            let corner = |chance: &mut Chance| (chance.between(127.0, 127.4), chance.between(0.6, 1.0));
            let ring = LineString::from((0..3).map(|_| corner(&mut chance)).collect::<Vec<_>>());
            let hole = LineString::from(vec![(127.2, 0.8), (127.21, 0.8), (127.2, 0.81), (127.2, 0.8)]);
            let within = Within::new(MultiPolygon::new(vec![Polygon::new(ring, vec![hole])])).unwrap();
            let place = |chance: &mut Chance| {
                let (lng, lat) = corner(chance);
                LngLat::new(lng, lat).unwrap()
            };
            let cell = Cell::at(place(&mut chance), 11 + chance.below(6) as u8);
            if !within.covers(cell) {
                continue;
            }
            n_covered += 1;
            let bbox = cell.bbox();
            for _ in 0..50 {
                let lng = chance.between(bbox.west(), bbox.east());
                let place = LngLat::new(lng, chance.between(bbox.south(), bbox.north())).unwrap();
                assert!(
                    Cell::at(place, cell.level) != cell || within.contains(place),
                    "{place:?} {within:?}"
                );
            }
        }
        assert!(n_covered > 100, "{n_covered}");
    }
}
