//! The incidents in memory as bytes: a start from these reads a hundred times less than one from the
//! journal's tables.
//!
//! A snapshot is a copy, never the truth: it names the entry that it stands at by seq and hash, and
//! the city pack whose numbers it uses. One that is torn, of another pack or of another history is
//! refused, and the tables are read instead.

use std::collections::BTreeMap;

use super::coarse::CoarsePlaces;
use super::incident::{Incident, MaybeArea, MaybeTime, reporters};
use super::map::LiveMap;
use crate::city::City;
use crate::model::{
    AgencyId, AreaId, CategoryId, Clock, Disposition, Epoch, IncidentNo, LngLat, Seq, Status, Step, TimeMs,
};

/// The last digit is the version of the format.
const MAGIC: &[u8; 8] = b"PANTAUS4";
const ROW_BYTES: usize = 64;
/// Of an absorbed incident, with the number of the one that absorbed it.
const ABSORBED_BYTES: usize = ROW_BYTES + 4;
const COARSE_BYTES: usize = 16;
const CLOCK_BYTES: usize = 54;
const NO_AREA: u16 = u16::MAX;
const NO_AGENCY: u8 = u8::MAX;

#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub epoch: Epoch,
    pub seq: Seq,
    /// Time of the entry `seq`.
    pub at: TimeMs,
    /// Hash of the entry `seq` in the journal's chain.
    pub entry_hash: [u8; 32],
    /// In the order of their numbers, none overdue yet: that depends on the time. The absorbed ones too.
    pub incidents: Vec<Incident>,
    /// Who was absorbed, and by whom.
    pub merged: BTreeMap<IncidentNo, IncidentNo>,
    /// Of those that the public sees.
    pub coarse: CoarsePlaces,
    /// Of those that are open.
    pub clocks: Vec<(IncidentNo, Clock)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("it is not a snapshot of this version")]
    Format,
    #[error("it is incomplete or damaged")]
    Damaged,
    #[error("it was made under another city pack")]
    OtherPack,
}

impl Snapshot {
    /// What a map holds, as bytes. `entry_hash` is that of the entry at the map's seq.
    pub fn encode(map: &LiveMap, entry_hash: &[u8; 32]) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(160 + map.incident_count() * ROW_BYTES));
        out.bytes(MAGIC);
        out.bytes(map.epoch.0.as_bytes());
        out.bytes(&map.city.hash);
        out.bytes(&map.seq.0.to_le_bytes());
        out.time(map.now);
        out.bytes(entry_hash);
        out.bytes(&(map.incident_count() as u32).to_le_bytes());
        map.incidents.iter().for_each(|incident| out.incident(incident));
        out.bytes(&(map.absorbed.len() as u32).to_le_bytes());
        map.absorbed_rows().for_each(|(incident, into)| out.absorbed(incident, into));
        let coarse = CoarsePlaces::of(map).sorted();
        out.bytes(&(coarse.len() as u32).to_le_bytes());
        coarse.into_iter().for_each(|(exact, coarse)| {
            out.place(exact);
            out.place(coarse);
        });
        map.clocks.all().for_each(|(no, clock)| out.clock(no, clock));
        let sum = crc32fast::hash(&out.0);
        out.bytes(&sum.to_le_bytes());
        out.0
    }

    /// # Errors
    /// Says why it cannot be used; nothing in it is then to be trusted.
    pub fn decode(bytes: &[u8], city: &City) -> Result<Snapshot, SnapshotError> {
        if !bytes.starts_with(MAGIC) {
            return Err(SnapshotError::Format);
        }
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(SnapshotError::Damaged);
        }
        let mut input = Reader(&body[MAGIC.len()..]);
        let epoch = Epoch(uuid::Uuid::from_bytes(input.take()?));
        if input.take::<32>()? != city.hash {
            return Err(SnapshotError::OtherPack);
        }
        let seq = Seq(u64::from_le_bytes(input.take()?));
        let (at, entry_hash) = (input.time()?, input.take()?);
        let n = u32::from_le_bytes(input.take()?) as usize;
        if input.0.len() < n * ROW_BYTES {
            return Err(SnapshotError::Damaged);
        }
        let mut incidents = Vec::with_capacity(n);
        for _ in 0..n {
            incidents.push(input.incident()?);
        }
        let n_absorbed = input.u32()? as usize;
        if input.0.len() < n_absorbed * ABSORBED_BYTES {
            return Err(SnapshotError::Damaged);
        }
        let mut merged = BTreeMap::new();
        for _ in 0..n_absorbed {
            let incident = input.incident()?;
            merged.insert(incident.no, IncidentNo(input.u32()?));
            incidents.push(incident);
        }
        if n_absorbed > 0 {
            incidents.sort_unstable_by_key(|incident| incident.no);
        }
        let n_coarse = input.u32()? as usize;
        if input.0.len() < n_coarse * COARSE_BYTES {
            return Err(SnapshotError::Damaged);
        }
        let mut coarse = CoarsePlaces::with_capacity(n_coarse);
        for _ in 0..n_coarse {
            coarse.put(input.place()?, input.place()?);
        }
        let n_clocks = input.0.len() / CLOCK_BYTES;
        let clocks = (0..n_clocks).map(|_| input.clock()).collect::<Result<_, _>>()?;
        if !input.0.is_empty() {
            return Err(SnapshotError::Damaged);
        }
        Ok(Snapshot { epoch, seq, at, entry_hash, incidents, merged, coarse, clocks })
    }
}

