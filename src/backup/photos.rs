//! Photos in a target: one file each, `photos/ab/abcdef….jpg`, named as entries name it.
//!
//! What the pieces hold names them; where they are encrypted a list has the digests of the files. A file is written before the manifest that has its
//! entry, never changed, and overwritten once no entry names it any more.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::manifest::PhotosRef;
use super::photo_list::PhotoLine;
use super::target::{Target, shred};
use super::update::{Run, is_broken};
use super::{BackupError, Opener};
use crate::journal::{JournalError, Restoring, photo_name};
use crate::model::{PhotoName, Seq, hex, unhex};

pub(super) const FOLDER: &str = "photos";
/// Names that are looked at together.
const NAMES: usize = 1_000;

/// The file of a photo, from the target's folder.
pub(super) fn file_of(name: PhotoName, sealed: bool) -> String {
    let hex = hex(&name.0);
    format!("{FOLDER}/{}/{hex}.jpg{}", &hex[..2], if sealed { ".age" } else { "" })
}

impl Run<'_> {
    fn is_sealed(&self) -> bool {
        !self.sealer.is_open()
    }

    /// Writes those photos of the entries after `after` up to `until` that are not there.
    pub fn write_photos(&mut self, after: Seq, until: Seq) -> Result<(), BackupError> {
        let names = self.log.moment()?.photos(after, until)?;
        let mut folders = BTreeSet::new();
        for name in names {
            let file = file_of(name, self.is_sealed());
            if !self.target.dir.join(&file).is_file() && self.write_photo(name, &file)? {
                folders.extend(Path::new(&file).parent().map(Path::to_owned));
            }
        }
        self.sync_folders(folders)?;
        self.list_photos()
    }

    /// Makes the names durable of what was written into folders below that of the photos.
    fn sync_folders(&self, folders: BTreeSet<PathBuf>) -> Result<(), BackupError> {
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        match folders.is_empty() {
            true => Ok(()),
            false => self.sync(&[&folders[..], &[PathBuf::from(FOLDER), PathBuf::new()]].concat()),
        }
    }

    /// Those that are not there, of all entries that are.
    pub fn add_missing_photos(&mut self) -> Result<(), BackupError> {
        let (head, before) = (Seq(self.done.head), self.manifest.photos.clone());
        self.write_photos(Seq(0), head)?;
        self.commit_lists(&before)
    }

    fn commit_lists(&mut self, before: &[PhotosRef]) -> Result<(), BackupError> {
        if self.manifest.photos == before {
            return Ok(());
        }
        self.commit()?;
        self.target.clean(&self.manifest)
    }

    /// Reads every photo that lies there to its end, against its name, or where it is encrypted against the digest in
    /// the list; writes anew what is damaged, not there, or in no list.
    pub fn check_photos(&mut self) -> Result<(), BackupError> {
        let names: BTreeSet<PhotoName> =
            self.log.moment()?.photos(Seq(0), Seq(self.done.head))?.into_iter().collect();
        if self.is_sealed() {
            return self.check_sealed(&names);
        }
        for name in names {
            let file = file_of(name, false);
            let path = self.target.dir.join(&file);
            let is_damaged = std::fs::read(&path).is_ok_and(|bytes| photo_name(&bytes) != name);
            if is_damaged && self.write_photo(name, &file)? {
                self.done.healed.push(file);
            }
        }
        self.add_missing_photos()
    }

    fn check_sealed(&mut self, names: &BTreeSet<PhotoName>) -> Result<(), BackupError> {
        let (listed, before) = (self.listed_photos()?, self.manifest.photos.clone());
        let (mut folders, mut is_stale) = (BTreeSet::new(), listed.is_stale_for(names));
        for name in names {
            let file = file_of(*name, true);
            let is_there = self.target.dir.join(&file).is_file();
            let known = listed.file(*name);
            // One that is in no list was written before there were lists, or by a run that was cut.
            let is_sound = match known {
                Some(known) => is_there && !is_broken(self.target.check(known))?,
                None => false,
            };
            if !is_sound && self.write_photo(*name, &file)? {
                folders.extend(Path::new(&file).parent().map(Path::to_owned));
                is_stale |= known.is_some();
                self.done.healed.extend((is_there && known.is_some()).then_some(file));
            }
        }
        self.sync_folders(folders)?;
        match is_stale {
            true => self.renew_lists(listed, names)?,
            false => self.list_photos()?,
        }
        self.commit_lists(&before)
    }

    /// Whether there was something to write. What the data folder lacks is told, and holds nothing up.
    fn write_photo(&mut self, name: PhotoName, file: &str) -> Result<bool, BackupError> {
        let bytes = match self.log.photo(name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(JournalError::Corrupt(_)) => {
                // One that was erased meanwhile is none that is missing.
                if !self.log.moment()?.named_photos(&[name])?.is_empty() {
                    let hex = hex(&name.0);
                    tracing::warn!(photo = %hex, "a photo is not in the data folder, or damaged; run pantau verify");
                    if !self.done.photos_missing.contains(&hex) {
                        self.done.photos_missing.push(hex);
                    }
                }
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let path = self.target.dir.join(file);
        let folder = path.parent().unwrap_or(&self.target.dir);
        let unwritable = |source| BackupError::Write { path: path.clone(), source };
        DirBuilder::new().recursive(true).create(folder).map_err(unwritable)?;
        let written = self.target.write(file, self.sealer, |out| out.write_all(&bytes))?;
        if self.is_sealed() {
            self.unlisted.push(PhotoLine::of(name, &written));
        }
        self.done.bytes_written += written.bytes;
        self.done.photos_written += 1;
        Ok(true)
    }

    /// Makes names in folders of the target durable. Some file systems of sticks and shares know no such thing.
    fn sync(&self, folders: &[PathBuf]) -> Result<(), BackupError> {
        for folder in folders {
            let path = self.target.dir.join(folder);
            match File::open(&path).and_then(|folder| folder.sync_all()) {
                Err(e) if e.kind() != ErrorKind::InvalidInput => {
                    return Err(BackupError::Write { path, source: e });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Overwrites and deletes the photos that no entry names any more: they were erased.
    pub fn clean_photos(&mut self) -> Result<(), BackupError> {
        let files = files(self.target)?;
        let mut gone = BTreeSet::new();
        for files in files.chunks(NAMES) {
            let names: Vec<PhotoName> = files.iter().filter_map(|(_, name)| *name).collect();
            let named: BTreeSet<PhotoName> = self.log.moment()?.named_photos(&names)?.into_iter().collect();
            for (path, name) in files {
                if name.is_none_or(|name| !named.contains(&name)) {
                    shred(path).map_err(|source| BackupError::Write { path: path.clone(), source })?;
                    gone.extend(*name);
                }
            }
        }
        self.unlist_photos(&gone)
    }
}

/// Every file of a photo in a target; without a name what a run left that was cut.
fn files(target: &Target) -> Result<Vec<(PathBuf, Option<PhotoName>)>, BackupError> {
    let dir = target.dir.join(FOLDER);
    let listed = || {
        let mut files = Vec::new();
        for folder in std::fs::read_dir(&dir)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(folder.path())? {
                let path = file?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let stem = name.strip_suffix(".age").unwrap_or(name).strip_suffix(".jpg");
                let name = stem.and_then(unhex).map(PhotoName);
                if name.is_some() || path.extension().is_some_and(|extension| extension == "part") {
                    files.push((path, name));
                }
            }
        }
        Ok(files)
    };
    match listed() {
        Err(e) if std::io::Error::kind(&e) == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| BackupError::Write { path: dir.clone(), source }),
    }
}

/// Takes the photos that the entries name into a journal that is being made. How many there are, and which are not.
pub(super) fn restore(
    target: &Target,
    into: &Restoring,
    (opener, sealed): (&Opener, bool),
    progress: &mut dyn FnMut(&'static str, u64, u64),
) -> Result<(u64, Vec<String>), BackupError> {
    let names = into.photos()?;
    let (total, mut there, mut missing) = (names.len() as u64, 0, Vec::new());
    for (done, name) in (0..).zip(names) {
        progress("photos", done, total);
        let file = file_of(name, sealed);
        let mut bytes = Vec::new();
        let read = match File::open(target.dir.join(&file)) {
            Err(_) => false,
            Ok(mut input) => match opener.open(sealed, &file, &mut input) {
                Err(error @ BackupError::Key(_)) => return Err(error),
                Err(_) => false,
                Ok(mut plain) => plain.read_to_end(&mut bytes).is_ok(),
            },
        };
        if read && photo_name(&bytes) == name {
            into.photo(name, bytes)?;
            there += 1;
        } else {
            missing.push(hex(&name.0));
        }
    }
    Ok((there, missing))
}
