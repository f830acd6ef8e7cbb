//! One incident as the live map holds it: columns of fixed size, no text.

use std::fmt;

use super::keys::StatusSet;
use crate::city::City;
use crate::journal::IncidentRow;
use crate::model::{
    ActionFact, AgencyId, AreaId, CategoryId, Disposition, IncidentNo, LngLat, MergeFact, Projection,
    ReportFact, Status, TimeMs,
};

/// Where an incident is, as one projection sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    pub place: LngLat,
    /// The finest area that holds the place.
    pub area: Option<AreaId>,
}

/// 64 bytes: at ten million incidents every one of them counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incident {
    pub no: IncidentNo,
    /// Never shown to the public where the category is sensitive.
    pub(super) exact_place: LngLat,
    pub(super) exact_area: MaybeArea,
    /// Where the place is coarsened for the public, the area of that.
    pub(super) public_area: MaybeArea,
    pub category: CategoryId,
    pub status: Status,
    pub agency: Option<AgencyId>,
    /// Its own, and those of incidents that it absorbed.
    pub reports: u32,
    /// Distinct senders of these; 65,535 stands for more.
    pub reporters: u16,
    /// Counts every change, from 1.
    pub version: u32,
    pub opened_at: TimeMs,
    pub updated_at: TimeMs,
    pub(super) due_at: MaybeTime,
    pub(super) closed_at: MaybeTime,
    pub closed_by_import: bool,
    /// Open, and its deadline is not later than the live map's now.
    pub overdue: bool,
    pub drill: bool,
    pub imported: bool,
    /// An agency sent it back, and nobody has it yet.
    pub returned: bool,
    /// While it is rejected, where anybody said what it was.
    pub disposition: Option<Disposition>,
}

impl Incident {
    /// The incident that a report opens.
    ///
    /// # Panics
    /// Where the report joined an incident instead.
    pub fn opened_by(fact: &ReportFact, at: TimeMs, city: &City) -> Incident {
        let opening = fact.opens.expect("the report opens an incident");
        let exact = Spot { place: fact.place, area: fact.area };
        Incident {
            no: fact.incident,
            exact_place: fact.place,
            exact_area: MaybeArea::of(fact.area),
            public_area: MaybeArea::of(public_spot(exact, fact.category, city).area),
            category: fact.category,
            status: opening.status,
            agency: opening.agency,
            reports: 1,
            reporters: 1,
            version: 1,
            opened_at: opening.opened_at,
            updated_at: if fact.imported { opening.opened_at } else { at },
            due_at: MaybeTime::of(opening.due_at),
            closed_at: MaybeTime::of((!opening.status.is_open()).then_some(at)),
            closed_by_import: !opening.status.is_open(),
            overdue: false,
            drill: fact.drill,
            imported: fact.imported,
            returned: false,
            disposition: None,
        }
    }

    pub fn from_row(row: &IncidentRow, city: &City) -> Incident {
        let exact = Spot { place: row.place, area: row.area };
        Incident {
            no: row.no,
            exact_place: row.place,
            exact_area: MaybeArea::of(row.area),
            public_area: MaybeArea::of(public_spot(exact, row.category, city).area),
            category: row.category,
            status: row.status,
            agency: row.agency,
            reports: row.reports,
            reporters: reporters(row.reporters),
            version: row.version,
            opened_at: row.opened_at,
            updated_at: row.updated_at,
            due_at: MaybeTime::of(row.due_at),
            closed_at: MaybeTime::of(row.closed_at),
            closed_by_import: row.closed_by_import,
            overdue: false,
            drill: row.drill,
            imported: row.imported,
            returned: row.standing.returned,
            disposition: row.standing.disposition,
        }
    }

    /// The incident at another place of the same area.
    pub(super) fn moved_to(&self, place: LngLat, city: &City) -> Incident {
        let exact = Spot { place, area: self.exact_area.get() };
        let public_area = MaybeArea::of(public_spot(exact, self.category, city).area);
        Incident { exact_place: place, public_area, ..*self }
    }

    pub fn joined_by_report(&mut self, fact: &ReportFact, at: TimeMs) {
        self.reports += 1;
        self.reporters = self.reporters.saturating_add(u16::from(!fact.again));
        self.touch(at);
    }

    pub fn acted_on(&mut self, fact: &ActionFact, at: TimeMs) {
        self.status = fact.to;
        self.agency = fact.agency;
        self.due_at = MaybeTime::of(fact.due_at);
        self.returned = fact.returned_after(self.returned);
        self.disposition = fact.disposition_after(self.disposition);
        if fact.from.is_open() != fact.to.is_open() {
            self.closed_at = MaybeTime::of((!fact.to.is_open()).then_some(at));
            self.closed_by_import = false;
        }
        self.touch(at);
    }

    pub(super) fn absorbed(&mut self, fact: &MergeFact, at: TimeMs) {
        self.reports += fact.reports;
        self.reporters = reporters(fact.reporters);
        self.touch(at);
    }

    pub(super) fn let_go(&mut self, fact: &MergeFact, at: TimeMs) {
        self.reports -= fact.reports;
        self.reporters = reporters(fact.reporters);
        self.touch(at);
    }

