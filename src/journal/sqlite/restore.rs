//! A data folder made anew from a backup.
//!
//! Entries go in as they were stored, rows as `fold.rs` makes them of the entries: the same fold as
//! with any commit. The file is built beside its place, without the caution of a journal in use, then
//! proven from its first entry to its last, and only then put in its place, with the accounts: a restore
//! that was cut short or failed leaves no journal behind, and a backup that was tampered with becomes none.
//! What it leaves is known, so that it can be repeated in the same folder, and that no server is started there.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::append::update_derived;
use super::put::{self, Private, RowKeys};
use super::read::{self, incident_columns};
use super::verify::{VerifyReport, verify_file};
use super::{acts, erase, file_in, import_keys, merges, open, photos, sums};
use crate::journal::codec::Body;
use crate::journal::keys::Interner;
use crate::journal::photo_folder::{FOLDER, PhotoFolder};
use crate::journal::photos::{PhotoFiles, proven};
use crate::journal::{
    AccountStore, DerivedUpdate, HeldLock, Identity, IncidentRow, JournalError, StoredEntry, SurgeRow, fold,
};
use crate::model::{Fact, IncidentNo, MergeFact, PhotoName, ReportFact, ReportNo, Seq, TimeMs};

const CACHE_KIB: u32 = 65_536;
const PART: &str = "restore.part";
/// The accounts until they are put in place.
const STAGED: &str = "restore.accounts";
/// What may lie in a folder that is restored into: the lock, and what an earlier try left.
const OURS: [&str; 5] = ["lock", PART, "restore.part-journal", STAGED, FOLDER];

/// Whether a folder has what a restore left that was not finished.
pub(super) fn is_unfinished(dir: &Path) -> bool {
    !file_in(dir).exists() && (dir.join(PART).exists() || dir.join(STAGED).exists())
}

/// A journal that is being restored. Dropped before [`Proven::put_in_place`] it leaves nothing that a
/// server would open.
pub struct Restoring {
    dir: PathBuf,
    conn: Connection,
    keys: Interner,
    sources: HashMap<String, i64>,
    _lock: HeldLock,
}

