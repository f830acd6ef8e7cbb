//! The outline of a hotspot on the map.
//!
//! Staff see the union of discs around the members; the public sees whole H3 cells, since an
//! outline's corners must not be somebody's door.
//!
//! Invariants: every member lies in the outline; polygons have RFC 7946 winding and never cross the
//! antimeridian (they are cut there; where one holds a pole it runs along the pole's parallel);
//! corners are whole 1e-6 degrees, and rings begin at their smallest corner, so that equal outlines
//! are equal values.

use std::collections::{BTreeSet, HashSet};
use std::f64::consts::PI;

use geo::{Area, BooleanOps, Contains, Orient, Simplify, Validation, orient::Direction};
use geo_types::{Coord, LineString, MultiPolygon, Point, Polygon, Rect};
use h3o::{CellIndex, Resolution, geom::SolventBuilder};

use crate::model::{EARTH_RADIUS_M, LngLat};

const VERTICES_MAX: usize = 200;
/// Discs around members in parts of the radius: two neighbours' discs then share a broad neck.
const DISC_PER_EPS: f64 = 0.6;
/// Steps of the field in one disc radius, and over the whole outline.
const STEPS_PER_DISC: f64 = 4.0;
const STEPS_MAX: f64 = 160.0;
/// What simplifying may move the line by, in parts of the disc radius; the next where one is too much.
const TOLERANCES_PER_DISC: [f64; 3] = [0.05, 0.02, 0.005];

/// The union of discs of 0.6 `eps_m` around the places, holes dropped, as smooth as
/// [`VERTICES_MAX`] corners allow. A wide hotspot is drawn with larger discs, not with rougher lines.
pub(super) fn exact(places: &[LngLat], centre: LngLat, eps_m: f64) -> MultiPolygon<f64> {
    let plane = Plane::at(centre);
    let mut points: Vec<[f64; 2]> = places.iter().map(|place| plane.to_m(*place)).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let mut disc_m = (DISC_PER_EPS * eps_m).max(extent_m(&points) / STEPS_MAX * 3.0);
    loop {
        let rings = outer(Field::new(&points, disc_m).rings());
        // Twice the disc halves the corners or better; a single disc has some twenty.
        let is_coarsest = disc_m > 2.0 * extent_m(&points);
        if let Some(rings) = simplified(&rings, disc_m, if is_coarsest { usize::MAX } else { VERTICES_MAX })
        {
            return tidy(rings.iter().flat_map(|ring| on_earth(&plane.ring_to_deg(ring))).collect());
        }
        disc_m *= 1.5;
    }
}

/// As few corners as keep every ring free of crossings: where two arms of an outline run close to
/// each other, they are simplified less. `None` where these are more than `corners_max`.
fn simplified(rings: &[LineString<f64>], disc_m: f64, corners_max: usize) -> Option<Vec<LineString<f64>>> {
    for tolerance in TOLERANCES_PER_DISC {
        let simple: Vec<LineString<f64>> =
            rings.iter().map(|ring| ring.simplify(tolerance * disc_m)).collect();
        if simple.iter().map(|ring| ring.0.len() - 1).sum::<usize>() > corners_max {
            return None;
        }
        let is_sound = |ring: &LineString<f64>| Polygon::new(ring.clone(), Vec::new()).is_valid();
        if simple.iter().all(is_sound) {
            return Some(simple);
        }
    }
    (rings.iter().map(|ring| ring.0.len() - 1).sum::<usize>() <= corners_max).then(|| rings.to_vec())
}

/// The union of the H3 cells that hold the places.
pub(super) fn of_cells(places: &[LngLat], res: Resolution) -> MultiPolygon<f64> {
    let cells: BTreeSet<CellIndex> = places.iter().map(|place| place.h3_cell(res)).collect();
    let rings: Vec<Vec<[f64; 2]>> = cells.iter().map(|cell| unwrapped(&cell_ring(*cell))).collect();
    let plain = rings.iter().all(|ring| in_world(ring) && turn(ring) == 0.0);
    let dissolved = SolventBuilder::new().build().dissolve(cells.iter().copied());
    match dissolved {
        Ok(polygons) if plain => tidy(polygons.0),
        // The library joins cells on a flat map; those at its edge are cut there first.
        _ => {
            let cut: Vec<Polygon<f64>> =
                cells.iter().flat_map(|cell| on_earth(&cell_ring(*cell))).collect();
            tidy(geo::unary_union(&cut).0)
        }
    }
}

fn cell_ring(cell: CellIndex) -> Vec<[f64; 2]> {
    cell.boundary().iter().map(|corner| [corner.lng(), corner.lat()]).collect()
}

