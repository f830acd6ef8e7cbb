//! Where the points are: equal places as one site, sites in cells, cells linked to those near them.
//!
//! Invariants:
//! - No site and no cell is empty.
//! - Two cells are linked, both ways, if and only if one can hold neighbours of the other.
//! - `outside` of a spot in a sparse cell is the weight within its radius in all other cells. In a
//!   dense cell, where every spot is core whatever lies outside, it is not kept.
//! - A link has a witness if and only if a core of one cell is within the radius of a core of the
//!   other; both ends name the same pair. (While [`super::DensityGroups`] changes cores, not yet.)

use std::collections::HashMap;

use super::GroupNo;
use super::slab::Slab;
use crate::city::HotspotParameters;
use crate::live::hotspots::dbscan::Point;
use crate::live::hotspots::grid::{Grid, GridCell};
use crate::live::hotspots::radius::{Bounds, Position, Radius, distance2, weight_units};
use crate::model::{LngLat, SenderId, Seq, great_circle_m};

pub(super) type SiteNo = u32;
pub(super) type CellNo = u32;

/// All points at one place.
#[derive(Debug)]
pub(super) struct Site {
    pub cell: CellNo,
    /// Where in the cell's `spots`.
    pub spot: u32,
    /// By seq.
    pub points: Vec<SitePoint>,
    /// Of a border: the core whose group it belongs to.
    pub nearest: Option<Nearest>,
}

impl Site {
    /// Where the point stands now among the others.
    pub fn add(&mut self, point: SitePoint) -> usize {
        let index = self.points.partition_point(|other| other.seq < point.seq);
        self.points.insert(index, point);
        index
    }

    /// The smallest seq: decides between cores that are equally near.
    pub fn first(&self) -> Option<Seq> {
        self.points.first().map(|point| point.seq)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct SitePoint {
    pub seq: Seq,
    pub sender: SenderId,
    pub weight: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    pub distance_m: f64,
    pub core: SiteNo,
}

/// What scans need of a site, side by side with the others of its cell.
#[derive(Debug)]
pub(super) struct Spot {
    pub at: Position,
    pub weight: u64,
    pub outside: u64,
    pub site: SiteNo,
    pub core: bool,
}

/// A grid cell that holds sites: all within the radius of each other.
#[derive(Debug)]
pub(super) struct Cell {
    at: GridCell,
    pub spots: Vec<Spot>,
    bounds: Bounds,
    weight: u64,
    pub n_cores: u32,
    pub links: Vec<Link>,
    /// Borders whose nearest core lies here.
    pub borders: Vec<SiteNo>,
    /// Of its cores.
    pub group: Option<GroupNo>,
    /// Where in the group's list of cells.
    pub group_index: u32,
    /// The last walk that came here, and by which search.
    pub visited: (u64, u32),
}

impl Cell {
    fn spots_near<'a>(&'a self, at: &'a Position, radius: &'a Radius) -> impl Iterator<Item = &'a Spot> {
        let spots = if self.can_reach(at, radius) { &self.spots[..] } else { &[] };
        spots.iter().filter(|spot| radius.holds(at, &spot.at))
    }

    fn can_reach(&self, at: &Position, radius: &Radius) -> bool {
        radius.can_hold(self.bounds.nearest2(&at.unit))
    }

    fn weight_near(&self, at: &Position, radius: &Radius) -> u64 {
        if radius.surely_holds(self.bounds.farthest2(&at.unit)) {
            return self.weight;
        }
        self.spots_near(at, radius).map(|spot| spot.weight).sum()
    }

    pub fn core_sites(&self) -> impl Iterator<Item = SiteNo> {
        self.spots.iter().filter(|spot| spot.core).map(|spot| spot.site)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub to: CellNo,
    /// A core here and one there, within the radius.
    pub witness: Option<[SiteNo; 2]>,
}

#[derive(Debug)]
pub(super) struct SiteGrid {
    grid: Grid,
    radius: Radius,
    weight_min: u64,
    site_at: HashMap<LngLat, SiteNo>,
    cell_at: HashMap<GridCell, CellNo>,
    pub sites: Slab<Site>,
    pub cells: Slab<Cell>,
}

impl SiteGrid {
    pub fn new(parameters: &HotspotParameters) -> SiteGrid {
        SiteGrid {
            grid: Grid::new(parameters.eps_m),
            radius: Radius::new(parameters.eps_m),
            weight_min: weight_units(parameters.min_reports),
            site_at: HashMap::new(),
            cell_at: HashMap::new(),
            sites: Slab::new(),
            cells: Slab::new(),
        }
    }

