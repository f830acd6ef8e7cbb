//! One subscription: a topic and a few cursors.

use std::sync::Arc;

use super::beat::{Beat, FrameKey, StepKey};
use super::contents::{Contents, concerns};
use super::frame::Frame;
use super::lateness::concerns_late;
use super::topic::Topic;
use super::view::View;
use super::wire::{HotspotsDelta, Reason, Resume, ServerMessage};
use crate::journal::JournalError;
use crate::model::{Projection, Seq};

pub(super) struct Subscription {
    topic: Arc<Topic>,
    level: u8,
    /// The view's digest at `level`.
    digest: Arc<str>,
    /// What the client was last told it holds.
    told: Seq,
    /// From `told` up to here nothing changed that this view shows.
    seen: Seq,
    /// Alarms up to here were sent.
    alarmed: Seq,
    /// A resume from a seq that this node has not reached: answered once it has.
    ahead: Option<Box<Ahead>>,
}

/// Where a client is that is ahead of this node.
#[derive(Debug, Clone)]
struct Ahead {
    resume: Resume,
    /// Counts what waits on a socket.
    wait_no: u64,
}

/// How a subscription goes on at a beat; the same for all in step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Nothing changed for this view.
    Nothing,
    Delta(Frame),
    /// Another level is in force.
    Level(u8),
    /// The ring does not reach back.
    TooOld,
    /// Not now: the next beat tries again.
    Later,
}

impl Subscription {
    /// Stands at the beat, and has sent nothing yet.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read.
    pub fn new(topic: Arc<Topic>, beat: &Beat) -> Result<Subscription, JournalError> {
        let level = beat.level(&topic, &*topic.view_at(&beat.map)?);
        let digest = topic.digest(level, beat.map.city());
        let seq = beat.map.seq();
        Ok(Subscription { topic, level, digest, told: seq, seen: seq, alarmed: seq, ahead: None })
    }

    pub fn id(&self) -> &str {
        self.topic.id()
    }

    /// What to resume from.
    pub fn cursor(&self) -> (Seq, &str) {
        (self.told, &self.digest)
    }

    /// Whether a resume waits for a seq that this node has not reached.
    pub fn is_waiting(&self) -> bool {
        self.ahead.is_some()
    }

    /// The first frame.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read.
    pub fn begin(&mut self, beat: &Beat) -> Result<Vec<Frame>, JournalError> {
        Ok(vec![self.snapshot(beat, self.level, Reason::Subscribed)?])
    }

    /// Waits, under the number `wait_no`, where the seq is ahead of the beat.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read; then all is as it was.
    pub fn resume(
        &mut self,
        resume: Resume,
        wait_no: u64,
        beat: &Beat,
    ) -> Result<Vec<Frame>, JournalError> {
        let map = &beat.map;
        let held = Seq(resume.seq);
        // It may have waited: what counts is what is in force now.
        let level = beat.level(&self.topic, &*self.topic.view_at(map)?);
        if resume.epoch != map.epoch().to_string() {
            return Ok(vec![self.snapshot(beat, level, Reason::EpochChanged)?]);
        }
        if held > map.seq() {
            self.ahead = Some(Box::new(Ahead { resume, wait_no }));
            return Ok(Vec::new());
        }
        let frame = if *resume.view != *self.topic.digest(level, map.city()) {
            self.snapshot(beat, level, Reason::ViewChanged)?
        } else if !reaches(beat, self.topic.view(), held) {
            self.snapshot(beat, level, Reason::TooOld)?
        } else {
            self.caught_up(held, level, beat)?
        };
        self.alarmed = held;
        let mut frames = Vec::new();
        self.alarms(beat, &mut frames);
        frames.push(frame);
        Ok(frames)
    }

    /// Turns what `before` showed into what this shows: a delta for a pan, else a snapshot. Waits on where
    /// `before` waited.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read.
    pub fn replace(&mut self, before: &Subscription, beat: &Beat) -> Result<Vec<Frame>, JournalError> {
        if before.ahead.is_some() {
            // What is held is newer than this node: another question makes it no older.
            self.ahead.clone_from(&before.ahead);
            return Ok(Vec::new());
        }
        let pan = self.topic.view().is_pan_of(before.topic.view())
            && self.level == before.level
            && reaches(beat, self.topic.view(), before.seen);
        let frame = if pan {
            let view = self.topic.view_at(&beat.map)?;
            let contents = Contents::pan(&beat.map, before.topic.view(), &view, self.level, before.seen);
            let frame = self.delta_frame(beat, before.told, self.level, &contents);
            self.stand_at(beat);
            frame
        } else {
            self.snapshot(beat, self.level, Reason::Replaced)?
        };
        self.alarmed = before.alarmed;
        let mut frames = Vec::new();
        self.alarms(beat, &mut frames);
        frames.push(frame);
        Ok(frames)
    }