fn extent_m(points: &[[f64; 2]]) -> f64 {
    let spread = |axis: usize| {
        let values = || points.iter().map(|p| p[axis]);
        values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
    };
    spread(0).max(spread(1)).max(0.0)
}

/// A flat map in metres around one place: azimuthal equidistant, so it holds anywhere on earth.
struct Plane {
    up: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
}

impl Plane {
    fn at(centre: LngLat) -> Plane {
        let (sin_lat, cos_lat) = centre.lat().to_radians().sin_cos();
        let (sin_lng, cos_lng) = centre.lng().to_radians().sin_cos();
        Plane {
            up: [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat],
            east: [-sin_lng, cos_lng, 0.0],
            north: [-sin_lat * cos_lng, -sin_lat * sin_lng, cos_lat],
        }
    }

    fn to_m(&self, place: LngLat) -> [f64; 2] {
        let unit = unit(place);
        let (x, y, z) = (dot(&unit, &self.east), dot(&unit, &self.north), dot(&unit, &self.up));
        let across = x.hypot(y);
        if across == 0.0 {
            return [0.0, 0.0];
        }
        let scale = across.atan2(z) * EARTH_RADIUS_M / across;
        [x * scale, y * scale]
    }

    fn to_deg(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let far = x.hypot(y);
        let (sin, cos) = (far / EARTH_RADIUS_M).min(PI).sin_cos();
        let (x, y) = if far > 0.0 { (x / far * sin, y / far * sin) } else { (0.0, 0.0) };
        let at = |axis: usize| self.up[axis] * cos + self.east[axis] * x + self.north[axis] * y;
        [at(1).atan2(at(0)).to_degrees(), at(2).clamp(-1.0, 1.0).asin().to_degrees()]
    }

    fn ring_to_deg(&self, ring: &LineString<f64>) -> Vec<[f64; 2]> {
        let corners = &ring.0[..ring.0.len().saturating_sub(1)];
        corners.iter().map(|corner| self.to_deg([corner.x, corner.y])).collect()
    }
}

