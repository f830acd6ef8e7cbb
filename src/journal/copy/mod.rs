//! Carries a whole history from one store into another, row by row as it is stored.
//!
//! Epoch, secret, hashes and numbers stay: the copy is the same journal in another place. The log goes
//! first and is only added to, so a copy that was cut goes on where it stopped; the other tables begin
//! anew where the source has changed meanwhile. Accounts come last. A copy that is not finished cannot be served.

mod accounts;
mod file;
mod key;
mod photos;
mod server;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use self::accounts::CopiedAccounts;
use self::file::FileSide;
pub use self::key::{CopiedKey, carry_key};
use self::server::ServerSide;
use self::table::{Cell, ENTRY, STATE, Table};
use super::identity::read_epoch;
use super::postgis;
use super::sqlite::{Beside, verify_rows_beside};
use super::{
    FolderMode, Head, Journal, JournalError, Noted, Place, PostgisJournal, SqliteJournal, StoreUrl,
    Unshared, VerifyReport,
};
use crate::city::City;
use crate::model::Seq;

/// Rows that are read and written together.
const ROWS: usize = 5_000;
/// The mark of a copy that is not finished: the source's head when it began.
pub(super) const UNFINISHED: &str = "migrating";

/// What a store is marked with.
const MARKS: [&str; 4] = ["city", "mode", "epoch", "secret"];

/// What a copy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub head: Seq,
    /// Hash of the newest entry, in hex: the same on both sides.
    pub head_hash: String,
    /// Table and rows: as many on both sides.
    pub rows: Vec<(&'static str, u64)>,
    /// Rows that an earlier, cut attempt had carried over.
    pub were_there: u64,
    /// Files of photos that the copy has.
    pub photos: u64,
    /// Files that the source does not have, or has damaged, though an entry names them: names, in hex.
    pub photos_missing: Vec<String>,
    pub accounts: CopiedAccounts,
}

/// One end of a copy.
trait Side {
    fn meta(&mut self, key: &str) -> Result<Option<String>, JournalError>;

    /// Sets a mark, or takes it away.
    fn set_meta(&mut self, key: &str, value: Option<&str>) -> Result<(), JournalError>;

    fn count(&mut self, table: &Table) -> Result<u64, JournalError>;

