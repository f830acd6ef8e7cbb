//! What a live map is stood up from on another node, as plain data: taken beside the running engine, which
//! never notices.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::start::{archived_standing, before_tail, entry_time, recent_from};
use crate::city::City;
use crate::journal::{Derived, Head, IncidentRow, JournalError, Reader, ReportPlace, ReportRow};
use crate::live::hotspots::HISTORY_MS;
use crate::live::{Incident, LiveMap, LiveWriter, ReportStanding, Restorer, Snapshot};
use crate::model::{Entry, Fact, IdKey, IncidentNo, ReportNo, ReportPrivate, Seq, TimeMs};

/// The newest moment and the derived tables are taken at the same tick after at most this many looks: there
/// is one tick a second.
const LOOKS_MAX: usize = 1_000;
/// The entries after the moment are looked through in steps of so many.
const STEP: usize = 1_000;

/// Everything that a live map at one seq follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Foundation {
    pub head: Head,
    /// [`Snapshot`], encoded: the incidents in memory.
    pub incidents: Vec<u8>,
    /// Those that left memory within the tail.
    pub left: Vec<IncidentRow>,
    /// Of others that have reports below.
    pub standings: Vec<(IncidentNo, ReportStanding)>,
    pub derived: Derived,
    /// Without their private parts: those that may still be in a window, or make a surge.
    pub reports: Vec<ReportRow>,
    /// Those that say what is usual.
    pub past: Vec<ReportPlace>,
    /// Time of the entry before the tail.
    pub before: TimeMs,
    /// The newest entries up to the head.
    pub tail: Vec<Entry>,
}

impl Foundation {
    /// Of the newest moment that `live` gives. Reads the journal's recent weeks: not for a thread that
    /// others wait on.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn read(live: &dyn Fn() -> Arc<LiveMap>, reader: &dyn Reader) -> Result<Foundation, JournalError> {
        let (map, derived) = moment(live, reader)?;
        let (city, seq) = (map.city(), map.seq());
        let head = Head { epoch: map.epoch(), seq, at: map.now() };
        let before_tail = before_tail(reader, head)?;
        let before = entry_time(reader, before_tail)?.unwrap_or(TimeMs::MIN);
        let tail = reader.entries(before_tail, (seq.0 - before_tail.0) as usize)?;
        let mut left = Vec::new();
        if let Some(keep_ms) = city.keep_closed_ms {
            let (after, until) = (before.plus_ms(-keep_ms), head.at.plus_ms(-keep_ms));
            reader.archived(after, until, &mut |row| left.push(row))?;
        }
        let reports = recent_reports(reader, &derived, head, city)?;
        let past = past_reports(reader, head)?;
        let numbers: HashSet<IncidentNo> =
            reports.iter().map(|row| row.incident).chain(past.iter().map(|row| row.incident)).collect();
        let mut standings = Vec::new();
        for no in numbers.into_iter().filter(|no| map.incident(map.standing_no(*no)).is_none()) {
            // It left memory, so nothing changes it any more.
            standings.extend(archived_standing(reader, no)?.map(|standing| (no, standing)));
        }
        standings.sort_unstable_by_key(|(no, ..)| *no);
        let hash = reader.entry_hash(seq)?.unwrap_or_default();
        let incidents = Snapshot::encode(&map, &hash);
        Ok(Foundation { head, incidents, left, standings, derived, reports, past, before, tail })
    }

    /// Time of the tick that the derived tables are of; where it is not known, before all reports.
    fn ticked_at(&self) -> TimeMs {
        if self.derived.as_of_seq == self.head.seq {
            return self.head.at;
        }
        let tick = self.tail.iter().find(|entry| entry.seq == self.derived.as_of_seq);
        tick.map_or(TimeMs::MIN, |entry| entry.at)
    }

    /// The writer of the map, as the node has it that this was taken from.
    ///
    /// # Errors
    /// Where it is damaged, or of another city pack.
    pub fn stand_up(self, city: Arc<City>, ids: IdKey) -> Result<LiveWriter, JournalError> {
        let corrupt = |e: &dyn std::fmt::Display| JournalError::Corrupt(e.to_string());
        let snapshot = Snapshot::decode(&self.incidents, &city).map_err(|e| corrupt(&e))?;
        let mut incidents = snapshot.incidents;
        incidents.extend(self.left.iter().map(|row| Incident::from_row(row, &city)));
        // Of two the one in memory is the newer: the sort keeps their order.
        incidents.sort_by_key(|incident| incident.no);
        incidents.dedup_by_key(|incident| incident.no);
        let others: HashMap<IncidentNo, ReportStanding> = self.standings.iter().copied().collect();
        let Snapshot { merged, clocks, coarse, .. } = snapshot;
        let mut restorer = Restorer::new(city, ids, self.head, incidents, &merged, clocks, coarse);
        let standing = |restorer: &Restorer, no: IncidentNo| {
            restorer.standing_of(no).or_else(|| others.get(&no).copied())
        };
        restorer.ticked_at(self.ticked_at());
        for row in &self.reports {
            if let Some(standing) = standing(&restorer, row.incident) {
                restorer.report(row, standing);
            }
        }
        for row in &self.past {
            if let Some(standing) = standing(&restorer, row.incident) {
                restorer.past_report(row, standing);
            }
        }
        restorer.finish(&self.derived, self.before, &self.tail).map_err(|e| corrupt(&e))
    }
}

/// A moment, and derived tables that it goes on from: at its newest tick but one, or its newest. A tick's
/// tables are written with the next commit, so between the two there is no other tick.
fn moment(
    live: &dyn Fn() -> Arc<LiveMap>,
    reader: &dyn Reader,
) -> Result<(Arc<LiveMap>, Derived), JournalError> {
    for _ in 0..LOOKS_MAX {
        let map = live();
        let derived = reader.derived()?;
        if derived.as_of_seq <= map.seq() {
            return Ok((map, derived));
        }
        std::thread::yield_now();
    }
    Err(JournalError::Corrupt("the derived tables are ahead of the live map".to_owned()))
}

fn recent_reports(
    reader: &dyn Reader,
    derived: &Derived,
    head: Head,
    city: &City,
) -> Result<Vec<ReportRow>, JournalError> {
    let mut reports = Vec::new();
    let ticked_at = entry_time(reader, derived.as_of_seq)?.unwrap_or(head.at);
    let from = recent_from(ticked_at, head, city);
    reader.recent_reports(from, &mut |row| {
        if row.seq <= head.seq {
            reports.push(ReportRow { private: ReportPrivate::default(), ..row });
        }
    })?;
    Ok(reports)
}

/// Reports of the last weeks up to the head: the rows tell no seq, but reports are numbered in its order.
fn past_reports(reader: &dyn Reader, head: Head) -> Result<Vec<ReportPlace>, JournalError> {
    let mut past = Vec::new();
    reader.report_places(head.at.plus_ms(-HISTORY_MS), &mut |row| past.push(row))?;
    if let Some(later) = first_report_after(reader, head.seq)? {
        past.retain(|row| row.no < later);
    }
    past.sort_unstable_by_key(|row| (row.incident, row.no));
    Ok(past)
}

fn first_report_after(reader: &dyn Reader, mut after: Seq) -> Result<Option<ReportNo>, JournalError> {
    loop {
        let entries = reader.entries(after, STEP)?;
        let report = entries.iter().find_map(|entry| match &entry.fact {
            Fact::Report(fact) => Some(fact.report),
            _ => None,
        });
        match entries.last() {
            Some(last) if report.is_none() => after = last.seq,
            _ => return Ok(report),
        }
    }
}
