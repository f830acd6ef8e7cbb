//! Getis-Ord Gi* over H3 cells: how far a cell and its neighbours together stand out from the land.
//!
//! The statistic of Getis and Ord (1992, in the standardised form of 1995) with binary weights, the
//! cell itself included, as PySAL's `esda.G_Local(star=True, transform="B")` has it:
//!
//! `z = (Σ w·x - x̄·W) / (s·√(W·(n - W) / (n - 1)))`
//!
//! over the `n` cells of the study area, `W` of which are the cell and its neighbours. Sums are whole
//! numbers, so no order of changes shows. Many cells are tested at once, so significance is by
//! Benjamini and Hochberg (1995): of the cells called 95 % sure, at most 5 % are expected to be wrong.

use std::collections::{HashMap, HashSet};

use h3o::{CellIndex, Resolution};

use crate::model::LngLat;

/// A cell has at most six neighbours.
const NEIGHBOURHOOD_MAX: usize = 7;

/// The cells that are compared with each other, and which are neighbours: those of the land. Cells of
/// the sea would be zeros where nobody can report, and would make every street look hot.
#[derive(Debug, Clone, Default)]
pub struct StudyArea {
    /// Sorted.
    cells: Vec<CellIndex>,
    /// Positions in `cells`: each cell's own and its neighbours'.
    neighbourhoods: Vec<Neighbourhood>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Neighbourhood {
    positions: [u32; NEIGHBOURHOOD_MAX],
    len: u8,
}

impl Neighbourhood {
    fn positions(&self) -> impl Iterator<Item = usize> {
        self.positions[..usize::from(self.len)].iter().map(|i| *i as usize)
    }
}

/// How sure it is that a cell stands out, given how many cells are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    P90,
    P95,
    P99,
}

impl Confidence {
    pub const ALL: [Confidence; 3] = [Confidence::P90, Confidence::P95, Confidence::P99];

    pub fn percent(self) -> u8 {
        match self {
            Confidence::P90 => 90,
            Confidence::P95 => 95,
            Confidence::P99 => 99,
        }
    }

    pub fn from_percent(percent: u8) -> Option<Confidence> {
        Confidence::ALL.into_iter().find(|confidence| confidence.percent() == percent)
    }

    /// The share of false finds that is accepted.
    fn alpha(self) -> f64 {
        match self {
            Confidence::P90 => 0.10,
            Confidence::P95 => 0.05,
            Confidence::P99 => 0.01,
        }
    }
}

/// What Gi* says of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Above 0 where reports gather, below 0 where they are missing.
    pub z: f64,
    /// Of a z this far from 0, on either side, by chance alone.
    pub p: f64,
    /// `None` below 90 %.
    pub confidence: Option<Confidence>,
}

impl StudyArea {
    /// The cells must be of one resolution; order and doubles do not matter.
    pub fn new(mut cells: Vec<CellIndex>) -> StudyArea {
        cells.sort_unstable();
        cells.dedup();
        let position = |cell: CellIndex| cells.binary_search(&cell).ok();
        let neighbourhood = |cell: &CellIndex| {
            let mut found = Neighbourhood::default();
            let near = cell.grid_disk_safe(1).filter_map(position);
            for (slot, position) in found.positions.iter_mut().zip(near) {
                *slot = position as u32;
                found.len += 1;
            }
            found
        };
        let neighbourhoods = cells.iter().map(neighbourhood).collect();
        StudyArea { cells, neighbourhoods }
    }

    pub fn cells(&self) -> &[CellIndex] {
        &self.cells
    }

    pub fn position(&self, cell: CellIndex) -> Option<usize> {
        self.cells.binary_search(&cell).ok()
    }

