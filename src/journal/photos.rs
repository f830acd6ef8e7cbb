//! The files of photos: where every store keeps them, and what becomes of those that no entry names.
//!
//! Invariants:
//! - A file is durable under its name before the entry that names it is committed.
//! - No two photos share a file: each carries a mark of its own. So an erasure takes files without asking
//!   whose else they are.
//! - What is read is what was written: the name is the digest.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{JournalError, Reader};
use crate::background::Work;
use crate::model::{PhotoName, hex};

/// Names that are looked up together.
const NAMES: usize = 500;
/// Files that are taken away before it is looked whether the server is to stop: each is overwritten.
const FILES: usize = 16;

/// Where the files lie: the folder of the journal, or its database.
pub trait PhotoFiles: Send + Sync {
    /// Keeps files under their names; they are durable when this returns. Until [`PhotoFiles::settle`] is
    /// told of them no sweep takes them.
    ///
    /// # Errors
    /// [`JournalError::Full`] and others of the store: some of them may be there, and no entry may name one.
    fn put(&self, files: &[(PhotoName, &[u8])]) -> Result<(), JournalError>;

    /// The bytes of a file; `None` where there is none of the name.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where they are not what was written.
    fn get(&self, name: PhotoName) -> Result<Option<Vec<u8>>, JournalError>;

    /// Takes files away, their bytes too, as far as the store can; those that are not there are no error.
    ///
    /// # Errors
    /// Where the store fails: asking again does no harm.
    fn remove(&self, names: &[PhotoName]) -> Result<(), JournalError>;

    /// What was put is named by an entry by now, or never will be.
    fn settle(&self, names: &[PhotoName]);

    /// Calls `each` with the name of every file, but for those that an entry may name in a moment.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn settled(&self, each: &mut dyn FnMut(PhotoName)) -> Result<(), JournalError>;
}

/// The name of a file of these bytes.
pub fn photo_name(bytes: &[u8]) -> PhotoName {
    PhotoName(Sha256::digest(bytes).into())
}

/// The bytes, where they are those of the name.
pub(super) fn proven(name: PhotoName, bytes: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    if photo_name(&bytes) == name {
        return Ok(bytes);
    }
    Err(JournalError::Corrupt(format!(
        "the photo {} was changed by the disk or by hand; run `pantau verify`, restore a backup",
        hex(&name.0)
    )))
}

/// Takes away files that no entry names: those of submissions that a crash cut, or that were refused. How many.
///
/// # Errors
/// Where the store cannot be read or written.
pub fn sweep_photos(reader: &dyn Reader) -> Result<u64, JournalError> {
    sweep_photos_until(reader, &mut || false)
}

/// The same until `is_to_stop`, which is asked now and then: the next sweep takes the rest.
///
/// # Errors
/// As [`sweep_photos`].
pub fn sweep_photos_until(
    reader: &dyn Reader,
    is_to_stop: &mut dyn FnMut() -> bool,
) -> Result<u64, JournalError> {
    let files = reader.photo_files()?;
    let mut names = Vec::new();
    files.settled(&mut |name| names.push(name))?;
    let mut swept = 0;
    for names in names.chunks(NAMES) {
        // Asked after the files were listed: what was committed meanwhile is named.
        let named: HashSet<PhotoName> = reader.named_photos(names)?.into_iter().collect();
        let orphans: Vec<PhotoName> = names.iter().copied().filter(|name| !named.contains(name)).collect();
        for orphans in orphans.chunks(FILES) {
            if is_to_stop() {
                return Ok(swept);
            }
            files.remove(orphans)?;
            swept += orphans.len() as u64;
        }
    }
    Ok(swept)
}

/// The same on a thread of its own, beside a server that has just started, until that stops.
///
/// # Errors
/// Where the system has no thread to give.
pub fn sweep_photos_soon(reader: Arc<dyn Reader>, work: Work) -> std::io::Result<()> {
    let sweep = move || {
        match sweep_photos_until(&*reader, &mut || work.is_to_stop()) {
            Ok(0) => {}
            Ok(n) => tracing::info!(files = n, "of photos that no entry names were taken away"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "files of photos that no entry names are left to the next start");
            }
        }
        drop(reader);
        // Only now: whoever waits for it may take the folder.
        drop(work);
    };
    std::thread::Builder::new().name("sweep-photos".to_owned()).spawn(sweep).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::city;
    use crate::journal::{FolderMode, Journal, SqliteJournal};

    #[test]
    fn a_sweep_that_a_stop_cuts_is_finished_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let open = || SqliteJournal::open(dir.path(), city(), FolderMode::Live).unwrap();
        let orphans: Vec<PhotoName> = (0..40_u8).map(|n| photo_name(&[n])).collect();
        let bytes: Vec<[u8; 1]> = (0..40).map(|n| [n]).collect();
        let files: Vec<_> = orphans.iter().copied().zip(bytes.iter().map(|bytes| &bytes[..])).collect();
        let journal = open();
        let kept = journal.reader().photo_files().unwrap();
        kept.put(&files).unwrap();
        kept.settle(&orphans);
        let mut looks = 0;
        let mut stops = || {
            looks += 1;
            looks > 2
        };
        assert_eq!(sweep_photos_until(&*journal.reader(), &mut stops).unwrap(), 2 * FILES as u64);
        drop((kept, journal));
        let journal = open();
        assert_eq!(sweep_photos(&*journal.reader()).unwrap(), 40 - 2 * FILES as u64);
        assert_eq!(sweep_photos(&*journal.reader()).unwrap(), 0);
    }
}
