//! The members of a leaf, in the order of the curve, in columns: most looks are for some keys, and the
//! newest of them, and read 4 to 12 bytes of a member that is not among those.

use std::ops::Range;

use super::{Least, Matcher};
use crate::live::keys::Key;
use crate::live::member::{Member, Rest, curve};
use crate::model::{Cell, TimeMs};

/// Each column has an item for each member.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaf {
    keys: Vec<Key>,
    opened_at: Vec<TimeMs>,
    rest: Vec<Rest>,
    pub(super) least: Least,
}

impl Leaf {
    /// Of members in their order.
    pub fn of(members: &[Member]) -> Leaf {
        Leaf {
            keys: members.iter().map(|member| member.key).collect(),
            opened_at: members.iter().map(|member| member.opened_at).collect(),
            rest: members.iter().map(Rest::of).collect(),
            least: Least::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Member> {
        (0..self.len()).map(|at| self.member(at))
    }

    /// Those that match.
    pub fn matching(&self, matcher: &impl Matcher) -> impl DoubleEndedIterator<Item = Member> {
        self.matching_within(0..self.len(), matcher)
    }

    /// Of the members within a range, those that match.
    pub fn matching_within(
        &self,
        range: Range<usize>,
        matcher: &impl Matcher,
    ) -> impl DoubleEndedIterator<Item = Member> {
        let with_key = self.with_key(range, matcher);
        with_key.map(|at| self.member(at)).filter(|member| matcher.member(member))
    }

    /// Those whose keys match, opened at `since` or later. Times first: of a leaf on the way to the newest few are
    /// new enough, while keys match as often as not, which a processor guesses badly.
    pub fn opened_since(&self, since: TimeMs, matcher: &impl Matcher) -> impl Iterator<Item = Member> {
        let newer = self.opened_at.iter().enumerate().filter(move |(_, opened_at)| **opened_at >= since);
        newer.filter(|(at, _)| matcher.key(self.keys[*at])).map(|(at, _)| self.member(at))
    }

    fn with_key(
        &self,
        range: Range<usize>,
        matcher: &impl Matcher,
    ) -> impl DoubleEndedIterator<Item = usize> {
        let from = range.start;
        let keys = self.keys[range].iter().enumerate();
        keys.filter(|(_, key)| matcher.key(**key)).map(move |(i, _)| from + i)
    }

    /// Which members lie in a cell that is not above the leaf's own.
    pub fn range_of(&self, cell: Cell) -> Range<usize> {
        let code = curve(cell.x, cell.y);
        let from = self.rest.partition_point(|m| m.code_at(cell.level) < code);
        let len = self.rest[from..].partition_point(|m| m.code_at(cell.level) == code);
        from..from + len
    }

    /// The cells of a level that members lie in, in the order of the curve, and which members each has.
    pub fn cells(&self, level: u8) -> impl Iterator<Item = (Cell, Range<usize>)> {
        // In the order of the curve, so what shares a cell stands together.
        let chunks = self.rest.chunk_by(move |a, b| a.code_at(level) == b.code_at(level));
        chunks.scan(0, move |from, same_cell| {
            let range = *from..*from + same_cell.len();
            *from = range.end;
            Some((same_cell[0].cell(level), range))
        })
    }

    pub fn insert(&mut self, member: &Member) {
        let at = self.position(member).unwrap_or_else(|at| at);
        self.least.forget();
        self.keys.insert(at, member.key);
        self.opened_at.insert(at, member.opened_at);
        self.rest.insert(at, Rest::of(member));
    }

    /// # Panics
    /// Where the member, exactly as it is, is not there.
    pub fn remove(&mut self, member: &Member) {
        let at = self.exact_position(member);
        self.least.forget();
        self.keys.remove(at);
        self.opened_at.remove(at);
        self.rest.remove(at);
    }

    /// Puts a member in the place of one that has the same order.
    ///
    /// # Panics
    /// Where `before`, exactly as it is, is not there.
    pub fn replace(&mut self, before: &Member, member: &Member) {
        let at = self.exact_position(before);
        self.least.forget();
        self.keys[at] = member.key;
        self.opened_at[at] = member.opened_at;
        self.rest[at] = Rest::of(member);
    }

    fn exact_position(&self, member: &Member) -> usize {
        let at = self.position(member).ok();
        at.filter(|at| self.member(*at) == *member).expect("the member is where its place says")
    }

    /// Where a member of that order is, or else belongs.
    fn position(&self, member: &Member) -> Result<usize, usize> {
        let order = member.order();
        let at = self.rest.partition_point(|rest| rest.order() < (order.0, order.1));
        // One incident has two members at most, and rarely.
        let same = (at..self.len()).find(|at| self.member(*at).order() >= order);
        let at = same.unwrap_or(self.len());
        if at < self.len() && self.member(at).order() == order { Ok(at) } else { Err(at) }
    }

    fn member(&self, at: usize) -> Member {
        self.rest[at].with(self.keys[at], self.opened_at[at])
    }
}
