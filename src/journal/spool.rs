//! Reports taken while the database was away: `spool.db` in the data folder, durable before each is
//! acknowledged, until they are in the journal. Where another node writes by then, they go to it through
//! the database, which has a table of the same kind.
//!
//! A report is kept as it was sent, under its Idempotency-Key; every one has a key here. The journal
//! stores that key in the commit of the report, so a report that is handed on twice is stored once. What
//! was handed on is erased from here but for its code and number; its key's digest when the key counts no more.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

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
      refused     TEXT,                              -- why the journal did not take it
      handed_in   INTEGER NOT NULL DEFAULT 0         -- 1: it is in the database, for the writer
    ) STRICT;
    CREATE INDEX IF NOT EXISTS spooled_waiting ON spooled (place) WHERE body IS NOT NULL;";

/// Of what waits so much is held in memory at a time, and one report more: some come with photos.
pub(super) const WAITING_BYTES_MAX: usize = 32 << 20;

/// How often digests are looked for that are to be forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3_600);

pub struct Spool {
    conn: Mutex<Connection>,
    clock: Arc<dyn Clock>,
    /// Monotonic time at which digests were forgotten last.
    forgot: Mutex<Duration>,
    /// Held until the spool is dropped.
    _lock: HeldLock,
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

/// The answer to each place: the report's number in the journal, or why it is not there.
pub type Answers = [(i64, Result<ReportNo, String>)];

/// Where reports wait for the journal.
pub trait WaitingRoom: Send + Sync {
    /// The oldest that wait, in the order of their arrival; at least one where there is any.
    ///
    /// # Errors
    /// Where the store fails.
    fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, JournalError>;

    /// After the journal's answers, all at once.
    ///
    /// # Errors
    /// Where the store fails: they are handed on again, which the journal notices by their keys.
    fn handed_on(&self, answers: &Answers) -> Result<(), JournalError>;

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
}

impl Spool {
    /// Opens the spool in a data folder; makes it where there is none.
    ///
    /// # Errors
    /// [`JournalError::Folder`] where another process has it, or it cannot be made.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Spool, JournalError> {
        let folder = |what: std::io::Error| {
            JournalError::Folder(format!("the data folder {} cannot be used: {what}", dir.display()))
        };
        let path = dir.join("spool.lock");
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(folder)?;
        if lock.try_lock().is_err() {
            return Err(JournalError::Folder(format!(
                "the data folder {} is in use by another pantau; give each server one of its own with --data",
                dir.display()
            )));
        }
        let conn = Connection::open(dir.join("spool.db"))?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        // What was handed on is overwritten, not only unlinked.
        conn.pragma_update(None, "secure_delete", "ON")?;
        conn.execute_batch(TABLES)?;
        forget_digests(&conn, clock.now())?;
        let forgot = Mutex::new(clock.monotonic());
        Ok(Spool { conn: Mutex::new(conn), clock, forgot, _lock: HeldLock::of(lock) })
    }

