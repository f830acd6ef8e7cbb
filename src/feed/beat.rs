//! One moment that subscribers are brought up to, and what was computed and encoded of it.
//!
//! Cursors meet on beats, so clients in step ask for the same frames, which are made once. A beat
//! holds its frames and dies with the next one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::changes::Changes;
use super::frame::Frame;
use super::subscription::Step;
use super::topic::Topic;
use super::view::View;
use super::wire::{Reason, ServerMessage, time};
use crate::clock::Clock;
use crate::live::LiveMap;
use crate::model::{Projection, Seq, TimeMs};

/// Subscribers in step share a list of changes; a beat keeps at most this many lists, and what more
/// are asked for, by some who are far behind, is made for each.
const CHANGES_MAX: usize = 64;

/// One moment, and what was encoded of it.
pub struct Beat {
    pub map: LiveMap,
    /// The server's clock when the beat was made.
    pub time: TimeMs,
    /// How many seconds of that clock pass in a second.
    pub speed: f64,
    /// New reports may be missing from what is shown.
    pub degraded: bool,
    /// Rises when every socket is to get a heartbeat.
    pub heartbeat_no: u64,
    heartbeat: OnceLock<Frame>,
    frames: Memo<FrameKey, Frame>,
    alarms: Memo<(u64, Seq), Arc<[Frame]>>,
    steps: Memo<StepKey, Step>,
    levels: Memo<u64, u8>,
    changes: Memo<(Projection, Projection, Seq), Arc<Changes>>,
}

/// What decides a frame of a beat. Topics go by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FrameKey {
    Snapshot { topic: u64, level: u8, reason: Reason },
    Resume { topic: u64, level: u8, held: Seq },
}

/// What decides how a running subscription goes on at a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StepKey {
    pub topic: u64,
    pub level: u8,
    pub told: Seq,
    pub seen: Seq,
}

impl Beat {
    pub fn new(map: LiveMap, clock: &dyn Clock, heartbeat_no: u64) -> Beat {
        Beat {
            map,
            time: clock.now(),
            speed: clock.speed(),
            degraded: false,
            heartbeat_no,
            heartbeat: OnceLock::new(),
            frames: Memo::default(),
            alarms: Memo::default(),
            steps: Memo::default(),
            levels: Memo::default(),
            changes: Memo::default(),
        }
    }

    /// The same, of a node that is `degraded` or not.
    #[must_use]
    pub fn of_node(self, degraded: bool) -> Beat {
        Beat { degraded, ..self }
    }

    pub(super) fn frame(&self, key: FrameKey, make: impl FnOnce() -> Frame) -> Frame {
        self.frames.get(key, make)
    }

    pub(super) fn step(&self, key: StepKey, make: impl FnOnce() -> Step) -> Step {
        self.steps.get(key, make)
    }

    /// The alarms of a topic after `since`, oldest first.
    pub(super) fn alarms(
        &self,
        topic: u64,
        since: Seq,
        make: impl FnOnce() -> Arc<[Frame]>,
    ) -> Arc<[Frame]> {
        self.alarms.get((topic, since), make)
    }

    /// The level in force for a topic, whose view this is.
    pub(super) fn level(&self, topic: &Topic, view: &View) -> u8 {
        self.levels.get(topic.no(), || view.level_in_force(&self.map))
    }

    /// What changed for a view after `since`, found by place.
    pub(super) fn changes(&self, view: &View, since: Seq) -> Arc<Changes> {
        let make = || Arc::new(Changes::since(&self.map, view.projection, view.hotspots, since));
        let key = (view.projection, view.hotspots, since);
        if self.changes.len() < CHANGES_MAX { self.changes.get(key, make) } else { make() }
    }

    pub(super) fn heartbeat(&self) -> Frame {
        let frame = self.heartbeat.get_or_init(|| {
            Frame::of(&ServerMessage::Heartbeat {
                seq: self.map.seq().0,
                time: time(self.time),
                speed: self.speed,
                degraded: self.degraded,
            })
        });
        frame.clone()
    }
}

/// What was computed once, by the first who asked; the others wait for it.
struct Memo<K, V>(Mutex<HashMap<K, Arc<OnceLock<V>>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Memo<K, V> {
        Memo(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let slot = lock(&self.0).entry(key).or_default().clone();
        slot.get_or_init(make).clone()
    }
}

/// The maps here are whole after every statement, so a panic elsewhere leaves them sound.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
