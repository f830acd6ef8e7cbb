//! The newest members of a region, best first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{At, Branch, Matcher, Member, Node, Pyramid, Region};
use crate::model::{IncidentNo, TimeMs};

/// When a member was opened, and its number: the newest is the greatest.
pub type Opened = (TimeMs, IncidentNo);

impl Pyramid {
    /// The `limit` newest of the matching members in the region that were opened before `before`
    /// (`None`: at any time), newest first.
    ///
    /// Branches are opened in the order of the newest member that they may have (Hjaltason and Samet,
    /// "Distance Browsing in Spatial Databases", 1999, with age in the place of distance), until none
    /// is left that can have a newer one than the last found.
    pub fn newest(
        &self,
        region: &impl Region,
        matcher: &impl Matcher,
        before: Option<Opened>,
        limit: usize,
    ) -> Vec<Opened> {
        let mut search =
            Search { matcher, before, limit, found: BinaryHeap::new(), open: BinaryHeap::new() };
        search.look_at(&self.root, At::ROOT, Some(region));
        while let Some(next) = search.open.pop() {
            if !search.may_take(next.opened_by) {
                break;
            }
            let region = next.region.filter(|region| !region.covers(next.at.cell));
            next.branch.children(next.at).for_each(|(child, at)| search.look_at(child, at, region));
        }
        search.found.into_sorted_vec().into_iter().map(|Reverse(opened)| opened).collect()
    }
}

struct Search<'a, M, R> {
    matcher: &'a M,
    before: Option<Opened>,
    limit: usize,
    /// At most `limit`, the oldest on top.
    found: BinaryHeap<Reverse<Opened>>,
    open: BinaryHeap<Unopened<'a, R>>,
}

/// A branch that may have members among the newest.
struct Unopened<'a, R> {
    opened_by: TimeMs,
    branch: &'a Branch,
    at: At,
    /// `None` where it covers all of the branch.
    region: Option<&'a R>,
}

impl<'a, M: Matcher, R: Region> Search<'a, M, R> {
    fn look_at(&mut self, node: &'a Node, at: At, region: Option<&'a R>) {
        if region.is_some_and(|region| !region.may_meet(at.cell)) {
            return;
        }
        match node {
            Node::Leaf(leaf) => {
                let members = leaf.opened_since(self.since(), self.matcher);
                members.for_each(|member| self.take(&member, region));
            }
            Node::Branch(branch) => {
                let opened_by = branch.matching(self.matcher).map(|group| group.opened_by).max();
                if let Some(opened_by) = opened_by.filter(|opened_by| self.may_take(*opened_by))
                    && self.matcher.may_match(at.cell, branch.areas)
                {
                    self.open.push(Unopened { opened_by, branch, at, region });
                }
            }
        }
    }

    /// Whether one opened at that time may be among the newest.
    fn may_take(&self, opened_at: TimeMs) -> bool {
        self.limit > 0 && opened_at >= self.since()
    }

    /// Nobody opened earlier is among the newest.
    fn since(&self) -> TimeMs {
        self.oldest().filter(|_| self.found.len() >= self.limit).map_or(TimeMs::MIN, |(oldest, _)| oldest)
    }

    fn oldest(&self) -> Option<Opened> {
        self.found.peek().map(|Reverse(opened)| *opened)
    }

    fn take(&mut self, member: &Member, region: Option<&R>) {
        if !self.may_take(member.opened_at) {
            return;
        }
        let opened = (member.opened_at, member.no);
        if self.before.is_some_and(|before| opened >= before)
            || region.is_some_and(|region| !region.contains(member.place))
            || !self.matcher.member(member)
        {
            return;
        }
        self.found.push(Reverse(opened));
        if self.found.len() > self.limit {
            self.found.pop();
        }
    }
}

impl<R> PartialEq for Unopened<'_, R> {
    fn eq(&self, other: &Self) -> bool {
        self.opened_by == other.opened_by
    }
}

impl<R> Eq for Unopened<'_, R> {}

impl<R> PartialOrd for Unopened<'_, R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Unopened<'_, R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.opened_by.cmp(&other.opened_by)
    }
}
