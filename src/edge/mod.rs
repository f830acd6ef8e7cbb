//! Edges: nodes without a store that show the same live map as the origin, the node that has it.
//!
//! An edge stands up from the origin's [`NodeSnapshot`] and follows its entries: through a NATS JetStream
//! stream where there is one, and from the origin itself whatever the stream has lost or not brought yet.
//! The stream carries and is never the truth. Invariants:
//!
//! - An entry is published after it is durable, and an edge applies entries in the order of their seqs,
//!   without a hole: within an epoch its seq never falls.
//! - Nothing that an edge receives holds contacts, texts, notes or actors ([`crate::journal::SharedEntry`]).
//! - An edge of another city pack, epoch or generation does not go on: it begins anew from a snapshot, or
//!   stops following and says so.

mod desk;
mod follow;
mod hand;
mod listen;
mod news;
mod origin;
mod publish;
mod questions;
mod settings;
mod snapshot;
mod status;
mod stream;

pub use desk::{Desk, ENTRIES_MAX};
pub use follow::{Ended, Following, follow};
pub use hand::{Hand, Taken};
pub use news::{Lineage, News, Told};
pub use origin::{Answer, Origin, OriginError};
pub use publish::{ALIVE_EVERY, Publication};
pub use questions::{Question, Questions, Verdict};
pub use settings::{EdgeSettings, EdgeToken, NodeFlags, NodeSettings};
pub use snapshot::{NodeSnapshot, SnapshotFault};
pub use status::{EdgeStatus, Standing};
pub use stream::{Place, StreamAddress, StreamEnd};
