//! Reports taken while the database was away: `spool.db` in the data folder, durable before each is
//! acknowledged, until they are in the journal. Where another node writes by then, they go to it through
//! the database, which has a table of the same kind.
//!
//! A report is kept as it was sent, under its Idempotency-Key; every one has a key here. The journal
//! stores that key in the commit of the report, so a report that is handed on twice is stored once. What
//! was handed on is erased from here but for its code and number; its key's digest when the key counts no more.
//! What the journal does not take, say with another city pack, is set aside whole, and tried again at each start.

mod group;
mod known;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use self::group::Group;
pub use self::known::KnownDatabase;
use super::decide::IDEMPOTENCY_MS;
use super::{HeldLock, JournalError};
use crate::clock::Clock;
use crate::model::{ReportNo, TimeMs};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS spooled (
      place       INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of arrival
      waiting_no  INTEGER NOT NULL UNIQUE,           -- what its code says
      key         TEXT NOT NULL UNIQUE,              -- Idempotency-Key
      body_digest BLOB NOT NULL,
      received_at INTEGER NOT NULL,
      body        BLOB,                              -- what was sent, JSON or with photos; NULL once it was handed on
      report_no   INTEGER,                           -- in the journal, once it was handed on
      refused     TEXT,                              -- why the journal did not take it; with a body: set aside
      handed_in   INTEGER NOT NULL DEFAULT 0         -- 1: it is in the database, for the writer
    ) STRICT;
    CREATE INDEX IF NOT EXISTS spooled_waiting ON spooled (place) WHERE body IS NOT NULL;";

/// The file in the data folder.
const FILE: &str = "spool.db";
/// SQLite's own files beside it.
const BESIDE: [&str; 2] = ["spool.db-wal", "spool.db-shm"];

/// Of what waits so much is held in memory at a time, and one report more: some come with photos.
pub(super) const WAITING_BYTES_MAX: usize = 32 << 20;

/// How often digests are looked for that are to be forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3_600);

pub struct Spool {
    file: Mutex<File>,
    /// Reports that wait for the commit that is under way.
    group: Group,
    clock: Arc<dyn Clock>,
    /// Held until the spool is dropped.
    _lock: Option<HeldLock>,
}

struct File {
    conn: Connection,
    /// Monotonic time at which digests were forgotten last.
    forgot: Duration,
    /// The write-ahead log may hold bodies that were erased since.
    log_is_long: bool,
}

/// A report that is not in the journal yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub place: i64,
    /// What its code says.
    pub no: u64,
    pub key: String,
    pub body_digest: [u8; 32],
    pub received_at: TimeMs,
    pub body: Vec<u8>,
}

/// What became of a report that was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is durable here, under this number; also where it was kept before.
    Under(u64),
    /// The key was used before for another body.
    OtherBody,
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Also where it was set aside.
    Waiting {
        received_at: TimeMs,
    },
    InJournal(ReportNo),
    Refused {
        received_at: TimeMs,
    },
    /// It was handed in: the database knows more.
    HandedIn,
}

/// How many reports lie somewhere that are in no journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unshared {
    /// They go on by themselves.
    pub waiting: u64,
    /// The journal did not take them: somebody must look.
    pub set_aside: u64,
}

/// A report that is in no journal, for whoever looks after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldReport {
    /// What its code says.
    pub no: u64,
    pub received_at: TimeMs,
    /// Why it was set aside; `None` where it waits.
    pub why: Option<String>,
    /// As it was sent.
    pub body: Vec<u8>,
}

/// The answer to each place: the report's number in the journal, or why it is not there and never will be.
pub type Answers = [(i64, Result<ReportNo, String>)];

/// What became of the report under a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTold {
    /// What the code says.
    pub no: u64,
    pub received_at: TimeMs,
    /// As in [`Answers`].
    pub answer: Result<ReportNo, String>,
}

/// Where reports wait for the journal.
pub trait WaitingRoom: Send + Sync {
    /// The oldest that wait, in the order of their arrival; at least one where there is any.
    ///
    /// # Errors
    /// Where the store fails.
    fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, JournalError>;

    /// After the journal's answers, all at once: the bodies are erased.
    ///
    /// # Errors
    /// Where the store fails: they are handed on again, which the journal notices by their keys.
    fn handed_on(&self, answers: &Answers) -> Result<(), JournalError>;

    /// Sets reports aside that the journal cannot take as they are, with the reason of each: nothing of them is lost,
    /// and they hold up nobody.
    ///
    /// # Errors
    /// Where the store fails: they wait on.
    fn set_aside(&self, reports: &[(i64, String)]) -> Result<(), JournalError>;

