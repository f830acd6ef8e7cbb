//! When the next beat may come.
//!
//! A change after a pause goes out at once, and so do a few in a row; what comes without end is
//! conflated to one beat in a frame's time. And what a beat took is rested off, so that the feed leaves
//! room to those who report however many walls there are: a third of a core where few do, three
//! quarters in a flood, where gathering changes saves more beats than it costs freshness.

use std::time::Duration;

/// Beats that may come one right after the other before they are paced.
const BURST: f64 = 4.0;
/// Work that may be done before it is rested off: few walls are never kept waiting for it.
const CREDIT_MAX: f64 = 0.050;
/// The longest rest: past it, freshness counts for more.
const REST_MAX: f64 = 0.150;
/// Where this many entries come in a second a beat is rested off as long as it took …
const RESTED_ONCE_PER_S: f64 = 15.0;
/// … where fewer come not so long, for there are few who could be kept waiting …
const RESTS_MIN: f64 = 0.5;
/// … and in a flood longer.
const RESTS_MAX: f64 = 3.0;

/// A token bucket for beats, and another for the time that they take. Moments are given as the time
/// since some fixed moment, which never falls.
#[derive(Debug, Clone)]
pub struct Pace {
    /// In the long run one beat in this long; zero does not pace.
    frame: Duration,
    beats_left: f64,
    /// When `beats_left` was counted.
    began: Duration,
    /// Seconds of work that may still be done; below zero they are to be rested off.
    credit: f64,
    /// When `credit` was counted. It grows while nothing is done.
    ended: Duration,
    /// Entries of about the last second; the older they are the less they count.
    entries_per_s: f64,
}

impl Pace {
    pub fn new(frame: Duration, now: Duration) -> Pace {
        Pace { frame, beats_left: BURST, began: now, credit: CREDIT_MAX, ended: now, entries_per_s: 0.0 }
    }

    /// How long the next beat must still wait; zero where it may come now.
    pub fn wait(&self, now: Duration) -> Duration {
        let missing = (1.0 - self.beats_at(now)).max(0.0);
        let debt = (-self.credit_at(now)).max(0.0);
        self.frame.mul_f64(missing).max(Duration::from_secs_f64(debt))
    }

    /// A beat that brought so many entries went out from `began` to `now`.
    pub fn beat(&mut self, began: Duration, now: Duration, n_entries: u64) {
        let since_s = began.saturating_sub(self.began).as_secs_f64();
        self.entries_per_s = self.entries_per_s * (-since_s).exp() + n_entries as f64;
        let rests = (self.entries_per_s / RESTED_ONCE_PER_S).clamp(RESTS_MIN, RESTS_MAX);
        let took_s = now.saturating_sub(began).as_secs_f64();
        self.beats_left = (self.beats_at(began) - 1.0).max(0.0);
        self.credit = (self.credit_at(began) - took_s * rests).max(-REST_MAX);
        (self.began, self.ended) = (began, now);
    }

    fn beats_at(&self, now: Duration) -> f64 {
        if self.frame.is_zero() {
            return BURST;
        }
        let earned = now.saturating_sub(self.began).div_duration_f64(self.frame);
        (self.beats_left + earned).min(BURST)
    }

    fn credit_at(&self, now: Duration) -> f64 {
        (self.credit + now.saturating_sub(self.ended).as_secs_f64()).min(CREDIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_MS: u64 = 50;

    /// When the beats go out, in ms, where a change comes every so many ms for ten seconds and a beat
    /// takes `cost_ms`.
    fn beats(every_ms: u64, frame_ms: u64, cost_ms: u64) -> Vec<u64> {
        let ms = |ms| Duration::from_millis(ms);
        let mut pace = Pace::new(ms(frame_ms), Duration::ZERO);
        let (mut beats, mut free_ms, mut told) = (Vec::new(), 0, 0);
        for change_ms in (0..10_000).step_by(every_ms as usize) {
            if beats.last().is_some_and(|began| *began >= change_ms) {
                continue;
            }
            let ready_ms = free_ms.max(change_ms);
            let wait_ms = pace.wait(ms(ready_ms)).as_micros().div_ceil(1_000) as u64;
            let began_ms = ready_ms + wait_ms;
            free_ms = began_ms + cost_ms;
            let n_entries = began_ms / every_ms + 1 - told;
            told += n_entries;
            pace.beat(ms(began_ms), ms(free_ms), n_entries);
            beats.push(began_ms);
        }
        beats
    }

    /// How long a change waits at most.
    fn longest_wait_ms(every_ms: u64, cost_ms: u64) -> u64 {
        let beats = beats(every_ms, FRAME_MS, cost_ms);
        let wait = |change: u64| {
            let at = beats.partition_point(|began| *began < change);
            beats.get(at).map_or(0, |began| began - change)
        };
        (0..10_000).step_by(every_ms as usize).map(wait).max().unwrap()
    }

    #[test]
    fn ten_changes_a_second_and_a_tick_never_wait() {
        assert_eq!(longest_wait_ms(90, 10), 0, "a thousand walls");
        assert_eq!(longest_wait_ms(90, 35), 0, "five thousand");
        assert!(longest_wait_ms(90, 70) <= 150, "ten thousand");
    }

    #[test]
    fn changes_without_end_are_conflated_to_one_beat_a_frame() {
        let went = beats(1, FRAME_MS, 1);
        assert_eq!(went[0], 0, "the first goes out at once");
        assert!((200..=204).contains(&went.len()), "{}", went.len());
    }

    #[test]
    fn dear_beats_leave_room_and_more_of_it_in_a_flood() {
        let share =
            |every_ms, cost_ms| beats(every_ms, FRAME_MS, cost_ms).len() as f64 * cost_ms as f64 / 1e4;
        assert!((0.53..0.63).contains(&share(90, 80)), "{}", share(90, 80));
        assert!((0.47..0.53).contains(&share(66, 80)), "{}", share(66, 80));
        assert!((0.23..0.30).contains(&share(20, 30)), "{}", share(20, 30));
        let went = beats(1, FRAME_MS, 500);
        assert!(
            went.windows(2).skip(2).all(|pair| pair[1] - pair[0] == 650),
            "but no rest is longer than that"
        );
    }

    #[test]
    fn no_frame_time_is_no_pacing() {
        assert_eq!(beats(1, 0, 0).len(), 10_000);
    }
}
