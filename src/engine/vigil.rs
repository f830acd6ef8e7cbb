//! What the engine looks at now and then: the machine's clock, and whether a full disk has room again.

use std::time::Duration;

use crate::clock::Clock;
use crate::health::{Condition, Health};
use crate::model::{MINUTE_MS, TimeMs};

/// A clock that is behind the newest entry, or that was set, by more than this is worth a word.
const CLOCK_OFF_MS: i64 = 2 * MINUTE_MS;
/// How often it is looked whether the disk has room again.
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// Says whether the clock is behind the newest entry. Order does not need it: entries are ordered by
/// seq, and get the newest one's time until the clock has caught up.
pub(super) fn look_at_clock(now: TimeMs, head_at: TimeMs, health: &Health) {
    let behind_ms = head_at.since(now);
    if behind_ms <= CLOCK_OFF_MS {
        return health.clear(Condition::ClockBehind);
    }
    let minutes = behind_ms / MINUTE_MS;
    health.raise(
        Condition::ClockBehind,
        format!(
            "the clock is {minutes} minutes behind the newest entry, whose time new entries get until it has \
             caught up; set the machine's clock (timedatectl), or wait if it was ahead before"
        ),
    );
}

/// What was seen the last time.
pub(super) struct Vigil {
    wall: TimeMs,
    monotonic: Duration,
    tried: Duration,
}

impl Vigil {
    pub fn new(clock: &dyn Clock) -> Vigil {
        let monotonic = clock.monotonic();
        Vigil { wall: clock.now(), monotonic, tried: monotonic }
    }

    /// Says once where the clock was set.
    pub fn look(&mut self, clock: &dyn Clock) {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let passed_ms = monotonic.saturating_sub(self.monotonic).as_secs_f64() * 1_000.0 * clock.speed();
        let set_by_ms = wall.since(self.wall) - passed_ms as i64;
        if clock.speed() == 1.0 && set_by_ms.abs() > CLOCK_OFF_MS {
            let minutes = set_by_ms / MINUTE_MS;
            tracing::warn!(minutes, "the machine's clock was set; entries go on in their order");
        }
        (self.wall, self.monotonic) = (wall, monotonic);
    }

    /// How long until it is to be looked for room again.
    pub fn until_next_try(&self, clock: &dyn Clock) -> Duration {
        TRY_AGAIN_EVERY.saturating_sub(clock.monotonic().saturating_sub(self.tried))
    }

    /// Whether it is time for it; then it counts as done.
    pub fn is_time_to_try(&mut self, clock: &dyn Clock) -> bool {
        let due = self.until_next_try(clock).is_zero();
        if due {
            self.tried = clock.monotonic();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_clock_that_is_minutes_behind_the_head_is_said_and_a_little_is_not() {
        let health = Health::default();
        let head = TimeMs(1_764_000_000_000);
        look_at_clock(head.plus_ms(-CLOCK_OFF_MS), head, &health);
        assert_eq!(health.standing(), []);
        look_at_clock(TimeMs(0), head, &health);
        assert!(health.standing()[0].1.contains("minutes behind"));
        look_at_clock(head.plus_ms(1), head, &health);
        assert_eq!(health.standing(), []);
    }

    #[test]
    fn waiting_goes_by_real_time_however_the_clock_is_set() {
        let clock = ManualClock::at(TimeMs(1_764_000_000_000));
        let mut vigil = Vigil::new(&clock);
        for wall in [0, 4_000_000_000_000] {
            clock.set(TimeMs(wall));
            vigil.look(&clock);
            assert!(!vigil.is_time_to_try(&clock));
            assert_eq!(vigil.until_next_try(&clock), TRY_AGAIN_EVERY);
        }
        clock.advance_ms(5_000);
        assert!(vigil.is_time_to_try(&clock) && !vigil.is_time_to_try(&clock));
    }
}