pub(super) fn unit(place: LngLat) -> [f64; 3] {
    let (sin_lat, cos_lat) = place.lat().to_radians().sin_cos();
    let (sin_lng, cos_lng) = place.lng().to_radians().sin_cos();
    [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat]
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Distance to the nearest point, on a lattice, as far as it matters for the line at `disc_m`.
struct Field {
    disc_m: f64,
    step_m: f64,
    origin: [f64; 2],
    columns: usize,
    rows: usize,
    distance_m: Vec<f64>,
}

impl Field {
    fn new(points: &[[f64; 2]], disc_m: f64) -> Field {
        let step_m = (disc_m / STEPS_PER_DISC).max(extent_m(points) / STEPS_MAX);
        let reach_m = disc_m + 2.0 * step_m;
        let least = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::INFINITY, f64::min);
        let most = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::NEG_INFINITY, f64::max);
        let origin = [least(0) - reach_m, least(1) - reach_m];
        let nodes = |axis: usize| ((most(axis) + reach_m - origin[axis]) / step_m).ceil() as usize + 1;
        let (columns, rows) = (nodes(0), nodes(1));
        let distance_m = vec![f64::INFINITY; columns * rows];
        let mut field = Field { disc_m, step_m, origin, columns, rows, distance_m };
        // One point in each third of a step stands for all: none is moved by as much as half a step.
        let thin = |p: &[f64; 2]| [0, 1].map(|axis| ((p[axis] - origin[axis]) / step_m * 3.0) as u32);
        let mut stamped = HashSet::new();
        for point in points.iter().filter(|point| stamped.insert(thin(point))) {
            field.stamp(point, disc_m + 1.5 * step_m);
        }
        field.distance_m.iter_mut().for_each(|square| *square = square.sqrt());
        field
    }

    /// Leaves squares; [`Field::new`] takes the roots at the end.
    fn stamp(&mut self, point: &[f64; 2], reach_m: f64) {
        let range = |axis: usize, n: usize| {
            let from = (point[axis] - reach_m - self.origin[axis]) / self.step_m;
            let to = (point[axis] + reach_m - self.origin[axis]) / self.step_m;
            from.ceil().max(0.0) as usize..=(to as usize).min(n - 1)
        };
        for row in range(1, self.rows) {
            let north_m = self.node(0, row)[1] - point[1];
            for column in range(0, self.columns) {
                let east_m = self.node(column, row)[0] - point[0];
                let here = &mut self.distance_m[row * self.columns + column];
                *here = here.min(east_m * east_m + north_m * north_m);
            }
        }
    }

    fn node(&self, column: usize, row: usize) -> [f64; 2] {
        [self.origin[0] + column as f64 * self.step_m, self.origin[1] + row as f64 * self.step_m]
    }

    /// The lines at `disc_m`, the inside to their left: marching squares (Lorensen and Cline, 1987).
    fn rings(&self) -> Vec<LineString<f64>> {
        // Lattice edge 2i runs east from node i, 2i + 1 north; each that is crossed leads to one other.
        const NONE: usize = usize::MAX;
        let mut next = vec![NONE; 2 * self.columns * self.rows];
        for row in 0..self.rows - 1 {
            for column in 0..self.columns - 1 {
                self.segments(column, row, &mut |from, to| next[from] = to);
            }
        }
        let mut rings = Vec::new();
        for start in 0..next.len() {
            let mut ring = Vec::new();
            let mut edge = start;
            while next[edge] != NONE {
                ring.push(self.crossing(edge));
                edge = std::mem::replace(&mut next[edge], NONE);
            }
            if let Some(first) = ring.first().copied() {
                ring.push(first);
                rings.push(LineString(ring));
            }
        }
        rings
    }

    /// The pieces of line in one square, as pairs of the edges where they enter and leave.
    fn segments(&self, column: usize, row: usize, each: &mut impl FnMut(usize, usize)) {
        let at = |east: usize, north: usize| (row + north) * self.columns + column + east;
        let inside = |node: usize| self.distance_m[node] < self.disc_m;
        let (south, north) = (2 * at(0, 0), 2 * at(0, 1));
        let (west, east) = (2 * at(0, 0) + 1, 2 * at(1, 0) + 1);
        let corners = [at(0, 0), at(1, 0), at(1, 1), at(0, 1)].map(inside);
        match corners.map(u8::from) {
            [0, 0, 0, 0] | [1, 1, 1, 1] => {}
            [1, 0, 0, 0] => each(south, west),
            [0, 1, 0, 0] => each(east, south),
            [0, 0, 1, 0] => each(north, east),
            [0, 0, 0, 1] => each(west, north),
            [1, 1, 0, 0] => each(east, west),
            [0, 1, 1, 0] => each(north, south),
            [0, 0, 1, 1] => each(west, east),
            [1, 0, 0, 1] => each(south, north),
            [0, 1, 1, 1] => each(west, south),
            [1, 0, 1, 1] => each(south, east),
            [1, 1, 0, 1] => each(east, north),
            [1, 1, 1, 0] => each(north, west),
            // Two opposite corners are inside: taken as joined, so that a neck is never cut.
            [1, 0, 1, 0] => {
                each(south, east);
                each(north, west);
            }
            _ => {
                each(west, south);
                each(east, north);
            }
        }
    }

    /// Where the line crosses a lattice edge.
    fn crossing(&self, edge: usize) -> Coord<f64> {
        let node = edge / 2;
        let other = if edge.is_multiple_of(2) { node + 1 } else { node + self.columns };
        let (a, b) = (self.distance_m[node], self.distance_m[other]);
        // A far node's distance may be unknown; the line then lies near the one that is known.
        let known = |distance: f64| distance.min(self.disc_m + 2.0 * self.step_m);
        let along = ((self.disc_m - known(a)) / (known(b) - known(a))).clamp(0.01, 0.99);
        let start = self.node(node % self.columns, node / self.columns);
        let end = self.node(other % self.columns, other / self.columns);
        Coord { x: start[0] + along * (end[0] - start[0]), y: start[1] + along * (end[1] - start[1]) }
    }
}

/// The rings that bound the outside: no holes, and nothing that lies in a hole.
fn outer(rings: Vec<LineString<f64>>) -> Vec<LineString<f64>> {
    let mut polygons: Vec<Polygon<f64>> = rings
        .into_iter()
        .map(|ring| Polygon::new(ring, Vec::new()))
        .filter(|p| p.signed_area() > 0.0)
        .collect();
    polygons.sort_by(|a, b| b.signed_area().total_cmp(&a.signed_area()));
    let mut kept: Vec<Polygon<f64>> = Vec::new();
    for polygon in polygons {
        let corner = Point(polygon.exterior().0[0]);
        if !kept.iter().any(|outer| outer.contains(&corner)) {
            kept.push(polygon);
        }
    }
    kept.into_iter().map(|polygon| polygon.into_inner().0).collect()
}

