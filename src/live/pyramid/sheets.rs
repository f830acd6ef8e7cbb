//! What usual questions found, kept until it changes: screens overlap, and come back.
//!
//! A sheet is what one node answers at one level: 8 × 8 cells, or all of a leaf. It holds the place of
//! the node it was made of, not the node: a change moves every node on its path to a new place
//! ([`Arc::make_mut`] does so where a [`Weak`] is left too), and an old place is not used again while
//! the sheet holds it. So a sheet that is found with its node's place is exact.

use std::fmt;
use std::sync::{Arc, Weak};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{At, CellRange, Matcher, Node, Pyramid, visit_cells};
use crate::live::tally::Summary;
use crate::model::Cell;

/// A sheet's node is so many levels above its cells.
const LEVELS: u8 = 3;
/// All sheets of a live map together: some 200,000 cells.
const BYTES_MAX: u64 = 32 << 20;
/// How many sheets room is made for at first.
const SHEETS: usize = 1_024;
/// A range of more cells is counted once, not looked at.
const CELLS_MAX: u64 = 10_000;

/// Cells of a range in which something matches, with their sums, in the order of the curve.
#[derive(Default)]
pub struct Cells(Vec<Part>);

type Sums = Arc<Vec<(Cell, Summary)>>;

struct Part {
    sums: Sums,
    /// Only those in there; `None`: all.
    within: Option<CellRange>,
}

impl Cells {
    pub fn iter(&self) -> impl Iterator<Item = &(Cell, Summary)> {
        self.0.iter().flat_map(|part| {
            part.sums.iter().filter(|(cell, _)| part.within.is_none_or(|range| range.contains(*cell)))
        })
    }

    fn add(&mut self, sums: Sums, within: Option<CellRange>) {
        if !sums.is_empty() {
            self.0.push(Part { sums, within });
        }
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct SheetKey {
    /// The node's.
    cell: Cell,
    level: u8,
    /// Which of the usual questions.
    usual: u8,
}

#[derive(Clone)]
struct Sheet {
    of: Weak<Node>,
    sums: Sums,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<SheetKey, Sheet> for ByBytes {
    fn weight(&self, _: &SheetKey, sheet: &Sheet) -> u64 {
        (size_of::<Node>()
            + size_of::<(SheetKey, Sheet)>()
            + sheet.sums.len() * size_of::<(Cell, Summary)>()) as u64
    }
}

/// The sheets of a live map; its clones share them, each moment finds its own.
pub(super) struct Sheets(Cache<SheetKey, Sheet, ByBytes>);

impl Default for Sheets {
    fn default() -> Sheets {
        Sheets(Cache::with_weighter(SHEETS, BYTES_MAX, ByBytes))
    }
}

impl fmt::Debug for Sheets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sheets", self.0.len())
    }
}

impl Pyramid {
    /// Every cell of the range in which anything matches, with its sums, in the order of the curve.
    pub fn cells(&self, range: &CellRange, matcher: &impl Matcher) -> Cells {
        let mut cells = Cells::default();
        match matcher.usual().filter(|_| matcher.is_by_key() && range.n_cells() <= CELLS_MAX) {
            Some(usual) => {
                let look = Look { sheets: &self.sheets, range, matcher, usual: usual as u8 };
                look.at(&self.root, At::ROOT, &mut cells);
            }
            None => cells.add(Arc::new(sums(&self.root, Cell::ROOT, range, matcher)), None),
        }
        cells
    }
}

/// Cells of one node. As many as fit on a screen have room, so that the list seldom moves.
fn sums(node: &Node, cell: Cell, range: &CellRange, matcher: &impl Matcher) -> Vec<(Cell, Summary)> {
    let mut sums = Vec::new();
    visit_cells(node, cell, range, matcher, &mut |cell, sum| {
        sums.push((cell, sum));
        true
    });
    sums.shrink_to_fit();
    sums
}

struct Look<'a, M> {
    sheets: &'a Sheets,
    range: &'a CellRange,
    matcher: &'a M,
    usual: u8,
}

impl<M: Matcher> Look<'_, M> {
    fn at(&self, node: &Arc<Node>, at: At, cells: &mut Cells) {
        if !self.range.meets(at.cell) {
            return;
        }
        match &**node {
            Node::Branch(branch) if at.cell.level + LEVELS < self.range.level() => {
                if branch.may_match(at.cell, self.matcher) {
                    branch.shared_children(at).for_each(|(child, at)| self.at(child, at, cells));
                }
            }
            _ => {
                let within = (!self.range.covers(at.cell)).then_some(*self.range);
                cells.add(self.sheet(node, at.cell), within);
            }
        }
    }

    /// All of a node's cells, also those beyond the range.
    fn sheet(&self, node: &Arc<Node>, cell: Cell) -> Sums {
        let key = SheetKey { cell, level: self.range.level(), usual: self.usual };
        if let Some(kept) = self.sheets.0.get(&key).filter(|kept| kept.of.as_ptr() == Arc::as_ptr(node)) {
            return kept.sums;
        }
        let whole = CellRange::below(cell, self.range.level());
        let sums = Arc::new(sums(node, cell, &whole, self.matcher));
        self.sheets.0.insert(key, Sheet { of: Arc::downgrade(node), sums: sums.clone() });
        sums
    }
}
