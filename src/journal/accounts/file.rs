//! The accounts in a file of the data folder: small, and open to several processes at once.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, TransactionBehavior, params_from_iter};
use sha2::{Digest, Sha256};

use super::{Cell, Numbered, Sheet, Step};
use crate::journal::JournalError;
use crate::model::hex;

pub(super) const FILE: &str = "accounts.db";
/// In order; never edited, only added to.
const MIGRATIONS: [(&str, &str); 5] = [
    ("0001_accounts", include_str!("../../../migrations/accounts/0001_accounts.sql")),
    ("0002_account_events", include_str!("../../../migrations/accounts/0002_account_events.sql")),
    ("0003_passkeys", include_str!("../../../migrations/accounts/0003_passkeys.sql")),
    ("0005_subjects", include_str!("../../../migrations/accounts/0005_subjects.sql")),
    ("0006_heads", include_str!("../../../migrations/accounts/0006_heads.sql")),
];
/// "PNTA": of Pantau, but not its journal.
const APPLICATION_ID: i32 = 0x504E_5441;
/// Another process is done with its change long before.
const BUSY: Duration = Duration::from_secs(5);

pub(super) struct FileSheet(Connection);

impl FileSheet {
    pub fn open(dir: &Path) -> Result<FileSheet, JournalError> {
        let folder = |what: std::io::Error| {
            JournalError::Folder(format!(
                "the accounts in the data folder {} cannot be used: {what}",
                dir.display()
            ))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
        let file = dir.join(FILE);
        // SQLite gives its other files the same mode.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(folder)?;
        let conn = Connection::open(file)?;
        conn.busy_timeout(BUSY)?;
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        FileSheet::prepared(conn)
    }

    pub fn in_memory() -> Result<FileSheet, JournalError> {
        FileSheet::prepared(Connection::open_in_memory()?)
    }

    fn prepared(mut conn: Connection) -> Result<FileSheet, JournalError> {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        // A password that was changed is overwritten, not only unlinked.
        conn.pragma_update(None, "secure_delete", "ON")?;
        migrate(&mut conn)?;
        Ok(FileSheet(conn))
    }
}

fn migrate(conn: &mut Connection) -> Result<(), JournalError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT",
    )?;
    let applied: Vec<(String, String)> = tx
        .prepare("SELECT name, sha256 FROM migration")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if let Some((newer, _)) =
        applied.iter().find(|(name, _)| MIGRATIONS.iter().all(|(known, _)| known != name))
    {
        return Err(JournalError::Folder(format!(
            "a newer pantau has changed the accounts of this folder ({newer}); use that one"
        )));
    }
    for (name, sql) in MIGRATIONS {
        let digest = hex(&Sha256::digest(sql));
        match applied.iter().find(|(known, _)| known == name) {
            Some((_, applied)) if *applied == digest => {}
            Some(_) => {
                return Err(JournalError::Corrupt(format!(
                    "the accounts were made by another {name}.sql than this pantau has; use the pantau that made them"
                )));
            }
            None => {
                tx.execute_batch(sql)?;
                tx.execute("INSERT INTO migration (name, sha256) VALUES (?1, ?2)", [name, &digest])?;
            }
        }
    }
    tx.commit()?;
    Ok(())
}

impl Sheet for FileSheet {
    fn change(&mut self, steps: &[Step]) -> Result<bool, JournalError> {
        // The writer's place is taken first: a change never finds that somebody was quicker.
        let tx = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in steps {
            let changed = tx.prepare_cached(step.sql)?.execute(params_from_iter(&step.cells))?;
            if step.must_change && changed == 0 {
                return Ok(false);
            }
        }
        tx.commit()?;
        Ok(true)
    }

    fn numbered_events(&self) -> Numbered {
        Numbered {
            insert: "INSERT INTO account_event (id, at, actor, action, subject, network, detail) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            after: None,
        }
    }

    fn rows_of(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, JournalError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(cells), |row| {
            (0..columns).map(|i| cell(row.get_ref(i)?)).collect()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn cell(value: ValueRef) -> Result<Cell, rusqlite::Error> {
    Ok(match value {
        ValueRef::Integer(int) => Cell::Int(Some(int)),
        ValueRef::Null => Cell::Text(None),
        other => Cell::Text(Some(other.as_str()?.to_owned())),
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self {
            Cell::Int(int) => int.map_or(Value::Null, Value::Integer),
            Cell::Text(text) => text.clone().map_or(Value::Null, Value::Text),
        }))
    }
}
