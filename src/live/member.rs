//! An incident as the pyramid holds it: where it is, and by what it is counted.

use super::incident::{Incident, MaybeArea, Spot};
use super::keys::{Audience, Key};
use crate::model::{AreaId, Cell, IncidentNo, LEVEL_MAX, LngLat, TimeMs};

/// Levels of cells, then two bits of the number each: below the last one are only the two members of
/// one incident.
pub(super) const DEPTH_MAX: u8 = LEVEL_MAX + 16;

/// A set of areas, or a larger one: an area's bit is its number by 127; the last bit is of lying in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AreaBits(u128);

const IN_NONE: u32 = 127;

impl AreaBits {
    pub fn add(&mut self, area: Option<AreaId>) {
        self.0 |= 1 << area.map_or(IN_NONE, |area| u32::from(area.0) % IN_NONE);
    }

    pub fn add_all(&mut self, areas: AreaBits) {
        self.0 |= areas.0;
    }

    pub fn meets(self, other: AreaBits) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of the other set is in this one.
    pub fn holds(self, other: AreaBits) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in this set and not in the other.
    pub fn without(self, other: AreaBits) -> AreaBits {
        AreaBits(self.0 & !other.0)
    }
}

/// There is one for each incident, two where its category is sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub no: IncidentNo,
    pub place: LngLat,
    code: [u32; 2],
    pub opened_at: TimeMs,
    pub key: Key,
    pub reports: u32,
    area: MaybeArea,
}

/// A member without its key and its time, which leaves keep apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    no: IncidentNo,
    place: LngLat,
    code: [u32; 2],
    reports: u32,
    area: MaybeArea,
}

impl Rest {
    pub fn of(member: &Member) -> Rest {
        let Member { no, place, code, opened_at: _, key: _, reports, area } = *member;
        Rest { no, place, code, reports, area }
    }

    pub fn with(&self, key: Key, opened_at: TimeMs) -> Member {
        let Rest { no, place, code, reports, area } = *self;
        Member { no, place, code, opened_at, key, reports, area }
    }

    /// Where its cell of `level` is on the curve of that level.
    pub fn code_at(&self, level: u8) -> u64 {
        whole(self.code) >> (2 * (LEVEL_MAX - level))
    }

    /// The cell of `level` that it lies in.
    pub fn cell(&self, level: u8) -> Cell {
        let code = self.code_at(level);
        Cell { level, x: gather(code), y: gather(code >> 1) }
    }

    /// As [`Member::order`], but that the two members of one incident are equal.
    pub fn order(&self) -> (u64, IncidentNo) {
        (whole(self.code), self.no)
    }
}

impl Member {
    pub fn of(incident: &Incident, spot: Spot, audience: Audience) -> Member {
        let Cell { x, y, .. } = Cell::at(spot.place, LEVEL_MAX);
        Member {
            no: incident.no,
            place: spot.place,
            code: halves(curve(x, y)),
            opened_at: incident.opened_at,
            key: Key::of(incident, audience),
            reports: incident.reports,
            area: MaybeArea::of(spot.area),
        }
    }

    /// Where its deepest cell is on the curve.
    pub fn code(&self) -> u64 {
        whole(self.code)
    }

    pub fn area(&self) -> Option<AreaId> {
        self.area.get()
    }

    /// Which quarter of a node at `depth` it lies in.
    pub(super) fn quarter(&self, depth: u8) -> usize {
        if depth < LEVEL_MAX {
            return (self.code() >> (2 * (LEVEL_MAX - 1 - depth)) & 3) as usize;
        }
        let shift = 2 * (DEPTH_MAX - 1 - depth);
        (self.no.0 >> shift & 3) as usize
    }

    /// The order in which the tree holds its members.
    pub(super) fn order(&self) -> (u64, IncidentNo, u32) {
        (self.code(), self.no, self.key.audience())
    }
}

fn halves(n: u64) -> [u32; 2] {
    [(n >> 32) as u32, n as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// A place on the curve that visits the quarters of every cell one after another (Morton, 1966).
pub(super) fn curve(x: u32, y: u32) -> u64 {
    spread(x) | spread(y) << 1
}

const MASKS: [(u32, u64); 5] = [
    (16, 0x0000_FFFF_0000_FFFF),
    (8, 0x00FF_00FF_00FF_00FF),
    (4, 0x0F0F_0F0F_0F0F_0F0F),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

/// Moves the bits of `n` apart, a zero between each two.
fn spread(n: u32) -> u64 {
    MASKS.iter().fold(u64::from(n), |n, (shift, mask)| (n | n << shift) & mask)
}

/// Moves every second bit of `n` together again, from the lowest on.
fn gather(n: u64) -> u32 {
    let n = n & MASKS[4].1;
    let together = MASKS.windows(2).rev().fold(n, |n, pair| {
        let ((_, mask), shift) = (pair[0], pair[1].0);
        (n | n >> shift) & mask
    });
    (together | together >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_leads_back_to_the_cell() {
        for (x, y) in
            [(0, 0), (1, 0), (0, 1), (0x7F_FFFF, 0), (0x55_5555, 0x2A_AAAA), (0x7F_FFFF, 0x12_3456)]
        {
            let code = curve(x, y);
            assert_eq!((gather(code), gather(code >> 1)), (x, y));
        }
    }

    #[test]
    fn a_member_has_40_bytes() {
        assert_eq!(size_of::<Rest>() + size_of::<TimeMs>() + size_of::<Key>(), 40);
    }
}
