//! Puts the parts together: journal, engine, pulse, router; listens; stops cleanly.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, watch};

use crate::api::{App, AppState, Beats, Entrance, Mode, Rounds, Sockets, build_router};
use crate::city::City;
use crate::clock::{Clock, ReplayClock, SystemClock};
use crate::config::ServeSettings;
use crate::engine::Engine;
use crate::feed::{TextSearch, Views};
use crate::journal::{FolderMode, Journal, SqliteJournal};
use crate::model::IdKey;

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
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A server with its parts running, not yet listening.
pub struct Server {
    app: AppState,
    engine: JoinHandle<()>,
    stop: watch::Sender<bool>,
    patience: Duration,
    /// Ends after all else.
    ears: Ears,
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
    /// Opens the data folder and stands the live map up. Must be called within a runtime.
    ///
    /// # Errors
    /// In words for whoever starts it: what is wrong with the pack or the folder, and what to do.
    pub fn start(settings: &ServeSettings) -> anyhow::Result<Server> {
        let city = Arc::new(City::load(&settings.city)?);
        let folder_mode = if settings.replay { FolderMode::Replay } else { FolderMode::Live };
        let mut journal = SqliteJournal::open(&settings.data, city.clone(), folder_mode)?;
        journal.keep_reserve(settings.reserve_mib << 20);
        let mode = if settings.replay {
            Mode::Replay(Arc::new(ReplayClock::standing_at(journal.head().at)))
        } else {
            Mode::Live
        };
        let clock: Arc<dyn Clock> = match &mode {
            Mode::Live => Arc::new(SystemClock::new()),
            Mode::Replay(clock) => clock.clone(),
        };
        Server::of_parts(Box::new(journal), city, clock, mode, settings.trust_loopback, Pulse::default())
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
        let ids = IdKey::new(journal.secret(), &city.code_prefix);
        let (engine, thread) = Engine::start(journal, city.clone(), clock.clone())?;
        let search = Arc::new(TextSearch::new(engine.reader().clone()));
        let nudge = Arc::new(Notify::new());
        let (stop, stopping) = watch::channel(false);
        let newest = Arc::new(Beats::new(engine.moments(), clock.clone()));
        let ears = Ears::start().context("the threads of the sockets could not start")?;
        let sockets = Sockets::new(newest.clone(), pulse.patience, ears.handle.clone());
        let rounds = Rounds {
            moments: engine.moments(),
            beats: newest,
            sockets: sockets.clone(),
            nudge: nudge.clone(),
            frame: pulse.frame,
            heartbeat: pulse.heartbeat,
            stopping: stopping.clone(),
            upkeep: Box::new(|| metrics_handle().run_upkeep()),
        };
        let beats = rounds.start().context("the feed's thread could not start")?;
        let app = Arc::new(App {
            engine,
            city,
            ids,
            clock,
            mode,
            trust_loopback,
            views: Arc::new(Views::default()),
            search,
            beats,
            sockets,
            nudge,
            frame_ms: pulse.frame.as_millis() as u64,
            heartbeat_s: pulse.heartbeat.as_secs(),
            metrics: metrics_handle(),
            stopping,
        });
        Ok(Server { app, engine: thread, stop, patience: pulse.patience, ears })
    }

    pub fn app(&self) -> &AppState {
        &self.app
    }

    /// Serves until `until` ends, then says goodbye to the sockets and makes everything durable.
    ///
    /// # Errors
    /// Where the listener fails, or the engine ended by a fault of its own.
    pub async fn serve(self, listener: TcpListener, until: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Server { app, engine, stop, patience, ears: _ears } = self;
        let router = build_router(app.clone());
        // Tapped for nothing: so axum knows how to name the peer.
        let listener = Entrance::new(listener, patience).tap_io(|_| {});
        let mut stopped = stop.subscribe();
        let shutdown = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving =
            tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(shutdown).into_future());
        let mut engine = tokio::task::spawn_blocking(move || engine.join());
        let ended_early = tokio::select! {
            () = until => false,
            _ = &mut engine => true,
        };
        stop.send_replace(true);
        let sockets = app.sockets.clone();
        drop(app);
        let serving_ended = tokio::time::timeout(STOP_TIMEOUT, serving).await;
        anyhow::ensure!(
            !ended_early,
            "the engine stopped by a fault of its own; the log says why; start the server again"
        );
        // Where some do not close their side they are cut.
        let _ = tokio::time::timeout(STOP_TIMEOUT, sockets.wait_for_none()).await;
        drop(sockets);
        if let Ok(ended) = serving_ended {
            ended.context("the server task failed")?.context("the listener failed")?;
            // Every sender is gone now, so the engine ends once all is durable.
            let joined = tokio::time::timeout(STOP_TIMEOUT, engine).await;
            anyhow::ensure!(
                joined.is_ok(),
                "the engine did not stop in time; all that was acknowledged is durable"
            );
        }
        Ok(())
    }
}

/// One recorder a process: tests start many servers in one.
fn metrics_handle() -> metrics_exporter_prometheus::PrometheusHandle {
    static HANDLE: std::sync::OnceLock<metrics_exporter_prometheus::PrometheusHandle> =
        std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Where another recorder is set already, ours stays empty and harms nobody.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}
