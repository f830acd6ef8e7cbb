//! Features of `areas.geojson`.

use geo::{InteriorPoint, Validation};
use geo_types::{Geometry, MultiPolygon};

use super::{Area, AreaLevel};
use crate::model::LngLat;

/// One feature of `areas.geojson` and the code of its parent.
pub(super) fn read_area(i: usize, feature: geojson::Feature) -> Result<(Area, Option<String>), String> {
    let text = |key: &str| feature.property(key).and_then(|v| v.as_str()).map(str::to_owned);
    let code = text("code")
        .filter(|c| !c.is_empty())
        .ok_or_else(|| format!("feature {i} has no property \"code\""))?;
    let name = text("name").ok_or_else(|| format!("area {code:?} has no property \"name\""))?;
    let level = text("level")
        .and_then(|l| AreaLevel::from_key(&l))
        .ok_or_else(|| format!("area {code:?}: \"level\" must be city, district or village"))?;
    let parent = text("parent");
    let approximate = feature.property("approximate").and_then(|v| v.as_bool()).unwrap_or(false);
    let geometry = feature.geometry.ok_or_else(|| format!("area {code:?} has no geometry"))?;
    let polygons = match Geometry::try_from(geometry) {
        Ok(Geometry::Polygon(polygon)) => MultiPolygon::new(vec![polygon]),
        Ok(Geometry::MultiPolygon(polygons)) if !polygons.0.is_empty() => polygons,
        Ok(_) => return Err(format!("area {code:?} must be a Polygon or a MultiPolygon")),
        Err(e) => return Err(format!("area {code:?}: {e}")),
    };
    polygons.check_validation().map_err(|e| format!("area {code:?} is not a valid polygon: {e}"))?;
    for coord in polygons.iter().flat_map(|p| p.exterior().coords()) {
        LngLat::new(coord.x, coord.y).map_err(|e| format!("area {code:?}: {e}"))?;
    }
    let inside = polygons.interior_point().ok_or_else(|| format!("area {code:?} has no inside"))?;
    let label = LngLat::new(inside.x(), inside.y()).map_err(|e| format!("area {code:?}: {e}"))?;
    Ok((Area { code, name, level, parent: None, approximate, polygons, label }, parent))
}