    /// At most `limit` rows with a key above `after`, in the order of their keys.
    fn read(
        &mut self,
        table: &Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, JournalError>;

    /// Adds rows, all or none.
    fn write(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), JournalError>;

    /// The key of the last row.
    fn last(&mut self, table: &Table) -> Result<Option<Vec<Cell>>, JournalError>;

    fn clear(&mut self, table: &Table) -> Result<(), JournalError>;

    /// What the store derives of its rows.
    fn finish(&mut self, _city: &City) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Copies the journal at `from` to `to`; neither may be open elsewhere. `tell` hears how many rows of how
/// many are there.
///
/// # Errors
/// Where a side cannot be opened or fails, `to` holds another history, or the copy does not compare equal.
pub fn migrate(
    from: &Place,
    to: &Place,
    city: Arc<City>,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Copied, JournalError> {
    let mode = match from {
        Place::Folder(dir) => file::mode(dir)?,
        Place::Database(url) => server::mode(url)?,
    };
    // Held until the end, so that nobody writes either side meanwhile.
    let source = Held::open(from, city.clone(), mode, false)?;
    if source.head().seq == Seq(0) {
        return Err(JournalError::Folder(format!("there is nothing in {from}")));
    }
    let target = Held::open(to, city.clone(), mode, true)?;
    for place in [from, to] {
        check_shared(place)?;
    }
    let head = source.head();
    let files = (source.0.reader().photo_files()?, target.0.reader().photo_files()?);
    let (mut source, mut target) = (source.side(from)?, target.side(to)?);
    let mut copied = copy(&mut *source, &mut *target, head, to, tell)?;
    (copied.photos, copied.photos_missing) = photos::carry(&mut *source, &*files.0, &*files.1)?;
    target.finish(&city)?;
    copied.accounts = accounts::carry(from, to)?;
    target.set_meta(UNFINISHED, None)?;
    Ok(copied)
}

/// Refuses a database with reports that its journal does not know of: they would be left behind.
fn check_shared(place: &Place) -> Result<(), JournalError> {
    let Place::Database(url) = place else { return Ok(()) };
    let refused = |sentence: String| Err(JournalError::Folder(sentence));
    match server::unshared(url)? {
        Unshared { waiting: 0, set_aside: 0 } => Ok(()),
        Unshared { waiting: 0, set_aside } => refused(format!(
            "{set_aside} report(s) that were acknowledged do not fit the city pack and are set aside in {url}; \
             `pantau waiting --store …` shows them: mend the city pack and start the server on it once, or discard them"
        )),
        _ => refused(format!(
            "reports that were handed in wait in {url}; start the server on it once, so that they get into the journal"
        )),
    }
}

/// How many reports lie in a database that the journal does not know of.
pub(super) fn unshared_in(url: &StoreUrl) -> Result<Unshared, JournalError> {
    server::unshared(url)
}

/// Checks the journal in a database as [`super::verify`] checks a folder: by a copy of it in a file that
/// is thrown away, all of one moment. Changes nothing and may run beside the server.
///
/// # Errors
/// Where the database cannot be read, or the copy not be written.
pub fn verify_database(
    url: &StoreUrl,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    verify_database_beside(url, None, None, progress)
}

/// As [`verify_database`], and against what a node that writes it, or did, has in its folder: the key of checkpoints and
/// a mark; and against a checkpoint that was written down elsewhere.
///
/// # Errors
/// As [`verify_database`].
pub fn verify_database_beside(
    url: &StoreUrl,
    node: Option<&Path>,
    noted: Option<Noted>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    let scratch = Scratch::new()?;
    // Before the snapshot is taken: beside a running server the mark moves on.
    let beside = node.map(|folder| beside(url, folder)).transpose()?.unwrap_or_default();
    let (photos, photo_faults) = {
        let mut source = ServerSide::snapshot(url)?;
        let mut target = FileSide::scratch(&scratch.0)?;
        for key in MARKS {
            let value = source.meta(key)?;
            target.set_meta(key, value.as_deref())?;
        }
        let total = total(&mut source)?;
        let mut done = 0;
        for table in std::iter::once(&ENTRY).chain(&STATE) {
            carry(&mut source, &mut target, table, &mut |rows| {
                done += rows;
                // The copy is the first half.
                progress(done.min(total) / 2, total);
            })?;
        }
        photos::check(&mut source)?
    };
    let mut found =
        verify_rows_beside(&scratch.0, beside, noted, &mut |done, of| progress(of / 2 + done / 2, of))?;
    found.photos = photos;
    found.faults_total += photo_faults.len() as u64;
    found.faults.extend(photo_faults);
    Ok(found)
}

/// What lies in the folder of a node on the database.
fn beside(url: &StoreUrl, folder: &Path) -> Result<Beside, JournalError> {
    let epoch = server::meta(url, "epoch")?.and_then(|text| read_epoch(&text));
    let epoch =
        epoch.ok_or_else(|| JournalError::Corrupt("the table meta has no sound epoch".to_owned()))?;
    postgis::beside(folder, epoch)
}

/// A folder of one's own that goes with the value.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, JournalError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| JournalError::Store(Box::new(e)))?;
        let name = format!("pantau-verify-{:016x}", u64::from_be_bytes(random));
        let path = std::env::temp_dir().join(name);
        let folder = |e: std::io::Error| {
            JournalError::Folder(format!("the folder {} for a copy cannot be made: {e}", path.display()))
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(folder)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a copy of the journal could not be deleted; delete it");
        }
    }
}

/// A journal that nobody else may open meanwhile.
struct Held(Box<dyn Journal>);

impl Held {
    fn open(
        place: &Place,
        city: Arc<City>,
        mode: FolderMode,
        is_target: bool,
    ) -> Result<Held, JournalError> {
        Ok(Held(match place {
            Place::Folder(dir) if !is_target && !file::is_there(dir) => {
                return Err(JournalError::Folder(format!("there is no journal in {}", dir.display())));
            }
            Place::Folder(dir) => Box::new(SqliteJournal::open_unfinished(dir, city, mode)?),
            Place::Database(url) => Box::new(PostgisJournal::open_unfinished(url, city, mode)?),
        }))
    }

