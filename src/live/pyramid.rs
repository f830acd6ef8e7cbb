//! The cluster pyramid: a quadtree of Web-Mercator cells that is also the spatial index.
//!
//! Invariants: a branch's tallies are exactly the sums over its members, so a parent cell is the sum
//! of its children; no child is empty; a leaf holds at most [`LEAF_MAX`] members, in the order of the
//! curve, so levels stop refining where there is little to tell apart. Answers do not depend on the
//! shape. Below the deepest cells the tree goes on by number: a thousand incidents at one place cost
//! no more to change than a thousand in a street.
//!
//! Nodes are shared: a clone costs one count, and a change copies the nodes on one path only where a
//! clone still holds them. So readers keep whole moments and never meet the writer.
//! A change touches one node a level, `O(DEPTH_MAX)`; a query by key reads one node a cell.

use std::sync::Arc;

use super::cell_range::CellRange;
use super::tally::{Key, Member, Summary, Tally, curve};
use crate::model::{Cell, IncidentNo, LEVEL_MAX, LngLat};

/// A leaf with more members becomes a branch.
const LEAF_MAX: usize = 128;
/// A branch with fewer members becomes a leaf; well below [`LEAF_MAX`], so that one incident that
/// comes and goes does not split and join it each time.
const BRANCH_MIN: u32 = 64;

/// Where a node hangs: its cell, which stays the same below the deepest level.
#[derive(Debug, Clone, Copy)]
struct At {
    cell: Cell,
    depth: u8,
}

impl At {
    const ROOT: At = At { cell: Cell::ROOT, depth: 0 };

    fn child(self, quarter: usize) -> At {
        let cell = if self.depth < LEVEL_MAX { self.cell.child(quarter) } else { self.cell };
        At { cell, depth: self.depth + 1 }
    }
}

#[derive(Debug, Clone)]
struct Node {
    /// Sorted by key, none with a count of 0. Empty in a leaf, which is summed when asked.
    tallies: Vec<(Key, Tally)>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Leaf(Vec<Member>),
    Branch([Option<Arc<Node>>; 4]),
}

#[derive(Debug, Clone)]
pub struct Pyramid {
    root: Arc<Node>,
}

impl Default for Pyramid {
    fn default() -> Pyramid {
        Pyramid { root: Arc::new(Node::leaf()) }
    }
}

/// Which members count, in two steps: by key (a branch can answer) and one by one.
pub trait Matcher {
    fn key(&self, key: Key) -> bool;
    /// Asked only of members whose key matches.
    fn member(&self, member: &Member) -> bool;
    /// Whether `member` is always true.
    fn is_by_key(&self) -> bool;
}

/// A shape to collect members of, tested against whole cells first.
pub trait Region {
    /// Whether the box of a cell may hold a part of the region. `true` where in doubt.
    fn may_meet(&self, cell: Cell) -> bool;
    /// Whether the region holds everything in a cell. `false` where in doubt.
    fn covers(&self, cell: Cell) -> bool;
    fn contains(&self, place: LngLat) -> bool;
}

impl Pyramid {
    /// All members at once: much cheaper than one by one.
    pub fn build(members: impl IntoIterator<Item = Member>) -> Pyramid {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_unstable_by_key(Member::order);
        Pyramid { root: Arc::new(build(&members, 0)) }
    }

    pub fn insert(&mut self, member: Member) {
        insert(Arc::make_mut(&mut self.root), 0, member);
    }

    /// # Panics
    /// Where the member, with this very key and number of reports, is not there.
    pub fn remove(&mut self, member: &Member) {
        remove(Arc::make_mut(&mut self.root), 0, member);
    }

    /// Sums over everything that matches.
    pub fn summary(&self, matcher: &impl Matcher) -> Summary {
        summarise(&self.root, matcher)
    }

    /// Sums over one cell.
    pub fn cell(&self, cell: Cell, matcher: &impl Matcher) -> Summary {
        let mut node = &self.root;
        for level in 0..cell.level {
            match &node.kind {
                Kind::Leaf(members) => {
                    return summarise_members(members_in(members, cell), matcher);
                }
                Kind::Branch(children) => match &children[cell.ancestor(level + 1).quarter()] {
                    Some(child) => node = child,
                    None => return Summary::default(),
                },
            }
        }
        summarise(node, matcher)
    }

