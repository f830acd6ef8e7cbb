//! A server whose database has not answered since it was started, as after a power cut where the database's machine
//! comes back last: reports are kept here and acknowledged, and everybody else is told what is awaited.
//!
//! What it gives out are codes that lead to the reports later, so it must know the database: its folder was started on
//! it before, and holds what codes are made under.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::api::{Mode, Reception, Role, Tls, build_awaiting_router, build_router, redirect_all};
use crate::background::Background;
use crate::city::City;
use crate::clock::{Clock, SystemClock};
use crate::config::ServeSettings;
use crate::engine::Engine;
use crate::health::Condition;
use crate::journal::{KnownDatabase, Spool, StoreUrl, WaitingRoom};
use crate::live::LiveMap;
use crate::model::{IdKey, Secret, TimeMs};
use crate::server::{Parts, Pulse, STOP_TIMEOUT, Server, listen};

/// Keeps in mind what a database is known by, for the next start.
///
/// # Errors
/// Where the folder cannot be written.
pub(crate) fn remember(
    spool: &Spool,
    store: &StoreUrl,
    city: &City,
    secret: Secret,
    live: &LiveMap,
) -> anyhow::Result<()> {
    let known = KnownDatabase { city: city.key.clone(), epoch: live.epoch(), secret, seen_at: live.now() };
    let same = spool.remember(store, &known)?;
    if !same && spool.unshared()?.waiting > 0 {
        tracing::error!(
            "another database is at {store} than before: reports that were taken while it was awaited are handed on, and \
             the codes that their senders have lead nowhere"
        );
    }
    Ok(())
}

/// The machine's clock; it may stand at 1970 after a power cut, and then this is known better.
struct NotBefore {
    clock: SystemClock,
    at: TimeMs,
}

impl Clock for NotBefore {
    fn now(&self) -> TimeMs {
        self.clock.now().max(self.at)
    }

    fn speed(&self) -> f64 {
        self.clock.speed()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// Takes reports while the database is awaited.
pub struct Awaiting {
    reception: Reception,
    server: Server,
    spool: Arc<Spool>,
    /// The same, for the server that comes.
    listener: TcpListener,
    redirecting: Option<AbortHandle>,
}

impl Awaiting {
    /// Listens, if the folder knows the database; `what` says how that is away. Must be called within a runtime.
    ///
    /// # Errors
    /// Where another process has the folder or the address, or certificate or key cannot be used.
    pub fn begin(
        settings: &ServeSettings,
        store: &StoreUrl,
        city: &Arc<City>,
        what: &str,
    ) -> anyhow::Result<Option<Awaiting>> {
        let clock = Arc::new(SystemClock::new());
        let Some(spool) = Spool::beside(&settings.data, clock.clone())? else { return Ok(None) };
        // A pack of another city is refused as soon as the database says so.
        let known = spool.known(store)?.filter(|known| known.city == city.key);
        let Some(KnownDatabase { epoch, secret, seen_at, .. }) = known else { return Ok(None) };
        drop(spool);
        let spool = Arc::new(Spool::open(&settings.data, clock)?);
        let ids = IdKey::new(secret, &city.code_prefix);
        let (engine, thread) = Engine::awaiting(city.clone(), ids.clone(), epoch, &detail(what))?;
        let pulse = Pulse::default();
        let server = Server::of_engine(Parts {
            engine,
            thread,
            city: city.clone(),
            ids,
            clock: Arc::new(NotBefore { clock: SystemClock::new(), at: seen_at }),
            mode: Mode::Live,
            role: Role::Origin(None),
            trust_loopback: false,
            accounts: None,
            oidc: None,
            trusted_proxies: settings.trusted_proxies.clone(),
            pulse,
            spool: Some(spool.clone()),
            hand_in: None,
            ship: None,
            background: Background::default(),
        })?;
        let tls = settings.tls.as_ref().map(|tls| Tls::load(&tls.files)).transpose()?;
        let listener = listen(settings.listen)?;
        let port = listener.local_addr().context("the listener has no address")?.port();
        let redirect = settings.tls.as_ref().and_then(|tls| tls.redirect);
        let redirect = redirect.map(listen).transpose()?;
        let (first, listener) = twice(listener).context("the listener cannot be shared")?;
        let router = build_awaiting_router(server.app().clone());
        let reception =
            Reception::open(first, pulse.patience, tls, router).context("the listener has no address")?;
        let redirecting =
            redirect.map(|listener| tokio::spawn(redirect_all(listener, port)).abort_handle());
        Ok(Some(Awaiting { reception, server, spool, listener, redirecting }))
    }

    /// Where it listens, as others call it.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Where reports wait.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// How the database is away by now.
    pub fn still(&self, what: &str) {
        self.server.app().engine.health().raise(Condition::DatabaseAway, detail(what));
    }

    /// The server is there. Lines that are open go on with it, and it takes up those that come.
    pub fn hand_over(self, server: &Server) -> TcpListener {
        let Awaiting { reception, listener, redirecting, .. } = self;
        // The server listens there itself.
        redirecting.iter().for_each(AbortHandle::abort);
        let app = server.app().clone();
        let stopping = app.stopping.clone();
        reception.hand_over(build_router(app), stopping);
        listener
    }

    /// Stops before the database was there: what was asked is answered.
    pub async fn close(self) {
        self.reception.close(STOP_TIMEOUT).await;
    }
}

fn detail(what: &str) -> String {
    format!("{what}; reports are kept here until it answers, and nothing else is served yet")
}

/// Two handles to one listener.
fn twice(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let first = listener.into_std()?;
    let second = first.try_clone()?;
    Ok((TcpListener::from_std(first)?, TcpListener::from_std(second)?))
}
