//! One moment of everything: incidents, clusters, hotspots, and the newest changes.

use std::borrow::Cow;
use std::sync::Arc;

use imbl::Vector;

use super::filter::Filter;
use super::hotspots::HotspotBoard;
use super::incident::Incident;
use super::pyramid::{Matcher, Pyramid};
use super::rows::Rows;
use super::sorted::SortedSet;
use super::tally::{Key, Member};
use super::words::{RecentTexts, Words};
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
    pub(super) incidents: Rows,
    pub(super) staff: Layer,
    pub(super) public: Layer,
    /// All incidents by opening: the order of lists.
    pub(super) by_opened: SortedSet<(TimeMs, IncidentNo)>,
    /// Open incidents with a deadline that has not passed.
    pub(super) by_due: SortedSet<(TimeMs, IncidentNo)>,
    /// Closed incidents by the time of closing; empty where they are kept for ever.
    pub(super) by_closed: SortedSet<(TimeMs, IncidentNo)>,
    /// Incidents resolved today, by the time that counts for the day's figures.
    pub(super) by_resolved: SortedSet<(TimeMs, IncidentNo)>,
    /// The city's day that `now` lies in: from, and to but not with.
    pub(super) day: (TimeMs, TimeMs),
    pub(super) texts: RecentTexts,
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
        self.incidents.get(no)
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
        let words = match projection {
            Projection::Staff => self.words_now(&filter.words),
            // The public must not find by search what it is not shown: titles only.
            Projection::Public => Cow::Owned(Words::new(filter.words.as_slice().to_vec())),
        };
        MapMatcher { map: self, filter, projection, is_by_key: filter.is_by_key(), words }
    }

    /// The words as of this moment.
    fn words_now<'a>(&self, words: &'a Words) -> Cow<'a, Words> {
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

    pub(super) fn member(incident: &Incident, projection: Projection) -> Member {
        Member::of(incident, incident.spot(projection).place)
    }
}

/// A filter bound to a map.
pub(super) struct MapMatcher<'a> {
    map: &'a LiveMap,
    filter: &'a Filter,
    projection: Projection,
    is_by_key: bool,
    words: Cow<'a, Words>,
}

impl MapMatcher<'_> {
    /// Whether the incident matches, its visibility in the projection included.
    pub fn incident(&self, incident: &Incident) -> bool {
        incident.is_visible(self.projection)
            && self.filter.matches_key(Key::of(incident))
            && self.columns_and_words(incident)
    }

    fn columns_and_words(&self, incident: &Incident) -> bool {
        self.filter.matches_columns(incident, self.projection)
            && (self.filter.words.is_empty() || self.words_match(incident))
    }

    fn words_match(&self, incident: &Incident) -> bool {
        let title = self.map.title(incident, self.projection);
        let title = format!("{} {}", title.id, title.en).to_lowercase();
        self.words.match_incident(incident.no, &title)
    }
}

impl Matcher for MapMatcher<'_> {
    fn key(&self, key: Key) -> bool {
        self.filter.matches_key(key)
    }

    fn member(&self, member: &Member) -> bool {
        self.is_by_key || self.map.incident(member.no).is_some_and(|i| self.columns_and_words(i))
    }

    fn is_by_key(&self) -> bool {
        self.is_by_key
    }
}
