//! The journal in one SQLite file, `pantau.db` in the data folder.
//!
//! - One process: it holds an exclusive lock on `lock` in the folder. One write connection; readers
//!   have read-only connections of their own and neither wait for the writer nor hold it up (WAL).
//! - `synchronous=FULL`: a commit is on the disk before it returns. With `NORMAL`, which many guides
//!   advise for WAL, acknowledged reports were lost in 36 of 40 power cuts (`reliability.md`).
//! - No memory map: a read error would be a signal that kills the process, and the kernel's page
//!   cache serves plain reads nearly as fast.

mod append;
mod import_keys;
mod log;
mod open;
mod read;
mod restore;
#[cfg(test)]
mod tests;
mod verify;

pub use log::{LogReader, Moment};
pub use open::FolderMode;
pub(super) use open::{connect, scratch};
pub use restore::Restoring;
pub use verify::{VerifyFault, VerifyReport, verify};

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use self::import_keys::ImportKeys;
use self::read::SqliteReader;
use super::codec::{Encoder, Hash};
use super::decide::Counters;
use super::{DerivedUpdate, Head, Journal, JournalError, Reader};
use crate::city::City;
use crate::model::{Command, Epoch, Outcome, Secret, TimeMs};

/// The journal's file in the data folder.
const FILE_NAME: &str = "pantau.db";

pub struct SqliteJournal {
    dir: PathBuf,
    city: Arc<City>,
    epoch: Epoch,
    secret: Secret,
    conn: Connection,
    last: Counters,
    head_hash: Hash,
    encoder: Encoder,
    import_keys: ImportKeys,
    /// When idempotency keys are looked through again for old ones.
    prune_at: TimeMs,
    /// After an I/O error nobody knows what the disk holds: no more writing until opened anew.
    broken: bool,
    reader: Arc<SqliteReader>,
    /// Held until the journal is dropped.
    _lock: File,
}

impl SqliteJournal {
    /// Opens the journal in `dir`; makes folder and file where there are none. Reads no history.
    ///
    /// # Errors
    /// [`JournalError::InUse`] while another process has it; [`JournalError::Folder`] where the folder
    /// belongs to another city or mode, or cannot be made.
    pub fn open(dir: &Path, city: Arc<City>, mode: FolderMode) -> Result<SqliteJournal, JournalError> {
        open::open(dir, city, mode, false)
    }

    /// As [`SqliteJournal::open`], also where it holds a migration that was cut.
    pub(super) fn open_unfinished(
        dir: &Path,
        city: Arc<City>,
        mode: FolderMode,
    ) -> Result<SqliteJournal, JournalError> {
        open::open(dir, city, mode, true)
    }
}

impl Journal for SqliteJournal {
    fn head(&self) -> Head {
        Head { epoch: self.epoch, seq: self.last.seq, at: self.last.at }
    }

    fn secret(&self) -> Secret {
        self.secret
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.dir)
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        append::append(self, commands, now, derived)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }
}

/// Whether there is a journal in the folder.
pub(super) fn is_journal(dir: &Path) -> bool {
    file_in(dir).is_file()
}

fn file_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> JournalError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        match error.sqlite_error_code() {
            Some(DiskFull) => JournalError::Full,
            Some(DatabaseCorrupt | NotADatabase) => {
                JournalError::Corrupt(format!("{FILE_NAME} is damaged ({error}); restore a backup"))
            }
            _ => JournalError::Store(Box::new(error)),
        }
    }
}

/// A row that no version of Pantau writes.
fn bad_row(table: &str, no: impl std::fmt::Display, what: impl std::fmt::Display) -> JournalError {
    JournalError::Corrupt(format!("row {no} of table {table}: {what}"))
}
