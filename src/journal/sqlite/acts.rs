//! What people did, newest first: by the rows of actions, so that no other entry is looked at.

use rusqlite::{Connection, params};

use super::proven::{entries, entry_columns};
use crate::city::City;
use crate::journal::JournalError;
use crate::journal::records::{ActsQuestion, row_no};
use crate::model::{Entry, IncidentNo, RecordFact, Seq};

pub(super) fn acts(
    conn: &Connection,
    asked: &ActsQuestion,
    limit: usize,
    city: &City,
) -> Result<Vec<Entry>, JournalError> {
    let below = i64::try_from(asked.below.0).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let kinds = serde_json::to_string(&asked.kinds).unwrap_or_default();
    let erasures = if asked.has_erasures() {
        "UNION ALL SELECT seq FROM (SELECT seq FROM entry WHERE kind = 'erasure' AND seq < ?1 \
         ORDER BY seq DESC LIMIT ?2)"
    } else {
        ""
    };
    let of_incident = if asked.incident.is_some() {
        "AND (incident_no = ?4 OR seq IN (SELECT seq FROM merge WHERE into_no = ?4))"
    } else {
        "AND ?4 IS NULL"
    };
    let sql = format!(
        "SELECT {} FROM entry WHERE seq IN (SELECT seq FROM (SELECT seq FROM \
           (SELECT seq FROM action WHERE seq < ?1 AND (?3 IS NULL OR actor = ?3) {of_incident} \
            AND (?5 = '[]' OR action IN (SELECT value FROM json_each(?5))) ORDER BY seq DESC LIMIT ?2) \
           {erasures}) ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
        entry_columns!(),
    );
    let params = params![below, limit, asked.actor, asked.incident.map(|no| no.0), kinds];
    let mut found = entries(conn, &sql, params, city)?;
    found.reverse();
    Ok(found)
}

/// The actions on one incident, in order.
pub(super) fn actions_of(
    conn: &Connection,
    no: IncidentNo,
    city: &City,
) -> Result<Vec<Entry>, JournalError> {
    let sql = concat!(
        "SELECT ",
        entry_columns!(),
        " FROM entry WHERE seq IN (SELECT seq FROM action WHERE incident_no = ?1) \
         AND kind IN ('action', 'merge', 'split') ORDER BY seq"
    );
    entries(conn, sql, [i64::from(no.0)], city)
}

pub(super) fn insert_record(
    conn: &Connection,
    seq: Seq,
    record: &RecordFact,
    private: Option<([u8; 16], &str)>,
) -> Result<(), JournalError> {
    let sql = "INSERT INTO action (seq, incident_no, action, actor, salt, private) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        seq.0.cast_signed(),
        row_no(record).0,
        record.kind.key(),
        record.actor,
        private.map(|(salt, _)| salt),
        private.map(|(_, json)| json),
    ])?;
    Ok(())
}
