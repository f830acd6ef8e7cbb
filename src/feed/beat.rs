//! One moment that subscribers are brought up to, and what was computed and encoded of it.
//!
//! Cursors meet on beats, so clients in step ask for the same frames, which are made once. A beat
//! holds its frames and dies with the next one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
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
/// What a beat holds of frames comes to this together, and one for each thread more; what else it is asked for is
/// made for each who asks.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// What one more of a kind takes beside its frames.
const ENTRY_BYTES: usize = 160;

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
    held: Held,
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
            held: Held::default(),
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
        self.frames.get(&self.held, key, make)
    }

    pub(super) fn step(&self, key: StepKey, make: impl FnOnce() -> Step) -> Step {
        self.steps.get(&self.held, key, make)
    }

    /// The alarms of a topic after `since`, oldest first.
    pub(super) fn alarms(
        &self,
        topic: u64,
        since: Seq,
        make: impl FnOnce() -> Arc<[Frame]>,
    ) -> Arc<[Frame]> {
        self.alarms.get(&self.held, (topic, since), make)
    }

    /// The level in force for a topic, whose view this is.
    pub(super) fn level(&self, topic: &Topic, view: &View) -> u8 {
        self.levels.get(&self.held, topic.no(), || view.level_in_force(&self.map))
    }

    /// What changed for a view after `since`, found by place.
    pub(super) fn changes(&self, view: &View, since: Seq) -> Arc<Changes> {
        let make = || Arc::new(Changes::since(&self.map, view.projection, view.hotspots, since));
        let key = (view.projection, view.hotspots, since);
        if self.changes.len() < CHANGES_MAX { self.changes.get(&self.held, key, make) } else { make() }
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

/// How many bytes a beat holds.
#[derive(Default)]
struct Held(AtomicUsize);

impl Held {
    fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= FRAME_BYTES_MAX
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What a beat may hold.
trait Holdable: Clone {
    /// Of the frames in it.
    fn bytes(&self) -> usize;
}

impl Holdable for Frame {
    fn bytes(&self) -> usize {
        self.json().len()
    }
}

impl Holdable for Arc<[Frame]> {
    fn bytes(&self) -> usize {
        self.iter().map(|frame| ENTRY_BYTES + frame.bytes()).sum()
    }
}

impl Holdable for Step {
    fn bytes(&self) -> usize {
        if let Step::Delta(frame) = self { frame.bytes() } else { 0 }
    }
}

impl Holdable for u8 {
    fn bytes(&self) -> usize {
        0
    }
}

/// A list has no frames, and there are few: see [`CHANGES_MAX`].
impl Holdable for Arc<Changes> {
    fn bytes(&self) -> usize {
        0
    }
}

/// What was computed once, by the first who asked; the others wait for it.
struct Memo<K, V>(Mutex<HashMap<K, Arc<OnceLock<V>>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Memo<K, V> {
        Memo(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Holdable> Memo<K, V> {
    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn get(&self, held: &Held, key: K, make: impl FnOnce() -> V) -> V {
        let Some(slot) = self.slot(held, key) else { return make() };
        let make_and_hold = || {
            let made = make();
            held.add(made.bytes());
            made
        };
        slot.get_or_init(make_and_hold).clone()
    }

    /// Where what a key names is held, or is to be; `None` where there is no room for it.
    fn slot(&self, held: &Held, key: K) -> Option<Arc<OnceLock<V>>> {
        let mut slots = lock(&self.0);
        if let Some(slot) = slots.get(&key) {
            return Some(slot.clone());
        }
        if held.is_full() {
            return None;
        }
        held.add(ENTRY_BYTES);
        Some(slots.entry(key).or_default().clone())
    }
}

/// The maps here are whole after every statement, so a panic elsewhere leaves them sound.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_in_ever_new_ways_is_held_up_to_a_bound_and_made_for_each_beyond() {
        let (held, frames) = (Held::default(), Memo::<u64, Frame>::default());
        let large = Frame::of(&ServerMessage::Pong { t: Some("x".repeat(3 << 20).into()) });
        let made = std::cell::Cell::new(0);
        let ask = |key: u64| {
            frames.get(&held, key, || {
                made.set(made.get() + 1);
                large.clone()
            })
        };
        for key in 0..100 {
            assert_eq!(ask(key).json(), large.json());
        }
        let n_held = frames.len();
        assert!((20..=22).contains(&n_held), "{n_held}");
        assert!(held.0.into_inner() < FRAME_BYTES_MAX + (4 << 20));
        assert_eq!(made.get(), 100);
    }

    #[test]
    fn what_is_held_is_made_once_also_when_no_more_is_held() {
        let (held, levels) = (Held::default(), Memo::<u64, u8>::default());
        assert_eq!(levels.get(&held, 1, || 4), 4);
        held.add(FRAME_BYTES_MAX);
        assert_eq!(levels.get(&held, 1, || unreachable!("it is held")), 4);
        assert_eq!((levels.get(&held, 2, || 5), levels.get(&held, 2, || 6), levels.len()), (5, 6, 1));
    }
}
