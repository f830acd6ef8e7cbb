//! One socket: its line, its session, and what is on its way out.
//!
//! The task that listens owns it; the rounds visit it at each beat. Whoever has something for the
//! client writes it at once, under the lock, and nobody waits for the line there: where it takes no
//! more, a task comes into being that goes on when it does, and ends once the client is in step.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::line::Line;
use super::outbox::{Out, Outbox};
use super::sockets::Sockets;
use super::{AHEAD_TIMEOUT, CloseReason};
use crate::accounts::Pass;
use crate::feed::{Beat, Frame, Session};

/// How long a client that is sent away may take to close its side.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// Texts that could not be read are tried again after this long.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// A client that answers no ping for this many heartbeats is gone.
const SILENT_HEARTBEATS_MAX: u8 = 4;
/// A frame of control that asks for a pong.
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

pub(super) struct Socket {
    line: Line,
    deflate: bool,
    sockets: Arc<Sockets>,
    /// What it was opened with. In a box: most have none.
    pass: Option<Box<Pass>>,
    state: Mutex<State>,
}

struct State {
    /// Elsewhere while a message of the client is answered, or texts are read that it searches; gone once the client
    /// is sent away.
    session: Option<Session>,
    /// What came while the session was elsewhere.
    missed: Missed,
    outbox: Outbox,
    /// A task goes on writing when the line takes more.
    finishing: bool,
    /// The newest resume from a seq ahead of this node that a task gives up in time.
    timed: u64,
    leaving: bool,
    /// What a beat brought needs texts that must be read first.
    must_read: bool,
    /// Heartbeats since the client last answered one.
    unanswered: u8,
    /// The task that listens.
    ears: Option<AbortHandle>,
    /// What it was told last of who is where.
    present: Option<Frame>,
}

#[derive(Default)]
struct Missed {
    beat: bool,
    /// It is time to give up what began to wait for a seq as this, or before.
    end_of_waiting: Option<u64>,
    /// Dropped when the session is back: a message waits for it.
    wanted: Option<oneshot::Sender<()>>,
}

/// Room to gather messages in, used for one socket after the other.
#[derive(Default)]
pub(super) struct Desk {
    frames: Vec<Frame>,
    out: Vec<Out>,
}

