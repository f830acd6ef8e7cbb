//! One layer of hotspots, real or drill: its reports, its hotspots, and what a tick makes of them.
//!
//! Invariant: `reports` are those that count and were inside the window at the newest tick, plus
//! what came since; `live` are the hotspots of the newest tick, by id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use geo::{BoundingRect, Intersects};
use geo_types::{MultiPolygon, Rect};

use super::dbscan::{self, Group, Point};
use super::gi_star::{CellCounts, StudyArea};
use super::history::{History, Series};
use super::hotspot::{EventKind, Hotspot, HotspotId, HotspotMember, Layer, TickChanges};
use super::identity::{Matching, Old, Origin, match_groups};
use super::life::{self, State, Vitals};
use super::usual::{self, Question, Usual};
use super::words::{self, Evidence};
use super::{HotspotReport, OutlineStyle, outline};
use crate::city::{Areas, City, HotspotParameters};
use crate::model::{AreaId, LngLat, MINUTE_MS, Seq, TimeMs};

/// A group that comes back within this time, and within this many entries, is no new alarm. The
/// entries are fewer than those for which the journal keeps an ended hotspot.
const REVIVAL_MS: i64 = 30 * MINUTE_MS;
const REVIVAL_ENTRIES: u64 = 9_000;

#[derive(Debug)]
pub(super) struct Lane {
    pub layer: Layer,
    pub drill: bool,
    pub dirty: bool,
    parameters: HotspotParameters,
    reports: BTreeMap<Seq, HotspotReport>,
    by_time: BTreeSet<(TimeMs, Seq)>,
    /// Where `reports` are.
    cells: CellCounts,
    live: Vec<Arc<Hotspot>>,
    /// When the state of one of them changes next.
    state_due_at: Option<TimeMs>,
    /// Announced hotspots that ended a moment ago.
    faded: Vec<Faded>,
}

#[derive(Debug)]
struct Faded {
    ended_seq: Seq,
    ended_at: TimeMs,
    hotspot: Arc<Hotspot>,
}

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

/// The groups of a lane at a tick, matched with its hotspots.
pub(super) struct Regrouped {
    reports: Vec<HotspotReport>,
    groups: Vec<Group>,
    members: Vec<Vec<HotspotMember>>,
    matching: Matching,
}

impl Regrouped {
    /// Smallest core seq of each group that is born, in the order of the groups.
    pub fn births(&self) -> impl Iterator<Item = Seq> {
        let born = self.matching.origins.iter().zip(&self.members);
        born.filter(|(origin, _)| matches!(origin, Origin::Born { .. }))
            .map(|(_, members)| smallest_core(members))
    }

    fn reports_of(&self, group: usize) -> Vec<&HotspotReport> {
        self.groups[group].members.iter().map(|member| &self.reports[member.point as usize]).collect()
    }
}

fn seqs(members: &[HotspotMember]) -> Vec<Seq> {
    members.iter().map(|member| member.seq).collect()
}

fn smallest_core(members: &[HotspotMember]) -> Seq {
    members.iter().find(|member| member.core).expect("a group has a core").seq
}

impl Lane {
    pub fn new(layer: Layer, drill: bool, city: &City) -> Lane {
        let parameters = match layer {
            Layer::Category(id) => city.category(id).hotspot,
            Layer::All => city.all_categories,
        };
        Lane {
            layer,
            drill,
            dirty: false,
            parameters,
            reports: BTreeMap::new(),
            by_time: BTreeSet::new(),
            cells: CellCounts::new((!city.areas.is_empty()).then_some(city.land.res)),
            live: Vec::new(),
            state_due_at: None,
            faded: Vec::new(),
        }
    }

    pub fn window_ms(&self) -> i64 {
        self.parameters.window_ms
    }

    fn leaves_at(&self, occurred_at: TimeMs) -> TimeMs {
        occurred_at.plus_ms(self.parameters.window_ms)
    }

    /// Lets a report count, unless it is too old at `now`.
    pub fn insert(&mut self, report: &HotspotReport, now: TimeMs) {
        if self.leaves_at(report.occurred_at) > now {
            self.reports.insert(report.seq, *report);
            self.by_time.insert((report.occurred_at, report.seq));
            self.cells.add(report.place);
            self.dirty = true;
        }
    }

    pub fn remove(&mut self, report: &HotspotReport) {
        if let Some(report) = self.reports.remove(&report.seq) {
            self.cells.remove(report.place);
            self.by_time.remove(&(report.occurred_at, report.seq));
            self.dirty = true;
        }
    }

    pub fn due_at(&self) -> Option<TimeMs> {
        let leaves_at = self.by_time.first().map(|(occurred_at, _)| self.leaves_at(*occurred_at));
        leaves_at.into_iter().chain(self.state_due_at).min()
    }

