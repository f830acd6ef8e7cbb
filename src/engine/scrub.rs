//! Reads the whole journal through now and then, beside the running engine: a bit that the disk changed in
//! a row which nobody has asked for since is found within a day, and not when it is needed.
//!
//! It is `pantau verify`: the chain, every row against the log, sums, pages and indexes. One thread, which
//! rests as long as it works. While it reads, the write-ahead log cannot be cut back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::Engine;
use crate::background::Work;
use crate::clock::Clock;
use crate::health::{Condition, Health};
use crate::journal::{VerifyReport, verify};
use crate::model::Seq;

/// How often it is looked whether the engine has ended.
const LOOK: Duration = Duration::from_secs(1);

/// When the journal is read through.
#[derive(Debug, Clone, Copy)]
pub struct Scrub {
    /// So long after the start: walls that come back then are served first.
    pub first: Duration,
    pub every: Duration,
}

impl Default for Scrub {
    fn default() -> Scrub {
        Scrub { first: Duration::from_secs(60), every: Duration::from_secs(24 * 60 * 60) }
    }
}

impl Scrub {
    /// Starts the thread beside the engine that writes the journal in `data`; it ends with the engine, or when it is asked to.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn start(
        self,
        data: &Path,
        engine: &Engine,
        clock: Arc<dyn Clock>,
        work: Work,
    ) -> std::io::Result<()> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let published = engine.moments().published();
        let (data, health) = (data.to_owned(), engine.health().clone());
        let scrubber = Scrubber { data, health, clock, timer, work };
        std::thread::Builder::new()
            .name("scrub".to_owned())
            .spawn(move || scrubber.run(self, published))?;
        Ok(())
    }
}

struct Scrubber {
    data: PathBuf,
    health: Health,
    clock: Arc<dyn Clock>,
    timer: Runtime,
    work: Work,
}

impl Scrubber {
    fn run(mut self, plan: Scrub, published: watch::Receiver<Seq>) {
        let mut due = self.clock.monotonic() + plan.first;
        // An error where the engine has ended.
        while published.has_changed().is_ok() && !self.work.is_to_stop() {
            let rest = due.saturating_sub(self.clock.monotonic());
            if rest.is_zero() {
                self.look();
                due = self.clock.monotonic() + plan.every;
            }
            let stopped = self.work.stopped();
            self.timer.block_on(async { tokio::time::timeout(rest.min(LOOK), stopped).await.ok() });
        }
    }

    fn look(&self) {
        let mut since = self.clock.monotonic();
        let mut gently = |_, _| {
            // Nothing is worth a rest once the server is to stop: it waits for this, for a while.
            let worked = match self.work.is_to_stop() {
                true => Duration::ZERO,
                false => self.clock.monotonic().saturating_sub(since),
            };
            self.timer.block_on(async { tokio::time::sleep(worked).await });
            since = self.clock.monotonic();
        };
        let damage = match verify(&self.data, &mut gently) {
            Ok(found) => words(&found),
            Err(error) => Some(format!("it cannot be read through: {error}")),
        };
        match damage {
            None => self.health.clear(Condition::Damaged),
            Some(words) => self.health.raise(
                Condition::Damaged,
                format!(
                    "the journal is not as it was written: {words}. Keep the folder as it is, run pantau verify, restore the \
                     newest backup that verifies"
                ),
            ),
        }
    }
}

/// What was found, the first fault by its name.
fn words(found: &VerifyReport) -> Option<String> {
    let first = found.faults.first()?;
    let place = first.seq.map_or_else(String::new, |seq| format!("entry {seq}: "));
    Some(format!("{place}{} ({} fault(s) in all)", first.message, found.faults_total))
}
