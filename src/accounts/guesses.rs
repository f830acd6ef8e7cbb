//! What slows guessing down.
//!
//! A guess costs a turn, and after a few turns each next one is longer in coming. Turns are counted for a
//! name from a network, for a network whatever the name, and for a name wherever from; but a browser that
//! the account signed in from before has turns of its own, so nobody else can take them away. A guess
//! that comes too early is not checked, and does not make the wait longer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Where somebody comes from: what one line or one house usually has, a /24 or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    pub fn of(address: IpAddr) -> Network {
        Network(match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                IpAddr::from([a, b, c, 0])
            }
            IpAddr::V6(v6) => {
                let mut segments = v6.segments();
                segments[4..].fill(0);
                IpAddr::from(segments)
            }
        })
    }
}

/// What turns are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A browser that the account signed in from, by its digest.
    Device(String),
    Place(String, Network),
    Network(Network),
    Name(String),
}

/// How many turns come at once, and how long the wait after them grows: by doubling, from a second.
struct Pace {
    at_once: u32,
    wait_max: Duration,
    /// Forgotten so long after the last turn.
    memory: Duration,
}

impl Key {
    fn pace(&self) -> Pace {
        let (at_once, wait_max_s, memory_s) = match self {
            Key::Device(_) => (5, 60, 3_600),
            Key::Place(..) => (3, 3_600, 86_400),
            // Many sit behind one line, and many lines may guess one name: slow, but never shut.
            Key::Network(_) => (20, 60, 3_600),
            Key::Name(_) => (30, 30, 3_600),
        };
        let [wait_max, memory] = [wait_max_s, memory_s].map(Duration::from_secs);
        Pace { at_once, wait_max, memory }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    taken: u32,
    /// By the monotonic clock.
    last: Duration,
    next: Duration,
}

/// Counts kept; beyond it those are forgotten that were used the longest ago.
const KEPT_MAX: usize = 20_000;

#[derive(Default)]
pub(super) struct Guesses {
    turns: HashMap<Key, Turns>,
}

/// A turn that was taken: to be given back where the guess was right.
pub(super) struct Turn(Vec<Key>);

impl Guesses {
    /// Takes a turn. `device`: the digest of a browser that `name` signed in from before.
    ///
    /// # Errors
    /// How long to wait for one.
    pub fn take(
        &mut self,
        name: &str,
        network: Network,
        device: Option<&str>,
        now: Duration,
    ) -> Result<Turn, Duration> {
        let keys = match device {
            Some(device) => vec![Key::Device(device.to_owned())],
            None => {
                vec![
                    Key::Place(name.to_owned(), network),
                    Key::Network(network),
                    Key::Name(name.to_owned()),
                ]
            }
        };
        let wait = keys.iter().filter_map(|key| Some(self.turns.get(key)?.next.saturating_sub(now))).max();
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        self.make_room(now);
        for key in &keys {
            let pace = key.pace();
            let turns = self.turns.entry(key.clone()).or_default();
            if now.saturating_sub(turns.last) > pace.memory {
                turns.taken = 0;
            }
            turns.taken += 1;
            turns.last = now;
            let doublings = turns.taken.checked_sub(pace.at_once);
            let wait = doublings.map(|n| Duration::from_secs(1 << n.min(30)).min(pace.wait_max));
            turns.next = now + wait.unwrap_or_default();
        }
        Ok(Turn(keys))
    }

    /// Whoever took the turn is who they say: it was no guess, and earlier ones from there count no more.
    /// What is counted beyond the place stays, less this turn: one right password hides no others' guesses.
    pub fn was_right(&mut self, turn: Turn) {
        for key in turn.0 {
            match key {
                Key::Device(_) | Key::Place(..) => {
                    self.turns.remove(&key);
                }
                Key::Network(_) | Key::Name(_) => self.give_back(Turn(vec![key])),
            }
        }
    }

    /// Nothing was guessed, nor proven: this turn does not count, and all before it do.
    pub fn give_back(&mut self, turn: Turn) {
        for key in turn.0 {
            if let Some(turns) = self.turns.get_mut(&key) {
                turns.taken = turns.taken.saturating_sub(1);
                turns.next = turns.last;
            }
        }
    }

