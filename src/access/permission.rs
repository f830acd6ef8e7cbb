//! What there is to be allowed, and the table of who is.

use super::Role;
use crate::model::Action;

/// Something that not everybody may. What the public may needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// The map as staff see it: every status, exact places.
    SeeMap,
    /// One incident with its reports, their texts, and what was done.
    SeeIncident,
    /// Which reports make a hotspot.
    SeeMembers,
    Verify,
    Reject,
    Assign,
    Start,
    Resolve,
    Reopen,
    Note,
    /// Past reports in bulk.
    Import,
    /// The clock of a replay.
    SetClock,
    /// Send back what is not the agency's.
    Return,
    /// Words to the reporters.
    Answer,
    /// Look at what somebody else resolved, and say that it is.
    Confirm,
    /// Steps of checklists.
    Check,
    /// Letting one incident absorb another; and which ones may belong together.
    Merge,
    /// Setting an absorbed incident free again.
    Split,
    /// Stops the clock of an incident's step, and lets it go on.
    Pause,
    /// Who did what, and who looked at what.
    SeeAudit,
    /// How reporters can be reached; every look is written down.
    SeeContacts,
    /// The shift log and the situation report.
    ShiftLog,
    /// Photos of before and after the work.
    Photo,
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    No,
    /// What the role's own part of the city holds: the agency's incidents, the responder's areas.
    Own,
    All,
}

use Reach::{All, No, Own};

/// The table. A row a permission; in the order of [`Role::ALL`]: viewer, responder, agency, operator,
/// supervisor, admin.
const TABLE: [(Permission, [Reach; 6]); 23] = [
    (Permission::SeeMap, [All, Own, Own, All, All, All]),
    (Permission::SeeIncident, [No, Own, Own, All, All, All]),
    (Permission::SeeMembers, [No, No, No, All, All, All]),
    (Permission::Verify, [No, No, No, All, All, All]),
    (Permission::Reject, [No, No, No, All, All, All]),
    (Permission::Assign, [No, No, No, All, All, All]),
    (Permission::Start, [No, No, Own, All, All, All]),
    (Permission::Resolve, [No, No, Own, All, All, All]),
    (Permission::Reopen, [No, No, No, All, All, All]),
    (Permission::Note, [No, Own, Own, All, All, All]),
    (Permission::Import, [No, No, No, No, All, All]),
    (Permission::SetClock, [No, No, No, No, All, All]),
    (Permission::Return, [No, No, Own, All, All, All]),
    (Permission::Answer, [No, No, Own, All, All, All]),
    (Permission::Confirm, [No, No, No, All, All, All]),
    (Permission::Check, [No, Own, Own, All, All, All]),
    (Permission::Merge, [No, No, No, All, All, All]),
    (Permission::Split, [No, No, No, All, All, All]),
    (Permission::Pause, [No, No, No, All, All, All]),
    (Permission::SeeAudit, [No, No, No, No, All, All]),
    (Permission::SeeContacts, [No, No, No, All, All, All]),
    (Permission::ShiftLog, [No, No, No, All, All, All]),
    (Permission::Photo, [No, Own, Own, All, All, All]),
];

/// How far a role's permission goes.
pub fn reach(role: Role, permission: Permission) -> Reach {
    let row = TABLE.iter().find(|(known, _)| *known == permission);
    row.map_or(No, |(_, reaches)| reaches[role as usize])
}

impl Permission {
    /// In the order of the table.
    pub fn all() -> impl Iterator<Item = Permission> {
        TABLE.iter().map(|(permission, _)| *permission)
    }

    /// Its name in the API and in a token's scopes.
    pub fn key(self) -> &'static str {
        match self {
            Permission::SeeMap => "see-map",
            Permission::SeeIncident => "see-incident",
            Permission::SeeMembers => "see-members",
            Permission::Verify => "verify",
            Permission::Reject => "reject",
            Permission::Assign => "assign",
            Permission::Start => "start",
            Permission::Resolve => "resolve",
            Permission::Reopen => "reopen",
            Permission::Note => "note",
            Permission::Import => "import",
            Permission::SetClock => "set-clock",
            Permission::Return => "return",
            Permission::Answer => "answer",
            Permission::Confirm => "confirm",
            Permission::Check => "check",
            Permission::Merge => "merge",
            Permission::Split => "split",
            Permission::Pause => "pause",
            Permission::SeeAudit => "see-audit",
            Permission::SeeContacts => "see-contacts",
            Permission::ShiftLog => "shift-log",
            Permission::Photo => "photo",
        }
    }

    pub fn from_key(key: &str) -> Option<Permission> {
        Permission::all().find(|permission| permission.key() == key)
    }

    /// What doing it to an incident needs.
    pub fn of_action(action: Action) -> Permission {
        match action {
            Action::Verify => Permission::Verify,
            Action::Reject => Permission::Reject,
            Action::Assign => Permission::Assign,
            Action::Start => Permission::Start,
            Action::Resolve => Permission::Resolve,
            Action::Reopen => Permission::Reopen,
            Action::Note => Permission::Note,
            Action::Return => Permission::Return,
            Action::Answer => Permission::Answer,
            Action::Confirm => Permission::Confirm,
            Action::Check => Permission::Check,
            Action::Pause | Action::Resume => Permission::Pause,
            Action::Photo => Permission::Photo,
            Action::Release | Action::Withdraw => Permission::Answer,
        }
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

impl Permissions {
    pub fn of(permissions: impl IntoIterator<Item = Permission>) -> Permissions {
        Permissions(permissions.into_iter().fold(0, |bits, permission| bits | 1 << permission as u32))
    }

    pub fn has(self, permission: Permission) -> bool {
        self.0 >> (permission as u32) & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |permission| self.has(*permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_permission_once_in_the_order_of_the_roles() {
        for (at, (permission, _)) in TABLE.iter().enumerate() {
            assert_eq!(*permission as usize, at, "{permission:?}");
            assert_eq!(Permission::from_key(permission.key()), Some(*permission));
        }
        for (at, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, at);
            assert_eq!(Role::from_key(role.key()), Some(role));
        }
    }

    #[test]
    fn an_admin_may_what_any_role_may_and_only_its_own_is_never_all() {
        for permission in Permission::all() {
            assert_eq!(reach(Role::Admin, permission), All);
            for role in [Role::Agency, Role::Responder] {
                assert_ne!(reach(role, permission), All, "{role:?} {permission:?}");
            }
        }
    }

    #[test]
    fn the_operations_manual_has_the_table() {
        let manual = include_str!("../../docs/operations.md");
        let sign = |reach: Reach| match reach {
            No => "–",
            Own => "own",
            All => "yes",
        };
        for (permission, reaches) in TABLE {
            let row = format!("| `{}` | {} |", permission.key(), reaches.map(sign).join(" | "));
            assert!(manual.contains(&row), "docs/operations.md lacks the row\n{row}");
        }
    }
}
