//! Makes a data folder of a backup.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::manifest::{Manifest, center};
use super::photos;
use super::piece::{self, Sink};
use super::target::Target;
use super::{BackupError, Opener, accounts, events};
use crate::journal::{DerivedUpdate, FolderMode, Identity, Restoring, StoredEntry, VerifyReport};
use crate::model::{Epoch, Secret, hex, unhex};

/// The identity file is a few hundred bytes.
const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// What a restore made.
#[derive(Debug)]
pub struct Restored {
    pub city: String,
    pub replay: bool,
    /// Time of the newest entry, RFC 3339.
    pub newest: String,
    /// Files of photos.
    pub photos: u64,
    /// Files of photos that entries name, and that the backup does not have or has damaged: names, in hex.
    pub photos_missing: Vec<String>,
    /// Of the new folder, proven from its first entry to its last.
    pub verified: VerifyReport,
}

/// The identity as it is stored. A promise: only added to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityWire {
    city: String,
    mode: String,
    epoch: String,
    secret: String,
}

pub(super) fn identity_json(identity: &Identity) -> String {
    let wire = IdentityWire {
        city: identity.city.clone(),
        mode: identity.mode.key().to_owned(),
        epoch: identity.epoch.to_string(),
        secret: hex(&identity.secret.0),
    };
    serde_json::to_string(&wire).expect("plain structs become JSON")
}

/// Makes a journal in the new or empty folder `data` of the backup in `target`. It goes on with the
/// secret of before, under an epoch of its own. Whoever keeps the target up to date waits meanwhile.
///
/// # Errors
/// Where the backup is damaged, sealed for another key, or does not add up; then there is no journal in
/// `data`.
pub fn restore(
    target: &Path,
    data: &Path,
    opener: &Opener,
    progress: &mut dyn FnMut(&'static str, u64, u64),
) -> Result<Restored, BackupError> {
    let target = Target::open(target)?.steady()?;
    let Some(manifest) = target.manifest()? else {
        return Err(BackupError::Unfit(
            "there is no backup in the target (no manifest.json); name the folder that pantau backup wrote to"
                .to_owned(),
        ));
    };
    let identity = identity(&target, &manifest, opener)?;
    let mut into = Into { restoring: Restoring::begin(data, &identity)? };
    let sealed = !manifest.sealed_for.is_empty();
    for reference in &manifest.pieces {
        progress("restore", reference.from - 1, manifest.seq);
        let file = &reference.file;
        let damaged = |what: String| BackupError::Damaged {
            file: file.file.clone(),
            what: format!(
                "{what} (entries {} to {}; run pantau backup again beside the journal, or take another backup)",
                reference.from, reference.to
            ),
        };
        let mut input = target.read(file)?;
        let read = opener
            .open(sealed, &file.file, &mut input)
            .and_then(|plain| piece::read(plain, &mut into, &damaged));
        // A wrong checksum says more than what it led to.
        input.check().map_err(|e| match e {
            BackupError::Damaged { what, .. } => damaged(what),
            other => other,
        })?;
        read?;
    }
    let (photos, photos_missing) = photos::restore(&target, &into.restoring, (opener, sealed), progress)?;
    if let Some(reference) = &manifest.accounts {
        let store = into.restoring.accounts()?;
        accounts::restore(&target, &reference.file, (opener, sealed), &store)?;
        events::restore(&target, &manifest.events, (opener, sealed), &store)?;
    }
    let (verified, proven) = into.restoring.prove(&mut |done, total| progress("verify", done, total))?;
    if let Err(unfit) = check_whole(&verified, &manifest) {
        proven.throw_away()?;
        return Err(unfit);
    }
    proven.put_in_place()?;
    Ok(Restored {
        city: manifest.city,
        replay: identity.mode == FolderMode::Replay,
        newest: manifest.newest,
        photos,
        photos_missing,
        verified,
    })
}

fn check_whole(verified: &VerifyReport, manifest: &Manifest) -> Result<(), BackupError> {
    if let Some(fault) = verified.faults.first() {
        let seq = fault.seq.map_or_else(String::new, |seq| format!(" at entry {seq}"));
        return Err(BackupError::Unfit(format!(
            "the backup does not add up, so no journal was made of it: {}{seq} ({} faults in all). Take another backup",
            fault.message, verified.faults_total
        )));
    }
    if verified.head_hash != manifest.hash {
        return Err(BackupError::Unfit(
            "the backup does not lead to the entry that its manifest names; take another backup".to_owned(),
        ));
    }
    Ok(())
}

struct Into {
    restoring: Restoring,
}

impl Sink for Into {
    fn entries(&mut self, entries: &[StoredEntry]) -> Result<(), BackupError> {
        Ok(self.restoring.entries(entries)?)
    }

    fn derived(&mut self, update: &DerivedUpdate) -> Result<(), BackupError> {
        Ok(self.restoring.derived(update)?)
    }
}

fn identity(target: &Target, manifest: &Manifest, opener: &Opener) -> Result<Identity, BackupError> {
    let file = &manifest.identity;
    let damaged = |what: &str| BackupError::Damaged { file: file.file.clone(), what: what.to_owned() };
    let mut input = target.read(file)?;
    let mut json = String::new();
    let read = opener.open(!manifest.sealed_for.is_empty(), &file.file, &mut input).and_then(|plain| {
        let read = plain.take(IDENTITY_BYTES_MAX).read_to_string(&mut json);
        read.map_err(|e| damaged(&e.to_string()))
    });
    if !matches!(read, Err(BackupError::Key(_))) {
        input.check()?;
    }
    read?;
    let wire: IdentityWire = serde_json::from_str(&json).map_err(|e| damaged(&e.to_string()))?;
    let identity = Identity {
        city: wire.city,
        mode: FolderMode::from_key(&wire.mode).ok_or_else(|| damaged("its mode is not one"))?,
        epoch: Epoch(Uuid::parse_str(&wire.epoch).map_err(|_| damaged("its epoch is not one"))?),
        secret: Secret(unhex(&wire.secret).ok_or_else(|| damaged("its secret is not one"))?),
    };
    if identity.city != manifest.city || center(&identity.secret) != manifest.center {
        return Err(damaged("it is of another center than the manifest"));
    }
    Ok(identity)
}
