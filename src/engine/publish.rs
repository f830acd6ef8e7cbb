//! Hands the newest moment to whoever reads: the same for an engine and for a follower.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::marks::StateMarks;
use crate::live::LiveMap;
use crate::model::Seq;

/// The newest moment, and word of newer ones. Ends with whoever publishes.
#[derive(Clone)]
pub struct Moments {
    current: Arc<ArcSwap<LiveMap>>,
    published: watch::Receiver<Seq>,
    marks: StateMarks,
}

impl Moments {
    pub fn live(&self) -> Arc<LiveMap> {
        self.current.load_full()
    }

    /// Changes whenever a newer moment is there.
    pub fn published(&self) -> watch::Receiver<Seq> {
        self.published.clone()
    }

    /// Hashes of moments that other nodes hash too.
    pub fn marks(&self) -> &StateMarks {
        &self.marks
    }
}

/// The publishing side. There is one, and its moments never go back.
pub struct Publisher {
    current: Arc<ArcSwap<LiveMap>>,
    publish: watch::Sender<Seq>,
    moments: Moments,
}

impl Publisher {
    pub fn new(map: &LiveMap) -> Publisher {
        Publisher::marking(map, StateMarks::default())
    }

    /// The same, whose moments are hashed into `marks`.
    pub fn marking(map: &LiveMap, marks: StateMarks) -> Publisher {
        let current = Arc::new(ArcSwap::from_pointee(map.clone()));
        let (publish, published) = watch::channel(map.seq());
        let moments = Moments { current: current.clone(), published, marks };
        Publisher { current, publish, moments }
    }

    /// A clone is all that readers need; it keeps nothing running.
    pub fn moments(&self) -> Moments {
        self.moments.clone()
    }

    /// Of the newest moment that was published.
    pub fn seq(&self) -> Seq {
        *self.publish.borrow()
    }

    /// Puts a newer moment in.
    pub fn publish(&self, map: &LiveMap) {
        debug_assert!(map.seq() >= self.current.load().seq(), "moments never go back");
        self.current.store(Arc::new(map.clone()));
        self.publish.send_replace(map.seq());
        self.moments.marks.offer(map);
    }
}
