//! After every step of a random history: the same as the batch, and whole inside.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::live::hotspots::dbscan::dbscan;
use crate::live::hotspots::testing::{cases, naive_dbscan, place};
use crate::model::{LngLat, SenderId, great_circle_m};

type Groups = Vec<Vec<(Seq, bool)>>;

/// Where a history happens: a centre, and the step of its lattice in degrees.
type Where = (LngLat, f64);

#[derive(Debug, Clone)]
enum Step {
    Insert {
        at: LngLat,
        sender: u64,
        tenths: u8,
    },
    /// A row of points: each hardly reaches the next.
    Chain {
        from: i32,
        links: i32,
        north: i32,
    },
    /// The n-th of those that are there.
    Remove {
        n: usize,
    },
    /// The n-th of those that were taken away, with its old seq.
    Return {
        n: usize,
    },
    /// The oldest.
    Expire {
        n: usize,
    },
}

fn on_lattice((centre, step_deg): Where, east: i32, north: i32) -> LngLat {
    let lng = centre.lng() + f64::from(east) * step_deg;
    let lng = if lng > 180.0 { lng - 360.0 } else { lng };
    place(lng, (centre.lat() + f64::from(north) * step_deg).clamp(-90.0, 90.0))
}

fn step(whereabouts: Where) -> impl Strategy<Value = Step> {
    let insert = (-12..12, -4..4, 0..6_u64, 0..14_u8).prop_map(move |(east, north, sender, tenths)| {
        Step::Insert { at: on_lattice(whereabouts, east, north), sender, tenths: tenths.min(10) }
    });
    prop_oneof![
        12 => insert,
        2 => (-12..6, 1..8, -2..2).prop_map(|(from, links, north)| Step::Chain { from, links, north }),
        6 => any::<usize>().prop_map(|n| Step::Remove { n }),
        3 => any::<usize>().prop_map(|n| Step::Return { n }),
        1 => (0..9_usize).prop_map(|n| Step::Expire { n }),
    ]
}

fn history(steps_max: usize) -> impl Strategy<Value = (Where, Vec<Step>)> {
    let centres = prop_oneof![
        Just(place(127.38, 0.79)),
        Just(place(180.0, -16.5)),
        Just(place(20.0, 90.0)),
        Just(place(-70.0, -90.0)),
        Just(place(179.9995, 71.0)),
    ];
    let whereabouts = (centres, prop_oneof![Just(0.001), Just(0.01), Just(0.13)]);
    whereabouts.prop_flat_map(move |whereabouts| {
        (Just(whereabouts), proptest::collection::vec(step(whereabouts), 0..steps_max))
    })
}

struct World {
    parameters: HotspotParameters,
    density: DensityGroups,
    points: BTreeMap<Seq, Point>,
    gone: Vec<Point>,
    next: u64,
    /// By number, as last seen.
    seen: BTreeMap<GroupNo, BTreeMap<Seq, bool>>,
}

impl World {
    fn new(parameters: HotspotParameters) -> World {
        World {
            density: DensityGroups::new(&parameters),
            parameters,
            points: BTreeMap::new(),
            gone: Vec::new(),
            next: 1,
            seen: BTreeMap::new(),
        }
    }

    fn insert(&mut self, at: LngLat, sender: u64, weight: f64) {
        let point = Point { seq: Seq(self.next), place: at, sender: SenderId(sender), weight };
        self.next += 1;
        self.put(point);
    }

    fn put(&mut self, point: Point) {
        self.density.insert(&point);
        self.points.insert(point.seq, point);
    }

    fn remove(&mut self, seq: Seq) {
        assert!(self.density.remove(seq));
        assert!(!self.density.remove(seq));
        self.gone.extend(self.points.remove(&seq));
    }

