//! Puts the parts together: journal, engine, pulse, router; listens; stops cleanly.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use axum::Extension;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, watch};

use crate::accounts::Accounts;
use crate::api::{
    App, AppState, Beats, Entrance, Mode, OverTls, PhotoDesk, Role, Rounds, Sockets, Tls, TlsEntrance,
    TrustedProxy, build_router, hand_on, redirect_all, serve_at, serve_behind, tell_health,
};
use crate::awaiting;
use crate::background::Background;
use crate::backup::{Sealer, Ship, ShipSettings};
use crate::city::City;
use crate::clock::{Clock, ReplayClock, SystemClock};
use crate::config::{ServeSettings, TlsSettings};
use crate::edge::{Desk, NodeSettings, Publication};
use crate::engine::{Engine, Scrub};
use crate::feed::{TextSearch, Views};
use crate::journal::{
    AccountStore, FolderMode, HandIn, Journal, Place, PostgisStandby, Pseudonyms, Spool, SqliteJournal,
    Standby, StoreUrl, check_spool, is_journal, sweep_photos_soon,
};
pub use crate::listen::listen;
use crate::model::{IdKey, Secret};
use crate::oidc::{Oidc, OidcSettings};
use crate::past::Past;
use crate::privacy::control::Control;
use crate::privacy::retention;
use crate::recorder;
use crate::service::Service;

/// How the feed beats.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// In the long run one frame in this long a subscription, however much changes.
    pub frame: Duration,
    pub heartbeat: Duration,
    /// A client that takes no frame for this long is let go, and so is a line whose peer acknowledges
    /// nothing; it comes back and resumes.
    pub patience: Duration,
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse {
            frame: Duration::from_millis(50),
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(30),
        }
    }
}

/// How long open requests may take to end once the server is to stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do where a folder is served in which reports wait for a database.
const LEFT_BEHIND: &str =
    "start the server with --store on the database that they wait for, until `waiting` of /readyz is 0";

/// A server with its parts running, not yet listening.
pub struct Server {
    app: AppState,
    tls: Option<Secured>,
    engine: JoinHandle<()>,
    stop: watch::Sender<bool>,
    patience: Duration,
    /// Ends after all else.
    ears: Ears,
    /// What tells the stream, where there is one.
    publication: Option<Publication>,
    /// Where commands on this machine ask it, where it has a folder.
    control: Option<Control>,
    /// What keeps a second place up to date, where there is one.
    ship: Option<Ship>,
    background: Background,
}

/// TLS of the server's own, and where plain HTTP is told of it.
struct Secured {
    tls: Arc<Tls>,
    redirect: Option<SocketAddr>,
}

