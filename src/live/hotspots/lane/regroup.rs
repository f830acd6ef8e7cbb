//! Which hotspot each group is that has other members than at the tick before, found from the reports that
//! moved.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Lane;
use crate::live::hotspots::HotspotReport;
use crate::live::hotspots::density::{GroupNo, Move};
use crate::live::hotspots::hotspot::{Hotspot, HotspotId, HotspotMember};
use crate::live::hotspots::identity::{Matching, Old, Origin, Shares, match_groups, match_shares};
use crate::live::hotspots::members::Members;
use crate::live::hotspots::sums::Sums;
use crate::model::{Seq, TimeMs};

/// The groups of a lane that may have changed, matched with the hotspots that they were.
pub(in crate::live::hotspots) struct Regrouped {
    /// In the order of their smallest cores.
    pub(super) groups: Vec<Found>,
    pub(super) matching: Matching,
    /// What happened to reports since the tick before, by seq.
    moves: Vec<Move>,
    /// What the groups that reports moved from were then; `None` where that is not known.
    before: Option<HashMap<GroupNo, HotspotId>>,
}

pub(super) struct Found {
    pub group: GroupNo,
    smallest_core: Seq,
    /// What the group of the same number was at the tick before.
    pub before: Option<HotspotId>,
    pub change: Change,
}

/// What became of a group's members since the tick before.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// It has other reports.
    pub moved: bool,
    /// New, or core now and not before, or the other way round.
    pub came: Vec<Seq>,
    pub left: Vec<Seq>,
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

impl Lane {
    /// Drops what left the window; then, if the input changed, matches the groups that changed with
    /// the hotspots that they were.
    pub fn regroup(&mut self, seq: Seq, now: TimeMs) -> Option<Regrouped> {
        self.expire(now);
        self.faded.forget(seq, now);
        if !self.dirty {
            return None;
        }
        self.weigh_anew();
        self.dirty = false;
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
        self.end_emptied(moves, &departed);
        let mut joining = Vec::new();
        for &Move { seq, from, to } in moves {
            let stays = from.is_some() && from == to.map(|(to, _)| to);
            if let (true, Some((group, core)), false) = (stays, to, departed.contains_key(&seq)) {
                let turned = self.sums.get_mut(&group).is_some_and(|sums| sums.turn(seq, core));
                changes.entry(group).or_default().came.extend(turned.then_some(seq));
                continue;
            }
            if let Some(from) = from {
                if let Some(sums) = self.sums.get_mut(&from) {
                    let report = departed.get(&seq).or_else(|| self.reports.get(&seq));
                    sums.remove(report.expect("a report that left is kept until the tick"));
                }
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
        changes
    }

    /// Drops the sums of groups that every member leaves, at once: to take them out one by one costs more,
    /// and what comes to the number of such a group may lie anywhere.
    fn end_emptied(&mut self, moves: &[Move], departed: &HashMap<Seq, HotspotReport>) {
        let mut leaving: HashMap<GroupNo, usize> = HashMap::new();
        for Move { seq, from, to } in moves {
            let stays = *from == to.map(|(to, _)| to) && !departed.contains_key(seq);
            if let Some(from) = from.filter(|_| !stays) {
                *leaving.entry(from).or_default() += 1;
            }
        }
        for (group, n) in leaving {
            if self.sums.get(&group).is_some_and(|sums| sums.members.len() == n) {
                self.sums.remove(&group);
            }
        }
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

    /// Of each group that is born, whether at least half of it was announced before: at the tick before,
    /// or a moment ago.
    pub(super) fn known_births(&self, found: &Regrouped) -> Vec<bool> {
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
}

fn seqs(members: &Members) -> Vec<Seq> {
    members.iter().map(|member| member.seq).collect()
}
