//! A store on another machine: it may not answer for a while, and another process may take over.
//!
//! While it is away nothing is appended and nobody waits for it: who sends is told at once, and readers
//! have the newest moment. What was in flight when it went is not known until it is back; then whatever
//! became durable is read from the log and applied, as if its answer had come.

use std::time::Duration;

use super::core::Core;
use crate::health::Condition;
use crate::journal::JournalError;
use crate::model::Fact;

/// How often a store that is away is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Entries read at once while catching up.
const ENTRIES: usize = 1_000;

impl Core {
    /// Between two batches; `wait` is how long the loop means to wait for the next. Answers how long it may.
    pub(super) fn look_after_store(&mut self, wait: Option<Duration>) -> Option<Duration> {
        if self.away {
            self.ask_for_store();
            return if self.away { Some(ASK_EVERY) } else { Some(Duration::ZERO) };
        }
        let Some(every) = self.journal.check_every() else { return wait };
        match self.journal.check() {
            Ok(()) => {}
            Err(JournalError::Away(what)) => {
                self.went_away(&what);
                return Some(ASK_EVERY);
            }
            Err(JournalError::Lost(what)) => self.was_lost(&what),
            Err(error) => self.was_fenced(&error.to_string()),
        }
        Some(wait.map_or(every, |wait| wait.min(every)))
    }

    pub(super) fn went_away(&mut self, what: &str) {
        self.away = true;
        let detail = format!("the database {what}; reports are kept here until it is back");
        self.health.raise(Condition::DatabaseAway, detail);
    }

    pub(super) fn was_fenced(&mut self, what: &str) {
        self.fenced = true;
        tracing::error!("{what}");
    }

    /// What is shown is no longer what the store has.
    pub(super) fn was_lost(&mut self, what: &str) {
        self.fenced = true;
        self.health.raise(Condition::EntriesLost, what);
    }

    fn ask_for_store(&mut self) {
        let back = self.journal.resume().and_then(|head| match head {
            Some(_) => self.catch_up().map(|()| true),
            None => Ok(false),
        });
        match back {
            Ok(false) => {}
            Ok(true) => {
                self.away = false;
                self.health.clear(Condition::DatabaseAway);
            }
            // It went again while it was read.
            Err(JournalError::Away(what)) => tracing::debug!("the database {what}"),
            Err(JournalError::Fenced(what)) => self.was_fenced(&what),
            Err(JournalError::Lost(what)) => self.was_lost(&what),
            Err(error) => {
                self.away = false;
                self.fail(&error);
            }
        }
    }

    /// Applies what became durable though its answer was lost.
    fn catch_up(&mut self) -> Result<(), JournalError> {
        let reader = self.journal.reader();
        loop {
            let entries = reader.entries(self.writer.map().seq(), ENTRIES)?;
            if entries.is_empty() {
                return Ok(());
            }
            tracing::info!(entries = entries.len(), "were durable before the database went away");
            self.writer.apply(&entries);
            if let Some(erasure) = entries.iter().rev().find(|e| matches!(e.fact, Fact::Erasure(_))) {
                self.wipe_soon(erasure.seq);
            }
            self.publisher.publish(self.writer.map());
        }
    }
}
