//! Checkpoints in the file: where the sealer goes on, and what it makes.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::journal::JournalError;
use crate::journal::checkpoint::{Checkpoint, Key, Sealer};
use crate::model::Seq;

/// Goes on after the newest one, under the folder's key.
pub(super) fn sealer(dir: &Path, conn: &Connection) -> Result<Sealer, JournalError> {
    let sql = "SELECT seq, mac FROM checkpoint ORDER BY seq DESC LIMIT 1";
    let newest = conn
        .query_row(sql, [], |row| Ok((Seq(row.get::<_, i64>(0)?.cast_unsigned()), row.get(1)?)))
        .optional()?;
    Ok(Sealer::after(newest, Key::of_folder(dir)?))
}

pub(super) fn put(conn: &Connection, made: &Checkpoint) -> Result<(), JournalError> {
    let Checkpoint { seq, at, hash, key_id, mac } = made;
    conn.prepare_cached("INSERT INTO checkpoint (seq, at, hash, key_id, mac) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![seq.0.cast_signed(), at.0, hash, key_id, mac])?;
    Ok(())
}
