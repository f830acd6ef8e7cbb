//! Rows as columns, for statements that take many at once.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::types::{ToSql, Type};

use super::batch::{Actions, Entries, Reports};
use super::link::Param;
use crate::city::City;
use crate::journal::IncidentRow;
use crate::journal::clock_wire::write_clock;
use crate::journal::decide::Keyed;
use crate::model::{LngLat, ReportNo};

type Columns<'c> = Vec<&'c (dyn ToSql + Sync)>;

impl Entries {
    pub fn columns(&self) -> Columns<'_> {
        vec![&self.seq, &self.at, &self.kind, &self.body, &self.hash]
    }
}

impl Reports {
    pub fn columns(&self) -> Columns<'_> {
        vec![
            &self.no,
            &self.seq,
            &self.incident_no,
            &self.received_at,
            &self.occurred_at,
            &self.category,
            &self.lng_e7,
            &self.lat_e7,
            &self.coarse_lng_e7,
            &self.coarse_lat_e7,
            &self.area,
            &self.sender,
            &self.channel,
            &self.drill,
            &self.imported,
            &self.salt,
            &self.private,
            &self.n_photos,
            &self.accuracy_m,
        ]
    }
}

impl Actions {
    pub fn columns(&self) -> Columns<'_> {
        vec![&self.seq, &self.incident_no, &self.action, &self.actor, &self.salt, &self.private]
    }
}

#[derive(Default)]
pub(super) struct Incidents<'c> {
    pub no: Vec<i64>,
    closed_at: Vec<Option<i64>>,
    opened_seq: Vec<i64>,
    changed_seq: Vec<i64>,
    category: Vec<&'c str>,
    status: Vec<&'static str>,
    agency: Vec<Option<&'c str>>,
    area: Vec<Option<&'c str>>,
    lng_e7: Vec<i32>,
    lat_e7: Vec<i32>,
    opened_at: Vec<i64>,
    updated_at: Vec<i64>,
    due_at: Vec<Option<i64>>,
    closed_by_import: Vec<bool>,
    reports: Vec<i64>,
    version: Vec<i64>,
    drill: Vec<bool>,
    imported: Vec<bool>,
    coarse_lng_e7: Vec<Option<i32>>,
    coarse_lat_e7: Vec<Option<i32>>,
    reporters: Vec<i64>,
    merged_into: Vec<Option<i64>>,
    standing: Vec<Option<String>>,
    clock: Vec<Option<String>>,
}

impl<'c> Incidents<'c> {
    /// Rows with the coarse place of those that are new and sensitive.
    pub fn of<'r>(
        city: &'c City,
        rows: impl Iterator<Item = &'r (IncidentRow, Option<LngLat>)>,
    ) -> Incidents<'c> {
        let mut columns = Incidents::default();
        for (row, coarse) in rows {
            columns.no.push(row.no.0.into());
            columns.closed_at.push(row.closed_at.map(|at| at.0));
            columns.opened_seq.push(row.opened_seq.0.cast_signed());
            columns.changed_seq.push(row.changed_seq.0.cast_signed());
            columns.category.push(&city.category(row.category).key);
            columns.status.push(row.status.key());
            columns.agency.push(row.agency.map(|id| city.agency(id).key.as_str()));
            columns.area.push(row.area.map(|id| city.areas.get(id).code.as_str()));
            columns.lng_e7.push(row.place.lng_e7());
            columns.lat_e7.push(row.place.lat_e7());
            columns.opened_at.push(row.opened_at.0);
            columns.updated_at.push(row.updated_at.0);
            columns.due_at.push(row.due_at.map(|at| at.0));
            columns.closed_by_import.push(row.closed_by_import);
            columns.reports.push(row.reports.into());
            columns.version.push(row.version.into());
            columns.drill.push(row.drill);
            columns.imported.push(row.imported);
            columns.coarse_lng_e7.push(coarse.map(LngLat::lng_e7));
            columns.coarse_lat_e7.push(coarse.map(LngLat::lat_e7));
            columns.reporters.push(row.reporters.into());
            columns.merged_into.push(row.merged_into.map(|no| no.0.into()));
            columns.standing.push(row.standing.to_json());
            columns.clock.push(row.clock.as_ref().map(write_clock));
        }
        columns
    }

    pub fn columns(&self) -> Columns<'_> {
        vec![
            &self.no,
            &self.closed_at,
            &self.opened_seq,
            &self.changed_seq,
            &self.category,
            &self.status,
            &self.agency,
            &self.area,
            &self.lng_e7,
            &self.lat_e7,
            &self.opened_at,
            &self.updated_at,
            &self.due_at,
            &self.closed_by_import,
            &self.reports,
            &self.version,
            &self.drill,
            &self.imported,
            &self.coarse_lng_e7,
            &self.coarse_lat_e7,
            &self.reporters,
            &self.merged_into,
            &self.standing,
            &self.clock,
        ]
    }
}