    /// Lets what was set aside wait again.
    ///
    /// # Errors
    /// Where the store fails.
    fn take_up_again(&self) -> Result<(), JournalError>;

    /// # Errors
    /// Where the store fails.
    fn unshared(&self) -> Result<Unshared, JournalError>;

    /// What waits, and what was set aside, in the order of its arrival.
    ///
    /// # Errors
    /// Where the store fails.
    fn held(&self) -> Result<Vec<HeldReport>, JournalError>;

    /// Erases what waits or was set aside under a number, for good; `false` where there is nothing.
    ///
    /// # Errors
    /// Where the store fails.
    fn discard(&self, no: u64, why: &str) -> Result<bool, JournalError>;

    /// What became of the report under a number.
    ///
    /// # Errors
    /// Where the store fails.
    fn whereabouts(&self, no: u64) -> Result<Option<Whereabouts>, JournalError>;
}

/// The table of a database in which every node may leave reports for the writer.
pub trait HandIn: WaitingRoom {
    /// Leaves reports, each once; they are durable there when this returns.
    ///
    /// # Errors
    /// Where the store fails: handing them in again does no harm.
    fn hand_in(&self, reports: &[Waiting]) -> Result<(), JournalError>;

    /// Notes what became of codes, for every node to tell; durable when this returns.
    ///
    /// # Errors
    /// Where the store fails: noting them again does no harm.
    fn note_codes(&self, told: &[CodeTold]) -> Result<(), JournalError>;
}

impl Unshared {
    pub fn is_none(self) -> bool {
        self == Unshared::default()
    }
}

/// Refuses where the spool of a folder holds reports that are in no journal; `advice` says what to do.
///
/// # Errors
/// [`JournalError::Folder`] where it holds any; where the file cannot be read.
pub fn check_spool(dir: &Path, clock: Arc<dyn Clock>, advice: &str) -> Result<(), JournalError> {
    let Some(spool) = Spool::beside(dir, clock)? else { return Ok(()) };
    let Unshared { waiting, set_aside } = spool.unshared()?;
    let aside = match set_aside {
        0 => String::new(),
        n => format!(" ({n} of them set aside: `pantau waiting --data {}` shows why)", dir.display()),
    };
    match waiting + set_aside {
        0 => Ok(()),
        n => Err(JournalError::Folder(format!(
            "{n} report(s) that were acknowledged lie in {} and are in no journal yet{aside}; {advice}",
            dir.join(FILE).display()
        ))),
    }
}

impl Spool {
    /// Opens the spool in a data folder; makes it where there is none. What was set aside waits again.
    ///
    /// # Errors
    /// [`JournalError::Folder`] where another process has it, or it cannot be made.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Spool, JournalError> {
        let folder = |what: std::io::Error| {
            JournalError::Folder(format!("the data folder {} cannot be used: {what}", dir.display()))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
        let path = dir.join("spool.lock");
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(folder)?;
        if lock.try_lock().is_err() {
            return Err(JournalError::Folder(format!(
                "the data folder {} is in use by another pantau; give each server one of its own with --data",
                dir.display()
            )));
        }
        for_its_owner_alone(dir).map_err(folder)?;
        let spool = Spool::of(Connection::open(dir.join(FILE))?, clock, Some(HeldLock::of(lock)))?;
        spool.file().conn.execute_batch(TABLES)?;
        spool.file().conn.execute_batch(known::TABLE)?;
        spool.take_up_again()?;
        {
            let mut file = spool.file();
            forget_digests(&file.conn, spool.clock.now())?;
            // What a process that was killed left in the log.
            file.log_is_long = true;
            file.cut_log();
        }
        Ok(spool)
    }

