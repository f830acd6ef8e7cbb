//! Who writes: an advisory lock that ends with its session, a beat that stops with its process, and a
//! term that every commit is checked against.
//!
//! The lock and the beat only say when to take over; that there are never two writers follows from the
//! term alone. Whoever takes over raises it in the row that each commit holds locked: a commit of the
//! writer before is then either whole, and the new writer counts on from it, or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio_postgres::types::Type;

use super::Database;
use super::link::{Driver, Link};
use super::losses::went_back;
use super::rows::get;
use super::url::StoreUrl;
use crate::clock::{Clock, SystemClock};
use crate::journal::JournalError;

/// The advisory lock of the writer.
const WRITING: i64 = 0x504E_5455_0002;
/// The writer gives a sign of life this often.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Where none got through for this long the writer looks whether its own session still answers.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// One that gave none for this long is taken for dead.
pub(super) const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// Silence counts only where it was asked for at least this often.
const GAP_MAX: Duration = Duration::from_secs(1);
/// How often a writer that lost its session asks for the lock of that session, and how long between.
const TRIES: u32 = 40;
const TRY_EVERY: Duration = Duration::from_millis(50);

/// The right to write, held by a session.
pub(super) struct Held {
    pub link: Link,
    pub term: i64,
}

/// What is known of another writer.
#[derive(Debug, Clone, PartialEq)]
struct Sign {
    term: i64,
    beats: i64,
}

/// Watches a writer, to take its place.
pub(super) struct Watch {
    link: Option<Link>,
    clock: SystemClock,
    /// The newest sign of life, and since when there was no newer one.
    seen: Option<(Sign, Duration)>,
    asked: Duration,
}

impl Watch {
    pub fn new() -> Watch {
        Watch { link: None, clock: SystemClock::new(), seen: None, asked: Duration::ZERO }
    }

    /// Takes the right to write where nobody has it; `None` while another writer lives.
    pub fn try_take(&mut self, db: &Database, node: &str) -> Result<Option<Held>, JournalError> {
        let link = match self.link.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => Link::connect(&db.driver, &db.url)?,
        };
        let sql = "SELECT pg_try_advisory_lock($1), w.term, b.beats FROM writer w, writer_beat b";
        let row = link.first(sql, &[(&WRITING, Type::INT8)])?.ok_or_else(no_writer)?;
        if get(&row, 0)? {
            return raise(link, node).map(Some);
        }
        let sign = Sign { term: get(&row, 1)?, beats: get(&row, 2)? };
        let now = self.clock.monotonic();
        if now.saturating_sub(std::mem::replace(&mut self.asked, now)) > GAP_MAX {
            // The database, or this process itself, stood still: that says nothing of the writer.
            self.seen = None;
        }
        match &self.seen {
            Some((seen, since)) if *seen == sign => {
                if now.saturating_sub(*since) >= SILENCE_MAX {
                    tracing::warn!(
                        term = sign.term,
                        "the writer gives no sign of life; its session is ended"
                    );
                    end_session_of_writer(&link)?;
                    self.seen = Some((sign, now));
                }
            }
            _ => self.seen = Some((sign, now)),
        }
        self.link = Some(link);
        Ok(None)
    }
}

/// Ends the session under which the writer writes. Its transaction is then over, one way or the other.
fn end_session_of_writer(link: &Link) -> Result<(), JournalError> {
    let sql = "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a \
               JOIN writer w ON w.backend_pid = a.pid AND w.backend_start = a.backend_start";
    link.first(sql, &[]).map(drop)
}

/// Under the lock: a new term begins.
fn raise(link: Link, node: &str) -> Result<Held, JournalError> {
    let sql = "UPDATE writer SET term = term + 1, node = $1, backend_pid = pg_backend_pid(), backend_start = \
               (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) RETURNING term";
    let row = link.first(sql, &[(&node, Type::TEXT)])?.ok_or_else(no_writer)?;
    let term: i64 = get(&row, 0)?;
    link.execute("UPDATE writer_beat SET term = $1, beats = beats + 1", &[(&term, Type::INT8)])?;
    Ok(Held { link, term })
}

