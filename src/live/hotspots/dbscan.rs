//! Batch DBSCAN on great-circle distance, exact and fast: what [`super::DensityGroups`] keeps up to date.
//!
//! The algorithm is that of Ester, Kriegel, Sander and Xu, "A density-based algorithm for
//! discovering clusters in large spatial databases with noise" (KDD 1996), with weights: a point is
//! core where the weights of its neighbours, itself included, sum to `min_reports` or more. The grid
//! shortcut, that all points of a cell whose diagonal is within the radius are neighbours, is that of
//! Gunawan, "A faster algorithm for DBSCAN" (2013).
//!
//! What is decided here beyond the paper: a border point goes to the group of its nearest core, ties
//! to the core with the smallest report seq; then a group needs `min_reporters` distinct senders.
//!
//! Invariant: the answer is a function of the set of points alone. Weights are summed as whole
//! millionths, so that no order of summing shows; distances near the radius are decided by
//! [`great_circle_m`] itself.

use super::grid::{Grid, GridCell, Reached, Run};
use super::radius::{Position, Radius, distance2, report_units, weight_units};
use crate::city::HotspotParameters;
use crate::model::{LngLat, SenderId, Seq, great_circle_m};

/// A report as DBSCAN sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub seq: Seq,
    pub place: LngLat,
    pub sender: SenderId,
    pub weight: f64,
}

/// A dense group. Its members are in the order of their seqs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Index into the points.
    pub point: u32,
    pub core: bool,
}

/// Above this many pairs of places, two cells are first narrowed to what can be near the other.
const PAIRS_MAX: usize = 256;

