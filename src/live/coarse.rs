//! Coarse places that were found before.

use std::collections::HashMap;

use super::filter::Filter;
use super::map::LiveMap;
use crate::city::City;
use crate::model::{LngLat, Projection};

/// What the public sees in the place of exact ones. To find a coarse place takes a microsecond, and a start
/// asks for hundreds of thousands; so a snapshot brings those along that it knows. They are never stale: a
/// coarse place depends on the exact one and on the city pack alone, and a snapshot of another pack is refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoarsePlaces(HashMap<LngLat, LngLat>);

impl CoarsePlaces {
    pub fn with_capacity(n: usize) -> CoarsePlaces {
        CoarsePlaces(HashMap::with_capacity(n))
    }

    /// Those of the incidents that the public sees.
    pub fn of(map: &LiveMap) -> CoarsePlaces {
        let mut places = CoarsePlaces::default();
        map.each_member(Projection::Public, &Filter::everything(), |member| {
            if let Some(incident) = map.incident(member.no)
                && map.city().category(incident.category).sensitive
            {
                places.put(incident.exact_place, member.place);
            }
        });
        places
    }

    pub fn put(&mut self, exact: LngLat, coarse: LngLat) {
        self.0.insert(exact, coarse);
    }

    /// In the order of the exact ones.
    pub fn sorted(&self) -> Vec<(LngLat, LngLat)> {
        let mut places: Vec<_> = self.0.iter().map(|(exact, coarse)| (*exact, *coarse)).collect();
        places.sort_unstable();
        places
    }

    /// The coarse place of one, found anew where it is not known.
    pub fn of_exact(&self, exact: LngLat, city: &City) -> LngLat {
        self.0.get(&exact).copied().unwrap_or_else(|| exact.coarsened(city.coarse_res))
    }
}