    /// Whether the beat brings nothing until texts were read: see [`Subscription::read_texts`].
    pub fn must_read(&self, beat: &Beat) -> bool {
        self.topic.must_read(&beat.map)
    }

    /// Looks the words of a search up, where they must be. May take a while.
    ///
    /// # Errors
    /// Where the texts cannot be read.
    pub fn read_texts(&self, beat: &Beat) -> Result<(), JournalError> {
        self.topic.view_at(&beat.map).map(drop)
    }

    /// Gives up waiting for a seq that this node has not reached, if it waits under a number up to `wait_no`.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read; then it waits on.
    pub fn stop_waiting(&mut self, wait_no: u64, beat: &Beat) -> Result<Option<Frame>, JournalError> {
        if self.ahead.as_ref().is_none_or(|ahead| ahead.wait_no > wait_no) {
            return Ok(None);
        }
        let level = beat.level(&self.topic, &*self.topic.view_at(&beat.map)?);
        let frame = self.snapshot(beat, level, Reason::Ahead)?;
        self.ahead = None;
        self.alarmed = beat.map.seq();
        Ok(Some(frame))
    }

    /// What is to be sent because of a beat.
    ///
    /// # Errors
    /// Where the texts of a search cannot be read; the next beat tries again.
    pub fn beat(&mut self, beat: &Beat, frames: &mut Vec<Frame>) -> Result<(), JournalError> {
        let map = &beat.map;
        let reached = self.ahead.as_ref().filter(|ahead| Seq(ahead.resume.seq) <= map.seq()).cloned();
        if let Some(ahead) = reached {
            if self.topic.is_ahead_of(map) {
                return Ok(());
            }
            frames.extend(self.resume(ahead.resume, ahead.wait_no, beat)?);
            self.ahead = None;
        }
        if self.ahead.is_some() || map.seq() <= self.seen {
            return Ok(());
        }
        let frame = match beat.step(self.step_key(), || self.step(beat)) {
            Step::Later => return Ok(()),
            Step::Nothing => {
                self.seen = map.seq();
                None
            }
            Step::Delta(frame) => {
                self.stand_at(beat);
                Some(frame)
            }
            Step::Level(level) => Some(self.snapshot(beat, level, Reason::ViewChanged)?),
            Step::TooOld => Some(self.snapshot(beat, self.level, Reason::TooOld)?),
        };
        self.alarms(beat, frames);
        frames.extend(frame);
        Ok(())
    }

    /// Whether the client holds all that the beat has, so that a heartbeat may say so. One that waits
    /// holds more.
    pub fn is_complete_to(&self, beat: &Beat) -> bool {
        self.ahead.is_some() || self.seen >= beat.map.seq()
    }

    /// A heartbeat told the client that it is complete to the beat.
    pub fn told_complete_to(&mut self, beat: &Beat) {
        if self.ahead.is_none() {
            self.told = self.told.max(beat.map.seq());
        }
    }

    fn step(&self, beat: &Beat) -> Step {
        let map = &beat.map;
        if self.topic.is_ahead_of(map) {
            return Step::Later;
        }
        let view = match self.topic.view_at(map) {
            Ok(view) => view,
            Err(e) => {
                tracing::warn!(error = %e, "the texts of a search could not be read");
                return Step::Later;
            }
        };
        let level = || beat.level(&self.topic, &view);
        if !reaches(beat, &view, self.seen) {
            return Some(level()).filter(|level| *level != self.level).map_or(Step::TooOld, Step::Level);
        }
        let changes = beat.changes(&view, self.seen);
        let touched = changes.touching(map, &view, self.level);
        if touched.is_nothing() {
            return Step::Nothing;
        }
        // Another level needs another number of cells, so nothing touched leaves it as it was.
        if level() != self.level {
            return Step::Level(level());
        }
        let contents = Contents::of_touched(map, &view, self.level, changes.from(), &touched);
        if contents.is_empty() {
            Step::Nothing
        } else {
            Step::Delta(self.delta_frame(beat, self.told, self.level, &contents))
        }
    }

    fn step_key(&self) -> StepKey {
        StepKey { topic: self.topic.no(), level: self.level, told: self.told, seen: self.seen }
    }