/// The groups of `points`, in the order of their smallest core seq; what is in none is noise.
///
/// Takes time in proportion to the points and, for those in thin places, to their neighbours: equal
/// places count as one, and cells that are dense or already joined are not looked into again.
/// It would be a logic error to give points that are not in ascending order of their seqs.
///
/// ```
/// use pantau::city::HotspotParameters;
/// use pantau::live::hotspots::{Point, dbscan};
/// use pantau::model::{LngLat, SenderId, Seq};
/// let at = |seq, lng| Point {
///     seq: Seq(seq), place: LngLat::new(lng, 0.79).unwrap(), sender: SenderId(seq), weight: 1.0,
/// };
/// let points = [at(1, 127.3800), at(2, 127.3801), at(3, 127.3802), at(4, 127.5)];
/// let parameters = HotspotParameters { eps_m: 200.0, min_reports: 3.0, min_reporters: 3, window_ms: 1 };
/// let groups = dbscan(&points, &parameters);
/// assert_eq!(groups.len(), 1);
/// assert_eq!(groups[0].members.len(), 3);
/// ```
pub fn dbscan(points: &[Point], parameters: &HotspotParameters) -> Vec<Group> {
    debug_assert!(points.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let mut scan = Scan::new(points, parameters);
    scan.mark_cores(weight_units(parameters.min_reports));
    scan.join_cells();
    let labels = scan.label_sites();
    scan.groups(points, &labels, parameters.min_reporters)
}

/// All points at one place.
struct Site {
    at: Position,
    weight: u64,
    /// The smallest index of its points.
    first: u32,
    core: bool,
}

/// A grid cell that holds sites.
struct Cell {
    at: GridCell,
    sites: std::ops::Range<u32>,
    weight: u64,
}

struct Scan {
    radius: Radius,
    /// By cell, then place.
    sites: Vec<Site>,
    /// Site of each point.
    site_of: Vec<u32>,
    /// By row, then column.
    cells: Vec<Cell>,
    neighbours: Neighbours,
    joined: Joined,
}

impl Scan {
    fn new(points: &[Point], parameters: &HotspotParameters) -> Scan {
        let grid = Grid::new(parameters.eps_m);
        let mut order: Vec<(GridCell, LngLat, u32)> =
            points.iter().zip(0..).map(|(p, i)| (grid.cell(p.place), p.place, i)).collect();
        order.sort_unstable();
        let (mut sites, mut cells) = (Vec::<Site>::new(), Vec::<Cell>::new());
        let mut site_of = vec![0; points.len()];
        for (at, place, point) in order {
            let new_cell = cells.last().is_none_or(|cell| cell.at != at);
            if new_cell {
                let start = sites.len() as u32;
                cells.push(Cell { at, sites: start..start, weight: 0 });
            }
            if new_cell || sites.last().is_none_or(|site| site.at.place != place) {
                sites.push(Site { at: Position::new(place), weight: 0, first: point, core: false });
            }
            let weight = report_units(points[point as usize].weight);
            site_of[point as usize] = sites.len() as u32 - 1;
            if let (Some(site), Some(cell)) = (sites.last_mut(), cells.last_mut()) {
                site.weight += weight;
                cell.weight += weight;
                cell.sites.end = site_of[point as usize] + 1;
            }
        }
        let (neighbours, joined) = (Neighbours::new(&grid, &cells), Joined::new(cells.len()));
        Scan { radius: Radius::new(parameters.eps_m), sites, site_of, cells, neighbours, joined }
    }

    fn mark_cores(&mut self, weight_min: u64) {
        for i in 0..self.cells.len() {
            let range = self.cells[i].sites.clone();
            if self.cells[i].weight >= weight_min {
                range.for_each(|s| self.sites[s as usize].core = true);
                continue;
            }
            for s in range {
                self.sites[s as usize].core = self.reaches(i, s, weight_min);
            }
        }
    }

    /// Whether the weight within the radius of a site is enough; stops as soon as it is.
    fn reaches(&self, own: usize, site: u32, weight_min: u64) -> bool {
        let here = &self.sites[site as usize];
        let mut weight = self.cells[own].weight;
        for cell in self.neighbours.of(own).filter(|cell| *cell != own) {
            for other in self.sites_of(cell).filter(|other| self.radius.holds(&here.at, &other.at)) {
                weight += other.weight;
                if weight >= weight_min {
                    return true;
                }
            }
        }
        weight >= weight_min
    }

    /// Joins the cells whose cores are within reach; all cores of one cell are.
    fn join_cells(&mut self) {
        let has_core: Vec<bool> =
            (0..self.cells.len()).map(|i| self.sites_of(i).any(|site| site.core)).collect();
        for i in (0..self.cells.len()).filter(|i| has_core[*i]) {
            for n in self.neighbours.range(i) {
                let j = self.neighbours.cells[n] as usize;
                if j > i
                    && has_core[j]
                    && self.joined.root(i) != self.joined.root(j)
                    && self.cores_meet(i, j)
                {
                    self.joined.join(i, j);
                }
            }
        }
    }

    fn cores_meet(&self, i: usize, j: usize) -> bool {
        let mut a: Vec<&Site> = self.sites_of(i).filter(|site| site.core).collect();
        let mut b: Vec<&Site> = self.sites_of(j).filter(|site| site.core).collect();
        if a.len() * b.len() > PAIRS_MAX {
            self.keep_near(&mut a, &b);
            self.keep_near(&mut b, &a);
        }
        a.iter().any(|here| b.iter().any(|there| self.radius.holds(&here.at, &there.at)))
    }

    /// Keeps of `sites` those that can be near one of `others`, by the ball around these; the
    /// closest to its middle come first, since they are the likeliest to meet one.
    fn keep_near(&self, sites: &mut Vec<&Site>, others: &[&Site]) {
        let n = others.len() as f64;
        let middle = [0, 1, 2].map(|axis| others.iter().map(|site| site.at.unit[axis]).sum::<f64>() / n);
        let ball2 = others.iter().map(|site| distance2(&site.at.unit, &middle)).fold(0.0, f64::max);
        let reach = (self.radius.chord() + ball2.sqrt()) * (1.0 + 1e-9) + 1e-14;
        sites.retain(|site| distance2(&site.at.unit, &middle) <= reach * reach);
        sites.sort_by(|a, b| distance2(&a.at.unit, &middle).total_cmp(&distance2(&b.at.unit, &middle)));
    }

    /// The cell whose group each site belongs to; `None` is noise.
    fn label_sites(&mut self) -> Vec<Option<u32>> {
        let mut labels = vec![None; self.sites.len()];
        for i in 0..self.cells.len() {
            for s in self.cells[i].sites.clone() {
                let is_core = self.sites[s as usize].core;
                let cell = if is_core { Some(i) } else { self.nearest_core(i, s) };
                labels[s as usize] = cell.map(|cell| self.joined.root(cell) as u32);
            }
        }
        labels
    }

    /// The cell of the nearest core within the radius; ties go to the smallest report seq.
    fn nearest_core(&self, own: usize, site: u32) -> Option<usize> {
        let here = &self.sites[site as usize];
        let near = self.neighbours.of(own);
        let cores = near.flat_map(|cell| self.sites_of(cell).map(move |other| (cell, other)));
        cores
            .filter(|(_, other)| other.core && self.radius.holds(&here.at, &other.at))
            .map(|(cell, other)| (great_circle_m(here.at.place, other.at.place), other.first, cell))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, _, cell)| cell)
    }

    fn groups(&self, points: &[Point], labels: &[Option<u32>], min_reporters: usize) -> Vec<Group> {
        let site = |point: usize| self.site_of[point] as usize;
        let mut group_of_label = vec![None; self.cells.len()];
        let mut groups: Vec<Group> = Vec::new();
        for point in 0..points.len() {
            let label = labels[site(point)].filter(|_| self.sites[site(point)].core);
            if let Some(group) = label.map(|label| &mut group_of_label[label as usize])
                && group.is_none()
            {
                *group = Some(groups.len());
                groups.push(Group { members: Vec::new() });
            }
        }
        for point in 0..points.len() {
            let group = labels[site(point)].and_then(|label| group_of_label[label as usize]);
            if let Some(group) = group {
                let core = self.sites[site(point)].core;
                groups[group].members.push(Member { point: point as u32, core });
            }
        }
        groups.retain(|group| reporters(points, group) >= min_reporters);
        groups
    }

    fn sites_of(&self, cell: usize) -> impl Iterator<Item = &Site> {
        let range = &self.cells[cell].sites;
        self.sites[range.start as usize..range.end as usize].iter()
    }
}

