//! Answers of the history that were given before, kept right as reports come and go: a hotspot is described
//! at each tick, and asks for the same days and weeks each time.
//!
//! Invariant: an answer is what [`History`](super::history::History) would count anew.

use std::collections::HashMap;

use super::Layer;
use super::ears::{self, Method};
use super::history::Bin;
use crate::model::AreaId;

/// More days than this are not remembered; then all are forgotten.
const DAYS_MAX: usize = 4;
/// More spans than this are not remembered; then all are forgotten.
const SPANS_MAX: usize = 2_000;

/// Whose reports are counted: drills or not, of one category or of all, in one area and below it.
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
    days: HashMap<Vec<i64>, HashMap<Of, Daily>>,
    /// Of each finest area the areas that were asked about and are it or hold it.
    above: HashMap<AreaId, Vec<AreaId>>,
    spans: HashMap<Span, u32>,
    /// All spans end before this quarter, or with it.
    spans_end: i64,
}

/// Counts of days, oldest first.
#[derive(Debug)]
pub(super) struct Daily {
    counts: Vec<u32>,
    /// With the number of days left out, until a count changes.
    highest: Option<(usize, Option<f64>)>,
}

impl Daily {
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The highest statistic of EARS, the first days left out.
    pub fn highest(&mut self, left_out: usize) -> Option<f64> {
        if let Some((_, highest)) = self.highest.filter(|(known, _)| *known == left_out) {
            return highest;
        }
        let days = &self.counts[left_out..];
        let statistics =
            Method::ALL.into_iter().filter_map(|method| ears::statistic(method, days, ears::SIGMA_FLOOR));
        let highest = statistics.max_by(f64::total_cmp);
        self.highest = Some((left_out, highest));
        highest
    }

    fn change(&mut self, day: usize, more: bool) {
        self.highest = None;
        self.counts[day] = if more { self.counts[day] + 1 } else { self.counts[day] - 1 };
    }
}

impl Default for Recall {
    fn default() -> Self {
        Recall { days: HashMap::new(), above: HashMap::new(), spans: HashMap::new(), spans_end: i64::MIN }
    }
}

impl Recall {
    /// One more or one less in a bin.
    pub fn change(&mut self, bin: &Bin, more: bool) {
        if bin.quarter < self.spans_end {
            self.spans.clear();
            self.spans_end = i64::MIN;
        }
        let Some(above) = self.above.get(&bin.area) else { return };
        for (borders, counts) in &mut self.days {
            let day = borders.partition_point(|border| *border <= bin.quarter);
            if day == 0 || day == borders.len() {
                continue;
            }
            for layer in [Layer::All, Layer::Category(bin.category)] {
                for area in above {
                    if let Some(counts) = counts.get_mut(&(bin.drill, layer, *area)) {
                        counts.change(day - 1, more);
                    }
                }
            }
        }
    }

    /// Hands out the counts of each area between each two neighbours of `borders`. Where they are not known,
    /// `below` is asked for the finest areas of one, and `count` for the counts of these.
    pub fn days(
        &mut self,
        borders: &[i64],
        (drill, layer): (bool, Layer),
        areas: impl Iterator<Item = AreaId>,
        below: impl Fn(AreaId) -> Vec<AreaId>,
        count: impl Fn(AreaId) -> Vec<u32>,
        mut each: impl FnMut(AreaId, &mut Daily),
    ) {
        if !self.days.contains_key(borders) {
            if self.days.len() >= DAYS_MAX {
                self.days.clear();
            }
            self.days.insert(borders.to_vec(), HashMap::new());
        }
        let known = self.days.get_mut(borders).expect("it was just put there");
        for area in areas {
            let of_area = known.entry((drill, layer, area)).or_insert_with(|| {
                let mut counts = vec![0; borders.len().saturating_sub(1)];
                for finest in below(area) {
                    let above = self.above.entry(finest).or_default();
                    if !above.contains(&area) {
                        above.push(area);
                    }
                    counts.iter_mut().zip(count(finest)).for_each(|(sum, count)| *sum += count);
                }
                Daily { counts, highest: None }
            });
            each(area, of_area);
        }
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
