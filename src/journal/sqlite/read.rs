//! Reading beside the writer: a small pool of read-only connections, one snapshot a call.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row};

pub(super) use super::incident_row::incident_row;
use super::merges::{self, changed_after};
use super::proven::{self, entries, entry_columns};
use super::{acts, bad_row, open, photos, senders, sums, waiting_codes};
use crate::city::City;
use crate::journal::keys::Keys;
use crate::journal::photo_folder::PhotoFolder;
use crate::journal::{
    ActsQuestion, Derived, ENDED_ENTRIES_MAX, EVENTS_MAX, HotspotEventRow, HotspotMemberRow,
    HotspotMembers, HotspotRow, HotspotStateRow, IncidentRow, JournalError, PhotoFiles, Reader,
    ReportPlace, ReportRow, SURGES_MAX, SurgeRow, Whereabouts, codec,
};
use crate::model::{
    Channel, Entry, IncidentNo, LngLat, PhotoName, PhotoNo, PhotoRow, Projection, ReportNo, ReportPrivate,
    SenderId, Seq, TimeMs,
};

/// Connections kept open between calls; more are opened for as long as more calls run at once.
const POOL_MAX: usize = 4;
const CACHE_KIB: u32 = 4_096;

macro_rules! incident_columns {
    () => {
        "no, closed_at, opened_seq, changed_seq, category, status, agency, area, lng_e7, lat_e7, \
         opened_at, updated_at, due_at, closed_by_import, reports, version, drill, imported, reporters, \
         merged_into, standing, clock"
    };
}
pub(super) use incident_columns;

macro_rules! report_columns {
    () => {
        "no, seq, incident_no, received_at, occurred_at, category, lng_e7, lat_e7, area, sender, \
         channel, drill, imported, private, n_photos, accuracy_m"
    };
}
pub(super) use report_columns;

/// Everything it names is in the index of the same name.
pub(super) const REPORT_PLACES: &str = "SELECT no, incident_no, occurred_at, category, lng_e7, lat_e7, area, drill FROM report \
     WHERE occurred_at / 604800000 >= ?1 / 604800000 AND occurred_at > ?1";

pub(super) struct SqliteReader {
    file: PathBuf,
    city: Arc<City>,
    pool: Mutex<Vec<Connection>>,
    photos: Arc<PhotoFolder>,
}

impl SqliteReader {
    pub fn new(file: PathBuf, city: Arc<City>) -> SqliteReader {
        let photos = Arc::new(PhotoFolder::of(file.parent().unwrap_or(Path::new("."))));
        SqliteReader { file, city, pool: Mutex::default(), photos }
    }

    /// Runs `read` on a connection of the pool, all of it on one snapshot.
    fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => {
                let conn = open::connect_read_only(&self.file, CACHE_KIB)?;
                conn.pragma_update(None, "temp_store", "MEMORY")?;
                conn
            }
        };
        let tx = conn.unchecked_transaction()?;
        let result = read(&tx);
        tx.rollback()?;
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL_MAX {
            pool.push(conn);
        }
        result
    }
}

impl Reader for SqliteReader {
    fn incidents(
        &self,
        numbers: RangeInclusive<IncidentNo>,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        self.with(|conn| {
            let sql = if mostly_archived(conn, closed_after)? {
                concat!(
                    "SELECT ",
                    incident_columns!(),
                    " FROM incident WHERE no IN (SELECT no FROM incident WHERE closed_at IS NULL \
                     UNION ALL SELECT no FROM incident WHERE closed_at > ?1) AND no BETWEEN ?2 AND ?3 ORDER BY no"
                )
            } else {
                concat!(
                    "SELECT ",
                    incident_columns!(),
                    " FROM incident WHERE (closed_at IS NULL OR +closed_at > ?1) \
                     AND no BETWEEN ?2 AND ?3 ORDER BY no"
                )
            };
            let (from, to) = (i64::from(numbers.start().0), i64::from(numbers.end().0));
            each_incident(conn, sql, [closed_after.0, from, to], &self.city, each)
        })
    }

    fn last_incident(&self) -> Result<IncidentNo, JournalError> {
        self.with(last_incident)
    }

    fn changed_incidents(&self, after: Seq, each: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        self.with(|conn| {
            let sql = concat!("SELECT ", incident_columns!(), " FROM incident WHERE no = ?1");
            for no in changed_after(conn, after)? {
                each_incident(conn, sql, [no], &self.city, each)?;
            }
            Ok(())
        })
    }