    fn step(&mut self, whereabouts: Where, step: &Step) {
        match step {
            Step::Insert { at, sender, tenths } => self.insert(*at, *sender, f64::from(*tenths) / 10.0),
            Step::Chain { from, links, north } => {
                for link in 0..*links {
                    self.insert(on_lattice(whereabouts, from + 2 * link, *north), link as u64, 1.0);
                }
            }
            Step::Remove { n } => {
                let at = |n: usize| self.points.keys().nth(n).copied();
                if let Some(seq) = n.checked_rem(self.points.len()).and_then(at) {
                    self.remove(seq);
                }
            }
            Step::Return { n } => {
                if let Some(n) = n.checked_rem(self.gone.len()) {
                    let point = self.gone.swap_remove(n);
                    self.put(point);
                }
            }
            Step::Expire { n } => {
                for seq in self.points.keys().take(*n).copied().collect::<Vec<_>>() {
                    self.remove(seq);
                }
            }
        }
    }

    fn found(&self) -> Groups {
        self.density.groups().iter().map(|group| group.members().collect()).collect()
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let points: Vec<Point> = self.points.values().copied().collect();
        let named =
            |member: &crate::live::hotspots::Member| (points[member.point as usize].seq, member.core);
        let batch = dbscan(&points, &self.parameters);
        let batch: Groups = batch.iter().map(|group| group.members.iter().map(named).collect()).collect();
        prop_assert_eq!(self.found(), batch);
        self.check_moves()?;
        check_insides(&self.density)?;
        Ok(())
    }

    /// The groups of before, each move made, are the groups of now.
    fn check_moves(&mut self) -> Result<(), TestCaseError> {
        let mut seen: BTreeMap<GroupNo, BTreeMap<Seq, bool>> = std::mem::take(&mut self.seen);
        let moves = self.density.take_moves();
        for Move { seq, from, .. } in &moves {
            let before: Vec<GroupNo> =
                seen.iter().filter(|(_, members)| members.contains_key(seq)).map(|(no, _)| *no).collect();
            prop_assert_eq!(&before, &from.iter().copied().collect::<Vec<_>>());
            for members in seen.values_mut() {
                members.remove(seq);
            }
        }
        for Move { seq, to, .. } in moves {
            if let Some((group, core)) = to {
                seen.entry(group).or_default().insert(seq, core);
            }
        }
        seen.retain(|_, members| !members.is_empty());
        let groups = self.density.group_numbers();
        let now: BTreeMap<GroupNo, BTreeMap<Seq, bool>> = groups
            .into_iter()
            .map(|no| (no, self.density.partition.groups[no].members().collect()))
            .collect();
        prop_assert_eq!(&now, &seen);
        self.seen = now;
        Ok(())
    }

    fn check_naive(&self) -> Result<(), TestCaseError> {
        let points: Vec<Point> = self.points.values().copied().collect();
        let mut naive: Groups = naive_dbscan(&points, &self.parameters)
            .iter()
            .map(|group| group.iter().map(|(point, core)| (points[*point].seq, *core)).collect())
            .collect();
        naive.sort_by_key(|group| group.iter().find(|(_, core)| *core).map(|(seq, _)| *seq));
        prop_assert_eq!(self.found(), naive);
        Ok(())
    }
}

