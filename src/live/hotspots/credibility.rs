//! How much a report counts: less for each thing that speaks against it.
//!
//! Each earlier report of the same sender nearby, and each report of the sender that was rejected, halves
//! the weight. So what one sender says within one radius of anywhere counts less than two reports,
//! however often it is said: all of it lies within twice the radius of itself, and 1 + ½ + ¼ + … < 2.
//!
//! Invariant: a function of the reports that count in a lane, and of the sender's rejected ones. Weights are
//! whole hundredths, so their sums are exact.

use std::collections::{BTreeMap, HashMap};

use crate::model::{LngLat, SenderId, Seq, great_circle_m};

/// After so many halvings a report counts nothing.
const HALVINGS_MAX: u8 = 7;

/// What speaks against a report, each up to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Earlier reports of the same sender within twice the radius, among those that count.
    pub repeats: u8,
    /// Reports of the sender that were rejected, among those young enough for a hotspot.
    pub rejections: u8,
}

impl Doubts {
    pub const NONE: Doubts = Doubts { repeats: 0, rejections: 0 };

    /// From 1 down to 0, in whole hundredths.
    ///
    /// ```
    /// use pantau::live::hotspots::Doubts;
    /// assert_eq!(Doubts::NONE.weight(), 1.0);
    /// assert_eq!(Doubts { repeats: 1, rejections: 1 }.weight(), 0.25);
    /// assert_eq!(Doubts { repeats: 3, rejections: 0 }.weight(), 0.12);
    /// ```
    pub fn weight(self) -> f64 {
        f64::from(100_u32 >> (self.repeats + self.rejections).min(HALVINGS_MAX)) / 100.0
    }

    /// In words that the API uses; none where the report counts in full.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        let keys = [(self.repeats, "repeated"), (self.rejections, "rejected_before")];
        keys.into_iter().filter(|(n, _)| *n > 0).map(|(_, key)| key)
    }
}

/// A count as [`Doubts`] hold it.
pub(super) fn capped(n: usize) -> u8 {
    n.min(usize::from(HALVINGS_MAX)) as u8
}

/// Where the reports of each sender are that count in a lane. A question costs in proportion to the
/// reports of one sender there.
#[derive(Debug)]
pub(super) struct Senders {
    near_m: f64,
    places: HashMap<SenderId, BTreeMap<Seq, LngLat>>,
}

impl Senders {
    pub fn new(eps_m: f64) -> Senders {
        Senders { near_m: 2.0 * eps_m, places: HashMap::new() }
    }

    pub fn add(&mut self, sender: SenderId, seq: Seq, place: LngLat) {
        self.places.entry(sender).or_default().insert(seq, place);
    }

    pub fn remove(&mut self, sender: SenderId, seq: Seq) {
        if let Some(places) = self.places.get_mut(&sender) {
            places.remove(&seq);
            if places.is_empty() {
                self.places.remove(&sender);
            }
        }
    }

    /// All of a sender's.
    pub fn of(&self, sender: SenderId) -> Vec<Seq> {
        self.places.get(&sender).map_or_else(Vec::new, |places| places.keys().copied().collect())
    }

    /// How many of a sender's reports nearby came before one.
    pub fn repeats(&self, sender: SenderId, seq: Seq, place: LngLat) -> u8 {
        let earlier = self.places.get(&sender).into_iter().flat_map(|places| places.range(..seq));
        let near = earlier.filter(|(_, other)| great_circle_m(**other, place) <= self.near_m);
        capped(near.take(usize::from(HALVINGS_MAX)).count())
    }

    /// A sender's reports nearby that came after one.
    pub fn later(&self, sender: SenderId, seq: Seq, place: LngLat) -> Vec<Seq> {
        let later = self.places.get(&sender).into_iter().flat_map(|places| places.range(seq.next()..));
        let near = later.filter(|(_, other)| great_circle_m(**other, place) <= self.near_m);
        near.map(|(seq, _)| *seq).collect()
    }
}
