//! Screens at a node: the product's sessions, over lines that bring everything in order or are cut.

use std::sync::Arc;

use pantau::clock::{Clock, ManualClock};
use pantau::feed::{Beat, Frame, Session, TextSearch, Views};
use pantau::journal::Reader;
use pantau::live::LiveMap;
use pantau::model::{Projection, Seq};
use serde_json::{Value, json};

use super::super::fold::Client;
use super::alarms::AlarmsHad;
use super::lines::End;
use super::time::{Ms, SECOND};
use super::world::{Event, Sabotage, World};

/// As the product's: a resume from ahead of a node waits for so long.
const AHEAD_TIMEOUT: Ms = 2 * SECOND;
/// A screen that sees no frame for so long comes back.
const STALE: Ms = 30 * SECOND;
/// Heartbeats are at most so far apart.
const HEARTBEAT: Ms = 15 * SECOND;
/// A page takes a moment from the hello to its first question, or a phone does.
const ASKS_WITHIN: [Ms; 4] = [SECOND / 10, SECOND / 10, 3 * SECOND, 20 * SECOND];
/// Of the frames that change what a screen holds, this share is compared with a fresh snapshot.
const LOOKS: f64 = 0.25;

/// What a node keeps for its screens; new with each of its lives.
#[derive(Default)]
pub struct Node {
    feed: Option<(Arc<Views>, Arc<TextSearch>)>,
    heartbeat_no: u64,
    /// A round is about to go.
    round: bool,
    heartbeat: bool,
}

impl Node {
    pub fn over(reader: Arc<dyn Reader>) -> Node {
        let feed = Some((Arc::default(), Arc::new(TextSearch::new(reader))));
        Node { feed, ..Node::default() }
    }
}

pub struct Screen {
    projection: Projection,
    /// Where it is connected, and its session there.
    at: Option<(End, Session)>,
    /// Counts its connections: frames of another are not heard.
    line: u32,
    client: Client,
    /// What it holds is of this epoch.
    held_epoch: String,
    /// Its questions, the newest last: an answer to an older one may be on its way, or what it holds may be one.
    asks: Vec<Value>,
    /// Of these, so many were asked before this line.
    asked_before: usize,
    /// Whether it has asked on this line.
    has_asked: bool,
    /// The alarms that it was told.
    alarms: AlarmsHad,
    /// Messages on their way, and when the last of them arrives.
    under_way: usize,
    last_arrival: Ms,
    /// Something was lost on it: nothing more arrives, and nobody knows yet.
    is_broken: bool,
    /// Each message takes up to this much longer.
    slow_ms: Ms,
    /// A control.
    sabotage: Sabotage,
}

impl Screen {
    pub fn new(projection: Projection, slow_ms: Ms, sabotage: Sabotage) -> Screen {
        Screen {
            projection,
            at: None,
            line: 0,
            client: Client::default(),
            held_epoch: String::new(),
            asks: Vec::new(),
            asked_before: 0,
            has_asked: false,
            alarms: AlarmsHad::default(),
            under_way: 0,
            last_arrival: 0,
            is_broken: false,
            slow_ms,
            sabotage,
        }
    }

    /// Epoch and seq of what it shows, where it is connected and nothing is on its way.
    pub fn place(&self) -> Option<(End, &str, u64)> {
        let (end, _) = self.at.as_ref().filter(|_| self.under_way == 0 && self.has_asked)?;
        Some((*end, &self.held_epoch, self.client.seq))
    }

    pub fn hurry(&mut self) {
        self.slow_ms = 0;
    }
}

