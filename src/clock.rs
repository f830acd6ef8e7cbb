//! The only place that asks the time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::TimeMs;

/// Says what time it is, and how fast it passes.
pub trait Clock: Send + Sync {
    /// The time of what happens now.
    fn now(&self) -> TimeMs;

    /// How many seconds of [`Clock::now`] pass in a second of real time; 0 where it stands.
    fn speed(&self) -> f64;

    /// Real time since some fixed moment; never falls.
    fn monotonic(&self) -> Duration;
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
}

impl ManualClock {
    pub fn at(now: TimeMs) -> ManualClock {
        ManualClock { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Time passes.
    pub fn advance_ms(&self, ms: i64) {
        let mut state = self.lock();
        state.0 = state.0.plus_ms(ms);
        state.1 += Duration::from_millis(ms.max(0).unsigned_abs());
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
}
