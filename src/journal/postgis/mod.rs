//! The journal in a PostgreSQL database with PostGIS.
//!
//! - The same contract, tables and rules as the file's; see `migrations/postgis/`. Geometry follows from
//!   the rows' whole numbers by generated columns, so no code of ours writes any.
//! - One writer at a time, kept so by a term that each commit is checked against ([`term`]); another
//!   process may follow and take its place.
//! - A commit is one round trip: everything is sent at once, in arrays, and COMMIT behind it; only what
//!   commands ask for by number or key is fetched before.
//! - The log is sealed under a key that lies in the folder of the node that writes ([`seals`]).
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
mod losses;
mod merges;
mod open;
mod photos;
mod read;
mod read_derived;
mod room;
mod rows;
mod seals;
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
pub(super) use losses::beside;
pub(super) use open::{coarsen, meta, prepare_tables};
pub(super) use rows::get;
pub use standby::PostgisStandby;
pub use url::StoreUrl;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use self::losses::Stand;
use self::read::PostgisReader;
use self::session::Session;
use self::term::Beat;
use super::checkpoint::Key;
use super::codec::Encoder;
use super::mark::Mark;
use super::{DerivedUpdate, FolderMode, Head, Journal, JournalError, Reader, Standby, io_failure};
use crate::city::City;
use crate::health::{Condition, Health};
use crate::model::{Command, Epoch, Outcome, Secret, Seq, TimeMs};

/// A writer that was fenced ends within this.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// A session that is looked at while nothing is written answers within this.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How often the right to write is asked for, a fraction of a second apart, before somebody else has it.
const TRIES_AT_OPENING: u32 = 5;

/// A database that was opened, to be written or followed.
struct Database {
    url: StoreUrl,
    driver: Arc<Driver>,
    city: Arc<City>,
    /// As it was when it was opened.
    epoch: Epoch,
    secret: Secret,
    promise: Promise,
    health: Health,
    /// Of this node: what is derived may be kept there.
    folder: Option<PathBuf>,
    /// Of this node's checkpoints, from its folder; or why there is none, though there should be.
    key: Result<Option<Key>, String>,
    reader: Arc<PostgisReader>,
}

impl Database {
    fn key(&self) -> Result<Option<Key>, JournalError> {
        self.key.clone().map_err(JournalError::Folder)
    }
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
    /// The newest entry of ours that is durable.
    stand: Stand,
    /// The same, in the node's folder.
    mark: Option<Mark>,
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
        mut session: Session,
    ) -> Result<PostgisJournal, JournalError> {
        if let Some(loss) = losses::look(&db, &session.link, session.epoch, session.last.seq)? {
            losses::count_anew(&db, &mut session, &loss)?;
        }
        losses::say(&db);
        let mut journal = PostgisJournal {
            beat: Beat::start(db.driver.clone(), db.url.clone(), session.term)?,
            term: session.term,
            last: head(&session),
            stand: Stand::of(&session),
            mark: losses::mark(&db, session.epoch),
            session: Some(session),
            db,
            node,
            encoder: Encoder::default(),
            prune_at: TimeMs::MIN,
            coming_back: None,
        };
        journal.set_mark();
        Ok(journal)
    }

    fn set_mark(&mut self) {
        if let Some(mark) = self.mark.as_mut().filter(|_| self.stand.seq > Seq(0)) {
            mark.set(self.stand.seq, &self.stand.hash);
        }
    }

    /// A session that came back takes the place of the one that was lost.
    fn come_back(&mut self, session: Session) -> Result<Head, JournalError> {
        self.beat = Beat::start(self.db.driver.clone(), self.db.url.clone(), session.term)?;
        self.term = session.term;
        self.last = head(&session);
        self.stand = Stand::of(&session);
        self.session = Some(session);
        self.set_mark();
        Ok(self.last)
    }
}

fn head(session: &Session) -> Head {
    Head { epoch: session.epoch, seq: session.last.seq, at: session.last.at }
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
        self.beat.check()?;
        let Some(mut session) = self.session.take() else {
            return Err(JournalError::Away("has not come back yet".to_owned()));
        };
        let result = append::append(self, &mut session, commands, now, derived);
        // The session is dropped with whatever it was in the middle of.
        if matches!(result, Err(JournalError::Away(_) | JournalError::Fenced(_))) {
            return result;
        }
        let before = std::mem::replace(&mut self.last, head(&session));
        self.stand = Stand::of(&session);
        self.session = Some(session);
        if self.last != before {
            self.set_mark();
        }
        if matches!(result, Err(JournalError::Full)) {
            room::say_full(&self.db.health);
        } else if result.is_ok() && (self.last != before || derived.is_some()) {
            self.db.health.clear(Condition::DiskFull);
        }
        result
    }

    fn check(&mut self) -> Result<(), JournalError> {
        self.beat.check()?;
        let Some(session) = &self.session else {
            return Err(JournalError::Away("does not answer".to_owned()));
        };
        let answer = if session.link.client.is_closed() {
            Err(JournalError::Away("ended the session".to_owned()))
        } else if self.beat.is_silent() {
            let asked = session.link.client.batch_execute("SELECT 1");
            session.link.driver().wait(LOOK_PATIENCE, asked)
        } else {
            Ok(())
        };
        answer.map_err(|error| {
            // Another session takes its place.
            self.session = None;
            match error {
                JournalError::Away(what) => JournalError::Away(what),
                other => JournalError::Away(format!("cannot be used now: {other}")),
            }
        })
    }

    fn resume(&mut self) -> Result<Option<Head>, JournalError> {
        if self.session.is_some() {
            return Ok(Some(self.last));
        }
        let Some(waiting) = &self.coming_back else {
            let (db, node, term, stand) = (self.db.clone(), self.node.clone(), self.term, self.stand);
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::Builder::new()
                .name("database-again".to_owned())
                .spawn(move || {
                    let held = term::retake(&db.driver, &db.url, &node, term);
                    // Where the journal is gone meanwhile, so is the session.
                    let session = held.and_then(|held| Session::begin(held, db.key()?));
                    let _ = sender.send(session.and_then(|session| {
                        stand.check(&session.link)?;
                        Ok(session)
                    }));
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
                    Err(error @ (JournalError::Away(_) | JournalError::Full)) => {
                        tracing::debug!("{error}");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        self.session.as_mut().map_or(Ok(()), seals::seal)?;
        self.mark.as_ref().map_or(Ok(()), |mark| mark.sync().map_err(io_failure))
    }

    fn try_again(&mut self) {
        let Some(session) = &self.session else { return };
        match room::look(&session.link) {
            Ok(()) => self.db.health.clear(Condition::DiskFull),
            Err(JournalError::Full) => {}
            Err(error) => {
                tracing::debug!("{error}");
                // It may be in the middle of the look: another one takes its place.
                self.session = None;
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