    /// The spool of a folder whose server may be running, for a look and for [`WaitingRoom::discard`]; `None` where
    /// there is none.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn beside(dir: &Path, clock: Arc<dyn Clock>) -> Result<Option<Spool>, JournalError> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // One that was cut before its tables were made.
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'spooled'";
        if conn.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(None);
        }
        Spool::of(conn, clock, None).map(Some)
    }

    fn of(conn: Connection, clock: Arc<dyn Clock>, lock: Option<HeldLock>) -> Result<Spool, JournalError> {
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        // What was handed on is overwritten, not only unlinked.
        conn.pragma_update(None, "secure_delete", "ON")?;
        let file = File { conn, forgot: clock.monotonic(), log_is_long: false };
        Ok(Spool { file: Mutex::new(file), group: Group::default(), clock, _lock: lock })
    }

    fn file(&self) -> MutexGuard<'_, File> {
        // A transaction that a panic cut is rolled back by the next use.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a report; it is durable when this returns. `draw` gives a number for its code. Those that come while
    /// others are written are written together.
    ///
    /// # Errors
    /// [`JournalError::Full`] and others of the disk: nothing was kept.
    pub fn keep(
        &self,
        key: &str,
        body_digest: [u8; 32],
        body: Vec<u8>,
        received_at: TimeMs,
        draw: impl Fn() -> Result<u64, JournalError>,
    ) -> Result<Kept, JournalError> {
        let (place, no, key) = (0, draw()?, key.to_owned());
        let report = Waiting { place, no, key, body_digest, received_at, body };
        self.group.write(report, || self.file(), |file, reports| keep_all(&mut file.conn, reports))
    }

    /// After they are in the database, for the writer.
    ///
    /// # Errors
    /// Where the disk fails: they are handed in again.
    pub fn handed_in(&self, reports: &[Waiting]) -> Result<(), JournalError> {
        let mut file = self.file();
        let tx = file.conn.transaction()?;
        for report in reports {
            let sql = "UPDATE spooled SET body = NULL, handed_in = 1 WHERE place = ?1";
            tx.prepare_cached(sql)?.execute([report.place])?;
        }
        tx.commit()?;
        file.erased();
        Ok(())
    }
}

/// The file, and those that SQLite makes beside it, which get its mode: names and phones are in them.
fn for_its_owner_alone(dir: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join(FILE))?;
    for name in [FILE].iter().chain(&BESIDE) {
        match std::fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// All in one transaction.
fn keep_all(conn: &mut Connection, reports: &[Waiting]) -> Result<Vec<Kept>, JournalError> {
    let tx = conn.transaction()?;
    let kept = reports.iter().map(|report| keep_one(&tx, report)).collect::<Result<_, _>>()?;
    tx.commit()?;
    Ok(kept)
}

fn keep_one(conn: &Connection, report: &Waiting) -> Result<Kept, JournalError> {
    let sql = "SELECT waiting_no, body_digest FROM spooled WHERE key = ?1";
    let known = conn
        .prepare_cached(sql)?
        .query_row([&report.key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()?;
    if let Some((no, digest)) = known {
        let same = digest == report.body_digest;
        return Ok(if same { Kept::Under(no.cast_unsigned()) } else { Kept::OtherBody });
    }
    let sql = "INSERT INTO spooled (waiting_no, key, body_digest, received_at, body) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    conn.prepare_cached(sql)?.execute(params![
        report.no.cast_signed(),
        report.key,
        report.body_digest,
        report.received_at.0,
        report.body
    ])?;
    Ok(Kept::Under(report.no))
}

impl File {
    /// After bodies were erased.
    fn erased(&mut self) {
        self.log_is_long = true;
        self.cut_log();
    }

    /// Once nothing waits: what was erased goes out of the write-ahead log too. Where somebody reads just now, or the
    /// disk fails, it is tried again with the next look.
    fn cut_log(&mut self) {
        if !self.log_is_long {
            return;
        }
        let waits = "SELECT EXISTS (SELECT 1 FROM spooled WHERE body IS NOT NULL AND refused IS NULL)";
        let cut = self.conn.query_row(waits, [], |row| row.get(0)).and_then(|waits: bool| match waits {
            true => Ok(false),
            false => self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                // Whether it was held up.
                Ok(row.get::<_, i64>(0)? == 0)
            }),
        });
        match cut {
            Ok(cut) => self.log_is_long = !cut,
            Err(e) => {
                let error = &e as &dyn std::error::Error;
                tracing::warn!(error, "what was erased is still in spool.db-wal; trying again");
            }
        }
    }

    /// Once a day: what was handed on long ago is known by its key alone.
    fn forget_digests_if_due(&mut self, clock: &dyn Clock) {
        let now = clock.monotonic();
        if now.saturating_sub(self.forgot) < FORGET_EVERY {
            return;
        }
        match forget_digests(&self.conn, clock.now()) {
            Ok(()) => self.forgot = now,
            Err(e) => {
                let error = &e as &dyn std::error::Error;
                tracing::warn!(error, "digests of what waited here could not be forgotten; trying again");
            }
        }
    }
}