/// Rows as bytes, each value at its own place.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn time(&mut self, at: TimeMs) {
        self.bytes(&at.0.to_le_bytes());
    }

    fn maybe_time(&mut self, at: Option<TimeMs>) {
        self.time(at.unwrap_or(TimeMs::MIN));
    }

    fn place(&mut self, place: LngLat) {
        self.bytes(&place.lng_e7().to_le_bytes());
        self.bytes(&place.lat_e7().to_le_bytes());
    }

    fn area(&mut self, area: MaybeArea) {
        self.bytes(&area.get().map_or(NO_AREA, |area| area.0).to_le_bytes());
    }

    pub fn incident(&mut self, incident: &Incident) {
        let flags = u8::from(incident.closed_by_import)
            | u8::from(incident.drill) << 1
            | u8::from(incident.imported) << 2
            | u8::from(incident.returned) << 3
            | incident.disposition.map_or(0, |disposition| disposition as u8 + 1) << 4;
        self.bytes(&incident.no.0.to_le_bytes());
        self.place(incident.exact_place);
        self.area(incident.exact_area);
        self.area(incident.public_area);
        let agency = incident.agency.map_or(NO_AGENCY, |agency| agency.0);
        self.bytes(&[incident.category.0, incident.status as u8, agency, flags]);
        self.bytes(&incident.reports.to_le_bytes());
        self.bytes(&u32::from(incident.reporters).to_le_bytes());
        self.bytes(&incident.version.to_le_bytes());
        self.time(incident.opened_at);
        self.time(incident.updated_at);
        self.maybe_time(incident.due_at());
        self.maybe_time(incident.closed_at());
    }

    pub fn absorbed(&mut self, incident: &Incident, into: IncidentNo) {
        self.incident(incident);
        self.bytes(&into.0.to_le_bytes());
    }

    pub fn clock(&mut self, no: IncidentNo, clock: &Clock) {
        self.bytes(&no.0.to_le_bytes());
        self.bytes(&[clock.step as u8, u8::from(clock.is_working)]);
        self.time(clock.due_at);
        let [supervisor, head] = clock.escalate_at;
        let moments = [clock.warn_at, supervisor, head, clock.whole_due_at, clock.paused_at];
        moments.into_iter().for_each(|at| self.maybe_time(at));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SnapshotError::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn time(&mut self) -> Result<TimeMs, SnapshotError> {
        Ok(TimeMs(i64::from_le_bytes(self.take()?)))
    }

    fn maybe_time(&mut self) -> Result<MaybeTime, SnapshotError> {
        let at = self.time()?;
        Ok(MaybeTime::of((at != TimeMs::MIN).then_some(at)))
    }

    fn place(&mut self) -> Result<LngLat, SnapshotError> {
        let (lng_e7, lat_e7) = (i32::from_le_bytes(self.take()?), i32::from_le_bytes(self.take()?));
        LngLat::from_e7(lng_e7, lat_e7).ok_or(SnapshotError::Damaged)
    }

    fn area(&mut self) -> Result<MaybeArea, SnapshotError> {
        let area = u16::from_le_bytes(self.take()?);
        Ok(MaybeArea::of((area != NO_AREA).then_some(AreaId(area))))
    }

    fn clock(&mut self) -> Result<(IncidentNo, Clock), SnapshotError> {
        let no = IncidentNo(self.u32()?);
        let [step, working] = self.take()?;
        let step = *Step::ALL.get(usize::from(step)).ok_or(SnapshotError::Damaged)?;
        let due_at = self.time()?;
        let mut moment = || Ok::<_, SnapshotError>(self.maybe_time()?.get());
        let (warn_at, supervisor, head) = (moment()?, moment()?, moment()?);
        let (whole_due_at, paused_at) = (moment()?, moment()?);
        let (escalate_at, is_working) = ([supervisor, head], working != 0);
        Ok((no, Clock { step, due_at, warn_at, escalate_at, whole_due_at, is_working, paused_at }))
    }

    fn incident(&mut self) -> Result<Incident, SnapshotError> {
        let no = IncidentNo(self.u32()?);
        let exact_place = self.place()?;
        let (exact_area, public_area) = (self.area()?, self.area()?);
        let [category, status, agency, flags] = self.take()?;
        Ok(Incident {
            no,
            exact_place,
            exact_area,
            public_area,
            category: CategoryId(category),
            status: *Status::ALL.get(usize::from(status)).ok_or(SnapshotError::Damaged)?,
            agency: (agency != NO_AGENCY).then_some(AgencyId(agency)),
            reports: self.u32()?,
            reporters: reporters(self.u32()?),
            version: self.u32()?,
            opened_at: self.time()?,
            updated_at: self.time()?,
            due_at: self.maybe_time()?,
            closed_at: self.maybe_time()?,
            closed_by_import: flags & 1 != 0,
            overdue: false,
            drill: flags & 2 != 0,
            imported: flags & 4 != 0,
            returned: flags & 8 != 0,
            disposition: match flags >> 4 {
                0 => None,
                n => Some(*Disposition::ALL.get(usize::from(n) - 1).ok_or(SnapshotError::Damaged)?),
            },
        })
    }
}
