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

use tokio::sync::{Semaphore, watch};

use crate::city::City;
use crate::clock::Clock;
use crate::journal::Reader;
use crate::model::Seq;

/// Questions about the past that are computed at once: they are long, and others need the cores too.
const AT_ONCE_MAX: usize = 2;

/// Reading ahead rests so many times as long as it reads: a quarter of one core is what it may take.
const REST: u32 = 3;

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

    /// Reads what statistics need of the journal up to the entry `seq`, a little at a time, until it is there or
    /// `stopping` turns true: the first who asks after a start is not to wait for all of it.
    pub async fn read_ahead(
        self: Arc<Past>,
        seq: Seq,
        clock: Arc<dyn Clock>,
        mut stopping: watch::Receiver<bool>,
    ) {
        loop {
            let (past, begun) = (self.clone(), clock.monotonic());
            match tokio::task::spawn_blocking(move || past.statistics.read_ahead(seq)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "statistics are read when somebody asks");
                    return;
                }
            }
            let rest = (clock.monotonic() - begun) * REST;
            if tokio::time::timeout(rest, stopping.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }
}
