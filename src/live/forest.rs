//! Who absorbed whom: incidents that became one form trees, at whose roots stand those that are shown.
//!
//! Persistent: a clone costs one count.

use imbl::{OrdMap, OrdSet};

use crate::model::{IncidentNo, MergeFact};

#[derive(Debug, Clone, Default)]
pub(super) struct Forest {
    into: OrdMap<IncidentNo, IncidentNo>,
    /// The one that absorbed, and the one that it absorbed.
    below: OrdSet<(IncidentNo, IncidentNo)>,
}

impl Forest {
    pub fn absorb(&mut self, no: IncidentNo, into: IncidentNo) {
        self.into.insert(no, into);
        self.below.insert((into, no));
    }

    pub fn free(&mut self, no: IncidentNo) {
        if let Some(into) = self.into.remove(&no) {
            self.below.remove(&(into, no));
        }
    }

    /// The one that absorbed an incident, if any did.
    pub fn above(&self, no: IncidentNo) -> Option<IncidentNo> {
        self.into.get(&no).copied()
    }

    /// The incident under which all that is said of `no` counts.
    pub fn root(&self, mut no: IncidentNo) -> IncidentNo {
        while let Some(into) = self.above(no) {
            no = into;
        }
        no
    }

    /// Those that an incident absorbed itself.
    pub fn below(&self, no: IncidentNo) -> impl Iterator<Item = IncidentNo> {
        let all = (no, IncidentNo(0))..=(no, IncidentNo(u32::MAX));
        self.below.range(all).map(|(_, absorbed)| *absorbed)
    }

    pub fn has_any_below(&self, no: IncidentNo) -> bool {
        self.below(no).next().is_some()
    }

    /// An incident, and all that it absorbed and that these had absorbed.
    pub fn tree(&self, no: IncidentNo) -> Vec<IncidentNo> {
        let mut tree = vec![no];
        let mut next = 0;
        while let Some(no) = tree.get(next) {
            tree.extend(self.below(*no));
            next += 1;
        }
        tree
    }

    /// As it was before a merge.
    pub fn undo_merge(&mut self, fact: &MergeFact) {
        self.free(fact.absorbed);
    }

    /// As it was before a split.
    pub fn undo_split(&mut self, fact: &MergeFact) {
        self.absorb(fact.absorbed, fact.into);
    }
}
