//! Seals over the log. An unkeyed chain can be written anew from any entry on, and one that was cut at
//! its end still verifies; a checkpoint holds the count and the head's hash under a key that is not in
//! the database, and each holds the one before it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::journal::JournalError;
use crate::journal::codec::Hash;
use crate::model::{Seq, TimeMs, hex, unhex};

/// A checkpoint stands at least after every so many entries, at the end of their commit.
const CHECKPOINT_EVERY: u64 = 100;

/// The key's name, in the data folder or among the credentials that the service manager hands over.
const KEY_FILE: &str = "checkpoint.key";
/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const DOMAIN: &[u8] = b"pantau checkpoint 1";

/// The key of checkpoints: 32 random bytes.
#[derive(Clone)]
pub(super) struct Key {
    bytes: [u8; 32],
    pub id: [u8; 8],
}

impl Key {
    fn new(bytes: [u8; 32]) -> Key {
        let id = Sha256::digest(bytes)[..8].try_into().expect("a digest has 32 bytes");
        Key { bytes, id }
    }

    /// The key of the data folder; made where there is none.
    pub fn of_folder(dir: &Path) -> Result<Key, JournalError> {
        match Key::find(dir)? {
            Some(key) => Ok(key),
            None => Key::make(dir),
        }
    }

    /// `None` where there is none.
    pub fn find(dir: &Path) -> Result<Option<Key>, JournalError> {
        let among_credentials = std::env::var_os(CREDENTIALS).map(|dir| PathBuf::from(dir).join(KEY_FILE));
        let path = among_credentials.filter(|path| path.exists()).unwrap_or_else(|| dir.join(KEY_FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Key::parse(&text).map(Some).ok_or_else(|| {
                let path = path.display();
                JournalError::Folder(format!(
                    "{path} is no key of checkpoints: 64 hex digits; put the right one back, or move it away and a new one is made"
                ))
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(JournalError::Folder(format!("{} cannot be read: {e}", path.display()))),
        }
    }

    fn parse(text: &str) -> Option<Key> {
        unhex(text.trim()).map(Key::new)
    }

    fn make(dir: &Path) -> Result<Key, JournalError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| JournalError::Store(Box::new(e)))?;
        let key = Key::new(bytes);
        key.keep(dir)?;
        Ok(key)
    }

    /// Puts it into a folder that has none.
    pub fn keep(&self, dir: &Path) -> Result<(), JournalError> {
        let written = write_new(&dir.join(KEY_FILE), format!("{}\n", hex(&self.bytes)).as_bytes());
        written.and_then(|()| File::open(dir)?.sync_all()).map_err(super::io_failure)
    }

    fn seal(&self, before: &[u8; 32], seq: Seq, at: TimeMs, hash: &Hash) -> [u8; 32] {
        self.mac(before, seq, at, hash).finalize().into_bytes().into()
    }

    fn mac(&self, before: &[u8; 32], seq: Seq, at: TimeMs, hash: &Hash) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes any key");
        mac.update(DOMAIN);
        mac.update(before);
        mac.update(&seq.0.to_be_bytes());
        mac.update(&at.0.to_be_bytes());
        mac.update(hash);
        mac
    }
}

/// A whole file or none.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// A row of the table.
pub(super) struct Checkpoint {
    pub seq: Seq,
    pub at: TimeMs,
    pub hash: Hash,
    pub key_id: [u8; 8],
    pub mac: [u8; 32],
}

impl Checkpoint {
    /// Into the log of the server, which is elsewhere than the journal.
    pub fn say(&self) {
        tracing::info!(entries = self.seq.0, checkpoint = %Noted::of(self.seq, &self.hash), "sealed");
    }

    /// Whether it was made with this key, after the one with the mac `before`.
    pub fn is_sealed(&self, key: &Key, before: &[u8; 32]) -> bool {
        let mac = key.mac(before, self.seq, self.at, &self.hash);
        self.key_id == key.id && mac.verify_slice(&self.mac).is_ok()
    }
}

/// Makes checkpoints.
pub(super) struct Sealer {
    key: Key,
    /// Entries from one to the next, at least.
    pub every: u64,
    /// The newest one's; `Seq(0)` and zeros where there is none.
    seq: Seq,
    mac: [u8; 32],
}

impl Sealer {
    /// Goes on after the checkpoint at an entry, with this mac; `None` where there is none yet.
    pub fn after(newest: Option<(Seq, [u8; 32])>, key: Key) -> Sealer {
        let (seq, mac) = newest.unwrap_or((Seq(0), [0; 32]));
        Sealer { key, every: CHECKPOINT_EVERY, seq, mac }
    }

    /// Whether a head at `seq` is to be sealed.
    pub fn is_due(&self, seq: Seq) -> bool {
        seq.0 >= self.seq.0 + self.every
    }

    /// Whether the newest checkpoint is not the head's.
    pub fn is_behind(&self, seq: Seq) -> bool {
        seq > self.seq
    }

    /// One for the head, which is an entry of the transaction that it is written in, or one before.
    pub fn seal(&self, seq: Seq, at: TimeMs, hash: &Hash) -> Checkpoint {
        let mac = self.key.seal(&self.mac, seq, at, hash);
        Checkpoint { seq, at, hash: *hash, key_id: self.key.id, mac }
    }

    /// The transaction with this checkpoint is committed.
    pub fn commit(&mut self, made: &Checkpoint) {
        (self.seq, self.mac) = (made.seq, made.mac);
    }
}

/// A checkpoint as it is written down outside of the machine: the count and the first half of the
/// head's hash, 48 hex digits. Needs no key to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    pub(super) seq: Seq,
    half: [u8; 16],
}

impl Noted {
    pub(super) fn of(seq: Seq, hash: &Hash) -> Noted {
        Noted { seq, half: hash[..16].try_into().expect("a hash has 32 bytes") }
    }

    /// Whether the entry with its seq is the one that was noted.
    pub(super) fn is_of(&self, hash: &Hash) -> bool {
        hash[..16] == self.half
    }
}

impl std::fmt::Display for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let half = self.half.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "{:016x}{half}", self.seq.0)
    }
}

impl std::str::FromStr for Noted {
    type Err = String;

    fn from_str(text: &str) -> Result<Noted, String> {
        let digits: String = text.chars().filter(|sign| !sign.is_whitespace() && *sign != '-').collect();
        let bytes: [u8; 24] = unhex(&digits)
            .ok_or("write the 48 hex digits that `pantau verify` printed after \"checkpoint\"")?;
        let (seq, half) = bytes.split_at(8);
        Ok(Noted {
            seq: Seq(u64::from_be_bytes(seq.try_into().expect("8 bytes"))),
            half: half.try_into().expect("16 bytes"),
        })
    }
}
