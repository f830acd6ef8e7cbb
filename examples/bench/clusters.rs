//! Clusters in process: one screen, and one change.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::ensure;
use pantau::cli::chance::Chance;
use pantau::live::{CellRange, Filter, LiveMap};
use pantau::model::{
    Action, ActionFact, Bbox, Cell, Channel, Entry, Fact, IncidentNo, LEVEL_MAX, LngLat, Opening,
    Projection, ReportFact, ReportNo, SenderId, Status,
};

use crate::data::{Sample, Shape};
use crate::fixture::{Bench, SEED};
use crate::peers::supercluster::{self, Supercluster};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

const ZOOMS: std::ops::RangeInclusive<u8> = 10..=16;
const SCREENS_A_ZOOM: usize = 40;
/// A full HD screen, in tiles of 512 px.
const SCREEN_TILES: (f64, f64) = (1920.0 / 512.0, 1080.0 / 512.0);

/// What a page asks for.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    pub zoom: u8,
    pub bbox: Bbox,
}

/// Screens around places where something is.
fn screens(samples: &[Sample]) -> anyhow::Result<Vec<Screen>> {
    let mut chance = Chance::new(SEED);
    let of_zoom = |zoom: u8| std::iter::repeat_n(zoom, SCREENS_A_ZOOM);
    ZOOMS.flat_map(of_zoom).map(|zoom| screen_around(chance.pick(samples).place, zoom)).collect()
}

pub fn screen_around(place: LngLat, zoom: u8) -> anyhow::Result<Screen> {
    let tile_deg = 360.0 / f64::from(1_u32 << zoom);
    let (half_lng, half_lat) =
        (SCREEN_TILES.0 * tile_deg / 2.0, SCREEN_TILES.1 * tile_deg / 2.0 * place.lat().to_radians().cos());
    let (lng, lat) = (place.lng(), place.lat());
    let bbox = Bbox::new(lng - half_lng, lat - half_lat, lng + half_lng, lat + half_lat)?;
    Ok(Screen { zoom, bbox })
}

/// The deepest cell of each place: every coarser one follows from it.
pub struct Naive(Vec<Cell>);

impl Naive {
    pub fn of(places: impl Iterator<Item = LngLat>) -> Naive {
        Naive(places.map(|place| Cell::at(place, LEVEL_MAX)).collect())
    }

    /// Looks at every place.
    fn counts(&self, range: &CellRange) -> HashMap<Cell, u32> {
        let mut counts = HashMap::new();
        let cells = self.0.iter().map(|deepest| deepest.ancestor(range.level()));
        cells.filter(|cell| range.contains(*cell)).for_each(|cell| *counts.entry(cell).or_default() += 1);
        counts
    }

    /// Compares the clusters of a range with the recount.
    pub fn check(&self, map: &LiveMap, range: &CellRange) -> anyhow::Result<()> {
        let cells = map.cells(Projection::Staff, &Filter::everything(), range);
        let found: HashMap<Cell, u32> = cells.iter().map(|(cell, sum)| (*cell, sum.total.count)).collect();
        ensure!(found == self.counts(range), "clusters of level {} differ from a recount", range.level());
        Ok(())
    }

    pub fn check_world(&self, map: &LiveMap) -> anyhow::Result<()> {
        [3, 12, 16, 20].iter().try_for_each(|level| self.check(map, &CellRange::of(&Bbox::WORLD, *level)))
    }
}

pub fn screen(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let folder = bench.million()?;
    let screens = screens(&folder.samples)?;
    let map = folder.open(&bench.city)?.map().clone();
    let naive = Naive::of(folder.samples.iter().map(|sample| sample.place));
    let peer_process = Supercluster::find(bench, &folder.samples, &screens)?;
    let (mut ours, mut p99s, mut peer, mut peer_p99s) = (vec![], vec![], vec![], vec![]);
    let mut peer_features = vec![];
    // To warm up: what supercluster's process does too.
    let first_us = median(&time_screens(&map, &screens));
    for _ in 0..bench.runs() {
        let times_us = time_screens(&map, &screens);
        ours.push(median(&times_us));
        p99s.push(quantile(&times_us, 0.99));
        if let Some(peer_process) = &peer_process {
            let run = peer_process.run()?;
            peer.push(median(&run.times_us));
            peer_p99s.push(quantile(&run.times_us, 0.99));
            peer_features = run.features;
        }
    }
    let mut features = vec![];
    for Screen { zoom, bbox } in &screens {
        let level = map.level_in_force(Projection::Staff, &Filter::everything(), bbox, *zoom);
        let range = CellRange::of(bbox, level);
        naive.check(&map, &range)?;
        features.push(map.cells(Projection::Staff, &Filter::everything(), &range).iter().count() as f64);
    }
    naive.check_world(&map)?;
    let p99 = median(&p99s);
    let by_zoom = |zoom: u8| {
        let of_zoom: Vec<Screen> = screens.iter().filter(|s| s.zoom == zoom).copied().collect();
        format!("{} at {zoom}", grouped(median(&time_screens(&map, &of_zoom))))
    };
    let mut notes = vec![
        format!(
            "{} full HD screens over {} incidents around places where something is; p99 {} µs; p50 by zoom: {} µs",
            screens.len(),
            grouped(folder.samples.len() as f64),
            grouped(p99),
            ZOOMS.map(by_zoom).collect::<Vec<_>>().join(", ")
        ),
        format!("A screen that was not asked for before, nor one that overlaps it: {} µs; what usual questions found is kept, up to 32 MB, until it changes", grouped(first_us)),
        "Ours gives every cell of 64 px with its exact sums by category and status; supercluster gives GeoJSON objects of its own greedy clusters with radius 64".to_owned(),
    ];
    if !peer_p99s.is_empty() {
        notes.push(format!(
            "supercluster's p99 is {} µs; the screen in the middle shows {} features at ours, {} at supercluster",
            grouped(median(&peer_p99s)),
            grouped(median(&features)),
            grouped(median(&peer_features))
        ));
    }
    let mut row = Row {
        reason: "a cell costs 50 to 100 ns: where it is a branch its whole answer is read from a place of its own in memory, where it lies in a leaf its members are summed; a grid of 64 px shows twice as many cells as supercluster shows clusters, each exact by category and status",
        name: "clusters-screen".to_owned(),
        what: "clusters for one screen, in process, z10-16, 1M city",
        unit: "µs p50",
        better: Better::Smaller,
        ours,
        peer,
        peer_is: supercluster::NAME.to_owned(),
        at_least: AtLeast::Times(10.0),
        aim: "30 x, p99 <= 50 µs",
        aim_met: None,
        guard: "every cell of every screen, and of the whole world at four levels, equals a recount of all places; supercluster's clusters of the world sum to all at every zoom".to_owned(),
        notes,
    };
    row.aim_met = row.ratio().map(|ratio| ratio >= 30.0 && p99 <= 50.0);
    Ok(vec![row])
}

