//! Lists of the encrypted photos in a target, with the digest of each file: nobody without the key can hold such a
//! file against its name. `photos-000012.jsonl`, one photo a line, named by the manifest and not encrypted: they tell
//! no more than the names of the files do.
//!
//! A list is never changed. One is written for what a run wrote; small ones become one; a list with a photo that was
//! erased is written anew without it. Of a photo that stands in several the newest counts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use serde::{Deserialize, Serialize};

use super::manifest::{FileRef, PhotosRef};
use super::photos::file_of;
use super::update::{Run, merged_from};
use super::{BackupError, Sealer};
use crate::model::{PhotoName, hex, unhex};

/// A list holds at most this many; some 15 MB.
const PHOTOS_MAX: u64 = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhotoLine {
    /// In hex.
    name: String,
    bytes: u64,
    /// Of the encrypted file, in hex.
    sha256: String,
}

impl PhotoLine {
    pub fn of(name: PhotoName, file: &FileRef) -> PhotoLine {
        PhotoLine { name: hex(&name.0), bytes: file.bytes, sha256: file.sha256.clone() }
    }

    fn name(&self) -> Option<PhotoName> {
        unhex(&self.name).map(PhotoName)
    }
}

/// What the lists of a target say.
#[derive(Default)]
pub(super) struct Listed {
    files: BTreeMap<PhotoName, FileRef>,
    /// They say something that does not count any more, or one is damaged.
    is_stale: bool,
}

impl Listed {
    /// The file as it was written; `None` where no list has it.
    pub fn file(&self, name: PhotoName) -> Option<&FileRef> {
        self.files.get(&name)
    }

    pub fn is_stale_for(&self, named: &BTreeSet<PhotoName>) -> bool {
        self.is_stale || self.files.keys().any(|name| !named.contains(name))
    }
}

impl Run<'_> {
    /// Puts the photos that were written since into a list, which the next manifest names.
    pub fn list_photos(&mut self) -> Result<(), BackupError> {
        let lines = std::mem::take(&mut self.unlisted);
        self.write_lists(&lines)?;
        let sizes = |run: &Run| run.manifest.photos.iter().map(|list| list.photos).collect::<Vec<_>>();
        while let Some(first) = merged_from(&sizes(self), PHOTOS_MAX) {
            let mut lines = Vec::new();
            for list in &self.manifest.photos[first..] {
                match self.read_list(list) {
                    Ok(read) => lines.extend(read),
                    // What it said is found out by the next run that reads all photos.
                    Err(BackupError::Damaged { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            self.manifest.photos.truncate(first);
            self.write_lists(&lines)?;
        }
        Ok(())
    }

    /// All lists together; one that is damaged says nothing.
    pub fn listed_photos(&mut self) -> Result<Listed, BackupError> {
        let mut listed = Listed::default();
        for list in self.manifest.photos.clone() {
            match self.read_list(&list) {
                Ok(lines) => {
                    for line in lines {
                        let Some(name) = line.name() else { continue };
                        let (file, bytes, sha256) = (file_of(name, true), line.bytes, line.sha256);
                        let before = listed.files.insert(name, FileRef { file, bytes, sha256 });
                        listed.is_stale |= before.is_some();
                    }
                }
                Err(BackupError::Damaged { .. }) => {
                    self.done.healed.push(list.file.file.clone());
                    listed.is_stale = true;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(listed)
    }

    /// Writes the lists anew, of the photos that are `named`: as they stood, and what was written since.
    pub fn renew_lists(&mut self, listed: Listed, named: &BTreeSet<PhotoName>) -> Result<(), BackupError> {
        let mut lines: BTreeMap<PhotoName, PhotoLine> =
            listed.files.iter().map(|(name, file)| (*name, PhotoLine::of(*name, file))).collect();
        for line in std::mem::take(&mut self.unlisted) {
            lines.extend(line.name().map(|name| (name, line)));
        }
        lines.retain(|name, _| named.contains(name));
        self.manifest.photos.clear();
        self.write_lists(&lines.into_values().collect::<Vec<_>>())
    }

    /// Writes every list anew that has one of these photos, without it.
    pub fn unlist_photos(&mut self, gone: &BTreeSet<PhotoName>) -> Result<(), BackupError> {
        self.unlisted.retain(|line| line.name().is_none_or(|name| !gone.contains(&name)));
        if gone.is_empty() {
            return Ok(());
        }
        for list in std::mem::take(&mut self.manifest.photos) {
            let mut lines = match self.read_list(&list) {
                Ok(lines) => lines,
                // Whatever it says: it goes.
                Err(BackupError::Damaged { .. }) => continue,
                Err(other) => return Err(other),
            };
            let before = lines.len();
            lines.retain(|line| line.name().is_none_or(|name| !gone.contains(&name)));
            match lines.len() == before {
                true => self.manifest.photos.push(list),
                false => self.write_lists(&lines)?,
            }
        }
        Ok(())
    }

    fn write_lists(&mut self, lines: &[PhotoLine]) -> Result<(), BackupError> {
        for lines in lines.chunks(PHOTOS_MAX as usize) {
            let n = self.manifest.next_n;
            self.manifest.next_n += 1;
            let name = format!("photos-{n:06}.jsonl");
            let file = self.target.write(&name, &Sealer::default(), |out| {
                for line in lines {
                    serde_json::to_writer(&mut *out, line)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            self.done.bytes_written += file.bytes;
            self.manifest.photos.push(PhotosRef { photos: lines.len() as u64, file });
        }
        Ok(())
    }

    fn read_list(&self, list: &PhotosRef) -> Result<Vec<PhotoLine>, BackupError> {
        let damaged = |what: String| BackupError::Damaged { file: list.file.file.clone(), what };
        let mut input = self.target.read(&list.file)?;
        let read: Result<Vec<PhotoLine>, BackupError> = BufReader::new(&mut input)
            .lines()
            .map(|line| {
                let line = line.map_err(|e| damaged(e.to_string()))?;
                serde_json::from_str(&line).map_err(|e| damaged(e.to_string()))
            })
            .collect();
        input.check()?;
        read
    }
}
