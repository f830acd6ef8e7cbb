//! What was erased, as a list without personal data: kept apart from the backups, it takes away again what
//! an older backup brought back.
//!
//! A report or note is named by its number, its entry and the entry's hash: so a list is never applied to
//! another history.

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::erase::Request;
use crate::journal::{JournalError, Reader};
use crate::model::{Fact, Seq};

/// Entries read at once.
const ENTRIES: usize = 5_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasures {
    pub erasures: Vec<Erasure>,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    pub reason: String,
    pub reports: Vec<ListedReport>,
    pub notes: Vec<ListedNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedReport {
    pub no: u32,
    /// Of its entry.
    pub seq: u64,
    /// Of its entry, in hex.
    pub hash: String,
    /// `contact`, `text`, `place`, `photos`.
    pub gone: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedNote {
    /// Of its entry.
    pub seq: u64,
    /// Of its entry, in hex.
    pub hash: String,
}

/// Everything that was ever erased. Reads the whole log.
///
/// # Errors
/// Where the journal cannot be read.
pub fn list(reader: &dyn Reader) -> Result<Erasures, JournalError> {
    let (mut list, mut after) = (Erasures::default(), Seq(0));
    // Reading past what came before the first would be for nothing where there is none.
    if reader.last_erasure()? == Seq(0) {
        return Ok(list);
    }
    loop {
        let entries = reader.entries(after, ENTRIES)?;
        let Some(last) = entries.last() else { return Ok(list) };
        after = last.seq;
        for entry in &entries {
            let Fact::Erasure(fact) = &entry.fact else { continue };
            let mut erasure = Erasure {
                seq: entry.seq.0,
                at: entry.at.to_rfc3339(),
                reason: fact.reason.clone(),
                reports: Vec::new(),
                notes: Vec::new(),
            };
            for erased in &fact.reports {
                let gone = erased.gone.keys().map(str::to_owned).collect();
                let (no, seq, hash) = (erased.report.0, erased.seq.0, hash_of(reader, erased.seq)?);
                erasure.reports.push(ListedReport { no, seq, hash, gone });
            }
            for erased in &fact.notes {
                erasure.notes.push(ListedNote { seq: erased.seq.0, hash: hash_of(reader, erased.seq)? });
            }
            list.erasures.push(erasure);
        }
    }
}

/// What must be asked for to erase it again, and how many things on the list this history does not have.
///
/// # Errors
/// Where the journal cannot be read.
pub fn again(list: &Erasures, reader: &dyn Reader) -> anyhow::Result<(Vec<Request>, u64)> {
    let (mut requests, mut unknown): (Vec<Request>, u64) = Default::default();
    for erasure in &list.erasures {
        let mut of_kinds: Vec<Request> = Vec::new();
        let mut part = |kinds: &[String]| -> usize {
            let known = of_kinds.iter().position(|request| request.kinds == kinds);
            known.unwrap_or_else(|| {
                let (reason, kinds) = (erasure.reason.clone(), kinds.to_vec());
                of_kinds.push(Request { reason, kinds, reports: Vec::new(), notes: Vec::new() });
                of_kinds.len() - 1
            })
        };
        let mut known_reports = Vec::new();
        for report in &erasure.reports {
            if is_here(reader, report.seq, &report.hash).context("the list cannot be compared")? {
                known_reports.push((part(&report.gone), report.no));
            } else {
                unknown += 1;
            }
        }
        let mut known_notes = Vec::new();
        for note in &erasure.notes {
            if is_here(reader, note.seq, &note.hash).context("the list cannot be compared")? {
                known_notes.push((part(&[]), note.seq));
            } else {
                unknown += 1;
            }
        }
        known_reports.into_iter().for_each(|(i, no)| of_kinds[i].reports.push(no));
        known_notes.into_iter().for_each(|(i, seq)| of_kinds[i].notes.push(seq));
        requests.append(&mut of_kinds);
    }
    Ok((requests, unknown))
}

fn is_here(reader: &dyn Reader, seq: u64, hash: &str) -> Result<bool, JournalError> {
    // An entry that is not here has no hash, and no list names an empty one.
    Ok(!hash.is_empty() && hash_of(reader, Seq(seq))? == hash)
}

fn hash_of(reader: &dyn Reader, seq: Seq) -> Result<String, JournalError> {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in reader.entry_hash(seq)?.into_iter().flatten() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
