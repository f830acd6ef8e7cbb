//! `pantau evaluate`: how well the hotspots of a real set foretell where the next reports come from.
//!
//! The last part of a set is held out. It is cut into spans of equal length; at the beginning of each
//! the hotspots are those of all reports before it, and the reports of the span are the test. So every
//! report held out is foretold once, from nothing but its past. The others get the same past and the
//! same area, in cells of a plain grid and of a kernel density, the densest first.
//!
//! The measure is the prediction accuracy index: the share of reports that fell into what was foretold,
//! over the share of the study area that this took (Chainey, Tompson & Uhlig, "The utility of hotspot
//! mapping for predicting spatial patterns of crime", Security Journal 21, 2008). 1 is no better than
//! chance.

mod surface;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::ensure;
use geo::{Area as _, ConvexHull, Intersects, MapCoords};
use geo_types::{Coord, MultiPoint, MultiPolygon};

use super::Defaults;
use super::mapped::{read_mapping, source_name};
use super::past::{PastRow, PastRows};
use super::progress::grouped;
use crate::city::City;
use crate::live::hotspots::{Doubts, HotspotEngine, HotspotReport, Layer, OutlineStyle, Standing};
use crate::model::{
    Channel, EARTH_RADIUS_M, HOUR_MS, IdKey, IncidentNo, LngLat, ReportNo, Secret, SenderId, Seq, Status,
    TimeMs,
};
use surface::{Metres, Surface};

/// Fewer reports held out say nothing.
const HELD_OUT_MIN: usize = 10;
/// More spans than this are asked for by mistake.
const SPANS_MAX: i64 = 20_000;

/// Measure how well hotspots foretell where the next reports come from
///
/// Holds out the last part of a file of past reports, finds the hotspots before each span of it, and
/// prints which share of the span's reports fell into them, beside a plain grid and a kernel density of
/// the same area. Needs no server and changes nothing. Reads the same files and mappings as `pantau
/// import`; the city pack says how hotspots are found.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  pantau evaluate floods.geojson --map floods.toml --city geodata/blank --ahead 3
  pantau evaluate quakes.csv --map quakes.toml --city geodata/blank --ahead 24 --eps 20000 --window 168
      with other parameters than the pack's, to find better ones")]
pub struct EvaluateArgs {
    /// The file to read: .csv, .tsv, .geojson, .ndjson (others are told by how they begin)
    pub file: PathBuf,
    /// The mapping file that explains the columns (see `pantau import --help`)
    #[arg(long, value_name = "MAP.toml")]
    pub map: PathBuf,
    /// City pack whose hotspot parameters are used [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    pub city: Option<PathBuf>,
    /// Share of the reports that is held out, the latest ones
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    pub hold_out: f64,
    /// Hours that hotspots look ahead: the length of each span
    #[arg(long, value_name = "HOURS", default_value_t = 6.0, value_parser = hours)]
    pub ahead: f64,
    /// Metres within which reports are neighbours, in place of the pack's (eps_m)
    #[arg(long, value_name = "METRES", value_parser = positive)]
    pub eps: Option<f64>,
    /// Hours that a report counts, in place of the pack's
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    pub window: Option<f64>,
    /// Reports that make a hotspot, in place of the pack's
    #[arg(long, value_name = "N", value_parser = positive)]
    pub min_reports: Option<f64>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| *number >= 1.0 && number.is_finite());
    number.ok_or_else(|| "must be a number from 1 up".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "must be a number between 0 and 1, for instance 0.3".to_owned())
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours: &f64| (0.01..=87_600.0).contains(hours));
    hours.ok_or_else(|| "must be a number of hours from 0.01 to 87600".to_owned())
}

pub fn run(args: &EvaluateArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let mut city = City::load(args.city.as_ref().unwrap_or(&defaults.city))?;
    let ms = |hours: f64| (hours * HOUR_MS as f64) as i64;
    let parameters = &mut city.all_categories;
    parameters.eps_m = args.eps.unwrap_or(parameters.eps_m);
    parameters.window_ms = args.window.map_or(parameters.window_ms, ms);
    parameters.min_reports = args.min_reports.unwrap_or(parameters.min_reports);
    let evaluation = evaluate(&args.file, &args.map, Arc::new(city), args.hold_out, ms(args.ahead))?;
    print!("{evaluation}");
    Ok(())
}

/// What came of it.
#[derive(Debug)]
pub struct Evaluation {
    source: String,
    n_reports: usize,
    /// Rows of the file that could not be used.
    n_refused: usize,
    n_held_out: usize,
    n_spans: usize,
    /// Spans before which there was no hotspot.
    n_blind: usize,
    study_km2: f64,
    /// Mean share of the study area that hotspots took, over the spans with reports.
    pub area_share: f64,
    /// The hotspots first.
    pub methods: Vec<Method>,
}

