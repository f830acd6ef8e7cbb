//! Stands the live map up at the journal's head.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::city::City;
use crate::health::{Condition, Health};
use crate::journal::{Derived, Head, IncidentRow, Journal, JournalError, Reader, ReportRow};
use crate::live::hotspots::HISTORY_MS;
use crate::live::{CoarsePlaces, Incident, LiveWriter, ReportStanding, Restorer, Snapshot};
use crate::model::{Clock, Command, Fact, IdKey, IncidentNo, MINUTE_MS, Outcome, Seq, TimeMs};

/// The ring of changes is rebuilt from this much of the journal's tail.
const RING_TAIL_ENTRIES_MAX: u64 = 20_000;
const RING_TAIL_MS: i64 = 10 * MINUTE_MS;
/// A snapshot this many entries behind is carried on to the head; one farther behind only where the
/// entries are few beside the incidents it saves reading.
const BEHIND_MAX: u64 = 20_000;

/// The live map at the journal's head: from a snapshot and what came after it, or from the tables.
///
/// # Errors
/// Where the journal cannot be read, or contradicts itself.
pub fn open(
    reader: &dyn Reader,
    head: Head,
    city: Arc<City>,
    ids: IdKey,
    snapshot: Option<Snapshot>,
) -> Result<LiveWriter, JournalError> {
    let before_tail = before_tail(reader, head)?;
    let before = entry_time(reader, before_tail)?.unwrap_or(TimeMs::MIN);
    // Incidents that left memory within the tail are still needed for the ring.
    let closed_after = city.keep_closed_ms.map_or(TimeMs::MIN, |keep_ms| before.plus_ms(-keep_ms));
    let (mut restorer, tail, past, recent) = std::thread::scope(|scope| {
        let recent = scope.spawn(|| Recent::read(reader, head, &city));
        let past = scope.spawn(|| {
            let mut past = Vec::new();
            reader.report_places(head.at.plus_ms(-HISTORY_MS), &mut |row| past.push(row))?;
            // Incidents are looked up by number: neighbours lie side by side in memory.
            past.sort_unstable_by_key(|row| row.incident);
            Ok::<_, JournalError>(past)
        });
        let tail = scope.spawn(|| reader.entries(before_tail, RING_TAIL_ENTRIES_MAX as usize));
        let Known { incidents, merged, clocks, coarse } = match snapshot {
            Some(snapshot) if is_usable(&snapshot, reader, head)? => {
                carry_on(snapshot, reader, closed_after, &city)?
            }
            _ => read_tables(reader, closed_after, &city)?,
        };
        let restorer = Restorer::new(city.clone(), ids, head, incidents, &merged, clocks, coarse);
        Ok::<_, JournalError>((restorer, joined(tail)?, joined(past)?, joined(recent)?))
    })?;
    // Of one that left memory the journal knows.
    let standing = |restorer: &Restorer, no| match restorer.standing_of(no) {
        Some(standing) => Ok(Some(standing)),
        None => archived_standing(reader, no),
    };
    restorer.ticked_at(recent.ticked_at);
    for row in &recent.reports {
        if let Some(standing) = standing(&restorer, row.incident)? {
            restorer.report(row, standing);
        }
    }
    for row in past {
        if let Some(standing) = standing(&restorer, row.incident)? {
            restorer.past_report(&row, standing);
        }
    }
    restorer.finish(&recent.derived, before, &tail).map_err(|e| JournalError::Corrupt(e.to_string()))
}

/// How what was said of an incident counts that is not in memory.
pub(super) fn archived_standing(
    reader: &dyn Reader,
    no: IncidentNo,
) -> Result<Option<ReportStanding>, JournalError> {
    let Some(own) = reader.incident(no)? else { return Ok(None) };
    let category = own.category;
    let mut standing = own;
    while let Some(into) = standing.merged_into {
        let Some(next) = reader.incident(into)? else { return Ok(None) };
        standing = next;
    }
    Ok(Some(ReportStanding {
        root: standing.no,
        status: standing.status,
        disposition: standing.standing.disposition,
        category,
    }))
}

