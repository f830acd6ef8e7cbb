//! What a reader asks for, as it is written on REST and on the socket, checked into a [`Filter`].

use std::str::FromStr;
use std::sync::Arc;

use geo::CoordsIter;
use geo::Validation;
use geo_types::{Geometry, MultiPolygon};

use crate::city::City;
use crate::intake::FieldFault;
use crate::live::{Filter, IdSet, Sight, StatusSet, Within, Words};
use crate::model::{Bbox, ESCALATION_MAX, LngLat, Projection, Status, TimeMs};

/// A drawn polygon has at most this many points.
pub const POLYGON_POINTS_MAX: usize = 1_000;
/// A list in a filter has at most this many values.
const LIST_MAX: usize = 200;
/// A search text has at most this many characters.
const TEXT_CHARS_MAX: usize = 200;

/// The keys of a filter, not yet checked. What is absent does not filter.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSpec {
    pub category: Option<Vec<String>>,
    pub status: Option<Vec<String>>,
    pub agency: Option<Vec<String>>,
    pub area: Option<Vec<String>>,
    /// GeoJSON Polygon or MultiPolygon.
    pub within: Option<serde_json::Value>,
    pub since: Option<String>,
    pub until: Option<String>,
    pub overdue: Option<bool>,
    /// So many rungs of the ladder or more.
    pub escalation: Option<u8>,
    pub drill: Option<bool>,
    pub returned: Option<bool>,
    pub q: Option<String>,
}

impl FilterSpec {
    /// Checks every key against the city pack; the filter asks for nothing that `sight` does not hold.
    /// `prefix` stands before a key in the pointers of faults.
    ///
    /// # Errors
    /// All faults at once.
    pub fn check(&self, city: &City, sight: &Sight, prefix: &str) -> Result<Filter, Vec<FieldFault>> {
        let mut check = Check { prefix, faults: Vec::new() };
        let categories = check.list("category", &self.category, |key| {
            city.category_by_key(key)
                .ok_or_else(|| unknown("category", key, city.categories.iter().map(|c| &*c.key)))
        });
        let statuses = check.list("status", &self.status, |key| {
            Status::from_key(key).ok_or_else(|| unknown("status", key, Status::ALL.iter().map(|s| s.key())))
        });
        let agencies = check.list("agency", &self.agency, |key| {
            city.agency_by_key(key)
                .ok_or_else(|| unknown("agency", key, city.agencies.iter().map(|a| &*a.key)))
        });
        let areas = check.list("area", &self.area, |code| {
            city.areas
                .by_code(code)
                .ok_or_else(|| format!("there is no area {code:?}; GET /api/v1/areas lists the codes"))
        });
        let within = check.value("within", &self.within, parse_within_json);
        let since = check.value("since", &self.since, |text| parse_time(text));
        let until = check.value("until", &self.until, |text| parse_time(text));
        let words = check.value("q", &self.q, |text| parse_words(text)).unwrap_or_default();
        if sight.hides_texts() && !words.is_empty() {
            check.fault(
                "q",
                "words are looked for in what people wrote, which is not for you to see; leave q out"
                    .to_owned(),
            );
        }
        if sight.projection() == Projection::Public && self.returned.is_some() {
            let detail = "what an agency sent back is for staff to see; sign in, or leave returned out";
            check.fault("returned", detail.to_owned());
        }
        let escalation =
            check.value("escalation", &self.escalation, |level| parse_escalation(*level, sight));
        // Drills are never public unless asked for.
        let drill = match sight.projection() {
            Projection::Public => Some(self.drill.unwrap_or(false)),
            Projection::Staff => self.drill,
        };
        let filter = Filter {
            categories: categories.map(IdSet::of_categories),
            statuses: statuses.map_or(StatusSet::OPEN, StatusSet::of),
            agencies: agencies.map(IdSet::of_agencies),
            areas: areas.map(|ids| city.areas.with_descendants(&ids)),
            within: within.map(Arc::new),
            since,
            until,
            overdue: self.overdue,
            escalation,
            drill,
            returned: self.returned,
            disposition: None,
            words: Words::new(words),
        };
        if check.faults.is_empty() { Ok(sight.narrow(filter)) } else { Err(check.faults) }
    }
}

/// Collects the faults of one filter.
struct Check<'a> {
    prefix: &'a str,
    faults: Vec<FieldFault>,
}

