//! The areas of the city pack in force, for maps.

use super::columns::Change;
use super::link::Link;
use crate::city::{Area, City};
use crate::journal::JournalError;

/// Puts the pack's areas in the place of those before.
pub(super) fn changes(city: &City) -> [Change; 2] {
    let areas: Vec<&Area> = city.areas.iter().map(|(_, area)| area).collect();
    let geometry = |area: &Area| geojson::GeometryValue::from(&area.polygons);
    let put = Change::new(
        "INSERT INTO area (code, no, name, level, parent, approximate, geom) \
         SELECT code, no, name, level, parent, approximate, ST_SetSRID(ST_Multi(ST_GeomFromGeoJSON(json)), 4326) \
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS a (code, no, name, level, parent, approximate, json)",
    )
    .texts(areas.iter().map(|area| area.code.clone()))
    .numbers(1..=areas.len() as i64)
    .texts(areas.iter().map(|area| area.name.clone()))
    .texts(areas.iter().map(|area| area.level.key().to_owned()))
    .texts_or_null(areas.iter().map(|area| area.parent.map(|id| city.areas.get(id).code.clone())))
    .flags(areas.iter().map(|area| area.approximate))
    .texts(areas.iter().map(|area| geojson::Geometry::new(geometry(area)).to_string()));
    [Change::new("DELETE FROM area"), put]
}

/// Puts them in at once.
pub(in crate::journal) fn put(link: &Link, city: &City) -> Result<(), JournalError> {
    changes(city).iter().try_for_each(|change| link.execute(change.sql, &change.params()).map(drop))
}
