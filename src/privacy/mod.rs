//! What a person may ask for: to see what is held about them, and to have it erased. And what the city
//! pack lets nobody keep longer than needed.
//!
//! Finding reads the store beside the server. Erasing is an entry like any other: the server appends it,
//! told so through a socket in its data folder ([`control`]), or the command itself where no server runs.
//!
//! Invariants:
//! - Nothing here is reached over the network.
//! - An erasure's entry holds no personal data, its reason included ([`Found::check_reason`]).
//! - What was erased is searched for in the bytes of the folder afterwards ([`proof`]).

pub mod control;
mod erase;
mod export;
mod find;
mod list;
pub mod proof;
pub mod retention;

pub use erase::{EraseError, Erased, Request, commands, compact, erase_here};
pub use export::{export, file_of};
pub use find::{Found, FoundNote, FoundReport, Selector, find};
pub use list::{Erasures, again, list};
