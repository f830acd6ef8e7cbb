//! Group commit: whoever finds a flush under way leaves its report in line, and the next to have the file writes all
//! that stand there, in one transaction and with one flush.

use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, JournalError, Kept, Waiting};

/// Where the answer to one report is put.
type Slot = Arc<Mutex<Option<Result<Kept, JournalError>>>>;

#[derive(Default)]
pub(super) struct Group {
    line: Mutex<Vec<(Waiting, Slot)>>,
}

impl Group {
    /// Answers once the report is durable, or is not to be. `take` waits for the file; `keep_all` writes all or none.
    pub fn write<G: DerefMut<Target = File>>(
        &self,
        report: Waiting,
        take: impl FnOnce() -> G,
        keep_all: impl Fn(&mut File, &[Waiting]) -> Result<Vec<Kept>, JournalError>,
    ) -> Result<Kept, JournalError> {
        let slot = Slot::default();
        self.line().push((report, slot.clone()));
        // Who stands in line was not written by anybody who had the file before; whoever had it since took all.
        let mut file = take();
        if let Some(answer) = taken(&slot) {
            return answer;
        }
        let (reports, slots): (Vec<Waiting>, Vec<Slot>) =
            std::mem::take(&mut *self.line()).into_iter().unzip();
        match keep_all(&mut file, &reports) {
            Ok(kept) => slots.iter().zip(kept).for_each(|(slot, kept)| put(slot, Ok(kept))),
            // This one alone.
            Err(error) if reports.len() == 1 => return Err(error),
            // One may be too large for what is left of the disk: each for itself.
            Err(_) => {
                for (report, slot) in reports.iter().zip(&slots) {
                    let kept = keep_all(&mut file, std::slice::from_ref(report));
                    put(slot, kept.and_then(|kept| kept.first().copied().ok_or_else(lost)));
                }
            }
        }
        taken(&slot).unwrap_or_else(|| Err(lost()))
    }

    fn line(&self) -> MutexGuard<'_, Vec<(Waiting, Slot)>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many stand in line.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.line().len()
    }
}

fn put(slot: &Slot, answer: Result<Kept, JournalError>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
}

fn taken(slot: &Slot) -> Option<Result<Kept, JournalError>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whoever wrote it died over it.
fn lost() -> JournalError {
    JournalError::Store("a report was not written to the spool".into())
}
