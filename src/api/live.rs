//! The live socket: a [`Session`] between a WebSocket and the common pulse.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::access::{Access, check_origin};
use super::app::{App, AppState};
use super::params::Params;
use super::problem::Problem;
use crate::feed::wire::{ServerMessage, time};
use crate::feed::{Beat, Frame, Session};
use crate::model::Projection;

const PROTOCOL: &str = "pantau.v1";
/// The same messages; long ones come as binary messages with the JSON in raw DEFLATE.
const PROTOCOL_DEFLATE: &str = "pantau.v1.deflate";
/// A larger message closes the socket.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Read buffer of a socket: clients send little.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// A client that takes no frame for this long is let go; it comes back and resumes.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client that is sent away may take to close its side.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a resume from a seq ahead of this node waits for the node to catch up.
pub(super) const AHEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that answers no ping for this many heartbeats is gone.
const SILENT_HEARTBEATS_MAX: u32 = 4;
/// A client may send this many messages at once …
const MESSAGES_BURST: f64 = 200.0;
/// … and this many a second for long.
const MESSAGES_PER_S: f64 = 20.0;

/// Why the server ends a socket. `docs/live-protocol.md` has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseReason {
    /// The server stops or restarts: come back.
    GoingAway,
    /// Frames were not taken in time: come back and resume.
    Slow,
    /// No pong came: come back and resume.
    Silent,
    /// Too many messages: come back later.
    Flood,
    /// A binary message: do not come back without changing the program.
    Binary,
    /// A message too large or not readable: do not come back without changing the program.
    Unreadable,
}

impl CloseReason {
    fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            CloseReason::GoingAway => (1001, "the server is stopping; come back"),
            CloseReason::Slow => (4000, "frames were not taken in time; come back and resume"),
            CloseReason::Silent => (4001, "no answer to pings; come back and resume"),
            CloseReason::Flood => (4002, "too many messages; come back later"),
            CloseReason::Binary => (4500, "this protocol has text messages only"),
            CloseReason::Unreadable => (4501, "a message was larger than 64 KiB, or no WebSocket text"),
        };
        CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
    }
}

#[utoipa::path(get, path = "/api/v1/live", tag = "map",
    description = "The live socket (WebSocket, subprotocol pantau.v1): docs/live-protocol.md.",
    responses((status = 101), (status = 401), (status = 403), (status = 426)))]
pub async fn live(
    State(app): State<AppState>,
    access: Access,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    check_origin(&parts)?;
    params.finish()?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app)
        .await
        .map_err(|_| Problem::of_status(axum::http::StatusCode::UPGRADE_REQUIRED))?;
    let upgrade = upgrade
        .protocols([PROTOCOL_DEFLATE, PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, app, access.projection)))
}

async fn serve(socket: WebSocket, app: Arc<App>, projection: Projection) {
    let open = metrics::gauge!("pantau_sockets");
    open.increment(1.0);
    let deflate = socket.protocol().is_some_and(|chosen| chosen == PROTOCOL_DEFLATE);
    let (sink, mut stream) = socket.split();
    let mut sink = FrameSink { sink, deflate };
    if let Err(reason) = talk(&mut sink, &mut stream, &app, projection).await {
        say_goodbye(&mut sink.sink, &mut stream, reason).await;
    }
    open.decrement(1.0);
}

