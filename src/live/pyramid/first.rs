//! The first members of a region in an order, best first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::least::Least;
use super::{At, Matcher, Member, Node, Pyramid, Region};
use crate::live::rows::Rows;
use crate::live::sort::{Cursor, Sort};
use crate::model::TimeMs;

/// A stretch of an order of members.
pub struct Stretch<'a> {
    pub sort: Sort,
    /// It begins behind this.
    pub after: Option<Cursor>,
    /// It has none with a greater value.
    pub last: i64,
    /// Of the same moment as the pyramid.
    pub rows: &'a Rows,
}

impl Stretch<'_> {
    /// Most orders are those of columns that members have.
    fn rank(&self, member: &Member) -> Option<Cursor> {
        let value = match self.sort {
            Sort::NewestFirst => -member.opened_at.0,
            Sort::OldestFirst => member.opened_at.0,
            Sort::MostReportsFirst => -i64::from(member.reports),
            Sort::LatestChangeFirst | Sort::DueFirst => self.sort.value(self.rows.get(member.no)?),
        };
        Some(Cursor { value, no: Reverse(member.no) })
    }
}

impl Pyramid {
    /// The first `limit` of the matching members in the region, in the order of the stretch.
    ///
    /// Nodes are opened in the order of the first member that they may have (Hjaltason and Samet, "Distance
    /// Browsing in Spatial Databases", 1999, with the order's value in the place of distance), until none is left
    /// that can have an earlier one than the last found.
    pub fn first(
        &self,
        region: &impl Region,
        matcher: &impl Matcher,
        stretch: &Stretch,
        limit: usize,
    ) -> Vec<Cursor> {
        let order = Least::order(stretch.sort);
        let (found, open) = (BinaryHeap::new(), BinaryHeap::new());
        let mut search = Search { matcher, stretch, order, limit, found, open };
        search.look_at(&self.root, At::ROOT, Some(region));
        while let Some(next) = search.open.pop() {
            if !search.may_take(next.first) {
                break;
            }
            search.open(&next);
        }
        search.found.into_sorted_vec()
    }
}

struct Search<'a, M, R> {
    matcher: &'a M,
    stretch: &'a Stretch<'a>,
    /// `None`: the newest first.
    order: Option<usize>,
    limit: usize,
    /// At most `limit`, the last of the order on top.
    found: BinaryHeap<Cursor>,
    open: BinaryHeap<Unopened<'a, R>>,
}

/// A node that may have members among the first.
struct Unopened<'a, R> {
    /// None of its matching members ranks before it.
    first: Cursor,
    node: &'a Node,
    at: At,
    /// `None` where it covers all of the node.
    region: Option<&'a R>,
}

impl<'a, M: Matcher, R: Region> Search<'a, M, R> {
    fn look_at(&mut self, node: &'a Node, at: At, region: Option<&'a R>) {
        if region.is_some_and(|region| !region.may_meet(at.cell)) {
            return;
        }
        let first = self.first_rank(node, at, region);
        let Some(first) = first.filter(|first| self.may_take(*first)) else { return };
        let next = Unopened { first, node, at, region };
        match (node, self.order) {
            // Nothing is known of how new its members are before it is opened.
            (Node::Leaf(_), None) => self.open(&next),
            _ => self.open.push(next),
        }
    }

    /// None of the matching members of a node ranks before it; `None` where none matches.
    fn first_rank(&self, node: &Node, at: At, region: Option<&R>) -> Option<Cursor> {
        let matcher = self.matcher;
        let least = |order| node.least(self.stretch.rows).of(order, matcher.statuses());
        match (node, self.order) {
            (Node::Leaf(_), None) => Some(Cursor::FIRST),
            (Node::Leaf(_), Some(order)) => Some(least(order)),
            (Node::Branch(branch), _) if !matcher.may_match(at.cell, branch.areas) => None,
            (Node::Branch(branch), None) => {
                let opened_by = branch.matching(matcher).map(|group| group.opened_by).max()?;
                Some(Cursor { value: -opened_by.0, ..Cursor::FIRST })
            }
            // What only touches the region is opened without asking all that lies below it.
            (Node::Branch(branch), Some(order)) => {
                let is_cut = || region.is_some_and(|region| !region.covers(at.cell));
                branch.has_matching(matcher).then(|| if is_cut() { Cursor::FIRST } else { least(order) })
            }
        }
    }

    fn open(&mut self, next: &Unopened<'a, R>) {
        match next.node {
            Node::Leaf(leaf) => {
                let since = match self.order {
                    None => TimeMs(self.reach().saturating_neg()),
                    Some(_) => TimeMs::MIN,
                };
                leaf.opened_since(since, self.matcher).for_each(|member| self.take(&member, next.region));
            }
            Node::Branch(branch) => {
                let region = next.region.filter(|region| !region.covers(next.at.cell));
                branch.children(next.at).for_each(|(child, at)| self.look_at(child, at, region));
            }
        }
    }

    /// Whether one of that rank may be among the first.
    fn may_take(&self, rank: Cursor) -> bool {
        self.limit > 0 && rank.value <= self.stretch.last && self.worst().is_none_or(|worst| rank < worst)
    }

    /// The last of those found, where there are enough.
    fn worst(&self) -> Option<Cursor> {
        self.found.peek().filter(|_| self.found.len() >= self.limit).copied()
    }

    /// None of a greater value is among the first.
    fn reach(&self) -> i64 {
        self.worst().map_or(self.stretch.last, |worst| worst.value)
    }

