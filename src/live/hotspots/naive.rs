//! What a hotspot is like, found from the whole list of its reports: the oracle of what is kept up to date.

use std::collections::{BTreeMap, BTreeSet};

use geo::Intersects;
use geo_types::MultiPolygon;

use super::gi_star::StudyArea;
use super::history::{History, Series};
use super::hotspot::{Hotspot, Layer};
use super::outline::{self, Discs, unit};
use super::usual::{self, Question};
use super::words::{self, Evidence};
use super::{HotspotReport, OutlineStyle};
use crate::city::{City, HotspotParameters};
use crate::model::{AreaId, LngLat, TimeMs};

pub struct Naive<'a> {
    pub city: &'a City,
    pub style: OutlineStyle,
    pub layer: Layer,
    pub drill: bool,
    pub parameters: HotspotParameters,
    /// All reports that count in the lane.
    pub lane: &'a [HotspotReport],
    pub history: &'a History,
    pub now: TimeMs,
}

impl Naive<'_> {
    /// Everything that follows from which reports are members, in the place of what `hotspot` has.
    /// `lead` is the area that led before.
    pub fn describe(&self, reports: &[HotspotReport], lead: Option<AreaId>, hotspot: &mut Hotspot) {
        let times = || reports.iter().map(|report| report.occurred_at);
        hotspot.reports = reports.len() as u32;
        hotspot.reporters = reports.iter().map(|r| r.sender).collect::<BTreeSet<_>>().len() as u32;
        hotspot.incidents = reports.iter().map(|r| r.root).collect::<BTreeSet<_>>().len() as u32;
        let micro: i64 = reports.iter().map(|report| (report.weight() * 1e6).round() as i64).sum();
        hotspot.weight = micro as f64 / 1e6;
        hotspot.first_at = times().min().unwrap();
        hotspot.last_at = times().max().unwrap();
        hotspot.trend = trend(&times().collect::<Vec<_>>());
        hotspot.centroid = centroid(reports);
        hotspot.outline = self.outline(reports, hotspot.centroid);
        let areas = self.areas(reports, &hotspot.outline);
        let with_members = areas.iter().filter(|(_, n)| *n > 0).count();
        hotspot.lead_area = words::lead(&areas, lead);
        hotspot.name =
            words::name(&self.city.areas, with_members as u32, hotspot.lead_area, hotspot.centroid);
        hotspot.areas = areas.into_iter().map(|(id, _)| id).collect();
        self.score(reports, with_members, hotspot);
    }

    fn outline(&self, reports: &[HotspotReport], centroid: LngLat) -> MultiPolygon<f64> {
        match self.style {
            OutlineStyle::Exact => {
                let mut discs = Discs::new(centroid, self.parameters.eps_m);
                reports.iter().rev().for_each(|report| discs.add(&unit(report.place)));
                discs.outline().0.clone()
            }
            OutlineStyle::H3(res) => {
                let cells: BTreeSet<_> = reports.iter().map(|report| report.place.h3_cell(res)).collect();
                outline::of_cells(cells.iter())
            }
        }
    }

    fn areas(&self, reports: &[HotspotReport], outline: &MultiPolygon<f64>) -> Vec<(AreaId, u32)> {
        let touches = |id: &AreaId| self.city.areas.get(*id).polygons.intersects(outline);
        let finest = self.city.areas.finest().map(|(id, _)| id);
        let mut areas: BTreeMap<AreaId, u32> = finest.filter(touches).map(|id| (id, 0)).collect();
        reports.iter().filter_map(|report| report.area).for_each(|id| *areas.entry(id).or_default() += 1);
        let mut areas: Vec<(AreaId, u32)> = areas.into_iter().collect();
        areas.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
        areas
    }

    fn score(&self, reports: &[HotspotReport], with_members: usize, hotspot: &mut Hotspot) {
        let res = self.city.land.res;
        let study = StudyArea::new(self.city.land_cells().to_vec());
        let scores = study.scores(self.lane.iter().map(|report| (report.place.h3_cell(res), 1)));
        let of_place =
            |report: &HotspotReport| Some(scores.as_ref()?[study.position(report.place.h3_cell(res))?]);
        let hottest = reports.iter().filter_map(of_place).max_by(|a, b| a.z.total_cmp(&b.z));
        hotspot.gi_z = hottest.map(|score| (score.z * 100.0).round() / 100.0);
        hotspot.gi_confidence = hottest.filter(|score| score.z > 0.0).and_then(|score| score.confidence);
        let &mut Hotspot { reports, reporters, first_at, last_at, .. } = hotspot;
        let series = Series { city: self.city, layer: self.layer, drill: self.drill };
        let areas = &hotspot.areas[..with_members];
        let question = Question { series, areas, reports, first_at, last_at, now: self.now };
        let usual::Answer { surge, usual } = usual::answer(self.history, &question);
        hotspot.surge = surge;
        let window_ms = self.parameters.window_ms;
        let evidence = Evidence { reports, reporters, first_at, last_at, window_ms, usual };
        hotspot.why = words::why(&evidence, &self.city.time_zone);
    }
}

fn trend(occurred_at: &[TimeMs]) -> f64 {
    let (first, last) = (*occurred_at.iter().min().unwrap(), *occurred_at.iter().max().unwrap());
    let span_ms = last.since(first);
    if span_ms == 0 {
        return 1.0;
    }
    let newest_from = last.plus_ms(-(span_ms / 3));
    let newest = occurred_at.iter().filter(|at| **at > newest_from).count() as f64;
    let trend = (newest + 0.5) / ((occurred_at.len() as f64 - newest) / 2.0 + 0.5);
    (trend * 100.0).round() / 100.0
}

/// In steps of 2^-30, so that the order of the reports does not show.
fn centroid(reports: &[HotspotReport]) -> LngLat {
    let scale = f64::from(1 << 30);
    let sum = |axis: usize| {
        let steps = reports.iter().map(|report| (unit(report.place)[axis] * scale).round() as i64);
        steps.sum::<i64>() as f64
    };
    let (x, y, z) = (sum(0), sum(1), sum(2));
    LngLat::new(y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees()).unwrap()
}
