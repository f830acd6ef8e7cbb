//! How far it is to the nearest of some squares, at the nodes of a lattice, kept up to date square by
//! square; and the lines at one distance.
//!
//! The lattice has a node at every third corner of the squares. Lengths are whole numbers of half a
//! square's side, distances are between nodes and middles of squares, so all sums are exact and no
//! order of changes shows.
//!
//! Invariants: a node's number is the square of the distance to the nearest square, [`FAR`] where that is
//! above [`REACH`]; the line never comes to the edge of the lattice.

use std::ops::Range;

use geo_types::{Coord, LineString};

/// A square of the plane, by column and row.
pub(super) type Square = [i32; 2];

/// Squares in a step of the lattice.
pub(super) const SQUARES_PER_STEP: i32 = 3;
const HALVES_PER_STEP: i32 = 2 * SQUARES_PER_STEP;
/// The line is this far from the nearest square: four steps.
pub(super) const DISC: i32 = 4 * HALVES_PER_STEP;
/// How far distances are told: as far as they matter for the line.
const REACH: i32 = DISC + HALVES_PER_STEP + HALVES_PER_STEP / 2;
const FAR: u16 = u16::MAX;
const REACH2: u16 = (REACH * REACH) as u16;
/// Nodes along each axis that can be within the reach of a square.
const SPAN: usize = (2 * REACH / HALVES_PER_STEP + 1) as usize;
/// Blocks of squares that can lie between a node and a square within its reach.
const BLOCKS_MAX: i32 = REACH / HALVES_PER_STEP;
/// The square of the line's distance.
const LINE2: u16 = (DISC * DISC) as u16;
/// Distances differ by no more than a step between neighbours, so a node that the line runs past lies
/// between these.
const AT_LINE2: [u16; 2] = [
    ((DISC - HALVES_PER_STEP) * (DISC - HALVES_PER_STEP)) as u16,
    ((DISC + HALVES_PER_STEP) * (DISC + HALVES_PER_STEP)) as u16,
];
/// Squares of a row of the lattice that are looked at together.
const RUN: usize = 32;
/// Nodes added beyond what is needed, so that the lattice seldom grows.
const MARGIN: i32 = 12;

#[derive(Debug)]
pub(super) struct Field {
    /// The first node, in steps.
    origin: [i32; 2],
    columns: usize,
    rows: usize,
    distance2: Vec<u16>,
    /// The squares that are there, a bit each, of those between a node and the next east and north.
    squares: Vec<u16>,
}

impl Field {
    /// Of the lattice.
    pub fn n_nodes(&self) -> usize {
        self.distance2.len()
    }

    pub fn new() -> Field {
        Field { origin: [0; 2], columns: 0, rows: 0, distance2: Vec::new(), squares: Vec::new() }
    }

    /// Adds a square that is not there. Whether the line may have moved.
    pub fn add(&mut self, square: Square) -> bool {
        self.make_room(square);
        let (block, bit) = self.block(square);
        self.squares[block] |= bit;
        let around = Around::of(square);
        let mut flipped = false;
        let mut at_line = [0_u16; SPAN];
        for (row, at_line) in (0..SPAN).zip(&mut at_line) {
            let nodes = self.row_around(&around, row);
            // Written so that the compiler looks at many nodes at a time.
            for (column, node) in self.distance2[nodes].iter_mut().enumerate() {
                let (before, now) = (*node, around.distance2(column, row));
                *node = before.min(now);
                let is_nearer = now < before;
                flipped |= is_nearer & is_inside(now) & !is_inside(before);
                let may_be_at_line = is_nearer & (before >= AT_LINE2[0]) & (now <= AT_LINE2[1]);
                *at_line |= u16::from(may_be_at_line) << column;
            }
        }
        flipped || self.any_at_line(&around, &at_line)
    }

    /// Takes a square away that is there. Whether the line may have moved.
    pub fn remove(&mut self, square: Square) -> bool {
        let (block, bit) = self.block(square);
        self.squares[block] &= !bit;
        let around = Around::of(square);
        let mut flipped = false;
        let mut at_line = [0_u16; SPAN];
        for (row, at_line) in (0..SPAN).zip(&mut at_line) {
            let first = self.row_around(&around, row).start;
            for column in 0..SPAN {
                let before = self.distance2[first + column];
                if before == FAR || before != around.distance2(column, row) {
                    continue;
                }
                let now = self.nearest2(around.node(column, row));
                self.distance2[first + column] = now;
                flipped |= is_inside(now) != is_inside(before);
                *at_line |= u16::from(now != before) << column;
            }
        }
        flipped || self.any_at_line(&around, &at_line)
    }

