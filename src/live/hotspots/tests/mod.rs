//! The engine against its laws: whole histories, compared with the naive oracle and with themselves.

mod told;
mod weights;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::identity::{Old, Origin, match_groups};
use super::naive::Naive;
use super::testing::{cases, city, city_with_areas, naive_dbscan, place, weighing};
use super::*;
use crate::city::HotspotParameters;
use crate::journal::{Derived, DerivedUpdate, HotspotMemberRow, HotspotMembers};
use crate::model::{MINUTE_MS, Projection, great_circle_m};

const START: TimeMs = TimeMs(1_764_000_000_000);

#[derive(Debug, Clone)]
enum Step {
    Report {
        east: i32,
        north: i32,
        garbage: bool,
        sender: u64,
        joins: bool,
        age_min: i64,
        drill: bool,
        voice: Voice,
    },
    /// It is rejected, and that speaks against its senders; or it counts.
    Counts {
        incident: u32,
        counts: bool,
    },
    /// It is rejected, and nobody is to blame.
    Closed {
        incident: u32,
    },
    /// Its reports count under another incident.
    Root {
        incident: u32,
        root: u32,
    },
    Pass {
        minutes: i64,
    },
    Tick,
}

/// How a report was made.
#[derive(Debug, Clone, Copy)]
struct Voice {
    channel: Channel,
    accuracy_m: Option<u32>,
    n_photos: u8,
}

/// Nothing speaks against it.
const PLAIN: Voice = Voice { channel: Channel::App, accuracy_m: None, n_photos: 0 };

fn voice() -> impl Strategy<Value = Voice> {
    let channels = vec![Channel::App, Channel::App, Channel::Web, Channel::Social];
    let channel = proptest::sample::select(channels);
    let accuracy_m = proptest::sample::select(vec![None, Some(200), Some(201)]);
    (channel, accuracy_m, 0..5_u8).prop_map(|(channel, accuracy_m, n)| Voice {
        channel,
        accuracy_m,
        n_photos: n.saturating_sub(2),
    })
}

/// Sender 0 leaves no mark: each of its reports counts for itself.
fn sender_of(sender: u64, no: ReportNo) -> SenderId {
    if sender == 0 { SenderId::of_report(no) } else { SenderId(sender | 1 << 63) }
}

fn step() -> impl Strategy<Value = Step> {
    let report = (0..9, 0..4, any::<bool>(), 0..6_u64, any::<bool>(), 0..20_i64, 0..8, voice()).prop_map(
        |(east, north, garbage, sender, joins, age, drill, voice)| {
            // Most just now, some long ago.
            let age_min = if age < 15 { age / 5 } else { (age - 14) * 40 };
            Step::Report { east, north, garbage, sender, joins, age_min, drill: drill == 0, voice }
        },
    );
    prop_oneof![
        10 => report,
        2 => (0..40_u32, any::<bool>()).prop_map(|(incident, counts)| Step::Counts { incident, counts }),
        1 => (0..40_u32).prop_map(|incident| Step::Closed { incident }),
        1 => (1..40_u32, 1..40_u32).prop_map(|(incident, root)| Step::Root { incident, root }),
        3 => (1..50_i64).prop_map(|minutes| Step::Pass { minutes }),
        4 => Just(Step::Tick),
    ]
}

fn history(max: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 0..max)
}

/// An engine, and beside it everything that was told to it.
struct World {
    city: Arc<City>,
    style: OutlineStyle,
    west_lng: f64,
    engine: HotspotEngine,
    seq: Seq,
    now: TimeMs,
    /// Time of the newest entry.
    head_at: TimeMs,
    reports: Vec<HotspotReport>,
    /// With whether that speaks against its senders.
    rejected: BTreeMap<IncidentNo, bool>,
    roots: BTreeMap<IncidentNo, IncidentNo>,
    derived: Derived,
    ticks: Vec<TickChanges>,
}

