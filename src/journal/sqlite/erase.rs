//! Erasing: what an erasure changes in the tables, and that its bytes are gone from the file.
//!
//! `secure_delete` overwrites a row where it lay. What stands in the write-ahead log goes by copying that
//! into the database and cutting it to nothing, which readers of an older moment hold up for a while.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::open::BUSY;
use super::{SqliteJournal, photos, read};
use crate::journal::JournalError;
use crate::journal::Reader;
use crate::journal::codec::{Body, EncodedErasure, ErasedPart};
use crate::journal::erase::{Held, HeldNote};
use crate::model::{ErasureFact, IncidentNo, PhotoName, ReportNo, Seq};

/// How long the log's end is waited for: the loop that asks has others to serve, and asks again a few times a second.
const PATIENCE: Duration = Duration::from_millis(20);

pub(super) fn held(conn: &Connection, no: ReportNo) -> Result<Option<Held>, JournalError> {
    let sql = "SELECT r.seq, e.body, r.private FROM report r JOIN entry e ON e.seq = r.seq WHERE r.no = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([no.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let seq = read::seq(row, 0)?;
    Body::parse(seq, read::text(row, 1)?)?.held(read::text_or_null(row, 2)?)
}

pub(super) fn held_note(conn: &Connection, seq: Seq) -> Result<Option<HeldNote>, JournalError> {
    let sql = "SELECT incident_no, private IS NOT NULL FROM action WHERE seq = ?1";
    let note = conn.prepare_cached(sql)?.query_row([seq.0.cast_signed()], |row| {
        Ok(HeldNote { incident: IncidentNo(row.get(0)?), is_there: row.get(1)? })
    });
    Ok(note.optional()?)
}

/// Does in the tables what the entry `seq` says; the files that no row names any more.
pub(super) fn write(
    conn: &Connection,
    seq: Seq,
    fact: &ErasureFact,
    encoded: &EncodedErasure,
) -> Result<Vec<PhotoName>, JournalError> {
    let mut gone_photos = Vec::new();
    for (erased, left) in fact.reports.iter().zip(&encoded.lefts) {
        let no = erased.report.0;
        let (salt, json) = (left.as_ref().map(|(salt, ..)| salt), left.as_ref().map(|(_, json, _)| json));
        conn.prepare_cached("UPDATE report SET salt = ?2, private = ?3 WHERE no = ?1")?
            .execute(params![no, salt, json])?;
        // By the digest of all that was sent somebody could try what is gone. The key stays, so that who
        // sends again is refused and does not bring it back.
        conn.prepare_cached(
            "UPDATE idempotency SET body_digest = zeroblob(32), \
             sum = iif(sum = row_sum(key, body_digest, report_no, at), \
                       row_sum(key, zeroblob(32), report_no, at), sum) \
             WHERE at = (SELECT received_at FROM report WHERE no = ?1) AND report_no = ?1",
        )?
        .execute([no])?;
        if let Some(place) = erased.place {
            let place = params![no, place.lng_e7(), place.lat_e7()];
            conn.prepare_cached("UPDATE report SET lng_e7 = ?2, lat_e7 = ?3 WHERE no = ?1")?
                .execute(place)?;
        }
        if let Some(place) = erased.place.filter(|_| erased.opens) {
            conn.prepare_cached("UPDATE incident SET lng_e7 = ?2, lat_e7 = ?3 WHERE no = ?1")?
                .execute(params![erased.incident.0, place.lng_e7(), place.lat_e7()])?;
        }
        if erased.gone.photos {
            gone_photos.extend(photos::erase(conn, erased.seq)?);
        }
        let digest = left.as_ref().map(|(_, _, digest)| *digest);
        put(conn, seq, &ErasedPart { part: erased.seq, incident: erased.incident, digest })?;
    }
    for note in &fact.notes {
        conn.prepare_cached("UPDATE action SET salt = NULL, private = NULL WHERE seq = ?1")?
            .execute([note.seq.0.cast_signed()])?;
        gone_photos.extend(photos::erase(conn, note.seq)?);
        put(conn, seq, &ErasedPart { part: note.seq, incident: note.incident, digest: None })?;
    }
    Ok(gone_photos)
}

/// Says that the erasure `seq` touched a private part.
pub(super) fn put(conn: &Connection, seq: Seq, part: &ErasedPart) -> Result<(), JournalError> {
    let sql = "INSERT OR REPLACE INTO erased (part, seq, incident_no, digest) VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(sql)?.execute(params![
        part.part.0.cast_signed(),
        seq.0.cast_signed(),
        part.incident.0,
        part.digest
    ])?;
    Ok(())
}

/// Takes the files of erased photos away and empties the write-ahead log; `false` where a reader needs it still, or
/// the files take a while and are not waited for.
pub(super) fn wipe(journal: &mut SqliteJournal, waits: bool) -> Result<bool, JournalError> {
    if journal.broken {
        return Ok(false);
    }
    // After a crash in between the sweep at the start takes them: no row names them.
    let files = journal.reader.photo_files()?;
    if waits {
        journal.gone_photos.take_away_now(&*files)?;
    } else if !journal.gone_photos.take_away(files)? {
        return Ok(false);
    }
    journal.conn.busy_timeout(PATIENCE)?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_held_up = journal.conn.query_row(sql, [], |row| row.get::<_, bool>(0));
    journal.conn.busy_timeout(BUSY)?;
    Ok(!is_held_up?)
}

impl SqliteJournal {
    /// Builds the whole file anew, without what lies between its rows. Takes as much room again, and its
    /// time: not beside a running server.
    ///
    /// # Errors
    /// Where the disk fails or is full; the file is as it was then.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        self.conn.execute_batch("VACUUM")?;
        wipe(self, true).map(drop)
    }
}
