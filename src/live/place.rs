//! Where a list is asked for: a box, a circle, a cell.

use smallvec::SmallVec;

use super::cell_range::CellRange;
use super::pyramid::Region;
use crate::model::{Bbox, Cell, EARTH_RADIUS_M, LEVEL_MAX, LngLat, great_circle_m};

/// What floating point may lose at the edge of a cell, in degrees: a tenth of a metre.
pub(super) const EDGE_DEG: f64 = 1e-6;

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

/// Where to look: what is given must all hold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Where {
    pub bbox: Option<Bbox>,
    pub circle: Option<Circle>,
    pub cell: Option<Cell>,
}

impl Where {
    /// The same, ready to be tested against many cells.
    pub(super) fn prepared(&self) -> PreparedWhere<'_> {
        let touched = |bbox: Bbox| CellRange::of(&bbox, LEVEL_MAX);
        let bbox = self.bbox.map(touched);
        let circle = self.circle.map(|circle| touched(circle.bounds()));
        let whole = bbox.and_then(|range| range.without_rim());
        PreparedWhere { place: self, boxes: bbox.into_iter().chain(circle).collect(), whole }
    }
}

pub(super) struct PreparedWhere<'a> {
    place: &'a Where,
    /// Boxes that must all meet a cell, as the deepest cells they touch.
    boxes: SmallVec<[CellRange; 2]>,
    /// The deepest cells that lie in the box whole.
    whole: Option<CellRange>,
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
        let w = self.place;
        (w.bbox.is_none() || self.whole.is_some_and(|whole| whole.covers(cell)))
            && w.circle.is_none_or(|circle| circle.holds(&cell.bbox()))
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
