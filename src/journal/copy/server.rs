//! The side of a copy that is a database.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::table::{Cell, Kind, Table};
use super::{FolderMode, Journal, JournalError, Side, StoreUrl, Unshared};
use crate::city::City;
use crate::journal::postgis::{self, Driver, Link, Param};

pub(super) struct ServerSide {
    link: Link,
    /// Keeps other writers out.
    held: Option<Box<dyn Journal>>,
}

/// The mode that a database is marked with.
pub(super) fn mode(url: &StoreUrl) -> Result<FolderMode, JournalError> {
    Ok(FolderMode::of_key(meta(url, "mode")?.as_deref()))
}

/// A mark of a database.
pub(super) fn meta(url: &StoreUrl, key: &str) -> Result<Option<String>, JournalError> {
    let mut side = ServerSide { link: Link::connect(&Driver::start()?, url)?, held: None };
    let is_there = side
        .link
        .first("SELECT 1 FROM pg_tables WHERE schemaname = 'pantau' AND tablename = 'meta'", &[])?;
    if is_there.is_none() {
        return Err(JournalError::Folder(format!("there is no journal in {url}")));
    }
    side.meta(key)
}

/// How many reports lie there for the writer, which the journal does not know of.
pub(super) fn unshared(url: &StoreUrl) -> Result<Unshared, JournalError> {
    postgis::unshared(&Link::connect(&Driver::start()?, url)?)
}

impl ServerSide {
    pub fn open(url: &StoreUrl, held: Box<dyn Journal>) -> Result<ServerSide, JournalError> {
        Ok(ServerSide { link: Link::connect(&Driver::start()?, url)?, held: Some(held) })
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// All of one moment, to read only.
    pub fn snapshot(url: &StoreUrl) -> Result<ServerSide, JournalError> {
        mode(url)?;
        let link = Link::connect(&Driver::start()?, url)?;
        link.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        Ok(ServerSide { link, held: None })
    }
}

fn cell(row: &Row, i: usize, kind: Kind) -> Result<Cell, JournalError> {
    let null_or = |cell: Option<Cell>| cell.unwrap_or(Cell::Null);
    Ok(match kind {
        Kind::Int => null_or(postgis::get::<Option<i64>>(row, i)?.map(Cell::Int)),
        Kind::Small => null_or(postgis::get::<Option<i32>>(row, i)?.map(|n| Cell::Int(n.into()))),
        Kind::Tiny => null_or(postgis::get::<Option<i16>>(row, i)?.map(|n| Cell::Int(n.into()))),
        Kind::Flag => null_or(postgis::get::<Option<bool>>(row, i)?.map(|b| Cell::Int(b.into()))),
        Kind::Text => null_or(postgis::get::<Option<String>>(row, i)?.map(Cell::Text)),
        Kind::Bytes => null_or(postgis::get::<Option<Vec<u8>>>(row, i)?.map(Cell::Bytes)),
    })
}

fn kind_of(kind: Kind) -> (Type, Type) {
    match kind {
        Kind::Int => (Type::INT8, Type::INT8_ARRAY),
        Kind::Small => (Type::INT4, Type::INT4_ARRAY),
        Kind::Tiny => (Type::INT2, Type::INT2_ARRAY),
        Kind::Flag => (Type::BOOL, Type::BOOL_ARRAY),
        Kind::Text => (Type::TEXT, Type::TEXT_ARRAY),
        Kind::Bytes => (Type::BYTEA, Type::BYTEA_ARRAY),
    }
}

fn int(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Int(value) => Some(*value),
        _ => None,
    }
}

