//! The live stream as Server-Sent Events: one subscription, asked in the address, for readers behind
//! proxies that know no WebSocket. The messages are those of the live socket.
//!
//! The last event of each write carries `id: epoch:seq:view`; a reader that comes back with it as
//! `Last-Event-ID`, as browsers do by themselves, resumes there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::watch;

use super::access::Caller;
use super::app::{App, AppState};
use super::live::{AHEAD_TIMEOUT, hello};
use super::params::Params;
use super::problem::Problem;
use crate::accounts::{Accounts, Pass};
use crate::feed::wire::{Resume, Subscribe};
use crate::feed::{Beat, Frame, Session, parse_bbox};

/// The one subscription of a stream.
const ID: &str = "main";
/// How long a reader waits before it comes back.
const RETRY: &str = "retry: 2000\n\n";
/// What a proxy must not do, in nginx's words.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

#[utoipa::path(get, path = "/api/v1/live.sse", tag = "map",
    description = "The live stream as Server-Sent Events: the messages of the live socket, one subscription.",
    params(("bbox" = String, Query, description = "west,south,east,north"), ("zoom" = u32, Query, description = "0 to 20"),
        ("layers" = Option<String>, Query, description = "incidents, hotspots, stats"),
        ("category" = Option<String>, Query), ("status" = Option<String>, Query), ("agency" = Option<String>, Query),
        ("area" = Option<String>, Query), ("within" = Option<String>, Query), ("since" = Option<String>, Query),
        ("until" = Option<String>, Query), ("q" = Option<String>, Query), ("overdue" = Option<bool>, Query),
        ("escalation" = Option<u8>, Query), ("drill" = Option<bool>, Query), ("returned" = Option<bool>, Query)),
    responses((status = 200), (status = 400), (status = 403), (status = 503)))]
pub async fn live_sse(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let sight = caller.sight();
    let bbox = params.read("bbox", |text| {
        parse_bbox(text).map(|bbox| vec![bbox.west(), bbox.south(), bbox.east(), bbox.north()])
    });
    let zoom = params.whole("zoom", 0, 20);
    for (key, missing) in [("bbox", bbox.is_none()), ("zoom", zoom.is_none())] {
        if missing {
            params.require(key);
        }
    }
    let layers = params.list("layers");
    let filter = params.checked_spec(&app.city, &sight);
    params.finish()?;
    let (Some(bbox), Some(zoom), Some((filter, _))) = (bbox, zoom, filter) else {
        return Err(Problem::internal());
    };
    let resume = last_event_id(&parts.headers);
    let ask = Subscribe { id: ID.to_owned(), bbox, zoom: zoom.into(), filter, layers, resume };

    let mut beats = app.beats.clone();
    // In this order: a beat that comes between the two is not missed.
    beats.mark_unchanged();
    let beat = app.sockets.newest();
    let session = Session::new(sight.clone(), app.views.clone(), app.search.clone(), &beat);
    // A search may take a while.
    let opened = super::aside(move || {
        let mut session = session;
        session.subscribe(ask, &beat).map(|frames| (session, frames))
    });
    let (session, frames) = opened.await?;

    let mut first = vec![hello(&app, sight.key(), false)];
    first.extend(frames);
    let give_up = session.is_waiting().then(|| app.clock.monotonic() + AHEAD_TIMEOUT);
    let stopping = app.stopping.clone();
    let permit = Permit::new(&app, caller.pass);
    let stream = Stream { app, beats, stopping, permit, session, give_up, first: Some(first) };
    let body = Body::from_stream(futures_util::stream::unfold(stream, Stream::next));
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(([content_type, (UNBUFFERED, HeaderValue::from_static("no"))], body).into_response())
}

/// Where a reader left off. What is no id of ours begins anew, with a snapshot.
fn last_event_id(headers: &HeaderMap) -> Option<Resume> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    let mut parts = id.split(':');
    let (epoch, seq, view) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    Some(Resume { epoch: epoch.to_owned(), seq, view: view.to_owned() })
}

/// What a stream is good by.
enum Permit {
    /// Nobody can take it away.
    Lasting,
    Pass {
        pass: Pass,
        accounts: Arc<Accounts>,
        changes: watch::Receiver<u64>,
    },
}

impl Permit {
    fn new(app: &App, pass: Option<Pass>) -> Permit {
        match (pass, app.accounts.clone()) {
            (Some(pass), Some(accounts)) => Permit::Pass { pass, changes: accounts.changes(), accounts },
            _ => Permit::Lasting,
        }
    }

    fn holds(&self) -> bool {
        match self {
            Permit::Lasting => true,
            Permit::Pass { pass, accounts, .. } => accounts.holds(pass),
        }
    }

    async fn may_have_ended(&mut self) {
        if let Permit::Pass { changes, .. } = self
            && changes.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

struct Stream {
    app: Arc<App>,
    beats: watch::Receiver<Arc<Beat>>,
    stopping: watch::Receiver<bool>,
    permit: Permit,
    session: Session,
    /// When a resume from a seq ahead of this node is given up, by the clock's monotonic time.
    give_up: Option<Duration>,
    first: Option<Vec<Frame>>,
}

impl Stream {
    /// The next events; waits for a beat that has some. A reader that is slow is asked for none
    /// meanwhile, and gets the newest then.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Stream)> {
        if let Some(frames) = self.first.take() {
            let events = self.events(&frames);
            return Some((Ok([RETRY.as_bytes(), &events].concat().into()), self));
        }
        loop {
            let frames = tokio::select! {
                changed = self.beats.changed() => {
                    changed.ok()?;
                    let beat = self.beats.borrow_and_update().clone();
                    if self.session.must_read(&beat) {
                        let (session, read) = (self.session, beat.clone());
                        self.session = super::aside(move || {
                            // Where it fails, so does the beat, and the next one tries again.
                            session.read_texts(&read);
                            session
                        })
                        .await;
                    }
                    self.session.beat(&beat)
                }
                () = self.app.clock.until(self.give_up.unwrap_or_default()), if self.give_up.is_some() => {
                    self.session.stop_waiting(self.session.newest_wait(), &self.app.sockets.newest())
                }
                _ = self.stopping.changed() => return None,
                () = self.permit.may_have_ended() => Vec::new(),
            };
            // A browser comes back by itself, and sees then what it may.
            if !self.permit.holds() {
                return None;
            }
            if !self.session.is_waiting() {
                self.give_up = None;
            }
            if !frames.is_empty() {
                return Some((Ok(self.events(&frames).into()), self));
            }
        }
    }

    fn events(&self, frames: &[Frame]) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, frame) in frames.iter().enumerate() {
            // JSON of ours has no line break.
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(frame.json());
            if i + 1 == frames.len()
                && !self.session.is_waiting()
                && let Some((seq, view)) = self.session.cursor(ID)
            {
                out.extend_from_slice(format!("\nid: {}:{seq}:{view}", self.app.live().epoch()).as_bytes());
            }
            out.extend_from_slice(b"\n\n");
        }
        out
    }
}
