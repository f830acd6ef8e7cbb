//! The newest moment as a beat, the same for all who ask: clients that come together share frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::engine::Moments;
use crate::feed::Beat;
use crate::health::Health;

pub struct Beats {
    moments: Moments,
    clock: Arc<dyn Clock>,
    health: Health,
    heartbeat_no: AtomicU64,
    newest: Mutex<Arc<Beat>>,
}

impl Beats {
    pub fn new(moments: Moments, clock: Arc<dyn Clock>, health: Health) -> Beats {
        let newest = Beat::new((*moments.live()).clone(), &*clock, 0).of_node(health.is_degraded());
        let newest = Arc::new(newest);
        Beats { moments, clock, health, heartbeat_no: AtomicU64::new(0), newest: Mutex::new(newest) }
    }

    /// Of the newest moment: what was acknowledged before a question is in its answer.
    pub fn newest(&self) -> Arc<Beat> {
        let heartbeat_no = self.heartbeat_no.load(Ordering::Relaxed);
        let live = self.moments.live();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if live.seq() <= newest.map.seq() && heartbeat_no <= newest.heartbeat_no {
            return newest.clone();
        }
        let made = Beat::new((*live).clone(), &*self.clock, heartbeat_no);
        let made = Arc::new(made.of_node(self.health.is_degraded()));
        let before = std::mem::replace(&mut *newest, made.clone());
        // It may hold much; nobody shall wait while it is taken apart.
        drop(newest);
        drop(before);
        made
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The next beat brings a heartbeat to all.
    pub(super) fn begin_heartbeat(&self) {
        self.heartbeat_no.fetch_add(1, Ordering::Relaxed);
    }
}
