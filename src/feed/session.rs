//! One socket without the socket: messages in, frames out. Pure, so that tests can drive it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::TextSearch;
use super::beat::{Beat, FrameKey, FrameKind, ViewLease, Views};
use super::contents::{Contents, concerns};
use super::frame::Frame;
use super::view::{Layers, View};
use super::wire::{ClientMessage, HotspotsDelta, Reason, Resume, ServerMessage, Subscribe, time};
use crate::intake::FieldFault;
use crate::live::Alarm;
use crate::model::{Bbox, Projection, Seq};

/// Subscriptions a socket may hold.
pub const SUBSCRIPTIONS_MAX: usize = 8;
/// A subscription's id has at most this many characters.
const ID_CHARS_MAX: usize = 64;
/// Zooms that a view may have.
const ZOOM_MAX: f64 = 20.0;

/// The state of one socket: a few cursors.
pub struct Session {
    projection: Projection,
    views: Arc<Views>,
    search: Arc<TextSearch>,
    subscriptions: BTreeMap<String, Subscription>,
    /// The heartbeat that this socket has had.
    heartbeat_no: u64,
}

struct Subscription {
    view: View,
    /// The view's digest at level 0: names it whatever level is in force.
    base: String,
    level: u8,
    digest: String,
    /// What the client was last told it holds.
    held: Seq,
    /// Alarms up to here were sent.
    alarmed: Seq,
    /// A resume from a seq that this node has not reached: answered once it has.
    ahead: Option<Resume>,
    _lease: ViewLease,
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
    pub fn new(projection: Projection, views: Arc<Views>, search: Arc<TextSearch>, beat: &Beat) -> Session {
        let heartbeat_no = beat.heartbeat_no;
        Session { projection, views, search, subscriptions: BTreeMap::new(), heartbeat_no }
    }

    /// Whether a message may ask for words, which are looked up in the journal: then
    /// [`Session::receive`] may take a while.
    pub fn may_search(text: &str) -> bool {
        text.contains("\"q\"")
    }

    pub fn projection(&self) -> Projection {
        self.projection
    }

    /// The newest heartbeat that this socket has had.
    pub fn heartbeat_no(&self) -> u64 {
        self.heartbeat_no
    }

    /// Whether a resume waits for a seq that this node has not reached. Two seconds after it began,
    /// the caller shall [`Session::stop_waiting`].
    pub fn is_waiting(&self) -> bool {
        self.subscriptions.values().any(|s| s.ahead.is_some())
    }

