//! Backups: the log in numbered piece files with a manifest, in any folder, written beside the server.
//!
//! A target is a folder on a second disk, a USB stick or a mounted share. It holds the entries as they
//! are stored, what is derived from them, what makes the data folder the center's, who may sign in, and what
//! happened to accounts ([`manifest`], [`piece`], [`accounts`], [`events`]); [`update`] brings it up to date, [`ship`] keeps it so beside
//! the running server, and [`restore`] makes a data folder of it. With a recipient all but the manifest is
//! encrypted in the age format ([`seal`]).
//!
//! Invariants:
//! - The manifest alone says what counts. It is replaced whole, after everything it names is on the
//!   disk; so a target holds, at any moment, one consistent backup, the one before or the new one.
//! - Pieces are never edited: one that must change is written anew under a new number. One must change
//!   when something was erased that it holds: the next run sees to that, and overwrites the old file.
//! - The photos that entries name lie beside the pieces, each under the name that the entry has for it
//!   ([`photos`]), before the manifest that has the entry; where they are encrypted [`photo_list`] has their digests.
//! - A target of another center, of another history, or ahead of the journal is never written to.

mod accounts;
mod events;
mod manifest;
mod photo_list;
mod photos;
mod piece;
mod restore;
mod seal;
mod ship;
mod target;
mod update;

pub use restore::{Restored, restore};
pub use seal::{Opener, Sealer, new_key};
pub use ship::{Ship, ShipSettings, ShipStatus, ShipWatch};
pub use update::{Updated, backup};

use std::path::PathBuf;

use crate::journal::JournalError;

/// Why a backup or a restore did not happen. The words are for whoever looks after the center.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder is not there, is no folder, or cannot be written: the stick may be unplugged.
    #[error("the target {target} cannot be used: {what}")]
    Target { target: String, what: String },
    /// What lies there is not a backup that may be carried on; the words say why and what to do.
    #[error("{0}")]
    Unfit(String),
    /// A file of the backup is damaged.
    #[error("{file} of the backup is damaged: {what}")]
    Damaged { file: String, what: String },
    #[error("{0}")]
    Key(String),
    #[error("{path} cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Journal(#[from] JournalError),
}
