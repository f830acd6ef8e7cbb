//! When the next beat may come.
//!
//! A change after a pause goes out at once, and so do a few in a row; what comes without end is
//! conflated to one beat in a frame's time. And a beat that was dear is followed by a rest as long as
//! itself, so that the feed leaves half of a core to those who report, however many walls there are.

use std::time::Duration;

/// Beats that may come one right after the other before they are paced.
const BURST: f64 = 4.0;
/// A beat rests as long as it took …
const REST_SHARE: f64 = 1.0;
/// … but no longer than this: past it, freshness counts for more.
const REST_MAX: Duration = Duration::from_millis(100);

/// A token bucket for beats, with a rest after each. Moments are given as the time since some fixed
/// moment, which never falls.
#[derive(Debug, Clone)]
pub struct Pace {
    /// In the long run one beat in this long; zero does not pace.
    frame: Duration,
    beats_left: f64,
    /// When `beats_left` was counted.
    at: Duration,
    rests_until: Duration,
}

impl Pace {
    pub fn new(frame: Duration, now: Duration) -> Pace {
        Pace { frame, beats_left: BURST, at: now, rests_until: now }
    }

    /// How long the next beat must still wait; zero where it may come now.
    pub fn wait(&self, now: Duration) -> Duration {
        let missing = (1.0 - self.beats_at(now)).max(0.0);
        self.frame.mul_f64(missing).max(self.rests_until.saturating_sub(now))
    }

    /// A beat went out from `began` to `now`.
    pub fn beat(&mut self, began: Duration, now: Duration) {
        self.beats_left = (self.beats_at(began) - 1.0).max(0.0);
        self.at = began;
        self.rests_until = now + now.saturating_sub(began).mul_f64(REST_SHARE).min(REST_MAX);
    }

    fn beats_at(&self, now: Duration) -> f64 {
        if self.frame.is_zero() {
            return BURST;
        }
        let earned = now.saturating_sub(self.at).div_duration_f64(self.frame);
        (self.beats_left + earned).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When the beats of changes at these times go out, where each takes `cost`.
    fn beats(
        changes: impl IntoIterator<Item = Duration>,
        frame: Duration,
        cost: Duration,
    ) -> Vec<Duration> {
        let mut pace = Pace::new(frame, Duration::ZERO);
        let mut beats: Vec<Duration> = Vec::new();
        let mut free = Duration::ZERO;
        for change in changes {
            if beats.last().is_some_and(|began| *began >= change) {
                continue;
            }
            let ready = change.max(free);
            let began = ready + pace.wait(ready);
            free = began + cost;
            pace.beat(began, free);
            beats.push(began);
        }
        beats
    }

    #[test]
    fn ten_changes_a_second_and_a_tick_never_wait() {
        let changes = (0..600_u32).map(|i| 90 * MS * i);
        let went = beats(changes.clone(), 50 * MS, 10 * MS);
        assert_eq!(went, changes.collect::<Vec<_>>());
    }

    #[test]
    fn changes_without_end_are_conflated_to_one_beat_a_frame() {
        let went = beats((0..10_000_u32).map(|i| MS * i), 50 * MS, MS);
        assert_eq!(went[0], Duration::ZERO, "the first goes out at once");
        assert!((200..=205).contains(&went.len()), "{}", went.len());
    }

    #[test]
    fn a_dear_beat_is_followed_by_a_rest() {
        let went = beats((0..10_000_u32).map(|i| MS * i), 50 * MS, 80 * MS);
        assert!(went.windows(2).all(|pair| pair[1] - pair[0] == 160 * MS), "half of the time it rests");
        let went = beats((0..10_000_u32).map(|i| MS * i), 50 * MS, 500 * MS);
        assert!(went.windows(2).all(|pair| pair[1] - pair[0] == 600 * MS), "but not for ever");
    }

    #[test]
    fn no_frame_time_is_no_pacing() {
        let went = beats((0..100_u32).map(|i| MS * i), Duration::ZERO, Duration::ZERO);
        assert_eq!(went.len(), 100);
    }
}