    /// The nodes of a row around a square.
    fn row_around(&self, around: &Around, row: usize) -> Range<usize> {
        let [column, row] = around.node(0, row);
        let first = self.index(column, row);
        first..first + SPAN
    }

    /// Whether the line runs past one of some nodes around a square, a bit each, by row.
    fn any_at_line(&self, around: &Around, nodes: &[u16; SPAN]) -> bool {
        let rows = nodes.iter().enumerate().filter(|(_, bits)| **bits != 0);
        let mut nodes = rows.flat_map(|(row, bits)| {
            (0..SPAN)
                .filter(move |column| bits >> column & 1 == 1)
                .map(move |column| around.node(column, row))
        });
        nodes.any(|[column, row]| {
            let node = self.index(column, row);
            let inside = self.is_inside(node);
            let neighbours = [node - 1, node + 1, node - self.columns, node + self.columns];
            neighbours.iter().any(|other| self.is_inside(*other) != inside)
        })
    }

    fn is_inside(&self, node: usize) -> bool {
        is_inside(self.distance2[node])
    }

    /// Looks at the squares around a node, the nearest blocks of them first.
    fn nearest2(&self, node: [i32; 2]) -> u16 {
        let mut nearest = FAR;
        for beside_y in 0..=BLOCKS_MAX {
            for beside_x in 0..=BLOCKS_MAX {
                if between2(beside_x, beside_y) >= nearest {
                    break;
                }
                for block_y in [node[1] + beside_y, node[1] - 1 - beside_y] {
                    for block_x in [node[0] + beside_x, node[0] - 1 - beside_x] {
                        nearest = nearest.min(self.nearest2_of([block_x, block_y], node));
                    }
                }
            }
        }
        nearest
    }

    /// The nearest square of a block, given by the node to its south-west.
    fn nearest2_of(&self, block: [i32; 2], node: [i32; 2]) -> u16 {
        let [column, row] = [0, 1].map(|axis| block[axis] - self.origin[axis]);
        if column < 0 || row < 0 || column as usize >= self.columns || row as usize >= self.rows {
            return FAR;
        }
        let mut squares = self.squares[row as usize * self.columns + column as usize];
        let mut nearest = FAR;
        while squares != 0 {
            let bit = squares.trailing_zeros() as i32;
            squares &= squares - 1;
            let [x, y] = block.map(|at| at * SQUARES_PER_STEP);
            let square = [x + bit % SQUARES_PER_STEP, y + bit / SQUARES_PER_STEP];
            nearest = nearest.min(distance2(square, node));
        }
        nearest
    }

    fn index(&self, column: i32, row: i32) -> usize {
        (row - self.origin[1]) as usize * self.columns + (column - self.origin[0]) as usize
    }

    fn block(&self, square: Square) -> (usize, u16) {
        let [column, row] = square.map(|at| at.div_euclid(SQUARES_PER_STEP));
        let [x, y] = square.map(|at| at.rem_euclid(SQUARES_PER_STEP));
        (self.index(column, row), 1 << (y * SQUARES_PER_STEP + x))
    }

    /// Makes the lattice reach a node farther than the squares.
    fn make_room(&mut self, square: Square) {
        let size = [self.columns, self.rows];
        let (mut from, mut to) = (self.origin, [0, 1].map(|axis| self.origin[axis] + size[axis] as i32));
        for axis in [0, 1] {
            let (first, last) = (first_node(square[axis]) - 1, last_node(square[axis]) + 1);
            if self.columns == 0 {
                (from[axis], to[axis]) = (first, last + 1);
            }
            if first < from[axis] {
                from[axis] = first - MARGIN;
            }
            if last >= to[axis] {
                to[axis] = last + 1 + MARGIN;
            }
        }
        let size_now = [0, 1].map(|axis| (to[axis] - from[axis]) as usize);
        if size_now != size {
            let before = std::mem::replace(self, Field::new());
            *self = Field {
                origin: from,
                columns: size_now[0],
                rows: size_now[1],
                distance2: vec![FAR; size_now[0] * size_now[1]],
                squares: vec![0; size_now[0] * size_now[1]],
            };
            self.copy_from(&before);
        }
    }

