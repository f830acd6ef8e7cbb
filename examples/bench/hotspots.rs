//! One arrival to exact hotspots.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::ensure;
use pantau::city::HotspotParameters;
use pantau::cli::chance::Chance;
use pantau::live::hotspots::{
    Doubts, HotspotEngine, HotspotReport, Layer, OutlineStyle, Point, Standing, dbscan,
};
use pantau::model::{CategoryId, Channel, IncidentNo, LngLat, ReportNo, SECOND_MS, SenderId, Seq};

use crate::data::Shape;
use crate::fixture::{Bench, SEED};
use crate::peers::sklearn::{self, Sklearn};
use crate::real::{self, RealSet};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

/// Its reports stay in the windows of both of its layers for the whole run.
const CATEGORY: CategoryId = CategoryId(0);

/// Reports that all count, and the engine that holds them.
struct Trial<'a> {
    bench: &'a Bench,
    places: Vec<LngLat>,
    engine: HotspotEngine,
    seq: Seq,
}

impl<'a> Trial<'a> {
    fn new(bench: &'a Bench, places: &[LngLat]) -> Trial<'a> {
        let engine = HotspotEngine::new(bench.city.clone(), OutlineStyle::Exact);
        let mut trial = Trial { bench, places: Vec::new(), engine, seq: Seq(0) };
        places.iter().for_each(|place| trial.add(*place));
        trial.tick();
        trial
    }

    fn add(&mut self, place: LngLat) {
        self.places.push(place);
        let no = self.places.len() as u32;
        let report = HotspotReport {
            seq: Seq(u64::from(no)),
            report: ReportNo(no),
            received_at: self.bench.now,
            incident: IncidentNo(no),
            root: IncidentNo(no),
            place,
            area: self.bench.city.areas.locate(place),
            category: CATEGORY,
            occurred_at: self.bench.now,
            sender: SenderId(u64::from(no)),
            channel: Channel::Other,
            accuracy_m: None,
            n_photos: 0,
            drill: false,
            imported: false,
            doubts: Doubts::NONE,
        };
        self.engine.add_report(report, Standing { counts: true, rejected: false });
    }

    fn tick(&mut self) {
        self.seq = self.seq.next();
        let now = self.bench.now.plus_ms(self.seq.0 as i64 * SECOND_MS);
        // Seqs of ticks come after those of the reports.
        std::hint::black_box(self.engine.tick(Seq(self.seq.0 + 10_000_000), now));
    }

    /// Microseconds from a report that came to hotspots that count it.
    fn arrival_us(&mut self, place: LngLat) -> f64 {
        let began = Instant::now();
        self.add(place);
        self.tick();
        began.elapsed().as_secs_f64() * 1e6
    }

    /// Compares members and cores of every hotspot with batch DBSCAN over all reports.
    fn check(&self) -> anyhow::Result<()> {
        let city = &self.bench.city;
        for (layer, parameters) in [
            (Layer::Category(CATEGORY), city.category(CATEGORY).hotspot),
            (Layer::All, city.all_categories),
        ] {
            let live = self.engine.board().live().filter(|hotspot| hotspot.layer == layer);
            let mut found: Vec<Vec<(usize, bool)>> = live
                .map(|hotspot| hotspot.members.iter().map(|m| (m.seq.0 as usize - 1, m.core)).collect())
                .collect();
            found.sort();
            ensure!(found == self.batch(&parameters), "hotspots differ from batch DBSCAN");
        }
        Ok(())
    }

    fn batch(&self, parameters: &HotspotParameters) -> Vec<Vec<(usize, bool)>> {
        let point = |(place, n): (&LngLat, u64)| Point {
            seq: Seq(n),
            place: *place,
            sender: SenderId(n),
            weight: 1.0,
        };
        let points: Vec<Point> = self.places.iter().zip(1..).map(point).collect();
        let groups = dbscan(&points, parameters).into_iter();
        let mut groups: Vec<Vec<(usize, bool)>> =
            groups.map(|g| g.members.iter().map(|m| (m.point as usize, m.core)).collect()).collect();
        groups.sort();
        groups
    }
}

pub fn arrival(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let n = if bench.quick { 20_000 } else { 100_000 };
    let n_arrivals = if bench.quick { 10 } else { 50 };
    let places: Vec<LngLat> = bench.samples(Shape::City, n, SEED).into_iter().map(|s| s.place).collect();
    let mut new = bench.samples(Shape::City, bench.runs() * n_arrivals, SEED + 1).into_iter();
    let parameters = bench.city.category(CATEGORY).hotspot;
    let sklearn = Sklearn::find(bench);
    let mut trial = Trial::new(bench, &places);
    trial.check()?;
    let (mut ours, mut all, mut peer, mut version) = (vec![], vec![], vec![], String::new());
    for _ in 0..bench.runs() {
        let mut times_us = Vec::new();
        for sample in new.by_ref().take(n_arrivals) {
            times_us.push(trial.arrival_us(sample.place));
            trial.check()?;
        }
        ours.push(median(&times_us));
        all.extend(times_us);
        if let Some(sklearn) = &sklearn {
            let run = sklearn.run(&trial.places, parameters.eps_m, parameters.min_reports)?;
            same_cores(&run.labels, &trial.batch(&parameters))?;
            peer.push(run.seconds * 1e6);
            version = run.version;
        }
    }
    let (p99, hotspots) = (quantile(&all, 0.99), trial.engine.board().live().count());
    let biggest = trial.engine.board().live().map(|h| h.members.len()).max().unwrap_or(0);
    let mut row = Row {
        reason: "what is left is, in each of two layers, a pass over the cells of the land and a sort of those that stand out (Gi*, a fifth by samples), the days and weeks of the areas that the hotspot lies in (EARS, a sixth), its words, and the arrival's place among its neighbours",
        name: "hotspots-arrival".to_owned(),
        what: "one arrival to exact hotspots at 100k live points",
        unit: "µs p50",
        better: Better::Smaller,
        ours,
        peer,
        peer_is: format!("{} {version}; it has no update, so an arrival is a new fit", sklearn::NAME),
        at_least: AtLeast::Times(1_000.0),
        aim: "<= 100 µs p99",
        aim_met: Some(p99 <= 100.0),
        guard: "after each arrival members and cores of all hotspots equal batch DBSCAN over all reports; after each run its cores and their groups equal scikit-learn's".to_owned(),
        notes: vec![
            format!(
                "City-shaped: {} reports make {hotspots} hotspots in two layers, the biggest of {} members, and an arrival says its hotspot anew (outline, words, members); p99 {} µs over {} arrivals; both layers included",
                grouped(trial.places.len() as f64),
                grouped(biggest as f64),
                grouped(p99),
                all.len()
            ),
            spread_note(bench, n)?,
        ],
    };
    row.peer_is = row.peer_is.replace("  ", " ");
    for set in real::sets()? {
        row.notes.push(real_note(bench, &set, sklearn.as_ref())?);
    }
    Ok(vec![row])
}

/// A real set in its order: the first half is there, the others come one by one.
fn real_note(bench: &Bench, set: &RealSet, sklearn: Option<&Sklearn>) -> anyhow::Result<String> {
    let parameters = bench.city.category(CATEGORY).hotspot;
    let (there, coming) = set.places.split_at(set.places.len() / 2);
    let mut trial = Trial::new(bench, there);
    let mut times_us = Vec::new();
    for place in coming {
        times_us.push(trial.arrival_us(*place));
        trial.check()?;
    }
    let mut note = format!(
        "Real set {}: after half of its {} reports each arrival of the others takes {} µs (p50), p99 {} µs, {} hotspots at the end",
        set.name,
        grouped(set.places.len() as f64),
        grouped(median(&times_us)),
        grouped(quantile(&times_us, 0.99)),
        trial.engine.board().live().count()
    );
    if let Some(sklearn) = sklearn {
        let run = sklearn.run(&trial.places, parameters.eps_m, parameters.min_reports)?;
        same_cores(&run.labels, &trial.batch(&parameters))?;
        let peer_us = run.seconds * 1e6;
        let ratio = peer_us / median(&times_us);
        note += &format!("; a fit of scikit-learn's {} µs, {} x", grouped(peer_us), grouped(ratio));
    }
    Ok(note)
}

/// The same where the reports lie in many small groups, as in a large region.
fn spread_note(bench: &Bench, n: usize) -> anyhow::Result<String> {
    let mut chance = Chance::new(SEED);
    let centres: Vec<(f64, f64)> =
        (0..n / 30).map(|_| (chance.between(126.5, 127.5), chance.between(0.4, 1.4))).collect();
    let mut place = || {
        let (lng, lat) = if chance.happens(0.9) {
            let (lng, lat) = *chance.pick(&centres);
            (lng + chance.normal() * 0.0002, lat + chance.normal() * 0.0002)
        } else {
            (chance.between(126.5, 127.5), chance.between(0.4, 1.4))
        };
        LngLat::new(lng, lat)
    };
    let places: Vec<LngLat> = (0..n).map(|_| place()).collect::<Result<_, _>>()?;
    let mut trial = Trial::new(bench, &places);
    let mut times_us = Vec::new();
    for _ in 0..if bench.quick { 10 } else { 100 } {
        times_us.push(trial.arrival_us(place()?));
    }
    trial.check()?;
    Ok(format!(
        "Spread over a region, {} reports in {} hotspots: p50 {} µs, p99 {} µs",
        grouped(n as f64),
        grouped(trial.engine.board().live().count() as f64),
        grouped(median(&times_us)),
        grouped(quantile(&times_us, 0.99))
    ))
}

/// Cores are the same in every DBSCAN, and so is how they fall into groups. (Borders are not: ours go
/// to the nearest core.)
fn same_cores(labels: &[Option<(i32, bool)>], groups: &[Vec<(usize, bool)>]) -> anyhow::Result<()> {
    let mut theirs: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (point, label) in labels.iter().enumerate() {
        if let Some((group, true)) = label {
            theirs.entry(*group).or_default().push(point);
        }
    }
    let mut theirs: Vec<Vec<usize>> = theirs.into_values().collect();
    theirs.sort();
    let cores = |group: &Vec<(usize, bool)>| {
        group.iter().filter(|(_, core)| *core).map(|(point, _)| *point).collect::<Vec<_>>()
    };
    let mut ours: Vec<Vec<usize>> = groups.iter().map(cores).collect();
    ours.sort();
    ensure!(ours == theirs, "the groups of cores differ from scikit-learn's");
    Ok(())
}
