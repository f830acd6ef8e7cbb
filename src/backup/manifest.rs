//! What a backup holds: one small file that names all others.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::journal::{ChainHead, Identity};
use crate::model::{Secret, Seq, hex};

/// The manifest's name in the target.
pub(super) const FILE: &str = "manifest.json";
/// What [`Manifest::v`] says today.
const VERSION: u32 = 1;

/// Never encrypted: it holds no personal data and no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub v: u32,
    /// Key of the city pack.
    pub city: String,
    pub mode: String,
    /// Tells one center from another without giving its secret away.
    pub center: String,
    /// Of the journal that was last written here.
    pub epoch: String,
    /// The age recipients it is encrypted for; empty where it is not.
    pub sealed_for: Vec<String>,
    /// The pantau that wrote it.
    pub build: String,
    /// Time of the newest entry, RFC 3339, for people.
    pub newest: String,
    pub seq: u64,
    pub at: i64,
    /// Hash of the newest entry, in hex: stands for all of them.
    pub hash: String,
    /// Number of the next piece.
    pub next_n: u64,
    pub identity: FileRef,
    /// Who may sign in; `None` in backups from before there were accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountsRef>,
    /// What happened to accounts, in the order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventsRef>,
    /// Lists of the encrypted photos; none where they are not encrypted, or in backups from before there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<PhotosRef>,
    /// No piece holds what this erasure or one before it took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased_to: u64,
    /// In the order of their entries, without a gap.
    pub pieces: Vec<PieceRef>,
}

/// A file with what proves it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRef {
    pub file: String,
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// The accounts, and the digest of what the file holds when it is opened: where it is not encrypted it is
/// the file's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsRef {
    /// In hex, salted with the center's name, which is no secret: equal where nothing changed.
    pub plain_sha256: String,
    pub file: FileRef,
}

/// What happened to accounts from one id to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsRef {
    pub from: i64,
    pub to: i64,
    /// How many: ids need not be dense.
    pub events: u64,
    pub first_at: i64,
    pub last_at: i64,
    /// Digest of the last one, in hex, salted like that of the accounts: tells one store's events from another's.
    pub last: String,
    pub file: FileRef,
}

/// A list of encrypted photos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhotosRef {
    /// How many.
    pub photos: u64,
    pub file: FileRef,
}

/// A piece, and what it holds: the entries from `from` to `to`, and what ticks after `derived_from` up
/// to `derived_to` left of hotspots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PieceRef {
    pub n: u64,
    pub from: u64,
    pub to: u64,
    pub derived_from: u64,
    pub derived_to: u64,
    pub file: FileRef,
}

/// The manifest as it is written, with a digest of its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    sha256: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

impl Manifest {
    pub fn new(identity: &Identity, sealed_for: Vec<String>, file: FileRef) -> Manifest {
        Manifest {
            v: VERSION,
            city: identity.city.clone(),
            mode: identity.mode.key().to_owned(),
            center: center(&identity.secret),
            epoch: identity.epoch.to_string(),
            sealed_for,
            build: crate::BUILD.to_owned(),
            newest: String::new(),
            seq: 0,
            at: 0,
            hash: hex(&[0; 32]),
            next_n: 1,
            identity: file,
            accounts: None,
            events: Vec::new(),
            photos: Vec::new(),
            erased_to: 0,
            pieces: Vec::new(),
        }
    }

    pub fn head(&self) -> Seq {
        Seq(self.seq)
    }

    /// Says that it holds everything up to `head`.
    pub fn set_head(&mut self, head: &ChainHead) {
        self.seq = head.seq.0;
        self.at = head.at.0;
        self.hash = hex(&head.hash);
        self.newest = head.at.to_string();
        self.build = crate::BUILD.to_owned();
    }

    /// The tick that the pieces know of hotspots up to.
    pub fn derived_to(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.derived_to)
    }

    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("plain structs become JSON");
        let sha256 = hex(&Sha256::digest(&json));
        let manifest = RawValue::from_string(json).expect("it was JSON a line ago");
        let envelope = Envelope { sha256, manifest: &manifest };
        serde_json::to_vec(&envelope).expect("plain structs become JSON")
    }

    /// # Errors
    /// Where it is damaged, or a newer pantau wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, BackupError> {
        let damaged = |what: String| BackupError::Damaged { file: FILE.to_owned(), what };
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let json = envelope.manifest.get();
        if hex(&Sha256::digest(json)) != envelope.sha256 {
            return Err(damaged("its checksum is not that of its contents".to_owned()));
        }
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(json).map_err(|e| damaged(e.to_string()))?;
        if v != VERSION {
            return Err(BackupError::Unfit(format!(
                "the backup is of version {v}; a newer pantau wrote it, use that one"
            )));
        }
        let manifest: Manifest = serde_json::from_str(json).map_err(|e| damaged(e.to_string()))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// All that it names.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        let pieces = self.pieces.iter().map(|piece| &piece.file);
        let events = self.events.iter().map(|events| &events.file);
        let accounts = self.accounts.iter().map(|accounts| &accounts.file);
        let photos = self.photos.iter().map(|photos| &photos.file);
        pieces.chain([&self.identity]).chain(accounts).chain(events).chain(photos)
    }

    /// Pieces follow each other, and name files of this folder.
    fn check(&self) -> Result<(), String> {
        let (mut to, mut derived_to) = (0, 0);
        for piece in &self.pieces {
            if piece.from != to + 1 || piece.to < to || piece.derived_from != derived_to {
                return Err(format!("piece {} does not follow the one before it", piece.n));
            }
            (to, derived_to) = (piece.to, piece.derived_to);
        }
        let mut last_event = i64::MIN;
        for EventsRef { from, to, file, .. } in &self.events {
            if *from <= last_event || to < from {
                return Err(format!("the events of {} do not follow those before them", file.file));
            }
            last_event = *to;
        }
        if to != self.seq {
            return Err(format!("its pieces end at entry {to}, and not at {}", self.seq));
        }
        let stray =
            self.files().map(|file| &file.file).find(|name| name.contains('/') || name.starts_with('.'));
        stray.map_or(Ok(()), |name| Err(format!("{name:?} is not a file of a backup")))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A name for the center that follows from its secret and does not give it away.
pub(super) fn center(secret: &Secret) -> String {
    let digest = Sha256::new().chain_update("pantau backup of center ").chain_update(secret.0).finalize();
    hex(&digest)[..16].to_owned()
}
