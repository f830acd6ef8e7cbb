//! The decision: may somebody do something to something.

use super::{Permission, Reach, Who};
use crate::model::{AgencyId, AreaId};

/// What something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// The center as a whole.
    Center,
    /// An incident, by whom it is assigned to and the exact area it lies in.
    Incident { agency: Option<AgencyId>, area: Option<AreaId> },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Nobody known asks: sign in first.
    SignIn,
    /// Their role, or their token, is not for this.
    Role,
    /// It is for others: they do not even learn that it is there.
    Foreign,
}

pub type Decision = Result<(), Denied>;

/// Whether `who` may do this to `object`; `None`: nobody who is known.
///
/// # Errors
/// Why not.
pub fn may(who: Option<&Who>, permission: Permission, object: Object) -> Decision {
    let who = who.ok_or(Denied::SignIn)?;
    match (who.reach(permission), object) {
        (Reach::No, _) => Err(Denied::Role),
        (Reach::All, _) => Ok(()),
        // Part of the center is not all of it.
        (Reach::Own, Object::Center) => Err(Denied::Role),
        (Reach::Own, Object::Incident { agency, area }) if who.owns(agency, area) => Ok(()),
        (Reach::Own, Object::Incident { .. }) => Err(Denied::Foreign),
    }
}

/// Whether `who` may do this to anything at all: asked before it is looked at what it is about.
///
/// # Errors
/// Why not.
pub fn may_ever(who: Option<&Who>, permission: Permission) -> Decision {
    match who.ok_or(Denied::SignIn)?.reach(permission) {
        Reach::No => Err(Denied::Role),
        Reach::Own | Reach::All => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permissions, Role, Via};
    use crate::city::AreaSet;

    fn who(role: Role) -> Who {
        let (agency, areas) = (Some(AgencyId(2)), AreaSet::of([AreaId(4)]));
        Who { name: "ani".to_owned(), role, via: Via::Session, agency, areas, only: None }
    }

    fn incident(agency: u8, area: u16) -> Object {
        Object::Incident { agency: Some(AgencyId(agency)), area: Some(AreaId(area)) }
    }

    #[test]
    fn an_agency_works_its_own_and_does_not_learn_of_others() {
        let agency = who(Role::Agency);
        assert_eq!(may(Some(&agency), Permission::Resolve, incident(2, 9)), Ok(()));
        assert_eq!(may(Some(&agency), Permission::Resolve, incident(3, 4)), Err(Denied::Foreign));
        let unassigned = Object::Incident { agency: None, area: Some(AreaId(4)) };
        assert_eq!(may(Some(&agency), Permission::SeeIncident, unassigned), Err(Denied::Foreign));
        // One whose agency left the city pack owns nothing, the unassigned least of all.
        let homeless = Who { agency: None, ..agency };
        assert_eq!(may(Some(&homeless), Permission::SeeIncident, unassigned), Err(Denied::Foreign));
    }

    #[test]
    fn a_responder_sees_its_areas_whoever_acts_there() {
        let responder = who(Role::Responder);
        assert_eq!(may(Some(&responder), Permission::SeeIncident, incident(9, 4)), Ok(()));
        assert_eq!(may(Some(&responder), Permission::SeeIncident, incident(2, 5)), Err(Denied::Foreign));
        assert_eq!(may(Some(&responder), Permission::Resolve, incident(2, 4)), Err(Denied::Role));
    }

    #[test]
    fn a_token_for_less_may_less_and_never_more() {
        let only = Some(Permissions::of([Permission::Import, Permission::Verify]));
        let token = Who { only, via: Via::Token, ..who(Role::Operator) };
        assert_eq!(may(Some(&token), Permission::Verify, incident(1, 1)), Ok(()));
        assert_eq!(may(Some(&token), Permission::Reject, incident(1, 1)), Err(Denied::Role));
        assert_eq!(may_ever(Some(&token), Permission::Import), Err(Denied::Role));
        assert_eq!(may_ever(None, Permission::Verify), Err(Denied::SignIn));
    }
}