impl World {
    fn new(style: OutlineStyle) -> World {
        World::of(city(200.0, 3.0, 2), 127.38, style)
    }

    /// On the border of two villages.
    fn with_areas(style: OutlineStyle) -> World {
        World::of(city_with_areas(200.0, 3.0, 2), 127.386, style)
    }

    /// Where senders are weighed.
    fn weighing() -> World {
        World::of(weighing(city_with_areas(200.0, 3.0, 2)), 127.386, OutlineStyle::Exact)
    }

    fn of(city: Arc<City>, west_lng: f64, style: OutlineStyle) -> World {
        World {
            engine: HotspotEngine::new(city.clone(), style),
            style,
            west_lng,
            city,
            seq: Seq(0),
            now: START,
            head_at: START,
            reports: Vec::new(),
            rejected: BTreeMap::new(),
            roots: BTreeMap::new(),
            derived: Derived::default(),
            ticks: Vec::new(),
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), TestCaseError> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        if !matches!(step, Step::Pass { .. }) {
            self.head_at = self.now;
        }
        match step {
            Step::Report { east, north, garbage, sender, joins, age_min, drill, voice } => {
                self.seq = self.seq.next();
                let no = self.reports.len() as u32 + 1;
                let (east, north) = (f64::from(*east) * 0.001, f64::from(*north) * 0.001);
                let place = place(self.west_lng + east, 0.79 + north);
                let incident = IncidentNo(if *joins { no.saturating_sub(1).max(1) } else { no });
                let report = HotspotReport {
                    seq: self.seq,
                    report: ReportNo(no),
                    received_at: self.now,
                    incident,
                    root: self.roots.get(&incident).copied().unwrap_or(incident),
                    place,
                    area: self.city.areas.locate(place),
                    category: CategoryId(u8::from(*garbage)),
                    occurred_at: self.now.plus_ms(-age_min * MINUTE_MS),
                    sender: sender_of(*sender, ReportNo(no)),
                    channel: voice.channel,
                    accuracy_m: voice.accuracy_m,
                    n_photos: voice.n_photos,
                    drill: *drill,
                    imported: false,
                    doubts: Doubts::NONE,
                };
                self.reports.push(report);
                self.engine.add_report(report, self.standing(report.incident));
            }
            Step::Counts { incident, counts } => {
                let incident = IncidentNo(*incident);
                self.set_rejected(incident, (!counts).then_some(true));
            }
            Step::Closed { incident } => self.set_rejected(IncidentNo(*incident), Some(false)),
            Step::Root { incident, root } => {
                self.seq = self.seq.next();
                let (incident, root) = (IncidentNo(*incident), IncidentNo(*root));
                self.roots.insert(incident, root);
                let mine = self.reports.iter_mut().filter(|report| report.incident == incident);
                mine.for_each(|report| report.root = root);
                self.engine.set_root(incident, root, self.standing(incident));
            }
            Step::Pass { minutes } => self.now = self.now.plus_ms(minutes * MINUTE_MS),
            Step::Tick => self.tick()?,
        }
        Ok(())
    }

    /// Rejects an incident, speaking against its senders or not, or lets it count.
    fn set_rejected(&mut self, incident: IncidentNo, rejected: Option<bool>) {
        self.seq = self.seq.next();
        match rejected {
            Some(speaks) => self.rejected.insert(incident, speaks),
            None => self.rejected.remove(&incident),
        };
        self.engine.set_standing(incident, self.standing(incident));
    }

    fn standing(&self, incident: IncidentNo) -> Standing {
        let rejected = self.rejected.get(&incident);
        Standing { counts: rejected.is_none(), rejected: rejected.copied().unwrap_or(false) }
    }