    fn make_room(&mut self, now: Duration) {
        if self.turns.len() < KEPT_MAX {
            return;
        }
        self.turns.retain(|key, turns| now.saturating_sub(turns.last) <= key.pace().memory);
        if self.turns.len() >= KEPT_MAX {
            let mut lasts: Vec<Duration> = self.turns.values().map(|turns| turns.last).collect();
            let (_, middle, _) = lasts.select_nth_unstable(KEPT_MAX / 2);
            let middle = *middle;
            self.turns.retain(|_, turns| turns.last > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    /// Guesses once every `every`; answers how many were let through.
    fn guess(guesses: &mut Guesses, from: &str, every: Duration, n: u32) -> u32 {
        let times = (0..n).map(|i| every * i);
        times.filter(|now| guesses.take("ani", network(from), None, *now).is_ok()).count() as u32
    }

    #[test]
    fn of_ten_thousand_guesses_fewer_than_twenty_are_checked() {
        for every_ms in [0, 1, 100, 1_000] {
            let mut guesses = Guesses::default();
            let checked = guess(&mut guesses, "203.0.113.7", Duration::from_millis(every_ms), 10_000);
            assert!((3..20).contains(&checked), "{checked} every {every_ms} ms");
            // Others sign in all the while: another network, a browser that is known, another name.
            let now = Duration::from_millis(every_ms) * 10_000;
            assert!(guesses.take("ani", network("198.51.100.7"), None, now).is_ok());
            assert!(guesses.take("ani", network("203.0.113.7"), Some("known"), now).is_ok());
            assert!(guesses.take("budi", network("203.0.113.9"), None, now).is_ok());
        }
    }

    #[test]
    fn many_networks_together_slow_a_name_down_and_shut_nobody_out() {
        let mut guesses = Guesses::default();
        let second = |s: u64| Duration::from_secs(s);
        let checked = (0..10_000_u32).filter(|i| {
            let from = network(&format!("10.{}.{}.1", i / 250 % 250, i % 250));
            guesses.take("ani", from, None, second(u64::from(*i))).is_ok()
        });
        // One in thirty seconds, whoever asks.
        assert!((300..420).contains(&checked.count()));
        let waits = guesses.take("ani", network("198.51.100.7"), None, second(10_000)).err();
        assert!(waits.unwrap_or_default() <= second(30));
        assert!(guesses.take("ani", network("198.51.100.7"), Some("known"), second(10_000)).is_ok());
    }

    #[test]
    fn a_right_password_clears_the_way_from_there() {
        let mut guesses = Guesses::default();
        let now = Duration::from_secs(5);
        for _ in 0..3 {
            let turn = guesses.take("ani", network("203.0.113.7"), None, now);
            if let Ok(turn) = turn {
                guesses.was_right(turn);
            }
            assert!(guesses.take("ani", network("203.0.113.7"), None, now).is_ok());
        }
    }

    #[test]
    fn what_is_given_back_hides_no_guesses_before_it() {
        for device in [None, Some("known")] {
            let mut guesses = Guesses::default();
            let now = Duration::from_secs(5);
            let mut take = |is_guess: bool| {
                let turn = guesses.take("ani", network("203.0.113.7"), device, now);
                turn.map(|turn| if is_guess { drop(turn) } else { guesses.give_back(turn) }).is_ok()
            };
            let checked = (0..20).filter(|_| take(false) && take(true)).count();
            assert!((3..=5).contains(&checked), "{checked}");
        }
        let mut guesses = Guesses::default();
        for _ in 0..100 {
            let turn = guesses.take("ani", network("203.0.113.7"), None, Duration::from_secs(5));
            guesses.give_back(turn.expect("it costs nothing"));
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut guesses = Guesses::default();
        for i in 0..KEPT_MAX as u32 {
            let from = network(&format!("10.{}.{}.1", i / 250 % 250, i % 250));
            let _ = guesses.take(&format!("name{i}"), from, None, Duration::from_millis(i.into()));
            assert!(guesses.turns.len() <= KEPT_MAX + 3);
        }
    }

    #[test]
    fn a_network_is_a_line_not_an_address() {
        assert_eq!(network("203.0.113.7"), network("203.0.113.250"));
        assert_ne!(network("203.0.113.7"), network("203.0.114.7"));
        assert_eq!(network("::ffff:203.0.113.7"), network("203.0.113.1"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }
}
