//! Reads a city pack from its folder. Every fault is named with its file and, where there is one,
//! its line; all faults of a pack are named at once.

mod calendar;
mod credibility;
mod deadlines;
mod join;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use calendar::{CalendarFile, Days, HolidaysFile};
use credibility::CredibilityFile;
use deadlines::{DeadlinesFile, LadderFile};

use super::duties::{self, RouteFile, StepFile};
use super::read_area::read_area;
use super::{
    Agency, Area, AreaLevel, Areas, Category, City, Colour, HotspotParameters, LAND_CELLS_MAX, Land,
    Overlay, Retention, Route, Text, Zoom, land,
};
use crate::model::{AgencyId, AreaId, Bbox, DAY_MS, HOUR_MS, LngLat};

/// Filters hold categories and agencies as bits of one word.
const CATEGORIES_MAX: usize = 64;
const AGENCIES_MAX: usize = 64;
/// A hundred years.
const RETENTION_DAYS_MAX: u32 = 36_500;

/// One fault in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    /// From 1.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityError(pub Vec<Fault>);

impl fmt::Display for CityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the city pack has {} fault(s)", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for CityError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CityFile {
    key: Spanned<String>,
    name: Text,
    code_prefix: Spanned<String>,
    centre: Spanned<[f64; 2]>,
    zoom: Zoom,
    bounds: Option<Spanned<[f64; 4]>>,
    time_zone: Spanned<String>,
    time_zone_label: String,
    languages: Spanned<Vec<String>>,
    keep_closed_days: u32,
    #[serde(default)]
    retention: RetentionFile,
    coarse_h3_res: Spanned<u8>,
    gi_h3_res: Option<Spanned<u8>>,
    #[serde(default)]
    weigh_senders: bool,
    credibility: Option<Spanned<CredibilityFile>>,
    basemap: Option<Spanned<String>>,
    attribution: String,
    #[serde(default)]
    overlays: Vec<OverlayFile>,
}

