//! A place checked against the city, and what follows from it: area, agency, deadline, coarse place.

use crate::city::City;
use crate::model::{AgencyId, AreaId, Bbox, CategoryId, CoordError, LngLat};

/// Checks range and bounds. Faults are `(field, detail)`, at most one for `lng` and one for `lat`.
pub(super) fn checked_place(
    lng: f64,
    lat: f64,
    city: &City,
) -> Result<LngLat, Vec<(&'static str, String)>> {
    let place = match LngLat::new(lng, lat) {
        Ok(place) if city.bounds.is_none_or(|bounds| bounds.contains(place)) => return Ok(place),
        other => other,
    };
    if let Ok(swapped) = LngLat::new(lat, lng)
        && (place.is_err() || city.bounds.is_some_and(|bounds| bounds.contains(swapped)))
    {
        let detail = format!(
            "lng {lng} and lat {lat} are probably swapped: lng is the longitude (east), lat the latitude (north)"
        );
        return Err(vec![("lng", detail)]);
    }
    match (place, city.bounds) {
        (Ok(_), Some(bounds)) => Err(vec![("lng", outside(lng, lat, city, bounds))]),
        _ => Err(out_of_range(lng, lat)),
    }
}

fn out_of_range(lng: f64, lat: f64) -> Vec<(&'static str, String)> {
    let lng = LngLat::new(lng, 0.0).err().map(|e: CoordError| ("lng", e.to_string()));
    let lat = LngLat::new(0.0, lat).err().map(|e| ("lat", e.to_string()));
    lng.into_iter().chain(lat).collect()
}

fn outside(lng: f64, lat: f64, city: &City, bounds: Bbox) -> String {
    format!(
        "the place {lng}, {lat} lies outside {}, which takes reports from lng {} to {} and lat {} to {}",
        city.name.en,
        bounds.west(),
        bounds.east(),
        bounds.south(),
        bounds.north()
    )
}

/// What the city pack says of a report's category and place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Route {
    pub area: Option<AreaId>,
    pub agency: Option<AgencyId>,
    pub due_after_ms: Option<i64>,
    pub coarse_place: Option<LngLat>,
}

pub(super) fn route(city: &City, category: CategoryId, place: LngLat) -> Route {
    let rules = city.category(category);
    let area = city.areas.locate(place);
    Route {
        area,
        agency: city.route(category, area).agency,
        due_after_ms: rules.deadline_ms,
        coarse_place: rules.sensitive.then(|| place.coarsened(city.coarse_res)),
    }
}

/// The category of that key.
///
/// # Errors
/// A sentence with the categories that there are.
pub(super) fn known_category(city: &City, key: &str) -> Result<CategoryId, String> {
    city.category_by_key(key).ok_or_else(|| {
        let known: Vec<&str> = city.categories.iter().map(|c| c.key.as_str()).collect();
        unknown_word("category", key, &known)
    })
}

/// The agency of that key.
pub(super) fn known_agency(city: &City, key: &str) -> Result<AgencyId, String> {
    city.agency_by_key(key).ok_or_else(|| {
        let known: Vec<&str> = city.agencies.iter().map(|a| a.key.as_str()).collect();
        unknown_word("agency", key, &known)
    })
}

pub(super) fn unknown_word(what: &str, word: &str, known: &[&str]) -> String {
    format!("there is no {what} {:?}; choose one of {}", super::json::shortened(word), known.join(", "))
}
