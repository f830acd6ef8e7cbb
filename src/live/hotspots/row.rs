//! Hotspots and their events as rows of the journal's derived tables.
//!
//! Invariant: what is written and read again is equal, to the bit: fractions are stored as whole
//! millionths or hundredths, areas by code. A member's place is not stored: it is its report's.
//! Members have rows of their own, of which a tick writes those that changed. Rows of before hold a
//! list of their members, and hold it until the hotspot changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use serde::{Deserialize, Serialize};

use super::credibility::Doubts;
use super::gi_star::Confidence;
use super::hotspot::{EventKind, Hotspot, HotspotEvent, HotspotId, HotspotMember, Layer, TickChanges};
use super::life::State;
use super::members::{MemberChanges, Members};
use super::surges::{self, Episode};
use crate::city::{City, Text};
use crate::journal::{
    Derived, DerivedUpdate, HotspotEventRow, HotspotMemberRow, HotspotMembersUpdate, HotspotRow,
    HotspotStateRow,
};
use crate::model::{AreaId, LngLat, Projection, ReportNo, Seq, TimeMs};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    #[error("the stored hotspot {id} cannot be read")]
    Hotspot {
        id: String,
        #[source]
        source: Option<serde_json::Error>,
    },
    #[error("the stored event {kind} of hotspot {id} cannot be read")]
    Event {
        id: String,
        kind: String,
        #[source]
        source: Option<serde_json::Error>,
    },
    #[error("the stored surge {n} of entry {seq} cannot be read")]
    Surge {
        seq: Seq,
        n: u32,
        #[source]
        source: Option<serde_json::Error>,
    },
}

/// What the rows of one projection say.
pub(super) struct Loaded {
    pub live: Vec<Arc<Hotspot>>,
    /// With the seq and the time of their end.
    pub ended: Vec<(Arc<Hotspot>, Seq, TimeMs)>,
    /// Oldest first.
    pub events: Vec<Arc<HotspotEvent>>,
    /// Hotspots that live, and whose row holds the list of their members.
    pub in_rows: Vec<((Layer, bool), HotspotId)>,
    /// Oldest first.
    pub surges: Vec<Episode>,
}

impl Hotspot {
    /// Everything of it but id, layer, `changed_seq` and members, as its row in the journal says it.
    pub fn body_json(&self, city: &City) -> String {
        json(&Body::new(self, city))
    }
}

impl TickChanges {
    /// Adds what the tick changed in the derived tables of one projection. Where `derived` already
    /// holds an earlier tick's row of a hotspot, the newer one takes its place.
    pub fn append_rows(&self, projection: Projection, city: &City, derived: &mut DerivedUpdate) {
        derived.as_of_seq = self.seq;
        let end = Some((self.seq, self.at));
        let changed = self.changed.iter().map(|hotspot| row(hotspot, None, projection, city));
        let ended = self.ended.iter().map(|hotspot| row(hotspot, end, projection, city));
        let rows: Vec<HotspotRow> = changed.chain(ended).collect();
        let newer: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        derived.hotspots.retain(|row| row.projection != projection || !newer.contains(row.id.as_str()));
        derived.hotspots.extend(rows);
        derived.states.extend(self.changed.iter().map(|hotspot| state_row(hotspot, projection, city)));
        derived
            .members
            .extend(self.members.iter().map(|(id, change)| members_update(*id, change, projection)));
        derived.events.extend(self.events.iter().map(|event| event_row(event, projection, city)));
        derived.surges.extend(self.surges.iter().map(|episode| surges::row(episode, projection, city)));
    }
}

fn row(hotspot: &Hotspot, ended: Option<(Seq, TimeMs)>, projection: Projection, city: &City) -> HotspotRow {
    let body = Body { ended_at_ms: ended.map(|(_, at)| at.0), ..Body::new(hotspot, city) };
    HotspotRow {
        projection,
        id: hotspot.id.to_string(),
        category: hotspot.layer.key(city).to_owned(),
        changed_seq: hotspot.changed_seq,
        ended_seq: ended.map(|(seq, _)| seq),
        body: json(&body),
    }
}