/// What a server has to do with others: nodes, proxies, people.
#[derive(Default)]
pub struct Sharing {
    pub pulse: Pulse,
    pub nodes: NodeSettings,
    /// Of a journal in a folder: where its entries are shipped to.
    pub ship: Option<ShipSettings>,
    /// Where the accounts are kept; `None`: in the journal's folder, or in memory where it has none.
    pub accounts: Option<AccountStore>,
    /// Single sign-on, beside the accounts.
    pub oidc: Option<OidcSettings>,
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// What a server is put together from.
pub struct Parts {
    pub engine: Engine,
    /// The engine's; whatever it answers is its owner's.
    pub thread: JoinHandle<()>,
    pub city: Arc<City>,
    pub ids: IdKey,
    pub clock: Arc<dyn Clock>,
    pub mode: Mode,
    pub role: Role,
    pub trust_loopback: bool,
    pub accounts: Option<Arc<Accounts>>,
    pub oidc: Option<Arc<Oidc>>,
    pub trusted_proxies: Vec<TrustedProxy>,
    pub pulse: Pulse,
    /// Where reports wait while the database is away.
    pub spool: Option<Arc<Spool>>,
    pub hand_in: Option<Arc<dyn HandIn>>,
    pub ship: Option<Ship>,
    /// What works beside it already, with the engine.
    pub background: Background,
}

/// An edge that is out of touch tells its screens nothing, so that they say that what they show is old.
fn in_touch(role: &Role) -> Box<dyn Fn() -> bool + Send> {
    match role {
        Role::Origin(_) => Box::new(|| true),
        Role::Edge(edge) => {
            let status = edge.status.clone();
            Box::new(move || status.is_in_touch())
        }
    }
}

/// What is done with each heartbeat.
fn upkeep(role: &Role) -> Box<dyn Fn() + Send> {
    let desk = if let Role::Origin(desk) = role { desk.clone() } else { None };
    Box::new(move || {
        recorder::handle().run_upkeep();
        desk.iter().for_each(|desk| desk.let_go());
    })
}

/// An engine that runs, and what goes with its history.
struct Running {
    engine: Engine,
    thread: JoinHandle<()>,
    secret: Secret,
    pseudonyms: Pseudonyms,
    mode: Mode,
    spool: Option<Arc<Spool>>,
    hand_in: Option<Arc<dyn HandIn>>,
    /// Its own, on this machine.
    folder: Option<PathBuf>,
    background: Background,
}

/// The threads on which sockets are opened and heard.
struct Ears {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Ears {
    fn start() -> std::io::Result<Ears> {
        // The other half belongs to those who report.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(threads).thread_name("ears").enable_all().build()?;
        Ok(Ears { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Within another runtime nobody may wait for it.
            runtime.shutdown_background();
        }
    }
}

impl Server {
    /// Opens the data folder and stands the live map up. Must be called within a runtime. `spool`: where reports
    /// wait already, if somebody has it open.
    ///
    /// # Errors
    /// In words for whoever starts it: what is wrong with the folder, and what to do.
    pub fn start(
        settings: &ServeSettings,
        city: Arc<City>,
        spool: Option<Arc<Spool>>,
    ) -> anyhow::Result<Server> {
        let folder_mode = if settings.replay { FolderMode::Replay } else { FolderMode::Live };
        if let (Some(url), false) = (&settings.store, settings.replay) {
            return Server::on_database(url, city, settings, spool);
        }
        let journal: Box<dyn Journal> = match &settings.store {
            Some(url) => Place::Database(url.clone()).open(city.clone(), folder_mode)?,
            None => {
                check_spool(&settings.data, Arc::new(SystemClock::new()), LEFT_BEHIND)?;
                let mut journal = SqliteJournal::open(&settings.data, city.clone(), folder_mode)?;
                journal.keep_reserve(settings.reserve_mib << 20);
                Box::new(journal)
            }
        };
        let mode = match settings.replay {
            true => Mode::Replay(Arc::new(ReplayClock::standing_at(journal.head().at))),
            false => Mode::Live,
        };
        let clock: Arc<dyn Clock> = match &mode {
            Mode::Live => Arc::new(SystemClock::new()),
            Mode::Replay(clock) => clock.clone(),
        };
        let accounts = match &settings.store {
            Some(url) => AccountStore::open(&Place::Database(url.clone()))?,
            None => AccountStore::in_folder(&settings.data)?,
        };
        let ship = settings.ship.as_ref().map(|ship| {
            let sealer = Sealer::of(&ship.recipients)?;
            Ok::<_, anyhow::Error>(ShipSettings { target: ship.target.clone(), sealer })
        });
        let sharing = Sharing { ship: ship.transpose()?, ..sharing(settings, accounts) };
        let server = Server::sharing(journal, city, clock, mode, settings.trust_loopback, sharing)?;
        server.with_tls(settings.tls.as_ref())
    }

    /// The one writer of a database, or its standby where another process writes it.
    fn on_database(
        url: &StoreUrl,
        city: Arc<City>,
        settings: &ServeSettings,
        spool: Option<Arc<Spool>>,
    ) -> anyhow::Result<Server> {
        let standby = PostgisStandby::open(url, city.clone(), FolderMode::Live)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let open = || Spool::open(&settings.data, clock.clone()).map(Arc::new);
        let spool = spool.map_or_else(open, Ok)?;
        let standby = standby.keeping_in(&settings.data);
        let (secret, hand_in) = (standby.secret(), standby.hand_in());
        let (engine, thread) = Engine::stand_by(Box::new(standby), city.clone(), clock.clone())?;
        awaiting::remember(&spool, url, &city, secret, &engine.live())?;
        let pseudonyms = Pseudonyms::in_folder(&settings.data)?;
        let (spool, hand_in, mode) = (Some(spool), Some(hand_in), Mode::Live);
        let (folder, background) = (Some(settings.data.clone()), Background::default());
        let running =
            Running { engine, thread, secret, pseudonyms, mode, spool, hand_in, folder, background };
        let accounts = AccountStore::open(&Place::Database(url.clone()))?;
        let sharing = sharing(settings, accounts);
        let server = Server::around(running, city, clock, settings.trust_loopback, (sharing, None))?;
        server.with_tls(settings.tls.as_ref())
    }

