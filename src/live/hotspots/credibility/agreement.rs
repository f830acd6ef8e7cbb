//! Who else is near a report that something speaks against.
//!
//! Only senders with a mark of their own and nothing against them agree: who leaves neither phone nor e-mail
//! nor device key may be one person many times, and two pranksters shall not vouch for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::live::hotspots::HotspotReport;
use crate::live::hotspots::grid::{Grid, GridCell};
use crate::model::{LngLat, SenderId, Seq, great_circle_m};

#[derive(Debug)]
pub(super) struct Agreement {
    eps_m: f64,
    grid: Grid,
    /// What senders said who can agree.
    words: HashMap<GridCell, BTreeMap<SenderId, BTreeMap<Seq, LngLat>>>,
    /// Reports that something speaks against that more who agree would help.
    wanting: HashMap<GridCell, BTreeSet<Seq>>,
    /// Those that words were found for, and by which words.
    backed: HashMap<Seq, Vec<Seq>>,
    /// The same the other way round: whom each word helps.
    helps: HashMap<Seq, BTreeSet<Seq>>,
    /// Where words came since this was last asked.
    touched: HashSet<GridCell>,
    /// Whom a word helped that is gone since.
    forsaken: BTreeSet<Seq>,
}

fn can_agree(report: &HotspotReport) -> bool {
    report.sender.is_marked() && report.doubts.rejections == 0
}

impl Agreement {
    pub fn new(eps_m: f64) -> Agreement {
        Agreement {
            eps_m,
            grid: Grid::new(eps_m),
            words: HashMap::new(),
            wanting: HashMap::new(),
            backed: HashMap::new(),
            helps: HashMap::new(),
            touched: HashSet::new(),
            forsaken: BTreeSet::new(),
        }
    }

    /// A report that something speaks against is helped from when it is next counted.
    pub fn add(&mut self, report: &HotspotReport) {
        if can_agree(report) {
            let cell = self.grid.cell(report.place);
            let of_cell = self.words.entry(cell).or_default();
            of_cell.entry(report.sender).or_default().insert(report.seq, report.place);
            self.touched.insert(cell);
        }
    }

    /// As it was when it was added.
    pub fn remove(&mut self, report: &HotspotReport) {
        let cell = self.grid.cell(report.place);
        if let Some(of_cell) = self.words.get_mut(&cell)
            && let Some(words) = of_cell.get_mut(&report.sender)
            && words.remove(&report.seq).is_some()
        {
            if words.is_empty() {
                of_cell.remove(&report.sender);
            }
            if of_cell.is_empty() {
                self.words.remove(&cell);
            }
        }
        self.forsaken.extend(self.helps.remove(&report.seq).into_iter().flatten());
        self.forget(report.seq);
        self.forsaken.remove(&report.seq);
        self.set_wanting(cell, report.seq, false);
    }

    /// How many other senders agree with a report, up to as many as it needs.
    pub fn count(&mut self, report: &HotspotReport, needed: u8) -> u8 {
        self.forget(report.seq);
        let cell = self.grid.cell(report.place);
        let words = self.words_for(report, cell, usize::from(needed));
        let n = words.len() as u8;
        self.set_wanting(cell, report.seq, n < needed);
        for word in &words {
            self.helps.entry(*word).or_default().insert(report.seq);
        }
        if !words.is_empty() {
            self.backed.insert(report.seq, words);
        }
        n
    }

    /// A word near a report of each other sender, up to as many as it needs.
    fn words_for(&self, report: &HotspotReport, cell: GridCell, needed: usize) -> Vec<Seq> {
        let mut found: Vec<(SenderId, Seq)> = Vec::new();
        if needed == 0 {
            return Vec::new();
        }
        let near = |place: &LngLat| great_circle_m(*place, report.place) <= self.eps_m;
        let cells = self.grid.around(cell).filter_map(|cell| self.words.get(&cell));
        for (sender, words) in cells.flatten() {
            if *sender != report.sender
                && !found.iter().any(|(known, _)| known == sender)
                && let Some((word, _)) = words.iter().find(|(_, place)| near(place))
            {
                found.push((*sender, *word));
                if found.len() == needed {
                    break;
                }
            }
        }
        found.into_iter().map(|(_, word)| word).collect()
    }

    fn forget(&mut self, seq: Seq) {
        for word in self.backed.remove(&seq).into_iter().flatten() {
            if let Some(helped) = self.helps.get_mut(&word) {
                helped.remove(&seq);
                if helped.is_empty() {
                    self.helps.remove(&word);
                }
            }
        }
    }

    fn set_wanting(&mut self, cell: GridCell, seq: Seq, is_wanting: bool) {
        if is_wanting {
            self.wanting.entry(cell).or_default().insert(seq);
        } else if let Some(of_cell) = self.wanting.get_mut(&cell) {
            of_cell.remove(&seq);
            if of_cell.is_empty() {
                self.wanting.remove(&cell);
            }
        }
    }

    /// Adds the doubted for whom others may have come, or are gone, since this was last asked. Those who need
    /// nobody more are left alone when somebody comes.
    pub fn take_touched(&mut self, stale: &mut BTreeSet<Seq>) {
        stale.append(&mut self.forsaken);
        let touched = std::mem::take(&mut self.touched);
        if touched.len() <= self.wanting.len() {
            let near = touched.iter().flat_map(|cell| self.grid.around(*cell));
            stale.extend(near.filter_map(|cell| self.wanting.get(&cell)).flatten());
        } else {
            let is_near = |cell: &GridCell| self.grid.around(*cell).any(|near| touched.contains(&near));
            let near = self.wanting.iter().filter(|(cell, _)| is_near(cell));
            stale.extend(near.flat_map(|(_, wanting)| wanting));
        }
    }
}
