//! By what incidents are counted, and sets of it: what a filter asks of a cell's tallies.

use super::incident::Incident;
use crate::model::{AgencyId, CategoryId, Disposition, Projection, Status};

/// A set of category or agency ids as bits: both have at most 64 members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdSet(u64);

impl IdSet {
    pub const ALL: IdSet = IdSet(u64::MAX);

    pub fn of_categories(ids: impl IntoIterator<Item = CategoryId>) -> IdSet {
        IdSet(ids.into_iter().fold(0, |bits, id| bits | 1 << id.0))
    }

    pub fn of_agencies(ids: impl IntoIterator<Item = AgencyId>) -> IdSet {
        IdSet(ids.into_iter().fold(0, |bits, id| bits | 1 << id.0))
    }

    pub fn has(self, id: u8) -> bool {
        self.0 >> id & 1 == 1
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: IdSet) -> IdSet {
        IdSet(self.0 & other.0)
    }
}

/// A set of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusSet(u8);

impl StatusSet {
    pub const OPEN: StatusSet = StatusSet(0b00111);
    pub const ALL: StatusSet = StatusSet(0b11111);
    /// What the center has confirmed: the public sees no other.
    pub const PUBLIC: StatusSet = StatusSet(
        1 << Status::Verified as u8 | 1 << Status::InProgress as u8 | 1 << Status::Resolved as u8,
    );

    pub fn of(statuses: impl IntoIterator<Item = Status>) -> StatusSet {
        StatusSet(statuses.into_iter().fold(0, |bits, s| bits | 1 << s as u8))
    }

    pub const fn has(self, status: Status) -> bool {
        self.0 >> status as u8 & 1 == 1
    }

    const fn and(self, other: StatusSet) -> StatusSet {
        StatusSet(self.0 & other.0)
    }
}

/// Who sees an incident where a member stands. One whose category is sensitive has two members: the
/// exact one and, where the public sees it at all, the coarse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// The public too, if the status is one that it sees.
    Everybody,
    Staff,
    Public,
}

/// What tallies are kept by: category, status, agency, overdue, drill, audience, returned, disposition. In their order
/// those of one category stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

const STATUS: u32 = 0;
const AGENCY: u32 = 3;
const OVERDUE: u32 = 10;
const DRILL: u32 = 11;
const AUDIENCE: u32 = 12;
const RETURNED: u32 = 14;
/// 0 for none, else one more than the disposition's number.
const DISPOSITION: u32 = 15;
const CATEGORY: u32 = 26;
const NO_AGENCY: u32 = 64;

impl Key {
    pub fn of(incident: &Incident, audience: Audience) -> Key {
        let agency = incident.agency.map_or(NO_AGENCY, |a| u32::from(a.0));
        Key(u32::from(incident.category.0) << CATEGORY
            | (incident.status as u32) << STATUS
            | agency << AGENCY
            | u32::from(incident.overdue) << OVERDUE
            | u32::from(incident.drill) << DRILL
            | (audience as u32) << AUDIENCE
            | u32::from(incident.returned) << RETURNED
            | incident.disposition.map_or(0, |disposition| disposition as u32 + 1) << DISPOSITION)
    }

    pub fn category(self) -> CategoryId {
        CategoryId((self.0 >> CATEGORY) as u8)
    }

    pub fn status(self) -> usize {
        (self.0 >> STATUS & 7) as usize
    }

    pub fn overdue(self) -> bool {
        self.0 >> OVERDUE & 1 == 1
    }

    pub fn audience(self) -> u32 {
        self.0 >> AUDIENCE & 3
    }
}

/// A set of keys: of each part, some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySet {
    categories: IdSet,
    agencies: IdSet,
    /// A bit: whether those with no agency are in it.
    no_agency: u8,
    statuses: StatusSet,
    /// A bit for no, a bit for yes; so is `drill`.
    overdue: u8,
    drill: u8,
    returned: u8,
    /// As bits.
    audiences: u8,
    /// As bits; the lowest for none.
    dispositions: u8,
}

impl KeySet {
    /// Those with one of these statuses that the projection sees.
    pub const fn of_statuses(statuses: StatusSet, projection: Projection) -> KeySet {
        let (seen, audience) = match projection {
            Projection::Staff => (StatusSet::ALL, Audience::Staff),
            Projection::Public => (StatusSet::PUBLIC, Audience::Public),
        };
        KeySet {
            categories: IdSet::ALL,
            agencies: IdSet::ALL,
            no_agency: 1,
            statuses: statuses.and(seen),
            overdue: 0b11,
            drill: 0b11,
            returned: 0b11,
            audiences: 1 << Audience::Everybody as u8 | 1 << audience as u8,
            dispositions: u8::MAX,
        }
    }

    pub fn with_categories(self, categories: IdSet) -> KeySet {
        KeySet { categories, ..self }
    }

    /// Only those with one of these agencies.
    pub fn with_agencies(self, agencies: IdSet) -> KeySet {
        KeySet { agencies, no_agency: 0, ..self }
    }

    pub fn with_overdue(self, overdue: bool) -> KeySet {
        KeySet { overdue: 1 << u8::from(overdue), ..self }
    }

    /// Of those that are in the set the overdue ones.
    pub fn without_those_in_time(self) -> KeySet {
        KeySet { overdue: self.overdue & 0b10, ..self }
    }

    pub const fn with_drill(self, drill: bool) -> KeySet {
        KeySet { drill: 1 << drill as u8, ..self }
    }

    pub fn with_returned(self, returned: bool) -> KeySet {
        KeySet { returned: 1 << u8::from(returned), ..self }
    }

    pub fn with_disposition(self, disposition: Disposition) -> KeySet {
        KeySet { dispositions: 2 << disposition as u8, ..self }
    }

    /// The least and the greatest that may be in it.
    pub fn span(&self) -> (Key, Key) {
        let IdSet(bits) = self.categories;
        let (least, greatest) = (bits.trailing_zeros().min(63), bits.checked_ilog2().unwrap_or(0));
        (Key(least << CATEGORY), Key(greatest << CATEGORY | ((1 << CATEGORY) - 1)))
    }

    /// Their statuses.
    pub fn statuses(&self) -> StatusSet {
        self.statuses
    }

    pub fn has(&self, key: Key) -> bool {
        let part = |set: u8, shift: u32, bits: u32| u32::from(set) >> (key.0 >> shift & bits);
        let category = (self.categories.0 >> (key.0 >> CATEGORY)) as u32;
        // Most of what a look for few meets fails here.
        if category & part(self.statuses.0, STATUS, 7) & 1 == 0 {
            return false;
        }
        let small =
            part(self.overdue, OVERDUE, 1) & part(self.drill, DRILL, 1) & part(self.audiences, AUDIENCE, 3);
        let small = small & part(self.returned, RETURNED, 1) & part(self.dispositions, DISPOSITION, 7);
        let agency = key.0 >> AGENCY & 0x7F;
        let agency = if agency == NO_AGENCY { self.no_agency.into() } else { self.agencies.0 >> agency };
        small & agency as u32 & 1 == 1
    }
}

/// What nearly every page asks: branches know the answer without looking through their groups.
pub const USUAL: [KeySet; 4] = [
    KeySet::of_statuses(StatusSet::OPEN, Projection::Staff),
    KeySet::of_statuses(StatusSet::ALL, Projection::Staff),
    KeySet::of_statuses(StatusSet::OPEN, Projection::Public).with_drill(false),
    KeySet::of_statuses(StatusSet::ALL, Projection::Public).with_drill(false),
];