    /// Calls `each` for every cell of the range in which anything matches; a cell once, in no
    /// particular order, until it answers `false`.
    pub fn cells(
        &self,
        range: &CellRange,
        matcher: &impl Matcher,
        mut each: impl FnMut(Cell, Summary) -> bool,
    ) {
        visit_cells(&self.root, Cell::ROOT, range, matcher, &mut each);
    }

    /// Calls `each` for every matching member in the region.
    pub fn members(&self, region: &impl Region, matcher: &impl Matcher, mut each: impl FnMut(&Member)) {
        visit_members(&self.root, At::ROOT, region, matcher, &mut each);
    }

    /// How many matching members the region has. A matcher by key looks only at what lies on the
    /// region's rim.
    pub fn count(&self, region: &impl Region, matcher: &impl Matcher) -> u64 {
        count_members(&self.root, At::ROOT, region, matcher)
    }

    /// Calls `each` for every matching member of one cell until it answers `false`.
    pub fn members_of_cell(
        &self,
        cell: Cell,
        matcher: &impl Matcher,
        mut each: impl FnMut(&Member) -> bool,
    ) {
        visit_cell_members(&self.root, Cell::ROOT, cell, matcher, &mut each);
    }

    /// The first level deeper than the cell's at which what matches in it lies in two cells or more;
    /// `None` where it never does.
    pub fn level_of_split(&self, cell: Cell, matcher: &impl Matcher) -> Option<u8> {
        let mut node = &self.root;
        let mut at = Cell::ROOT;
        loop {
            let Kind::Branch(children) = &node.kind else {
                return leaf_split(node, cell, matcher);
            };
            if at.level == LEVEL_MAX {
                return None;
            }
            let quarters: Vec<usize> = if at.level < cell.level {
                vec![cell.ancestor(at.level + 1).quarter()]
            } else {
                let holds = |q: &usize| children[*q].as_ref().is_some_and(|c| first(c, matcher).is_some());
                (0..4).filter(holds).collect()
            };
            if quarters.len() > 1 {
                return Some(at.level + 1);
            }
            let quarter = *quarters.first()?;
            node = children[quarter].as_ref()?;
            at = at.child(quarter);
        }
    }
}

/// [`Pyramid::level_of_split`] within one leaf.
fn leaf_split(leaf: &Node, cell: Cell, matcher: &impl Matcher) -> Option<u8> {
    let mut deepest = Vec::new();
    each_member(leaf, matcher, &mut |member| {
        deepest.push(member.cell(LEVEL_MAX));
        true
    });
    deepest.retain(|c| c.ancestor(cell.level) == cell);
    let first = *deepest.first()?;
    (cell.level + 1..=LEVEL_MAX)
        .find(|level| deepest.iter().any(|c| c.ancestor(*level) != first.ancestor(*level)))
}

impl Node {
    fn leaf() -> Node {
        Node { tallies: Vec::new(), kind: Kind::Leaf(Vec::new()) }
    }

    fn count(&self) -> u32 {
        match &self.kind {
            Kind::Leaf(members) => members.len() as u32,
            Kind::Branch(_) => self.tallies.iter().map(|(_, t)| t.count).sum(),
        }
    }
}

/// A node at `depth` over members in their order.
fn build(members: &[Member], depth: u8) -> Node {
    if members.len() <= LEAF_MAX {
        return Node { tallies: Vec::new(), kind: Kind::Leaf(members.to_vec()) };
    }
    let mut tallies = Vec::new();
    let mut children = [const { None }; 4];
    for same_quarter in members.chunk_by(|a, b| a.quarter(depth) == b.quarter(depth)) {
        let child = build(same_quarter, depth + 1);
        match &child.kind {
            Kind::Leaf(members) => members.iter().for_each(|member| add_to(&mut tallies, member)),
            Kind::Branch(_) => {
                child.tallies.iter().for_each(|(key, tally)| add_all_to(&mut tallies, *key, tally))
            }
        }
        children[same_quarter[0].quarter(depth)] = Some(Arc::new(child));
    }
    tallies.shrink_to_fit();
    Node { tallies, kind: Kind::Branch(children) }
}