impl Restoring {
    /// Begins in a new or empty folder. It gets an epoch of its own, since clients of the one before
    /// may hold what was lost; and the secret of before, so that codes and links stay good.
    ///
    /// # Errors
    /// [`JournalError::Folder`] where the folder is not empty; [`JournalError::InUse`] where another
    /// process restores into it.
    pub fn begin(dir: &Path, identity: &Identity) -> Result<Restoring, JournalError> {
        let folder = |what: std::io::Error| {
            JournalError::Folder(format!("the folder {} cannot be used: {what}", dir.display()))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
        // The accounts are put in place first, and the journal may have been on the way.
        let again = is_unfinished(dir);
        for entry in std::fs::read_dir(dir).map_err(folder)? {
            let name = entry.map_err(folder)?.file_name();
            let is_ours = OURS.iter().any(|ours| name == *ours) || again && name == AccountStore::FILE;
            if !is_ours {
                return Err(JournalError::Folder(format!(
                    "the folder {} is not empty ({} is there); a restore writes into a new or empty folder and overwrites nothing",
                    dir.display(),
                    name.display()
                )));
            }
        }
        let lock = open::lock(dir, &folder)?;
        let part = dir.join(PART);
        if again {
            // While the part says whose it is.
            remove(&dir.join(AccountStore::FILE)).map_err(folder)?;
        }
        for left in [&dir.join(OURS[2]), &dir.join(STAGED), &part] {
            remove(left).map_err(folder)?;
        }
        let mut conn = connect(&part)?;
        open::migrate(&mut conn)?;
        open::mark_new(&conn, &identity.city, identity.mode, Some(&identity.secret.0))?;
        conn.execute_batch("BEGIN")?;
        let (keys, sources) = Default::default();
        Ok(Restoring { dir: dir.to_owned(), conn, keys, sources, _lock: lock })
    }

    /// Takes in the next entries.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where one does not follow from those before it.
    pub fn entries(&mut self, entries: &[StoredEntry]) -> Result<(), JournalError> {
        for entry in entries {
            self.entry(entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &StoredEntry) -> Result<(), JournalError> {
        let (seq, at) = (entry.seq, entry.at);
        let body = Body::parse(seq, &entry.body)?;
        let kind = body.kind();
        let private = private(entry);
        self.conn
            .prepare_cached(put::ENTRY)?
            .execute(params![seq.0.cast_signed(), at.0, kind, entry.body, entry.hash])
            .map_err(|e| refused(seq, e))?;
        for part in body.erased_parts()? {
            erase::put(&self.conn, seq, &part)?;
        }
        let fact = body.into_fact(&self.keys, private.map(|(_, json)| json))?;
        photos::apply(&self.conn, at, seq, &fact)?;
        match fact {
            Fact::Report(report) => self.report(entry, &report),
            Fact::Action(action) => {
                put::action(&self.conn, seq, &action, private)?;
                let mut incident = self.incident(seq, action.incident)?;
                fold::act(&mut incident, seq, at, &action);
                self.put_incident(&incident)
            }
            Fact::Merge(merge) => self.merge(entry, kind, &merge, fold::merge),
            Fact::Split(split) => self.merge(entry, kind, &split, fold::split),
            Fact::Record(record) => acts::insert_record(&self.conn, seq, &record, private),
            Fact::Erasure(_) | Fact::Pack { .. } | Fact::Tick => Ok(()),
        }
    }

    fn merge(
        &mut self,
        entry: &StoredEntry,
        kind: &str,
        fact: &MergeFact,
        fold: impl Fn(&mut IncidentRow, Seq, TimeMs, &MergeFact),
    ) -> Result<(), JournalError> {
        merges::insert(&self.conn, entry.seq, kind, fact, private(entry))?;
        for no in [fact.absorbed, fact.into] {
            let mut incident = self.incident(entry.seq, no)?;
            fold(&mut incident, entry.seq, entry.at, fact);
            self.put_incident(&incident)?;
        }
        Ok(())
    }

    fn report(&mut self, entry: &StoredEntry, report: &ReportFact) -> Result<(), JournalError> {
        let (seq, at) = (entry.seq, entry.at);
        let area = report.area.map(|id| self.keys.area_code(id));
        let category = &self.keys.category_key(report.category);
        let keys = RowKeys { category, agency: None, area: area.as_deref() };
        put::report(&mut self.conn.prepare_cached(put::REPORT)?, (seq, at), report, &keys, private(entry))
            .map_err(|e| refused(seq, e))?;
        self.keys_of(entry, report.report, at)?;
        let incident = match &report.opens {
            Some(opening) => fold::opened(seq, at, report, opening),
            None => {
                let mut incident = self.incident(seq, report.incident)?;
                fold::join(&mut incident, seq, at, report);
                incident
            }
        };
        self.put_incident(&incident)
    }

    fn keys_of(&mut self, entry: &StoredEntry, no: ReportNo, at: TimeMs) -> Result<(), JournalError> {
        if let Some((source, digest)) = &entry.import {
            let id = match self.sources.get(source) {
                Some(id) => *id,
                None => {
                    let id = import_keys::add_source(&self.conn, source)?;
                    self.sources.insert(source.clone(), id);
                    id
                }
            };
            import_keys::add_key(&self.conn, id, digest, no)?;
        }
        for waiting_no in &entry.waiting {
            let put = sums::WAITING_CODE.put();
            let row = params![waiting_no.cast_signed(), at.0, no.0, None::<String>];
            self.conn.prepare_cached(&put)?.execute(row)?;
        }
        if let Some((key, digest)) = &entry.idempotency {
            let put = sums::IDEMPOTENCY.put();
            self.conn.prepare_cached(&put)?.execute(params![key, digest, no.0, at.0])?;
        }
        Ok(())
    }

    fn incident(&self, seq: Seq, no: IncidentNo) -> Result<IncidentRow, JournalError> {
        let sql = concat!("SELECT ", incident_columns!(), " FROM incident WHERE no = ?1");
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([no.0])?;
        let row = rows.next()?.map(|row| read::incident_row(row, &self.keys)).transpose()?;
        row.ok_or_else(|| {
            JournalError::Corrupt(format!(
                "entry {seq}: it is about incident {no}, which none before it opened",
                no = no.0
            ))
        })
    }

    fn put_incident(&self, row: &IncidentRow) -> Result<(), JournalError> {
        let agency = row.agency.map(|id| self.keys.agency_key(id));
        let area = row.area.map(|id| self.keys.area_code(id));
        let category = &self.keys.category_key(row.category);
        let keys = RowKeys { category, agency: agency.as_deref(), area: area.as_deref() };
        put::incident(&mut self.conn.prepare_cached(put::INCIDENT)?, row, &keys)
    }

    /// Takes in what the backup knows of hotspots, in the order in which it was written. Of a surge the
    /// newest day is kept: a piece that was written anew knows more than one after it.
    pub fn derived(&mut self, update: &DerivedUpdate) -> Result<(), JournalError> {
        let sql = "SELECT until_day FROM surge WHERE seq = ?1 AND projection = ?2 AND n = ?3";
        let mut known = self.conn.prepare_cached(sql)?;
        let mut is_newer = |row: &SurgeRow| {
            let key = params![row.seq.0.cast_signed(), row.projection.key(), row.n];
            let day: Option<String> = known.query_row(key, |row| row.get(0)).optional()?;
            Ok::<_, JournalError>(day.is_none_or(|day| row.until_day >= day))
        };
        let mut newer = Vec::new();
        for row in &update.surges {
            if is_newer(row)? {
                newer.push(row.clone());
            }
        }
        update_derived(&self.conn, &DerivedUpdate { surges: newer, ..update.clone() })
    }

    /// The names of the photos' files that the entries so far name.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn photos(&self) -> Result<Vec<PhotoName>, JournalError> {
        let rows = photos::of_entries(&self.conn, Seq(0), Seq(i64::MAX.cast_unsigned()))?;
        Ok(rows.iter().flat_map(|row| [row.photo.name, row.photo.thumb]).collect())
    }

    /// Takes in the file of a photo.
    ///
    /// # Errors
    /// Where it cannot be written, or is not of that name.
    pub fn photo(&self, name: PhotoName, bytes: Vec<u8>) -> Result<(), JournalError> {
        let bytes = proven(name, bytes)?;
        PhotoFolder::of(&self.dir).put(&[(name, &bytes)])
    }

    /// Accounts to be filled, that are put in place with the journal.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn accounts(&self) -> Result<AccountStore, JournalError> {
        AccountStore::in_folder(&self.dir.join(STAGED))
    }

    /// Proves all of it. Where [`VerifyReport`] names faults nothing may come of it.
    ///
    /// # Errors
    /// Where the file cannot be written or read.
    pub fn prove(self, progress: &mut dyn FnMut(u64, u64)) -> Result<(VerifyReport, Proven), JournalError> {
        let Restoring { dir, conn, _lock, .. } = self;
        conn.execute_batch(import_keys::MERGE)?;
        conn.execute_batch("COMMIT")?;
        conn.close().map_err(|(_, error)| error)?;
        let found = verify_file(&dir.join(PART), progress)?;
        Ok((found, Proven { dir, _lock }))
    }
}

/// A journal that was restored and read to its end, not yet in its place.
pub struct Proven {
    dir: PathBuf,
    _lock: HeldLock,
}

impl Proven {
    /// Puts the accounts and the journal in their places, durably; the journal last. [`Restoring::accounts`] must be
    /// closed.
    ///
    /// # Errors
    /// Where the disk fails: then there is no journal.
    pub fn put_in_place(self) -> Result<(), JournalError> {
        let put = || {
            let (part, staged) = (self.dir.join(PART), self.dir.join(STAGED));
            let accounts = staged.join(AccountStore::FILE);
            let sync = |path: &Path| File::open(path)?.sync_all();
            sync(&part)?;
            if accounts.exists() {
                sync(&accounts)?;
                std::fs::rename(&accounts, self.dir.join(AccountStore::FILE))?;
            }
            sync(&self.dir)?;
            std::fs::rename(&part, file_in(&self.dir))?;
            sync(&self.dir)?;
            remove(&staged)
        };
        put().map_err(|e: std::io::Error| JournalError::Store(Box::new(e)))
    }

    /// Takes away what was made.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn throw_away(self) -> Result<(), JournalError> {
        let gone = [STAGED, PART].iter().try_for_each(|left| remove(&self.dir.join(left)));
        gone.map_err(|e| JournalError::Store(Box::new(e)))
    }
}

/// Removes a file, or a folder with all in it, where it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn private(entry: &StoredEntry) -> Private<'_> {
    entry.private.as_ref().map(|part| (part.salt, part.json.as_str()))
}

/// The file is nobody's until it is whole and on the disk: no log beside it, no waiting for the disk.
fn connect(part: &Path) -> Result<Connection, JournalError> {
    let conn = Connection::open(part)?;
    conn.pragma_update(None, "application_id", open::APPLICATION_ID)?;
    conn.query_row("PRAGMA journal_mode = OFF", [], |row| row.get::<_, String>(0))?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    conn.set_prepared_statement_cache_capacity(32);
    sums::teach(&conn)?;
    Ok(conn)
}

/// A row that is there already, say: the backup holds an entry twice.
fn refused(seq: Seq, error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => {
            JournalError::Corrupt(format!("entry {seq}: {error}"))
        }
        _ => error.into(),
    }
}
