//! One layer of hotspots, real or drill: its reports, its hotspots, and what a tick makes of them.
//!
//! A tick looks at what changed: the reports that moved between groups since the one before, the groups
//! that they left and joined, and hotspots whose state falls due. A group without a move has the
//! members of its hotspot, and neither shares any with another, so it is matched with it whatever the
//! others do; and of a group with moves all but these are where they were.
//!
//! Invariants:
//! - `reports` are those that count and were inside the window at the newest tick, plus what came
//!   since; each is either in `density` or among `arrivals`. `live` are the hotspots of the newest tick.
//! - `departed` are reports as they were at the newest tick, of those that went since.
//! - After a tick `sums` has what the members of each group add up to.
//! - Unless `stale`, `hotspot_of` names the hotspot of every group of the newest tick.

mod regroup;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use geo_types::MultiPolygon;

use super::credibility::{Doubts, Witnesses};
use super::dbscan::Point;
use super::density::{DensityGroups, GroupNo};
use super::faded::FadedHotspots;
use super::gi_star::CellCounts;
use super::hotspot::{EventKind, Hotspot, HotspotId, HotspotMember, Layer, TickChanges};
use super::identity::Origin;
use super::life::{self, State, Vitals};
use super::members::MemberChanges;
use super::portrait::Context;
use super::sums::{Manner, Sums};
use super::{HotspotReport, OutlineStyle};
use crate::city::{City, HotspotParameters};
use crate::model::{LngLat, SenderId, Seq, TimeMs};

use regroup::Found;
pub(super) use regroup::Regrouped;

#[derive(Debug)]
pub(super) struct Lane {
    pub layer: Layer,
    pub drill: bool,
    pub dirty: bool,
    pub parameters: HotspotParameters,
    manner: Manner,
    reports: HashMap<Seq, HotspotReport>,
    departed: HashMap<Seq, HotspotReport>,
    by_time: BTreeSet<(TimeMs, Seq)>,
    /// `None` where all reports count alike.
    witnesses: Option<Witnesses>,
    /// Where `reports` are.
    pub cells: CellCounts,
    /// Those that came since the newest tick: many at once take less time than one by one.
    arrivals: BTreeMap<Seq, Point>,
    density: DensityGroups,
    sums: HashMap<GroupNo, Sums>,
    live: BTreeMap<HotspotId, Arc<Hotspot>>,
    hotspot_of: HashMap<GroupNo, HotspotId>,
    /// Whose members the journal holds in the way of before, one and all in the hotspot's row.
    in_rows: HashSet<HotspotId>,
    /// All groups are to be matched with all hotspots.
    stale: bool,
    /// When the state of each changes next.
    state_due: BTreeSet<(TimeMs, HotspotId)>,
    faded: FadedHotspots,
}

/// A hotspot that is about to be.
struct Birth {
    id: HotspotId,
    split_from: Option<HotspotId>,
    is_known: bool,
    reporters: u32,
}

fn point(report: &HotspotReport) -> Point {
    let &HotspotReport { seq, place, sender, .. } = report;
    Point { seq, place, sender, weight: report.weight() }
}

impl Lane {
    pub fn new(layer: Layer, drill: bool, city: &City, style: OutlineStyle) -> Lane {
        let parameters = match layer {
            Layer::Category(id) => city.category(id).hotspot,
            Layer::All => city.all_categories,
        };
        let land_res = (!city.areas.is_empty()).then_some(city.land.res);
        Lane {
            layer,
            drill,
            dirty: false,
            density: DensityGroups::new(&parameters),
            manner: Manner { style, eps_m: parameters.eps_m, land_res },
            parameters,
            reports: HashMap::new(),
            departed: HashMap::new(),
            by_time: BTreeSet::new(),
            witnesses: city.credibility.map(|rule| Witnesses::new(rule, parameters.eps_m)),
            cells: CellCounts::new(land_res),
            sums: HashMap::new(),
            in_rows: HashSet::new(),
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
            if let Some(witnesses) = &mut self.witnesses {
                witnesses.come(report);
            }
            self.arrivals.insert(report.seq, point(report));
            self.reports.insert(report.seq, *report);
            self.by_time.insert((report.occurred_at, report.seq));
            self.cells.add(report.place);
            self.dirty = true;
        }
    }

