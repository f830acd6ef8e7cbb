//! A live map that follows entries which another node committed: an edge's, or a standby's.
//!
//! A follower decides nothing and makes no ticks; it applies what is in the log, in its order. Readers get
//! the same [`Moments`] from it as from an engine, and keep them when a standby becomes the writer.

use super::marks::StateMarks;
use super::publish::{Moments, Publisher};
use crate::live::{LiveMap, LiveWriter};
use crate::model::{Entry, Fact, Seq, TimeMs};

/// Why entries were not applied. None of those from the named one on was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// Some are missing: fetch them from the journal, then go on.
    #[error("entry {got} came where {expected} is next; those between are missing")]
    Hole { expected: Seq, got: Seq },
    /// It was applied before: leave it out.
    #[error("entry {got} came again; {expected} is next")]
    Back { expected: Seq, got: Seq },
    /// Not of this history.
    #[error("entry {seq} is of {at}, before the entry before it ({before})")]
    TimeFell { seq: Seq, at: TimeMs, before: TimeMs },
}

/// Owns a live map and publishes its moments.
pub struct Follower {
    writer: LiveWriter,
    publisher: Publisher,
}

impl Follower {
    /// Goes on from where the writer's map stands.
    pub fn new(writer: LiveWriter) -> Follower {
        Follower::marking(writer, StateMarks::default())
    }

    /// The same, whose moments are hashed into `marks`.
    pub fn marking(writer: LiveWriter, marks: StateMarks) -> Follower {
        let publisher = Publisher::marking(writer.map(), marks);
        Follower { writer, publisher }
    }

    /// The newest entry applied.
    pub fn seq(&self) -> Seq {
        self.writer.map().seq()
    }

    pub fn map(&self) -> &LiveMap {
        self.writer.map()
    }

    /// The moments as they come, without keeping the follower.
    pub fn moments(&self) -> Moments {
        self.publisher.moments()
    }

    /// Applies entries that follow the newest one without a gap, and publishes: at each tick, since all
    /// nodes show these, and at the end.
    ///
    /// # Errors
    /// At the first entry that does not follow; those before it are applied and published.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<(), FollowError> {
        let result = entries.iter().try_for_each(|entry| self.apply_one(entry));
        if self.publisher.seq() < self.seq() {
            self.publisher.publish(self.writer.map());
        }
        result
    }

    fn apply_one(&mut self, entry: &Entry) -> Result<(), FollowError> {
        let (expected, got) = (self.seq().next(), entry.seq);
        if got > expected {
            return Err(FollowError::Hole { expected, got });
        }
        if got < expected {
            return Err(FollowError::Back { expected, got });
        }
        let before = self.map().now();
        if entry.at < before {
            return Err(FollowError::TimeFell { seq: got, at: entry.at, before });
        }
        // What a tick derived is in the journal by the very next commit: here it is over.
        drop(self.writer.take_derived());
        self.writer.apply(std::slice::from_ref(entry));
        if entry.fact == Fact::Tick {
            self.publisher.publish(self.writer.map());
        }
        Ok(())
    }

    /// For a node that becomes the one writer. The writer holds what the newest entry derived, if that is
    /// a tick; the publisher goes on telling the same readers.
    pub fn into_writer(self) -> (LiveWriter, Publisher) {
        (self.writer, self.publisher)
    }
}
