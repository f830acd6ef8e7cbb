//! What every handler may use.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::live::Sockets;
use crate::city::City;
use crate::clock::{Clock, ReplayClock};
use crate::engine::Engine;
use crate::feed::{Beat, TextSearch, Views};
use crate::live::LiveMap;
use crate::model::{IdKey, TimeMs};

/// Whether the server lives in the present or plays back the past.
#[derive(Clone)]
pub enum Mode {
    Live,
    Replay(Arc<ReplayClock>),
}

impl Mode {
    pub fn key(&self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Replay(_) => "replay",
        }
    }
}

pub struct App {
    pub engine: Engine,
    pub city: Arc<City>,
    pub ids: IdKey,
    pub clock: Arc<dyn Clock>,
    pub mode: Mode,
    /// Readers on this machine are staff: for trying and developing.
    pub trust_loopback: bool,
    pub views: Arc<Views>,
    pub search: Arc<TextSearch>,
    /// The beat of each round over the sockets.
    pub beats: watch::Receiver<Arc<Beat>>,
    pub sockets: Arc<Sockets>,
    /// Brings the next heartbeat early: the clock was set.
    pub nudge: Arc<Notify>,
    pub frame_ms: u64,
    pub heartbeat_s: u64,
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Turns true when the server is to stop: sockets say goodbye.
    pub stopping: watch::Receiver<bool>,
}

pub type AppState = Arc<App>;

impl App {
    /// One consistent moment; no lock is held.
    pub fn live(&self) -> Arc<LiveMap> {
        self.engine.live()
    }

    /// The time for what comes in: the clock's, or the newest entry's while the clock is behind it.
    pub fn now(&self) -> TimeMs {
        self.clock.now().max(self.live().now())
    }
}
