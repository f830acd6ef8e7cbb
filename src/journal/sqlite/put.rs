//! Rows of what entries say: the same whether they are committed or restored.

use rusqlite::{CachedStatement, Connection, params};

use super::read::incident_columns;
use crate::journal::clock_wire::write_clock;
use crate::journal::{IncidentRow, JournalError};
use crate::model::{ActionFact, ReportFact, Seq, TimeMs};

pub(super) const ENTRY: &str = "INSERT INTO entry (seq, at, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)";

/// For [`report`].
pub(super) const REPORT: &str = "INSERT INTO report (no, seq, incident_no, received_at, occurred_at, category, lng_e7, \
     lat_e7, area, sender, channel, drill, imported, salt, private, n_photos, accuracy_m) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// For [`incident`].
pub(super) const INCIDENT: &str = concat!(
    "INSERT OR REPLACE INTO incident (",
    incident_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
     ?19, ?20, ?21, ?22)"
);

/// The salt of a private part, and its JSON.
pub(super) type Private<'e> = Option<([u8; 16], &'e str)>;

/// What a row says in keys of the city pack.
pub(super) struct RowKeys<'k> {
    pub category: &'k str,
    pub agency: Option<&'k str>,
    pub area: Option<&'k str>,
}

/// A report's row, by [`REPORT`]. It has no agency.
pub(super) fn report(
    insert: &mut CachedStatement,
    (seq, at): (Seq, TimeMs),
    report: &ReportFact,
    keys: &RowKeys,
    private: Private,
) -> rusqlite::Result<()> {
    let values = params![
        report.report.0,
        seq.0.cast_signed(),
        report.incident.0,
        at.0,
        report.occurred_at.0,
        keys.category,
        report.place.lng_e7(),
        report.place.lat_e7(),
        keys.area,
        report.sender.0.cast_signed(),
        report.channel.key(),
        report.drill,
        report.imported,
        private.map(|(salt, _)| salt),
        private.map(|(_, json)| json),
        report.n_photos,
        report.accuracy_m,
    ];
    insert.execute(values).map(drop)
}

/// An incident's row in the place of what it was, by [`INCIDENT`].
pub(super) fn incident(
    put: &mut CachedStatement,
    row: &IncidentRow,
    keys: &RowKeys,
) -> Result<(), JournalError> {
    put.execute(params![
        row.no.0,
        row.closed_at.map(|at| at.0),
        row.opened_seq.0.cast_signed(),
        row.changed_seq.0.cast_signed(),
        keys.category,
        row.status.key(),
        keys.agency,
        keys.area,
        row.place.lng_e7(),
        row.place.lat_e7(),
        row.opened_at.0,
        row.updated_at.0,
        row.due_at.map(|at| at.0),
        row.closed_by_import,
        row.reports,
        row.version,
        row.drill,
        row.imported,
        row.reporters,
        row.merged_into.map(|no| no.0),
        row.standing.to_json(),
        row.clock.as_ref().map(write_clock),
    ])?;
    Ok(())
}

/// An action's row.
pub(super) fn action(
    conn: &Connection,
    seq: Seq,
    action: &ActionFact,
    private: Private,
) -> Result<(), JournalError> {
    let sql = "INSERT INTO action (seq, incident_no, action, actor, salt, private) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        seq.0.cast_signed(),
        action.incident.0,
        action.action.key(),
        action.actor,
        private.map(|(salt, _)| salt),
        private.map(|(_, json)| json),
    ])?;
    Ok(())
}
