//! A sorted set in chunks: what orders of a million incidents are kept in.
//!
//! Persistent: a clone costs one count, and a change copies one chunk where a clone still holds it.
//! An element costs little more than its own size; built in bulk, chunks are full.
//!
//! Invariants: no chunk is empty; the key of a chunk is at most its first element, and above every
//! element of the chunk before.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

/// A chunk with more elements is cut in two.
const CHUNK_MAX: usize = 256;
/// Neighbours that together have fewer are joined.
const JOIN_MAX: usize = 96;

#[derive(Debug, Clone)]
pub struct SortedSet<T: Ord + Copy> {
    chunks: OrdMap<T, Arc<Vec<T>>>,
}

impl<T: Ord + Copy> Default for SortedSet<T> {
    fn default() -> Self {
        SortedSet { chunks: OrdMap::new() }
    }
}

impl<T: Ord + Copy> SortedSet<T> {
    /// Of elements in ascending order, none twice.
    pub fn from_sorted(elements: &[T]) -> Self {
        debug_assert!(elements.windows(2).all(|pair| pair[0] < pair[1]));
        let chunks = elements.chunks(CHUNK_MAX).map(|chunk| (chunk[0], Arc::new(chunk.to_vec())));
        SortedSet { chunks: chunks.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn first(&self) -> Option<T> {
        self.chunks.get_min().and_then(|(_, chunk)| chunk.first().copied())
    }

    pub fn last(&self) -> Option<T> {
        self.chunks.get_max().and_then(|(_, chunk)| chunk.last().copied())
    }

    /// All from `from` on, ascending.
    pub fn since(&self, from: T) -> impl Iterator<Item = T> {
        let key = self.key_of(from).unwrap_or(from);
        let elements = self.chunks.range(key..).flat_map(|(_, chunk)| chunk.iter().copied());
        elements.skip_while(move |element| *element < from)
    }

    /// All below the bound, descending.
    pub fn down_from(&self, below: Bound<T>) -> impl Iterator<Item = T> {
        let chunks = self.chunks.range((Bound::Unbounded, below)).rev();
        let inside = move |element: &T| match below {
            Bound::Included(end) => *element <= end,
            Bound::Excluded(end) => *element < end,
            Bound::Unbounded => true,
        };
        chunks.flat_map(move |(_, chunk)| {
            let end = chunk.partition_point(inside);
            chunk[..end].iter().copied().rev()
        })
    }

    pub fn insert(&mut self, element: T) {
        let Some(key) = self.key_of(element) else {
            // Below every chunk: it becomes the first element of the first one.
            let mut chunk = match self.chunks.get_min().map(|(key, _)| *key) {
                Some(first) => self.chunks.remove(&first).unwrap_or_default(),
                None => Arc::default(),
            };
            Arc::make_mut(&mut chunk).insert(0, element);
            self.put(element, chunk);
            return;
        };
        let chunk = self.chunks.get_mut(&key).expect("the chunk was just found");
        let chunk = Arc::make_mut(chunk);
        if let Err(i) = chunk.binary_search(&element) {
            chunk.insert(i, element);
        }
        if chunk.len() > CHUNK_MAX {
            let chunk = self.chunks.remove(&key).expect("the chunk was just found");
            self.put(key, chunk);
        }
    }

    /// Puts a chunk under `key`, in two where it is too long.
    fn put(&mut self, key: T, mut chunk: Arc<Vec<T>>) {
        if chunk.len() > CHUNK_MAX {
            let upper = Arc::make_mut(&mut chunk).split_off(CHUNK_MAX / 2);
            self.chunks.insert(upper[0], Arc::new(upper));
        }
        self.chunks.insert(key, chunk);
    }

    /// Does nothing where the element is not there.
    pub fn remove(&mut self, element: T) {
        let Some(key) = self.key_of(element) else { return };
        let chunk = self.chunks.get_mut(&key).expect("the chunk was just found");
        let Ok(i) = chunk.binary_search(&element) else { return };
        let chunk = Arc::make_mut(chunk);
        chunk.remove(i);
        let left = chunk.len();
        if left == 0 {
            self.chunks.remove(&key);
        } else if left < JOIN_MAX / 2 {
            self.join_with_next(key);
        }
    }

    fn join_with_next(&mut self, key: T) {
        let next = self.chunks.range((Bound::Excluded(key), Bound::Unbounded)).next();
        let Some((next_key, next)) = next.map(|(key, chunk)| (*key, Arc::clone(chunk))) else { return };
        let chunk = self.chunks.get_mut(&key).expect("the caller found it");
        if chunk.len() + next.len() <= JOIN_MAX {
            Arc::make_mut(chunk).extend_from_slice(&next);
            self.chunks.remove(&next_key);
        }
    }

    /// The key of the chunk that holds, or would hold, the element; `None` below every chunk.
    fn key_of(&self, element: T) -> Option<T> {
        self.chunks.get_prev(&element).map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn check(set: &SortedSet<u16>, expected: &BTreeSet<u16>, at: u16) {
        assert_eq!(set.first(), expected.first().copied());
        assert_eq!(set.last(), expected.last().copied());
        assert_eq!(set.is_empty(), expected.is_empty());
        assert!(set.since(at).eq(expected.range(at..).copied()));
        for bound in [Bound::Included(at), Bound::Excluded(at), Bound::Unbounded] {
            assert!(set.down_from(bound).eq(expected.range((Bound::Unbounded, bound)).rev().copied()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn it_is_a_sorted_set_and_its_clones_stay_as_they_were(
            bulk in 0..2_000_u16,
            steps in proptest::collection::vec((0..3_000_u16, 0..40_u16, any::<bool>()), 1..200),
        ) {
            let mut expected: BTreeSet<u16> = (0..bulk).map(|n| n + n / 3).collect();
            let mut set = SortedSet::from_sorted(&expected.iter().copied().collect::<Vec<_>>());
            for (from, run, insert) in steps {
                let (before, was) = (set.clone(), expected.clone());
                for element in from..from + run {
                    if insert {
                        set.insert(element);
                        expected.insert(element);
                    } else {
                        set.remove(element);
                        expected.remove(&element);
                    }
                }
                check(&set, &expected, from);
                check(&before, &was, from);
            }
        }
    }
}
