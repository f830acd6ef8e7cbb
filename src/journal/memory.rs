//! The journal in memory: the same decisions and the same reading, nothing durable. For tests and
//! simulations.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::decide::{Accepted, Counters, Keyed, Store, decide_all};
use super::erase::{Held, HeldNote, Left};
use super::{
    ActsQuestion, Derived, DerivedUpdate, ENDED_ENTRIES_MAX, EVENTS_MAX, Head, HotspotEventRow,
    HotspotMemberRow, HotspotMembers, HotspotRow, HotspotStateRow, IncidentRow, Journal, JournalError,
    PhotoFiles, Reader, ReportPlace, ReportRow, SURGES_MAX, SurgeRow, fold, photos_sent::PhotosSent,
    records,
};
use crate::city::City;
use crate::model::{
    Command, Entry, Epoch, ErasureFact, Fact, ImportRow, IncidentNo, LngLat, Outcome, PhotoName, PhotoNo,
    PhotoRow, Projection, Receipt, ReportNo, Secret, SenderId, Seq, TimeMs,
};

/// A journal that lives as long as it and its readers do. Nothing in it is ever encoded.
pub struct MemoryJournal {
    epoch: Epoch,
    secret: Secret,
    state: Arc<RwLock<State>>,
}

struct State {
    city: Arc<City>,
    last: Counters,
    entries: Vec<Entry>,
    /// By number, from 1.
    reports: Vec<ReportRow>,
    /// By number, from 1.
    incidents: Vec<IncidentRow>,
    /// The one that absorbed, and the one that it absorbed.
    absorbed: BTreeSet<(IncidentNo, IncidentNo)>,
    /// Of the reports that opened or joined each.
    senders: HashMap<IncidentNo, BTreeSet<SenderId>>,
    keyed: HashMap<String, Keyed>,
    imported: HashMap<(String, [u8; 16]), ReportNo>,
    /// Of sensitive reports that are known exactly: all that an erasure leaves.
    coarse_places: HashMap<ReportNo, LngLat>,
    hotspots_as_of: Seq,
    hotspots: BTreeMap<(&'static str, String), HotspotRow>,
    states: BTreeMap<(&'static str, String, Seq), HotspotStateRow>,
    members: BTreeMap<(&'static str, String), BTreeMap<Seq, HotspotMemberRow>>,
    events: BTreeMap<(Seq, &'static str, String, String), HotspotEventRow>,
    surges: BTreeMap<(Seq, &'static str, u32), SurgeRow>,
    photos: BTreeMap<PhotoNo, PhotoRow>,
    photo_files: Arc<MemoryPhotos>,
}

/// Files of photos, in no file.
#[derive(Default)]
struct MemoryPhotos(RwLock<HashMap<PhotoName, Vec<u8>>>);

impl MemoryPhotos {
    fn write(&self) -> RwLockWriteGuard<'_, HashMap<PhotoName, Vec<u8>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PhotoFiles for MemoryPhotos {
    fn put(&self, files: &[(PhotoName, &[u8])]) -> Result<(), JournalError> {
        self.write().extend(files.iter().map(|(name, bytes)| (*name, bytes.to_vec())));
        Ok(())
    }

    fn get(&self, name: PhotoName) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.write().get(&name).cloned())
    }

    fn remove(&self, names: &[PhotoName]) -> Result<(), JournalError> {
        let mut files = self.write();
        for name in names {
            files.remove(name);
        }
        Ok(())
    }

    fn settle(&self, _: &[PhotoName]) {}

    /// Nothing in memory is of a run before this one.
    fn settled(&self, _: &mut dyn FnMut(PhotoName)) -> Result<(), JournalError> {
        Ok(())
    }
}

impl MemoryJournal {
    /// The epoch follows from the secret, so a simulation's run is a function of its seed.
    pub fn new(city: Arc<City>, secret: Secret) -> MemoryJournal {
        let digest = Sha256::new().chain_update(&city.key).chain_update(secret.0).finalize();
        let bytes: [u8; 16] = digest[..16].try_into().expect("a digest has 32 bytes");
        MemoryJournal::of_epoch(city, secret, Epoch(Uuid::from_bytes(bytes)))
    }

    /// The same in an epoch of one's choice: a history that was restored.
    pub fn of_epoch(city: Arc<City>, secret: Secret, epoch: Epoch) -> MemoryJournal {
        MemoryJournal { epoch, secret, state: Arc::new(RwLock::new(State::new(city))) }
    }
}

impl Journal for MemoryJournal {
    fn head(&self) -> Head {
        let last = read(&self.state).last;
        Head { epoch: self.epoch, seq: last.seq, at: last.at }
    }

    fn secret(&self) -> Secret {
        self.secret
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        // Readers wait for the whole batch, so they see it or not, as with a transaction.
        let mut state = write(&self.state);
        let mut last = state.last;
        let outcomes = decide_all(&mut *state, &mut last, commands, now)?;
        state.last = last;
        if let Some(update) = derived {
            state.update_derived(update);
        }
        Ok(outcomes)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(MemoryReader { state: Arc::clone(&self.state) })
    }
}

fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn new(city: Arc<City>) -> State {
        State {
            city,
            last: Counters::default(),
            entries: Vec::new(),
            reports: Vec::new(),
            incidents: Vec::new(),
            absorbed: BTreeSet::new(),
            senders: HashMap::new(),
            keyed: HashMap::new(),
            imported: HashMap::new(),
            coarse_places: HashMap::new(),
            hotspots_as_of: Seq(0),
            hotspots: BTreeMap::new(),
            states: BTreeMap::new(),
            members: BTreeMap::new(),
            events: BTreeMap::new(),
            surges: BTreeMap::new(),
            photos: BTreeMap::new(),
            photo_files: Arc::default(),
        }
    }

    fn incident(&self, no: IncidentNo) -> Option<&IncidentRow> {
        self.incidents.get((no.0 as usize).checked_sub(1)?)
    }

    fn report(&self, no: ReportNo) -> Option<&ReportRow> {
        self.reports.get((no.0 as usize).checked_sub(1)?)
    }

    fn absorbed_by(&self, no: IncidentNo) -> impl Iterator<Item = &IncidentRow> {
        let absorbed = self.absorbed.range((no, IncidentNo(0))..=(no, IncidentNo(u32::MAX)));
        absorbed.filter_map(|(_, no)| self.incident(*no))
    }

    /// Does to entries and rows what an erasure does to those that are stored.
    fn erase(&mut self, fact: &ErasureFact, lefts: &[Left]) {
        for (erased, left) in fact.reports.iter().zip(lefts) {
            let row = &mut self.reports[erased.report.0 as usize - 1];
            row.private = left.private.clone();
            let entry = &mut self.entries[erased.seq.0 as usize - 1];
            let Fact::Report(report) = &mut entry.fact else { unreachable!("a report's entry is one") };
            report.private = left.private.clone();
            if let Some(place) = erased.place {
                (row.place, report.place) = (place, place);
                self.coarse_places.remove(&erased.report);
                if erased.opens {
                    self.incidents[erased.incident.0 as usize - 1].place = place;
                }
            }
            if erased.gone.photos {
                self.erase_photos(erased.seq);
            }
            let of_report = |keyed: &&mut Keyed| keyed.report == erased.report;
            self.keyed.values_mut().filter(of_report).for_each(|keyed| keyed.body_digest = [0; 32]);
        }
        for note in &fact.notes {
            match &mut self.entries[note.seq.0 as usize - 1].fact {
                Fact::Action(action) => action.erase(),
                Fact::Merge(merge) | Fact::Split(merge) => merge.note = None,
                Fact::Record(record) => record.text = None,
                _ => {}
            }
            self.erase_photos(note.seq);
        }
    }

    fn erase_photos(&mut self, seq: Seq) {
        let gone: Vec<PhotoRow> =
            self.photos.extract_if(.., |no, _| no.seq == seq).map(|(_, row)| row).collect();
        let mut files = self.photo_files.write();
        for name in gone.iter().flat_map(|row| [row.photo.name, row.photo.thumb]) {
            files.remove(&name);
        }
    }

    fn update_derived(&mut self, update: &DerivedUpdate) {
        self.hotspots_as_of = update.as_of_seq;
        for row in &update.hotspots {
            self.hotspots.insert((row.projection.key(), row.id.clone()), row.clone());
        }
        for row in &update.states {
            self.states.insert((row.projection.key(), row.id.clone(), row.changed_seq), row.clone());
        }
        for change in &update.members {
            let members = self.members.entry((change.projection.key(), change.id.clone())).or_default();
            if change.whole {
                members.clear();
            }
            members.extend(change.came.iter().map(|member| (member.seq, *member)));
            for seq in &change.left {
                members.remove(seq);
            }
        }
        for row in &update.events {
            let key = (row.seq, row.projection.key(), row.id.clone(), row.kind.clone());
            self.events.insert(key, row.clone());
        }
        let surges = update.surges.iter().map(|row| ((row.seq, row.projection.key(), row.n), row.clone()));
        self.surges.extend(surges);
    }
}

impl Store for State {
    fn city(&self) -> &City {
        &self.city
    }

    fn incident(&mut self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        Ok(State::incident(self, no).cloned())
    }

    fn keyed(&mut self, key: &str) -> Result<Option<Keyed>, JournalError> {
        Ok(self.keyed.get(key).copied())
    }

    fn photos_sent(&mut self, no: IncidentNo, key: [u8; 16]) -> Result<Option<PhotosSent>, JournalError> {
        Ok(PhotosSent::among(&self.entries, no, key))
    }

    fn imported(&mut self, row: &ImportRow) -> Result<Option<ReportNo>, JournalError> {
        Ok(self.imported.get(&(row.source.clone(), row.row_digest)).copied())
    }

    fn receipt(&mut self, no: ReportNo) -> Result<Receipt, JournalError> {
        let report = State::report(self, no).expect("keys point at reports that exist");
        let incident = State::incident(self, report.incident).expect("a report has its incident");
        Ok(Receipt::Report {
            seq: report.seq,
            report: no,
            received_at: report.received_at,
            incident: incident.no,
            opened_at: incident.opened_at,
        })
    }

    fn held(&mut self, no: ReportNo) -> Result<Option<Held>, JournalError> {
        let Some(row) = State::report(self, no) else { return Ok(None) };
        let Fact::Report(fact) = &self.entries[row.seq.0 as usize - 1].fact else { return Ok(None) };
        let coarse_place = self.coarse_places.get(&no).copied();
        Ok(Some(Held {
            report: no,
            seq: row.seq,
            incident: row.incident,
            opens: fact.opens.is_some(),
            private: row.private.clone(),
            exact_place: coarse_place.map(|_| row.place),
            body_place: coarse_place.unwrap_or(row.place),
        }))
    }

    fn held_note(&mut self, seq: Seq) -> Result<Option<HeldNote>, JournalError> {
        let entry = (seq.0 as usize).checked_sub(1).and_then(|i| self.entries.get(i));
        Ok(entry.and_then(|entry| match &entry.fact {
            Fact::Action(action) => {
                Some(HeldNote { incident: action.incident, is_there: action.has_private() })
            }
            Fact::Merge(merge) | Fact::Split(merge) => {
                Some(HeldNote { incident: merge.absorbed, is_there: merge.note.is_some() })
            }
            Fact::Record(record) => {
                Some(HeldNote { incident: records::row_no(record), is_there: record.text.is_some() })
            }
            _ => None,
        }))
    }

    fn absorbed_by(&mut self, no: IncidentNo) -> Result<Vec<IncidentNo>, JournalError> {
        Ok(State::absorbed_by(self, no).map(|incident| incident.no).collect())
    }

    fn senders(&mut self, no: IncidentNo) -> Result<BTreeSet<SenderId>, JournalError> {
        Ok(self.senders.get(&no).cloned().unwrap_or_default())
    }

    fn write(&mut self, accepted: &Accepted) -> Result<(), JournalError> {
        let Entry { seq, at, ref fact } = accepted.entry;
        self.entries.push(accepted.entry.clone());
        for incident in accepted.incident.iter().chain(&accepted.partner) {
            let i = incident.no.0 as usize - 1;
            match self.incidents.get_mut(i) {
                Some(row) => *row = incident.clone(),
                None => self.incidents.push(incident.clone()),
            }
        }
        if let Fact::Report(report) = fact {
            self.reports.push(fold::report_row(seq, at, report));
            self.senders.entry(report.incident).or_default().insert(report.sender);
            self.coarse_places.extend(accepted.coarse_place.map(|place| (report.report, place)));
            if let Some(sent) = &accepted.idempotency {
                let keyed = Keyed { report: report.report, body_digest: sent.body_digest, at };
                self.keyed.insert(sent.key.clone(), keyed);
            }
            if let Some(row) = &accepted.import {
                self.imported.insert((row.source.clone(), row.row_digest), report.report);
            }
        }
        self.photos.extend(fold::photo_rows(seq, at, fact).into_iter().map(|row| (row.no, row)));
        if let Some((no, public)) = fold::photo_released(fact)
            && let Some(row) = self.photos.get_mut(&no)
        {
            row.public = public;
        }
        match fact {
            Fact::Erasure(erasure) => self.erase(erasure, &accepted.lefts),
            Fact::Merge(merge) => drop(self.absorbed.insert((merge.into, merge.absorbed))),
            Fact::Split(merge) => drop(self.absorbed.remove(&(merge.into, merge.absorbed))),
            _ => {}
        }
        Ok(())
    }
}

struct MemoryReader {
    state: Arc<RwLock<State>>,
}

fn closed_after(incident: &IncidentRow, closed_after: TimeMs) -> bool {
    incident.closed_at.is_none_or(|closed_at| closed_at > closed_after)
}

impl Reader for MemoryReader {
    fn incidents(
        &self,
        numbers: RangeInclusive<IncidentNo>,
        after: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        let state = read(&self.state);
        let wanted = |i: &&IncidentRow| numbers.contains(&i.no) && closed_after(i, after);
        state.incidents.iter().filter(wanted).cloned().for_each(each);
        Ok(())
    }

    fn last_incident(&self) -> Result<IncidentNo, JournalError> {
        Ok(IncidentNo(read(&self.state).incidents.len() as u32))
    }

    fn changed_incidents(&self, after: Seq, each: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        let state = read(&self.state);
        let of_erasure = |entry: &Entry| match &entry.fact {
            Fact::Erasure(fact) if entry.seq > after => {
                let reports = fact.reports.iter().map(|erased| erased.incident);
                reports.chain(fact.notes.iter().map(|erased| erased.incident)).collect()
            }
            Fact::Record(fact) if entry.seq > after => fact.incident.into_iter().collect(),
            _ => Vec::new(),
        };
        let erased: HashSet<IncidentNo> = state.entries.iter().flat_map(of_erasure).collect();
        let changed = |i: &&IncidentRow| i.changed_seq > after || erased.contains(&i.no);
        state.incidents.iter().filter(changed).cloned().for_each(each);
        Ok(())
    }

    fn archived(
        &self,
        after: TimeMs,
        until: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        let state = read(&self.state);
        let wanted = |i: &&IncidentRow| i.closed_at.is_some_and(|at| at > after && at <= until);
        state.incidents.iter().filter(wanted).cloned().for_each(each);
        Ok(())
    }

    fn entry_hash(&self, seq: Seq) -> Result<Option<[u8; 32]>, JournalError> {
        let state = read(&self.state);
        let entry = (seq.0 as usize).checked_sub(1).and_then(|i| state.entries.get(i));
        // Nothing is chained here; what an entry says stands for its hash.
        Ok(entry.map(|entry| Sha256::digest(format!("{entry:?}")).into()))
    }

    fn recent_reports(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportRow),
    ) -> Result<(), JournalError> {
        let state = read(&self.state);
        state.reports.iter().filter(|r| r.occurred_at > occurred_after).cloned().for_each(each);
        Ok(())
    }

    fn report_places(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportPlace),
    ) -> Result<(), JournalError> {
        let place = |row: &ReportRow| {
            let &ReportRow { no, incident, occurred_at, category, place, area, drill, .. } = row;
            ReportPlace { no, incident, occurred_at, category, place, area, drill }
        };
        let state = read(&self.state);
        state.reports.iter().filter(|r| r.occurred_at > occurred_after).map(place).for_each(each);
        Ok(())
    }

