//! Who answers at a standby: its own thread may wait for the database, those who ask do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{EngineError, Job};
use crate::clock::Clock;
use crate::journal::JournalError;

/// A look at a database that stands still may take minutes: it is connected to anew, and each of that and of the
/// questions is given up after half a minute. One that takes longer than this hangs.
const LOOK_MAX: Duration = Duration::from_secs(300);

/// Says that this node stands by to whoever submits. A sign of life it gives for as long as the thread that
/// follows has one.
pub(super) struct Porter {
    /// Never sent: its end is the word.
    _stop: oneshot::Sender<()>,
    thread: JoinHandle<mpsc::Receiver<Job>>,
    clock: Arc<dyn Clock>,
    looked: Arc<AtomicU64>,
}

impl Porter {
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(mut jobs: mpsc::Receiver<Job>, clock: Arc<dyn Clock>) -> Result<Porter, JournalError> {
        let store = |e: std::io::Error| JournalError::Store(Box::new(e));
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(store)?;
        let (stop, mut stopped) = oneshot::channel::<()>();
        let looked = Arc::new(AtomicU64::new(millis(&*clock)));
        let (asked, seen) = (clock.clone(), looked.clone());
        let answer_all = move || {
            runtime.block_on(async {
                loop {
                    let job = tokio::select! {
                        biased;
                        _ = &mut stopped => return,
                        job = jobs.recv() => job,
                    };
                    let Some(Job { commands, reply }) = job else { return };
                    let silent_ms = millis(&*asked).saturating_sub(seen.load(Ordering::Relaxed));
                    let is_alive = u128::from(silent_ms) <= LOOK_MAX.as_millis();
                    let is_probe = commands.is_empty() && is_alive;
                    // Who went away meanwhile needs no answer.
                    let _ = reply.send(if is_probe { Ok(Vec::new()) } else { Err(EngineError::StandsBy) });
                }
            });
            jobs
        };
        let thread = std::thread::Builder::new().name("stands-by".to_owned()).spawn(answer_all);
        Ok(Porter { _stop: stop, thread: thread.map_err(store)?, clock, looked })
    }

    /// The thread that follows is alive.
    pub fn looked(&self) {
        self.looked.store(millis(&*self.clock), Ordering::Relaxed);
    }

    /// Whether nobody is left who could submit anything.
    pub fn is_alone(&self) -> bool {
        self.thread.is_finished()
    }

    /// Answers no more; what comes from now on waits.
    pub fn relieve(self) -> mpsc::Receiver<Job> {
        let Porter { _stop: stop, thread, .. } = self;
        drop(stop);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn millis(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::EngineProbe;
    use crate::model::{Command, TimeMs};

    #[tokio::test]
    async fn a_standby_is_alive_while_it_follows_and_takes_nothing() {
        let clock = Arc::new(ManualClock::at(TimeMs(0)));
        let (inbox, jobs) = mpsc::channel(4);
        let porter = Porter::start(jobs, clock.clone()).unwrap();
        let probe = EngineProbe(inbox.downgrade());
        let submit = async |commands| {
            let (reply, answer) = oneshot::channel();
            inbox.send(Job { commands, reply }).await.unwrap();
            answer.await.unwrap()
        };
        assert!(probe.answers().await);
        assert!(matches!(submit(vec![Command::Tick]).await, Err(EngineError::StandsBy)));
        clock.advance_ms(LOOK_MAX.as_millis() as i64);
        assert!(probe.answers().await, "a long look is no hang");
        clock.advance_ms(1);
        assert!(!probe.answers().await, "it hangs");
        porter.looked();
        assert!(probe.answers().await && !porter.is_alone());
        let mut jobs = porter.relieve();
        let (reply, _answer) = oneshot::channel();
        inbox.send(Job { commands: vec![Command::Tick], reply }).await.unwrap();
        assert_eq!(jobs.recv().await.unwrap().commands.len(), 1, "what comes after waits for the writer");
    }
}
