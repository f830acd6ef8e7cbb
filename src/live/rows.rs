//! The incidents in memory, by number: a table in chunks.
//!
//! Persistent: a clone costs one count, and a change copies one chunk where a clone still holds it.
//! Invariants: no chunk is empty; a chunk's rows are in the order of their numbers, and all numbers of
//! a chunk have the same quotient by [`CHUNK`].

use std::sync::Arc;

use imbl::OrdMap;

use super::incident::Incident;
use crate::model::IncidentNo;

const CHUNK: u32 = 64;

#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    chunks: OrdMap<u32, Arc<Vec<Incident>>>,
    len: usize,
}

impl Rows {
    /// Of incidents in the order of their numbers.
    pub fn from_sorted(incidents: &[Incident]) -> Rows {
        let same_chunk = incidents.chunk_by(|a, b| a.no.0 / CHUNK == b.no.0 / CHUNK);
        let chunks = same_chunk.map(|chunk| (chunk[0].no.0 / CHUNK, Arc::new(chunk.to_vec())));
        Rows { chunks: chunks.collect(), len: incidents.len() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, no: IncidentNo) -> Option<&Incident> {
        let chunk = self.chunks.get(&(no.0 / CHUNK))?;
        position(chunk, no).ok().map(|i| &chunk[i])
    }

    /// In the order of numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.chunks.values().flat_map(|chunk| chunk.iter())
    }

    /// Puts an incident in, or in the place of what was there under its number.
    pub fn put(&mut self, incident: Incident) {
        let chunk = self.chunks.entry(incident.no.0 / CHUNK).or_default();
        let chunk = Arc::make_mut(chunk);
        match position(chunk, incident.no) {
            Ok(i) => chunk[i] = incident,
            Err(i) => {
                chunk.insert(i, incident);
                self.len += 1;
            }
        }
    }

    pub fn remove(&mut self, no: IncidentNo) -> Option<Incident> {
        let key = no.0 / CHUNK;
        let chunk = self.chunks.get_mut(&key)?;
        let i = position(chunk, no).ok()?;
        let incident = Arc::make_mut(chunk).remove(i);
        if chunk.is_empty() {
            self.chunks.remove(&key);
        }
        self.len -= 1;
        Some(incident)
    }
}

/// Where a number is in a chunk, or would be.
fn position(chunk: &[Incident], no: IncidentNo) -> Result<usize, usize> {
    // In a full chunk every number is at its own place.
    let own = (no.0 % CHUNK) as usize;
    if chunk.len() == CHUNK as usize { Ok(own) } else { chunk.binary_search_by_key(&no, |row| row.no) }
}
