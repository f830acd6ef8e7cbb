//! One file of a disk whose power can be cut: what is on the platters, and over it what is not yet.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pantau::cli::chance::Chance;

pub const PAGE: u64 = 4_096;
/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

pub struct Node {
    pub path: PathBuf,
    /// `None` for a folder.
    pub file: Option<File>,
    /// As its readers see it.
    pub size: u64,
    /// Its name is not on the platters yet.
    pub fresh: bool,
    pub gone: bool,
    /// So much of what is on the platters still counts: a file that was cut and grew again reads zeros.
    valid: u64,
    /// Its size was set, not only grown by writing.
    resized: bool,
    /// Pages that are not on the platters, with a bit for each sector that was written.
    unsynced: BTreeMap<u64, (Vec<u8>, u8)>,
}

impl Node {
    pub fn folder(path: PathBuf) -> Node {
        Node {
            path,
            file: None,
            size: 0,
            fresh: false,
            gone: false,
            valid: 0,
            resized: false,
            unsynced: BTreeMap::new(),
        }
    }

    pub fn found(root: &Path, path: &Path) -> Option<Node> {
        let full = root.join(path);
        let metadata = std::fs::symlink_metadata(&full).ok()?;
        let folder = Node::folder(path.to_owned());
        if metadata.is_dir() {
            return Some(folder);
        }
        let file = OpenOptions::new().read(true).write(true).open(&full).ok()?;
        Some(Node { file: Some(file), size: metadata.len(), valid: metadata.len(), ..folder })
    }

    fn page(&self, number: u64) -> Vec<u8> {
        if let Some((page, _)) = self.unsynced.get(&number) {
            return page.clone();
        }
        let mut page = vec![0; PAGE as usize];
        let Some(file) = &self.file else { return page };
        let end = self.valid.saturating_sub(number * PAGE).min(PAGE) as usize;
        let mut read = 0;
        while read < end {
            match file.read_at(&mut page[read..end], number * PAGE + read as u64) {
                Ok(0) | Err(_) => break,
                Ok(n) => read += n,
            }
        }
        page
    }

    pub fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        let end = self.size.min(offset + size as u64);
        let mut data = Vec::with_capacity(size);
        let mut at = offset;
        while at < end {
            let until = PAGE.min(at % PAGE + (end - at));
            data.extend_from_slice(&self.page(at / PAGE)[(at % PAGE) as usize..until as usize]);
            at += until - at % PAGE;
        }
        data
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let from = at % PAGE;
            let n = ((PAGE - from) as usize).min(rest.len());
            let (mut page, mut sectors) =
                self.unsynced.remove(&(at / PAGE)).unwrap_or_else(|| (self.page(at / PAGE), 0));
            page[from as usize..from as usize + n].copy_from_slice(&rest[..n]);
            for sector in from / SECTOR..=(from + n as u64 - 1) / SECTOR {
                sectors |= 1 << sector;
            }
            self.unsynced.insert(at / PAGE, (page, sectors));
            at += n as u64;
            rest = &rest[n..];
        }
        self.size = self.size.max(at);
    }

    pub fn resize(&mut self, size: u64) {
        if size < self.size {
            self.unsynced.retain(|number, _| number * PAGE < size);
            if !size.is_multiple_of(PAGE) {
                let mut page = self.page(size / PAGE);
                page[(size % PAGE) as usize..].fill(0);
                self.unsynced.insert(size / PAGE, (page, u8::MAX));
            }
            self.valid = self.valid.min(size);
        }
        self.size = size;
        self.resized = true;
    }

    /// All of it is on the platters now, its name too.
    pub fn sync(&mut self) {
        if let Some(file) = &self.file {
            if self.resized {
                let _ = file.set_len(self.valid.min(self.size));
            }
            for (number, (page, _)) in &self.unsynced {
                let n = self.size.saturating_sub(number * PAGE).min(PAGE) as usize;
                let _ = file.write_all_at(&page[..n], number * PAGE);
            }
            let _ = file.set_len(self.size);
        }
        self.valid = self.size;
        self.unsynced.clear();
        self.fresh = false;
        self.resized = false;
    }

    /// What was not synced is as if it had never been written; nobody is told.
    pub fn forget(&mut self) {
        self.unsynced.clear();
    }

    /// Some of the sectors that were not synced reach the platters all the same, and some sizes.
    pub fn tear(&mut self, chance: &mut Chance) {
        let Some(file) = &self.file else { return };
        if self.resized && chance.happens(0.5) {
            let _ = file.set_len(self.size);
        }
        for (number, (page, sectors)) in &self.unsynced {
            for sector in (0..PAGE / SECTOR).filter(|sector| sectors >> sector & 1 == 1) {
                let offset = number * PAGE + sector * SECTOR;
                if offset < self.size && chance.happens(0.5) {
                    let n = (self.size - offset).min(SECTOR);
                    let from = (sector * SECTOR) as usize;
                    let _ = file.write_all_at(&page[from..from + n as usize], offset);
                }
            }
        }
    }
}
