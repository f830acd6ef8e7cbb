//! What an edge stands up from, as bytes: a [`Foundation`] with the secret of ids, compressed.
//!
//! A copy and never the truth. Numbers of categories, agencies and areas are those of the city pack, whose
//! hash it names. Senders are under the origin's pseudonyms. It holds exact places: it is for nodes only.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::news::Lineage;
use crate::city::City;
use crate::engine::Foundation;
use crate::journal::{
    Derived, Head, HotspotEventRow, HotspotMemberRow, HotspotMembers, HotspotRow, IncidentRow, Pseudonyms,
    ReportPlace, ReportRow, SharedEntry, Standing, SurgeRow, shared_accuracy_m,
};
use crate::live::{LiveWriter, ReportStanding};
use crate::model::{
    AgencyId, AreaId, CategoryId, Channel, Disposition, Epoch, IdKey, IncidentNo, LngLat, Projection,
    ReportNo, ReportPrivate, Secret, SenderId, Seq, Status, TimeMs, hex, unhex,
};

/// The last digit is the version of the format.
const MAGIC: &[u8; 8] = b"PANTAUN3";
/// A larger one is refused before it fills the memory: some twenty million incidents.
const BYTES_MAX: u64 = 4 << 30;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    #[error("it is not a node's snapshot of this version; run the same version of pantau on all nodes")]
    Format,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error(
        "the origin runs city pack {origin}, this node {ours}; put the same geodata folder on both, and start again"
    )]
    OtherPack { origin: String, ours: String },
}

/// A snapshot that was read and belongs to this node's city pack.
pub struct NodeSnapshot {
    pub lineage: Lineage,
    pub head: Head,
    secret: Secret,
    foundation: Foundation,
}

impl NodeSnapshot {
    pub fn encode(
        foundation: &Foundation,
        city: &City,
        secret: Secret,
        pseudonyms: &Pseudonyms,
    ) -> Vec<u8> {
        let Foundation { head, incidents, left, standings, derived, reports, past, before, tail } =
            foundation;
        let wire = Wire {
            epoch: head.epoch.to_string(),
            seq: head.seq.0,
            at: head.at.0,
            pack: hex(&city.hash),
            generation: pseudonyms.generation(),
            secret: hex(&secret.0),
            before: before.0,
            left: left.iter().map(IncidentWire::of).collect(),
            standings: standings.iter().map(standing_wire).collect(),
            derived: DerivedWire::of(derived),
            reports: reports.iter().map(|row| ReportWire::of(row, city, pseudonyms)).collect(),
            past: past.iter().map(PastWire::of).collect(),
            tail: tail.iter().map(|entry| SharedEntry::of(entry, city, pseudonyms)).collect(),
        };
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        let json = serde_json::to_vec(&wire).expect("plain structs become JSON");
        let parts = [&MAGIC[..], &(json.len() as u64).to_le_bytes(), &json, incidents];
        parts.into_iter().try_for_each(|part| out.write_all(part)).expect("memory takes what is written");
        out.finish().expect("memory takes what is written")
    }

    /// # Errors
    /// Says why it cannot be used; nothing in it is then to be trusted.
    pub fn decode(bytes: &[u8], city: &City) -> Result<NodeSnapshot, SnapshotFault> {
        let damaged = |what: &dyn std::fmt::Display| SnapshotFault::Damaged(what.to_string());
        let mut plain = Vec::new();
        GzDecoder::new(bytes)
            .take(BYTES_MAX)
            .read_to_end(&mut plain)
            .map_err(|e| if plain.starts_with(MAGIC) { damaged(&e) } else { SnapshotFault::Format })?;
        let rest = plain.strip_prefix(&MAGIC[..]).ok_or(SnapshotFault::Format)?;
        let (len, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged(&"it ends early"))?;
        let len = u64::from_le_bytes(*len) as usize;
        let (json, incidents) = rest.split_at_checked(len).ok_or_else(|| damaged(&"it ends early"))?;
        let wire: Wire = serde_json::from_slice(json).map_err(|e| damaged(&e))?;
        wire.read(incidents, city)
    }

    pub fn stand_up(self, city: Arc<City>) -> Result<LiveWriter, SnapshotFault> {
        let ids = IdKey::new(self.secret, &city.code_prefix);
        self.foundation.stand_up(city, ids).map_err(|e| SnapshotFault::Damaged(e.to_string()))
    }

