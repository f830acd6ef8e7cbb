//! Places on the earth, boxes, and the cells of the map.
//!
//! The one file that converts to and from `geo` and `h3o` (which takes latitude first).
//! A place is held as whole 1e-7 degrees (11 mm), so sums of places are exact in any order.

use std::f64::consts::PI;

/// Mean radius of the earth that every distance uses, in metres (IUGG R1).
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Where Web Mercator's square ends, in degrees of latitude.
pub const MERCATOR_LAT_MAX: f64 = 85.051_128_779_806_59;
/// The deepest level of map cells: zoom 20 plus 3.
pub const LEVEL_MAX: u8 = 23;

const E7: f64 = 1e7;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CoordError {
    #[error("longitude {0} is outside -180..=180")]
    Longitude(f64),
    #[error("latitude {0} is outside -90..=90")]
    Latitude(f64),
    #[error("south {south} is above north {north}")]
    SouthAboveNorth { south: f64, north: f64 },
}

/// A place: WGS 84 degrees, held as whole 1e-7 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LngLat {
    lng_e7: i32,
    lat_e7: i32,
}

impl LngLat {
    /// Checks the range and rounds to 1e-7 degree.
    ///
    /// # Errors
    /// NaN, infinities and values outside ±180 and ±90 are refused; nothing is wrapped.
    ///
    /// ```
    /// use pantau::model::LngLat;
    /// let place = LngLat::new(127.38, 0.79).unwrap();
    /// assert_eq!((place.lng(), place.lat()), (127.38, 0.79));
    /// assert!(LngLat::new(0.0, 91.0).is_err());
    /// ```
    pub fn new(lng: f64, lat: f64) -> Result<LngLat, CoordError> {
        if !(-180.0..=180.0).contains(&lng) {
            return Err(CoordError::Longitude(lng));
        }
        if !(-90.0..=90.0).contains(&lat) {
            return Err(CoordError::Latitude(lat));
        }
        Ok(LngLat { lng_e7: (lng * E7).round() as i32, lat_e7: (lat * E7).round() as i32 })
    }

    /// From whole 1e-7 degrees; `None` outside the range.
    pub fn from_e7(lng_e7: i32, lat_e7: i32) -> Option<LngLat> {
        let in_range = (-1_800_000_000..=1_800_000_000).contains(&lng_e7)
            && (-900_000_000..=900_000_000).contains(&lat_e7);
        in_range.then_some(LngLat { lng_e7, lat_e7 })
    }

    /// Degrees east.
    pub fn lng(self) -> f64 {
        f64::from(self.lng_e7) / E7
    }

    /// Degrees north.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / E7
    }

    pub fn lng_e7(self) -> i32 {
        self.lng_e7
    }

    pub fn lat_e7(self) -> i32 {
        self.lat_e7
    }

    pub fn to_geo(self) -> geo_types::Point<f64> {
        geo_types::Point::new(self.lng(), self.lat())
    }

    /// The H3 cell that holds the place at `res`.
    pub fn h3_cell(self, res: h3o::Resolution) -> h3o::CellIndex {
        h3o::LatLng::new(self.lat(), self.lng()).expect("a place is finite").to_cell(res)
    }

    /// The centre of the H3 cell that holds the place: what the public sees of a sensitive one.
    pub fn coarsened(self, res: h3o::Resolution) -> LngLat {
        let centre = h3o::LatLng::from(self.h3_cell(res));
        LngLat::new(centre.lng().clamp(-180.0, 180.0), centre.lat().clamp(-90.0, 90.0))
            .expect("clamped into range")
    }
}

