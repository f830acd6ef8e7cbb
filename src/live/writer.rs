//! The one hand that changes the live map: entries in, a newer map out.
//!
//! What an entry changes, and what falls due by its time, shows at its seq. Hotspots change at ticks
//! alone. `restore.rs` stands the map up from rows, exactly as replaying all entries would.

use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::clocks::{Clocks, LateAlarm, Turned};
use super::day::DayCounts;
use super::forest::Forest;
use super::hotspots::{
    Doubts, HISTORY_MS, HotspotBoard, HotspotEngine, HotspotReport, OutlineStyle, Standing,
};
use super::incident::{Incident, Spot, is_public, spot_for_public};
use super::map::{Change, LiveMap, RING_CHANGES_MAX};
use super::pyramid::Pyramid;
use super::rows::Rows;
use super::timeline::Timeline;
use super::words::RecentTexts;
use crate::city::City;
use crate::journal::DerivedUpdate;
use crate::model::{
    ActionFact, AgencyId, CategoryId, Clock, Disposition, Entry, Epoch, ErasedReport, ErasureFact, Fact,
    IdKey, IncidentNo, Projection, ReportFact, Seq, Status, TimeMs,
};

/// Owns the live map and what is only needed to change it.
pub struct LiveWriter {
    pub(super) map: LiveMap,
    pub(super) staff_hotspots: HotspotEngine,
    pub(super) public_hotspots: HotspotEngine,
    /// What ticks changed since the journal was last handed it.
    derived: Option<DerivedUpdate>,
    /// Unset where the map goes through the past.
    finds_hotspots: bool,
}

impl LiveWriter {
    /// The map before the first entry.
    pub fn new(city: Arc<City>, ids: IdKey, epoch: Epoch) -> LiveWriter {
        let public_outline = OutlineStyle::H3(city.coarse_res);
        LiveWriter {
            staff_hotspots: HotspotEngine::new(city.clone(), OutlineStyle::Exact),
            public_hotspots: HotspotEngine::new(city.clone(), public_outline),
            derived: None,
            finds_hotspots: true,
            map: LiveMap {
                city,
                ids: Arc::new(ids),
                epoch,
                seq: Seq(0),
                now: TimeMs(0),
                incidents: Rows::default(),
                absorbed: OrdMap::new(),
                forest: Forest::default(),
                pyramid: Pyramid::default(),
                staff_hotspots: HotspotBoard::default(),
                public_hotspots: HotspotBoard::default(),
                by_opened: Timeline::default(),
                by_due: Timeline::default(),
                clocks: Clocks::default(),
                by_closed: Timeline::default(),
                by_resolved: Timeline::default(),
                day: (TimeMs::MIN, TimeMs::MIN),
                texts: RecentTexts::default(),
                changes: Vector::new(),
                changes_from: Seq(0),
                agencies_from: Seq(0),
                day_seq: Seq(0),
                day_counts: DayCounts::default(),
            },
        }
    }

    /// Goes on from a map of the past, without hotspots: to find them is most of the work, and they have a
    /// history of their own ([`crate::journal::Reader::hotspots_at`]).
    pub fn of_past(map: &LiveMap) -> LiveWriter {
        let new = LiveWriter::new(map.city.clone(), (*map.ids).clone(), map.epoch);
        LiveWriter { finds_hotspots: false, map: map.clone(), ..new }
    }

    pub fn map(&self) -> &LiveMap {
        &self.map
    }

