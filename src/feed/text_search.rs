//! Looks the words of a search up in the journal, where the texts are.
//!
//! A look-up reads every text once, half a second for a million; words asked for lately are
//! remembered and carried on by the live map, so that asking again costs next to nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use imbl::OrdSet;

use crate::journal::{JournalError, Reader};
use crate::live::{Filter, LiveMap, Words};
use crate::model::{IncidentNo, Projection, Seq, TimeMs};

/// Words remembered; beyond it, all are forgotten and found anew.
const KNOWN_MAX: usize = 64;

pub struct TextSearch {
    reader: Arc<dyn Reader>,
    known: Mutex<HashMap<String, Known>>,
}

/// The incidents whose texts hold a word.
#[derive(Clone)]
struct Known {
    holders: OrdSet<IncidentNo>,
    as_of: Seq,
}

impl TextSearch {
    pub fn new(reader: Arc<dyn Reader>) -> TextSearch {
        TextSearch { reader, known: Mutex::default() }
    }

    /// Whether [`TextSearch::look_up`] would have to read the journal.
    pub fn is_needed(&self, filter: &Filter, projection: Projection) -> bool {
        projection == Projection::Staff && !filter.words.is_empty()
    }

    /// Makes a filter's words good for `map` and the moments after it. Does nothing where there are
    /// none, and for the public, who find titles only. May take a while: not for a thread that others
    /// wait on.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn look_up(
        &self,
        filter: &mut Filter,
        projection: Projection,
        map: &LiveMap,
    ) -> Result<(), JournalError> {
        if !self.is_needed(filter, projection) || map.carry_on(&mut filter.words) {
            return Ok(());
        }
        let words = filter.words.as_slice().to_vec();
        let mut found: Vec<Option<OrdSet<IncidentNo>>> =
            words.iter().map(|word| self.remembered(word, map)).collect();
        if found.iter().any(Option::is_none) {
            self.read(&words, &mut found, map)?;
        }
        let holders: Vec<OrdSet<IncidentNo>> = found.into_iter().flatten().collect();
        self.remember(&words, &holders, map.seq());
        filter.words = Words::looked_up(words, holders, map.seq());
        Ok(())
    }

    fn remembered(&self, word: &str, map: &LiveMap) -> Option<OrdSet<IncidentNo>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(word).cloned()?;
        // A later answer would tell this map of what came after it.
        if known.as_of > map.seq() {
            return None;
        }
        let mut one = Words::looked_up(vec![word.to_owned()], vec![known.holders], known.as_of);
        map.carry_on(&mut one).then(|| one.holders().0[0].clone())
    }

    fn remember(&self, words: &[String], holders: &[OrdSet<IncidentNo>], as_of: Seq) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + words.len() > KNOWN_MAX {
            known.clear();
        }
        for (word, holders) in words.iter().zip(holders) {
            known.insert(word.clone(), Known { holders: holders.clone(), as_of });
        }
    }

    /// Fills in what was not remembered, all in one reading.
    fn read(
        &self,
        words: &[String],
        found: &mut [Option<OrdSet<IncidentNo>>],
        map: &LiveMap,
    ) -> Result<(), JournalError> {
        let mut reading: Vec<(usize, Vec<IncidentNo>)> =
            (0..words.len()).filter(|i| found[*i].is_none()).map(|i| (i, Vec::new())).collect();
        let closed_after = map.archived_up_to().unwrap_or(TimeMs::MIN);
        self.reader.texts(closed_after, &mut |incident, seq, text| {
            if seq > map.seq() {
                return;
            }
            let text = text.to_lowercase();
            for (i, holders) in &mut reading {
                if text.contains(words[*i].as_str()) {
                    holders.push(incident);
                }
            }
        })?;
        for (i, mut holders) in reading {
            holders.sort_unstable();
            found[i] = Some(holders.into_iter().collect());
        }
        Ok(())
    }
}
