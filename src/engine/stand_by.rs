//! Standing by: follows what another process commits, and becomes the writer when that one is gone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, watch};

use super::core::Core;
use super::follow::Follower;
use super::porter::Porter;
use super::publish::Publisher;
use super::snapshot_file::{Saving, SnapshotFile};
use super::{Engine, INBOX_MAX, open, spawn, start, turn};
use crate::city::City;
use crate::clock::Clock;
use crate::health::{Condition, Health};
use crate::journal::{Journal, JournalError, Reader, Standby};
use crate::live::LiveWriter;
use crate::model::{Fact, IdKey, Seq, TimeMs};

/// Entries read and applied at once.
const ENTRIES: usize = 1_000;

impl Engine {
    /// Takes the store over where nobody writes it, else stands the live map up and follows until the
    /// writer is gone. Readers have the newest moment meanwhile; who sends is told that this node stands by.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn stand_by(
        mut standby: Box<dyn Standby>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
        if let Some(journal) = standby.take()? {
            return Engine::start(journal, city, clock);
        }
        let ids = IdKey::new(standby.secret(), &city.code_prefix);
        let file = standby.folder().map(SnapshotFile::in_folder);
        let found = file.as_ref().and_then(|file| file.load(&city));
        let (head, moment) = standby.moment()?;
        let erased = moment.last_erasure()?;
        if found.as_ref().is_some_and(|found| found.seq < erased) {
            remove_snapshot(file.as_ref());
        }
        let found = found.filter(|found| found.seq >= erased);
        let follower = Follower::new(open(&*moment, head, city.clone(), ids, found)?);
        drop(moment);
        let (inbox, jobs) = mpsc::channel(INBOX_MAX);
        let failed = Arc::new(AtomicBool::new(false));
        let (moments, reader, health) = (follower.moments(), standby.reader(), standby.health());
        let (wiped, told) = watch::channel(Seq(0));
        let engine = Engine {
            wiped: told,
            inbox,
            moments,
            reader: reader.clone(),
            failed: failed.clone(),
            health: health.clone(),
        };
        let detail =
            "another server writes the database; this one follows it, and takes over when it is gone";
        health.raise(Condition::StandsBy, detail);
        let porter = Porter::start(jobs, clock.clone())?;
        let waiting = Waiting { standby, follower, reader, city, clock, porter, failed, health, wiped };
        Ok((engine, spawn(move || waiting.run())?))
    }
}

struct Waiting {
    standby: Box<dyn Standby>,
    follower: Follower,
    reader: Arc<dyn Reader>,
    city: Arc<City>,
    clock: Arc<dyn Clock>,
    porter: Porter,
    failed: Arc<AtomicBool>,
    health: Health,
    wiped: watch::Sender<Seq>,
}

impl Waiting {
    fn run(mut self) {
        loop {
            self.porter.looked();
            if self.porter.is_alone() {
                return;
            }
            self.standby.wait();
            let looked = self.look_for_losses().and_then(|()| self.follow());
            match looked.and_then(|()| self.standby.take()) {
                Ok(None) => self.health.clear(Condition::DatabaseAway),
                Ok(Some(journal)) => return self.take_over(journal),
                Err(JournalError::Away(what)) => {
                    let detail = format!("the database {what}; what is shown is as of its last answer");
                    self.health.raise(Condition::DatabaseAway, detail);
                }
                Err(JournalError::Lost(what)) => {
                    return self.health.raise(Condition::EntriesLost, what);
                }
                Err(error) => {
                    return tracing::error!(error = &error as &dyn std::error::Error, "following failed");
                }
            }
        }
    }

    fn look_for_losses(&mut self) -> Result<(), JournalError> {
        self.standby.look_for_losses(self.follower.seq())
    }

    fn follow(&mut self) -> Result<(), JournalError> {
        loop {
            let entries = self.reader.entries(self.follower.seq(), ENTRIES)?;
            if entries.is_empty() {
                return Ok(());
            }
            self.porter.looked();
            self.follower.apply(&entries).map_err(|e| JournalError::Corrupt(e.to_string()))?;
            if entries.iter().any(|entry| matches!(entry.fact, Fact::Erasure(_))) {
                remove_snapshot(self.standby.folder().map(SnapshotFile::in_folder).as_ref());
            }
        }
    }

    /// The journal is ours: nothing is written any more but by us.
    fn take_over(mut self, mut journal: Box<dyn Journal>) {
        let promoted = self
            .follow()
            .and_then(|()| self.look_for_losses())
            .and_then(|()| promote(&mut *journal, self.follower, &self.city, self.clock.now()));
        let (writer, publisher, saving) = match promoted {
            Ok(promoted) => promoted,
            Err(JournalError::Lost(what)) => return self.health.raise(Condition::EntriesLost, what),
            Err(error) => {
                return tracing::error!(error = &error as &dyn std::error::Error, "taking over failed");
            }
        };
        tracing::warn!(seq = %writer.map().seq(), "the writer is gone; this server has taken over");
        let jobs = self.porter.relieve();
        self.health.clear(Condition::StandsBy);
        self.health.clear(Condition::DatabaseAway);
        match Core::new(journal, writer, self.clock, publisher, saving).wiping() {
            Ok(core) => turn(core.telling(self.failed, self.wiped), jobs),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "taking over failed");
            }
        }
    }
}

/// A snapshot of before an erasure may hold what is erased; this node writes none while it stands by.
fn remove_snapshot(file: Option<&SnapshotFile>) {
    if let Some(Err(error)) = file.map(SnapshotFile::remove) {
        tracing::warn!(%error, "a snapshot of before an erasure cannot be deleted; delete live.snapshot");
    }
}

/// What a follower becomes that stands at the head of a journal that is ours.
pub(super) fn promote(
    journal: &mut dyn Journal,
    follower: Follower,
    city: &City,
    now: TimeMs,
) -> Result<(LiveWriter, Publisher, Option<Saving>), JournalError> {
    let (head, reader) = (journal.head(), journal.reader());
    if follower.map().epoch() != head.epoch {
        return Err(JournalError::Lost(
            "entries that this node knew are gone, and the database counts anew: this server ends, and goes on from what \
             is there once it is started again"
                .to_owned(),
        ));
    }
    if follower.seq() != head.seq {
        let at = follower.seq();
        return Err(JournalError::Corrupt(format!(
            "the standby is at entry {at}, the journal at {}",
            head.seq
        )));
    }
    let (mut writer, publisher) = follower.into_writer();
    if reader.derived()?.as_of_seq == head.seq {
        // The writer before wrote them at its stop.
        drop(writer.take_derived());
    }
    start::put_pack_in_force(journal, &mut writer, city, now)?;
    publisher.publish(writer.map());
    let file = journal.folder().map(SnapshotFile::in_folder);
    let saving = file.map(|file| Saving::new(file, reader, Seq(0)));
    Ok((writer, publisher, saving))
}
