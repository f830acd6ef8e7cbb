//! Entries and reports as answers show them: not merely read, but proven by the chain and the digests. A
//! bit that the disk changed makes an error of them, never another answer.

use rusqlite::{Connection, OptionalExtension, Row};

use super::read::{seq, text};
use super::{bad_row, open};
use crate::city::City;
use crate::journal::codec::{Body, CHAIN_START, Hash, PrivatePart, chain, private_hash};
use crate::journal::{JournalError, ReportRow, fold};
use crate::model::{Entry, Fact, Seq, TimeMs};

/// What [`entries`] reads of each.
macro_rules! entry_columns {
    () => {
        "seq, at, body, hash"
    };
}
pub(super) use entry_columns;

/// Salt and JSON of a private part, as far as they are there.
type Private = (Option<Vec<u8>>, Option<String>);

/// The entries that a query of [`entry_columns`] answers.
pub(super) fn entries(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    city: &City,
) -> Result<Vec<Entry>, JournalError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut of_report = conn.prepare_cached("SELECT salt, private FROM report WHERE no = ?1")?;
    let mut of_action = conn.prepare_cached("SELECT salt, private FROM action WHERE seq = ?1")?;
    let private = |row: &Row| -> rusqlite::Result<Private> { Ok((row.get(0)?, row.get(1)?)) };
    let mut rows = statement.query(params)?;
    let mut entries = Vec::new();
    let mut before = (Seq(0), CHAIN_START);
    while let Some(row) = rows.next()? {
        let (seq, at, json) = (seq(row, 0)?, TimeMs(row.get(1)?), text(row, 2)?);
        let hash: Hash = row.get(3)?;
        prove(conn, before, (seq, at, json), &hash)?;
        before = (seq, hash);
        let body = Body::parse(seq, json)?;
        let private = match body.private_part() {
            Some(PrivatePart::Report(no)) => of_report.query_row([no.0], private).optional()?,
            Some(PrivatePart::Action) => of_action.query_row([seq.0.cast_signed()], private).optional()?,
            None => None,
        };
        let private = proven_private(conn, seq, &body, private.unwrap_or_default())?;
        let fact: Fact = body.into_fact(city, private.as_deref())?;
        entries.push(Entry { seq, at, fact });
    }
    Ok(entries)
}

/// Whether an entry has the hash of its contents, after the one before it.
fn prove(
    conn: &Connection,
    (before_seq, before_hash): (Seq, Hash),
    (seq, at, json): (Seq, TimeMs, &str),
    hash: &Hash,
) -> Result<(), JournalError> {
    let before = match seq.0.checked_sub(1) {
        Some(n) if n == before_seq.0 => Some(before_hash),
        Some(n) => open::entry_hash(conn, Seq(n))?,
        None => None,
    };
    if before.is_some_and(|before| chain(&before, seq, at, json) == *hash) {
        return Ok(());
    }
    Err(changed(seq, "it or the entry before it"))
}

/// The private part, where it is there and the one that the entry was written with, or what an erasure
/// left of that.
fn proven_private(
    conn: &Connection,
    seq: Seq,
    body: &Body,
    stored: Private,
) -> Result<Option<String>, JournalError> {
    match stored {
        (None, None) => Ok(None),
        (Some(salt), Some(private)) => match is_left(conn, seq, &salt, &private)? {
            Some(true) => Ok(Some(private)),
            None if body.vouches_for(&salt, &private) => Ok(Some(private)),
            _ => Err(changed(seq, "its private part")),
        },
        _ => Err(changed(seq, "its private part")),
    }
}

/// Whether it is what the newest erasure left; `None` where nothing was ever erased of it.
fn is_left(conn: &Connection, part: Seq, salt: &[u8], private: &str) -> Result<Option<bool>, JournalError> {
    let sql = "SELECT digest FROM erased WHERE part = ?1";
    let digest = conn
        .prepare_cached(sql)?
        .query_row([part.0.cast_signed()], |row| row.get::<_, Option<Hash>>(0))
        .optional()?;
    Ok(digest.map(|digest| digest == Some(private_hash(salt, private.as_bytes()))))
}

fn changed(seq: Seq, what: &str) -> JournalError {
    JournalError::Corrupt(format!(
        "entry {seq}: {what} was changed by the disk or by hand; run `pantau verify`, restore a backup"
    ))
}

/// A report as its entry tells it; the row only says which entry that is.
pub(super) fn report(conn: &Connection, row: ReportRow, city: &City) -> Result<ReportRow, JournalError> {
    let sql = concat!("SELECT ", entry_columns!(), " FROM entry WHERE seq = ?1");
    match entries(conn, sql, [row.seq.0.cast_signed()], city)?.pop() {
        Some(Entry { seq, at, fact: Fact::Report(fact) }) if fact.report == row.no => {
            let told = fold::report_row(seq, at, &fact);
            if told != row {
                tracing::error!(
                    report = row.no.0,
                    "the row of a report was changed; its entry is answered"
                );
            }
            Ok(told)
        }
        _ => Err(bad_row("report", row.no.0, "its entry is not one of this report")),
    }
}

/// Hash of the city pack that the newest `pack` entry put in force.
pub(super) fn pack_in_force(conn: &Connection, city: &City) -> Result<Option<[u8; 32]>, JournalError> {
    let sql =
        concat!("SELECT ", entry_columns!(), " FROM entry WHERE kind = 'pack' ORDER BY seq DESC LIMIT 1");
    let newest = entries(conn, sql, [], city)?;
    Ok(newest.iter().find_map(|entry| match entry.fact {
        Fact::Pack { hash, .. } => Some(hash),
        _ => None,
    }))
}