    fn archived(
        &self,
        after: TimeMs,
        until: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        let sql = concat!(
            "SELECT ",
            incident_columns!(),
            " FROM incident WHERE no IN (SELECT no FROM incident WHERE closed_at > ?1 AND closed_at <= ?2) \
             ORDER BY no"
        );
        self.with(|conn| each_incident(conn, sql, [after.0, until.0], &self.city, each))
    }

    fn entry_hash(&self, seq: Seq) -> Result<Option<[u8; 32]>, JournalError> {
        let sql = "SELECT hash FROM entry WHERE seq = ?1";
        self.with(|conn| Ok(conn.query_row(sql, [seq.0.cast_signed()], |row| row.get(0)).optional()?))
    }

    fn recent_reports(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportRow),
    ) -> Result<(), JournalError> {
        // By number is by seq. The inner query needs only the index and hands the numbers out sorted.
        let sql = concat!(
            "SELECT ",
            report_columns!(),
            " FROM report WHERE no IN (SELECT no FROM report WHERE occurred_at / 604800000 >= ?1 / 604800000) \
             AND occurred_at > ?1 ORDER BY no"
        );
        self.with(|conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let mut rows = statement.query([occurred_after.0])?;
            let mut before = None;
            while let Some(row) = rows.next()? {
                let report = report_row(row, &*self.city)?;
                in_order("report", before.replace(report.no.0), report.no.0)?;
                each(report);
            }
            Ok(())
        })
    }

    fn report_places(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportPlace),
    ) -> Result<(), JournalError> {
        self.with(|conn| {
            let mut statement = conn.prepare_cached(REPORT_PLACES)?;
            let mut rows = statement.query([occurred_after.0])?;
            while let Some(row) = rows.next()? {
                each(report_place(row, &*self.city)?);
            }
            Ok(())
        })
    }

    fn texts(
        &self,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentNo, Seq, &str),
    ) -> Result<(), JournalError> {
        self.with(|conn| {
            let sql = if mostly_archived(conn, closed_after)? {
                "SELECT r.incident_no, r.seq, r.private \
                 FROM incident i CROSS JOIN report r INDEXED BY report_incident ON r.incident_no = i.no \
                 WHERE (i.closed_at IS NULL OR +i.closed_at > ?1) AND r.private IS NOT NULL"
            } else {
                "SELECT incident_no, seq, private FROM report WHERE private IS NOT NULL \
                 AND incident_no NOT IN (SELECT no FROM incident WHERE closed_at <= ?1)"
            };
            let mut statement = conn.prepare_cached(sql)?;
            let mut rows = statement.query([closed_after.0])?;
            while let Some(row) = rows.next()? {
                let (no, seq) = (IncidentNo(row.get(0)?), seq(row, 1)?);
                let read = codec::read_description(text(row, 2)?, |text| each(no, seq, text));
                read.map_err(|e| JournalError::Corrupt(format!("entry {seq}: {e}")))?;
            }
            Ok(())
        })
    }

    fn entries(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|conn| {
            let sql =
                concat!("SELECT ", entry_columns!(), " FROM entry WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            entries(conn, sql, [after, limit], &self.city)
        })
    }

    fn report(&self, no: ReportNo) -> Result<Option<ReportRow>, JournalError> {
        self.with(|conn| {
            let sql = concat!("SELECT ", report_columns!(), " FROM report WHERE no = ?1");
            let mut statement = conn.prepare_cached(sql)?;
            let mut rows = statement.query([no.0])?;
            let row = rows.next()?.map(|row| report_row(row, &*self.city)).transpose()?;
            row.map(|row| proven::report(conn, row, &self.city)).transpose()
        })
    }

    fn waiting_report(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        self.with(|conn| waiting_codes::whereabouts(conn, no))
    }

    fn last_report(&self) -> Result<ReportNo, JournalError> {
        let sql = "SELECT coalesce(max(no), 0) FROM report";
        self.with(|conn| Ok(ReportNo(conn.query_row(sql, [], |row| row.get(0))?)))
    }

    fn reports_of(&self, sender: SenderId, limit: usize) -> Result<Vec<ReportRow>, JournalError> {
        self.with(|conn| senders::reports_of(conn, sender, limit, &self.city))
    }

    fn incident(&self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        self.with(|conn| {
            let sql = concat!("SELECT ", incident_columns!(), " FROM incident WHERE no = ?1");
            let mut statement = conn.prepare_cached(sql)?;
            let mut rows = statement.query([no.0])?;
            rows.next()?.map(|row| incident_row(row, &*self.city)).transpose()
        })
    }

    fn incident_log(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        self.with(|conn| {
            let sql = concat!(
                "SELECT ",
                entry_columns!(),
                " FROM entry WHERE seq IN (SELECT seq FROM report WHERE incident_no = ?1 \
                 UNION ALL SELECT seq FROM action WHERE incident_no = ?1 \
                 UNION ALL SELECT seq FROM merge WHERE into_no = ?1) ORDER BY seq"
            );
            entries(conn, sql, [i64::from(no.0)], &self.city)
        })
    }

    fn incident_actions(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        self.with(|conn| acts::actions_of(conn, no, &self.city))
    }

    fn absorbed_by(&self, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
        let sql =
            concat!("SELECT ", incident_columns!(), " FROM incident WHERE merged_into = ?1 ORDER BY no");
        let mut absorbed = Vec::new();
        self.with(|conn| each_incident(conn, sql, [no.0], &self.city, &mut |row| absorbed.push(row)))?;
        Ok(absorbed)
    }

    fn first_texts(&self, no: IncidentNo, limit: usize) -> Result<Vec<String>, JournalError> {
        self.with(|conn| merges::first_texts(conn, no, limit))
    }

    fn absorbed(&self, each: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError> {
        self.with(|conn| merges::absorbed(conn, each))
    }

    fn derived(&self) -> Result<Derived, JournalError> {
        self.with(|conn| {
            let (last, _) = open::last(conn)?;
            Ok(Derived {
                as_of_seq: hotspots_as_of(conn)?,
                hotspots: hotspots(conn, last.seq)?,
                members: members(conn, last.seq)?,
                events: events(conn)?,
                surges: surges(conn)?,
            })
        })
    }

    fn hotspots_at(&self, projection: Projection, seq: Seq) -> Result<Vec<HotspotStateRow>, JournalError> {
        self.with(|conn| {
            let (hotspot, state) = (sums::HOTSPOT.is_sound("h"), sums::HOTSPOT_STATE.is_sound("s"));
            let mut statement = conn.prepare_cached(&format!(
                "SELECT h.id, h.category, s.changed_seq, s.body, {hotspot}, {state} \
                 FROM hotspot h JOIN hotspot_state s \
                 ON s.projection = h.projection AND s.id = h.id AND s.changed_seq = \
                 (SELECT max(changed_seq) FROM hotspot_state \
                  WHERE projection = h.projection AND id = h.id AND changed_seq <= ?2) \
                 WHERE h.projection = ?1 AND (h.ended_seq IS NULL OR h.ended_seq > ?2) ORDER BY h.id",
            ))?;
            let mut rows = statement.query(rusqlite::params![projection.key(), seq.0.cast_signed()])?;
            let mut states = Vec::new();
            while let Some(row) = rows.next()? {
                sums::HOTSPOT.check(row, 4)?;
                sums::HOTSPOT_STATE.check(row, 5)?;
                states.push(HotspotStateRow {
                    projection,
                    id: row.get(0)?,
                    category: row.get(1)?,
                    changed_seq: self::seq(row, 2)?,
                    body: row.get(3)?,
                });
            }
            Ok(states)
        })
    }

    fn last_erasure(&self) -> Result<Seq, JournalError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM entry WHERE kind = 'erasure'";
        self.with(|conn| Ok(Seq(conn.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())))
    }

    fn acts(&self, asked: &ActsQuestion, limit: usize) -> Result<Vec<Entry>, JournalError> {
        self.with(|conn| acts::acts(conn, asked, limit, &self.city))
    }

    fn photo(&self, no: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
        self.with(|conn| photos::photo(conn, no))
    }

    fn photos_of(&self, no: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
        self.with(|conn| photos::of_incident(conn, no))
    }

    fn named_photos(&self, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        self.with(|conn| photos::named(conn, names))
    }

    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError> {
        Ok(Arc::clone(&self.photos) as Arc<dyn PhotoFiles>)
    }

    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError> {
        self.with(|conn| proven::pack_in_force(conn, &self.city))
    }
}

