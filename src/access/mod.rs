//! Who may do what (design: "Who may see what").
//!
//! Pure: who asks and what about comes in, a decision goes out. `role` has the roles, `permission` the
//! one table that says what each may, `who` a reader with what it may see, `policy` the decision.
//!
//! Invariants:
//! - What is not in the table is denied.
//! - Whoever does not see an incident is answered as if there were none.
//! - A token never may more than its role.

mod permission;
mod policy;
mod role;
mod who;

pub use permission::{Permission, Permissions, Reach, reach};
pub use policy::{Decision, Denied, Object, may, may_ever};
pub use role::Role;
pub use who::{Via, Who};
