//! All sockets of the node, and what they share.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::CloseReason;
use super::beats::Beats;
use super::socket::Socket;
use crate::feed::Beat;

/// Questions of clients that are answered at once. The others wait in turn: when ten thousand come
/// back at once, those who report meanwhile wait behind a few of them, not behind all.
const ANSWERED_AT_ONCE_MAX: usize = 4;

pub struct Sockets {
    beats: Arc<Beats>,
    /// Where tasks of sockets run.
    runtime: Handle,
    patience: Duration,
    answering: Semaphore,
    open: watch::Sender<usize>,
    doors: Mutex<Doors>,
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
    pub fn new(beats: Arc<Beats>, patience: Duration, runtime: Handle) -> Arc<Sockets> {
        Arc::new(Sockets {
            beats,
            runtime,
            patience,
            answering: Semaphore::new(ANSWERED_AT_ONCE_MAX),
            open: watch::Sender::new(0),
            doors: Mutex::default(),
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

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits for a turn to answer.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.answering.acquire().await.ok()
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

    /// From now on the rounds visit this one too.
    pub(super) fn join(&self, socket: &Arc<Socket>) {
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

    fn doors(&self) -> std::sync::MutexGuard<'_, Doors> {
        // A list is whole after every statement.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
