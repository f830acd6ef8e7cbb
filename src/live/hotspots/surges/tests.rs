//! Days told by hand and by chance, with restarts among them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::journal::{Derived, DerivedUpdate};
use crate::live::hotspots::testing::{cases, city_with_areas, place};
use crate::live::hotspots::{Alarm, Doubts, HotspotEngine, OutlineStyle, Standing};
use crate::model::{Channel, DAY_MS, HOUR_MS, LngLat, Projection, ReportNo, SenderId};

/// One in each village, from west to east.
const PLACES: [f64; 3] = [127.375, 127.385, 127.395];
/// A report of water in Gamalama, live.
const WATER: What = What { village: 0, category: 0, drill: false, imported: false };

#[derive(Debug, Clone, Copy)]
struct What {
    village: usize,
    category: u8,
    drill: bool,
    imported: bool,
}

/// An engine, and the journal in its mind.
struct Town {
    city: Arc<City>,
    engine: HotspotEngine,
    seq: Seq,
    now: TimeMs,
    reports: Vec<HotspotReport>,
    /// Of incidents that were rejected: whether they count, and when they came back.
    standings: BTreeMap<IncidentNo, (bool, Vec<Seq>)>,
    derived: Derived,
}

fn standing(counts: bool) -> Standing {
    Standing { counts, rejected: !counts }
}

impl Town {
    fn new() -> Town {
        let city = city_with_areas(200.0, 3.0, 2);
        Town {
            engine: HotspotEngine::new(city.clone(), OutlineStyle::Exact),
            city,
            seq: Seq(0),
            now: TimeMs::parse_rfc3339("2026-02-01T08:00:00+09:00").unwrap(),
            reports: Vec::new(),
            standings: BTreeMap::new(),
            derived: Derived::default(),
        }
    }

    /// Two reports of water a day in Gamalama, for so many days.
    fn quiet(days: usize) -> Town {
        let mut town = Town::new();
        for _ in 0..days {
            town.tell(2, WATER);
            town.tick();
            town.pass(DAY_MS);
        }
        town
    }

    fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    fn tell(&mut self, count: u32, what: What) {
        for sender in 0..count {
            self.tell_one(what, u64::from(sender), 0);
        }
    }

    fn tell_one(&mut self, what: What, sender: u64, age_ms: i64) {
        self.seq = self.seq.next();
        let no = self.reports.len() as u32 + 1;
        // Far enough from each other that no hotspot arises.
        let place: LngLat = place(PLACES[what.village], 0.70 + f64::from(no % 40) * 0.002);
        let area = self.city.areas.locate(self::place(PLACES[what.village], 0.79));
        let report = HotspotReport {
            seq: self.seq,
            report: ReportNo(no),
            received_at: self.now,
            incident: IncidentNo(no),
            root: IncidentNo(no),
            place,
            area,
            category: CategoryId(what.category),
            occurred_at: self.now.plus_ms(-age_ms),
            sender: SenderId(sender),
            channel: Channel::Other,
            accuracy_m: None,
            n_photos: 0,
            drill: what.drill,
            imported: what.imported,
            doubts: Doubts::NONE,
        };
        self.reports.push(report);
        self.engine.add_report(report, standing(true));
    }

    fn set_counts(&mut self, incident: IncidentNo, counts: bool) {
        self.seq = self.seq.next();
        let (before, risen) = self.standings.entry(incident).or_insert((true, Vec::new()));
        if counts && !*before {
            risen.push(self.seq);
        }
        *before = counts;
        self.engine.set_standing(incident, standing(counts));
    }

    /// What a tick raises.
    fn tick(&mut self) -> Vec<String> {
        self.seq = self.seq.next();
        let changes = self.engine.tick(self.seq, self.now);
        let mut update = DerivedUpdate::default();
        changes.append_rows(Projection::Staff, &self.city, &mut update);
        self.derived.as_of_seq = self.seq;
        for row in update.surges {
            self.derived.surges.retain(|known| (known.seq, known.n) != (row.seq, row.n));
            self.derived.surges.push(row);
        }
        self.derived.surges.sort_by_key(|row| (row.seq, row.n));
        assert!(!self.engine.surges.is_dirty());
        let raised = self.engine.board().alarms_since(Seq(self.seq.0 - 1));
        raised
            .filter(|alarm| matches!(alarm, Alarm::Surge(_)))
            .map(|alarm| alarm.title().en.clone())
            .collect()
    }

