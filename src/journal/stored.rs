//! The journal as backups carry it: entries as they are stored, and what a folder is.
//!
//! Nothing here is understood: bodies and private parts are copied letter by letter, so that the chain
//! of hashes and the digests of the private parts still vouch for them wherever they arrive.

use super::FolderMode;
use crate::model::{Epoch, Secret, Seq, TimeMs};

/// What a data folder is, beside its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Key of the city pack.
    pub city: String,
    pub mode: FolderMode,
    pub epoch: Epoch,
    pub secret: Secret,
}

/// The end of the log, with the hash that stands for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// `Seq(0)` where nothing is written yet.
    pub seq: Seq,
    pub at: TimeMs,
    pub hash: [u8; 32],
}

/// One entry, letter by letter, with everything that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    pub seq: Seq,
    pub at: TimeMs,
    /// JSON.
    pub body: String,
    pub hash: [u8; 32],
    /// `None` where there never was one or it was erased.
    pub private: Option<StoredPrivate>,
    /// Source and row of the import that it came from.
    pub import: Option<(String, [u8; 16])>,
    /// Idempotency key and digest of what was submitted under it, as long as it counts.
    pub idempotency: Option<(String, [u8; 32])>,
    /// The numbers in the codes that were given out while it waited for a database; they lead to it still.
    pub waiting: Vec<u64>,
}

/// A private part, and the salt under which the body holds a digest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPrivate {
    pub salt: [u8; 16],
    /// JSON.
    pub json: String,
}
