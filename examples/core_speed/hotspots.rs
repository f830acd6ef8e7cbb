//! What hotspots cost while they grow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use geo::CoordsIter;
use pantau::city::{AreaLevel, City};
use pantau::cli::chance::Chance;
use pantau::journal::DerivedUpdate;
use pantau::live::hotspots::{Doubts, HotspotEngine, HotspotReport, OutlineStyle, Standing};
use pantau::model::{CategoryId, Channel, IncidentNo, LngLat, Projection, ReportNo, SenderId, Seq, TimeMs};

use crate::{NOW, micros, middle, say};

/// About 330 m.
const SPREAD_DEG: f64 = 0.003;
const N_LIVE: usize = 100_000;
const N_ARRIVALS: u64 = 5_000;
/// Reports between two ticks, and ticks: 10,000 reports a second, or as many by tenths of it.
const GROWTHS: [(usize, usize); 2] = [(10_000, 10), (1_000, 60)];

/// Reports around the villages, the n-th busiest with a share of 1/n.
struct Town {
    city: Arc<City>,
    chance: Chance,
    centres: Vec<LngLat>,
    shares: Vec<f64>,
    n: u32,
}

impl Town {
    fn new(city: &Arc<City>) -> Town {
        let villages = city.areas.iter().filter(|(_, area)| area.level == AreaLevel::Village);
        let centres: Vec<LngLat> = villages.map(|(_, area)| area.label).collect();
        let shares = (1..=centres.len()).map(|n| 1.0 / n as f64).collect();
        Town { city: city.clone(), chance: Chance::new(1), centres, shares, n: 0 }
    }

    fn report(&mut self, category: CategoryId, occurred_at: TimeMs) -> HotspotReport {
        let centre = self.centres[self.chance.weighted(&self.shares)];
        let near = |deg: f64, chance: &mut Chance| deg + chance.normal() * SPREAD_DEG;
        let place = LngLat::new(near(centre.lng(), &mut self.chance), near(centre.lat(), &mut self.chance));
        let place = place.expect("near Ternate");
        self.n += 1;
        HotspotReport {
            seq: Seq(self.n.into()),
            report: ReportNo(self.n),
            received_at: occurred_at,
            incident: IncidentNo(self.n),
            root: IncidentNo(self.n),
            place,
            area: self.city.areas.locate(place),
            category,
            occurred_at,
            sender: SenderId(self.n.into()),
            channel: Channel::Other,
            accuracy_m: None,
            n_photos: 0,
            drill: false,
            imported: false,
            doubts: Doubts::NONE,
        }
    }
}

const COUNTS: Standing = Standing { counts: true, rejected: false };

/// Many reports between two ticks, from nothing, for staff and for the public.
pub fn growth(city: &Arc<City>) -> anyhow::Result<()> {
    for (n_reports, n_ticks) in GROWTHS {
        for style in [OutlineStyle::Exact, OutlineStyle::H3(city.coarse_res)] {
            grow(city, style, n_reports, n_ticks);
        }
    }
    Ok(())
}

fn grow(city: &Arc<City>, style: OutlineStyle, n_reports: usize, n_ticks: usize) {
    println!("{n_ticks} ticks after {n_reports} reports each, {style:?}");
    let mut town = Town::new(city);
    let mut engine = HotspotEngine::new(city.clone(), style);
    let (mut reports, mut ticks, mut rows) = (Duration::ZERO, Vec::new(), Duration::ZERO);
    let (mut n_changed, mut n_corners) = (0, 0);
    for n in 1..=n_ticks {
        let now = NOW.plus_ms((n * n_reports / 10) as i64);
        let came: Vec<HotspotReport> = (0..n_reports)
            .map(|_| {
                let category = CategoryId(town.chance.below(city.categories.len()) as u8);
                town.report(category, now)
            })
            .collect();
        reports += timed(|| came.iter().for_each(|report| engine.add_report(*report, COUNTS))).1;
        let (changes, took) = timed(|| engine.tick(Seq(10_000_000 + n as u64), now));
        ticks.push(took);
        n_changed += changes.changed.len();
        n_corners += changes.changed.iter().map(|h| h.outline.coords_count()).sum::<usize>();
        rows += timed(|| changes.append_rows(Projection::Staff, city, &mut DerivedUpdate::default())).1;
    }
    let each = |sum: Duration, n: usize| micros(sum / n as u32);
    say("  a report into its lanes", &each(reports, n_reports * n_ticks));
    say("  a tick, the median", &micros(middle(ticks.clone())));
    say("  a tick, the mean", &each(ticks.iter().sum(), n_ticks));
    say("  of it, for each hotspot that changed", &each(ticks.iter().sum(), n_changed));
    say("  hotspots that changed, a tick", &(n_changed / n_ticks).to_string());
    say("  corners, a hotspot", &(n_corners / n_changed).to_string());
    say("  their rows for the journal, a tick", &each(rows, n_ticks));
}

/// One report after the other into big hotspots, to the tick that counts it.
pub fn arrival(city: &Arc<City>) -> anyhow::Result<()> {
    let mut town = Town::new(city);
    let mut engine = HotspotEngine::new(city.clone(), OutlineStyle::Exact);
    (0..N_LIVE).for_each(|_| engine.add_report(town.report(CategoryId(0), NOW), COUNTS));
    engine.tick(Seq(10_000_000), NOW);
    let (mut arrivals, mut ticks) = (Vec::new(), Vec::new());
    for n in 1..=N_ARRIVALS {
        let report = town.report(CategoryId(0), NOW);
        let arrival = timed(|| engine.add_report(report, COUNTS)).1;
        let tick = timed(|| drop(engine.tick(Seq(10_000_000 + n), NOW.plus_ms(n as i64 * 1_000)))).1;
        arrivals.push(arrival + tick);
        ticks.push(tick);
    }
    arrivals.sort_unstable();
    println!("{N_ARRIVALS} arrivals at {N_LIVE} reports in {} hotspots", engine.board().live().count());
    say("  one arrival to exact hotspots, p50", &micros(arrivals[arrivals.len() / 2]));
    say("  the same, p99", &micros(arrivals[arrivals.len() * 99 / 100]));
    say("  of it the tick, p50", &micros(middle(ticks)));
    Ok(())
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = run();
    (result, began.elapsed())
}
