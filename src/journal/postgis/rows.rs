//! Rows of the tables as the contract's structs.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::journal::clock_wire::read_clock;
use crate::journal::codec;
use crate::journal::keys::Keys;
use crate::journal::{IncidentRow, JournalError, ReportPlace, ReportRow, Standing};
use crate::model::{
    Channel, IncidentNo, LngLat, Projection, ReportNo, ReportPrivate, SenderId, Seq, Status, TimeMs,
};

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

/// A row that no version of Pantau writes.
pub(super) fn bad_row(
    table: &str,
    no: impl std::fmt::Display,
    what: impl std::fmt::Display,
) -> JournalError {
    JournalError::Corrupt(format!("row {no} of table {table}: {what}"))
}

/// The value of a column.
pub(in crate::journal) fn get<'r, T: FromSql<'r>>(row: &'r Row, i: usize) -> Result<T, JournalError> {
    row.try_get(i).map_err(|e| JournalError::Corrupt(format!("column {i} of a row: {e}")))
}

/// A number that is small and not negative.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, i: usize) -> Result<T, JournalError> {
    let value: i64 = get(row, i)?;
    T::try_from(value)
        .map_err(|_| JournalError::Corrupt(format!("column {i} of a row is out of range: {value}")))
}

fn number_or_null<T: TryFrom<i64>>(row: &Row, i: usize) -> Result<Option<T>, JournalError> {
    let there: Option<i64> = get(row, i)?;
    there.map(|_| number(row, i)).transpose()
}

pub(super) fn seq(row: &Row, i: usize) -> Result<Seq, JournalError> {
    Ok(Seq(get::<i64>(row, i)?.cast_unsigned()))
}

pub(super) fn time(row: &Row, i: usize) -> Result<TimeMs, JournalError> {
    get(row, i).map(TimeMs)
}

pub(super) fn time_or_null(row: &Row, i: usize) -> Result<Option<TimeMs>, JournalError> {
    Ok(get::<Option<i64>>(row, i)?.map(TimeMs))
}

pub(super) fn hash(row: &Row, i: usize) -> Result<[u8; 32], JournalError> {
    get::<&[u8]>(row, i)?
        .try_into()
        .map_err(|_| JournalError::Corrupt(format!("column {i} of a row is no hash")))
}

pub(super) fn projection(row: &Row, i: usize) -> Result<Projection, JournalError> {
    let key: &str = get(row, i)?;
    let known = [Projection::Public, Projection::Staff].into_iter().find(|p| p.key() == key);
    known.ok_or_else(|| JournalError::Corrupt(format!("there is no projection {key:?}")))
}

fn place(row: &Row, table: &str, no: u32, i: usize) -> Result<LngLat, JournalError> {
    LngLat::from_e7(get(row, i)?, get(row, i + 1)?)
        .ok_or_else(|| bad_row(table, no, "its place is outside the world"))
}

/// Reads [`incident_columns`].
pub(super) fn incident_row(row: &Row, keys: &impl Keys) -> Result<IncidentRow, JournalError> {
    let no: u32 = number(row, 0)?;
    let place = place(row, "incident", no, 8)?;
    let status = Status::from_key(get(row, 5)?).ok_or_else(|| bad_row("incident", no, "unknown status"))?;
    Ok(IncidentRow {
        no: IncidentNo(no),
        closed_at: time_or_null(row, 1)?,
        opened_seq: seq(row, 2)?,
        changed_seq: seq(row, 3)?,
        category: keys.category(get(row, 4)?)?,
        status,
        agency: get::<Option<&str>>(row, 6)?.map(|key| keys.agency(key)).transpose()?,
        area: get::<Option<&str>>(row, 7)?.map_or(Ok(None), |code| keys.area(code, place))?,
        place,
        opened_at: time(row, 10)?,
        updated_at: time(row, 11)?,
        due_at: time_or_null(row, 12)?,
        closed_by_import: get(row, 13)?,
        reports: number(row, 14)?,
        version: number(row, 15)?,
        drill: get(row, 16)?,
        imported: get(row, 17)?,
        reporters: number(row, 18)?,
        merged_into: number_or_null(row, 19)?.map(IncidentNo),
        standing: Standing::of_json(get(row, 20)?).map_err(|e| bad_row("incident", no, e))?,
        clock: read_clock(get(row, 21)?).map_err(|e| bad_row("incident", no, e))?,
    })
}

/// The columns that [`report_place`] reads.
pub(super) const REPORT_PLACE: &str = "no, incident_no, occurred_at, category, lng_e7, lat_e7, area, drill";

pub(super) fn report_place(row: &Row, keys: &impl Keys) -> Result<ReportPlace, JournalError> {
    let no: u32 = number(row, 0)?;
    let place = place(row, "report", no, 4)?;
    Ok(ReportPlace {
        no: ReportNo(no),
        incident: IncidentNo(number(row, 1)?),
        occurred_at: time(row, 2)?,
        category: keys.category(get(row, 3)?)?,
        place,
        area: get::<Option<&str>>(row, 6)?.map_or(Ok(None), |code| keys.area(code, place))?,
        drill: get(row, 7)?,
    })
}

/// Reads [`report_columns`].
pub(super) fn report_row(row: &Row, keys: &impl Keys) -> Result<ReportRow, JournalError> {
    let no: u32 = number(row, 0)?;
    let place = place(row, "report", no, 6)?;
    let private = match get::<Option<&str>>(row, 13)? {
        Some(json) => codec::read_report_private(json).map_err(|e| bad_row("report", no, e))?.0,
        None => ReportPrivate::default(),
    };
    let channel =
        Channel::from_key(get(row, 10)?).ok_or_else(|| bad_row("report", no, "unknown channel"))?;
    Ok(ReportRow {
        no: ReportNo(no),
        seq: seq(row, 1)?,
        incident: IncidentNo(number(row, 2)?),
        received_at: time(row, 3)?,
        occurred_at: time(row, 4)?,
        category: keys.category(get(row, 5)?)?,
        place,
        area: get::<Option<&str>>(row, 8)?.map_or(Ok(None), |code| keys.area(code, place))?,
        sender: SenderId(get::<i64>(row, 9)?.cast_unsigned()),
        channel,
        drill: get(row, 11)?,
        imported: get(row, 12)?,
        n_photos: number(row, 14)?,
        private,
        accuracy_m: number_or_null(row, 15)?,
    })
}