    pub fn secret(&self) -> Secret {
        self.secret
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    epoch: String,
    seq: u64,
    at: i64,
    pack: String,
    generation: String,
    secret: String,
    before: i64,
    left: Vec<IncidentWire>,
    standings: Vec<StandingWire>,
    derived: DerivedWire,
    reports: Vec<ReportWire>,
    past: Vec<PastWire>,
    #[serde(borrow)]
    tail: Vec<SharedEntry<'a>>,
}

impl Wire<'_> {
    fn read(self, incidents: &[u8], city: &City) -> Result<NodeSnapshot, SnapshotFault> {
        let ours = hex(&city.hash);
        if self.pack != ours {
            return Err(SnapshotFault::OtherPack { origin: self.pack, ours });
        }
        let lacks = |what: &str| SnapshotFault::Damaged(format!("{what} is missing or wrong"));
        let epoch = Epoch(self.epoch.parse().map_err(|_| lacks("epoch"))?);
        let secret = Secret(unhex(&self.secret).ok_or_else(|| lacks("secret"))?);
        let tail: Result<_, _> = self.tail.iter().map(|entry| entry.entry(city)).collect();
        let rows = || -> Option<_> {
            let left: Option<_> = self.left.iter().map(IncidentWire::row).collect();
            let standings: Option<_> = self.standings.iter().map(read_standing).collect();
            let reports: Option<_> = self.reports.iter().map(ReportWire::row).collect();
            let past: Option<_> = self.past.iter().map(PastWire::row).collect();
            Some((left?, standings?, reports?, past?))
        };
        let (left, standings, reports, past) = rows().ok_or_else(|| lacks("a row"))?;
        let head = Head { epoch, seq: Seq(self.seq), at: TimeMs(self.at) };
        let foundation = Foundation {
            head,
            incidents: incidents.to_vec(),
            left,
            standings,
            derived: self.derived.rows(),
            reports,
            past,
            before: TimeMs(self.before),
            tail: tail.map_err(|e| SnapshotFault::Damaged(e.to_string()))?,
        };
        let lineage = Lineage { epoch: self.epoch, pack: self.pack, generation: self.generation };
        Ok(NodeSnapshot { lineage, head, secret, foundation })
    }
}

/// Incident, the one that it counts under, the status of that, the category of the incident itself, the disposition
/// of the one that it counts under.
type StandingWire = (u32, u32, u8, u8, Option<u8>);

fn standing_wire((no, standing): &(IncidentNo, ReportStanding)) -> StandingWire {
    let disposition = standing.disposition.map(|disposition| disposition as u8);
    (no.0, standing.root.0, standing.status as u8, standing.category.0, disposition)
}

fn read_standing((no, root, s, category, d): &StandingWire) -> Option<(IncidentNo, ReportStanding)> {
    let (root, category) = (IncidentNo(*root), CategoryId(*category));
    let disposition = d.and_then(disposition);
    Some((IncidentNo(*no), ReportStanding { root, status: status(*s)?, disposition, category }))
}

fn disposition(n: u8) -> Option<Disposition> {
    Disposition::ALL.get(usize::from(n)).copied()
}

fn channel(n: u8) -> Option<Channel> {
    Channel::ALL.get(usize::from(n)).copied()
}

fn status(n: u8) -> Option<Status> {
    Status::ALL.get(usize::from(n)).copied()
}

fn place([lng_e7, lat_e7]: [i32; 2]) -> Option<LngLat> {
    LngLat::from_e7(lng_e7, lat_e7)
}

fn e7(place: LngLat) -> [i32; 2] {
    [place.lng_e7(), place.lat_e7()]
}

fn is_staff(projection: Projection) -> bool {
    projection == Projection::Staff
}

fn projection(is_staff: bool) -> Projection {
    if is_staff { Projection::Staff } else { Projection::Public }
}

/// Numbers; times; category, status, agency, area; place; reports, version and reporters; drill, imported, closed by
/// import, returned; the one that absorbed it; disposition.
#[derive(Serialize, Deserialize)]
struct IncidentWire(
    (u32, u64, u64),
    (i64, i64, Option<i64>, Option<i64>),
    (u8, u8, Option<u8>, Option<u16>),
    [i32; 2],
    (u32, u32, u32),
    (bool, bool, bool, bool),
    Option<u32>,
    Option<u8>,
);

