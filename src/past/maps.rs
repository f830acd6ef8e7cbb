//! The live map as it was: what the center knew at a moment, stood up from the journal.
//!
//! Invariant: a map of the entry `seq` shows what the live map showed when `seq` was its newest entry; but what
//! was erased since is erased in it too. Without hotspots, which have a history of their own.
//!
//! A map is reached in one of two ways, whichever is shorter: forward from one that is kept (or from the empty
//! one before the first entry), entry by entry; or from the tables, which stand at the head: whatever has not
//! changed since is as it was, and the rest is folded from its own entries. Those who move through the past by
//! small steps, as a replay does, so go forward by small steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::city::City;
use crate::engine::last_before;
use crate::feed::TextSearch;
use crate::journal::{Derived, Head, IncidentRow, JournalError, Reader, incident_at};
use crate::live::{CoarsePlaces, Incident, LiveMap, LiveWriter, Restorer};
use crate::model::{Clock, IncidentNo, Seq, TimeMs};

/// The journal is read in steps of so many entries.
const STEP: usize = 5_000;
/// Lines kept: of each, a first map that was read from the tables, and what went forward from it.
const LINES_MAX: usize = 2;
/// Beyond it no past map is made: it would take some hundred megabytes.
const INCIDENTS_MAX: u32 = 2_000_000;
/// Incidents that changed since and are folded one by one.
const FOLDED_MAX: usize = 50_000;

/// How maps are reached. Answers do not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// Farther than this many entries nothing goes forward: the tables are read.
    pub forward_max: u64,
    /// The tables are read as of so many entries before, at most `forward_max`: who goes back in small steps
    /// finds that.
    pub run_up: u64,
    /// Maps kept; those of one line share what they have in common.
    pub maps_max: usize,
}

impl Default for Ways {
    fn default() -> Ways {
        Ways { forward_max: 50_000, run_up: 20_000, maps_max: 32 }
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PastError {
    #[error("the journal holds {incidents} incidents; a past map is made of at most {INCIDENTS_MAX}")]
    TooLarge { incidents: u32 },
    #[error(
        "more than {FOLDED_MAX} incidents changed since; ask for a later moment, or for one near the first entry"
    )]
    TooMuchChanged,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Past maps of one journal.
pub struct Maps {
    reader: Arc<dyn Reader>,
    ways: Ways,
    kept: Mutex<Kept>,
}

/// A past map, and what finds words in the texts of its time.
pub struct PastMap {
    pub map: Arc<LiveMap>,
    pub search: Arc<TextSearch>,
}

struct Kept {
    /// The newest erasure that these maps know of.
    erased: Seq,
    search: Arc<TextSearch>,
    /// By seq.
    maps: Vec<KeptMap>,
    /// Counts questions, so that it shows which line was asked for the longest ago.
    asked: u64,
    lines: u64,
}

#[derive(Clone)]
struct KeptMap {
    map: Arc<LiveMap>,
    line: u64,
    asked: u64,
}

impl Maps {
    pub fn new(reader: Arc<dyn Reader>) -> Maps {
        Maps::reached(reader, Ways::default())
    }

    pub fn reached(reader: Arc<dyn Reader>, ways: Ways) -> Maps {
        let search = Arc::new(TextSearch::new(reader.clone()));
        let kept = Kept { erased: Seq(0), search, maps: Vec::new(), asked: 0, lines: 0 };
        Maps { reader, ways, kept: Mutex::new(kept) }
    }

