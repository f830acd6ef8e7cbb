//! The outline of a hotspot on the map.
//!
//! Staff see the union of discs around the members ([`discs`]); the public sees whole H3 cells, since
//! an outline's corners must not be somebody's door.
//!
//! Invariants: every member lies in the outline; polygons have RFC 7946 winding and never cross the
//! antimeridian (they are cut there; where one holds a pole it runs along the pole's parallel);
//! corners are whole 1e-6 degrees, and rings begin at their smallest corner, so that equal outlines
//! are equal values.

mod discs;
mod field;
mod plane;

use geo::{Area, BooleanOps, Contains, Orient, orient::Direction};
use geo_types::{Coord, LineString, MultiPolygon, Point, Polygon, Rect};
use h3o::{CellIndex, geom::SolventBuilder};

pub(super) use discs::Discs;
pub(super) use plane::unit;

/// The union of H3 cells, none given twice.
pub(super) fn of_cells<'a>(cells: impl Iterator<Item = &'a CellIndex>) -> MultiPolygon<f64> {
    let cells: Vec<CellIndex> = cells.copied().collect();
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
    use crate::model::{EARTH_RADIUS_M, LngLat};
    use discs::VERTICES_MAX;
    use geo::{Intersects, Validation};
    use h3o::Resolution;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::f64::consts::PI;

    fn exact(places: &[LngLat], centroid: LngLat, eps_m: f64) -> MultiPolygon<f64> {
        let mut discs = Discs::new(centroid, eps_m);
        places.iter().for_each(|place| discs.add(&unit(*place)));
        discs.outline().0.clone()
    }

    fn of_cells(places: &[LngLat], res: Resolution) -> MultiPolygon<f64> {
        let cells: BTreeSet<CellIndex> = places.iter().map(|place| place.h3_cell(res)).collect();
        super::of_cells(cells.iter())
    }

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
    proptest! {
        #![proptest_config(cases(60))]
        #[test]
        fn places_that_come_and_go_leave_the_outline_as_drawn_anew(
            centre in prop_oneof![
                Just(place(127.38, 0.79)), Just(place(180.0, -16.5)), Just(place(0.0, 84.0)),
            ],
            steps in proptest::collection::vec((-1..=1, -1..=1, any::<bool>(), 0..400_usize), 1..200),
            step_deg in prop_oneof![Just(0.0017), Just(0.0005), Just(0.02)],
        ) {
            let walked: Vec<(i32, i32)> = steps.iter().map(|(east, north, ..)| (*east, *north)).collect();
            let places = walk(centre, &walked, step_deg);
            let mut discs = Discs::new(centre, 200.0);
            let mut there: Vec<LngLat> = Vec::new();
            let mut shown = MultiPolygon(Vec::new());
            for (place, (_, _, goes, which)) in places.iter().zip(&steps) {
                there.push(*place);
                discs.add(&unit(*place));
                if *goes {
                    let gone = there.swap_remove(which % there.len());
                    discs.remove(&unit(gone));
                }
                if which % 7 == 0 && !there.is_empty() {
                    let (outline, may_differ) = discs.outline();
                    prop_assert!(may_differ || *outline == shown);
                    shown = outline.clone();
                    prop_assert_eq!(&shown, &exact(&there, centre, 200.0));
                }
            }
        }
    }
}
