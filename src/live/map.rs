//! One moment of everything: incidents, clusters, hotspots, and the newest changes.

use std::borrow::Cow;
use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::cell_range::CellRange;
use super::clocks::{Clocks, LateAlarm};
use super::day::DayCounts;
use super::filter::{AskedAreas, Filter};
use super::forest::Forest;
use super::hotspots::HotspotBoard;
use super::incident::{Incident, MaybeArea, Spot};
use super::keys::{Audience, IdSet, Key, KeySet, StatusSet, USUAL};
use super::member::{AreaBits, Member};
use super::pyramid::{Matcher, Pyramid};
use super::rows::Rows;
use super::search::Finder;
use super::timeline::Timeline;
use super::words::{RecentTexts, Words};
use crate::city::City;
use crate::model::{
    AgencyId, AreaId, Bbox, Cell, Clock, ClockState, Epoch, IdKey, IncidentNo, LEVEL_MAX, LngLat,
    Projection, Seq, TimeMs,
};

/// How many changes the ring holds. A reader further behind gets a snapshot.
pub const RING_CHANGES_MAX: usize = 100_000;

/// An incident changed, or came, or left memory, at `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub seq: Seq,
    pub no: IncidentNo,
    pub opened_at: TimeMs,
    exact_place: LngLat,
    public_place: LngLat,
    exact_area: MaybeArea,
    public_area: MaybeArea,
    /// The public saw it before the change, or sees it after.
    is_public: bool,
    /// Whose it was before the change and is after it; `None` where that is not known any more.
    agencies: Option<[Option<AgencyId>; 2]>,
}

impl Change {
    /// Of an incident as it is after the change, which was an agency's before it as `agencies` says.
    pub(super) fn of(
        seq: Seq,
        incident: &Incident,
        is_public: bool,
        agencies: Option<[Option<AgencyId>; 2]>,
        city: &City,
    ) -> Change {
        Change {
            seq,
            no: incident.no,
            opened_at: incident.opened_at,
            exact_place: incident.exact_place,
            public_place: incident.spot(Projection::Public, city).place,
            exact_area: MaybeArea::of(incident.area(Projection::Staff)),
            public_area: MaybeArea::of(incident.area(Projection::Public)),
            is_public,
            agencies,
        }
    }

    /// Whether readers of the projection may learn of the change at all, not even its id otherwise.
    pub fn is_visible(&self, projection: Projection) -> bool {
        projection != Projection::Public || self.is_public
    }

    pub fn place(&self, projection: Projection) -> LngLat {
        match projection {
            Projection::Public => self.public_place,
            Projection::Staff => self.exact_place,
        }
    }

    /// The area of that place; no change moves an incident to another.
    pub fn area(&self, projection: Projection) -> Option<AreaId> {
        match projection {
            Projection::Public => self.public_area.get(),
            Projection::Staff => self.exact_area.get(),
        }
    }

    /// Whether it was one of these agencies' before the change, or is after it.
    pub fn is_of(&self, agencies: IdSet) -> bool {
        self.agencies.is_some_and(|both| both.iter().flatten().any(|agency| agencies.has(agency.0)))
    }
}

/// The live map at one seq. Clones share everything.
#[derive(Debug, Clone)]
pub struct LiveMap {
    pub(super) city: Arc<City>,
    pub(super) ids: Arc<IdKey>,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) now: TimeMs,
    pub(super) incidents: Rows,
    /// Those that others absorbed, as they were then: for a split. The one that absorbed them in the end is
    /// among `incidents`.
    pub(super) absorbed: OrdMap<IncidentNo, Incident>,
    /// Of `absorbed`.
    pub(super) forest: Forest,
    /// Of both projections.
    pub(super) pyramid: Pyramid,
    pub(super) staff_hotspots: HotspotBoard,
    pub(super) public_hotspots: HotspotBoard,
    /// All incidents by opening: the order of lists.
    pub(super) by_opened: Timeline,
    /// Open incidents with a deadline that has not passed.
    pub(super) by_due: Timeline,
    /// Of open incidents.
    pub(super) clocks: Clocks,
    /// Closed incidents by the time of closing; empty where they are kept for ever.
    pub(super) by_closed: Timeline,
    /// Incidents resolved today, by the time that counts for the day's figures.
    pub(super) by_resolved: Timeline,
    /// The city's day that `now` lies in: from, and to but not with.
    pub(super) day: (TimeMs, TimeMs),
    /// Of that day, of all incidents in memory.
    pub(super) day_counts: DayCounts,
    pub(super) texts: RecentTexts,
    /// Oldest first.
    pub(super) changes: Vector<Change>,
    /// `changes` holds everything after this seq.
    pub(super) changes_from: Seq,
    /// The ring knows whose an incident was from here on: a start does not find out what was before it.
    pub(super) agencies_from: Seq,
    /// Seq of the newest entry that began a new day in the city.
    pub(super) day_seq: Seq,
}

