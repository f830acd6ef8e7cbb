//! When an edge may say that what it shows is the newest.

use std::sync::Arc;

use pantau::clock::{Clock, ManualClock};
use pantau::edge::{EdgeStatus, Hand, Lineage, Told};
use pantau::engine::Follower;
use pantau::model::{Command, Entry, Seq};

use crate::support::history::History;
use crate::support::ternate;

/// An edge, and the entries of its origin.
struct Edge {
    clock: Arc<ManualClock>,
    status: Arc<EdgeStatus>,
    hand: Hand,
    lineage: Lineage,
    entries: Vec<Entry>,
}

impl Edge {
    fn new(n_entries: usize) -> Edge {
        let mut history = History::new(ternate());
        (0..n_entries).for_each(|_| history.submit(Command::Tick));
        let follower = Follower::new(history.at_the_start());
        let clock = Arc::new(ManualClock::at(history.now));
        let status = Arc::new(EdgeStatus::new(clock.clone(), follower.moments(), true));
        let lineage = Lineage::of(follower.map(), "one");
        let hand = Hand::new(follower, lineage.clone(), status.clone());
        Edge { clock, status, hand, lineage, entries: history.entries }
    }

    /// The origin is at `head`, and gives some of its entries.
    fn hears(&mut self, head: usize, entries: std::ops::Range<usize>) {
        let entries = self.entries[entries].to_vec();
        let told = Told { lineage: self.lineage.clone(), head: Seq(head as u64), entries };
        self.hand.take(told, self.clock.monotonic());
    }
}

#[test]
fn an_edge_that_knows_that_entries_are_missing_is_out_of_touch_whatever_signs_of_life_it_hears() {
    let mut edge = Edge::new(3);
    edge.hears(1, 0..1);
    for _ in 0..10 {
        edge.clock.advance_ms(5_000);
        edge.hears(1, 0..0);
        assert!(edge.status.is_in_touch(), "a sign of life says that nothing is new");
    }
    // The second entry is lost on the way.
    edge.hears(3, 2..3);
    for second in 1..40 {
        edge.clock.advance_ms(1_000);
        edge.hears(3, 0..0);
        assert_eq!(edge.status.is_in_touch(), second < 15, "{second} s");
    }
    edge.hears(3, 1..2);
    assert!(edge.status.is_in_touch());
    assert_eq!(edge.status.behind(), 0);
}

#[test]
fn an_edge_that_is_always_an_entry_behind_is_in_touch() {
    let mut edge = Edge::new(40);
    for n in 0..38 {
        edge.clock.advance_ms(1_000);
        edge.hears(n + 2, n..n + 1);
        assert_eq!((edge.status.behind(), edge.status.is_in_touch()), (1, true), "{n}");
    }
    edge.clock.advance_ms(14_000);
    assert!(!edge.status.is_in_touch(), "the origin fell silent with an entry missing");
}
