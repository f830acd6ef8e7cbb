//! One socket without the socket: messages in, frames out. Pure, so that tests can drive it.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::TextSearch;
use super::beat::Beat;
use super::frame::Frame;
use super::presence::{PLACES_MAX, PLACES_OF_ONE_MAX, Seat};
use super::subscription::Subscription;
use super::topic::Views;
use super::view::{Layers, View};
use super::wire::{ClientMessage, ServerMessage, Subscribe};
use crate::intake::FieldFault;
use crate::journal::JournalError;
use crate::live::Sight;
use crate::model::{Bbox, Seq};

/// Subscriptions a socket may hold.
pub const SUBSCRIPTIONS_MAX: usize = 8;
/// A subscription's id has at most this many characters.
const ID_CHARS_MAX: usize = 64;
/// Zooms that a view may have.
const ZOOM_MAX: f64 = 20.0;

/// The state of one socket: a few cursors.
pub struct Session {
    sight: Sight,
    views: Arc<Views>,
    search: Arc<TextSearch>,
    subscriptions: Vec<Subscription>,
    /// The heartbeat that this socket has had.
    heartbeat_no: u64,
    /// How many resumes waited for a seq that this node had not reached.
    waits: u64,
    /// Of a member of the staff who signed in. In a box: most sockets have none.
    seat: Option<Box<Seat>>,
}

/// What is wrong with what a client asks for.
#[derive(Debug)]
pub struct SubscribeFault {
    pub kind: &'static str,
    pub title: &'static str,
    pub detail: String,
    pub errors: Vec<FieldFault>,
}

impl Session {
    pub fn new(
        sight: impl Into<Sight>,
        views: Arc<Views>,
        search: Arc<TextSearch>,
        beat: &Beat,
    ) -> Session {
        let (sight, heartbeat_no) = (sight.into(), beat.heartbeat_no);
        Session { sight, views, search, subscriptions: Vec::new(), heartbeat_no, waits: 0, seat: None }
    }

    /// The same, of somebody whose colleagues are told where they are.
    #[must_use]
    pub fn seated(self, seat: Option<Seat>) -> Session {
        Session { seat: seat.map(Box::new), ..self }
    }

    /// Whether a message may ask for words, which are looked up in the journal: then
    /// [`Session::receive`] may take a while.
    pub fn may_search(text: &str) -> bool {
        text.contains("\"q\"")
    }

    pub fn sight(&self) -> &Sight {
        &self.sight
    }

    /// The newest heartbeat that this socket has had.
    pub fn heartbeat_no(&self) -> u64 {
        self.heartbeat_no
    }

    /// Names the newest resume that waits, or waited, for a seq that this node has not reached. Two seconds after
    /// one began to wait, the caller shall [`Session::stop_waiting`] for it.
    pub fn newest_wait(&self) -> u64 {
        self.waits
    }

