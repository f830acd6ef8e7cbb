//! The JSON of the live socket and of the GeoJSON answers (design: "The live socket").
//!
//! These shapes are a published contract: `docs/live-protocol.md` says the same in words, and the
//! snapshots under `tests/wire/` pin it for both sides.

use geo_types::{Coord, LineString, MultiPolygon};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::lateness::ClockProperties;
use super::spec::FilterSpec;
use crate::city::{City, Text};
use crate::live::hotspots::{Confidence, Hotspot, Layer, Surge};
use crate::live::{Alarm, Incident, LiveMap, Stats, Summary, Title};
use crate::model::{CategoryId, Cell, Disposition, IncidentNo, LngLat, Projection, Status, TimeMs};

/// What a client may send.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    Subscribe(Box<Subscribe>),
    Unsubscribe {
        id: String,
    },
    Ping {
        t: Option<serde_json::Value>,
    },
    /// Where a member of the staff is; `null`: at no incident.
    Presence {
        incident: Option<String>,
        #[serde(default)]
        editing: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    pub id: String,
    pub bbox: Vec<f64>,
    pub zoom: f64,
    #[serde(default)]
    pub filter: FilterSpec,
    pub layers: Option<Vec<String>>,
    pub resume: Option<Resume>,
}

/// Where a client left off.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    pub epoch: String,
    pub seq: u64,
    pub view: String,
}

/// What the server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    Hello {
        protocol: &'a str,
        epoch: String,
        seq: u64,
        projection: &'a str,
        frame_ms: u64,
        heartbeat_s: u64,
        now: String,
        speed: f64,
        build: &'a str,
        /// New reports may be missing from what is shown.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        degraded: bool,
        /// Whether what is shown is as new as it can be; `false` until a heartbeat says otherwise.
        #[serde(skip_serializing_if = "is_true")]
        in_touch: bool,
        /// This socket may say where its reader is, and is told of the others.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        presence: bool,
    },
    Snapshot {
        id: &'a str,
        view: &'a str,
        seq: u64,
        level: u8,
        features: &'a [Feature<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        hotspots: Option<&'a [Feature<'a>]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stats: Option<&'a StatsBody<'a>>,
        reason: Reason,
    },
    Delta {
        id: &'a str,
        view: &'a str,
        from: u64,
        seq: u64,
        #[serde(skip_serializing_if = "<[Feature]>::is_empty")]
        upsert: &'a [Feature<'a>],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        remove: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        hotspots: Option<HotspotsDelta<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stats: Option<&'a StatsBody<'a>>,
    },
    Alarm {
        id: String,
        sub: &'a str,
        kind: &'a str,
        seq: u64,
        /// Of what is late: 0 for the operator, 1 for the supervisor, 2 for the head.
        #[serde(skip_serializing_if = "Option::is_none")]
        level: Option<u8>,
        title: Text,
        feature: Box<Feature<'a>>,
    },
    Heartbeat {
        seq: u64,
        time: String,
        speed: f64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        degraded: bool,
    },
    Pong {
        t: Option<serde_json::Value>,
    },
    Presence {
        people: Vec<PersonBody<'a>>,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        problem: serde_json::Value,
    },
}

/// What goes without saying.
fn is_true(said: &bool) -> bool {
    *said
}

impl<'a> ServerMessage<'a> {
    /// An alarm for the subscription `sub`.
    pub fn alarm(sub: &'a str, alarm: &Alarm, city: &City) -> ServerMessage<'a> {
        let (id, kind, feature) = match alarm {
            Alarm::Hotspot(event) => {
                let id = format!("a:{}/{}", event.hotspot.id, event.seq);
                (id, "hotspot", Feature::hotspot(&event.hotspot, None, city))
            }
            Alarm::Surge(surge) => {
                let feature = Feature::surge(surge, city);
                let category = &city.category(surge.category).key;
                let drill = if surge.drill { "/drill" } else { "" };
                (format!("{}/{category}/{}{drill}", feature.id, surge.seq), "surge", feature)
            }
        };
        let (seq, title) = (alarm.seq().0, alarm.title().clone());
        ServerMessage::Alarm { id, sub, kind, seq, level: None, title, feature: Box::new(feature) }
    }
}

/// Somebody of the staff, and the incident that they are at.
#[derive(Debug, Serialize)]
pub struct PersonBody<'a> {
    pub who: &'a str,
    pub name: &'a str,
    pub incident: Option<String>,
    pub editing: bool,
    pub since: TimeMs,
}