    /// Answers one message of the client.
    pub fn receive(&mut self, text: &str, beat: &Beat) -> Vec<Frame> {
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe(ask)) => {
                let id = ask.id.clone();
                self.subscribe(*ask, beat).unwrap_or_else(|fault| vec![fault.frame(Some(&id))])
            }
            Ok(ClientMessage::Unsubscribe { id }) => match self.subscriptions.remove(&id) {
                Some(_) => Vec::new(),
                None => vec![
                    SubscribeFault::invalid(format!("there is no subscription {id:?} on this socket"))
                        .frame(Some(&id)),
                ],
            },
            Ok(ClientMessage::Ping { t }) => vec![Frame::of(&ServerMessage::Pong { t })],
            Err(e) => vec![SubscribeFault::invalid(format!("not a message of pantau.v1: {e}")).frame(None)],
        }
    }

    /// What is to be sent because of a beat.
    pub fn beat(&mut self, beat: &Beat) -> Vec<Frame> {
        let mut frames = Vec::new();
        let heartbeat = beat.heartbeat_no != self.heartbeat_no;
        self.heartbeat_no = beat.heartbeat_no;
        for (id, subscription) in &mut self.subscriptions {
            if let Err(e) = self.search.look_up(&mut subscription.view.filter, self.projection, &beat.map) {
                // What it holds stays as it is; the next beat tries again.
                tracing::warn!(error = %e, "the texts of a search could not be read");
                continue;
            }
            subscription.beat(id, beat, &mut frames);
            if heartbeat && subscription.ahead.is_none() {
                subscription.held = subscription.held.max(beat.map.seq());
            }
        }
        if heartbeat {
            frames.push(Frame::of(&ServerMessage::Heartbeat {
                seq: beat.map.seq().0,
                time: time(beat.time),
                speed: beat.speed,
            }));
        }
        frames
    }

    /// Gives up on seqs that this node has not reached: a snapshot says so.
    pub fn stop_waiting(&mut self, beat: &Beat) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (id, subscription) in &mut self.subscriptions {
            if subscription.ahead.take().is_some() {
                subscription.alarmed = beat.map.seq();
                frames.extend(subscription.snapshot(id, beat, Reason::Ahead));
            }
        }
        frames
    }

    /// Where a subscription stands: what to resume it from. `None` where there is none of that id.
    pub fn cursor(&self, id: &str) -> Option<(Seq, &str)> {
        self.subscriptions.get(id).map(|s| (s.held, s.digest.as_str()))
    }

    /// Opens or replaces a subscription; the frames bring it to where the beat is.
    ///
    /// # Errors
    /// All that is wrong with the question, or that this node cannot serve it.
    pub fn subscribe(&mut self, ask: Subscribe, beat: &Beat) -> Result<Vec<Frame>, SubscribeFault> {
        let mut view = self.check(&ask, beat)?;
        let known = self.subscriptions.contains_key(&ask.id);
        if !known && self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let detail = format!(
                "a socket has at most {SUBSCRIPTIONS_MAX} subscriptions; end one or open another socket"
            );
            return Err(SubscribeFault::new("too-many-subscriptions", "Too many subscriptions", detail));
        }
        let city = beat.map.city();
        let base = view.digest(0, city);
        let lease = self.views.lease(&base).ok_or_else(|| {
            let detail = "this node serves as many different views as it can; try again later, or ask for a common view";
            SubscribeFault::new("too-many-views", "Too many views", detail.to_owned())
        })?;
        self.search.look_up(&mut view.filter, self.projection, &beat.map).map_err(|e| {
            tracing::warn!(error = %e, "the texts of a search could not be read");
            let detail = "the texts could not be read; try again in a moment, or without q";
            SubscribeFault::new("internal", "The server failed", detail.to_owned())
        })?;
        let level = beat.level(&base, &view);
        let digest = view.digest(level, city);
        let seq = beat.map.seq();
        let before = self.subscriptions.remove(&ask.id);
        let subscription =
            Subscription { view, base, level, digest, held: seq, alarmed: seq, ahead: None, _lease: lease };
        let subscription = self.subscriptions.entry(ask.id.clone()).or_insert(subscription);
        Ok(match (before, ask.resume) {
            (_, Some(resume)) => subscription.resume(&ask.id, &resume, beat),
            (Some(before), None) => subscription.replace(&ask.id, &before, beat),
            (None, None) => subscription.snapshot(&ask.id, beat, Reason::Subscribed).into_iter().collect(),
        })
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
            .check(beat.map.city(), self.projection, "/filter/")
            .map_err(|faults| errors.extend(faults))
            .ok();
        match (bbox, layers, filter) {
            (Some(bbox), Some(layers), Some(filter)) if errors.is_empty() => {
                Ok(View { projection: self.projection, bbox, zoom: ask.zoom as u8, filter, layers })
            }
            _ => Err(SubscribeFault {
                errors,
                ..SubscribeFault::invalid("the subscription has faults".to_owned())
            }),
        }
    }
}

impl Subscription {
    fn resume(&mut self, id: &str, resume: &Resume, beat: &Beat) -> Vec<Frame> {
        let map = &beat.map;
        let held = Seq(resume.seq);
        if resume.epoch != map.epoch().to_string() {
            return self.snapshot(id, beat, Reason::EpochChanged).into_iter().collect();
        }
        if held > map.seq() {
            self.ahead = Some(resume.clone());
            return Vec::new();
        }
        self.alarmed = held;
        let mut frames = self.alarms(id, beat);
        if resume.view != self.digest {
            frames.extend(self.snapshot(id, beat, Reason::ViewChanged));
        } else if !reaches(beat, self.view.projection, held) {
            frames.extend(self.snapshot(id, beat, Reason::TooOld));
        } else {
            self.held = held;
            let contents = Contents::delta(map, &self.view, self.level, held);
            frames.push(self.delta_frame(id, beat, &contents));
            self.held = map.seq();
        }
        frames
    }

