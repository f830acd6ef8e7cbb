//! An edge: the product's hand and questions, over lines that may fail.

use std::sync::Arc;

use pantau::edge::{EdgeStatus, Hand, News, NodeSnapshot, Question, Questions, Standing, Verdict};
use pantau::engine::{Follower, StateMarks};
use pantau::live::LiveMap;
use pantau::model::{Epoch, Seq};

use super::lines::End;
use super::screen::Node;
use super::time::{Ms, SECOND, SimClock};
use super::world::{Event, World};

/// A question that is not answered by then has failed.
const ANSWER_TIMEOUT: Ms = 3 * SECOND;
/// As the product's, where the stream brings everything.
const ASK_EVERY: Ms = 5 * SECOND;
/// The stream is opened again after this.
const PAUSE: Ms = SECOND;
/// A stream that is silent for longer is opened anew.
const SILENCE_MAX: Ms = 5 * SECOND;

/// An answer that waits for an entry.
#[derive(Debug, Clone)]
pub struct Parked {
    pub edge: usize,
    pub life: u32,
    pub question: Question,
}

pub struct Edge {
    /// Counts its lives: what was meant for another is not heard.
    pub life: u32,
    pub clock: Arc<SimClock>,
    follows: Option<Follows>,
    pub node: Node,
    has_stream: bool,
    /// It does nothing until then, and then all at once.
    pub paused_until: Ms,
}

/// What it is made of while it runs.
struct Follows {
    hand: Hand,
    questions: Questions,
    status: Arc<EdgeStatus>,
    /// The stream's life that it is connected in.
    connected: Option<u32>,
    connects: bool,
    /// A question is on its way.
    asking: bool,
    /// It is to be asked again at once.
    ask_again: bool,
    /// Names the newest time at which it shall ask.
    ask_no: u32,
    /// Asking would bring nothing before the next entry.
    rests: bool,
    /// What was shown last.
    shown: Seq,
}

impl Edge {
    pub fn new(clock: Arc<SimClock>, has_stream: bool) -> Edge {
        Edge { life: 0, clock, follows: None, node: Node::default(), has_stream, paused_until: 0 }
    }

    pub fn is_up(&self) -> bool {
        self.follows.is_some()
    }

    /// Epoch and seq of what it shows.
    pub fn place(&self) -> Option<(Epoch, Seq)> {
        Some(place_of(self.follows.as_ref()?.hand.follower().map()))
    }

    pub fn follower(&self) -> Option<&Follower> {
        Some(self.follows.as_ref()?.hand.follower())
    }

    pub fn status(&self) -> Option<&Arc<EdgeStatus>> {
        Some(&self.follows.as_ref()?.status)
    }
}

fn place_of(map: &LiveMap) -> (Epoch, Seq) {
    (map.epoch(), map.seq())
}

impl World {
    /// The process begins: it asks for a snapshot until it gets one.
    pub fn edge_starts(&mut self, edge: usize, life: u32) {
        if self.edges[edge].life != life || self.edges[edge].is_up() {
            return;
        }
        match self.fetch_snapshot(edge) {
            Some(bytes) => match NodeSnapshot::decode(&bytes, &self.city) {
                Ok(snapshot) => self.stand_up(edge, snapshot),
                Err(e) => self.book.fault(format!("a snapshot cannot be read: {e}")),
            },
            None => self.agenda.put(self.now.ms() + SECOND, Event::EdgeStarts { edge, life }),
        }
    }

    pub fn edge_stops(&mut self, edge: usize) {
        let state = &mut self.edges[edge];
        state.life += 1;
        state.follows = None;
        let life = state.life;
        self.screens_fall(End::Edge(edge));
        let after = if self.is_healed() { 1 } else { 100 + self.chance.below(20_000) as Ms };
        self.agenda.put(self.now.ms() + after, Event::EdgeStarts { edge, life });
    }

    fn fetch_snapshot(&mut self, edge: usize) -> Option<Vec<u8>> {
        let desk = self.origin.desk.clone()?;
        self.lines.send(End::Edge(edge), End::Origin, &mut self.chance)?;
        let bytes = desk.snapshot().expect("memory can be read");
        self.lines.send(End::Origin, End::Edge(edge), &mut self.chance)?;
        self.count("snapshots of nodes");
        Some(bytes.to_vec())
    }

