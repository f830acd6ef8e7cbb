//! What an edge cannot answer by itself goes to the origin: everything that is written, and what only the
//! journal knows.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::app::{App, AppState, Edge};
use super::audit;
use super::origin::check_origin;
use super::patience;
use super::problem::Problem;
use super::reports;
use super::visit::Visit;
use crate::edge::{Answer, Origin, OriginError};
use crate::model::Seq;

/// Bodies on their way to the origin, together, in MiB, by what came of each; who comes when it is full waits.
const BODIES_MIB_MAX: u32 = 64;
const MIB: usize = 1 << 20;
/// And waits this long at most.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer is held back until this node is as new as it says.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Of a question, these are passed on.
static ASKED: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::USER_AGENT,
];
/// Of an answer, these.
static ANSWERED: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::LOCATION,
    header::RETRY_AFTER,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
    audit::NEXT,
];

/// Marks an answer of the origin: its problems are its own.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded;

/// The way to the origin.
pub struct Forwarding {
    origin: Origin,
    bodies: Semaphore,
}

impl Forwarding {
    pub fn new(origin: Origin) -> Forwarding {
        Forwarding { origin, bodies: Semaphore::new(BODIES_MIB_MAX as usize) }
    }
}

/// Goes around every route: on an edge, what is not for it goes to the origin.
pub async fn forward_if_elsewhere(State(app): State<AppState>, request: Request, next: Next) -> Response {
    match app.edge() {
        Some(edge) if !is_local(request.method(), request.uri().path(), request.uri().query()) => {
            let answered = forward(&app, edge, request).await;
            match answered {
                Ok(answer) => catch_up(&app, answer).await,
                Err(problem) => problem.into_response(),
            }
        }
        _ => next.run(request).await,
    }
}

/// Whether an edge answers this by itself.
fn is_local(method: &Method, path: &str, query: Option<&str>) -> bool {
    let Some(path) = path.strip_prefix("/api/v1/") else { return true };
    // Whoever signs in does so where the accounts are.
    if path.starts_with("nodes/") || path == "session" || path.starts_with("session/") {
        return true;
    }
    let of_journal =
        ["reports", "incidents/", "photos/", "statistics", "audit", "shift-log", "sitrep", "search"]
            .iter()
            .any(|start| path.starts_with(start));
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    // What has left memory, and what stood once.
    let of_past = query.into_iter().any(|(key, _)| key == "include" || key == "at");
    matches!(*method, Method::GET | Method::HEAD) && !of_journal && !of_past
}

async fn forward(app: &App, edge: &Edge, request: Request) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    // The origin does not know this node's pages; so it is checked here, and not passed on.
    let visit = Visit::of(&parts, &app.trusted_proxies);
    check_origin(&parts, &visit, false)?;
    // The origin sees this node's line, not the one that the token came over.
    if parts.headers.contains_key(header::AUTHORIZATION) && !visit.is_private() {
        return Err(Problem::needs_tls());
    }
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let (body, room) = patience::whole(read(&edge.forwarding.bodies, body)).await?;
    let (headers, key) = headers(&parts)?;
    let (origin, method) = (edge.forwarding.origin.clone(), parts.method.clone());
    let is_repeatable = key || parts.method != Method::POST;
    let base = origin.base().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let send = || origin.forward(method.as_str(), &path, &headers, body.clone());
        match send() {
            // A line that was kept may have been cut meanwhile: the key keeps a second try from harm.
            Err(OriginError::Away(_)) if is_repeatable => send(),
            first => first,
        }
    });
    let answer = answer.await.map_err(|_| Problem::internal())?;
    drop(room);
    answer.map_err(|e| {
        tracing::debug!("a request could not be passed on: {e}");
        Problem::origin_away(format!(
            "this edge keeps nothing itself and {base} does not answer; send it again later with the same \
             Idempotency-Key, which keeps it from being stored twice, or straight to {base}"
        ))
    })
}

/// A body, with the room that it takes: as much as came of it, so that one who sends slowly takes little.
async fn read(bodies: &Semaphore, body: Body) -> Result<(Vec<u8>, SemaphorePermit<'_>), Problem> {
    let too_large = || Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    if body.size_hint().lower() > reports::BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    // One that asks takes some too, for the answer.
    let mut room = turn(bodies).await?;
    let (mut read, mut pieces) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = patience::piece(pieces.next()).await? {
        let piece = piece.map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?;
        if read.len() + piece.len() > reports::BODY_BYTES_MAX {
            return Err(too_large());
        }
        read.extend_from_slice(&piece);
        while room.num_permits() <= read.len() / MIB {
            room.merge(turn(bodies).await?);
        }
    }
    Ok((read, room))
}

/// Room for another MiB.
async fn turn(bodies: &Semaphore) -> Result<SemaphorePermit<'_>, Problem> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, bodies.acquire()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| {
        Problem::origin_away("too much waits to be passed on to the origin; send it again in a moment")
    })
}

/// A header of a question that is passed on.
type Header = (String, Vec<u8>);

/// Whether it is stored once however often it is sent under one key: reports, and photos of an incident.
fn takes_key(method: &Method, path: &str) -> bool {
    let is_of_photos = path
        .strip_prefix("/api/v1/incidents/")
        .is_some_and(|rest| rest.split_once('/').is_some_and(|(_, rest)| rest == "photos"));
    *method == Method::POST && (path == "/api/v1/reports" || is_of_photos)
}

