//! What the commands know of time: now, how long something took, and waiting that Ctrl-C ends.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::model::TimeMs;

/// The machine's time.
pub fn now() -> TimeMs {
    SystemClock::new().now()
}

/// Real time since it was started.
pub struct Stopwatch(SystemClock);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(SystemClock::new())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}

/// Whether the user asked to stop. A cheap handle: clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Set by the first Ctrl-C; a second one ends the process at once.
    pub fn on_ctrl_c() -> Stop {
        let stop = Stop::default();
        let handle = stop.clone();
        // The one thing that this needs a runtime for; it waits on a thread of its own.
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else {
                return;
            };
            runtime.block_on(async {
                if tokio::signal::ctrl_c().await.is_ok() {
                    handle.set();
                }
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(130);
                }
            });
        });
        stop
    }

    pub fn set(&self) {
        let (asked, wake) = &*self.0;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; answers early, with `true`, where the user asked to stop.
    pub fn wait(&self, duration: Duration) -> bool {
        let (asked, wake) = &*self.0;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = wake.wait_timeout_while(asked, duration, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
