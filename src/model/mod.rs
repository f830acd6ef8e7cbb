//! The nouns of Pantau: places, times, statuses, facts, commands.
//!
//! Values only. No I/O, no clock, no chance; nothing here knows of HTTP, SQL or JSON.

mod clock;
mod command;
mod coord;
mod disposition;
mod erasure;
mod fact;
mod hex;
mod id;
mod merging;
mod photo;
mod record;
mod time;
pub mod transitions;
mod vocabulary;

pub use clock::{Clock, ClockState, ESCALATION_MAX, Step};
pub use command::{Command, Idempotency, ImportRow, NewAction, NewReport, Outcome, Receipt, Refusal};
pub use coord::{
    Bbox, Cell, CoordError, EARTH_RADIUS_M, LEVEL_MAX, LngLat, MERCATOR_LAT_MAX, great_circle_m,
};
pub use disposition::{ActionMore, CheckedStep, Disposition};
pub use erasure::{ERASED_MAX, ErasedNote, ErasedReport, ErasureFact, Kinds, NewErasure};
pub use fact::{ActionFact, Entry, Fact, Opening, ReportFact, ReportPrivate};
pub use hex::{hex, unhex};
pub use id::{CodeStart, Epoch, IdKey, IncidentNo, ReportNo, Secret, SenderId, Seq};
pub use merging::{MergeFact, NewMerge};
pub use photo::{AddedPhotos, PHOTOS_MAX, Photo, PhotoKind, PhotoName, PhotoNo, PhotoRow, SentPhotos};
pub use record::{NewRecord, RecordFact, RecordKind};
pub use time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, TimeMs};
pub use transitions::{Requirement, TRANSITIONS, Transition};
pub use vocabulary::{Action, AgencyId, AreaId, CategoryId, Channel, Projection, Status};
