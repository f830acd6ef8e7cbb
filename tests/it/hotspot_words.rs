//! What a hotspot is called, which areas it touches, and what its alarm says, in a town of three
//! square villages side by side: Gamalama, Kalumpang, Muhajirin.

use std::path::Path;
use std::sync::Arc;

use pantau::city::City;
use pantau::live::hotspots::{
    Doubts, Hotspot, HotspotEngine, HotspotReport, Layer, OutlineStyle, Standing,
};
use pantau::model::{CategoryId, Channel, IncidentNo, LngLat, ReportNo, SenderId, Seq, Status, TimeMs};

struct Town {
    city: Arc<City>,
    engine: HotspotEngine,
    reports: u32,
    tick: u64,
}

impl Town {
    fn new(style: OutlineStyle) -> Town {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hotspots/pack");
        let city = Arc::new(City::load(&pack).unwrap_or_else(|e| panic!("{e}")));
        Town { engine: HotspotEngine::new(city.clone(), style), city, reports: 0, tick: 1_000 }
    }

    /// Reports water at each place at 14:05 of the city's day, then lets a tick pass.
    fn told(&mut self, places: &[(f64, f64)]) -> &mut Town {
        let at = TimeMs::parse_rfc3339("2026-02-21T14:05:00+09:00").unwrap();
        self.reported(places, at);
        self.tick += 1;
        self.engine.tick(Seq(self.tick), at);
        self
    }

    fn reported(&mut self, places: &[(f64, f64)], at: TimeMs) {
        for (lng, lat) in places {
            self.reports += 1;
            let place = LngLat::new(*lng, *lat).unwrap();
            let report = HotspotReport {
                seq: Seq(u64::from(self.reports)),
                report: ReportNo(self.reports),
                received_at: at,
                incident: IncidentNo(self.reports),
                root: IncidentNo(self.reports),
                place,
                area: self.city.areas.locate(place),
                category: CategoryId(0),
                occurred_at: at,
                sender: SenderId(u64::from(self.reports)),
                channel: Channel::Other,
                accuracy_m: None,
                n_photos: 0,
                drill: false,
                imported: false,
                doubts: Doubts::NONE,
            };
            self.engine.add_report(report, Standing { counts: true, rejected: false });
        }
    }

    fn water(&self) -> &Hotspot {
        let of_water = |hotspot: &&Hotspot| hotspot.layer == Layer::Category(CategoryId(0));
        self.engine.board().live().find(of_water).expect("there is a hotspot of water")
    }

    fn check(&mut self, places: &[(f64, f64)], id: &str, en: &str, areas: &[&str]) {
        self.told(places);
        let hotspot = self.water();
        assert_eq!((hotspot.name.id.as_str(), hotspot.name.en.as_str()), (id, en));
        let found = hotspot.areas.iter().map(|area| self.city.areas.get(*area).name.as_str());
        assert_eq!(found.collect::<Vec<_>>(), areas);
    }
}

#[test]
fn a_hotspot_is_named_after_the_village_of_most_members_and_counts_the_others() {
    let mut town = Town::new(OutlineStyle::Exact);
    let inside = [(127.375, 0.79); 3];
    town.check(&inside, "Gamalama", "Gamalama", &["Gamalama"]);
    // 90 m from the border: the outline touches the neighbour, which has no members.
    let near = [(127.3765, 0.79), (127.378, 0.79), (127.3792, 0.79)];
    town.check(&near, "Gamalama", "Gamalama", &["Gamalama", "Kalumpang"]);
    let over = [(127.3805, 0.79); 7];
    let both = ["Kalumpang", "Gamalama"];
    town.check(&over, "Gamalama dan 1 lainnya", "Gamalama and 1 more", &both);
    town.check(&over, "Kalumpang dan 1 lainnya", "Kalumpang and 1 more", &both);
}

#[test]
fn a_hotspot_at_sea_is_named_by_its_coordinates() {
    let mut town = Town::new(OutlineStyle::Exact);
    town.check(&[(127.30, 0.79); 3], "0,79° LU 127,30° BT", "0.79° N 127.30° E", &[]);
}