    fn texts(
        &self,
        after: TimeMs,
        each: &mut dyn FnMut(IncidentNo, Seq, &str),
    ) -> Result<(), JournalError> {
        let state = read(&self.state);
        let mut reports: Vec<&ReportRow> = state.reports.iter().collect();
        reports.sort_by_key(|r| (r.incident, r.seq));
        for report in reports {
            let shown = State::incident(&state, report.incident).is_some_and(|i| closed_after(i, after));
            if let Some(description) = report.private.description.as_deref().filter(|_| shown) {
                each(report.incident, report.seq, description);
            }
        }
        Ok(())
    }

    fn entries(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let state = read(&self.state);
        let skipped = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(state.entries.iter().skip(skipped).take(limit).cloned().collect())
    }

    fn report(&self, no: ReportNo) -> Result<Option<ReportRow>, JournalError> {
        Ok(read(&self.state).report(no).cloned())
    }

    fn last_report(&self) -> Result<ReportNo, JournalError> {
        Ok(ReportNo(read(&self.state).reports.len() as u32))
    }

    fn reports_of(&self, sender: SenderId, limit: usize) -> Result<Vec<ReportRow>, JournalError> {
        let state = read(&self.state);
        let own = state.reports.iter().rev().filter(|row| row.sender == sender);
        Ok(own.take(limit).cloned().collect())
    }