    /// Puts an engine that was stood up from rows in the place of this one.
    fn restart(&mut self) {
        let mut engine = HotspotEngine::new(self.city.clone(), OutlineStyle::Exact);
        engine.begin_day(self.now);
        let counts = |incident| self.standings.get(&incident).is_none_or(|(counts, _)| *counts);
        for report in &self.reports {
            engine.add_report(*report, standing(counts(report.incident)));
        }
        // Hotspots are none of these tests' business.
        engine.load(Projection::Staff, &self.derived, self.seq, self.now).unwrap();
        for (incident, (_, risen)) in &self.standings {
            if risen.iter().any(|seq| *seq > self.derived.as_of_seq) {
                engine.freshen(*incident);
            }
        }
        self.engine = engine;
    }

    fn surges(&self) -> Vec<Surge> {
        let surge = |alarm: &Alarm| match alarm {
            Alarm::Surge(surge) => Some((**surge).clone()),
            Alarm::Hotspot(_) => None,
        };
        self.engine.board().alarms_since(Seq(0)).filter_map(surge).collect()
    }
}

const NONE: Vec<String> = Vec::new();

#[test]
fn a_day_far_above_the_days_before_is_said_once_with_its_numbers() {
    let mut town = Town::quiet(14);
    town.tell(6, WATER);
    assert_eq!(town.tick(), NONE, "six are too few");
    town.tell(12, WATER);
    assert!(town.engine.is_dirty());
    assert_eq!(town.tick(), ["Surge of water reports in Gamalama: 18 today, usually 2"]);
    let surge = town.surges().remove(0);
    assert_eq!(surge.title.id, "Lonjakan laporan water di Gamalama: 18 hari ini, biasanya 2");
    assert_eq!((surge.reports, surge.reporters, surge.usual), (18, 12, 2.0));
    assert!((surge.sigma - 16.0 / 1.5).abs() < 0.01, "{}", surge.sigma);
    town.tell(40, WATER);
    assert_eq!(town.tick(), NONE, "it is known");
}

#[test]
fn it_is_said_again_only_after_a_day_without() {
    let mut town = Town::quiet(14);
    for expected in [1, 0, 0] {
        town.tell(60, WATER);
        assert_eq!(town.tick().len(), expected);
        town.pass(DAY_MS);
        town.restart();
    }
    town.tell(2, WATER);
    assert_eq!(town.tick(), NONE);
    town.pass(DAY_MS);
    town.tell(250, WATER);
    assert_eq!(town.tick(), ["Surge of water reports in Gamalama: 250 today, usually 27"]);
}

#[test]
fn without_a_week_that_is_known_nothing_is_far_above() {
    let mut town = Town::quiet(6);
    town.tell(100, WATER);
    assert_eq!(town.tick(), NONE);
}

#[test]
fn few_senders_make_no_surge() {
    let mut town = Town::quiet(14);
    (0..30).for_each(|n| town.tell_one(WATER, n % 3, 0));
    assert_eq!(town.tick(), NONE);
    town.tell_one(WATER, 3, 0);
    assert_eq!(town.tick().len(), 1);
}

#[test]
fn imports_raise_nothing() {
    let mut town = Town::quiet(14);
    town.tell(100, What { imported: true, ..WATER });
    assert!(!town.engine.surges.is_dirty());
    assert_eq!(town.tick(), NONE);
    town.tell(7, WATER);
    assert_eq!(town.tick(), NONE, "seven came live");

    let mut town = Town::new();
    town.tell(20, WATER);
    assert_eq!(town.tick(), NONE, "nothing is known");
    (0..20).for_each(|day| town.tell_one(What { imported: true, ..WATER }, 0, day * DAY_MS));
    assert_eq!(town.tick(), NONE, "the past came, but no report");
}