    pub(super) fn touch(&mut self, at: TimeMs) {
        self.version += 1;
        self.updated_at = at;
    }

    pub fn due_at(&self) -> Option<TimeMs> {
        self.due_at.get()
    }

    /// Time of the closing entry while the incident is closed.
    pub fn closed_at(&self) -> Option<TimeMs> {
        self.closed_at.get()
    }

    /// Whether the deadline has passed at `now`.
    pub fn is_overdue_at(&self, now: TimeMs) -> bool {
        self.status.is_open() && self.due_at().is_some_and(|due_at| due_at <= now)
    }

    /// When it was resolved, if it is: for the counters of a day. Imports carry their own times.
    pub fn resolved_at(&self) -> Option<TimeMs> {
        let resolved = self.status == Status::Resolved;
        let at = if self.closed_by_import { Some(self.opened_at) } else { self.closed_at() };
        at.filter(|_| resolved)
    }

    /// Where readers of the projection may see it: coarsened for the public where the category is
    /// sensitive.
    pub fn spot(&self, projection: Projection, city: &City) -> Spot {
        self.spot_by(projection, city, |exact| exact.coarsened(city.coarse_res))
    }

    /// The same, with what is known of coarse places.
    pub(super) fn spot_by(
        &self,
        projection: Projection,
        city: &City,
        coarsened: impl FnOnce(LngLat) -> LngLat,
    ) -> Spot {
        let is_coarse = projection == Projection::Public && city.category(self.category).sensitive;
        let place = if is_coarse { coarsened(self.exact_place) } else { self.exact_place };
        Spot { place, area: self.area(projection) }
    }

    /// The finest area that holds the place where readers of the projection may see it.
    pub fn area(&self, projection: Projection) -> Option<AreaId> {
        match projection {
            Projection::Public => self.public_area.get(),
            Projection::Staff => self.exact_area.get(),
        }
    }

    /// Whether readers of the projection may know of it at all.
    pub fn is_visible(&self, projection: Projection) -> bool {
        match projection {
            Projection::Public => is_public(self.status),
            Projection::Staff => true,
        }
    }
}

/// As many as the column holds.
pub(super) fn reporters(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// An `Option<TimeMs>` in six bytes, which are enough from the year -2490 to 6429; what lies beyond becomes that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MaybeTime([u8; 6]);

impl MaybeTime {
    const MAX: i64 = (1 << 47) - 1;
    const NONE: i64 = -MaybeTime::MAX - 1;

    pub fn of(at: Option<TimeMs>) -> MaybeTime {
        let ms = at.map_or(MaybeTime::NONE, |at| at.0.clamp(-MaybeTime::MAX, MaybeTime::MAX));
        let [a, b, c, d, e, f, ..] = ms.to_le_bytes();
        MaybeTime([a, b, c, d, e, f])
    }

    pub fn get(self) -> Option<TimeMs> {
        let [a, b, c, d, e, f] = self.0;
        // The sign is in the highest of the six.
        let ms = i64::from_le_bytes([0, 0, a, b, c, d, e, f]) >> 16;
        (ms != MaybeTime::NONE).then_some(TimeMs(ms))
    }
}

impl fmt::Debug for MaybeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// An `Option<AreaId>` of half its size.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MaybeArea(AreaId);

impl MaybeArea {
    const NONE: AreaId = AreaId(u16::MAX);

    pub fn of(area: Option<AreaId>) -> MaybeArea {
        MaybeArea(area.unwrap_or(MaybeArea::NONE))
    }

    pub fn get(self) -> Option<AreaId> {
        (self.0 != MaybeArea::NONE).then_some(self.0)
    }
}

impl fmt::Debug for MaybeArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Whether the public sees incidents of this status.
pub fn is_public(status: Status) -> bool {
    StatusSet::PUBLIC.has(status)
}

/// The spot that the public may see of something in this category.
pub fn public_spot(exact: Spot, category: CategoryId, city: &City) -> Spot {
    spot_for_public(exact, city.category(category).sensitive, city)
}

/// The spot that the public may see of something `sensitive` or not.
pub fn spot_for_public(exact: Spot, sensitive: bool, city: &City) -> Spot {
    if !sensitive {
        return exact;
    }
    let place = exact.place.coarsened(city.coarse_res);
    Spot { place, area: city.areas.locate(place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_64_bytes_and_keeps_its_times() {
        assert_eq!(size_of::<Incident>(), 64);
        for at in [0, 1, -1, 1_795_000_000_000, -62_135_596_800_000, MaybeTime::MAX, -MaybeTime::MAX] {
            assert_eq!(MaybeTime::of(Some(TimeMs(at))).get(), Some(TimeMs(at)));
        }
        assert_eq!(MaybeTime::of(None).get(), None);
        assert_eq!(MaybeTime::of(Some(TimeMs::MAX)).get(), Some(TimeMs(MaybeTime::MAX)));
        assert_eq!(MaybeTime::of(Some(TimeMs::MIN)).get(), Some(TimeMs(-MaybeTime::MAX)));
        assert_eq!((reporters(7), reporters(70_000)), (7, 65_535));
    }
}