    /// Once a day: what was handed on long ago is known by its key alone.
    fn forget_digests_if_due(&self, conn: &Connection) {
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if now.saturating_sub(*forgot) < FORGET_EVERY {
            return;
        }
        match forget_digests(conn, self.clock.now()) {
            Ok(()) => *forgot = now,
            Err(e) => {
                let error = &e as &dyn std::error::Error;
                tracing::warn!(error, "digests of what waited here could not be forgotten; trying again");
            }
        }
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut is rolled back by the next use.
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a report; it is durable when this returns. `draw` gives a number for its code.
    ///
    /// # Errors
    /// [`JournalError::Full`] and others of the disk: nothing was kept.
    pub fn keep(
        &self,
        key: &str,
        body_digest: [u8; 32],
        body: &[u8],
        received_at: TimeMs,
        draw: impl Fn() -> Result<u64, JournalError>,
    ) -> Result<Kept, JournalError> {
        let conn = self.conn();
        let sql = "SELECT waiting_no, body_digest FROM spooled WHERE key = ?1";
        let known = conn
            .prepare_cached(sql)?
            .query_row([key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
            .optional()?;
        if let Some((no, digest)) = known {
            let same = digest == body_digest;
            return Ok(if same { Kept::Under(no.cast_unsigned()) } else { Kept::OtherBody });
        }
        let no = draw()?;
        let sql = "INSERT INTO spooled (waiting_no, key, body_digest, received_at, body) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        conn.prepare_cached(sql)?.execute(params![
            no.cast_signed(),
            key,
            body_digest,
            received_at.0,
            body
        ])?;
        Ok(Kept::Under(no))
    }

    /// After they are in the database, for the writer.
    ///
    /// # Errors
    /// Where the disk fails: they are handed in again.
    pub fn handed_in(&self, reports: &[Waiting]) -> Result<(), JournalError> {
        let mut conn = self.conn();
        let tx = conn.transaction()?;
        for report in reports {
            let sql = "UPDATE spooled SET body = NULL, handed_in = 1 WHERE place = ?1";
            tx.prepare_cached(sql)?.execute([report.place])?;
        }
        Ok(tx.commit()?)
    }

    /// How many wait.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn waiting_count(&self) -> Result<u64, JournalError> {
        let sql = "SELECT count(*) FROM spooled WHERE body IS NOT NULL";
        Ok(self.conn().query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
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
        let conn = self.conn();
        self.forget_digests_if_due(&conn);
        let sql = "SELECT place, waiting_no, key, body_digest, received_at, body FROM spooled \
                   WHERE body IS NOT NULL ORDER BY place LIMIT ?1";
        let mut statement = conn.prepare_cached(sql)?;
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
        let mut conn = self.conn();
        let tx = conn.transaction()?;
        let sql = "UPDATE spooled SET body = NULL, report_no = ?2, refused = ?3 WHERE place = ?1";
        for (place, answer) in answers {
            let (no, refused) = match answer {
                Ok(no) => (Some(no.0), None),
                Err(why) => (None, Some(why)),
            };
            tx.prepare_cached(sql)?.execute(params![place, no, refused])?;
        }
        Ok(tx.commit()?)
    }

    fn whereabouts(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        let sql = "SELECT received_at, report_no, refused IS NOT NULL, handed_in FROM spooled \
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
        Ok(self.conn().query_row(sql, [no.cast_signed()], read).optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::model::HOUR_MS;
    use std::cell::Cell;

    fn open(dir: &Path, at: TimeMs) -> Result<Spool, JournalError> {
        Spool::open(dir, Arc::new(ManualClock::at(at)))
    }

    #[test]
    fn what_is_kept_waits_in_order_also_after_a_restart_and_is_erased_once_it_was_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path(), TimeMs(5)).unwrap();
        assert!(open(dir.path(), TimeMs(5)).err().unwrap().to_string().contains("in use"));
        let next = Cell::new(7);
        let draw = || Ok(next.replace(next.get() + 1));
        let keep = |spool: &Spool, key: &str, body: &str| {
            spool.keep(key, [body.len() as u8; 32], body.as_bytes(), TimeMs(5), draw).unwrap()
        };
        assert_eq!(keep(&spool, "a", "first"), Kept::Under(7));
        assert_eq!(keep(&spool, "b", "secret words"), Kept::Under(8));
        assert_eq!(keep(&spool, "a", "first"), Kept::Under(7), "the same again");
        assert_eq!(keep(&spool, "a", "other body"), Kept::OtherBody);
        drop(spool);
        let spool = open(dir.path(), TimeMs(5)).unwrap();
        let waiting = spool.waiting(10).unwrap();
        assert_eq!(waiting.iter().map(|w| w.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let answers = [(waiting[0].place, Err("no".to_owned())), (waiting[1].place, Ok(ReportNo(3)))];
        spool.handed_on(&answers).unwrap();
        assert_eq!((spool.waiting(10).unwrap(), spool.waiting_count().unwrap()), (vec![], 0));
        assert_eq!(spool.whereabouts(8).unwrap(), Some(Whereabouts::InJournal(ReportNo(3))));
        assert_eq!(spool.whereabouts(7).unwrap(), Some(Whereabouts::Refused { received_at: TimeMs(5) }));
        assert_eq!(spool.whereabouts(9).unwrap(), None);
        assert_eq!(keep(&spool, "b", "secret words"), Kept::Under(8), "the key is known for good");
        let conn = spool.conn();
        conn.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
        let bytes = std::fs::read(dir.path().join("spool.db")).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"secret words"), "erased to the byte");
    }

    #[test]
    fn the_digest_of_what_was_handed_on_is_forgotten_after_three_days_and_the_key_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(TimeMs(0)));
        let spool = Spool::open(dir.path(), clock.clone()).unwrap();
        let next = Cell::new(7);
        let keep = |spool: &Spool, key: &str, n: u8| {
            let draw = || Ok(next.replace(next.get() + 1));
            spool.keep(key, [n; 32], b"body", TimeMs(0), draw).unwrap()
        };
        keep(&spool, "gone on", 171);
        keep(&spool, "waits", 172);
        let place = spool.waiting(10).unwrap()[0].place;
        spool.handed_on(&[(place, Ok(ReportNo(3)))]).unwrap();
        let stands_there = |n: u8| {
            let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
            files
                .map(|file| std::fs::read(file).unwrap())
                .any(|bytes| bytes.windows(32).any(|w| w == [n; 32]))
        };
        clock.advance_ms(72 * HOUR_MS);
        spool.waiting(10).unwrap();
        assert_eq!(keep(&spool, "gone on", 171), Kept::Under(7), "a phone may send it again until then");
        assert!(stands_there(171));
        clock.advance_ms(24 * HOUR_MS);
        assert_eq!(spool.waiting(10).unwrap().len(), 1);
        assert!(!stands_there(171) && stands_there(172));
        assert_eq!(keep(&spool, "gone on", 171), Kept::OtherBody, "it is never stored twice");
        assert_eq!(keep(&spool, "waits", 172), Kept::Under(8));
        drop(spool);
        let spool = open(dir.path(), TimeMs(0)).unwrap();
        let place = spool.waiting(10).unwrap()[0].place;
        spool.handed_on(&[(place, Ok(ReportNo(4)))]).unwrap();
        drop(spool);
        drop(open(dir.path(), TimeMs(73 * HOUR_MS)).unwrap());
        assert!(!stands_there(172), "also when it is opened");
    }
}
