//! What a cell knows of its incidents: members by key, and their sums.

use crate::model::{AgencyId, CategoryId, Cell, IncidentNo, LEVEL_MAX, LngLat, Status};

use super::incident::Incident;

/// Levels of cells, then two bits of the number each: no two members share the last one.
pub(super) const DEPTH_MAX: u8 = LEVEL_MAX + 16;

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
    pub(super) fn cell(&self, level: u8) -> Cell {
        Cell { level: LEVEL_MAX, x: self.x, y: self.y }.ancestor(level)
    }

    /// Which quarter of a node at `depth` it lies in.
    pub(super) fn quarter(&self, depth: u8) -> usize {
        if depth < LEVEL_MAX {
            return self.cell(depth + 1).quarter();
        }
        let shift = 2 * (DEPTH_MAX - 1 - depth);
        (self.no.0 >> shift & 3) as usize
    }

    /// The order in which the tree holds its members.
    pub(super) fn order(&self) -> (u64, IncidentNo) {
        (curve(self.x, self.y), self.no)
    }

    pub(super) fn is_in(&self, cell: Cell) -> bool {
        self.cell(cell.level) == cell
    }
}

/// A place on the curve that visits the quarters of every cell one after another (Morton, 1966).
pub(super) fn curve(x: u32, y: u32) -> u64 {
    spread(x) | spread(y) << 1
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
    pub(super) fn add(&mut self, m: &Member) {
        self.count += 1;
        self.reports += m.reports;
        self.lng_e7 += i64::from(m.place.lng_e7());
        self.lat_e7 += i64::from(m.place.lat_e7());
    }

    pub(super) fn subtract(&mut self, m: &Member) {
        self.count -= 1;
        self.reports -= m.reports;
        self.lng_e7 -= i64::from(m.place.lng_e7());
        self.lat_e7 -= i64::from(m.place.lat_e7());
    }

    pub(super) fn add_all(&mut self, other: &Tally) {
        self.count += other.count;
        self.reports += other.reports;
        self.lng_e7 += other.lng_e7;
        self.lat_e7 += other.lat_e7;
    }
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
    pub(super) fn add(&mut self, key: Key, tally: &Tally) {
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

    pub(super) fn add_member(&mut self, member: &Member) {
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
