//! The only place that asks the time.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::model::TimeMs;

/// A wait that ends when a clock shows a time.
pub type Wait<'c> = Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// Says what time it is, and how fast it passes.
pub trait Clock: Send + Sync {
    /// The time of what happens now.
    fn now(&self) -> TimeMs;

    /// How many seconds of [`Clock::now`] pass in a second of real time; 0 where it stands.
    fn speed(&self) -> f64;

    /// Real time since some fixed moment; never falls.
    fn monotonic(&self) -> Duration;

    /// Waits until [`Clock::monotonic`] is `at`; by a clock that is moved by hand, until it was moved there. Must be
    /// awaited within a runtime with timers.
    fn until(&self, at: Duration) -> Wait<'_> {
        let rest = at.saturating_sub(self.monotonic());
        Box::pin(async move { tokio::time::sleep(rest).await })
    }
}

/// The machine's clock.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock is where the time is asked")]
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock is where the time is asked")]
    fn now(&self) -> TimeMs {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeMs(since_1970.as_millis() as i64)
    }

    fn speed(&self) -> f64 {
        1.0
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that a replay sets: it stands until it is set, then runs `speed` times faster.
pub struct ReplayClock {
    real: SystemClock,
    state: Mutex<ReplayState>,
}

#[derive(Clone, Copy)]
struct ReplayState {
    /// The time that was shown at `set_at` of the real clock.
    at: TimeMs,
    set_at: Duration,
    speed: f64,
}

impl ReplayState {
    fn now(&self, monotonic: Duration) -> TimeMs {
        let real_ms = monotonic.saturating_sub(self.set_at).as_secs_f64() * 1_000.0;
        self.at.plus_ms((real_ms * self.speed) as i64)
    }
}

impl ReplayClock {
    /// Stands at `at`: the newest entry's time.
    pub fn standing_at(at: TimeMs) -> ReplayClock {
        let real = SystemClock::new();
        let state = ReplayState { at, set_at: real.monotonic(), speed: 0.0 };
        ReplayClock { real, state: Mutex::new(state) }
    }

    /// From now on the time is `at` and passes `speed` times faster than real time.
    pub fn set(&self, at: TimeMs, speed: f64) {
        *self.lock() = ReplayState { at, set_at: self.real.monotonic(), speed };
    }

    /// Moves the clock forward to `at`; does nothing where it is there already.
    pub fn advance_to(&self, at: TimeMs) {
        let monotonic = self.real.monotonic();
        let mut state = self.lock();
        if state.now(monotonic) < at {
            *state = ReplayState { at, set_at: monotonic, ..*state };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ReplayState> {
        // The state is one plain value: a panic cannot leave it half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> TimeMs {
        self.lock().now(self.real.monotonic())
    }

    fn speed(&self) -> f64 {
        self.lock().speed
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
}

/// A clock that a test moves by hand.
pub struct ManualClock {
    state: Mutex<(TimeMs, Duration)>,
    /// Time passed.
    moved: watch::Sender<()>,
}

impl ManualClock {
    pub fn at(now: TimeMs) -> ManualClock {
        ManualClock { state: Mutex::new((now, Duration::ZERO)), moved: watch::Sender::new(()) }
    }

    /// Time passes.
    pub fn advance_ms(&self, ms: i64) {
        let mut state = self.lock();
        state.0 = state.0.plus_ms(ms);
        state.1 += Duration::from_millis(ms.max(0).unsigned_abs());
        drop(state);
        self.moved.send_replace(());
    }

    /// Somebody sets the clock; no time passes.
    pub fn set(&self, now: TimeMs) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (TimeMs, Duration)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> TimeMs {
        self.lock().0
    }

    fn speed(&self) -> f64 {
        1.0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
    fn until(&self, at: Duration) -> Wait<'_> {
        // From now on: what is moved before the wait begins is not missed.
        let mut moved = self.moved.subscribe();
        Box::pin(async move {
            while self.monotonic() < at {
                // The sender is ours, so the channel lasts.
                let _ = moved.changed().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_wait_by_a_manual_clock_ends_when_it_was_moved_there_and_not_when_it_was_set() {
        let clock = ManualClock::at(TimeMs(0));
        clock.advance_ms(5);
        let mut wait = clock.until(Duration::from_millis(15));
        let mut is_over = || wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(());
        assert!(!is_over());
        clock.set(TimeMs(1_000_000));
        assert!(!is_over());
        clock.advance_ms(9);
        assert!(!is_over());
        clock.advance_ms(1);
        assert!(is_over());
    }

    #[tokio::test]
    async fn a_wait_by_the_machines_clock_ends_no_earlier() {
        let clock = SystemClock::new();
        let at = clock.monotonic() + Duration::from_millis(3);
        clock.until(at).await;
        assert!(clock.monotonic() >= at);
        clock.until(at).await;
    }
}