#[derive(Debug)]
pub struct Method {
    pub name: String,
    /// Share of the reports held out that it foretold.
    pub hit_rate: f64,
    /// Prediction accuracy index; `None` where nothing was foretold at all.
    pub pai: Option<f64>,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |n: usize| grouped(n as u64);
        writeln!(
            f,
            "{}: {} reports, {} of them held out, in {} spans",
            self.source,
            n(self.n_reports),
            n(self.n_held_out),
            n(self.n_spans)
        )?;
        if self.n_refused > 0 {
            writeln!(f, "  {} rows could not be used; `pantau import` says why", n(self.n_refused))?;
        }
        if self.n_blind > 0 {
            writeln!(f, "  before {} spans there was no hotspot", n(self.n_blind))?;
        }
        writeln!(
            f,
            "  study area {:.1} km2, of which hotspots took {:.2} % on average; the others get as much",
            self.study_km2,
            self.area_share * 100.0
        )?;
        writeln!(f, "\n{:<52} {:>10} {:>10}", "what foretells", "hit rate", "PAI")?;
        for method in &self.methods {
            let pai = method.pai.map_or("-".to_owned(), |pai| format!("{pai:.1}"));
            writeln!(f, "{:<52} {:>8.1} % {:>10}", method.name, method.hit_rate * 100.0, pai)?;
        }
        Ok(())
    }
}

/// Reads the file and measures. `hold_out` is a share between 0 and 1.
///
/// # Errors
/// Where the file or the mapping cannot be read, or the file holds too little.
pub fn evaluate(
    file: &Path,
    map: &Path,
    city: Arc<City>,
    hold_out: f64,
    ahead_ms: i64,
) -> anyhow::Result<Evaluation> {
    let keys: Vec<&str> = city.categories.iter().map(|category| category.key.as_str()).collect();
    let rows = PastRows::read(file, read_mapping(map, &keys)?)?;
    let ids = IdKey::new(Secret([0; 32]), &city.code_prefix);
    let reports: Vec<HotspotReport> =
        rows.sorted.iter().zip(1..).filter_map(|(row, no)| report(row, no, &city, &ids)).collect();
    let n_held_out = (reports.len() as f64 * hold_out).round() as usize;
    ensure!(
        n_held_out >= HELD_OUT_MIN && n_held_out < reports.len(),
        "{} usable reports are too few to hold {:.0} % of them out",
        reports.len(),
        hold_out * 100.0
    );
    let mut rolling = Rolling::new(city, &reports, reports.len() - n_held_out, ahead_ms)?;
    rolling.run();
    Ok(rolling.finish(source_name(file)?, rows.total as usize - reports.len()))
}

/// `None` for a row that the pack has no place or category for.
fn report(row: &PastRow, no: u32, city: &City, ids: &IdKey) -> Option<HotspotReport> {
    let record = &row.record;
    let place = LngLat::new(record.lng, record.lat).ok()?;
    let inside = city.bounds.is_none_or(|bounds| bounds.contains(place));
    let category = city.category_ids().find(|id| city.category(*id).key == *record.category)?;
    let sender = record.reporter.as_deref().map(|mark| ids.sender(mark));
    inside.then_some(HotspotReport {
        seq: Seq(no.into()),
        report: ReportNo(no),
        received_at: record.occurred_at,
        incident: IncidentNo(no),
        root: IncidentNo(no),
        place,
        area: city.areas.locate(place),
        category,
        occurred_at: record.occurred_at,
        sender: sender.unwrap_or(SenderId::of_report(ReportNo(no))),
        channel: Channel::Other,
        accuracy_m: None,
        n_photos: 0,
        drill: false,
        imported: false,
        doubts: Doubts::NONE,
    })
}

/// The ways to foretell that hotspots are measured against, in the order of [`Rolling::hits`].
fn others(eps_m: f64) -> [String; 4] {
    let grid = format!("grid of {eps_m:.0} m, most reports first");
    let kernel = format!("kernel density, {:.0} m", 2.0 * eps_m);
    [
        format!("{grid}, same window"),
        format!("{grid}, whole past"),
        format!("{kernel}, same window"),
        format!("{kernel}, whole past"),
    ]
}

/// Goes through the reports held out, span by span.
struct Rolling<'a> {
    city: Arc<City>,
    engine: HotspotEngine,
    reports: &'a [HotspotReport],
    places: Vec<Metres>,
    plane: Plane,
    first_held_out: usize,
    ahead_ms: i64,
    study_m2: f64,
    n_spans: usize,
    n_blind: usize,
    /// Of the spans with reports.
    area_shares: Vec<f64>,
    /// Reports foretold, by the hotspots and by each of the others.
    hits: [f64; 5],
}