/// For each cell the occupied cells that can hold neighbours of its points, itself included.
struct Neighbours {
    cells: Vec<u32>,
    /// Where each cell's begin in `cells`, and the end.
    starts: Vec<u32>,
}

impl Neighbours {
    /// One walk over the cells, row by row: in every row nearby a cursor goes along.
    fn new(grid: &Grid, cells: &[Cell]) -> Neighbours {
        let mut found = Neighbours { cells: Vec::with_capacity(cells.len() * 4), starts: vec![0] };
        let mut rows: Vec<std::ops::Range<usize>> = Vec::new();
        for run in cells.chunk_by(|a, b| a.at.row == b.at.row) {
            let start = rows.last().map_or(0, |row| row.end);
            rows.push(start..start + run.len());
        }
        let row_of = |range: &std::ops::Range<usize>| cells[range.start].at.row;
        for row in &rows {
            let near = grid.rows_near(row_of(row));
            let first = rows.partition_point(|other| row_of(other) < *near.start());
            let others = rows[first..].iter().take_while(|other| row_of(other) <= *near.end());
            let mut others: Vec<_> = others
                .map(|other| (grid.reach(row_of(row), row_of(other)), other.clone(), other.start))
                .collect();
            for cell in row.clone() {
                for (reach, other, cursor) in &mut others {
                    let of_row = |from: usize| cells[from..other.end].iter().zip(from as u32..);
                    match reach.columns(cells[cell].at.column) {
                        Reached::Run(Run { from, to }) => {
                            // Runs begin farther and farther east, but for those around the seam.
                            if *cursor > other.start && cells[*cursor - 1].at.column >= from {
                                *cursor = other.start;
                            }
                            *cursor += of_row(*cursor).take_while(|(c, _)| c.at.column < from).count();
                            let run = of_row(*cursor).take_while(|(c, _)| c.at.column <= to);
                            found.cells.extend(run.map(|(_, i)| i));
                        }
                        Reached::AcrossSeam { until, from } => {
                            let both = |c: &Cell| c.at.column <= until || c.at.column >= from;
                            let run = of_row(other.start).filter(|(c, _)| both(c));
                            found.cells.extend(run.map(|(_, i)| i));
                        }
                    }
                }
                found.starts.push(found.cells.len() as u32);
            }
        }
        found
    }

    fn range(&self, cell: usize) -> std::ops::Range<usize> {
        self.starts[cell] as usize..self.starts[cell + 1] as usize
    }

    fn of(&self, cell: usize) -> impl Iterator<Item = usize> {
        self.cells[self.range(cell)].iter().map(|cell| *cell as usize)
    }
}

/// Distinct senders in a group.
fn reporters(points: &[Point], group: &Group) -> usize {
    let mut senders: Vec<SenderId> =
        group.members.iter().map(|m| points[m.point as usize].sender).collect();
    senders.sort_unstable();
    senders.dedup();
    senders.len()
}

/// Disjoint sets of cells (Galler and Fischer, 1964), with path halving.
struct Joined(Vec<u32>);

