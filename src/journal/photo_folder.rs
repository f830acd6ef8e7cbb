//! Files of photos in a folder: `photos/ab/abcdef….jpg`, named by their digest.

use std::collections::{BTreeSet, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::JournalError;
use super::photos::{PhotoFiles, proven};
use crate::model::{PhotoName, hex, unhex};

/// In the data folder.
pub(super) const FOLDER: &str = "photos";
/// A file that is being written ends so.
const UNFINISHED: &str = "part";

/// The photos of a data folder.
pub(super) struct PhotoFolder {
    dir: PathBuf,
    /// Put, and not yet settled.
    waiting: Mutex<HashSet<PhotoName>>,
}

impl PhotoFolder {
    /// Of a data folder. Nothing is made until there is a photo.
    pub fn of(data: &Path) -> PhotoFolder {
        PhotoFolder { dir: data.join(FOLDER), waiting: Mutex::default() }
    }

    pub fn path(&self, name: PhotoName) -> PathBuf {
        let hex = hex(&name.0);
        self.dir.join(&hex[..2]).join(format!("{hex}.jpg"))
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<PhotoName>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of a file, durable itself.
    fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        sync_folder(&self.dir)?;
        self.dir.parent().map_or(Ok(()), sync_folder)
    }

    fn write(&self, name: PhotoName, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.dir);
        self.make_folder(folder)?;
        let part = path.with_extension(UNFINISHED);
        let written = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            sync_folder(folder)
        };
        written().inspect_err(|_| {
            // On a disk that is full its room is needed.
            let _ = std::fs::remove_file(&part);
        })
    }
}

impl PhotoFiles for PhotoFolder {
    fn put(&self, files: &[(PhotoName, &[u8])]) -> Result<(), JournalError> {
        let names: Vec<PhotoName> = files.iter().map(|(name, _)| *name).collect();
        self.waiting().extend(&names);
        let written = files.iter().try_for_each(|(name, bytes)| self.write(*name, bytes));
        written.map_err(failure).inspect_err(|_| {
            // No entry will name any of them. What cannot be taken away now is swept at the next start.
            for name in &names {
                let _ = self.remove(&[*name]);
            }
            self.settle(&names);
        })
    }

    fn get(&self, name: PhotoName) -> Result<Option<Vec<u8>>, JournalError> {
        match std::fs::read(self.path(name)) {
            Ok(bytes) => proven(name, bytes).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failure(e)),
        }
    }

    fn remove(&self, names: &[PhotoName]) -> Result<(), JournalError> {
        // Each folder is asked of the disk once, however many files go from it.
        let mut folders = BTreeSet::new();
        let mut shred_one = |name: &PhotoName| {
            let path = self.path(*name);
            match shred(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => folders.extend(path.parent().map(Path::to_owned)),
            }
            Ok(())
        };
        let shredded = names.iter().try_for_each(&mut shred_one);
        let synced = folders.iter().try_for_each(|folder| match sync_folder(folder) {
            // Nothing was ever kept there.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            synced => synced,
        });
        shredded.and(synced).map_err(failure)?;
        self.settle(names);
        Ok(())
    }

    fn settle(&self, names: &[PhotoName]) {
        let mut waiting = self.waiting();
        for name in names {
            waiting.remove(name);
        }
    }

    fn settled(&self, each: &mut dyn FnMut(PhotoName)) -> Result<(), JournalError> {
        let mut names = Vec::new();
        for_each_file(&self.dir, &mut |path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(unhex).map(PhotoName);
            match (stem, path.extension().and_then(|extension| extension.to_str())) {
                (Some(name), Some("jpg")) => names.push(name),
                // One that is being written now is waited for by its name.
                (Some(name), Some(UNFINISHED)) if !self.waiting().contains(&name) => {
                    return std::fs::remove_file(path);
                }
                _ => {}
            }
            Ok(())
        })
        .map_err(failure)?;
        // One that is not waited for any more was settled after its entry was committed.
        let waiting = self.waiting().clone();
        names.into_iter().filter(|name| !waiting.contains(name)).for_each(each);
        Ok(())
    }
}

fn for_each_file(dir: &Path, each: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let listed = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for folder in listed {
        let folder = folder?;
        if folder.file_type()?.is_dir() {
            for file in std::fs::read_dir(folder.path())? {
                each(&file?.path())?;
            }
        }
    }
    Ok(())
}

/// Overwrites a file before it goes: what was erased is not to lie in free blocks, as far as the disk lets us.
fn shred(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let bytes = file.metadata()?.len();
    file.rewind()?;
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut file)?;
    // Its length stays, so that the bytes are all that has to get there.
    file.sync_data()?;
    std::fs::remove_file(path)
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failure(error: std::io::Error) -> JournalError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => JournalError::Full,
        _ => JournalError::Store(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::photos::photo_name;

    fn names(folder: &PhotoFolder) -> Vec<PhotoName> {
        let mut names = Vec::new();
        folder.settled(&mut |name| names.push(name)).unwrap();
        names.sort();
        names
    }

    #[test]
    fn what_is_put_is_read_back_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = PhotoFolder::of(dir.path());
        assert_eq!(names(&folder), []);
        let (one, two) = (b"one photo".as_slice(), b"another".as_slice());
        let (a, b) = (photo_name(one), photo_name(two));
        folder.put(&[(a, one), (b, two)]).unwrap();
        assert_eq!(folder.get(a).unwrap().as_deref(), Some(one));
        assert_eq!(names(&folder), [], "an entry may name them in a moment");
        folder.settle(&[a, b]);
        let mut both = [a, b];
        both.sort();
        assert_eq!(names(&folder), both);
        folder.remove(&[a, a]).unwrap();
        assert_eq!((folder.get(a).unwrap(), names(&folder)), (None, vec![b]));
    }

    #[test]
    fn a_file_that_the_disk_changed_is_an_error_and_never_another_picture() {
        let dir = tempfile::tempdir().unwrap();
        let folder = PhotoFolder::of(dir.path());
        let name = photo_name(b"a photo");
        folder.put(&[(name, b"a photo")]).unwrap();
        std::fs::write(folder.path(name), b"b photo").unwrap();
        assert!(matches!(folder.get(name), Err(JournalError::Corrupt(_))));
    }

    #[test]
    fn of_files_that_are_put_together_none_is_left_where_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = PhotoFolder::of(dir.path());
        let (one, two) = (b"one photo".as_slice(), b"another".as_slice());
        let (a, b) = (photo_name(one), photo_name(two));
        let in_the_way = folder.path(b).parent().unwrap().to_owned();
        std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
        std::fs::write(in_the_way, "a file where a folder belongs").unwrap();
        folder.put(&[(a, one), (b, two)]).unwrap_err();
        assert!(!folder.path(a).exists() && folder.waiting().is_empty());
    }

    #[test]
    fn what_a_crash_left_half_written_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = PhotoFolder::of(dir.path());
        let name = photo_name(b"a photo");
        folder.put(&[(name, b"a photo")]).unwrap();
        let part = folder.path(photo_name(b"cut")).with_extension(UNFINISHED);
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::write(&part, b"cu").unwrap();
        let again = PhotoFolder::of(dir.path());
        assert_eq!(names(&again), [name]);
        assert!(!part.exists());
    }
}
