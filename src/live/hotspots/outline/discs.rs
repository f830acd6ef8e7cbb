//! The outline that staff see: the union of discs around the members, kept up to date place by place.
//!
//! Places are laid on squares a twentieth of the radius wide. The line is drawn at the finest of
//! several levels, each 1.5 times as coarse as the one before, at which the hotspot is at most
//! [`STEPS_MAX`] steps wide and the line has at most [`VERTICES_MAX`] corners: a wide hotspot is
//! drawn with larger discs, not with rougher lines.
//!
//! Invariant: the outline is a function of the plane and of the squares that hold a place.

use std::collections::{BTreeMap, HashMap};

use geo::{BoundingRect, Intersects, Simplify};
use geo_types::{Line, LineString, MultiPolygon, Rect};

use super::field::{DISC, Field, SQUARES_PER_STEP, Square};
use super::plane::Plane;
use super::{on_earth, outer, tidy};
use crate::model::LngLat;

pub(super) const VERTICES_MAX: usize = 200;
/// Discs around members in parts of the radius: two neighbours' discs then share a broad neck.
const DISC_PER_EPS: f64 = 0.6;
/// Of the finest level.
const SQUARES_PER_DISC: f64 = DISC as f64 / 2.0;
/// Steps of a level's lattice over the whole hotspot.
const STEPS_MAX: i64 = 240;
/// How much coarser a level is than the one before: 3 to 2.
const COARSER: [i128; 2] = [3, 2];
/// A lattice this many times as large as one with so many steps to spare on both sides together is made anew.
const WIDE: f64 = 4.0;
const ROOM_STEPS: f64 = 40.0;
/// What simplifying may move the line by, in parts of the disc radius; the next where one is too much.
const TOLERANCES_PER_DISC: [f64; 3] = [0.05, 0.02, 0.005];

/// Costs some hundred steps a place that comes or goes, unless the line moves by it: then in proportion to
/// the levels' lattices, of which each has some ten thousand nodes at most.
#[derive(Debug)]
pub(in crate::live::hotspots) struct Discs {
    plane: Plane,
    /// Side of a square of the finest level.
    side_m: f64,
    /// How many places each square holds.
    squares: HashMap<Square, u32>,
    /// How many squares hold places in each column, and in each row.
    columns: BTreeMap<i32, u32>,
    rows: BTreeMap<i32, u32>,
    levels: BTreeMap<u32, Level>,
    drawn: Option<(u32, MultiPolygon<f64>)>,
}

impl Discs {
    pub fn new(centroid: LngLat, eps_m: f64) -> Discs {
        Discs {
            plane: Plane::near(centroid),
            side_m: DISC_PER_EPS * eps_m / SQUARES_PER_DISC,
            squares: HashMap::new(),
            columns: BTreeMap::new(),
            rows: BTreeMap::new(),
            levels: BTreeMap::new(),
            drawn: None,
        }
    }

    /// Whether it lies on the plane that is laid for a hotspot with this centroid.
    pub fn is_for(&self, centroid: LngLat) -> bool {
        self.plane == Plane::near(centroid)
    }

    fn square(&self, unit: &[f64; 3]) -> Square {
        self.plane.to_m(unit).map(|m| (m / self.side_m).floor() as i32)
    }

    /// Adds a place, given on the unit sphere.
    pub fn add(&mut self, unit: &[f64; 3]) {
        let square = self.square(unit);
        let places = self.squares.entry(square).or_default();
        *places += 1;
        if *places == 1 {
            *self.columns.entry(square[0]).or_default() += 1;
            *self.rows.entry(square[1]).or_default() += 1;
            self.levels.iter_mut().for_each(|(number, level)| level.add(*number, square));
        }
    }

    /// It would be a logic error to remove a place that was not added.
    pub fn remove(&mut self, unit: &[f64; 3]) {
        let square = self.square(unit);
        if take_one(&mut self.squares, square) {
            take_one_in_order(&mut self.columns, square[0]);
            take_one_in_order(&mut self.rows, square[1]);
            self.levels.iter_mut().for_each(|(number, level)| level.remove(*number, square));
        }
    }

