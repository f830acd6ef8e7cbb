//! Who may sign in, as a backup holds it: accounts, tokens and passkeys, without sessions, links and known browsers.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::FileRef;
use super::target::Target;
use super::{BackupError, Opener};
use crate::journal::{AccountStore, LastingRows};
use crate::model::hex;

/// Ten thousand accounts take some four.
const BYTES_MAX: u64 = 64 << 20;

/// The accounts of a data folder; `None` where it has none yet.
pub(super) fn read(data: &Path) -> Result<Option<String>, BackupError> {
    if !AccountStore::is_in_folder(data) {
        return Ok(None);
    }
    let rows = AccountStore::in_folder(data)?.lasting()?;
    Ok(Some(serde_json::to_string(&rows).expect("plain structs become JSON")))
}

/// Equal where the accounts are.
pub(super) fn digest(json: &str, center: &str) -> String {
    hex(&Sha256::new().chain_update(center).chain_update([0]).chain_update(json).finalize())
}

/// Puts them into a store that has none.
pub(super) fn restore(
    target: &Target,
    file: &FileRef,
    (opener, sealed): (&Opener, bool),
    store: &AccountStore,
) -> Result<(), BackupError> {
    let damaged = |what: &dyn std::fmt::Display| BackupError::Damaged {
        file: file.file.clone(),
        what: what.to_string(),
    };
    let mut input = target.read(file)?;
    let mut json = String::new();
    let read = opener
        .open(sealed, &file.file, &mut input)
        .and_then(|plain| plain.take(BYTES_MAX).read_to_string(&mut json).map_err(|e| damaged(&e)));
    input.check()?;
    read?;
    let rows: LastingRows = serde_json::from_str(&json).map_err(|e| damaged(&e))?;
    match store.fill(&rows)? {
        true => Ok(()),
        false => Err(BackupError::Unfit("there are accounts already; name a new folder".to_owned())),
    }
}