/// What the hotspots stand up from, beside what is usual.
struct Recent {
    derived: Derived,
    /// Time of the tick that `derived` is of.
    ticked_at: TimeMs,
    /// Those that may still be in a window, or make a surge.
    reports: Vec<ReportRow>,
}

impl Recent {
    fn read(reader: &dyn Reader, head: Head, city: &City) -> Result<Recent, JournalError> {
        let derived = reader.derived()?;
        let mut reports = Vec::new();
        let ticked_at = entry_time(reader, derived.as_of_seq)?.unwrap_or(head.at);
        reader.recent_reports(recent_from(ticked_at, head, city), &mut |row| reports.push(row))?;
        Ok(Recent { derived, ticked_at, reports })
    }
}

/// From when on a report may still be in a window at the tick of `ticked_at` or after it, or make a surge.
pub(super) fn recent_from(ticked_at: TimeMs, head: Head, city: &City) -> TimeMs {
    // The day's reports may make a surge, however short the windows are.
    ticked_at.plus_ms(-city.window_ms_max()).min(city.day_start(head.at))
}

/// A snapshot of this folder that the journal does not lead to was taken of entries that are gone.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) fn compare_with_snapshot(
    snapshot: &Snapshot,
    reader: &dyn Reader,
    head: Head,
    health: &Health,
) -> Result<(), JournalError> {
    let known = reader.entry_hash(snapshot.seq)? == Some(snapshot.entry_hash);
    if snapshot.epoch == head.epoch && !known {
        let (seq, head) = (snapshot.seq, head.seq);
        health.raise(
            Condition::EntriesLost,
            format!(
                "live.snapshot was taken at entry {seq}, which is not in the journal that ends at {head}: \
                 acknowledged entries are gone; look at the disk, compare with other copies"
            ),
        );
    }
    Ok(())
}

/// Whether a snapshot is of this very history, and near enough to its head.
fn is_usable(snapshot: &Snapshot, reader: &dyn Reader, head: Head) -> Result<bool, JournalError> {
    let behind = head.seq.0.checked_sub(snapshot.seq.0);
    let near = behind.is_some_and(|n| n <= BEHIND_MAX.max(snapshot.incidents.len() as u64 / 20));
    Ok(near
        && snapshot.epoch == head.epoch
        && reader.entry_hash(snapshot.seq)? == Some(snapshot.entry_hash))
}

/// Incidents in the order of their numbers, and the clocks of those that are open.
#[derive(Default)]
struct Known {
    incidents: Vec<Incident>,
    /// Who among them was absorbed by whom.
    merged: BTreeMap<IncidentNo, IncidentNo>,
    clocks: BTreeMap<IncidentNo, Clock>,
    coarse: CoarsePlaces,
}

impl Known {
    fn add(&mut self, row: &IncidentRow, city: &City) {
        self.incidents.push(Incident::from_row(row, city));
        match row.clock {
            Some(clock) => self.clocks.insert(row.no, clock),
            None => self.clocks.remove(&row.no),
        };
        match row.merged_into {
            Some(into) => self.merged.insert(row.no, into),
            None => self.merged.remove(&row.no),
        };
    }
}

/// The incidents as of the head: those of the snapshot, with what changed since in their place.
fn carry_on(
    snapshot: Snapshot,
    reader: &dyn Reader,
    closed_after: TimeMs,
    city: &City,
) -> Result<Known, JournalError> {
    let Snapshot { seq, at: taken_at, mut incidents, merged, clocks, coarse, .. } = snapshot;
    let clocks = clocks.into_iter().collect();
    let mut newer = Known { incidents: Vec::new(), merged, clocks, coarse };
    if let Some(keep_ms) = city.keep_closed_ms {
        // These had left memory when the snapshot was taken, but the ring may still tell of it.
        let left = taken_at.plus_ms(-keep_ms);
        reader.archived(closed_after, left, &mut |row| newer.add(&row, city))?;
    }
    reader.changed_incidents(seq, &mut |row| newer.add(&row, city))?;
    let Known { incidents: mut newer, merged, clocks, coarse } = newer;
    if !newer.is_empty() {
        // Later ones win: the sort keeps equal numbers in their order, and of each run the last stays.
        incidents.append(&mut newer);
        incidents.sort_by_key(|incident| incident.no);
        incidents.dedup_by(|later, earlier| {
            let same = later.no == earlier.no;
            if same {
                *earlier = *later;
            }
            same
        });
    }
    incidents.retain(|incident| incident.closed_at().is_none_or(|at| at > closed_after));
    Ok(Known { incidents, merged, clocks, coarse })
}

