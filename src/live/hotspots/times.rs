//! Times in order, so that how many are later than a moment is known without looking at each.
//!
//! Invariants: no chunk is empty; chunks and the times in them ascend.

use crate::model::TimeMs;

/// A chunk with more is cut in two.
const CHUNK_MAX: usize = 512;

/// A time may be in it more than once. A change and a question cost in proportion to a chunk and to the
/// number of chunks: less than a microsecond for 100,000 times.
#[derive(Debug, Default)]
pub(super) struct Times {
    chunks: Vec<Vec<TimeMs>>,
    len: usize,
}

impl Times {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn first(&self) -> Option<TimeMs> {
        self.chunks.first()?.first().copied()
    }

    pub fn last(&self) -> Option<TimeMs> {
        self.chunks.last()?.last().copied()
    }

    /// The first chunk that ends at `at` or later.
    fn chunk_of(&self, at: TimeMs) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last < at))
    }

    pub fn insert(&mut self, at: TimeMs) {
        self.len += 1;
        let i = self.chunk_of(at).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(i) else {
            self.chunks.push(vec![at]);
            return;
        };
        chunk.insert(chunk.partition_point(|other| *other <= at), at);
        if chunk.len() > CHUNK_MAX {
            let upper = chunk.split_off(CHUNK_MAX / 2);
            self.chunks.insert(i + 1, upper);
        }
    }

    /// It would be a logic error to remove a time that is not there.
    pub fn remove(&mut self, at: TimeMs) {
        let i = self.chunk_of(at);
        let Some(chunk) = self.chunks.get_mut(i) else { return };
        if let Ok(place) = chunk.binary_search(&at) {
            chunk.remove(place);
            self.len -= 1;
        }
        if chunk.is_empty() {
            self.chunks.remove(i);
        }
    }

    /// How many are later.
    pub fn after(&self, at: TimeMs) -> usize {
        let i = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last <= at));
        let Some((first, later)) = self.chunks[i..].split_first() else { return 0 };
        let in_first = first.len() - first.partition_point(|other| *other <= at);
        in_first + later.iter().map(Vec::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::live::hotspots::testing::cases;

    proptest! {
        #![proptest_config(cases(60))]

        #[test]
        fn it_counts_as_a_sorted_list_does(
            steps in prop::collection::vec((0..90_i64, any::<bool>()), 1..60), times in 1..60_usize,
        ) {
            let (mut found, mut expected) = (Times::default(), Vec::new());
            for (at, goes) in steps {
                let at = TimeMs(at);
                for _ in 0..times {
                    match expected.binary_search(&at) {
                        Ok(i) if goes => {
                            expected.remove(i);
                            found.remove(at);
                        }
                        _ if goes => {}
                        Ok(i) | Err(i) => {
                            expected.insert(i, at);
                            found.insert(at);
                        }
                    }
                }
                prop_assert_eq!((found.first(), found.last()), (expected.first().copied(), expected.last().copied()));
                prop_assert_eq!(found.len(), expected.len());
                for at in (-1..=91).map(TimeMs) {
                    prop_assert_eq!(found.after(at), expected.iter().filter(|other| **other > at).count());
                }
            }
        }
    }
}