/// Great-circle distance in metres, by the haversine formula on [`EARTH_RADIUS_M`].
/// Right across the antimeridian and at the poles.
pub fn great_circle_m(a: LngLat, b: LngLat) -> f64 {
    let (lat_a, lat_b) = (a.lat().to_radians(), b.lat().to_radians());
    let sin_lat = ((lat_b - lat_a) / 2.0).sin();
    let sin_lng = ((b.lng().to_radians() - a.lng().to_radians()) / 2.0).sin();
    let h = sin_lat * sin_lat + lat_a.cos() * lat_b.cos() * sin_lng * sin_lng;
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

/// A box in degrees. `west` above `east` crosses the antimeridian; -180 to 180 is the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bbox {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Bbox {
    pub const WORLD: Bbox = Bbox { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };

    /// # Errors
    /// Values beyond ±180 and ±90, NaN, and a south above its north are refused.
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Result<Bbox, CoordError> {
        for lng in [west, east] {
            if !(-180.0..=180.0).contains(&lng) {
                return Err(CoordError::Longitude(lng));
            }
        }
        for lat in [south, north] {
            if !(-90.0..=90.0).contains(&lat) {
                return Err(CoordError::Latitude(lat));
            }
        }
        if south > north {
            return Err(CoordError::SouthAboveNorth { south, north });
        }
        Ok(Bbox { west, south, east, north })
    }

    pub fn west(&self) -> f64 {
        self.west
    }
    pub fn south(&self) -> f64 {
        self.south
    }
    pub fn east(&self) -> f64 {
        self.east
    }
    pub fn north(&self) -> f64 {
        self.north
    }

    pub fn crosses_antimeridian(&self) -> bool {
        self.west > self.east
    }

    /// Whether the place lies in the box, edges included. 180 and -180 are the same meridian.
    pub fn contains(&self, place: LngLat) -> bool {
        let (lng, lat) = (place.lng(), place.lat());
        if !(self.south..=self.north).contains(&lat) {
            return false;
        }
        let between = |lng: f64| {
            if self.crosses_antimeridian() {
                lng >= self.west || lng <= self.east
            } else {
                (self.west..=self.east).contains(&lng)
            }
        };
        between(lng) || (lng.abs() == 180.0 && between(-lng))
    }

    /// The box as one or two boxes that do not cross the antimeridian.
    pub fn parts(&self) -> impl Iterator<Item = Bbox> {
        let parts = if self.crosses_antimeridian() {
            [Some(Bbox { east: 180.0, ..*self }), Some(Bbox { west: -180.0, ..*self })]
        } else {
            [Some(*self), None]
        };
        parts.into_iter().flatten()
    }
}

/// A map cell: the Web-Mercator tile `x`, `y` of `level` (64 px on the screen at zoom `level - 3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    pub level: u8,
    pub x: u32,
    pub y: u32,
}

impl Cell {
    pub const ROOT: Cell = Cell { level: 0, x: 0, y: 0 };

    /// `None` where the level is above [`LEVEL_MAX`] or the tile is outside the level.
    pub fn new_checked(level: u8, x: u32, y: u32) -> Option<Cell> {
        (level <= LEVEL_MAX && x < 1 << level && y < 1 << level).then_some(Cell { level, x, y })
    }

    /// The cell that holds a place. Places beyond ±85.0511° lie in the outermost row, 180° east in
    /// the eastmost column.
    pub fn at(place: LngLat, level: u8) -> Cell {
        let deepest = Cell { level: LEVEL_MAX, x: column(place.lng_e7), y: row(place.lat()) };
        deepest.ancestor(level)
    }

    /// The cell of `level` that this one lies in.
    ///
    /// # Panics
    /// Where `level` is deeper than this cell's own.
    pub fn ancestor(self, level: u8) -> Cell {
        let up = self.level.checked_sub(level).expect("an ancestor is not deeper");
        Cell { level, x: self.x >> up, y: self.y >> up }
    }

    /// Which quarter of its parent this cell is: bit 0 east, bit 1 south.
    pub fn quarter(self) -> usize {
        ((self.x & 1) | (self.y & 1) << 1) as usize
    }

