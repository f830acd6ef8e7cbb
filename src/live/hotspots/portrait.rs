//! What readers are told of a hotspot: everything that follows from which reports are its members.

use std::collections::HashSet;
use std::sync::OnceLock;

use geo::{BoundingRect, Intersects};
use geo_types::{MultiPolygon, Rect};

use super::gi_star::StudyArea;
use super::history::{History, Series};
use super::hotspot::Hotspot;
use super::lane::Lane;
use super::life;
use super::sums::Sums;
use super::usual::{self, Question, Usual};
use super::words::{self, Evidence};
use crate::city::{Areas, City};
use crate::model::{AreaId, Seq, TimeMs};

/// What stays the same for all lanes in one tick.
pub(super) struct Context<'a> {
    pub city: &'a City,
    pub finest_areas: &'a [AreaBox],
    pub history: &'a History,
    pub study: Study<'a>,
    pub seq: Seq,
    pub now: TimeMs,
}

/// The land, made when it is first asked for.
#[derive(Clone, Copy)]
pub(super) struct Study<'a> {
    pub city: &'a City,
    pub area: &'a OnceLock<StudyArea>,
}

impl<'a> Study<'a> {
    pub fn get(self) -> &'a StudyArea {
        self.area.get_or_init(|| StudyArea::new(self.city.land_cells().to_vec()))
    }
}

pub(super) type AreaBox = (AreaId, Rect<f64>);

pub(super) fn finest_areas(areas: &Areas) -> Vec<AreaBox> {
    let parents: HashSet<AreaId> = areas.iter().filter_map(|(_, area)| area.parent).collect();
    let finest = areas.iter().filter(|(id, _)| !parents.contains(id));
    finest.filter_map(|(id, area)| Some((id, area.polygons.bounding_rect()?))).collect()
}

impl Lane {
    /// Everything that follows from which reports are members: `sums` of them, `reporters` senders.
    pub fn describe(&self, hotspot: &mut Hotspot, sums: &mut Sums, reporters: u32, context: &Context<'_>) {
        hotspot.reports = sums.members.len() as u32;
        hotspot.reporters = reporters;
        hotspot.incidents = sums.n_incidents();
        hotspot.weight = sums.weight();
        hotspot.first_at = sums.times.first().unwrap_or(context.now);
        hotspot.last_at = sums.times.last().unwrap_or(context.now);
        hotspot.trend = life::trend(&sums.times);
        hotspot.centroid = sums.centroid();
        hotspot.outline = sums.outline(|seq| self.place_of(seq));
        let areas = areas(sums, &hotspot.outline, context);
        let with_members = areas.iter().filter(|(_, n)| *n > 0).count() as u32;
        hotspot.lead_area = words::lead(&areas, hotspot.lead_area);
        hotspot.name = words::name(&context.city.areas, with_members, hotspot.lead_area, hotspot.centroid);
        hotspot.areas = areas.into_iter().map(|(id, _)| id).collect();
        let usual = self.score(hotspot, sums, with_members as usize, context);
        hotspot.why = words::why(&self.evidence(hotspot, usual), &context.city.time_zone);
    }

    /// Sets how far it stands out, in space and in time; says what is usual in the areas of its members,
    /// which come first.
    fn score(
        &self,
        hotspot: &mut Hotspot,
        sums: &mut Sums,
        with_members: usize,
        context: &Context<'_>,
    ) -> Option<Usual> {
        let land = self.cells.res.map(|_| context.study.get());
        let score = land.and_then(|land| self.cells.hottest(sums.land_positions(land)));
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

/// The finest areas that members lie in or the outline touches, with their members; most first.
fn areas(sums: &mut Sums, outline: &MultiPolygon<f64>, context: &Context<'_>) -> Vec<(AreaId, u32)> {
    let mut areas: Vec<(AreaId, u32)> = sums.areas().collect();
    if let Some(bounds) = outline.bounding_rect() {
        for (id, _) in context.finest_areas.iter().filter(|(_, area)| area.intersects(&bounds)) {
            let touches = || context.city.areas.get(*id).polygons.intersects(outline);
            if !sums.has_members_in(*id) && sums.touches(*id, touches) {
                areas.push((*id, 0));
            }
        }
    }
    areas.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
    areas
}
