//! Who may sign in, kept: in a file of its own beside the journal, or in the journal's database.
//!
//! Not in the journal: an account is not a fact about the city, a password must be forgotten when it is
//! changed, and a sign-in must never wait behind reports, nor they behind it. Every change raises one
//! number, so whoever holds a copy in memory sees by it that the copy is old, whoever made the change:
//! this server, another one on the same database, or `pantau user` beside them.
//!
//! `rows` is what is kept, `changes` each change as the statements that make it, one transaction each;
//! `events` says what happened, for a while; `file` and `server` run them.

mod changes;
mod events;
mod file;
mod rows;
mod server;
#[cfg(test)]
mod tests;

pub use events::{EVENT_DAYS, EVENTS_KEPT_MAX, EventQuestion, EventRow};
pub use rows::{
    AccountRow, AccountRows, DeviceRow, LastingRows, LinkRow, PasskeyRow, SessionRow, SubjectRow, TokenRow,
};

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{JournalError, Place};
use file::FileSheet;
use server::ServerSheet;

/// What stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
}

/// One statement. Its parameters are `$1`, `$2`, … in the order of their first use: then SQLite counts
/// them as PostgreSQL does.
struct Step {
    sql: &'static str,
    cells: Vec<Cell>,
    /// Where it changes no row, nothing of the change is done.
    must_change: bool,
}

/// How rows are put in with the ids that they had elsewhere.
struct Numbered {
    /// The id first.
    insert: &'static str,
    /// What comes after all.
    after: Option<&'static str>,
}

/// Where the tables are.
trait Sheet: Send {
    /// All steps in one transaction, or none: `false` where one that must change a row changed none.
    fn change(&mut self, steps: &[Step]) -> Result<bool, JournalError>;

    fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Cell>>, JournalError> {
        self.rows_of(sql, &[])
    }

    /// How an event is put in with its id.
    fn numbered_events(&self) -> Numbered;

    /// Parameters as in a [`Step`].
    fn rows_of(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, JournalError>;
}

/// The accounts as they are kept. Every call waits for the disk or the database.
pub struct AccountStore {
    sheet: Mutex<Box<dyn Sheet>>,
}

impl AccountStore {
    /// The name of the file in a data folder.
    pub const FILE: &str = file::FILE;

    /// Those of the journal at `place`; the tables are made where there are none. Any number of processes
    /// may have them open.
    ///
    /// # Errors
    /// Where the folder or the database cannot be used.
    pub fn open(place: &Place) -> Result<AccountStore, JournalError> {
        match place {
            Place::Folder(dir) => AccountStore::in_folder(dir),
            Place::Database(url) => Ok(AccountStore::of(ServerSheet::open(url)?)),
        }
    }

    /// In the file `accounts.db` of a data folder.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub fn in_folder(dir: &Path) -> Result<AccountStore, JournalError> {
        Ok(AccountStore::of(FileSheet::open(dir)?))
    }

    /// Whether a data folder has accounts, without making any.
    pub fn is_in_folder(dir: &Path) -> bool {
        dir.join(file::FILE).is_file()
    }

    /// In memory, for a server without a folder.
    ///
    /// # Errors
    /// Where SQLite has no memory.
    pub fn in_memory() -> Result<AccountStore, JournalError> {
        Ok(AccountStore::of(FileSheet::in_memory()?))
    }

    fn of(sheet: impl Sheet + 'static) -> AccountStore {
        AccountStore { sheet: Mutex::new(Box::new(sheet)) }
    }

    fn with<T>(
        &self,
        ask: impl FnOnce(&mut dyn Sheet) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        // A transaction that panicked was rolled back.
        ask(&mut **self.sheet.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
