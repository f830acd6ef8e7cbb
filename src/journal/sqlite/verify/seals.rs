//! The log against what stands outside of it: checkpoints under a key, the mark beside the database, a
//! note that somebody took. And the file: its pages, and the sums in its rows.

use std::path::Path;

use rusqlite::Connection;

use super::{CACHE_KIB, Link, Verifier, sentence};
use crate::journal::JournalError;
use crate::journal::checkpoint::{Checkpoint, Key, Noted};
use crate::journal::codec::Hash;
use crate::journal::mark::{self, Marked};
use crate::journal::sqlite::{LOSSES, MARK};
use crate::journal::sqlite::{open, sums};
use crate::model::{Seq, TimeMs};

/// Faults of pages that are named.
const PAGE_FAULTS_MAX: u32 = 20;

/// What lies beside the database, or on a server that writes one elsewhere.
#[derive(Default)]
pub(in crate::journal) struct Beside {
    marked: Option<Marked>,
    key: Option<Key>,
    pub(super) loss: Option<String>,
}

impl Beside {
    pub(super) fn read(dir: &Path) -> Result<Beside, JournalError> {
        Beside::of(dir, &dir.join(MARK), &dir.join(LOSSES))
    }

    /// Of a folder with a key, a mark and losses under these names.
    pub(in crate::journal) fn of(dir: &Path, mark: &Path, losses: &Path) -> Result<Beside, JournalError> {
        Ok(Beside { marked: Marked::read(mark), key: Key::find(dir)?, loss: mark::newest_loss(losses) })
    }
}

/// The seals that the log has not come to yet.
pub(super) struct Seals<'b> {
    checkpoints: std::vec::IntoIter<Checkpoint>,
    next: Option<Checkpoint>,
    /// Of the checkpoint before, and the entry that it stands at.
    mac_before: [u8; 32],
    sealed: Seq,
    key: Option<&'b Key>,
    marked: Option<&'b Marked>,
    /// Hash of the entry that the mark names, once it was there.
    at_mark: Option<Hash>,
    noted: Option<Noted>,
    at_note: bool,
}

impl<'b> Seals<'b> {
    pub fn read(
        conn: &Connection,
        beside: &'b Beside,
        noted: Option<Noted>,
    ) -> Result<Seals<'b>, JournalError> {
        let mut statement =
            conn.prepare("SELECT seq, at, hash, key_id, mac FROM checkpoint ORDER BY seq")?;
        let rows = statement.query_map([], |row| {
            Ok(Checkpoint {
                seq: Seq(row.get::<_, i64>(0)?.cast_unsigned()),
                at: TimeMs(row.get(1)?),
                hash: row.get(2)?,
                key_id: row.get(3)?,
                mac: row.get(4)?,
            })
        })?;
        let mut checkpoints = rows.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(Seals {
            next: checkpoints.next(),
            checkpoints,
            mac_before: [0; 32],
            sealed: Seq(0),
            key: beside.key.as_ref(),
            marked: beside.marked.as_ref(),
            at_mark: None,
            noted,
            at_note: false,
        })
    }

    /// The next checkpoint that stands at `seq` or before.
    fn take(&mut self, seq: Seq) -> Option<Checkpoint> {
        let due = self.next.take_if(|checkpoint| checkpoint.seq <= seq)?;
        self.next = self.checkpoints.next();
        Some(due)
    }
}

