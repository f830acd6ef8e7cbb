//! What people did in the period of a situation report.

use std::collections::HashMap;

use serde_json::Value;

use super::Period;
use super::open::LIST_MAX;
use crate::api::acts::{shift_entry, shift_kinds};
use crate::journal::{ActsQuestion, JournalError, Reader};
use crate::live::LiveMap;
use crate::model::{Entry, Fact, IncidentNo};

/// Acts that are looked through for what changed; more are counted no more, and the answer says so.
const ACTS_MAX: usize = 20_000;
/// Acts are read in steps of so many.
const ACTS_STEP: usize = 1_000;

/// Oldest first.
pub(super) struct Acts {
    /// On incidents of the kind that is reported, drills or real ones, and those that are on none.
    pub entries: Vec<Entry>,
    pub log: Vec<Value>,
    pub is_cut: bool,
}

impl Acts {
    pub fn read(
        reader: &dyn Reader,
        then: &LiveMap,
        period: &Period,
        drill: bool,
    ) -> Result<Acts, JournalError> {
        let below = then.seq().next();
        let mut asked = ActsQuestion::below(below);
        let mut entries = Vec::new();
        // The newest first, as far as the period goes.
        let is_cut = loop {
            let mut step = reader.acts(&asked, ACTS_STEP)?;
            let is_last = step.len() < ACTS_STEP;
            step.retain(|entry| entry.at >= period.begin);
            let is_whole = is_last || step.len() < ACTS_STEP;
            entries.append(&mut step);
            match entries.last() {
                Some(_) if entries.len() > ACTS_MAX => break true,
                Some(oldest) if !is_whole => asked.below = oldest.seq,
                _ => break false,
            }
        };
        entries.truncate(ACTS_MAX);
        entries.reverse();
        let entries = Kinds { reader, then, known: HashMap::new() }.keep(entries, drill)?;
        let asked = ActsQuestion { kinds: shift_kinds(), ..ActsQuestion::below(below) };
        let mut log = reader.acts(&asked, LIST_MAX)?;
        log.retain(|entry| entry.at >= period.begin);
        log.reverse();
        let log = log.iter().filter_map(shift_entry).collect();
        Ok(Acts { entries, log, is_cut })
    }
}

/// Which incidents are drills.
struct Kinds<'k> {
    reader: &'k dyn Reader,
    then: &'k LiveMap,
    /// Of those that left memory.
    known: HashMap<IncidentNo, bool>,
}

impl Kinds<'_> {
    /// Acts on drills, or on all else; what is on no incident is of both.
    fn keep(&mut self, entries: Vec<Entry>, drill: bool) -> Result<Vec<Entry>, JournalError> {
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            let is_kept = match incident_of(&entry.fact) {
                Some(no) => self.is_drill(no)? == drill,
                None => true,
            };
            kept.extend(is_kept.then_some(entry));
        }
        Ok(kept)
    }

    fn is_drill(&mut self, no: IncidentNo) -> Result<bool, JournalError> {
        if let Some(incident) = self.then.any_incident(no) {
            return Ok(incident.drill);
        }
        if let Some(known) = self.known.get(&no) {
            return Ok(*known);
        }
        let is_drill = self.reader.incident(no)?.is_some_and(|row| row.drill);
        self.known.insert(no, is_drill);
        Ok(is_drill)
    }
}

/// The incident that somebody acted on, or looked at.
fn incident_of(fact: &Fact) -> Option<IncidentNo> {
    match fact {
        Fact::Action(fact) => Some(fact.incident),
        Fact::Merge(fact) | Fact::Split(fact) => Some(fact.into),
        Fact::Record(fact) => fact.incident,
        _ => None,
    }
}
