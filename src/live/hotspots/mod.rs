//! Hotspots: dense groups of recent reports, with an identity that lasts while they live.
//!
//! What is there, and which reports belong to it, is exactly batch DBSCAN ([`dbscan()`]) over the
//! reports that count at a tick, kept up to date report by report ([`density`]); [`identity`] says which hotspot is which from tick to tick,
//! [`life`] how each stands and when it raises an alarm, [`outline`] and [`words`] what readers see.
//! Two scores say how far it stands out: [`gi_star`] in space, among the cells of the land, and
//! [`usual`] in time, against what the [`history`] of its areas knows. Beside the hotspots, [`surges`]
//! raises alarms of areas that have far more reports today than usual.
//!
//! Invariants:
//! - No I/O, no clock, no chance: the hotspots are a function of the calls made, so the same
//!   history gives the same hotspots and ids on every node.
//! - Hotspots change in [`HotspotEngine::tick`] only. Between two ticks nothing would change before
//!   [`HotspotEngine::due_at`] unless [`HotspotEngine::is_dirty`].
//! - `changed_seq` moves only where a reader sees a difference.
//! - Words, trend, scores and outline change only with the reports in the group.

mod alarm;
mod board;
mod credibility;
mod dbscan;
mod density;
pub mod ears;
mod faded;
mod gi_star;
mod grid;
mod history;
mod hotspot;
mod identity;
mod lane;
mod life;
mod members;
#[cfg(test)]
mod naive;
mod outline;
pub mod poisson;
mod portrait;
mod radius;
mod recall;
mod row;
mod sums;
mod surges;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod times;
mod usual;
mod words;

pub use alarm::Alarm;
pub use board::HotspotBoard;
pub use credibility::Doubts;
pub use dbscan::{Group, Member, Point, dbscan};
pub use density::{DensityGroup, DensityGroups};
pub use gi_star::{Confidence, Score, StudyArea};
pub use history::{HISTORY_MS, History, PastReport};
pub use hotspot::{EventKind, Hotspot, HotspotEvent, HotspotId, HotspotMember, Layer, TickChanges};
pub use life::State;
pub use members::{MemberChanges, Members};
pub use row::{LoadError, read_states};
pub use surges::{Episode, Surge};
#[cfg(test)]
pub(super) fn testing_city() -> Arc<City> {
    testing::city(200.0, 4.0, 3)
}

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use crate::city::City;
use crate::journal::Derived;
use crate::model::{
    AreaId, CategoryId, Channel, Disposition, IncidentNo, LngLat, Projection, ReportNo, SenderId, Seq,
    Status, TimeMs,
};
use credibility::capped;
use lane::{Lane, Regrouped};
use portrait::{Context, Study};
use surges::{Surges, Today};

/// A report as the hotspots see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HotspotReport {
    /// Of its entry.
    pub seq: Seq,
    pub report: ReportNo,
    /// Time of its entry.
    pub received_at: TimeMs,
    /// That it opened or joined.
    pub incident: IncidentNo,
    /// That it counts under: the same, or the one that absorbed it.
    pub root: IncidentNo,
    /// As the readers of this engine may know it: the public's may be coarsened.
    pub place: LngLat,
    /// The finest area that holds the place.
    pub area: Option<AreaId>,
    pub category: CategoryId,
    pub occurred_at: TimeMs,
    pub sender: SenderId,
    pub channel: Channel,
    /// Radius within which the reporter's device believed itself to be, in metres, where it said so.
    pub accuracy_m: Option<u32>,
    /// That came with it.
    pub n_photos: u8,
    pub drill: bool,
    /// Raises no alarm.
    pub imported: bool,
    /// What speaks against it. [`HotspotEngine`] finds out by itself; told [`Doubts::NONE`].
    pub doubts: Doubts,
}

impl HotspotReport {
    /// Its credibility.
    pub fn weight(&self) -> f64 {
        self.doubts.weight()
    }
}

/// How an incident stands with the readers of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its reports count: it is not rejected, and visible to these readers.
    pub counts: bool,
    /// Its reports speak against their senders.
    pub rejected: bool,
}

impl Standing {
    /// As those see it who see everything. A rejection speaks against senders where it was said to be a prank or a
    /// ghost, or nobody said what it was: there was a time when nobody could.
    pub fn of(status: Status, disposition: Option<Disposition>) -> Standing {
        let rejected = status == Status::Rejected;
        let held_against = matches!(disposition, None | Some(Disposition::Prank | Disposition::Ghost));
        Standing { counts: !rejected, rejected: rejected && held_against }
    }
}

