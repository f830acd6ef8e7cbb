//! A box in cells.

use crate::model::{Bbox, Cell, LEVEL_MAX, LngLat};

/// The cells of one level that a box touches: the box widened to whole cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellRange {
    level: u8,
    /// One or two runs of columns, ends included.
    columns: [Option<(u32, u32)>; 2],
    rows: (u32, u32),
}

impl CellRange {
    pub fn of(bbox: &Bbox, level: u8) -> CellRange {
        let cell = |lng: f64, lat: f64| {
            Cell::at(LngLat::new(lng, lat).expect("the corner of a box is a place"), level)
        };
        let mut columns = [None; 2];
        for (run, part) in columns.iter_mut().zip(bbox.parts()) {
            *run = Some((cell(part.west(), 0.0).x, cell(part.east(), 0.0).x));
        }
        // Two runs that meet are one, so that no cell is visited twice.
        if let [Some((from, _)), Some((_, to))] = columns
            && from <= to + 1
        {
            columns = [Some((0, (1 << level) - 1)), None];
        }
        let rows = (cell(0.0, bbox.north()).y, cell(0.0, bbox.south()).y);
        CellRange { level, columns, rows }
    }

    /// The range without the cells on its rim: of the range of a box, cells that the box holds whole. `None`
    /// where there are none.
    pub(super) fn without_rim(&self) -> Option<CellRange> {
        let inner = |(from, to): (u32, u32)| (from + 2 <= to).then(|| (from + 1, to - 1));
        let columns = self.columns.map(|run| run.and_then(inner));
        let rows = inner(self.rows).filter(|_| columns.iter().any(Option::is_some))?;
        Some(CellRange { columns, rows, ..*self })
    }

    /// All cells of `level` in `cell`, which is not deeper.
    pub(super) fn below(cell: Cell, level: u8) -> CellRange {
        let down = level - cell.level;
        let span = |at: u32| (at << down, (at << down) + ((1 << down) - 1));
        CellRange { level, columns: [Some(span(cell.x)), None], rows: span(cell.y) }
    }

    pub fn level(&self) -> u8 {
        self.level
    }

    pub fn contains(&self, cell: Cell) -> bool {
        cell.level == self.level && self.meets(cell)
    }

    /// The runs of columns as they are at the deepest level, ends included.
    pub fn deepest_columns(&self) -> [Option<(u32, u32)>; 2] {
        let down = LEVEL_MAX - self.level;
        self.columns.map(|run| run.map(|(from, to)| (from << down, ((to + 1) << down) - 1)))
    }

    /// How many cells the range has.
    pub fn n_cells(&self) -> u64 {
        let columns: u64 = self.columns.iter().flatten().map(|(from, to)| u64::from(to - from) + 1).sum();
        columns * (u64::from(self.rows.1 - self.rows.0) + 1)
    }

    /// Whether the range has every cell of its level in `cell`, which is not deeper.
    pub(super) fn covers(&self, cell: Cell) -> bool {
        let all = CellRange::below(cell, self.level);
        let within = |(from, to): (u32, u32), (first, last): (u32, u32)| from <= first && last <= to;
        within(self.rows, all.rows)
            && all.columns[0].is_some_and(|all| self.columns.iter().flatten().any(|run| within(*run, all)))
    }

    /// Whether any cell of the range lies in `cell`, which is not deeper than the range.
    pub(super) fn meets(&self, cell: Cell) -> bool {
        let down = self.level - cell.level;
        let span = |at: u32| (u64::from(at) << down, ((u64::from(at) + 1) << down) - 1);
        let overlaps = |at: u32, from: u32, to: u32| {
            let (first, last) = span(at);
            first <= u64::from(to) && u64::from(from) <= last
        };
        overlaps(cell.y, self.rows.0, self.rows.1)
            && self.columns.iter().flatten().any(|(from, to)| overlaps(cell.x, *from, *to))
    }
}
