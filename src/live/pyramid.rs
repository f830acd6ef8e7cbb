//! The cluster pyramid: a quadtree of Web-Mercator cells that is also the spatial index.
//!
//! Invariants: a branch's tallies are exactly the sums over its members, so a parent cell is the sum
//! of its children; no child is empty; a leaf above [`LEVEL_MAX`] holds at most [`LEAF_MAX`] members,
//! so levels stop refining where there is nothing to tell apart. Answers do not depend on the shape.
//!
//! Nodes are shared: a clone costs one count, and a change copies the nodes on one path only where a
//! clone still holds them. So readers keep whole moments and never meet the writer.
//! A change touches one node a level, `O(LEVEL_MAX)`; a query by key reads one node a cell.

use std::sync::Arc;

use crate::model::{AgencyId, CategoryId, Cell, IncidentNo, LEVEL_MAX, LngLat, Status};

use super::cell_range::CellRange;
use super::incident::Incident;

/// A leaf with more members becomes a branch.
const LEAF_MAX: usize = 32;
/// A branch with fewer members becomes a leaf; well below [`LEAF_MAX`], so that one incident that
/// comes and goes does not split and join it each time.
const BRANCH_MIN: u32 = 16;

/// What tallies are kept by: category, status, agency, overdue, drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

const NO_AGENCY: u32 = 0xFF;

impl Key {
    pub fn of(incident: &Incident) -> Key {
        let agency = incident.agency.map_or(NO_AGENCY, |a| u32::from(a.0));
        Key(u32::from(incident.category.0)
            | (incident.status as u32) << 8
            | agency << 16
            | u32::from(incident.overdue) << 24
            | u32::from(incident.drill) << 25)
    }

    pub fn category(self) -> CategoryId {
        CategoryId(self.0 as u8)
    }

    pub fn status(self) -> Status {
        Status::ALL[usize::from((self.0 >> 8) as u8)]
    }

    pub fn agency(self) -> Option<AgencyId> {
        let agency = self.0 >> 16 & 0xFF;
        (agency != NO_AGENCY).then_some(AgencyId(agency as u8))
    }

    pub fn overdue(self) -> bool {
        self.0 >> 24 & 1 == 1
    }

    pub fn drill(self) -> bool {
        self.0 >> 25 & 1 == 1
    }
}

/// An incident as a cell knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub no: IncidentNo,
    pub place: LngLat,
    /// Its cell at the deepest level: finding it costs a logarithm, its ancestors a shift.
    x: u32,
    y: u32,
    pub key: Key,
    pub reports: u32,
}

impl Member {
    pub fn of(incident: &Incident, place: LngLat) -> Member {
        let Cell { x, y, .. } = Cell::at(place, LEVEL_MAX);
        Member { no: incident.no, place, x, y, key: Key::of(incident), reports: incident.reports }
    }

    /// The cell of `level` that it lies in.
    fn cell(&self, level: u8) -> Cell {
        Cell { level: LEVEL_MAX, x: self.x, y: self.y }.ancestor(level)
    }

    /// Its place on the curve that visits the quarters of every cell one after another (Morton, 1966).
    fn curve(&self) -> u64 {
        spread(self.x) | spread(self.y) << 1
    }
}

/// Moves the bits of `n` apart, a zero between each two.
fn spread(n: u32) -> u64 {
    let mut n = u64::from(n);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555_u64),
    ] {
        n = (n | n << shift) & mask;
    }
    n
}

/// Sums over some members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub count: u32,
    pub reports: u32,
    /// Sums of places in 1e-7 degree: integers, so that no order of changes shows.
    pub lng_e7: i64,
    pub lat_e7: i64,
}

impl Tally {
    fn add(&mut self, m: &Member) {
        self.count += 1;
        self.reports += m.reports;
        self.lng_e7 += i64::from(m.place.lng_e7());
        self.lat_e7 += i64::from(m.place.lat_e7());
    }