    /// Turns what `before` showed into what this shows: a delta for a pan, else a snapshot.
    fn replace(&mut self, id: &str, before: &Subscription, beat: &Beat) -> Vec<Frame> {
        self.alarmed = before.alarmed;
        let mut frames = self.alarms(id, beat);
        let pan = self.view.is_pan_of(&before.view)
            && self.level == before.level
            && before.ahead.is_none()
            && reaches(beat, self.view.projection, before.held);
        if pan {
            self.held = before.held;
            let contents = Contents::pan(&beat.map, &before.view, &self.view, self.level, before.held);
            frames.push(self.delta_frame(id, beat, &contents));
            self.held = beat.map.seq();
        } else {
            frames.extend(self.snapshot(id, beat, Reason::Replaced));
        }
        frames
    }

    fn beat(&mut self, id: &str, beat: &Beat, frames: &mut Vec<Frame>) {
        let map = &beat.map;
        if let Some(ahead) = self.ahead.take_if(|ahead| Seq(ahead.seq) <= map.seq()) {
            frames.extend(self.resume(id, &ahead, beat));
        }
        if self.ahead.is_some() {
            return;
        }
        if map.seq() <= self.held {
            return;
        }
        frames.extend(self.alarms(id, beat));
        let level = beat.level(&self.base, &self.view);
        if level != self.level {
            self.level = level;
            self.digest = self.view.digest(level, map.city());
            frames.extend(self.snapshot(id, beat, Reason::ViewChanged));
        } else if !reaches(beat, self.view.projection, self.held) {
            frames.extend(self.snapshot(id, beat, Reason::TooOld));
        } else if let Some(frame) = self.shared_delta(id, beat) {
            frames.push(frame);
            self.held = map.seq();
        }
    }

    /// The frame that all in step get, or `None` where nothing changed for this view.
    fn shared_delta(&self, id: &str, beat: &Beat) -> Option<Frame> {
        beat.frame(self.key(id, FrameKind::Delta { from: self.held }), || {
            let contents = Contents::delta(&beat.map, &self.view, self.level, self.held);
            (!contents.is_empty()).then(|| self.delta_frame(id, beat, &contents))
        })
    }

    fn snapshot(&mut self, id: &str, beat: &Beat, reason: Reason) -> Option<Frame> {
        self.held = beat.map.seq();
        beat.frame(self.key(id, FrameKind::Snapshot(reason)), || {
            let contents = Contents::snapshot(&beat.map, &self.view, self.level);
            Some(Frame::of(&ServerMessage::Snapshot {
                id,
                view: &self.digest,
                seq: beat.map.seq().0,
                level: self.level,
                features: &contents.upsert,
                hotspots: self.view.layers.hotspots.then_some(&contents.hotspots_upsert),
                stats: contents.stats,
                reason,
            }))
        })
    }

    fn delta_frame(&self, id: &str, beat: &Beat, contents: &Contents) -> Frame {
        let (upsert, remove) = (&contents.hotspots_upsert, &contents.hotspots_remove);
        let hotspots = HotspotsDelta { upsert, remove };
        Frame::of(&ServerMessage::Delta {
            id,
            view: &self.digest,
            from: self.held.0,
            seq: beat.map.seq().0,
            upsert: &contents.upsert,
            remove: &contents.remove,
            hotspots: (!upsert.is_empty() || !remove.is_empty()).then_some(hotspots),
            stats: contents.stats.clone(),
        })
    }

    fn key(&self, id: &str, kind: FrameKind) -> FrameKey {
        FrameKey { view: self.digest.clone(), subscription: id.to_owned(), kind }
    }

    /// Alarms that were not sent yet. They ignore the bbox, and nothing conflates them.
    fn alarms(&mut self, id: &str, beat: &Beat) -> Vec<Frame> {
        let since = self.alarmed;
        self.alarmed = beat.map.seq();
        let board = beat.map.hotspots(self.view.projection);
        let (view, city) = (&self.view, beat.map.city());
        let meant = |alarm: &&Alarm| view.layers.hotspots && concerns(&view.filter, alarm, city);
        let frame = |alarm| Frame::of(&ServerMessage::alarm(id, alarm, city));
        board.alarms_since(since).filter(meant).map(frame).collect()
    }
}

/// Whether everything after `since` is still known, of incidents and of hotspots.
fn reaches(beat: &Beat, projection: Projection, since: Seq) -> bool {
    beat.map.reaches_back_to(since) && beat.map.hotspots(projection).reaches_back_to(since)
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
