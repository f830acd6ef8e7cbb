//! What one sender reported.

use rusqlite::Connection;

use super::proven;
use super::read::{report_columns, report_row};
use crate::city::City;
use crate::journal::{JournalError, ReportRow};
use crate::model::SenderId;

/// The newest reports of a sender.
pub(super) fn reports_of(
    conn: &Connection,
    sender: SenderId,
    limit: usize,
    city: &City,
) -> Result<Vec<ReportRow>, JournalError> {
    // The index has senders beside incidents: it is read from end to end in place of the wide rows.
    let sql = concat!(
        "SELECT ",
        report_columns!(),
        " FROM report WHERE no IN (SELECT no FROM report INDEXED BY report_incident WHERE sender = ?1) \
         ORDER BY no DESC LIMIT ?2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([sender.0.cast_signed(), limit])?;
    let mut reports = Vec::new();
    while let Some(row) = rows.next()? {
        reports.push(proven::report(conn, report_row(row, city)?, city)?);
    }
    Ok(reports)
}
