//! Rows of photos: what entries bring, release and erase. The files are beside the database.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::read::{seq, text, text_or_null};
use super::{bad_row, sums};
use crate::journal::codec::Body;
use crate::journal::photos_sent::PhotosSent;
use crate::journal::{JournalError, fold};
use crate::model::{
    Action, Fact, IncidentNo, Photo, PhotoKind, PhotoName, PhotoNo, PhotoRow, ReportNo, Seq, TimeMs,
};

const COLUMNS: &str = "seq, n, incident_no, report_no, at, kind, actor, name, thumb, width, height, public";

/// What an entry does to the rows, but for an erasure.
pub(super) fn apply(conn: &Connection, at: TimeMs, seq: Seq, fact: &Fact) -> Result<(), JournalError> {
    for row in fold::photo_rows(seq, at, fact) {
        put(conn, &row)?;
    }
    // One that was erased meanwhile has no row.
    if let Some((no, public)) = fold::photo_released(fact)
        && let Some(row) = photo(conn, no)?
    {
        put(conn, &PhotoRow { public, ..row })?;
    }
    Ok(())
}

fn put(conn: &Connection, row: &PhotoRow) -> Result<(), JournalError> {
    conn.prepare_cached(&sums::PHOTO.put())?.execute(params![
        row.no.seq.0.cast_signed(),
        row.no.n,
        row.incident.0,
        row.report.map(|no| no.0),
        row.at.0,
        row.kind.key(),
        row.actor,
        row.photo.name.0,
        row.photo.thumb.0,
        row.photo.width,
        row.photo.height,
        row.public,
    ])?;
    Ok(())
}

/// Takes the rows of an entry away; the files that they named.
pub(super) fn erase(conn: &Connection, entry: Seq) -> Result<Vec<PhotoName>, JournalError> {
    let seq = entry.0.cast_signed();
    let rows = read(conn, "WHERE seq = ?1", [seq])?;
    conn.prepare_cached("DELETE FROM photo WHERE seq = ?1")?.execute([seq])?;
    Ok(rows.iter().flat_map(|row| [row.photo.name, row.photo.thumb]).collect())
}

pub(super) fn photo(conn: &Connection, no: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
    Ok(read(conn, "WHERE seq = ?1 AND n = ?2", params![no.seq.0.cast_signed(), no.n])?.pop())
}

pub(super) fn of_incident(conn: &Connection, no: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
    read(conn, "WHERE incident_no = ?1 ORDER BY seq, n", [no.0])
}

/// The photos of the entries after `after` up to `until`.
pub(super) fn of_entries(conn: &Connection, after: Seq, until: Seq) -> Result<Vec<PhotoRow>, JournalError> {
    let range = [after.0.cast_signed(), until.0.cast_signed()];
    read(conn, "WHERE seq > ?1 AND seq <= ?2 ORDER BY seq, n", range)
}

/// Those of the names that a row names.
pub(super) fn named(conn: &Connection, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
    let mut found = Vec::new();
    let mut by_name = conn.prepare_cached(
        "SELECT 1 FROM photo WHERE name = ?1 UNION ALL SELECT 1 FROM photo WHERE thumb = ?1",
    )?;
    for name in names {
        let row = by_name.query_row([name.0], |_| Ok(())).optional()?;
        found.extend(row.map(|()| *name));
    }
    Ok(found)
}

fn read(
    conn: &Connection,
    which: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<PhotoRow>, JournalError> {
    let sql = format!("SELECT {COLUMNS}, {} FROM photo p {which}", sums::PHOTO.is_sound("p"));
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params)?;
    let mut photos = Vec::new();
    while let Some(row) = rows.next()? {
        sums::PHOTO.check(row, 12)?;
        photos.push(photo_row(row)?);
    }
    Ok(photos)
}

fn photo_row(row: &Row) -> Result<PhotoRow, JournalError> {
    let no = PhotoNo { seq: seq(row, 0)?, n: row.get(1)? };
    let kind = PhotoKind::from_key(text(row, 5)?)
        .ok_or_else(|| bad_row("photo", no.seq, "there is no such kind of photo"))?;
    Ok(PhotoRow {
        no,
        incident: IncidentNo(row.get(2)?),
        report: row.get::<_, Option<u32>>(3)?.map(ReportNo),
        at: TimeMs(row.get(4)?),
        kind,
        actor: row.get(6)?,
        photo: Photo {
            name: PhotoName(row.get(7)?),
            thumb: PhotoName(row.get(8)?),
            width: row.get(9)?,
            height: row.get(10)?,
        },
        public: row.get(11)?,
    })
}

/// The photos that were added to an incident under a key.
pub(super) fn sent(
    conn: &Connection,
    no: IncidentNo,
    key: [u8; 16],
) -> Result<Option<PhotosSent>, JournalError> {
    let sql = "SELECT e.seq, e.body, a.private FROM action a JOIN entry e ON e.seq = a.seq \
               WHERE a.incident_no = ?1 AND a.action = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![no.0, Action::Photo.key()])?;
    while let Some(row) = rows.next()? {
        let seq = seq(row, 0)?;
        let sent = Body::parse(seq, text(row, 1)?)?.sent_photos(text_or_null(row, 2)?)?;
        if let Some(sent) = sent.filter(|sent| sent.key == key) {
            return Ok(Some(PhotosSent { seq, content: sent.content }));
        }
    }
    Ok(None)
}

/// Calls `each` with every row, in order, as it is stored.
pub(super) fn each(
    conn: &Connection,
    mut each: impl FnMut(Result<PhotoRow, JournalError>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM photo ORDER BY seq, n"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(photo_row(row))?;
    }
    Ok(())
}
