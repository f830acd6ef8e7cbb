//! DBSCAN kept up to date: after every arrival and departure the groups are exactly those of the
//! batch ([`super::dbscan()`]) over the points that are there.
//!
//! That a change of one point changes the cores within its radius only, and the groups by these, is
//! from Ester, Kriegel, Sander, Wimmer and Xu, "Incremental clustering for mining in a data
//! warehousing environment" (VLDB 1998). The graph of grid cells, with an edge where a core of one is
//! near a core of the other, whose connected parts are the groups, is from Gan and Tao, "Dynamic
//! density based clustering" (SIGMOD 2017); the approximation that they buy their bound with is not
//! used here: distances are exact.
//!
//! How a change runs: weights near the point are counted anew ([`site_grid`]); sites that are enough
//! become core, those that are not any more cease to be; links between cells find or lose a pair of
//! cores that witnesses them; groups unite or split along the links ([`partition`]); last, borders
//! whose nearest core is another now change over.
//!
//! Invariant: the groups are a function of the set of points alone, whatever the order they came in.
//! Inner numbers (of sites, cells, groups) are not, and show nowhere.

mod partition;
mod site_grid;
mod slab;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use super::dbscan::Point;
use super::radius::report_units;
use crate::city::HotspotParameters;
use crate::model::Seq;
pub use partition::DensityGroup;
pub(super) use partition::GroupNo;
use partition::Partition;
use site_grid::{CellNo, Nearest, Site, SiteGrid, SiteNo, SitePoint};

/// The dense groups of a set of points that changes point by point.
///
/// Memory is in proportion to the points. One insertion or removal costs, beside a few hash look-ups:
/// a pass over the sites of those cells around the point (some 24, each about 0.7 radius wide) that
/// are not dense by themselves or not linked by cores yet; where groups unite, the size of the smaller
/// one; where a group may have split, a search around the place (see `partition.rs`). Nothing depends
/// on the number of points or groups elsewhere.
///
/// ```
/// use pantau::city::HotspotParameters;
/// use pantau::live::hotspots::{DensityGroups, Point};
/// use pantau::model::{LngLat, SenderId, Seq};
/// let at = |seq, lng| Point {
///     seq: Seq(seq), place: LngLat::new(lng, 0.79).unwrap(), sender: SenderId(seq), weight: 1.0,
/// };
/// let parameters = HotspotParameters { eps_m: 200.0, min_reports: 3.0, min_reporters: 3, window_ms: 1 };
/// let mut density = DensityGroups::new(&parameters);
/// for point in [at(1, 127.3800), at(2, 127.3801), at(3, 127.3802), at(4, 127.5)] {
///     density.insert(&point);
/// }
/// assert_eq!(density.groups().len(), 1);
/// assert_eq!(density.groups()[0].members().len(), 3);
/// density.remove(Seq(2));
/// assert!(density.groups().is_empty());
/// ```
#[derive(Debug)]
pub struct DensityGroups {
    min_reporters: usize,
    site_of: HashMap<Seq, SiteNo>,
    grid: SiteGrid,
    partition: Partition,
}

/// A point that joined or left a group, or turned core or border; or did and is again as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub seq: Seq,
    pub from: Option<GroupNo>,
    /// Its group now, and whether it is core.
    pub to: Option<(GroupNo, bool)>,
}

