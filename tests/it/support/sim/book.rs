//! What must be so: every promise that was made, and the map that the durable entries add up to.
//!
//! The book never asks a node what is right. It applies each durable entry once, from the first, to a map
//! of its own, and keeps the moment of every seq.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pantau::city::City;
use pantau::journal::Reader;
use pantau::live::{LiveMap, LiveWriter, StateHash};
use pantau::model::{Entry, Epoch, Fact, HOUR_MS, IdKey, Receipt, Seq, TimeMs};

/// For this long, by the time of entries, a report that is sent again under its key is stored once.
pub const KEYS_COUNT_MS: i64 = 72 * HOUR_MS;

/// Something that was acknowledged.
#[derive(Debug, Clone)]
pub struct Promise {
    /// Text of the report, or note of the action: no other has it.
    pub mark: String,
    pub receipt: Receipt,
    /// The highest seq that anybody was told before this was first sent.
    pub told_before: Seq,
}

pub struct Book {
    city: Arc<City>,
    ids: IdKey,
    pub epoch: Epoch,
    writer: LiveWriter,
    entries: Vec<Entry>,
    /// Of each epoch, by seq, from 0.
    moments: HashMap<Epoch, Vec<LiveMap>>,
    hashes: HashMap<(Epoch, Seq), StateHash>,
    promises: Vec<Promise>,
    /// When each was first there, by the time of entries.
    marks: BTreeMap<String, TimeMs>,
    /// The highest seq in an answer.
    pub told: Seq,
    pub lost: u64,
    pub doubled: u64,
    pub acknowledged: u64,
    /// Whatever else did not hold, in words.
    pub faults: Vec<String>,
}

/// More of what was lost is counted, not named.
const LOST_NAMED_MAX: u64 = 5;

/// Report or action by its mark.
fn mark(entry: &Entry) -> Option<&str> {
    match &entry.fact {
        Fact::Report(report) => report.private.description.as_deref(),
        Fact::Action(action) => action.note.as_deref(),
        Fact::Merge(merge) | Fact::Split(merge) => merge.note.as_deref(),
        Fact::Erasure(_) | Fact::Pack { .. } | Fact::Tick | Fact::Record(_) => None,
    }
}