impl LiveMap {
    pub fn city(&self) -> &Arc<City> {
        &self.city
    }

    pub fn ids(&self) -> &IdKey {
        &self.ids
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest entry applied.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The newest entry's time: the now of deadlines, windows and days.
    pub fn now(&self) -> TimeMs {
        self.now
    }

    pub fn incident(&self, no: IncidentNo) -> Option<&Incident> {
        self.incidents.get(no)
    }

    /// The clock of an open incident, and what it reads.
    pub fn clock(&self, no: IncidentNo) -> Option<(&Clock, ClockState)> {
        self.clocks.get(no).map(|clock| (clock, clock.state_at(self.now)))
    }

    /// The clocks of open incidents, by number.
    pub fn clocks(&self) -> impl Iterator<Item = (IncidentNo, &Clock)> {
        self.clocks.iter()
    }

    /// Alarms of what is late, raised after `since`, oldest first.
    pub fn late_alarms_since(&self, since: Seq) -> impl Iterator<Item = &LateAlarm> {
        self.clocks.alarms_since(since)
    }

    /// The entry that raised the newest of them; `Seq(0)` where there was none.
    pub fn newest_late_alarm(&self) -> Seq {
        self.clocks.newest_alarm()
    }

    pub fn incident_count(&self) -> usize {
        self.incidents.len()
    }

    pub fn hotspots(&self, projection: Projection) -> &HotspotBoard {
        match projection {
            Projection::Public => &self.public_hotspots,
            Projection::Staff => &self.staff_hotspots,
        }
    }

    /// Changes of incidents after `since` that the projection may know of, newest first.
    pub fn changes_since(&self, projection: Projection, since: Seq) -> impl Iterator<Item = &Change> {
        let newer = self.changes.iter().rev().take_while(move |change| change.seq > since);
        newer.filter(move |change| change.is_visible(projection))
    }

    /// Whether the ring still knows everything after `since`.
    pub fn reaches_back_to(&self, since: Seq) -> bool {
        since >= self.changes_from
    }

    /// Whether of everything after `since` it is known whose it was.
    pub fn knows_agencies_since(&self, since: Seq) -> bool {
        since >= self.agencies_from
    }

    /// Whether a new day began in the city after `since`.
    pub fn day_began_since(&self, since: Seq) -> bool {
        self.day_seq > since
    }

    pub(super) fn matcher<'a>(&'a self, filter: &'a Filter, projection: Projection) -> MapMatcher<'a> {
        let (keys, is_by_key) = (filter.keys(projection), filter.is_by_key());
        MapMatcher {
            map: self,
            filter,
            projection,
            keys,
            span: keys.span(),
            usual: USUAL.iter().position(|usual| *usual == keys),
            is_by_key,
            is_by_key_and_place: filter.is_by_key_and_place(),
            areas: filter.area_bits(self.city.areas.iter().map(|(id, _)| id)),
            bounds: filter
                .within
                .as_ref()
                .map(|within| CellRange::of(&bbox_of(&within.bounds()), LEVEL_MAX)),
            finder: Finder::new(self, projection, &filter.words),
        }
    }

    /// The words as of this moment.
    pub(super) fn words_now<'a>(&self, words: &'a Words) -> Cow<'a, Words> {
        if words.is_empty() || words.holders().1 >= self.seq || !words.can_go_on(&self.texts) {
            return Cow::Borrowed(words);
        }
        let mut words = words.clone();
        words.go_on(&self.texts, self.seq);
        Cow::Owned(words)
    }

    /// Brings the words of a running search up to this moment; `false` where they must be looked up
    /// in the journal first.
    pub fn carry_on(&self, words: &mut Words) -> bool {
        let can = words.can_go_on(&self.texts);
        if can {
            words.go_on(&self.texts, self.seq);
        }
        can
    }

    /// Whether [`LiveMap::carry_on`] can.
    pub fn can_carry_on(&self, words: &Words) -> bool {
        words.can_go_on(&self.texts)
    }

    /// What the pyramid holds of an incident: where the public sees it at a coarse place, that is a member of
    /// its own.
    pub(super) fn members(incident: &Incident, city: &City) -> impl Iterator<Item = Member> + use<> {
        let public = || incident.spot(Projection::Public, city);
        LiveMap::members_at(incident, incident.is_visible(Projection::Public).then(public))
    }

    /// The same, with the spot where the public sees it, if it does.
    pub(super) fn members_at(
        incident: &Incident,
        public: Option<Spot>,
    ) -> impl Iterator<Item = Member> + use<> {
        let exact = Spot { place: incident.exact_place, area: incident.area(Projection::Staff) };
        let coarse = public.filter(|spot| *spot != exact);
        let audience = if coarse.is_some() { Audience::Staff } else { Audience::Everybody };
        let coarse = coarse.map(|spot| Member::of(incident, spot, Audience::Public));
        [Member::of(incident, exact, audience)].into_iter().chain(coarse)
    }

    /// The member of an incident that the projection sees, as if it sees it.
    pub(super) fn member(incident: &Incident, projection: Projection, city: &City) -> Member {
        Member::of(incident, incident.spot(projection, city), Audience::Everybody)
    }
}