fn add_all_to(tallies: &mut Vec<(Key, Tally)>, key: Key, tally: &Tally) {
    match tallies.binary_search_by_key(&key, |(key, _)| *key) {
        Ok(i) => tallies[i].1.add_all(tally),
        Err(i) => tallies.insert(i, (key, *tally)),
    }
}

fn add_to(tallies: &mut Vec<(Key, Tally)>, member: &Member) {
    match tallies.binary_search_by_key(&member.key, |(key, _)| *key) {
        Ok(i) => tallies[i].1.add(member),
        Err(i) => {
            let mut tally = Tally::default();
            tally.add(member);
            tallies.insert(i, (member.key, tally));
        }
    }
}

fn insert(node: &mut Node, depth: u8, member: Member) {
    match &mut node.kind {
        Kind::Branch(children) => {
            add_to(&mut node.tallies, &member);
            let child = children[member.quarter(depth)].get_or_insert_with(|| Arc::new(Node::leaf()));
            insert(Arc::make_mut(child), depth + 1, member);
        }
        Kind::Leaf(members) => {
            let order = member.order();
            members.insert(members.partition_point(|m| m.order() < order), member);
            if members.len() > LEAF_MAX {
                *node = build(members, depth);
            }
        }
    }
}

fn remove(node: &mut Node, depth: u8, member: &Member) {
    match &mut node.kind {
        Kind::Leaf(members) => {
            let at = members.binary_search_by_key(&member.order(), Member::order);
            let at = at.ok().filter(|at| members[*at] == *member);
            members.remove(at.expect("the member is where its place says"));
        }
        Kind::Branch(children) => {
            let at = node
                .tallies
                .binary_search_by_key(&member.key, |(key, _)| *key)
                .expect("a member's key has a tally");
            node.tallies[at].1.subtract(member);
            if node.tallies[at].1.count == 0 {
                node.tallies.remove(at);
            }
            let slot = &mut children[member.quarter(depth)];
            let child = slot.as_mut().expect("a member's quarter is there");
            remove(Arc::make_mut(child), depth + 1, member);
            if child.count() == 0 {
                *slot = None;
            }
            if node.count() < BRANCH_MIN {
                let mut members = Vec::new();
                collect(node, &mut members);
                *node = Node { tallies: Vec::new(), kind: Kind::Leaf(members) };
            }
        }
    }
}

fn collect(node: &Node, into: &mut Vec<Member>) {
    match &node.kind {
        Kind::Leaf(members) => into.extend_from_slice(members),
        Kind::Branch(children) => children.iter().flatten().for_each(|child| collect(child, into)),
    }
}

fn summarise(node: &Node, matcher: &impl Matcher) -> Summary {
    match &node.kind {
        Kind::Leaf(members) => summarise_members(members, matcher),
        Kind::Branch(children) if matcher.is_by_key() => {
            let mut sum = Summary::default();
            for (key, tally) in node.tallies.iter().filter(|(key, _)| matcher.key(*key)) {
                sum.add(*key, tally);
            }
            if sum.total.count == 1 {
                sum.only = children.iter().flatten().find_map(|child| first(child, matcher));
            }
            sum
        }
        Kind::Branch(_) => {
            let mut sum = Summary::default();
            each_member(node, matcher, &mut |member| {
                sum.add_member(member);
                true
            });
            sum
        }
    }
}

/// Of the members of a leaf, those in a cell that is not above the leaf's own.
fn members_in(members: &[Member], cell: Cell) -> &[Member] {
    let up = LEVEL_MAX - cell.level;
    let first = curve(cell.x << up, cell.y << up);
    let from = members.partition_point(|m| m.order().0 < first);
    let len = members[from..].partition_point(|m| m.is_in(cell));
    &members[from..from + len]
}

fn summarise_members(members: &[Member], matcher: &impl Matcher) -> Summary {
    let mut sum = Summary::default();
    for member in members.iter().filter(|m| matcher.key(m.key) && matcher.member(m)) {
        sum.add_member(member);
    }
    sum
}

fn first(node: &Node, matcher: &impl Matcher) -> Option<IncidentNo> {
    let mut found = None;
    each_member(node, matcher, &mut |member| {
        found = Some(member.no);
        false
    });
    found
}