impl DensityGroups {
    pub fn new(parameters: &HotspotParameters) -> DensityGroups {
        DensityGroups {
            min_reporters: parameters.min_reporters,
            site_of: HashMap::new(),
            grid: SiteGrid::new(parameters),
            partition: Partition::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.site_of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.site_of.is_empty()
    }

    /// The groups with enough reporters, in the order of their smallest core seq. Costs in proportion
    /// to all groups.
    pub fn groups(&self) -> Vec<&DensityGroup> {
        let groups = self.partition.groups.iter().map(|(_, group)| group);
        let mut groups: Vec<_> = groups.filter(|group| self.is_enough(group)).collect();
        groups.sort_by_cached_key(|group| group.smallest_core());
        groups
    }

    fn is_enough(&self, group: &DensityGroup) -> bool {
        group.n_reporters() >= self.min_reporters
    }

    /// A group, where it is there and has enough reporters.
    pub(super) fn group(&self, group: GroupNo) -> Option<&DensityGroup> {
        self.partition.groups.get(group).filter(|group| self.is_enough(group))
    }

    /// All groups, those with too few reporters included.
    pub(super) fn group_numbers(&self) -> BTreeSet<GroupNo> {
        self.partition.groups.iter().map(|(number, _)| number).collect()
    }

    /// What happened to points in groups since this was last called, by seq. A point that is not named
    /// is in the group that it was in (or in none), and core as before.
    pub(super) fn take_moves(&mut self) -> Vec<Move> {
        let moved = std::mem::take(&mut self.partition.moved);
        let now = |seq: &Seq| {
            let site = *self.site_of.get(seq)?;
            Some((self.grid.group_of(site)?, self.grid.spot(site).core))
        };
        let mut moves: Vec<Move> =
            moved.into_iter().map(|(seq, from)| Move { seq, from, to: now(&seq) }).collect();
        moves.sort_unstable_by_key(|a_move| a_move.seq);
        moves
    }

    /// Adds a point; one with the same seq goes first.
    pub fn insert(&mut self, point: &Point) {
        self.remove(point.seq);
        let site = self.grid.site_or_new(point.place);
        self.site_of.insert(point.seq, site);
        let Point { seq, sender, weight, .. } = *point;
        let point = SitePoint { seq, sender, weight: report_units(weight) };
        let is_new = self.grid.sites[site].points.is_empty();
        let index = self.grid.sites[site].add(point);
        if is_new {
            let Site { cell, spot, .. } = self.grid.sites[site];
            self.grid.count_outside(cell, spot);
        }

        let begin = self.grid.reweigh(site, |weight| weight + point.weight);
        if is_new {
            if !begin.contains(&site) {
                self.attach(site, self.grid.nearest_core(site));
            }
        } else if let Some(group) = self.grid.group_of(site) {
            let core = self.grid.spot(site).core;
            self.partition.add_point(group, &point, core);
            if core && index == 0 {
                self.offer(site);
            }
        }
        self.begin_cores(&begin);
    }

    /// Adds many points; no two may have the same seq. Into an empty set in less than half of the time
    /// that they take one by one.
    pub fn insert_all(&mut self, mut points: Vec<Point>) {
        if !self.is_empty() {
            return points.iter().for_each(|point| self.insert(point));
        }
        self.grid.sort(&mut points);
        for Point { seq, place, sender, weight } in &points {
            let site = self.grid.site_or_new(*place);
            self.site_of.insert(*seq, site);
            let weight = report_units(*weight);
            self.grid.sites[site].add(SitePoint { seq: *seq, sender: *sender, weight });
            self.grid.load_weight(site, weight);
        }
        self.grid.mark_cores();
        self.grid.mark_links();
        for cell in self.grid.cell_numbers() {
            if self.grid.cells[cell].n_cores > 0 && self.grid.cells[cell].group.is_none() {
                self.partition.found(&mut self.grid, cell);
            }
        }
        for site in self.grid.site_numbers() {
            if !self.grid.spot(site).core {
                self.attach(site, self.grid.nearest_core(site));
            } else if let Some(group) = self.grid.group_of(site) {
                self.partition.add_site(group, &self.grid.sites[site].points, true);
            }
        }
    }

    /// Takes a point away; `false` where there is none with this seq.
    pub fn remove(&mut self, seq: Seq) -> bool {
        let Some(site) = self.site_of.remove(&seq) else { return false };
        let group = self.grid.group_of(site);
        let points = &mut self.grid.sites[site].points;
        let index = points.binary_search_by_key(&seq, |point| point.seq);
        let index = index.expect("a point is among those of its site");
        let point = points.remove(index);
        let is_last = points.is_empty();
        if let Some(group) = group {
            self.partition.take_point(group, &point);
        }

        let mut cease = self.grid.reweigh(site, |weight| weight - point.weight);
        let is_core = self.grid.spot(site).core;
        if is_last && is_core && !cease.contains(&site) {
            cease.push(site);
        }
        self.cease_cores(&cease);
        if is_last {
            self.attach(site, None);
            self.grid.remove_site(site);
        } else if index == 0 && self.grid.spot(site).core {
            self.review_borders_of(site);
        }
        true
    }

    fn begin_cores(&mut self, begin: &[SiteNo]) {
        for site in begin {
            self.attach(*site, None);
            self.grid.spot_mut(*site).core = true;
            let cell = self.grid.sites[*site].cell;
            self.grid.cells[cell].n_cores += 1;
            if self.grid.cells[cell].group.is_none() {
                self.partition.found(&mut self.grid, cell);
            }
        }
        for site in begin {
            self.join_neighbours(*site);
        }
        for site in begin {
            let group = self.grid.group_of(*site).expect("a cell with a core has a group");
            self.partition.add_site(group, &self.grid.sites[*site].points, true);
        }
        for site in begin {
            self.offer(*site);
        }
    }

    /// Unites the groups that a new core brings within reach.
    fn join_neighbours(&mut self, core: SiteNo) {
        let own = self.grid.sites[core].cell;
        for (link, other) in self.grid.new_witnesses(core) {
            self.grid.set_witness(own, link, Some([core, other]));
            let to = self.grid.cells[own].links[link].to;
            if let (Some(a), Some(b)) = (self.grid.cells[own].group, self.grid.cells[to].group)
                && a != b
            {
                self.partition.unite(&mut self.grid, a, b);
            }
        }
    }

    /// Lets the others around a core belong to it where it is their nearest now.
    fn offer(&mut self, core: SiteNo) {
        let place = self.grid.spot(core).at.place;
        for border in self.grid.others_near(core) {
            let distance_m = crate::model::great_circle_m(self.grid.spot(border).at.place, place);
            let new = Nearest { distance_m, core };
            let before = self.grid.sites[border].nearest;
            if before.is_none_or(|before| self.grid.nearness(&new) < self.grid.nearness(&before)) {
                self.attach(border, Some(new));
            }
        }
    }

    /// Lets a site that is not core belong to the group of a core, or to none.
    fn attach(&mut self, border: SiteNo, nearest: Option<Nearest>) {
        let before = std::mem::replace(&mut self.grid.sites[border].nearest, nearest);
        let cell = |nearest: Option<Nearest>| Some(self.grid.sites[nearest?.core].cell);
        let (from, to) = (cell(before), cell(nearest));
        if from != to {
            if let Some(from) = from {
                self.grid.cells[from].borders.retain(|other| *other != border);
            }
            if let Some(to) = to {
                self.grid.cells[to].borders.push(border);
            }
        }
        let group = |cell: Option<CellNo>| self.grid.cells[cell?].group;
        let (from, to) = (group(from), group(to));
        if from != to {
            let points = &self.grid.sites[border].points;
            from.into_iter().for_each(|group| self.partition.take_site(group, points));
            to.into_iter().for_each(|group| self.partition.add_site(group, points, false));
        }
    }

    /// Borders attached to a core, whose place among equally near ones fell.
    fn review_borders_of(&mut self, core: SiteNo) {
        for border in self.borders_of(core) {
            self.attach(border, self.grid.nearest_core(border));
        }
    }

    fn borders_of(&self, core: SiteNo) -> Vec<SiteNo> {
        let borders = self.grid.cell_of(core).borders.iter().copied();
        let is_mine = |border: &SiteNo| self.grid.sites[*border].nearest.is_some_and(|n| n.core == core);
        borders.filter(is_mine).collect()
    }

    fn cease_cores(&mut self, cease: &[SiteNo]) {
        let mut loose: Vec<SiteNo> = Vec::new();
        for site in cease {
            for border in self.borders_of(*site) {
                self.attach(border, None);
                loose.push(border);
            }
        }
        let mut cells = BTreeSet::new();
        for site in cease {
            let group = self.grid.group_of(*site).expect("a core has a group");
            self.partition.take_site(group, &self.grid.sites[*site].points);
            self.grid.spot_mut(*site).core = false;
            let cell = self.grid.sites[*site].cell;
            self.grid.cells[cell].n_cores -= 1;
            cells.insert(cell);
        }
        let broken = self.break_links(&cells);
        for cell in cells.iter().filter(|cell| self.grid.cells[**cell].n_cores == 0).collect::<Vec<_>>() {
            self.partition.leave(&mut self.grid, *cell);
        }
        self.split_groups(&broken);
        for site in cease.iter().chain(&loose) {
            if !self.grid.sites[*site].points.is_empty() {
                self.attach(*site, self.grid.nearest_core(*site));
            }
        }
    }

    /// Looks for other witnesses where a core of a cell was one. The cells at the links that have
    /// none any more.
    fn break_links(&mut self, cells: &BTreeSet<CellNo>) -> BTreeSet<CellNo> {
        let mut broken = BTreeSet::new();
        for cell in cells {
            for i in 0..self.grid.cells[*cell].links.len() {
                let link = self.grid.cells[*cell].links[i];
                let is_void = |witness: [SiteNo; 2]| witness.iter().any(|site| !self.grid.spot(*site).core);
                if link.witness.is_some_and(is_void) {
                    let witness = self.grid.witness(*cell, link.to);
                    self.grid.set_witness(*cell, i, witness);
                    if witness.is_none() {
                        broken.extend([*cell, link.to]);
                    }
                }
            }
        }
        broken
    }

    fn split_groups(&mut self, broken: &BTreeSet<CellNo>) {
        let mut seeds: HashMap<GroupNo, Vec<CellNo>> = HashMap::new();
        for cell in broken {
            if let Some(group) = self.grid.cells[*cell].group {
                seeds.entry(group).or_default().push(*cell);
            }
        }
        for (group, seeds) in seeds {
            self.partition.split(&mut self.grid, group, &seeds);
        }
    }
}
