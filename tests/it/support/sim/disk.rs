//! A disk with a log on it: what was not flushed may be gone after a power cut, or half of it.

use std::sync::{Arc, Mutex, MutexGuard};

use pantau::cli::chance::Chance;
use pantau::journal::DerivedUpdate;
use pantau::model::{Command, TimeMs};

use super::time::Ms;

/// What is committed together: enough to decide it again, the same way.
#[derive(Debug)]
pub struct Batch {
    pub commands: Vec<Command>,
    pub now: TimeMs,
    pub derived: Option<DerivedUpdate>,
}

/// Why nothing was committed, as far as one can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// In the middle of it, or before.
    NoPower,
    Full,
    /// The flush failed.
    Flush,
    /// The store is on another machine and does not answer. It may have the batch.
    Away {
        has_it: bool,
    },
}

/// How the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// `kill -9`: what was written is in the system's memory.
    Kill,
    /// What was not flushed is kept sector by sector, or not.
    PowerCut,
}

/// What is wrong with it.
#[derive(Debug, Default, Clone)]
pub struct Manners {
    /// Says that it flushed, and does not.
    pub lies: bool,
    pub fails_next_flush: bool,
    pub full: bool,
    pub away: bool,
    /// How long a commit takes.
    pub slow_ms: Ms,
    /// The power goes at this many steps from now.
    pub fuse: Option<u32>,
}

/// A batch on its way to the platters.
#[derive(Clone)]
struct Record {
    batch: Arc<Batch>,
    n_sectors: u32,
    /// A bit for each sector that would outlive a power cut.
    kept: u64,
    /// Its flush failed: what is not kept by now never will be.
    dropped: bool,
}

impl Record {
    fn all(&self) -> u64 {
        u64::MAX >> (64 - self.n_sectors)
    }

    fn keep_some(&mut self, chance: &mut Chance) {
        if !self.dropped {
            self.kept |= chance.draw() & self.all();
        }
    }

    fn keep_all(&mut self) {
        if !self.dropped {
            self.kept = self.all();
        }
    }

    fn is_whole(&self) -> bool {
        self.kept == self.all()
    }
}

/// Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    log: Vec<Record>,
    manners: Manners,
    out: bool,
    chance: Chance,
    torn: u64,
}

impl Disk {
    pub fn new(chance: Chance) -> Disk {
        let (log, manners, out, torn) = Default::default();
        Disk(Arc::new(Mutex::new(State { log, manners, out, chance, torn })))
    }

    pub fn behave<T>(&self, change: impl FnOnce(&mut Manners) -> T) -> T {
        change(&mut self.lock().manners)
    }

    pub fn manners(&self) -> Manners {
        self.lock().manners.clone()
    }

    /// Whether the power went.
    pub fn is_out(&self) -> bool {
        self.lock().out
    }

    /// Records that were found in part, until now.
    pub fn torn(&self) -> u64 {
        self.lock().torn
    }

    /// Writes a batch to the log's end and flushes it.
    pub fn commit(&self, batch: Arc<Batch>) -> Result<(), DiskFault> {
        let mut state = self.lock();
        if state.manners.away {
            let wrote = state.chance.happens(0.5) && state.write(batch).is_ok();
            let has_it = wrote && state.flush().is_ok();
            if wrote && !has_it && !state.out {
                // The store takes back what it could not flush, and builds on what it has.
                state.log.pop();
            }
            return Err(DiskFault::Away { has_it });
        }
        state.write(batch)?;
        state.flush()
    }

    /// The process, or the whole machine, is gone.
    pub fn stop(&self, how: Stop) {
        let mut state = self.lock();
        let State { log, chance, .. } = &mut *state;
        match how {
            Stop::Kill => log.iter_mut().for_each(Record::keep_all),
            Stop::PowerCut => log.iter_mut().for_each(|record| record.keep_some(chance)),
        }
    }

    /// The power is there again: what the log holds up to the first record that is not whole. It is flushed
    /// before anybody builds on it.
    pub fn recover(&self) -> Vec<Arc<Batch>> {
        let mut state = self.lock();
        state.out = false;
        state.manners.fuse = None;
        let whole = state.log.iter().take_while(|record| record.is_whole()).count();
        let is_torn = state.log.get(whole).is_some_and(|record| record.kept != 0);
        state.torn += u64::from(is_torn);
        state.log.truncate(whole);
        state.log.iter().map(|record| record.batch.clone()).collect()
    }

    /// All that was written, in order.
    pub fn batches(&self) -> Vec<Arc<Batch>> {
        self.lock().log.iter().map(|record| record.batch.clone()).collect()
    }

    /// Puts the first `n` batches of another time in the place of the log: a backup.
    pub fn put_back(&self, n: usize) {
        self.lock().log.truncate(n);
    }

    pub fn len(&self) -> usize {
        self.lock().log.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("one thread uses it")
    }
}

impl State {
    /// Whether the power goes right now.
    fn burns(&mut self) -> bool {
        if let Some(left) = &mut self.manners.fuse {
            *left = left.saturating_sub(1);
            self.out |= *left == 0;
        }
        self.out
    }

    fn write(&mut self, batch: Arc<Batch>) -> Result<(), DiskFault> {
        if self.burns() {
            return Err(DiskFault::NoPower);
        }
        if self.manners.full {
            return Err(DiskFault::Full);
        }
        let n_sectors = (1 + 2 * batch.commands.len() as u32).min(64);
        self.log.push(Record { batch, n_sectors, kept: 0, dropped: false });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskFault> {
        if self.burns() {
            return Err(DiskFault::NoPower);
        }
        if std::mem::take(&mut self.manners.fails_next_flush) {
            let State { log, chance, .. } = self;
            for record in log.iter_mut().filter(|record| !record.is_whole()) {
                record.keep_some(chance);
                record.dropped = true;
            }
            return Err(DiskFault::Flush);
        }
        if !self.manners.lies {
            self.log.iter_mut().for_each(Record::keep_all);
        }
        Ok(())
    }
}
