//! The origin: the product's engine turned by hand, and its publishing to the stream.

use std::sync::Arc;

use pantau::edge::{Desk, Place};
use pantau::engine::{Core, EngineError, StateMarks, Turn};
use pantau::health::Condition;
use pantau::journal::Pseudonyms;
use pantau::model::{Command, Outcome, Seq};

use super::disk::Stop;
use super::edge::Parked;
use super::journal::SimJournal;
use super::lines::End;
use super::screen::Node;
use super::sender::{Answer, ReplyTo};
use super::time::{Ms, SECOND, SimClock};
use super::world::{Event, World};

/// As the product's: after a fault of the stream.
const PAUSE: Ms = SECOND;
const SIGN_EVERY: Ms = pantau::edge::ALIVE_EVERY.as_millis() as Ms;
/// Entries published in one go.
const BATCH: usize = 256;

pub struct Origin {
    /// Counts its lives: what was meant for another is not heard.
    pub life: u32,
    pub clock: Arc<SimClock>,
    pub core: Option<Core>,
    pub desk: Option<Arc<Desk>>,
    pub node: Node,
    inbox: Vec<(ReplyTo, Command)>,
    busy_until: Ms,
    /// Names the newest time at which the engine's wait ends.
    turn_no: u32,
    /// A flush failed: nothing may be acknowledged in this life.
    pub failed: bool,
    session: Option<Session>,
    /// It is about to publish.
    pub publishes: bool,
    /// It is about to give a sign of life.
    gives_sign: bool,
    pub parked: Vec<Parked>,
}

/// Publishing, while the connection lasts.
struct Session {
    stream_life: u32,
    place: Place,
}

impl Origin {
    pub fn new(clock: Arc<SimClock>) -> Origin {
        let (core, desk, inbox, session, parked) = Default::default();
        let (failed, publishes, gives_sign) = (false, false, false);
        let node = Node::default();
        Origin {
            life: 0,
            clock,
            core,
            desk,
            node,
            inbox,
            busy_until: 0,
            turn_no: 0,
            failed,
            session,
            publishes,
            gives_sign,
            parked,
        }
    }

    pub fn head(&self) -> Seq {
        self.desk.as_ref().map_or(Seq(0), |desk| desk.moments().live().seq())
    }
}

impl World {
    /// The process begins, from what the disk holds.
    pub fn origin_starts(&mut self) {
        if self.origin.core.is_some() {
            return;
        }
        let sabotage = self.plan.sabotage;
        let journal = SimJournal::open(
            self.disk.clone(),
            self.city.clone(),
            self.secret,
            self.epoch,
            sabotage.forgets_keys(),
        );
        let marks = if self.plan.marks { StateMarks::in_place() } else { StateMarks::default() };
        let clock = self.origin.clock.clone();
        let core = Core::start(Box::new(journal), self.city.clone(), clock.clone(), marks);
        let Ok(core) = core else {
            // The power went again, or the disk failed, before the pack was in force.
            return self.origin_stops(Stop::PowerCut);
        };
        let reader = core.reader();
        if std::mem::take(&mut self.is_restored) {
            self.book.restored(&*reader, self.epoch);
            self.forget_after_restore();
        } else {
            self.book.came_back(&*reader);
        }
        let map = core.moments().live();
        self.tell(|| format!("the origin starts at {} of {}", map.seq(), map.epoch()));
        self.book.compare("the origin at its start", &map);
        let pseudonyms = Pseudonyms::new(self.secret.0);
        let node = (core.moments(), reader.clone(), core.health().clone());
        let desk = Desk::over(node, (self.city.clone(), clock), (self.secret, pseudonyms), None);
        let origin = &mut self.origin;
        origin.node = Node::over(reader);
        origin.desk = Some(Arc::new(desk));
        origin.core = Some(core);
        origin.failed = false;
        origin.busy_until = self.now.ms();
        self.turn_at(self.now.ms());
        self.new_entries();
        self.wake_all();
    }

