//! What a node must know of its database to give out codes while that has never answered since its start.

use rusqlite::{OptionalExtension, params};

use super::Spool;
use crate::journal::identity::read_epoch;
use crate::journal::{JournalError, StoreUrl};
use crate::model::{Epoch, Secret, TimeMs};

pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS known_database (     -- the one that this folder was started on last
      store       TEXT PRIMARY KEY,                 -- host and name, without user and password
      city        TEXT NOT NULL,                    -- key of the pack
      epoch       TEXT NOT NULL,
      secret      BLOB NOT NULL,                    -- codes are made under it
      seen_at     INTEGER NOT NULL                  -- of the newest entry that was seen there
    ) STRICT;";

/// A database that a data folder was started on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDatabase {
    /// Key of the city pack.
    pub city: String,
    pub epoch: Epoch,
    pub secret: Secret,
    /// It is not earlier than this, whatever the machine's clock says.
    pub seen_at: TimeMs,
}

impl Spool {
    /// Keeps in mind what a database is known by, in the place of any other. Answers whether it is the one that was
    /// known under this address: else the codes that were given out meanwhile are of another.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn remember(&self, store: &StoreUrl, known: &KnownDatabase) -> Result<bool, JournalError> {
        let before = self.known(store)?;
        let KnownDatabase { city, epoch, secret, seen_at } = known;
        let mut file = self.file();
        let tx = file.conn.transaction()?;
        tx.execute("DELETE FROM known_database", [])?;
        tx.execute(
            "INSERT INTO known_database (store, city, epoch, secret, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![store.to_string(), city, epoch.0.to_string(), secret.0, seen_at.0],
        )?;
        tx.commit()?;
        Ok(before.is_none_or(|before| before.secret == *secret))
    }

    /// What is known of the database at this address; `None` where this folder was never started on it, or on another
    /// since. What waits here was sent before now, too.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn known(&self, store: &StoreUrl) -> Result<Option<KnownDatabase>, JournalError> {
        let file = self.file();
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'known_database'";
        if file.conn.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(None);
        }
        let sql = "SELECT city, epoch, secret, max(seen_at, (SELECT coalesce(max(received_at), 0) FROM spooled)) \
                   FROM known_database WHERE store = ?1";
        let row = file.conn.query_row(sql, [store.to_string()], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, [u8; 32]>(2)?, row.get(3)?))
        });
        Ok(row.optional()?.and_then(|(city, epoch, secret, seen_at)| {
            // What cannot be read is not known.
            let epoch = read_epoch(&epoch)?;
            Some(KnownDatabase { city, epoch, secret: Secret(secret), seen_at: TimeMs(seen_at) })
        }))
    }

    /// The newest entry of the database is of this time.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn seen(&self, at: TimeMs) -> Result<(), JournalError> {
        self.file().conn.execute("UPDATE known_database SET seen_at = ?1 WHERE seen_at < ?1", [at.0])?;
        Ok(())
    }
}
