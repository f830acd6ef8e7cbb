//! The script of a drill: a plausible day in the city, as an endless run of timed events.
//!
//! Pure: the same seed, rate and ground give the same events for ever. Stories (a flood, a jam, a
//! prank) are planned whole when they begin; what the center does about them is planned with them,
//! so no action comes before the report it is about, and no report joins an incident that is closed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ground::{Ground, Spot};
use super::texts;
use crate::cli::chance::Chance;
use crate::model::{Action, LngLat};

/// The rate that the stories below are written for, in reports a second.
pub const USUAL_RATE: f64 = 2.0;
const STORY_EVERY_S: f64 = 10.0;
const EVERYDAY_EVERY_S: f64 = 2.0;
const PRANK_REPORTS: usize = 20;

/// Something that happens `at_ms` after the drill's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub at_ms: u64,
    pub deed: Deed,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    Report(Told),
    Act(Act),
}

/// A report. Its number is the drill's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub no: u64,
    pub category: String,
    pub place: LngLat,
    pub accuracy_m: u32,
    pub text: String,
    pub sender: Sender,
    pub channel: &'static str,
    /// The report whose incident it joins.
    pub joins: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sender {
    pub name: Option<&'static str>,
    pub phone: Option<String>,
    pub device: Option<String>,
}

/// What the center does to the incident that the report `on` opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub on: u64,
    pub action: Action,
    pub agency: Option<String>,
    pub note: Option<&'static str>,
    /// Nothing more is planned for this incident.
    pub is_last: bool,
}

/// The places where the day's stories play, again and again.
#[derive(Debug, Clone)]
struct Cast {
    flooded: Vec<Spot>,
    markets: Vec<Spot>,
    shores: Vec<Spot>,
    dry: Vec<Spot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    Flood,
    Jam,
    Garbage,
    Accident,
    Prank,
    Dry,
    Quake,
}

/// How often each story comes up after the opening.
const STORIES: [(Story, f64); 7] = [
    (Story::Flood, 24.0),
    (Story::Jam, 24.0),
    (Story::Garbage, 18.0),
    (Story::Dry, 18.0),
    (Story::Accident, 9.0),
    (Story::Prank, 4.0),
    (Story::Quake, 1.0),
];

/// The opening, in seconds: every kind of story within three minutes.
const OPENING: [(f64, Story); 7] = [
    (0.0, Story::Flood),
    (6.0, Story::Jam),
    (20.0, Story::Garbage),
    (35.0, Story::Accident),
    (50.0, Story::Dry),
    (75.0, Story::Prank),
    (150.0, Story::Quake),
];
const OPENING_S: f64 = 160.0;

#[derive(Debug)]
pub struct Scenario {
    ground: Ground,
    chance: Chance,
    cast: Cast,
    /// Seconds of this drill to one at the usual rate.
    stretch: f64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Counts what was planned; breaks ties of time.
    planned: u64,
    reports: u64,
}

#[derive(Debug)]
struct Waiting {
    at_ms: u64,
    order: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Deed(Box<Deed>),
    Begin(Story),
    NextStory,
    Everyday,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.order == other.order
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

impl Scenario {
    /// `rate` in reports a second on the long average.
    pub fn new(seed: u64, rate: f64, ground: Ground) -> Scenario {
        let mut chance = Chance::new(seed);
        let mut spots = |n: usize, find: fn(&Ground, &mut Chance) -> Spot| -> Vec<Spot> {
            (0..n).map(|_| find(&ground, &mut chance)).collect()
        };
        let cast = Cast {
            flooded: spots(3, Ground::shore),
            markets: spots(2, Ground::downtown),
            shores: spots(3, Ground::shore),
            dry: spots(2, Ground::downtown),
        };
        let mut scenario = Scenario {
            ground,
            chance,
            cast,
            stretch: USUAL_RATE / rate,
            waiting: BinaryHeap::new(),
            planned: 0,
            reports: 0,
        };
        for (at_s, story) in OPENING {
            scenario.plan(at_s * scenario.stretch, What::Begin(story));
        }
        scenario.plan(OPENING_S * scenario.stretch, What::NextStory);
        scenario.plan(3.0 * scenario.stretch, What::Everyday);
        scenario
    }

    fn plan(&mut self, at_s: f64, what: What) {
        self.planned += 1;
        self.waiting.push(Reverse(Waiting { at_ms: (at_s * 1_000.0) as u64, order: self.planned, what }));
    }

    /// A delay of the center: as in life at the usual rate and below it, shorter in a busier drill, so
    /// that open incidents do not pile up.
    fn delay_s(&mut self, low_s: f64, high_s: f64) -> f64 {
        self.chance.between(low_s, high_s) * self.stretch.min(1.0)
    }

