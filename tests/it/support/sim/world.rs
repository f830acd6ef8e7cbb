//! The whole center in one thread: what is there, and who is called when.

use std::collections::BTreeMap;
use std::sync::Arc;

use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::edge::Question;
use pantau::feed::Frame;
use pantau::journal::{Journal, MemoryJournal, Reader};
use pantau::model::{Epoch, IdKey, Projection, Secret};
use uuid::Uuid;

use super::Run;
use super::book::Book;
use super::disk::Disk;
use super::edge::{Edge, Parked};
use super::lines::{End, Lines, Storm};
use super::origin::Origin;
use super::screen::Screen;
use super::sender::{Answer, Doing, ReplyTo, Sender};
use super::stream::Stream;
use super::time::{Agenda, HOUR, MINUTE, Ms, Now, SECOND, SimClock};
use super::trouble::Trouble;

/// After the healing all edges show the same within this time of the newest entry.
const EQUAL_WITHIN: Ms = 10 * SECOND;
/// How often that is looked at.
pub const LOOK_EVERY: Ms = SECOND / 10;
/// And everything is at rest within this: a sender waits up to 20 s for an answer that was lost.
const QUIET_WITHIN: Ms = 120 * SECOND;

/// What is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// A disk that confirms flushes and does not flush.
    LyingDisk,
    /// A journal that does not look whether a key was used before.
    ForgottenKeys,
    /// Edges that throw away what the origin answers.
    UnfilledHoles,
    /// A screen that drops a change and believes to be in step.
    DroppedFrames,
    /// A screen that believes each heartbeat, also where it overtook the answer to what it asked.
    EagerHeartbeats,
    /// A screen that drops an alarm.
    DroppedAlarms,
}

impl Sabotage {
    pub const ALL: [Sabotage; 6] = [
        Sabotage::LyingDisk,
        Sabotage::ForgottenKeys,
        Sabotage::UnfilledHoles,
        Sabotage::DroppedFrames,
        Sabotage::EagerHeartbeats,
        Sabotage::DroppedAlarms,
    ];

    /// Whether a run shows what this does.
    pub fn shows_in(self, run: &Run) -> bool {
        let says = |words: &str| run.faults.iter().any(|fault| fault.contains(words));
        match self {
            Sabotage::None => !run.holds(),
            Sabotage::LyingDisk => run.lost > 0,
            Sabotage::ForgottenKeys => run.doubled > 0,
            Sabotage::UnfilledHoles => says("edges are at"),
            Sabotage::DroppedFrames | Sabotage::EagerHeartbeats => says("is wrong"),
            Sabotage::DroppedAlarms => says("was not told"),
        }
    }

    pub fn forgets_keys(self) -> bool {
        self == Sabotage::ForgottenKeys
    }

    pub fn skips_holes(self) -> bool {
        self == Sabotage::UnfilledHoles
    }
}

/// A run, all of which follows from its seed.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub sabotage: Sabotage,
    /// Until the healing.
    pub span_ms: Ms,
    /// Between two wishes of a sender, on average.
    pub gap_ms: Ms,
    pub n_wishes: u32,
    pub n_troubles: usize,
    pub n_edges: usize,
    pub n_screens: usize,
    /// State hashes are taken at the marks, too.
    pub marks: bool,
    /// What was committed goes through the store on a file, too.
    pub carries: bool,
    /// Every event is told on the error output.
    pub tells: bool,
}

impl Plan {
    pub fn of(seed: u64, sabotage: Sabotage) -> Plan {
        let mut chance = Chance::new(seed);
        let mut span_ms = *chance.pick(&[MINUTE, 10 * MINUTE, HOUR, 12 * HOUR, 72 * HOUR]);
        if sabotage != Sabotage::None {
            span_ms = if sabotage == Sabotage::DroppedAlarms { HOUR } else { MINUTE };
        }
        let n_wishes = 30 + chance.below(50) as u32;
        Plan {
            seed,
            sabotage,
            span_ms,
            gap_ms: span_ms / Ms::from(n_wishes) * SENDERS as Ms,
            n_wishes,
            n_troubles: 2 + chance.below(8),
            n_edges: chance.below(3),
            n_screens: 1 + chance.below(3),
            marks: chance.happens(0.2),
            carries: seed.is_multiple_of(CARRIED_EVERY),
            tells: false,
        }
    }
}

const SENDERS: usize = 4;
/// Of so many seeds one has its history carried into a file.
const CARRIED_EVERY: u64 = 64;

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

