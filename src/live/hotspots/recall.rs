//! Answers of the history that were given before, kept right as reports come and go: a hotspot is described
//! at each tick, and asks for the same days and weeks each time.
//!
//! Invariant: an answer is what [`History`](super::history::History) would count anew.

use std::collections::HashMap;

use super::Layer;
use super::history::Bin;
use crate::model::AreaId;

/// More days than this are not remembered; then all are forgotten.
const DAYS_MAX: usize = 4;
/// More spans than this are not remembered; then all are forgotten.
const SPANS_MAX: usize = 2_000;

/// Whose reports are counted: drills or not, of one category or of all, in one finest area.
type Of = (bool, Layer, AreaId);

/// A span of quarters of an hour, and the areas that are counted together, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub drill: bool,
    pub layer: Layer,
    pub quarters: [i64; 2],
    pub areas: Vec<AreaId>,
}

#[derive(Debug)]
pub(super) struct Recall {
    /// By the borders of the days.
    days: HashMap<Vec<i64>, HashMap<Of, Vec<u32>>>,
    spans: HashMap<Span, u32>,
    /// All spans end before this quarter, or with it.
    spans_end: i64,
}

impl Default for Recall {
    fn default() -> Self {
        Recall { days: HashMap::new(), spans: HashMap::new(), spans_end: i64::MIN }
    }
}

impl Recall {
    /// One more or one less in a bin.
    pub fn change(&mut self, bin: &Bin, more: bool) {
        if bin.quarter < self.spans_end {
            self.spans.clear();
            self.spans_end = i64::MIN;
        }
        for (borders, counts) in &mut self.days {
            let day = borders.partition_point(|border| *border <= bin.quarter);
            if day == 0 || day == borders.len() {
                continue;
            }
            for layer in [Layer::All, Layer::Category(bin.category)] {
                if let Some(counts) = counts.get_mut(&(bin.drill, layer, bin.area)) {
                    counts[day - 1] = if more { counts[day - 1] + 1 } else { counts[day - 1] - 1 };
                }
            }
        }
    }

    /// Of each finest area the counts between each two neighbours of `borders`; `count` is asked where
    /// they are not known.
    pub fn days(
        &mut self,
        borders: &[i64],
        (drill, layer): (bool, Layer),
        areas: impl Iterator<Item = AreaId>,
        count: impl Fn(AreaId) -> Vec<u32>,
    ) -> Vec<(AreaId, Vec<u32>)> {
        if !self.days.contains_key(borders) {
            if self.days.len() >= DAYS_MAX {
                self.days.clear();
            }
            self.days.insert(borders.to_vec(), HashMap::new());
        }
        let known = self.days.get_mut(borders).expect("it was just put there");
        let counts_of =
            |area| (area, known.entry((drill, layer, area)).or_insert_with(|| count(area)).clone());
        areas.map(counts_of).collect()
    }

    pub fn span(&mut self, span: Span, count: impl FnOnce(&Span) -> u32) -> u32 {
        if let Some(count) = self.spans.get(&span) {
            return *count;
        }
        if self.spans.len() >= SPANS_MAX {
            self.spans.clear();
        }
        let n = count(&span);
        self.spans_end = self.spans_end.max(span.quarters[1]);
        self.spans.insert(span, n);
        n
    }
}
