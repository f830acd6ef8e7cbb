//! Where a drill takes place: the city's finest areas, as its server describes them.
//!
//! Every place handed out lies on land inside one of them. Without areas the drill plays within two
//! kilometres of the city's centre, wherever that is.

use std::collections::HashMap;

use geo::{Area as _, BoundingRect, Intersects};
use geo_types::{Coord, MultiPolygon, Point, Rect};
use serde_json::Value;

use crate::cli::chance::Chance;
use crate::cli::city_keys;
use crate::model::{EARTH_RADIUS_M, LngLat, great_circle_m};

/// Areas farther from the centre take no part: outer islands would draw the eye from the city.
const REACH_M: f64 = 8_000.0;
const REACH_WITHOUT_AREAS_M: f64 = 2_000.0;
/// Attempts at a place on land before the next best is taken.
const TRIES: usize = 60;

#[derive(Debug, Clone)]
pub struct Ground {
    areas: Vec<Land>,
    /// Middles of the edges that only one area has: where land ends.
    coast: Vec<(usize, LngLat)>,
    /// Areas from the smallest up: the densest part of a city is cut finest.
    by_size: Vec<usize>,
    centre: LngLat,
    categories: Vec<String>,
    agencies: Vec<String>,
}

#[derive(Debug, Clone)]
struct Land {
    name: String,
    polygons: MultiPolygon<f64>,
    rect: Rect<f64>,
}

/// A place with the name that people would call it by.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    pub place: LngLat,
    pub name: String,
    area: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    #[error("the server's answer about its city has no {0}")]
    City(&'static str),
    #[error("the server's answer about its areas cannot be read: {0}")]
    Areas(String),
}

impl Ground {
    /// From `GET /api/v1/city` and `GET /api/v1/areas`.
    pub fn from_answers(city: &Value, areas: Value) -> Result<Ground, GroundError> {
        let (lng, lat) = (city["centre"][0].as_f64(), city["centre"][1].as_f64());
        let centre = lng.zip(lat).and_then(|(lng, lat)| LngLat::new(lng, lat).ok());
        let centre = centre.ok_or(GroundError::City("centre"))?;
        let categories = city_keys(city, "categories");
        if categories.is_empty() {
            return Err(GroundError::City("categories"));
        }
        let mut lands = read_lands(areas)?;
        let near: Vec<Land> = lands.iter().filter(|land| land.is_near(centre)).cloned().collect();
        if !near.is_empty() {
            lands = near;
        }
        let coast = coast_of(&lands);
        let mut by_size: Vec<usize> = (0..lands.len()).collect();
        by_size.sort_by(|a, b| {
            let size = |i: &usize| lands[*i].polygons.unsigned_area();
            size(a).total_cmp(&size(b))
        });
        Ok(Ground {
            areas: lands,
            coast,
            by_size,
            centre,
            categories,
            agencies: city_keys(city, "agencies"),
        })
    }

    /// The category of that key, or the first one where the city has no such.
    pub fn category(&self, key: &str) -> &str {
        let known = self.categories.iter().find(|have| *have == key);
        known.unwrap_or(&self.categories[0])
    }

    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    pub fn agencies(&self) -> &[String] {
        &self.agencies
    }

    /// Somewhere on land.
    pub fn anywhere(&self, chance: &mut Chance) -> Spot {
        if self.areas.is_empty() {
            let place =
                offset(self.centre, chance.normal() * 0.4, chance.normal() * 0.4, REACH_WITHOUT_AREAS_M);
            return Spot { place, name: "pusat kota".to_owned(), area: None };
        }
        let area = chance.below(self.areas.len());
        self.inside(area, chance)
    }

    /// Where the city is densest.
    pub fn downtown(&self, chance: &mut Chance) -> Spot {
        const DENSEST: usize = 12;
        match self.by_size.get(chance.below(DENSEST.min(self.by_size.len()).max(1))) {
            Some(area) => self.inside(*area, chance),
            None => self.anywhere(chance),
        }
    }

    /// On land within a hundred metres of its end.
    pub fn shore(&self, chance: &mut Chance) -> Spot {
        const INLAND_M: f64 = 60.0;
        for _ in 0..TRIES {
            if self.coast.is_empty() {
                break;
            }
            let (area, edge) = *chance.pick(&self.coast);
            let place = offset(edge, chance.normal(), chance.normal(), INLAND_M);
            if self.areas[area].holds(place) {
                return self.spot(area, place);
            }
        }
        self.anywhere(chance)
    }

    /// Around a spot, on land; the spot itself where nothing around it is.
    pub fn around(&self, spot: &Spot, spread_m: f64, chance: &mut Chance) -> LngLat {
        for _ in 0..TRIES {
            let place = offset(spot.place, chance.normal(), chance.normal(), spread_m);
            if spot.area.is_none_or(|area| self.areas[area].holds(place) || self.is_land(place)) {
                return place;
            }
        }
        spot.place
    }

