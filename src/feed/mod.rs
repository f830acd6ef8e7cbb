//! The feed: who is told what.
//!
//! A client is a cursor into versioned state, not a queue of messages. Invariants:
//!
//! - A client that applies a snapshot and all deltas up to seq n holds what a fresh snapshot at n holds.
//! - Nothing is kept per client but cursors; the live map's ring of changes is all the history there is.
//! - What has the same view, `from`, `seq` and subscription id is encoded once a beat and shared.
//!
//! `spec` reads what is asked, `view` is a checked question, `contents` computes answers and changes,
//! `text_search` finds words in the journal, `wire` is their JSON, `session` is one socket without the socket, `frame` a message on its way out, `beat` is the common pulse.

mod beat;
mod contents;
mod frame;
mod session;
mod spec;
mod text_search;
mod view;
pub mod wire;

pub use beat::{Beat, VIEWS_MAX, Views};
pub use contents::{Contents, features, hotspot_features};
pub use frame::Frame;
pub use session::{SUBSCRIPTIONS_MAX, Session, SubscribeFault};
pub use spec::{FilterSpec, parse_bbox, parse_within_json, parse_within_text};
pub use text_search::TextSearch;
pub use view::{Layers, View};