    /// The one delta from what a reader that was away holds; there even where nothing is new.
    fn caught_up(&mut self, held: Seq, level: u8, beat: &Beat) -> Result<Frame, JournalError> {
        let key = FrameKey::Resume { topic: self.topic.no(), level, held };
        let view = self.topic.view_at(&beat.map)?;
        let frame = beat.frame(key, || {
            let contents = Contents::delta(&beat.map, &view, level, held);
            self.delta_frame(beat, held, level, &contents)
        });
        self.set_level(level, beat);
        self.stand_at(beat);
        Ok(frame)
    }

    /// Everything at a level, which is in force from then on. Where there is an error, all is as it was.
    fn snapshot(&mut self, beat: &Beat, level: u8, reason: Reason) -> Result<Frame, JournalError> {
        let key = FrameKey::Snapshot { topic: self.topic.no(), level, reason };
        let view = self.topic.view_at(&beat.map)?;
        let frame = beat.frame(key, || {
            let contents = Contents::snapshot(&beat.map, &view, level);
            Frame::of(&ServerMessage::Snapshot {
                id: self.topic.id(),
                view: &self.topic.digest(level, beat.map.city()),
                seq: beat.map.seq().0,
                level,
                features: &contents.upsert,
                hotspots: view.layers.hotspots.then_some(&contents.hotspots_upsert),
                stats: contents.stats.as_ref(),
                reason,
            })
        });
        self.set_level(level, beat);
        self.stand_at(beat);
        Ok(frame)
    }

    fn set_level(&mut self, level: u8, beat: &Beat) {
        if level != self.level {
            self.level = level;
            self.digest = self.topic.digest(level, beat.map.city());
        }
    }

    fn stand_at(&mut self, beat: &Beat) {
        self.told = beat.map.seq();
        self.seen = self.told;
    }

    fn delta_frame(&self, beat: &Beat, from: Seq, level: u8, contents: &Contents) -> Frame {
        let (upsert, remove) = (&contents.hotspots_upsert, &contents.hotspots_remove);
        let hotspots = HotspotsDelta { upsert, remove };
        Frame::of(&ServerMessage::Delta {
            id: self.topic.id(),
            view: &self.topic.digest(level, beat.map.city()),
            from: from.0,
            seq: beat.map.seq().0,
            upsert: &contents.upsert,
            remove: &contents.remove,
            hotspots: (!upsert.is_empty() || !remove.is_empty()).then_some(hotspots),
            stats: contents.stats.as_ref(),
        })
    }

    /// Alarms that were not sent yet. They ignore the bbox, and nothing conflates them.
    fn alarms(&mut self, beat: &Beat, frames: &mut Vec<Frame>) {
        let since = self.alarmed;
        self.alarmed = beat.map.seq();
        let (map, view) = (&beat.map, self.topic.view());
        let board = map.hotspots(view.hotspots);
        // Hotspots' come with ticks only.
        let of_hotspots = view.layers.hotspots && board.as_of() > since;
        let of_late = tells_of_late(view) && map.newest_late_alarm() > since;
        if !of_hotspots && !of_late {
            return;
        }
        let made = beat.alarms(self.topic.no(), since, || {
            let city = map.city();
            let alarms = board.alarms_since(since).filter(|_| of_hotspots);
            let alarms = alarms.filter(|alarm| concerns(&view.filter, alarm, city));
            let frame = |alarm| Frame::of(&ServerMessage::alarm(self.topic.id(), alarm, city));
            let mut frames: Vec<(Seq, Frame)> = alarms.map(|alarm| (alarm.seq(), frame(alarm))).collect();
            let late = map.late_alarms_since(since).filter(|_| of_late);
            let late = late.filter(|alarm| concerns_late(&view.filter, alarm, map));
            let frame = |alarm| Frame::of(&ServerMessage::late(self.topic.id(), alarm, map));
            frames.extend(late.map(|alarm| (alarm.seq, frame(alarm))));
            frames.sort_by_key(|(seq, _)| *seq);
            frames.into_iter().map(|(_, frame)| frame).collect()
        });
        frames.extend(made.iter().cloned());
    }
}

/// Whether a view is told what is late: staff's, with incidents.
fn tells_of_late(view: &View) -> bool {
    view.layers.incidents && view.projection == Projection::Staff
}

/// Whether everything after `since` is still known, of incidents and of hotspots, and where the view is of some
/// agencies alone also whose it was.
fn reaches(beat: &Beat, view: &View, since: Seq) -> bool {
    let of_some = view.filter.agencies.is_some();
    beat.map.reaches_back_to(since)
        && (!of_some || beat.map.knows_agencies_since(since))
        && beat.map.hotspots(view.hotspots).reaches_back_to(since)
}