/// Whether most incidents were closed at or before `closed_at`, so that picking the others out by
/// index is cheaper than reading past the closed ones.
fn mostly_archived(conn: &Connection, closed_at: TimeMs) -> Result<bool, JournalError> {
    if closed_at == TimeMs::MIN {
        return Ok(false);
    }
    let count = "SELECT count(*) FROM incident WHERE closed_at <= ?1";
    let archived: i64 = conn.prepare_cached(count)?.query_row([closed_at.0], |row| row.get(0))?;
    Ok(archived > i64::from(last_incident(conn)?.0) / 2)
}

fn last_incident(conn: &Connection) -> Result<IncidentNo, JournalError> {
    let sql = "SELECT coalesce(max(no), 0) FROM incident";
    Ok(IncidentNo(conn.query_row(sql, [], |row| row.get(0))?))
}

fn each_incident(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    city: &City,
    each: &mut dyn FnMut(IncidentRow),
) -> Result<(), JournalError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut before = None;
    while let Some(row) = rows.next()? {
        let incident = incident_row(row, city)?;
        in_order("incident", before.replace(incident.no.0), incident.no.0)?;
        each(incident);
    }
    Ok(())
}

/// SQLite believes that its pages are sorted; a bit that the disk changed in a key is noticed here.
fn in_order(table: &str, before: Option<u32>, no: u32) -> Result<(), JournalError> {
    match before {
        Some(before) if before >= no => Err(bad_row(table, no, format!("it stands after row {before}"))),
        _ => Ok(()),
    }
}

