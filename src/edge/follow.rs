//! The threads of an edge: one applies, one asks the origin, a task hears the stream.
//!
//! Entries come by two ways and are applied by one hand, in order. The stream is the quick way; the origin
//! is asked now and then whether anything was missed, at once where something was, and all the time (it
//! holds the answer back until there is an entry) where the stream is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::desk::ENTRIES_MAX;
use super::news::{Lineage, News, Told};
use super::origin::Origin;
use super::snapshot::{NodeSnapshot, SnapshotFault};
use super::status::{EdgeStatus, Standing};
use super::stream::StreamAddress;
use crate::city::City;
use crate::engine::{Follower, Unheard};
use crate::model::{Entry, Seq};

/// News that wait to be applied; when it is full, the ways they come by wait.
pub(super) const NEWS_WAITING_MAX: usize = 256;
/// Entries that came before their turn; more are fetched again when it is theirs.
const EARLY_MAX: usize = 20_000;
/// The origin is asked this often although the stream brings everything.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long the origin holds its answer back where there is no stream.
const HOLD: Duration = Duration::from_millis(2_500);
/// What is missing may be on its way for this long before the origin is asked for it.
const GRACE: Duration = Duration::from_millis(300);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// An edge that is about to follow.
pub struct Following {
    pub follower: Follower,
    pub lineage: Lineage,
    pub city: Arc<City>,
    pub origin: Origin,
    pub stream: Option<StreamAddress>,
    pub status: Arc<EdgeStatus>,
}

/// Why an edge follows no more.
pub enum Ended {
    /// Nobody needs it any more.
    Stopped,
    /// The origin has another history now: go on from this.
    Anew(Box<NodeSnapshot>),
}

/// What reaches the hand that applies.
pub(super) enum Word {
    /// By the stream.
    Heard(Told),
    /// From the origin; it asks on when this was applied.
    Fetched(Told, SyncSender<()>),
    Anew(Box<NodeSnapshot>),
}