    fn tick(&mut self) -> Result<(), TestCaseError> {
        self.head_at = self.now;
        let due = self.engine.is_dirty() || self.engine.due_at().is_some_and(|at| at <= self.now);
        self.seq = self.seq.next();
        let before = self.engine.board().clone();
        let changes = self.engine.tick(self.seq, self.now);
        prop_assert!(due || changes.is_empty(), "nothing was due, but {:?}", changes);
        prop_assert!(!self.engine.is_dirty());
        prop_assert!(self.engine.due_at().is_none_or(|at| at > self.now), "what was due is still due");
        self.check_changes(&before, &changes)?;
        self.check_groups()?;
        self.check_weights()?;
        self.check_bound()?;
        self.check_identities(&before)?;
        self.check_portraits(&before, &changes)?;
        self.store(&changes);
        self.ticks.push(changes);
        Ok(())
    }

    /// A reader who folds the changes holds what the board holds, and none of them is noise.
    fn check_changes(&self, before: &HotspotBoard, changes: &TickChanges) -> Result<(), TestCaseError> {
        let mut folded: BTreeMap<HotspotId, Hotspot> = before.live().map(|h| (h.id, h.clone())).collect();
        for hotspot in &changes.ended {
            prop_assert!(folded.remove(&hotspot.id).is_some());
        }
        for hotspot in &changes.changed {
            prop_assert_eq!(hotspot.changed_seq, self.seq);
            let old = folded.insert(hotspot.id, (**hotspot).clone());
            prop_assert!(old.is_some() || hotspot.id.born == self.seq, "an id is never used again");
            let Some(old) = old else { continue };
            prop_assert_ne!(&Hotspot { changed_seq: self.seq, ..old.clone() }, &**hotspot);
            if seqs(&old) == seqs(hotspot) {
                prop_assert_eq!(
                    (&old.why, old.trend, &old.name),
                    (&hotspot.why, hotspot.trend, &hotspot.name)
                );
            }
        }
        let board: BTreeMap<HotspotId, Hotspot> =
            self.engine.board().live().map(|h| (h.id, h.clone())).collect();
        prop_assert_eq!(folded, board);
        Ok(())
    }

    fn lanes(&self) -> impl Iterator<Item = (Layer, bool)> {
        let layers = self.city.category_ids().map(Layer::Category).chain([Layer::All]);
        layers.flat_map(|layer| [(layer, false), (layer, true)])
    }

    /// The reports that count in a lane now, by seq.
    fn points(&self, lane: (Layer, bool)) -> (Vec<Point>, HotspotParameters) {
        let (reports, parameters) = self.counting(lane);
        let point =
            |r: &HotspotReport| Point { seq: r.seq, place: r.place, sender: r.sender, weight: r.weight() };
        (reports.iter().map(point).collect(), parameters)
    }

    fn counting(&self, (layer, drill): (Layer, bool)) -> (Vec<HotspotReport>, HotspotParameters) {
        let parameters = match layer {
            Layer::Category(id) => self.city.category(id).hotspot,
            Layer::All => self.city.all_categories,
        };
        let reports = self
            .reports
            .iter()
            .filter(|r| layer == Layer::All || layer == Layer::Category(r.category))
            .filter(|r| r.drill == drill && !self.rejected.contains_key(&r.incident))
            .filter(|r| self.now.since(r.occurred_at) < parameters.window_ms);
        let reports: Vec<HotspotReport> = reports.copied().collect();
        if self.city.credibility.is_none() {
            return (reports, parameters);
        }
        let record = self.record();
        let weighed = |r: &HotspotReport| {
            let doubts = self.doubts(r, &reports, &parameters, &record);
            HotspotReport { doubts, ..*r }
        };
        (reports.iter().map(weighed).collect(), parameters)
    }