    /// Positions of those of some cells that are in it.
    pub(super) fn positions<'a>(&self, cells: impl Iterator<Item = &'a CellIndex>) -> Vec<u32> {
        cells.filter_map(|cell| self.position(*cell)).map(|position| position as u32).collect()
    }

    /// The score of every cell, in the order of [`StudyArea::cells`]; cells that are not named count
    /// nothing, cells outside are left out. `None` where all cells count the same.
    ///
    /// Costs one pass over the cells and one sort: some tenths of a millisecond for a city.
    ///
    /// ```
    /// use pantau::live::hotspots::StudyArea;
    /// use pantau::model::LngLat;
    /// let middle = LngLat::new(127.38, 0.79).unwrap().h3_cell(h3o::Resolution::Nine);
    /// let land = StudyArea::new(middle.grid_disk_safe(9).collect());
    /// let scores = land.scores([(middle, 12)]).unwrap();
    /// assert!(scores[land.position(middle).unwrap()].z > 3.0);
    /// assert_eq!(land.scores([]), None);
    /// ```
    pub fn scores(&self, counts: impl IntoIterator<Item = (CellIndex, u32)>) -> Option<Vec<Score>> {
        let mut x = LandCounts::new(self);
        for (cell, count) in counts {
            if let Some(i) = self.position(cell) {
                x.set(self, i, x.counts[i] + u64::from(count));
            }
        }
        let scores = x.scores(self)?;
        Some((0..self.cells.len()).map(|i| scores.of(i)).collect())
    }
}

/// Counts of the cells of a study area, and what Gi* needs of them.
#[derive(Debug, Default)]
struct LandCounts {
    counts: Vec<u64>,
    /// Of each cell and its neighbours together.
    local: Vec<u64>,
    sum: u64,
    squares: u128,
}

impl LandCounts {
    fn new(study: &StudyArea) -> LandCounts {
        let n = study.cells.len();
        LandCounts { counts: vec![0; n], local: vec![0; n], ..LandCounts::default() }
    }

    fn set(&mut self, study: &StudyArea, i: usize, count: u64) {
        let before = std::mem::replace(&mut self.counts[i], count);
        let square = |count: u64| u128::from(count) * u128::from(count);
        self.sum = self.sum - before + count;
        self.squares = self.squares - square(before) + square(count);
        // Neighbours are so both ways.
        study.neighbourhoods[i].positions().for_each(|j| self.local[j] = self.local[j] - before + count);
    }

    /// `None` where all cells count the same.
    fn scores(&self, study: &StudyArea) -> Option<Scores> {
        let n = self.counts.len() as u64;
        // n² times the variance.
        let spread = u128::from(n) * self.squares - u128::from(self.sum) * u128::from(self.sum);
        if spread == 0 {
            return None;
        }
        let deviation = |within: usize| {
            let within = within as u64;
            let variance = spread as f64 * (within * n.saturating_sub(within)) as f64 / (n - 1) as f64;
            variance.sqrt()
        };
        let deviations: [f64; NEIGHBOURHOOD_MAX + 1] = std::array::from_fn(deviation);
        let (n, sum) = (n.cast_signed(), self.sum.cast_signed());
        let z = |(near, local): (&Neighbourhood, &u64)| {
            let within = i64::from(near.len);
            if within == n {
                return 0.0; // Nothing is left to compare with.
            }
            (n * local.cast_signed() - within * sum) as f64 / deviations[usize::from(near.len)]
        };
        let z: Vec<f64> = study.neighbourhoods.iter().zip(&self.local).map(z).collect();
        Some(Scores { limits: p_limits(&z), z })
    }
}

/// What Gi* says of all cells of a study area.
#[derive(Debug)]
struct Scores {
    z: Vec<f64>,
    /// Up to which p a cell is a find, by [`Confidence::ALL`].
    limits: [Option<f64>; 3],
}

impl Scores {
    fn of(&self, i: usize) -> Score {
        let z = self.z[i];
        let p = two_sided_p(z);
        let finds = Confidence::ALL.into_iter().zip(self.limits);
        let finds = finds.filter(|(_, limit)| limit.is_some_and(|limit| p <= limit));
        Score { z, p, confidence: finds.map(|(confidence, _)| confidence).max() }
    }
}

fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Benjamini and Hochberg: the k smallest p are finds, for the largest k whose p is at most `k·α/n`.
fn p_limits(z: &[f64]) -> [Option<f64>; 3] {
    // No z below this has a p of 10 %, so all whose p is smaller are among the others.
    const Z_MIN: f64 = 1.6;
    let mut sorted = Vec::with_capacity(z.len());
    sorted.extend(z.iter().map(|z| z.abs()).filter(|z| *z > Z_MIN));
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let n = z.len() as f64;
    // Whoever is sure is so at the levels below too, so each level goes on where the one before ended.
    let mut left = sorted.len();
    Confidence::ALL.map(|confidence| {
        while left > 0 {
            let p = two_sided_p(sorted[left - 1]);
            if p <= left as f64 * confidence.alpha() / n {
                return Some(p);
            }
            left -= 1;
        }
        None
    })
}

/// Reports by cell, and the scores that follow from them.
#[derive(Debug)]
pub(super) struct CellCounts {
    /// `None` where there is no land to compare with: then nothing is counted.
    pub res: Option<Resolution>,
    /// No count is zero.
    counts: HashMap<CellIndex, u32>,
    /// Whose counts changed since `land` was brought up to date.
    changed: HashSet<CellIndex>,
    /// Since scores were first asked for.
    land: Option<LandCounts>,
    scores: Option<Scores>,
}

impl CellCounts {
    pub fn new(res: Option<Resolution>) -> CellCounts {
        let (counts, changed) = (HashMap::new(), HashSet::new());
        CellCounts { res, counts, changed, land: None, scores: None }
    }

    pub fn add(&mut self, place: LngLat) {
        let Some(res) = self.res else { return };
        let cell = place.h3_cell(res);
        *self.counts.entry(cell).or_default() += 1;
        self.changed.insert(cell);
    }

