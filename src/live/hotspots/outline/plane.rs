//! A flat map in metres around one place.

use std::f64::consts::PI;

use geo_types::LineString;

use crate::model::{EARTH_RADIUS_M, LngLat};

/// A plane is laid at a whole multiple of this, so that it seldom changes as a hotspot moves. Within
/// 400 km a length on it is wrong by less than a thousandth.
const CENTRE_STEP_DEG: f64 = 4.0;

/// Azimuthal equidistant, so it holds anywhere on earth.
#[derive(Debug, PartialEq)]
pub(super) struct Plane {
    up: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
}

impl Plane {
    /// The one that is laid for what lies around `place`.
    pub fn near(place: LngLat) -> Plane {
        let step = |deg: f64| (deg / CENTRE_STEP_DEG).round() * CENTRE_STEP_DEG;
        Plane::at(LngLat::new(step(place.lng()), step(place.lat()).clamp(-90.0, 90.0)).unwrap_or(place))
    }

    fn at(centre: LngLat) -> Plane {
        let (sin_lat, cos_lat) = centre.lat().to_radians().sin_cos();
        let (sin_lng, cos_lng) = centre.lng().to_radians().sin_cos();
        Plane {
            up: [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat],
            east: [-sin_lng, cos_lng, 0.0],
            north: [-sin_lat * cos_lng, -sin_lat * sin_lng, cos_lat],
        }
    }

    pub fn to_m(&self, unit: &[f64; 3]) -> [f64; 2] {
        let (x, y, z) = (dot(unit, &self.east), dot(unit, &self.north), dot(unit, &self.up));
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

    /// The corners in degrees of a closed ring in metres.
    pub fn ring_to_deg(&self, ring: &LineString<f64>) -> Vec<[f64; 2]> {
        let corners = &ring.0[..ring.0.len().saturating_sub(1)];
        corners.iter().map(|corner| self.to_deg([corner.x, corner.y])).collect()
    }
}

/// A place on the unit sphere.
pub(in crate::live::hotspots) fn unit(place: LngLat) -> [f64; 3] {
    let (sin_lat, cos_lat) = place.lat().to_radians().sin_cos();
    let (sin_lng, cos_lng) = place.lng().to_radians().sin_cos();
    [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat]
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