/// What is passed on, and whether there is an Idempotency-Key that counts; what takes one and has none gets one, so
/// that it can be sent a second time.
fn headers(parts: &Parts) -> Result<(Vec<Header>, bool), Problem> {
    let named = |name: &HeaderName| {
        let value = parts.headers.get(name)?;
        Some((name.to_string(), value.as_bytes().to_vec()))
    };
    let mut headers: Vec<Header> = ASKED.iter().filter_map(named).collect();
    // What came from this machine must not be taken for something of the origin's own.
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(addr)| addr.ip());
    let before = parts.headers.get(&FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let chain = before.map(str::to_owned).into_iter().chain(peer.map(|ip| ip.to_canonical().to_string()));
    let chain: Vec<String> = chain.collect();
    let chain = if chain.is_empty() { "unknown".to_owned() } else { chain.join(", ") };
    headers.push((FORWARDED_FOR.to_string(), chain.into_bytes()));
    let key = named(&IDEMPOTENCY_KEY);
    let takes_key = takes_key(&parts.method, parts.uri.path());
    match key {
        Some(key) => headers.push(key),
        None if takes_key => headers.push((IDEMPOTENCY_KEY.to_string(), own_key()?.into_bytes())),
        None => {}
    }
    Ok((headers, takes_key))
}

fn own_key() -> Result<String, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Problem::internal())?;
    Ok(format!("edge-{}", uuid::Uuid::from_bytes(random).simple()))
}

/// Holds an answer back until this node is as new as the answer says: whoever has it may ask here next.
async fn catch_up(app: &AppState, answer: Answer) -> Response {
    #[derive(serde::Deserialize)]
    struct WithSeq {
        seq: u64,
    }
    if let Ok(WithSeq { seq }) = serde_json::from_slice(&answer.body) {
        let mut published = app.engine.moments().published();
        let reached = published.wait_for(|newest| *newest >= Seq(seq));
        // One who cannot wait is no worse off than with a slow line.
        let _ = tokio::time::timeout(CATCH_UP_TIMEOUT, reached).await;
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        let known = ANSWERED.iter().find(|known| **known == name.as_str());
        if let (Some(known), Ok(value)) = (known, HeaderValue::from_bytes(&value)) {
            response.headers_mut().insert(known.clone(), value);
        }
    }
    response.extensions_mut().insert(Forwarded);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of which the first bytes came, and that goes on.
    fn begun(bytes: usize) -> Body {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![0; bytes])]);
        Body::from_stream(first.chain(futures_util::stream::pending()))
    }

    #[tokio::test]
    async fn a_body_takes_as_much_room_as_came_of_it() {
        let bodies = Semaphore::new(8);
        for (bytes, mib) in [(0, 1), (MIB - 1, 1), (MIB, 2), (3 * MIB + 1, 4)] {
            let (body, room) = read(&bodies, Body::from(vec![7; bytes])).await.unwrap();
            assert_eq!((body.len(), room.num_permits()), (bytes, mib));
        }
        // One that began, and says of itself nothing at all, leaves room for others.
        let slow = read(&bodies, begun(MIB));
        tokio::pin!(slow);
        assert!(futures_util::poll!(&mut slow).is_pending());
        assert_eq!(bodies.available_permits(), 6);
        assert!(read(&bodies, Body::empty()).await.is_ok());
        let large = read(&bodies, Body::from(vec![0; reports::BODY_BYTES_MAX + 1])).await;
        assert_eq!(large.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn reports_and_photos_are_passed_on_under_a_key_and_only_they_are_sent_again_after_a_cut_line() {
        let passed_on = |method: &str, path: &str, key: Option<&str>| {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
            let (headers, is_repeatable) = headers(&parts).unwrap();
            let key = headers.into_iter().find(|(name, _)| *name == "idempotency-key").map(|(_, key)| key);
            (key.map(|key| String::from_utf8(key).unwrap()), is_repeatable)
        };
        for path in ["/api/v1/reports", "/api/v1/incidents/019a/photos"] {
            assert_eq!(passed_on("POST", path, Some("one")), (Some("one".to_owned()), true));
            let (key, is_repeatable) = passed_on("POST", path, None);
            assert!(key.unwrap().starts_with("edge-") && is_repeatable, "{path}");
            assert_eq!(passed_on("GET", path, None), (None, false));
        }
        for path in ["/api/v1/incidents/019a/verify", "/api/v1/incidents/019a/photos/019b/release"] {
            assert_eq!(passed_on("POST", path, None), (None, false), "{path}");
            assert!(!passed_on("POST", path, Some("one")).1, "{path}: a key that does not count there");
        }
    }

    #[test]
    fn an_edge_answers_what_is_in_its_live_map() {
        let local = |method: Method, address: &str| {
            let (path, query) = match address.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (address, None),
            };
            is_local(&method, path, query)
        };
        for address in [
            "/wall",
            "/readyz",
            "/metrics",
            "/tiles/base.pmtiles",
            "/api/v1/city",
            "/api/v1/incidents?bbox=1,2,3,4",
            "/api/v1/clusters?zoom=3",
            "/api/v1/hotspots",
            "/api/v1/stats",
            "/api/v1/live",
            "/api/v1/live.sse",
            "/api/v1/nodes/state",
        ] {
            assert!(local(Method::GET, address), "{address}");
        }
        for address in [
            "/api/v1/reports/TTE-7K3M-9QXAC",
            "/api/v1/incidents/019a",
            "/api/v1/incidents?include=archive",
            "/api/v1/search?q=sampah",
            "/api/v1/hotspots?at=2026-11-24T14:05:00Z",
        ] {
            assert!(!local(Method::GET, address), "{address}");
        }
        for address in [
            "/api/v1/reports",
            "/api/v1/import",
            "/api/v1/clock",
            "/api/v1/incidents/019a/verify",
            "/api/v1/search/phone",
        ] {
            assert!(!local(Method::POST, address), "{address}");
        }
    }
}