    /// The server over a journal and a clock of the caller's choice: what tests start.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn of_parts(
        journal: Box<dyn Journal>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
        mode: Mode,
        trust_loopback: bool,
        pulse: Pulse,
    ) -> anyhow::Result<Server> {
        let sharing = Sharing { pulse, ..Sharing::default() };
        Server::sharing(journal, city, clock, mode, trust_loopback, sharing)
    }

    /// The same, with what it shares with other nodes.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn sharing(
        journal: Box<dyn Journal>,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
        mode: Mode,
        trust_loopback: bool,
        sharing: Sharing,
    ) -> anyhow::Result<Server> {
        let secret = journal.secret();
        let pseudonyms = match journal.folder() {
            Some(folder) => Pseudonyms::in_folder(folder)?,
            None => Pseudonyms::random()?,
        };
        let accounts = match (sharing.accounts, journal.folder()) {
            (Some(accounts), _) => accounts,
            (None, Some(folder)) => AccountStore::in_folder(folder)?,
            (None, None) => AccountStore::in_memory()?,
        };
        let sharing = Sharing { accounts: Some(accounts), ..sharing };
        let folder = journal.folder().map(Path::to_owned);
        let (engine, thread) = Engine::start(journal, city.clone(), clock.clone())?;
        let (spool, hand_in) = (None, None);
        let (home, background) = (folder.clone(), Background::default());
        let running =
            Running { engine, thread, secret, pseudonyms, mode, spool, hand_in, folder: home, background };
        // A journal that is not in the folder is looked after by its database.
        if let Some(data) = folder.as_deref().filter(|data| is_journal(data)) {
            let work = running.background.begin("reading the journal through");
            Scrub::default().start(data, &running.engine, clock.clone(), work)?;
        }
        let ship = match (folder, &sharing.ship) {
            (Some(data), Some(to)) => Some(Ship::start(&data, to.clone(), &running.engine, clock.clone())?),
            _ => None,
        };
        Server::around(running, city, clock, trust_loopback, (sharing, ship))
    }

    /// The server around an engine that runs; edges may follow it.
    fn around(
        running: Running,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
        trust_loopback: bool,
        (sharing, ship): (Sharing, Option<Ship>),
    ) -> anyhow::Result<Server> {
        let Running { engine, thread, secret, pseudonyms, mode, spool, hand_in, folder, background } =
            running;
        sweep_photos_soon(engine.reader().clone(), background.begin("sweeping photos"))?;
        let control = folder.and_then(|folder| listen_for_commands(&folder, &engine));
        let ids = IdKey::new(secret, &city.code_prefix);
        let Sharing { pulse, nodes, ship: _, accounts, oidc, trusted_proxies } = sharing;
        // A replay plays back another day, but people sign in today.
        let real: Arc<dyn Clock> = match &mode {
            Mode::Live => clock.clone(),
            Mode::Replay(_) => Arc::new(SystemClock::new()),
        };
        let oidc = oidc.map(|settings| Oidc::open(&settings, &city, real.clone())).transpose()?;
        let accounts = accounts.map(|store| Accounts::open(store, city.clone(), real)).transpose()?;
        let desk = matches!(mode, Mode::Live).then(|| {
            let shared = (city.clone(), clock.clone());
            Arc::new(Desk::new(&engine, shared, (secret, pseudonyms), nodes.token))
        });
        let publication = nodes.nats.zip(desk.clone()).map(|(nats, desk)| Publication::start(nats, desk));
        let role = Role::Origin(desk);
        let parts = Parts {
            engine,
            thread,
            city,
            ids,
            clock,
            mode,
            role,
            trust_loopback,
            accounts,
            oidc,
            trusted_proxies,
            pulse,
            spool,
            hand_in,
            ship,
            background,
        };
        Ok(Server { publication, control, ..Server::of_engine(parts)? })
    }