    /// The process or the machine is gone, and comes back by and by.
    pub fn origin_stops(&mut self, how: Stop) {
        self.disk.stop(how);
        let origin = &mut self.origin;
        origin.life += 1;
        (origin.core, origin.desk, origin.session) = (None, None, None);
        origin.inbox.clear();
        let parked = std::mem::take(&mut origin.parked);
        self.hang_up(parked);
        self.screens_fall(End::Origin);
        let after = if self.is_healed() { 1 } else { 100 + self.chance.below(20_000) as Ms };
        self.agenda.put(self.now.ms() + after, Event::OriginStarts);
    }

    pub fn submit(&mut self, to: ReplyTo, command: Command) {
        self.origin.inbox.push((to, command));
        self.turn_at(self.now.ms().max(self.origin.busy_until));
    }

    fn turn_at(&mut self, at: Ms) {
        self.origin.turn_no += 1;
        self.agenda.put(at, Event::Turn { life: self.origin.life, no: self.origin.turn_no });
    }

    /// The engine's wait is over.
    pub fn turn(&mut self, life: u32, no: u32) {
        if life != self.origin.life || no != self.origin.turn_no {
            return;
        }
        let Some(mut core) = self.origin.core.take() else { return };
        let (to, commands): (Vec<ReplyTo>, Vec<_>) =
            self.origin.inbox.drain(..).map(|(to, command)| (to, vec![command])).unzip();
        let n_jobs = commands.len();
        let before = core.moments().live().seq();
        let answers = core.commit(commands);
        self.origin.busy_until = self.now.ms() + self.disk.manners().slow_ms.min(10 * SECOND);
        if !self.disk.is_out() {
            self.check_failed(&core, &answers);
            self.check_published(&core, &answers);
            for (to, answer) in to.into_iter().zip(answers) {
                let answer = answer.ok().and_then(|outcomes| outcomes.into_iter().next());
                let answer = answer.map_or(Answer::Unavailable, Answer::of);
                self.agenda.put(self.origin.busy_until, Event::Replies { life, to, answer });
            }
            core.pass_time();
            // A tick may have been what failed.
            self.check_failed(&core, &[]);
        }
        if self.disk.is_out() {
            // Whatever was not answered yet never is.
            self.count("power cuts in the middle of a commit");
            return self.origin_stops(Stop::PowerCut);
        }
        self.book.read(&*core.reader());
        let now = core.moments().live();
        self.trace(&[1, now.seq().0, n_jobs as u64]);
        if now.seq() > before {
            if self.chance.happens(0.05) {
                self.book.compare("the origin", &now);
            }
            self.origin.core = Some(core);
            self.new_entries();
        } else {
            self.origin.core = Some(core);
        }
        let core = self.origin.core.as_mut().expect("it was put there");
        if let Turn::Within(wait) = core.begin_turn() {
            let at = self.now.ms().max(self.origin.busy_until) + wait.as_millis().max(1) as Ms;
            self.turn_at(at);
        }
        // It may have read what was durable already.
        if self.origin.head() > now.seq() {
            self.new_entries();
        }
    }

    /// After a failed flush nothing may be acknowledged; somebody looks at it and starts it again.
    fn check_failed(&mut self, core: &Core, answers: &[Result<Vec<Outcome>, EngineError>]) {
        if self.origin.failed && answers.iter().any(Result::is_ok) {
            self.book.fault("something was acknowledged after a flush had failed");
        }
        if core.health().stands(Condition::ReadOnly) && !self.origin.failed {
            self.origin.failed = true;
            self.count("failed flushes");
            let after = 1_000 + self.chance.below(60_000) as Ms;
            self.agenda.put(self.now.ms() + after, Event::Kill { life: self.origin.life });
        }
    }

