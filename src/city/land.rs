//! The land of a city pack as H3 cells: what Gi* compares with each other.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use geo::{Area as _, Centroid};
use h3o::geom::{ContainmentMode, TilerBuilder};
use h3o::{CellIndex, Resolution};

use super::Areas;
use crate::model::EARTH_RADIUS_M;

/// A pack whose land has more cells is refused: Gi* looks at all of them.
pub const LAND_CELLS_MAX: f64 = 200_000.0;

/// Computed when it is first asked for: a command that needs no hotspots does not wait for it.
#[derive(Debug)]
pub struct Land {
    pub res: Resolution,
    cells: OnceLock<Vec<CellIndex>>,
}

impl Land {
    pub fn new(res: Resolution) -> Land {
        Land { res, cells: OnceLock::new() }
    }

    /// Every cell that a finest area touches, sorted: so each place in an area lies in one of them.
    pub(super) fn cells(&self, areas: &Areas) -> &[CellIndex] {
        self.cells.get_or_init(|| {
            let mut cells = BTreeSet::new();
            for (_, area) in areas.finest() {
                // One by one: the tiler's work grows faster than what it is given at once.
                let mut tiler =
                    TilerBuilder::new(self.res).containment_mode(ContainmentMode::Covers).build();
                // Polygons were checked when they were read; one that H3 refuses all the same has no
                // land, and its hotspots have no score.
                if tiler.add_batch(area.polygons.iter().cloned()).is_ok() {
                    cells.extend(tiler.into_coverage());
                }
            }
            cells.into_iter().collect()
        })
    }
}

/// About how many cells [`Land::cells`] would be.
pub(super) fn cells_estimate(areas: &Areas, res: Resolution) -> f64 {
    let km_per_deg = EARTH_RADIUS_M.to_radians() / 1_000.0;
    let km2 = areas.finest().map(|(_, area)| {
        let lat = area.polygons.centroid().map_or(0.0, |centre| centre.y());
        area.polygons.unsigned_area() * km_per_deg * km_per_deg * lat.to_radians().cos()
    });
    km2.sum::<f64>() / res.area_km2()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::city::City;

    /// The fixtures' pack with another line at the end of its `city.toml`.
    fn pack(line: &str) -> Result<City, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hotspots/pack");
        let dir = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(source).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        let path = dir.path().join("city.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{line}\n")).unwrap();
        City::load(dir.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_resolution_is_nine_where_the_pack_names_none() {
        assert_eq!(pack("").unwrap().land.res, Resolution::Nine);
        assert_eq!(pack("gi_h3_res = 8").unwrap().land.res, Resolution::Eight);
    }

    #[test]
    fn a_wrong_resolution_is_a_fault_with_its_line() {
        let fault = pack("gi_h3_res = 16").unwrap_err();
        assert!(fault.contains("city.toml:13: gi_h3_res must be 0 to 15"), "{fault}");
        let fault = pack("gi_h3_res = 14").unwrap_err();
        assert!(fault.contains("city.toml:13: gi_h3_res = 14 cuts the areas into about"), "{fault}");
    }

    #[test]
    fn the_estimate_is_near_and_finer_cells_are_more() {
        let city = pack("gi_h3_res = 11").unwrap();
        let (n, about) = (city.land_cells().len() as f64, cells_estimate(&city.areas, Resolution::Eleven));
        assert!((0.8..1.2).contains(&(about / n)), "{about} and {n}");
        assert!(pack("").unwrap().land_cells().len() < city.land_cells().len());
    }

    #[test]
    fn a_pack_without_areas_has_no_land() {
        let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank");
        assert!(City::load(&blank).unwrap().land_cells().is_empty());
    }
}
