//! A row of the table `incident`, read.

use rusqlite::Row;

use super::bad_row;
use super::read::{place, seq, text, text_or_null};
use crate::journal::keys::Keys;
use crate::journal::{IncidentRow, JournalError, Standing, clock_wire};
use crate::model::{IncidentNo, Status, TimeMs};

/// Reads `incident_columns`.
pub(super) fn incident_row(row: &Row, keys: &impl Keys) -> Result<IncidentRow, JournalError> {
    let no: u32 = row.get(0)?;
    let place = place("incident", no, row.get(8)?, row.get(9)?)?;
    let status =
        Status::from_key(text(row, 5)?).ok_or_else(|| bad_row("incident", no, "unknown status"))?;
    Ok(IncidentRow {
        no: IncidentNo(no),
        closed_at: row.get::<_, Option<i64>>(1)?.map(TimeMs),
        opened_seq: seq(row, 2)?,
        changed_seq: seq(row, 3)?,
        category: keys.category(text(row, 4)?)?,
        status,
        agency: text_or_null(row, 6)?.map(|key| keys.agency(key)).transpose()?,
        area: text_or_null(row, 7)?.map_or(Ok(None), |code| keys.area(code, place))?,
        place,
        opened_at: TimeMs(row.get(10)?),
        updated_at: TimeMs(row.get(11)?),
        due_at: row.get::<_, Option<i64>>(12)?.map(TimeMs),
        closed_by_import: row.get(13)?,
        reports: row.get(14)?,
        version: row.get(15)?,
        drill: row.get(16)?,
        imported: row.get(17)?,
        reporters: row.get(18)?,
        merged_into: row.get::<_, Option<u32>>(19)?.map(IncidentNo),
        standing: Standing::of_json(text_or_null(row, 20)?).map_err(|e| bad_row("incident", no, e))?,
        clock: clock_wire::read_clock(text_or_null(row, 21)?).map_err(|e| bad_row("incident", no, e))?,
    })
}