    fn stand_up(&mut self, edge: usize, snapshot: NodeSnapshot) {
        let lineage = snapshot.lineage.clone();
        let writer = match snapshot.stand_up(self.city.clone()) {
            Ok(writer) => writer,
            Err(e) => return self.book.fault(format!("a snapshot cannot be stood up: {e}")),
        };
        self.book.compare("an edge at its start", writer.map());
        let marks = if self.plan.marks { StateMarks::in_place() } else { StateMarks::default() };
        let follower = Follower::marking(writer, marks);
        let state = &mut self.edges[edge];
        let moments = follower.moments();
        let status = Arc::new(EdgeStatus::new(state.clock.clone(), moments, state.has_stream));
        state.node = Node::over(self.no_journal.clone());
        state.follows = Some(Follows {
            shown: follower.seq(),
            hand: Hand::new(follower, lineage.clone(), status.clone()),
            questions: Questions::new(lineage, self.city.clone(), status.clone()),
            status,
            connected: None,
            connects: false,
            asking: false,
            ask_again: false,
            ask_no: 0,
            rests: false,
        });
        self.ask_in(edge, 0);
        self.listen_in(edge, 1);
        self.beat_soon(End::Edge(edge));
    }

    // Questions to the origin.

    fn ask_in(&mut self, edge: usize, after: Ms) {
        let life = self.edges[edge].life;
        let Some(follows) = &mut self.edges[edge].follows else { return };
        if follows.asking {
            follows.ask_again |= after == 0;
            return;
        }
        follows.rests = false;
        follows.ask_no += 1;
        let no = follows.ask_no;
        self.agenda.put(self.now.ms() + after, Event::Asks { edge, life, no });
    }

