//! One layer of hotspots, real or drill: its reports, its hotspots, and what a tick makes of them.
//!
//! A tick looks at what changed: groups whose members changed since the one before, and hotspots
//! whose state falls due. A group that did not change has the members of its hotspot, and neither
//! shares any with another, so it is matched with it whatever the others do.
//!
//! Invariants:
//! - `reports` are those that count and were inside the window at the newest tick, plus what came
//!   since; each is either in `density` or among `arrivals`. `live` are the hotspots of the newest tick.
//! - Unless `stale`, `hotspot_of` names the hotspot of every group of the newest tick.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use geo::{BoundingRect, Intersects};
use geo_types::{MultiPolygon, Rect};

use super::dbscan::Point;
use super::density::{DensityGroup, DensityGroups, GroupNo};
use super::faded::FadedHotspots;
use super::gi_star::{CellCounts, StudyArea};
use super::history::{History, Series};
use super::hotspot::{EventKind, Hotspot, HotspotId, HotspotMember, Layer, TickChanges};
use super::identity::{Matching, Old, Origin, match_groups};
use super::life::{self, State, Vitals};
use super::usual::{self, Question, Usual};
use super::words::{self, Evidence};
use super::{HotspotReport, OutlineStyle, outline};
use crate::city::{Areas, City, HotspotParameters};
use crate::model::{AreaId, LngLat, Seq, TimeMs};

#[derive(Debug)]
pub(super) struct Lane {
    pub layer: Layer,
    pub drill: bool,
    pub dirty: bool,
    parameters: HotspotParameters,
    reports: HashMap<Seq, HotspotReport>,
    by_time: BTreeSet<(TimeMs, Seq)>,
    /// Where `reports` are.
    cells: CellCounts,
    /// Those that came since the newest tick: many at once take less time than one by one.
    arrivals: BTreeMap<Seq, Point>,
    density: DensityGroups,
    live: BTreeMap<HotspotId, Arc<Hotspot>>,
    hotspot_of: HashMap<GroupNo, HotspotId>,
    /// All groups are to be matched with all hotspots.
    stale: bool,
    /// When the state of each changes next.
    state_due: BTreeSet<(TimeMs, HotspotId)>,
    faded: FadedHotspots,
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

/// The groups of a lane that may have changed, matched with the hotspots that they were.
pub(super) struct Regrouped {
    /// In the order of their smallest cores.
    groups: Vec<Found>,
    matching: Matching,
}

struct Found {
    group: GroupNo,
    members: Arc<[HotspotMember]>,
}

impl Regrouped {
    /// Smallest core seq of each group that is born, in the order of the groups.
    pub fn births(&self) -> impl Iterator<Item = Seq> {
        let born = self.matching.origins.iter().zip(&self.groups);
        born.filter(|(origin, _)| matches!(origin, Origin::Born { .. }))
            .map(|(_, found)| smallest_core(&found.members))
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
            density: DensityGroups::new(&parameters),
            parameters,
            reports: HashMap::new(),
            by_time: BTreeSet::new(),
            cells: CellCounts::new((!city.areas.is_empty()).then_some(city.land.res)),
            arrivals: BTreeMap::new(),
            live: BTreeMap::new(),
            hotspot_of: HashMap::new(),
            stale: false,
            state_due: BTreeSet::new(),
            faded: FadedHotspots::default(),
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
            let &HotspotReport { seq, place, sender, weight, .. } = report;
            self.arrivals.insert(seq, Point { seq, place, sender, weight });
            self.reports.insert(seq, *report);
            self.by_time.insert((report.occurred_at, seq));
            self.cells.add(place);
            self.dirty = true;
        }
    }

    pub fn remove(&mut self, report: &HotspotReport) {
        if self.by_time.remove(&(report.occurred_at, report.seq)) {
            self.forget(report.seq);
        }
    }

    fn forget(&mut self, seq: Seq) {
        if let Some(report) = self.reports.remove(&seq) {
            self.cells.remove(report.place);
        }
        if self.arrivals.remove(&seq).is_none() {
            self.density.remove(seq);
        }
        self.dirty = true;
    }

    fn take_in_arrivals(&mut self) {
        let arrivals: Vec<Point> = std::mem::take(&mut self.arrivals).into_values().collect();
        self.density.insert_all(arrivals);
    }

    /// Makes the next tick look at all groups and hotspots.
    pub fn mark_dirty(&mut self) {
        self.dirty = true;
        self.stale = true;
    }

    pub fn due_at(&self) -> Option<TimeMs> {
        let leaves_at = self.by_time.first().map(|(occurred_at, _)| self.leaves_at(*occurred_at));
        leaves_at.into_iter().chain(self.state_due.first().map(|(at, _)| *at)).min()
    }