impl Counts {
    pub fn add(&mut self, what: &'static str, n: u64) {
        *self.0.entry(what).or_default() += n;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub fn join(&mut self, other: &Counts) {
        other.0.iter().for_each(|(what, n)| self.add(what, *n));
    }
}

#[derive(Debug)]
pub enum Event {
    OriginStarts,
    Turn { life: u32, no: u32 },
    Replies { life: u32, to: ReplyTo, answer: Answer },
    Kill { life: u32 },
    Publish,
    Sign,
    EdgeStarts { edge: usize, life: u32 },
    Asks { edge: usize, life: u32, no: u32 },
    Asked { parked: Parked },
    Told { edge: usize, life: u32, question: Question, answer: Option<Vec<u8>> },
    Listens { edge: usize, life: u32 },
    Hears { edge: usize, life: u32, payload: Vec<u8> },
    GraceIsOver { edge: usize, life: u32 },
    Silence { edge: usize, life: u32 },
    Wish { sender: usize },
    Arrives { to: ReplyTo, doing: Box<Doing>, at: End },
    NoAnswer { sender: usize, attempt: u32 },
    Answered { to: ReplyTo, answer: Answer, era: u32 },
    Round { end: End },
    Heartbeat { end: End },
    ScreenComes { screen: usize },
    ScreenAsks { screen: usize, line: u32 },
    ScreenMoves { screen: usize },
    ScreenFalls { screen: usize, line: u32 },
    StopsWaiting { screen: usize, line: u32, wait_no: u64 },
    Frame { screen: usize, line: u32, frame: Frame },
    Troubles,
    Mends { trouble: Trouble },
    Wakes,
    Heals,
    Looks,
}

pub struct World {
    pub plan: Plan,
    pub now: Now,
    pub agenda: Agenda<Event>,
    pub chance: Chance,
    pub city: Arc<City>,
    pub secret: Secret,
    pub ids: IdKey,
    pub epoch: Epoch,
    /// The journal was put back, and nobody has read it yet.
    pub is_restored: bool,
    /// Answers of before a restore are lost on the way.
    pub era: u32,
    pub lines: Lines,
    pub disk: Disk,
    pub book: Book,
    pub origin: Origin,
    pub stream: Stream,
    pub edges: Vec<Edge>,
    pub senders: Vec<Sender>,
    pub screens: Vec<Screen>,
    pub wishes_left: u32,
    pub n_wishes: u32,
    pub healed_at: Option<Ms>,
    /// When there last was a new entry.
    newest_at: Ms,
    /// The longest time after the healing, or a later entry, at which edges still differed.
    pub healing_ms: Ms,
    /// For nodes without one.
    pub no_journal: Arc<dyn Reader>,
    pub counts: Counts,
    /// For processes that are paused.
    held_back: Vec<(usize, Event)>,
    trace: u64,
    is_over: bool,
}

/// An event in a line, bytes as the text that they are.
fn told_event(event: &Event) -> String {
    match event {
        Event::Frame { screen, line, frame } => {
            format!("Frame {{ screen: {screen}, line: {line} }} {}", String::from_utf8_lossy(frame.json()))
        }
        Event::Hears { edge, payload, .. } => {
            format!("Hears {{ edge: {edge} }} {}", String::from_utf8_lossy(payload))
        }
        other => format!("{other:?}"),
    }
}

impl World {
    pub fn new(city: Arc<City>, plan: Plan) -> World {
        let mut chance = Chance::new(plan.seed ^ 0x5151_5151_5151_5151);
        let now = Now::default();
        let mut secret = [0; 32];
        secret.fill_with(|| chance.draw() as u8);
        let secret = Secret(secret);
        let ids = IdKey::new(secret, &city.code_prefix);
        let epoch = Epoch(Uuid::from_u128(u128::from(plan.seed) << 64 | 1));
        let disk = Disk::new(Chance::new(chance.draw()));
        disk.behave(|manners| manners.lies = plan.sabotage == Sabotage::LyingDisk);
        let clock = || Arc::new(SimClock::new(now.clone()));
        let edge = |i| Edge::new(clock(), i != 1);
        let n_edges = if plan.sabotage == Sabotage::UnfilledHoles { 2 } else { plan.n_edges };
        let mut screen = |i: usize| {
            let projection = if chance.happens(0.5) { Projection::Staff } else { Projection::Public };
            let slow_ms = *chance.pick(&[0, 0, 2 * SECOND, 20 * SECOND]);
            Screen::new(projection, slow_ms, if i == 0 { plan.sabotage } else { Sabotage::None })
        };
        World {
            screens: (0..plan.n_screens).map(&mut screen).collect(),
            edges: (0..n_edges).map(edge).collect(),
            senders: (0..SENDERS).map(|_| Sender::default()).collect(),
            origin: Origin::new(clock()),
            no_journal: MemoryJournal::new(city.clone(), secret).reader(),
            book: Book::new(city.clone(), ids.clone(), epoch),
            wishes_left: plan.n_wishes,
            plan,
            agenda: Agenda::new(),
            chance,
            city,
            secret,
            ids,
            epoch,
            is_restored: false,
            era: 0,
            lines: Lines::default(),
            disk,
            stream: Stream::default(),
            n_wishes: 0,
            healed_at: None,
            newest_at: 0,
            healing_ms: 0,
            counts: Counts::default(),
            held_back: Vec::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            is_over: false,
            now,
        }
    }

