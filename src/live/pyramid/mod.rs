//! The cluster pyramid: a quadtree of Web-Mercator cells that is also the spatial index.
//!
//! Invariants: a branch's sums are exactly those over its members, so a parent cell is the sum of its
//! children; no child is empty; a leaf holds at most [`LEAF_MAX`] members, in the order of the curve,
//! so levels stop refining where there is little to tell apart. Answers do not depend on the shape.
//! Below the deepest cells the tree goes on by number: a thousand incidents at one place cost no more
//! to change than a thousand in a street.
//!
//! Nodes are shared: a clone costs one count, and a change copies the nodes on one path only where a
//! clone still holds them. So readers keep whole moments and never meet the writer.
//! A change touches one node a level, `O(DEPTH_MAX)`; a query by key reads one node a cell.

mod first;
mod leaf;
mod least;
mod sheets;

use std::ops::Range;
use std::sync::Arc;

pub use first::Stretch;
pub use sheets::Cells;

use leaf::Leaf;
use least::Least;
use sheets::Sheets;

use super::cell_range::CellRange;
use super::keys::{Key, StatusSet, USUAL};
use super::member::{AreaBits, DEPTH_MAX, Member};
use super::tally::{Summary, Tally};
use crate::model::{Cell, IncidentNo, LEVEL_MAX, LngLat, TimeMs};

/// A leaf with more members becomes a branch.
const LEAF_MAX: usize = 160;
/// A branch with fewer members becomes a leaf; well below [`LEAF_MAX`], so that one incident that
/// comes and goes does not split and join it each time.
const BRANCH_MIN: u32 = 80;

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
enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

#[derive(Debug, Clone, Default)]
struct Branch {
    /// Sorted by key, none with a count of 0.
    groups: Vec<Group>,
    /// Of each of the [`USUAL`] questions, the answer; `only` is left out.
    usual: Box<[Summary; USUAL.len()]>,
    /// At least those that members lie in.
    areas: AreaBits,
    count: u32,
    children: [Option<Arc<Node>>; 4],
    least: Least,
}

/// The members of a branch that have one key.
#[derive(Debug, Clone)]
struct Group {
    key: Key,
    tally: Tally,
    /// None of them was opened later. All may be older, where one was taken away.
    opened_by: TimeMs,
}

#[derive(Debug, Clone)]
pub struct Pyramid {
    root: Arc<Node>,
    sheets: Arc<Sheets>,
}

impl Default for Pyramid {
    fn default() -> Pyramid {
        Pyramid::of(Node::Leaf(Leaf::default()))
    }
}

/// Which members count, in two steps: by key (a branch can answer) and one by one.
pub trait Matcher {
    fn key(&self, key: Key) -> bool;
    /// Asked only of members whose key matches.
    fn member(&self, member: &Member) -> bool;
    /// Whether `member` is always true.
    fn is_by_key(&self) -> bool;
    /// Which of the [`USUAL`] questions its keys are.
    fn usual(&self) -> Option<usize>;
    /// No key that matches is less than the first of these, or greater than the second.
    fn span(&self) -> (Key, Key);
    /// The statuses of its keys, or more.
    fn statuses(&self) -> StatusSet;
    /// Whether members in a cell that lie in some of these areas may match. `true` where in doubt.
    fn may_match(&self, cell: Cell, areas: AreaBits) -> bool;
    /// Whether all members in a cell that lie in these areas match by their keys alone. `false` where in doubt.
    fn takes_all(&self, cell: Cell, areas: AreaBits) -> bool;
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
    fn of(root: Node) -> Pyramid {
        Pyramid { root: Arc::new(root), sheets: Arc::default() }
    }

    /// All members at once: much cheaper than one by one.
    pub fn build(members: impl IntoIterator<Item = Member>) -> Pyramid {
        let mut members: Vec<Member> = members.into_iter().collect();
        // This sort makes use of runs that are in order already.
        members.sort_by_key(Member::order);
        Pyramid::of(build(&members, 0))
    }

    pub fn insert(&mut self, member: Member) {
        insert(Arc::make_mut(&mut self.root), 0, member);
    }

    /// # Panics
    /// Where the member, exactly as it is, is not there.
    pub fn remove(&mut self, member: &Member) {
        remove(Arc::make_mut(&mut self.root), 0, member);
    }

    /// Puts a member in the place of what it was.
    ///
    /// # Panics
    /// Where `before`, exactly as it is, is not there.
    pub fn replace(&mut self, before: &Member, member: Member) {
        if before.order() == member.order() {
            replace(Arc::make_mut(&mut self.root), 0, before, member);
        } else {
            self.remove(before);
            self.insert(member);
        }
    }

