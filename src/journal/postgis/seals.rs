//! Checkpoints beside the log in the database, under the key of the node that writes. Whoever has the database alone can
//! make none.

use std::iter::once;

use super::columns::Change;
use super::link::Link;
use super::rows::{get, hash, seq};
use super::session::Session;
use crate::journal::JournalError;
use crate::journal::checkpoint::{Checkpoint, Key, Sealer};

/// Goes on after the newest one.
///
/// # Errors
/// Where the database cannot be asked.
pub(super) fn sealer(link: &Link, key: Key) -> Result<Sealer, JournalError> {
    let newest = link.first("SELECT seq, mac, key_id FROM checkpoint ORDER BY seq DESC LIMIT 1", &[])?;
    let Some(row) = newest else { return Ok(Sealer::after(None, key)) };
    let newest = (seq(&row, 0)?, hash(&row, 1)?);
    if get::<&[u8]>(&row, 2)? != key.id {
        tracing::warn!(
            entry = newest.0.0,
            "the newest checkpoint of the log was made with another key than this server's: give all servers \
             on one database the same checkpoint.key, so that pantau verify can check all that any of them sealed"
        );
    }
    Ok(Sealer::after(Some(newest), key))
}

pub(super) fn put(made: &Checkpoint) -> Change {
    let sql = "INSERT INTO checkpoint (seq, at, hash, key_id, mac) \
               SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])";
    let bytes = |bytes: &[u8]| once(bytes.to_vec());
    Change::new(sql)
        .numbers(once(made.seq.0.cast_signed()))
        .numbers(once(made.at.0))
        .bytes(bytes(&made.hash))
        .bytes(bytes(&made.key_id))
        .bytes(bytes(&made.mac))
}

/// One at the head, in a transaction of its own.
///
/// # Errors
/// Where the database fails, or another process writes it by now.
pub(super) fn seal(session: &mut Session) -> Result<(), JournalError> {
    let (last, term) = (session.last, session.term);
    let Some(sealer) = session.sealer.as_mut().filter(|sealer| sealer.is_behind(last.seq)) else {
        return Ok(());
    };
    let made = sealer.seal(last.seq, last.at, &session.head_hash);
    let put = put(&made);
    let link = &session.link;
    link.run(&format!("BEGIN; SELECT fence({term})"))?;
    link.execute(put.sql, &put.params())?;
    link.run("COMMIT")?;
    sealer.commit(&made);
    made.say();
    Ok(())
}