    fn subtract(&mut self, m: &Member) {
        self.count -= 1;
        self.reports -= m.reports;
        self.lng_e7 -= i64::from(m.place.lng_e7());
        self.lat_e7 -= i64::from(m.place.lat_e7());
    }

    fn add_all(&mut self, other: &Tally) {
        self.count += other.count;
        self.reports += other.reports;
        self.lng_e7 += other.lng_e7;
        self.lat_e7 += other.lat_e7;
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

/// What a cell shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub total: Tally,
    pub overdue: u32,
    /// By category id, none with a count of 0, in the order of ids.
    pub by_category: Vec<(CategoryId, u32)>,
    /// Counts in the order of [`Status::ALL`].
    pub by_status: [u32; 5],
    /// The member, where there is just one.
    pub only: Option<IncidentNo>,
}

impl Summary {
    fn add(&mut self, key: Key, tally: &Tally) {
        self.total.add_all(tally);
        self.by_status[key.status() as usize] += tally.count;
        if key.overdue() {
            self.overdue += tally.count;
        }
        match self.by_category.binary_search_by_key(&key.category(), |(c, _)| *c) {
            Ok(i) => self.by_category[i].1 += tally.count,
            Err(i) => self.by_category.insert(i, (key.category(), tally.count)),
        }
    }

    fn add_member(&mut self, member: &Member) {
        let mut tally = Tally::default();
        tally.add(member);
        self.add(member.key, &tally);
        self.only = (self.total.count == 1).then_some(member.no);
    }

    /// The mean of the members' places, rounded to 1e-7 degree. `None` of nothing.
    pub fn mean(&self) -> Option<LngLat> {
        let count = i64::from(self.total.count);
        if count == 0 {
            return None;
        }
        LngLat::from_e7(
            div_round(self.total.lng_e7, count) as i32,
            div_round(self.total.lat_e7, count) as i32,
        )
    }
}

/// Rounds half away from zero, alike on both sides of it.
fn div_round(sum: i64, count: i64) -> i64 {
    (sum + sum.signum() * (count / 2)) / count
}

/// A shape to collect members of, tested against whole cells first.
pub trait Region {
    /// Whether the box of a cell may hold a part of the region. `true` where in doubt.
    fn may_meet(&self, cell: Cell) -> bool;
    fn contains(&self, place: LngLat) -> bool;
}

impl Pyramid {
    /// All members at once: much cheaper than one by one.
    pub fn build(members: impl IntoIterator<Item = Member>) -> Pyramid {
        let mut on_curve: Vec<(u64, Member)> = members.into_iter().map(|m| (m.curve(), m)).collect();
        on_curve.sort_unstable_by_key(|(curve, member)| (*curve, member.no));
        let members: Vec<Member> = on_curve.into_iter().map(|(_, member)| member).collect();
        Pyramid { root: Arc::new(build(&members, Cell::ROOT)) }
    }

    pub fn insert(&mut self, member: Member) {
        insert(Arc::make_mut(&mut self.root), Cell::ROOT, member);
    }