    /// It would be a logic error to remove what was not added.
    pub fn remove(&mut self, place: LngLat) {
        let Some(res) = self.res else { return };
        let cell = place.h3_cell(res);
        match self.counts.get_mut(&cell) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(&cell)),
        }
        self.changed.insert(cell);
    }

    /// Brings the scores up to date: a few steps a cell of the land, a few more a cell that changed.
    pub fn score(&mut self, study: &StudyArea) {
        if self.changed.is_empty() && self.land.is_some() {
            return;
        }
        let land = self.land.get_or_insert_with(|| LandCounts::new(study));
        for cell in self.changed.drain() {
            if let Some(i) = study.position(cell) {
                land.set(study, i, self.counts.get(&cell).copied().unwrap_or(0).into());
            }
        }
        self.scores = land.scores(study);
    }

    /// The highest score among some cells of the land, by their positions, as of the last
    /// [`CellCounts::score`]; `None` where there are none, or all cells of the land count the same.
    pub fn hottest(&self, positions: &[u32]) -> Option<Score> {
        let scores = self.scores.as_ref()?;
        let z = |i: &u32| scores.z[*i as usize];
        let hottest = positions.iter().max_by(|a, b| z(a).total_cmp(&z(b)));
        hottest.map(|i| scores.of(*i as usize))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::live::hotspots::testing::{cases, place};

    fn disk(k: u32) -> StudyArea {
        StudyArea::new(place(127.38, 0.79).h3_cell(Resolution::Nine).grid_disk_safe(k).collect())
    }

    /// As the textbook has it, in fractions, each pair of cells looked at.
    fn naive_z(study: &StudyArea, x: &[u32], i: usize) -> f64 {
        let n = x.len() as f64;
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let s = (x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n - mean * mean).sqrt();
        let is_near = |j: &usize| study.cells[i].grid_distance(study.cells[*j]).unwrap() <= 1;
        let near: Vec<usize> = (0..x.len()).filter(is_near).collect();
        let w = near.len() as f64;
        let local: f64 = near.iter().map(|j| f64::from(x[*j])).sum();
        (local - mean * w) / (s * ((n * w - w * w) / (n - 1.0)).sqrt())
    }

    fn hottest(
        counts: &mut CellCounts,
        study: &StudyArea,
        places: impl Iterator<Item = LngLat>,
    ) -> Option<Score> {
        counts.score(study);
        let cells: BTreeSet<CellIndex> = places.map(|place| place.h3_cell(Resolution::Nine)).collect();
        counts.hottest(&study.positions(cells.iter()))
    }

    proptest! {
        #![proptest_config(cases(100))]

        #[test]
        fn z_is_the_textbooks(x in prop::collection::vec(prop_oneof![3 => Just(0_u32), 1 => 0..40_u32], 61)) {
            let study = disk(4);
            let counts = study.cells.iter().copied().zip(x.iter().copied());
            let scores = study.scores(counts);
            prop_assert_eq!(scores.is_none(), x.iter().all(|count| *count == x[0]));
            for (i, score) in scores.iter().flatten().enumerate() {
                prop_assert!((score.z - naive_z(&study, &x, i)).abs() < 1e-9);
            }
        }

        #[test]
        fn counts_that_come_and_go_score_as_if_counted_anew(steps in prop::collection::vec((0..5_u8, any::<bool>()), 1..60)) {
            let study = disk(6);
            let at = |i: u8| place(127.376 + f64::from(i) * 0.002, 0.79);
            let mut counts = CellCounts::new(Some(Resolution::Nine));
            let mut there: Vec<u8> = Vec::new();
            for (i, comes) in steps {
                match there.iter().position(|known| *known == i) {
                    Some(known) if !comes => {
                        there.remove(known);
                        counts.remove(at(i));
                    }
                    _ => {
                        there.push(i);
                        counts.add(at(i));
                    }
                }
                let mut anew = CellCounts::new(Some(Resolution::Nine));
                there.iter().for_each(|i| anew.add(at(*i)));
                let places = || there.iter().map(|i| at(*i));
                prop_assert_eq!(hottest(&mut counts, &study, places()), hottest(&mut anew, &study, places()));
            }
        }
    }

    #[test]
    fn more_sure_means_fewer_cells_and_all_of_them_are_sure_at_the_level_below() {
        let study = disk(12);
        let middle = place(127.38, 0.79).h3_cell(Resolution::Nine);
        let counts = study.cells.iter().map(|cell| (*cell, u32::from(*cell == middle) * 20 + 1));
        let scores = study.scores(counts).unwrap();
        let sure = |confidence| scores.iter().filter(|s| s.confidence >= Some(confidence)).count();
        assert_eq!(Confidence::ALL.map(sure), [7, 7, 7]);
        let hot = scores.iter().filter(|score| score.z > 3.0).count();
        assert_eq!(hot, 7, "the cell and its neighbours");
    }

    #[test]
    fn a_place_off_the_land_has_no_score_and_counts_nowhere() {
        let study = disk(3);
        let mut counts = CellCounts::new(Some(Resolution::Nine));
        counts.add(place(127.38, 0.79));
        let before = hottest(&mut counts, &study, [place(127.38, 0.79)].into_iter());
        counts.add(place(127.0, 0.79));
        assert_eq!(hottest(&mut counts, &study, [place(127.0, 0.79)].into_iter()), None);
        assert_eq!(hottest(&mut counts, &study, [place(127.38, 0.79)].into_iter()), before);
        assert!(before.is_some());
    }

    #[test]
    fn without_land_or_without_difference_there_is_no_score() {
        let places = || [place(127.38, 0.79)].into_iter();
        let mut counts = CellCounts::new(Some(Resolution::Nine));
        counts.add(place(127.38, 0.79));
        assert_eq!(hottest(&mut counts, &StudyArea::default(), places()), None);
        let one = StudyArea::new(vec![place(127.38, 0.79).h3_cell(Resolution::Nine)]);
        assert_eq!(one.scores([(one.cells[0], 4)]), None);
        let whole = disk(1);
        let scores = whole.scores([(whole.cells[0], 4)]).unwrap();
        let middle = whole.position(place(127.38, 0.79).h3_cell(Resolution::Nine)).unwrap();
        assert_eq!((scores[middle].z, scores[middle].p), (0.0, 1.0), "its neighbourhood is all there is");
    }
}