    /// Says how many reports of a sender were rejected.
    pub fn set_rejections(&mut self, sender: SenderId, rejections: u8) {
        let Some(witnesses) = &mut self.witnesses else { return };
        let seqs = witnesses.of(sender);
        for seq in &seqs {
            let report = self.reports[seq];
            witnesses.go(&report);
            witnesses.come(&HotspotReport { doubts: Doubts { rejections, ..report.doubts }, ..report });
        }
        for seq in seqs {
            self.weigh(seq, Doubts { rejections, ..self.reports[&seq].doubts });
        }
    }

    /// Finds anew what speaks against the reports of which that may have changed.
    fn weigh_anew(&mut self) {
        let Some(witnesses) = &mut self.witnesses else { return };
        let stale = witnesses.take_stale();
        let doubts = stale.into_iter().map(|seq| (seq, witnesses.doubts(&self.reports[&seq])));
        for (seq, doubts) in doubts.collect::<Vec<_>>() {
            self.weigh(seq, doubts);
        }
    }

    fn weigh(&mut self, seq: Seq, doubts: Doubts) {
        let Some(report) = self.reports.get_mut(&seq).filter(|report| report.doubts != doubts) else {
            return;
        };
        self.departed.entry(seq).or_insert(*report);
        report.doubts = doubts;
        self.density.remove(seq);
        self.arrivals.insert(seq, point(report));
        self.dirty = true;
    }

    pub fn remove(&mut self, report: &HotspotReport) {
        if self.by_time.remove(&(report.occurred_at, report.seq)) {
            self.forget(report.seq);
        }
    }