    /// What is told of a hotspot whose members changed is what the whole list of its reports says.
    fn check_portraits(&self, before: &HotspotBoard, changes: &TickChanges) -> Result<(), TestCaseError> {
        for hotspot in &changes.changed {
            let old = before.get(hotspot.id);
            let (lane, _) = self.counting((hotspot.layer, hotspot.drill));
            let members = lane.iter().filter(|report| hotspot.members.get(report.seq).is_some());
            let incidents: BTreeSet<IncidentNo> = members.map(|report| report.root).collect();
            prop_assert_eq!(hotspot.incidents as usize, incidents.len());
            if old.is_some_and(|old| seqs(old) == seqs(hotspot)) {
                continue;
            }
            let (lane, parameters) = self.counting((hotspot.layer, hotspot.drill));
            let members: Vec<HotspotReport> =
                lane.iter().filter(|report| hotspot.members.get(report.seq).is_some()).copied().collect();
            let naive = Naive {
                city: &self.city,
                style: self.style,
                layer: hotspot.layer,
                drill: hotspot.drill,
                parameters,
                lane: &lane,
                history: &self.engine.history,
                now: self.now,
            };
            for report in &members {
                prop_assert_eq!(hotspot.members.get(report.seq).map(|m| m.doubts), Some(report.doubts));
            }
            let mut expected = (**hotspot).clone();
            naive.describe(&members, old.and_then(|old| old.lead_area), &mut expected);
            prop_assert_eq!(&**hotspot, &expected);
            prop_assert_eq!(hotspot.members.len(), members.len());
        }
        Ok(())
    }

    /// Groups are those of the naive oracle over the reports that count.
    fn check_groups(&self) -> Result<(), TestCaseError> {
        for (layer, drill) in self.lanes() {
            let (points, parameters) = self.points((layer, drill));
            let expected: BTreeSet<Vec<(Seq, bool)>> = naive_dbscan(&points, &parameters)
                .into_iter()
                .map(|group| group.into_iter().map(|(i, core)| (points[i].seq, core)).collect())
                .collect();
            let found = self.engine.board().live().filter(|h| (h.layer, h.drill) == (layer, drill));
            let found: BTreeSet<Vec<(Seq, bool)>> =
                found.map(|h| h.members.iter().map(|m| (m.seq, m.core)).collect()).collect();
            prop_assert_eq!(found, expected, "{:?} drill {}", layer, drill);
        }
        Ok(())
    }

    /// Ids are those that matching all groups of the batch with all hotspots gives.
    fn check_identities(&self, before: &HotspotBoard) -> Result<(), TestCaseError> {
        let mut expected: BTreeMap<HotspotId, Vec<Seq>> = BTreeMap::new();
        let mut births: Vec<(Seq, Vec<Seq>)> = Vec::new();
        for lane in self.lanes() {
            let (points, parameters) = self.points(lane);
            let groups = dbscan(&points, &parameters);
            let named =
                |group: &Group| group.members.iter().map(|m| points[m.point as usize].seq).collect();
            let new: Vec<Vec<Seq>> = groups.iter().map(named).collect();
            let mine = before.live().filter(|h| (h.layer, h.drill) == lane);
            let old: Vec<Old> = mine.map(|h| Old { id: h.id, members: seqs(h) }).collect();
            let matching = match_groups(&old, &new, |seq| points.iter().any(|point| point.seq == seq));
            for ((origin, members), group) in matching.origins.iter().zip(new).zip(&groups) {
                let core = group.members.iter().find(|member| member.core).unwrap();
                match origin {
                    Origin::Kept(id) => drop(expected.insert(*id, members)),
                    Origin::Born { .. } => births.push((points[core.point as usize].seq, members)),
                }
            }
        }
        births.sort_by_key(|(core, _)| *core);
        let born = |(n, (_, members))| (HotspotId { born: self.seq, n }, members);
        expected.extend((0..).zip(births).map(born));
        let found: BTreeMap<HotspotId, Vec<Seq>> =
            self.engine.board().live().map(|h| (h.id, seqs(h))).collect();
        prop_assert_eq!(found, expected);
        Ok(())
    }