/// How outlines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutlineStyle {
    /// Around the members' places: for staff.
    Exact,
    /// Whole H3 cells: for the public.
    H3(h3o::Resolution),
}

/// Finds the hotspots of one projection: the writer's. Readers clone its [`HotspotBoard`].
///
/// A report that comes or goes costs some microseconds, local to its place ([`DensityGroups`]). A tick
/// costs in proportion to what changed since the one before: the reports that came, went or changed
/// their group, and the hotspots that they are in, whatever their size; no other is looked at. What is
/// told of a hotspot is kept as sums over its members.
#[derive(Debug)]
pub struct HotspotEngine {
    city: Arc<City>,
    /// Areas without areas below them, with their boxes.
    finest_areas: Vec<portrait::AreaBox>,
    /// Each category, then all; of each the real ones, then the drill.
    lanes: Vec<Lane>,
    incidents: HashMap<IncidentNo, IncidentReports>,
    /// Where the reports that count were in the last weeks.
    history: History,
    surges: Surges,
    /// The land, once a hotspot is to be scored.
    study: OnceLock<StudyArea>,
    /// When each report is too old for every layer, and can be forgotten.
    old_at: BTreeSet<(TimeMs, Seq, IncidentNo)>,
    /// How many rejected reports of each sender are young enough to speak against the others, by drill.
    rejections: HashMap<(bool, SenderId), usize>,
    /// When each rejected report does so no longer.
    pardons: BTreeSet<(TimeMs, Seq)>,
    /// Time of the newest tick.
    now: TimeMs,
    board: HotspotBoard,
}

/// The reports of one incident that are young enough, and whether they count.
#[derive(Debug, Default)]
struct IncidentReports {
    standing: Standing,
    reports: Vec<HotspotReport>,
}

impl HotspotEngine {
    pub fn new(city: Arc<City>, style: OutlineStyle) -> HotspotEngine {
        let layers = city.category_ids().map(Layer::Category).chain([Layer::All]);
        let lanes =
            layers.flat_map(|layer| [false, true].map(|drill| Lane::new(layer, drill, &city, style)));
        HotspotEngine {
            lanes: lanes.collect(),
            finest_areas: portrait::finest_areas(&city.areas),
            incidents: HashMap::new(),
            history: History::default(),
            surges: Surges::new(city.clone()),
            city,
            study: OnceLock::new(),
            old_at: BTreeSet::new(),
            rejections: HashMap::new(),
            pardons: BTreeSet::new(),
            now: TimeMs::MIN,
            board: HotspotBoard::default(),
        }
    }

    /// Takes in a report of an incident that stands like this now. One that does not count is kept, since it
    /// may count later.
    pub fn add_report(&mut self, report: HotspotReport, standing: Standing) {
        self.set_standing(report.incident, standing);
        if let Some(past) = PastReport::of(&report) {
            self.history.add(&past, standing.counts, self.now);
        }
        self.surges.add(&report, standing.counts);
        let old_at = self.old_at(&report);
        if old_at <= self.now {
            return;
        }
        self.old_at.insert((old_at, report.seq, report.incident));
        let incident = self.incidents.entry(report.incident).or_default();
        incident.standing = standing;
        incident.reports.push(report);
        if standing.rejected {
            self.reject(&report, true);
        }
        if standing.counts {
            self.count(&report, true);
        }
    }

    /// When a report is too old for every layer.
    fn old_at(&self, report: &HotspotReport) -> TimeMs {
        let window_ms = self.lanes_of(report).map(|lane| self.lanes[lane].window_ms()).into_iter().max();
        report.occurred_at.plus_ms(window_ms.unwrap_or(0))
    }

    /// Says how an incident stands from here on.
    pub fn set_standing(&mut self, incident: IncidentNo, standing: Standing) {
        self.history.set_counts(incident, standing.counts);
        self.surges.set_counts(incident, standing.counts);
        let Some(known) = self.incidents.get_mut(&incident) else { return };
        let before = std::mem::replace(&mut known.standing, standing);
        if before == standing {
            return;
        }
        for report in known.reports.clone() {
            if before.rejected != standing.rejected {
                self.reject(&report, standing.rejected);
            }
            if before.counts != standing.counts {
                self.count(&report, standing.counts);
            }
        }
    }