/// Days; 0 or left out: for ever.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RetentionFile {
    contact_days: Option<Spanned<i64>>,
    text_days: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverlayFile {
    file: Spanned<String>,
    style: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoriesFile {
    all: Spanned<HotspotFile>,
    #[serde(default)]
    clocks: LadderFile,
    category: Vec<CategoryFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryFile {
    key: Spanned<String>,
    name: Text,
    icon: String,
    colour: Spanned<Colour>,
    agency: Option<Spanned<String>>,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    repair_photo: bool,
    deadline_h: Option<Spanned<f64>>,
    #[serde(default)]
    deadlines: DeadlinesFile,
    #[serde(default)]
    checklist: Vec<StepFile>,
    hotspot: Spanned<HotspotFile>,
    join: Option<Spanned<join::JoinFile>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct HotspotFile {
    eps_m: f64,
    min_reports: f64,
    min_reporters: usize,
    window_h: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgenciesFile {
    agency: Vec<AgencyFile>,
    #[serde(default)]
    route: Vec<RouteFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgencyFile {
    key: Spanned<String>,
    name: Text,
    short: Text,
}

impl City {
    /// Reads and checks the pack in `dir`.
    ///
    /// # Errors
    /// All faults found, each with its file and line.
    pub fn load(dir: &Path) -> Result<City, CityError> {
        let mut pack = Pack { dir, faults: Vec::new(), hash: Sha256::new() };
        let city = pack.read();
        match city {
            Some(city) if pack.faults.is_empty() => Ok(city),
            _ => Err(CityError(pack.faults)),
        }
    }
}

/// A pack while it is read: collects faults and the digest.
struct Pack<'a> {
    dir: &'a Path,
    faults: Vec<Fault>,
    hash: Sha256,
}

/// The text of one file, for turning byte offsets into lines.
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub fn fault<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> Fault {
        let before = &self.text.as_bytes()[..at.span().start.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Fault { file: self.path.clone(), line: Some(line), message: message.into() }
    }
}

impl Pack<'_> {
    fn read(&mut self) -> Option<City> {
        if !self.dir.is_dir() {
            self.fault(
                self.dir.to_owned(),
                "there is no such folder; name a city pack, for instance geodata/ternate",
            );
            return None;
        }
        let city: Option<(Source, CityFile)> = self.toml("city.toml", true);
        let agencies: Option<(Source, AgenciesFile)> = self.toml("agencies.toml", true);
        let categories: Option<(Source, CategoriesFile)> = self.toml("categories.toml", true);
        let holidays: Option<(Source, HolidaysFile)> = self.toml("holidays.toml", false);
        let calendar: Option<(Source, CalendarFile)> = self.toml("calendar.toml", false);
        let areas = self.areas();

        let mut routes = None;
        let agencies = agencies.map_or_else(Vec::new, |(source, mut file)| {
            let of_file = std::mem::take(&mut file.route);
            let agencies = self.agencies(&source, file);
            routes = Some((source, of_file));
            agencies
        });
        let days = self.days_off(holidays, calendar);
        let (all_categories, categories) =
            categories.and_then(|(source, file)| self.categories(&source, file, &agencies))?;
        let routes = routes.map_or_else(Vec::new, |(source, routes)| {
            duties::routes(&source, routes, (&categories, &agencies, &areas), &mut self.faults)
        });
        let (source, file) = city?;
        self.city(&source, file, categories, all_categories, agencies, routes, areas, days)
    }

    #[expect(clippy::too_many_arguments, reason = "each is one file of the pack")]
    fn city(
        &mut self,
        source: &Source,
        file: CityFile,
        categories: Vec<Category>,
        all_categories: HotspotParameters,
        agencies: Vec<Agency>,
        routes: Vec<Route>,
        areas: Areas,
        days: Days,
    ) -> Option<City> {
        if !is_key(file.key.get_ref()) {
            self.faults.push(source.fault(&file.key, KEY_RULE));
        }
        let prefix = file.code_prefix.get_ref();
        if !(2..=5).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_uppercase()) {
            self.faults
                .push(source.fault(&file.code_prefix, "code_prefix must be 2 to 5 capital letters A to Z"));
        }
        let [lng, lat] = *file.centre.get_ref();
        let centre = LngLat::new(lng, lat)
            .map_err(|e| source.fault(&file.centre, format!("centre is [lng, lat]: {e}")));
        let bounds = file.bounds.as_ref().map(|bounds| {
            let [west, south, east, north] = *bounds.get_ref();
            Bbox::new(west, south, east, north)
                .map_err(|e| source.fault(bounds, format!("bounds are [west, south, east, north]: {e}")))
        });
        let time_zone = jiff::tz::TimeZone::get(file.time_zone.get_ref()).map_err(|_| {
            source.fault(&file.time_zone, "time_zone must be an IANA name, for instance Asia/Jayapura")
        });
        let coarse_res = h3o::Resolution::try_from(*file.coarse_h3_res.get_ref()).map_err(|_| {
            source.fault(&file.coarse_h3_res, "coarse_h3_res must be 0 to 15; 9 is a block of houses")
        });
        let gi_res = gi_res(source, file.gi_h3_res.as_ref(), &areas);
        if !["id", "en"].iter().all(|l| file.languages.get_ref().iter().any(|have| have == l)) {
            self.faults.push(source.fault(&file.languages, "languages must name id and en"));
        }
        let time_zone = self.keep(time_zone);
        let calendar = time_zone.clone().and_then(|zone| self.calendar(&days, zone));
        let basemap = file.basemap.as_ref().and_then(|name| self.existing(source, name));
        let overlays = file.overlays.iter().filter_map(|o| self.overlay(source, o)).collect();
        let keep = i64::from(file.keep_closed_days);
        let credibility = self.credibility(source, file.weigh_senders, file.credibility.as_ref());
        let retention = Retention {
            contact_days: self.days(source, file.retention.contact_days.as_ref()),
            text_days: self.days(source, file.retention.text_days.as_ref()),
        };
        Some(City {
            key: file.key.into_inner(),
            name: file.name,
            code_prefix: file.code_prefix.into_inner(),
            centre: self.keep(centre)?,
            zoom: file.zoom,
            bounds: bounds.and_then(|b| self.keep(b)),
            time_zone: time_zone?,
            time_zone_name: file.time_zone.into_inner(),
            time_zone_label: file.time_zone_label,
            languages: file.languages.into_inner(),
            keep_closed_ms: (keep > 0).then_some(keep * DAY_MS),
            retention,
            coarse_res: self.keep(coarse_res)?,
            attribution: file.attribution,
            basemap,
            overlays,
            categories,
            all_categories,
            agencies,
            routes,
            areas,
            holidays: days.holidays,
            calendar: calendar?,
            credibility,
            land: Land::new(self.keep(gi_res)?),
            hash: self.hash.clone().finalize().into(),
        })
    }

    fn days(&mut self, source: &Source, days: Option<&Spanned<i64>>) -> Option<u32> {
        let days = days?;
        match u32::try_from(*days.get_ref()) {
            Ok(n) if n <= RETENTION_DAYS_MAX => Some(n).filter(|n| *n > 0),
            _ => {
                self.faults.push(source.fault(
                    days,
                    format!("retention is 0 to {RETENTION_DAYS_MAX} days after closing; 0 keeps for ever"),
                ));
                None
            }
        }
    }

    fn agencies(&mut self, source: &Source, file: AgenciesFile) -> Vec<Agency> {
        if file.agency.len() > AGENCIES_MAX {
            self.fault(source.path.clone(), format!("more than {AGENCIES_MAX} agencies"));
        }
        self.check_keys(source, file.agency.iter().map(|a| &a.key));
        let agency = |a: AgencyFile| Agency { key: a.key.into_inner(), name: a.name, short: a.short };
        file.agency.into_iter().map(agency).collect()
    }

    fn categories(
        &mut self,
        source: &Source,
        file: CategoriesFile,
        agencies: &[Agency],
    ) -> Option<(HotspotParameters, Vec<Category>)> {
        if file.category.is_empty() || file.category.len() > CATEGORIES_MAX {
            self.fault(source.path.clone(), format!("there must be 1 to {CATEGORIES_MAX} categories"));
        }
        self.check_keys(source, file.category.iter().map(|c| &c.key));
        let all = self.hotspot(source, &file.all)?;
        let categories = file.category.into_iter().filter_map(|c| {
            let agency = c.agency.as_ref().map(|key| {
                let found = agencies.iter().position(|a| a.key == *key.get_ref());
                found.map(|i| AgencyId(i as u8)).ok_or_else(|| {
                    source.fault(key, format!("agency {:?} is not in agencies.toml", key.get_ref()))
                })
            });
            for colour in [&c.colour.get_ref().dark, &c.colour.get_ref().day] {
                if !is_colour(colour) {
                    self.faults
                        .push(source.fault(&c.colour, format!("{colour:?} is not a colour like #009E73")));
                }
            }
            let deadline = c.deadline_h.as_ref().map(|hours| {
                hours_ms(*hours.get_ref())
                    .ok_or_else(|| source.fault(hours, "deadline_h must be more than 0 hours"))
            });
            let hotspot = self.hotspot(source, &c.hotspot)?;
            Some(Category {
                join: self.join(source, c.join.as_ref(), &hotspot)?,
                key: c.key.into_inner(),
                name: c.name,
                icon: c.icon,
                colour: c.colour.into_inner(),
                agency: agency.and_then(|a| self.keep(a)),
                sensitive: c.sensitive,
                repair_photo: c.repair_photo,
                deadline_ms: deadline.and_then(|d| self.keep(d)),
                checklist: duties::checklist(source, c.checklist, &mut self.faults),
                deadlines: self.deadlines(source, &c.deadlines, &file.clocks),
                hotspot,
            })
        });
        Some((all, categories.collect()))
    }

    fn hotspot(&mut self, source: &Source, file: &Spanned<HotspotFile>) -> Option<HotspotParameters> {
        let h = file.get_ref();
        let window_ms = hours_ms(h.window_h);
        let sound = h.eps_m > 0.0 && h.eps_m <= 100_000.0 && h.min_reports >= 1.0 && h.min_reporters >= 1;
        let Some(window_ms) = window_ms.filter(|_| sound) else {
            self.faults.push(source.fault(
                file,
                "a hotspot needs 0 < eps_m <= 100000, min_reports >= 1, min_reporters >= 1, window_h > 0",
            ));
            return None;
        };
        Some(HotspotParameters {
            eps_m: h.eps_m,
            min_reports: h.min_reports,
            min_reporters: h.min_reporters,
            window_ms,
        })
    }

    fn areas(&mut self) -> Areas {
        let path = self.dir.join("areas.geojson");
        if !path.exists() {
            return Areas::default();
        }
        let Some(source) = self.text("areas.geojson") else { return Areas::default() };
        match source.text.parse::<geojson::GeoJson>() {
            Ok(geojson::GeoJson::FeatureCollection(collection)) => {
                let read = |(i, feature)| {
                    read_area(i, feature).map_err(|message| Fault {
                        file: source.path.clone(),
                        line: None,
                        message,
                    })
                };
                let (areas, faults): (Vec<_>, Vec<_>) =
                    collection.features.into_iter().enumerate().map(read).partition(Result::is_ok);
                self.faults.extend(faults.into_iter().filter_map(Result::err));
                self.link_areas(&source.path, areas.into_iter().filter_map(Result::ok).collect())
            }
            Ok(_) => {
                self.fault(source.path, "must be a FeatureCollection");
                Areas::default()
            }
            Err(e) => {
                self.fault(source.path, format!("not GeoJSON: {e}"));
                Areas::default()
            }
        }
    }

    fn link_areas(&mut self, path: &Path, mut read: Vec<(Area, Option<String>)>) -> Areas {
        read.sort_by(|a, b| a.0.code.cmp(&b.0.code));
        let mut index = HashMap::new();
        for (i, (area, _)) in read.iter().enumerate() {
            if index.insert(area.code.clone(), AreaId(i as u16)).is_some() {
                self.fault(path.to_owned(), format!("two areas have the code {:?}", area.code));
            }
        }
        let levels: Vec<AreaLevel> = read.iter().map(|(area, _)| area.level).collect();
        let link = |(mut area, parent): (Area, Option<String>)| {
            if let Some(code) = parent {
                area.parent = index.get(&code).copied();
                let above = area.parent.is_some_and(|p| levels[usize::from(p.0)] < area.level);
                if !above {
                    self.fault(
                        path.to_owned(),
                        format!(
                            "area {:?}: its parent {code:?} is not an area of a higher level",
                            area.code
                        ),
                    );
                    area.parent = None;
                }
            }
            area
        };
        let areas: Vec<Area> = read.into_iter().map(link).collect();
        if areas.len() > usize::from(u16::MAX) {
            self.fault(path.to_owned(), "more than 65,535 areas");
            return Areas::default();
        }
        Areas::new(areas)
    }

    fn overlay(&mut self, source: &Source, overlay: &OverlayFile) -> Option<Overlay> {
        let file = self.existing(source, &overlay.file)?;
        let style = self.existing(source, &overlay.style)?;
        let layers = std::fs::read_to_string(&style)
            .map_err(|e| e.to_string())
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).map_err(|e| e.to_string()))
            .and_then(|json| {
                if json.is_array() { Ok(json) } else { Err("must be a list of style layers".to_owned()) }
            })
            .map_err(|message| Fault { file: style, line: None, message });
        Some(Overlay { file, layers: self.keep(layers)? })
    }

    /// The path of a file of the pack that `city.toml` names.
    fn existing(&mut self, source: &Source, name: &Spanned<String>) -> Option<PathBuf> {
        let path = self.dir.join(name.get_ref());
        if path.is_file() {
            return Some(path);
        }
        self.faults.push(source.fault(name, format!("there is no file {:?} in the pack", name.get_ref())));
        None
    }

    fn check_keys<'s>(&mut self, source: &Source, keys: impl Iterator<Item = &'s Spanned<String>>) {
        let mut seen = HashSet::new();
        for key in keys {
            if !is_key(key.get_ref()) || key.get_ref() == "all" {
                self.faults.push(source.fault(key, KEY_RULE));
            }
            if !seen.insert(key.get_ref()) {
                self.faults.push(source.fault(key, format!("the key {:?} stands twice", key.get_ref())));
            }
        }
    }

    fn toml<T: serde::de::DeserializeOwned>(&mut self, name: &str, required: bool) -> Option<(Source, T)> {
        if !required && !self.dir.join(name).exists() {
            return None;
        }
        let source = self.text(name)?;
        match toml::from_str(&source.text) {
            Ok(file) => Some((source, file)),
            Err(e) => {
                let at = Spanned::new(e.span().unwrap_or(0..0), ());
                self.faults.push(source.fault(&at, e.message()));
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<Source> {
        let path = self.dir.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                self.hash.update(name.as_bytes());
                self.hash.update((text.len() as u64).to_be_bytes());
                self.hash.update(text.as_bytes());
                Some(Source { path, text })
            }
            Err(e) => {
                self.fault(path, format!("cannot be read: {e}"));
                None
            }
        }
    }

    fn keep<T>(&mut self, value: Result<T, Fault>) -> Option<T> {
        value.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn fault(&mut self, file: PathBuf, message: impl Into<String>) {
        self.faults.push(Fault { file, line: None, message: message.into() });
    }
}

/// Where the pack names none: 9, or coarser where that would be too many cells.
fn gi_res(source: &Source, res: Option<&Spanned<u8>>, areas: &Areas) -> Result<h3o::Resolution, Fault> {
    let Some(res) = res else {
        let fits = |res: &h3o::Resolution| land::cells_estimate(areas, *res) <= LAND_CELLS_MAX;
        let coarser = std::iter::successors(Some(h3o::Resolution::Nine), |res| res.pred());
        return Ok(coarser.into_iter().find(fits).unwrap_or(h3o::Resolution::Zero));
    };
    let value = *res.get_ref();
    let found = h3o::Resolution::try_from(value)
        .map_err(|_| source.fault(res, "gi_h3_res must be 0 to 15; 9 is a tenth of a square kilometre"))?;
    let n_cells = land::cells_estimate(areas, found);
    if n_cells > LAND_CELLS_MAX {
        return Err(source.fault(
            res,
            format!(
                "gi_h3_res = {value} cuts the areas into about {n_cells:.0} cells; \
                 name a smaller one, so that there are at most {LAND_CELLS_MAX}"
            ),
        ));
    }
    Ok(found)
}

pub(super) const KEY_RULE: &str =
    "a key must be lower case letters, digits and _ and start with a letter; \"all\" is taken";

pub(super) fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_colour(text: &str) -> bool {
    text.len() == 7 && text.starts_with('#') && text[1..].bytes().all(|b| b.is_ascii_hexdigit())
}

fn hours_ms(hours: f64) -> Option<i64> {
    (hours > 0.0 && hours <= 24.0 * 3650.0).then_some((hours * HOUR_MS as f64) as i64)
}

#[cfg(test)]
mod tests;