    /// What was known at `at`: the map of the newest entry that is not later. `None`: that is `live` itself.
    /// Before the first entry nothing was known. Reads the journal: not for a thread that others wait on.
    ///
    /// # Errors
    /// Where the journal cannot be read, or is too large.
    pub fn at(&self, live: &LiveMap, at: TimeMs) -> Result<Option<PastMap>, PastError> {
        if at >= live.now() {
            return Ok(None);
        }
        let seq = last_before(&*self.reader, Seq(0), live.seq().next(), at.plus_ms(1))?;
        if seq == live.seq() {
            return Ok(None);
        }
        let erased = self.reader.last_erasure()?;
        let (near, search) = {
            let mut kept = self.lock();
            kept.forget_before(erased, &self.reader);
            (kept.nearest(seq), kept.search.clone())
        };
        let map = match near {
            Some(near) if near.map.seq() == seq => near.map,
            Some(near) if seq.0 - near.map.seq().0 <= self.ways.forward_max => {
                self.forward(&near.map, seq, near.line, erased)?
            }
            _ if seq.0 <= self.ways.forward_max => {
                let empty = LiveWriter::new(live.city().clone(), live.ids().clone(), live.epoch());
                let line = self.lock().new_line();
                self.forward(empty.map(), seq, line, erased)?
            }
            _ => {
                let start = Seq(seq.0 - self.ways.run_up);
                let map = Arc::new(self.read_tables(live, start)?);
                let line = self.lock().new_line();
                self.keep(map.clone(), line, erased);
                self.forward(&map, seq, line, erased)?
            }
        };
        Ok(Some(PastMap { map, search }))
    }

    /// The map of `seq`, from one before it; kept.
    fn forward(&self, from: &LiveMap, seq: Seq, line: u64, erased: Seq) -> Result<Arc<LiveMap>, PastError> {
        let mut writer = LiveWriter::of_past(from);
        while writer.map().seq() < seq {
            let mut entries = self.reader.entries(writer.map().seq(), STEP)?;
            entries.truncate(entries.partition_point(|entry| entry.seq <= seq));
            if entries.is_empty() {
                let lacks = format!("the log ends before entry {seq}, which it had");
                return Err(JournalError::Corrupt(lacks).into());
            }
            writer.apply(&entries);
        }
        let map = Arc::new(writer.map().clone());
        self.keep(map.clone(), line, erased);
        Ok(map)
    }

    /// The map of `seq` from the tables, which stand at a later entry.
    fn read_tables(&self, live: &LiveMap, seq: Seq) -> Result<LiveMap, PastError> {
        let (reader, city) = (&*self.reader, live.city());
        let incidents = reader.last_incident()?.0;
        if incidents > INCIDENTS_MAX {
            return Err(PastError::TooLarge { incidents });
        }
        let at = self.time_of(seq)?;
        let closed_after = city.keep_closed_ms.map_or(TimeMs::MIN, |keep_ms| at.plus_ms(-keep_ms));
        let Incidents { rows, merged, clocks } = incidents_at(reader, seq, closed_after, city)?;
        let head = Head { epoch: live.epoch(), seq, at };
        let restorer = Restorer::new(
            city.clone(),
            live.ids().clone(),
            head,
            rows,
            &merged,
            clocks,
            CoarsePlaces::default(),
        );
        let writer = restorer.finish(&Derived::default(), at, &[]);
        writer.map(|writer| writer.map().clone()).map_err(|e| JournalError::Corrupt(e.to_string()).into())
    }

    fn time_of(&self, seq: Seq) -> Result<TimeMs, JournalError> {
        let entry = self.reader.entries(Seq(seq.0 - 1), 1)?;
        entry.first().map(|entry| entry.at).ok_or_else(|| {
            JournalError::Corrupt(format!("entry {seq} is not in the log, which has later ones"))
        })
    }

