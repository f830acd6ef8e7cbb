//! Stands the live map up from incidents as of the head, without replaying history.
//!
//! Incidents come from the state tables or from a snapshot that was carried on to the head. Hotspots
//! are as of a tick that is the head or has no later tick but the head itself (the journal's
//! invariant), so at most one tick is computed. The ring of changes is rebuilt from the journal's
//! tail, so that readers resume across a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::clocks::{Clocks, LateAlarm};
use super::coarse::CoarsePlaces;
use super::hotspots::{Doubts, History, HotspotReport, LoadError, PastReport};
use super::incident::{Incident, Spot, is_public};
use super::map::{Change, LiveMap};
use super::member::Member;
use super::pyramid::Pyramid;
use super::rows::Rows;
use super::timeline::Timeline;
use super::words::RecentTexts;
use super::writer::LiveWriter;
use crate::city::City;
use crate::journal::{Derived, Head, ReportPlace, ReportRow};
use crate::model::{
    Action, AreaId, CategoryId, Clock, Disposition, Entry, ErasedReport, Fact, IdKey, IncidentNo, LngLat,
    Projection, Seq, Status, TimeMs,
};

/// How a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportStanding {
    /// The incident that it counts under.
    pub root: IncidentNo,
    /// Of that.
    pub status: Status,
    /// Of that, while it is rejected.
    pub disposition: Option<Disposition>,
    /// Of the incident that it opened or joined: it is as sensitive as that.
    pub category: CategoryId,
}

/// Takes reports that may still count, then [`Restorer::finish`]es.
pub struct Restorer {
    writer: LiveWriter,
    pyramid: JoinHandle<Pyramid>,
    staff_past: Vec<(PastReport, bool)>,
    public_past: Vec<(PastReport, bool)>,
    coarse: Arc<CoarsePlaces>,
    /// The area of a coarse place: to find it anew for each report would take longer than all the rest.
    coarse_areas: HashMap<LngLat, Option<AreaId>>,
}

/// The pyramid over incidents as it is built on threads of its own, beside all else: it takes longest.
fn pyramid(
    incidents: Arc<Vec<Incident>>,
    city: Arc<City>,
    coarse: Arc<CoarsePlaces>,
) -> JoinHandle<Pyramid> {
    std::thread::spawn(move || {
        // An incident has two members at most. Room that is never touched takes no memory.
        let members = |incidents: &[Incident], room: usize| {
            let mut members: Vec<Member> = Vec::with_capacity(2 * room);
            members.extend(incidents.iter().flat_map(|incident| {
                let coarse = |exact| coarse.of_exact(exact, &city);
                let public = || incident.spot_by(Projection::Public, &city, coarse);
                LiveMap::members_at(incident, incident.is_visible(Projection::Public).then(public))
            }));
            members.sort_unstable_by_key(Member::order);
            members
        };
        let (lower, upper) = incidents.split_at(incidents.len() / 2);
        let members = std::thread::scope(|scope| {
            let upper = scope.spawn(|| members(upper, upper.len()));
            let mut all = members(lower, incidents.len());
            all.extend(joined(upper));
            all
        });
        drop(incidents);
        Pyramid::build(members)
    })
}

/// What a thread returned; its panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl LiveMap {
    /// Fills every order of incidents.
    fn order(&mut self, incidents: &[Incident]) {
        let sorted = |key: &dyn Fn(&Incident) -> Option<TimeMs>| {
            Timeline::of(incidents.iter().filter_map(|i| Some((key(i)?, i.no))))
        };
        let (day_start, forgets) = (self.day.0, self.city.keep_closed_ms.is_some());
        self.by_opened = sorted(&|i| Some(i.opened_at));
        self.by_due = sorted(&|i| i.due_at().filter(|_| i.status.is_open() && !i.overdue));
        self.by_closed = sorted(&|i| i.closed_at().filter(|_| forgets));
        self.by_resolved = sorted(&|i| i.resolved_at().filter(|at| *at >= day_start));
    }
}