    pub fn asks(&mut self, edge: usize, life: u32, no: u32) {
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|f| state.life == life && f.ask_no == no) else {
            return;
        };
        let place = (follows.hand.follower().map().epoch(), follows.hand.follower().seq());
        let hears = follows.connected == Some(self.stream.life) && follows.status.behind() == 0;
        if hears && Some(place) == self.origin.desk.as_ref().map(|d| place_of(&d.moments().live())) {
            follows.rests = true;
            return;
        }
        follows.asking = true;
        follows.ask_again = false;
        let question = follows.questions.question();
        match self.lines.send(End::Edge(edge), End::Origin, &mut self.chance) {
            Some(delay) => {
                let parked = Parked { edge, life, question };
                self.agenda.put(self.now.ms() + delay, Event::Asked { parked });
            }
            None => self.no_news(edge, life, question),
        }
    }

    /// There is a new entry: whoever rested asks when its time comes.
    pub fn ask_for_new(&mut self) {
        for edge in 0..self.edges.len() {
            let follows = self.edges[edge].follows.as_mut();
            if follows.is_some_and(|follows| std::mem::take(&mut follows.rests)) {
                let after = 1 + self.chance.below(ASK_EVERY as usize) as Ms;
                self.ask_in(edge, after);
            }
        }
    }

    fn no_news(&mut self, edge: usize, life: u32, question: Question) {
        let at = self.now.ms() + ANSWER_TIMEOUT + question.hold.as_millis() as Ms;
        self.agenda.put(at, Event::Told { edge, life, question, answer: None });
    }

    /// A question reaches the origin. Where the edge would only ask again it waits for news there.
    pub fn asked(&mut self, parked: Parked) {
        let Some(desk) = &self.origin.desk else {
            return self.hang_up(vec![parked]);
        };
        if desk.head() == parked.question.after && !parked.question.hold.is_zero() {
            self.origin.parked.push(parked);
        } else {
            self.answer(parked);
        }
    }

    pub fn answer_parked(&mut self) {
        for parked in std::mem::take(&mut self.origin.parked) {
            self.answer(parked);
        }
    }

    /// The connection ends without an answer.
    pub fn hang_up(&mut self, parked: Vec<Parked>) {
        for Parked { edge, life, question } in parked {
            self.agenda.put(self.now.ms() + 1, Event::Told { edge, life, question, answer: None });
        }
    }

    fn answer(&mut self, Parked { edge, life, question }: Parked) {
        let Some(desk) = &self.origin.desk else { return };
        let answer = desk.news(question.after, question.limit).expect("memory can be read");
        match self.lines.send(End::Origin, End::Edge(edge), &mut self.chance) {
            Some(delay) => {
                let told = Event::Told { edge, life, question, answer: Some(answer) };
                self.agenda.put(self.now.ms() + delay, told);
            }
            None => self.no_news(edge, life, question),
        }
    }

    /// What came of a question.
    pub fn told(&mut self, edge: usize, life: u32, question: Question, answer: Option<Vec<u8>>) {
        if self.edges[edge].life != life {
            return;
        }
        let now = self.edges[edge].clock.clone();
        let now = pantau::clock::Clock::monotonic(&*now);
        let Some(follows) = &mut self.edges[edge].follows else { return };
        let answer = answer.filter(|_| !self.plan.sabotage.skips_holes());
        let bytes = answer.as_deref().ok_or_else(|| "no answer".to_owned());
        match follows.questions.answered(&question, bytes) {
            Verdict::Take(told) => {
                let taken = follows.hand.take(told, now);
                self.counts.add("entries from the origin", taken.applied as u64);
                self.has_applied(edge);
            }
            Verdict::Anew => {
                let bytes = self.fetch_snapshot(edge);
                let bytes = bytes.as_deref().ok_or_else(|| "no answer".to_owned());
                let follows = self.edges[edge].follows.as_ref();
                let snapshot = follows.and_then(|follows| follows.questions.snapshot(bytes));
                if let Some(snapshot) = snapshot {
                    self.count("edges begun anew");
                    self.edges[edge].life += 1;
                    self.screens_fall(End::Edge(edge));
                    return self.stand_up(edge, snapshot);
                }
            }
            Verdict::Nothing => {}
        }
        self.ask_on(edge);
    }

    fn ask_on(&mut self, edge: usize) {
        let Some(follows) = &mut self.edges[edge].follows else { return };
        follows.asking = false;
        let pause = follows.questions.pause().as_millis() as Ms;
        let again = std::mem::take(&mut follows.ask_again);
        // Where it is cut off, it is asked again once that is over.
        if self.lines.connects(End::Edge(edge), End::Origin) && self.origin.desk.is_some() {
            self.ask_in(edge, if again { 0 } else { pause.max(1) });
        }
    }

    // The stream.

    fn listen_in(&mut self, edge: usize, after: Ms) {
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|_| state.has_stream) else { return };
        if !std::mem::replace(&mut follows.connects, true) {
            self.agenda.put(self.now.ms() + after, Event::Listens { edge, life: state.life });
        }
    }

    /// Opens the stream from where the edge is.
    pub fn listens(&mut self, edge: usize, life: u32) {
        let is_open = self.can_hear(edge);
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|_| state.life == life) else { return };
        follows.connects = false;
        if follows.connected == Some(self.stream.life) || !is_open {
            return;
        }
        follows.connected = Some(self.stream.life);
        follows.status.set_stream(Standing::Up);
        let start = self.stream.end().start_after(follows.hand.follower().seq());
        let backlog: Vec<Vec<u8>> = self.stream.since(start).map(|m| m.payload.clone()).collect();
        for payload in backlog {
            self.push(edge, &payload);
        }
    }

    /// Whether signs of life of the origin get through to an edge by the stream.
    fn can_hear(&self, edge: usize) -> bool {
        !self.stream.is_down
            && self.lines.connects(End::Stream, End::Edge(edge))
            && self.lines.is_open(End::Origin, End::Stream)
            && self.origin.desk.is_some()
    }

    pub fn hears_and_is_behind(&self, edge: usize) -> bool {
        let connected = self.edges[edge].follows.as_ref().is_some_and(|f| f.connected.is_some());
        let at = self.edges[edge].place().map(|(_, seq)| seq);
        let awake = self.edges[edge].paused_until <= self.now.ms();
        connected && awake && self.can_hear(edge) && at.is_some_and(|seq| seq < self.origin.head())
    }

    pub fn push_to_edges(&mut self, payload: &[u8]) {
        for edge in 0..self.edges.len() {
            let follows = self.edges[edge].follows.as_ref();
            if follows.is_some_and(|follows| follows.connected == Some(self.stream.life)) {
                self.push(edge, payload);
            }
        }
    }

    fn push(&mut self, edge: usize, payload: &[u8]) {
        let copies = self.lines.push(End::Stream, End::Edge(edge), &mut self.chance);
        match copies.len() {
            0 => self.count("messages lost"),
            1 => {}
            _ => self.count("messages doubled"),
        }
        for delay in copies {
            let (life, payload) = (self.edges[edge].life, payload.to_vec());
            self.agenda.put(self.now.ms() + delay, Event::Hears { edge, life, payload });
        }
    }

    /// A message of the stream, in whatever order.
    pub fn hears(&mut self, edge: usize, life: u32, payload: &[u8]) {
        let now = pantau::clock::Clock::monotonic(&*self.edges[edge].clock);
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|_| state.life == life) else { return };
        let told = match News::read(payload, &self.city) {
            Ok(told) => told,
            Err(e) => return self.book.fault(format!("a message of the stream cannot be read: {e}")),
        };
        let next = follows.hand.follower().seq().next();
        let is_early = told.entries.first().is_some_and(|entry| entry.seq > next);
        let taken = follows.hand.take(told, now);
        if is_early {
            self.count("messages out of order");
        }
        self.counts.add("entries by the stream", taken.applied as u64);
        if taken.ask {
            self.ask_in(edge, 0);
        }
        self.has_applied(edge);
    }

    /// What is missing may be on its way for a moment; then the origin is asked.
    pub fn grace_is_over(&mut self, edge: usize, life: u32) {
        let now = pantau::clock::Clock::monotonic(&*self.edges[edge].clock);
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|_| state.life == life) else { return };
        if follows.hand.asks_at().is_some_and(|at| at <= now) {
            follows.hand.has_asked(now);
            self.ask_in(edge, 0);
            self.has_applied(edge);
        }
    }

    /// After the hand took something: what it shows is right and never older than before.
    fn has_applied(&mut self, edge: usize) {
        let life = self.edges[edge].life;
        let Some(follows) = &mut self.edges[edge].follows else { return };
        let map = follows.hand.follower().map().clone();
        let before = std::mem::replace(&mut follows.shown, map.seq());
        if let Some(at) = follows.hand.asks_at() {
            self.agenda.put(at.as_millis() as Ms, Event::GraceIsOver { edge, life });
        }
        if map.seq() < before {
            self.book.fault(format!("an edge went back from {before} to {}", map.seq()));
        }
        if map.seq() > before {
            self.trace(&[2, edge as u64, map.seq().0]);
            if self.chance.happens(0.05) {
                self.book.compare("an edge", &map);
            }
            self.beat_soon(End::Edge(edge));
        }
    }

    /// Lines, stream or origin changed: connections that cannot go on end after a while, others begin.
    pub fn wake_all(&mut self) {
        for edge in 0..self.edges.len() {
            let life = self.edges[edge].life;
            let can_hear = self.can_hear(edge);
            let Some(follows) = &self.edges[edge].follows else { continue };
            let connected = follows.connected == Some(self.stream.life);
            if connected && !can_hear {
                self.agenda.put(self.now.ms() + SILENCE_MAX, Event::Silence { edge, life });
            } else if !connected {
                self.silence(edge, life);
            }
            if self.lines.connects(End::Edge(edge), End::Origin) {
                let after = 1 + self.chance.below(1_000) as Ms;
                self.ask_in(edge, after);
            }
        }
        self.publish_in(PAUSE);
    }

    /// Nothing came by the stream for too long, or the connection broke.
    pub fn silence(&mut self, edge: usize, life: u32) {
        let can_hear = self.can_hear(edge);
        let state = &mut self.edges[edge];
        let Some(follows) = state.follows.as_mut().filter(|_| state.life == life) else { return };
        if can_hear && follows.connected == Some(self.stream.life) {
            return;
        }
        follows.connected = None;
        follows.status.set_stream(Standing::Away("nothing came".to_owned()));
        // The origin is asked all the time from now on.
        self.ask_in(edge, 0);
        if can_hear {
            self.listen_in(edge, PAUSE);
        }
    }
}
