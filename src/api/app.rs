//! What every handler may use.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::forward::Forwarding;
use super::live::Sockets;
use super::photo_desk::PhotoDesk;
use super::visit::TrustedProxy;
use crate::accounts::Accounts;
use crate::backup::ShipWatch;
use crate::city::City;
use crate::clock::{Clock, ReplayClock};
use crate::edge::{Desk, EdgeStatus, EdgeToken};
use crate::engine::Engine;
use crate::feed::{Beat, TextSearch, Views};
use crate::journal::{HandIn, Spool};
use crate::live::LiveMap;
use crate::model::{IdKey, TimeMs};
use crate::oidc::Oidc;
use crate::past::Past;

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

/// What this node is to others.
#[derive(Clone)]
pub enum Role {
    /// It has the store. `None` on a replay server, which nobody follows.
    Origin(Option<Arc<Desk>>),
    /// It follows one that has.
    Edge(Arc<Edge>),
}

/// What an edge has instead of a store.
pub struct Edge {
    pub status: Arc<EdgeStatus>,
    pub forwarding: Forwarding,
    pub token: Option<EdgeToken>,
}

pub struct App {
    pub engine: Engine,
    pub city: Arc<City>,
    pub ids: IdKey,
    pub clock: Arc<dyn Clock>,
    pub mode: Mode,
    pub role: Role,
    /// Who may sign in; an edge knows nobody.
    pub accounts: Option<Arc<Accounts>>,
    /// Where people of the province may sign in, too.
    pub oidc: Option<Arc<Oidc>>,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Readers on this machine are staff: for trying and developing.
    pub trust_loopback: bool,
    /// Where reports are kept while the database is away; `None` where the journal is in the data folder.
    pub spool: Option<Arc<Spool>>,
    /// Where every node of a database may leave reports for the one that writes.
    pub hand_in: Option<Arc<dyn HandIn>>,
    /// How far the second place is behind, where entries are shipped to one.
    pub ship: Option<ShipWatch>,
    pub views: Arc<Views>,
    pub search: Arc<TextSearch>,
    /// What looks back.
    pub past: Arc<Past>,
    /// The beat of each round over the sockets.
    pub beats: watch::Receiver<Arc<Beat>>,
    pub sockets: Arc<Sockets>,
    /// Where photos are taken in.
    pub photos: PhotoDesk,
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
    pub fn edge(&self) -> Option<&Arc<Edge>> {
        match &self.role {
            Role::Edge(edge) => Some(edge),
            Role::Origin(_) => None,
        }
    }

    /// The secret that nodes share.
    pub fn edge_token(&self) -> Option<&EdgeToken> {
        match &self.role {
            Role::Origin(desk) => desk.as_ref().and_then(|desk| desk.token()),
            Role::Edge(edge) => edge.token.as_ref(),
        }
    }

    /// One consistent moment; no lock is held.
    pub fn live(&self) -> Arc<LiveMap> {
        self.engine.live()
    }

    /// The time for what comes in: the clock's, or the newest entry's while the clock is behind it.
    pub fn now(&self) -> TimeMs {
        self.clock.now().max(self.live().now())
    }
}