    /// Drops what left the window; then, if the input changed, groups it anew.
    pub fn regroup(&mut self, seq: Seq, now: TimeMs) -> Option<Regrouped> {
        self.expire(now);
        self.faded.retain(|faded| is_fresh(faded, seq, now));
        if !std::mem::replace(&mut self.dirty, false) {
            return None;
        }
        let reports: Vec<HotspotReport> = self.reports.values().copied().collect();
        let point =
            |r: &HotspotReport| Point { seq: r.seq, place: r.place, sender: r.sender, weight: r.weight };
        let groups = dbscan::dbscan(&reports.iter().map(point).collect::<Vec<_>>(), &self.parameters);
        let member = |member: &dbscan::Member| {
            let HotspotReport { seq, report, received_at, .. } = reports[member.point as usize];
            HotspotMember { seq, report, received_at, core: member.core }
        };
        let members: Vec<Vec<HotspotMember>> =
            groups.iter().map(|group| group.members.iter().map(member).collect()).collect();
        let old: Vec<Old> = self.live.iter().map(|h| Old { id: h.id, members: seqs(&h.members) }).collect();
        let new: Vec<Vec<Seq>> = members.iter().map(|members| seqs(members)).collect();
        let matching = match_groups(&old, &new, |seq| self.reports.contains_key(&seq));
        Some(Regrouped { reports, groups, members, matching })
    }

    fn expire(&mut self, now: TimeMs) {
        while let Some((occurred_at, seq)) = self.by_time.first().copied()
            && self.leaves_at(occurred_at) <= now
        {
            self.by_time.pop_first();
            if let Some(report) = self.reports.remove(&seq) {
                self.cells.remove(report.place);
            }
            self.dirty = true;
        }
    }

    /// Puts the hotspots of the new groups in place of the old. `numbers` are those of the births.
    pub fn renew(
        &mut self,
        mut found: Regrouped,
        numbers: &[u32],
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) {
        let has_births = !numbers.is_empty();
        let mut numbers = numbers.iter();
        let ids: Vec<HotspotId> = found
            .matching
            .origins
            .iter()
            .map(|origin| match origin {
                Origin::Kept(id) => *id,
                Origin::Born { .. } => {
                    HotspotId { born: context.seq, n: *numbers.next().expect("every birth has a number") }
                }
            })
            .collect();
        let announced = if has_births { self.announced_reports() } else { HashSet::new() };
        let old = std::mem::take(&mut self.live);
        let before =
            |id: HotspotId| old.binary_search_by_key(&id, |hotspot| hotspot.id).ok().map(|i| &old[i]);
        for end in &found.matching.ends {
            let hotspot = before(end.id).expect("only a hotspot that lived ends");
            let kind =
                end.merged_into.map_or(EventKind::Ended, |group| EventKind::Merged { into: ids[group] });
            changes.event(kind, false, hotspot, context.city);
            changes.ended.push(Arc::clone(hotspot));
            if hotspot.announced {
                let (ended_seq, ended_at) = (context.seq, context.now);
                self.faded.push(Faded { ended_seq, ended_at, hotspot: Arc::clone(hotspot) });
            }
        }
        for (group, id) in ids.iter().enumerate() {
            let members = std::mem::take(&mut found.members[group]);
            let hotspot = match found.matching.origins[group] {
                Origin::Kept(_) => {
                    let before = before(*id).expect("only a hotspot that lived is kept");
                    self.keep(before, members, &found.reports_of(group), context, changes)
                }
                Origin::Born { split_from } => {
                    let reports = found.reports_of(group);
                    let known = reports.iter().filter(|report| announced.contains(&report.seq)).count();
                    let is_known = known * 2 >= reports.len();
                    self.bear(*id, split_from, is_known, members, &reports, context, changes)
                }
            };
            self.live.push(hotspot);
        }
        self.live.sort_by_key(|hotspot| hotspot.id);
        self.set_state_due();
    }

    /// Reports whose hotspot was announced, as of the tick before or a moment ago.
    fn announced_reports(&self) -> HashSet<Seq> {
        let live = self.live.iter().filter(|hotspot| hotspot.announced);
        let hotspots = live.chain(self.faded.iter().map(|faded| &faded.hotspot));
        hotspots.flat_map(|hotspot| hotspot.members.iter().map(|member| member.seq)).collect()
    }

    /// Lets time pass for hotspots whose input did not change.
    pub fn age(&mut self, context: &Context<'_>, changes: &mut TickChanges) {
        if self.state_due_at.is_none_or(|due_at| due_at > context.now) {
            return;
        }
        let live = std::mem::take(&mut self.live);
        self.live = live
            .iter()
            .map(|hotspot| self.settle((**hotspot).clone(), hotspot, context, changes))
            .collect();
        self.set_state_due();
    }

