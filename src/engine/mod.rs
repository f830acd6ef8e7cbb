//! The whole product in one loop: what arrived together is one batch; batch → journal → live map → feed.
//!
//! One thread owns journal and live map. A sender is answered when its entries are durable *and*
//! applied and published, so any later answer of this node has a seq at least as high.

mod away;
mod elsewhere;
mod follow;
mod foundation;
mod marks;
mod publish;
mod snapshot_file;
mod stand_by;
mod start;
mod vigil;
mod wipe;

pub use follow::{FollowError, Follower};
pub use foundation::Foundation;
pub use marks::{StateMark, StateMarks};
pub use publish::{Moments, Publisher};
pub use snapshot_file::remove_snapshot;
pub use start::{last_before, open, settle};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::city::City;
use crate::clock::Clock;
use crate::health::{Condition, Health};
use crate::journal::{Journal, JournalError, Reader};
use crate::live::{LiveMap, LiveWriter};
use crate::model::{Command, Fact, IdKey, Outcome, Seq, TimeMs};
use elsewhere::Elsewhere;
use snapshot_file::{Saving, SnapshotFile};
use vigil::Vigil;

/// At most this many requests are committed together.
const JOBS_PER_BATCH_MAX: usize = 512;
/// Requests that wait for the engine; when it is full, senders wait in turn.
const INBOX_MAX: usize = 4_096;
/// Ticks are at least this far apart in real time.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// Why the engine could not take a batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    #[error("the disk is full")]
    Full,
    #[error("the store failed; the server takes no more reports until it is started again")]
    Journal,
    /// What was sent may be durable all the same: whoever sends it again must use the same key.
    #[error("the database does not answer")]
    Away,
    #[error("this server stands by and takes nothing; another one does")]
    StandsBy,
    #[error("the server is stopping")]
    Stopped,
}

struct Job {
    commands: Vec<Command>,
    reply: oneshot::Sender<Result<Vec<Outcome>, EngineError>>,
}

/// The engine as everybody else sees it. Clones are cheap.
#[derive(Clone)]
pub struct Engine {
    inbox: mpsc::Sender<Job>,
    moments: Moments,
    reader: Arc<dyn Reader>,
    failed: Arc<AtomicBool>,
    health: Health,
    wiped: watch::Receiver<Seq>,
}

impl Engine {
    /// Stands the live map up from the journal and starts the loop on a thread of its own. The thread
    /// ends, with everything accepted durable, when the last `Engine` is dropped. A journal in a folder
    /// has a snapshot kept beside it, for a fast start.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn start(
        mut journal: Box<dyn Journal>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
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

        let publisher = Publisher::new(writer.map());
        let saving = snapshot.map(|file| Saving::new(file, reader, saved));
        Engine::run(journal, writer, publisher, clock, saving, wipe_due)
    }

    /// Goes on where a follower stands: a standby that becomes the one writer. Whoever holds the
    /// follower's moments gets the engine's from now on.
    ///
    /// # Errors
    /// Where the journal cannot be read, or the follower does not stand at its head.
    pub fn take_over(
        mut journal: Box<dyn Journal>,
        follower: Follower,
        city: &City,
        clock: Arc<dyn Clock>,
    ) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
        let (writer, publisher, saving) = stand_by::promote(&mut *journal, follower, city, clock.now())?;
        let wipe_due = Some(journal.reader().last_erasure()?).filter(|seq| *seq > Seq(0));
        Engine::run(journal, writer, publisher, clock, saving, wipe_due)
    }

    /// For a node that commits nothing: readers of its moments get the same from it as from any engine, and
    /// who submits is told that it has stopped. The inbox tells when nobody holds the engine any more.
    pub fn following(moments: Moments) -> (Engine, Unheard) {
        let (inbox, jobs) = mpsc::channel(1);
        let reader = Arc::new(Elsewhere);
        let (failed, health) = Default::default();
        let (_, wiped) = watch::channel(Seq(0));
        (Engine { inbox, moments, reader, failed, health, wiped }, Unheard(jobs))
    }

    /// Starts the loop.
    fn run(
        journal: Box<dyn Journal>,
        writer: LiveWriter,
        publisher: Publisher,
        clock: Arc<dyn Clock>,
        saving: Option<Saving>,
        wipe_due: Option<Seq>,
    ) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
        let (inbox, jobs) = mpsc::channel(INBOX_MAX);
        let failed = Arc::new(AtomicBool::new(false));
        let (moments, reader, health) = (publisher.moments(), journal.reader(), journal.health());
        let (wiped, told) = watch::channel(Seq(0));
        let engine = Engine { inbox, moments, reader, failed: failed.clone(), health, wiped: told };
        let inbox = Inbox { jobs, failed, health: engine.health.clone(), wiped };
        let worker = Worker { wipe_due, ..Worker::new(journal, writer, clock, publisher, inbox, saving) };
        Ok((engine, spawn(move || worker.run())?))
    }

    /// The newest moment.
    pub fn live(&self) -> Arc<LiveMap> {
        self.moments.live()
    }

    /// The moments as they come, without keeping the engine running.
    pub fn moments(&self) -> Moments {
        self.moments.clone()
    }

    /// Whether the journal failed: what is there can be read, nothing more is taken.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether the loop still turns can be asked by this.
    pub fn probe(&self) -> EngineProbe {
        EngineProbe(self.inbox.downgrade())
    }

    /// What is not well with this node.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Says in its health whether the clock, which shows `now`, is behind the newest entry.
    pub fn look_at_clock(&self, now: TimeMs) {
        vigil::look_at_clock(now, self.live().now(), &self.health);
    }

    pub fn reader(&self) -> &Arc<dyn Reader> {
        &self.reader
    }

    /// Waits until what the erasure `seq` erased is gone from the disk; `false` where it never will be
    /// because the engine ended.
    pub async fn wiped(&self, seq: Seq) -> bool {
        self.wiped.clone().wait_for(|wiped| *wiped >= seq).await.is_ok()
    }

    /// Waits until the commands are decided, durable, applied and published. One outcome a command.
    ///
    /// # Errors
    /// Nothing of the batch was accepted.
    pub async fn submit(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Job { commands, reply }).await.map_err(|_| EngineError::Stopped)?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }
}

