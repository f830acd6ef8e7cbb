//! The live socket: a [`Session`] at the end of a line.
//!
//! After the handshake nothing of HTTP is left of a connection. `handshake` answers it, `line` is what
//! it leaves; `socket` is a line with its session and what is on its way out (`outbox`), `sockets` are
//! all of them. One thread writes to all at each beat (`rounds`), a small task a socket hears what its
//! client says (`listen`, `ears`), `beats` has the newest moment for both, and `presence` tells the staff
//! who of them is where.

mod beats;
mod ears;
mod handshake;
mod line;
mod listen;
mod outbox;
mod presence;
mod rounds;
mod socket;
mod sockets;
mod tls_line;

pub use beats::Beats;
pub use rounds::Rounds;
pub use sockets::Sockets;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;

use super::access::Caller;
use super::app::{App, AppState};
use super::params::Params;
use super::problem::Problem;
use crate::feed::wire::{ServerMessage, time};
use crate::feed::{Frame, Session};
use handshake::Handshake;
use line::Line;
use socket::Socket;

const PROTOCOL: &str = "pantau.v1";
/// The same messages; long ones come as binary messages with the JSON in raw DEFLATE.
const PROTOCOL_DEFLATE: &str = "pantau.v1.deflate";
/// A larger message closes the socket.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How long a resume from a seq ahead of this node waits for the node to catch up.
pub(super) const AHEAD_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// The session or the token that it was opened with ended, or is for something else now: come back
    /// with another, or as the public.
    SignedOut,
    /// A binary message: do not come back without changing the program.
    Binary,
    /// A message too large or not readable: do not come back without changing the program.
    Unreadable,
}

impl CloseReason {
    /// The frame that says so.
    fn frame(self) -> Bytes {
        let (code, reason): (u16, &str) = match self {
            CloseReason::GoingAway => (1001, "the server is stopping; come back"),
            CloseReason::Slow => (4000, "frames were not taken in time; come back and resume"),
            CloseReason::Silent => (4001, "no answer to pings; come back and resume"),
            CloseReason::Flood => (4002, "too many messages; come back later"),
            CloseReason::SignedOut => (4401, "the session or token ended; sign in again"),
            CloseReason::Binary => (4500, "this protocol has text messages only"),
            CloseReason::Unreadable => (4501, "a message was larger than 64 KiB, or no WebSocket text"),
        };
        // A frame of control has at most 125 bytes, so its length is one.
        let head = [0x88, 2 + reason.len() as u8];
        [&head, &code.to_be_bytes()[..], reason.as_bytes()].concat().into()
    }
}

#[utoipa::path(get, path = "/api/v1/live", tag = "map",
    description = "The live socket (WebSocket, subprotocol pantau.v1): docs/live-protocol.md.",
    responses((status = 101), (status = 401), (status = 403), (status = 426)))]
pub async fn live(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    params.finish()?;
    let (handshake, connection) = Handshake::of(&mut parts)?;
    let deflate = handshake.deflates();
    let sockets = app.sockets.clone();
    sockets.spawn(async move {
        // A client that went away meanwhile has no use for a socket.
        let line = connection.await.ok().and_then(Line::of_upgraded);
        if let Some((line, rest)) = line {
            open(&app, line, rest, deflate, caller);
        }
    });
    Ok(handshake.answer())
}

/// Says hello, and begins to listen. `rest` came right after the handshake.
fn open(app: &App, line: Line, rest: Bytes, deflate: bool, caller: Caller) {
    let (sockets, sight) = (&app.sockets, caller.sight());
    let key = sight.key();
    let seat = caller.pass.as_ref().and_then(|pass| {
        let name = app.accounts.as_ref().and_then(|accounts| accounts.full_name(&pass.who.name));
        sockets.presence().seat(&pass.who, name.as_deref().unwrap_or(&pass.who.name))
    });
    let has_seat = seat.is_some();
    let session =
        Session::new(sight, app.views.clone(), app.search.clone(), &sockets.newest()).seated(seat);
    let socket = Socket::new(line, deflate, session, sockets.clone(), caller.pass);
    socket.tell(&hello(app, key, has_seat));
    let ears = tokio::spawn(listen::listen(sockets.clone(), socket.clone(), rest));
    socket.set_ears(ears.abort_handle());
    sockets.join(&socket);
}

/// `presence`: whether the reader may say where they are.
pub(super) fn hello(app: &App, projection: &'static str, presence: bool) -> Frame {
    let live = app.live();
    Frame::of(&ServerMessage::Hello {
        protocol: PROTOCOL,
        epoch: live.epoch().to_string(),
        seq: live.seq().0,
        projection,
        frame_ms: app.frame_ms,
        heartbeat_s: app.heartbeat_s,
        now: time(app.clock.now()),
        speed: app.clock.speed(),
        build: crate::BUILD,
        degraded: app.engine.health().is_degraded(),
        in_touch: app.edge().is_none_or(|edge| edge.status.is_in_touch()),
        presence,
    })
}