    /// Brings points into an order in which neighbours in the list are neighbours on the earth.
    pub fn sort(&self, points: &mut [Point]) {
        points.sort_by_cached_key(|point| (self.grid.cell(point.place), point.place, point.seq));
    }

    pub fn cell_of(&self, site: SiteNo) -> &Cell {
        &self.cells[self.sites[site].cell]
    }

    pub fn spot(&self, site: SiteNo) -> &Spot {
        &self.cell_of(site).spots[self.sites[site].spot as usize]
    }

    pub fn spot_mut(&mut self, site: SiteNo) -> &mut Spot {
        let Site { cell, spot, .. } = self.sites[site];
        &mut self.cells[cell].spots[spot as usize]
    }

    /// The group that the points of a site belong to.
    pub fn group_of(&self, site: SiteNo) -> Option<GroupNo> {
        let core = if self.spot(site).core { site } else { self.sites[site].nearest?.core };
        self.cell_of(core).group
    }

    /// The site at a place. A new one has no points and no weight yet, and what lies around it is to be
    /// counted by [`SiteGrid::count_outside`].
    pub fn site_or_new(&mut self, place: LngLat) -> SiteNo {
        if let Some(site) = self.site_at.get(&place) {
            return *site;
        }
        let at = Position::new(place);
        let cell = self.cell_or_new(&at);
        let spot = self.cells[cell].spots.len() as u32;
        let site = self.sites.insert(Site { cell, spot, points: Vec::new(), nearest: None });
        self.cells[cell].spots.push(Spot { at, weight: 0, outside: 0, site, core: false });
        self.cells[cell].bounds.extend(&at.unit);
        self.site_at.insert(place, site);
        site
    }

    fn cell_or_new(&mut self, at: &Position) -> CellNo {
        let grid_cell = self.grid.cell(at.place);
        if let Some(cell) = self.cell_at.get(&grid_cell) {
            return *cell;
        }
        let new = self.cells.next();
        let near = self.grid.around(grid_cell).filter_map(|near| self.cell_at.get(&near).copied());
        let links: Vec<Link> = near.map(|to| Link { to, witness: None }).collect();
        for link in &links {
            self.cells[link.to].links.push(Link { to: new, witness: None });
        }
        self.cell_at.insert(grid_cell, new);
        self.cells.insert(Cell {
            at: grid_cell,
            spots: Vec::new(),
            bounds: Bounds::around(at.unit),
            weight: 0,
            n_cores: 0,
            links,
            borders: Vec::new(),
            group: None,
            group_index: 0,
            visited: (0, 0),
        })
    }

    /// Takes away a site without points that is neither core nor border, and its cell where it was
    /// the last there.
    pub fn remove_site(&mut self, site: SiteNo) {
        let Some(Site { cell, spot, .. }) = self.sites.remove(site) else { return };
        let gone = self.cells[cell].spots.swap_remove(spot as usize);
        self.site_at.remove(&gone.at.place);
        if let Some(moved) = self.cells[cell].spots.get(spot as usize) {
            self.sites[moved.site].spot = spot;
        }
        if self.cells[cell].spots.is_empty() {
            let gone = self.cells.remove(cell);
            let gone = gone.expect("a site's cell is there");
            self.cell_at.remove(&gone.at);
            for link in gone.links {
                self.cells[link.to].links.retain(|back| back.to != cell);
            }
        }
    }

    /// Whether all spots of a cell are core by what lies in it alone.
    pub fn is_dense(&self, cell: CellNo) -> bool {
        self.cells[cell].weight >= self.weight_min
    }

    fn should_be_core(&self, cell: &Cell, spot: &Spot) -> bool {
        // In a dense cell `outside` is not kept.
        cell.weight >= self.weight_min || cell.weight + spot.outside >= self.weight_min
    }

