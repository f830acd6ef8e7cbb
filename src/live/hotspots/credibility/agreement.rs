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
    /// Reports that something speaks against that others may take back.
    doubted: HashMap<GridCell, BTreeSet<Seq>>,
    /// Where words came or went since this was last asked.
    touched: HashSet<GridCell>,
}

fn can_agree(report: &HotspotReport) -> bool {
    report.sender.is_marked() && report.doubts.rejections == 0
}

impl Agreement {
    pub fn new(eps_m: f64) -> Agreement {
        let (words, doubted, touched) = Default::default();
        Agreement { eps_m, grid: Grid::new(eps_m), words, doubted, touched }
    }

    pub fn add(&mut self, report: &HotspotReport, is_doubted: bool) {
        let cell = self.grid.cell(report.place);
        if can_agree(report) {
            let of_cell = self.words.entry(cell).or_default();
            of_cell.entry(report.sender).or_default().insert(report.seq, report.place);
            self.touched.insert(cell);
        }
        if is_doubted {
            self.doubted.entry(cell).or_default().insert(report.seq);
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
            self.touched.insert(cell);
        }
        if let Some(doubted) = self.doubted.get_mut(&cell) {
            doubted.remove(&report.seq);
            if doubted.is_empty() {
                self.doubted.remove(&cell);
            }
        }
    }

    /// How many other senders agree with a report, up to as many as it needs.
    pub fn count(&self, report: &HotspotReport, needed: u8) -> u8 {
        let mut others: BTreeSet<SenderId> = BTreeSet::new();
        if needed == 0 {
            return 0;
        }
        let near = |place: &LngLat| great_circle_m(*place, report.place) <= self.eps_m;
        let cells = self.grid.around(self.grid.cell(report.place));
        for (sender, words) in cells.filter_map(|cell| self.words.get(&cell)).flatten() {
            if *sender != report.sender && !others.contains(sender) && words.values().any(near) {
                others.insert(*sender);
                if others.len() == usize::from(needed) {
                    break;
                }
            }
        }
        others.len() as u8
    }

    /// Adds the doubted that others may have come to or gone from since this was last asked.
    pub fn take_touched(&mut self, stale: &mut BTreeSet<Seq>) {
        let touched = std::mem::take(&mut self.touched);
        if touched.len() <= self.doubted.len() {
            let near = touched.iter().flat_map(|cell| self.grid.around(*cell));
            stale.extend(near.filter_map(|cell| self.doubted.get(&cell)).flatten());
        } else {
            let is_near = |cell: &GridCell| self.grid.around(*cell).any(|near| touched.contains(&near));
            let near = self.doubted.iter().filter(|(cell, _)| is_near(cell));
            stale.extend(near.flat_map(|(_, doubted)| doubted));
        }
    }
}
