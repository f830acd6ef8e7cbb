//! The reports of the city's day that may make a surge.
//!
//! Invariants: imported reports are not in it; `of_day` counts the reports of `day` that count, for the
//! area that holds them and for each above it; no sender with none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::HotspotReport;
use crate::city::City;
use crate::model::{AreaId, CategoryId, IncidentNo, SenderId, Seq, TimeMs};

/// Drills or not, of one category, in one area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub drill: bool,
    pub category: CategoryId,
    pub area: AreaId,
}

type ReportKey = (IncidentNo, Seq);

#[derive(Debug)]
pub(super) struct Ledger {
    city: Arc<City>,
    /// Begin and end of the city's day.
    day: [TimeMs; 2],
    reports: BTreeMap<ReportKey, Kept>,
    of_day: HashMap<Key, OfDay>,
    /// Came to count since the newest tick.
    fresh: BTreeSet<ReportKey>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    /// With the finest area that holds it.
    key: Key,
    sender: SenderId,
    occurred_at: TimeMs,
    counts: bool,
}

/// What the reports of the day in one area add up to.
#[derive(Debug, Default)]
pub(super) struct OfDay {
    pub reports: u32,
    senders: HashMap<SenderId, u32>,
}

impl OfDay {
    /// Distinct senders.
    pub fn reporters(&self) -> u32 {
        self.senders.len() as u32
    }
}

impl Ledger {
    pub fn new(city: Arc<City>) -> Ledger {
        Ledger {
            city,
            day: [TimeMs::MIN; 2],
            reports: BTreeMap::new(),
            of_day: HashMap::new(),
            fresh: BTreeSet::new(),
        }
    }

    /// Goes on to the day of `now`; what is older is forgotten.
    pub fn begin_day(&mut self, now: TimeMs) {
        if now < self.day[1] {
            return;
        }
        self.day = [self.city.day_start(now), self.city.day_end(now)];
        let start = self.day[0];
        self.reports.retain(|_, kept| kept.occurred_at >= start);
        self.fresh.retain(|key| self.reports.contains_key(key));
        self.of_day.clear();
        let reports: Vec<Kept> = self.reports.values().copied().filter(|kept| kept.counts).collect();
        reports.iter().for_each(|kept| self.count(kept, true));
    }

    pub fn add(&mut self, report: &HotspotReport, counts: bool) {
        let Some(area) = report.area.filter(|_| !report.imported && report.occurred_at >= self.day[0])
        else {
            return;
        };
        let key = Key { drill: report.drill, category: report.category, area };
        let (sender, occurred_at) = (report.sender, report.occurred_at);
        self.reports
            .insert((report.incident, report.seq), Kept { key, sender, occurred_at, counts: false });
        if counts {
            self.set((report.incident, report.seq), true);
        }
    }

    /// Says whether the reports of an incident count.
    pub fn set_counts(&mut self, incident: IncidentNo, counts: bool) {
        self.keys_of(incident).into_iter().for_each(|key| self.set(key, counts));
    }

    fn keys_of(&self, incident: IncidentNo) -> Vec<ReportKey> {
        let of_incident = (incident, Seq(0))..=(incident, Seq(u64::MAX));
        self.reports.range(of_incident).map(|(key, _)| *key).collect()
    }

    fn set(&mut self, key: ReportKey, counts: bool) {
        let Some(kept) = self.reports.get_mut(&key).filter(|kept| kept.counts != counts) else { return };
        kept.counts = counts;
        let kept = *kept;
        self.count(&kept, counts);
        if counts {
            self.fresh.insert(key)
        } else {
            self.fresh.remove(&key)
        };
    }

    fn count(&mut self, kept: &Kept, more: bool) {
        if !(self.day[0]..self.day[1]).contains(&kept.occurred_at) {
            return;
        }
        for area in self.city.areas.with_ancestors(kept.key.area) {
            let key = Key { area, ..kept.key };
            let of_day = self.of_day.entry(key).or_default();
            let n = of_day.senders.entry(kept.sender).or_default();
            if more {
                *n += 1;
                of_day.reports += 1;
            } else {
                *n -= 1;
                of_day.reports -= 1;
            }
            if *n == 0 {
                of_day.senders.remove(&kept.sender);
            }
            if of_day.reports == 0 {
                self.of_day.remove(&key);
            }
        }
    }

    /// Holds as fresh what the rows of the tick `as_of` do not know of.
    pub fn freshen(&mut self, as_of: Seq) {
        let is_newer = |(key, kept): (&ReportKey, &Kept)| (kept.counts && key.1 > as_of).then_some(*key);
        self.fresh = self.reports.iter().filter_map(is_newer).collect();
    }

    /// The reports of an incident came to count after the newest tick.
    pub fn freshen_incident(&mut self, incident: IncidentNo) {
        let counting = self.keys_of(incident).into_iter().filter(|key| self.reports[key].counts);
        self.fresh.extend(counting.collect::<Vec<_>>());
    }

    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// What the fresh reports of the day are of; none is fresh after it.
    pub fn take_fresh(&mut self) -> BTreeSet<Key> {
        let of_day = self.day[0]..self.day[1];
        let fresh = std::mem::take(&mut self.fresh);
        let kept = fresh.iter().filter_map(|key| self.reports.get(key));
        kept.filter(|kept| of_day.contains(&kept.occurred_at)).map(|kept| kept.key).collect()
    }

    /// Reports of the day in an area and below it, where there are any.
    pub fn of_day(&self, key: Key) -> Option<&OfDay> {
        self.of_day.get(&key)
    }
}
