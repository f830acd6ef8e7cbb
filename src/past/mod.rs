//! Looks back: what the center knew at a moment, and how long the steps of its work took.
//!
//! Everything here follows from the journal and is read beside the engine, which never notices. It is kept
//! while it is good: what is asked again is answered again, and what came since is added to what is there.
//!
//! - `maps` stands the live map up as it was.
//! - `ledger` adds entries up to one [`Case`](ledger::Case) an incident; pure.
//! - `figures` groups cases and finds medians; pure. What the public may not learn is left out there.
//! - `statistics` keeps what these two found.

mod figures;
mod ledger;
mod maps;
mod statistics;

pub use figures::{By, Figures, Group, GroupKey, Question, SMALL_MAX, StepFigures};
pub use ledger::{CASES_MAX, Month, Step};
pub use maps::{Maps, PastError, PastMap, Ways};
pub use statistics::{Statistics, StatisticsError};

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::city::City;
use crate::journal::Reader;

/// Questions about the past that are computed at once: they are long, and others need the cores too.
const AT_ONCE_MAX: usize = 2;

/// What is kept of the past, and whose turn it is to ask.
pub struct Past {
    pub maps: Maps,
    pub statistics: Statistics,
    /// One to be held by whoever computes.
    pub turns: Semaphore,
}

impl Past {
    pub fn new(reader: Arc<dyn Reader>, city: Arc<City>) -> Past {
        let maps = Maps::new(reader.clone());
        let statistics = Statistics::new(reader, city);
        Past { maps, statistics, turns: Semaphore::new(AT_ONCE_MAX) }
    }
}