    /// Who is answered finds the answer's seq in any later answer.
    fn check_published(&mut self, core: &Core, answers: &[Result<Vec<Outcome>, EngineError>]) {
        let shown = core.moments().live().seq();
        let ahead = |outcome: &&Outcome| match outcome {
            Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => receipt.seq() > shown,
            Outcome::Refused(_) => false,
        };
        if let Some(outcome) = answers.iter().flatten().flatten().find(ahead) {
            self.book.fault(format!("{outcome:?} was answered while {shown} was shown"));
        }
    }

    /// The commit took as long as it took.
    pub fn replies(&mut self, life: u32, to: ReplyTo, answer: Answer) {
        if life == self.origin.life {
            self.reply(to, answer);
        }
    }

    /// Whoever waits for entries is told.
    fn new_entries(&mut self) {
        self.there_is_news();
        self.beat_soon(End::Origin);
        self.answer_parked();
        self.ask_for_new();
        self.publish_in(1);
    }

    pub fn publish_in(&mut self, after: Ms) {
        if !std::mem::replace(&mut self.origin.publishes, true) {
            self.agenda.put(self.now.ms() + after, Event::Publish);
        }
    }

    /// Brings the stream up to the head, in a session that ends with the first fault.
    pub fn publish(&mut self) {
        self.origin.publishes = false;
        let Some(desk) = self.origin.desk.clone() else { return };
        if self.try_publish(&desk).is_none() {
            self.origin.session = None;
            // Where the line is cut, nothing is tried before it is mended.
            if !self.stream.is_down && self.lines.connects(End::Origin, End::Stream) {
                self.publish_in(PAUSE);
            }
        }
    }

    fn try_publish(&mut self, desk: &Desk) -> Option<()> {
        let lineage = desk.lineage();
        if self.stream.is_down || !self.lines.is_open(End::Origin, End::Stream) {
            return None;
        }
        let session = self.origin.session.take().filter(|s| s.stream_life == self.stream.life);
        let mut place = match session {
            Some(session) => session.place,
            None => {
                if !self.lines.connects(End::Origin, End::Stream) {
                    return None;
                }
                let end = self.stream.end();
                end.place(&lineage.epoch, desk.head()).unwrap_or_else(|| {
                    self.stream.purge();
                    end.place_emptied(desk.head())
                })
            }
        };
        while place.entry < desk.head() {
            for entry in desk.read(place.entry, BATCH).ok()? {
                let seq = entry.seq;
                let news = lineage.news(seq, vec![desk.share(&entry)]);
                let payload = serde_json::to_vec(&news).expect("plain structs become JSON");
                self.lines.send(End::Origin, End::Stream, &mut self.chance)?;
                let taken = self.stream.publish(place.sequence, (&lineage.epoch, seq), payload.clone());
                let (sequence, is_new) = taken?;
                if is_new {
                    self.count("published");
                    self.push_to_edges(&payload);
                }
                self.lines.send(End::Stream, End::Origin, &mut self.chance)?;
                place = Place { entry: seq, sequence };
            }
        }
        self.origin.session = Some(Session { stream_life: self.stream.life, place });
        self.sign_in(1);
        Some(())
    }

    fn sign_in(&mut self, after: Ms) {
        if !std::mem::replace(&mut self.origin.gives_sign, true) {
            self.agenda.put(self.now.ms() + after, Event::Sign);
        }
    }

    /// A sign of life: what the newest entry is. Again and again, as long as an edge that can hear it has
    /// not caught up.
    pub fn sign(&mut self) {
        self.origin.gives_sign = false;
        let Some(desk) = self.origin.desk.clone() else { return };
        if self.stream.is_down || !self.lines.is_open(End::Origin, End::Stream) {
            return;
        }
        let lineage = desk.lineage();
        let alive = lineage.news(desk.head(), Vec::new());
        self.push_to_edges(&serde_json::to_vec(&alive).expect("plain structs become JSON"));
        if (0..self.edges.len()).any(|edge| self.hears_and_is_behind(edge)) {
            self.sign_in(SIGN_EVERY);
        }
    }
}
