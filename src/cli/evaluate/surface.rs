//! What hotspots are measured against: the cells of a plain grid, and a kernel density, each with the
//! densest cells first.

use std::collections::HashMap;

/// A place in metres east and north of the first report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metres {
    pub x: f64,
    pub y: f64,
}

/// Square cells, each with how much was there.
#[derive(Debug)]
pub struct Surface {
    cell_m: f64,
    weights: HashMap<(i64, i64), f64>,
}

impl Surface {
    /// Counts the reports of each cell.
    pub fn grid(reports: &[Metres], cell_m: f64) -> Surface {
        let mut weights = HashMap::new();
        for place in reports {
            *weights.entry(cell_of(*place, cell_m)).or_default() += 1.0;
        }
        Surface { cell_m, weights }
    }

    /// Kernel density with the quartic kernel (Silverman, 1986) at the middle of each cell that a kernel
    /// reaches. `bandwidth_m` is the kernel's radius.
    pub fn kernel(reports: &[Metres], cell_m: f64, bandwidth_m: f64) -> Surface {
        let mut weights: HashMap<(i64, i64), f64> = HashMap::new();
        let reach = (bandwidth_m / cell_m).ceil() as i64;
        for place in reports {
            let (column, row) = cell_of(*place, cell_m);
            for cell in (column - reach..=column + reach)
                .flat_map(|column| (row - reach..=row + reach).map(move |row| (column, row)))
            {
                let middle = |n: i64| (n as f64 + 0.5) * cell_m;
                let (dx, dy) = (middle(cell.0) - place.x, middle(cell.1) - place.y);
                let near = 1.0 - (dx * dx + dy * dy) / (bandwidth_m * bandwidth_m);
                if near > 0.0 {
                    *weights.entry(cell).or_default() += near * near;
                }
            }
        }
        Surface { cell_m, weights }
    }

    /// How many of the places lie in the densest cells that have `area_m2` together. The last cell
    /// counts by the share of it that there is room for; cells alike stand in the order of their numbers.
    pub fn hits(&self, places: &[Metres], area_m2: f64) -> f64 {
        let mut cells: Vec<(&(i64, i64), &f64)> = self.weights.iter().collect();
        cells.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        let mut in_cell: HashMap<(i64, i64), f64> = HashMap::new();
        for place in places {
            *in_cell.entry(cell_of(*place, self.cell_m)).or_default() += 1.0;
        }
        let mut room = area_m2 / (self.cell_m * self.cell_m);
        let mut hits = 0.0;
        for (cell, _) in cells {
            if room <= 0.0 {
                break;
            }
            hits += in_cell.get(cell).copied().unwrap_or(0.0) * room.min(1.0);
            room -= 1.0;
        }
        hits
    }
}

fn cell_of(place: Metres, cell_m: f64) -> (i64, i64) {
    ((place.x / cell_m).floor() as i64, (place.y / cell_m).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64) -> Metres {
        Metres { x, y }
    }

    #[test]
    fn the_densest_cells_are_taken_first_and_the_last_one_in_part() {
        let past = [at(5.0, 5.0), at(6.0, 6.0), at(15.0, 5.0), at(-5.0, -5.0)];
        let grid = Surface::grid(&past, 10.0);
        let next = [at(1.0, 1.0), at(-1.0, -1.0), at(-2.0, -3.0), at(55.0, 5.0)];
        assert_eq!(grid.hits(&next, 100.0), 1.0);
        assert_eq!(grid.hits(&next, 150.0), 2.0, "half of the cell below, which has two");
        assert_eq!(grid.hits(&next, 10_000.0), 3.0, "where nothing was, nothing is foretold");
        assert_eq!(grid.hits(&next, 0.0), 0.0);
    }

    #[test]
    fn a_kernel_is_densest_where_reports_are_close_together() {
        let past = [at(5.0, 5.0), at(25.0, 5.0), at(400.0, 5.0)];
        let kernel = Surface::kernel(&past, 10.0, 40.0);
        assert_eq!(kernel.hits(&[at(15.0, 5.0)], 100.0), 1.0, "between the two");
        assert_eq!(kernel.hits(&[at(405.0, 5.0)], 100.0), 0.0);
    }
}