fn hotspots_as_of(conn: &Connection) -> Result<Seq, JournalError> {
    let sql = format!("SELECT d.as_of_seq, {} FROM derived d", sums::DERIVED.is_sound("d"));
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Seq(0)) };
    sums::DERIVED.check(row, 1)?;
    seq(row, 0)
}

fn hotspots(conn: &Connection, head: Seq) -> Result<Vec<HotspotRow>, JournalError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT projection, id, category, changed_seq, ended_seq, body, {} FROM hotspot h \
         WHERE ended_seq IS NULL OR ended_seq > ?1 ORDER BY projection, id",
        sums::HOTSPOT.is_sound("h"),
    ))?;
    let mut rows = statement.query([ended_after(head)])?;
    let mut hotspots = Vec::new();
    while let Some(row) = rows.next()? {
        sums::HOTSPOT.check(row, 6)?;
        hotspots.push(hotspot_row(row)?);
    }
    Ok(hotspots)
}

/// Reads projection, id, category, `changed_seq`, `ended_seq`, body.
pub(super) fn hotspot_row(row: &Row) -> Result<HotspotRow, JournalError> {
    let ended_seq: Option<i64> = row.get(4)?;
    Ok(HotspotRow {
        projection: projection(row, 0)?,
        id: row.get(1)?,
        category: row.get(2)?,
        changed_seq: seq(row, 3)?,
        ended_seq: ended_seq.map(|seq| Seq(seq.cast_unsigned())),
        body: row.get(5)?,
    })
}

/// Hotspots that ended after this are loaded.
fn ended_after(head: Seq) -> i64 {
    head.0.cast_signed() - ENDED_ENTRIES_MAX.cast_signed()
}

fn members(conn: &Connection, head: Seq) -> Result<Vec<HotspotMembers>, JournalError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT h.projection, h.id, m.seq, m.report_no, m.received_at, m.core, m.repeats, m.rejections, m.channel, \
         m.vague, m.photo, m.agreeing, {} FROM hotspot h \
         JOIN hotspot_member m ON m.projection = h.projection AND m.id = h.id \
         WHERE h.ended_seq IS NULL OR h.ended_seq > ?1 ORDER BY h.projection, h.id, m.seq",
        sums::HOTSPOT_MEMBER.is_sound("m"),
    ))?;
    let mut rows = statement.query([ended_after(head)])?;
    let mut members: Vec<HotspotMembers> = Vec::new();
    while let Some(row) = rows.next()? {
        sums::HOTSPOT_MEMBER.check(row, 12)?;
        let (projection, id) = (projection(row, 0)?, text(row, 1)?);
        let member = HotspotMemberRow {
            seq: seq(row, 2)?,
            report: ReportNo(row.get(3)?),
            received_at: TimeMs(row.get(4)?),
            core: row.get(5)?,
            doubts: [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?],
        };
        match members.last_mut() {
            Some(last) if last.projection == projection && last.id == id => last.members.push(member),
            _ => members.push(HotspotMembers { projection, id: id.to_owned(), members: vec![member] }),
        }
    }
    Ok(members)
}

fn events(conn: &Connection) -> Result<Vec<HotspotEventRow>, JournalError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT projection, seq, at, id, kind, body, {} FROM hotspot_event e \
         ORDER BY seq DESC, projection DESC, id DESC, kind DESC LIMIT ?1",
        sums::HOTSPOT_EVENT.is_sound("e"),
    ))?;
    let mut rows = statement.query([EVENTS_MAX as i64])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        sums::HOTSPOT_EVENT.check(row, 6)?;
        events.push(event_row(row)?);
    }
    events.reverse();
    Ok(events)
}

