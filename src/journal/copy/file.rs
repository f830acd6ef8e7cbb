//! The side of a copy that is a data folder.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};

use super::table::{Cell, Table};
use super::{FolderMode, Journal, JournalError, Side};
use crate::city::City;
use crate::journal::sqlite::{connect, fill_sums, is_journal, scratch};

pub(super) struct FileSide {
    conn: Connection,
    /// Keeps the folder locked.
    _held: Option<Box<dyn Journal>>,
}

pub(super) fn is_there(dir: &Path) -> bool {
    is_journal(dir)
}

/// The mode that a folder is marked with.
pub(super) fn mode(dir: &Path) -> Result<FolderMode, JournalError> {
    if !is_there(dir) {
        return Err(JournalError::Folder(format!("there is no journal in {}", dir.display())));
    }
    let mut side = FileSide { conn: connect(dir)?, _held: None };
    Ok(FolderMode::of_key(side.meta("mode")?.as_deref()))
}

impl FileSide {
    pub fn open(dir: &Path, held: Box<dyn Journal>) -> Result<FileSide, JournalError> {
        Ok(FileSide { conn: connect(dir)?, _held: Some(held) })
    }

    /// A file for a look, not to be kept.
    pub fn scratch(dir: &Path) -> Result<FileSide, JournalError> {
        Ok(FileSide { conn: scratch(dir)?, _held: None })
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn cells(row: &rusqlite::Row, n: usize) -> Result<Vec<Cell>, JournalError> {
    (0..n)
        .map(|i| {
            Ok(match row.get_ref(i)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(value) => Cell::Int(value),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
                ValueRef::Real(_) => {
                    return Err(JournalError::Corrupt("a fraction, where none is".to_owned()));
                }
            })
        })
        .collect()
}

/// The file keeps its newest import keys in a table of their own.
fn source_of(table: &Table) -> &'static str {
    match table.name {
        "import_key" => {
            "(SELECT source_id, row_digest, report_no FROM import_key \
              UNION ALL SELECT source_id, row_digest, report_no FROM import_key_new)"
        }
        name => name,
    }
}

impl Side for FileSide {
    fn meta(&mut self, key: &str) -> Result<Option<String>, JournalError> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        let value = self.conn.query_row(sql, [key], |row| row.get::<_, Value>(0)).optional()?;
        Ok(match value {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Blob(bytes)) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            _ => None,
        })
    }

    fn set_meta(&mut self, key: &str, value: Option<&str>) -> Result<(), JournalError> {
        let Some(value) = value else {
            self.conn.execute("DELETE FROM meta WHERE key = ?1", [key])?;
            return Ok(());
        };
        let value = match key {
            // Here the secret is bytes.
            "secret" => Value::Blob(crate::model::unhex::<32>(value).map_or_else(Vec::new, |s| s.to_vec())),
            _ => Value::Text(value.to_owned()),
        };
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
        self.conn.execute(sql, rusqlite::params![key, value])?;
        // Over marks that are not these any more; the next open makes it anew.
        self.conn.execute("DELETE FROM meta WHERE key = 'sum'", [])?;
        Ok(())
    }

    fn count(&mut self, table: &Table) -> Result<u64, JournalError> {
        let sql = format!("SELECT count(*) FROM {}", source_of(table));
        Ok(self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn read(
        &mut self,
        table: &Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, JournalError> {
        let (names, keys, source) = (table.names(), table.key_names(), source_of(table));
        let above = match after {
            Some(_) => {
                let marks = vec!["?"; table.key].join(", ");
                format!("WHERE ({keys}) > ({marks})")
            }
            None => String::new(),
        };
        let sql = format!("SELECT {names} FROM {source} {above} ORDER BY {keys} LIMIT {limit}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(after.unwrap_or_default()))?;
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            read.push(cells(row, table.columns.len())?);
        }
        Ok(read)
    }

    fn write(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), JournalError> {
        let tx = self.conn.transaction()?;
        let (name, mut names) = (table.name, table.names());
        let mut marks = vec!["?"; table.columns.len()].join(", ");
        if name == "derived" {
            names += ", only_row";
            marks += ", 1";
        }
        let mut put = tx.prepare_cached(&format!("INSERT INTO {name} ({names}) VALUES ({marks})"))?;
        for row in rows {
            put.execute(params_from_iter(row))?;
        }
        drop(put);
        Ok(tx.commit()?)
    }

    fn last(&mut self, table: &Table) -> Result<Option<Vec<Cell>>, JournalError> {
        let (keys, source) = (table.key_names(), source_of(table));
        let down = keys.replace(", ", " DESC, ") + " DESC";
        let sql = format!("SELECT {keys} FROM {source} ORDER BY {down} LIMIT 1");
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        rows.next()?.map(|row| cells(row, table.key)).transpose()
    }

    /// Rows of a database have no sums; here they get them.
    fn finish(&mut self, _: &City) -> Result<(), JournalError> {
        let tx = self.conn.transaction()?;
        fill_sums(&tx)?;
        Ok(tx.commit()?)
    }

    fn clear(&mut self, table: &Table) -> Result<(), JournalError> {
        self.conn.execute(&format!("DELETE FROM {}", table.name), [])?;
        if table.name == "import_key" {
            self.conn.execute("DELETE FROM import_key_new", [])?;
        }
        Ok(())
    }
}