    /// Whether the place lies in one of the areas.
    pub fn is_land(&self, place: LngLat) -> bool {
        self.areas.iter().any(|land| land.holds(place))
    }

    fn inside(&self, area: usize, chance: &mut Chance) -> Spot {
        let land = &self.areas[area];
        let (min, max) = (land.rect.min(), land.rect.max());
        for _ in 0..TRIES {
            let (lng, lat) = (chance.between(min.x, max.x), chance.between(min.y, max.y));
            if let Ok(place) = LngLat::new(lng, lat)
                && land.holds(place)
            {
                return self.spot(area, place);
            }
        }
        // A sliver in a large box: any of its own corners will do.
        let corner = land.polygons.iter().flat_map(|p| p.exterior().coords()).next();
        let place = corner.and_then(|c| LngLat::new(c.x, c.y).ok()).unwrap_or(self.centre);
        self.spot(area, place)
    }

    fn spot(&self, area: usize, place: LngLat) -> Spot {
        Spot { place, name: self.areas[area].name.clone(), area: Some(area) }
    }
}

impl Land {
    fn holds(&self, place: LngLat) -> bool {
        let point: Point<f64> = place.to_geo();
        self.rect.intersects(&point) && self.polygons.intersects(&point)
    }

    fn is_near(&self, centre: LngLat) -> bool {
        let middle = self.rect.center();
        LngLat::new(middle.x, middle.y).is_ok_and(|middle| great_circle_m(middle, centre) <= REACH_M)
    }
}

/// The areas that no other one names as its parent.
fn read_lands(areas: Value) -> Result<Vec<Land>, GroundError> {
    let parents: Vec<String> = areas["features"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|feature| feature["properties"]["parent"].as_str().map(str::to_owned))
        .collect();
    let areas: geojson::FeatureCollection =
        serde_json::from_value(areas).map_err(|e| GroundError::Areas(e.to_string()))?;
    let mut lands = Vec::new();
    for feature in areas.features {
        let text = |key: &str| feature.property(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (code, name) = (text("code"), text("name"));
        if parents.contains(&code) {
            continue;
        }
        let polygons = match feature.geometry.map(geo_types::Geometry::<f64>::try_from) {
            Some(Ok(geo_types::Geometry::Polygon(polygon))) => MultiPolygon::new(vec![polygon]),
            Some(Ok(geo_types::Geometry::MultiPolygon(polygons))) => polygons,
            _ => return Err(GroundError::Areas(format!("area {code:?} is no polygon"))),
        };
        if let Some(rect) = polygons.bounding_rect() {
            lands.push(Land { name, polygons, rect });
        }
    }
    Ok(lands)
}

fn coast_of(lands: &[Land]) -> Vec<(usize, LngLat)> {
    let mut edges: HashMap<[(i32, i32); 2], (usize, usize)> = HashMap::new();
    for (i, a, b) in
        lands.iter().enumerate().flat_map(|(i, land)| land.edges().map(move |(a, b)| (i, a, b)))
    {
        let key = if a < b { [a, b] } else { [b, a] };
        edges.entry(key).or_insert((i, 0)).1 += 1;
    }
    let mut coast: Vec<(usize, LngLat)> = edges
        .into_iter()
        .filter(|(_, (_, times))| *times == 1)
        .filter_map(|([a, b], (area, _))| {
            let middle = |a: i32, b: i32| ((i64::from(a) + i64::from(b)) / 2) as i32;
            Some((area, LngLat::from_e7(middle(a.0, b.0), middle(a.1, b.1))?))
        })
        .collect();
    // A map has no order of its own, and the drill must be the same every time.
    coast.sort();
    coast
}

impl Land {
    /// In whole 1e-7 degrees, so that neighbours' edges are equal.
    fn edges(&self) -> impl Iterator<Item = ((i32, i32), (i32, i32))> {
        let e7 = |c: Coord<f64>| ((c.x * 1e7).round() as i32, (c.y * 1e7).round() as i32);
        let rings = self.polygons.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        rings.flat_map(move |ring| ring.lines().map(move |line| (e7(line.start), e7(line.end))))
    }
}

/// `east` and `north` times `scale_m` metres away.
fn offset(from: LngLat, east: f64, north: f64, scale_m: f64) -> LngLat {
    let m_per_deg = EARTH_RADIUS_M.to_radians();
    let lat = from.lat() + north * scale_m / m_per_deg;
    let lng = from.lng() + east * scale_m / (m_per_deg * from.lat().to_radians().cos().max(0.01));
    LngLat::new(lng.clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0)).unwrap_or(from)
}
