//! What a client says, heard and answered: one small task a socket, which wakes for nothing else.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tungstenite::Utf8Bytes;

use super::CloseReason;
use super::ears::{Ears, Heard};
use super::socket::Socket;
use super::sockets::Sockets;
use crate::feed::{Beat, Frame, Session};

/// A client may send this many messages at once …
const MESSAGES_BURST: f64 = 200.0;
/// … and this many a second for long.
const MESSAGES_PER_S: f64 = 20.0;
/// Read at once; what is read is heard before more is.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Runs until the client is gone or was sent away. `rest` came right after the handshake.
pub(super) async fn listen(sockets: Arc<Sockets>, socket: Arc<Socket>, rest: Bytes) {
    let allowance = Allowance::full(sockets.clock().monotonic());
    let mut listener = Listener { sockets, socket, ears: Ears::new(), allowance };
    let mut replies = Vec::new();
    let mut heard = listener.ears.hear(&rest, &mut replies);
    drop(rest);
    loop {
        if !heard.is_empty() {
            // In a box, so that a task that waits for bytes is small.
            match Box::pin(listener.answer(heard, replies)).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(reason) => return listener.socket.send_away(reason),
            }
        }
        match listener.read().await {
            Ok(read) => (heard, replies) = read,
            Err(_) => break,
        }
    }
    listener.socket.cut();
}

struct Listener {
    sockets: Arc<Sockets>,
    socket: Arc<Socket>,
    ears: Ears,
    allowance: Allowance,
}

impl Listener {
    /// Waits for bytes; what was heard in them, and the protocol's own replies.
    async fn read(&mut self) -> io::Result<(Vec<Heard>, Vec<u8>)> {
        let line = self.socket.line();
        loop {
            line.readable().await?;
            let mut replies = Vec::new();
            let heard = READ.with_borrow_mut(|bytes| match line.try_read(bytes)? {
                0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                n => Ok(self.ears.hear(&bytes[..n], &mut replies)),
            });
            match heard {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                heard => return heard.map(|heard| (heard, replies)),
            }
        }
    }

    /// Answers what was heard, in its order; `false` where the client said goodbye.
    async fn answer(&mut self, heard: Vec<Heard>, replies: Vec<u8>) -> Result<bool, CloseReason> {
        if !replies.is_empty() {
            self.socket.reply(replies);
        }
        for heard in heard {
            match heard {
                Heard::Alive => self.socket.is_alive(),
                Heard::Goodbye => return Ok(false),
                Heard::Fault(reason) => return Err(reason),
                Heard::Text(text) => {
                    if !self.allowance.take(self.sockets.clock().monotonic()) {
                        return Err(CloseReason::Flood);
                    }
                    if !self.sockets.holds(&self.socket) {
                        return Err(CloseReason::SignedOut);
                    }
                    self.message(text).await;
                }
            }
            // Who does not read is not listened to: answers do not pile up. Whoever writes sees to it
            // that this comes to an end; a line that breaks is found out when it is read.
            if self.socket.drained().await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn message(&self, text: Utf8Bytes) {
        // A search may take a while, and runs where it is in nobody's way.
        let (_turn, session) = loop {
            // Before its turn: who waits for texts keeps nobody from theirs.
            if !self.socket.has_session().await {
                return;
            }
            let turn = if Session::may_search(&text) { None } else { self.sockets.turn().await };
            if let Some(session) = self.socket.take_session() {
                break (turn, session);
            }
        };
        let (session, frames) = receive(session, text, self.sockets.newest()).await;
        self.socket.answer(session, frames);
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
    crate::api::aside(answer).await
}

/// A token bucket for messages.
struct Allowance {
    left: f64,
    /// By the clock's monotonic time.
    at: Duration,
}

impl Allowance {
    fn full(at: Duration) -> Allowance {
        Allowance { left: MESSAGES_BURST, at }
    }

    fn take(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.at).as_secs_f64() * MESSAGES_PER_S;
        self.left = (self.left + earned).min(MESSAGES_BURST) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}
