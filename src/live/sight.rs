//! What one reader may see: a projection, and of it all or a part.

use super::filter::Filter;
use super::keys::IdSet;
use crate::city::AreaSet;
use crate::model::Projection;

/// A projection, all of it or what some agencies or areas have of it. A part is cut out where a
/// question becomes a [`Filter`], so that every answer and every delta is of the part alone.
///
/// Hotspots are made of all incidents, so whoever sees a part of them sees the public's hotspots.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    projection: Projection,
    agencies: Option<IdSet>,
    areas: Option<AreaSet>,
    texts: bool,
}

impl Sight {
    pub const PUBLIC: Sight =
        Sight { projection: Projection::Public, agencies: None, areas: None, texts: false };
    pub const STAFF: Sight =
        Sight { projection: Projection::Staff, agencies: None, areas: None, texts: true };

    /// What is assigned to one of these.
    pub fn of_agencies(agencies: IdSet) -> Sight {
        Sight { agencies: Some(agencies), ..Sight::STAFF }
    }

    /// What lies in one of these.
    pub fn of_areas(areas: AreaSet) -> Sight {
        Sight { areas: Some(areas), ..Sight::STAFF }
    }

    /// The same, but what people wrote is not to be searched.
    #[must_use]
    pub fn without_texts(self) -> Sight {
        Sight { texts: false, ..self }
    }

    pub fn projection(&self) -> Projection {
        self.projection
    }

    /// Whose hotspots are shown.
    pub fn hotspots(&self) -> Projection {
        if self.is_whole() { self.projection } else { Projection::Public }
    }

    /// Whether a search for words must be refused: it would find them in texts.
    pub fn hides_texts(&self) -> bool {
        self.projection == Projection::Staff && !self.texts
    }

    /// Its name on the wire.
    pub fn key(&self) -> &'static str {
        if self.areas.is_some() { "responder" } else { self.projection.key() }
    }

    fn is_whole(&self) -> bool {
        self.agencies.is_none() && self.areas.is_none()
    }

    /// What of a question may be answered.
    pub fn narrow(&self, filter: Filter) -> Filter {
        let agencies = match (self.agencies, filter.agencies) {
            (Some(own), Some(asked)) => Some(own.and(asked)),
            (own, asked) => own.or(asked),
        };
        let areas = match (&self.areas, filter.areas) {
            (Some(own), Some(asked)) => Some(own.and(&asked)),
            (own, asked) => asked.or_else(|| own.clone()),
        };
        Filter { agencies, areas, ..filter }
    }
}

impl From<Projection> for Sight {
    fn from(projection: Projection) -> Sight {
        match projection {
            Projection::Public => Sight::PUBLIC,
            Projection::Staff => Sight::STAFF,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgencyId, AreaId};

    #[test]
    fn asking_for_more_gives_no_more_than_ones_own() {
        let of = |ids: &[u8]| IdSet::of_agencies(ids.iter().map(|id| AgencyId(*id)));
        let areas = |ids: &[u16]| AreaSet::of(ids.iter().map(|id| AreaId(*id)));
        let asked = |agencies, areas| Filter { agencies, areas, ..Filter::default() };
        let agency = Sight::of_agencies(of(&[3]));
        assert_eq!(agency.narrow(asked(None, None)).agencies, Some(of(&[3])));
        assert_eq!(agency.narrow(asked(Some(of(&[3, 4])), None)).agencies, Some(of(&[3])));
        assert_eq!(agency.narrow(asked(Some(of(&[4])), None)).agencies, Some(of(&[])));
        let responder = Sight::of_areas(areas(&[1, 5]));
        assert_eq!(responder.narrow(asked(None, None)).areas, Some(areas(&[1, 5])));
        assert_eq!(responder.narrow(asked(None, Some(areas(&[5, 6])))).areas, Some(areas(&[5])));
        assert_eq!(responder.narrow(asked(None, Some(areas(&[6])))).areas, Some(areas(&[])));
        assert_eq!(responder.narrow(asked(Some(of(&[4])), None)).agencies, Some(of(&[4])));
        for part in [agency, responder] {
            assert_eq!((part.projection(), part.hotspots()), (Projection::Staff, Projection::Public));
        }
        assert_eq!(Sight::STAFF.hotspots(), Projection::Staff);
    }
}