impl IncidentWire {
    fn of(row: &IncidentRow) -> IncidentWire {
        let (due_at, closed_at) = (row.due_at.map(|at| at.0), row.closed_at.map(|at| at.0));
        let (agency, area) = (row.agency.map(|id| id.0), row.area.map(|id| id.0));
        IncidentWire(
            (row.no.0, row.opened_seq.0, row.changed_seq.0),
            (row.opened_at.0, row.updated_at.0, due_at, closed_at),
            (row.category.0, row.status as u8, agency, area),
            e7(row.place),
            (row.reports, row.version, row.reporters),
            (row.drill, row.imported, row.closed_by_import, row.standing.returned),
            row.merged_into.map(|no| no.0),
            row.standing.disposition.map(|disposition| disposition as u8),
        )
    }

    fn row(&self) -> Option<IncidentRow> {
        let IncidentWire(numbers, times, kinds, place, counts, flags, merged_into, disposition) = self;
        // Who resolved it stays in the store.
        let standing = Standing {
            disposition: disposition.and_then(self::disposition),
            returned: flags.3,
            ..Standing::default()
        };
        Some(IncidentRow {
            no: IncidentNo(numbers.0),
            opened_seq: Seq(numbers.1),
            changed_seq: Seq(numbers.2),
            category: CategoryId(kinds.0),
            status: status(kinds.1)?,
            agency: kinds.2.map(AgencyId),
            area: kinds.3.map(AreaId),
            place: self::place(*place)?,
            opened_at: TimeMs(times.0),
            updated_at: TimeMs(times.1),
            due_at: times.2.map(TimeMs),
            // It left memory, so it is closed.
            clock: None,
            closed_at: times.3.map(TimeMs),
            closed_by_import: flags.2,
            reports: counts.0,
            version: counts.1,
            drill: flags.0,
            imported: flags.1,
            reporters: counts.2,
            merged_into: merged_into.map(IncidentNo),
            standing,
        })
    }
}

/// Numbers of report, entry, incident; received and occurred; category and area; place; sender; drill and
/// imported; photos; channel, how far its place may be off, as shared.
#[derive(Serialize, Deserialize)]
struct ReportWire(
    (u32, u64, u32),
    (i64, i64),
    (u8, Option<u16>),
    [i32; 2],
    u64,
    (bool, bool),
    u8,
    (u8, Option<u32>),
);

impl ReportWire {
    fn of(row: &ReportRow, city: &City, pseudonyms: &Pseudonyms) -> ReportWire {
        let accuracy_m = shared_accuracy_m(row.category, row.accuracy_m, city);
        ReportWire(
            (row.no.0, row.seq.0, row.incident.0),
            (row.received_at.0, row.occurred_at.0),
            (row.category.0, row.area.map(|id| id.0)),
            e7(row.place),
            pseudonyms.sender(row.sender).0,
            (row.drill, row.imported),
            row.n_photos,
            (row.channel as u8, accuracy_m),
        )
    }

    fn row(&self) -> Option<ReportRow> {
        let ReportWire(numbers, times, kinds, place, sender, flags, n_photos, evidence) = self;
        Some(ReportRow {
            no: ReportNo(numbers.0),
            seq: Seq(numbers.1),
            incident: IncidentNo(numbers.2),
            received_at: TimeMs(times.0),
            occurred_at: TimeMs(times.1),
            category: CategoryId(kinds.0),
            place: self::place(*place)?,
            area: kinds.1.map(AreaId),
            sender: SenderId(*sender),
            channel: channel(evidence.0)?,
            drill: flags.0,
            imported: flags.1,
            n_photos: *n_photos,
            private: ReportPrivate::default(),
            accuracy_m: evidence.1,
        })
    }
}

/// Numbers of report and incident; occurred; category and area; place; drill.
#[derive(Serialize, Deserialize)]
struct PastWire((u32, u32), i64, (u8, Option<u16>), [i32; 2], bool);

impl PastWire {
    fn of(row: &ReportPlace) -> PastWire {
        let kinds = (row.category.0, row.area.map(|id| id.0));
        PastWire((row.no.0, row.incident.0), row.occurred_at.0, kinds, e7(row.place), row.drill)
    }

