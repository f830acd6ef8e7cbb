//! Random histories: commands through a journal into a live map.

use std::sync::Arc;

use pantau::city::City;
use pantau::feed::TextSearch;
use pantau::journal::{Journal, MemoryJournal};
use pantau::live::{Filter, LiveMap, LiveWriter, Snapshot, Sort, Where};
use pantau::model::transitions::requirements;
use pantau::model::{
    Action, ActionMore, AgencyId, CategoryId, Channel, CheckedStep, Command, Disposition, Entry, Fact,
    IdKey, IncidentNo, Kinds, LngLat, MINUTE_MS, NewAction, NewErasure, NewMerge, NewReport, Outcome,
    Projection, ReportNo, ReportPrivate, Requirement, Secret, SenderId, TimeMs,
};
use proptest::prelude::*;

/// 2026-11-24T09:00 in Ternate.
pub const START: TimeMs = TimeMs(1_795_478_400_000);

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// A report at one of a few places, which joins an incident where `join` says so.
    Report {
        category: u8,
        place: LngLat,
        age_min: u16,
        sender: u8,
        join: Option<u16>,
        drill: bool,
        text: bool,
    },
    Act {
        incident: u16,
        action: Action,
        agency: u8,
    },
    /// Of one of the newest reports, as far back as `report` says.
    Erase {
        report: u16,
        text: bool,
        place: bool,
    },
    Pass {
        minutes: u16,
    },
    Tick,
    /// One of the open incidents absorbs another.
    Merge {
        absorbed: u16,
        into: u16,
    },
    /// One of the absorbed is set free.
    Split {
        absorbed: u16,
    },
}

/// A small world makes things meet: places on a grid of 60 m within a kilometre, and far corners.
pub fn any_place(city: &City) -> BoxedStrategy<LngLat> {
    let centre = city.centre;
    let near = (0..18_u8, 0..18_u8).prop_map(move |(x, y)| {
        let step = |at: u8| f64::from(at) * 0.000_54;
        LngLat::new(centre.lng() + step(x), centre.lat() + step(y)).unwrap()
    });
    if city.bounds.is_some() {
        return near.boxed();
    }
    let corners = prop::sample::select(vec![
        (180.0, 0.0),
        (-180.0, 0.000_1),
        (179.999_9, 0.0),
        (-179.999_9, 0.0),
        (10.0, 89.999_9),
        (-170.0, 89.999_9),
        (0.0, -90.0),
        (106.8, -6.2),
    ]);
    prop_oneof![8 => near, 1 => corners.prop_map(|(lng, lat)| LngLat::new(lng, lat).unwrap())].boxed()
}

pub fn any_step(city: &City) -> BoxedStrategy<Step> {
    let report = (
        0..7_u8,
        any_place(city),
        0..90_u16,
        0..6_u8,
        prop::option::weighted(0.3, 0..40_u16),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
    );
    let report = report.prop_map(|(category, place, age_min, sender, join, drill, text)| Step::Report {
        category,
        place,
        age_min,
        sender,
        join,
        drill,
        text,
    });
    let act = (0..40_u16, prop::sample::select(Action::ALL.to_vec()), 0..7_u8)
        .prop_map(|(incident, action, agency)| Step::Act { incident, action, agency });
    // Minutes, hours, days and, now and then, more days than closed incidents are kept.
    let minutes =
        prop_oneof![6 => 0..30_u16, 2 => 60..600_u16, 1 => 1_000..12_000_u16, 1 => 20_000..60_000_u16];
    let erase = (0..30_u16, any::<bool>(), any::<bool>()).prop_map(|(report, text, place)| Step::Erase {
        report,
        text,
        place,
    });
    prop_oneof![
        12 => report,
        8 => act,
        1 => erase,
        4 => minutes.prop_map(|minutes| Step::Pass { minutes }),
        4 => Just(Step::Tick),
        3 => (0..40_u16, 0..40_u16).prop_map(|(absorbed, into)| Step::Merge { absorbed, into }),
        2 => (0..40_u16).prop_map(|absorbed| Step::Split { absorbed }),
    ]
    .boxed()
}