    pub fn child(self, quarter: usize) -> Cell {
        let (east, south) = (quarter as u32 & 1, quarter as u32 >> 1);
        Cell { level: self.level + 1, x: self.x << 1 | east, y: self.y << 1 | south }
    }

    /// The box that the cell covers, in degrees.
    pub fn bbox(self) -> Bbox {
        let n = f64::from(1_u32 << self.level);
        let lng = |x: u32| f64::from(x) / n * 360.0 - 180.0;
        let lat = |y: u32| (PI * (1.0 - 2.0 * f64::from(y) / n)).sinh().atan().to_degrees();
        Bbox { west: lng(self.x), south: lat(self.y + 1), east: lng(self.x + 1), north: lat(self.y) }
    }
}

/// Column at the deepest level; exact integer arithmetic.
fn column(lng_e7: i32) -> u32 {
    let from_west = i64::from(lng_e7) + 1_800_000_000;
    (((from_west << LEVEL_MAX) / 3_600_000_000) as u32).min((1 << LEVEL_MAX) - 1)
}

fn row(lat: f64) -> u32 {
    let sin = lat.clamp(-MERCATOR_LAT_MAX, MERCATOR_LAT_MAX).to_radians().sin();
    let y = 0.5 - ((1.0 + sin) / (1.0 - sin)).ln() / (4.0 * PI);
    let rows = f64::from(1_u32 << LEVEL_MAX);
    ((y * rows).max(0.0) as u32).min((1 << LEVEL_MAX) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lng: f64, lat: f64) -> LngLat {
        LngLat::new(lng, lat).unwrap()
    }

    #[test]
    fn a_place_outside_the_world_is_refused() {
        for (lng, lat) in [
            (180.1, 0.0),
            (-180.1, 0.0),
            (540.0, 0.0),
            (0.0, 91.0),
            (0.0, -90.1),
            (f64::NAN, 0.0),
            (0.0, f64::NAN),
            (f64::INFINITY, 0.0),
            (1e308, 0.0),
        ] {
            assert!(LngLat::new(lng, lat).is_err(), "{lng} {lat}");
        }
    }

    #[test]
    fn a_place_lies_in_its_cell_at_every_level() {
        for (lng, lat) in [(127.38, 0.79), (-0.1, 51.5), (179.999_999, -84.9), (-180.0, 85.0)] {
            for level in 0..=LEVEL_MAX {
                let cell = Cell::at(place(lng, lat), level);
                assert!(Cell::new_checked(cell.level, cell.x, cell.y).is_some());
                assert!(cell.bbox().contains(place(lng, lat)), "{lng} {lat} {level} {cell:?}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_map_are_the_outer_columns_and_rows() {
        assert_eq!(Cell::at(place(180.0, 10.0), 5).x, 31);
        assert_eq!(Cell::at(place(-180.0, 10.0), 5).x, 0);
        assert_eq!(Cell::at(place(0.0, 90.0), 5).y, 0);
        assert_eq!(Cell::at(place(0.0, -90.0), 5).y, 31);
    }

    #[test]
    fn a_box_across_the_antimeridian_holds_both_sides() {
        let bbox = Bbox::new(170.0, -10.0, -170.0, 10.0).unwrap();
        assert!(bbox.contains(place(175.0, 0.0)) && bbox.contains(place(-175.0, 0.0)));
        assert!(bbox.contains(place(180.0, 0.0)) && !bbox.contains(place(0.0, 0.0)));
        assert_eq!(bbox.parts().count(), 2);
    }

    #[test]
    fn distance_is_right_across_the_antimeridian_and_at_the_pole() {
        let across = great_circle_m(place(179.999, 0.0), place(-179.999, 0.0));
        assert!((across - 222.39).abs() < 0.01, "{across}");
        assert!(great_circle_m(place(0.0, 90.0), place(137.0, 90.0)) < 1e-6);
    }
}
