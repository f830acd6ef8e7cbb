//! The journal in a PostgreSQL database with PostGIS.
//!
//! - The same contract, tables and rules as the file's; see `migrations/postgis/`. Geometry follows from
//!   the rows' whole numbers by generated columns, so no code of ours writes any.
//! - One writer at a time, kept so by a term that each commit is checked against ([`term`]); another
//!   process may follow and take its place.
//! - A commit is one round trip: everything is sent at once, in arrays, and COMMIT behind it; only what
//!   commands ask for by number or key is fetched before.
//! - After a lost session nobody knows whether the last commit became durable. The journal then refuses
//!   until [`Journal::resume`] has asked.

mod append;
mod area;
mod batch;
mod columns;
mod derived;
mod erase;
mod hand_in;
mod link;
mod merges;
mod open;
mod photos;
mod read;
mod read_derived;
mod rows;
mod session;
mod standby;
mod term;
#[cfg(test)]
mod tests;
mod tls;
mod url;

pub(super) use area::put as put_areas;
pub use erase::vacuum_erased;
pub(super) use hand_in::unshared;
pub(super) use link::{Driver, Link, Param};
pub(super) use open::{coarsen, meta, prepare_tables};
pub(super) use rows::get;
pub use standby::PostgisStandby;
pub use url::StoreUrl;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use self::read::PostgisReader;
use self::session::Session;
use self::term::{Beat, fenced};
use super::codec::Encoder;
use super::{DerivedUpdate, FolderMode, Head, Journal, JournalError, Reader, Standby};
use crate::city::City;
use crate::health::Health;
use crate::model::{Command, Epoch, Outcome, Secret, TimeMs};

/// A writer that was fenced ends within this.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// How often the right to write is asked for, a fraction of a second apart, before somebody else has it.
const TRIES_AT_OPENING: u32 = 5;

/// A database that was opened, to be written or followed.
struct Database {
    url: StoreUrl,
    driver: Arc<Driver>,
    city: Arc<City>,
    epoch: Epoch,
    secret: Secret,
    promise: Promise,
    health: Health,
    /// Of this node: what is derived may be kept there.
    folder: Option<PathBuf>,
    reader: Arc<PostgisReader>,
}

/// What the database server's settings make of the promise that nothing acknowledged is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promise {
    /// What breaks it, each with what to do. Empty where it holds.
    broken: Vec<String>,
    /// `synchronous_commit` is off for others; sessions of the writer set it on.
    commit_is_asynchronous: bool,
}

pub struct PostgisJournal {
    db: Arc<Database>,
    /// Drawn at the start: by it the process knows its own term again.
    node: String,
    /// `None` while the database is away.
    session: Option<Session>,
    /// The term of the last session.
    term: i64,
    last: Head,
    beat: Beat,
    encoder: Encoder,
    /// When idempotency keys are looked through again for old ones.
    prune_at: TimeMs,
    coming_back: Option<Receiver<Result<Session, JournalError>>>,
}

impl PostgisJournal {
    /// Opens the database and takes the right to write.
    ///
    /// # Errors
    /// [`JournalError::Folder`] where another process writes it, it belongs to another city or mode, or
    /// it cannot be used; the words say what to do. [`JournalError::Away`] where it does not answer.
    pub fn open(url: &StoreUrl, city: Arc<City>, mode: FolderMode) -> Result<PostgisJournal, JournalError> {
        PostgisJournal::take(PostgisStandby::open(url, city, mode)?, url)
    }

    /// As [`PostgisJournal::open`], also where it holds a migration that was cut.
    pub(super) fn open_unfinished(
        url: &StoreUrl,
        city: Arc<City>,
        mode: FolderMode,
    ) -> Result<PostgisJournal, JournalError> {
        PostgisJournal::take(PostgisStandby::open_unfinished(url, city, mode)?, url)
    }

    fn take(mut standby: PostgisStandby, url: &StoreUrl) -> Result<PostgisJournal, JournalError> {
        for _ in 0..TRIES_AT_OPENING {
            if let Some(journal) = standby.take_now()? {
                return Ok(journal);
            }
            // The session of one that was stopped a moment ago may be about to end.
            Standby::wait(&mut standby);
        }
        Err(JournalError::Folder(format!(
            "the database {url} is written by another pantau; stop that one first (an import can go through it with --url)"
        )))
    }

    fn with_session(
        db: Arc<Database>,
        node: String,
        session: Session,
    ) -> Result<PostgisJournal, JournalError> {
        Ok(PostgisJournal {
            beat: Beat::start(db.driver.clone(), db.url.clone(), session.term)?,
            term: session.term,
            last: head(&db, &session),
            session: Some(session),
            db,
            node,
            encoder: Encoder::default(),
            prune_at: TimeMs::MIN,
            coming_back: None,
        })
    }

    /// A session that came back takes the place of the one that was lost.
    fn come_back(&mut self, session: Session) -> Result<Head, JournalError> {
        self.beat = Beat::start(self.db.driver.clone(), self.db.url.clone(), session.term)?;
        self.term = session.term;
        self.last = head(&self.db, &session);
        self.session = Some(session);
        Ok(self.last)
    }
}

fn head(db: &Database, session: &Session) -> Head {
    Head { epoch: db.epoch, seq: session.last.seq, at: session.last.at }
}

impl Journal for PostgisJournal {
    fn head(&self) -> Head {
        self.last
    }

    fn secret(&self) -> Secret {
        self.db.secret
    }

    fn folder(&self) -> Option<&Path> {
        self.db.folder.as_deref()
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        self.check()?;
        let Some(mut session) = self.session.take() else {
            return Err(JournalError::Away("has not come back yet".to_owned()));
        };
        let result = append::append(self, &mut session, commands, now, derived);
        match &result {
            // The session is dropped with whatever it was in the middle of.
            Err(JournalError::Away(_) | JournalError::Fenced(_)) => {}
            _ => {
                self.last = head(&self.db, &session);
                self.session = Some(session);
            }
        }
        result
    }

    fn check(&mut self) -> Result<(), JournalError> {
        if self.beat.is_fenced() { Err(fenced()) } else { Ok(()) }
    }

    fn resume(&mut self) -> Result<Option<Head>, JournalError> {
        if self.session.is_some() {
            return Ok(Some(self.last));
        }
        let Some(waiting) = &self.coming_back else {
            let (db, node, term) = (self.db.clone(), self.node.clone(), self.term);
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::Builder::new()
                .name("database-again".to_owned())
                .spawn(move || {
                    let held = term::retake(&db.driver, &db.url, &node, term);
                    // Where the journal is gone meanwhile, so is the session.
                    let _ = sender.send(held.and_then(Session::begin));
                })
                .map_err(|e| JournalError::Store(Box::new(e)))?;
            self.coming_back = Some(receiver);
            return Ok(None);
        };
        match waiting.try_recv() {
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => {
                self.coming_back = None;
                Ok(None)
            }
            Ok(result) => {
                self.coming_back = None;
                match result {
                    Ok(session) => self.come_back(session).map(Some),
                    Err(JournalError::Away(what)) => {
                        tracing::debug!("the database {what}");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn health(&self) -> Health {
        self.db.health.clone()
    }

    fn check_every(&self) -> Option<Duration> {
        Some(CHECK_EVERY)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.db.reader.clone()
    }
}

/// A writer that is stopped leaves its place at once.
impl Drop for PostgisJournal {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            // Where it fails, the end of the session does it.
            let _ = session.link.run("SELECT pg_advisory_unlock_all()");
        }
    }
}
