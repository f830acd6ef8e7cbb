//! Which cells make one group, and who is in it.
//!
//! Invariant: the groups are the connected parts of the graph whose nodes are the cells with cores and
//! whose edges are the links with a witness. (Between the steps of one change, not yet.)

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::site_grid::{CellNo, SiteGrid, SiteNo, SitePoint};
use super::slab::Slab;
use crate::model::{SenderId, Seq};

/// Names a group while it lives. Numbers are used again, so between two calls of
/// [`super::DensityGroups::take_moves`] one may name several groups, one after the other.
pub(in crate::live::hotspots) type GroupNo = u32;

/// Reports that are dense together.
#[derive(Debug, Default)]
pub struct DensityGroup {
    cells: Vec<CellNo>,
    /// Whether each is core.
    members: BTreeMap<Seq, bool>,
    /// With their numbers of members.
    senders: HashMap<SenderId, u32>,
}

impl DensityGroup {
    /// Seqs of its reports in ascending order, and whether each is core.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (Seq, bool)> {
        self.members.iter().map(|(seq, core)| (*seq, *core))
    }

    /// Distinct senders.
    pub fn n_reporters(&self) -> usize {
        self.senders.len()
    }

    /// The smallest seq of its cores.
    pub fn smallest_core(&self) -> Option<Seq> {
        self.members.iter().find(|(_, core)| **core).map(|(seq, _)| *seq)
    }

    /// Whether it was a member before.
    fn add(&mut self, point: &SitePoint, core: bool) -> bool {
        let is_new = self.members.insert(point.seq, core).is_none();
        if is_new {
            *self.senders.entry(point.sender).or_default() += 1;
        }
        !is_new
    }

    fn take(&mut self, point: &SitePoint) -> Option<bool> {
        let core = self.members.remove(&point.seq)?;
        if let Some(n) = self.senders.get_mut(&point.sender) {
            *n -= 1;
            if *n == 0 {
                self.senders.remove(&point.sender);
            }
        }
        Some(core)
    }

    #[cfg(test)]
    pub(super) fn n_cells(&self) -> usize {
        self.cells.len()
    }

    fn size(&self) -> usize {
        self.members.len() + self.cells.len()
    }
}

#[derive(Debug)]
pub(super) struct Partition {
    pub groups: Slab<DensityGroup>,
    /// Of each point that joined or left a group, or turned core or border, since the moves were last
    /// taken: the group that it belonged to then.
    pub moved: HashMap<Seq, Option<GroupNo>>,
    walk: u64,
}

impl Partition {
    pub fn new() -> Partition {
        Partition { groups: Slab::new(), moved: HashMap::new(), walk: 0 }
    }

    pub fn add_point(&mut self, group: GroupNo, point: &SitePoint, core: bool) {
        let was_there = self.groups[group].add(point, core);
        self.moved.entry(point.seq).or_insert(was_there.then_some(group));
    }

    pub fn take_point(&mut self, group: GroupNo, point: &SitePoint) {
        if self.groups[group].take(point).is_some() {
            self.moved.entry(point.seq).or_insert(Some(group));
        }
    }

    pub fn add_site(&mut self, group: GroupNo, points: &[SitePoint], core: bool) {
        points.iter().for_each(|point| self.add_point(group, point, core));
    }

    pub fn take_site(&mut self, group: GroupNo, points: &[SitePoint]) {
        points.iter().for_each(|point| self.take_point(group, point));
    }

    /// Makes a group of a cell and those that links with a witness connect it to.
    pub fn found(&mut self, grid: &mut SiteGrid, cell: CellNo) {
        let group = self.groups.insert(DensityGroup::default());
        self.join(grid, group, cell);
        let mut todo = vec![cell];
        while let Some(cell) = todo.pop() {
            for i in 0..grid.cells[cell].links.len() {
                let link = grid.cells[cell].links[i];
                if link.witness.is_some() && grid.cells[link.to].group.is_none() {
                    self.join(grid, group, link.to);
                    todo.push(link.to);
                }
            }
        }
    }

    fn join(&mut self, grid: &mut SiteGrid, group: GroupNo, cell: CellNo) {
        let cells = &mut self.groups[group].cells;
        grid.cells[cell].group = Some(group);
        grid.cells[cell].group_index = cells.len() as u32;
        cells.push(cell);
    }

    /// Takes a cell out of its group; an empty group ends.
    pub fn leave(&mut self, grid: &mut SiteGrid, cell: CellNo) {
        let Some(group) = grid.cells[cell].group.take() else { return };
        let index = grid.cells[cell].group_index;
        let cells = &mut self.groups[group].cells;
        cells.swap_remove(index as usize);
        if let Some(moved) = cells.get(index as usize) {
            grid.cells[*moved].group_index = index;
        }
        if cells.is_empty() {
            debug_assert!(self.groups[group].members.is_empty());
            self.groups.remove(group);
        }
    }

