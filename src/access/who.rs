//! Somebody who asks, with a name.

use super::{Permission, Permissions, Reach, Role, reach};
use crate::city::AreaSet;
use crate::live::{IdSet, Sight};
use crate::model::{AgencyId, AreaId};

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Comes straight from this machine, where that is trusted.
    Loopback,
    /// Signed in with a name and a password.
    Session,
    /// A program's token.
    Token,
    /// A wall's token: looks for ever.
    Kiosk,
}

impl Via {
    pub fn key(self) -> &'static str {
        match self {
            Via::Loopback => "loopback",
            Via::Session => "session",
            Via::Token => "token",
            Via::Kiosk => "kiosk",
        }
    }
}

/// Somebody who is known: what they are, and which part of the city is theirs.
#[derive(Debug, Clone, PartialEq)]
pub struct Who {
    /// As the journal remembers who acted.
    pub name: String,
    pub role: Role,
    pub via: Via,
    /// Of an agency's people. `None`: of none that the city pack has, so nothing is theirs.
    pub agency: Option<AgencyId>,
    /// Of a responder: these and what lies below them.
    pub areas: AreaSet,
    /// A token may be for less than its role.
    pub only: Option<Permissions>,
}

impl Who {
    /// Whoever is trusted on the loopback.
    pub fn on_loopback() -> Who {
        let (agency, areas, only) = (None, AreaSet::default(), None);
        Who { name: "loopback".to_owned(), role: Role::Admin, via: Via::Loopback, agency, areas, only }
    }

    /// How far a permission of theirs goes.
    pub fn reach(&self, permission: Permission) -> Reach {
        match self.only {
            Some(only) if !only.has(permission) => Reach::No,
            _ => reach(self.role, permission),
        }
    }

    /// Whether an incident lies in their part of the city.
    pub fn owns(&self, agency: Option<AgencyId>, area: Option<AreaId>) -> bool {
        match self.role {
            Role::Agency => self.agency.is_some() && agency == self.agency,
            Role::Responder => area.is_some_and(|area| self.areas.contains(area)),
            _ => false,
        }
    }

    /// What they see of the map.
    pub fn sight(&self) -> Sight {
        let sight = match (self.reach(Permission::SeeMap), self.role) {
            (Reach::No, _) => return Sight::PUBLIC,
            (Reach::All, _) => Sight::STAFF,
            (Reach::Own, Role::Responder) => Sight::of_areas(self.areas.clone()),
            (Reach::Own, _) => Sight::of_agencies(IdSet::of_agencies(self.agency)),
        };
        match self.reach(Permission::SeeIncident) {
            Reach::No => sight.without_texts(),
            Reach::Own | Reach::All => sight,
        }
    }
}
