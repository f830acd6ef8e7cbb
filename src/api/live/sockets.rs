//! All sockets of the node, and what they share.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::CloseReason;
use super::beats::Beats;
use super::socket::Socket;
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::feed::{Beat, Presence};

/// Questions of clients that are answered at once. The others wait in turn: when ten thousand come
/// back at once, those who report meanwhile wait behind a few of them, not behind all.
const ANSWERED_AT_ONCE_MAX: usize = 4;
/// Sockets whose texts are read anew at once, after an erasure: those that search for the same find it read.
const READ_AT_ONCE_MAX: usize = 1;

pub struct Sockets {
    beats: Arc<Beats>,
    /// Where tasks of sockets run.
    runtime: Handle,
    patience: Duration,
    answering: Semaphore,
    reading: Semaphore,
    open: watch::Sender<usize>,
    doors: Mutex<Doors>,
    /// Who says whether a socket's pass still holds.
    accounts: Option<Arc<Accounts>>,
    /// Those that were opened with a pass.
    known: Mutex<Vec<Weak<Socket>>>,
    presence: Arc<Presence>,
    /// Somebody came, went or is elsewhere.
    presence_changed: Arc<Notify>,
}

/// Sockets that no round has visited yet.
#[derive(Default)]
struct Doors {
    newcomers: Vec<Weak<Socket>>,
    closed: bool,
}

impl Sockets {
    /// `patience`: how long a line may take nothing before its client is let go. `runtime`: where the
    /// sockets have their tasks. Not that of requests: when ten thousand lines break, or come back, at
    /// once, those who report are in no queue with them.
    pub fn new(
        beats: Arc<Beats>,
        patience: Duration,
        runtime: Handle,
        accounts: Option<Arc<Accounts>>,
    ) -> Arc<Sockets> {
        let presence_changed = Arc::new(Notify::new());
        let changed = presence_changed.clone();
        let presence = Presence::new(beats.clock().clone(), move || changed.notify_one());
        Arc::new(Sockets {
            beats,
            runtime,
            patience,
            answering: Semaphore::new(ANSWERED_AT_ONCE_MAX),
            reading: Semaphore::new(READ_AT_ONCE_MAX),
            open: watch::Sender::new(0),
            doors: Mutex::default(),
            accounts,
            known: Mutex::default(),
            presence,
            presence_changed,
        })
    }

    /// Waits until no socket is open.
    pub async fn wait_for_none(&self) {
        // The sender is ours, so the channel lasts.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    pub fn newest(&self) -> Arc<Beat> {
        self.beats.newest()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        self.beats.clock()
    }

    pub(super) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    pub(super) fn presence_changed(&self) -> &Notify {
        &self.presence_changed
    }

    /// Those that were opened with a pass and are open still.
    pub(super) fn with_pass(&self) -> Vec<Arc<Socket>> {
        let mut known = self.known();
        known.retain(|socket| socket.strong_count() > 0);
        known.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits for a turn to answer.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.answering.acquire().await.ok()
    }

    /// Waits for a turn to have texts read.
    pub(super) async fn turn_to_read(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    pub(super) fn count(&self, change: impl FnOnce(usize) -> usize) {
        self.open.send_modify(|open| {
            *open = change(*open);
            metrics::gauge!("pantau_sockets").set(*open as f64);
        });
    }

    /// Whether a socket may still be told and answered.
    pub(super) fn holds(&self, socket: &Socket) -> bool {
        socket.pass().zip(self.accounts.as_ref()).is_none_or(|(pass, accounts)| accounts.holds(pass))
    }

    /// Sends everybody away whose session or token ended, whenever one may have: until the server stops.
    pub async fn end_with_passes(self: Arc<Sockets>) {
        let Some(mut changes) = self.accounts.as_ref().map(|accounts| accounts.changes()) else { return };
        while changes.changed().await.is_ok() {
            // Out of the lock: sending away takes other locks.
            for socket in self.with_pass().iter().filter(|socket| !self.holds(socket)) {
                socket.send_away(CloseReason::SignedOut);
            }
        }
    }

    fn know(&self, socket: &Arc<Socket>) {
        let mut known = self.known();
        if known.len() == known.capacity() {
            known.retain(|socket| socket.strong_count() > 0);
        }
        known.push(Arc::downgrade(socket));
    }

    /// From now on the rounds visit this one too.
    pub(super) fn join(&self, socket: &Arc<Socket>) {
        if socket.pass().is_some() {
            self.know(socket);
            // It may have ended while the socket was opened.
            if !self.holds(socket) {
                return socket.send_away(CloseReason::SignedOut);
            }
            self.presence_changed.notify_one();
        }
        let mut doors = self.doors();
        if doors.closed {
            drop(doors);
            socket.send_away(CloseReason::GoingAway);
        } else {
            doors.newcomers.push(Arc::downgrade(socket));
        }
    }

    pub(super) fn newcomers(&self) -> Vec<Weak<Socket>> {
        std::mem::take(&mut self.doors().newcomers)
    }

    /// From now on whoever comes is sent away. Answers those who came last.
    pub(super) fn close(&self) -> Vec<Weak<Socket>> {
        self.doors().closed = true;
        self.newcomers()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Socket>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> std::sync::MutexGuard<'_, Doors> {
        // A list is whole after every statement.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
