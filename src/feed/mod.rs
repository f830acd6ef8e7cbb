//! The feed: who is told what.
//!
//! A client is a cursor into versioned state, not a queue of messages. Invariants:
//!
//! - A client that applies a snapshot and all deltas up to seq n holds what a fresh snapshot at n holds.
//! - Nothing is kept per client but cursors; the live map's ring of changes is all the history there is.
//! - What has the same view, `from`, `seq` and subscription id is encoded once a beat and shared.
//!
//! `spec` reads what is asked, `view` is a checked question, `topic` holds it once for all who ask it,
//! `contents` computes answers and changes, `changes` says whom a change can concern, `text_search`
//! finds words in the journal, `wire` is their JSON, `lateness` that of clocks, `frame` a message on its way out, `subscription`
//! a topic with cursors, `session` one socket without the socket, `beat` one moment and what was made
//! of it, `pace` says when the next one may come, `presence` who of the staff is at which incident.

mod beat;
mod changes;
mod contents;
mod frame;
mod lateness;
mod pace;
pub mod presence;
mod session;
mod spec;
mod subscription;
mod text_search;
mod topic;
mod view;
pub mod wire;

pub use beat::Beat;
pub use contents::{Contents, features, hotspot_features, past_hotspot_features};
pub use frame::Frame;
pub use pace::Pace;
pub use presence::Presence;
pub use session::{SUBSCRIPTIONS_MAX, Session, SubscribeFault};
pub use spec::{FilterSpec, parse_bbox, parse_time, parse_within_json, parse_within_text, parse_words};
pub use text_search::TextSearch;
pub use topic::{VIEWS_MAX, Views};
pub use view::{Layers, View};
