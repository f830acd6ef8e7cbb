//! The journal in one SQLite file, `pantau.db` in the data folder.
//!
//! - One process: it holds an exclusive lock on `lock` in the folder. One write connection; readers
//!   have read-only connections of their own and neither wait for the writer nor hold it up (WAL).
//! - `synchronous=FULL`: a commit is on the disk before it returns. With `NORMAL`, which many guides
//!   advise for WAL, acknowledged reports were lost in 36 of 40 power cuts (`reliability.md`).
//! - After an I/O error nothing more is written, not even at closing, until the folder is opened anew.
//! - Reports are taken only while the reserve is whole; stopping and deleting may use it.
//! - What was confirmed stands outside of the file too (`mark`), and under a key (`checkpoint`).
//! - No memory map: a read error would be a signal that kills the process, and the kernel's page
//!   cache serves plain reads nearly as fast.

mod acts;
mod append;
mod erase;
mod import_keys;
mod incident_row;
#[cfg(test)]
mod key_tests;
mod log;
mod merges;
mod open;
mod photos;
mod proven;
mod put;
mod read;
mod reserve;
mod restore;
mod seals;
mod senders;
mod sums;
#[cfg(test)]
mod tests;
mod verify;
mod waiting_codes;

pub use log::{LogReader, Moment};
pub use open::FolderMode;
pub(super) use open::{connect, scratch};
pub use restore::{Proven, Restoring};
pub(super) use sums::fill as fill_sums;
pub(super) use verify::{Beside, verify_rows_beside};
pub use verify::{VerifyFault, VerifyReport, verify, verify_against};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use rusqlite::Connection;

use self::import_keys::ImportKeys;
use self::read::SqliteReader;
use self::reserve::Reserve;
use super::checkpoint::Sealer;
use super::codec::{Encoder, Hash};
use super::decide::Counters;
use super::mark::Mark;
use super::photos_gone::GonePhotos;
use super::{DerivedUpdate, Head, HeldLock, Journal, JournalError, Reader, io_failure};
use crate::city::City;
use crate::health::{Condition, Health};
use crate::model::{Command, Epoch, Outcome, Secret, TimeMs};

/// The journal's file in the data folder.
const FILE_NAME: &str = "pantau.db";
/// Says up to which entry all was confirmed as durable.
const MARK: &str = "durable.mark";
/// What was lost, a line each; whoever has read it moves it away.
const LOSSES: &str = "losses.log";

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
    health: Health,
    sealer: Sealer,
    mark: Mark,
    reserve: Reserve,
    /// Pages in the write-ahead log that are not in the database yet.
    wal_pages: Arc<AtomicU32>,
    reader: Arc<SqliteReader>,
    /// Files of photos that erasures took and that still lie there.
    gone_photos: GonePhotos,
    /// Held until the journal is dropped.
    _lock: HeldLock,
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

    /// Keeps `bytes` of the disk free for what must work when it is full: stopping, starting again,
    /// deleting. 0 keeps none. Where they are not there, [`Condition::DiskFull`] stands until they are.
    pub fn keep_reserve(&mut self, bytes: u64) {
        if let Err(error) = self.reserve.keep(bytes) {
            tracing::warn!(%error, "no room could be kept in reserve");
            self.say_full();
        }
    }

    /// Gives the reserve to what comes next, which must make room: a deletion. Whether there was any.
    pub fn use_reserve(&mut self) -> bool {
        self.reserve.release()
    }

    /// Breaks the promise, for the controls of the tests that prove it: `OFF` or `NORMAL` for `synchronous`.
    ///
    /// # Errors
    /// Where the store refuses.
    #[doc(hidden)]
    pub fn weaken(&mut self, synchronous: &str) -> Result<(), JournalError> {
        Ok(self.conn.pragma_update(None, "synchronous", synchronous)?)
    }

    fn say_full(&self) {
        let advice = "the disk is full: reports are refused until there is room; reading goes on. \
                      Make room, nothing needs to be restarted";
        self.health.raise(Condition::DiskFull, advice);
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

    fn health(&self) -> Health {
        self.health.clone()
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        append::seal(self)
    }

    fn wipe(&mut self) -> Result<bool, JournalError> {
        erase::wipe(self, false)
    }

    fn wipe_patiently(&mut self) -> Result<bool, JournalError> {
        erase::wipe(self, true)
    }

    fn try_again(&mut self) {
        if self.health.stands(Condition::DiskFull) && self.reserve.has_room() {
            self.health.clear(Condition::DiskFull);
        }
    }
}

/// A reader of the journal in a folder, beside whoever writes it.
pub(super) fn folder_reader(dir: &Path, city: Arc<City>) -> Arc<dyn Reader> {
    Arc::new(SqliteReader::new(file_in(dir), city))
}

/// Whether there is a journal in the folder.
pub fn is_journal(dir: &Path) -> bool {
    file_in(dir).is_file()
}

fn file_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> JournalError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        if error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return JournalError::Full; // the log's index could not grow
        }
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