impl Restorer {
    /// `incidents` as of the head, in the order of their numbers, those that others absorbed too: `merged` says
    /// by whom. Where that is not among them, neither belongs there. `clocks` are those of the open ones, `coarse`
    /// what is known already of where the public sees them.
    pub fn new(
        city: Arc<City>,
        ids: IdKey,
        head: Head,
        mut incidents: Vec<Incident>,
        merged: &BTreeMap<IncidentNo, IncidentNo>,
        clocks: impl IntoIterator<Item = (IncidentNo, Clock)>,
        coarse: CoarsePlaces,
    ) -> Restorer {
        let mut writer = LiveWriter::new(city, ids, head.epoch);
        writer.map.put_absorbed(&mut incidents, merged);
        writer.map.seq = head.seq;
        writer.map.now = head.at;
        writer.map.texts = RecentTexts::after(head.seq);
        writer.begin_day();
        writer.staff_hotspots.begin_day(head.at);
        writer.public_hotspots.begin_day(head.at);
        incidents.iter_mut().for_each(|incident| incident.overdue = incident.is_overdue_at(head.at));
        let incidents = Arc::new(incidents);
        let coarse = Arc::new(coarse);
        let pyramid = pyramid(incidents.clone(), writer.map.city.clone(), coarse.clone());
        writer.map.order(&incidents);
        writer.map.incidents = Rows::from_sorted(&incidents);
        let clocks = clocks.into_iter().filter(|(no, _)| writer.map.any_incident(*no).is_some());
        let clocks = Clocks::of(clocks, head.at, |no| writer.map.absorbed.contains_key(&no));
        writer.map.clocks = clocks;
        writer.map.count_day();
        let (staff_past, public_past, coarse_areas) = Default::default();
        Restorer { writer, pyramid, staff_past, public_past, coarse, coarse_areas }
    }

    /// Says when the tick of the derived tables was, before any report is told: what was too old for a window by
    /// then is not put into it to be taken out again.
    pub fn ticked_at(&mut self, at: TimeMs) {
        self.writer.staff_hotspots.ticked_at(at);
        self.writer.public_hotspots.ticked_at(at);
    }

    /// How what was said of an incident given before counts.
    pub fn standing_of(&self, no: IncidentNo) -> Option<ReportStanding> {
        let map = &self.writer.map;
        let root = map.standing_no(no);
        let (own, standing) = (map.any_incident(no)?, map.incident(root)?);
        let &Incident { status, disposition, .. } = standing;
        Some(ReportStanding { root, status, disposition, category: own.category })
    }

    /// A report that may still be in a hotspot's window.
    pub fn report(&mut self, row: &ReportRow, standing: ReportStanding) {
        let report = HotspotReport {
            seq: row.seq,
            report: row.no,
            received_at: row.received_at,
            incident: row.incident,
            root: standing.root,
            place: row.place,
            area: row.area,
            category: row.category,
            occurred_at: row.occurred_at,
            sender: row.sender,
            channel: row.channel,
            accuracy_m: row.accuracy_m,
            n_photos: row.n_photos,
            drill: row.drill,
            imported: row.imported,
            doubts: Doubts::NONE,
        };
        let exact = Spot { place: row.place, area: row.area };
        let ReportStanding { status, disposition, category, .. } = standing;
        self.writer.count_report(report, exact, (status, disposition), category);
    }

    /// Where and when a report of the weeks was that the hotspots' history looks back on.
    pub fn past_report(&mut self, row: &ReportPlace, standing: ReportStanding) {
        let ReportStanding { status, category, .. } = standing;
        let past = |area: Option<AreaId>| {
            let &ReportPlace { no, incident, occurred_at, category, drill, .. } = row;
            Some(PastReport { report: no, incident, area: area?, category, occurred_at, drill })
        };
        self.staff_past.extend(past(row.area).map(|past| (past, status != Status::Rejected)));
        let city = &self.writer.map.city;
        // As in `LiveWriter::count_report`.
        let sensitive = city.category(category).sensitive || city.category(row.category).sensitive;
        let public_area = if sensitive {
            let place = self.coarse.of_exact(row.place, city);
            *self.coarse_areas.entry(place).or_insert_with(|| city.areas.locate(place))
        } else {
            row.area
        };
        self.public_past.extend(past(public_area).map(|past| (past, is_public(status))));
    }