#[test]
fn drills_surge_among_drills() {
    let drill = What { drill: true, ..WATER };
    let mut town = Town::quiet(14);
    town.tell(100, drill);
    assert_eq!(town.tick(), NONE, "no drill is usual yet");
    let mut town = Town::new();
    for _ in 0..14 {
        town.tell(1, drill);
        town.pass(DAY_MS);
    }
    town.tell(20, drill);
    assert_eq!(town.tick().len(), 1);
    assert!(town.surges()[0].drill);
}

#[test]
fn what_is_rejected_does_not_count_until_it_comes_back() {
    let mut town = Town::quiet(14);
    town.tell(18, WATER);
    for no in 29..=40 {
        town.set_counts(IncidentNo(no), false);
    }
    assert_eq!(town.tick(), NONE);
    for no in 29..=40 {
        town.set_counts(IncidentNo(no), true);
    }
    town.restart();
    assert_eq!(town.tick(), ["Surge of water reports in Gamalama: 18 today, usually 2"]);
}

#[test]
fn the_city_is_named_where_no_village_stands_out() {
    let mut town = Town::new();
    for _ in 0..14 {
        (0..3).for_each(|village| town.tell(1, What { village, ..WATER }));
        town.tick();
        town.pass(DAY_MS);
    }
    (0..3).for_each(|village| town.tell(5, What { village, ..WATER }));
    let city = town.city.areas.by_code("1").unwrap();
    let name = town.city.areas.get(city).name.clone();
    assert_eq!(town.tick(), [format!("Surge of water reports in {name}: 15 today, usually 3")]);

    town.pass(3 * DAY_MS);
    town.tell(40, What { village: 1, ..WATER });
    assert_eq!(town.tick().len(), 1);
    town.tell(7, WATER);
    assert_eq!(town.tick(), NONE, "the village was named");
    assert_eq!(town.surges()[1].area, town.city.areas.by_code("1.2").unwrap());
}

#[derive(Debug, Clone)]
enum Step {
    Tell { what: What, count: u32, age_ms: i64 },
    Counts { incident: u32, counts: bool },
    Pass { hours: i64 },
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let what = (0..3_usize, 0..2_u8, prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    let count = prop_oneof![3 => 1..3_u32, 1 => 5..25_u32];
    let age_h = prop_oneof![4 => Just(0_i64), 1 => -3..40_i64];
    prop_oneof![
        6 => (what, count, age_h).prop_map(|((village, category, drill, imported), count, age_h)| {
            Step::Tell { what: What { village, category, drill, imported }, count, age_ms: age_h * HOUR_MS }
        }),
        2 => (1..200_u32, any::<bool>()).prop_map(|(incident, counts)| Step::Counts { incident, counts }),
        4 => (1..30_i64).prop_map(|hours| Step::Pass { hours }),
        4 => Just(Step::Tick),
    ]
}

proptest! {
    #![proptest_config(cases(150))]

    /// A node that runs on, and one that restarts before every step.
    #[test]
    fn restarts_change_no_alarm(steps in prop::collection::vec(step(), 1..60), restart_at in 0..4_usize) {
        let (mut on, mut off) = (Town::quiet(9), Town::quiet(9));
        for (i, step) in steps.iter().enumerate() {
            if i % 4 >= restart_at {
                off.restart();
            }
            for town in [&mut on, &mut off] {
                match *step {
                    Step::Tell { what, count, age_ms } => {
                        (0..count).for_each(|sender| town.tell_one(what, u64::from(sender), age_ms));
                    }
                    Step::Counts { incident, counts } => {
                        let known = town.reports.len() as u32;
                        town.set_counts(IncidentNo(incident % known + 1), counts);
                    }
                    Step::Pass { hours } => town.pass(hours * HOUR_MS),
                    Step::Tick => drop(town.tick()),
                }
            }
            prop_assert_eq!(on.surges(), off.surges());
            prop_assert_eq!(&on.derived.surges, &off.derived.surges);
        }
    }
}

#[test]
fn an_abbreviation_keeps_its_letters() {
    let inside = |name| super::words::inside(name);
    assert_eq!([inside("Air bersih"), inside("PJU mati"), inside("A")], ["air bersih", "PJU mati", "A"]);
}