    /// Makes one group of two; the smaller one moves.
    pub fn unite(&mut self, grid: &mut SiteGrid, a: GroupNo, b: GroupNo) {
        let (into, from) = if self.groups[a].size() >= self.groups[b].size() { (a, b) } else { (b, a) };
        let Some(gone) = self.groups.remove(from) else { return };
        gone.cells.iter().for_each(|cell| self.join(grid, into, *cell));
        for seq in gone.members.keys() {
            self.moved.entry(*seq).or_insert(Some(from));
        }
        let group = &mut self.groups[into];
        group.members.extend(gone.members);
        for (sender, n) in gone.senders {
            *group.senders.entry(sender).or_default() += n;
        }
    }

    /// Looks whether a group that lost edges is still one, and makes groups of the parts if not.
    /// `seeds` are its cells at which edges were lost, so that every part holds one.
    ///
    /// From all seeds at once, in turns, a search goes from cell to cell; searches that meet become
    /// one. It is over as soon as one is left, so as a rule after a few steps around the place of the
    /// loss, and where the group does split, after about as many as the parts but the largest have
    /// cells. (Where a long ring breaks open, after as many as the ring has.)
    pub fn split(&mut self, grid: &mut SiteGrid, group: GroupNo, seeds: &[CellNo]) {
        self.walk += 1;
        let mut walk = Walk::new(self.walk, grid, seeds);
        for part in walk.parts_but_one(grid) {
            let new = self.groups.insert(DensityGroup::default());
            for cell in part {
                self.leave(grid, cell);
                self.join(grid, new, cell);
                let borders = &grid.cells[cell].borders;
                let sites: Vec<SiteNo> =
                    grid.cells[cell].core_sites().chain(borders.iter().copied()).collect();
                sites.iter().for_each(|site| self.carry(&grid.sites[*site].points, group, new));
            }
        }
    }

    fn carry(&mut self, points: &[SitePoint], from: GroupNo, to: GroupNo) {
        for point in points {
            if let Some(core) = self.groups[from].take(point) {
                self.groups[to].add(point, core);
                self.moved.entry(point.seq).or_insert(Some(from));
            }
        }
    }
}

/// Searches that go from cell to cell at once.
struct Walk {
    number: u64,
    searches: Vec<Search>,
    /// What each search has become part of.
    joined: Vec<usize>,
}

#[derive(Default)]
struct Search {
    todo: VecDeque<CellNo>,
    seen: Vec<CellNo>,
}

impl Walk {
    fn new(number: u64, grid: &mut SiteGrid, seeds: &[CellNo]) -> Walk {
        let mut searches: Vec<Search> = Vec::new();
        for seed in seeds {
            if grid.cells[*seed].visited.0 != number {
                grid.cells[*seed].visited = (number, searches.len() as u32);
                searches.push(Search { todo: VecDeque::from([*seed]), seen: vec![*seed] });
            }
        }
        let joined = (0..searches.len()).collect();
        Walk { number, searches, joined }
    }

    /// The cells of each connected part, but for the one that is left when all others are known.
    fn parts_but_one(&mut self, grid: &mut SiteGrid) -> Vec<Vec<CellNo>> {
        let mut turns: VecDeque<usize> = (0..self.searches.len()).collect();
        let mut left = turns.len();
        let mut parts = Vec::new();
        while left > 1 {
            let search = turns.pop_front().expect("a search that is left has its turn");
            if self.joined[search] != search {
                continue;
            }
            left -= self.step(search, grid);
            if !self.searches[search].todo.is_empty() {
                turns.push_back(search);
            } else if left > 1 {
                parts.push(std::mem::take(&mut self.searches[search].seen));
                left -= 1;
            }
        }
        parts
    }

    /// Looks around one cell. How many other searches it met.
    fn step(&mut self, search: usize, grid: &mut SiteGrid) -> usize {
        let Some(cell) = self.searches[search].todo.pop_front() else { return 0 };
        let mut met = 0;
        for i in 0..grid.cells[cell].links.len() {
            let link = grid.cells[cell].links[i];
            if link.witness.is_none() {
                continue;
            }
            let (walk, by) = grid.cells[link.to].visited;
            if walk != self.number {
                grid.cells[link.to].visited = (self.number, search as u32);
                self.searches[search].todo.push_back(link.to);
                self.searches[search].seen.push(link.to);
            } else if let other = self.root(by as usize)
                && other != search
            {
                self.join(search, other);
                met += 1;
            }
        }
        met
    }

    fn root(&mut self, mut search: usize) -> usize {
        while self.joined[search] != search {
            self.joined[search] = self.joined[self.joined[search]];
            search = self.joined[search];
        }
        search
    }

    fn join(&mut self, search: usize, other: usize) {
        self.joined[other] = search;
        let mut other = std::mem::take(&mut self.searches[other]);
        let search = &mut self.searches[search];
        if other.seen.len() > search.seen.len() {
            std::mem::swap(search, &mut other);
        }
        search.todo.extend(other.todo);
        search.seen.extend(other.seen);
    }
}