impl<'a> Rolling<'a> {
    fn new(
        city: Arc<City>,
        reports: &'a [HotspotReport],
        first_held_out: usize,
        ahead_ms: i64,
    ) -> anyhow::Result<Rolling<'a>> {
        let plane = Plane::around(reports[0].place);
        let places: Vec<Metres> = reports.iter().map(|report| plane.metres(report.place)).collect();
        let hull = MultiPoint::from_iter(places.iter().map(|p| (p.x, p.y))).convex_hull();
        let study_m2 = hull.unsigned_area();
        ensure!(study_m2 > 0.0, "all reports lie on one line, so there is no area to foretell in");
        let span_ms = reports[reports.len() - 1].occurred_at.since(reports[first_held_out].occurred_at);
        ensure!(
            span_ms / ahead_ms < SPANS_MAX,
            "the reports held out are {} spans long; look further ahead with --ahead",
            grouped((span_ms / ahead_ms) as u64)
        );
        Ok(Rolling {
            engine: HotspotEngine::new(Arc::clone(&city), OutlineStyle::Exact),
            city,
            reports,
            places,
            plane,
            first_held_out,
            ahead_ms,
            study_m2,
            n_spans: 0,
            n_blind: 0,
            area_shares: Vec::new(),
            hits: [0.0; 5],
        })
    }

    fn run(&mut self) {
        let mut next = self.first_held_out;
        let mut told = 0;
        // Just before the first of them, so that it is in its span and not in its past.
        let mut cut = self.reports[next].occurred_at.plus_ms(-1);
        while next < self.reports.len() {
            let end = cut.plus_ms(self.ahead_ms);
            let span = next + self.reports[next..].partition_point(|report| report.occurred_at <= end);
            if span > next {
                // What became of them later was not known then.
                let standing = Standing::of(Status::New, None);
                for report in &self.reports[told..next] {
                    self.engine.add_report(*report, standing);
                }
                told = next;
                self.engine.tick(Seq(self.reports.len() as u64 + self.n_spans as u64 + 1), cut);
                self.foretell(cut, next..span);
            }
            (next, cut) = (span, end);
        }
    }

    fn foretell(&mut self, cut: TimeMs, span: std::ops::Range<usize>) {
        self.n_spans += 1;
        let hotspots: Vec<MultiPolygon<f64>> = self
            .engine
            .board()
            .live()
            .filter(|hotspot| hotspot.layer == Layer::All && !hotspot.drill)
            .map(|hotspot| self.plane.polygons(&hotspot.outline))
            .collect();
        let area_m2 = hotspots.iter().fold(0.0, |sum, hotspot| sum + hotspot.unsigned_area());
        self.n_blind += usize::from(hotspots.is_empty());
        self.area_shares.push(area_m2 / self.study_m2);
        let next = &self.places[span.clone()];
        let is_hit =
            |p: &&Metres| hotspots.iter().any(|hotspot| hotspot.intersects(&Coord { x: p.x, y: p.y }));
        self.hits[0] += next.iter().filter(is_hit).count() as f64;
        let parameters = &self.city.all_categories;
        let (eps_m, past) = (parameters.eps_m, &self.places[..span.start]);
        let since = cut.plus_ms(-parameters.window_ms);
        let recent = &past[self.reports[..span.start].partition_point(|r| r.occurred_at <= since)..];
        let others = [
            Surface::grid(recent, eps_m),
            Surface::grid(past, eps_m),
            Surface::kernel(recent, eps_m / 2.0, 2.0 * eps_m),
            Surface::kernel(past, eps_m / 2.0, 2.0 * eps_m),
        ];
        for (hits, other) in self.hits[1..].iter_mut().zip(others) {
            *hits += other.hits(next, area_m2);
        }
    }

    fn finish(self, source: String, n_refused: usize) -> Evaluation {
        let n_held_out = self.reports.len() - self.first_held_out;
        let area_share = self.area_shares.iter().sum::<f64>() / self.area_shares.len() as f64;
        let names = std::iter::once("hotspots".to_owned()).chain(others(self.city.all_categories.eps_m));
        let method = |(name, hits): (String, f64)| {
            let hit_rate = hits / n_held_out as f64;
            Method { name, hit_rate, pai: (area_share > 0.0).then(|| hit_rate / area_share) }
        };
        Evaluation {
            source,
            n_reports: self.reports.len(),
            n_refused,
            n_held_out,
            n_spans: self.n_spans,
            n_blind: self.n_blind,
            study_km2: self.study_m2 / 1e6,
            area_share,
            methods: names.zip(self.hits).map(method).collect(),
        }
    }
}

/// A map of a city's surroundings in metres: true at its middle, good over some hundred kilometres.
#[derive(Debug, Clone, Copy)]
struct Plane {
    centre: LngLat,
}

impl Plane {
    fn around(centre: LngLat) -> Plane {
        Plane { centre }
    }

    fn coord(self, coord: Coord<f64>) -> Coord<f64> {
        // The short way round, across the antimeridian where need be.
        let east = (coord.x - self.centre.lng() + 540.0).rem_euclid(360.0) - 180.0;
        let metres = EARTH_RADIUS_M.to_radians();
        Coord {
            x: east * metres * self.centre.lat().to_radians().cos(),
            y: (coord.y - self.centre.lat()) * metres,
        }
    }

    fn metres(self, place: LngLat) -> Metres {
        let Coord { x, y } = self.coord(Coord { x: place.lng(), y: place.lat() });
        Metres { x, y }
    }

    fn polygons(self, polygons: &MultiPolygon<f64>) -> MultiPolygon<f64> {
        polygons.map_coords(|coord| self.coord(coord))
    }
}

#[cfg(test)]
mod tests;
