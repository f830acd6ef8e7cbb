//! The city pack, as pages and programs need it.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use geo_types::Geometry;
use serde_json::{Value, json};

use super::access::Caller;
use super::app::{App, AppState};
use super::params::Params;
use super::problem::Problem;
use crate::city::Area;
use crate::model::AreaId;

#[utoipa::path(get, path = "/api/v1/city", tag = "city",
    description = "Name, map, categories and agencies of the city, and how this server runs.",
    responses((status = 200)))]
pub async fn city(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let city = &app.city;
    let categories = city.categories.iter().map(|c| {
        json!({
            "key": c.key,
            "name": c.name,
            "icon": c.icon,
            "colour": c.colour,
            "agency": c.agency.map(|agency| city.agency(agency).key.clone()),
            "sensitive": c.sensitive,
        })
    });
    let agencies = city.agencies.iter().map(|a| json!({"key": a.key, "name": a.name, "short": a.short}));
    let overlays = city.overlays.iter().filter_map(|overlay| {
        let file = overlay.file.file_name()?.to_str()?;
        Some(json!({"url": format!("/tiles/overlays/{file}"), "layers": overlay.layers}))
    });
    Ok(Json(json!({
        "key": city.key,
        "name": city.name,
        "code_prefix": city.code_prefix,
        "centre": [city.centre.lng(), city.centre.lat()],
        "zoom": city.zoom,
        "bounds": city.bounds.map(|b| [b.west(), b.south(), b.east(), b.north()]),
        "time_zone": city.time_zone_name,
        "time_zone_label": city.time_zone_label,
        "languages": city.languages,
        "attribution": city.attribution,
        "basemap": city.basemap.as_ref().map(|_| "/tiles/base.pmtiles"),
        "overlays": overlays.collect::<Vec<_>>(),
        "categories": categories.collect::<Vec<_>>(),
        "agencies": agencies.collect::<Vec<_>>(),
        "mode": app.mode.key(),
        "projection": caller.sight().key(),
        "build": crate::BUILD,
    }))
    .into_response())
}

#[utoipa::path(get, path = "/api/v1/areas", tag = "city",
    description = "City, districts and villages as a GeoJSON FeatureCollection, by code.",
    responses((status = 200)))]
pub async fn areas(State(app): State<AppState>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let features: Vec<Value> = app.city.areas.iter().map(|(_, area)| feature(&app, area)).collect();
    Ok(Json(json!({"type": "FeatureCollection", "seq": app.live().seq().0, "features": features}))
        .into_response())
}

#[utoipa::path(get, path = "/api/v1/areas/{code}", tag = "city",
    params(("code" = String, Path, description = "For instance 82.71.04")),
    responses((status = 200), (status = 404)))]
pub async fn area(
    State(app): State<AppState>,
    params: Params,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    params.finish()?;
    let unknown =
        || Problem::not_found(format!("there is no area {code:?}; GET /api/v1/areas lists the codes"));
    let id: AreaId = app.city.areas.by_code(&code).ok_or_else(unknown)?;
    let mut feature = feature(&app, app.city.areas.get(id));
    feature["seq"] = app.live().seq().0.into();
    Ok(Json(feature).into_response())
}

fn feature(app: &App, area: &Area) -> Value {
    let polygons = &area.polygons;
    let geometry = match &polygons.0[..] {
        [polygon] => Geometry::Polygon(polygon.clone()),
        _ => Geometry::MultiPolygon(polygons.clone()),
    };
    json!({
        "type": "Feature",
        "id": area.code,
        "geometry": geojson::Geometry::from(&geometry),
        "properties": {
            "code": area.code,
            "name": area.name,
            "level": area.level.key(),
            "parent": area.parent.map(|parent| app.city.areas.get(parent).code.clone()),
            "approximate": area.approximate,
            "label": [area.label.lng(), area.label.lat()],
        },
    })
}