fn members_update(id: HotspotId, change: &MemberChanges, projection: Projection) -> HotspotMembersUpdate {
    let row = |member: &HotspotMember| {
        let &HotspotMember { seq, report, received_at, core, doubts } = member;
        HotspotMemberRow { seq, report, received_at, core, doubts: doubts.columns() }
    };
    let came = change.came.iter().map(row).collect();
    HotspotMembersUpdate {
        projection,
        id: id.to_string(),
        whole: change.whole,
        came,
        left: change.left.clone(),
    }
}

fn state_row(hotspot: &Hotspot, projection: Projection, city: &City) -> HotspotStateRow {
    HotspotStateRow {
        projection,
        id: hotspot.id.to_string(),
        category: hotspot.layer.key(city).to_owned(),
        changed_seq: hotspot.changed_seq,
        body: json(&Body::new(hotspot, city)),
    }
}

/// Hotspots as they stood once, without their members. Those of a layer that the city pack no longer
/// has are left out.
///
/// # Errors
/// A row that cannot be read is named.
pub fn read_states(rows: &[HotspotStateRow], city: &City) -> Result<Vec<Hotspot>, LoadError> {
    let mut hotspots = Vec::new();
    for row in rows {
        let Some(layer) = Layer::from_key(&row.category, city) else { continue };
        let fault = |source| LoadError::Hotspot { id: row.id.clone(), source };
        let body: Body = serde_json::from_str(&row.body).map_err(|e| fault(Some(e)))?;
        let id = row.id.parse().map_err(|()| fault(None))?;
        hotspots.push(body.hotspot(id, layer, row.changed_seq, city).ok_or_else(|| fault(None))?);
    }
    hotspots.sort_by_key(|hotspot| hotspot.id);
    Ok(hotspots)
}

