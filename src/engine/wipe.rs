//! After an erasure: what it erased goes from the disk too.
//!
//! The journal empties its log, then the snapshot of before, which may hold exact places, is deleted and
//! one is written anew. A reader of an older moment can hold the first up for a while: it is tried again,
//! a few times a second, and the loop goes on meanwhile.

use std::time::Duration;

use super::core::Core;
use crate::model::Seq;

/// How long to the next try.
const TRY_EVERY: Duration = Duration::from_millis(200);

impl Core {
    /// How long the loop may wait; `wait` is how long it would.
    pub(super) fn until_wiping(&self, wait: Option<Duration>) -> Option<Duration> {
        match self.wipe_due {
            Some(_) if !self.has_failed() => Some(wait.map_or(TRY_EVERY, |wait| wait.min(TRY_EVERY))),
            _ => wait,
        }
    }

    /// Tries to make the bytes of what was erased be gone.
    pub(super) fn wipe_if_due(&mut self) {
        let Some(seq) = self.wipe_due.filter(|_| !self.has_failed() && !self.away && !self.fenced) else {
            return;
        };
        match self.journal.wipe() {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => {
                let error = &e as &dyn std::error::Error;
                return tracing::warn!(
                    error,
                    "what was erased is still in the write-ahead log; trying again"
                );
            }
        }
        if let Some(saving) = &mut self.saving
            && let Err(e) = saving.save_anew(self.writer.map())
        {
            return tracing::warn!(error = %e, "the snapshot of before the erasure cannot be deleted; trying again");
        }
        self.wipe_due = None;
        self.wiped.send_replace(seq);
        tracing::info!(%seq, "what was erased is gone from the disk");
    }

    /// Says that the newest entries erased something.
    pub(super) fn wipe_soon(&mut self, seq: Seq) {
        self.wipe_due = Some(seq);
    }
}
