//! What the engine's thread does, without the thread: one turn after the other, so that a simulation runs
//! the same code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::publish::{Moments, Publisher};
use super::snapshot_file::{Saving, SnapshotFile};
use super::vigil::Vigil;
use super::{EngineError, StateMarks, open, start, vigil};
use crate::city::City;
use crate::clock::Clock;
use crate::health::{Condition, Health};
use crate::journal::{Journal, JournalError, Reader};
use crate::live::LiveWriter;
use crate::model::{Command, Fact, IdKey, Outcome, Seq};

/// Ticks are at least this far apart in real time.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// How the next turn may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// With commands, or without after this time at the latest.
    Within(Duration),
    /// Once commands come.
    Whenever,
    /// Never: another process writes by now.
    Over,
}

/// The loop's state and what it does in a turn: [`Core::begin_turn`], then whatever came through
/// [`Core::commit`], then [`Core::pass_time`]. Asks its clock and its journal, and nobody else.
pub struct Core {
    pub(super) journal: Box<dyn Journal>,
    pub(super) writer: LiveWriter,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) publisher: Publisher,
    /// Monotonic time of the last tick.
    ticked: Option<Duration>,
    /// The journal failed: nothing may be acknowledged any more, only read.
    pub(super) failed: Arc<AtomicBool>,
    pub(super) health: Health,
    vigil: Vigil,
    pub(super) saving: Option<Saving>,
    /// The store does not answer, and what was in flight is not known.
    pub(super) away: bool,
    /// Another process writes by now, or the store has less than is shown: this one ends.
    pub(super) fenced: bool,
    /// What this erasure took is still on the disk.
    pub(super) wipe_due: Option<Seq>,
    /// Monotonic time at which that was tried last.
    pub(super) wipe_tried: Option<Duration>,
    /// Up to which erasure it is gone.
    pub(super) wiped: watch::Sender<Seq>,
}

