//! The codes of reports that were acknowledged while a database was away: they came with a history that was moved out
//! of it.

use rusqlite::{Connection, OptionalExtension};

use super::sums::WAITING_CODE;
use crate::journal::{JournalError, Whereabouts};
use crate::model::{ReportNo, TimeMs};

/// What became of the report under a code's number.
pub(super) fn whereabouts(conn: &Connection, no: u64) -> Result<Option<Whereabouts>, JournalError> {
    let sql = format!(
        "SELECT received_at, report_no, refused IS NOT NULL, {} FROM waiting_code c WHERE waiting_no = ?1",
        WAITING_CODE.is_sound("c")
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_row([no.cast_signed()], |row| {
        let received_at = TimeMs(row.get(0)?);
        let known = match (row.get::<_, Option<u32>>(1)?, row.get(2)?) {
            (Some(no), _) => Whereabouts::InJournal(ReportNo(no)),
            (None, true) => Whereabouts::Refused { received_at },
            (None, false) => Whereabouts::Waiting { received_at },
        };
        Ok((known, row.get::<_, bool>(3)?))
    });
    match found.optional()? {
        Some((_, false)) => Err(WAITING_CODE.damaged()),
        found => Ok(found.map(|(known, _)| known)),
    }
}
