//! Which rows of which files were imported.
//!
//! A row's digest is random: put straight into an index of a million keys, every row of an import
//! would dirty a page of its own. So new keys go, in the order of their arrival, to `import_key_new`
//! and a map in memory, and are merged into `import_key` in sorted order, many a page.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{Connection, params};

use super::sums;
use crate::journal::JournalError;
use crate::model::{ImportRow, ReportNo};

/// This many new keys are merged; about 7 MB in memory, and a quarter of a second of writing.
const NEW_KEYS_MAX: usize = 100_000;

/// A row keeps its sum: one that is not sound stays so.
pub(super) const MERGE: &str = "INSERT INTO import_key (source_id, row_digest, report_no, sum) \
       SELECT source_id, row_digest, report_no, sum FROM import_key_new ORDER BY source_id, row_digest; \
     DELETE FROM import_key_new";

static FIND: LazyLock<String> = LazyLock::new(|| {
    let sound = sums::IMPORT_KEY.is_sound("k");
    format!("SELECT report_no, {sound} FROM import_key k WHERE source_id = ?1 AND row_digest = ?2")
});
static SOURCE: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT id, {} FROM import_source s WHERE name = ?1", sums::IMPORT_SOURCE.is_sound("s"))
});

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
        let sound = sums::IMPORT_KEY_NEW.is_sound("k");
        let sql = format!("SELECT source_id, row_digest, report_no, {sound} FROM import_key_new k");
        let mut statement = conn.prepare(&sql)?;
        let keys = statement.query_and_then([], |row| {
            sums::IMPORT_KEY_NEW.check(row, 3)?;
            Ok::<_, JournalError>(((row.get(0)?, row.get(1)?), ReportNo(row.get(2)?)))
        })?;
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
        let mut statement = conn.prepare_cached(&FIND)?;
        let mut rows = statement.query(params![source, row.row_digest])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        sums::IMPORT_KEY.check(row, 1)?;
        Ok(Some(ReportNo(row.get(0)?)))
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
                let id = add_source(conn, &row.source)?;
                staged.sources.insert(row.source.clone(), id);
                id
            }
        };
        add_key(conn, source, &row.row_digest, no)?;
        staged.new.insert((source, row.row_digest), no);
        Ok(())
    }

    /// Merges the new keys where enough have gathered. The last thing of a transaction.
    pub fn merge(&self, staged: &mut Staged, conn: &Connection) -> Result<(), JournalError> {
        if self.new.len() + staged.new.len() < NEW_KEYS_MAX {
            return Ok(());
        }
        conn.execute_batch(MERGE)?;
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
        let mut statement = conn.prepare_cached(&SOURCE)?;
        let mut rows = statement.query([name])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        sums::IMPORT_SOURCE.check(row, 1)?;
        let id = row.get(0)?;
        staged.sources.insert(name.to_owned(), id);
        Ok(Some(id))
    }
}

/// Gives a source that is not there yet its number.
pub(super) fn add_source(conn: &Connection, name: &str) -> Result<i64, JournalError> {
    let sql = "INSERT INTO import_source (id, name, sum) SELECT n, ?1, row_sum(n, ?1) \
               FROM (SELECT coalesce(max(id), 0) + 1 AS n FROM import_source)";
    conn.execute(sql, [name])?;
    Ok(conn.last_insert_rowid())
}

/// Adds the key of a row to those that are merged later.
pub(super) fn add_key(
    conn: &Connection,
    source: i64,
    row_digest: &[u8; 16],
    no: ReportNo,
) -> Result<(), JournalError> {
    let sql = "INSERT INTO import_key_new (report_no, source_id, row_digest, sum) \
               VALUES (?1, ?2, ?3, row_sum(?2, ?3, ?1))";
    conn.prepare_cached(sql)?.execute(params![no.0, source, row_digest])?;
    Ok(())
}
