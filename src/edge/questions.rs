//! What an edge asks its origin, when, and what it makes of the answers.
//!
//! No I/O: the thread that asks and a simulation drive it alike. The origin is asked now and then although
//! the stream brings everything, all the time (it holds the answer back) where there is no stream, and
//! again after a pause where it did not answer.

use std::sync::Arc;
use std::time::Duration;

use super::desk::ENTRIES_MAX;
use super::news::{Lineage, News, Told};
use super::snapshot::{NodeSnapshot, SnapshotFault};
use super::status::{EdgeStatus, Standing};
use crate::city::City;
use crate::model::Seq;

/// The origin is asked this often although the stream brings everything.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long the origin holds its answer back where there is no stream.
const HOLD: Duration = Duration::from_millis(2_500);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Entries after one, and how long the origin may wait for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub after: Seq,
    pub limit: usize,
    pub hold: Duration,
}

/// What is to be done about an answer.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The hand takes it; then comes the next question.
    Take(Told),
    /// The origin has another history: its snapshot is to be fetched.
    Anew,
    /// Nothing came that can be used.
    Nothing,
}

/// How the last answer was.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// Everything is known that the origin has.
    UpToDate,
    MoreToCome,
    /// So many in a row.
    Failed(u32),
}

pub struct Questions {
    lineage: Lineage,
    city: Arc<City>,
    status: Arc<EdgeStatus>,
    last: Asked,
    stream_was_up: bool,
}

impl Questions {
    /// `lineage` is that of what the edge shows.
    pub fn new(lineage: Lineage, city: Arc<City>, status: Arc<EdgeStatus>) -> Questions {
        Questions { lineage, city, status, last: Asked::MoreToCome, stream_was_up: false }
    }

    /// The next question.
    pub fn question(&mut self) -> Question {
        self.stream_was_up = self.status.stream_is_up();
        let hold = if self.stream_was_up { Duration::ZERO } else { HOLD };
        metrics::counter!("pantau_edge_questions_total").increment(1);
        Question { after: self.status.seq(), limit: ENTRIES_MAX, hold }
    }

    /// `answer` is [`News`] as JSON, or why there is none.
    pub fn answered(&mut self, question: &Question, answer: Result<&[u8], String>) -> Verdict {
        let told = answer.and_then(|bytes| {
            News::read(bytes, &self.city).map_err(|why| format!("its answer cannot be read: {why}"))
        });
        let told = match told {
            Ok(told) => told,
            Err(why) => {
                self.status.set_origin(Standing::Away(why));
                return self.failed(Verdict::Nothing);
            }
        };
        self.status.set_origin(Standing::Up);
        if told.lineage != self.lineage || told.head < question.after {
            let verdict = self.of_another_history(&told, question.after);
            return self.failed(verdict);
        }
        self.status.set_stuck(None);
        let reached = told.entries.last().map_or(question.after, |entry| entry.seq);
        self.last = if told.head > reached { Asked::MoreToCome } else { Asked::UpToDate };
        Verdict::Take(told)
    }

    /// How long the next question may wait where nobody wants it sooner.
    pub fn pause(&self) -> Duration {
        match self.last {
            Asked::UpToDate if self.stream_was_up => ASK_EVERY,
            Asked::UpToDate | Asked::MoreToCome => Duration::ZERO,
            Asked::Failed(n) => (PAUSE_MIN * n).min(PAUSE_MAX),
        }
    }

    /// Reads the snapshot of another history; `None` where it cannot be used, and the status says why.
    pub fn snapshot(&self, bytes: Result<&[u8], String>) -> Option<NodeSnapshot> {
        let decoded = bytes.and_then(|bytes| {
            NodeSnapshot::decode(bytes, &self.city).map_err(|e: SnapshotFault| e.to_string())
        });
        decoded.map_err(|why| self.status.set_stuck(Some(why))).ok()
    }

    fn failed(&mut self, verdict: Verdict) -> Verdict {
        let before = if let Asked::Failed(n) = self.last { n } else { 0 };
        self.last = Asked::Failed(before.saturating_add(1));
        verdict
    }

    /// The origin has another history, names for senders or city pack than what is shown here.
    fn of_another_history(&self, told: &Told, after: Seq) -> Verdict {
        if told.lineage.pack != self.lineage.pack {
            let (origin, ours) = (told.lineage.pack.clone(), self.lineage.pack.clone());
            self.status.set_stuck(Some(SnapshotFault::OtherPack { origin, ours }.to_string()));
            return Verdict::Nothing;
        }
        if told.lineage == self.lineage {
            tracing::error!(
                "the origin is at {}, this edge at {after}: the origin has lost entries",
                told.head
            );
        }
        Verdict::Anew
    }
}