    /// Drops what left the window; then, if the input changed, matches the groups that changed with
    /// the hotspots that they were.
    pub fn regroup(&mut self, seq: Seq, now: TimeMs) -> Option<Regrouped> {
        self.expire(now);
        self.faded.forget(seq, now);
        if !std::mem::replace(&mut self.dirty, false) {
            return None;
        }
        self.take_in_arrivals();
        let (hotspots, groups) = self.touched();
        let found = |(group, before): (GroupNo, Option<HotspotId>)| {
            let before = before.map_or(&[][..], |id| &self.live[&id].members);
            Some(Found { group, members: self.members(self.density.group(group)?, before) })
        };
        let mut groups: Vec<Found> = groups.into_iter().filter_map(found).collect();
        groups.sort_by_cached_key(|found| smallest_core(&found.members));
        let old = |id: HotspotId| Old { id, members: seqs(&self.live[&id].members) };
        let old: Vec<Old> = hotspots.into_iter().map(old).collect();
        let new: Vec<Vec<Seq>> = groups.iter().map(|found| seqs(&found.members)).collect();
        let matching = match_groups(&old, &new, |seq| self.reports.contains_key(&seq));
        Some(Regrouped { groups, matching })
    }

    fn expire(&mut self, now: TimeMs) {
        while let Some((occurred_at, seq)) = self.by_time.first().copied()
            && self.leaves_at(occurred_at) <= now
        {
            self.by_time.pop_first();
            self.forget(seq);
        }
    }

    /// The hotspots whose groups may have other members than at the tick before, and these groups, each
    /// with what it was then. None shares a member with any other hotspot or group.
    fn touched(&mut self) -> (BTreeSet<HotspotId>, Vec<(GroupNo, Option<HotspotId>)>) {
        let mut groups = self.density.take_changed();
        let is_stale = std::mem::replace(&mut self.stale, false);
        if is_stale {
            groups = self.density.group_numbers();
        }
        let before = |group| (group, self.hotspot_of.remove(&group));
        let groups: Vec<_> = groups.into_iter().map(before).collect();
        if is_stale {
            self.hotspot_of.clear();
            return (self.live.keys().copied().collect(), groups);
        }
        (groups.iter().filter_map(|(_, before)| *before).collect(), groups)
    }

    /// Most are members already `before`, as a rule, and are taken from there.
    fn members(&self, group: &DensityGroup, before: &[HotspotMember]) -> Arc<[HotspotMember]> {
        let mut before = before.iter().peekable();
        let member = |(seq, core)| {
            while before.next_if(|member| member.seq < seq).is_some() {}
            if let Some(member) = before.next_if(|member| member.seq == seq) {
                return HotspotMember { core, ..*member };
            }
            let HotspotReport { report, received_at, .. } = self.reports[&seq];
            HotspotMember { seq, report, received_at, core }
        };
        group.members().map(member).collect()
    }

    fn reports_of(&self, members: &[HotspotMember]) -> Vec<&HotspotReport> {
        members.iter().map(|member| &self.reports[&member.seq]).collect()
    }

    /// Puts the hotspots of the new groups in place of the old. `numbers` are those of the births.
    pub fn renew(
        &mut self,
        found: Regrouped,
        numbers: &[u32],
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) {
        let Regrouped { groups, matching } = found;
        let mut numbers = numbers.iter();
        let ids: Vec<HotspotId> = matching
            .origins
            .iter()
            .map(|origin| match origin {
                Origin::Kept(id) => *id,
                Origin::Born { .. } => {
                    HotspotId { born: context.seq, n: *numbers.next().expect("every birth has a number") }
                }
            })
            .collect();
        let announced = self.announced_reports(&matching);
        for end in &matching.ends {
            let hotspot = self.take_off(end.id).expect("only a hotspot that lived ends");
            let kind =
                end.merged_into.map_or(EventKind::Ended, |group| EventKind::Merged { into: ids[group] });
            changes.event(kind, false, &hotspot, context.city);
            changes.ended.push(Arc::clone(&hotspot));
            if hotspot.announced {
                self.faded.add(hotspot, context.seq, context.now);
            }
        }
        for ((Found { group, members }, origin), id) in groups.into_iter().zip(&matching.origins).zip(ids) {
            let hotspot = match origin {
                Origin::Kept(_) => self.keep(id, members, context, changes),
                Origin::Born { split_from } => {
                    let is_announced = |seq: &Seq| announced.contains(seq) || self.faded.holds(*seq);
                    let known = members.iter().filter(|member| is_announced(&member.seq)).count();
                    let is_known = known * 2 >= members.len();
                    self.bear(id, *split_from, is_known, members, context, changes)
                }
            };
            self.hotspot_of.insert(group, id);
            self.put(hotspot);
        }
    }