    /// Says under which incident the reports of another count from here on, and how that stands.
    pub fn set_root(&mut self, incident: IncidentNo, root: IncidentNo, standing: Standing) {
        if let Some(known) = self.incidents.get_mut(&incident) {
            let counts = known.standing.counts;
            let before = known.reports.clone();
            known.reports.iter_mut().for_each(|report| report.root = root);
            for report in before.into_iter().filter(|report| counts && report.root != root) {
                self.count(&report, false);
                self.count(&HotspotReport { root, ..report }, true);
            }
        }
        self.set_standing(incident, standing);
    }

    /// Puts a report that is young enough to matter to another place of its area.
    pub fn move_report(&mut self, incident: IncidentNo, seq: Seq, place: LngLat) {
        let Some(known) = self.incidents.get_mut(&incident) else { return };
        let standing = known.standing;
        let Some(report) = known.reports.iter_mut().find(|report| report.seq == seq) else { return };
        let before = *report;
        if before.place == place {
            return;
        }
        report.place = place;
        if standing.counts {
            self.count(&before, false);
            self.count(&HotspotReport { place, ..before }, true);
        }
    }

    fn count(&mut self, report: &HotspotReport, counts: bool) {
        let rejections = self.rejections.get(&(report.drill, report.sender)).copied().unwrap_or(0);
        let doubts = Doubts { rejections: capped(rejections), ..Doubts::NONE };
        let report = HotspotReport { doubts, ..*report };
        for lane in self.lanes_of(&report) {
            let lane = &mut self.lanes[lane];
            if counts { lane.insert(&report, self.now) } else { lane.remove(&report) }
        }
    }

    /// Holds a rejected report against its sender, or does so no longer.
    fn reject(&mut self, report: &HotspotReport, rejected: bool) {
        if self.city.credibility.is_none() {
            return;
        }
        let key = (report.drill, report.sender);
        let n = self.rejections.entry(key).or_default();
        let before = *n;
        *n = if rejected { *n + 1 } else { *n - 1 };
        let n = *n;
        if n == 0 {
            self.rejections.remove(&key);
        }
        let pardon = (self.old_at(report), report.seq);
        if rejected {
            self.pardons.insert(pardon)
        } else {
            self.pardons.remove(&pardon)
        };
        // All reports of the sender are looked at: where one more changes nothing, none are.
        if capped(before) != capped(n) {
            let lanes = self.lanes.iter_mut().filter(|lane| lane.drill == report.drill);
            lanes.for_each(|lane| lane.set_rejections(report.sender, capped(n)));
        }
    }

    /// The lane of its category and the lane of all.
    fn lanes_of(&self, report: &HotspotReport) -> [usize; 2] {
        let layers = [usize::from(report.category.0), self.city.categories.len()];
        layers.map(|layer| 2 * layer + usize::from(report.drill))
    }

    /// Whether what was told since the last tick can change a hotspot or raise an alarm.
    pub fn is_dirty(&self) -> bool {
        self.surges.is_dirty() || self.lanes.iter().any(|lane| lane.dirty)
    }

    /// Makes the next tick compute everything anew, for instance under another city pack.
    pub fn mark_dirty(&mut self) {
        self.lanes.iter_mut().for_each(Lane::mark_dirty);
    }

    /// The earliest time at which something changes by time alone: a report leaves its window, a
    /// rejected one is forgotten, or a hotspot settles or cools.
    pub fn due_at(&self) -> Option<TimeMs> {
        let pardon = self.pardons.first().map(|(at, _)| *at);
        self.lanes.iter().filter_map(Lane::due_at).chain(pardon).min()
    }