/// The invariants of the structure, from scratch.
fn check_insides(density: &DensityGroups) -> Result<(), TestCaseError> {
    let grid = &density.grid;
    let mut cells_of_groups = 0;
    for (no, cell) in grid.cells.iter() {
        prop_assert!(!cell.spots.is_empty());
        let cores: Vec<SiteNo> = cell.core_sites().collect();
        prop_assert_eq!(cores.len(), cell.n_cores as usize);
        prop_assert_eq!(cell.group.is_some(), !cores.is_empty());
        cells_of_groups += usize::from(cell.group.is_some());
        for link in &cell.links {
            prop_assert_eq!(link.witness.is_some(), grid.witness(no, link.to).is_some());
            let Some([here, there]) = link.witness else { continue };
            prop_assert!(grid.spot(here).core && grid.spot(there).core);
            prop_assert_eq!((grid.sites[here].cell, grid.sites[there].cell), (no, link.to));
            prop_assert_eq!(cell.group, grid.cells[link.to].group);
        }
        for border in &cell.borders {
            let nearest = grid.sites[*border].nearest;
            prop_assert!(nearest.is_some_and(|nearest| cores.contains(&nearest.core)));
        }
    }
    for (no, site) in grid.sites.iter() {
        let spot = grid.spot(no);
        prop_assert!(!site.points.is_empty() && spot.site == no);
        prop_assert_eq!(spot.weight, site.points.iter().map(|point| point.weight).sum::<u64>());
        prop_assert!(site.points.is_sorted_by(|a, b| a.seq < b.seq));
        prop_assert_eq!(site.nearest, if spot.core { None } else { grid.nearest_core(no) });
    }
    let listed: usize = density.partition.groups.iter().map(|(_, group)| group.n_cells()).sum();
    prop_assert_eq!(listed, cells_of_groups);
    Ok(())
}

fn parameters() -> impl Strategy<Value = (f64, f64, usize)> {
    // Multiples of the step put pairs right at the radius.
    (prop_oneof![Just(1.0), Just(2.0), 0.5..5.0], 1.0..5.0, 1..4_usize)
}

fn world(step_deg: f64, (eps_steps, min_reports, min_reporters): (f64, f64, usize)) -> World {
    let eps_m = great_circle_m(place(0.0, 0.0), place(step_deg, 0.0)) * eps_steps;
    World::new(HotspotParameters { eps_m, min_reports, min_reporters, window_ms: 1 })
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn it_is_the_batch_after_every_step_anywhere_on_earth(
        (whereabouts, steps) in history(90), parameters in parameters(),
    ) {
        let mut world = world(whereabouts.1, parameters);
        for step in &steps {
            world.step(whereabouts, step);
            world.check()?;
        }
        world.check_naive()?;
    }

    #[test]
    fn the_order_in_which_points_come_and_go_does_not_show(
        (whereabouts, steps) in history(60), parameters in parameters(), salt in any::<u64>(),
    ) {
        let mut long = world(whereabouts.1, parameters);
        steps.iter().for_each(|step| long.step(whereabouts, step));
        let mut points: Vec<Point> = long.points.values().copied().collect();
        points.sort_by_key(|point| point.seq.0.wrapping_mul(salt | 1));
        let mut short = world(whereabouts.1, parameters);
        points.into_iter().for_each(|point| short.put(point));
        prop_assert_eq!(long.found(), short.found());
    }

    /// And goes on alike.
    #[test]
    fn points_that_come_all_at_once_are_as_those_that_come_one_by_one(
        (whereabouts, steps) in history(90), parameters in parameters(), stop in 0.0..1.0,
    ) {
        let stop = (steps.len() as f64 * stop) as usize;
        let mut world = world(whereabouts.1, parameters);
        steps[..stop].iter().for_each(|step| world.step(whereabouts, step));
        let points: Vec<Point> = world.points.values().copied().collect();
        world.density = DensityGroups::new(&world.parameters);
        world.density.insert_all(points);
        world.seen.clear();
        world.check()?;
        for step in &steps[stop..] {
            world.step(whereabouts, step);
            world.check()?;
        }
    }

    #[test]
    fn what_was_emptied_holds_nothing(
        (whereabouts, steps) in history(40), parameters in parameters(),
    ) {
        let mut world = world(whereabouts.1, parameters);
        steps.iter().for_each(|step| world.step(whereabouts, step));
        for seq in world.points.keys().copied().collect::<Vec<_>>() {
            world.remove(seq);
        }
        let grid = &world.density.grid;
        prop_assert_eq!((grid.sites.iter().count(), grid.cells.iter().count()), (0, 0));
        prop_assert!(world.density.is_empty() && world.density.group_numbers().is_empty());
    }
}

