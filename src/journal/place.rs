//! Where a journal is.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    FolderMode, Journal, JournalError, LogReader, PostgisJournal, PostgisStandby, Reader, SqliteJournal,
    Standby, StoreUrl, Unshared, folder_reader, unshared_in,
};
use crate::city::City;
use crate::model::Secret;

/// A data folder, or a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    Database(StoreUrl),
}

/// A store that is only read, beside whoever writes it.
pub struct Reading {
    pub reader: Arc<dyn Reader>,
    pub secret: Secret,
    pub mode: FolderMode,
    /// Reports in the database that the journal does not know of.
    pub unshared: Unshared,
}

impl Place {
    /// Opens the journal there to read it.
    ///
    /// # Errors
    /// [`JournalError::Folder`] where there is none, or it is of another city.
    pub fn read(&self, city: Arc<City>) -> Result<Reading, JournalError> {
        match self {
            Place::Folder(dir) => {
                let identity = LogReader::open(dir)?.identity()?;
                if identity.city != city.key {
                    return Err(JournalError::Folder(format!(
                        "the data folder {} belongs to the city {:?}, not to {:?}; name its city pack with --city",
                        dir.display(),
                        identity.city,
                        city.key
                    )));
                }
                let reader = folder_reader(dir, city);
                let unshared = Unshared::default();
                Ok(Reading { reader, secret: identity.secret, mode: identity.mode, unshared })
            }
            Place::Database(url) => {
                let mode = FolderMode::Live;
                let standby = PostgisStandby::open(url, city, mode)?;
                let (reader, secret) = (standby.reader(), standby.secret());
                Ok(Reading { reader, secret, mode, unshared: unshared_in(url)? })
            }
        }
    }

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