/// What a message must not do to a screen, in words.
fn broken_rule(client: &Client, same_epoch: bool, message: &Value) -> Option<String> {
    let (from, seq) = (message["from"].as_u64().unwrap_or(0), message["seq"].as_u64().unwrap_or(0));
    match message["type"].as_str() {
        Some("delta") if from > client.seq => Some(format!("a hole: from {from}, held {}", client.seq)),
        Some("delta") if seq < client.seq => Some(format!("back from {} to {seq}", client.seq)),
        // A node that is behind says so.
        Some("snapshot") if same_epoch && seq < client.seq && message["reason"] != "ahead" => {
            Some(format!("a snapshot goes back from {} to {seq}: {}", client.seq, message["reason"]))
        }
        Some("error") => Some(format!("an error: {message}")),
        _ => None,
    }
}

impl World {
    fn node(&mut self, end: End) -> Option<&mut Node> {
        match end {
            End::Origin => self.origin.core.is_some().then_some(&mut self.origin.node),
            End::Edge(edge) => {
                let edge = &mut self.edges[edge];
                edge.is_up().then_some(&mut edge.node)
            }
            End::Stream | End::Outside => None,
        }
    }

    fn beat(&mut self, end: End) -> Option<Beat> {
        let (map, clock): (Arc<LiveMap>, Arc<dyn Clock>) = match end {
            End::Origin => (self.origin.desk.as_ref()?.moments().live(), self.origin.clock.clone()),
            End::Edge(edge) => {
                let edge = &self.edges[edge];
                (edge.follower()?.moments().live(), edge.clock.clone())
            }
            End::Stream | End::Outside => return None,
        };
        let heartbeat_no = self.node(end)?.heartbeat_no;
        Some(Beat::new((*map).clone(), &*clock, heartbeat_no))
    }

    /// A round over the screens of a node, and now and then a heartbeat.
    pub fn beat_soon(&mut self, end: End) {
        let (round, heartbeat) =
            (1 + self.chance.below(50) as Ms, 1 + self.chance.below(HEARTBEAT as usize) as Ms);
        let now = self.now.ms();
        let Some(node) = self.node(end) else { return };
        let (begins_round, begins_heartbeat) = (!node.round, !node.heartbeat);
        (node.round, node.heartbeat) = (true, true);
        if begins_round {
            self.agenda.put(now + round, Event::Round { end });
        }
        if begins_heartbeat {
            self.agenda.put(now + heartbeat, Event::Heartbeat { end });
        }
    }

    pub fn heartbeat(&mut self, end: End) {
        let in_touch = match end {
            End::Edge(edge) => self.edges[edge].status().is_some_and(|status| status.is_in_touch()),
            _ => true,
        };
        let Some(node) = self.node(end) else { return };
        node.heartbeat = false;
        if in_touch {
            node.heartbeat_no += 1;
            self.round(end);
        }
    }

    pub fn round(&mut self, end: End) {
        let Some(beat) = self.beat(end) else { return };
        if let Some(node) = self.node(end) {
            node.round = false;
        }
        for screen in 0..self.screens.len() {
            self.beat_screen(screen, end, &beat);
        }
    }

    /// One whose line is full gets it later, in one with what comes then.
    fn beat_screen(&mut self, screen: usize, end: End, beat: &Beat) {
        let state = &mut self.screens[screen];
        let is_free = state.under_way == 0;
        let Some((_, session)) = state.at.as_mut().filter(|(at, _)| *at == end && is_free) else { return };
        let frames = session.beat(beat);
        self.send_frames(screen, end, frames);
    }

    fn send_frames(&mut self, screen: usize, end: End, frames: Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        let delay = self.lines.send(end, End::Outside, &mut self.chance);
        let Some(delay) = delay.filter(|_| !self.screens[screen].is_broken) else {
            let state = &mut self.screens[screen];
            state.under_way += 1;
            state.is_broken = true;
            let line = state.line;
            return self.agenda.put(self.now.ms() + STALE, Event::ScreenFalls { screen, line });
        };
        let state = &mut self.screens[screen];
        let slow = if state.slow_ms == 0 { 0 } else { self.chance.below(state.slow_ms as usize) as Ms };
        let mut at = (self.now.ms() + delay + slow).max(state.last_arrival);
        let line = state.line;
        state.under_way += frames.len();
        for frame in frames {
            // The line may break between two of them.
            at += self.chance.below(3) as Ms;
            self.agenda.put(at, Event::Frame { screen, line, frame });
        }
        self.screens[screen].last_arrival = at;
    }

