//! The mark: a small file of this node that says up to which entry all was confirmed as durable: beside the
//! database in a data folder, and in the folder of a node whose journal is in a database elsewhere.
//!
//! It is written after each commit and not waited for, so on a disk that keeps what it confirms it can
//! be behind the database, never ahead. Where it is ahead, or names another entry, acknowledged entries
//! are gone: the disk lied, or somebody put an older copy in place.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::journal::codec::Hash;
use crate::model::{Seq, hex};

/// The file's fixed length, so that writing it never needs room: seq, hash and their CRC-32 in hex.
const BYTES: usize = 16 + 1 + 64 + 1 + 8 + 1;

/// Of the file of losses no more is read.
const LOSSES_BYTES_MAX: u64 = 4_096;

pub(super) struct Mark {
    file: File,
    /// A failure was logged.
    failed: bool,
}

/// What a mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub seq: Seq,
    hash: String,
}

impl Mark {
    pub fn open(path: &Path) -> std::io::Result<Mark> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() < BYTES as u64 {
            file.write_all_at(&[b' '; BYTES], 0)?;
        }
        Ok(Mark { file, failed: false })
    }

    /// All up to this entry is durable.
    pub fn set(&mut self, seq: Seq, hash: &Hash) {
        let text = format!("{:016x} {}", seq.0, hex(hash));
        let line = format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()));
        match self.file.write_all_at(line.as_bytes(), 0) {
            Ok(()) => self.failed = false,
            Err(error) if !std::mem::replace(&mut self.failed, true) => {
                tracing::warn!(%error, "the mark of what is durable cannot be written");
            }
            Err(_) => {}
        }
    }

    pub fn sync(&self) -> std::io::Result<()> {
        self.file.sync_all()
    }
}

impl Marked {
    pub fn of(seq: Seq, hash: &Hash) -> Marked {
        Marked { seq, hash: hex(hash) }
    }

    /// `None` where there is no mark, or one that a power cut tore.
    pub fn read(path: &Path) -> Option<Marked> {
        let mut bytes = [0; BYTES];
        File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let (text, sum) = text.trim_end().rsplit_once(' ')?;
        if u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(text.as_bytes()) {
            return None;
        }
        let (seq, hash) = text.split_once(' ')?;
        Some(Marked { seq: Seq(u64::from_str_radix(seq, 16).ok()?), hash: hash.to_owned() })
    }

    /// What is gone, in words; `found` is the hash of the entry that the journal has at its seq.
    pub fn loss(&self, head: Seq, found: Option<Hash>) -> Option<String> {
        let Some(found) = found else {
            let (first, last) = (head.next(), self.seq);
            return (last > head).then(|| {
                format!(
                    "entries {first} to {last} were acknowledged and are gone: the disk did not keep what it \
                     had confirmed, or an older copy was put in its place"
                )
            });
        };
        (hex(&found) != self.hash).then(|| {
            let seq = self.seq;
            format!(
                "entry {seq} is not the one that was acknowledged: another history was put in its place"
            )
        })
    }
}

/// Keeps what was lost on record in the file `losses`, outside of the database.
pub(super) fn record_loss(losses: &Path, loss: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(losses)?;
    writeln!(file, "{loss}")?;
    file.sync_all()
}

/// The newest loss on record.
pub(super) fn newest_loss(losses: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(losses).and_then(|file| file.take(LOSSES_BYTES_MAX).read_to_string(&mut text)).ok()?;
    text.lines().last().map(str::to_owned)
}
