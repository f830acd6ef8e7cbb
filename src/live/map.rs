//! One moment of everything: incidents, clusters, hotspots, and the newest changes.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};

use super::filter::Filter;
use super::hotspots::HotspotBoard;
use super::incident::Incident;
use super::pyramid::{Key, Matcher, Member, Pyramid};
use crate::city::City;
use crate::model::{Epoch, IdKey, IncidentNo, LngLat, Projection, Seq, TimeMs};

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
    /// The public saw it before the change, or sees it after.
    is_public: bool,
}

impl Change {
    pub(super) fn of(seq: Seq, incident: &Incident, is_public: bool) -> Change {
        Change {
            seq,
            no: incident.no,
            opened_at: incident.opened_at,
            exact_place: incident.exact.place,
            public_place: incident.public.place,
            is_public,
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
}

/// What one projection is shown: its pyramid and its hotspots.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub pyramid: Pyramid,
    pub hotspots: HotspotBoard,
}

/// The live map at one seq. Clones share everything.
#[derive(Debug, Clone)]
pub struct LiveMap {
    pub(super) city: Arc<City>,
    pub(super) ids: Arc<IdKey>,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) now: TimeMs,
    pub(super) incidents: OrdMap<IncidentNo, Incident>,
    pub(super) staff: Layer,
    pub(super) public: Layer,
    /// All incidents by opening: the order of lists.
    pub(super) by_opened: OrdSet<(TimeMs, IncidentNo)>,
    /// Open incidents with a deadline that has not passed.
    pub(super) by_due: OrdSet<(TimeMs, IncidentNo)>,
    /// Closed incidents by the time of closing.
    pub(super) by_closed: OrdSet<(TimeMs, IncidentNo)>,
    /// Incidents resolved today, by the time that counts for the day's figures.
    pub(super) by_resolved: OrdSet<(TimeMs, IncidentNo)>,
    /// The city's day that `now` lies in: from, and to but not with.
    pub(super) day: (TimeMs, TimeMs),
    /// Lower-case texts of reports, by incident and report seq.
    pub(super) texts: OrdMap<(IncidentNo, Seq), Arc<str>>,
    /// Oldest first.
    pub(super) changes: Vector<Change>,
    /// `changes` holds everything after this seq.
    pub(super) changes_from: Seq,
    /// Seq of the newest entry that began a new day in the city.
    pub(super) day_seq: Seq,
}

/// An alarm with the seq of the tick that raised it.
pub type Alarm = super::hotspots::HotspotEvent;

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
        self.incidents.get(&no)
    }

    pub fn incident_count(&self) -> usize {
        self.incidents.len()
    }

    pub fn hotspots(&self, projection: Projection) -> &HotspotBoard {
        &self.layer(projection).hotspots
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

    /// Whether a new day began in the city after `since`.
    pub fn day_began_since(&self, since: Seq) -> bool {
        self.day_seq > since
    }

    pub(super) fn layer(&self, projection: Projection) -> &Layer {
        match projection {
            Projection::Public => &self.public,
            Projection::Staff => &self.staff,
        }
    }

    pub(super) fn matcher<'a>(&'a self, filter: &'a Filter, projection: Projection) -> MapMatcher<'a> {
        MapMatcher { map: self, filter, projection, is_by_key: filter.is_by_key() }
    }

    /// Whether the incident matches, its visibility in the projection included.
    pub fn matches(&self, incident: &Incident, filter: &Filter, projection: Projection) -> bool {
        incident.is_visible(projection)
            && filter.matches_key(Key::of(incident))
            && filter.matches_columns(incident, projection)
            && self.matches_words(incident, filter, projection)
    }

    fn matches_words(&self, incident: &Incident, filter: &Filter, projection: Projection) -> bool {
        if filter.words.is_empty() {
            return true;
        }
        let title = self.title(incident, projection);
        let title = format!("{} {}", title.id, title.en).to_lowercase();
        let texts: Vec<&str> = match projection {
            // The public must not find by search what it is not shown.
            Projection::Public => Vec::new(),
            Projection::Staff => self.texts_of(incident.no).collect(),
        };
        filter.words.iter().all(|word| title.contains(word) || texts.iter().any(|text| text.contains(word)))
    }

    fn texts_of(&self, no: IncidentNo) -> impl Iterator<Item = &str> {
        let range = (Bound::Included((no, Seq(0))), Bound::Included((no, Seq(u64::MAX))));
        self.texts.range(range).map(|(_, text)| &**text)
    }

    pub(super) fn member(incident: &Incident, projection: Projection) -> Member {
        Member::of(incident, incident.spot(projection).place)
    }
}

/// A filter bound to a map, for the pyramid.
pub(super) struct MapMatcher<'a> {
    map: &'a LiveMap,
    filter: &'a Filter,
    projection: Projection,
    is_by_key: bool,
}

impl Matcher for MapMatcher<'_> {
    fn key(&self, key: Key) -> bool {
        self.filter.matches_key(key)
    }

    fn member(&self, member: &Member) -> bool {
        self.is_by_key
            || self.map.incident(member.no).is_some_and(|incident| {
                self.filter.matches_columns(incident, self.projection)
                    && self.map.matches_words(incident, self.filter, self.projection)
            })
    }

    fn is_by_key(&self) -> bool {
        self.is_by_key
    }
}
