//! The roles of the center.

/// What somebody is in the center. A token has one, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A wall: looks, and does nothing.
    Viewer,
    /// Out in the field: its areas in full.
    Responder,
    /// One who must act, for instance the water utility: its own incidents, and no other.
    Agency,
    /// On duty: verifies, assigns, answers.
    Operator,
    /// Leads the shift: what an operator may, and what changes many at once.
    Supervisor,
    /// Looks after the server: all of it.
    Admin,
}

impl Role {
    pub const ALL: [Role; 6] =
        [Role::Viewer, Role::Responder, Role::Agency, Role::Operator, Role::Supervisor, Role::Admin];

    pub fn key(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Agency => "agency",
            Role::Operator => "operator",
            Role::Supervisor => "supervisor",
            Role::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_key(key: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.key() == key)
    }

    /// All names, for a sentence.
    pub fn keys() -> String {
        Role::ALL.map(Role::key).join(", ")
    }
}
