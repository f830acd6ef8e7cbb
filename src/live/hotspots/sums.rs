//! What the members of a group add up to, kept up to date member by member.
//!
//! Invariant: everything here is a function of the members alone, to the last bit: sums are whole
//! numbers, so no order in which members came and went shows.

use std::collections::{BTreeMap, HashMap};

use geo_types::MultiPolygon;
use h3o::{CellIndex, Resolution};

use super::gi_star::StudyArea;
use super::hotspot::HotspotMember;
use super::members::Members;
use super::outline::{self, Discs, unit};
use super::radius::{WEIGHT_UNITS, report_units};
use super::times::Times;
use super::{HotspotReport, OutlineStyle};
use crate::model::{AreaId, IncidentNo, LngLat, Seq};

/// Steps in which the sum of unit vectors is counted: 6 mm on the ground. The sum of as many as there can
/// be reports stays within 63 bits.
const UNIT_STEPS: f64 = (1_u64 << 30) as f64;

/// How the lane of a group looks at its members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub style: OutlineStyle,
    pub eps_m: f64,
    /// Of the land's cells, where there is land.
    pub land_res: Option<Resolution>,
}

/// A member that comes or goes costs some microseconds, whatever the size of the group; the outline is
/// drawn anew only where the line moved.
#[derive(Debug)]
pub(super) struct Sums {
    manner: Manner,
    pub members: Members,
    pub times: Times,
    pub n_imported: u32,
    weight_units: u64,
    direction: [i64; 3],
    incidents: HashMap<IncidentNo, u32>,
    areas: HashMap<AreaId, u32>,
    /// Of the land, with their numbers of members.
    land_cells: BTreeMap<CellIndex, u32>,
    /// Where these are in the land, once asked for.
    land_positions: Option<Vec<u32>>,
    shape: Shape,
    /// Whether the outline, as last drawn, touches an area that was asked about.
    touches: HashMap<AreaId, bool>,
}

#[derive(Debug)]
enum Shape {
    /// `None` until it is first drawn, for a group that is no hotspot has no outline.
    Discs(Option<Discs>),
    Cells {
        res: Resolution,
        /// With their numbers of members.
        cells: BTreeMap<CellIndex, u32>,
        /// Of the cells that hold members.
        drawn: Option<MultiPolygon<f64>>,
    },
}

impl Sums {
    pub fn new(manner: Manner) -> Sums {
        let shape = match manner.style {
            OutlineStyle::Exact => Shape::Discs(None),
            OutlineStyle::H3(res) => Shape::Cells { res, cells: BTreeMap::new(), drawn: None },
        };
        Sums {
            manner,
            members: Members::default(),
            times: Times::default(),
            n_imported: 0,
            weight_units: 0,
            direction: [0; 3],
            incidents: HashMap::new(),
            areas: HashMap::new(),
            land_cells: BTreeMap::new(),
            land_positions: None,
            shape,
            touches: HashMap::new(),
        }
    }

    pub fn n_incidents(&self) -> u32 {
        self.incidents.len() as u32
    }

    /// Sum of the members' weights.
    pub fn weight(&self) -> f64 {
        self.weight_units as f64 / WEIGHT_UNITS
    }

    /// Areas with members.
    pub fn areas(&self) -> impl Iterator<Item = (AreaId, u32)> {
        self.areas.iter().map(|(area, n)| (*area, *n))
    }

    pub fn has_members_in(&self, area: AreaId) -> bool {
        self.areas.contains_key(&area)
    }

    pub fn add(&mut self, report: &HotspotReport, core: bool) {
        let &HotspotReport { seq, report: no, received_at, doubts, .. } = report;
        self.members.insert(HotspotMember { seq, report: no, received_at, core, doubts });
        self.times.insert(report.occurred_at);
        self.n_imported += u32::from(report.imported);
        self.weight_units += report_units(report.weight());
        *self.incidents.entry(report.root).or_default() += 1;
        if let Some(area) = report.area {
            *self.areas.entry(area).or_default() += 1;
        }
        if let Some(res) = self.manner.land_res {
            let n = self.land_cells.entry(report.place.h3_cell(res)).or_default();
            *n += 1;
            if *n == 1 {
                self.land_positions = None;
            }
        }
        let unit = unit(report.place);
        self.direction.iter_mut().zip(steps(&unit)).for_each(|(sum, steps)| *sum += steps);
        match &mut self.shape {
            Shape::Discs(discs) => discs.iter_mut().for_each(|discs| discs.add(&unit)),
            Shape::Cells { res, cells, drawn } => {
                let n = cells.entry(report.place.h3_cell(*res)).or_default();
                *n += 1;
                if *n == 1 {
                    *drawn = None;
                }
            }
        }
    }

