//! Where a journal is.

use std::path::PathBuf;
use std::sync::Arc;

use super::{FolderMode, Journal, JournalError, PostgisJournal, SqliteJournal, StoreUrl};
use crate::city::City;

/// A data folder, or a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    Database(StoreUrl),
}

impl Place {
    /// Opens the journal there, to write it.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`] and [`PostgisJournal::open`].
    pub fn open(&self, city: Arc<City>, mode: FolderMode) -> Result<Box<dyn Journal>, JournalError> {
        Ok(match self {
            Place::Folder(dir) => Box::new(SqliteJournal::open(dir, city, mode)?),
            Place::Database(url) => Box::new(PostgisJournal::open(url, city, mode)?),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Folder(dir) => write!(f, "{}", dir.display()),
            Place::Database(url) => write!(f, "{url}"),
        }
    }
}