    /// Applies entries in order. They must follow the map's seq without a gap.
    pub fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            assert_eq!(entry.seq, self.map.seq.next(), "entries are dense");
            self.pass_time(entry.seq, entry.at);
            match &entry.fact {
                // Other parameters can make other hotspots of the same reports.
                Fact::Pack { .. } => self.mark_hotspots_dirty(),
                Fact::Report(fact) => self.report(fact, entry.seq, entry.at),
                Fact::Action(fact) => self.action(fact, entry.seq, entry.at),
                Fact::Erasure(fact) => self.erase(fact, entry.seq),
                Fact::Tick => self.tick(),
                Fact::Merge(fact) => self.merge(fact, entry.seq, entry.at),
                Fact::Split(fact) => self.split(fact, entry.seq, entry.at),
                Fact::Record(_) => {}
            }
        }
    }

    /// What ticks changed since this was last called: goes into the journal's next commit.
    pub fn take_derived(&mut self) -> Option<DerivedUpdate> {
        self.derived.take()
    }

    /// Takes back what [`LiveWriter::take_derived`] gave, where the commit did not happen.
    pub fn give_back_derived(&mut self, derived: Option<DerivedUpdate>) {
        self.derived = derived;
    }

    /// Whether a tick at `now` would change anything.
    pub fn tick_is_due(&self, now: TimeMs) -> bool {
        let engines = [&self.staff_hotspots, &self.public_hotspots];
        engines.iter().any(|engine| engine.is_dirty()) || self.tick_due_at().is_some_and(|at| at <= now)
    }

    /// When time alone next changes anything: a report leaves its window, a deadline passes or is warned of,
    /// a rung of its ladder is reached, a hotspot cools, a closed incident leaves memory, a day with figures ends.
    pub fn tick_due_at(&self) -> Option<TimeMs> {
        let map = &self.map;
        let deadline = map.by_due.first().map(|(at, _)| at);
        let leaves = map
            .city
            .keep_closed_ms
            .and_then(|keep_ms| map.by_closed.first().map(|(at, _)| at.plus_ms(keep_ms)));
        let day_end = self.day_has_figures().then_some(map.day.1);
        let clock = map.clocks.due_at();
        [self.staff_hotspots.due_at(), self.public_hotspots.due_at(), deadline, clock, leaves, day_end]
            .into_iter()
            .flatten()
            .min()
    }

    fn day_has_figures(&self) -> bool {
        let opened = self.map.by_opened.last().is_some_and(|(at, _)| at >= self.map.day.0);
        opened || !self.map.by_resolved.is_empty()
    }

    /// Moves the map's now to `at` and does what falls due by it.
    fn pass_time(&mut self, seq: Seq, at: TimeMs) {
        let before = self.map.now;
        assert!(at >= before, "time never falls");
        self.map.seq = seq;
        self.map.now = at;
        if at >= self.map.day.1 {
            self.map.day_seq = seq;
            self.begin_day();
        }
        while let Some((due_at, no)) = self.map.by_due.first()
            && due_at <= at
        {
            self.map.by_due.remove(due_at, no);
            self.change(no, seq, |incident| incident.overdue = true);
        }
        self.turn_clocks(before, seq);
        let Some(keep_ms) = self.map.city.keep_closed_ms else { return };
        while let Some((closed_at, no)) = self.map.by_closed.first()
            && closed_at.plus_ms(keep_ms) <= at
        {
            self.forget(no, seq);
        }
    }

    /// Tells of the clocks that time turned, and raises an alarm for each rung that they reached.
    fn turn_clocks(&mut self, before: TimeMs, seq: Seq) {
        let now = self.map.now;
        for Turned { no, clock, before: was, now: is } in self.map.clocks.turn(before, now) {
            let Some(incident) = self.map.incidents.get(no).copied() else { continue };
            let became_late = before < clock.due_at && clock.due_at <= now;
            if !became_late {
                // The public does not see clocks, so nothing changed for it.
                self.remember(seq, &incident, false);
            }
            for level in was.told()..is.told() {
                self.map.clocks.raise(LateAlarm { seq, level, clock, incident });
            }
        }
    }

    /// Sets an incident's clock as an entry says. What is late by it from the first is told at its rung.
    pub(super) fn set_clock(&mut self, no: IncidentNo, clock: Option<Clock>, seq: Seq) {
        let now = self.map.now;
        let told = |clock: Option<&Clock>| clock.map_or(0, |clock| clock.state_at(now).told());
        let (was, is) = (told(self.map.clocks.get(no)), told(clock.as_ref()));
        self.map.clocks.set(no, clock, now);
        if let Some((clock, incident)) = clock.zip(self.map.incidents.get(no).copied()).filter(|_| is > was)
        {
            self.map.clocks.raise(LateAlarm { seq, level: is - 1, clock, incident });
        }
    }

    pub(super) fn mark_hotspots_dirty(&mut self) {
        self.staff_hotspots.mark_dirty();
        self.public_hotspots.mark_dirty();
    }

    /// Begins the day that the map's now lies in.
    pub(super) fn begin_day(&mut self) {
        let map = &mut self.map;
        map.day = (map.city.day_start(map.now), map.city.day_end(map.now));
        map.by_resolved = Timeline::of(map.by_resolved.since(map.day.0));
        map.count_day();
    }

    fn report(&mut self, fact: &ReportFact, seq: Seq, at: TimeMs) {
        if fact.opens.is_some() {
            let incident = Incident::opened_by(fact, at, &self.map.city);
            self.add(incident, seq);
            self.set_clock(fact.incident, fact.opens.and_then(|opening| opening.clock), seq);
        } else {
            self.change(fact.incident, seq, |incident| incident.joined_by_report(fact, at));
        }
        if let Some(text) = &fact.private.description {
            self.map.texts.push(seq, fact.incident, text);
        }
        let incident = self.map.incident(fact.incident);
        let standing = incident.map(|incident| (incident.status, incident.disposition, incident.category));
        let exact = Spot { place: fact.place, area: fact.area };
        let hotspot_report = HotspotReport {
            seq,
            report: fact.report,
            received_at: at,
            incident: fact.incident,
            root: fact.incident,
            place: fact.place,
            area: fact.area,
            category: fact.category,
            occurred_at: fact.occurred_at,
            sender: fact.sender,
            channel: fact.channel,
            accuracy_m: fact.accuracy_m,
            n_photos: fact.n_photos,
            drill: fact.drill,
            imported: fact.imported,
            doubts: Doubts::NONE,
        };
        let is_young = at.since(fact.occurred_at) < self.map.city.window_ms_max().max(HISTORY_MS);
        if let Some((status, disposition, category)) = standing.filter(|_| is_young) {
            self.count_report(hotspot_report, exact, (status, disposition), category);
        }
    }

    /// Hands a report to both hotspot engines, with how the incident stands that it counts under. `category` is that
    /// of the incident that it opened or joined.
    pub(super) fn count_report(
        &mut self,
        report: HotspotReport,
        exact: Spot,
        (status, disposition): (Status, Option<Disposition>),
        category: CategoryId,
    ) {
        if !self.finds_hotspots {
            return;
        }
        // A report is as sensitive as the incident that it opened or joined, whatever absorbed that since.
        let city = &self.map.city;
        let sensitive = [category, report.category].iter().any(|id| city.category(*id).sensitive);
        let Spot { place, area } = spot_for_public(exact, sensitive, city);
        let public = HotspotReport { place, area, ..report };
        self.staff_hotspots.add_report(report, Standing::of(status, disposition));
        self.public_hotspots.add_report(public, public_standing(status, disposition));
    }

    fn action(&mut self, fact: &ActionFact, seq: Seq, at: TimeMs) {
        self.change(fact.incident, seq, |incident| incident.acted_on(fact, at));
        self.set_clock(fact.incident, fact.clock, seq);
        if fact.from != fact.to {
            let incident = self.map.incident(fact.incident);
            let disposition = incident.and_then(|incident| incident.disposition);
            for no in self.map.forest.tree(fact.incident) {
                self.staff_hotspots.set_standing(no, Standing::of(fact.to, disposition));
                self.public_hotspots.set_standing(no, public_standing(fact.to, disposition));
            }
        }
    }

    fn erase(&mut self, fact: &ErasureFact, seq: Seq) {
        for erased in &fact.reports {
            self.move_report(erased);
        }
        if fact.moves_something() {
            // What is told of changes before holds the places that went.
            self.map.changes = Vector::new();
            self.map.changes_from = seq;
        }
        let without_text = || fact.reports.iter().filter(|erased| erased.gone.text);
        if without_text().next().is_some() {
            // Who has a word is looked up in the journal again.
            self.map.texts = RecentTexts::after(seq);
        }
        for erased in without_text() {
            let shown = self.map.standing_no(erased.incident);
            if let Some(incident) = self.map.incidents.get(shown).copied() {
                self.remember(seq, &incident, is_public(incident.status));
            }
        }
    }

    /// Puts a report to the coarse place, where its exact one was erased.
    fn move_report(&mut self, erased: &ErasedReport) {
        let Some(place) = erased.place else { return };
        let before = self.map.incidents.get(erased.incident).copied().filter(|_| erased.opens);
        if let Some(before) = before {
            let moved = before.moved_to(place, &self.map.city);
            self.map.count_anew(&before, &moved);
            self.map.incidents.put(moved);
        }
        if let Some(absorbed) = self.map.absorbed.get(&erased.incident).filter(|_| erased.opens) {
            let moved = absorbed.moved_to(place, &self.map.city);
            self.map.absorbed.insert(moved.no, moved);
        }
        if erased.opens {
            let city = self.map.city.clone();
            self.map.clocks.amend_alarms(erased.incident, |incident| incident.moved_to(place, &city));
        }
        let coarse = place.coarsened(self.map.city.coarse_res);
        self.staff_hotspots.move_report(erased.incident, erased.seq, place);
        self.public_hotspots.move_report(erased.incident, erased.seq, coarse);
    }

    /// Finds among the newest entries what came to count after the tick `as_of`.
    pub(super) fn freshen(&mut self, as_of: Seq, tail: &[Entry]) {
        for came in self.came_to_count(as_of, tail) {
            if came.for_staff {
                self.staff_hotspots.freshen(came.no);
            }
            if came.for_public {
                self.public_hotspots.freshen(came.no);
            }
        }
    }

    pub(super) fn tick(&mut self) {
        if !self.finds_hotspots {
            return;
        }
        let (seq, now) = (self.map.seq, self.map.now);
        let derived = self.derived.get_or_insert_default();
        derived.as_of_seq = seq;
        let engines = [
            (Projection::Staff, &mut self.staff_hotspots, &mut self.map.staff_hotspots),
            (Projection::Public, &mut self.public_hotspots, &mut self.map.public_hotspots),
        ];
        for (projection, engine, board) in engines {
            engine.tick(seq, now).append_rows(projection, &self.map.city, derived);
            *board = engine.board().clone();
        }
    }

    pub(super) fn add(&mut self, mut incident: Incident, seq: Seq) {
        incident.overdue = incident.is_overdue_at(self.map.now);
        self.remember(seq, &incident, is_public(incident.status));
        LiveMap::members(&incident, &self.map.city).for_each(|member| self.map.pyramid.insert(member));
        self.map.order_in(&incident);
        self.map.incidents.put(incident);
    }

    /// Changes one incident and everything that counts it.
    pub(super) fn change(&mut self, no: IncidentNo, seq: Seq, edit: impl FnOnce(&mut Incident)) {
        // The journal refuses what would change an incident that has left memory.
        let before = self.map.incidents.get(no).copied().expect("a changed incident is in memory");
        let mut incident = before;
        edit(&mut incident);
        incident.overdue = incident.is_overdue_at(self.map.now);
        let is_public = is_public(before.status) || is_public(incident.status);
        self.remember_from(seq, before.agency, &incident, is_public);
        self.map.count_anew(&before, &incident);
        self.map.order_out(&before);
        self.map.order_in(&incident);
        self.map.incidents.put(incident);
    }

    pub(super) fn forget(&mut self, no: IncidentNo, seq: Seq) {
        let Some(incident) = self.take_off(no) else { return };
        self.forget_absorbed(no);
        self.map.clocks.set(no, None, self.map.now);
        self.remember(seq, &incident, is_public(incident.status));
    }

    /// Takes an incident off the map, out of every order and every count.
    pub(super) fn take_off(&mut self, no: IncidentNo) -> Option<Incident> {
        let incident = self.map.incidents.remove(no)?;
        LiveMap::members(&incident, &self.map.city).for_each(|member| self.map.pyramid.remove(&member));
        self.map.order_out(&incident);
        Some(incident)
    }

    pub(super) fn remember(&mut self, seq: Seq, incident: &Incident, is_public: bool) {
        self.remember_from(seq, incident.agency, incident, is_public);
    }

    /// The same of an incident that was another agency's before.
    fn remember_from(&mut self, seq: Seq, before: Option<AgencyId>, incident: &Incident, is_public: bool) {
        let map = &mut self.map;
        let agencies = Some([before, incident.agency]);
        map.changes.push_back(Change::of(seq, incident, is_public, agencies, &map.city));
        while map.changes.len() > RING_CHANGES_MAX {
            if let Some(oldest) = map.changes.pop_front() {
                map.changes_from = oldest.seq;
            }
        }
    }
}

