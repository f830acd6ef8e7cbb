//! Incidents that become one in the live map, and two again.
//!
//! An absorbed incident is on no map, in no order and in no count; it is kept as it was, so that a split puts
//! it back whole. Its reports go on counting where they are, under the incident that stays. What was absorbed
//! leaves memory with the one that absorbed it.

use std::collections::{BTreeMap, HashSet};

use super::hotspots::Standing;
use super::incident::{Incident, is_public};
use super::map::LiveMap;
use super::writer::{LiveWriter, public_standing};
use crate::model::{Entry, Fact, IncidentNo, MergeFact, Seq, Status, TimeMs};

impl LiveMap {
    /// The incident under which what is said of `no` counts: itself, or the one that absorbed it in the end.
    pub fn standing_no(&self, no: IncidentNo) -> IncidentNo {
        self.forest.root(no)
    }

    /// An incident and all that counts under it.
    pub fn tree(&self, no: IncidentNo) -> Vec<IncidentNo> {
        self.forest.tree(no)
    }

    /// All that were absorbed, with the one that did it, by number.
    pub(super) fn absorbed_rows(&self) -> impl Iterator<Item = (&Incident, IncidentNo)> {
        self.absorbed.iter().filter_map(|(no, incident)| Some((incident, self.forest.above(*no)?)))
    }

    /// Before the first entry: takes those that others absorbed out of `incidents`.
    pub(super) fn put_absorbed(
        &mut self,
        incidents: &mut Vec<Incident>,
        merged: &BTreeMap<IncidentNo, IncidentNo>,
    ) {
        if merged.is_empty() {
            return;
        }
        merged.iter().for_each(|(no, into)| self.forest.absorb(*no, *into));
        let shown: HashSet<IncidentNo> =
            incidents.iter().map(|incident| incident.no).filter(|no| !merged.contains_key(no)).collect();
        incidents.retain(|incident| {
            let no = incident.no;
            if shown.contains(&self.forest.root(no)) && merged.contains_key(&no) {
                self.absorbed.insert(no, *incident);
            }
            !merged.contains_key(&no)
        });
        for no in merged.keys().filter(|no| !self.absorbed.contains_key(*no)) {
            self.forest.free(*no);
        }
    }

    /// An incident, whether it stands by itself or was absorbed.
    pub fn any_incident(&self, no: IncidentNo) -> Option<&Incident> {
        self.incident(no).or_else(|| self.absorbed.get(&no))
    }
}

impl LiveWriter {
    pub(super) fn merge(&mut self, fact: &MergeFact, seq: Seq, at: TimeMs) {
        // The journal refuses to absorb what is closed, so it is in memory.
        let mut absorbed = self.take_off(fact.absorbed).expect("an open incident is in memory");
        self.remember(seq, &absorbed, is_public(absorbed.status));
        absorbed.touch(at);
        absorbed.overdue = false;
        self.map.absorbed.insert(absorbed.no, absorbed);
        self.map.clocks.park(fact.absorbed, self.map.now);
        self.map.forest.absorb(fact.absorbed, fact.into);
        self.change(fact.into, seq, |incident| incident.absorbed(fact, at));
        self.count_under(fact.absorbed, fact.into, fact.into_status);
    }

    pub(super) fn split(&mut self, fact: &MergeFact, seq: Seq, at: TimeMs) {
        // It leaves memory only together with the one that absorbed it, and that can be acted on.
        let freed = self.map.absorbed.remove(&fact.absorbed);
        let mut freed = freed.expect("what can be set free is in memory");
        self.map.forest.free(fact.absorbed);
        freed.touch(at);
        self.add(freed, seq);
        let clock = self.map.clocks.unpark(fact.absorbed);
        self.set_clock(fact.absorbed, clock, seq);
        self.change(fact.into, seq, |incident| incident.let_go(fact, at));
        self.count_under(fact.absorbed, fact.absorbed, fact.status);
    }

    /// Lets the reports of an incident, and of all that it absorbed, count under `root`, which has `status`.
    fn count_under(&mut self, no: IncidentNo, root: IncidentNo, status: Status) {
        let disposition = self.map.incident(root).and_then(|incident| incident.disposition);
        for no in self.map.forest.tree(no) {
            self.staff_hotspots.set_root(no, root, Standing::of(status, disposition));
            self.public_hotspots.set_root(no, root, public_standing(status, disposition));
        }
    }

    /// Drops what an incident that leaves memory had absorbed.
    pub(super) fn forget_absorbed(&mut self, root: IncidentNo) {
        if !self.map.forest.has_any_below(root) {
            return;
        }
        for no in self.map.forest.tree(root) {
            self.map.absorbed.remove(&no);
            self.map.clocks.unpark(no);
            self.map.forest.free(no);
        }
    }

    /// Calls `came` with each incident whose reports came to count in entries of the tail after `as_of`, for
    /// staff or for the public: by an action, or because they came to count under another incident.
    pub(super) fn came_to_count(&self, as_of: Seq, tail: &[Entry]) -> Vec<CameToCount> {
        let mut forest = self.map.forest.clone();
        let mut came = Vec::new();
        for entry in tail.iter().rev().take_while(|entry| entry.seq > as_of) {
            let (no, from, to) = match &entry.fact {
                Fact::Action(fact) => (fact.incident, fact.from, fact.to),
                Fact::Merge(fact) => (fact.absorbed, fact.status, fact.into_status),
                Fact::Split(fact) => (fact.absorbed, fact.into_status, fact.status),
                _ => continue,
            };
            let for_staff = from == Status::Rejected && to != Status::Rejected;
            let for_public = !is_public(from) && is_public(to);
            if for_staff || for_public {
                came.extend(forest.tree(no).into_iter().map(|no| CameToCount {
                    no,
                    for_staff,
                    for_public,
                }));
            }
            match &entry.fact {
                Fact::Merge(fact) => forest.undo_merge(fact),
                Fact::Split(fact) => forest.undo_split(fact),
                _ => {}
            }
        }
        came
    }
}

/// The reports of an incident came to count.
pub(super) struct CameToCount {
    pub no: IncidentNo,
    pub for_staff: bool,
    pub for_public: bool,
}
