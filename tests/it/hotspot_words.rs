//! What a hotspot is called, which areas it touches, and what its alarm says, in a town of three
//! square villages side by side: Gamalama, Kalumpang, Muhajirin.

use std::path::Path;
use std::sync::Arc;

use pantau::city::City;
use pantau::live::hotspots::{Hotspot, HotspotEngine, HotspotReport, Layer, OutlineStyle};
use pantau::model::{CategoryId, IncidentNo, LngLat, ReportNo, SenderId, Seq, TimeMs};

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
        for (lng, lat) in places {
            self.reports += 1;
            let place = LngLat::new(*lng, *lat).unwrap();
            let report = HotspotReport {
                seq: Seq(u64::from(self.reports)),
                report: ReportNo(self.reports),
                received_at: at,
                incident: IncidentNo(self.reports),
                place,
                area: self.city.areas.locate(place),
                category: CategoryId(0),
                occurred_at: at,
                sender: SenderId(u64::from(self.reports)),
                drill: false,
                imported: false,
                weight: 1.0,
            };
            self.engine.add_report(report, true);
        }
        self.tick += 1;
        self.engine.tick(Seq(self.tick), at);
        self
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
    assert_eq!(alarm.title.id, "Titik panas baru: Air, Gamalama");
    assert_eq!(alarm.title.en, "New hotspot: Water, Gamalama");
    assert_eq!(town.water().why.id, "4 laporan dari 4 pelapor pukul 14.05");
    assert_eq!(town.water().why.en, "4 reports from 4 reporters at 14:05");
}