impl Joined {
    fn new(n: usize) -> Joined {
        Joined((0..n as u32).collect())
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] as usize != i {
            self.0[i] = self.0[self.0[i] as usize];
            i = self.0[i] as usize;
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{cases, naive_dbscan, place};
    use super::*;
    use proptest::prelude::*;

    /// Places with as little spread as makes chains, duplicates and near ties likely.
    fn places(centre: LngLat, step_deg: f64) -> impl Strategy<Value = Vec<(LngLat, u64, u8)>> {
        let at = move |east: i32, north: i32| {
            let lng = centre.lng() + f64::from(east) * step_deg;
            let lng = if lng > 180.0 { lng - 360.0 } else { lng };
            place(lng, (centre.lat() + f64::from(north) * step_deg).clamp(-90.0, 90.0))
        };
        let one = ((-30..30), (-9..9), 0..6_u64, 0..11_u8);
        let free = one.prop_map(move |(e, n, sender, weight)| (at(e, n), sender, weight));
        // A chain: each link hardly reaches the next.
        let chain = (0..25).prop_map(move |link| (at(link * 2 - 25, 0), 7, 10));
        proptest::collection::vec(prop_oneof![3 => free, 1 => chain], 0..70)
    }

    fn points(places: &[(LngLat, u64, u8)]) -> Vec<Point> {
        let point = |(i, (place, sender, weight)): (usize, &(LngLat, u64, u8))| Point {
            seq: Seq(i as u64 * 2 + 1),
            place: *place,
            sender: SenderId(*sender),
            weight: f64::from(*weight) / 10.0,
        };
        places.iter().enumerate().map(point).collect()
    }

    fn check(points: &[Point], parameters: &HotspotParameters) -> Result<(), TestCaseError> {
        let groups = dbscan(points, parameters);
        let plain = |g: &Group| g.members.iter().map(|m| (m.point as usize, m.core)).collect::<Vec<_>>();
        let found: Vec<_> = groups.iter().map(plain).collect();
        let mut expected = naive_dbscan(points, parameters);
        expected.sort_by_key(|group| group.iter().find(|(_, core)| *core).map(|(point, _)| *point));
        prop_assert_eq!(found, expected);
        Ok(())
    }

    proptest! {
        #![proptest_config(cases(600))]
        #[test]
        fn it_equals_the_naive_oracle_anywhere_on_earth(
            (places, step_deg) in prop_oneof![
                Just(place(127.38, 0.79)), Just(place(180.0, -16.5)), Just(place(20.0, 90.0)),
                Just(place(-70.0, -90.0)), Just(place(179.9995, 71.0)),
            ].prop_flat_map(|centre| prop_oneof![Just(0.001), Just(0.01), Just(0.13)]
                .prop_flat_map(move |step| (places(centre, step), Just(step)))),
            eps_steps in prop_oneof![Just(1.0), Just(2.0), 0.5..5.0],
            min_reports in 1.0..5.0,
            min_reporters in 1..4_usize,
        ) {
            // Multiples of the step put pairs right at the radius.
            let eps_m = great_circle_m(place(0.0, 0.0), place(step_deg, 0.0)) * eps_steps;
            let parameters = HotspotParameters { eps_m, min_reports, min_reporters, window_ms: 1 };
            check(&points(&places), &parameters)?;
        }
    }

    #[test]
    fn a_point_exactly_at_the_radius_is_a_neighbour() {
        let (a, b) = (place(127.38, 0.79), place(127.3815, 0.7907));
        let eps_m = great_circle_m(a, b);
        let both = points(&[(a, 1, 10), (b, 2, 10)]);
        let groups = |eps_m| {
            dbscan(&both, &HotspotParameters { eps_m, min_reports: 2.0, min_reporters: 2, window_ms: 1 })
                .len()
        };
        assert_eq!((groups(eps_m), groups(eps_m.next_down())), (1, 0));
    }

    #[test]
    fn one_angry_phone_is_no_hotspot() {
        let here = place(127.38, 0.79);
        let parameters =
            HotspotParameters { eps_m: 200.0, min_reports: 4.0, min_reporters: 3, window_ms: 1 };
        let of_senders = |senders: [u64; 20]| dbscan(&points(&senders.map(|s| (here, s, 10))), &parameters);
        assert!(of_senders([1; 20]).is_empty());
        assert_eq!(of_senders(std::array::from_fn(|i| i as u64 % 3)).len(), 1);
    }

    #[test]
    fn ten_weights_of_a_tenth_make_exactly_one() {
        let here = place(127.38, 0.79);
        let parameters =
            HotspotParameters { eps_m: 200.0, min_reports: 1.0, min_reporters: 1, window_ms: 1 };
        assert_eq!(dbscan(&points(&[(here, 1, 1); 10]), &parameters).len(), 1);
        assert_eq!(dbscan(&points(&[(here, 1, 1); 9]), &parameters).len(), 0);
    }
}
