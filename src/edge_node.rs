//! An edge as a process: gets a snapshot, serves and follows; and begins anew where the origin does.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::api::{Edge, Forwarding, Mode, Role, TrustedProxy};
use crate::background::Background;
use crate::city::City;
use crate::clock::{Clock, SystemClock};
use crate::config::ServeSettings;
use crate::edge::{
    EdgeSettings, EdgeStatus, EdgeToken, Ended, Following, NodeSnapshot, Origin, SnapshotFault, follow,
};
use crate::engine::{Engine, Follower};
use crate::model::IdKey;
use crate::server::{Parts, Pulse, Server, listen};

/// A start waits for the origin, and asks again this often.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What an edge is made of, beside a snapshot.
#[derive(Clone)]
pub struct EdgeParts {
    pub city: Arc<City>,
    pub clock: Arc<dyn Clock>,
    pub settings: EdgeSettings,
    pub token: Option<EdgeToken>,
    pub trusted_proxies: Vec<TrustedProxy>,
    pub pulse: Pulse,
}

impl EdgeParts {
    /// # Errors
    /// Where the pack cannot be loaded.
    pub fn new(
        city: &Path,
        settings: &EdgeSettings,
        token: Option<EdgeToken>,
    ) -> anyhow::Result<EdgeParts> {
        let city = Arc::new(City::load(city)?);
        let (clock, pulse) = (Arc::new(SystemClock::new()), Pulse::default());
        let trusted_proxies = Vec::new();
        Ok(EdgeParts { city, clock, settings: settings.clone(), token, trusted_proxies, pulse })
    }

    fn origin(&self) -> Origin {
        Origin::new(&self.settings.origin, self.token.as_ref())
    }

    /// Asks the origin until it answers; `say` hears once that it does not.
    ///
    /// # Errors
    /// Where it refuses this node, or is of another version or city pack: waiting helps nothing.
    pub async fn first_snapshot(&self, say: &dyn Fn(&str)) -> anyhow::Result<NodeSnapshot> {
        let mut said = false;
        loop {
            let (origin, city) = (self.origin(), self.city.clone());
            let asked = tokio::task::spawn_blocking(move || {
                origin.snapshot().map(|bytes| NodeSnapshot::decode(&bytes, &city))
            });
            let why = match asked.await.context("the snapshot could not be read")? {
                Ok(Ok(snapshot)) => return Ok(snapshot),
                Ok(Err(e @ SnapshotFault::Damaged(_))) => e.to_string(),
                Ok(Err(e)) => bail!(e),
                Err(crate::edge::OriginError::Refused { status, sentence }) if status < 500 => {
                    bail!("the origin refuses this edge: {sentence} ({status})")
                }
                Err(e) => e.to_string(),
            };
            if !said {
                say(&format!("Waiting for the origin: {why}"));
                said = true;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// A server that shows what the snapshot holds and follows from there. Must be called within a runtime.
    ///
    /// # Errors
    /// Where the snapshot is damaged, or the system gives no threads.
    pub fn start(&self, snapshot: NodeSnapshot) -> anyhow::Result<EdgeServer> {
        let ids = IdKey::new(snapshot.secret(), &self.city.code_prefix);
        let lineage = snapshot.lineage.clone();
        let follower = Follower::new(snapshot.stand_up(self.city.clone())?);
        let moments = follower.moments();
        let stream = self.settings.follow.clone();
        let status = Arc::new(EdgeStatus::new(self.clock.clone(), moments.clone(), stream.is_some()));
        let (engine, inbox) = Engine::following(moments);
        let (city, clock, origin) = (self.city.clone(), self.clock.clone(), self.origin());
        let following =
            Following { follower, lineage, city, clock, origin, stream, status: status.clone() };
        let following = follow(following, inbox)?;
        let ended = Arc::new(std::sync::Mutex::new(None));
        let thread = watch(following, ended.clone())?;
        let forwarding = Forwarding::new(self.origin());
        let role = Role::Edge(Arc::new(Edge { status, forwarding, token: self.token.clone() }));
        let server = Server::of_engine(Parts {
            engine,
            thread,
            city: self.city.clone(),
            ids,
            clock: self.clock.clone(),
            mode: Mode::Live,
            role,
            trust_loopback: false,
            accounts: None,
            oidc: None,
            trusted_proxies: self.trusted_proxies.clone(),
            pulse: self.pulse,
            spool: None,
            hand_in: None,
            ship: None,
            background: Background::default(),
        })?;
        Ok(EdgeServer { server, ended })
    }
}

/// How the follower ended, once it has.
type HowEnded = Arc<std::sync::Mutex<Option<Ended>>>;

/// A thread that ends with the follower and leaves how.
fn watch(following: JoinHandle<Ended>, ended: HowEnded) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("edge".to_owned()).spawn(move || {
        // One that panicked has said so; the edge begins anew.
        let how = following.join().ok();
        *ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = how;
    })
}

/// An edge with its parts running, not yet listening.
pub struct EdgeServer {
    server: Server,
    ended: HowEnded,
}

/// Why an edge serves no more.
pub enum Served {
    /// It was asked to stop.
    Stopped,
    /// The origin has another history; `None`: this node's copy is broken, ask for a new one.
    Anew(Option<Box<NodeSnapshot>>),
}

impl EdgeServer {
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Serves until `until` ends, or what it follows does. Sockets are told to come back.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<Served> {
        let EdgeServer { server, ended } = self;
        let mut asked = false;
        let until = async {
            until.await;
            asked = true;
        };
        let by_itself = server.serve_to_the_end(listener, until).await?;
        if asked && !by_itself {
            return Ok(Served::Stopped);
        }
        let how = ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        Ok(match how {
            Some(Ended::Anew(snapshot)) => Served::Anew(Some(snapshot)),
            Some(Ended::Stopped) => Served::Stopped,
            None => Served::Anew(None),
        })
    }
}

/// Runs an edge until `until` ends.
///
/// # Errors
/// In words for whoever starts it.
pub async fn serve(
    settings: &ServeSettings,
    edge: &EdgeSettings,
    until: impl Future<Output = ()>,
    say: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let mut parts = EdgeParts::new(&settings.city, edge, settings.nodes.token.clone())?;
    parts.trusted_proxies = settings.trusted_proxies.clone();
    let mut until = pin!(until);
    let mut next: Option<Box<NodeSnapshot>> = None;
    loop {
        let snapshot = match next.take() {
            Some(snapshot) => *snapshot,
            None => tokio::select! {
                first = parts.first_snapshot(say) => first?,
                () = &mut until => return Ok(()),
            },
        };
        let at = snapshot.head;
        let EdgeServer { server, ended } = parts.start(snapshot)?;
        let server = EdgeServer { server: server.with_tls(settings.tls.as_ref())?, ended };
        let listener = listen(settings.listen)?;
        let address = listener.local_addr().context("the listener has no address")?;
        let (build, name) = (crate::BUILD, &parts.city.name.en);
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        say(&format!("Pantau {build}: {name} on {scheme}://{address}/, an edge of {}", edge.origin));
        say(&format!("  seq {} of {}", at.seq, at.epoch));
        match server.serve(listener, &mut until).await? {
            Served::Stopped => return Ok(()),
            Served::Anew(snapshot) => {
                say("The origin has another history; beginning anew.");
                next = snapshot;
            }
        }
    }
}
