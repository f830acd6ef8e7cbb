//! The origin's side: answers nodes with entries and snapshots.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::news::Lineage;
use super::settings::EdgeToken;
use super::snapshot::NodeSnapshot;
use crate::city::City;
use crate::clock::Clock;
use crate::engine::{Engine, Foundation, Moments};
use crate::health::{Condition, Health};
use crate::journal::{JournalError, Pseudonyms, Reader, SharedEntry};
use crate::model::{Entry, Secret, Seq};

/// At most so many entries an answer.
pub const ENTRIES_MAX: usize = 5_000;
/// A snapshot this young is handed out again: ten edges that start together cost one.
const SNAPSHOT_AGE: Duration = Duration::from_secs(10);

pub struct Desk {
    pub(super) moments: Moments,
    reader: Arc<dyn Reader>,
    health: Health,
    pub(super) city: Arc<City>,
    clock: Arc<dyn Clock>,
    secret: Secret,
    pseudonyms: Pseudonyms,
    token: Option<EdgeToken>,
    newest: Mutex<Option<(Duration, Bytes)>>,
}

impl Desk {
    pub fn new(
        engine: &Engine,
        (city, clock): (Arc<City>, Arc<dyn Clock>),
        (secret, pseudonyms): (Secret, Pseudonyms),
        token: Option<EdgeToken>,
    ) -> Desk {
        let node = (engine.moments(), engine.reader().clone(), engine.health().clone());
        Desk::over(node, (city, clock), (secret, pseudonyms), token)
    }

    /// Over what a node shows, its journal and what is not well with it.
    pub fn over(
        (moments, reader, health): (Moments, Arc<dyn Reader>, Health),
        (city, clock): (Arc<City>, Arc<dyn Clock>),
        (secret, pseudonyms): (Secret, Pseudonyms),
        token: Option<EdgeToken>,
    ) -> Desk {
        let newest = Mutex::default();
        Desk { moments, reader, health, city, clock, secret, pseudonyms, token, newest }
    }

    pub fn token(&self) -> Option<&EdgeToken> {
        self.token.as_ref()
    }

    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Whether this node commits: one that stands by leaves the stream to the one that does.
    pub(super) fn writes(&self) -> bool {
        !self.health.stands(Condition::StandsBy)
    }

    /// Of what it shows now.
    pub fn lineage(&self) -> Lineage {
        Lineage::of(&self.moments.live(), &self.pseudonyms.generation())
    }

    /// The newest entry that is published.
    pub fn head(&self) -> Seq {
        self.moments.live().seq()
    }

    /// At most `limit` entries after `after`. Blocks.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn read(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, JournalError> {
        self.reader.entries(after, limit.min(ENTRIES_MAX))
    }

    /// An entry as the nodes get it.
    pub fn share(&self, entry: &Entry) -> SharedEntry<'static> {
        SharedEntry::of(entry, &self.city, &self.pseudonyms)
    }

    /// [`super::News`] of what came after `after`, as JSON. Blocks.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn news(&self, after: Seq, limit: usize) -> Result<Vec<u8>, JournalError> {
        let entries = self.read(after, limit)?;
        let head = entries.last().map_or(Seq(0), |entry| entry.seq).max(self.head());
        let lineage = self.lineage();
        let shared = entries.iter().map(|entry| self.share(entry)).collect();
        Ok(serde_json::to_vec(&lineage.news(head, shared)).expect("plain structs become JSON"))
    }

    /// Lets a snapshot go that is too old to be handed out again: it is as large as the live map. Does not wait.
    pub fn let_go(&self) {
        let now = self.clock.monotonic();
        if let Ok(mut newest) = self.newest.try_lock() {
            newest.take_if(|(made, _)| now.saturating_sub(*made) >= SNAPSHOT_AGE);
        }
    }

    /// A snapshot of the newest moment, or of one some seconds old. Blocks; who asks meanwhile waits for the
    /// same.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn snapshot(&self) -> Result<Bytes, JournalError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if let Some((made, bytes)) = &*newest
            && now.saturating_sub(*made) < SNAPSHOT_AGE
        {
            return Ok(bytes.clone());
        }
        let foundation = Foundation::read(&|| self.moments.live(), &*self.reader)?;
        let bytes = NodeSnapshot::encode(&foundation, &self.city, self.secret, &self.pseudonyms);
        let bytes = Bytes::from(bytes);
        *newest = Some((now, bytes.clone()));
        metrics::counter!("pantau_node_snapshots_total").increment(1);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::{Core, StateMarks};
    use crate::journal::MemoryJournal;
    use crate::model::TimeMs;

    #[test]
    fn a_snapshot_is_handed_out_again_for_a_while_and_then_held_no_longer() {
        let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank");
        let (city, secret) = (Arc::new(City::load(&blank).unwrap()), Secret([7; 32]));
        let clock = Arc::new(ManualClock::at(TimeMs(1_764_000_000_000)));
        let journal = Box::new(MemoryJournal::new(city.clone(), secret));
        let core = Core::start(journal, city.clone(), clock.clone(), StateMarks::default()).unwrap();
        let node = (core.moments(), core.reader(), core.health().clone());
        let shared = (secret, Pseudonyms::random().unwrap());
        let desk = Desk::over(node, (city, clock.clone()), shared, None);
        let first = desk.snapshot().unwrap();
        clock.advance_ms(9_000);
        desk.let_go();
        assert_eq!(desk.snapshot().unwrap().as_ptr(), first.as_ptr());
        clock.advance_ms(1_000);
        desk.let_go();
        assert!(desk.newest.lock().unwrap().is_none());
        assert_ne!(desk.snapshot().unwrap().as_ptr(), first.as_ptr());
    }
}