    /// A span of time after which something of its own accord happens again.
    fn pause_s(&mut self, mean_s: f64) -> f64 {
        -(1.0 - self.chance.unit()).ln() * mean_s * self.stretch
    }

    fn begin(&mut self, story: Story, at_s: f64) {
        match story {
            Story::Flood => self.flood(at_s),
            Story::Jam => self.jam(at_s),
            Story::Garbage => self.garbage(at_s),
            Story::Accident => self.accident(at_s),
            Story::Prank => self.prank(at_s),
            Story::Dry => self.dry(at_s),
            Story::Quake => self.quake(at_s),
        }
    }

    fn flood(&mut self, at_s: f64) {
        let spot = self.chance.pick(&self.cast.flooded).clone();
        let times = self.wave(at_s, 14, 0.9);
        self.gathering("disaster", &spot, 60.0, texts::FLOOD, &times);
        let later = self.wave(at_s + 20.0 * self.stretch, 3, 12.0);
        self.gathering("infrastructure", &spot, 90.0, texts::DRAIN, &later);
    }

    fn jam(&mut self, at_s: f64) {
        let spot = self.chance.pick(&self.cast.markets).clone();
        let times = self.wave(at_s, 11, 1.4);
        self.gathering("traffic", &spot, 50.0, texts::JAM, &times);
    }

    fn garbage(&mut self, at_s: f64) {
        let spot = self.chance.pick(&self.cast.shores).clone();
        let times = self.wave(at_s, 9, 4.0);
        self.gathering("garbage", &spot, 80.0, texts::GARBAGE, &times);
    }

    fn dry(&mut self, at_s: f64) {
        let spot = self.chance.pick(&self.cast.dry).clone();
        let times = self.wave(at_s, 10, 3.0);
        self.gathering("water", &spot, 90.0, texts::WATER, &times);
    }

    fn accident(&mut self, at_s: f64) {
        let spot = self.ground.downtown(&mut self.chance);
        let times = self.wave(at_s, 4, 5.0);
        self.gathering("accident", &spot, 15.0, texts::ACCIDENT, &times);
    }

    /// Felt everywhere within half a minute.
    fn quake(&mut self, at_s: f64) {
        for at_s in self.wave(at_s, 45, 0.4) {
            let spot = self.ground.anywhere(&mut self.chance);
            let told = self.told("disaster", &spot, 30.0, texts::QUAKE);
            self.open(told, at_s, at_s);
        }
    }

    /// One phone, twenty calls; the center sees through it.
    fn prank(&mut self, at_s: f64) {
        let sender = Sender { name: None, phone: Some(self.phone()), device: None };
        let spot = self.ground.downtown(&mut self.chance);
        for at_s in self.wave(at_s, PRANK_REPORTS, 2.5) {
            let category =
                self.ground.categories()[self.chance.below(self.ground.categories().len())].clone();
            let mut told = self.told(&category, &spot, 120.0, texts::PRANK);
            told.sender = sender.clone();
            let on = told.no;
            self.deed(at_s, Deed::Report(told));
            let reject =
                Act { on, action: Action::Reject, agency: None, note: Some(texts::FALSE), is_last: true };
            let decides_s = at_s + self.delay_s(8.0, 30.0);
            self.deed(decides_s, Deed::Act(reject));
        }
    }

    fn everyday(&mut self, at_s: f64) {
        let (category, lines) = *self.chance.pick(texts::EVERYDAY);
        let spot = self.ground.anywhere(&mut self.chance);
        let told = self.told(category, &spot, 20.0, lines);
        self.open(told, at_s, at_s);
    }

    /// `n` moments from `at_s` on, `gap_s` apart at first and then ever farther: news spreads and fades.
    fn wave(&mut self, at_s: f64, n: usize, gap_s: f64) -> Vec<f64> {
        let mut times = vec![at_s];
        for i in 1..n {
            let widening = 1.0 + i as f64 / n as f64;
            let gap = gap_s * widening * self.chance.between(0.6, 1.4) * self.stretch;
            times.push(times[i - 1] + gap);
        }
        times
    }

    /// Many people tell of one thing: the first opens the incident, some later ones are joined to it
    /// by the center, others open incidents of their own beside it.
    fn gathering(
        &mut self,
        category: &str,
        spot: &Spot,
        spread_m: f64,
        lines: &'static [&'static str],
        times: &[f64],
    ) {
        const KNOWN_FROM: usize = 3;
        let end_s = times.last().copied().unwrap_or_default();
        let mut main = None;
        for (i, at_s) in times.iter().copied().enumerate() {
            let mut told = self.told(category, spot, spread_m, lines);
            match main {
                Some(main) if i >= KNOWN_FROM && self.chance.happens(0.45) => {
                    told.joins = Some(main);
                    self.deed(at_s, Deed::Report(told));
                }
                _ => {
                    main = main.or(Some(told.no));
                    // The main incident must be open while others are joined to it.
                    let open_until_s = if main == Some(told.no) { end_s } else { at_s };
                    self.open(told, at_s, open_until_s);
                }
            }
        }
    }

