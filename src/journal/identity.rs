//! What a new store is marked with: its epoch, and the secret that its codes are made under.

use uuid::Uuid;

use super::JournalError;
use crate::model::Epoch;

/// Epoch and secret of a new store.
pub(super) struct Identity {
    pub epoch: Epoch,
    pub secret: [u8; 32],
}

impl Identity {
    /// # Errors
    /// Where the system has no randomness to give.
    #[expect(
        clippy::disallowed_methods,
        reason = "a new store's epoch is a UUID of its day; nothing reads a time from it"
    )]
    pub fn draw() -> Result<Identity, JournalError> {
        let mut random = [0; 42];
        getrandom::fill(&mut random).map_err(|e| JournalError::Store(Box::new(e)))?;
        let (secret, rest) = random.split_at(32);
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let unix_ms = since_1970.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0));
        let rest = rest.try_into().expect("42 - 32 bytes");
        Ok(Identity {
            epoch: Epoch(uuid::Builder::from_unix_timestamp_millis(unix_ms, rest).into_uuid()),
            secret: secret.try_into().expect("32 bytes"),
        })
    }
}

/// The epoch that a store's mark names.
pub(super) fn read_epoch(text: &str) -> Option<Epoch> {
    Uuid::parse_str(text).ok().map(Epoch)
}