    fn vitals(&self, hotspot: &Hotspot) -> Vitals {
        let &Hotspot { born_at, last_at, trend, level, .. } = hotspot;
        Vitals { window_ms: self.parameters.window_ms, born_at, last_at, trend, doubled: level > 0 }
    }

    fn set_state_due(&mut self) {
        let due = self.live.iter().filter_map(|h| life::state_due_at(h.state, &self.vitals(h)));
        self.state_due_at = due.min();
    }

    fn keep(
        &self,
        before: &Arc<Hotspot>,
        members: Vec<HotspotMember>,
        reports: &[&HotspotReport],
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let same = before.members.iter().map(|m| m.seq).eq(members.iter().map(|m| m.seq));
        let mut next = Hotspot { members, ..(**before).clone() };
        if !same {
            self.describe(&mut next, reports, context);
        }
        let level = life::level(next.born_reports, next.reports);
        let doubled = level > next.level;
        let alarm = doubled && is_mostly_live(reports);
        next.level = next.level.max(level);
        next.announced |= alarm;
        let hotspot = self.settle(next, before, context, changes);
        if doubled {
            changes.event(EventKind::Doubled { level }, alarm, &hotspot, context.city);
        }
        hotspot
    }

    #[expect(clippy::too_many_arguments, reason = "all that a birth is made of, in one place")]
    fn bear(
        &self,
        id: HotspotId,
        split_from: Option<HotspotId>,
        is_known: bool,
        members: Vec<HotspotMember>,
        reports: &[&HotspotReport],
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let alarm = !is_known && is_mostly_live(reports);
        let mut hotspot = Hotspot {
            id,
            layer: self.layer,
            drill: self.drill,
            state: State::Emerging,
            trend: 1.0,
            reports: 0,
            reporters: 0,
            incidents: 0,
            weight: 0.0,
            centroid: reports[0].place,
            outline: MultiPolygon(Vec::new()),
            areas: Vec::new(),
            lead_area: None,
            name: crate::city::Text { id: String::new(), en: String::new() },
            first_at: context.now,
            last_at: context.now,
            born_at: context.now,
            why: crate::city::Text { id: String::new(), en: String::new() },
            gi_z: None,
            gi_confidence: None,
            surge: None,
            changed_seq: context.seq,
            members,
            born_reports: reports.len() as u32,
            level: 0,
            announced: alarm || is_known,
        };
        self.describe(&mut hotspot, reports, context);
        hotspot.state = life::state(State::Emerging, &self.vitals(&hotspot), context.now);
        let hotspot = Arc::new(hotspot);
        changes.changed.push(Arc::clone(&hotspot));
        changes.event(EventKind::Born, alarm, &hotspot, context.city);
        if let Some(from) = split_from {
            changes.event(EventKind::Split { from }, false, &hotspot, context.city);
        }
        hotspot
    }

    /// Sets the state, and the seq where a reader sees a difference to `before`.
    fn settle(
        &self,
        mut next: Hotspot,
        before: &Arc<Hotspot>,
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        next.state = life::state(before.state, &self.vitals(&next), context.now);
        if next == **before {
            return Arc::clone(before);
        }
        next.changed_seq = context.seq;
        let hotspot = Arc::new(next);
        changes.changed.push(Arc::clone(&hotspot));
        hotspot
    }

    /// Everything that follows from which reports are members.
    fn describe(&self, hotspot: &mut Hotspot, reports: &[&HotspotReport], context: &Context<'_>) {
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

    /// Takes up the hotspots of a tick; the reports were inserted before. `behind`: something came
    /// after that tick.
    pub fn load(
        &mut self,
        mut live: Vec<Arc<Hotspot>>,
        ended: &[&(Arc<Hotspot>, Seq, TimeMs)],
        behind: bool,
        now: TimeMs,
    ) {
        self.expire(now);
        let counts = |member: &HotspotMember| self.reports.contains_key(&member.seq);
        let lost_members = live.iter().any(|hotspot| !hotspot.members.iter().all(counts));
        self.dirty = lost_members || behind && !self.reports.is_empty();
        live.sort_by_key(|hotspot| hotspot.id);
        self.live = live;
        let announced = ended.iter().filter(|(hotspot, ..)| hotspot.announced);
        let faded = announced.map(|(hotspot, ended_seq, ended_at)| Faded {
            ended_seq: *ended_seq,
            ended_at: *ended_at,
            hotspot: Arc::clone(hotspot),
        });
        self.faded = faded.collect();
        self.set_state_due();
    }
}

fn is_fresh(faded: &Faded, seq: Seq, now: TimeMs) -> bool {
    now.since(faded.ended_at) < REVIVAL_MS && faded.ended_seq.0 + REVIVAL_ENTRIES > seq.0
}

/// At least half did not come from an import.
fn is_mostly_live(reports: &[&HotspotReport]) -> bool {
    reports.iter().filter(|report| !report.imported).count() * 2 >= reports.len()
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