    /// Keeps rows as the journal does.
    fn store(&mut self, changes: &TickChanges) {
        let mut update = DerivedUpdate::default();
        changes.append_rows(Projection::Staff, &self.city, &mut update);
        self.derived.as_of_seq = update.as_of_seq;
        for row in update.hotspots {
            self.derived.hotspots.retain(|kept| kept.id != row.id);
            self.derived.hotspots.push(row);
        }
        for change in update.members {
            let i = self.derived.members.iter().position(|known| known.id == change.id);
            let i = i.unwrap_or_else(|| {
                let (projection, id, members) = (change.projection, change.id, Vec::new());
                self.derived.members.push(HotspotMembers { projection, id, members });
                self.derived.members.len() - 1
            });
            let known = &mut self.derived.members[i].members;
            let is_new = |member: &HotspotMemberRow| change.came.iter().any(|new| new.seq == member.seq);
            known.retain(|m| !change.whole && !is_new(m) && !change.left.contains(&m.seq));
            known.extend(change.came);
            known.sort_by_key(|member| member.seq);
        }
        self.derived.events.extend(update.events);
    }

    /// Another engine, stood up from the rows and the reports as they stand now.
    fn reopened(&self) -> HotspotEngine {
        let mut engine = HotspotEngine::new(self.city.clone(), self.style);
        for report in &self.reports {
            engine.add_report(*report, self.standing(report.incident));
        }
        engine.load(Projection::Staff, &self.derived, self.seq, self.head_at).unwrap();
        engine
    }
}

fn seqs(hotspot: &Hotspot) -> Vec<Seq> {
    hotspot.members.iter().map(|member| member.seq).collect()
}

fn live(engine: &HotspotEngine) -> Vec<Hotspot> {
    engine.board().live().cloned().collect()
}

