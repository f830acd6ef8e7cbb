//! Random salts of private parts.

use super::JournalError;

pub(super) type Salt = [u8; 16];

/// Random salts, fetched from the system a few hundred at a time.
pub(super) struct Salts {
    random: [u8; 4096],
    used: usize,
}

impl Default for Salts {
    fn default() -> Salts {
        Salts { random: [0; 4096], used: 4096 }
    }
}

impl Salts {
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn next(&mut self) -> Result<Salt, JournalError> {
        if self.used == self.random.len() {
            getrandom::fill(&mut self.random).map_err(|e| JournalError::Store(Box::new(e)))?;
            self.used = 0;
        }
        let salt = &mut self.random[self.used..self.used + 16];
        self.used += 16;
        let taken = salt.try_into().expect("16 bytes were asked for");
        salt.fill(0); // a salt in memory longer than needed would outlive its erasure
        Ok(taken)
    }
}