    /// Computes the hotspots as of `now`, the time of the tick entry `seq`.
    /// It would be a logic error to let seq stand still or time fall from one tick to the next.
    pub fn tick(&mut self, seq: Seq, now: TimeMs) -> TickChanges {
        debug_assert!(now >= self.now);
        self.now = now;
        self.forget_old();
        self.history.forget_old(now);
        self.board.forget_ended(seq);
        let regrouped: Vec<(usize, Regrouped)> = self
            .lanes
            .iter_mut()
            .enumerate()
            .filter_map(|(i, lane)| lane.regroup(seq, now).map(|regrouped| (i, regrouped)))
            .collect();
        let numbers = number_births(&regrouped);
        let context = Context {
            city: &self.city,
            finest_areas: &self.finest_areas,
            history: &self.history,
            study: Study { city: &self.city, area: &self.study },
            seq,
            now,
        };
        let mut changes = TickChanges::new(seq, now);
        let mut regrouped = regrouped.into_iter().zip(numbers).peekable();
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(((_, groups), numbers)) = regrouped.next_if(|((of, _), _)| *of == i) {
                lane.renew(groups, &numbers, &context, &mut changes);
            }
            lane.age(&context, &mut changes);
        }
        changes.surges = self.surges.tick(&Today::new(&self.city, &self.history, seq, now));
        self.board.apply(&changes);
        changes
    }

    fn forget_old(&mut self) {
        while let Some((_, seq, no)) = self.old_at.first().copied().filter(|(at, ..)| *at <= self.now) {
            self.old_at.pop_first();
            let Some(incident) = self.incidents.get_mut(&no) else { continue };
            let rejected =
                incident.reports.iter().find(|report| report.seq == seq && incident.standing.rejected);
            let rejected = rejected.copied();
            incident.reports.retain(|report| report.seq != seq);
            if incident.reports.is_empty() {
                self.incidents.remove(&no);
            }
            if let Some(report) = rejected {
                self.reject(&report, false);
            }
        }
    }

    /// What readers see. Cheap to clone.
    pub fn board(&self) -> &HotspotBoard {
        &self.board
    }

    /// Puts a history of the last weeks in place of what [`HotspotEngine::add_report`] told, which
    /// knows no more than the longest window.
    pub fn set_history(&mut self, history: History) {
        self.history = history;
    }

    /// Says when the tick of the tables was, before reports are told anew: those that were too old by then are
    /// left out, as the tick left them out.
    pub fn ticked_at(&mut self, at: TimeMs) {
        self.now = at;
    }

    /// Leaves out of the day's reports what is older than the day of `now`: before reports are told anew.
    pub fn begin_day(&mut self, now: TimeMs) {
        self.surges.begin_day(now);
    }

    /// Says after [`HotspotEngine::load`] that the reports of an incident came to count after the tick of
    /// the tables.
    pub fn freshen(&mut self, incident: IncidentNo) {
        self.surges.freshen(incident);
    }

    /// Takes up where the derived tables stand, so that it goes on as if it had never stopped.
    ///
    /// First [`HotspotEngine::add_report`] every report as it stands at the entry `head`, whose time is
    /// `now`, then this. Where the tables stand at an earlier tick, the engine is dirty after it.
    ///
    /// # Errors
    /// A row that cannot be read is named.
    pub fn load(
        &mut self,
        projection: Projection,
        derived: &Derived,
        head: Seq,
        now: TimeMs,
    ) -> Result<(), LoadError> {
        let loaded = row::read(projection, derived, &self.city)?;
        self.now = now;
        self.forget_old();
        self.surges.load(&loaded.surges, derived.as_of_seq);
        for lane in &mut self.lanes {
            let mine = |hotspot: &Hotspot| (hotspot.layer, hotspot.drill) == (lane.layer, lane.drill);
            let live = loaded.live.iter().filter(|hotspot| mine(hotspot)).cloned().collect();
            let ended = loaded.ended.iter().filter(|(hotspot, ..)| mine(hotspot)).collect::<Vec<_>>();
            let in_rows = loaded.in_rows.iter().filter(|(key, _)| *key == (lane.layer, lane.drill));
            let in_rows = in_rows.map(|(_, id)| *id).collect();
            lane.load(live, &ended, in_rows, head > derived.as_of_seq, now);
        }
        self.board = HotspotBoard::load(loaded, derived.as_of_seq, head);
        Ok(())
    }
}

/// Numbers the groups that are born in this tick, over all layers, by their smallest core seq; the
/// layers' order decides ties. For each regrouped lane, the numbers of its births in their order.
fn number_births(regrouped: &[(usize, Regrouped)]) -> Vec<Vec<u32>> {
    let births = |(i, (_, lane)): (usize, &(usize, Regrouped))| {
        lane.births().enumerate().map(move |(birth, core)| (core, i, birth)).collect::<Vec<_>>()
    };
    let mut all: Vec<(Seq, usize, usize)> = regrouped.iter().enumerate().flat_map(births).collect();
    all.sort_unstable();
    let mut numbers: Vec<Vec<u32>> =
        regrouped.iter().map(|(_, lane)| vec![0; lane.births().count()]).collect();
    for (n, (_, lane, birth)) in (0..).zip(all) {
        numbers[lane][birth] = n;
    }
    numbers
}