/// Reads projection, seq, at, id, kind, body.
pub(super) fn event_row(row: &Row) -> Result<HotspotEventRow, JournalError> {
    Ok(HotspotEventRow {
        projection: projection(row, 0)?,
        seq: seq(row, 1)?,
        at: TimeMs(row.get(2)?),
        id: row.get(3)?,
        kind: row.get(4)?,
        body: row.get(5)?,
    })
}

fn surges(conn: &Connection) -> Result<Vec<SurgeRow>, JournalError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT projection, seq, n, at, category, area, until_day, body, {} FROM surge s \
         ORDER BY seq DESC, projection DESC, n DESC LIMIT ?1",
        sums::SURGE.is_sound("s"),
    ))?;
    let mut rows = statement.query([SURGES_MAX as i64])?;
    let mut surges = Vec::new();
    while let Some(row) = rows.next()? {
        sums::SURGE.check(row, 8)?;
        surges.push(surge_row(row)?);
    }
    surges.reverse();
    Ok(surges)
}

/// Reads projection, seq, n, at, category, area, `until_day`, body.
pub(super) fn surge_row(row: &Row) -> Result<SurgeRow, JournalError> {
    Ok(SurgeRow {
        projection: projection(row, 0)?,
        seq: seq(row, 1)?,
        n: row.get(2)?,
        at: TimeMs(row.get(3)?),
        category: row.get(4)?,
        area: row.get(5)?,
        until_day: row.get(6)?,
        body: row.get(7)?,
    })
}

fn projection(row: &Row, i: usize) -> Result<Projection, JournalError> {
    let key = text(row, i)?;
    let known = [Projection::Public, Projection::Staff].into_iter().find(|p| p.key() == key);
    known.ok_or_else(|| JournalError::Corrupt(format!("there is no projection {key:?}")))
}

pub(super) fn seq(row: &Row, i: usize) -> Result<Seq, JournalError> {
    Ok(Seq(row.get::<_, i64>(i)?.cast_unsigned()))
}

pub(super) fn text<'r>(row: &'r Row, i: usize) -> Result<&'r str, JournalError> {
    row.get_ref(i)?.as_str().map_err(|e| JournalError::Corrupt(format!("column {i} of a row: {e}")))
}

pub(super) fn text_or_null<'r>(row: &'r Row, i: usize) -> Result<Option<&'r str>, JournalError> {
    row.get_ref(i)?.as_str_or_null().map_err(|e| JournalError::Corrupt(format!("column {i} of a row: {e}")))
}

pub(super) fn place(table: &str, no: u32, lng_e7: i32, lat_e7: i32) -> Result<LngLat, JournalError> {
    LngLat::from_e7(lng_e7, lat_e7).ok_or_else(|| bad_row(table, no, "its place is outside the world"))
}

/// Reads a row of [`REPORT_PLACES`].
fn report_place(row: &Row, keys: &impl Keys) -> Result<ReportPlace, JournalError> {
    let no: u32 = row.get(0)?;
    let place = place("report", no, row.get(4)?, row.get(5)?)?;
    Ok(ReportPlace {
        no: ReportNo(no),
        incident: IncidentNo(row.get(1)?),
        occurred_at: TimeMs(row.get(2)?),
        category: keys.category(text(row, 3)?)?,
        place,
        area: text_or_null(row, 6)?.map_or(Ok(None), |code| keys.area(code, place))?,
        drill: row.get(7)?,
    })
}

/// Reads [`report_columns`].
pub(super) fn report_row(row: &Row, keys: &impl Keys) -> Result<ReportRow, JournalError> {
    let no: u32 = row.get(0)?;
    let place = place("report", no, row.get(6)?, row.get(7)?)?;
    let private = match text_or_null(row, 13)? {
        Some(json) => codec::read_report_private(json).map_err(|e| bad_row("report", no, e))?.0,
        None => ReportPrivate::default(),
    };
    let channel =
        Channel::from_key(text(row, 10)?).ok_or_else(|| bad_row("report", no, "unknown channel"))?;
    Ok(ReportRow {
        no: ReportNo(no),
        seq: seq(row, 1)?,
        incident: IncidentNo(row.get(2)?),
        received_at: TimeMs(row.get(3)?),
        occurred_at: TimeMs(row.get(4)?),
        category: keys.category(text(row, 5)?)?,
        place,
        area: text_or_null(row, 8)?.map_or(Ok(None), |code| keys.area(code, place))?,
        sender: SenderId(row.get::<_, i64>(9)?.cast_unsigned()),
        channel,
        drill: row.get(11)?,
        imported: row.get(12)?,
        n_photos: row.get(14)?,
        private,
        accuracy_m: row.get(15)?,
    })
}
