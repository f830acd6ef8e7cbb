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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use geo_types::MultiPolygon;

use super::dbscan::Point;
use super::density::{DensityGroups, GroupNo, Move};
use super::faded::FadedHotspots;
use super::gi_star::CellCounts;
use super::hotspot::{EventKind, Hotspot, HotspotId, HotspotMember, Layer, TickChanges};
use super::identity::{Matching, Old, Origin, Shares, match_groups, match_shares};
use super::life::{self, State, Vitals};
use super::members::{MemberChanges, Members};
use super::portrait::Context;
use super::sums::{Manner, Sums};
use super::{HotspotReport, OutlineStyle};
use crate::city::{City, HotspotParameters};
use crate::model::{LngLat, Seq, TimeMs};

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

/// The groups of a lane that may have changed, matched with the hotspots that they were.
pub(super) struct Regrouped {
    /// In the order of their smallest cores.
    groups: Vec<Found>,
    matching: Matching,
    /// What happened to reports since the tick before, by seq.
    moves: Vec<Move>,
    /// What the groups that reports moved from were then; `None` where that is not known.
    before: Option<HashMap<GroupNo, HotspotId>>,
}

struct Found {
    group: GroupNo,
    smallest_core: Seq,
    /// What the group of the same number was at the tick before.
    before: Option<HotspotId>,
    change: Change,
}

/// What became of a group's members since the tick before.
#[derive(Debug, Default)]
struct Change {
    /// It has other reports.
    moved: bool,
    /// New, or core now and not before, or the other way round.
    came: Vec<Seq>,
    left: Vec<Seq>,
}

/// A hotspot that is about to be.
struct Birth {
    id: HotspotId,
    split_from: Option<HotspotId>,
    is_known: bool,
    reporters: u32,
}

impl Regrouped {
    /// Smallest core seq of each group that is born, in the order of the groups.
    pub fn births(&self) -> impl Iterator<Item = Seq> {
        let born = self.matching.origins.iter().zip(&self.groups);
        born.filter(|(origin, _)| matches!(origin, Origin::Born { .. }))
            .map(|(_, found)| found.smallest_core)
    }

    /// The group of a report of `now` at the tick before.
    fn group_before(&self, report: Seq, now: GroupNo) -> Option<GroupNo> {
        let index = self.moves.binary_search_by_key(&report, |a_move| a_move.seq);
        index.map_or(Some(now), |index| self.moves[index].from)
    }
}