    /// `tail` are the newest entries up to the head, without a gap; `before` is the time of the entry
    /// before them, `TimeMs::MIN` where they are all there are.
    ///
    /// # Errors
    /// A stored hotspot cannot be read.
    pub fn finish(
        mut self,
        derived: &Derived,
        before: TimeMs,
        tail: &[Entry],
    ) -> Result<LiveWriter, LoadError> {
        let (head, now) = (self.writer.map.seq, self.writer.map.now);
        self.writer.staff_hotspots.set_history(History::of(self.staff_past, now));
        self.writer.public_hotspots.set_history(History::of(self.public_past, now));
        for (projection, engine, board) in [
            (Projection::Staff, &mut self.writer.staff_hotspots, &mut self.writer.map.staff_hotspots),
            (Projection::Public, &mut self.writer.public_hotspots, &mut self.writer.map.public_hotspots),
        ] {
            engine.load(projection, derived, head, now)?;
            *board = engine.board().clone();
        }
        self.writer.map.pyramid =
            self.pyramid.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.writer.ring(before, tail);
        self.writer.freshen(derived.as_of_seq, tail);
        let head_is_tick = tail.last().is_some_and(|entry| entry.fact == Fact::Tick);
        if head_is_tick && derived.as_of_seq < head {
            self.writer.tick();
        } else if tail.iter().any(|e| e.seq > derived.as_of_seq && matches!(e.fact, Fact::Pack { .. })) {
            self.writer.mark_hotspots_dirty();
        }
        Ok(self.writer)
    }
}

impl LiveWriter {
    /// Rebuilds the ring of changes from the tail.
    fn ring(&mut self, before: TimeMs, tail: &[Entry]) {
        self.map.agencies_from = self.map.seq;
        let Some(first) = tail.first() else {
            self.map.changes_from = self.map.seq;
            self.map.day_seq = self.map.seq;
            return;
        };
        let mut changed = self.changed_by_time(before, tail);
        for entry in tail {
            match &entry.fact {
                // As public as the incident is now: had it been so only then, the action that changed
                // it is in the tail too, and says so.
                Fact::Report(fact) => changed.push((entry.seq, fact.incident, false)),
                Fact::Action(fact) => {
                    changed.push((entry.seq, fact.incident, is_public(fact.from) || is_public(fact.to)));
                }
                Fact::Erasure(fact) => {
                    let without_text = fact.reports.iter().filter(|erased| erased.gone.text);
                    let shown = |erased: &ErasedReport| self.map.standing_no(erased.incident);
                    changed.extend(without_text.map(|erased| (entry.seq, shown(erased), false)));
                }
                Fact::Merge(fact) | Fact::Split(fact) => {
                    changed.push((entry.seq, fact.absorbed, is_public(fact.status)));
                    changed.push((entry.seq, fact.into, is_public(fact.into_status)));
                }
                Fact::Pack { .. } | Fact::Tick | Fact::Record(_) => {}
            }
        }
        // Changes before a place was erased are told no more: nobody knows where they were.
        let moved = |entry: &&Entry| matches!(&entry.fact, Fact::Erasure(fact) if fact.moves_something());
        let moved = tail.iter().rev().find(moved).map(|entry| entry.seq);
        changed.retain(|(seq, ..)| moved.is_none_or(|moved| *seq >= moved));
        changed.sort_unstable();
        let of_clocks = self.turned_in(before, tail, moved);
        let map = &mut self.map;
        map.changes_from = moved.unwrap_or(Seq(first.seq.0 - 1));
        let change = |(seq, no, was_public): &(Seq, IncidentNo, bool)| {
            let incident = map.any_incident(*no)?;
            Some(Change::of(*seq, incident, *was_public || is_public(incident.status), None, &map.city))
        };
        let mut changes: Vec<Change> = changed.iter().filter_map(change).chain(of_clocks).collect();
        changes.sort_by_key(|change| change.seq);
        map.changes = changes.into_iter().collect();
        map.day_seq = tail.iter().find(|entry| entry.at >= map.day.0).map_or(map.seq, |entry| entry.seq);
        self.forget_what_left(before, tail);
    }

    /// Incidents whose deadline passed within the tail, with the seq at which it showed.
    fn changed_by_time(&self, before: TimeMs, tail: &[Entry]) -> Vec<(Seq, IncidentNo, bool)> {
        let overdue = self.map.incidents.iter().filter(|incident| incident.overdue);
        let at_seq = |incident: &Incident| {
            let due_at = incident.due_at()?;
            Some((seq_of_time(before, tail, due_at)?, incident.no, false))
        };
        overdue.filter_map(at_seq).collect()
    }