impl Check<'_> {
    fn fault(&mut self, key: &str, detail: String) {
        self.faults.push(FieldFault { pointer: format!("{}{key}", self.prefix), detail });
    }

    fn value<S, T>(
        &mut self,
        key: &str,
        given: &Option<S>,
        read: impl FnOnce(&S) -> Result<T, String>,
    ) -> Option<T> {
        match read(given.as_ref()?) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(key, detail);
                None
            }
        }
    }

    fn list<T>(
        &mut self,
        key: &str,
        given: &Option<Vec<String>>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let given = given.as_ref()?;
        if given.is_empty() || given.len() > LIST_MAX {
            self.fault(key, format!("give 1 to {LIST_MAX} values, or leave {key} out"));
            return None;
        }
        let mut values = Vec::new();
        for text in given {
            match read(text) {
                Ok(value) => values.push(value),
                Err(detail) => self.fault(key, detail),
            }
        }
        Some(values)
    }
}

fn unknown<'k>(what: &str, given: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    format!("{given:?} is not a known {what}; known are {}", known.join(", "))
}

/// RFC 3339, with the offset.
pub fn parse_time(text: &str) -> Result<TimeMs, String> {
    TimeMs::parse_rfc3339(text).ok_or_else(|| {
        format!("{text:?} is not a time like 2026-11-24T00:00:00+09:00 (RFC 3339, with the offset)")
    })
}

fn parse_escalation(level: u8, sight: &Sight) -> Result<u8, String> {
    if sight.projection() == Projection::Public {
        return Err("who was told of what is late is for staff; leave escalation out".to_owned());
    }
    let known = (1..=ESCALATION_MAX).contains(&level).then_some(level);
    known.ok_or_else(|| {
        format!("escalation is 1, the supervisor was told, to {ESCALATION_MAX}, the head too")
    })
}

/// The words of a search, in lower case.
///
/// # Errors
/// Where there are none, or too many.
pub fn parse_words(text: &str) -> Result<Vec<String>, String> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(format!("a search has at most {TEXT_CHARS_MAX} characters"));
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return Err("give at least one word, or leave q out".to_owned());
    }
    Ok(words)
}

/// `west,south,east,north` in degrees.
pub fn parse_bbox(text: &str) -> Result<Bbox, String> {
    let numbers: Vec<&str> = text.split(',').collect();
    let [west, south, east, north] = numbers[..] else {
        return Err(format!("a bbox has four numbers, west,south,east,north, not {}", numbers.len()));
    };
    let number = |text: &str| {
        f64::from_str(text.trim()).map_err(|_| format!("{text:?} in the bbox is not a number"))
    };
    Bbox::new(number(west)?, number(south)?, number(east)?, number(north)?)
        .map_err(|e| format!("{e}; a bbox is west,south,east,north in degrees"))
}

/// A polygon as WKT or as GeoJSON text.
pub fn parse_within_text(text: &str) -> Result<serde_json::Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|e| format!("not GeoJSON: {e}"));
    }
    // The parser follows collections as deep as they go, which must not be for the sender to choose.
    let word = text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if !["POLYGON", "MULTIPOLYGON"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Err("must be a POLYGON or a MULTIPOLYGON as WKT, or GeoJSON".to_owned());
    }
    let wkt = wkt::Wkt::<f64>::from_str(text).map_err(|e| format!("neither GeoJSON nor WKT: {e}"))?;
    let geometry: Geometry<f64> = wkt.try_into().map_err(|e| format!("not a usable geometry: {e}"))?;
    serde_json::to_value(geojson::Geometry::from(&geometry)).map_err(|e| e.to_string())
}

/// A GeoJSON Polygon or MultiPolygon of at most [`POLYGON_POINTS_MAX`] points that does not cross
/// itself. One that crosses the antimeridian must be cut there (RFC 7946, 3.1.9).
pub fn parse_within_json(json: &serde_json::Value) -> Result<Within, String> {
    let geometry: geojson::Geometry =
        serde_json::from_value(json.clone()).map_err(|e| format!("not a GeoJSON geometry: {e}"))?;
    let polygons = match Geometry::<f64>::try_from(geometry) {
        Ok(Geometry::Polygon(polygon)) => MultiPolygon::new(vec![polygon]),
        Ok(Geometry::MultiPolygon(polygons)) => polygons,
        Ok(_) => return Err("must be a Polygon or a MultiPolygon".to_owned()),
        Err(e) => return Err(format!("not a polygon: {e}")),
    };
    let n_points = polygons.coords_count();
    if n_points > POLYGON_POINTS_MAX {
        return Err(format!(
            "the polygon has {n_points} points; at most {POLYGON_POINTS_MAX} are taken, simplify it"
        ));
    }
    for coord in polygons.coords_iter() {
        LngLat::new(coord.x, coord.y).map_err(|e| format!("{e}; coordinates are [lng, lat]"))?;
    }
    polygons.check_validation().map_err(|e| format!("the polygon is not valid: {e}"))?;
    Within::new(polygons).ok_or_else(|| "the polygon has no points".to_owned())
}
