//! Alarms of kind surge: in one area and one category, the day so far has far more reports than the
//! days before it.
//!
//! A tick looks at the areas in which a report came to count since the one before, and at those above
//! them. The day's count is of reports that came live; the days before it are the history's, imported
//! reports among them.
//!
//! Invariants:
//! - A function of the entries: an import raises nothing by itself, and a restart neither repeats nor
//!   loses an alarm.
//! - An area and category that stood out is not raised again until a day has passed without that.
//! - An area with areas below it raises nothing on a day on which one of these stands out.

mod ledger;
mod row;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{ToSpan, civil};

use super::HotspotReport;
use super::ears::{self, Method};
use super::history::{History, Series};
use super::hotspot::Layer;
use super::words;
use crate::city::{City, Text};
use crate::model::{AreaId, CategoryId, IncidentNo, Seq, TimeMs};
use ledger::{Key, Ledger};

pub(super) use row::{read, row};

/// Fewer reports of a day raise nothing: twice as many as make a hotspot by default.
pub const REPORTS_MIN: u32 = 8;
/// Nor do fewer distinct senders.
pub const REPORTERS_MIN: u32 = 4;
/// Both look at the day alone. C3 sums the days before too, which an import may fill.
const METHODS: [Method; 2] = [Method::C1, Method::C2];

/// One area had far more reports of one category than usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Surge {
    /// Of the tick that raised it.
    pub seq: Seq,
    /// Its number among those of its tick.
    pub n: u32,
    pub at: TimeMs,
    pub area: AreaId,
    pub category: CategoryId,
    pub drill: bool,
    /// The city's day.
    pub day: civil::Date,
    /// Of the day, when it was raised.
    pub reports: u32,
    /// Distinct senders of these.
    pub reporters: u32,
    /// On one of the seven days before, on average, in hundredths.
    pub usual: f64,
    /// How far above usual, in sigma, in hundredths.
    pub sigma: f64,
    pub title: Text,
}

/// A surge, and the newest day on which its area and category stood out like this.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    pub surge: Arc<Surge>,
    pub until: civil::Date,
}

/// The surges of one engine.
#[derive(Debug)]
pub(super) struct Surges {
    ledger: Ledger,
    /// Those that a newer day may go on with.
    episodes: BTreeMap<Key, Episode>,
}

/// What a tick judges with.
pub(super) struct Today<'a> {
    city: &'a City,
    history: &'a History,
    seq: Seq,
    now: TimeMs,
    day: civil::Date,
    /// Starts of the days that EARS looks at, and the end of today.
    borders: Vec<TimeMs>,
}

impl<'a> Today<'a> {
    pub fn new(city: &'a City, history: &'a History, seq: Seq, now: TimeMs) -> Today<'a> {
        let day = city.day_of(now);
        let start = |ago: usize| day.checked_sub((ago as i64).days()).ok().map(|day| city.start_of(day));
        let mut borders: Vec<TimeMs> = (0..ears::DAYS_MAX).rev().filter_map(start).collect();
        borders.push(city.day_end(now));
        Today { city, history, seq, now, day, borders }
    }

    /// Counts of the known days before today, oldest first.
    fn days_before(&self, key: Key) -> Vec<u32> {
        let Some(begins_at) = self.history.begins_at(key.drill, self.now) else { return Vec::new() };
        let series = Series { city: self.city, layer: Layer::Category(key.category), drill: key.drill };
        let mut before = Vec::new();
        self.history.day_counts(series, [key.area].into_iter(), &self.borders, |_, daily| {
            before = daily.counts()[..self.borders.len() - 2].to_vec();
        });
        let unknown = self.borders.iter().filter(|start| **start < begins_at).count();
        before.split_off(unknown.min(before.len()))
    }
}

impl Surges {
    pub fn new(city: Arc<City>) -> Surges {
        Surges { ledger: Ledger::new(city), episodes: BTreeMap::new() }
    }

    /// Goes on to the day of `now`, so that nothing older is taken in.
    pub fn begin_day(&mut self, now: TimeMs) {
        self.ledger.begin_day(now);
    }

    pub fn add(&mut self, report: &HotspotReport, counts: bool) {
        self.ledger.add(report, counts);
    }

    pub fn set_counts(&mut self, incident: IncidentNo, counts: bool) {
        self.ledger.set_counts(incident, counts);
    }