/// Longitudes without jumps at the antimeridian; beyond ±180 where the ring goes on across it.
fn unwrapped(ring: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut previous = ring.first().map_or(0.0, |corner| corner[0]);
    ring.iter()
        .map(|[lng, lat]| {
            previous += (lng - previous + 540.0).rem_euclid(360.0) - 180.0;
            [previous, *lat]
        })
        .collect()
}

/// Degrees by which an unwrapped ring turns around a pole: 0 or ±360.
fn turn(ring: &[[f64; 2]]) -> f64 {
    let (Some(first), Some(last)) = (ring.first(), ring.last()) else { return 0.0 };
    let back = (first[0] - last[0] + 540.0).rem_euclid(360.0) - 180.0;
    ((last[0] + back - first[0]) / 360.0).round() * 360.0
}

fn in_world(ring: &[[f64; 2]]) -> bool {
    ring.iter().all(|[lng, _]| (-180.0..=180.0).contains(lng))
}

/// An open ring of degrees as polygons that do not cross the antimeridian.
fn on_earth(ring: &[[f64; 2]]) -> Vec<Polygon<f64>> {
    let mut ring = unwrapped(ring);
    let turn = turn(&ring);
    if let (true, Some([lng, lat])) = (turn != 0.0, ring.first().copied()) {
        // Around a pole: down along the last meridian, and back along the pole's edge of the map.
        let pole = if lat >= 0.0 { 90.0 } else { -90.0 };
        ring.extend([[lng + turn, lat], [lng + turn, pole], [lng, pole]]);
    }
    let polygon = Polygon::new(LineString::from(ring.clone()), Vec::new());
    if in_world(&ring) {
        return vec![polygon];
    }
    let lngs = || ring.iter().map(|corner| corner[0]);
    let world = |lng: f64| ((lng + 180.0) / 360.0).floor() as i32;
    let (west, east) = (lngs().fold(f64::INFINITY, f64::min), lngs().fold(f64::NEG_INFINITY, f64::max));
    let mut parts = Vec::new();
    for shift in (world(west)..=world(east)).map(|world| f64::from(world) * 360.0) {
        let bounds = Rect::new((-180.0 + shift, -90.0), (180.0 + shift, 90.0)).to_polygon();
        let mut cut = polygon.intersection(&bounds);
        cut.iter_mut().for_each(|part| {
            part.exterior_mut(|ring| ring.0.iter_mut().for_each(|corner| corner.x -= shift));
        });
        parts.extend(cut);
    }
    // A ring around a pole began at any meridian; its two ends meet there.
    if turn != 0.0 { geo::unary_union(&parts).0 } else { parts }
}

/// Rounds, winds and orders, so that equal outlines are equal values.
fn tidy(polygons: Vec<Polygon<f64>>) -> MultiPolygon<f64> {
    let mut polygons: Vec<Polygon<f64>> = polygons
        .into_iter()
        .map(|polygon| {
            let (outer, holes) = polygon.into_inner();
            Polygon::new(rounded(outer), holes.into_iter().map(rounded).filter(|r| r.0.len() > 3).collect())
        })
        .filter(|polygon| polygon.exterior().0.len() > 3)
        .map(|polygon| {
            let (outer, holes) = polygon.orient(Direction::Default).into_inner();
            let mut holes: Vec<_> = holes.into_iter().map(from_smallest).collect();
            holes.sort_by(by_first_corner);
            Polygon::new(from_smallest(outer), holes)
        })
        .collect();
    polygons.sort_by(|a, b| by_first_corner(a.exterior(), b.exterior()));
    MultiPolygon(polygons)
}

fn rounded(ring: LineString<f64>) -> LineString<f64> {
    let micro = |deg: f64| (deg * 1e6).round() / 1e6;
    let clamp = |deg: f64, max: f64| micro(deg).clamp(-max, max) + 0.0;
    let mut corners: Vec<Coord<f64>> = Vec::new();
    for corner in ring.0 {
        corners.push(Coord { x: clamp(corner.x, 180.0), y: clamp(corner.y, 90.0) });
        // A corner on a straight line is none; where the line turns back on itself (cutting and
        // rounding leave such spikes on the antimeridian) it would make the ring cross itself.
        while let [.., a, b, c] = corners[..]
            && (b.x - a.x) * (c.y - b.y) == (b.y - a.y) * (c.x - b.x)
        {
            corners.remove(corners.len() - 2);
            if a == c {
                corners.pop();
            }
        }
    }
    corners.dedup();
    LineString(corners)
}

fn from_smallest(ring: LineString<f64>) -> LineString<f64> {
    let mut corners = ring.0;
    corners.pop();
    let smallest = (0..corners.len()).min_by(|a, b| by_corner(&corners[*a], &corners[*b]));
    corners.rotate_left(smallest.unwrap_or(0));
    corners.extend(corners.first().copied());
    LineString(corners)
}