    fn incident(&self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        Ok(read(&self.state).incident(no).cloned())
    }

    fn incident_log(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        let about = |entry: &&Entry| match &entry.fact {
            Fact::Report(report) => report.incident == no,
            Fact::Action(action) => action.incident == no,
            Fact::Merge(merge) | Fact::Split(merge) => merge.absorbed == no || merge.into == no,
            Fact::Record(record) => record.incident == Some(no),
            Fact::Erasure(_) | Fact::Pack { .. } | Fact::Tick => false,
        };
        Ok(read(&self.state).entries.iter().filter(about).cloned().collect())
    }

    fn incident_actions(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        let about = |entry: &&Entry| entry.fact.turned() == Some(no);
        Ok(read(&self.state).entries.iter().filter(about).cloned().collect())
    }

    fn absorbed_by(&self, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
        Ok(read(&self.state).absorbed_by(no).cloned().collect())
    }

    fn first_texts(&self, no: IncidentNo, limit: usize) -> Result<Vec<String>, JournalError> {
        let state = read(&self.state);
        let of_incident = state.reports.iter().filter(|report| report.incident == no);
        Ok(of_incident.filter_map(|report| report.private.description.clone()).take(limit).collect())
    }

    fn absorbed(&self, each: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError> {
        read(&self.state).absorbed.iter().for_each(|(into, absorbed)| each(*absorbed, *into));
        Ok(())
    }

    fn derived(&self) -> Result<Derived, JournalError> {
        let state = read(&self.state);
        let kept = |row: &&HotspotRow| {
            row.ended_seq.is_none_or(|ended| ended.0 + ENDED_ENTRIES_MAX > state.last.seq.0)
        };
        let skipped = state.events.len().saturating_sub(EVENTS_MAX);
        let skipped_surges = state.surges.len().saturating_sub(SURGES_MAX);
        let hotspots: Vec<HotspotRow> = state.hotspots.values().filter(kept).cloned().collect();
        let members = |row: &HotspotRow| {
            let members = state.members.get(&(row.projection.key(), row.id.clone()))?;
            let members: Vec<HotspotMemberRow> = members.values().copied().collect();
            let (projection, id) = (row.projection, row.id.clone());
            (!members.is_empty()).then_some(HotspotMembers { projection, id, members })
        };
        Ok(Derived {
            as_of_seq: state.hotspots_as_of,
            members: hotspots.iter().filter_map(members).collect(),
            hotspots,
            events: state.events.values().skip(skipped).cloned().collect(),
            surges: state.surges.values().skip(skipped_surges).cloned().collect(),
        })
    }

    fn hotspots_at(&self, projection: Projection, seq: Seq) -> Result<Vec<HotspotStateRow>, JournalError> {
        let state = read(&self.state);
        let lived = |row: &&HotspotRow| {
            row.projection == projection && row.ended_seq.is_none_or(|ended_seq| ended_seq > seq)
        };
        let then = |row: &HotspotRow| {
            let key = |seq| (projection.key(), row.id.clone(), seq);
            state.states.range(key(Seq(0))..=key(seq)).next_back().map(|(_, state)| state.clone())
        };
        Ok(state.hotspots.values().filter(lived).filter_map(then).collect())
    }

    fn last_erasure(&self) -> Result<Seq, JournalError> {
        let is_erasure = |entry: &&Entry| matches!(entry.fact, Fact::Erasure(_));
        Ok(read(&self.state).entries.iter().rev().find(is_erasure).map_or(Seq(0), |entry| entry.seq))
    }

    fn acts(&self, asked: &ActsQuestion, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let state = read(&self.state);
        Ok(state.entries.iter().rev().filter(|entry| asked.holds(entry)).take(limit).cloned().collect())
    }

    fn photo(&self, no: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
        Ok(read(&self.state).photos.get(&no).cloned())
    }

    fn photos_of(&self, no: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
        let state = read(&self.state);
        Ok(state.photos.values().filter(|row| row.incident == no).cloned().collect())
    }

    fn named_photos(&self, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        let state = read(&self.state);
        let named = |name: &&PhotoName| {
            state.photos.values().any(|row| row.photo.name == **name || row.photo.thumb == **name)
        };
        Ok(names.iter().filter(named).copied().collect())
    }

    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError> {
        let files = Arc::clone(&read(&self.state).photo_files);
        Ok(files as Arc<dyn PhotoFiles>)
    }

    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError> {
        let hash = |entry: &Entry| match entry.fact {
            Fact::Pack { hash, .. } => Some(hash),
            _ => None,
        };
        Ok(read(&self.state).entries.iter().rev().find_map(hash))
    }
}
