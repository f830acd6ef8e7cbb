//! What readers are told of a hotspot: everything that follows from which reports are its members.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use geo::{BoundingRect, Intersects};
use geo_types::{MultiPolygon, Rect};

use super::gi_star::StudyArea;
use super::history::{History, Series};
use super::hotspot::Hotspot;
use super::lane::Lane;
use super::life;
use super::usual::{self, Question, Usual};
use super::words::{self, Evidence};
use super::{HotspotReport, OutlineStyle, outline};
use crate::city::{Areas, City};
use crate::model::{AreaId, LngLat, Seq, TimeMs};

/// What stays the same for all lanes in one tick.
pub(super) struct Context<'a> {
    pub city: &'a City,
    pub style: OutlineStyle,
    pub finest_areas: &'a [AreaBox],
    pub history: &'a History,
    pub study: &'a OnceLock<StudyArea>,
    pub seq: Seq,
    pub now: TimeMs,
}

impl Context<'_> {
    fn study(&self) -> &StudyArea {
        self.study.get_or_init(|| StudyArea::new(self.city.land_cells().to_vec()))
    }
}

pub(super) type AreaBox = (AreaId, Rect<f64>);

pub(super) fn finest_areas(areas: &Areas) -> Vec<AreaBox> {
    let parents: HashSet<AreaId> = areas.iter().filter_map(|(_, area)| area.parent).collect();
    let finest = areas.iter().filter(|(id, _)| !parents.contains(id));
    finest.filter_map(|(id, area)| Some((id, area.polygons.bounding_rect()?))).collect()
}

impl Lane {
    /// Everything that follows from which reports are members.
    pub fn describe(&self, hotspot: &mut Hotspot, reports: &[&HotspotReport], context: &Context<'_>) {
        let occurred_at: Vec<TimeMs> = reports.iter().map(|report| report.occurred_at).collect();
        let places: Vec<LngLat> = reports.iter().map(|report| report.place).collect();
        let micro: i64 = reports.iter().map(|report| (report.weight * 1e6).round() as i64).sum();
        hotspot.reports = reports.len() as u32;
        hotspot.reporters = distinct(reports.iter().map(|report| report.sender));
        hotspot.incidents = distinct(reports.iter().map(|report| report.incident));
        hotspot.weight = micro as f64 / 1e6;
        hotspot.first_at = occurred_at.iter().min().copied().unwrap_or(context.now);
        hotspot.last_at = occurred_at.iter().max().copied().unwrap_or(context.now);
        hotspot.trend = life::trend(&occurred_at);
        hotspot.centroid = centroid(&places);
        hotspot.outline = match context.style {
            OutlineStyle::Exact => outline::exact(&places, hotspot.centroid, self.parameters.eps_m),
            OutlineStyle::H3(res) => outline::of_cells(&places, res),
        };
        let areas = areas(reports, &hotspot.outline, context);
        let with_members = areas.iter().filter(|(_, n)| *n > 0).count() as u32;
        hotspot.lead_area = words::lead(&areas, hotspot.lead_area);
        hotspot.name = words::name(&context.city.areas, with_members, hotspot.lead_area, hotspot.centroid);
        hotspot.areas = areas.into_iter().map(|(id, _)| id).collect();
        let usual = self.score(hotspot, &places, with_members as usize, context);
        hotspot.why = words::why(&self.evidence(hotspot, usual), &context.city.time_zone);
    }

    /// Sets how far it stands out, in space and in time; says what is usual in the areas of its members,
    /// which come first.
    fn score(
        &self,
        hotspot: &mut Hotspot,
        places: &[LngLat],
        with_members: usize,
        context: &Context<'_>,
    ) -> Option<Usual> {
        let score = self.cells.hottest(context.study(), places.iter().copied());
        hotspot.gi_z = score.map(|score| (score.z * 100.0).round() / 100.0);
        hotspot.gi_confidence = score.filter(|score| score.z > 0.0).and_then(|score| score.confidence);
        let question = Question {
            series: Series { city: context.city, layer: self.layer, drill: self.drill },
            areas: &hotspot.areas[..with_members],
            reports: hotspot.reports,
            first_at: hotspot.first_at,
            last_at: hotspot.last_at,
            now: context.now,
        };
        let answer = usual::answer(context.history, &question);
        hotspot.surge = answer.surge;
        answer.usual
    }

    fn evidence(&self, hotspot: &Hotspot, usual: Option<Usual>) -> Evidence {
        let &Hotspot { reports, reporters, first_at, last_at, .. } = hotspot;
        Evidence { reports, reporters, first_at, last_at, window_ms: self.parameters.window_ms, usual }
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> u32 {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len() as u32
}

/// The mean place on the sphere, so that the antimeridian is no seam.
fn centroid(places: &[LngLat]) -> LngLat {
    let sum = places
        .iter()
        .map(|place| outline::unit(*place))
        .fold([0.0; 3], |sum, unit| [sum[0] + unit[0], sum[1] + unit[1], sum[2] + unit[2]]);
    let (lng, lat) = (sum[1].atan2(sum[0]).to_degrees(), sum[2].atan2(sum[0].hypot(sum[1])).to_degrees());
    LngLat::new(lng.clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0)).unwrap_or(places[0])
}

/// The finest areas that members lie in or the outline touches, with their members; most first.
fn areas(
    reports: &[&HotspotReport],
    outline: &MultiPolygon<f64>,
    context: &Context<'_>,
) -> Vec<(AreaId, u32)> {
    let mut members: HashMap<AreaId, u32> = HashMap::new();
    reports.iter().filter_map(|report| report.area).for_each(|area| *members.entry(area).or_default() += 1);
    if let Some(bounds) = outline.bounding_rect() {
        let near = context.finest_areas.iter().filter(|(_, area)| area.intersects(&bounds));
        for (id, _) in near.filter(|(id, _)| !members.contains_key(id)).collect::<Vec<_>>() {
            if context.city.areas.get(*id).polygons.intersects(outline) {
                members.insert(*id, 0);
            }
        }
    }
    let mut areas: Vec<(AreaId, u32)> = members.into_iter().collect();
    areas.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
    areas
}