    fn head(&self) -> Head {
        self.0.head()
    }

    /// The side itself, with the journal that keeps others out.
    fn side(self, place: &Place) -> Result<Box<dyn Side>, JournalError> {
        Ok(match place {
            Place::Folder(dir) => Box::new(FileSide::open(dir, self.0)?),
            Place::Database(url) => Box::new(ServerSide::open(url, self.0)?),
        })
    }
}

fn total(source: &mut dyn Side) -> Result<u64, JournalError> {
    std::iter::once(&ENTRY).chain(&STATE).map(|table| source.count(table)).sum()
}

fn copy(
    source: &mut dyn Side,
    target: &mut dyn Side,
    head: Head,
    to: &Place,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Copied, JournalError> {
    let head_row = row_of(source, head.seq)?;
    let mark = format!("{} {}", head.seq, hash_of(&head_row));
    begin(source, target, &mark, to)?;
    let total = total(source)?;
    let mut were_there = 0;
    for table in std::iter::once(&ENTRY).chain(&STATE) {
        were_there += target.count(table)?;
    }
    let mut done = were_there;
    for table in std::iter::once(&ENTRY).chain(&STATE) {
        carry(source, target, table, &mut |rows| {
            done += rows;
            tell(done, total);
        })?;
    }
    let mut rows = Vec::new();
    for table in std::iter::once(&ENTRY).chain(&STATE) {
        let (there, here) = (source.count(table)?, target.count(table)?);
        if there != here {
            return Err(JournalError::Corrupt(format!(
                "the copy has {here} rows of {}, where the source has {there}; empty {to} and migrate again",
                table.name
            )));
        }
        rows.push((table.name, here));
    }
    if row_of(target, head.seq)? != head_row {
        return Err(JournalError::Corrupt(format!(
            "the copy's newest entry is not the source's; empty {to} and migrate again"
        )));
    }
    let (photos, photos_missing, accounts) = Default::default();
    let head_hash = hash_of(&head_row);
    Ok(Copied { head: head.seq, head_hash, rows, were_there, photos, photos_missing, accounts })
}

/// Marks the target as a copy of this source that is not finished.
fn begin(source: &mut dyn Side, target: &mut dyn Side, mark: &str, to: &Place) -> Result<(), JournalError> {
    let before = target.meta(UNFINISHED)?;
    let last = target.last(&ENTRY)?;
    let other = || {
        JournalError::Folder(format!(
            "{to} holds a history of its own already; name an empty place for the copy"
        ))
    };
    if let Some(key) = last {
        let [Cell::Int(seq)] = key[..] else { return Err(other()) };
        let seq = Seq(seq.cast_unsigned());
        if before.is_none() || row_of(source, seq)? != row_of(target, seq)? {
            return Err(other());
        }
    }
    if before.as_deref() != Some(mark) {
        for table in &STATE {
            target.clear(table)?;
        }
    }
    target.set_meta(UNFINISHED, Some(mark))?;
    for key in MARKS {
        let value = source.meta(key)?;
        target.set_meta(key, value.as_deref())?;
    }
    Ok(())
}

/// Copies what the target has not yet of a table.
fn carry(
    source: &mut dyn Side,
    target: &mut dyn Side,
    table: &Table,
    tell: &mut dyn FnMut(u64),
) -> Result<(), JournalError> {
    let mut after = target.last(table)?;
    loop {
        let rows = source.read(table, after.as_deref(), ROWS)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last[..table.key].to_vec());
        target.write(table, &rows)?;
        tell(rows.len() as u64);
    }
}

/// The row of an entry; empty where there is none.
fn row_of(side: &mut dyn Side, seq: Seq) -> Result<Vec<Cell>, JournalError> {
    let before = Cell::Int(seq.0.cast_signed() - 1);
    Ok(side.read(&ENTRY, Some(&[before]), 1)?.pop().unwrap_or_default())
}

fn hash_of(entry: &[Cell]) -> String {
    match entry.last() {
        Some(Cell::Bytes(hash)) => hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => String::new(),
    }
}
