//! Erases: the commands that do it, and doing it where no server runs.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::city::City;
use crate::engine;
use crate::journal::{FolderMode, Journal, JournalError, Place, SqliteJournal};
use crate::model::{Command, ERASED_MAX, Kinds, NewErasure, Outcome, ReportNo, Seq, TimeMs};

/// The reason is a line, not a letter.
const REASON_CHARS_MAX: usize = 200;

/// What is to be erased, by numbers alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub reason: String,
    /// `contact`, `text`, `place`, `photos`.
    pub kinds: Vec<String>,
    /// Numbers of reports.
    pub reports: Vec<u32>,
    /// Seqs of actions.
    pub notes: Vec<u64>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The new entries; none where all of it was erased before.
    pub entries: Vec<u64>,
    /// Nothing of it is in the journal's files any more.
    pub wiped: bool,
}

/// The commands of a request: each erases a bounded part, and all go into one commit.
///
/// # Errors
/// In words, where the request is none.
pub fn commands(request: &Request) -> Result<Vec<Command>, String> {
    let reason = request.reason.trim();
    if reason.is_empty()
        || reason.chars().count() > REASON_CHARS_MAX
        || reason.chars().any(char::is_control)
    {
        return Err(format!("give a reason of 1 to {REASON_CHARS_MAX} signs on one line"));
    }
    let kinds = Kinds::from_keys(request.kinds.iter().map(String::as_str))
        .ok_or("what is erased is contact, text, place or photos")?;
    let erasure = |reports: Vec<ReportNo>, notes: Vec<Seq>| {
        Command::Erasure(Box::new(NewErasure { reason: reason.to_owned(), kinds, reports, notes }))
    };
    let reports = request.reports.chunks(ERASED_MAX);
    let reports = reports.map(|part| erasure(part.iter().map(|no| ReportNo(*no)).collect(), Vec::new()));
    let notes = request.notes.chunks(ERASED_MAX);
    let notes = notes.map(|part| erasure(Vec::new(), part.iter().map(|seq| Seq(*seq)).collect()));
    Ok(reports.chain(notes).collect())
}

/// The entries that outcomes made.
///
/// # Errors
/// The words of a refusal.
pub(super) fn entries(outcomes: Vec<Outcome>) -> Result<Vec<Seq>, String> {
    let mut seqs = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted { entries, .. } => seqs.extend(entries.iter().map(|entry| entry.seq)),
            Outcome::Repeat { .. } => {}
            Outcome::Refused(refusal) => return Err(refusal.to_string()),
        }
    }
    Ok(seqs)
}

/// Erases in a store that no server writes.
///
/// # Errors
/// As [`Place::open`]; in words, where nothing was erased.
pub fn erase_here(
    place: &Place,
    city: &Arc<City>,
    mode: FolderMode,
    request: &Request,
    now: TimeMs,
) -> Result<Erased, EraseError> {
    let commands = commands(request).map_err(EraseError::Refused)?;
    let mut journal = place.open(city.clone(), mode)?;
    engine::settle(&mut *journal, city, now)?;
    let entries = entries(journal.append(commands, now, None)?).map_err(EraseError::Refused)?;
    let wiped = wipe(&mut *journal)?;
    journal.seal()?;
    Ok(Erased { entries: entries.iter().map(|seq| seq.0).collect(), wiped })
}

fn wipe(journal: &mut dyn Journal) -> Result<bool, JournalError> {
    if let Some(folder) = journal.folder() {
        engine::remove_snapshot(folder)?;
    }
    journal.wipe_patiently()
}

/// Builds the file of a folder anew that no server has open, without what lies between its rows.
///
/// # Errors
/// As [`SqliteJournal::open`], and where the disk is full.
pub fn compact(dir: &Path, city: &Arc<City>, mode: FolderMode) -> Result<(), JournalError> {
    SqliteJournal::open(dir, city.clone(), mode)?.compact()
}

#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
}