#[derive(Debug, Serialize)]
pub struct HotspotsDelta<'a> {
    #[serde(skip_serializing_if = "<[Feature]>::is_empty")]
    pub upsert: &'a [Feature<'a>],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub remove: &'a [String],
}

/// Why a snapshot came instead of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Subscribed,
    Replaced,
    ViewChanged,
    TooOld,
    Ahead,
    EpochChanged,
}

/// A GeoJSON feature with a stable id. It borrows what the city pack knows, so that a list of hundreds
/// is written without copies.
#[derive(Debug, Clone, Serialize)]
pub struct Feature<'a> {
    #[serde(rename = "type")]
    kind: FeatureType,
    pub id: String,
    pub geometry: Geometry,
    pub properties: Properties<'a>,
}

#[derive(Debug, Clone, Copy, Serialize)]
enum FeatureType {
    Feature,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", content = "coordinates")]
pub enum Geometry {
    Point([f64; 2]),
    Polygon(Vec<Vec<[f64; 2]>>),
    MultiPolygon(Vec<Vec<Vec<[f64; 2]>>>),
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Properties<'a> {
    Cluster(ClusterProperties<'a>),
    Incident(IncidentProperties<'a>),
    Hotspot(Box<HotspotProperties>),
    Surge(Box<SurgeProperties>),
}

#[derive(Debug, Clone, Serialize)]
pub struct ClusterProperties<'a> {
    pub count: u32,
    pub reports: u32,
    pub by_category: Counts<'a>,
    pub overdue: u32,
    pub expand_zoom: Option<u8>,
}

#[derive(Debug, Clone, Serialize)]
pub struct IncidentProperties<'a> {
    pub category: &'a str,
    pub status: &'static str,
    pub reports: u32,
    pub title: Title<'a>,
    pub area: Option<&'a str>,
    pub agency: Option<&'a str>,
    pub opened_at: TimeMs,
    pub updated_at: TimeMs,
    pub due_at: Option<TimeMs>,
    pub overdue: bool,
    pub drill: bool,
    /// For staff, where one runs or stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Box<ClockProperties>>,
    /// For staff: what an action must name to be sure of what it acts on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// For staff: distinct senders of the reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporters: Option<u32>,
    /// For staff: an agency sent it back, and nobody has it yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub returned: bool,
    /// For staff: what was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
pub struct HotspotProperties {
    pub category: String,
    pub state: &'static str,
    pub trend: f64,
    pub reports: u32,
    pub reporters: u32,
    pub centroid: [f64; 2],
    /// Getis-Ord Gi* of its hottest cell; null where none of its cells is land.
    pub gi_z: Option<f64>,
    /// 90, 95 or 99: how sure it is that this cell is hot; null below.
    pub gi_confidence: Option<u8>,
    /// In sigma above what is usual in its areas; null where too little is known.
    pub surge: Option<f64>,
    pub areas: Vec<String>,
    pub name: Text,
    pub first_at: TimeMs,
    pub last_at: TimeMs,
    pub why: Text,
    pub drill: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<HotspotMember>>,
}

/// Far more reports of one category than usual, in one area on one day.
#[derive(Debug, Clone, Serialize)]
pub struct SurgeProperties {
    pub category: String,
    /// Its code.
    pub area: String,
    pub name: Text,
    /// The city's day.
    pub day: String,
    /// Of the day, when the alarm was raised.
    pub reports: u32,
    pub reporters: u32,
    /// On one of the seven days before, on average.
    pub usual: f64,
    /// How far above usual, in sigma.
    pub sigma: f64,
    pub drill: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct HotspotMember {
    pub report: String,
    pub core: bool,
    /// How much it counts, from 0 to 1.
    pub weight: f64,
    /// What speaks against it: `repeated`, `rejected_before`, `channel`, `vague`; and what takes some of that back:
    /// `photo`, `agreement`.
    pub why: Vec<&'static str>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<crate::city::Text>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StatsBody<'a> {
    pub total: u32,
    pub by_category: Counts<'a>,
    pub by_status: Counts<'a>,
    pub overdue: u32,
    pub opened_today: u32,
    pub resolved_today: u32,
    /// For staff: what was rejected, by what it was said to be; the filter's statuses ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_disposition: Option<Counts<'a>>,
}

/// Counts by key, in the order of the pack or of the statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts<'a>(Vec<(&'a str, u32)>);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, count) in &self.0 {
            map.serialize_entry(key, count)?;
        }
        map.end()
    }
}

impl<'a> Counts<'a> {
    /// Of the categories that occur.
    fn of_categories(counts: &[(CategoryId, u32)], city: &'a City) -> Counts<'a> {
        Counts(counts.iter().map(|(id, count)| (city.category(*id).key.as_str(), *count)).collect())
    }

    /// Of every category, those that do not occur too.
    fn of_all_categories(counts: &[(CategoryId, u32)], city: &'a City) -> Counts<'a> {
        let count = |id| counts.iter().find(|(c, _)| *c == id).map_or(0, |(_, count)| *count);
        Counts(city.category_ids().map(|id| (city.category(id).key.as_str(), count(id))).collect())
    }

    fn of_dispositions(counts: &[u32; 6]) -> Counts<'a> {
        Counts(Disposition::ALL.iter().map(|d| (d.key(), counts[*d as usize])).collect())
    }

    fn of_statuses(counts: &[u32; 5]) -> Counts<'a> {
        Counts(Status::ALL.iter().map(|s| (s.key(), counts[*s as usize])).collect())
    }
}

pub fn cell_id(cell: Cell) -> String {
    format!("c:{}/{}/{}", cell.level, cell.x, cell.y)
}

/// The id of an incident's feature.
pub fn incident_id(map: &LiveMap, no: IncidentNo, opened_at: TimeMs) -> String {
    let mut id = String::with_capacity(2 + Hyphenated::LENGTH);
    id.push_str("i:");
    let uuid = map.ids().incident_uuid(no, opened_at).hyphenated();
    id.push_str(uuid.encode_lower(&mut Uuid::encode_buffer()));
    id
}

/// The other way round; `None` for what is no cell.
pub fn parse_cell_id(text: &str) -> Option<Cell> {
    let mut parts = text.strip_prefix("c:")?.split('/');
    let (level, x, y) = (parts.next()?, parts.next()?, parts.next()?);
    let none_left = parts.next().is_none();
    let cell = Cell::new_checked(level.parse().ok()?, x.parse().ok()?, y.parse().ok()?)?;
    none_left.then_some(cell)
}

pub fn time(at: TimeMs) -> String {
    at.to_rfc3339()
}

fn point(place: LngLat) -> [f64; 2] {
    [place.lng(), place.lat()]
}

impl<'a> Feature<'a> {
    fn new(id: String, geometry: Geometry, properties: Properties<'a>) -> Feature<'a> {
        Feature { kind: FeatureType::Feature, id, geometry, properties }
    }

    /// # Panics
    /// For a cell in which nothing matches.
    pub fn cluster(cell: Cell, sum: &Summary, expand_zoom: Option<u8>, city: &'a City) -> Feature<'a> {
        let mean = sum.mean().expect("a cluster has members");
        let properties = ClusterProperties {
            count: sum.total.count,
            reports: sum.total.reports,
            by_category: Counts::of_categories(&sum.by_category, city),
            overdue: sum.overdue,
            expand_zoom,
        };
        Feature::new(cell_id(cell), Geometry::Point(point(mean)), Properties::Cluster(properties))
    }

    pub fn incident(map: &'a LiveMap, incident: &Incident, projection: Projection) -> Feature<'a> {
        let city = map.city();
        let spot = incident.spot(projection, city);
        let is_staff = projection == Projection::Staff;
        let properties = IncidentProperties {
            category: &city.category(incident.category).key,
            status: incident.status.key(),
            reports: incident.reports,
            title: map.title(incident, projection),
            area: spot.area.map(|area| city.areas.get(area).code.as_str()),
            agency: incident.agency.map(|agency| city.agency(agency).key.as_str()),
            opened_at: incident.opened_at,
            updated_at: incident.updated_at,
            due_at: incident.due_at(),
            overdue: incident.overdue,
            drill: incident.drill,
            clock: map
                .clock(incident.no)
                .filter(|_| is_staff && incident.status.is_open())
                .map(|(clock, state)| Box::new(ClockProperties::of(clock, state, &city.calendar))),
            version: is_staff.then_some(incident.version),
            reporters: is_staff.then_some(incident.reporters.into()),
            returned: is_staff && incident.returned,
            disposition: incident.disposition.filter(|_| is_staff).map(Disposition::key),
        };
        let id = incident_id(map, incident.no, incident.opened_at);
        Feature::new(id, Geometry::Point(point(spot.place)), Properties::Incident(properties))
    }

    /// `members` where staff asked for them.
    pub fn hotspot(
        hotspot: &Hotspot,
        members: Option<Vec<HotspotMember>>,
        city: &City,
    ) -> Feature<'static> {
        let properties = HotspotProperties {
            category: hotspot_category(hotspot.layer, city),
            state: hotspot.state.key(),
            trend: hotspot.trend,
            reports: hotspot.reports,
            reporters: hotspot.reporters,
            centroid: point(hotspot.centroid),
            gi_z: hotspot.gi_z,
            gi_confidence: hotspot.gi_confidence.map(Confidence::percent),
            surge: hotspot.surge,
            areas: hotspot.areas.iter().map(|area| city.areas.get(*area).code.clone()).collect(),
            name: hotspot.name.clone(),
            first_at: hotspot.first_at,
            last_at: hotspot.last_at,
            why: hotspot.why.clone(),
            drill: hotspot.drill,
            members,
        };
        let id = format!("h:{}", hotspot.id);
        Feature::new(id, Geometry::of(&hotspot.outline), Properties::Hotspot(Box::new(properties)))
    }
}

impl Feature<'static> {
    /// The area of a surge.
    pub fn surge(surge: &Surge, city: &City) -> Feature<'static> {
        let area = city.areas.get(surge.area);
        let properties = SurgeProperties {
            category: city.category(surge.category).key.clone(),
            area: area.code.clone(),
            name: Text { id: area.name.clone(), en: area.name.clone() },
            day: surge.day.to_string(),
            reports: surge.reports,
            reporters: surge.reporters,
            usual: surge.usual,
            sigma: surge.sigma,
            drill: surge.drill,
        };
        let id = format!("a:{}", area.code);
        Feature::new(id, Geometry::of(&area.polygons), Properties::Surge(Box::new(properties)))
    }
}

/// The category's key, or `all`.
pub fn hotspot_category(layer: Layer, city: &City) -> String {
    match layer {
        Layer::Category(id) => city.category(id).key.clone(),
        Layer::All => "all".to_owned(),
    }
}

impl Geometry {
    fn of(polygons: &MultiPolygon<f64>) -> Geometry {
        let coord = |c: &Coord<f64>| [round_e7(c.x), round_e7(c.y)];
        let ring = |line: &LineString<f64>| line.0.iter().map(coord).collect::<Vec<_>>();
        let mut parts: Vec<Vec<_>> = polygons
            .iter()
            .map(|p| std::iter::once(p.exterior()).chain(p.interiors()).map(ring).collect())
            .collect();
        if parts.len() == 1 { Geometry::Polygon(parts.remove(0)) } else { Geometry::MultiPolygon(parts) }
    }
}

fn round_e7(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

impl<'a> StatsBody<'a> {
    pub fn of(stats: &Stats, city: &'a City) -> StatsBody<'a> {
        StatsBody {
            total: stats.matched.total.count,
            by_category: Counts::of_all_categories(&stats.matched.by_category, city),
            by_status: Counts::of_statuses(&stats.by_status),
            overdue: stats.matched.overdue,
            opened_today: stats.opened_today,
            resolved_today: stats.resolved_today,
            by_disposition: stats.by_disposition.as_ref().map(Counts::of_dispositions),
        }
    }
}