impl Socket {
    pub fn new(
        line: Line,
        deflate: bool,
        session: Session,
        sockets: Arc<Sockets>,
        pass: Option<Pass>,
    ) -> Arc<Socket> {
        sockets.count(|open| open + 1);
        let state = State {
            session: Some(session),
            missed: Missed::default(),
            outbox: Outbox::default(),
            finishing: false,
            timed: 0,
            leaving: false,
            must_read: false,
            unanswered: 0,
            ears: None,
            present: None,
        };
        let pass = pass.map(Box::new);
        Arc::new(Socket { line, deflate, sockets, pass, state: Mutex::new(state) })
    }

    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What it was opened with, where that can end.
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_deref()
    }

    /// The task that listens, to be ended with the socket.
    pub fn set_ears(&self, ears: AbortHandle) {
        let mut state = self.lock();
        if state.leaving {
            ears.abort();
        } else {
            state.ears = Some(ears);
        }
    }

    /// Sends what a beat has for the client. One whose line is full gets it later, in one with what
    /// comes then.
    pub fn beat(self: &Arc<Socket>, beat: &Beat, desk: &mut Desk) {
        let mut state = self.lock();
        if state.session.is_none() {
            state.missed.beat = true;
        } else if state.outbox.is_empty() {
            let gathered = state.gather(beat, self.deflate, desk);
            self.send(state, gathered, desk);
        }
    }

    /// Waits until the session is there; `false` where it never will be again.
    pub async fn has_session(&self) -> bool {
        loop {
            let back = {
                let mut state = self.lock();
                if state.leaving || state.session.is_some() {
                    return !state.leaving;
                }
                let (wanted, back) = oneshot::channel();
                state.missed.wanted = Some(wanted);
                back
            };
            // It ends without a word.
            let _ = back.await;
        }
    }

    /// The session, to answer a message with; to be given back.
    pub fn take_session(&self) -> Option<Session> {
        self.lock().session.take()
    }

    /// Gives the session back, sends the answer, and what beats brought meanwhile.
    pub fn answer(self: &Arc<Socket>, session: Session, frames: Vec<Frame>) {
        let mut desk = Desk { frames, out: Vec::new() };
        let mut state = self.lock();
        if state.leaving {
            return;
        }
        state.session = Some(session);
        let mut gathered = Ok(());
        let missed = std::mem::take(&mut state.missed);
        if missed.beat || missed.end_of_waiting.is_some() {
            let beat = self.sockets.newest();
            if let Some(wait_no) = missed.end_of_waiting {
                state.stop_waiting(wait_no, &beat, &mut desk);
            }
            gathered = state.gather(&beat, self.deflate, &mut desk);
        } else {
            desk.pack(self.deflate);
        }
        if let Some(wait_no) = state.newest_wait().filter(|no| *no > state.timed) {
            state.timed = wait_no;
            self.sockets.spawn(self.clone().end_waiting(wait_no));
        }
        self.send(state, gathered, &mut desk);
    }

    /// Sends frames as they are.
    pub fn reply(self: &Arc<Socket>, raw: Vec<u8>) {
        let mut desk = Desk { frames: Vec::new(), out: vec![Out::Raw(raw.into())] };
        self.send(self.lock(), Ok(()), &mut desk);
    }

    /// Sends frames that no beat brought.
    pub fn tell(self: &Arc<Socket>, frame: &Frame) {
        let mut desk = Desk { frames: Vec::new(), out: vec![Out::frame(frame, self.deflate)] };
        self.send(self.lock(), Ok(()), &mut desk);
    }

    /// Tells who is where, unless the client knows; `nobody` is what a client knows that was told nothing.
    /// `false`: its line is full, and it is to be told later.
    pub fn tell_presence(self: &Arc<Socket>, people: &Frame, nobody: bool) -> bool {
        let mut state = self.lock();
        let knows = state.present.as_ref().map_or(nobody, |told| told.json() == people.json());
        if knows || state.leaving {
            return true;
        }
        if !state.outbox.is_empty() {
            return false;
        }
        state.present = Some(people.clone());
        let mut desk = Desk { frames: Vec::new(), out: vec![Out::frame(people, self.deflate)] };
        self.send(state, Ok(()), &mut desk);
        true
    }

    /// The client answered a ping, or sent one.
    pub fn is_alive(&self) {
        self.lock().unanswered = 0;
    }

    /// Ends it without a word: the client is gone, or cannot be served.
    pub fn cut(&self) {
        let ears = self.lock().leave();
        if let Some(ears) = ears {
            ears.abort();
        }
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// The line is broken.
    pub async fn drained(&self) -> io::Result<()> {
        loop {
            {
                let mut state = self.lock();
                state.outbox.flush(&self.line)?;
                if state.outbox.is_empty() {
                    return Ok(());
                }
            }
            self.line.writable().await?;
        }
    }

    /// Tells the client why it must go, and lets it.
    pub fn send_away(self: &Arc<Socket>, reason: CloseReason) {
        let mut state = self.lock();
        if state.leaving {
            return;
        }
        let ears = state.leave();
        // The peer may be gone already; then there is nobody to tell.
        if state.outbox.send(&mut vec![Out::Raw(reason.frame())], &self.line).is_ok() {
            self.sockets.spawn(self.clone().say_goodbye());
        }
        drop(state);
        if let Some(ears) = ears {
            ears.abort();
        }
    }

    /// Waits a moment for the client to hear why: a connection that is closed while messages lie
    /// unread in it is reset, and the reason is lost.
    async fn say_goodbye(self: Arc<Socket>) {
        if let Ok(Ok(())) = timeout(self.sockets.patience(), self.drained()).await {
            self.line.end();
            let _ = timeout(GOODBYE_TIMEOUT, self.line.read_to_end()).await;
        }
    }

    /// Writes what was gathered as far as the line takes it, and sees to the rest.
    fn send(
        self: &Arc<Socket>,
        mut state: MutexGuard<'_, State>,
        gathered: Result<(), CloseReason>,
        desk: &mut Desk,
    ) {
        let sent = state.outbox.send(&mut desk.out, &self.line);
        if sent.is_err() {
            drop(state);
            return self.cut();
        }
        let must_read = std::mem::take(&mut state.must_read);
        if let Some(session) = must_read.then(|| state.session.take()).flatten() {
            self.sockets.spawn(self.clone().read_texts(session));
        }
        if !state.outbox.is_empty() && !state.finishing && !state.leaving {
            state.finishing = true;
            self.sockets.spawn(self.clone().finish());
        }
        drop(state);
        if let Err(reason) = gathered {
            self.send_away(reason);
        }
    }

    /// Brings a client whose line was full into step again, or sends it away.
    async fn finish(self: Arc<Socket>) {
        let mut desk = Desk::default();
        loop {
            match timeout(self.sockets.patience(), self.drained()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    let ears = self.lock().leave();
                    return if let Some(ears) = ears {
                        ears.abort()
                    };
                }
                Err(_) => return self.send_away(CloseReason::Slow),
            }
            let beat = self.sockets.newest();
            let mut state = self.lock();
            let mut gathered = Ok(());
            if state.session.is_some() {
                gathered = state.gather(&beat, self.deflate, &mut desk);
            } else {
                state.missed.beat = true;
            }
            let sent = state.outbox.send(&mut desk.out, &self.line).is_ok();
            state.finishing = sent && gathered.is_ok() && !state.outbox.is_empty();
            if !state.finishing {
                return self.send(state, gathered, &mut desk);
            }
        }
    }

    /// Has the texts read that a search needs, where that holds up nobody, and goes on with the newest beat.
    async fn read_texts(self: Arc<Socket>, session: Session) {
        let turn = self.sockets.turn_to_read().await;
        let beat = self.sockets.newest();
        let read = tokio::task::spawn_blocking(move || {
            let is_read = session.read_texts(&beat);
            (session, is_read)
        });
        let read = read.await;
        drop(turn);
        // One that panicked is not used again.
        let Ok((session, is_read)) = read else { return self.cut() };
        if !is_read {
            sleep(READ_AGAIN).await;
        }
        self.lock().missed.beat = true;
        self.answer(session, Vec::new());
    }

    /// Gives a resume from ahead of this node up in time: each has its own, and a client may not ask often.
    async fn end_waiting(self: Arc<Socket>, wait_no: u64) {
        sleep(AHEAD_TIMEOUT).await;
        let mut desk = Desk::default();
        let beat = self.sockets.newest();
        let mut state = self.lock();
        if state.session.is_none() {
            // They end in their order.
            state.missed.end_of_waiting = Some(wait_no);
        } else {
            state.stop_waiting(wait_no, &beat, &mut desk);
            desk.pack(self.deflate);
            self.send(state, Ok(()), &mut desk);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A session that panicked is not used again: the task or the round that had it is gone.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.sockets.count(|open| open - 1);
    }
}