/// Follows on threads of its own until nobody holds the engine that `inbox` belongs to.
///
/// # Errors
/// Where the system gives no thread.
pub fn follow(following: Following, inbox: Unheard) -> std::io::Result<JoinHandle<Ended>> {
    let Following { follower, lineage, city, origin, stream, status } = following;
    let (words, heard) = mpsc::channel(NEWS_WAITING_MAX);
    // One question waits at most: it asks for all there is.
    let (ask, asked) = sync_channel(1);
    let hearing = stream.map(|address| {
        let listener = super::listen::Listener {
            address,
            city: city.clone(),
            status: status.clone(),
            words: words.clone(),
        };
        tokio::spawn(listener.run()).abort_handle()
    });
    let asker = Asker { origin, lineage: lineage.clone(), city, status: status.clone(), words, asked };
    std::thread::Builder::new().name("asker".to_owned()).spawn(move || asker.run())?;
    let hand = Hand { follower, lineage, status, ask, early: BTreeMap::new(), missing_since: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("follower".to_owned()).spawn(move || {
        let ended = runtime.block_on(hand.run(heard, inbox));
        if let Some(hearing) = hearing {
            hearing.abort();
        }
        ended
    })
}

/// The one that applies.
struct Hand {
    follower: Follower,
    lineage: Lineage,
    status: Arc<EdgeStatus>,
    ask: SyncSender<()>,
    /// Entries whose turn has not come.
    early: BTreeMap<Seq, Entry>,
    missing_since: Option<Instant>,
}

impl Hand {
    async fn run(mut self, mut heard: mpsc::Receiver<Word>, mut inbox: Unheard) -> Ended {
        loop {
            let grace_over = self.missing_since.map(|since| since + GRACE);
            tokio::select! {
                () = inbox.closed() => return Ended::Stopped,
                word = heard.recv() => match word {
                    None => return Ended::Stopped,
                    Some(Word::Anew(snapshot)) => return Ended::Anew(snapshot),
                    Some(Word::Heard(told)) => {
                        self.take(told, "stream");
                    }
                    Some(Word::Fetched(told, done)) => {
                        self.take(told, "origin");
                        let _ = done.send(());
                    }
                },
                () = sleep_until(grace_over.unwrap_or_else(Instant::now)), if grace_over.is_some() => {
                    self.ask_origin();
                    self.missing_since = Some(Instant::now());
                }
            }
        }
    }

    fn take(&mut self, told: Told, way: &'static str) {
        if told.lineage != self.lineage {
            // The stream may hold what is old; the origin knows.
            return self.ask_origin();
        }
        self.status.heard(told.head);
        let next = self.follower.seq().next();
        self.early.extend(told.entries.into_iter().filter(|e| e.seq >= next).map(|e| (e.seq, e)));
        let mut ready = Vec::new();
        let mut turn = next;
        while let Some(entry) = self.early.remove(&turn) {
            ready.push(entry);
            turn = turn.next();
        }
        while self.early.len() > EARLY_MAX {
            self.early.pop_last();
        }
        if let Err(e) = self.follower.apply(&ready) {
            // Only time can be wrong with them: the origin's history is not the one that is shown.
            self.status.set_stuck(Some(format!("{e}; start this edge again")));
        }
        metrics::counter!("pantau_edge_entries_total", "by" => way).increment(ready.len() as u64);
        self.missing_since = match self.missing_since {
            _ if self.status.behind() == 0 => None,
            Some(since) if ready.is_empty() => Some(since),
            _ => Some(Instant::now()),
        };
    }

    fn ask_origin(&self) {
        // One that waits already asks for the same.
        let _: Result<(), TrySendError<()>> = self.ask.try_send(());
    }
}

/// The one that asks the origin.
struct Asker {
    origin: Origin,
    lineage: Lineage,
    city: Arc<City>,
    status: Arc<EdgeStatus>,
    words: mpsc::Sender<Word>,
    asked: Receiver<()>,
}

/// How an answer was.
enum Asked {
    /// Everything is known that the origin has.
    UpToDate,
    MoreToCome,
    Failed,
}

impl Asker {
    fn run(self) {
        let mut failed = 0;
        while !self.words.is_closed() {
            let stream_is_up = self.status.stream_is_up();
            let asked = self.ask(if stream_is_up { Duration::ZERO } else { HOLD });
            failed = if let Asked::Failed = asked { failed + 1 } else { 0 };
            let wait = match asked {
                Asked::UpToDate if stream_is_up => ASK_EVERY,
                Asked::UpToDate | Asked::MoreToCome => Duration::ZERO,
                Asked::Failed => (PAUSE_MIN * failed).min(PAUSE_MAX),
            };
            if let Err(RecvTimeoutError::Disconnected) = self.asked.recv_timeout(wait) {
                return;
            }
        }
    }

    fn ask(&self, hold: Duration) -> Asked {
        let after = self.status.seq();
        metrics::counter!("pantau_edge_questions_total").increment(1);
        let bytes = match self.origin.news(after, ENTRIES_MAX, hold) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.status.set_origin(Standing::Away(e.to_string()));
                return Asked::Failed;
            }
        };
        let told = match News::read(&bytes, &self.city) {
            Ok(told) => told,
            Err(why) => {
                self.status.set_origin(Standing::Away(format!("its answer cannot be read: {why}")));
                return Asked::Failed;
            }
        };
        self.status.set_origin(Standing::Up);
        if told.lineage != self.lineage || told.head < after {
            return self.begin_anew(&told, after);
        }
        self.status.set_stuck(None);
        let reached = told.entries.last().map_or(after, |entry| entry.seq);
        let asked = if told.head > reached { Asked::MoreToCome } else { Asked::UpToDate };
        let (done, applied) = sync_channel(1);
        if self.words.blocking_send(Word::Fetched(told, done)).is_ok() {
            // Ends with an error where the hand is gone; then there is nothing more to ask.
            let _ = applied.recv();
        }
        asked
    }

    /// The origin has another history, names for senders or city pack than what is shown here.
    fn begin_anew(&self, told: &Told, after: Seq) -> Asked {
        if told.lineage.pack != self.lineage.pack {
            let (origin, ours) = (told.lineage.pack.clone(), self.lineage.pack.clone());
            self.status.set_stuck(Some(SnapshotFault::OtherPack { origin, ours }.to_string()));
            return Asked::Failed;
        }
        if told.lineage == self.lineage {
            tracing::error!(
                "the origin is at {}, this edge at {after}: the origin has lost entries",
                told.head
            );
        }
        let snapshot = self.origin.snapshot().map_err(|e| e.to_string());
        let decoded = snapshot.and_then(|bytes| {
            NodeSnapshot::decode(&bytes, &self.city).map_err(|e: SnapshotFault| e.to_string())
        });
        match decoded {
            Ok(snapshot) => {
                let _ = self.words.blocking_send(Word::Anew(Box::new(snapshot)));
            }
            Err(why) => self.status.set_stuck(Some(why)),
        }
        Asked::Failed
    }
}