fn event_row(event: &HotspotEvent, projection: Projection, city: &City) -> HotspotEventRow {
    let hotspot = Body::new(&event.hotspot, city);
    let (other, level) = match event.kind {
        EventKind::Merged { into: other } | EventKind::Split { from: other } => {
            (Some(other.to_string()), None)
        }
        EventKind::Doubled { level } => (None, Some(level)),
        EventKind::Born | EventKind::Ended => (None, None),
    };
    let changed_seq = event.hotspot.changed_seq.0;
    let category = event.hotspot.layer.key(city).to_owned();
    let title = event.title.clone();
    HotspotEventRow {
        projection,
        seq: event.seq,
        at: event.at,
        id: event.hotspot.id.to_string(),
        kind: event.kind.key().to_owned(),
        body: json(&EventBody { category, alarm: event.alarm, title, other, level, changed_seq, hotspot }),
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("numbers, strings and lists always serialize")
}

/// Reads rows of one projection. Hotspots of a layer that the city pack no longer has are left out.
pub(super) fn read(projection: Projection, derived: &Derived, city: &City) -> Result<Loaded, LoadError> {
    let surges = surges::read(projection, &derived.surges, city)?;
    let (live, ended, events, in_rows) = Default::default();
    let mut loaded = Loaded { live, ended, events, in_rows, surges };
    let of_projection = derived.members.iter().filter(|members| members.projection == projection);
    let mut members: HashMap<&str, Members> =
        of_projection.map(|members| (members.id.as_str(), read_members(&members.members))).collect();
    for row in derived.hotspots.iter().filter(|row| row.projection == projection) {
        let Some(layer) = Layer::from_key(&row.category, city) else { continue };
        let fault = |source| LoadError::Hotspot { id: row.id.clone(), source };
        let body: Body = serde_json::from_str(&row.body).map_err(|e| fault(Some(e)))?;
        let id = row.id.parse().map_err(|()| fault(None))?;
        let ended_at = TimeMs(body.ended_at_ms.unwrap_or_default());
        let is_in_row = body.members.is_some();
        let mut hotspot = body.hotspot(id, layer, row.changed_seq, city).ok_or_else(|| fault(None))?;
        if !is_in_row {
            hotspot.members = members.remove(row.id.as_str()).unwrap_or_default();
        }
        match row.ended_seq {
            None => {
                loaded.in_rows.extend(is_in_row.then_some(((layer, hotspot.drill), id)));
                loaded.live.push(Arc::new(hotspot));
            }
            Some(ended_seq) => loaded.ended.push((Arc::new(hotspot), ended_seq, ended_at)),
        }
    }
    for row in derived.events.iter().filter(|row| row.projection == projection) {
        let fault = |source| LoadError::Event { id: row.id.clone(), kind: row.kind.clone(), source };
        let body: EventBody = serde_json::from_str(&row.body).map_err(|e| fault(Some(e)))?;
        if Layer::from_key(&body.category, city).is_some() {
            loaded.events.push(Arc::new(read_event(row, body, city).ok_or_else(|| fault(None))?));
        }
    }
    Ok(loaded)
}

fn read_members(rows: &[HotspotMemberRow]) -> Members {
    let member = |row: &HotspotMemberRow| {
        let &HotspotMemberRow { seq, report, received_at, core, doubts } = row;
        HotspotMember { seq, report, received_at, core, doubts: Doubts::of_columns(doubts) }
    };
    rows.iter().map(member).collect()
}

fn read_event(row: &HotspotEventRow, body: EventBody, city: &City) -> Option<HotspotEvent> {
    let other = || body.other.as_deref()?.parse::<HotspotId>().ok();
    let kind = match row.kind.as_str() {
        "born" => EventKind::Born,
        "doubled" => EventKind::Doubled { level: body.level? },
        "merged" => EventKind::Merged { into: other()? },
        "split" => EventKind::Split { from: other()? },
        "ended" => EventKind::Ended,
        _ => return None,
    };
    let layer = Layer::from_key(&body.category, city)?;
    let EventBody { alarm, title, .. } = body;
    let hotspot = body.hotspot.hotspot(row.id.parse().ok()?, layer, Seq(body.changed_seq), city)?;
    Some(HotspotEvent { seq: row.seq, at: row.at, kind, alarm, title, hotspot: Arc::new(hotspot) })
}

#[derive(Serialize, Deserialize)]
struct EventBody {
    category: String,
    alarm: bool,
    title: Text,
    /// The hotspot it merged into or split from.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u32>,
    changed_seq: u64,
    hotspot: Body,
}

/// Everything of a hotspot that is not a column of its row.
#[derive(Serialize, Deserialize)]
struct Body {
    drill: bool,
    state: String,
    trend_hundredths: i64,
    reports: u32,
    reporters: u32,
    incidents: u32,
    weight_micro: i64,
    centroid_e7: [i32; 2],
    /// Polygons, rings, corners: `[lng, lat]` in whole 1e-6 degrees.
    outline_e6: Vec<Vec<Vec<[i32; 2]>>>,
    /// Codes.
    areas: Vec<String>,
    lead_area: Option<String>,
    name: Text,
    first_at_ms: i64,
    last_at_ms: i64,
    born_at_ms: i64,
    why: Text,
    // Rows of before they were computed have none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gi_z_hundredths: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gi_percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    surge_hundredths: Option<i64>,
    /// Of rows of before members had rows of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members: Option<Columns>,
    born_reports: u32,
    level: u32,
    announced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at_ms: Option<i64>,
}

impl Body {
    fn new(hotspot: &Hotspot, city: &City) -> Body {
        let code = |id: &AreaId| city.areas.get(*id).code.clone();
        Body {
            drill: hotspot.drill,
            state: hotspot.state.key().to_owned(),
            trend_hundredths: hundredths(hotspot.trend),
            reports: hotspot.reports,
            reporters: hotspot.reporters,
            incidents: hotspot.incidents,
            weight_micro: (hotspot.weight * 1e6).round() as i64,
            centroid_e7: [hotspot.centroid.lng_e7(), hotspot.centroid.lat_e7()],
            outline_e6: hotspot.outline.iter().map(polygon_e6).collect(),
            areas: hotspot.areas.iter().map(code).collect(),
            lead_area: hotspot.lead_area.as_ref().map(code),
            name: hotspot.name.clone(),
            first_at_ms: hotspot.first_at.0,
            last_at_ms: hotspot.last_at.0,
            born_at_ms: hotspot.born_at.0,
            why: hotspot.why.clone(),
            gi_z_hundredths: hotspot.gi_z.map(hundredths),
            gi_percent: hotspot.gi_confidence.map(Confidence::percent),
            surge_hundredths: hotspot.surge.map(hundredths),
            members: None,
            born_reports: hotspot.born_reports,
            level: hotspot.level,
            announced: hotspot.announced,
            ended_at_ms: None,
        }
    }

    /// `None` where a value is out of its range.
    fn hotspot(self, id: HotspotId, layer: Layer, changed_seq: Seq, city: &City) -> Option<Hotspot> {
        let area = |code: &String| city.areas.by_code(code);
        Some(Hotspot {
            id,
            layer,
            drill: self.drill,
            state: State::from_key(&self.state)?,
            trend: self.trend_hundredths as f64 / 100.0,
            reports: self.reports,
            reporters: self.reporters,
            incidents: self.incidents,
            weight: self.weight_micro as f64 / 1e6,
            centroid: LngLat::from_e7(self.centroid_e7[0], self.centroid_e7[1])?,
            outline: MultiPolygon(self.outline_e6.iter().filter_map(|rings| polygon(rings)).collect()),
            areas: self.areas.iter().filter_map(area).collect(),
            lead_area: self.lead_area.as_ref().and_then(area),
            name: self.name,
            first_at: TimeMs(self.first_at_ms),
            last_at: TimeMs(self.last_at_ms),
            born_at: TimeMs(self.born_at_ms),
            why: self.why,
            gi_z: self.gi_z_hundredths.map(|n| n as f64 / 100.0),
            gi_confidence: self.gi_percent.and_then(Confidence::from_percent),
            surge: self.surge_hundredths.map(|n| n as f64 / 100.0),
            changed_seq,
            members: self.members.map_or(Some(Vec::new()), |members| members.read())?.into_iter().collect(),
            born_reports: self.born_reports,
            level: self.level,
            announced: self.announced,
        })
    }
}

fn hundredths(value: f64) -> i64 {
    (value * 100.0).round() as i64
}

/// Members as columns of steps from one to the next, as they were once written.
#[derive(Serialize, Deserialize)]
struct Columns {
    seqs: Vec<i64>,
    reports: Vec<i64>,
    received_ms: Vec<i64>,
    /// Positions of those that are not core.
    borders: Vec<u32>,
}

impl Columns {
    /// `None` where the columns do not fit each other or a value is out of its range.
    fn read(&self) -> Option<Vec<HotspotMember>> {
        let n = self.seqs.len();
        if self.reports.len() != n || self.received_ms.len() != n {
            return None;
        }
        let borders: HashSet<u32> = self.borders.iter().copied().collect();
        let rows = sums(&self.seqs).zip(sums(&self.reports)).zip(sums(&self.received_ms)).zip(0_u32..);
        rows.map(|(((seq, report), received_ms), i)| {
            Some(HotspotMember {
                seq: Seq(u64::try_from(seq).ok()?),
                report: ReportNo(u32::try_from(report).ok()?),
                received_at: TimeMs(received_ms),
                core: !borders.contains(&i),
                doubts: Doubts::NONE,
            })
        })
        .collect()
    }
}

fn sums(steps: &[i64]) -> impl Iterator<Item = i64> {
    steps.iter().scan(0_i64, |sum, step| {
        *sum = sum.wrapping_add(*step);
        Some(*sum)
    })
}

fn polygon_e6(polygon: &Polygon<f64>) -> Vec<Vec<[i32; 2]>> {
    let e6 = |deg: f64| (deg * 1e6).round() as i32;
    let ring = |ring: &LineString<f64>| ring.0.iter().map(|c| [e6(c.x), e6(c.y)]).collect();
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
}

fn polygon(rings: &[Vec<[i32; 2]>]) -> Option<Polygon<f64>> {
    let deg = |e6: i32| f64::from(e6) / 1e6;
    let ring = |ring: &Vec<[i32; 2]>| -> LineString<f64> {
        ring.iter().map(|[lng, lat]| Coord { x: deg(*lng), y: deg(*lat) }).collect()
    };
    let (exterior, interiors) = rings.split_first()?;
    Some(Polygon::new(ring(exterior), interiors.iter().map(ring).collect()))
}