    /// What time did to clocks within the tail, as changes that staff learn of; the alarms that it raised are
    /// raised again, but for those of a clock that an entry has set anew since: somebody acted.
    fn turned_in(&mut self, before: TimeMs, tail: &[Entry], moved: Option<Seq>) -> Vec<Change> {
        let set = ClockSet::newest_in(tail);
        let map = &self.map;
        let (mut changes, mut alarms) = (Vec::new(), Vec::new());
        for (no, clock) in map.clocks.iter() {
            let Some(incident) = map.incidents.get(no).copied() else { continue };
            let set = set.get(&no);
            if let Some(level) = set.and_then(|set| set.told_at_once(clock)) {
                alarms.extend(set.map(|set| LateAlarm { seq: set.seq, level, clock: *clock, incident }));
            }
            let since = set.map_or(TimeMs::MIN, |set| set.at);
            let mut was = clock.state_at(since.max(before)).told();
            for at in clock.moments().filter(|at| *at > since && *at <= map.now) {
                let Some(seq) = seq_of_time(before, tail, at) else { continue };
                if moved.is_none_or(|moved| seq >= moved) {
                    changes.push(Change::of(seq, &incident, false, None, &map.city));
                }
                let is = clock.state_at(at).told();
                alarms.extend((was..is).map(|level| LateAlarm { seq, level, clock: *clock, incident }));
                was = was.max(is);
            }
        }
        alarms.sort_by_key(|alarm: &LateAlarm| alarm.seq);
        alarms.into_iter().for_each(|alarm| self.map.clocks.raise(alarm));
        changes
    }

    /// Closed incidents that left memory by the head's time; those that left before the tail were
    /// never given.
    fn forget_what_left(&mut self, before: TimeMs, tail: &[Entry]) {
        let Some(keep_ms) = self.map.city.keep_closed_ms else { return };
        let now = self.map.now;
        while let Some((closed_at, no)) = self.map.by_closed.first()
            && closed_at.plus_ms(keep_ms) <= now
        {
            let seq = seq_of_time(before, tail, closed_at.plus_ms(keep_ms));
            self.forget(no, seq.unwrap_or(self.map.changes_from));
        }
        let mut changes: Vec<Change> = self.map.changes.iter().copied().collect();
        changes.sort_by_key(|change| change.seq);
        self.map.changes = changes.into_iter().collect();
    }
}

/// The entry that set a clock, and how many had been told by the one before.
struct ClockSet {
    seq: Seq,
    at: TimeMs,
    /// `None` where the entries at hand do not say.
    told_before: Option<u8>,
    /// As it was set; `None` where the entries at hand do not say.
    clock: Option<Option<Clock>>,
}

impl ClockSet {
    /// Of each incident, the newest in the tail.
    fn newest_in(tail: &[Entry]) -> HashMap<IncidentNo, ClockSet> {
        let mut newest: HashMap<IncidentNo, ClockSet> = HashMap::new();
        for &Entry { seq, at, ref fact, .. } in tail {
            let (no, told_before, clock) = match fact {
                Fact::Report(fact) => match fact.opens {
                    Some(opening) => (fact.incident, Some(0), Some(opening.clock)),
                    None => continue,
                },
                Fact::Action(fact) => {
                    let known = newest.get(&fact.incident).and_then(|set| set.clock);
                    let told = |clock: Option<Clock>| clock.map_or(0, |clock| clock.state_at(at).told());
                    // Neither a clock that stands nor none had told anybody.
                    let had_told_none = fact.action == Action::Resume || !fact.from.is_open();
                    (fact.incident, known.map(told).or(had_told_none.then_some(0)), Some(fact.clock))
                }
                // While it was absorbed it had none that ran.
                Fact::Split(fact) => {
                    let parked = newest.get(&fact.absorbed).and_then(|set| set.clock);
                    (fact.absorbed, Some(0), parked)
                }
                _ => continue,
            };
            newest.insert(no, ClockSet { seq, at, told_before, clock });
        }
        newest
    }

    /// The rung that was told by the entry itself, as in `LiveWriter::set_clock`.
    fn told_at_once(&self, clock: &Clock) -> Option<u8> {
        let told = clock.state_at(self.at).told();
        self.told_before.filter(|before| told > *before).map(|_| told - 1)
    }
}

/// The entry of the tail by which the time `at` was reached; `None` where it was reached before.
fn seq_of_time(before: TimeMs, tail: &[Entry], at: TimeMs) -> Option<Seq> {
    let i = tail.partition_point(|entry| entry.at < at);
    tail.get(i).filter(|_| at > before).map(|entry| entry.seq)
}