/// What an engine that follows is submitted: nothing is taken.
pub struct Unheard(mpsc::Receiver<Job>);

impl Unheard {
    /// Waits until nobody holds the engine any more, and answers meanwhile.
    pub async fn closed(&mut self) {
        while let Some(Job { commands, reply }) = self.0.recv().await {
            let answer = if commands.is_empty() { Ok(Vec::new()) } else { Err(EngineError::Stopped) };
            // Who went away needs none.
            let _ = reply.send(answer);
        }
    }
}

/// Asks the engine's loop for a sign of life, without keeping the engine running.
#[derive(Clone)]
pub struct EngineProbe(mpsc::WeakSender<Job>);

impl EngineProbe {
    /// Waits until an empty batch has gone through the loop, behind all that was submitted before; `false`
    /// where the engine takes nothing any more.
    pub async fn answers(&self) -> bool {
        let Some(inbox) = self.0.upgrade() else { return false };
        let (reply, answer) = oneshot::channel();
        let sent = inbox.send(Job { commands: Vec::new(), reply }).await;
        drop(inbox);
        sent.is_ok() && matches!(answer.await, Ok(Ok(_)))
    }
}

/// Starts the engine's thread.
fn spawn(run: impl FnOnce() + Send + 'static) -> Result<std::thread::JoinHandle<()>, JournalError> {
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(run);
    thread.map_err(|e| JournalError::Store(Box::new(e)))
}

/// The loop's side of what an [`Engine`] holds.
struct Inbox {
    jobs: mpsc::Receiver<Job>,
    failed: Arc<AtomicBool>,
    health: Health,
    wiped: watch::Sender<Seq>,
}

/// The loop's state.
struct Worker {
    journal: Box<dyn Journal>,
    writer: LiveWriter,
    clock: Arc<dyn Clock>,
    publisher: Publisher,
    jobs: mpsc::Receiver<Job>,
    /// Monotonic time of the last tick.
    ticked: Option<Duration>,
    /// The journal failed: nothing may be acknowledged any more, only read.
    failed: Arc<AtomicBool>,
    health: Health,
    vigil: Vigil,
    saving: Option<Saving>,
    /// The store does not answer, and what was in flight is not known.
    away: bool,
    /// Another process writes by now: this one ends.
    fenced: bool,
    /// What this erasure took is still on the disk.
    wipe_due: Option<Seq>,
    /// Up to which erasure it is gone.
    wiped: watch::Sender<Seq>,
}

impl Worker {
    fn new(
        journal: Box<dyn Journal>,
        writer: LiveWriter,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        inbox: Inbox,
        saving: Option<Saving>,
    ) -> Worker {
        let Inbox { jobs, failed, health, wiped } = inbox;
        let vigil = Vigil::new(&*clock);
        let (ticked, away, fenced) = (None, false, false);
        Worker {
            journal,
            writer,
            clock,
            publisher,
            jobs,
            ticked,
            failed,
            health,
            vigil,
            saving,
            away,
            fenced,
            wipe_due: None,
            wiped,
        }
    }

    fn run(mut self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(e) => return tracing::error!(error = %e, "the engine could not start"),
        };
        let mut batch = Vec::with_capacity(JOBS_PER_BATCH_MAX);
        loop {
            let wait = self.look_after_store(self.until_wiping(self.until_something_is_due()));
            if self.fenced {
                break;
            }
            let received = runtime.block_on(async {
                let receive = self.jobs.recv_many(&mut batch, JOBS_PER_BATCH_MAX);
                match wait {
                    Some(wait) => tokio::time::timeout(wait, receive).await.ok(),
                    None => Some(receive.await),
                }
            });
            if received == Some(0) {
                break;
            }
            self.look_around();
            self.commit(&mut batch);
            self.tick_if_due();
            self.wipe_if_due();
            if let Some(saving) = &mut self.saving {
                saving.save_if_due(self.writer.map());
            }
        }
        self.flush();
        self.wipe_if_due();
        if let Some(saving) = self.saving.take() {
            saving.finish(self.writer.map());
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

    fn has_failed(&self) -> bool {
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

    fn commit(&mut self, batch: &mut Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        let jobs: Vec<Job> = std::mem::take(batch);
        let sizes: Vec<usize> = jobs.iter().map(|job| job.commands.len()).collect();
        let (commands, replies): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.commands, job.reply)).unzip();
        match self.append(commands.into_iter().flatten().collect()) {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                for (size, reply) in sizes.into_iter().zip(replies) {
                    // A sender that went away meanwhile has its report stored all the same.
                    let _ = reply.send(Ok(outcomes.by_ref().take(size).collect()));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
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
    fn fail(&mut self, error: &JournalError) {
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
