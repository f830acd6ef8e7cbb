//! The threads of an edge: one applies, one asks the origin, a task hears the stream.
//!
//! Entries come by two ways and are applied by one hand, in order. The stream is the quick way; the origin
//! is asked now and then whether anything was missed, at once where something was, and all the time (it
//! holds the answer back until there is an entry) where the stream is away.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::hand::Hand;
use super::news::{Lineage, Told};
use super::origin::Origin;
use super::questions::{Questions, Verdict};
use super::snapshot::NodeSnapshot;
use super::status::EdgeStatus;
use super::stream::StreamAddress;
use crate::city::City;
use crate::clock::Clock;
use crate::engine::{Follower, Unheard};

/// News that wait to be applied; when it is full, the ways they come by wait.
pub(super) const NEWS_WAITING_MAX: usize = 256;

/// An edge that is about to follow.
pub struct Following {
    pub follower: Follower,
    pub lineage: Lineage,
    pub city: Arc<City>,
    pub clock: Arc<dyn Clock>,
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
    let Following { follower, lineage, city, clock, origin, stream, status } = following;
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
    let questions = Questions::new(lineage.clone(), city, status.clone());
    let asker = Asker { origin, questions, words, asked };
    std::thread::Builder::new().name("asker".to_owned()).spawn(move || asker.run())?;
    let applier = Applier { hand: Hand::new(follower, lineage, status), clock, ask };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("follower".to_owned()).spawn(move || {
        let ended = runtime.block_on(applier.run(heard, inbox));
        if let Some(hearing) = hearing {
            hearing.abort();
        }
        ended
    })
}

/// The one that applies.
struct Applier {
    hand: Hand,
    clock: Arc<dyn Clock>,
    ask: SyncSender<()>,
}

impl Applier {
    async fn run(mut self, mut heard: mpsc::Receiver<Word>, mut inbox: Unheard) -> Ended {
        loop {
            let asks_at = self.hand.asks_at();
            let until = asks_at.map_or(Duration::ZERO, |at| at.saturating_sub(self.clock.monotonic()));
            tokio::select! {
                () = inbox.closed() => return Ended::Stopped,
                word = heard.recv() => match word {
                    None => return Ended::Stopped,
                    Some(Word::Anew(snapshot)) => return Ended::Anew(snapshot),
                    Some(Word::Heard(told)) => self.take(told, "stream"),
                    Some(Word::Fetched(told, done)) => {
                        self.take(told, "origin");
                        let _ = done.send(());
                    }
                },
                () = tokio::time::sleep(until), if asks_at.is_some() => {
                    self.ask_origin();
                    self.hand.has_asked(self.clock.monotonic());
                }
            }
        }
    }

    fn take(&mut self, told: Told, way: &'static str) {
        let taken = self.hand.take(told, self.clock.monotonic());
        metrics::counter!("pantau_edge_entries_total", "by" => way).increment(taken.applied as u64);
        if taken.ask {
            self.ask_origin();
        }
    }

    fn ask_origin(&self) {
        // One that waits already asks for the same.
        let _: Result<(), TrySendError<()>> = self.ask.try_send(());
    }
}

/// The one that asks the origin.
struct Asker {
    origin: Origin,
    questions: Questions,
    words: mpsc::Sender<Word>,
    asked: Receiver<()>,
}

impl Asker {
    fn run(mut self) {
        while !self.words.is_closed() {
            self.ask();
            if let Err(RecvTimeoutError::Disconnected) = self.asked.recv_timeout(self.questions.pause()) {
                return;
            }
        }
    }

    fn ask(&mut self) {
        let question = self.questions.question();
        let answer = self.origin.news(question.after, question.limit, question.hold);
        let answer = answer.as_deref().map_err(ToString::to_string);
        match self.questions.answered(&question, answer) {
            Verdict::Take(told) => {
                let (done, applied) = sync_channel(1);
                if self.words.blocking_send(Word::Fetched(told, done)).is_ok() {
                    // Ends with an error where the hand is gone; then there is nothing more to ask.
                    let _ = applied.recv();
                }
            }
            Verdict::Anew => {
                let snapshot = self.origin.snapshot();
                let snapshot = snapshot.as_deref().map_err(ToString::to_string);
                if let Some(snapshot) = self.questions.snapshot(snapshot) {
                    let _ = self.words.blocking_send(Word::Anew(Box::new(snapshot)));
                }
            }
            Verdict::Nothing => {}
        }
    }
}