/// Says why, then waits a moment for the client to hear it: a connection that is closed while
/// messages lie unread in it is reset, and the reason is lost.
async fn say_goodbye<S, R, E>(sink: &mut S, stream: &mut R, reason: CloseReason)
where
    S: Sink<Message> + Unpin,
    R: Stream<Item = Result<Message, E>> + Unpin,
{
    // The peer may be gone already; then there is nobody to tell.
    if let Ok(Ok(())) = timeout(SEND_TIMEOUT, sink.send(Message::Close(Some(reason.frame())))).await {
        let _ = timeout(GOODBYE_TIMEOUT, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }
}

/// Runs until the client is gone (`Ok`) or is to be sent away.
async fn talk<S, R, E>(
    sink: &mut FrameSink<S>,
    stream: &mut R,
    app: &App,
    projection: Projection,
) -> Result<(), CloseReason>
where
    S: Sink<Message> + Unpin,
    R: Stream<Item = Result<Message, E>> + Unpin,
{
    let mut beats = app.beats.clone();
    let mut stopping = app.stopping.clone();
    let mut session =
        Session::new(projection, app.views.clone(), app.search.clone(), &beats.borrow_and_update());
    let mut allowance = Allowance::full(Instant::now());
    let mut unanswered = 0;
    let mut wait_until: Option<Instant> = None;
    sink.frames(&[hello(app, projection)]).await?;
    loop {
        let give_up = wait_until.unwrap_or_else(|| Instant::now() + AHEAD_TIMEOUT);
        let frames = tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if !allowance.take(Instant::now()) {
                        return Err(CloseReason::Flood);
                    }
                    let frames;
                    (session, frames) = receive(session, text, newest(app)).await;
                    frames
                }
                Some(Ok(Message::Binary(_))) => return Err(CloseReason::Binary),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    unanswered = 0;
                    continue;
                }
                // The library answers a close by itself while the stream is polled to its end.
                Some(Ok(Message::Close(_))) => continue,
                // Where the line broke there is nobody left to tell.
                Some(Err(_)) => return Err(CloseReason::Unreadable),
                None => return Ok(()),
            },
            changed = beats.changed() => {
                if changed.is_err() {
                    return Err(CloseReason::GoingAway);
                }
                let beat = beats.borrow_and_update().clone();
                let had = session.heartbeat_no();
                let frames = session.beat(&beat);
                if session.heartbeat_no() != had {
                    unanswered += 1;
                    if unanswered > SILENT_HEARTBEATS_MAX {
                        return Err(CloseReason::Silent);
                    }
                    sink.put(Message::Ping(Bytes::new())).await?;
                }
                frames
            },
            () = sleep_until(give_up), if wait_until.is_some() => session.stop_waiting(&newest(app)),
            _ = stopping.changed() => return Err(CloseReason::GoingAway),
        };
        wait_until = if session.is_waiting() {
            Some(wait_until.unwrap_or(Instant::now() + AHEAD_TIMEOUT))
        } else {
            None
        };
        sink.frames(&frames).await?;
    }
}

/// Answers a message; one that has texts searched does not hold up the other sockets.
async fn receive(mut session: Session, text: Utf8Bytes, beat: Arc<Beat>) -> (Session, Vec<Frame>) {
    let may_search = Session::may_search(&text);
    let answer = move || {
        let frames = session.receive(&text, &beat);
        (session, frames)
    };
    if !may_search {
        return answer();
    }
    let answered = tokio::task::spawn_blocking(answer).await;
    answered.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The common beat, or one of the newest moment where that is newer: what was acknowledged before a
/// question is in its answer.
pub(super) fn newest(app: &App) -> Arc<Beat> {
    let beat = app.beats.borrow().clone();
    let live = app.live();
    if live.seq() == beat.map.seq() {
        return beat;
    }
    Arc::new(Beat::new((*live).clone(), &*app.clock, beat.heartbeat_no))
}

pub(super) fn hello(app: &App, projection: Projection) -> Frame {
    let live = app.live();
    Frame::of(&ServerMessage::Hello {
        protocol: PROTOCOL,
        epoch: live.epoch().to_string(),
        seq: live.seq().0,
        projection: projection.key(),
        frame_ms: app.frame_ms,
        heartbeat_s: app.heartbeat_s,
        now: time(app.clock.now()),
        speed: app.clock.speed(),
        build: crate::BUILD,
    })
}

/// The way out of a socket.
struct FrameSink<S> {
    sink: S,
    deflate: bool,
}

impl<S: Sink<Message> + Unpin> FrameSink<S> {
    /// Writes all frames, and the line once.
    async fn frames(&mut self, frames: &[Frame]) -> Result<(), CloseReason> {
        for frame in frames {
            let deflated = if self.deflate { frame.deflated() } else { None };
            let message = match deflated {
                Some(bytes) => Message::Binary(bytes.clone()),
                // Our own JSON is UTF-8.
                None => match Utf8Bytes::try_from(frame.json().clone()) {
                    Ok(text) => Message::Text(text),
                    Err(_) => continue,
                },
            };
            in_time(self.sink.feed(message)).await?;
        }
        if frames.is_empty() { Ok(()) } else { in_time(self.sink.flush()).await }
    }

    async fn put(&mut self, message: Message) -> Result<(), CloseReason> {
        in_time(self.sink.send(message)).await
    }
}

async fn in_time<E>(writing: impl Future<Output = Result<(), E>>) -> Result<(), CloseReason> {
    match timeout(SEND_TIMEOUT, writing).await {
        Ok(Ok(())) => Ok(()),
        // Closed by the peer or too slow: alike for us, and a resume heals both.
        Ok(Err(_)) | Err(_) => Err(CloseReason::Slow),
    }
}

/// A token bucket for messages.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn full(at: Instant) -> Allowance {
        Allowance { left: MESSAGES_BURST, at }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = now.duration_since(self.at).as_secs_f64() * MESSAGES_PER_S;
        self.left = (self.left + earned).min(MESSAGES_BURST) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}
