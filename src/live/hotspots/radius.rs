//! Near or far, to the last bit and yet cheap; and weights as whole numbers.

use crate::model::{EARTH_RADIUS_M, LngLat, great_circle_m};

/// Of a weight of 1.
pub(super) const WEIGHT_UNITS: f64 = 1e6;

/// A weight as whole millionths, so that no order of summing shows.
pub(super) fn weight_units(weight: f64) -> u64 {
    (weight.max(0.0) * WEIGHT_UNITS).round() as u64
}

/// The weight of one report; above 4,294 it counts as that. Report numbers are 32 bits, so no sum of
/// these leaves 64.
pub(super) fn report_units(weight: f64) -> u64 {
    weight_units(weight).min(u64::from(u32::MAX))
}

/// A place, and the same on the unit sphere: the straight line between two of these tells near from
/// far without trigonometry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub place: LngLat,
    pub unit: [f64; 3],
}

impl Position {
    pub fn new(place: LngLat) -> Position {
        let (sin_lat, cos_lat) = place.lat().to_radians().sin_cos();
        let (sin_lng, cos_lng) = place.lng().to_radians().sin_cos();
        Position { place, unit: [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat] }
    }
}

pub(super) fn distance2(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    let (x, y, z) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    x * x + y * y + z * z
}

/// How far two equal squared chords may be apart by rounding. Units are good to some 1e-16.
fn margin2(chord2: f64) -> f64 {
    chord2 * 1e-9 + chord2.sqrt() * 1e-14 + 1e-30
}

/// Tells whether two places are within the radius, exactly as [`great_circle_m`] does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Radius {
    eps_m: f64,
    chord: f64,
    /// Squares of chords: up to the first surely near, from the second surely far; what lies between
    /// the exact distance decides.
    near2: f64,
    far2: f64,
}

impl Radius {
    pub fn new(eps_m: f64) -> Radius {
        let half = (eps_m / EARTH_RADIUS_M / 2.0).min(std::f64::consts::FRAC_PI_2);
        let chord = 2.0 * half.sin();
        let margin = margin2(chord * chord);
        Radius { eps_m, chord, near2: chord * chord - margin, far2: chord * chord + margin }
    }

    pub fn chord(&self) -> f64 {
        self.chord
    }

    pub fn holds(&self, a: &Position, b: &Position) -> bool {
        let d2 = distance2(&a.unit, &b.unit);
        d2 < self.near2 || (d2 <= self.far2 && great_circle_m(a.place, b.place) <= self.eps_m)
    }

    /// Whether a place whose squared chord is `d2` can be within the radius.
    pub fn can_hold(&self, d2: f64) -> bool {
        d2 <= self.far2
    }

    /// Whether it surely is.
    pub fn surely_holds(&self, d2: f64) -> bool {
        d2 < self.near2
    }

    /// What [`great_circle_m`] could take for as near as the nearest, whose squared chord is `d2`.
    pub fn as_near_as(d2: f64) -> f64 {
        d2 + margin2(d2)
    }
}

/// A box in space around positions. It never shrinks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    min: [f64; 3],
    max: [f64; 3],
}

impl Bounds {
    pub fn around(unit: [f64; 3]) -> Bounds {
        Bounds { min: unit, max: unit }
    }

    pub fn extend(&mut self, unit: &[f64; 3]) {
        for ((min, max), value) in self.min.iter_mut().zip(&mut self.max).zip(unit) {
            *min = min.min(*value);
            *max = max.max(*value);
        }
    }

    /// A position in the box is at least this far: never more than [`distance2`] says, because
    /// rounding keeps order.
    pub fn nearest2(&self, unit: &[f64; 3]) -> f64 {
        let clamped = [0, 1, 2].map(|axis| unit[axis].clamp(self.min[axis], self.max[axis]));
        distance2(unit, &clamped)
    }

    /// And at most this far.
    pub fn farthest2(&self, unit: &[f64; 3]) -> f64 {
        let farther = |axis: usize| {
            let (to_min, to_max) =
                ((unit[axis] - self.min[axis]).abs(), (unit[axis] - self.max[axis]).abs());
            to_min.max(to_max)
        };
        let [x, y, z] = [0, 1, 2].map(farther);
        x * x + y * y + z * z
    }
}