    /// Sums over everything that matches.
    pub fn summary(&self, matcher: &impl Matcher) -> Summary {
        summarise(&self.root, At::ROOT, matcher)
    }

    /// Sums over one cell.
    pub fn cell(&self, cell: Cell, matcher: &impl Matcher) -> Summary {
        let mut node = &self.root;
        for level in 0..cell.level {
            match &**node {
                Node::Leaf(leaf) => return summarise_within(leaf, leaf.range_of(cell), matcher),
                Node::Branch(branch) => match &branch.children[cell.ancestor(level + 1).quarter()] {
                    Some(child) => node = child,
                    None => return Summary::default(),
                },
            }
        }
        summarise(node, At { cell, depth: cell.level }, matcher)
    }

    /// Calls `each` for every cell of the range in which anything matches; a cell once, in the order
    /// of the curve, until it answers `false`.
    pub fn each_cell(
        &self,
        range: &CellRange,
        matcher: &impl Matcher,
        mut each: impl FnMut(Cell, Summary) -> bool,
    ) {
        visit_cells(&self.root, Cell::ROOT, range, matcher, &mut each);
    }

    /// Calls `each` for every matching member in the region until it answers `false`.
    pub fn members(
        &self,
        region: &impl Region,
        matcher: &impl Matcher,
        mut each: impl FnMut(&Member) -> bool,
    ) {
        visit_members(&self.root, At::ROOT, Some(region), matcher, &mut each);
    }

    /// How many matching members the region has. Only what lies on the rim of the region, or of what the
    /// matcher asks for, is looked at one by one.
    pub fn count(&self, region: &impl Region, matcher: &impl Matcher) -> u64 {
        count_members(&self.root, At::ROOT, Some(region), matcher)
    }

    /// Calls `each` for every matching member of one cell until it answers `false`.
    pub fn members_of_cell(
        &self,
        cell: Cell,
        matcher: &impl Matcher,
        mut each: impl FnMut(&Member) -> bool,
    ) {
        visit_cell_members(&self.root, At::ROOT, cell, matcher, Order::Curve, &mut each);
    }

    /// The first level deeper than the cell's at which what matches in it lies in two cells or more;
    /// `None` where it never does.
    pub fn level_of_split(&self, cell: Cell, matcher: &impl Matcher) -> Option<u8> {
        let end = |order: Order| {
            let mut code = None;
            visit_cell_members(&self.root, At::ROOT, cell, matcher, order, &mut |member| {
                code = Some(member.code());
                false
            });
            code
        };
        let apart = end(Order::Curve)? ^ end(Order::Back)?;
        (apart != 0).then(|| LEVEL_MAX - (apart.ilog2() / 2) as u8)
    }
}

impl Node {
    fn count(&self) -> u32 {
        match self {
            Node::Leaf(leaf) => leaf.len() as u32,
            Node::Branch(branch) => branch.count,
        }
    }
}

impl Branch {
    fn add(&mut self, member: &Member) {
        self.areas.add(member.area());
        self.add_group(&Group { key: member.key, tally: Tally::of(member), opened_by: member.opened_at });
    }

    fn add_group(&mut self, added: &Group) {
        self.least.forget();
        self.count += added.tally.count;
        match self.position(added.key) {
            Ok(i) => {
                let group = &mut self.groups[i];
                group.tally.add(&added.tally);
                group.opened_by = group.opened_by.max(added.opened_by);
            }
            Err(i) => self.groups.insert(i, added.clone()),
        }
        for (sum, keys) in self.usual.iter_mut().zip(&USUAL) {
            if keys.has(added.key) {
                sum.add(added.key, &added.tally);
            }
        }
    }

    fn subtract(&mut self, member: &Member) {
        let (key, tally) = (member.key, Tally::of(member));
        self.least.forget();
        self.count -= 1;
        let i = self.position(key).expect("a member's key has a group");
        self.groups[i].tally.subtract(&tally);
        if self.groups[i].tally.count == 0 {
            self.groups.remove(i);
        }
        for (sum, keys) in self.usual.iter_mut().zip(&USUAL) {
            if keys.has(key) {
                sum.subtract(key, &tally);
            }
        }
    }

    fn position(&self, key: Key) -> Result<usize, usize> {
        self.groups.binary_search_by_key(&key, |group| group.key)
    }

    fn matching(&self, matcher: &impl Matcher) -> impl Iterator<Item = &Group> {
        let (least, greatest) = matcher.span();
        let begin = self.groups.partition_point(|group| group.key < least);
        let within = self.groups[begin..].iter().take_while(move |group| group.key <= greatest);
        within.filter(|group| matcher.key(group.key))
    }

