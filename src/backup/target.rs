//! The folder that a backup lies in: nothing is there by half, and every file is proven by its digest.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{self, FileRef, Manifest};
use super::{BackupError, Sealer, photos};
use crate::journal::HeldLock;
use crate::model::hex;

/// A file that is being written ends so until it is whole.
const UNFINISHED: &str = ".part";
const LOCK: &str = "backup.lock";

/// A target folder that is there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) dir: PathBuf,
}

/// A target that nobody writes to for as long as this is held.
#[derive(Debug)]
pub(super) struct SteadyTarget {
    target: Target,
    _lock: Option<HeldLock>,
}

impl std::ops::Deref for SteadyTarget {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

/// A target that nobody else uses for as long as this is held.
#[derive(Debug)]
pub(super) struct LockedTarget {
    target: Target,
    _lock: HeldLock,
}

impl std::ops::Deref for LockedTarget {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl Target {
    /// The folder must be there: one that was made in the place of a stick that is not plugged in would
    /// be a backup on the same disk.
    pub fn open(dir: &Path) -> Result<Target, BackupError> {
        let target = Target { dir: dir.to_owned() };
        match std::fs::metadata(dir) {
            Ok(found) if found.is_dir() => Ok(target),
            Ok(_) => Err(target.unusable("it is a file; name a folder")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(target
                .unusable("there is no such folder; plug the disk in, or make the folder first (mkdir)")),
            Err(e) => Err(target.unusable(&e.to_string())),
        }
    }

    pub fn lock(self) -> Result<LockedTarget, BackupError> {
        let path = self.dir.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|e| self.unusable(&e.to_string()))?;
        match lock.try_lock() {
            Ok(()) => Ok(LockedTarget { target: self, _lock: HeldLock::of(lock) }),
            Err(TryLockError::WouldBlock) => {
                Err(self
                    .unusable("another pantau is writing or restoring it just now; wait until it is done"))
            }
            Err(TryLockError::Error(e)) => Err(self.unusable(&e.to_string())),
        }
    }

    /// Waits until nobody writes to it; who wants to must wait from then on. Merging takes old pieces away
    /// that a reader may be in the middle of.
    pub fn steady(self) -> Result<SteadyTarget, BackupError> {
        // A copy of a backup may lack the file; nobody writes to one.
        let Ok(lock) = File::open(self.dir.join(LOCK)) else {
            return Ok(SteadyTarget { target: self, _lock: None });
        };
        // Some file systems know no locks.
        let held = lock.lock_shared().is_ok();
        Ok(SteadyTarget { target: self, _lock: held.then(|| HeldLock::of(lock)) })
    }

    fn unusable(&self, what: &str) -> BackupError {
        BackupError::Target { target: self.dir.display().to_string(), what: what.to_owned() }
    }

    /// `None` where the folder holds no backup.
    pub fn manifest(&self) -> Result<Option<Manifest>, BackupError> {
        match std::fs::read(self.dir.join(manifest::FILE)) {
            Ok(bytes) => Manifest::decode(&bytes).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.unusable(&e.to_string())),
        }
    }

    /// # Errors
    /// Where the folder, which holds no backup, is not empty.
    pub fn check_empty(&self) -> Result<(), BackupError> {
        for name in self.names()? {
            if name != LOCK
                && name != photos::FOLDER
                && !is_ours(&name)
                && name != "lost+found"
                && !name.starts_with('.')
            {
                return Err(BackupError::Unfit(format!(
                    "the target {} holds other things ({name}) and no backup; name an empty folder",
                    self.dir.display()
                )));
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, BackupError> {
        let listed = std::fs::read_dir(&self.dir).map_err(|e| self.unusable(&e.to_string()))?;
        let names = listed.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        names.collect::<Result<_, _>>().map_err(|e| self.unusable(&e.to_string()))
    }

    /// Whether a file is there as the manifest names it, read to its end.
    pub fn check(&self, file: &FileRef) -> Result<(), BackupError> {
        let mut reader = self.read(file)?;
        std::io::copy(&mut reader, &mut std::io::sink()).map_err(|e| damaged(file, &e))?;
        reader.check()
    }

    pub fn read<'f>(&self, file: &'f FileRef) -> Result<Checked<'f>, BackupError> {
        let opened = File::open(self.dir.join(&file.file)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                BackupError::Damaged { file: file.file.clone(), what: "it is not there".to_owned() }
            }
            _ => damaged(file, &e),
        })?;
        Ok(Checked {
            file,
            input: BufReader::with_capacity(1 << 17, opened),
            digest: Sha256::new(),
            bytes: 0,
        })
    }
}

