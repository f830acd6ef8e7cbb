//! The live map's snapshot in the data folder: written now and then and at a clean stop, read at start.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;

use crate::city::City;
use crate::journal::{JournalError, Reader};
use crate::live::{LiveMap, Snapshot};
use crate::model::Seq;

/// A new snapshot is written after this many entries: what a start has to carry on stays small.
const SAVE_EVERY_ENTRIES: u64 = 10_000;
/// And only once the entries are this share of the incidents: a large map is not written all day.
const SAVE_EVERY_SHARE: u64 = 50;

/// `live.snapshot` in a data folder. It can be deleted at any time: the next start reads the tables.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    path: PathBuf,
}

impl SnapshotFile {
    pub fn in_folder(dir: &Path) -> SnapshotFile {
        SnapshotFile { path: dir.join("live.snapshot") }
    }

    /// Deletes it, and what a write that was cut left of one.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        for path in [&self.path, &self.path.with_extension("new")] {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// `None` where there is none that can be used; the log says why.
    pub(super) fn load(&self, city: &City) -> Option<Snapshot> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => {
                tracing::warn!(file = %self.path.display(), error = %e, "the snapshot cannot be read");
                return None;
            }
        };
        Snapshot::decode(&bytes, city)
            .inspect_err(|e| tracing::info!(file = %self.path.display(), "the snapshot is not used: {e}"))
            .ok()
    }

    /// Puts a snapshot of the map in the place of the one before: whole or not at all.
    fn save(&self, map: &LiveMap, reader: &dyn Reader) -> anyhow::Result<()> {
        // Before the first entry there is nothing to save.
        let Some(hash) = reader.entry_hash(map.seq())? else { return Ok(()) };
        let new = self.path.with_extension("new");
        let written = write(&new, &Snapshot::encode(map, &hash));
        if written.is_err() {
            // On a full disk half of one would only be in the way.
            let _ = std::fs::remove_file(&new);
        }
        written.with_context(|| new.display().to_string())?;
        std::fs::rename(&new, &self.path)?;
        Ok(())
    }
}

/// Deletes the snapshot in a folder that no server has open: the next start reads the tables.
///
/// # Errors
/// It is still there.
pub fn remove_snapshot(folder: &Path) -> Result<(), JournalError> {
    SnapshotFile::in_folder(folder).remove().map_err(|e| JournalError::Store(Box::new(e)))
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes snapshots beside the engine's loop.
pub(super) struct Saving {
    file: SnapshotFile,
    reader: Arc<dyn Reader>,
    saved: Seq,
    running: Option<JoinHandle<()>>,
}

impl Saving {
    /// `saved` is the seq of the snapshot that is there.
    pub fn new(file: SnapshotFile, reader: Arc<dyn Reader>, saved: Seq) -> Saving {
        Saving { file, reader, saved, running: None }
    }

    /// Begins to write one on a thread of its own, unless one is being written or the last is new enough.
    pub fn save_if_due(&mut self, map: &LiveMap) {
        let due_after = SAVE_EVERY_ENTRIES.max(map.incident_count() as u64 / SAVE_EVERY_SHARE);
        if self.is_busy() || map.seq().0 < self.saved.0 + due_after {
            return;
        }
        self.begin(map);
    }

    /// Whether one is being written now.
    pub fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits until none is being written.
    pub fn wait(&mut self) {
        if let Some(thread) = self.running.take() {
            // One that failed has said so.
            let _ = thread.join();
        }
    }

    fn begin(&mut self, map: &LiveMap) {
        self.saved = map.seq();
        let (file, reader, map) = (self.file.clone(), self.reader.clone(), map.clone());
        self.running = Some(std::thread::spawn(move || save_or_say(&file, &map, &*reader)));
    }

    /// Deletes the one that is there, which must be seen no more, and begins to write another. Waits for one that
    /// is being written: who must not asks [`Saving::is_busy`] first.
    ///
    /// # Errors
    /// It is still there.
    pub fn save_anew(&mut self, map: &LiveMap) -> std::io::Result<()> {
        self.wait();
        self.file.remove()?;
        self.begin(map);
        Ok(())
    }

    /// Writes the last one, of this map if of any.
    pub fn finish(mut self, map: Option<&LiveMap>) {
        self.wait();
        if let Some(map) = map.filter(|map| map.seq() > self.saved) {
            save_or_say(&self.file, map, &*self.reader);
        }
    }
}

fn save_or_say(file: &SnapshotFile, map: &LiveMap, reader: &dyn Reader) {
    if let Err(e) = file.save(map, reader) {
        tracing::warn!(error = %e, "no snapshot was written; the next start reads the tables");
    }
}
