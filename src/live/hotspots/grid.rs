//! Cells of a size that fits one radius, and which of them can hold neighbours.
//!
//! Rows run along the parallels, each cut into as many equal columns as keep a cell about square.
//! Invariant: two places of one cell are never farther apart than the radius. Columns count around
//! the world, so the antimeridian is a seam like any other, and where a disc holds a pole it
//! reaches every column of the row.

use std::f64::consts::{FRAC_PI_2, PI, TAU};
use std::ops::RangeInclusive;

use crate::model::{EARTH_RADIUS_M, LngLat};

/// Radii below the 11 mm in which places are held would only make cells without number.
const RADIUS_M_MIN: f64 = 0.01;
/// What floating point may lose in a distance: cells are made smaller, and reach farther, by this.
const SLACK_M: f64 = 1e-7;
const SLACK: f64 = 1e-6;

/// Row from the south pole, column from 180° west.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GridCell {
    pub row: u32,
    pub column: u32,
}

/// How the cells of one row reach into another.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowReach {
    /// Of the row reached.
    columns: u32,
    /// Columns there for one column here.
    ratio: f64,
    /// How far neighbours can be beyond a cell's sides, in columns there.
    spread: f64,
}

/// The columns of a row that a cell reaches: one run, or two where it goes across the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Run(Run),
    AcrossSeam { until: u32, from: u32 },
}

/// Columns `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub from: u32,
    pub to: u32,
}

