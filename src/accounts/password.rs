//! Passwords: which are taken, how they are kept, how they are checked.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Length beats signs of many kinds (NIST SP 800-63B).
pub const PASSWORD_CHARS_MIN: usize = 10;
const PASSWORD_CHARS_MAX: usize = 200;
/// What argon2id costs a guess: 19 MiB, twice, on one core (OWASP's first choice for a small machine).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// What people choose first where ten signs are asked for.
const USUAL: [&str; 24] = [
    "1234567890",
    "0123456789",
    "12345678910",
    "123456789012",
    "0987654321",
    "1q2w3e4r5t",
    "qwertyuiop",
    "password123",
    "password1234",
    "passw0rd123",
    "iloveyou123",
    "indonesia1",
    "indonesia123",
    "indonesia45",
    "bismillah123",
    "bismillah1",
    "sayangkamu",
    "katasandi1",
    "katasandi123",
    "rahasia123",
    "administrator",
    "adminadmin",
    "pantau12345",
    "ternate12345",
];

/// How a password is kept: argon2id with a salt of its own, in the PHC form. Takes a while, and memory.
///
/// # Errors
/// In words where it is no password to take: what to change.
pub fn hash_password(password: &str, name: &str) -> Result<String, String> {
    check(password, name)?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| "the system has no randomness to give".to_owned())?;
    let hash = argon2().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|e| format!("the password could not be hashed: {e}"))
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn check(password: &str, name: &str) -> Result<(), String> {
    let chars = password.chars().count();
    let lower = password.to_lowercase();
    let is_one_sign = password.chars().all(|c| password.starts_with(c));
    match chars {
        0..PASSWORD_CHARS_MIN => Err(format!(
            "a password has at least {PASSWORD_CHARS_MIN} characters; three words with spaces between them are a good one"
        )),
        _ if chars > PASSWORD_CHARS_MAX => Err(format!("a password has at most {PASSWORD_CHARS_MAX} characters")),
        _ if is_one_sign || USUAL.contains(&&*lower) => {
            Err("this password is one of the first that are guessed; take three words that only you put together".to_owned())
        }
        _ if lower.contains(&name.to_lowercase()) => Err("a password does not hold the account's name".to_owned()),
        _ => Ok(()),
    }
}

/// Whether a password is the one that was kept. Takes as long where there is no account, or none is kept.
pub(super) fn is_password(password: &str, kept: Option<&str>) -> bool {
    let hash = kept.and_then(|kept| PasswordHash::new(kept).ok());
    match hash {
        Some(hash) => argon2().verify_password(password.as_bytes(), &hash).is_ok(),
        None => {
            let mut out = [0; 32];
            let _ = argon2().hash_password_into(password.as_bytes(), &[0; 16], &mut out);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let kept = hash_password("tiga kata pendek", "ani").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_password("tiga kata pendek", Some(&kept)));
        for wrong in ["tiga kata Pendek", "tiga kata pendek ", ""] {
            assert!(!is_password(wrong, Some(&kept)), "{wrong:?}");
        }
        assert_ne!(kept, hash_password("tiga kata pendek", "ani").unwrap());
        assert!(!is_password("tiga kata pendek", None));
        assert!(!is_password("", None));
    }

    #[test]
    fn what_is_guessed_first_is_not_taken() {
        for (wrong, word) in [
            ("pendek", "at least"),
            ("qwertyuiop", "guessed"),
            ("Indonesia123", "guessed"),
            ("zzzzzzzzzzzz", "guessed"),
            ("kata-budi-kata", "name"),
            (&"x y".repeat(100), "at most"),
        ] {
            let said = hash_password(wrong, "budi").unwrap_err();
            assert!(said.contains(word), "{wrong}: {said}");
        }
    }
}