    /// Whether the next tick has something to judge.
    pub fn is_dirty(&self) -> bool {
        self.ledger.has_fresh()
    }

    /// Takes up the rows of the tick `as_of`; the reports were added before.
    pub fn load(&mut self, episodes: &[Episode], as_of: Seq) {
        // Oldest first: the newest of a key stays.
        self.episodes = episodes.iter().map(|episode| (episode.key(), episode.clone())).collect();
        self.ledger.freshen(as_of);
    }

    /// The reports of an incident came to count after the tick that was loaded.
    pub fn freshen(&mut self, incident: IncidentNo) {
        self.ledger.freshen_incident(incident);
    }

    /// The surges that a tick raises, and those that go on into another day.
    pub fn tick(&mut self, today: &Today<'_>) -> Vec<Episode> {
        self.ledger.begin_day(today.now);
        self.episodes.retain(|_, episode| goes_on(episode.until, today.day));
        let mut changed = Vec::new();
        let mut n = 0;
        for key in candidates(&self.ledger.take_fresh(), today.city) {
            if self.is_known(key, today) {
                continue;
            }
            let Some(mut surge) = self.judge(key, today) else { continue };
            let episode = match self.episodes.get(&key) {
                Some(before) => Episode { surge: Arc::clone(&before.surge), until: today.day },
                None => {
                    surge.n = n;
                    n += 1;
                    Episode { surge: Arc::new(surge), until: today.day }
                }
            };
            self.episodes.insert(key, episode.clone());
            changed.push(episode);
        }
        changed
    }

    /// Whether today's surge was told already, of this area or of one below it.
    fn is_known(&self, key: Key, today: &Today<'_>) -> bool {
        let from = Key { area: AreaId(0), ..key };
        let to = Key { area: AreaId(u16::MAX), ..key };
        let mut of_today = self.episodes.range(from..=to).filter(|(_, episode)| episode.until == today.day);
        let areas = &today.city.areas;
        of_today.any(|(known, _)| areas.with_ancestors(known.area).any(|area| area == key.area))
    }

    fn judge(&self, key: Key, today: &Today<'_>) -> Option<Surge> {
        let of_day = self.ledger.of_day(key)?;
        let reports = of_day.reports;
        if reports < REPORTS_MIN {
            return None;
        }
        let mut counts = today.days_before(key);
        let usual = mean(counts.get(counts.len().checked_sub(ears::BASELINE_DAYS)?..)?);
        counts.push(reports);
        let sigmas = METHODS.into_iter().filter_map(|m| ears::statistic(m, &counts, ears::SIGMA_FLOOR));
        let sigma = sigmas.max_by(f64::total_cmp).filter(|sigma| *sigma > ears::ALARM_SIGMA)?;
        let reporters = of_day.reporters();
        (reporters >= REPORTERS_MIN).then(|| Surge {
            seq: today.seq,
            n: 0,
            at: today.now,
            area: key.area,
            category: key.category,
            drill: key.drill,
            day: today.day,
            reports,
            reporters,
            usual: hundredths(usual),
            sigma: hundredths(sigma),
            title: words::surge_title(key.category, key.area, reports, usual, today.city),
        })
    }
}

impl Episode {
    fn key(&self) -> Key {
        let &Surge { drill, category, area, .. } = &*self.surge;
        Key { drill, category, area }
    }
}

/// Whether an episode whose newest day is `until` would go on with `day`.
fn goes_on(until: civil::Date, day: civil::Date) -> bool {
    until.tomorrow().is_ok_and(|next| next >= day)
}

/// The areas of the keys and those above them, the finest first.
fn candidates(fresh: &BTreeSet<Key>, city: &City) -> Vec<Key> {
    let with_above = |key: &Key| {
        let key = *key;
        city.areas.with_ancestors(key.area).map(move |area| Key { area, ..key })
    };
    let all: BTreeSet<Key> = fresh.iter().flat_map(with_above).collect();
    let mut all: Vec<Key> = all.into_iter().collect();
    all.sort_by_key(|key| Reverse(city.areas.with_ancestors(key.area).count()));
    all
}

fn mean(counts: &[u32]) -> f64 {
    f64::from(counts.iter().sum::<u32>()) / counts.len() as f64
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