    /// Counts what lies in the other cells around one spot, where its own cell is sparse.
    pub fn count_outside(&mut self, cell: CellNo, spot: u32) {
        if !self.is_dense(cell) {
            let at = self.cells[cell].spots[spot as usize].at;
            self.cells[cell].spots[spot as usize].outside = self.weight_outside(cell, &at);
        }
    }

    fn weight_outside(&self, cell: CellNo, at: &Position) -> u64 {
        let near = self.cells[cell].links.iter().map(|link| &self.cells[link.to]);
        near.map(|cell| cell.weight_near(at, &self.radius)).sum()
    }

    /// Changes the weight at a site. The sites that should begin or cease to be core by it.
    pub fn reweigh(&mut self, site: SiteNo, shift: impl Fn(u64) -> u64) -> Vec<SiteNo> {
        let Site { cell: own, spot, .. } = self.sites[site];
        let was_dense = self.is_dense(own);
        let cell = &mut self.cells[own];
        cell.weight = shift(cell.weight);
        let here = &mut cell.spots[spot as usize];
        here.weight = shift(here.weight);
        let at = here.at;
        let mut unfit = self.unfit_in_own(own, spot, was_dense);
        for link in 0..self.cells[own].links.len() {
            let near = self.cells[own].links[link].to;
            if !self.is_dense(near) && self.cells[near].can_reach(&at, &self.radius) {
                self.shift_outside(near, &at, &shift, &mut unfit);
            }
        }
        unfit
    }

    fn unfit_in_own(&mut self, own: CellNo, spot: u32, was_dense: bool) -> Vec<SiteNo> {
        match (was_dense, self.is_dense(own)) {
            (true, true) => {
                // All others are core already.
                let here = &self.cells[own].spots[spot as usize];
                return if here.core { Vec::new() } else { vec![here.site] };
            }
            (true, false) => {
                let n_spots = self.cells[own].spots.len() as u32;
                (0..n_spots).for_each(|spot| self.count_outside(own, spot));
            }
            (false, _) => {}
        }
        let cell = &self.cells[own];
        let unfit = cell.spots.iter().filter(|spot| spot.core != self.should_be_core(cell, spot));
        unfit.map(|spot| spot.site).collect()
    }

    /// Adds weight at a site, and leaves it at that: for many at once, before
    /// [`SiteGrid::mark_cores`].
    pub fn load_weight(&mut self, site: SiteNo, weight: u64) {
        let cell = self.sites[site].cell;
        self.cells[cell].weight += weight;
        self.spot_mut(site).weight += weight;
    }

    /// Counts what lies around every spot, and tells cores from others; before that there is no core.
    pub fn mark_cores(&mut self) {
        for cell in self.cell_numbers() {
            let n_spots = self.cells[cell].spots.len() as u32;
            (0..n_spots).for_each(|spot| self.count_outside(cell, spot));
            for spot in 0..n_spots as usize {
                let core = self.should_be_core(&self.cells[cell], &self.cells[cell].spots[spot]);
                self.cells[cell].spots[spot].core = core;
                self.cells[cell].n_cores += u32::from(core);
            }
        }
    }

    /// Finds the witness of every link; before that there is none.
    pub fn mark_links(&mut self) {
        for cell in self.cell_numbers() {
            for link in 0..self.cells[cell].links.len() {
                let to = self.cells[cell].links[link].to;
                let both_have_cores = self.cells[cell].n_cores > 0 && self.cells[to].n_cores > 0;
                if both_have_cores && cell < to {
                    self.set_witness(cell, link, self.witness(cell, to));
                }
            }
        }
    }

    pub fn site_numbers(&self) -> Vec<SiteNo> {
        self.sites.iter().map(|(site, _)| site).collect()
    }

    pub fn cell_numbers(&self) -> Vec<CellNo> {
        self.cells.iter().map(|(cell, _)| cell).collect()
    }

    fn shift_outside(
        &mut self,
        sparse: CellNo,
        at: &Position,
        shift: impl Fn(u64) -> u64,
        unfit: &mut Vec<SiteNo>,
    ) {
        let (radius, weight_min) = (self.radius, self.weight_min);
        let cell = &mut self.cells[sparse];
        for spot in cell.spots.iter_mut().filter(|spot| radius.holds(at, &spot.at)) {
            spot.outside = shift(spot.outside);
            if spot.core != (cell.weight + spot.outside >= weight_min) {
                unfit.push(spot.site);
            }
        }
    }

