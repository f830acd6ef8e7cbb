//! Keeps the ledger and what was answered from it, as long as both are good.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::figures::{Figures, Question};
use super::ledger::{CASES_MAX, Ledger};
use crate::city::City;
use crate::journal::{JournalError, Reader};
use crate::model::{Seq, TimeMs};

/// The journal is read in steps of so many entries.
const STEP: usize = 5_000;
/// Answers kept; beyond it the one given the longest ago is forgotten.
const ANSWERS_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    #[error("the journal holds more than {CASES_MAX} incidents; of so many no statistics are made")]
    TooLarge,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The statistics of one journal. A first question reads all of it, the next ones only what came since.
pub struct Statistics {
    reader: Arc<dyn Reader>,
    city: Arc<City>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    ledger: Ledger,
    /// Of the ledger's version.
    answers: Vec<(Question, Arc<Figures>)>,
    version: u64,
}

impl Statistics {
    pub fn new(reader: Arc<dyn Reader>, city: Arc<City>) -> Statistics {
        Statistics { reader, city, kept: Mutex::default() }
    }

    /// The figures as of the entry `seq`, or of a newer one where somebody asked for that before, at `now`; and
    /// as of which. Reads the journal: not for a thread that others wait on. Who asks meanwhile waits.
    ///
    /// # Errors
    /// Where the journal cannot be read, or is too large.
    pub fn answer(
        &self,
        question: &Question,
        seq: Seq,
        now: TimeMs,
    ) -> Result<(Seq, Arc<Figures>), StatisticsError> {
        let mut kept = self.lock();
        kept.read_on(&*self.reader, seq, &self.city)?;
        if kept.version != kept.ledger.version() {
            kept.answers.clear();
            kept.version = kept.ledger.version();
        }
        kept.answers.retain(|(_, figures)| now < figures.good_until);
        if let Some((_, figures)) = kept.answers.iter().find(|(asked, _)| asked == question) {
            return Ok((kept.ledger.seq(), figures.clone()));
        }
        let figures = Arc::new(Figures::of(kept.ledger.cases(), question, now, &self.city));
        if kept.answers.len() == ANSWERS_MAX {
            kept.answers.remove(0);
        }
        kept.answers.push((question.clone(), figures.clone()));
        Ok((kept.ledger.seq(), figures))
    }

    /// Reads the next step of the journal, up to the entry `seq`, so that the first question need not read all of
    /// it; whether there is more.
    ///
    /// # Errors
    /// Where the journal cannot be read, or is too large.
    pub fn read_ahead(&self, seq: Seq) -> Result<bool, StatisticsError> {
        self.lock().read_step(&*self.reader, seq, &self.city)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // An entry is added as a whole, after all that can fail.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn read_on(&mut self, reader: &dyn Reader, seq: Seq, city: &City) -> Result<(), StatisticsError> {
        while self.read_step(reader, seq, city)? {}
        Ok(())
    }

    /// Whether there is more.
    fn read_step(&mut self, reader: &dyn Reader, seq: Seq, city: &City) -> Result<bool, StatisticsError> {
        if self.ledger.seq() >= seq {
            return Ok(false);
        }
        let entries = reader.entries(self.ledger.seq(), STEP)?;
        for entry in entries.iter().take_while(|entry| entry.seq <= seq) {
            self.ledger.add(entry, city);
        }
        if self.ledger.cases().len() > CASES_MAX {
            return Err(StatisticsError::TooLarge);
        }
        Ok(!entries.is_empty() && self.ledger.seq() < seq)
    }
}