/// Calls `each` for the matching members of a node until it answers `false`; so does this.
fn each_member(node: &Node, matcher: &impl Matcher, each: &mut impl FnMut(&Member) -> bool) -> bool {
    match &node.kind {
        Kind::Leaf(members) => members.iter().filter(|m| matcher.key(m.key) && matcher.member(m)).all(each),
        Kind::Branch(children) => {
            let any = node.tallies.iter().any(|(key, _)| matcher.key(*key));
            !any || children.iter().flatten().all(|child| each_member(child, matcher, each))
        }
    }
}

fn visit_cells(
    node: &Node,
    cell: Cell,
    range: &CellRange,
    matcher: &impl Matcher,
    each: &mut impl FnMut(Cell, Summary) -> bool,
) -> bool {
    if !range.meets(cell) {
        return true;
    }
    if cell.level == range.level() {
        let sum = summarise(node, matcher);
        return sum.total.count == 0 || each(cell, sum);
    }
    match &node.kind {
        Kind::Branch(children) => {
            if !node.tallies.iter().any(|(key, _)| matcher.key(*key)) {
                return true;
            }
            let mut quarters = children.iter().enumerate();
            quarters.all(|(quarter, child)| {
                child.as_ref().is_none_or(|c| visit_cells(c, cell.child(quarter), range, matcher, each))
            })
        }
        Kind::Leaf(members) => {
            // In the order of the curve, so what shares a cell stands together.
            let level = range.level();
            members.chunk_by(|a, b| a.cell(level) == b.cell(level)).all(|same_cell| {
                let cell = same_cell[0].cell(level);
                if !range.contains(cell) {
                    return true;
                }
                let sum = summarise_members(same_cell, matcher);
                sum.total.count == 0 || each(cell, sum)
            })
        }
    }
}

fn visit_members(
    node: &Node,
    at: At,
    region: &impl Region,
    matcher: &impl Matcher,
    each: &mut impl FnMut(&Member),
) {
    if !region.may_meet(at.cell) {
        return;
    }
    match &node.kind {
        Kind::Leaf(members) => members
            .iter()
            .filter(|m| matcher.key(m.key) && region.contains(m.place) && matcher.member(m))
            .for_each(each),
        Kind::Branch(children) => {
            if !node.tallies.iter().any(|(key, _)| matcher.key(*key)) {
                return;
            }
            for (quarter, child) in children.iter().enumerate() {
                if let Some(child) = child {
                    visit_members(child, at.child(quarter), region, matcher, each);
                }
            }
        }
    }
}

fn count_members(node: &Node, at: At, region: &impl Region, matcher: &impl Matcher) -> u64 {
    if !region.may_meet(at.cell) {
        return 0;
    }
    match &node.kind {
        Kind::Leaf(members) => {
            let inside = |m: &&Member| matcher.key(m.key) && region.contains(m.place) && matcher.member(m);
            members.iter().filter(inside).count() as u64
        }
        Kind::Branch(_) if matcher.is_by_key() && region.covers(at.cell) => {
            let matching = node.tallies.iter().filter(|(key, _)| matcher.key(*key));
            matching.map(|(_, tally)| u64::from(tally.count)).sum()
        }
        Kind::Branch(children) => {
            let children = children.iter().enumerate().filter_map(|(q, child)| Some((q, child.as_ref()?)));
            children.map(|(q, child)| count_members(child, at.child(q), region, matcher)).sum()
        }
    }
}

fn visit_cell_members(
    node: &Node,
    at: Cell,
    wanted: Cell,
    matcher: &impl Matcher,
    each: &mut impl FnMut(&Member) -> bool,
) {
    if at.level == wanted.level {
        each_member(node, matcher, each);
        return;
    }
    match &node.kind {
        Kind::Leaf(members) => {
            let inside = members_in(members, wanted).iter();
            inside.filter(|m| matcher.key(m.key) && matcher.member(m)).all(each);
        }
        Kind::Branch(children) => {
            let quarter = wanted.ancestor(at.level + 1).quarter();
            if let Some(child) = &children[quarter] {
                visit_cell_members(child, at.child(quarter), wanted, matcher, each);
            }
        }
    }
}