impl Core {
    /// Stands the live map up from the journal. A journal in a folder has a snapshot kept beside it, for a
    /// fast start. `marks` gets the hashes of what is published.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn start(
        mut journal: Box<dyn Journal>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
        marks: StateMarks,
    ) -> Result<Core, JournalError> {
        let ids = IdKey::new(journal.secret(), &city.code_prefix);
        let reader = journal.reader();
        let snapshot = journal.folder().map(SnapshotFile::in_folder);
        let found = snapshot.as_ref().and_then(|file| file.load(&city));
        let (health, head) = (journal.health(), journal.head());
        if let Some(found) = &found {
            start::compare_with_snapshot(found, &*reader, head, &health)?;
        }
        // One of before an erasure may hold what is erased.
        let erased = reader.last_erasure()?;
        let found = found.filter(|found| found.seq >= erased);
        let saved = found.as_ref().map_or(Seq(0), |found| found.seq);
        let wipe_due = (saved < erased).then_some(erased);
        vigil::look_at_clock(clock.now(), head.at, &health);
        let mut writer = open(&*reader, head, city.clone(), ids, found)?;
        start::put_pack_in_force(&mut *journal, &mut writer, &city, clock.now())?;

        let publisher = Publisher::marking(writer.map(), marks);
        let saving = snapshot.map(|file| Saving::new(file, reader, saved));
        Ok(Core { wipe_due, ..Core::new(journal, writer, clock, publisher, saving) })
    }

    pub(super) fn new(
        journal: Box<dyn Journal>,
        writer: LiveWriter,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        saving: Option<Saving>,
    ) -> Core {
        let (health, failed) = (journal.health(), Arc::default());
        let vigil = Vigil::new(&*clock);
        let (ticked, away, fenced, wipe_due, wipe_tried) = (None, false, false, None, None);
        let (wiped, _) = watch::channel(Seq(0));
        Core {
            journal,
            writer,
            clock,
            publisher,
            ticked,
            failed,
            health,
            vigil,
            saving,
            away,
            fenced,
            wipe_due,
            wipe_tried,
            wiped,
        }
    }

    /// The same, with its failure told to whoever has `failed`, and what is wiped to those who hear `wiped`.
    pub(super) fn telling(self, failed: Arc<AtomicBool>, wiped: watch::Sender<Seq>) -> Core {
        Core { failed, wiped, ..self }
    }

    /// The same, which begins with wiping what was ever erased: nobody knows how far this node came.
    pub(super) fn wiping(self) -> Result<Core, JournalError> {
        let erased = self.journal.reader().last_erasure()?;
        Ok(Core { wipe_due: (erased > Seq(0)).then_some(erased), ..self })
    }

    /// The moments as they come.
    pub fn moments(&self) -> Moments {
        self.publisher.moments()
    }

    pub fn reader(&self) -> Arc<dyn Reader> {
        self.journal.reader()
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Begins a turn: looks after the store, and says how long commands may be waited for.
    pub fn begin_turn(&mut self) -> Turn {
        let wait = self.look_after_store(self.until_wiping(self.until_something_is_due()));
        match wait {
            _ if self.fenced => Turn::Over,
            Some(wait) => Turn::Within(wait),
            None => Turn::Whenever,
        }
    }

    /// Commits what came together, all of it in one go, and publishes it. One answer for each that came, in
    /// order.
    pub fn commit(&mut self, came: Vec<Vec<Command>>) -> Vec<Result<Vec<Outcome>, EngineError>> {
        self.look_around();
        let sizes: Vec<usize> = came.iter().map(Vec::len).collect();
        match self.append(came.into_iter().flatten().collect()) {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                sizes.into_iter().map(|size| Ok(outcomes.by_ref().take(size).collect())).collect()
            }
            Err(error) => sizes.into_iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Ends a turn: what time alone brings.
    pub fn pass_time(&mut self) {
        self.tick_if_due();
        self.wipe_if_due();
        // Wiping begins a new one by itself, and has to wait for one that is being written.
        if let Some(saving) = self.saving.as_mut().filter(|_| self.wipe_due.is_none()) {
            saving.save_if_due(self.writer.map());
        }
    }

    /// A clean stop.
    pub fn finish(mut self) {
        self.flush();
        self.wipe_at_end();
        if let Some(saving) = self.saving.take() {
            // By the age of the one that is there the next start knows what is still to be wiped.
            saving.finish(self.wipe_due.is_none().then(|| self.writer.map()));
        }
        self.seal();
    }

    fn look_around(&mut self) {
        self.vigil.look(&*self.clock);
        vigil::look_at_clock(self.clock.now(), self.writer.map().now(), &self.health);
        if self.health.stands(Condition::DiskFull) && self.vigil.is_time_to_try(&*self.clock) {
            self.journal.try_again();
        }
    }

    /// How long to wait for commands; `None`: until one comes.
    fn until_something_is_due(&self) -> Option<Duration> {
        let tick = self.until_tick();
        if !self.health.stands(Condition::DiskFull) || self.has_failed() {
            return tick;
        }
        // A tick would find the disk full as well.
        Some(self.vigil.until_next_try(&*self.clock))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// How long to wait for commands before a tick may be due; `None`: until one comes.
    fn until_tick(&self) -> Option<Duration> {
        if self.has_failed() || self.away {
            return None;
        }
        let now = self.clock.now();
        let due = if self.writer.tick_is_due(now) {
            Duration::ZERO
        } else {
            let due_at = self.writer.tick_due_at()?;
            let speed = self.clock.speed();
            if speed <= 0.0 {
                return None;
            }
            let real_ms = (due_at.since(now) as f64 / speed).clamp(0.0, 3_600_000.0);
            Duration::from_millis(real_ms.ceil() as u64)
        };
        Some(due.max(self.until_tick_allowed()))
    }

    fn until_tick_allowed(&self) -> Duration {
        let since_tick = self.ticked.map(|ticked| self.clock.monotonic().saturating_sub(ticked));
        since_tick.map_or(Duration::ZERO, |since| TICK_EVERY.saturating_sub(since))
    }

    /// Journal, live map, feed: in this order, always.
    fn append(&mut self, commands: Vec<Command>) -> Result<Vec<Outcome>, EngineError> {
        if self.has_failed() {
            return Err(EngineError::Journal);
        }
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        if self.away || self.fenced {
            return Err(EngineError::Away);
        }
        let started = self.clock.monotonic();
        let derived = self.writer.take_derived();
        let appended = self.journal.append(commands, self.clock.now(), derived.as_ref());
        let outcomes = match appended {
            Ok(outcomes) => outcomes,
            Err(JournalError::Full) => {
                self.writer.give_back_derived(derived);
                return Err(EngineError::Full);
            }
            Err(JournalError::Away(what)) => {
                self.writer.give_back_derived(derived);
                self.went_away(&what);
                return Err(EngineError::Away);
            }
            Err(JournalError::Fenced(what)) => {
                self.was_fenced(&what);
                return Err(EngineError::Away);
            }
            Err(JournalError::Lost(what)) => {
                self.was_lost(&what);
                return Err(EngineError::Away);
            }
            Err(e) => {
                self.fail(&e);
                return Err(EngineError::Journal);
            }
        };
        metrics::histogram!("pantau_commit_seconds")
            .record((self.clock.monotonic().saturating_sub(started)).as_secs_f64());
        let mut n_entries = 0;
        for outcome in &outcomes {
            if let Outcome::Accepted { entries, .. } = outcome {
                self.writer.apply(entries);
                n_entries += entries.len();
                for entry in entries.iter().filter(|entry| matches!(entry.fact, Fact::Erasure(_))) {
                    self.wipe_soon(entry.seq);
                }
            }
        }
        if n_entries > 0 {
            metrics::counter!("pantau_entries_total").increment(n_entries as u64);
            self.publisher.publish(self.writer.map());
        }
        Ok(outcomes)
    }

    /// What the disk holds now is not known, and trying again could look like success: only reading
    /// goes on.
    pub(super) fn fail(&mut self, error: &JournalError) {
        self.failed.store(true, Ordering::Relaxed);
        tracing::error!(error = error as &dyn std::error::Error, "the journal failed");
        let advice = "the store failed: only reading goes on, nothing more is acknowledged; \
                      look at the disk, then start the server again";
        self.health.raise(Condition::ReadOnly, advice);
    }

    fn tick_if_due(&mut self) {
        let due = !self.has_failed()
            && !self.health.stands(Condition::DiskFull)
            && !self.away
            && !self.fenced
            && self.until_tick_allowed().is_zero()
            && self.writer.tick_is_due(self.clock.now());
        if !due {
            return;
        }
        self.ticked = Some(self.clock.monotonic());
        if let Err(e) = self.append(vec![Command::Tick]) {
            tracing::warn!(error = %e, "a tick could not be written");
        }
    }

    /// The last word to the journal: a checkpoint at its head.
    fn seal(&mut self) {
        if self.has_failed() || self.away || self.fenced {
            return;
        }
        if let Err(e) = self.journal.seal() {
            tracing::warn!(error = &e as &dyn std::error::Error, "the head was not sealed");
        }
    }

    /// What the last tick changed goes into the journal, so that the next start need not compute it.
    fn flush(&mut self) {
        let Some(derived) = self.writer.take_derived().filter(|_| !self.failed.load(Ordering::Relaxed))
        else {
            return;
        };
        if let Err(e) = self.journal.append(Vec::new(), self.clock.now(), Some(&derived)) {
            tracing::warn!(
                error = &e as &dyn std::error::Error,
                "hotspots were not saved; the next start computes them"
            );
        }
    }
}