    /// The server over an engine that runs, or follows.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn of_engine(parts: Parts) -> anyhow::Result<Server> {
        let Parts { engine, thread, city, ids, clock, mode, role, trust_loopback, pulse, .. } = parts;
        let Parts { accounts, oidc, trusted_proxies, spool, hand_in, ship, background, .. } = parts;
        background.watch("questions to the journal", engine.reader());
        accounts.iter().for_each(|accounts| background.watch("questions to the accounts", accounts));
        let search = Arc::new(TextSearch::new(engine.reader().clone()));
        let past = Arc::new(Past::new(engine.reader().clone(), city.clone()));
        let nudge = Arc::new(Notify::new());
        let (stop, stopping) = watch::channel(false);
        let newest = Arc::new(Beats::new(engine.moments(), clock.clone(), engine.health().clone()));
        let ears = Ears::start().context("the threads of the sockets could not start")?;
        let sockets = Sockets::new(newest.clone(), pulse.patience, ears.handle.clone(), accounts.clone());
        let rounds = Rounds {
            moments: engine.moments(),
            beats: newest,
            sockets: sockets.clone(),
            nudge: nudge.clone(),
            frame: pulse.frame,
            heartbeat: pulse.heartbeat,
            stopping: stopping.clone(),
            upkeep: upkeep(&role),
            in_touch: in_touch(&role),
        };
        let beats = rounds.start().context("the feed's thread could not start")?;
        let app = Arc::new(App {
            engine,
            city,
            ids,
            clock,
            mode,
            role,
            accounts,
            oidc,
            trusted_proxies,
            trust_loopback,
            spool,
            hand_in,
            ship: ship.as_ref().map(|ship| ship.watch().clone()),
            views: Arc::new(Views::default()),
            search,
            past,
            beats,
            sockets,
            photos: PhotoDesk::default(),
            nudge,
            frame_ms: pulse.frame.as_millis() as u64,
            heartbeat_s: pulse.heartbeat.as_secs(),
            metrics: recorder::handle(),
            stopping,
        });
        Ok(Server {
            app,
            tls: None,
            engine: thread,
            stop,
            patience: pulse.patience,
            ears,
            publication: None,
            control: None,
            ship,
            background,
        })
    }

    /// The same, with TLS of its own.
    ///
    /// # Errors
    /// Where certificate or key cannot be used.
    pub fn with_tls(self, settings: Option<&TlsSettings>) -> anyhow::Result<Server> {
        let secured = |settings: &TlsSettings| {
            anyhow::Ok(Secured { tls: Tls::load(&settings.files)?, redirect: settings.redirect })
        };
        Ok(Server { tls: settings.map(secured).transpose()?, ..self })
    }

    pub fn app(&self) -> &AppState {
        &self.app
    }

    /// Serves until `until` ends, then says goodbye to the sockets and makes everything durable.
    ///
    /// # Errors
    /// Where the listener fails, or the engine ended by a fault of its own.
    pub async fn serve(self, listener: TcpListener, until: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ended_early = self.serve_to_the_end(listener, until).await?;
        anyhow::ensure!(
            !ended_early,
            "the engine stopped by a fault of its own; the log says why; start the server again"
        );
        Ok(())
    }