fn alarms(engine: &HotspotEngine) -> Vec<(Seq, EventKind, HotspotId, crate::city::Text)> {
    let of_hotspot = |alarm: &Alarm| match alarm {
        Alarm::Hotspot(a) => Some((a.seq, a.kind, a.hotspot.id, a.title.clone())),
        Alarm::Surge(_) => None,
    };
    engine.board().alarms_since(Seq(0)).filter_map(of_hotspot).collect()
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn groups_are_batch_dbscan_at_every_tick_and_changes_add_up(steps in history(160)) {
        World::new(OutlineStyle::Exact).run(&steps)?;
    }

    #[test]
    fn what_is_told_follows_from_the_members_at_every_tick(steps in history(160)) {
        World::with_areas(OutlineStyle::Exact).run(&steps)?;
        World::with_areas(OutlineStyle::H3(h3o::Resolution::Ten)).run(&steps)?;
    }

    /// Groups, ids and what is told, with weights found anew at every tick.
    #[test]
    fn weights_follow_from_the_reports_at_every_tick(steps in history(160)) {
        World::weighing().run(&steps)?;
    }

    #[test]
    fn the_same_history_gives_the_same_hotspots(steps in history(100)) {
        let mut worlds = [0, 1].map(|_| World::new(OutlineStyle::H3(h3o::Resolution::Nine)));
        for world in &mut worlds {
            world.run(&steps)?;
        }
        prop_assert_eq!(&worlds[0].ticks, &worlds[1].ticks);
    }

    /// The same as an engine that looks at every group and every hotspot at every tick.
    #[test]
    fn a_tick_that_looks_only_at_what_changed_finds_what_one_that_looks_at_all_finds(
        steps in history(160),
    ) {
        let mut local = World::new(OutlineStyle::Exact);
        let mut whole = World::new(OutlineStyle::Exact);
        let by_id = |changes: &TickChanges| {
            let mut changes = changes.clone();
            changes.changed.sort_by_key(|hotspot| hotspot.id);
            changes.members.sort_by_key(|(id, _)| *id);
            changes
        };
        for step in &steps {
            local.step(step)?;
            if matches!(step, Step::Tick) {
                whole.engine.mark_dirty();
            }
            whole.step(step)?;
            prop_assert_eq!(local.ticks.last().map(by_id), whole.ticks.last().map(by_id));
        }
        prop_assert_eq!(live(&local.engine), live(&whole.engine));
    }

    /// What happened before the first tick after a stop may have come before the stop or after it.
    #[test]
    fn an_engine_that_was_stopped_goes_on_as_if_it_never_was(
        steps in history(120), stop in 0.0..1.0, weighs in any::<bool>(),
    ) {
        let new = || if weighs { World::weighing() } else { World::with_areas(OutlineStyle::Exact) };
        let stop = (steps.len() as f64 * stop) as usize;
        let mut world = new();
        world.run(&steps[..stop])?;
        let mut reopened = world.reopened();
        prop_assert_eq!(live(&reopened), live(&world.engine));
        prop_assert_eq!(alarms(&reopened), alarms(&world.engine));
        std::mem::swap(&mut world.engine, &mut reopened);
        world.run(&steps[stop..])?;
        world.tick()?;

        let mut whole = new();
        whole.run(&steps)?;
        whole.tick()?;
        prop_assert_eq!(live(&world.engine), live(&whole.engine));
        prop_assert_eq!(alarms(&world.engine), alarms(&whole.engine));
        prop_assert_eq!(world.derived.events, whole.derived.events);
    }

    #[test]
    fn nothing_changes_before_it_is_due_and_something_is_due_when_it_changes(steps in history(80)) {
        let mut world = World::new(OutlineStyle::Exact);
        world.run(&steps)?;
        world.tick()?;
        while let Some(due_at) = world.engine.due_at() {
            world.now = due_at.plus_ms(-1);
            world.tick()?;
            prop_assert!(world.ticks.last().is_some_and(TickChanges::is_empty));
            world.now = due_at;
            world.tick()?;
        }
        prop_assert!(live(&world.engine).is_empty(), "time alone ends every hotspot");
    }

    #[test]
    fn identities_hold(steps in history(160)) {
        let mut world = World::new(OutlineStyle::Exact);
        world.run(&steps)?;
        let mut known: HashMap<HotspotId, Vec<Seq>> = HashMap::new();
        for tick in &world.ticks {
            let born: Vec<u32> = tick
                .events
                .iter()
                .filter(|event| event.kind == EventKind::Born)
                .map(|event| event.hotspot.id.n)
                .collect();
            prop_assert_eq!(born.iter().copied().collect::<BTreeSet<_>>(), (0..born.len() as u32).collect());
            for hotspot in tick.ended.iter() {
                prop_assert!(known.remove(&hotspot.id).is_some(), "only what lived ends, and once");
            }
            for hotspot in &tick.changed {
                let new = seqs(hotspot);
                if let Some(old) = known.insert(hotspot.id, new.clone()) {
                    let kept = old.iter().filter(|seq| new.contains(seq)).count();
                    prop_assert!(kept > 0, "a hotspot that goes on shares members with itself");
                }
            }
        }
    }

    #[test]
    fn each_hotspot_alarms_once_a_level(steps in history(160)) {
        let mut world = World::new(OutlineStyle::Exact);
        world.run(&steps)?;
        let mut levels: HashMap<HotspotId, Vec<u32>> = HashMap::new();
        for event in world.ticks.iter().flat_map(|tick| &tick.events) {
            match event.kind {
                EventKind::Born => levels.entry(event.hotspot.id).or_default().push(0),
                EventKind::Doubled { level } => levels.entry(event.hotspot.id).or_default().push(level),
                _ => prop_assert!(!event.alarm),
            }
        }
        for levels in levels.values() {
            prop_assert!(levels[0] == 0 && levels.is_sorted_by(|a, b| a < b), "{levels:?}");
        }
    }
}