    /// How many members match by their keys.
    fn count_matching(&self, matcher: &impl Matcher) -> u32 {
        match matcher.usual() {
            Some(usual) => self.usual[usual].total.count,
            None => self.matching(matcher).map(|group| group.tally.count).sum(),
        }
    }

    /// Whether any member matches by its key.
    fn has_matching(&self, matcher: &impl Matcher) -> bool {
        match matcher.usual() {
            Some(usual) => self.usual[usual].total.count > 0,
            None => self.matching(matcher).next().is_some(),
        }
    }

    /// Whether any member may match; exactly so for a matcher by key.
    fn may_match(&self, cell: Cell, matcher: &impl Matcher) -> bool {
        self.has_matching(matcher) && matcher.may_match(cell, self.areas)
    }

    /// Sums over what matches, without `only` where there is no need to look at members.
    fn summary(&self, at: At, matcher: &impl Matcher) -> Summary {
        let mut sum = Summary::default();
        if !self.may_match(at.cell, matcher) {
            return sum;
        }
        if !matcher.takes_all(at.cell, self.areas) {
            self.children(at).for_each(|(child, at)| sum.add_all(&summarise(child, at, matcher)));
            return sum;
        }
        if let Some(usual) = matcher.usual() {
            return self.usual[usual].clone();
        }
        self.matching(matcher).for_each(|group| sum.add(group.key, &group.tally));
        sum
    }

    /// Its children in the order of the curve.
    fn children(&self, at: At) -> impl DoubleEndedIterator<Item = (&Node, At)> {
        self.shared_children(at).map(|(child, at)| (&**child, at))
    }

    fn shared_children(&self, at: At) -> impl DoubleEndedIterator<Item = (&Arc<Node>, At)> {
        let children = self.children.iter().enumerate();
        children.filter_map(move |(q, child)| Some((child.as_ref()?, at.child(q))))
    }
}

/// A node at `depth` over members in their order.
fn build(members: &[Member], depth: u8) -> Node {
    if members.len() <= LEAF_MAX {
        return Node::Leaf(Leaf::of(members));
    }
    let mut branch = Branch::default();
    for same_quarter in members.chunk_by(|a, b| a.quarter(depth) == b.quarter(depth)) {
        let child = build(same_quarter, depth + 1);
        match &child {
            Node::Leaf(_) => same_quarter.iter().for_each(|member| branch.add(member)),
            Node::Branch(child) => {
                branch.areas.add_all(child.areas);
                child.groups.iter().for_each(|group| branch.add_group(group));
            }
        }
        branch.children[same_quarter[0].quarter(depth)] = Some(Arc::new(child));
    }
    branch.groups.shrink_to_fit();
    Node::Branch(branch)
}

fn insert(node: &mut Node, depth: u8, member: Member) {
    match node {
        Node::Branch(branch) => {
            branch.add(&member);
            let child = branch.children[member.quarter(depth)]
                .get_or_insert_with(|| Arc::new(Node::Leaf(Leaf::default())));
            insert(Arc::make_mut(child), depth + 1, member);
        }
        Node::Leaf(leaf) => {
            leaf.insert(&member);
            if leaf.len() > LEAF_MAX && depth < DEPTH_MAX {
                *node = build(&leaf.iter().collect::<Vec<_>>(), depth);
            }
        }
    }
}

fn remove(node: &mut Node, depth: u8, member: &Member) {
    match node {
        Node::Leaf(leaf) => leaf.remove(member),
        Node::Branch(branch) => {
            branch.subtract(member);
            let slot = &mut branch.children[member.quarter(depth)];
            let child = slot.as_mut().expect("a member's quarter is there");
            remove(Arc::make_mut(child), depth + 1, member);
            if child.count() == 0 {
                *slot = None;
            }
            if branch.count < BRANCH_MIN {
                let mut members = Vec::with_capacity(branch.count as usize);
                collect(node, &mut members);
                *node = Node::Leaf(Leaf::of(&members));
            }
        }
    }
}

fn replace(node: &mut Node, depth: u8, before: &Member, member: Member) {
    match node {
        Node::Leaf(leaf) => leaf.replace(before, &member),
        Node::Branch(branch) => {
            branch.subtract(before);
            branch.add(&member);
            let child = branch.children[member.quarter(depth)].as_mut();
            replace(Arc::make_mut(child.expect("a member's quarter is there")), depth + 1, before, member);
        }
    }
}

fn collect(node: &Node, into: &mut Vec<Member>) {
    match node {
        Node::Leaf(leaf) => into.extend(leaf.iter()),
        Node::Branch(branch) => branch.children.iter().flatten().for_each(|child| collect(child, into)),
    }
}