    /// Sites within the radius that are not core.
    pub fn others_near(&self, site: SiteNo) -> Vec<SiteNo> {
        let own = self.cell_of(site);
        let at = &self.spot(site).at;
        let linked = own.links.iter().map(|link| &self.cells[link.to]);
        let cells =
            [own].into_iter().chain(linked).filter(|cell| (cell.n_cores as usize) < cell.spots.len());
        let near = cells.flat_map(|cell| cell.spots_near(at, &self.radius));
        near.filter(|spot| !spot.core).map(|spot| spot.site).collect()
    }

    /// The nearest core within the radius; ties go to the one with the smallest seq.
    pub fn nearest_core(&self, site: SiteNo) -> Option<Nearest> {
        let at = &self.spot(site).at;
        let own = self.cell_of(site);
        let linked = own.links.iter().map(|link| &self.cells[link.to]);
        let cells = [own].into_iter().chain(linked).filter(|cell| cell.n_cores > 0);
        let cells: Vec<&Cell> = cells.filter(|cell| cell.can_reach(at, &self.radius)).collect();
        let cores = || cells.iter().flat_map(|cell| cell.spots.iter()).filter(|spot| spot.core);
        let nearest2 = cores().map(|core| distance2(&at.unit, &core.at.unit)).fold(f64::INFINITY, f64::min);
        if !self.radius.can_hold(nearest2) {
            return None;
        }
        let near2 = Radius::as_near_as(nearest2);
        cores()
            .filter(|core| distance2(&at.unit, &core.at.unit) <= near2 && self.radius.holds(at, &core.at))
            .map(|core| Nearest { distance_m: great_circle_m(at.place, core.at.place), core: core.site })
            .min_by(|a, b| self.nearness(a).partial_cmp(&self.nearness(b)).expect("distances are numbers"))
    }

    /// Smaller for the core that a border belongs to.
    pub fn nearness(&self, nearest: &Nearest) -> (f64, Option<Seq>) {
        (nearest.distance_m, self.sites[nearest.core].first())
    }

    /// Links of a core's cell that have no witness and can have one now, with the other's core.
    pub fn new_witnesses(&self, core: SiteNo) -> Vec<(usize, SiteNo)> {
        let (own, at) = (self.cell_of(core), &self.spot(core).at);
        let open = own.links.iter().enumerate().filter(|(_, link)| link.witness.is_none());
        let witness = |(i, link): (usize, &Link)| {
            let other = Some(&self.cells[link.to]).filter(|other| other.n_cores > 0)?;
            let core = other.spots_near(at, &self.radius).find(|spot| spot.core)?;
            Some((i, core.site))
        };
        open.filter_map(witness).collect()
    }

    /// A core of each of two cells, within the radius.
    pub fn witness(&self, a: CellNo, b: CellNo) -> Option<[SiteNo; 2]> {
        let (a, b) = (&self.cells[a], &self.cells[b]);
        let b_near: Vec<&Spot> =
            b.spots.iter().filter(|spot| spot.core && a.can_reach(&spot.at, &self.radius)).collect();
        let mut bounds = Bounds::around(b_near.first()?.at.unit);
        b_near.iter().for_each(|spot| bounds.extend(&spot.at.unit));
        let reaches = |spot: &&Spot| spot.core && self.radius.can_hold(bounds.nearest2(&spot.at.unit));
        a.spots.iter().filter(reaches).find_map(|here| {
            let there = b_near.iter().find(|there| self.radius.holds(&here.at, &there.at))?;
            Some([here.site, there.site])
        })
    }

    /// Puts a witness, or none, on both ends of a link.
    pub fn set_witness(&mut self, from: CellNo, link: usize, witness: Option<[SiteNo; 2]>) {
        let link = &mut self.cells[from].links[link];
        link.witness = witness;
        let to = link.to;
        let back = self.cells[to].links.iter_mut().find(|back| back.to == from);
        back.expect("links go both ways").witness = witness.map(|[here, there]| [there, here]);
    }
}