/// One statement with the values that it takes; most take columns of equal length.
pub(super) struct Change {
    pub sql: &'static str,
    params: Vec<(Box<dyn ToSql + Sync>, Type)>,
    rows: usize,
}

impl Change {
    pub fn new(sql: &'static str) -> Change {
        Change { sql, params: Vec::new(), rows: 0 }
    }

    /// Where it takes columns: no row would come of it.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn params(&self) -> Vec<Param<'_>> {
        self.params.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }

    pub fn number(self, value: i64) -> Change {
        self.with(value, Type::INT8, 1)
    }

    pub fn numbers(self, column: impl Iterator<Item = i64>) -> Change {
        let column: Vec<i64> = column.collect();
        let rows = column.len();
        self.with(column, Type::INT8_ARRAY, rows)
    }

    pub fn numbers_or_null(self, column: impl Iterator<Item = Option<i64>>) -> Change {
        let column: Vec<Option<i64>> = column.collect();
        let rows = column.len();
        self.with(column, Type::INT8_ARRAY, rows)
    }

    pub fn smalls(self, column: impl Iterator<Item = u8>) -> Change {
        let column: Vec<i16> = column.map(i16::from).collect();
        let rows = column.len();
        self.with(column, Type::INT2_ARRAY, rows)
    }

    pub fn flags(self, column: impl Iterator<Item = bool>) -> Change {
        let column: Vec<bool> = column.collect();
        let rows = column.len();
        self.with(column, Type::BOOL_ARRAY, rows)
    }

    pub fn texts(self, column: impl Iterator<Item = String>) -> Change {
        let column: Vec<String> = column.collect();
        let rows = column.len();
        self.with(column, Type::TEXT_ARRAY, rows)
    }

    pub fn texts_or_null(self, column: impl Iterator<Item = Option<String>>) -> Change {
        let column: Vec<Option<String>> = column.collect();
        let rows = column.len();
        self.with(column, Type::TEXT_ARRAY, rows)
    }

    pub fn bytes(self, column: impl Iterator<Item = Vec<u8>>) -> Change {
        let column: Vec<Vec<u8>> = column.collect();
        let rows = column.len();
        self.with(column, Type::BYTEA_ARRAY, rows)
    }

    pub fn bytes_or_null(self, column: impl Iterator<Item = Option<Vec<u8>>>) -> Change {
        let column: Vec<Option<Vec<u8>>> = column.collect();
        let rows = column.len();
        self.with(column, Type::BYTEA_ARRAY, rows)
    }

    fn with(mut self, value: impl ToSql + Sync + 'static, kind: Type, rows: usize) -> Change {
        self.params.push((Box::new(value), kind));
        self.rows = rows;
        self
    }

    /// Sources of imports that have no number yet.
    pub fn sources(sources: &HashMap<String, i64>) -> Change {
        Change::new("INSERT INTO import_source (id, name) SELECT * FROM unnest($1, $2)")
            .numbers(sources.values().copied())
            .texts(sources.keys().cloned())
    }

    pub fn import_keys(keys: &[((i64, [u8; 16]), ReportNo)]) -> Change {
        Change::new(
            "INSERT INTO import_key (source_id, row_digest, report_no) SELECT * FROM unnest($1, $2, $3)",
        )
        .numbers(keys.iter().map(|((source, _), _)| *source))
        .bytes(keys.iter().map(|((_, digest), _)| digest.to_vec()))
        .numbers(keys.iter().map(|(_, no)| no.0.into()))
    }

    /// Idempotency keys; each replaces one that no longer counts.
    pub fn keys(keys: &BTreeMap<String, Keyed>) -> Change {
        Change::new(
            "INSERT INTO idempotency (key, body_digest, report_no, at) SELECT * FROM unnest($1, $2, $3, $4) \
             ON CONFLICT (key) DO UPDATE SET body_digest = excluded.body_digest, \
               report_no = excluded.report_no, at = excluded.at",
        )
        .texts(keys.keys().cloned())
        .bytes(keys.values().map(|keyed| keyed.body_digest.to_vec()))
        .numbers(keys.values().map(|keyed| keyed.report.0.into()))
        .numbers(keys.values().map(|keyed| keyed.at.0))
    }
}
