//! Which reports make up a hotspot.

use imbl::OrdMap;

use super::hotspot::HotspotMember;
use crate::model::Seq;

/// In the order of their seqs. A clone costs one count, and a change copies the few nodes on its way where a
/// clone still holds them, so a hotspot of any size can be handed out at each tick.
#[derive(Debug, Clone, Default)]
pub struct Members(OrdMap<Seq, HotspotMember>);

impl Members {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &HotspotMember> {
        self.0.values()
    }

    pub fn get(&self, seq: Seq) -> Option<&HotspotMember> {
        self.0.get(&seq)
    }

    /// In the place of the one with the same seq.
    pub(super) fn insert(&mut self, member: HotspotMember) {
        self.0.insert(member.seq, member);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<HotspotMember> {
        self.0.remove(&seq)
    }
}

/// Costs nothing where one is an unchanged clone of the other.
impl PartialEq for Members {
    fn eq(&self, other: &Members) -> bool {
        self.0.ptr_eq(&other.0) || self.0 == other.0
    }
}

impl FromIterator<HotspotMember> for Members {
    fn from_iter<T: IntoIterator<Item = HotspotMember>>(members: T) -> Members {
        Members(members.into_iter().map(|member| (member.seq, member)).collect())
    }
}

/// What a hotspot's list of members becomes another by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberChanges {
    /// All members are among `came`, whatever was known before.
    pub whole: bool,
    /// New, or other than before.
    pub came: Vec<HotspotMember>,
    pub left: Vec<Seq>,
}

impl MemberChanges {
    pub(super) fn whole(members: &Members) -> MemberChanges {
        MemberChanges { whole: true, came: members.iter().copied().collect(), left: Vec::new() }
    }

    /// Member by member, in the time that it takes to read both lists.
    pub(super) fn between(before: &Members, now: &Members) -> MemberChanges {
        let is_new = |member: &&HotspotMember| before.get(member.seq) != Some(*member);
        let is_gone = |member: &&HotspotMember| now.get(member.seq).is_none();
        MemberChanges {
            whole: false,
            came: now.iter().filter(is_new).copied().collect(),
            left: before.iter().filter(is_gone).map(|member| member.seq).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        !self.whole && self.came.is_empty() && self.left.is_empty()
    }
}
