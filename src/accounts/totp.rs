//! Codes of an authenticator as the second factor (RFC 6238): no internet, no message, only two clocks.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::secret::{hex, unhex};
use crate::journal::JournalError;
use crate::model::TimeMs;

/// What every authenticator takes for granted.
const STEP_MS: i64 = 30_000;
const DIGITS: u32 = 6;
/// Clocks may be this many steps apart, either way.
const STEPS_APART: i64 = 1;
const SECRET_BYTES: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that an authenticator and the server share.
pub struct Totp(Vec<u8>);

impl Totp {
    /// A new one.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn draw() -> Result<Totp, JournalError> {
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|e| JournalError::Store(Box::new(e)))?;
        Ok(Totp(secret))
    }

    pub(super) fn of_hex(text: &str) -> Option<Totp> {
        unhex(text).filter(|secret| !secret.is_empty()).map(Totp)
    }

    pub(super) fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// As it is typed into an authenticator.
    pub fn base32(&self) -> String {
        let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
        for byte in &self.0 {
            bits = bits << 8 | u32::from(*byte);
            held += 8;
            while held >= 5 {
                held -= 5;
                text.push(char::from(BASE32[(bits >> held & 31) as usize]));
            }
            bits &= (1 << held) - 1;
        }
        if held > 0 {
            text.push(char::from(BASE32[(bits << (5 - held) & 31) as usize]));
        }
        text
    }

    /// The secret that was typed.
    pub fn of_base32(text: &str) -> Option<Totp> {
        let (mut secret, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
        for sign in text.bytes().filter(|sign| !sign.is_ascii_whitespace()) {
            let value = BASE32.iter().position(|known| *known == sign.to_ascii_uppercase())?;
            bits = (bits << 5 | value as u32) & 0xFFFF;
            held += 5;
            if held >= 8 {
                held -= 8;
                secret.push((bits >> held & 0xFF) as u8);
            }
        }
        (secret.len() == SECRET_BYTES).then_some(Totp(secret))
    }

    /// What an authenticator shows at a time.
    pub fn code_at(&self, now: TimeMs) -> String {
        format!("{:06}", self.code(now.0.div_euclid(STEP_MS)))
    }

    /// The step that `code` is of, if it is one of now and later than `after`: no code counts twice.
    pub(super) fn step_of(&self, code: &str, now: TimeMs, after: i64) -> Option<i64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let code: u32 = digits.parse().ok().filter(|_| digits.len() == DIGITS as usize)?;
        let step = now.0.div_euclid(STEP_MS);
        (step - STEPS_APART..=step + STEPS_APART).find(|step| *step > after && self.code(*step) == code)
    }

    fn code(&self, step: i64) -> u32 {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let at = usize::from(digest[19] & 15);
        let four = [digest[at] & 0x7F, digest[at + 1], digest[at + 2], digest[at + 3]];
        u32::from_be_bytes(four) % 10_u32.pow(DIGITS)
    }
}

/// What a QR code for an authenticator holds.
pub fn address(totp: &Totp, name: &str, city: &str) -> String {
    let city: String = form_urlencoded::byte_serialize(format!("Pantau {city}").as_bytes()).collect();
    let city = city.replace('+', "%20");
    format!("otpauth://totp/{city}:{name}?secret={}&issuer={city}", totp.base32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let totp = Totp(b"12345678901234567890".to_vec());
        // Appendix B, SHA1, the last six of its eight digits.
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(totp.code(seconds / 30), code, "{seconds}");
            let text = format!("{code:06}");
            let now = TimeMs(seconds * 1_000);
            assert_eq!(totp.step_of(&text, now, 0), Some(seconds / 30));
            assert_eq!(totp.step_of(&text, now.plus_ms(30_000), 0), Some(seconds / 30));
            assert_eq!(totp.step_of(&text, now.plus_ms(60_000), 0), None);
            assert_eq!(totp.step_of(&text, now, seconds / 30), None, "used already");
        }
        assert_eq!(totp.step_of("28708", TimeMs(59_000), 0), None);
        assert_eq!(totp.step_of("287 082", TimeMs(59_000), 0), Some(1));
    }

    #[test]
    fn a_secret_is_typed_as_rfc_4648_says() {
        let totp = Totp(b"12345678901234567890".to_vec());
        assert_eq!(totp.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let typed = Totp::of_base32("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap();
        assert_eq!(typed.0, totp.0);
        assert!(Totp::of_base32("GEZD1").is_none());
        let address = address(&totp, "ani", "Kota Ternate");
        assert!(address.starts_with("otpauth://totp/Pantau%20Kota%20Ternate:ani?secret=GEZD"), "{address}");
    }
}