impl RowReach {
    pub fn columns(&self, column: u32) -> Reached {
        let west = f64::from(column) * self.ratio - self.spread;
        let east = (f64::from(column) + 1.0) * self.ratio + self.spread;
        let (west, east, n) = (west.floor() as i64, east.floor() as i64, i64::from(self.columns));
        let wrap = |column: i64| column.rem_euclid(n) as u32;
        match (east - west >= n - 1, wrap(west), wrap(east)) {
            (true, ..) => Reached::Run(Run { from: 0, to: self.columns - 1 }),
            (false, from, to) if from <= to => Reached::Run(Run { from, to }),
            (false, from, until) => Reached::AcrossSeam { until, from },
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Height of a row, and width of a column where it is widest.
    side_rad: f64,
    /// How far a place's neighbours can be, a little more than the radius.
    reach_rad: f64,
    rows: u32,
}

impl Grid {
    pub fn new(radius_m: f64) -> Grid {
        let radius_rad = (radius_m.max(RADIUS_M_MIN) / EARTH_RADIUS_M).min(PI);
        // With both sides at most chord / √2 the diagonal of a cell is within the radius:
        // hav(d) = hav(Δlat) + cos · cos · hav(Δlng) <= 2 · (side / 2)² = (chord / 2)².
        let chord_m = 2.0 * EARTH_RADIUS_M * (radius_rad / 2.0).sin();
        let side_m = chord_m * std::f64::consts::FRAC_1_SQRT_2 * (1.0 - SLACK) - SLACK_M;
        let side_rad = side_m / EARTH_RADIUS_M;
        let reach_rad = radius_rad * (1.0 + SLACK) + SLACK_M / EARTH_RADIUS_M;
        Grid { side_rad, reach_rad, rows: (PI / side_rad).ceil() as u32 }
    }

    pub fn cell(&self, place: LngLat) -> GridCell {
        let row = self.row(place.lat().to_radians());
        GridCell { row, column: self.column(row, place.lng().to_radians()) }
    }

    /// The cells that can hold neighbours of places in `at`, itself included; each once.
    pub fn around(&self, at: GridCell) -> impl Iterator<Item = GridCell> {
        self.rows_near(at.row).flat_map(move |row| {
            let reach = self.reach(at.row, row);
            let (first, second) = match reach.columns(at.column) {
                Reached::Run(Run { from, to }) => (from..to + 1, 0..0),
                Reached::AcrossSeam { until, from } => (0..until + 1, from..reach.columns),
            };
            first.chain(second).map(move |column| GridCell { row, column })
        })
    }

    /// The rows that can hold neighbours of places in `row`.
    pub fn rows_near(&self, row: u32) -> RangeInclusive<u32> {
        let (south, north) = self.latitudes(row);
        self.row(south - self.reach_rad)..=self.row(north + self.reach_rad)
    }

    /// How cells of one row reach into another.
    pub fn reach(&self, from_row: u32, to_row: u32) -> RowReach {
        let (south, north) = self.latitudes(from_row);
        let (own, columns) = (self.columns(from_row), self.columns(to_row));
        let spread = self.spread_rad(south, north) / TAU * f64::from(columns);
        RowReach { columns, ratio: f64::from(columns) / f64::from(own), spread }
    }

    /// How far in longitude a disc of the reach around a place between two latitudes spreads.
    fn spread_rad(&self, south: f64, north: f64) -> f64 {
        let lat = south.abs().max(north.abs());
        if lat + self.reach_rad >= FRAC_PI_2 {
            return PI;
        }
        (self.reach_rad.sin() / lat.cos()).min(1.0).asin() + SLACK_M / EARTH_RADIUS_M
    }

    fn row(&self, lat_rad: f64) -> u32 {
        (((lat_rad + FRAC_PI_2) / self.side_rad).max(0.0) as u32).min(self.rows - 1)
    }

    fn latitudes(&self, row: u32) -> (f64, f64) {
        let south = -FRAC_PI_2 + f64::from(row) * self.side_rad;
        (south, (south + self.side_rad).min(FRAC_PI_2))
    }

    fn columns(&self, row: u32) -> u32 {
        let (south, north) = self.latitudes(row);
        let widest = if south <= 0.0 && north >= 0.0 { 1.0 } else { south.cos().max(north.cos()) };
        (TAU * widest / self.side_rad).ceil().max(1.0) as u32
    }

    fn column(&self, row: u32, lng_rad: f64) -> u32 {
        let columns = self.columns(row);
        let column = ((lng_rad + PI) / TAU * f64::from(columns)).floor() as i64;
        column.rem_euclid(i64::from(columns)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::great_circle_m;
    use proptest::prelude::*;

    fn reaches(grid: &Grid, from: GridCell, to: GridCell) -> bool {
        grid.rows_near(from.row).contains(&to.row)
            && match grid.reach(from.row, to.row).columns(from.column) {
                Reached::Run(run) => (run.from..=run.to).contains(&to.column),
                Reached::AcrossSeam { until, from } => to.column <= until || to.column >= from,
            }
    }

    #[test]
    fn a_place_at_180_east_shares_its_cell_with_180_west() {
        let grid = Grid::new(200.0);
        let at = |lng| grid.cell(LngLat::new(lng, 10.0).unwrap());
        assert_eq!(at(180.0), at(-180.0));
        assert!(reaches(&grid, at(179.9999), at(-179.9999)));
    }

    proptest! {
        #![proptest_config(crate::live::hotspots::testing::cases(2_000))]
        /// Places of one cell are neighbours; neighbours lie in cells that reach each other.
        #[test]
        fn a_cell_is_within_the_radius_and_reaches_every_neighbour(
            lng in prop_oneof![-180.0..180.0, 179.99..180.0, 127.0..127.4],
            lat in prop_oneof![-90.0..90.0, 89.98..90.0, -90.0..-89.98, 0.7..0.9],
            east in -1.5..1.5, north in -1.5..1.5,
            radius_m in prop_oneof![0.02..1.0, 1.0..1_000.0, 1_000.0..100_000.0],
        ) {
            let grid = Grid::new(radius_m);
            let deg = (radius_m / EARTH_RADIUS_M).to_degrees();
            let cos = f64::to_radians(lat).cos().max(0.001);
            let wrapped = |lng: f64| (lng + 540.0).rem_euclid(360.0) - 180.0;
            let a = LngLat::new(lng, lat).unwrap();
            let north = f64::clamp(lat + north * deg, -90.0, 90.0);
            let b = LngLat::new(wrapped(lng + east * deg / cos), north).unwrap();
            let (cell_a, cell_b) = (grid.cell(a), grid.cell(b));
            let near = great_circle_m(a, b) <= radius_m;
            if cell_a == cell_b {
                prop_assert!(near);
            }
            if near {
                prop_assert!(reaches(&grid, cell_a, cell_b) && reaches(&grid, cell_b, cell_a));
            }
        }
    }
}