/// Comes back after a session was lost; nobody may have written meanwhile.
///
/// # Errors
/// [`JournalError::Fenced`] where another writer took over, [`JournalError::Lost`] where the database is an older one.
pub(super) fn retake(
    driver: &Arc<Driver>,
    url: &StoreUrl,
    node: &str,
    term: i64,
) -> Result<Held, JournalError> {
    let link = Link::connect(driver, url)?;
    let (_never, wait) = channel::<()>();
    for _ in 0..TRIES {
        let sql = "SELECT pg_try_advisory_lock($1), term, node FROM writer";
        let row = link.first(sql, &[(&WRITING, Type::INT8)])?.ok_or_else(no_writer)?;
        let there: i64 = get(&row, 1)?;
        if there < term {
            return Err(went_back());
        }
        if there > term || get::<&str>(&row, 2)? != node {
            return Err(fenced());
        }
        if get(&row, 0)? {
            return raise(link, node);
        }
        // The session that was lost may still be there, and in the middle of a commit.
        end_session_of_writer(&link)?;
        let _ = wait.recv_timeout(TRY_EVERY);
    }
    Err(JournalError::Away("still holds the session that was lost".to_owned()))
}

pub(super) fn fenced() -> JournalError {
    JournalError::Fenced(
        "another pantau has taken over the writing of this database; this one ends and may be started again as its standby"
            .to_owned(),
    )
}

fn no_writer() -> JournalError {
    JournalError::Corrupt("the table writer has no row; restore a backup".to_owned())
}

/// The writer's signs of life, from a thread and a session of their own.
pub(super) struct Beat {
    heart: Arc<Heart>,
    _stop: Sender<()>,
}

/// What a sign of life found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The term is still the writer's.
    Ours,
    Another,
    /// An older term: the database is an older one.
    Older,
}

#[derive(Default)]
struct Heart {
    clock: SystemClock,
    /// [`Found`], as a number.
    found: AtomicU8,
    /// When the newest one got through, in ms of the clock.
    beaten_ms: AtomicU64,
}

impl Heart {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Beat {
    pub fn start(driver: Arc<Driver>, url: StoreUrl, term: i64) -> Result<Beat, JournalError> {
        let heart = Arc::<Heart>::default();
        let (stop, stopped) = channel();
        let beating = heart.clone();
        std::thread::Builder::new()
            .name("writer-beat".to_owned())
            .spawn(move || beat(&driver, &url, term, &beating, &stopped))
            .map_err(|e| JournalError::Store(Box::new(e)))?;
        Ok(Beat { heart, _stop: stop })
    }

    /// Whether this is still the writer, as far as the newest sign of life that got through tells.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] where another writer took over, [`JournalError::Lost`] where the database is an older one.
    pub fn check(&self) -> Result<(), JournalError> {
        match self.heart.found.load(Ordering::Relaxed) {
            found if found == Found::Another as u8 => Err(fenced()),
            found if found == Found::Older as u8 => Err(went_back()),
            _ => Ok(()),
        }
    }

    /// Whether none got through for a while: the database may be away, or this machine busy.
    pub fn is_silent(&self) -> bool {
        let silent_ms = self.heart.now_ms().saturating_sub(self.heart.beaten_ms.load(Ordering::Relaxed));
        u128::from(silent_ms) > SILENT_AFTER.as_millis()
    }
}

fn beat(driver: &Arc<Driver>, url: &StoreUrl, term: i64, heart: &Heart, stopped: &Receiver<()>) {
    let mut link: Option<Link> = None;
    while stopped.recv_timeout(BEAT_EVERY) == Err(RecvTimeoutError::Timeout) {
        let beaten = match link.take() {
            Some(link) => once(&link, term).map(|found| (link, found)),
            None => connect(driver, url).and_then(|link| once(&link, term).map(|found| (link, found))),
        };
        match beaten {
            Ok((same, found)) => {
                heart.found.store(found as u8, Ordering::Relaxed);
                heart.beaten_ms.store(heart.now_ms(), Ordering::Relaxed);
                if found != Found::Ours {
                    return;
                }
                link = Some(same);
            }
            Err(error) => tracing::debug!(%error, "the writer's sign of life did not get through"),
        }
    }
}

fn connect(driver: &Arc<Driver>, url: &StoreUrl) -> Result<Link, JournalError> {
    let link = Link::connect(driver, url)?;
    link.run("SET synchronous_commit = off; SET lock_timeout = '1s'")?;
    Ok(link)
}

fn once(link: &Link, term: i64) -> Result<Found, JournalError> {
    let sql = "UPDATE writer_beat SET beats = beats + 1 WHERE term = $1";
    if link.execute(sql, &[(&term, Type::INT8)])? == 1 {
        return Ok(Found::Ours);
    }
    let row = link.first("SELECT term FROM writer_beat", &[])?.ok_or_else(no_writer)?;
    Ok(if get::<i64>(&row, 0)? < term { Found::Older } else { Found::Another })
}