fn by_corner(a: &Coord<f64>, b: &Coord<f64>) -> std::cmp::Ordering {
    a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y))
}

fn by_first_corner(a: &LineString<f64>, b: &LineString<f64>) -> std::cmp::Ordering {
    a.0.first().zip(b.0.first()).map_or(a.0.len().cmp(&b.0.len()), |(a, b)| by_corner(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::hotspots::testing::{cases, place};
    use geo::Intersects;
    use proptest::prelude::*;

    fn corners(outline: &MultiPolygon<f64>) -> usize {
        outline.iter().map(|p| p.exterior().0.len() - 1 + p.interiors().len()).sum()
    }

    fn check(outline: &MultiPolygon<f64>, places: &[LngLat]) {
        assert!(outline.is_valid(), "{outline:?}");
        for polygon in outline {
            assert!(polygon.signed_area() > 0.0);
            assert!(polygon.exterior().0.iter().all(|c| c.x.abs() <= 180.0 && c.y.abs() <= 90.0));
        }
        for place in places {
            assert!(outline.intersects(&place.to_geo()), "{place:?} is outside {outline:?}");
        }
    }

    fn walk(centre: LngLat, steps: &[(i32, i32)], step_deg: f64) -> Vec<LngLat> {
        let (mut lng, mut lat) = (centre.lng(), centre.lat());
        let cos = f64::to_radians(lat).cos().max(1e-4);
        let mut walk = vec![centre];
        for (east, north) in steps {
            lng = (lng + f64::from(*east) * step_deg / cos + 540.0).rem_euclid(360.0) - 180.0;
            lat = (lat + f64::from(*north) * step_deg).clamp(-90.0, 90.0);
            walk.push(place(lng, lat));
        }
        walk
    }

    #[test]
    fn one_place_is_a_disc() {
        let here = place(127.38, 0.79);
        let outline = exact(&[here; 5], here, 200.0);
        check(&outline, &[here]);
        assert_eq!(outline.0.len(), 1);
        assert!((8..40).contains(&corners(&outline)), "{}", corners(&outline));
        let deg = (120.0 / EARTH_RADIUS_M).to_degrees();
        let area = PI * deg * deg;
        assert!((outline.unsigned_area() / area - 1.0).abs() < 0.06, "{}", outline.unsigned_area() / area);
    }

    #[test]
    fn an_outline_over_the_antimeridian_is_cut_there() {
        let places = [place(179.9995, -16.5), place(-179.9995, -16.5), place(180.0, -16.5)];
        for outline in [exact(&places, places[2], 200.0), of_cells(&places, Resolution::Nine)] {
            check(&outline, &places[..2]);
            assert!(outline.0.len() >= 2);
            assert!(outline.unsigned_area() < 0.001);
        }
    }

    #[test]
    fn an_outline_around_a_pole_reaches_it() {
        for lat in [90.0, -90.0] {
            let near = lat - f64::signum(lat) * 0.0005;
            let places = [place(10.0, near), place(130.0, near), place(-110.0, near), place(0.0, lat)];
            for outline in [exact(&places, places[3], 200.0), of_cells(&places, Resolution::Nine)] {
                check(&outline, &places);
            }
        }
    }

    #[test]
    fn a_public_outline_has_no_corner_at_a_member() {
        let places = walk(place(127.38, 0.79), &[(1, 0), (1, 1), (0, 1), (2, 0)], 0.001);
        let outline = of_cells(&places, Resolution::Nine);
        check(&outline, &places);
        for corner in outline.iter().flat_map(|p| p.exterior().0.iter()) {
            assert!(
                places.iter().all(|p| (p.lng() - corner.x).abs().max((p.lat() - corner.y).abs()) > 1e-6)
            );
        }
    }

    proptest! {
        #![proptest_config(cases(300))]
        #[test]
        fn it_is_valid_holds_every_member_and_has_few_corners(
            centre in prop_oneof![
                Just(place(127.38, 0.79)), Just(place(180.0, -16.5)), Just(place(0.0, 84.0)),
            ],
            steps in proptest::collection::vec((-1..=1, -1..=1), 0..300),
            step_deg in prop_oneof![Just(0.0017), Just(0.0005), Just(0.00001)],
        ) {
            let places = walk(centre, &steps, step_deg);
            let outline = exact(&places, places[places.len() / 2], 200.0);
            check(&outline, &places);
            prop_assert!(corners(&outline) <= VERTICES_MAX + 20, "{}", corners(&outline));
        }
    }
}
