//! Who may sign in, as a backup holds it: accounts and tokens, without sessions, links and known browsers.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::{FileRef, hex};
use super::target::Target;
use super::{BackupError, Opener};
use crate::journal::{AccountRow, AccountStore, TokenRow};

/// Ten thousand accounts take some four.
const BYTES_MAX: u64 = 64 << 20;

/// As it is stored. A promise: only added to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsWire {
    accounts: Vec<AccountRow>,
    tokens: Vec<TokenRow>,
}

/// The accounts of a data folder; `None` where it has none yet.
pub(super) fn read(data: &Path) -> Result<Option<String>, BackupError> {
    if !AccountStore::is_in_folder(data) {
        return Ok(None);
    }
    let (accounts, tokens) = AccountStore::in_folder(data)?.lasting()?;
    let wire = AccountsWire { accounts, tokens };
    Ok(Some(serde_json::to_string(&wire).expect("plain structs become JSON")))
}

/// Equal where the accounts are.
pub(super) fn digest(json: &str, center: &str) -> String {
    hex(&Sha256::new().chain_update(center).chain_update([0]).chain_update(json).finalize().into())
}

/// Puts them into the data folder, which has none.
pub(super) fn restore(
    target: &Target,
    file: &FileRef,
    (opener, sealed): (&Opener, bool),
    data: &Path,
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
    let AccountsWire { accounts, tokens } = serde_json::from_str(&json).map_err(|e| damaged(&e))?;
    if !AccountStore::in_folder(data)?.fill(&accounts, &tokens)? {
        return Err(BackupError::Unfit(format!(
            "{} has accounts already; name a new folder",
            data.display()
        )));
    }
    Ok(())
}