/// What is timed includes finding the level in force, and reading every cell of the answer once.
fn time_screens(map: &LiveMap, screens: &[Screen]) -> Vec<f64> {
    let filter = Filter::everything();
    let ask = |screen: &Screen| {
        let began = Instant::now();
        let level = map.level_in_force(Projection::Staff, &filter, &screen.bbox, screen.zoom);
        let range = CellRange::of(&screen.bbox, level);
        let cells = map.cells(Projection::Staff, &filter, &range);
        std::hint::black_box(cells.iter().map(|(_, sum)| u64::from(sum.total.count)).sum::<u64>());
        began.elapsed().as_secs_f64() * 1e6
    };
    screens.iter().map(ask).collect()
}

pub fn change(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let folder = bench.million()?;
    let n_changes = if bench.quick { 500 } else { 2_000 };
    let mut writer = folder.open(&bench.city)?;
    let peer_process = Supercluster::find(bench, &folder.samples, &[])?;
    let (mut ours, mut p99s, mut peer) = (vec![], vec![], vec![]);
    let mut places: Vec<LngLat> = folder.samples.iter().map(|sample| sample.place).collect();
    let mut new = bench.samples(Shape::City, bench.runs() * n_changes, SEED + 1).into_iter();
    for _ in 0..bench.runs() {
        let mut times_us = Vec::new();
        for sample in new.by_ref().take(n_changes) {
            places.push(sample.place);
            let no = IncidentNo(places.len() as u32);
            for fact in [opening(&sample, no), verifying(no)] {
                // A reader holds the last moment, as on a server.
                let held = writer.map().clone();
                let entry = Entry { seq: held.seq().next(), at: held.now(), fact };
                let began = Instant::now();
                writer.apply(&[entry]);
                times_us.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        ours.push(median(&times_us));
        p99s.push(quantile(&times_us, 0.99));
        Naive::of(places.iter().copied()).check_world(writer.map())?;
        let verified = writer.map().stats(Projection::Staff, &Filter::everything()).by_status;
        let of_samples = folder.samples.iter().filter(|sample| sample.status == Status::Verified).count();
        let expected = of_samples + places.len() - folder.samples.len();
        ensure!(
            verified[Status::Verified as usize] as usize == expected,
            "verified incidents are miscounted"
        );
        if let Some(peer_process) = &peer_process {
            peer.push(peer_process.run()?.load_ms * 1e3);
        }
    }
    let p99 = median(&p99s);
    let mut row = Row {
        reason: "",
        name: "clusters-change".to_owned(),
        what: "one change to the clusters at 1M",
        unit: "µs p50",
        better: Better::Smaller,
        ours,
        peer,
        peer_is: format!("{}; it has no update, so a change is a rebuild", supercluster::NAME),
        at_least: AtLeast::Times(1_000.0),
        aim: "100,000 x (<= 8 µs p99)",
        aim_met: None,
        guard: "after each run the clusters of the world at four levels equal a recount of all places, and the figures count what was verified".to_owned(),
        notes: vec![format!(
            "A change is a whole entry (half of them new reports, half verifications) applied to the live map while a reader holds the moment before: row, orders, both projections' clusters, ring of changes, the hotspots' input; p99 {} µs",
            grouped(p99)
        )],
    };
    row.aim_met = row.ratio().map(|ratio| ratio >= 100_000.0 && p99 <= 8.0);
    Ok(vec![row])
}

fn opening(sample: &Sample, no: IncidentNo) -> Fact {
    Fact::Report(Box::new(ReportFact {
        report: ReportNo(no.0),
        incident: no,
        opens: Some(Opening {
            status: Status::New,
            agency: None,
            opened_at: sample.opened_at,
            due_at: None,
            clock: None,
        }),
        place: sample.place,
        accuracy_m: None,
        category: sample.category,
        occurred_at: sample.opened_at,
        area: None,
        sender: SenderId(u64::from(no.0)),
        again: false,
        channel: Channel::Web,
        drill: false,
        imported: false,
        n_photos: 0,
        private: Default::default(),
    }))
}

fn verifying(no: IncidentNo) -> Fact {
    Fact::Action(Box::new(ActionFact {
        incident: no,
        action: Action::Verify,
        from: Status::New,
        to: Status::Verified,
        agency: None,
        due_at: None,
        clock: None,
        actor: "bench".to_owned(),
        note: None,
        more: Default::default(),
    }))
}