    /// A screen comes to a node, any that is up, with what it holds.
    pub fn screen_comes(&mut self, screen: usize) {
        if self.screens[screen].at.is_some() {
            return;
        }
        let which = self.chance.below(self.edges.len() + 1);
        let end = which.checked_sub(1).map_or(End::Origin, End::Edge);
        let is_open = self.lines.connects(End::Outside, end) && !self.is_paused(end);
        let Some(beat) = self.beat(end).filter(|_| is_open) else {
            let after = SECOND / 2 + self.chance.below(3_000) as Ms;
            return self.agenda.put(self.now.ms() + after, Event::ScreenComes { screen });
        };
        let Some((views, search)) = self.node(end).and_then(|node| node.feed.clone()) else { return };
        let state = &mut self.screens[screen];
        state.client.epoch = beat.map.epoch().to_string();
        state.client.in_step = false;
        (state.has_asked, state.asked_before) = (false, state.asks.len());
        state.at = Some((end, Session::new(state.projection, views, search, &beat)));
        let line = state.line;
        self.tell(|| format!("screen {screen} comes to {end:?} at {}", beat.map.seq()));
        self.count("screens came");
        let within = if self.is_healed() { ASKS_WITHIN[0] } else { *self.chance.pick(&ASKS_WITHIN) };
        let after = self.chance.below(within as usize) as Ms;
        self.agenda.put(self.now.ms() + after, Event::ScreenAsks { screen, line });
    }

    /// Its first question on a line: it resumes what it holds by then.
    pub fn screen_asks(&mut self, screen: usize, line: u32) {
        let state = &mut self.screens[screen];
        let Some((end, _)) = state.at.as_ref().filter(|_| state.line == line) else { return };
        let (end, now) = (*end, self.now.ms());
        if self.is_paused(end) {
            return self.agenda.put(now + SECOND / 2, Event::ScreenAsks { screen, line });
        }
        if !self.lines.connects(End::Outside, end) {
            self.screens[screen].is_broken = true;
            return self.agenda.put(now + STALE, Event::ScreenFalls { screen, line });
        }
        let Some(beat) = self.beat(end) else { return };
        let ask = self.question(screen);
        let state = &mut self.screens[screen];
        let Some((_, session)) = &mut state.at else { return };
        let mut message = ask.clone();
        let mut since = beat.map.seq().0;
        if !state.client.view.is_empty() {
            message["resume"] =
                json!({"epoch": state.held_epoch, "seq": state.client.seq, "view": state.client.view});
            since = state.client.seq;
        }
        let told = format!("screen {screen} asks {end:?} at {}: {message}", beat.map.seq());
        let frames = session.receive(&message.to_string(), &beat);
        let wait_no = session.is_waiting().then(|| session.newest_wait());
        state.asks.push(ask);
        state.has_asked = true;
        state.alarms.asked_since(since);
        self.tell(|| told);
        if let Some(wait_no) = wait_no {
            self.count("screens ahead of a node");
            self.agenda.put(now + AHEAD_TIMEOUT, Event::StopsWaiting { screen, line, wait_no });
        }
        self.send_frames(screen, end, frames);
    }

    pub fn stops_waiting(&mut self, screen: usize, line: u32, wait_no: u64) {
        let Some((end, _)) = self.screens[screen].at.as_ref().filter(|_| self.screens[screen].line == line)
        else {
            return;
        };
        let end = *end;
        let Some(beat) = self.beat(end) else { return };
        let Some((_, session)) = &mut self.screens[screen].at else { return };
        let frames = session.stop_waiting(wait_no, &beat);
        self.send_frames(screen, end, frames);
    }