    /// The same; answers whether the engine ended by itself, before `until`.
    ///
    /// # Errors
    /// Where the listener fails, or what was asked to end does not.
    pub async fn serve_to_the_end(
        self,
        listener: TcpListener,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<bool> {
        let Server { app, tls, engine, stop, patience, ears, publication, control, ship, background } =
            self;
        let router = build_router(app.clone());
        let handing_on = tokio::spawn(hand_on(app.clone()));
        let telling = tokio::spawn(tell_health(app.clone()));
        let ending = tokio::spawn(app.sockets.clone().end_with_passes());
        let presence = tokio::spawn(app.sockets.clone().tell_presence());
        if let Some(accounts) = app.accounts.clone() {
            tokio::spawn(accounts.keep_looking(app.stopping.clone()));
        }
        let keeping = matches!((&app.role, &app.mode), (Role::Origin(_), Mode::Live)).then(|| {
            tokio::spawn(retention::keep(app.engine.clone(), app.city.clone(), app.stopping.clone()))
        });
        if matches!(app.role, Role::Origin(_)) {
            let (past, clock) = (app.past.clone(), app.clock.clone());
            tokio::spawn(past.read_ahead(app.live().seq(), clock, app.stopping.clone()));
        }
        let entrance = Entrance::new(listener, patience);
        let serving = match tls {
            None => {
                let doors = entrance.part().context("the listener has no address")?;
                tokio::spawn(serve_behind(doors, router, ears.handle.clone(), stop.subscribe()))
            }
            Some(tls) => {
                let entrance = secured(entrance, tls, &stop)?;
                tokio::spawn(serve_at(entrance, router.layer(Extension(OverTls)), stop.subscribe()))
            }
        };
        let service = Service::start(app.engine.probe());
        let mut engine = tokio::task::spawn_blocking(move || engine.join());
        let ended_early = tokio::select! {
            () = until => false,
            _ = &mut engine => true,
        };
        stop.send_replace(true);
        background.stop();
        drop((publication, control));
        if ended_early {
            drop(service);
        } else {
            service.stop();
        }
        let sockets = app.sockets.clone();
        drop(app);
        // It ends by itself; a batch that is on its way is handed on again at the next start.
        let _ = tokio::time::timeout(STOP_TIMEOUT, handing_on).await;
        telling.abort();
        ending.abort();
        presence.abort();
        if let Some(keeping) = keeping {
            // What it had begun to erase is durable or not there at all; the rest is due again.
            keeping.abort();
        }
        let serving_ended = tokio::time::timeout(STOP_TIMEOUT, serving).await;
        // Where some do not close their side they are cut.
        let _ = tokio::time::timeout(STOP_TIMEOUT, sockets.wait_for_none()).await;
        drop(sockets);
        if let Ok(ended) = serving_ended {
            ended.context("the server task failed")?.context("the listener failed")?;
            // Every sender is gone now, so the engine ends once all is durable.
            if !ended_early {
                let joined = tokio::time::timeout(STOP_TIMEOUT, engine).await;
                anyhow::ensure!(
                    joined.is_ok(),
                    "the engine did not stop in time; all that was acknowledged is durable"
                );
            }
            if let Some(ship) = ship {
                ship.end(STOP_TIMEOUT).await;
            }
        }
        drop(ears);
        background.end().await;
        Ok(ended_early)
    }
}

fn sharing(settings: &ServeSettings, accounts: AccountStore) -> Sharing {
    let (nodes, trusted_proxies) = (settings.nodes.clone(), settings.trusted_proxies.clone());
    let oidc = settings.oidc.clone();
    Sharing { nodes, accounts: Some(accounts), oidc, trusted_proxies, ..Sharing::default() }
}

/// An entrance with TLS, a certificate that is kept fresh, and a way to it for whoever comes without.
fn secured(
    entrance: Entrance,
    Secured { tls, redirect }: Secured,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<TlsEntrance> {
    tokio::spawn(tls.clone().keep_fresh(stop.subscribe()));
    let entrance = TlsEntrance::new(entrance, tls).context("the listener has no address")?;
    if let Some(address) = redirect {
        let listener = listen(address)?;
        let port = Listener::local_addr(&entrance).context("the listener has no address")?.port();
        let mut stopped = stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = redirect_all(listener, port) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
    }
    Ok(entrance)
}

/// Without it the server runs all the same; the commands say what to do.
fn listen_for_commands(folder: &Path, engine: &Engine) -> Option<Control> {
    Control::listen(folder, engine.clone())
        .inspect_err(|error| {
            tracing::warn!(%error, "commands on this machine cannot ask this server; stop it to erase personal data");
        })
        .ok()
}
