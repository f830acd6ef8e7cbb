//! Secrets that are drawn, and what is kept of them.

use sha2::{Digest, Sha256};

use crate::journal::JournalError;

/// What tokens begin with: so people, and programs that look for leaked secrets, know them.
pub(super) const TOKEN_PREFIX: &str = "pantau_";
/// 160 bits: nobody guesses one.
const SECRET_BYTES: usize = 20;
/// Crockford's base 32, small: read out and typed without a mistake.
const SIGNS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 32 signs.
///
/// # Errors
/// Where the system has no randomness to give.
pub(crate) fn draw() -> Result<String, JournalError> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|e| JournalError::Store(Box::new(e)))?;
    let signs = random.chunks(5).flat_map(|five| {
        let block = five.iter().fold(0_u64, |block, byte| block << 8 | u64::from(*byte));
        (0..8).rev().map(move |i| char::from(SIGNS[(block >> (5 * i) & 31) as usize]))
    });
    Ok(signs.collect())
}

/// What is kept of a secret. Without salt: it has more chance in it than a digest can be tried for.
pub(super) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.is_ascii().then(|| text.as_bytes().chunks(2))?;
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_kept_as_digests() {
        let (a, b) = (draw().unwrap(), draw().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 32);
        assert!(a.bytes().all(|sign| SIGNS.contains(&sign)), "{a}");
        assert_eq!(digest(&a).len(), 64);
        assert_eq!(unhex(&hex(&[0, 7, 255])), Some(vec![0, 7, 255]));
    }
}