impl Verifier<'_> {
    /// Compares one entry with the seals that stand at it.
    pub(super) fn seal(&mut self, seals: &mut Seals, link: &Link) {
        let (seq, hash) = (link.seq, link.hash);
        while let Some(checkpoint) = seals.take(seq) {
            self.checkpoint(seals, &checkpoint, (checkpoint.seq == seq).then_some((link.at, hash)));
        }
        if seals.marked.is_some_and(|marked| marked.seq == seq) {
            seals.at_mark = Some(hash);
        }
        if let Some(noted) = seals.noted.filter(|noted| noted.seq == seq) {
            seals.at_note = true;
            if !noted.is_of(&hash) {
                let first = seals.sealed.next();
                self.fault(
                    seq,
                    format!("it is not the one that was noted: an entry from {first} to {seq} was changed"),
                );
            }
        }
    }

    /// `found` is the time and hash of the entry that the checkpoint stands at, if it is there.
    fn checkpoint(&mut self, seals: &mut Seals, checkpoint: &Checkpoint, found: Option<(TimeMs, Hash)>) {
        let (first, last) = (seals.sealed.next(), checkpoint.seq);
        let is_ours = seals.key.is_some_and(|key| key.id == checkpoint.key_id);
        let holds = seals.key.is_some_and(|key| checkpoint.is_sealed(key, &seals.mac_before));
        if !is_ours {
            self.found.unchecked += 1;
        } else if !holds {
            self.fault(last, "the checkpoint at it, or the one before, was changed or taken away");
        } else if found.is_some_and(|found| found != (checkpoint.at, checkpoint.hash)) {
            let words = "the chain was written anew: its checkpoint holds another hash";
            self.fault(first, format!("it or one of the entries to {last} was changed and {words}"));
        } else {
            self.found.checkpoints += 1;
        }
        if !is_ours && found.is_some_and(|found| found != (checkpoint.at, checkpoint.hash)) {
            self.fault(last, "its checkpoint, whose key is not here, holds another hash");
        }
        (seals.mac_before, seals.sealed) = (checkpoint.mac, last);
    }

    /// What stands after the last entry.
    pub(super) fn ends(&mut self, seals: &mut Seals, head: Seq) {
        let mut cut_to = None;
        while let Some(checkpoint) = seals.take(Seq(u64::MAX)) {
            self.checkpoint(seals, &checkpoint, None);
            cut_to = Some(checkpoint.seq);
        }
        if let Some(last) = cut_to {
            let first = head.next();
            self.fault(
                first,
                format!("entries {first} to {last} are missing: there is a checkpoint after them"),
            );
        }
        if let Some(loss) = seals.marked.and_then(|marked| marked.loss(head, seals.at_mark)) {
            self.fault(head.next(), loss);
        }
        if let Some(noted) = seals.noted.filter(|_| !seals.at_note) {
            let (first, last) = (head.next(), noted.seq);
            self.fault(
                first,
                format!("entries {first} to {last} are missing: the noted checkpoint counts them"),
            );
        }
    }

    /// What the folder is, against its sum.
    pub(super) fn meta(&mut self) -> Result<(), JournalError> {
        let sum = open::meta::<String>(self.conn, "sum")?;
        match open::meta_sum(self.conn) {
            Ok(found) if sum.is_none_or(|sum| sum == found) => {}
            Ok(_) => self.stray("the table meta was changed: city, mode or secret".to_owned()),
            Err(error) => self.stray(sentence(error)),
        }
        Ok(())
    }

    /// Rows of hotspots and surges against their sums.
    pub(super) fn sums(&mut self) -> Result<(), JournalError> {
        for summed in sums::ALL {
            let table = summed.table;
            let sql = format!("SELECT count(*) FROM {table} t WHERE NOT {}", summed.is_sound("t"));
            let changed: i64 = self.conn.query_row(&sql, [], |row| row.get(0))?;
            if changed > 0 {
                self.stray(format!("{changed} row(s) of table {table} are not as they were written"));
            }
        }
        Ok(())
    }
}

/// Whether the pages of the file hang together, and indexes say what their tables say.
pub(super) fn faults_of_pages(file: &Path) -> Result<Vec<String>, JournalError> {
    let conn = open::connect_read_only(file, CACHE_KIB)?;
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({PAGE_FAULTS_MAX})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut faults = Vec::new();
    for line in lines {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => faults.push(format!("the file is damaged: {line}")),
            Err(error) => {
                faults.push(format!("the file is damaged: {error}"));
                break;
            }
        }
    }
    Ok(faults)
}