    fn copy_from(&mut self, before: &Field) {
        for row in 0..before.rows {
            let from = row * before.columns..(row + 1) * before.columns;
            let to = self.index(before.origin[0], before.origin[1] + row as i32);
            let to = to..to + before.columns;
            self.distance2[to.clone()].copy_from_slice(&before.distance2[from.clone()]);
            self.squares[to].copy_from_slice(&before.squares[from]);
        }
    }

    /// The lines, the inside to their left, in steps: marching squares (Lorensen and Cline, 1987).
    pub fn rings(&self) -> Vec<LineString<f64>> {
        // Lattice edge 2i runs east from node i, 2i + 1 north; each that is crossed leads to one other.
        let mut pieces = Vec::new();
        for row in 0..self.rows.saturating_sub(1) {
            self.row_of_segments(row, &mut |from, to| pieces.push((from, to)));
        }
        pieces.sort_unstable();
        let find = |edge: usize| pieces.binary_search_by_key(&edge, |(from, _)| *from).ok();
        let mut is_taken = vec![false; pieces.len()];
        let mut rings = Vec::new();
        for start in 0..pieces.len() {
            let mut ring = Vec::new();
            let mut piece = Some(start);
            while let Some(here) = piece.filter(|here| !std::mem::replace(&mut is_taken[*here], true)) {
                let (from, to) = pieces[here];
                ring.push(self.crossing(from));
                piece = find(to);
            }
            if let Some(first) = ring.first().copied() {
                ring.push(first);
                rings.push(LineString(ring));
            }
        }
        rings
    }

    /// The pieces of line between a row of nodes and the next, as pairs of the edges where they enter and
    /// leave a square of the lattice. Most runs of squares have none, and are passed by quickly.
    fn row_of_segments(&self, row: usize, each: &mut impl FnMut(usize, usize)) {
        let (south, north) =
            self.distance2[row * self.columns..(row + 2) * self.columns].split_at(self.columns);
        for first in (0..self.columns - 1).step_by(RUN) {
            let nodes = first..=(first + RUN).min(self.columns - 1);
            let n_inside = n_inside(&south[nodes.clone()]) + n_inside(&north[nodes.clone()]);
            if n_inside == 0 || usize::from(n_inside) == 2 * (nodes.end() + 1 - first) {
                continue;
            }
            for west in first..*nodes.end() {
                let corners = [south[west], south[west + 1], north[west + 1], north[west]];
                segments(row * self.columns + west, self.columns, corners.map(is_inside), each);
            }
        }
    }

    /// Where the line crosses a lattice edge.
    fn crossing(&self, edge: usize) -> Coord<f64> {
        let node = edge / 2;
        let is_east = edge.is_multiple_of(2);
        let other = if is_east { node + 1 } else { node + self.columns };
        // A far node's distance is not known; the line then lies near the one that is.
        let distance = |node: usize| match self.distance2[node] {
            FAR => f64::from(DISC + 2 * HALVES_PER_STEP),
            square => f64::from(square).sqrt(),
        };
        let (a, b) = (distance(node), distance(other));
        let along = ((f64::from(DISC) - a) / (b - a)).clamp(0.01, 0.99);
        let [x, y] = [node % self.columns, node / self.columns].map(|at| at as i32);
        let (x, y) = (f64::from(self.origin[0] + x), f64::from(self.origin[1] + y));
        if is_east { Coord { x: x + along, y } } else { Coord { x, y: y + along } }
    }
}

