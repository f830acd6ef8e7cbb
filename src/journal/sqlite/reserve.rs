//! Room that is kept for what must work on a full disk: stopping cleanly, starting, deleting.
//!
//! Reports are taken only while the reserve is whole. Once it was used they wait until it is filled
//! again, so that they never eat the room that the next stop will need.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE: &str = "reserve";
static BLOCK: [u8; 64 << 10] = [0; 64 << 10];
/// So much more must fit for a full disk to count as one with room again.
const ROOM_BYTES: u64 = 1 << 20;

pub(super) struct Reserve {
    dir: PathBuf,
    /// 0: none is kept.
    bytes: u64,
    is_whole: bool,
}

impl Reserve {
    pub fn none(dir: &Path) -> Reserve {
        Reserve { dir: dir.to_owned(), bytes: 0, is_whole: true }
    }

    /// From now on one of `bytes` is kept; 0 gives an old one back.
    pub fn keep(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes = bytes;
        let path = self.path();
        if path.metadata().is_ok_and(|found| found.len() > bytes) || bytes == 0 {
            remove(&path)?;
        }
        self.fill()
    }

    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Gives the room away; whether there was any.
    pub fn release(&mut self) -> bool {
        let held = self.path().metadata().is_ok_and(|found| found.len() > 0);
        if held && remove(&self.path()).is_ok() {
            self.is_whole = self.bytes == 0;
            tracing::warn!("the disk is full: the room that was kept for this is used now");
        }
        held
    }

    /// Takes the room that is missing, as much as there is; what it has it keeps, so that to try again
    /// costs nothing while the disk is full.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.bytes == 0 {
            self.is_whole = true;
            return Ok(());
        }
        self.is_whole = false;
        grow(&self.path(), self.bytes)?;
        self.is_whole = true;
        Ok(())
    }

    /// Whether there is room for some reports beside the reserve.
    pub fn has_room(&mut self) -> bool {
        if !self.is_whole && self.fill().is_err() {
            return false;
        }
        let probe = self.dir.join("room.probe");
        let fits = grow(&probe, ROOM_BYTES).is_ok();
        let _ = remove(&probe);
        fits
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }
}

/// Written in full: a file with holes keeps no room.
fn grow(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut at = file.metadata()?.len();
    if at >= bytes {
        return Ok(());
    }
    while at < bytes {
        let n = (bytes - at).min(BLOCK.len() as u64);
        file.write_all_at(&BLOCK[..n as usize], at)?;
        at += n;
    }
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all(),
    }
}