/// All rows of the tables that belong into memory, read by two threads.
fn read_tables(reader: &dyn Reader, closed_after: TimeMs, city: &City) -> Result<Known, JournalError> {
    let read = |numbers: RangeInclusive<IncidentNo>| {
        let mut known = Known::default();
        reader.incidents(numbers, closed_after, &mut |row| known.add(&row, city))?;
        Ok::<_, JournalError>(known)
    };
    let middle = IncidentNo(reader.last_incident()?.0 / 2);
    std::thread::scope(|scope| {
        let upper = scope.spawn(|| read(IncidentNo(middle.0 + 1)..=IncidentNo(u32::MAX)));
        let mut known = read(IncidentNo(0)..=middle)?;
        let Known { mut incidents, merged, clocks, coarse: _ } = joined(upper)?;
        known.incidents.append(&mut incidents);
        known.merged.extend(merged);
        known.clocks.extend(clocks);
        Ok(known)
    })
}

/// What a thread of a scope returned; its panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The entry before the tail: the newest that is old enough, or far enough back.
pub(super) fn before_tail(reader: &dyn Reader, head: Head) -> Result<Seq, JournalError> {
    let far_back = Seq(head.seq.0.saturating_sub(RING_TAIL_ENTRIES_MAX));
    last_before(reader, far_back, head.seq, head.at.plus_ms(-RING_TAIL_MS))
}

/// The newest of the entries from `old` on, but `young` and what is after it, that is older than
/// `time`; `old` where none is. Times never fall, so it is found by halving.
///
/// # Errors
/// Where the journal cannot be read.
pub fn last_before(
    reader: &dyn Reader,
    mut old: Seq,
    mut young: Seq,
    time: TimeMs,
) -> Result<Seq, JournalError> {
    while old.0 + 1 < young.0 {
        let middle = Seq(old.0 + (young.0 - old.0) / 2);
        if entry_time(reader, middle)?.is_some_and(|at| at < time) {
            old = middle;
        } else {
            young = middle;
        }
    }
    Ok(old)
}

/// The time of an entry; `None` where there is no such entry.
pub(super) fn entry_time(reader: &dyn Reader, seq: Seq) -> Result<Option<TimeMs>, JournalError> {
    let Some(before) = seq.0.checked_sub(1) else { return Ok(None) };
    Ok(reader.entries(Seq(before), 1)?.first().map(|entry| entry.at))
}

/// Computes the tick that a crash left out of the derived tables, before anything is appended without
/// a live map. Does nothing, at no cost, where the tables are up to date.
///
/// # Errors
/// Where the journal cannot be read or written.
pub fn settle(journal: &mut dyn Journal, city: &Arc<City>, now: TimeMs) -> Result<(), JournalError> {
    let (reader, head) = (journal.reader(), journal.head());
    let newest = reader.entries(Seq(head.seq.0.saturating_sub(1)), 1)?;
    let is_tick = newest.first().is_some_and(|entry| entry.fact == Fact::Tick);
    if !is_tick || reader.derived()?.as_of_seq == head.seq {
        return Ok(());
    }
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let derived = open(&*reader, head, city.clone(), ids, None)?.take_derived();
    journal.append(Vec::new(), now, derived.as_ref()).map(drop)
}

/// The pack in force is part of the history: another one than the last is an entry.
pub(super) fn put_pack_in_force(
    journal: &mut dyn Journal,
    writer: &mut LiveWriter,
    city: &City,
    now: TimeMs,
) -> Result<(), JournalError> {
    if journal.reader().pack_in_force()?.is_some_and(|hash| hash == city.hash) {
        return Ok(());
    }
    let pack = Command::Pack { key: city.key.clone(), hash: city.hash };
    let derived = writer.take_derived();
    for outcome in journal.append(vec![pack], now, derived.as_ref())? {
        if let Outcome::Accepted { entries, .. } = outcome {
            writer.apply(&entries);
        }
    }
    Ok(())
}
