//! The named polygons of a city pack, and which of them holds a place.

use std::collections::HashMap;

use geo::{BoundingRect, Intersects};
use geo_types::{Coord, LineString, MultiPolygon, Point, Rect};

use crate::model::{AreaId, EARTH_RADIUS_M, LngLat};

/// A place outside every area, on a pier or a boat at anchor, belongs to the nearest one within
/// this many metres.
pub const NEAREST_AREA_M: f64 = 500.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AreaLevel {
    City,
    District,
    Village,
}

impl AreaLevel {
    pub fn key(self) -> &'static str {
        match self {
            AreaLevel::City => "city",
            AreaLevel::District => "district",
            AreaLevel::Village => "village",
        }
    }

    pub fn from_key(key: &str) -> Option<AreaLevel> {
        [AreaLevel::City, AreaLevel::District, AreaLevel::Village].into_iter().find(|l| l.key() == key)
    }
}

#[derive(Debug, Clone)]
pub struct Area {
    pub code: String,
    pub name: String,
    pub level: AreaLevel,
    pub parent: Option<AreaId>,
    /// Drawn by a script from centres, not surveyed.
    pub approximate: bool,
    pub polygons: MultiPolygon<f64>,
    /// Where its name stands.
    pub label: LngLat,
}

/// All areas of a pack, in the order of their codes.
///
/// Good for a few thousand areas: a look-up tests every bounding box, then the polygons of the few
/// boxes hit.
#[derive(Debug, Default)]
pub struct Areas {
    areas: Vec<Area>,
    boxes: Vec<Rect<f64>>,
    by_code: HashMap<String, AreaId>,
    /// Areas without areas below them: what places are put into.
    finest: Vec<AreaId>,
}

/// A set of areas, closed downwards where [`Areas::with_descendants`] made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AreaSet(Vec<AreaId>);

impl AreaSet {
    pub fn contains(&self, id: AreaId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = AreaId> {
        self.0.iter().copied()
    }

    /// Just these, without what lies below them.
    pub fn of(ids: impl IntoIterator<Item = AreaId>) -> AreaSet {
        let mut ids: Vec<AreaId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        AreaSet(ids)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &AreaSet) -> AreaSet {
        AreaSet(self.iter().filter(|id| other.contains(*id)).collect())
    }
}

impl Areas {
    /// The areas must be sorted by code, without doubles, parents given as indices into `areas`.
    pub(super) fn new(areas: Vec<Area>) -> Areas {
        let boxes = areas
            .iter()
            .map(|a| a.polygons.bounding_rect().expect("an area has at least one polygon"))
            .collect();
        let by_code = areas.iter().enumerate().map(|(i, a)| (a.code.clone(), AreaId(i as u16))).collect();
        let has_child = |id: AreaId| areas.iter().any(|a| a.parent == Some(id));
        let finest = (0..areas.len()).map(|i| AreaId(i as u16)).filter(|id| !has_child(*id)).collect();
        Areas { areas, boxes, by_code, finest }
    }

    pub fn iter(&self) -> impl Iterator<Item = (AreaId, &Area)> {
        self.areas.iter().enumerate().map(|(i, a)| (AreaId(i as u16), a))
    }

    /// Those without areas below them.
    pub fn finest(&self) -> impl Iterator<Item = (AreaId, &Area)> {
        self.finest.iter().map(|id| (*id, self.get(*id)))
    }

    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    pub fn get(&self, id: AreaId) -> &Area {
        &self.areas[usize::from(id.0)]
    }

    pub fn by_code(&self, code: &str) -> Option<AreaId> {
        self.by_code.get(code).copied()
    }

    /// The area itself and those that hold it, from the finest up.
    pub fn with_ancestors(&self, id: AreaId) -> impl Iterator<Item = AreaId> {
        std::iter::successors(Some(id), |id| self.get(*id).parent)
    }

    /// The areas given and everything below them.
    pub fn with_descendants(&self, roots: &[AreaId]) -> AreaSet {
        let within = |id: AreaId| self.with_ancestors(id).any(|a| roots.contains(&a));
        AreaSet(self.iter().map(|(id, _)| id).filter(|id| within(*id)).collect())
    }

    /// The finest area that holds the place; of two that share the border it lies on, the one with
    /// the smaller code. Off every area, the nearest within [`NEAREST_AREA_M`].
    pub fn locate(&self, place: LngLat) -> Option<AreaId> {
        let point = place.to_geo();
        let holds = |id: &AreaId| {
            let i = usize::from(id.0);
            self.boxes[i].intersects(&point) && self.areas[i].polygons.intersects(&point)
        };
        self.finest.iter().copied().find(holds).or_else(|| self.nearest(point))
    }

    fn nearest(&self, point: Point<f64>) -> Option<AreaId> {
        let plane = LocalPlane::at(point);
        let near = |id: &AreaId| plane.box_within(&self.boxes[usize::from(id.0)], NEAREST_AREA_M);
        self.finest
            .iter()
            .copied()
            .filter(near)
            .map(|id| (plane.distance_m(&self.get(id).polygons), id))
            .filter(|(distance_m, _)| *distance_m <= NEAREST_AREA_M)
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, id)| id)
    }
}

/// A flat map in metres around one point: exact enough within a kilometre.
struct LocalPlane {
    origin: Point<f64>,
    m_per_deg_lng: f64,
    m_per_deg_lat: f64,
}

impl LocalPlane {
    fn at(origin: Point<f64>) -> LocalPlane {
        let m_per_deg_lat = EARTH_RADIUS_M.to_radians();
        let m_per_deg_lng = m_per_deg_lat * origin.y().to_radians().cos();
        LocalPlane { origin, m_per_deg_lng, m_per_deg_lat }
    }

    fn to_m(&self, coord: Coord<f64>) -> (f64, f64) {
        let (east, north) = (coord.x - self.origin.x(), coord.y - self.origin.y());
        (east * self.m_per_deg_lng, north * self.m_per_deg_lat)
    }

    fn box_within(&self, rect: &Rect<f64>, limit_m: f64) -> bool {
        let (west, south) = self.to_m(rect.min());
        let (east, north) = self.to_m(rect.max());
        west <= limit_m && east >= -limit_m && south <= limit_m && north >= -limit_m
    }

    /// From the origin to the nearest border, in metres.
    fn distance_m(&self, polygons: &MultiPolygon<f64>) -> f64 {
        let rings = polygons.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        rings.map(|ring| self.distance_to_ring_m(ring)).fold(f64::INFINITY, f64::min)
    }

    fn distance_to_ring_m(&self, ring: &LineString<f64>) -> f64 {
        let to_segment = |line: geo_types::Line<f64>| {
            let ((ax, ay), (bx, by)) = (self.to_m(line.start), self.to_m(line.end));
            let (dx, dy) = (bx - ax, by - ay);
            let length2 = dx * dx + dy * dy;
            let along = if length2 > 0.0 { (-(ax * dx + ay * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
            (ax + along * dx).hypot(ay + along * dy)
        };
        ring.lines().map(to_segment).fold(f64::INFINITY, f64::min)
    }
}