/// The pieces of line in the square north-east of a node, by which of its corners are inside: south-west,
/// then round by the south-east.
fn segments(node: usize, columns: usize, corners: [bool; 4], each: &mut impl FnMut(usize, usize)) {
    let (south, north) = (2 * node, 2 * (node + columns));
    let (west, east) = (2 * node + 1, 2 * (node + 1) + 1);
    match corners.map(u8::from) {
        [0, 0, 0, 0] | [1, 1, 1, 1] => {}
        [1, 0, 0, 0] => each(south, west),
        [0, 1, 0, 0] => each(east, south),
        [0, 0, 1, 0] => each(north, east),
        [0, 0, 0, 1] => each(west, north),
        [1, 1, 0, 0] => each(east, west),
        [0, 1, 1, 0] => each(north, south),
        [0, 0, 1, 1] => each(west, east),
        [1, 0, 0, 1] => each(south, north),
        [0, 1, 1, 1] => each(west, south),
        [1, 0, 1, 1] => each(south, east),
        [1, 1, 0, 1] => each(east, north),
        [1, 1, 1, 0] => each(north, west),
        // Two opposite corners are inside: taken as joined, so that a neck is never cut.
        [1, 0, 1, 0] => {
            each(south, east);
            each(north, west);
        }
        _ => {
            each(west, south);
            each(east, north);
        }
    }
}

fn is_inside(distance2: u16) -> bool {
    distance2 < LINE2
}

/// Of a run of nodes. Written so that the compiler counts many at a time.
fn n_inside(distance2: &[u16]) -> u16 {
    distance2.iter().fold(0, |n: u16, node| n.wrapping_add(u16::from(*node < LINE2)))
}

/// [`FAR`] beyond the reach.
fn distance2(square: Square, node: [i32; 2]) -> u16 {
    let [x, y] = [0, 1].map(|axis| 2 * square[axis] + 1 - HALVES_PER_STEP * node[axis]);
    let square = x * x + y * y;
    if square > i32::from(REACH2) { FAR } else { square as u16 }
}

fn first_node(square: i32) -> i32 {
    -(REACH - (2 * square + 1)).div_euclid(HALVES_PER_STEP)
}

fn last_node(square: i32) -> i32 {
    (2 * square + 1 + REACH).div_euclid(HALVES_PER_STEP)
}

/// The nodes within the reach of a square, and some beyond: a square of [`SPAN`] by `SPAN`.
struct Around {
    /// To the south-west.
    first: [i32; 2],
    /// Squares of the distances along each axis.
    squared: [[u16; SPAN]; 2],
}

impl Around {
    fn of(square: Square) -> Around {
        let first = square.map(first_node);
        let squared = [0, 1].map(|axis| {
            std::array::from_fn(|i| {
                let along = 2 * square[axis] + 1 - HALVES_PER_STEP * (first[axis] + i as i32);
                (along * along) as u16
            })
        });
        Around { first, squared }
    }

    fn node(&self, column: usize, row: usize) -> [i32; 2] {
        [self.first[0] + column as i32, self.first[1] + row as i32]
    }

    /// From a node to the square; [`FAR`] beyond the reach.
    fn distance2(&self, column: usize, row: usize) -> u16 {
        let square = self.squared[0][column] + self.squared[1][row];
        if square > REACH2 { FAR } else { square }
    }
}

/// Between a node and the nearest square of a block that has so many blocks between them along each axis.
fn between2(beside_x: i32, beside_y: i32) -> u16 {
    let [x, y] = [beside_x, beside_y].map(|beside| HALVES_PER_STEP * beside + 1);
    (x * x + y * y) as u16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::live::hotspots::testing::cases;

    proptest! {
        #![proptest_config(cases(150))]

        /// After each step: every node's number is the smallest over all squares, rings are those of a
        /// field that was never changed otherwise, and a step that says so left them as they were.
        #[test]
        fn squares_that_come_and_go_leave_the_field_as_made_anew(
            steps in prop::collection::vec((-20..20_i32, -12..12_i32), 1..60),
        ) {
            let mut field = Field::new();
            let mut there: BTreeSet<Square> = BTreeSet::new();
            for (x, y) in steps {
                let before = field.rings();
                let square = [x, y];
                let moved = if there.remove(&square) {
                    field.remove(square)
                } else {
                    there.insert(square);
                    field.add(square)
                };
                for (node, found) in field.distance2.iter().enumerate() {
                    let [column, row] = [node % field.columns, node / field.columns].map(|at| at as i32);
                    let at = [field.origin[0] + column, field.origin[1] + row];
                    let expected = there.iter().map(|square| distance2(*square, at)).min();
                    prop_assert_eq!(*found, expected.unwrap_or(FAR));
                }
                let mut anew = Field::new();
                for square in &there {
                    anew.add(*square);
                }
                prop_assert_eq!(&field.rings(), &anew.rings());
                prop_assert!(moved || field.rings() == before);
            }
        }
    }
}
