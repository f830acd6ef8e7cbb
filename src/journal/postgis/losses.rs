//! A database that came back with less than it had confirmed: an older copy was put in its place, another server
//! took over that had not got everything, or its disk did not keep what it said.
//!
//! A process compares whenever it has a new session, and ends: what it shows is gone. By a mark in the node's
//! folder the next start notices too. It records the loss and counts anew, since the seqs of what is gone will
//! be given out again: under a new epoch no wall takes the new entries for the old ones.

use std::path::{Path, PathBuf};

use tokio_postgres::types::Type;

use super::Database;
use super::link::Link;
use super::rows::{get, hash};
use super::session::Session;
use crate::health::Condition;
use crate::journal::JournalError;
use crate::journal::codec::Hash;
use crate::journal::identity::{Fresh, read_epoch};
use crate::journal::mark::{self, Mark, Marked};
use crate::journal::sqlite::Beside;
use crate::model::{Epoch, Seq};

/// What was lost, a line each; whoever has read it moves it away.
const LOSSES: &str = "database-losses.log";

/// The newest entry that this process knows as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub epoch: Epoch,
    pub seq: Seq,
    pub hash: Hash,
}

impl Stand {
    pub fn of(session: &Session) -> Stand {
        Stand { epoch: session.epoch, seq: session.last.seq, hash: session.head_hash }
    }

    /// # Errors
    /// [`JournalError::Lost`] where the database no longer leads to it.
    pub fn check(&self, link: &Link) -> Result<(), JournalError> {
        let sql = "SELECT (SELECT value FROM meta WHERE key = 'epoch'), (SELECT hash FROM entry WHERE seq = $1), \
                   (SELECT coalesce(max(seq), 0) FROM entry)";
        let row = link.first(sql, &[(&self.seq.0.cast_signed(), Type::INT8)])?;
        let row = row.ok_or_else(|| super::open::lacks("epoch"))?;
        let epoch = get::<Option<&str>>(&row, 0)?.and_then(read_epoch);
        let found = get::<Option<&[u8]>>(&row, 1)?.map(|_| hash(&row, 1)).transpose()?;
        let head = Seq(get::<i64>(&row, 2)?.cast_unsigned());
        if self.seq > Seq(0)
            && let Some(loss) = Marked::of(self.seq, &self.hash).loss(head, found)
        {
            return Err(JournalError::Lost(format!("{loss}; {ENDS}")));
        }
        if epoch != Some(self.epoch) {
            return Err(counts_anew());
        }
        Ok(())
    }
}

const ENDS: &str = "this server ends, since it shows what the database no longer has; started again it goes on from what \
                    is there, under a new epoch";

/// Another server found a loss, or somebody gave the database a new epoch after a restore.
pub(super) fn counts_anew() -> JournalError {
    JournalError::Lost(
        "the database counts under another epoch than before: it was restored; this server ends, and shows what is there \
         once it is started again"
            .to_owned(),
    )
}

/// Its term is older than this process's own.
pub(super) fn went_back() -> JournalError {
    JournalError::Lost(format!(
        "the database is an older copy than the one that this server wrote: it was put back to before; {ENDS}"
    ))
}

fn mark_in(folder: &Path, epoch: Epoch) -> PathBuf {
    folder.join(format!("durable-{}.mark", epoch.0))
}

/// What a node that serves a database knows of it in its folder, to verify against.
///
/// # Errors
/// Where its key cannot be read.
pub(in crate::journal) fn beside(folder: &Path, epoch: Epoch) -> Result<Beside, JournalError> {
    Beside::of(folder, &mark_in(folder, epoch), &folder.join(LOSSES))
}

/// The mark of this node; `None` where it has no folder, or none that can be written.
pub(super) fn mark(db: &Database, epoch: Epoch) -> Option<Mark> {
    let folder = db.folder.as_deref()?;
    Mark::open(&mark_in(folder, epoch))
        .inspect_err(|error| tracing::warn!(%error, "the mark of what is durable cannot be kept"))
        .ok()
}

/// What this node knows as durable and the database does not have, in words.
///
/// # Errors
/// Where the database cannot be asked.
pub(super) fn look(
    db: &Database,
    link: &Link,
    epoch: Epoch,
    head: Seq,
) -> Result<Option<String>, JournalError> {
    let Some(folder) = db.folder.as_deref() else { return Ok(None) };
    let Some(marked) = Marked::read(&mark_in(folder, epoch)) else { return Ok(None) };
    let row =
        link.first("SELECT hash FROM entry WHERE seq = $1", &[(&marked.seq.0.cast_signed(), Type::INT8)])?;
    Ok(marked.loss(head, row.map(|row| hash(&row, 0)).transpose()?))
}

/// The writer records a loss, and counts anew.
///
/// # Errors
/// Where the folder or the database cannot be written: then the next start does it.
pub(super) fn count_anew(db: &Database, session: &mut Session, loss: &str) -> Result<(), JournalError> {
    let Some(folder) = db.folder.as_deref() else { return Ok(()) };
    let store = |e: std::io::Error| JournalError::Store(Box::new(e));
    mark::record_loss(&folder.join(LOSSES), loss).map_err(store)?;
    let (epoch, term) = (Fresh::draw()?.epoch, session.term);
    session.link.run(&format!(
        "BEGIN; SELECT fence({term}); UPDATE meta SET value = '{}' WHERE key = 'epoch'; COMMIT",
        epoch.0
    ))?;
    let old = std::mem::replace(&mut session.epoch, epoch);
    if let Err(error) = std::fs::remove_file(mark_in(folder, old)) {
        tracing::warn!(%error, "the mark of before the loss cannot be deleted");
    }
    Ok(())
}

/// Says what was ever lost, until somebody has settled it.
pub(super) fn say(db: &Database) {
    let Some(folder) = db.folder.as_deref() else { return };
    if let Some(loss) = mark::newest_loss(&folder.join(LOSSES)) {
        raise(db, &loss);
    }
}

pub(super) fn raise(db: &Database, loss: &str) {
    let advice = "look for a newer copy of the database (a replica, the folder that was replaced, a backup) and compare; \
                  when it is settled, move database-losses.log away from the data folder";
    db.health.raise(Condition::EntriesLost, format!("{loss}; {advice}"));
}