fn summarise(node: &Node, at: At, matcher: &impl Matcher) -> Summary {
    let mut sum = match node {
        Node::Leaf(leaf) => return summarise_within(leaf, 0..leaf.len(), matcher),
        Node::Branch(branch) => branch.summary(at, matcher),
    };
    if sum.total.count == 1 && sum.only.is_none() {
        sum.only = first(node, at, matcher);
    }
    sum
}

fn summarise_within(leaf: &Leaf, range: Range<usize>, matcher: &impl Matcher) -> Summary {
    Summary::of(leaf.matching_within(range, matcher))
}

fn first(node: &Node, at: At, matcher: &impl Matcher) -> Option<IncidentNo> {
    let mut found = None;
    each_member(node, at, matcher, Order::Curve, &mut |member| {
        found = Some(member.no);
        false
    });
    found
}

/// In which order members are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Curve,
    Back,
}

impl Order {
    /// Calls `each` for the items in this order until it answers `false`; so does this.
    fn all<T>(self, items: impl DoubleEndedIterator<Item = T>, each: impl FnMut(T) -> bool) -> bool {
        let mut items = items;
        match self {
            Order::Curve => items.all(each),
            Order::Back => items.rev().all(each),
        }
    }
}

/// Calls `each` for the matching members of a node until it answers `false`; so does this.
fn each_member(
    node: &Node,
    at: At,
    matcher: &impl Matcher,
    order: Order,
    each: &mut impl FnMut(&Member) -> bool,
) -> bool {
    match node {
        Node::Leaf(leaf) => order.all(leaf.matching(matcher), |member| each(&member)),
        Node::Branch(branch) => {
            !branch.may_match(at.cell, matcher)
                || order
                    .all(branch.children(at), |(child, at)| each_member(child, at, matcher, order, each))
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
        let sum = summarise(node, At { cell, depth: cell.level }, matcher);
        return sum.total.count == 0 || each(cell, sum);
    }
    match node {
        Node::Branch(branch) => {
            let at = At { cell, depth: cell.level };
            !branch.may_match(cell, matcher)
                || branch.children(at).all(|(child, at)| visit_cells(child, at.cell, range, matcher, each))
        }
        Node::Leaf(leaf) => leaf.cells(range.level()).all(|(cell, members)| {
            if !range.contains(cell) {
                return true;
            }
            let sum = summarise_within(leaf, members, matcher);
            sum.total.count == 0 || each(cell, sum)
        }),
    }
}

/// `region` is `None` where it covers all of the node.
fn visit_members<R: Region>(
    node: &Node,
    at: At,
    region: Option<&R>,
    matcher: &impl Matcher,
    each: &mut impl FnMut(&Member) -> bool,
) -> bool {
    if region.is_some_and(|region| !region.may_meet(at.cell)) {
        return true;
    }
    match node {
        Node::Leaf(leaf) => {
            let mut inside = leaf.matching(matcher).filter(|m| region.is_none_or(|r| r.contains(m.place)));
            inside.all(|member| each(&member))
        }
        Node::Branch(branch) => {
            let region = region.filter(|region| !region.covers(at.cell));
            !branch.may_match(at.cell, matcher)
                || branch.children(at).all(|(child, at)| visit_members(child, at, region, matcher, each))
        }
    }
}

fn count_members<R: Region>(node: &Node, at: At, region: Option<&R>, matcher: &impl Matcher) -> u64 {
    if let Node::Branch(branch) = node
        && region.is_none_or(|region| region.covers(at.cell))
        && matcher.takes_all(at.cell, branch.areas)
    {
        return branch.count_matching(matcher).into();
    }
    match node {
        Node::Branch(branch) if region.is_none_or(|region| region.may_meet(at.cell)) => {
            let region = region.filter(|region| !region.covers(at.cell));
            let count = |(child, at)| count_members(child, at, region, matcher);
            if branch.may_match(at.cell, matcher) { branch.children(at).map(count).sum() } else { 0 }
        }
        _ => {
            let mut count = 0;
            visit_members(node, at, region, matcher, &mut |_| {
                count += 1;
                true
            });
            count
        }
    }
}

fn visit_cell_members(
    node: &Node,
    at: At,
    wanted: Cell,
    matcher: &impl Matcher,
    order: Order,
    each: &mut impl FnMut(&Member) -> bool,
) {
    if at.cell.level == wanted.level {
        each_member(node, at, matcher, order, each);
        return;
    }
    match node {
        Node::Leaf(leaf) => {
            let members = leaf.matching_within(leaf.range_of(wanted), matcher);
            order.all(members, |member| each(&member));
        }
        Node::Branch(branch) => {
            let quarter = wanted.ancestor(at.cell.level + 1).quarter();
            if let Some(child) = &branch.children[quarter] {
                visit_cell_members(child, at.child(quarter), wanted, matcher, order, each);
            }
        }
    }
}
