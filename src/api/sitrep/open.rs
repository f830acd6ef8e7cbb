//! The open incidents of a situation report, found in one pass: a city in a flood has hundreds of thousands.

use std::collections::BinaryHeap;

use serde_json::{Value, json};

use super::{Period, features};
use crate::live::{Cursor, Filter, LiveMap, Sort};
use crate::model::Projection;

/// Incidents that a list of a report shows; how many there are stands beside it.
pub(super) const LIST_MAX: usize = 100;

/// How many there are, and the first of them in their order.
#[derive(Default)]
pub(super) struct Ranked {
    total: u64,
    first: BinaryHeap<Cursor>,
}

impl Ranked {
    fn add(&mut self, rank: Cursor) {
        self.total += 1;
        if self.first.len() < LIST_MAX {
            self.first.push(rank);
        } else if let Some(mut worst) = self.first.peek_mut()
            && rank < *worst
        {
            *worst = rank;
        }
    }

    pub fn json(self, map: &LiveMap) -> Value {
        let ranks = self.first.into_sorted_vec();
        let incidents = ranks.iter().filter_map(|rank| map.incident(rank.no.0));
        json!({"total": self.total, "incidents": features(map, incidents)})
    }
}

/// The nearest deadline comes first in each list.
#[derive(Default)]
pub(super) struct Open {
    pub all: Ranked,
    pub overdue: Ranked,
    /// Whose deadline passed in the period.
    pub newly_overdue: Ranked,
    /// West, south, east and north of the box that holds them; `None` where there are none.
    pub bbox: Option<[f64; 4]>,
}

impl Open {
    pub fn of(map: &LiveMap, filter: &Filter, period: &Period) -> Open {
        let mut open = Open::default();
        map.each_incident(Projection::Staff, filter, |incident| {
            let rank = Sort::DueFirst.rank(incident);
            open.all.add(rank);
            if incident.is_overdue_at(map.now()) {
                open.overdue.add(rank);
                if incident.due_at().is_some_and(|due_at| due_at >= period.begin) {
                    open.newly_overdue.add(rank);
                }
            }
            let place = incident.spot(Projection::Staff, map.city()).place;
            let [west, south, east, north] =
                open.bbox.unwrap_or([place.lng(), place.lat(), place.lng(), place.lat()]);
            open.bbox = Some([
                west.min(place.lng()),
                south.min(place.lat()),
                east.max(place.lng()),
                north.max(place.lat()),
            ]);
        });
        open
    }
}