/// A column of rows as one array.
fn array(rows: &[Vec<Cell>], i: usize, kind: Kind) -> Box<dyn ToSql + Sync> {
    let ints = rows.iter().map(|row| int(&row[i]));
    match kind {
        Kind::Int => Box::new(ints.collect::<Vec<Option<i64>>>()),
        Kind::Small => Box::new(ints.map(|n| n.map(|n| n as i32)).collect::<Vec<Option<i32>>>()),
        Kind::Tiny => Box::new(ints.map(|n| n.map(|n| n as i16)).collect::<Vec<Option<i16>>>()),
        Kind::Flag => Box::new(ints.map(|n| n.map(|n| n != 0)).collect::<Vec<Option<bool>>>()),
        Kind::Text => Box::new(
            rows.iter()
                .map(|row| match &row[i] {
                    Cell::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect::<Vec<Option<String>>>(),
        ),
        Kind::Bytes => Box::new(
            rows.iter()
                .map(|row| match &row[i] {
                    Cell::Bytes(bytes) => Some(bytes.clone()),
                    _ => None,
                })
                .collect::<Vec<Option<Vec<u8>>>>(),
        ),
    }
}

/// A part of a key. Keys are never null, and no number of a key is small.
fn value(cell: &Cell) -> Box<dyn ToSql + Sync> {
    match cell {
        Cell::Null => Box::new(None::<i64>),
        Cell::Int(value) => Box::new(*value),
        Cell::Text(text) => Box::new(text.clone()),
        Cell::Bytes(bytes) => Box::new(bytes.clone()),
    }
}

fn marks(n: usize) -> String {
    (1..=n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
}

impl Side for ServerSide {
    fn meta(&mut self, key: &str) -> Result<Option<String>, JournalError> {
        postgis::meta(&self.link, key)
    }

    fn set_meta(&mut self, key: &str, value: Option<&str>) -> Result<(), JournalError> {
        match value {
            None => self.link.execute("DELETE FROM meta WHERE key = $1", &[(&key, Type::TEXT)])?,
            Some(value) => self.link.execute(
                "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2",
                &[(&key, Type::TEXT), (&value, Type::TEXT)],
            )?,
        };
        Ok(())
    }

    fn count(&mut self, table: &Table) -> Result<u64, JournalError> {
        let row = self.link.first(&format!("SELECT count(*) FROM {}", table.name), &[])?;
        row.map_or(Ok(0), |row| postgis::get::<i64>(&row, 0).map(i64::unsigned_abs))
    }

    fn read(
        &mut self,
        table: &Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, JournalError> {
        let (name, names, keys) = (table.name, table.names(), table.key_names());
        let above = after.map_or_else(String::new, |_| format!("WHERE ({keys}) > ({})", marks(table.key)));
        let sql = format!("SELECT {names} FROM {name} {above} ORDER BY {keys} LIMIT {limit}");
        let values: Vec<Box<dyn ToSql + Sync>> = after.unwrap_or_default().iter().map(value).collect();
        let kinds = table.columns.iter().map(|(_, kind)| kind_of(*kind).0);
        let params: Vec<Param> = values.iter().map(|value| &**value as _).zip(kinds).collect();
        let mut read = Vec::new();
        self.link.rows(&sql, &params, &mut |row| {
            let cells = table.columns.iter().enumerate().map(|(i, (_, kind))| cell(row, i, *kind));
            read.push(cells.collect::<Result<Vec<Cell>, _>>()?);
            Ok(())
        })?;
        Ok(read)
    }

    fn write(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), JournalError> {
        let (name, names) = (table.name, table.names());
        let sql =
            format!("INSERT INTO {name} ({names}) SELECT * FROM unnest({})", marks(table.columns.len()));
        let columns: Vec<Box<dyn ToSql + Sync>> =
            table.columns.iter().enumerate().map(|(i, (_, kind))| array(rows, i, *kind)).collect();
        let kinds = table.columns.iter().map(|(_, kind)| kind_of(*kind).1);
        let params: Vec<Param> = columns.iter().map(|column| &**column as _).zip(kinds).collect();
        self.link.execute(&sql, &params).map(drop)
    }

    fn last(&mut self, table: &Table) -> Result<Option<Vec<Cell>>, JournalError> {
        let keys = table.key_names();
        let down = keys.replace(", ", " DESC, ") + " DESC";
        let sql = format!("SELECT {keys} FROM {} ORDER BY {down} LIMIT 1", table.name);
        let row = self.link.first(&sql, &[])?;
        let read = |row: &Row| {
            table.columns[..table.key]
                .iter()
                .enumerate()
                .map(|(i, (_, kind))| cell(row, i, *kind))
                .collect()
        };
        row.as_ref().map(read).transpose()
    }

    fn clear(&mut self, table: &Table) -> Result<(), JournalError> {
        self.link.run(&format!("DELETE FROM {}", table.name))
    }

    /// Coarse places of what is sensitive, and the pack's areas, for maps.
    fn finish(&mut self, city: &City) -> Result<(), JournalError> {
        if self.held.is_none() {
            return Ok(());
        }
        postgis::coarsen(&self.link)?;
        postgis::put_areas(&self.link, city)
    }
}
