//! The live map: what the journal's entries add up to, in memory.
//!
//! Pure: [`LiveWriter::apply`] turns entries into changes, with no I/O, no clock and no chance; time is
//! in the entries. The writer owns a [`LiveMap`] and publishes clones of it: a clone is cheap, never
//! changes, and is one consistent moment for as many readers as like.

mod cell_range;
mod clocks;
mod coarse;
mod day;
mod filter;
mod forest;
pub mod hotspots;
mod incident;
mod keys;
mod likeness;
mod list;
mod map;
mod member;
mod merging;
mod place;
mod pyramid;
mod query;
mod restore;
mod rows;
mod search;
mod sight;
mod snapshot;
mod sort;
mod sorted;
mod state_hash;
mod suggestions;
mod tally;
mod timeline;
mod title;
mod words;
mod writer;

pub use cell_range::CellRange;
pub use clocks::LateAlarm;
pub use coarse::CoarsePlaces;
pub use filter::{Filter, Within};
pub use hotspots::Alarm;
pub use incident::{Incident, Spot, is_public, public_spot};
pub use keys::{IdSet, StatusSet};
pub use likeness::Trigrams;
pub use list::{ArchivePage, ArchiveQuestion, ArchiveSearch, COUNTED_MAX, Found};
pub use map::{Change, LiveMap, RING_CHANGES_MAX};
pub use place::{Circle, Where};
pub use pyramid::Cells;
pub use query::{FEATURES_MAX, Stats};
pub use restore::{ReportStanding, Restorer};
pub use search::Hit;
pub use sight::Sight;
pub use snapshot::{Snapshot, SnapshotError};
pub use sort::{Cursor, Sort};
pub use state_hash::StateHash;
pub use suggestions::{Candidate, Suggestion, TEXTS_MAX, suggestions};
pub use tally::Summary;
pub use title::Title;
pub use words::Words;
pub use writer::LiveWriter;