fn seqs(members: &Members) -> Vec<Seq> {
    members.iter().map(|member| member.seq).collect()
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
            self.departed.entry(seq).or_insert(report);
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
        let moves = self.density.take_moves();
        let mut changes = self.follow(&moves);
        let is_stale = std::mem::replace(&mut self.stale, false);
        if is_stale {
            for group in self.density.group_numbers() {
                changes.entry(group).or_default();
            }
        }
        let mut before = HashMap::new();
        let mut groups = Vec::new();
        for (group, change) in changes {
            let id = self.hotspot_of.remove(&group);
            before.extend(id.map(|id| (group, id)));
            if let Some(smallest_core) = self.density.group(group).and_then(|found| found.smallest_core()) {
                groups.push(Found { group, smallest_core, before: id, change });
            }
        }
        groups.sort_by_key(|found| found.smallest_core);
        let matching =
            if is_stale { self.match_all(&groups) } else { self.match_moved(&before, &groups, &moves) };
        Some(Regrouped { groups, matching, moves, before: (!is_stale).then_some(before) })
    }

    /// Makes the moves in `sums`. The groups that have any, with what they did to them.
    fn follow(&mut self, moves: &[Move]) -> BTreeMap<GroupNo, Change> {
        let mut changes: BTreeMap<GroupNo, Change> = BTreeMap::new();
        let departed = std::mem::take(&mut self.departed);
        let mut joining = Vec::new();
        for &Move { seq, from, to } in moves {
            let stays = from.is_some() && from == to.map(|(to, _)| to);
            if let (true, Some((group, core)), false) = (stays, to, departed.contains_key(&seq)) {
                let turned = self.sums.get_mut(&group).is_some_and(|sums| sums.turn(seq, core));
                changes.entry(group).or_default().came.extend(turned.then_some(seq));
                continue;
            }
            if let Some(from) = from {
                let report = departed.get(&seq).or_else(|| self.reports.get(&seq));
                let report = report.expect("a report that left is kept until the tick");
                self.sums.get_mut(&from).expect("every group has its sums").remove(report);
                let change = changes.entry(from).or_default();
                change.moved |= !stays;
                change.left.extend((!stays).then_some(seq));
            }
            if let Some((to, core)) = to {
                let change = changes.entry(to).or_default();
                change.moved |= !stays;
                change.came.push(seq);
                joining.push((seq, to, core));
            }
        }
        for (seq, group, core) in joining {
            self.sums.entry(group).or_insert_with(|| Sums::new(self.manner)).add(&self.reports[&seq], core);
        }
        for group in changes.keys() {
            if self.sums.get(group).is_some_and(|sums| sums.members.is_empty()) {
                self.sums.remove(group);
            }
        }
        changes
    }

    /// Matches all groups with all hotspots, members by members.
    fn match_all(&mut self, groups: &[Found]) -> Matching {
        self.hotspot_of.clear();
        let old =
            |(id, hotspot): (&HotspotId, &Arc<Hotspot>)| Old { id: *id, members: seqs(&hotspot.members) };
        let old: Vec<Old> = self.live.iter().map(old).collect();
        let new: Vec<Vec<Seq>> =
            groups.iter().map(|found| seqs(&self.sums[&found.group].members)).collect();
        match_groups(&old, &new, |seq| self.reports.contains_key(&seq))
    }

    /// Matches the groups that have moves with the hotspots that they were at the tick before: what did
    /// not move is where it was.
    fn match_moved(
        &self,
        before: &HashMap<GroupNo, HotspotId>,
        groups: &[Found],
        moves: &[Move],
    ) -> Matching {
        let index: HashMap<GroupNo, usize> = groups.iter().map(|found| found.group).zip(0..).collect();
        let mut living: BTreeMap<HotspotId, usize> = BTreeMap::new();
        let mut shared: BTreeMap<(HotspotId, usize), usize> = BTreeMap::new();
        for (group, id) in before {
            let n = self.live[id].members.len();
            living.insert(*id, n);
            shared.extend(index.get(group).map(|group| ((*id, *group), n)));
        }
        for Move { seq, from, to } in moves {
            let Some((from, id)) = from.and_then(|from| Some((from, *before.get(&from)?))) else {
                continue;
            };
            if let Some((to, _)) = to
                && let Some(to) = index.get(to)
            {
                *shared.entry((id, *to)).or_default() += 1;
            }
            if let Some(n) = index.get(&from).and_then(|from| shared.get_mut(&(id, *from))) {
                *n -= 1;
            }
            if !self.reports.contains_key(seq) {
                living.entry(id).and_modify(|n| *n -= 1);
            }
        }
        let share = |(id, living): (&HotspotId, &usize)| {
            let of_it = shared.range((*id, 0)..=(*id, usize::MAX)).filter(|(_, n)| **n > 0);
            Shares { id: *id, groups: of_it.map(|((_, group), n)| (*group, *n)).collect(), living: *living }
        };
        let shares: Vec<Shares> = living.iter().map(share).collect();
        let sizes: Vec<usize> = groups.iter().map(|found| self.sums[&found.group].members.len()).collect();
        match_shares(&shares, &sizes)
    }

    fn expire(&mut self, now: TimeMs) {
        while let Some((occurred_at, seq)) = self.by_time.first().copied()
            && self.leaves_at(occurred_at) <= now
        {
            self.by_time.pop_first();
            self.forget(seq);
        }
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

    /// Of each group that is born, whether at least half of it was announced before: at the tick before,
    /// or a moment ago.
    fn known_births(&self, found: &Regrouped) -> Vec<bool> {
        let is_born = |origin: &Origin| matches!(origin, Origin::Born { .. });
        if !found.matching.origins.iter().any(is_born) {
            return vec![false; found.groups.len()];
        }
        let announced = || self.live.values().filter(|hotspot| hotspot.announced);
        // Only where it is not known of which hotspots the groups were.
        let stale = found.before.is_none().then(|| announced().flat_map(|hotspot| seqs(&hotspot.members)));
        let stale: HashSet<Seq> = stale.into_iter().flatten().collect();
        let was_announced = |seq: Seq, group: GroupNo| match &found.before {
            None => stale.contains(&seq),
            Some(before) => {
                let id = found.group_before(seq, group).and_then(|group| before.get(&group));
                id.is_some_and(|id| self.live[id].announced)
            }
        };
        let is_known = |(origin, group): (&Origin, &Found)| {
            let members = &self.sums[&group.group].members;
            let is_known = |member: &&HotspotMember| {
                self.faded.holds(member.seq) || was_announced(member.seq, group.group)
            };
            is_born(origin) && members.iter().filter(is_known).count() * 2 >= members.len()
        };
        found.matching.origins.iter().zip(&found.groups).map(is_known).collect()
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
        let mut next = Hotspot { members, ..(**before).clone() };
        if same {
            // No count changed, so no level did.
            return self.settle(next, before, context, changes);
        }
        self.describe(&mut next, sums, reporters, context);
        let level = life::level(next.born_reports, next.reports);
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
            born_reports: sums.members.len() as u32,
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
fn is_mostly_live(sums: &Sums) -> bool {
    sums.n_imported as usize * 2 <= sums.members.len()
}