/// By the digest of all that was sent somebody could try what has gone since. The keys stay, so that who sends again
/// is refused, as in the journal after an erasure.
fn forget_digests(conn: &Connection, now: TimeMs) -> Result<(), JournalError> {
    let sql = "UPDATE spooled SET body_digest = zeroblob(32) \
               WHERE body IS NULL AND received_at < ?1 AND body_digest <> zeroblob(32)";
    if conn.execute(sql, [now.0 - IDEMPOTENCY_MS])? > 0 {
        // Out of the write-ahead log too.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

impl WaitingRoom for Spool {
    /// Asked again and again; forgets now and then what nobody needs.
    fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, JournalError> {
        let mut file = self.file();
        file.forget_digests_if_due(&*self.clock);
        file.cut_log();
        let sql = "SELECT place, waiting_no, key, body_digest, received_at, body FROM spooled \
                   WHERE body IS NOT NULL AND refused IS NULL ORDER BY place LIMIT ?1";
        let mut statement = file.conn.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| {
            Ok(Waiting {
                place: row.get(0)?,
                no: row.get::<_, i64>(1)?.cast_unsigned(),
                key: row.get(2)?,
                body_digest: row.get(3)?,
                received_at: TimeMs(row.get(4)?),
                body: row.get(5)?,
            })
        })?;
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        for row in rows {
            let row: Waiting = row?;
            bytes += row.body.len();
            waiting.push(row);
            if bytes > WAITING_BYTES_MAX {
                break;
            }
        }
        Ok(waiting)
    }

    fn handed_on(&self, answers: &Answers) -> Result<(), JournalError> {
        let mut file = self.file();
        let tx = file.conn.transaction()?;
        let sql = "UPDATE spooled SET body = NULL, report_no = ?2, refused = ?3 WHERE place = ?1";
        for (place, answer) in answers {
            let (no, refused) = match answer {
                Ok(no) => (Some(no.0), None),
                Err(why) => (None, Some(why)),
            };
            tx.prepare_cached(sql)?.execute(params![place, no, refused])?;
        }
        tx.commit()?;
        file.erased();
        Ok(())
    }

    fn set_aside(&self, reports: &[(i64, String)]) -> Result<(), JournalError> {
        let mut file = self.file();
        let tx = file.conn.transaction()?;
        for (place, why) in reports {
            let sql = "UPDATE spooled SET refused = ?2 WHERE place = ?1 AND body IS NOT NULL";
            tx.prepare_cached(sql)?.execute(params![place, why])?;
        }
        tx.commit()?;
        // The last that waited may have been one of these.
        file.cut_log();
        Ok(())
    }

    fn take_up_again(&self) -> Result<(), JournalError> {
        let sql = "UPDATE spooled SET refused = NULL WHERE body IS NOT NULL AND refused IS NOT NULL";
        self.file().conn.execute(sql, [])?;
        Ok(())
    }

    fn unshared(&self) -> Result<Unshared, JournalError> {
        let sql = "SELECT count(*) FILTER (WHERE refused IS NULL), count(*) FILTER (WHERE refused IS NOT NULL) \
                   FROM spooled WHERE body IS NOT NULL";
        let read = |row: &rusqlite::Row| {
            let count = |i| row.get::<_, i64>(i).map(i64::unsigned_abs);
            Ok(Unshared { waiting: count(0)?, set_aside: count(1)? })
        };
        Ok(self.file().conn.query_row(sql, [], read)?)
    }

    fn held(&self) -> Result<Vec<HeldReport>, JournalError> {
        let sql = "SELECT waiting_no, received_at, refused, body FROM spooled WHERE body IS NOT NULL ORDER BY place";
        let file = self.file();
        let mut statement = file.conn.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(HeldReport {
                no: row.get::<_, i64>(0)?.cast_unsigned(),
                received_at: TimeMs(row.get(1)?),
                why: row.get(2)?,
                body: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn discard(&self, no: u64, why: &str) -> Result<bool, JournalError> {
        let mut file = self.file();
        let sql = "UPDATE spooled SET body = NULL, body_digest = zeroblob(32), refused = ?2 \
                   WHERE waiting_no = ?1 AND body IS NOT NULL";
        let n = file.conn.execute(sql, params![no.cast_signed(), why])?;
        file.erased();
        Ok(n > 0)
    }

    fn whereabouts(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        let sql = "SELECT received_at, report_no, refused IS NOT NULL AND body IS NULL, handed_in FROM spooled \
                   WHERE waiting_no = ?1";
        let read = |row: &rusqlite::Row| {
            let received_at = TimeMs(row.get(0)?);
            Ok(match (row.get::<_, Option<u32>>(1)?, row.get(2)?, row.get(3)?) {
                (Some(no), ..) => Whereabouts::InJournal(ReportNo(no)),
                (None, true, _) => Whereabouts::Refused { received_at },
                (None, false, true) => Whereabouts::HandedIn,
                (None, false, false) => Whereabouts::Waiting { received_at },
            })
        };
        Ok(self.file().conn.query_row(sql, [no.cast_signed()], read).optional()?)
    }
}