    fn keep(&self, map: Arc<LiveMap>, line: u64, erased: Seq) {
        self.lock().keep(map, line, erased, self.ways.maps_max);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is one step: a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Incidents by number, who among them was absorbed by whom, and the clocks of those that were open.
#[derive(Default)]
struct Incidents {
    rows: Vec<Incident>,
    merged: BTreeMap<IncidentNo, IncidentNo>,
    clocks: BTreeMap<IncidentNo, Clock>,
}

/// The incidents that were in memory at an entry, as they stood.
fn incidents_at(
    reader: &dyn Reader,
    seq: Seq,
    closed_after: TimeMs,
    city: &City,
) -> Result<Incidents, PastError> {
    let (mut incidents, mut changed) = (Incidents::default(), Vec::new());
    let mut add = |row: &IncidentRow| {
        incidents.merged.extend(row.merged_into.map(|into| (row.no, into)));
        incidents.clocks.extend(row.clock.map(|clock| (row.no, clock)));
        incidents.rows.push(Incident::from_row(row, city));
    };
    // What had left memory by then was closed then and stays so: nothing is done to what left.
    reader.incidents(IncidentNo(0)..=IncidentNo(u32::MAX), closed_after, &mut |row| {
        if row.changed_seq <= seq {
            add(&row);
        } else if row.opened_seq <= seq {
            changed.push(row.no);
        }
    })?;
    if changed.len() > FOLDED_MAX {
        return Err(PastError::TooMuchChanged);
    }
    for no in changed {
        let row = incident_at(&reader.incident_log(no)?, seq);
        let row = row.ok_or_else(|| {
            JournalError::Corrupt(format!("incident {} was open at entry {seq}, its entries say no", no.0))
        })?;
        if row.closed_at.is_none_or(|closed_at| closed_at > closed_after) {
            add(&row);
        }
    }
    incidents.rows.sort_unstable_by_key(|incident| incident.no);
    Ok(incidents)
}

impl Kept {
    /// What was made before an erasure may show what is erased.
    fn forget_before(&mut self, erased: Seq, reader: &Arc<dyn Reader>) {
        if self.erased < erased {
            self.erased = erased;
            self.maps.clear();
            self.search = Arc::new(TextSearch::new(reader.clone()));
        }
    }

    /// The newest that is not after `seq`.
    fn nearest(&mut self, seq: Seq) -> Option<KeptMap> {
        self.asked += 1;
        let after = self.maps.partition_point(|kept| kept.map.seq() <= seq);
        let near = self.maps.get_mut(after.checked_sub(1)?)?;
        near.asked = self.asked;
        Some(near.clone())
    }

    fn new_line(&mut self) -> u64 {
        self.lines += 1;
        self.lines
    }

    /// `erased` is the newest erasure that was there before the map was made.
    fn keep(&mut self, map: Arc<LiveMap>, line: u64, erased: Seq, maps_max: usize) {
        if self.erased != erased {
            return;
        }
        let at = self.maps.partition_point(|kept| kept.map.seq() < map.seq());
        if self.maps.get(at).is_some_and(|kept| kept.map.seq() == map.seq()) {
            return;
        }
        self.maps.insert(at, KeptMap { map, line, asked: self.asked });
        self.forget_lines();
        while self.maps.len() > maps_max {
            self.forget_one();
        }
    }

    /// Forgets the lines that were asked for the longest ago.
    fn forget_lines(&mut self) {
        let mut lines: Vec<(u64, u64)> = Vec::new();
        for kept in &self.maps {
            match lines.iter_mut().find(|(_, line)| *line == kept.line) {
                Some((asked, _)) => *asked = kept.asked.max(*asked),
                None => lines.push((kept.asked, kept.line)),
            }
        }
        lines.sort_unstable();
        for (_, line) in lines.iter().rev().skip(LINES_MAX) {
            self.maps.retain(|kept| kept.line != *line);
        }
    }

    /// Forgets the map that is the easiest to make again: the nearest after another. The one that was asked for
    /// last stays.
    fn forget_one(&mut self) {
        let gap = |i: &usize| self.maps[*i].map.seq().0 - self.maps[*i - 1].map.seq().0;
        let old = |i: &usize| self.maps[*i].asked < self.asked;
        if let Some(i) = (1..self.maps.len()).filter(old).min_by_key(gap) {
            self.maps.remove(i);
        } else {
            self.maps.remove(0);
        }
    }
}
