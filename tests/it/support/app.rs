//! A whole server for tests: the real router, engine, pulse and listener, over a journal and a clock of
//! the test's choice. Questions go through the router with a peer of the test's choice, or over TCP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use pantau::access::Role;
use pantau::accounts::{Accounts, NewToken, Scope, new_token};
use pantau::api::{AppState, Mode, TrustedProxy, build_router};
use pantau::backup::ShipSettings;
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};
use pantau::config::TlsSettings;
use pantau::edge::NodeSettings;
use pantau::journal::{FolderMode, Journal, MemoryJournal, SqliteJournal};
use pantau::live::LiveMap;
use pantau::model::Secret;
use pantau::server::{Pulse, Server, Sharing};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub use super::wait::{PATIENCE, wait_for};

/// The secret of every journal in memory: ids and codes are the same in every run.
pub const SECRET: Secret = Secret([7; 32]);
/// Somebody who is not on this machine.
const STRANGER: &str = "192.0.2.1:40000";

/// What a test can choose.
pub struct Setup {
    pub city: Arc<City>,
    pub clock: Arc<dyn Clock>,
    pub journal: Kept,
    pub trust_loopback: bool,
    pub pulse: Pulse,
    /// What it shares with other nodes.
    pub nodes: NodeSettings,
    pub trusted_proxies: Vec<TrustedProxy>,
    pub tls: Option<TlsSettings>,
    /// Where its entries are shipped to.
    pub ship: Option<ShipSettings>,
}

/// Where the journal is kept.
pub enum Kept {
    InMemory,
    InFolder(PathBuf),
    Given(Box<dyn Journal>),
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            city: super::ternate(),
            clock: Arc::new(SystemClock::new()),
            journal: Kept::InMemory,
            trust_loopback: true,
            pulse: Pulse {
                frame: Duration::from_millis(20),
                heartbeat: Duration::from_millis(300),
                ..Pulse::default()
            },
            nodes: NodeSettings::default(),
            trusted_proxies: Vec::new(),
            tls: None,
            ship: None,
        }
    }
}

/// For clients that do not listen for a while: nobody is let go for silence meanwhile.
pub fn patient() -> Pulse {
    Pulse { heartbeat: Duration::from_secs(15), ..Pulse::default() }
}

impl Setup {
    pub fn in_folder(folder: &Path) -> Setup {
        Setup { journal: Kept::InFolder(folder.to_owned()), ..Setup::default() }
    }

    pub async fn start(self) -> TestApp {
        let journal: Box<dyn Journal> = match self.journal {
            Kept::InMemory => Box::new(MemoryJournal::new(self.city.clone(), SECRET)),
            Kept::InFolder(folder) => Box::new(
                SqliteJournal::open(&folder, self.city.clone(), FolderMode::Live)
                    .expect("the folder opens"),
            ),
            Kept::Given(journal) => journal,
        };
        let sharing = Sharing {
            pulse: self.pulse,
            nodes: self.nodes,
            ship: self.ship,
            accounts: None,
            oidc: None,
            trusted_proxies: self.trusted_proxies,
        };
        let server =
            Server::sharing(journal, self.city, self.clock, Mode::Live, self.trust_loopback, sharing)
                .and_then(|server| server.with_tls(self.tls.as_ref()))
                .expect("the server stands up");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = server.app().clone();
        let router = build_router(app.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(server.serve(listener, until));
        TestApp { app, router, address, stop, serving }
    }
}

pub struct TestApp {
    pub app: AppState,
    pub router: Router,
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl TestApp {
    /// In memory, for Ternate, with everybody on this machine staff.
    pub async fn start() -> TestApp {
        Setup::default().start().await
    }

    pub fn live(&self) -> Arc<LiveMap> {
        self.app.live()
    }

    /// Stops the server and waits until all is durable and the folder is free.
    pub async fn stop(self) {
        let TestApp { app, router, stop, serving, .. } = self;
        drop((app, router));
        let _ = stop.send(());
        serving.await.expect("the server does not panic").expect("the server stops cleanly");
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Ask<'_> {
        self.ask(Method::POST, path).body(body).header("content-type", "application/json")
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(&self.address.to_string()).expect("an address is a header");
        headers.insert(header::HOST, host);
        let peer = "127.0.0.1:40000".parse().expect("an address");
        Ask { app: self, method, path: path.to_owned(), headers, body: Vec::new(), peer }
    }

    /// Sends a report that must be taken; answers the receipt.
    pub async fn report(&self, report: &Value) -> Value {
        let answer = self.post("/api/v1/reports", report.to_string()).send().await;
        assert_eq!(answer.status, 201, "{report} → {}", answer.text());
        answer.json()
    }

    pub fn accounts(&self) -> &Arc<Accounts> {
        self.app.accounts.as_ref().expect("a server with a store has accounts")
    }

    /// A token of the role; of the agency or the area where the role has one.
    pub fn token(&self, role: Role, agency: &str, area: &str) -> String {
        let agency = (role == Role::Agency).then(|| agency.to_owned());
        let areas = if role == Role::Responder { vec![area.to_owned()] } else { Vec::new() };
        let scope = Scope::new(role, agency, areas, Some(&self.app.city)).expect("a scope");
        let new = NewToken { label: String::new(), scope, kiosk: false, only: None, expires_at: None };
        let (secret, row) = new_token(new, self.app.clock.now()).expect("a token");
        assert!(self.accounts().store().add_token(&row).expect("a store"));
        self.accounts().look().expect("a store");
        secret
    }

    /// Acts on an incident; the transition must be allowed. Answers the incident.
    pub async fn act(&self, incident: &Value, action: &str, body: &Value) -> Value {
        let id = incident.as_str().expect("a UUID");
        let path = format!("/api/v1/incidents/{id}/{action}");
        let answer = self.post(&path, body.to_string()).send().await;
        assert_eq!(answer.status, 200, "{path} → {}", answer.text());
        answer.json()
    }
}

/// A question before it is asked.
pub struct Ask<'a> {
    app: &'a TestApp,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    peer: SocketAddr,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, HeaderValue::from_bytes(value.as_ref()).expect("a header's value"));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn coming_from(mut self, peer: &str) -> Self {
        self.peer = peer.parse().expect("an address");
        self
    }

    pub fn bearing(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// From another machine: nobody we know.
    pub fn by_the_public(self) -> Self {
        self.coming_from(STRANGER)
    }

    pub async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        *request.headers_mut().expect("the path is an address") = self.headers;
        let mut request = request.body(Body::from(self.body)).expect("a request");
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.app.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }

    /// The answer to a question that must be answered.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Checks that this is a problem as RFC 9457 and our API promise; answers it.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{problem}");
        for key in ["title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {problem}");
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        problem
    }

    /// As [`Answer::problem`]; what is at fault, in the order named.
    pub fn pointers(&self, status: u16) -> Vec<String> {
        let problem = self.problem(status);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        for error in &errors {
            assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
    }
}