#[test]
fn an_alarm_says_what_is_new_and_where_and_why_says_how_many() {
    let mut town = Town::new(OutlineStyle::H3(h3o::Resolution::Nine));
    town.told(&[(127.375, 0.79); 4]);
    let alarm = town.engine.board().alarms_since(Seq(0)).next().unwrap();
    assert_eq!(alarm.title().id, "Titik panas baru: Air, Gamalama");
    assert_eq!(alarm.title().en, "New hotspot: Water, Gamalama");
    assert_eq!(town.water().why.id, "4 laporan dari 4 pelapor pukul 14.05");
    assert_eq!(town.water().why.en, "4 reports from 4 reporters at 14:05");
}

const GAMALAMA: (f64, f64) = (127.375, 0.79);

/// A town that told nine reports in the hour from 14:00 on so many Saturdays before, and as many on
/// each of so many days before.
fn town_used_to_nine(weeks: i64, days: i64) -> Town {
    let mut town = Town::new(OutlineStyle::Exact);
    let day = |ago: i64| {
        let at = TimeMs::parse_rfc3339("2026-02-21T14:59:00+09:00").unwrap();
        at.plus_ms(-ago * pantau::model::DAY_MS)
    };
    let then = (1..=weeks).map(|week| week * 7).chain(1..=days);
    let mut then: Vec<i64> = then.collect();
    then.sort_unstable();
    then.dedup();
    then.into_iter().for_each(|ago| town.reported(&[GAMALAMA; 9], day(ago)));
    town
}

#[test]
fn why_says_what_is_usual_in_the_same_hour_of_the_week() {
    let mut town = town_used_to_nine(5, 0);
    town.told(&[GAMALAMA; 62]);
    let hotspot = town.water();
    assert_eq!(hotspot.why.id, "62 laporan dari 62 pelapor pukul 14.05; biasanya 9");
    assert_eq!(hotspot.why.en, "62 reports from 62 reporters at 14:05; usually 9");
    assert!(hotspot.surge.unwrap() > 10.0, "{:?}", hotspot.surge);
    assert_eq!(hotspot.gi_confidence.map(|confidence| confidence.percent()), Some(95));
}

#[test]
fn why_says_what_is_usual_on_a_day_before_four_weeks_are_known() {
    let mut town = town_used_to_nine(0, 10);
    town.told(&[GAMALAMA; 62]);
    let hotspot = town.water();
    assert_eq!(hotspot.why.en, "62 reports from 62 reporters at 14:05; usually 9 a day");
    // Nine each day: no spread, so the floor of 1.5. C3 adds two days as usual as the others: nothing.
    assert_eq!(hotspot.surge, Some(((62.0 - 9.0) / 1.5 * 100.0_f64).round() / 100.0));
}

#[test]
fn a_place_of_which_little_is_known_has_no_surge_and_says_nothing_of_what_is_usual() {
    for known in [0, 3, 6] {
        let mut town = town_used_to_nine(0, known);
        town.told(&[GAMALAMA; 5]);
        assert_eq!(town.water().surge, None, "{known} days");
        assert_eq!(town.water().why.en, "5 reports from 5 reporters at 14:05");
    }
}

#[test]
fn four_reports_where_none_are_usual_are_no_surge_to_cry_about() {
    let mut town = town_used_to_nine(8, 0);
    // Another village, of which nothing was ever heard.
    town.told(&[(127.395, 0.79); 4]);
    let hotspot = town.water();
    assert_eq!(hotspot.why.en, "4 reports from 4 reporters at 14:05; usually none");
    let surge = hotspot.surge.unwrap();
    assert!((2.0..3.09).contains(&surge), "{surge}");
}

#[test]
fn scores_change_with_the_group_only() {
    let mut town = town_used_to_nine(5, 0);
    town.told(&[GAMALAMA; 5]);
    let before = town.water().clone();
    // Elsewhere in the same village much happens, and the group stays as it is.
    town.told(&[(127.372, 0.799); 30]);
    let after = town.engine.board().get(before.id).unwrap();
    assert_eq!(**after, before);
    town.told(&[GAMALAMA; 1]);
    assert_ne!(town.engine.board().get(before.id).unwrap().surge, before.surge);
}

#[test]
fn what_was_rejected_was_never_usual() {
    let mut town = town_used_to_nine(5, 0);
    // All but one of the newest Saturday's, and the whole one before: 1, 0, 9 and 9 are left. The oldest
    // is no whole hour: nobody knows what came before its first report.
    (2..=18).for_each(|no| town.engine.set_standing(IncidentNo(no), Standing::of(Status::Rejected, None)));
    town.told(&[GAMALAMA; 62]);
    assert!(town.water().why.en.ends_with("; usually 5"), "{}", town.water().why.en);
}