    /// Reports whose hotspot was announced as of the tick before, among those that a group is born of.
    fn announced_reports(&self, matching: &Matching) -> HashSet<Seq> {
        let has_births = matching.origins.iter().any(|origin| matches!(origin, Origin::Born { .. }));
        let kept = matching.origins.iter().filter_map(|origin| match origin {
            Origin::Kept(id) => Some(*id),
            Origin::Born { .. } => None,
        });
        let before = kept.chain(matching.ends.iter().map(|end| end.id)).filter(|_| has_births);
        let before = before.map(|id| &self.live[&id]).filter(|hotspot| hotspot.announced);
        before.flat_map(|hotspot| hotspot.members.iter().map(|member| member.seq)).collect()
    }

    /// Lets time pass for hotspots whose state is due.
    pub fn age(&mut self, context: &Context<'_>, changes: &mut TickChanges) {
        let due = self.state_due.iter().take_while(|(due_at, _)| *due_at <= context.now);
        let due: BTreeSet<HotspotId> = due.map(|(_, id)| *id).collect();
        for id in due {
            let before = &self.live[&id];
            let hotspot = self.settle((**before).clone(), before, context, changes);
            self.put(hotspot);
        }
    }

    /// Puts a hotspot in its place, or in the place of what it was.
    fn put(&mut self, hotspot: Arc<Hotspot>) {
        self.take_off(hotspot.id);
        let due_at = life::state_due_at(hotspot.state, &self.vitals(&hotspot));
        self.state_due.extend(due_at.map(|due_at| (due_at, hotspot.id)));
        self.live.insert(hotspot.id, hotspot);
    }

    fn take_off(&mut self, id: HotspotId) -> Option<Arc<Hotspot>> {
        let hotspot = self.live.remove(&id)?;
        if let Some(due_at) = life::state_due_at(hotspot.state, &self.vitals(&hotspot)) {
            self.state_due.remove(&(due_at, id));
        }
        Some(hotspot)
    }

    fn vitals(&self, hotspot: &Hotspot) -> Vitals {
        let &Hotspot { born_at, last_at, trend, level, .. } = hotspot;
        Vitals { window_ms: self.parameters.window_ms, born_at, last_at, trend, doubled: level > 0 }
    }

    fn keep(
        &self,
        id: HotspotId,
        members: Arc<[HotspotMember]>,
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let before = &self.live[&id];
        let same = before.members.iter().map(|m| m.seq).eq(members.iter().map(|m| m.seq));
        let mut next = Hotspot { members, ..(**before).clone() };
        if same {
            // No count changed, so no level did.
            return self.settle(next, before, context, changes);
        }
        let reports = self.reports_of(&next.members);
        self.describe(&mut next, &reports, context);
        let level = life::level(next.born_reports, next.reports);
        let doubled = level > next.level;
        let alarm = doubled && is_mostly_live(&reports);
        next.level = next.level.max(level);
        next.announced |= alarm;
        let hotspot = self.settle(next, before, context, changes);
        if doubled {
            changes.event(EventKind::Doubled { level }, alarm, &hotspot, context.city);
        }
        hotspot
    }

    fn bear(
        &self,
        id: HotspotId,
        split_from: Option<HotspotId>,
        is_known: bool,
        members: Arc<[HotspotMember]>,
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let reports = self.reports_of(&members);
        let alarm = !is_known && is_mostly_live(&reports);
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
        self.describe(&mut hotspot, &reports, context);
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
        live: Vec<Arc<Hotspot>>,
        ended: &[&(Arc<Hotspot>, Seq, TimeMs)],
        behind: bool,
        now: TimeMs,
    ) {
        self.expire(now);
        self.take_in_arrivals();
        let counts = |member: &HotspotMember| self.reports.contains_key(&member.seq);
        let lost_members = live.iter().any(|hotspot| !hotspot.members.iter().all(counts));
        self.dirty = lost_members || behind && !self.reports.is_empty();
        self.stale = true;
        live.into_iter().for_each(|hotspot| self.put(hotspot));
        let mut announced: Vec<_> = ended.iter().filter(|(hotspot, ..)| hotspot.announced).collect();
        announced.sort_by_key(|(hotspot, ended_seq, _)| (*ended_seq, hotspot.id));
        for (hotspot, ended_seq, ended_at) in announced {
            self.faded.add(Arc::clone(hotspot), *ended_seq, *ended_at);
        }
    }
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
