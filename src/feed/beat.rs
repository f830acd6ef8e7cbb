//! The common pulse: at most every `frame_ms` all sockets are handed the same moment.
//!
//! Cursors meet on beats, so clients in step ask for the same frames, which are encoded once. A beat
//! holds its frames and dies with the last socket that still sends them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::frame::Frame;
use super::view::View;
use super::wire::Reason;
use crate::clock::Clock;
use crate::live::LiveMap;
use crate::model::{Seq, TimeMs};

/// Distinct views that a node serves at once; one more is refused with a sentence.
pub const VIEWS_MAX: usize = 2_000;

/// One moment, and what was encoded of it.
pub struct Beat {
    pub map: LiveMap,
    /// The server's clock when the beat was made.
    pub time: TimeMs,
    /// How many seconds of that clock pass in a second.
    pub speed: f64,
    /// Rises when every socket is to get a heartbeat.
    pub heartbeat_no: u64,
    frames: Mutex<HashMap<FrameKey, Shared<Option<Frame>>>>,
    levels: Mutex<HashMap<String, Shared<u8>>>,
}

type Shared<T> = Arc<OnceLock<T>>;

/// What decides a frame of a beat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FrameKey {
    pub view: String,
    pub subscription: String,
    pub kind: FrameKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FrameKind {
    Snapshot(Reason),
    Delta { from: Seq },
}

impl Beat {
    pub fn new(map: LiveMap, clock: &dyn Clock, heartbeat_no: u64) -> Beat {
        Beat {
            map,
            time: clock.now(),
            speed: clock.speed(),
            heartbeat_no,
            frames: Mutex::default(),
            levels: Mutex::default(),
        }
    }

    /// The frame under `key`, made by the first who asks; the others wait for it.
    pub(super) fn frame(&self, key: FrameKey, make: impl FnOnce() -> Option<Frame>) -> Option<Frame> {
        let slot = lock(&self.frames).entry(key).or_default().clone();
        slot.get_or_init(make).clone()
    }

    /// The level in force for a view whose digest at level 0 is `base`.
    pub(super) fn level(&self, base: &str, view: &View) -> u8 {
        let slot = lock(&self.levels).entry(base.to_owned()).or_default().clone();
        *slot.get_or_init(|| view.level_in_force(&self.map))
    }
}

/// The views in use on this node, to keep their number within [`VIEWS_MAX`].
#[derive(Debug, Default)]
pub struct Views {
    users: Mutex<HashMap<String, usize>>,
}

/// Held while a subscription uses a view.
#[derive(Debug)]
pub(super) struct ViewLease {
    base: String,
    views: Arc<Views>,
}

impl Views {
    /// `None` where the node serves [`VIEWS_MAX`] other views already.
    pub(super) fn lease(self: &Arc<Views>, base: &str) -> Option<ViewLease> {
        let mut users = lock(&self.users);
        if users.len() >= VIEWS_MAX && !users.contains_key(base) {
            return None;
        }
        *users.entry(base.to_owned()).or_default() += 1;
        Some(ViewLease { base: base.to_owned(), views: self.clone() })
    }

    /// How many distinct views are in use.
    pub fn view_count(&self) -> usize {
        lock(&self.users).len()
    }
}

impl Drop for ViewLease {
    fn drop(&mut self) {
        let mut users = lock(&self.views.users);
        if let Some(n) = users.get_mut(&self.base) {
            *n -= 1;
            if *n == 0 {
                users.remove(&self.base);
            }
        }
    }
}

/// The maps here are whole after every statement, so a panic elsewhere leaves them sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
