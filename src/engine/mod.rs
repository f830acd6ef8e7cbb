//! The whole product in one loop: what arrived together is one batch; batch → journal → live map → feed.
//!
//! One thread owns journal and live map. A sender is answered when its entries are durable *and*
//! applied and published, so any later answer of this node has a seq at least as high.
//! `core.rs` is what the thread does, without the thread.

mod awaiting;
mod away;
mod core;
mod elsewhere;
mod follow;
mod foundation;
mod marks;
mod porter;
mod publish;
mod scrub;
mod snapshot_file;
mod stand_by;
mod start;
mod vigil;
mod wipe;

pub use core::{Core, Turn};
pub use follow::{FollowError, Follower};
pub use foundation::Foundation;
pub use marks::{StateMark, StateMarks};
pub use publish::{Moments, Publisher};
pub use scrub::Scrub;
pub use snapshot_file::remove_snapshot;
pub use start::{last_before, open, settle};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use crate::city::City;
use crate::clock::Clock;
use crate::health::Health;
use crate::journal::{Journal, JournalError, Reader};
use crate::live::LiveMap;
use crate::model::{Command, Outcome, Seq, TimeMs};
use elsewhere::ELSEWHERE;

/// At most this many requests are committed together.
const JOBS_PER_BATCH_MAX: usize = 512;
/// Requests that wait for the engine; when it is full, senders wait in turn.
const INBOX_MAX: usize = 4_096;

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
        journal: Box<dyn Journal>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
        Engine::run(Core::start(journal, city, clock, StateMarks::default())?)
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
        Engine::run(Core::new(journal, writer, clock, publisher, saving).wiping()?)
    }

    /// For a node that commits nothing: readers of its moments get the same from it as from any engine, and
    /// who submits is told that it has stopped. The inbox tells when nobody holds the engine any more.
    pub fn following(moments: Moments) -> (Engine, Unheard) {
        let (inbox, jobs) = mpsc::channel(1);
        let reader = Arc::new(ELSEWHERE);
        let (failed, health) = Default::default();
        let (_, wiped) = watch::channel(Seq(0));
        (Engine { inbox, moments, reader, failed, health, wiped }, Unheard(jobs))
    }

    /// Starts the loop.
    fn run(core: Core) -> Result<(Engine, std::thread::JoinHandle<()>), JournalError> {
        let (inbox, jobs) = mpsc::channel(INBOX_MAX);
        let (moments, reader) = (core.moments(), core.reader());
        let (failed, health) = (core.failed.clone(), core.health().clone());
        let wiped = core.wiped.subscribe();
        let engine = Engine { inbox, moments, reader, failed, health, wiped };
        Ok((engine, spawn(move || turn(core, jobs))?))
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

/// The loop, until nobody holds the engine any more or another process writes.
fn turn(mut core: Core, mut jobs: mpsc::Receiver<Job>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(e) => return tracing::error!(error = %e, "the engine could not start"),
    };
    let mut batch = Vec::with_capacity(JOBS_PER_BATCH_MAX);
    loop {
        let wait = match core.begin_turn() {
            Turn::Over => break,
            Turn::Within(wait) => Some(wait),
            Turn::Whenever => None,
        };
        let received = runtime.block_on(async {
            let receive = jobs.recv_many(&mut batch, JOBS_PER_BATCH_MAX);
            match wait {
                Some(wait) => tokio::time::timeout(wait, receive).await.ok(),
                None => Some(receive.await),
            }
        });
        if received == Some(0) {
            break;
        }
        let (commands, replies): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|job| (job.commands, job.reply)).unzip();
        for (reply, answer) in replies.into_iter().zip(core.commit(commands)) {
            // A sender that went away meanwhile has its report stored all the same.
            let _ = reply.send(answer);
        }
        core.pass_time();
    }
    core.finish();
}
