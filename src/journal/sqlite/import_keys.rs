//! Which rows of which files were imported.
//!
//! A row's digest is random: put straight into an index of a million keys, every row of an import
//! would dirty a page of its own. So new keys go, in the order of their arrival, to `import_key_new`
//! and a map in memory, and are merged into `import_key` in sorted order, many a page.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::journal::JournalError;
use crate::model::{ImportRow, ReportNo};

/// This many new keys are merged; about 7 MB in memory, and a quarter of a second of writing.
const NEW_KEYS_MAX: usize = 100_000;

/// Source and digest.
type Key = (i64, [u8; 16]);

/// What of the keys is in memory. Only what is committed.
pub(super) struct ImportKeys {
    /// Row keys of the sources met since the start, by name.
    sources: HashMap<String, i64>,
    /// What `import_key_new` holds.
    new: HashMap<Key, ReportNo>,
}

/// What a transaction adds.
#[derive(Default)]
pub(super) struct Staged {
    sources: HashMap<String, i64>,
    new: HashMap<Key, ReportNo>,
    merged: bool,
}

impl ImportKeys {
    pub fn load(conn: &Connection) -> Result<ImportKeys, JournalError> {
        let mut statement = conn.prepare("SELECT source_id, row_digest, report_no FROM import_key_new")?;
        let keys =
            statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), ReportNo(row.get(2)?))))?;
        Ok(ImportKeys { sources: HashMap::new(), new: keys.collect::<Result<_, _>>()? })
    }

    /// After the commit of the transaction that `staged` belongs to.
    pub fn commit(&mut self, staged: Staged) {
        self.sources.extend(staged.sources);
        if staged.merged {
            self.new.clear();
        } else {
            self.new.extend(staged.new);
        }
    }

    /// The report that was made of the row.
    pub fn find(
        &self,
        staged: &mut Staged,
        conn: &Connection,
        row: &ImportRow,
    ) -> Result<Option<ReportNo>, JournalError> {
        let Some(source) = self.source(staged, conn, &row.source)? else {
            return Ok(None);
        };
        let key = (source, row.row_digest);
        if let Some(no) = self.new.get(&key).or_else(|| staged.new.get(&key)) {
            return Ok(Some(*no));
        }
        let sql = "SELECT report_no FROM import_key WHERE source_id = ?1 AND row_digest = ?2";
        let no = conn.prepare_cached(sql)?.query_row(params![source, row.row_digest], |row| row.get(0));
        Ok(no.optional()?.map(ReportNo))
    }

    pub fn insert(
        &self,
        staged: &mut Staged,
        conn: &Connection,
        row: &ImportRow,
        no: ReportNo,
    ) -> Result<(), JournalError> {
        let source = match self.source(staged, conn, &row.source)? {
            Some(id) => id,
            None => {
                conn.execute("INSERT INTO import_source (name) VALUES (?1)", [&row.source])?;
                let id = conn.last_insert_rowid();
                staged.sources.insert(row.source.clone(), id);
                id
            }
        };
        let sql = "INSERT INTO import_key_new (report_no, source_id, row_digest) VALUES (?1, ?2, ?3)";
        conn.prepare_cached(sql)?.execute(params![no.0, source, row.row_digest])?;
        staged.new.insert((source, row.row_digest), no);
        Ok(())
    }

    /// Merges the new keys where enough have gathered. The last thing of a transaction.
    pub fn merge(&self, staged: &mut Staged, conn: &Connection) -> Result<(), JournalError> {
        if self.new.len() + staged.new.len() < NEW_KEYS_MAX {
            return Ok(());
        }
        conn.execute_batch(
            "INSERT INTO import_key (source_id, row_digest, report_no) \
               SELECT source_id, row_digest, report_no FROM import_key_new ORDER BY source_id, row_digest; \
             DELETE FROM import_key_new",
        )?;
        staged.merged = true;
        Ok(())
    }

    fn source(
        &self,
        staged: &mut Staged,
        conn: &Connection,
        name: &str,
    ) -> Result<Option<i64>, JournalError> {
        if let Some(id) = self.sources.get(name).or_else(|| staged.sources.get(name)) {
            return Ok(Some(*id));
        }
        let sql = "SELECT id FROM import_source WHERE name = ?1";
        let id = conn.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
        if let Some(id) = id {
            staged.sources.insert(name.to_owned(), id);
        }
        Ok(id)
    }
}
