//! After an erasure: what it erased goes from the disk too.
//!
//! The journal takes the files of photos away, beside this thread where they are many, and empties its log; then the
//! snapshot of before, which may hold exact places, is deleted and
//! one is written anew. A reader of an older moment can hold the first up for a while, and a snapshot that is
//! being written the second: it is tried again, a few times a second, and the loop goes on meanwhile. A try holds
//! it up for some milliseconds, however many batches come.

use std::time::Duration;

use super::core::Core;
use crate::journal::{Journal, JournalError};
use crate::model::Seq;

/// How long from one try to the next.
const TRY_EVERY: Duration = Duration::from_millis(200);

impl Core {
    /// How long the loop may wait; `wait` is how long it would.
    pub(super) fn until_wiping(&self, wait: Option<Duration>) -> Option<Duration> {
        match self.wipe_due {
            Some(_) if !self.has_failed() => {
                let until_try = self.until_next_try();
                Some(wait.map_or(until_try, |wait| wait.min(until_try)))
            }
            _ => wait,
        }
    }

    fn until_next_try(&self) -> Duration {
        let since_try = self.wipe_tried.map(|tried| self.clock.monotonic().saturating_sub(tried));
        since_try.map_or(Duration::ZERO, |since| TRY_EVERY.saturating_sub(since))
    }

    /// Tries to make the bytes of what was erased be gone, unless that was tried a moment ago.
    pub(super) fn wipe_if_due(&mut self) {
        self.wipe_if_due_by(|journal| journal.wipe());
    }

    fn wipe_if_due_by(&mut self, wipe: impl FnOnce(&mut dyn Journal) -> Result<bool, JournalError>) {
        let due = self.wipe_due.filter(|_| !self.has_failed() && !self.away && !self.fenced);
        let Some(seq) = due.filter(|_| self.until_next_try().is_zero()) else { return };
        if self.wipe(wipe) {
            self.wipe_due = None;
            self.wiped.send_replace(seq);
            tracing::info!(%seq, "what was erased is gone from the disk");
        }
        self.wipe_tried = Some(self.clock.monotonic());
    }

    /// The last try: nobody waits for the loop any more.
    pub(super) fn wipe_at_end(&mut self) {
        if let Some(saving) = self.saving.as_mut().filter(|_| self.wipe_due.is_some()) {
            saving.wait();
        }
        self.wipe_tried = None;
        self.wipe_if_due_by(|journal| journal.wipe_patiently());
    }

    /// Whether it is gone.
    fn wipe(&mut self, wipe: impl FnOnce(&mut dyn Journal) -> Result<bool, JournalError>) -> bool {
        if self.saving.as_ref().is_some_and(|saving| saving.is_busy()) {
            // What it writes may hold what was erased, and would come after all else was wiped.
            return false;
        }
        match wipe(&mut *self.journal) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(e) => {
                let error = &e as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "what was erased is still on the disk, a photo or in the write-ahead log; trying again"
                );
                return false;
            }
        }
        if let Some(saving) = &mut self.saving
            && let Err(e) = saving.save_anew(self.writer.map())
        {
            tracing::warn!(error = %e, "the snapshot of before the erasure cannot be deleted; trying again");
            return false;
        }
        true
    }

    /// Says that the newest entries erased something.
    pub(super) fn wipe_soon(&mut self, seq: Seq) {
        self.wipe_due = Some(seq);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::city::City;
    use crate::clock::ManualClock;
    use crate::engine::StateMarks;
    use crate::journal::{DerivedUpdate, Head, Journal, JournalError, MemoryJournal, Reader};
    use crate::model::{Command, Outcome, Secret, TimeMs};

    /// Somebody reads an older moment for good.
    struct Held {
        inner: MemoryJournal,
        tries: Arc<AtomicU32>,
    }

    impl Journal for Held {
        fn head(&self) -> Head {
            self.inner.head()
        }

        fn secret(&self) -> Secret {
            self.inner.secret()
        }

        fn append(
            &mut self,
            commands: Vec<Command>,
            now: TimeMs,
            derived: Option<&DerivedUpdate>,
        ) -> Result<Vec<Outcome>, JournalError> {
            self.inner.append(commands, now, derived)
        }

        fn folder(&self) -> Option<&Path> {
            None
        }

        fn reader(&self) -> Arc<dyn Reader> {
            self.inner.reader()
        }

        fn wipe(&mut self) -> Result<bool, JournalError> {
            self.tries.fetch_add(1, Ordering::Relaxed);
            Ok(false)
        }
    }

    #[test]
    fn however_many_batches_come_wiping_is_tried_a_few_times_a_second() {
        let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank");
        let city = Arc::new(City::load(&blank).unwrap());
        let (clock, tries) = (Arc::new(ManualClock::at(TimeMs(1_764_000_000_000))), Arc::default());
        let inner = MemoryJournal::new(city.clone(), Secret([7; 32]));
        let journal = Box::new(Held { inner, tries: Arc::clone(&tries) });
        let mut core = Core::start(journal, city, clock.clone(), StateMarks::default()).unwrap();
        core.wipe_soon(Seq(1));
        for ms in 0..1_000 {
            core.begin_turn();
            core.commit(vec![vec![Command::Tick]]).pop().unwrap().unwrap();
            core.pass_time();
            assert!(core.until_wiping(None).is_some_and(|wait| wait <= TRY_EVERY), "{ms}");
            clock.advance_ms(1);
        }
        assert_eq!(tries.load(Ordering::Relaxed), 5);
        core.finish();
        assert_eq!(tries.load(Ordering::Relaxed), 6, "and once more at the end");
    }
}