const METRES: HotspotParameters =
    HotspotParameters { eps_m: 200.0, min_reports: 2.0, min_reporters: 1, window_ms: 1 };

/// Places 150 m apart, on a line.
fn on_line(n: i32) -> LngLat {
    place(127.38 + f64::from(n) * 0.001_35, 0.79)
}

fn sizes(world: &World) -> Vec<usize> {
    world.density.groups().iter().map(|group| group.members().len()).collect()
}

#[test]
fn a_link_taken_out_of_a_long_chain_splits_it_and_its_return_joins_it() {
    let mut world = World::new(METRES);
    (0..400).for_each(|n| world.insert(on_line(n), n as u64, 1.0));
    assert_eq!(sizes(&world), [400]);
    world.remove(Seq(101));
    assert_eq!(sizes(&world), [100, 299]);
    world.remove(Seq(300));
    assert_eq!(sizes(&world), [100, 198, 100]);
    for point in std::mem::take(&mut world.gone) {
        world.put(point);
        world.check().unwrap();
    }
    assert_eq!(sizes(&world), [400]);
}

#[test]
fn a_ring_that_opens_stays_one_group_until_it_opens_twice() {
    let mut world = World::new(METRES);
    for n in 0..60 {
        let angle = f64::from(n) * std::f64::consts::TAU / 60.0;
        let at = place(127.38 + 0.013 * angle.cos(), 0.79 + 0.013 * angle.sin());
        world.insert(at, n as u64, 1.0);
    }
    assert_eq!(sizes(&world), [60]);
    world.remove(Seq(10));
    assert_eq!(sizes(&world), [59]);
    world.remove(Seq(40));
    assert_eq!(sizes(&world), [29, 29]);
    world.check().unwrap();
}

#[test]
fn a_border_between_equally_near_cores_goes_to_the_one_with_the_smallest_seq_of_the_moment() {
    let parameters = HotspotParameters { eps_m: 200.0, min_reports: 4.0, min_reporters: 1, window_ms: 1 };
    let mut world = World::new(parameters);
    let [far_west, west, middle, east, far_east] =
        [-2, -1, 0, 1, 2].map(|n| place(f64::from(n) * 0.001_5, 0.0));
    world.insert(west, 1, 1.0);
    world.insert(east, 1, 1.0);
    world.insert(middle, 1, 0.5);
    (0..3).for_each(|n| world.insert(far_east, n, 1.0));
    (0..3).for_each(|n| world.insert(far_west, n, 1.0));
    world.insert(west, 1, 1.0);
    let members_of_west = |world: &World| {
        let groups = world.density.groups();
        let west = groups.iter().find(|group| group.members().any(|(seq, _)| seq == Seq(10)));
        west.map_or(0, |group| group.members().len())
    };
    assert_eq!(members_of_west(&world), 6, "seq 1 is in the west");
    world.remove(Seq(1));
    world.check().unwrap();
    assert_eq!(members_of_west(&world), 4, "the smallest is in the east now");
    let returned = world.gone.remove(0);
    world.put(returned);
    world.check().unwrap();
    assert_eq!(members_of_west(&world), 6);
}

#[test]
fn a_crowded_city_is_the_batch_while_points_come_and_go() {
    let mut chance = crate::cli::chance::Chance::new(1998);
    let mut world = World::new(HotspotParameters { min_reports: 6.0, min_reporters: 3, ..METRES });
    let mut near = |spread: f64| chance.normal() * spread;
    for round in 0..4_000 {
        let centre = f64::from(round % 7) * 0.004;
        let at = place(127.38 + centre + near(0.004), 0.79 + centre / 2.0 + near(0.002));
        world.insert(at, round as u64 % 97, 1.0);
        if round > 1_500 {
            let seqs: Vec<Seq> = world.points.keys().copied().collect();
            world.remove(seqs[(round as usize * 7_919) % seqs.len()]);
        }
        if round % 250 == 0 {
            world.check().unwrap();
        }
    }
    world.check().unwrap();
}