    /// What a screen asks for: mostly the same as before.
    fn question(&mut self, screen: usize) -> Value {
        let before = self.screens[screen].asks.last().cloned();
        let (chance, centre) = (&mut self.chance, self.city.centre);
        let (lng, lat) = (centre.lng(), centre.lat());
        let boxes = [
            json!([lng - 0.02, lat - 0.02, lng + 0.02, lat + 0.02]),
            json!([lng, lat, lng + 0.003, lat + 0.003]),
            json!([lng + 0.001, lat + 0.001, lng + 0.004, lat + 0.004]),
            json!([-180, -90, 180, 90]),
        ];
        let filters = [
            json!({}),
            json!({"category": ["garbage", "water"]}),
            json!({"status": ["verified", "in_progress", "resolved"]}),
            json!({"overdue": true}),
            json!({"drill": false}),
        ];
        let mut ask = before.unwrap_or_else(|| {
            json!({"type": "subscribe", "id": "main", "bbox": boxes[0], "zoom": 15, "filter": {},
                "layers": ["incidents", "hotspots", "stats"]})
        });
        match chance.below(8) {
            0 | 1 => ask["bbox"] = chance.pick(&boxes).clone(),
            2 => ask["zoom"] = json!(*chance.pick(&[8, 14, 15, 17, 20])),
            3 => ask["filter"] = chance.pick(&filters).clone(),
            _ => {}
        }
        ask
    }

    /// A screen looks elsewhere.
    pub fn screen_moves(&mut self, screen: usize) {
        let after = self.screen_pause();
        self.agenda.put(self.now.ms() + after, Event::ScreenMoves { screen });
        if self.is_healed() {
            return;
        }
        let Some((end, _)) = self.screens[screen].at else {
            return;
        };
        if self.chance.happens(0.3) {
            return self.screen_falls(screen);
        }
        if !self.screens[screen].has_asked {
            return;
        }
        let ask = self.question(screen);
        let Some(beat) = self.beat(end).filter(|_| self.lines.connects(end, End::Outside)) else { return };
        let state = &mut self.screens[screen];
        let Some((_, session)) = &mut state.at else { return };
        let frames = session.receive(&ask.to_string(), &beat);
        state.asks.push(ask.clone());
        self.tell(|| format!("screen {screen} moves at {end:?}, {}: {ask}", beat.map.seq()));
        self.count("screens moved");
        self.send_frames(screen, end, frames);
    }

    pub fn screen_pause(&mut self) -> Ms {
        1 + self.chance.below(6 * self.plan.gap_ms.max(100) as usize) as Ms
    }

    /// A line is lost; the screen comes back by itself.
    pub fn screen_falls(&mut self, screen: usize) {
        let state = &mut self.screens[screen];
        if state.at.take().is_some() {
            state.line += 1;
            (state.under_way, state.last_arrival, state.is_broken) = (0, 0, false);
            let after = 10 + self.chance.below(2_000) as Ms;
            self.agenda.put(self.now.ms() + after, Event::ScreenComes { screen });
        }
    }

    pub fn screen_falls_of(&mut self, screen: usize, line: u32) {
        if self.screens[screen].line == line {
            self.screen_falls(screen);
        }
    }

    /// A node is gone, and with it all its connections.
    pub fn screens_fall(&mut self, end: End) {
        for screen in 0..self.screens.len() {
            if self.screens[screen].at.as_ref().is_some_and(|(at, _)| *at == end) {
                self.screen_falls(screen);
            }
        }
    }

    /// A frame arrives; what it makes of the screen must be what is right at its seq.
    pub fn frame(&mut self, screen: usize, line: u32, frame: &Frame) {
        if self.screens[screen].line != line {
            return;
        }
        self.screens[screen].under_way -= 1;
        self.count("frames");
        let message: Value = serde_json::from_slice(frame.json()).expect("frames are JSON");
        if !self.fold(screen, &message) {
            return;
        }
        let client = &self.screens[screen].client;
        self.trace(&[3, screen as u64, client.seq]);
        if self.chance.happens(LOOKS) {
            self.look(screen);
        }
        let Some((end, _)) = self.screens[screen].at else { return };
        if self.screens[screen].under_way == 0
            && let Some(beat) = self.beat(end)
        {
            self.beat_screen(screen, end, &beat);
        }
    }