/// A filter bound to a map.
pub(super) struct MapMatcher<'a> {
    map: &'a LiveMap,
    filter: &'a Filter,
    projection: Projection,
    keys: KeySet,
    span: (Key, Key),
    usual: Option<usize>,
    is_by_key: bool,
    is_by_key_and_place: bool,
    areas: Option<AskedAreas>,
    /// The deepest cells that a drawn polygon may touch.
    bounds: Option<CellRange>,
    finder: Finder<'a>,
}

impl MapMatcher<'_> {
    /// Whether the incident matches, its visibility in the projection included.
    pub fn incident(&self, incident: &Incident) -> bool {
        let key = Key::of(incident, Audience::Everybody);
        if !self.keys.has(key) {
            return false;
        }
        let city = &self.map.city;
        (self.is_by_key || self.filter.matches_columns(&LiveMap::member(incident, self.projection, city)))
            && self.is_escalated(incident.no)
            && self.finder.find(incident).is_some()
    }

    fn is_escalated(&self, no: IncidentNo) -> bool {
        let level = || self.map.clock(no).map_or(0, |(_, state)| state.escalation());
        self.filter.escalation.is_none_or(|least| level() >= least)
    }
}

impl Matcher for MapMatcher<'_> {
    fn key(&self, key: Key) -> bool {
        self.keys.has(key)
    }

    fn member(&self, member: &Member) -> bool {
        self.is_by_key
            || self.filter.matches_columns(member)
                && self.is_escalated(member.no)
                && (self.filter.words.is_empty()
                    || self
                        .map
                        .incident(member.no)
                        .is_some_and(|incident| self.finder.find(incident).is_some()))
    }

    fn is_by_key(&self) -> bool {
        self.is_by_key
    }

    fn usual(&self) -> Option<usize> {
        self.usual
    }

    fn span(&self) -> (Key, Key) {
        self.span
    }

    fn statuses(&self) -> StatusSet {
        self.keys.statuses()
    }

    fn may_match(&self, cell: Cell, areas: AreaBits) -> bool {
        self.areas.is_none_or(|asked| asked.some.meets(areas))
            && self.bounds.as_ref().is_none_or(|bounds| bounds.meets(cell))
    }

    fn takes_all(&self, cell: Cell, areas: AreaBits) -> bool {
        self.is_by_key
            || self.is_by_key_and_place
                && self.areas.is_none_or(|asked| asked.whole.holds(areas))
                && self.filter.within.as_ref().is_none_or(|within| within.covers(cell))
    }
}

/// The box that a rectangle is.
pub(super) fn bbox_of(rect: &geo_types::Rect<f64>) -> Bbox {
    let (min, max) = (rect.min(), rect.max());
    Bbox::new(min.x, min.y, max.x, max.y).unwrap_or(Bbox::WORLD)
}