    /// # Panics
    /// Where the member, with this very key and number of reports, is not there.
    pub fn remove(&mut self, member: &Member) {
        remove(Arc::make_mut(&mut self.root), Cell::ROOT, member);
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
                    let inside = |m: &&Member| m.cell(cell.level) == cell;
                    return summarise_members(members.iter().filter(inside), matcher);
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
        visit_members(&self.root, Cell::ROOT, region, matcher, &mut each);
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

/// A node over members that lie in `cell`, in the order of the curve.
fn build(members: &[Member], cell: Cell) -> Node {
    if members.len() <= LEAF_MAX || cell.level == LEVEL_MAX {
        return Node { tallies: Vec::new(), kind: Kind::Leaf(members.to_vec()) };
    }
    let mut tallies = Vec::new();
    let mut children = [const { None }; 4];
    for same_quarter in members.chunk_by(|a, b| a.cell(cell.level + 1) == b.cell(cell.level + 1)) {
        let quarter = same_quarter[0].cell(cell.level + 1).quarter();
        let child = build(same_quarter, cell.child(quarter));
        match &child.kind {
            Kind::Leaf(members) => members.iter().for_each(|member| add_to(&mut tallies, member)),
            Kind::Branch(_) => {
                child.tallies.iter().for_each(|(key, tally)| add_all_to(&mut tallies, *key, tally))
            }
        }
        children[quarter] = Some(Arc::new(child));
    }
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

fn insert(node: &mut Node, cell: Cell, member: Member) {
    match &mut node.kind {
        Kind::Branch(children) => {
            add_to(&mut node.tallies, &member);
            insert_below(children, cell, member);
        }
        Kind::Leaf(members) => {
            members.push(member);
            if members.len() > LEAF_MAX && cell.level < LEVEL_MAX {
                split(node, cell);
            }
        }
    }
}

fn insert_below(children: &mut [Option<Arc<Node>>; 4], cell: Cell, member: Member) {
    let quarter = member.cell(cell.level + 1).quarter();
    let child = children[quarter].get_or_insert_with(|| Arc::new(Node::leaf()));
    insert(Arc::make_mut(child), cell.child(quarter), member);
}

fn split(node: &mut Node, cell: Cell) {
    let Kind::Leaf(members) = &mut node.kind else { return };
    let members = std::mem::take(members);
    let mut children = [const { None }; 4];
    for member in members {
        add_to(&mut node.tallies, &member);
        insert_below(&mut children, cell, member);
    }
    node.kind = Kind::Branch(children);
}

fn remove(node: &mut Node, cell: Cell, member: &Member) {
    match &mut node.kind {
        Kind::Leaf(members) => {
            let at = members.iter().position(|m| m == member).expect("the member is where its place says");
            members.swap_remove(at);
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
            let quarter = member.cell(cell.level + 1).quarter();
            let slot = &mut children[quarter];
            let child = slot.as_mut().expect("a member's quarter is there");
            remove(Arc::make_mut(child), cell.child(quarter), member);
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
        Kind::Leaf(members) => summarise_members(members.iter(), matcher),
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

fn summarise_members<'m>(members: impl Iterator<Item = &'m Member>, matcher: &impl Matcher) -> Summary {
    let mut sum = Summary::default();
    for member in members.filter(|m| matcher.key(m.key) && matcher.member(m)) {
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
            let located = members.iter().map(|m| (m.cell(range.level()), m));
            let mut inside: Vec<_> = located.filter(|(c, _)| range.contains(*c)).collect();
            inside.sort_by_key(|(c, m)| (*c, m.no));
            inside.chunk_by(|a, b| a.0 == b.0).all(|same_cell| {
                let sum = summarise_members(same_cell.iter().map(|(_, m)| *m), matcher);
                sum.total.count == 0 || each(same_cell[0].0, sum)
            })
        }
    }
}

fn visit_members(
    node: &Node,
    cell: Cell,
    region: &impl Region,
    matcher: &impl Matcher,
    each: &mut impl FnMut(&Member),
) {
    if !region.may_meet(cell) {
        return;
    }
    match &node.kind {
        Kind::Leaf(members) => members
            .iter()
            .filter(|m| matcher.key(m.key) && region.contains(m.place) && matcher.member(m))
            .for_each(each),
        Kind::Branch(children) => {
            for (quarter, child) in children.iter().enumerate() {
                if let Some(child) = child {
                    visit_members(child, cell.child(quarter), region, matcher, each);
                }
            }
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
            let inside = |m: &&Member| m.cell(wanted.level) == wanted;
            members.iter().filter(inside).filter(|m| matcher.key(m.key) && matcher.member(m)).all(each);
        }
        Kind::Branch(children) => {
            let quarter = wanted.ancestor(at.level + 1).quarter();
            if let Some(child) = &children[quarter] {
                visit_cell_members(child, at.child(quarter), wanted, matcher, each);
            }
        }
    }
}