    /// The outline, and whether it may be another than the last time.
    pub fn outline(&mut self) -> (&MultiPolygon<f64>, bool) {
        let extents = [extent(&self.columns), extent(&self.rows)];
        let extent = extents[0].max(extents[1]);
        // Of a hotspot that has moved on.
        self.levels.retain(|number, level| !level.is_wide(*number, extents));
        let finest = (0..).find(|level| is_fine_enough(extent, *level)).unwrap_or_default();
        let number = (finest..).find(|level| self.is_drawable(*level, extent)).unwrap_or_default();
        // The next finer and the next coarser are kept, lest they be made again and again at a limit.
        self.levels.retain(|level, _| *level + 1 >= finest && *level <= number + 1);
        let level = self.levels.get_mut(&number).expect("the level was just made");
        let is_drawn = self.drawn.as_ref().is_some_and(|(drawn, _)| *drawn == number);
        let moved = std::mem::replace(&mut level.moved, false) || !is_drawn;
        if moved {
            let rings = level.line.iter().flatten().flatten();
            let on_earth = rings.flat_map(|ring| on_earth(&self.plane.ring_to_deg(ring)));
            self.drawn = Some((number, tidy(on_earth.collect())));
        }
        let (_, outline) = self.drawn.as_ref().expect("it was just drawn");
        (outline, moved)
    }

    /// Whether a level's line has few enough corners, once it is made and drawn.
    fn is_drawable(&mut self, number: u32, extent: i64) -> bool {
        let squares = &self.squares;
        let level = self.levels.entry(number).or_insert_with(|| {
            let mut level = Level::default();
            squares.keys().for_each(|square| level.add(number, *square));
            level
        });
        let disc_m = self.side_m * SQUARES_PER_DISC * coarseness(number);
        // A single disc has some twenty corners.
        let is_coarsest = disc_m > 2.0 * extent as f64 * self.side_m;
        let corners_max = if is_coarsest { usize::MAX } else { VERTICES_MAX };
        let line = level.line.get_or_insert_with(|| level.field.drawn(disc_m, corners_max));
        line.is_some()
    }
}

/// One level's squares, and its line.
#[derive(Debug)]
struct Level {
    /// How many squares of the finest level each of this one holds.
    squares: HashMap<Square, u32>,
    field: Field,
    /// In metres; once drawn, `None` where it has too many corners. Not drawn since the line moved last: `None`.
    line: Option<Option<Vec<LineString<f64>>>>,
    /// Since the outline was last taken from it.
    moved: bool,
}

impl Default for Level {
    fn default() -> Self {
        Level { squares: HashMap::new(), field: Field::new(), line: None, moved: true }
    }
}

impl Level {
    fn add(&mut self, number: u32, finest: Square) {
        let square = at_level(number, finest);
        let n = self.squares.entry(square).or_default();
        *n += 1;
        if *n == 1 && self.field.add(square) {
            self.line_moved();
        }
    }

    fn remove(&mut self, number: u32, finest: Square) {
        let square = at_level(number, finest);
        if take_one(&mut self.squares, square) && self.field.remove(square) {
            self.line_moved();
        }
    }

    /// Whether its lattice has far more nodes than a hotspot of this extent needs.
    fn is_wide(&self, number: u32, extents: [i64; 2]) -> bool {
        let steps = |extent: i64| extent as f64 / (f64::from(SQUARES_PER_STEP) * coarseness(number));
        let [x, y] = extents.map(|extent| steps(extent) + ROOM_STEPS);
        self.field.n_nodes() as f64 > WIDE * x * y
    }

    fn line_moved(&mut self) {
        self.line = None;
        self.moved = true;
    }
}

impl Field {
    /// The line in metres, simplified; `None` where it has more corners than that.
    fn drawn(&self, disc_m: f64, corners_max: usize) -> Option<Vec<LineString<f64>>> {
        let step_m = disc_m / SQUARES_PER_DISC * f64::from(SQUARES_PER_STEP);
        let mut rings = outer(self.rings());
        for corner in rings.iter_mut().flat_map(|ring| ring.0.iter_mut()) {
            *corner = *corner * step_m;
        }
        simplified(&rings, disc_m, corners_max)
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
        if simple.iter().all(is_simple) {
            return Some(simple);
        }
    }
    (rings.iter().map(|ring| ring.0.len() - 1).sum::<usize>() <= corners_max).then(|| rings.to_vec())
}