/// What the table of transitions wants of an action.
fn more_of(action: Action, n: u8) -> ActionMore {
    let step = CheckedStep { key: "measure".to_owned(), done: n.is_multiple_of(2) };
    ActionMore {
        disposition: (action == Action::Reject).then(|| Disposition::ALL[usize::from(n) % 6]),
        step: (action == Action::Check).then_some(step),
        ..ActionMore::default()
    }
}

/// A journal and the live map that follows it.
pub struct History {
    pub city: Arc<City>,
    pub journal: Box<dyn Journal>,
    pub writer: LiveWriter,
    pub now: TimeMs,
    pub entries: Vec<Entry>,
}

impl History {
    pub fn new(city: Arc<City>) -> History {
        let journal = MemoryJournal::new(city.clone(), Secret([7; 32]));
        History::over(city, Box::new(journal))
    }

    /// Over a journal that holds nothing yet.
    pub fn over(city: Arc<City>, journal: Box<dyn Journal>) -> History {
        let writer = new_writer(&city, &*journal);
        History { city, journal, writer, now: START, entries: Vec::new() }
    }

    pub fn map(&self) -> &LiveMap {
        self.writer.map()
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Report { category, place, age_min, sender, join, drill, text } => {
                let n = self.map().incident_count() as u32;
                let incident = join.filter(|_| n > 0).map(|i| IncidentNo(u32::from(i) % n + 1));
                let category = CategoryId(*category);
                let of_city = self.city.category(category);
                self.submit(Command::Report(Box::new(NewReport {
                    category,
                    place: *place,
                    coarse_place: of_city.sensitive.then(|| place.coarsened(self.city.coarse_res)),
                    accuracy_m: (age_min % 3 == 1).then_some(900),
                    occurred_at: Some(self.now.plus_ms(-i64::from(*age_min) * MINUTE_MS)),
                    area: self.city.areas.locate(*place),
                    incident,
                    agency: of_city.agency,
                    due_after_ms: of_city.deadline_ms,
                    sender: (*sender > 0).then(|| SenderId(u64::from(*sender) << 40 | 1 << 63)),
                    channel: if age_min % 4 == 1 { Channel::Social } else { Channel::Web },
                    drill: *drill,
                    private: ReportPrivate {
                        description: text.then(|| "Banjir di depan Masjid".to_owned()),
                        ..ReportPrivate::default()
                    },
                    idempotency: None,
                    import: None,
                })));
            }
            Step::Act { incident, action, agency } => {
                let n = self.map().incident_count().max(1) as u32;
                let no = IncidentNo(u32::from(*incident) % n + 1);
                let category = self.map().any_incident(no).map(|incident| incident.category);
                let deadline_ms = category.and_then(|category| self.city.category(category).deadline_ms);
                self.submit(Command::Action(Box::new(NewAction {
                    incident: no,
                    action: *action,
                    agency: (*action == Action::Assign).then_some(AgencyId(*agency)),
                    note: requirements(*action).contains(&Requirement::Note).then(|| "catatan".to_owned()),
                    version: None,
                    due_after_ms: deadline_ms.filter(|_| *action == Action::Reopen),
                    actor: if *agency < 4 { "test" } else { "ani" }.to_owned(),
                    more: more_of(*action, *agency),
                })));
            }
            Step::Erase { report, text, place } => {
                let n = self.entries.iter().filter(|entry| matches!(entry.fact, Fact::Report(_))).count()
                    as u32;
                let reports = n.checked_sub(u32::from(*report)).filter(|no| *no > 0);
                self.submit(Command::Erasure(Box::new(NewErasure {
                    reason: "test".to_owned(),
                    kinds: Kinds { contact: true, text: *text, place: *place, photos: *text },
                    reports: reports.into_iter().map(ReportNo).collect(),
                    notes: Vec::new(),
                })));
            }
            Step::Pass { minutes } => self.now = self.now.plus_ms(i64::from(*minutes) * MINUTE_MS),
            Step::Tick => self.submit(Command::Tick),
            Step::Merge { absorbed, into } => {
                let all: Vec<IncidentNo> = self.open_incidents();
                if let (Some(absorbed), Some(into)) = (pick(&all, *absorbed), pick(&all, *into)) {
                    self.submit(Command::Merge(Box::new(merging(absorbed, into))));
                }
            }
            Step::Split { absorbed } => {
                let mut merged = Vec::new();
                self.journal.reader().absorbed(&mut |no, into| merged.push((no, into))).unwrap();
                merged.sort_unstable();
                if let Some((absorbed, into)) = pick(&merged, *absorbed) {
                    self.submit(Command::Split(Box::new(merging(absorbed, into))));
                }
            }
        }
    }

    /// Those on the map that are not closed, by number.
    fn open_incidents(&self) -> Vec<IncidentNo> {
        let all = Filter { drill: None, ..Filter::default() };
        let found = self.map().incidents(
            Projection::Staff,
            &all,
            &Where::default(),
            Sort::NewestFirst,
            None,
            usize::MAX - 1,
        );
        let mut numbers: Vec<IncidentNo> = found.incidents.iter().map(|incident| incident.no).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Appends as the engine does: what the last tick derived goes into this commit.
    pub fn submit(&mut self, command: Command) {
        let derived = self.writer.take_derived();
        let outcomes =
            self.journal.append(vec![command], self.now, derived.as_ref()).expect("the journal is sound");
        for outcome in outcomes {
            if let Outcome::Accepted { entries, .. } = outcome {
                self.writer.apply(&entries);
                self.entries.extend(entries);
            }
        }
    }

    /// Finds words in the journal.
    pub fn search(&self) -> Arc<TextSearch> {
        Arc::new(TextSearch::new(self.journal.reader()))
    }

    /// A snapshot of the live map as it is now.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        let hash = self.journal.reader().entry_hash(self.map().seq()).expect("the journal is sound")?;
        Some(Snapshot::encode(self.map(), &hash))
    }

    /// The process dies and comes back with a snapshot taken before.
    pub fn restart_from(&mut self, snapshot: &[u8]) {
        let snapshot = Snapshot::decode(snapshot, &self.city).expect("our own");
        self.open(Some(snapshot));
    }

    /// The process dies and comes back: the live map is stood up from the journal.
    pub fn restart(&mut self) {
        self.open(None);
    }

    fn open(&mut self, snapshot: Option<Snapshot>) {
        let ids = IdKey::new(self.journal.secret(), &self.city.code_prefix);
        let reader = self.journal.reader();
        self.writer = pantau::engine::open(&*reader, self.journal.head(), self.city.clone(), ids, snapshot)
            .expect("a journal of our own opens");
    }

    /// The writer of a map of this history before the first entry.
    pub fn at_the_start(&self) -> LiveWriter {
        new_writer(&self.city, &*self.journal)
    }

    /// A map that applied every entry from the first.
    pub fn replayed(&self) -> LiveWriter {
        let mut writer = self.at_the_start();
        writer.apply(&self.entries);
        writer
    }
}

fn pick<T: Copy>(all: &[T], n: u16) -> Option<T> {
    all.get(usize::from(n) % all.len().max(1)).copied()
}

pub fn merging(absorbed: IncidentNo, into: IncidentNo) -> NewMerge {
    NewMerge { absorbed, into, version: None, note: None, actor: "test".to_owned() }
}

fn new_writer(city: &Arc<City>, journal: &dyn Journal) -> LiveWriter {
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    LiveWriter::new(city.clone(), ids, journal.head().epoch)
}