    pub fn is_healed(&self) -> bool {
        self.healed_at.is_some()
    }

    pub fn count(&mut self, what: &'static str) {
        self.counts.add(what, 1);
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.plan.tells {
            eprintln!("{:>12} {}", self.now.ms(), what());
        }
    }

    /// Goes into the digest by which two runs of one seed are compared (FNV-1a).
    pub fn trace(&mut self, numbers: &[u64]) {
        for n in numbers.iter().chain([&self.now.ms()]) {
            for byte in n.to_le_bytes() {
                self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }

    pub fn digest(&self) -> u64 {
        self.trace
    }

    /// From the first start to rest after the healing, or to the first fault.
    pub fn run(&mut self) {
        self.agenda.put(0, Event::OriginStarts);
        for edge in 0..self.edges.len() {
            self.agenda.put(SECOND / 10, Event::EdgeStarts { edge, life: 0 });
        }
        for sender in 0..self.senders.len() {
            let at = self.chance.below(self.plan.gap_ms.max(2) as usize) as Ms;
            self.agenda.put(at, Event::Wish { sender });
        }
        for screen in 0..self.screens.len() {
            self.agenda.put(SECOND / 5, Event::ScreenComes { screen });
            let at = self.screen_pause();
            self.agenda.put(at, Event::ScreenMoves { screen });
        }
        for _ in 0..self.plan.n_troubles {
            let at = self.chance.below(self.plan.span_ms as usize) as Ms;
            self.agenda.put(at, Event::Troubles);
        }
        if self.plan.sabotage == Sabotage::UnfilledHoles {
            self.lines.storm = Storm { loses: 0.5, doubles: 0.0, late_ms: 0 };
        }
        self.agenda.put(self.plan.span_ms, Event::Heals);
        while let Some((at, event)) = self.agenda.next() {
            self.now.set(at);
            self.happen(event);
            if self.is_over || !self.book.holds() {
                break;
            }
        }
        self.counts.add("entries", self.book.entries().len() as u64);
        self.counts.add("torn", self.disk.torn());
    }

    pub fn is_paused(&self, end: End) -> bool {
        matches!(end, End::Edge(edge) if self.edges[edge].paused_until > self.now.ms())
    }

    /// A process that is paused does everything once it goes on.
    fn put_off(&mut self, event: Event) -> Option<Event> {
        let edge = match &event {
            Event::EdgeStarts { edge, .. }
            | Event::Asks { edge, .. }
            | Event::Told { edge, .. }
            | Event::Listens { edge, .. }
            | Event::Hears { edge, .. }
            | Event::GraceIsOver { edge, .. }
            | Event::Silence { edge, .. } => *edge,
            Event::Round { end: End::Edge(edge) }
            | Event::Heartbeat { end: End::Edge(edge) }
            | Event::Arrives { at: End::Edge(edge), .. } => *edge,
            _ => return Some(event),
        };
        if !self.is_paused(End::Edge(edge)) {
            return Some(event);
        }
        self.held_back.push((edge, event));
        None
    }

    fn happen(&mut self, event: Event) {
        let Some(event) = self.put_off(event) else { return };
        self.tell(|| told_event(&event));
        match event {
            Event::OriginStarts => self.origin_starts(),
            Event::Turn { life, no } => self.turn(life, no),
            Event::Replies { life, to, answer } => self.replies(life, to, answer),
            Event::Kill { life } => self.kill(life),
            Event::Publish => self.publish(),
            Event::Sign => self.sign(),
            Event::EdgeStarts { edge, life } => self.edge_starts(edge, life),
            Event::Asks { edge, life, no } => self.asks(edge, life, no),
            Event::Asked { parked } => self.asked(parked),
            Event::Told { edge, life, question, answer } => self.told(edge, life, question, answer),
            Event::Listens { edge, life } => self.listens(edge, life),
            Event::Hears { edge, life, payload } => self.hears(edge, life, &payload),
            Event::GraceIsOver { edge, life } => self.grace_is_over(edge, life),
            Event::Silence { edge, life } => self.silence(edge, life),
            Event::Wish { sender } => self.wish(sender),
            Event::Arrives { to, doing, at } => self.arrives(to, doing, at),
            Event::NoAnswer { sender, attempt } => self.no_answer(sender, attempt),
            Event::Answered { to, answer, era } => {
                if era == self.era {
                    self.answered(to, answer);
                }
            }
            Event::Round { end } => self.round(end),
            Event::Heartbeat { end } => self.heartbeat(end),
            Event::ScreenComes { screen } => self.screen_comes(screen),
            Event::ScreenAsks { screen, line } => self.screen_asks(screen, line),
            Event::ScreenMoves { screen } => self.screen_moves(screen),
            Event::ScreenFalls { screen, line } => self.screen_falls_of(screen, line),
            Event::StopsWaiting { screen, line, wait_no } => self.stops_waiting(screen, line, wait_no),
            Event::Frame { screen, line, frame } => self.frame(screen, line, &frame),
            Event::Troubles => self.trouble(),
            Event::Mends { trouble } => self.mends(trouble),
            Event::Wakes => {
                self.release();
                self.wake_all();
            }
            Event::Heals => self.heals(),
            Event::Looks => self.looks(),
        }
    }

    pub fn there_is_news(&mut self) {
        self.newest_at = self.now.ms();
    }

    /// A process that was paused goes on.
    pub fn release(&mut self) {
        let (on, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held_back)
            .into_iter()
            .partition(|(edge, _)| !self.is_paused(End::Edge(*edge)));
        self.held_back = still;
        for (_, event) in on {
            self.agenda.put(self.now.ms(), event);
        }
    }

    /// After the healing: are all equal, and is everything at rest?
    fn looks(&mut self) {
        let (now, healed_at) = (self.now.ms(), self.healed_at.unwrap_or(0));
        let place = (self.epoch, self.origin.head());
        let edges_differ = self.edges.iter().any(|edge| edge.place() != Some(place));
        let since_ms = now - healed_at.max(self.newest_at);
        if edges_differ {
            self.healing_ms = self.healing_ms.max(since_ms);
        }
        if edges_differ && since_ms > EQUAL_WITHIN {
            let places: Vec<_> = self.edges.iter().map(Edge::place).collect();
            return self.book.fault(format!("edges are at {places:?}, the origin at {place:?}"));
        }
        let senders_wait = self.senders.iter().any(|sender| !sender.had_last || sender.doing.is_some());
        let epoch = self.epoch.to_string();
        let is_in_step =
            |screen: &Screen| screen.place().is_some_and(|(_, of, seq)| of == epoch && seq == place.1.0);
        let screens_differ = !self.screens.iter().all(is_in_step);
        if !edges_differ && !senders_wait && !screens_differ {
            return self.ends();
        }
        if now > healed_at + QUIET_WITHIN {
            return self.book.fault(format!(
                "no rest after the healing: edges differ {edges_differ}, senders wait {senders_wait}, \
                 screens differ {screens_differ}"
            ));
        }
        self.agenda.put(now + LOOK_EVERY, Event::Looks);
    }

    /// The last look at everything.
    fn ends(&mut self) {
        self.is_over = true;
        let mut maps = Vec::new();
        if let Some(desk) = &self.origin.desk {
            maps.push(("the origin at the end", desk.moments().clone()));
        }
        maps.extend(self.edges.iter().filter_map(|edge| Some(("an edge", edge.follower()?.moments()))));
        for (who, moments) in maps {
            self.book.compare(who, &moments.live());
            let epoch = moments.live().epoch();
            for mark in moments.marks().all() {
                if self.plan.marks && self.book.hash(epoch, mark.seq) != Some(mark.hash) {
                    self.book.fault(format!("{who} has another hash at mark {}", mark.seq));
                }
            }
        }
        for screen in 0..self.screens.len() {
            self.look(screen);
        }
        // What the disk holds stands up to the same map.
        self.origin_stops(super::disk::Stop::PowerCut);
        self.origin_starts();
        if self.plan.carries {
            self.count("histories carried into a file");
            let batches = self.disk.batches();
            let faults = super::chain::differences(&self.city, &batches, self.book.entries());
            self.book.faults.extend(faults);
        }
        let digest = self.book.hash(self.epoch, self.book.seq());
        let digest = digest.map_or(0, |hash| u64::from_le_bytes(hash.0[..8].try_into().expect("8 bytes")));
        self.trace(&[digest]);
    }
}
