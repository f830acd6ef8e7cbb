//! Where each sender's reports are that count in a lane: which of them say again what was said nearby.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::HALVINGS_MAX;
use crate::live::hotspots::grid::{Grid, GridCell};
use crate::model::{LngLat, SenderId, Seq, great_circle_m};

/// With so many cells or fewer it takes less time to look at all than at those around a place.
const CELLS_AROUND: usize = 24;

type Places = BTreeMap<GridCell, BTreeMap<Seq, LngLat>>;

/// A question looks at the sender's reports in the cells around a place, and ends once enough are found.
#[derive(Debug)]
pub(super) struct Repeats {
    near_m: f64,
    grid: Grid,
    places: HashMap<SenderId, Places>,
    /// Where somebody's reports came or went, and the first of these: what he said there later may have other
    /// ones before it.
    touched: BTreeMap<(SenderId, GridCell), Seq>,
}

impl Repeats {
    pub fn new(near_m: f64) -> Repeats {
        Repeats { near_m, grid: Grid::new(near_m), places: HashMap::new(), touched: BTreeMap::new() }
    }

    pub fn add(&mut self, sender: SenderId, seq: Seq, place: LngLat) {
        let cell = self.grid.cell(place);
        self.places.entry(sender).or_default().entry(cell).or_default().insert(seq, place);
        self.touch(sender, cell, seq);
    }

    pub fn remove(&mut self, sender: SenderId, seq: Seq, place: LngLat) {
        let cell = self.grid.cell(place);
        let Some(places) = self.places.get_mut(&sender) else { return };
        if let Some(of_cell) = places.get_mut(&cell) {
            of_cell.remove(&seq);
            if of_cell.is_empty() {
                places.remove(&cell);
            }
        }
        if places.is_empty() {
            self.places.remove(&sender);
        }
        self.touch(sender, cell, seq);
    }

    fn touch(&mut self, sender: SenderId, cell: GridCell, seq: Seq) {
        let first = self.touched.entry((sender, cell)).or_insert(seq);
        *first = seq.min(*first);
    }

    /// All of a sender's.
    pub fn of(&self, sender: SenderId) -> Vec<Seq> {
        let cells = self.places.get(&sender).into_iter().flat_map(BTreeMap::values);
        cells.flat_map(|of_cell| of_cell.keys().copied()).collect()
    }

    /// How many of a sender's reports nearby came before one; no more than matter.
    pub fn count(&self, sender: SenderId, seq: Seq, place: LngLat) -> usize {
        let earlier = self.around(sender, self.grid.cell(place)).flat_map(|of_cell| of_cell.range(..seq));
        let near = earlier.filter(|(_, other)| great_circle_m(**other, place) <= self.near_m);
        near.take(usize::from(HALVINGS_MAX)).count()
    }

    /// Adds those that may have others before them since this was last asked.
    pub fn take_touched(&mut self, stale: &mut BTreeSet<Seq>) {
        for ((sender, cell), first) in std::mem::take(&mut self.touched) {
            let later = self.around(sender, cell).flat_map(|of_cell| of_cell.range(first..));
            stale.extend(later.map(|(seq, _)| *seq));
        }
    }

    /// A sender's reports in the cells that reach one; where there are few cells, in all.
    fn around(&self, sender: SenderId, cell: GridCell) -> impl Iterator<Item = &BTreeMap<Seq, LngLat>> {
        let places = self.places.get(&sender);
        let few = places.filter(|places| places.len() <= CELLS_AROUND);
        let many = places.filter(|places| places.len() > CELLS_AROUND);
        let reached = many
            .into_iter()
            .flat_map(move |places| self.grid.around(cell).filter_map(|near| places.get(&near)));
        few.into_iter().flat_map(BTreeMap::values).chain(reached)
    }
}