/// Whether a closed ring has an inside, and neither crosses nor touches itself.
fn is_simple(ring: &LineString<f64>) -> bool {
    let mut lines: Vec<(Rect<f64>, Line<f64>)> =
        ring.lines().map(|line| (line.bounding_rect(), line)).collect();
    lines.sort_unstable_by(|(a, _), (b, _)| a.min().x.total_cmp(&b.min().x));
    // By bounds first: few lines come near each other.
    lines.len() > 2
        && lines.iter().enumerate().all(|(i, (bounds, line))| {
            let near_east = lines[i + 1..].iter().take_while(|(other, _)| other.min().x <= bounds.max().x);
            let mut near = near_east.filter(|(other, _)| bounds.intersects(other)).map(|(_, other)| other);
            near.all(|other| line.start == other.end || line.end == other.start || !line.intersects(other))
        })
}

/// The square of a level that holds the middle of one of the finest.
fn at_level(number: u32, finest: Square) -> Square {
    if number == 0 {
        return finest;
    }
    let [num, den] = COARSER.map(|n| n.pow(number));
    finest.map(|at| ((2 * i128::from(at) + 1) * den).div_euclid(2 * num) as i32)
}

fn coarseness(level: u32) -> f64 {
    let [num, den] = COARSER.map(|n| n as f64);
    (num / den).powi(level as i32)
}

fn is_fine_enough(extent: i64, level: u32) -> bool {
    let [num, den] = COARSER.map(|n| n.pow(level));
    i128::from(extent) * den <= i128::from(STEPS_MAX * i64::from(SQUARES_PER_STEP)) * num
}

fn extent(counts: &BTreeMap<i32, u32>) -> i64 {
    let ends = counts.first_key_value().zip(counts.last_key_value());
    ends.map_or(0, |((first, _), (last, _))| i64::from(*last) - i64::from(*first))
}

/// Whether it was the last.
fn take_one(counts: &mut HashMap<Square, u32>, key: Square) -> bool {
    let Some(n) = counts.get_mut(&key) else { return false };
    *n -= 1;
    let was_last = *n == 0;
    if was_last {
        counts.remove(&key);
    }
    was_last
}

fn take_one_in_order(counts: &mut BTreeMap<i32, u32>, key: i32) {
    if let Some(n) = counts.get_mut(&key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use geo::Validation;
    use geo_types::Polygon;
    use proptest::prelude::*;

    use super::*;
    use crate::live::hotspots::outline::unit;
    use crate::live::hotspots::testing::{cases, place};

    proptest! {
        #![proptest_config(cases(2_000))]

        #[test]
        fn a_ring_is_simple_where_its_polygon_is_valid(
            corners in prop::collection::vec((0..7_i32, 0..7_i32), 3..12),
        ) {
            let mut corners: Vec<(f64, f64)> =
                corners.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect();
            corners.dedup();
            prop_assume!(corners.len() > 2 && corners.first() != corners.last());
            corners.push(corners[0]);
            let ring = LineString::from(corners);
            prop_assert_eq!(is_simple(&ring), Polygon::new(ring, Vec::new()).is_valid());
        }
    }

    #[test]
    fn a_hotspot_that_moves_on_leaves_no_lattice_behind() {
        let mut discs = Discs::new(place(127.38, 0.79), 200.0);
        let at = |step: i32| unit(place(127.38 + f64::from(step) * 0.001, 0.79 + f64::from(step) * 0.001));
        for step in 0..2_000 {
            discs.add(&at(step));
            if step > 4 {
                discs.remove(&at(step - 5));
            }
            discs.outline();
        }
        let n_nodes: usize = discs.levels.values().map(|level| level.field.n_nodes()).sum();
        assert!(n_nodes < 20_000, "{n_nodes}");
    }
}