    /// A report that opens an incident, and what the center does about it.
    fn open(&mut self, told: Told, at_s: f64, open_until_s: f64) {
        let on = told.no;
        self.deed(at_s, Deed::Report(told));
        let act = |scenario: &mut Scenario, at_s, action, note, is_last| {
            scenario.deed(at_s, Deed::Act(Act { on, action, agency: None, note, is_last }));
        };
        let verified_s = at_s + self.delay_s(3.0, 15.0);
        act(self, verified_s, Action::Verify, None, false);
        if self.chance.happens(0.15) && !self.ground.agencies().is_empty() {
            let agency = Some(self.chance.pick(self.ground.agencies()).clone());
            let assign = Act { on, action: Action::Assign, agency, note: None, is_last: false };
            let assigned_s = verified_s + self.delay_s(0.5, 2.0);
            self.deed(assigned_s, Deed::Act(assign));
        }
        let started_s = verified_s + self.delay_s(6.0, 30.0);
        act(self, started_s, Action::Start, None, false);
        if self.chance.happens(0.2) {
            let note = *self.chance.pick(texts::NOTES);
            let noted_s = started_s + self.delay_s(1.0, 5.0);
            act(self, noted_s, Action::Note, Some(note), false);
        }
        let takes_s = if self.chance.happens(0.85) {
            self.delay_s(25.0, 150.0)
        } else {
            self.delay_s(400.0, 1_200.0)
        };
        let resolved_s = started_s.max(open_until_s) + takes_s;
        let returns = self.chance.happens(0.03);
        let done = *self.chance.pick(texts::DONE);
        act(self, resolved_s, Action::Resolve, Some(done), !returns);
        if returns {
            let reopened_s = resolved_s + self.delay_s(10.0, 30.0);
            act(self, reopened_s, Action::Reopen, Some("pelapor: belum selesai"), false);
            let settled_s = reopened_s + self.delay_s(60.0, 120.0);
            act(self, settled_s, Action::Resolve, Some(done), true);
        }
    }

    fn deed(&mut self, at_s: f64, deed: Deed) {
        self.plan(at_s, What::Deed(Box::new(deed)));
    }

    fn told(&mut self, category: &str, spot: &Spot, spread_m: f64, lines: &[&str]) -> Told {
        self.reports += 1;
        Told {
            no: self.reports,
            category: self.ground.category(category).to_owned(),
            place: self.ground.around(spot, spread_m, &mut self.chance),
            accuracy_m: self.chance.between(4.0, 40.0) as u32,
            text: self.chance.pick(lines).replace("{}", &spot.name),
            sender: self.sender(),
            channel: ["web", "app", "phone", "social"][self.chance.weighted(&[5.0, 3.0, 2.0, 1.0])],
            joins: None,
        }
    }

    fn sender(&mut self) -> Sender {
        let name = self.chance.happens(0.3).then(|| *self.chance.pick(texts::NAMES));
        if self.chance.happens(0.5) {
            Sender { name, phone: Some(self.phone()), device: None }
        } else {
            Sender { name, phone: None, device: Some(format!("latihan-{:016x}", self.chance.draw())) }
        }
    }

    /// A free-call number: it is nobody's own.
    fn phone(&mut self) -> String {
        format!("0800 1{:06}", self.chance.below(1_000_000))
    }
}

impl Iterator for Scenario {
    type Item = Event;

    /// The next event in the order of time; there is always one.
    fn next(&mut self) -> Option<Event> {
        loop {
            let Reverse(Waiting { at_ms, what, .. }) = self.waiting.pop()?;
            let at_s = at_ms as f64 / 1_000.0;
            match what {
                What::Deed(deed) => return Some(Event { at_ms, deed: *deed }),
                What::Begin(story) => self.begin(story, at_s),
                What::NextStory => {
                    let story = STORIES[self.chance.weighted(&STORIES.map(|(_, weight)| weight))].0;
                    self.begin(story, at_s);
                    let next_s = at_s + self.pause_s(STORY_EVERY_S);
                    self.plan(next_s, What::NextStory);
                }
                What::Everyday => {
                    self.everyday(at_s);
                    let next_s = at_s + self.pause_s(EVERYDAY_EVERY_S);
                    self.plan(next_s, What::Everyday);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