    fn forget(&mut self, seq: Seq) {
        if let Some(report) = self.reports.remove(&seq) {
            self.cells.remove(report.place);
            self.departed.entry(seq).or_insert(report);
            if let Some(witnesses) = &mut self.witnesses {
                witnesses.go(&report);
            }
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

    fn expire(&mut self, now: TimeMs) {
        while let Some((occurred_at, seq)) = self.by_time.first().copied()
            && self.leaves_at(occurred_at) <= now
        {
            self.by_time.pop_first();
            self.forget(seq);
        }
    }

    #[cfg(test)]
    pub fn reports(&self) -> impl Iterator<Item = &HotspotReport> {
        self.reports.values()
    }

    pub fn place_of(&self, member: Seq) -> LngLat {
        self.reports[&member].place
    }

    /// Puts the hotspots of the new groups in place of the old. `numbers` are those of the births.
    pub fn renew(
        &mut self,
        found: Regrouped,
        numbers: &[u32],
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) {
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
        if self.cells.res.is_some() && !found.groups.is_empty() {
            self.cells.score(context.study.get());
        }
        let known = self.known_births(&found);
        for end in &found.matching.ends {
            let hotspot = self.take_off(end.id).expect("only a hotspot that lived ends");
            let kind =
                end.merged_into.map_or(EventKind::Ended, |group| EventKind::Merged { into: ids[group] });
            changes.event(kind, false, &hotspot, context.city);
            changes.ended.push(Arc::clone(&hotspot));
            if self.in_rows.remove(&end.id) {
                changes.members.push((end.id, MemberChanges::whole(&hotspot.members)));
            }
            if hotspot.announced {
                self.faded.add(hotspot, context.seq, context.now);
            }
        }
        for (i, (group, origin)) in found.groups.iter().zip(&found.matching.origins).enumerate() {
            let mut sums = self.sums.remove(&group.group).expect("every group has its sums");
            let reporters = self.density.group(group.group).map_or(0, |group| group.n_reporters()) as u32;
            let hotspot = match origin {
                Origin::Kept(id) => self.keep(*id, reporters, group, &mut sums, context, changes),
                Origin::Born { split_from } => {
                    let birth =
                        Birth { id: ids[i], split_from: *split_from, is_known: known[i], reporters };
                    self.bear(birth, &mut sums, context, changes)
                }
            };
            self.sums.insert(group.group, sums);
            self.hotspot_of.insert(group.group, hotspot.id);
            self.say_members(group, &hotspot, changes);
            self.put(hotspot);
        }
    }

    /// Says how the members of a hotspot that is about to be put in its place differ from those before.
    fn say_members(&mut self, group: &Found, hotspot: &Hotspot, changes: &mut TickChanges) {
        let (id, members) = (hotspot.id, &hotspot.members);
        let change = if hotspot.changed_seq == changes.seq && self.in_rows.remove(&id) {
            MemberChanges::whole(members)
        } else if group.before == Some(id) {
            let came = group.change.came.iter().filter_map(|seq| members.get(*seq).copied());
            MemberChanges { whole: false, came: came.collect(), left: group.change.left.clone() }
        } else {
            let before = self.live.get(&id).map(|before| before.members.clone()).unwrap_or_default();
            MemberChanges::between(&before, members)
        };
        if !change.is_empty() {
            changes.members.push((id, change));
        }
    }

    /// Lets time pass for hotspots whose state is due.
    pub fn age(&mut self, context: &Context<'_>, changes: &mut TickChanges) {
        let due = self.state_due.iter().take_while(|(due_at, _)| *due_at <= context.now);
        let due: BTreeSet<HotspotId> = due.map(|(_, id)| *id).collect();
        for id in due {
            let before = &self.live[&id];
            let hotspot = self.settle((**before).clone(), before, context, changes);
            if hotspot.changed_seq == context.seq && self.in_rows.remove(&id) {
                changes.members.push((id, MemberChanges::whole(&hotspot.members)));
            }
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
        reporters: u32,
        group: &Found,
        sums: &mut Sums,
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let before = &self.live[&id];
        let same = match group.before == Some(id) {
            true => !group.change.moved,
            false => before.members.iter().map(|m| m.seq).eq(sums.members.iter().map(|m| m.seq)),
        };
        let is_untouched = group.before == Some(id) && group.change.came.is_empty();
        let members = if same && is_untouched { before.members.clone() } else { sums.members.clone() };
        let mut next = Hotspot { members, incidents: sums.n_incidents(), ..(**before).clone() };
        if !same {
            self.describe(&mut next, sums, reporters, context);
        } else if sums.weight() == before.weight {
            // No count changed, so no level did.
            return self.settle(next, before, context, changes);
        }
        next.weight = sums.weight();
        let level = life::level(next.born_reports, whole(next.weight));
        let doubled = level > next.level;
        let alarm = doubled && is_mostly_live(sums);
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
        birth: Birth,
        sums: &mut Sums,
        context: &Context<'_>,
        changes: &mut TickChanges,
    ) -> Arc<Hotspot> {
        let alarm = !birth.is_known && is_mostly_live(sums);
        let mut hotspot = Hotspot {
            id: birth.id,
            layer: self.layer,
            drill: self.drill,
            state: State::Emerging,
            trend: 1.0,
            reports: 0,
            reporters: 0,
            incidents: 0,
            weight: 0.0,
            centroid: sums.centroid(),
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
            members: sums.members.clone(),
            born_reports: whole(sums.weight()),
            level: 0,
            announced: alarm || birth.is_known,
        };
        self.describe(&mut hotspot, sums, birth.reporters, context);
        hotspot.state = life::state(State::Emerging, &self.vitals(&hotspot), context.now);
        let hotspot = Arc::new(hotspot);
        changes.changed.push(Arc::clone(&hotspot));
        changes.event(EventKind::Born, alarm, &hotspot, context.city);
        if let Some(from) = birth.split_from {
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

    /// Takes up the hotspots of a tick; the reports were inserted before. `behind`: something came
    /// after that tick.
    pub fn load(
        &mut self,
        live: Vec<Arc<Hotspot>>,
        ended: &[&(Arc<Hotspot>, Seq, TimeMs)],
        in_rows: HashSet<HotspotId>,
        behind: bool,
        now: TimeMs,
    ) {
        self.in_rows = in_rows;
        self.expire(now);
        self.weigh_anew();
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

/// How many reports a weight stands for, with which doublings are counted.
fn whole(weight: f64) -> u32 {
    weight as u32
}

/// At least half did not come from an import.
fn is_mostly_live(sums: &Sums) -> bool {
    sums.n_imported as usize * 2 <= sums.members.len()
}
