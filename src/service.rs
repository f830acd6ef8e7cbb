//! What the service manager is told: that the server serves, that its commit path moves, that it stops.
//!
//! The watchdog is fed by an empty batch that went through the engine's loop, and by nothing else: a thread
//! that hangs in the disk's hand answers none, a journal that failed refuses it, and the service manager
//! starts the server again. A timer that ran by itself would feed it for ever.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::engine::EngineProbe;

/// Asks the service manager for more time until the server serves. Costs nothing where there is none.
pub fn start_takes_longer(by: Duration) {
    say(&[NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))]);
}

fn say(state: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!(error = %e, "the service manager could not be told");
    }
}

/// What is said, and to whom: the socket of the service manager, or a test.
pub type Notify = Arc<dyn Fn(&[NotifyState]) + Send + Sync>;

/// Tells the service manager how the server is, until it is dropped. Costs nothing where there is none.
pub struct Service {
    notify: Notify,
    feeding: Option<JoinHandle<()>>,
}

impl Service {
    /// Says that the server serves, and begins to feed the watchdog where there is one. Must be called
    /// within a runtime.
    pub fn start(probe: EngineProbe) -> Service {
        Service::telling(Arc::new(say), sd_notify::watchdog_enabled(), probe)
    }

    /// The same, to whoever is named. `watchdog`: it must be fed within this time.
    pub fn telling(notify: Notify, watchdog: Option<Duration>, probe: EngineProbe) -> Service {
        notify(&[NotifyState::Ready]);
        let feeding = watchdog.map(|within| tokio::spawn(feed(notify.clone(), within, probe)));
        Service { notify, feeding }
    }

    /// Says that the server stops for good. One that is dropped without this begins anew.
    pub fn stop(self) {
        (self.notify)(&[NotifyState::Stopping]);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(feeding) = &self.feeding {
            feeding.abort();
        }
    }
}

/// Three times in the time that is given, so that one slow commit is no death.
async fn feed(notify: Notify, within: Duration, probe: EngineProbe) {
    let mut turn = interval(within / 3);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        match timeout(within, probe.answers()).await {
            Ok(true) => notify(&[NotifyState::Watchdog]),
            Ok(false) => tracing::error!("the engine refuses; the watchdog is not fed"),
            Err(_) => {
                tracing::error!("the engine has not answered for {within:?}; the watchdog is not fed")
            }
        }
    }
}