    fn take(&mut self, member: &Member, region: Option<&R>) {
        let Some(rank) = self.stretch.rank(member).filter(|rank| self.may_take(*rank)) else { return };
        if self.stretch.after.is_some_and(|after| rank <= after)
            || region.is_some_and(|region| !region.contains(member.place))
            || !self.matcher.member(member)
        {
            return;
        }
        self.found.push(rank);
        if self.found.len() > self.limit {
            self.found.pop();
        }
    }
}

impl<R> PartialEq for Unopened<'_, R> {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first
    }
}

impl<R> Eq for Unopened<'_, R> {}

impl<R> PartialOrd for Unopened<'_, R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The one that may have the first member is the greatest.
impl<R> Ord for Unopened<'_, R> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.first.cmp(&self.first)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell as Counter;

    use super::*;
    use crate::cli::chance::Chance;
    use crate::live::incident::{Incident, MaybeArea, MaybeTime, Spot};
    use crate::live::keys::{Audience, Key, KeySet, StatusSet};
    use crate::live::member::AreaBits;
    use crate::live::place::Where;
    use crate::model::{CategoryId, Cell, IncidentNo, LngLat, Projection, Status};

    const N: usize = 40_000;

    /// Open ones of one category, opened since then; counts the members and the groups that it is asked of.
    struct Counting {
        since: TimeMs,
        looks: Counter<usize>,
    }

    impl Counting {
        fn has(&self, category: CategoryId, status: Status, opened_at: TimeMs) -> bool {
            category == CategoryId(1) && StatusSet::OPEN.has(status) && opened_at >= self.since
        }
    }

    impl Matcher for Counting {
        fn key(&self, key: Key) -> bool {
            self.looks.set(self.looks.get() + 1);
            key.category() == CategoryId(1) && StatusSet::OPEN.has(Status::ALL[key.status()])
        }

        fn member(&self, member: &Member) -> bool {
            member.opened_at >= self.since
        }

        fn is_by_key(&self) -> bool {
            false
        }

        fn usual(&self) -> Option<usize> {
            None
        }

        fn span(&self) -> (Key, Key) {
            KeySet::of_statuses(StatusSet::OPEN, Projection::Staff).span()
        }

        fn statuses(&self) -> StatusSet {
            StatusSet::OPEN
        }

        fn may_match(&self, _: Cell, _: AreaBits) -> bool {
            true
        }

        fn takes_all(&self, _: Cell, _: AreaBits) -> bool {
            false
        }
    }

    /// With `ties` all have as many reports, and none a deadline.
    fn incident(no: usize, ties: bool, chance: &mut Chance) -> Incident {
        let status = Status::ALL[chance.below(5)];
        let place = LngLat::new(chance.between(127.3, 127.4), chance.between(0.7, 0.9)).unwrap();
        let opened_at = TimeMs(chance.below(1_000_000) as i64);
        let due_at = opened_at.plus_ms(chance.below(500_000) as i64);
        Incident {
            no: IncidentNo(no as u32),
            exact_place: place,
            exact_area: MaybeArea::of(None),
            public_area: MaybeArea::of(None),
            category: CategoryId(chance.below(3) as u8),
            status,
            agency: None,
            reports: if ties { 1 } else { 1 + chance.below(2_000) as u32 },
            reporters: 1,
            version: 1,
            opened_at,
            updated_at: opened_at.plus_ms(chance.below(500_000) as i64),
            due_at: MaybeTime::of((status.is_open() && !ties).then_some(due_at)),
            closed_at: MaybeTime::of((!status.is_open()).then_some(due_at)),
            closed_by_import: false,
            overdue: false,
            drill: false,
            imported: false,
            returned: false,
            disposition: None,
        }
    }

    #[test]
    fn a_page_in_any_order_takes_looks_at_few_of_what_matches() {
        [false, true].into_iter().for_each(check_looks);
    }

    fn check_looks(ties: bool) {
        let mut chance = Chance::new(5);
        let incidents: Vec<Incident> = (0..N).map(|no| incident(no, ties, &mut chance)).collect();
        let rows = Rows::from_sorted(&incidents);
        let pyramid = Pyramid::build(incidents.iter().map(|incident| {
            let spot = Spot { place: incident.exact_place, area: None };
            Member::of(incident, spot, Audience::Everybody)
        }));
        let everywhere = Where::default();
        // Where a span of time leaves out the beginning of an order, nodes do not know what is the first of the rest:
        // the oldest and the first to be due are not asked for with one here.
        let with_since = [Sort::NewestFirst, Sort::LatestChangeFirst, Sort::MostReportsFirst];
        let asked =
            Sort::ALL.map(|sort| (sort, 0)).into_iter().chain(with_since.map(|sort| (sort, 300_000)));
        for (sort, since) in asked {
            let matcher = Counting { since: TimeMs(since), looks: Counter::new(0) };
            let matching = incidents.iter().filter(|i| matcher.has(i.category, i.status, i.opened_at));
            let mut expected: Vec<Cursor> = matching.map(|incident| sort.rank(incident)).collect();
            expected.sort_unstable();
            let page = |after, limit| {
                let stretch = Stretch { sort, after, last: i64::MAX, rows: &rows };
                pyramid.first(&everywhere.prepared(), &matcher, &stretch, limit)
            };
            assert_eq!(page(None, 20), expected[..20], "{sort:?}");
            assert_eq!(page(Some(expected[19]), 30), expected[20..50], "{sort:?}, the next page");
            let before = matcher.looks.get();
            page(None, 20);
            let looks = matcher.looks.get() - before;
            assert!(looks < N / 4, "{sort:?}: {looks} looks, {} of {N} match", expected.len());
            assert_eq!(page(None, usize::MAX), expected, "{sort:?}, all");
        }
    }
}