    /// It would be a logic error to remove a report as it was not added.
    pub fn remove(&mut self, report: &HotspotReport) {
        self.members.remove(report.seq);
        self.times.remove(report.occurred_at);
        self.n_imported -= u32::from(report.imported);
        self.weight_units -= report_units(report.weight());
        take_one(&mut self.incidents, &report.root);
        if let Some(area) = report.area {
            take_one(&mut self.areas, &area);
        }
        if let Some(res) = self.manner.land_res
            && take_one_in_order(&mut self.land_cells, &report.place.h3_cell(res))
        {
            self.land_positions = None;
        }
        let unit = unit(report.place);
        self.direction.iter_mut().zip(steps(&unit)).for_each(|(sum, steps)| *sum -= steps);
        match &mut self.shape {
            Shape::Discs(discs) => discs.iter_mut().for_each(|discs| discs.remove(&unit)),
            Shape::Cells { res, cells, drawn } => {
                if take_one_in_order(cells, &report.place.h3_cell(*res)) {
                    *drawn = None;
                }
            }
        }
    }

    /// Positions in the land, always the same, of the cells with members.
    pub fn land_positions(&mut self, land: &StudyArea) -> &[u32] {
        self.land_positions.get_or_insert_with(|| land.positions(self.land_cells.keys()))
    }

    /// Says whether a member is core. Whether it was otherwise before.
    pub fn turn(&mut self, seq: Seq, core: bool) -> bool {
        let before = self.members.get(seq).copied().filter(|member| member.core != core);
        before.inspect(|member| self.members.insert(HotspotMember { core, ..*member })).is_some()
    }

    /// The mean place on the sphere, so that the antimeridian is no seam.
    pub fn centroid(&self) -> LngLat {
        let [x, y, z] = self.direction.map(|sum| sum as f64);
        let (lng, lat) = (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees());
        let centroid = LngLat::new(lng.clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0));
        centroid.expect("clamped degrees are in range")
    }

    /// The outline of the members; `place_of` is asked only where it has to be drawn from nothing.
    pub fn outline(&mut self, place_of: impl Fn(Seq) -> LngLat) -> MultiPolygon<f64> {
        let centroid = self.centroid();
        let (outline, is_new) = match &mut self.shape {
            Shape::Discs(discs) => {
                let is_first = !discs.as_ref().is_some_and(|discs| discs.is_for(centroid));
                if is_first {
                    let mut new = Discs::new(centroid, self.manner.eps_m);
                    self.members.iter().for_each(|member| new.add(&unit(place_of(member.seq))));
                    *discs = Some(new);
                }
                let discs = discs.as_mut().expect("it was just made");
                let (outline, is_new) = discs.outline();
                (outline, is_new || is_first)
            }
            Shape::Cells { cells, drawn, .. } => {
                let is_new = drawn.is_none();
                (&*drawn.get_or_insert_with(|| outline::of_cells(cells.keys())), is_new)
            }
        };
        if is_new {
            self.touches.clear();
        }
        outline.clone()
    }

    /// Whether the outline touches an area, as `answer` finds where that is not known.
    pub fn touches(&mut self, area: AreaId, answer: impl FnOnce() -> bool) -> bool {
        *self.touches.entry(area).or_insert_with(answer)
    }
}

fn steps(unit: &[f64; 3]) -> [i64; 3] {
    unit.map(|value| (value * UNIT_STEPS).round() as i64)
}

fn take_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}

/// Whether it was the last.
fn take_one_in_order<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) -> bool {
    let Some(n) = counts.get_mut(key) else { return false };
    *n -= 1;
    let was_last = *n == 0;
    if was_last {
        counts.remove(key);
    }
    was_last
}
