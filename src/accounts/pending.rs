//! What was asked of a browser and is not answered yet: in memory, good once and for a while, bounded for all and
//! for one network, whose oldest goes for its newest.

use std::collections::HashMap;
use std::time::Duration;

use super::guesses::Network;

/// Open from all, and from one network.
const OPEN_MAX: usize = 2_000;
pub(super) const OPEN_A_NETWORK_MAX: usize = 40;

/// Something that waits for an answer.
pub(crate) struct Open<T> {
    pub question: T,
    /// By what name the browser called the server.
    pub host: String,
    pub network: Network,
    /// By the monotonic clock.
    pub until: Duration,
}

/// By an id that only the browser has.
pub(crate) struct Pending<T> {
    open: HashMap<String, Open<T>>,
}

impl<T> Default for Pending<T> {
    fn default() -> Pending<T> {
        Pending { open: HashMap::new() }
    }
}

impl<T> Pending<T> {
    pub fn add(&mut self, id: &str, open: Open<T>, now: Duration) {
        self.open.retain(|_, open| open.until > now);
        let of_network = self.open.values().filter(|other| other.network == open.network).count();
        let from = (of_network >= OPEN_A_NETWORK_MAX).then_some(open.network);
        if from.is_some() || self.open.len() >= OPEN_MAX {
            let others =
                self.open.iter().filter(|(_, other)| from.is_none_or(|from| other.network == from));
            let oldest = others.min_by_key(|(_, other)| other.until).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.open.remove(&oldest));
        }
        self.open.insert(id.to_owned(), open);
    }

    /// Each is good once.
    pub fn take(&mut self, id: &str, host: &str, now: Duration) -> Option<T> {
        let open = self.open.remove(id)?;
        (open.until > now && open.host == host).then_some(open.question)
    }

    #[cfg(test)]
    fn ids(&self) -> Vec<&str> {
        self.open.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_good_once_for_a_while_and_bounded_by_network() {
        let network = |last: u8| Network::of([10, 0, last, 1].into());
        let open = |last: u8, until_s: u64| Open {
            question: (),
            host: "peta.example".to_owned(),
            network: network(last),
            until: Duration::from_secs(until_s),
        };
        let now = Duration::from_secs(1);
        let mut questions = Pending::default();
        questions.add("a", open(1, 10), now);
        assert!(questions.take("a", "peta.example", now).is_some());
        assert!(questions.take("a", "peta.example", now).is_none(), "good once");
        questions.add("b", open(1, 10), now);
        assert!(questions.take("b", "other.example", now).is_none(), "bound to the name");
        questions.add("c", open(1, 10), now);
        assert!(questions.take("c", "peta.example", Duration::from_secs(10)).is_none(), "over");
        questions.add("other", open(2, 10), now);
        for n in 0..OPEN_A_NETWORK_MAX + 5 {
            questions.add(&n.to_string(), open(1, 10 + n as u64), now);
        }
        let ids = questions.ids();
        assert_eq!(ids.len(), OPEN_A_NETWORK_MAX + 1);
        assert!(ids.contains(&"other") && !ids.contains(&"0"));
    }
}
