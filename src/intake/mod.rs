//! Intake: what arrives is parsed, checked, placed in its area and routed.
//!
//! One way in for every source: bytes come in, a [`NewReport`](crate::model::NewReport) or the list
//! of *all* faults comes out. Invariants:
//!
//! - A report that leaves intake is whole: category known, place inside the city's bounds, time not
//!   ahead of now, every text within its limit and free of control characters.
//! - A fault names the field by its JSON pointer and says what to change.
//! - Nothing here does I/O, asks the time or draws chance: callers bring [`Context`].

mod action;
mod fault;
mod json;
mod limits;
mod mapping;
mod merging;
mod photo;
mod place;
mod record;
mod report;
mod row;
mod sender;
#[cfg(test)]
mod testing;
mod text;
mod wire;

pub use action::{ActionRequest, parse_action};
pub use fault::FieldFault;
pub use limits::*;
pub use mapping::{Columns, Mapping, MappingError};
pub use merging::{MergeRequest, parse_merge};
pub use photo::{PhotoForm, parse_photo_form};
pub use record::{PhoneLook, parse_phone_look, parse_reason, parse_shift_entry};
pub use report::{Submission, parse_report};
pub use row::{Cells, ImportRecord, Row};
pub use sender::{BARE_PHONE_DIGITS_MIN, names_phone, phone_key, sender_by_email, sender_by_phone};
pub use wire::{ImportAnswer, ImportLine, RefusedLine, parse_import};

use crate::city::City;
use crate::model::{IdKey, TimeMs};

/// What a submission is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub city: &'a City,
    pub ids: &'a IdKey,
    pub now: TimeMs,
    pub ahead: Ahead,
}

/// What becomes of a time more than [`LEAD_MS_MAX`] ahead of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It is refused: the sender's clock is wrong.
    Refuse,
    /// It stands: on a replay server the report itself moves the clock.
    Take,
}