    fn row(&self) -> Option<ReportPlace> {
        let PastWire(numbers, occurred_at, kinds, place, drill) = self;
        Some(ReportPlace {
            no: ReportNo(numbers.0),
            incident: IncidentNo(numbers.1),
            occurred_at: TimeMs(*occurred_at),
            category: CategoryId(kinds.0),
            place: self::place(*place)?,
            area: kinds.1.map(AreaId),
            drill: *drill,
        })
    }
}

/// Seq, report, received at, core, what speaks against it and for it.
type MemberWire = (u64, u32, i64, bool, [u8; 6]);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DerivedWire {
    as_of_seq: u64,
    /// Staff; id, category, changed and ended seq, body.
    hotspots: Vec<(bool, String, String, u64, Option<u64>, String)>,
    members: Vec<(bool, String, Vec<MemberWire>)>,
    /// Staff; seq, at, id, kind, body.
    events: Vec<(bool, u64, i64, String, String, String)>,
    surges: Vec<SurgeWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SurgeWire {
    staff: bool,
    seq: u64,
    n: u32,
    at: i64,
    category: String,
    area: String,
    until_day: String,
    body: String,
}

impl DerivedWire {
    fn of(derived: &Derived) -> DerivedWire {
        let hotspot = |row: &HotspotRow| {
            let (id, category, body) = (row.id.clone(), row.category.clone(), row.body.clone());
            let ended = row.ended_seq.map(|seq| seq.0);
            (is_staff(row.projection), id, category, row.changed_seq.0, ended, body)
        };
        let member = |m: &HotspotMemberRow| (m.seq.0, m.report.0, m.received_at.0, m.core, m.doubts);
        let members = |row: &HotspotMembers| {
            (is_staff(row.projection), row.id.clone(), row.members.iter().map(member).collect())
        };
        let event = |row: &HotspotEventRow| {
            let (id, kind, body) = (row.id.clone(), row.kind.clone(), row.body.clone());
            (is_staff(row.projection), row.seq.0, row.at.0, id, kind, body)
        };
        let surge = |row: &SurgeRow| SurgeWire {
            staff: is_staff(row.projection),
            seq: row.seq.0,
            n: row.n,
            at: row.at.0,
            category: row.category.clone(),
            area: row.area.clone(),
            until_day: row.until_day.clone(),
            body: row.body.clone(),
        };
        DerivedWire {
            as_of_seq: derived.as_of_seq.0,
            hotspots: derived.hotspots.iter().map(hotspot).collect(),
            members: derived.members.iter().map(members).collect(),
            events: derived.events.iter().map(event).collect(),
            surges: derived.surges.iter().map(surge).collect(),
        }
    }

    fn rows(self) -> Derived {
        let hotspot =
            |(staff, id, category, changed, ended, body): (_, _, _, _, Option<u64>, _)| HotspotRow {
                projection: projection(staff),
                id,
                category,
                changed_seq: Seq(changed),
                ended_seq: ended.map(Seq),
                body,
            };
        let member = |(seq, report, received_at, core, doubts): MemberWire| HotspotMemberRow {
            seq: Seq(seq),
            report: ReportNo(report),
            received_at: TimeMs(received_at),
            core,
            doubts,
        };
        let members = |(staff, id, members): (_, _, Vec<MemberWire>)| HotspotMembers {
            projection: projection(staff),
            id,
            members: members.into_iter().map(member).collect(),
        };
        let event = |(staff, seq, at, id, kind, body)| HotspotEventRow {
            projection: projection(staff),
            seq: Seq(seq),
            at: TimeMs(at),
            id,
            kind,
            body,
        };
        let surge = |row: SurgeWire| SurgeRow {
            projection: projection(row.staff),
            seq: Seq(row.seq),
            n: row.n,
            at: TimeMs(row.at),
            category: row.category,
            area: row.area,
            until_day: row.until_day,
            body: row.body,
        };
        Derived {
            as_of_seq: Seq(self.as_of_seq),
            hotspots: self.hotspots.into_iter().map(hotspot).collect(),
            members: self.members.into_iter().map(members).collect(),
            events: self.events.into_iter().map(event).collect(),
            surges: self.surges.into_iter().map(surge).collect(),
        }
    }
}