impl LiveMap {
    /// Puts what the pyramid holds of an incident in the place of what it held before.
    fn count_anew(&mut self, before: &Incident, now: &Incident) {
        let mut members = LiveMap::members(now, &self.city);
        for before in LiveMap::members(before, &self.city) {
            match members.next() {
                Some(member) => self.pyramid.replace(&before, member),
                None => self.pyramid.remove(&before),
            }
        }
        members.for_each(|member| self.pyramid.insert(member));
    }

    /// Counts the day's figures from the start.
    pub(super) fn count_day(&mut self) {
        let began = self.day.0;
        let resolved_only = |i: &&Incident| i.opened_at < began;
        let opened = self.by_opened.since(began).filter_map(|(_, no)| self.incident(no));
        let resolved = self.by_resolved.since(began).filter_map(|(_, no)| self.incident(no));
        self.day_counts = DayCounts::of(began, opened.chain(resolved.filter(resolved_only)));
    }

    fn order_in(&mut self, incident: &Incident) {
        let no = incident.no;
        self.day_counts.add(self.day.0, incident);
        self.by_opened.insert(incident.opened_at, no);
        if let Some(due_at) = incident.due_at().filter(|_| incident.status.is_open() && !incident.overdue) {
            self.by_due.insert(due_at, no);
        }
        if let Some(closed_at) = incident.closed_at().filter(|_| self.city.keep_closed_ms.is_some()) {
            self.by_closed.insert(closed_at, no);
        }
        if let Some(resolved_at) = incident.resolved_at().filter(|at| *at >= self.day.0) {
            self.by_resolved.insert(resolved_at, no);
        }
    }

    fn order_out(&mut self, incident: &Incident) {
        let no = incident.no;
        self.day_counts.subtract(self.day.0, incident);
        self.by_opened.remove(incident.opened_at, no);
        if let Some(due_at) = incident.due_at() {
            self.by_due.remove(due_at, no);
        }
        if let Some(closed_at) = incident.closed_at() {
            self.by_closed.remove(closed_at, no);
        }
        if let Some(resolved_at) = incident.resolved_at() {
            self.by_resolved.remove(resolved_at, no);
        }
    }
}

/// A report is rejected for the public too, though it never sees that.
pub(super) fn public_standing(status: Status, disposition: Option<Disposition>) -> Standing {
    Standing { counts: is_public(status), ..Standing::of(status, disposition) }
}
