//! The journal on the simulated disk: the product's decisions over a log that can be lost.

use std::path::Path;
use std::sync::Arc;

use pantau::city::City;
use pantau::health::{Condition, Health};
use pantau::journal::{DerivedUpdate, Head, Journal, JournalError, MemoryJournal, Reader};
use pantau::model::{Command, Epoch, Outcome, Secret, TimeMs};

use super::disk::{Batch, Disk, DiskFault};

pub struct SimJournal {
    memory: MemoryJournal,
    disk: Disk,
    health: Health,
    /// A control: keys under which a report was sent before are not looked at.
    forgets_keys: bool,
}

impl SimJournal {
    /// Decides anew whatever the log still holds.
    pub fn open(
        disk: Disk,
        city: Arc<City>,
        secret: Secret,
        epoch: Epoch,
        forgets_keys: bool,
    ) -> SimJournal {
        let mut memory = MemoryJournal::of_epoch(city, secret, epoch);
        for batch in disk.recover() {
            let decided = memory.append(batch.commands.clone(), batch.now, batch.derived.as_ref());
            decided.expect("memory takes what it took before");
        }
        SimJournal { memory, disk, health: Health::default(), forgets_keys }
    }
}

fn without_keys(commands: Vec<Command>) -> Vec<Command> {
    let without_key = |mut command| {
        if let Command::Report(report) = &mut command {
            report.idempotency = None;
        }
        command
    };
    commands.into_iter().map(without_key).collect()
}

impl Journal for SimJournal {
    fn head(&self) -> Head {
        self.memory.head()
    }

    fn secret(&self) -> Secret {
        self.memory.secret()
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        let commands = if self.forgets_keys { without_keys(commands) } else { commands };
        let batch = Batch { commands: commands.clone(), now, derived: derived.cloned() };
        let failed = |what: &str| Err(JournalError::Store(what.into()));
        match self.disk.commit(Arc::new(batch)) {
            Ok(()) => self.memory.append(commands, now, derived),
            Err(DiskFault::NoPower) => failed("the power is out"),
            Err(DiskFault::Flush) => failed("a flush failed"),
            Err(DiskFault::Full) => {
                self.health.raise(Condition::DiskFull, "the disk is full");
                Err(JournalError::Full)
            }
            Err(DiskFault::Away { has_it }) => {
                if has_it {
                    self.memory.append(commands, now, derived)?;
                }
                Err(JournalError::Away("does not answer".to_owned()))
            }
        }
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.memory.reader()
    }

    fn try_again(&mut self) {
        if !self.disk.manners().full {
            self.health.clear(Condition::DiskFull);
        }
    }

    fn health(&self) -> Health {
        self.health.clone()
    }

    fn resume(&mut self) -> Result<Option<Head>, JournalError> {
        Ok((!self.disk.manners().away).then(|| self.head()))
    }
}
