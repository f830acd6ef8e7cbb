//! One hash of all that a live map shows: equal at equal seq on every node that follows one history.
//!
//! It covers the incidents, those that others absorbed, the clocks, the clusters that they add up to, the figures of the day, and the hotspots of
//! both projections with their members and the surges of the newest tick. It leaves out what a node may
//! know more or less of by the time it started: the epoch, the ring of changes, texts, and alarms and ends
//! of before the newest tick.

use std::fmt;

use sha2::{Digest, Sha256};

use super::cell_range::CellRange;
use super::filter::Filter;
use super::hotspots::{Alarm, HotspotBoard};
use super::map::LiveMap;
use super::snapshot::Writer;
use super::tally::Summary;
use crate::city::City;
use crate::model::{Bbox, Projection};

/// Goes first into every hash; its end is the version of what follows.
const MAGIC: &[u8] = b"pantau state 3";
/// Clusters as of this zoom, or the deepest at which they are few enough.
const ZOOM: u8 = 9;

/// SHA-256 over a live map. Displays as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHash(pub [u8; 32]);

impl StateHash {
    /// The first 48 bits: a number that a float holds exactly, for a figure of Prometheus.
    pub fn as_figure(&self) -> f64 {
        self.0[..6].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte)) as f64
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateHash({self})")
    }
}

impl LiveMap {
    /// Reads the whole map: about 60 bytes an incident go through SHA-256. Not for a thread that others
    /// wait on.
    pub fn state_hash(&self) -> StateHash {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.city.hash);
        hash.update(self.seq.0.to_be_bytes());
        hash.update(self.now.0.to_be_bytes());
        let mut row = Writer::default();
        for incident in self.incidents.iter() {
            row.clear();
            row.incident(incident);
            row.bytes(&[u8::from(incident.overdue)]);
            hash.update(row.as_slice());
        }
        for (absorbed, into) in self.absorbed_rows() {
            row.clear();
            row.absorbed(absorbed, into);
            hash.update(row.as_slice());
        }
        for (no, clock) in self.clocks.all() {
            row.clear();
            row.clock(no, clock);
            hash.update(row.as_slice());
        }
        for projection in [Projection::Staff, Projection::Public] {
            self.hash_clusters(projection, &mut hash);
            hash_board(self.hotspots(projection), &self.city, &mut hash);
        }
        StateHash(hash.finalize().into())
    }

    fn hash_clusters(&self, projection: Projection, hash: &mut Sha256) {
        let all = Filter { drill: None, ..Filter::everything() };
        let stats = self.stats(projection, &all);
        hash_summary(&stats.matched, hash);
        hash.update(stats.opened_today.to_be_bytes());
        hash.update(stats.resolved_today.to_be_bytes());
        let level = self.level_in_force(projection, &all, &Bbox::WORLD, ZOOM);
        for (cell, sum) in self.cells(projection, &all, &CellRange::of(&Bbox::WORLD, level)).iter() {
            hash.update([cell.level]);
            hash.update(cell.x.to_be_bytes());
            hash.update(cell.y.to_be_bytes());
            hash_summary(sum, hash);
        }
    }
}

fn hash_summary(sum: &Summary, hash: &mut Sha256) {
    let total = &sum.total;
    for n in [total.count, total.reports, sum.overdue, sum.only.map_or(0, |no| no.0)] {
        hash.update(n.to_be_bytes());
    }
    hash.update(total.lng_e7.to_be_bytes());
    hash.update(total.lat_e7.to_be_bytes());
    sum.by_status.iter().for_each(|n| hash.update(n.to_be_bytes()));
    hash.update([sum.by_category.len() as u8]);
    for (category, n) in sum.by_category.iter() {
        hash.update([category.0]);
        hash.update(n.to_be_bytes());
    }
}

fn hash_board(board: &HotspotBoard, city: &City, hash: &mut Sha256) {
    hash.update(board.as_of().0.to_be_bytes());
    for hotspot in board.live() {
        hash.update(hotspot.id.to_string());
        hash.update(hotspot.layer.key(city));
        hash.update(hotspot.changed_seq.0.to_be_bytes());
        hash.update(hotspot.body_json(city));
        for member in hotspot.members.iter() {
            hash.update(member.seq.0.to_be_bytes());
            hash.update(member.report.0.to_be_bytes());
            hash.update([u8::from(member.core)]);
            hash.update(member.doubts.columns());
        }
    }
    let newest = board.alarms_since(board.as_of().before());
    for surge in newest.filter_map(|alarm| if let Alarm::Surge(surge) = alarm { Some(surge) } else { None })
    {
        hash.update(surge.seq.0.to_be_bytes());
        hash.update(surge.n.to_be_bytes());
        hash.update(surge.title.id.as_bytes());
        hash.update(surge.title.en.as_bytes());
    }
}