impl State {
    /// What a beat has for the client, put behind what lies on the desk.
    fn gather(&mut self, beat: &Beat, deflate: bool, desk: &mut Desk) -> Result<(), CloseReason> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if session.must_read(beat) {
            self.must_read = true;
            desk.pack(deflate);
            return Ok(());
        }
        let had = session.heartbeat_no();
        session.beat_into(beat, &mut desk.frames);
        if session.heartbeat_no() != had {
            self.unanswered += 1;
            desk.out.push(Out::Raw(PING));
        }
        desk.pack(deflate);
        if self.unanswered > SILENT_HEARTBEATS_MAX { Err(CloseReason::Silent) } else { Ok(()) }
    }

    fn newest_wait(&self) -> Option<u64> {
        self.session.as_ref().filter(|session| session.is_waiting()).map(Session::newest_wait)
    }

    fn stop_waiting(&mut self, wait_no: u64, beat: &Beat, desk: &mut Desk) {
        let Some(session) = &mut self.session else { return };
        if session.must_read(beat) {
            self.must_read = true;
            self.missed.end_of_waiting = Some(wait_no);
        } else {
            desk.frames.extend(session.stop_waiting(wait_no, beat));
        }
    }

    /// The end: nothing more is sent but a goodbye. Answers the task that is to end, too.
    fn leave(&mut self) -> Option<AbortHandle> {
        self.leaving = true;
        self.session = None;
        self.ears.take()
    }
}

impl Desk {
    /// Makes messages of the frames.
    fn pack(&mut self, deflate: bool) {
        self.out.extend(self.frames.drain(..).map(|frame| Out::frame(&frame, deflate)));
    }
}
