//! The key of checkpoints on its way with a history: it lies in a folder, also where the history is in a database.

use std::path::Path;

use crate::journal::JournalError;
use crate::journal::checkpoint::Key;

/// What became of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopiedKey {
    /// The other folder has it now.
    Carried,
    /// It had the same.
    Same,
    /// It has one of its own: what was sealed before cannot be checked with that.
    Other,
    /// There is none in the first folder.
    None,
}

/// Gives the key of one folder to another, which must be there, where that has none.
///
/// # Errors
/// Where a folder cannot be read or written, or holds no sound key.
pub fn carry_key(from: &Path, to: &Path) -> Result<CopiedKey, JournalError> {
    let Some(key) = Key::find(from)? else { return Ok(CopiedKey::None) };
    Ok(match Key::find(to)? {
        Some(there) if there.id == key.id => CopiedKey::Same,
        Some(_) => CopiedKey::Other,
        None => {
            key.keep(to)?;
            CopiedKey::Carried
        }
    })
}