    /// `false`: it must not have come.
    fn fold(&mut self, screen: usize, message: &Value) -> bool {
        let kind = message["type"].as_str().unwrap_or_default();
        let drops = matches!(
            (self.screens[screen].sabotage, kind),
            (Sabotage::DroppedFrames, "delta") | (Sabotage::DroppedAlarms, "alarm")
        );
        let drops = drops && self.chance.happens(0.3);
        let state = &mut self.screens[screen];
        if drops {
            // The client's own cursor would notice the hole at the next delta.
            if kind == "delta" {
                state.client.seq = message["seq"].as_u64().unwrap_or(0);
            }
            return true;
        }
        state.client.in_step |= state.sabotage == Sabotage::EagerHeartbeats && kind == "heartbeat";
        let same_epoch = state.held_epoch == state.client.epoch;
        let broken = broken_rule(&state.client, same_epoch, message);
        if let Some(rule) = broken.or_else(|| state.alarms.take(&state.client, message)) {
            self.book.fault(format!("screen {screen}: {rule}"));
            return false;
        }
        if kind == "snapshot" || kind == "delta" {
            state.held_epoch.clone_from(&state.client.epoch);
            // What it held before this line is gone, or was asked for on it.
            let answers = !state.client.in_step;
            let old = if answers { std::mem::take(&mut state.asked_before) } else { 0 };
            state.asks.drain(..old);
        }
        state.client.fold(message);
        true
    }

    /// Compares what a screen holds with a fresh snapshot of the book's moment at the same seq.
    pub fn look(&mut self, screen: usize) {
        let state = &self.screens[screen];
        if state.client.view.is_empty() {
            return;
        }
        let epoch = state.held_epoch.parse().ok().map(pantau::model::Epoch);
        let seq = Seq(state.client.seq);
        let moment = epoch.and_then(|epoch| self.book.moment(epoch, seq));
        let Some(map) = moment.cloned() else {
            return self.book.fault(format!("screen {screen} is at {seq}, which nobody wrote"));
        };
        let beat = Beat::new(map, &ManualClock::at(pantau::model::TimeMs(0)), 0);
        let search = Arc::new(TextSearch::new(self.no_journal.clone()));
        // A beat shares frames among the views of one node.
        let views: Arc<Views> = Arc::default();
        let (mut missed, mut n_alarms) = (None, 0);
        let mut differences = vec!["it shows a view that it never asked for".to_owned()];
        for ask in state.asks.iter().rev() {
            let mut session = Session::new(state.projection, views.clone(), search.clone(), &beat);
            let mut ask = ask.clone();
            // Of no view: a snapshot, and the alarms of before.
            ask["resume"] = json!({"epoch": state.held_epoch, "seq": state.alarms.since(), "view": "none"});
            let frames = session.receive(&ask.to_string(), &beat);
            if session.cursor("main").is_none_or(|(_, view)| view != state.client.view) {
                continue;
            }
            let mut fresh = Client::default();
            for frame in frames {
                fresh.fold(&serde_json::from_slice(frame.json()).expect("frames are JSON"));
            }
            differences = state.client.held.differences(&fresh.held);
            let entries = self.book.entries_of(&beat.map);
            missed = entries.and_then(|entries| state.alarms.missed(&fresh.alarms, &beat.map, entries));
            n_alarms = fresh.alarms.len();
            break;
        }
        self.count("screens compared");
        self.counts.add("alarms compared", n_alarms as u64);
        if let Some(alarm) = missed {
            self.book.fault(format!("screen {screen} at {seq} was not told: {alarm}"));
        }
        if !differences.is_empty() {
            self.book.fault(format!("screen {screen} at {seq} is wrong: {}", differences.join("\n")));
        }
    }
}