impl Book {
    pub fn new(city: Arc<City>, ids: IdKey, epoch: Epoch) -> Book {
        let writer = LiveWriter::new(city.clone(), ids.clone(), epoch);
        let moments = HashMap::from([(epoch, vec![writer.map().clone()])]);
        let (entries, hashes, promises, marks, told, faults) = Default::default();
        let (lost, doubled, acknowledged) = (0, 0, 0);
        Book {
            city,
            ids,
            epoch,
            writer,
            entries,
            moments,
            hashes,
            promises,
            marks,
            told,
            lost,
            doubled,
            acknowledged,
            faults,
        }
    }

    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.faults.is_empty()
    }

    pub fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    /// The newest durable entry.
    pub fn seq(&self) -> Seq {
        self.writer.map().seq()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Those of a map's history, where that is the one that goes on.
    pub fn entries_of(&self, map: &LiveMap) -> Option<&[Entry]> {
        (map.epoch() == self.epoch).then_some(&self.entries)
    }

    pub fn map(&self) -> &LiveMap {
        self.writer.map()
    }

    /// The map as it must be at a seq of an epoch.
    pub fn moment(&self, epoch: Epoch, seq: Seq) -> Option<&LiveMap> {
        self.moments.get(&epoch)?.get(seq.0 as usize)
    }

    pub fn hash(&mut self, epoch: Epoch, seq: Seq) -> Option<StateHash> {
        let map = self.moments.get(&epoch)?.get(seq.0 as usize)?;
        Some(*self.hashes.entry((epoch, seq)).or_insert_with(|| map.state_hash()))
    }

    /// Takes up what became durable.
    pub fn read(&mut self, reader: &dyn Reader) {
        let entries = reader.entries(self.seq(), usize::MAX >> 1).expect("memory can be read");
        for entry in entries {
            self.add(entry);
        }
    }

    fn add(&mut self, entry: Entry) {
        let (expected, before) = (self.seq().next(), self.map().now());
        if entry.seq != expected || entry.at < before {
            return self.fault(format!("entry {} of {} came after {before}", entry.seq, entry.at));
        }
        if let Some(mark) = mark(&entry) {
            match self.marks.get(mark) {
                None => drop(self.marks.insert(mark.to_owned(), entry.at)),
                Some(first) => self.doubled += u64::from(entry.at.since(*first) <= KEYS_COUNT_MS),
            }
        }
        drop(self.writer.take_derived());
        self.writer.apply(std::slice::from_ref(&entry));
        let moment = self.map().clone();
        self.moments.entry(self.epoch).or_default().push(moment);
        self.entries.push(entry);
    }

    /// An answer reached its sender.
    pub fn acknowledged(&mut self, promise: Promise) {
        let seq = promise.receipt.seq();
        if seq <= promise.told_before {
            let (mark, before) = (&promise.mark, promise.told_before);
            self.faults.push(format!("{mark} is at {seq}, though {before} was told before it was sent"));
        }
        if let Some(earlier) = self.promises.iter().find(|other| other.mark == promise.mark) {
            if earlier.receipt != promise.receipt {
                let (mark, now) = (&promise.mark, promise.receipt);
                self.faults.push(format!("{mark} is answered {:?} and then {now:?}", earlier.receipt));
            }
            return;
        }
        self.acknowledged += 1;
        self.told = self.told.max(seq);
        self.check(&promise);
        self.promises.push(promise);
    }

    /// Counts a promise as lost where the log does not keep it.
    fn check(&mut self, promise: &Promise) {
        let seq = promise.receipt.seq();
        let entry = (seq.0 as usize).checked_sub(1).and_then(|i| self.entries.get(i));
        let kept = entry.is_some_and(|entry| {
            let is_it = match (&entry.fact, promise.receipt) {
                (Fact::Report(fact), Receipt::Report { report, incident, received_at, .. }) => {
                    fact.report == report && fact.incident == incident && entry.at == received_at
                }
                (Fact::Action(fact), Receipt::Action { incident, .. }) => fact.incident == incident,
                (Fact::Merge(fact), Receipt::Action { incident, .. }) => fact.into == incident,
                (Fact::Split(fact), Receipt::Action { incident, .. }) => fact.absorbed == incident,
                _ => false,
            };
            is_it && mark(entry) == Some(&promise.mark)
        });
        if !kept && self.lost < LOST_NAMED_MAX {
            self.faults.push(format!("{} was acknowledged at {seq} and is not there", promise.mark));
        }
        self.lost += u64::from(!kept);
    }

    /// The journal was opened again: it must hold what it held, and may hold more.
    pub fn came_back(&mut self, reader: &dyn Reader) {
        let found = reader.entries(Seq(0), usize::MAX >> 1).expect("memory can be read");
        let same = found.iter().zip(&self.entries).take_while(|(found, had)| found == had).count();
        if same < self.entries.len() {
            self.begin_with(found, self.epoch);
            return self.check_all();
        }
        for entry in found.into_iter().skip(same) {
            self.add(entry);
        }
    }

    /// The journal was restored from a backup: what was promised after it is not owed any more.
    pub fn restored(&mut self, reader: &dyn Reader, epoch: Epoch) {
        let found = reader.entries(Seq(0), usize::MAX >> 1).expect("memory can be read");
        // What was written last may be in the backup though its flush failed, and nobody was told of it.
        if found.iter().zip(&self.entries).any(|(found, had)| found != had) {
            self.fault("a restored journal holds what it never held");
        }
        let head = Seq(found.len() as u64);
        self.promises.retain(|promise| promise.receipt.seq() <= head);
        self.told = head;
        self.begin_with(found, epoch);
        self.check_all();
    }

    fn begin_with(&mut self, entries: Vec<Entry>, epoch: Epoch) {
        self.epoch = epoch;
        self.writer = LiveWriter::new(self.city.clone(), self.ids.clone(), epoch);
        self.moments.insert(epoch, vec![self.map().clone()]);
        self.entries.clear();
        self.marks.clear();
        self.hashes.retain(|(of, _), _| *of != epoch);
        entries.into_iter().for_each(|entry| self.add(entry));
    }

    fn check_all(&mut self) {
        for promise in std::mem::take(&mut self.promises) {
            self.check(&promise);
            self.promises.push(promise);
        }
    }

    /// What a node shows must be what the entries add up to.
    pub fn compare(&mut self, who: &str, map: &LiveMap) {
        let (epoch, seq) = (map.epoch(), map.seq());
        match self.hash(epoch, seq) {
            None => self.fault(format!("{who} is at {seq} of {epoch}, which nobody wrote")),
            Some(hash) if hash != map.state_hash() => {
                self.fault(format!("{who} shows something else at {seq} than its entries add up to"))
            }
            Some(_) => {}
        }
    }
}