impl LockedTarget {
    /// Writes a file whole or not at all.
    pub fn write(
        &self,
        name: &str,
        sealer: &Sealer,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<FileRef, BackupError> {
        let path = self.dir.join(name);
        let part = self.dir.join(format!("{name}{UNFINISHED}"));
        let written = || {
            let out = Counted { out: File::create(&part)?, digest: Sha256::new(), bytes: 0 };
            let out = BufWriter::with_capacity(1 << 17, out);
            let out = sealer.seal(out, write)?.into_inner().map_err(|e| e.into_error())?;
            out.out.sync_all()?;
            std::fs::rename(&part, &path)?;
            let sha256 = hex(&out.digest.finalize());
            Ok(FileRef { file: name.to_owned(), bytes: out.bytes, sha256 })
        };
        written().map_err(|source| {
            // On a disk that is full its room is needed.
            let _ = std::fs::remove_file(&part);
            BackupError::Write { path: path.clone(), source }
        })
    }

    /// Puts a manifest in the place of the one before, after everything it names.
    pub fn commit(&self, manifest: &Manifest) -> Result<(), BackupError> {
        self.sync()?;
        self.write(manifest::FILE, &Sealer::default(), |out| out.write_all(&manifest.encode()))?;
        self.sync()
    }

    /// Makes the names in the folder durable. Some file systems of sticks and shares know no such thing.
    fn sync(&self) -> Result<(), BackupError> {
        match File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            Err(e) if e.kind() != std::io::ErrorKind::InvalidInput => {
                Err(BackupError::Write { path: self.dir.clone(), source: e })
            }
            _ => Ok(()),
        }
    }

    /// Deletes files of ours that the manifest does not name, their contents overwritten first: personal
    /// data is not to lie in free blocks, as far as the medium lets us.
    pub fn clean(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let named: HashSet<&str> = manifest.files().map(|file| file.file.as_str()).collect();
        for name in self.names()? {
            if is_ours(&name) && !named.contains(name.as_str()) {
                let path = self.dir.join(&name);
                shred(&path).map_err(|source| BackupError::Write { path, source })?;
            }
        }
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    ["piece-", "identity.", "accounts-", "events-", "photos-"].iter().any(|ours| name.starts_with(ours))
        || name == "manifest.json.part"
}

pub(super) fn shred(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let bytes = file.metadata()?.len();
    file.rewind()?;
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut file)?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

fn damaged(file: &FileRef, what: &dyn std::fmt::Display) -> BackupError {
    BackupError::Damaged { file: file.file.clone(), what: what.to_string() }
}

/// A file that is read with its digest.
pub(super) struct Checked<'f> {
    file: &'f FileRef,
    input: BufReader<File>,
    digest: Sha256,
    bytes: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.digest.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

impl Checked<'_> {
    /// Reads what is left, and whether all of it was as the manifest says.
    pub fn check(mut self) -> Result<(), BackupError> {
        std::io::copy(&mut self, &mut std::io::sink()).map_err(|e| damaged(self.file, &e))?;
        if self.bytes != self.file.bytes {
            let (there, due) = (self.bytes, self.file.bytes);
            return Err(damaged(self.file, &format!("it has {there} bytes, where {due} are due")));
        }
        if hex(&self.digest.clone().finalize()) != self.file.sha256 {
            return Err(damaged(self.file, &"its checksum is not that of its contents"));
        }
        Ok(())
    }
}

struct Counted {
    out: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(buffer)?;
        self.digest.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
