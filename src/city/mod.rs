//! The city pack: everything that makes Pantau one city's.
//!
//! A folder of plain files under `geodata/`; [`City::load`] reads and checks it whole. After that a
//! `City` never changes: facts, filters and pages refer to its categories, agencies and areas by index.

mod areas;
mod calendar;
mod clocks;
mod credibility;
mod duties;
mod land;
mod load;
mod read_area;

pub use areas::{Area, AreaLevel, AreaSet, Areas, NEAREST_AREA_M};
pub use calendar::{Calendar, Hours, Length};
pub use clocks::Deadlines;
pub use credibility::{CHANNEL_WEIGHTS, CredibilityRule};
pub use duties::{ChecklistStep, Route, Routed};
pub use land::{LAND_CELLS_MAX, Land};
pub use load::{CityError, Fault};

use std::path::PathBuf;

use jiff::civil::Date;

use crate::model::{AgencyId, Bbox, CategoryId, LngLat, TimeMs};

/// A word or a sentence in both languages of the screens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub id: String,
    pub en: String,
}

/// A checked city pack.
#[derive(Debug)]
pub struct City {
    pub key: String,
    pub name: Text,
    /// What report codes begin with, for instance `TTE`.
    pub code_prefix: String,
    pub centre: LngLat,
    pub zoom: Zoom,
    /// Reports outside are refused; `None` takes the whole world.
    pub bounds: Option<Bbox>,
    pub time_zone: jiff::tz::TimeZone,
    /// IANA name of `time_zone`.
    pub time_zone_name: String,
    /// What people call the zone, for instance `WIT`.
    pub time_zone_label: String,
    pub languages: Vec<String>,
    /// How long a closed incident stays in memory after its closing entry; `None` for ever.
    pub keep_closed_ms: Option<i64>,
    /// How long personal data is kept after the entry that closed its incident.
    pub retention: Retention,
    /// Resolution of the H3 cells that sensitive places are coarsened to.
    pub coarse_res: h3o::Resolution,
    pub attribution: String,
    /// The base map, one PMTiles file.
    pub basemap: Option<PathBuf>,
    pub overlays: Vec<Overlay>,
    pub categories: Vec<Category>,
    /// Parameters of the hotspot layer over all categories.
    pub all_categories: HotspotParameters,
    pub agencies: Vec<Agency>,
    pub routes: Vec<Route>,
    pub areas: Areas,
    pub holidays: Vec<Holiday>,
    /// When the city works.
    pub calendar: Calendar,
    /// In hotspots a report counts less for what speaks against it; `None` where every one counts the same.
    pub credibility: Option<CredibilityRule>,
    pub land: Land,
    /// Digest of all files that decide what facts mean (not of the base map).
    pub hash: [u8; 32],
}

/// Days after the closing; `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Of name, phone and e-mail.
    pub contact_days: Option<u32>,
    /// Of what the reporter wrote.
    pub text_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Zoom {
    pub min: f64,
    pub start: f64,
    pub max: f64,
}

/// A PMTiles file that the city lays over the base map, with its own style layers.
#[derive(Debug, Clone)]
pub struct Overlay {
    pub file: PathBuf,
    /// MapLibre style layers, their `source` left out.
    pub layers: serde_json::Value,
}

#[derive(Debug, Clone)]
pub struct Category {
    pub key: String,
    pub name: Text,
    /// Name of a maki or temaki icon.
    pub icon: String,
    pub colour: Colour,
    pub agency: Option<AgencyId>,
    /// The public sees its places only coarsened.
    pub sensitive: bool,
    /// It is resolved only once a photo of the repair is there.
    pub repair_photo: bool,
    /// Time from opening until an incident must be resolved as a whole; `None` where only its steps have
    /// deadlines, or none.
    pub deadline_ms: Option<i64>,
    /// Of its steps.
    pub deadlines: Deadlines,
    /// What is to be done about an incident, in order.
    pub checklist: Vec<ChecklistStep>,
    pub hotspot: HotspotParameters,
    /// Within which another incident of the category may be the same.
    pub join: JoinRule,
}

/// Where and when two incidents may be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JoinRule {
    /// On the great circle.
    pub radius_m: f64,
    /// Between their openings.
    pub within_ms: i64,
}

/// `#RRGGBB` for the dark and for the day theme.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Colour {
    pub dark: String,
    pub day: String,
}

/// DBSCAN's parameters and the window of one hotspot layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HotspotParameters {
    /// Two reports at most this far apart are neighbours, in metres on the great circle.
    pub eps_m: f64,
    /// A report is core where the weights of its neighbours, itself included, sum to this or more.
    pub min_reports: f64,
    /// A group needs this many distinct senders.
    pub min_reporters: usize,
    /// A report counts while it is younger than this.
    pub window_ms: i64,
}

#[derive(Debug, Clone)]
pub struct Agency {
    pub key: String,
    pub name: Text,
    pub short: Text,
}

#[derive(Debug, Clone)]
pub struct Holiday {
    pub date: Date,
    pub name: String,
}

impl City {
    pub fn category(&self, id: CategoryId) -> &Category {
        &self.categories[usize::from(id.0)]
    }

    pub fn category_by_key(&self, key: &str) -> Option<CategoryId> {
        self.categories.iter().position(|c| c.key == key).map(|i| CategoryId(i as u8))
    }

    pub fn category_ids(&self) -> impl Iterator<Item = CategoryId> {
        (0..self.categories.len()).map(|i| CategoryId(i as u8))
    }

    pub fn agency(&self, id: AgencyId) -> &Agency {
        &self.agencies[usize::from(id.0)]
    }

    pub fn agency_by_key(&self, key: &str) -> Option<AgencyId> {
        self.agencies.iter().position(|a| a.key == key).map(|i| AgencyId(i as u8))
    }

    /// The H3 cells of the land, sorted; none where the pack has no areas.
    pub fn land_cells(&self) -> &[h3o::CellIndex] {
        self.land.cells(&self.areas)
    }

    /// The civil day in the city that `at` lies in.
    pub fn day_of(&self, at: TimeMs) -> Date {
        self.time_zone.to_datetime(at.timestamp()).date()
    }

    /// When the civil day of `at` began in the city.
    pub fn day_start(&self, at: TimeMs) -> TimeMs {
        self.start_of(self.day_of(at))
    }

    /// When the civil day after that of `at` begins in the city.
    pub fn day_end(&self, at: TimeMs) -> TimeMs {
        self.day_of(at).tomorrow().map_or(TimeMs::MAX, |day| self.start_of(day))
    }

    /// When a civil day begins in the city.
    pub fn start_of(&self, day: Date) -> TimeMs {
        self.time_zone
            .to_timestamp(day.at(0, 0, 0, 0))
            .map_or(TimeMs::MAX, |start| TimeMs(start.as_millisecond()))
    }

    /// The longest window of any hotspot layer, in milliseconds.
    pub fn window_ms_max(&self) -> i64 {
        let layers = self.categories.iter().map(|c| c.hotspot.window_ms);
        layers.chain([self.all_categories.window_ms]).max().unwrap_or(0)
    }
}
