//! Checks on what people type.

use super::{EMAIL_CHARS_MAX, PHONE_CHARS_MAX, PHONE_DIGITS_MAX, PHONE_DIGITS_MIN};

/// Whether a text may run over several lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// The text without blanks at its ends; `None` where nothing is left.
///
/// # Errors
/// Too long, or holds control characters (line breaks and tabs are fine in [`Lines::Many`]).
pub(super) fn checked_text(text: &str, chars_max: usize, lines: Lines) -> Result<Option<String>, String> {
    let text = text.trim();
    // A text of `n` bytes has at most `n` characters: most texts need no count.
    if text.len() > chars_max {
        let chars = text.chars().count();
        if chars > chars_max {
            return Err(format!("has {chars} characters; the most is {chars_max}"));
        }
    }
    let allowed = |c: char| lines == Lines::Many && matches!(c, '\n' | '\r' | '\t');
    if let Some(sign) = text.chars().find(|c| c.is_control() && !allowed(*c)) {
        return Err(format!("holds the control character U+{:04X}; leave it out", u32::from(sign)));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A phone as typed: digits, a plus, and signs that people group digits with.
pub(super) fn checked_phone(text: &str) -> Result<Option<String>, String> {
    let Some(phone) = checked_text(text, PHONE_CHARS_MAX, Lines::One)? else { return Ok(None) };
    let plausible = phone.chars().all(|c| c.is_ascii_digit() || "+ -().,/".contains(c));
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    if !plausible || !(PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits) {
        return Err(format!(
            "is not a phone number: {PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits, for instance +62 812 3456 7890"
        ));
    }
    Ok(Some(phone))
}

/// An e-mail address that could be one: something, one @, a domain.
pub(super) fn checked_email(text: &str) -> Result<Option<String>, String> {
    let Some(email) = checked_text(text, EMAIL_CHARS_MAX, Lines::One)? else { return Ok(None) };
    let plausible = email.split_once('@').is_some_and(|(local, domain)| {
        let host = domain.trim_end_matches('.');
        !local.is_empty()
            && !email.contains(char::is_whitespace)
            && !domain.contains('@')
            && host.split('.').count() > 1
            && host.split('.').all(|label| !label.is_empty())
    });
    if plausible {
        Ok(Some(email))
    } else {
        Err("is not an e-mail address, for instance ani@example.org".into())
    }
}