    /// Whether a resume waits.
    pub fn is_waiting(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_waiting)
    }

    /// Answers one message of the client.
    pub fn receive(&mut self, text: &str, beat: &Beat) -> Vec<Frame> {
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe(ask)) => {
                let id = ask.id.clone();
                self.subscribe(*ask, beat).unwrap_or_else(|fault| vec![fault.frame(Some(&id))])
            }
            Ok(ClientMessage::Unsubscribe { id }) => match self.remove(&id) {
                Some(_) => Vec::new(),
                None => vec![
                    SubscribeFault::invalid(format!("there is no subscription {id:?} on this socket"))
                        .frame(Some(&id)),
                ],
            },
            Ok(ClientMessage::Ping { t }) => vec![Frame::of(&ServerMessage::Pong { t })],
            Ok(ClientMessage::Presence { incident, editing }) => {
                let told = self.be_present(incident.as_deref(), editing, beat);
                told.err().map(|fault| fault.frame(None)).into_iter().collect()
            }
            Err(e) => vec![SubscribeFault::invalid(format!("not a message of pantau.v1: {e}")).frame(None)],
        }
    }

    /// What is to be sent because of a beat.
    pub fn beat(&mut self, beat: &Beat) -> Vec<Frame> {
        let mut frames = Vec::new();
        self.beat_into(beat, &mut frames);
        frames
    }

    /// The same, put behind what is there.
    pub fn beat_into(&mut self, beat: &Beat, frames: &mut Vec<Frame>) {
        for subscription in &mut self.subscriptions {
            if let Err(e) = subscription.beat(beat, frames) {
                // What it holds stays as it is; the next beat tries again.
                tracing::warn!(error = %e, "the texts of a search could not be read");
            }
        }
        let is_due = beat.heartbeat_no != self.heartbeat_no;
        if is_due && self.subscriptions.iter().all(|s| s.is_complete_to(beat)) {
            self.heartbeat_no = beat.heartbeat_no;
            self.subscriptions.iter_mut().for_each(|s| s.told_complete_to(beat));
            frames.push(beat.heartbeat());
        }
    }

    /// Whether a beat would have to read the journal first, for words that somebody searches: after an erasure texts
    /// begin anew. Not for a thread that others wait on: [`Session::read_texts`] before the beat, somewhere else.
    pub fn must_read(&self, beat: &Beat) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.must_read(beat))
    }

    /// Reads what beats from this one on need of the journal; `false` where it cannot be read, which the log says. May
    /// take a while.
    pub fn read_texts(&self, beat: &Beat) -> bool {
        let needed = self.subscriptions.iter().filter(|subscription| subscription.must_read(beat));
        let mut all = true;
        for subscription in needed {
            if let Err(e) = subscription.read_texts(beat) {
                tracing::warn!(error = %e, "the texts of a search could not be read");
                all = false;
            }
        }
        all
    }

    /// Gives up on seqs that this node has not reached, for what began to wait as `wait_no` or before: a snapshot
    /// says so.
    pub fn stop_waiting(&mut self, wait_no: u64, beat: &Beat) -> Vec<Frame> {
        let mut frames = Vec::new();
        for subscription in &mut self.subscriptions {
            match subscription.stop_waiting(wait_no, beat) {
                Ok(frame) => frames.extend(frame),
                Err(e) => tracing::warn!(error = %e, "the texts of a search could not be read"),
            }
        }
        frames
    }

    /// Where a subscription stands: what to resume it from. `None` where there is none of that id.
    pub fn cursor(&self, id: &str) -> Option<(Seq, &str)> {
        self.subscriptions.iter().find(|s| s.id() == id).map(Subscription::cursor)
    }

    fn be_present(&self, incident: Option<&str>, editing: bool, beat: &Beat) -> Result<(), SubscribeFault> {
        let Some(seat) = &self.seat else {
            let detail = "who is where is told among people who signed in and may see incidents; hello says so with presence";
            return Err(SubscribeFault::new("no-presence", "No presence", detail.to_owned()));
        };
        let uuid = |text: &str| {
            let uuid = text.strip_prefix("i:").unwrap_or(text).parse::<Uuid>();
            uuid.map_err(|_| {
                SubscribeFault::invalid(format!("{text:?} is no incident's id; give its UUID, or null"))
            })
        };
        let incident = incident.map(uuid).transpose()?;
        seat.look(incident, editing, &beat.map).map_err(|_| {
            let detail = format!("colleagues are shown {PLACES_MAX} places at once, {PLACES_OF_ONE_MAX} of one person; close a window or try again later");
            SubscribeFault::new("too-many-present", "Too many present", detail)
        })
    }

    fn remove(&mut self, id: &str) -> Option<Subscription> {
        let at = self.subscriptions.iter().position(|s| s.id() == id)?;
        Some(self.subscriptions.remove(at))
    }

    /// Opens or replaces a subscription; the frames bring it to where the beat is.
    ///
    /// # Errors
    /// All that is wrong with the question, or that this node cannot serve it.
    pub fn subscribe(&mut self, ask: Subscribe, beat: &Beat) -> Result<Vec<Frame>, SubscribeFault> {
        let view = self.check(&ask, beat)?;
        let known = self.subscriptions.iter().position(|s| s.id() == ask.id);
        if known.is_none() && self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let detail = format!(
                "a socket has at most {SUBSCRIPTIONS_MAX} subscriptions; end one or open another socket"
            );
            return Err(SubscribeFault::new("too-many-subscriptions", "Too many subscriptions", detail));
        }
        let topic = self.views.topic(&ask.id, view, beat.map.city(), &self.search).ok_or_else(|| {
            let detail = "this node serves as many different views as it can; try again later, or ask for a common view";
            SubscribeFault::new("too-many-views", "Too many views", detail.to_owned())
        })?;
        let mut subscription = Subscription::new(topic, beat)?;
        // What was subscribed before stays until there is an answer.
        let frames = match (known.map(|at| &self.subscriptions[at]), ask.resume) {
            (_, Some(resume)) => {
                let frames = subscription.resume(resume, self.waits + 1, beat)?;
                self.waits += u64::from(subscription.is_waiting());
                frames
            }
            (Some(before), None) => subscription.replace(before, beat)?,
            (None, None) => subscription.begin(beat)?,
        };
        if let Some(at) = known {
            self.subscriptions[at] = subscription;
        } else {
            // Most sockets have just one.
            self.subscriptions.reserve_exact(1);
            self.subscriptions.push(subscription);
        }
        Ok(frames)
    }

    fn check(&self, ask: &Subscribe, beat: &Beat) -> Result<View, SubscribeFault> {
        let mut errors = Vec::new();
        let mut fault =
            |pointer: &str, detail: String| errors.push(FieldFault { pointer: pointer.to_owned(), detail });
        if ask.id.is_empty() || ask.id.chars().count() > ID_CHARS_MAX {
            fault("/id", format!("an id has 1 to {ID_CHARS_MAX} characters"));
        }
        let bbox = match ask.bbox[..] {
            [west, south, east, north] => Bbox::new(west, south, east, north)
                .map_err(|e| fault("/bbox", format!("{e}; a bbox is [west, south, east, north]")))
                .ok(),
            _ => {
                fault("/bbox", format!("a bbox has four numbers, not {}", ask.bbox.len()));
                None
            }
        };
        if !(0.0..=ZOOM_MAX).contains(&ask.zoom) || ask.zoom.fract() != 0.0 {
            fault(
                "/zoom",
                format!("zoom is a whole number from 0 to {ZOOM_MAX}; a page takes the floor of its own"),
            );
        }
        let layers = match &ask.layers {
            None => Layers::from_keys(["incidents"]),
            Some(keys) => Layers::from_keys(keys.iter().map(String::as_str)),
        };
        let layers = layers.map_err(|detail| fault("/layers", detail)).ok();
        let filter = ask
            .filter
            .check(beat.map.city(), &self.sight, "/filter/")
            .map_err(|faults| errors.extend(faults))
            .ok();
        match (bbox, layers, filter) {
            (Some(bbox), Some(layers), Some(filter)) if errors.is_empty() => {
                let (projection, hotspots) = (self.sight.projection(), self.sight.hotspots());
                Ok(View { projection, hotspots, bbox, zoom: ask.zoom as u8, filter, layers })
            }
            _ => Err(SubscribeFault {
                errors,
                ..SubscribeFault::invalid("the subscription has faults".to_owned())
            }),
        }
    }
}

impl From<JournalError> for SubscribeFault {
    fn from(e: JournalError) -> SubscribeFault {
        tracing::warn!(error = %e, "the texts of a search could not be read");
        let detail = "the texts could not be read; try again in a moment, or without q";
        SubscribeFault::new("internal", "The server failed", detail.to_owned())
    }
}

impl SubscribeFault {
    fn new(kind: &'static str, title: &'static str, detail: String) -> SubscribeFault {
        SubscribeFault { kind, title, detail, errors: Vec::new() }
    }

    fn invalid(detail: String) -> SubscribeFault {
        SubscribeFault::new("invalid-message", "Invalid message", detail)
    }

    fn frame(&self, id: Option<&str>) -> Frame {
        let errors = self.errors.iter().map(|e| json!({"pointer": e.pointer, "detail": e.detail}));
        let problem = json!({
            "type": format!("/problems/{}", self.kind),
            "title": self.title,
            "detail": self.detail,
            "errors": errors.collect::<Vec<_>>(),
        });
        Frame::of(&ServerMessage::Error { id, problem })
    }
}
