//! Who a report counts for: the keyed hash of the phone, else of the e-mail, else of the device.

use super::PHONE_DIGITS_MIN;
use super::text::{checked_email, checked_phone};
use crate::model::{IdKey, SenderId};

/// Digits from which a bare number is taken for a phone: in an import not for a number of the source's own, in a
/// search not for something else.
pub const BARE_PHONE_DIGITS_MIN: usize = 8;

/// The sender of a report; `None` where it left no mark and counts for itself.
pub(super) fn sender_of(
    ids: &IdKey,
    phone: Option<&str>,
    email: Option<&str>,
    device: Option<&str>,
) -> Option<SenderId> {
    let mark = phone
        .and_then(phone_mark)
        .or_else(|| email.map(|email| format!("email:{}", email.to_lowercase())))
        .or_else(|| device.map(|device| format!("device:{device}")))?;
    Some(ids.sender(&mark))
}

/// The sender that an import's reporter column names: a phone or an e-mail counts as the same
/// person who reports by the form, anything else is the source's own name for someone.
pub(super) fn imported_sender(ids: &IdKey, source: &str, reporter: &str) -> SenderId {
    let digits = reporter.bytes().filter(u8::is_ascii_digit).count();
    let phone = checked_phone(reporter).ok().flatten().filter(|_| digits >= BARE_PHONE_DIGITS_MIN);
    let email = checked_email(reporter).ok().flatten();
    sender_of(ids, phone.as_deref(), email.as_deref(), None)
        .unwrap_or_else(|| ids.sender(&format!("import:{source}:{}", reporter.to_lowercase())))
}

/// The sender that reports with this phone count for; `None` where it is no phone.
pub fn sender_by_phone(ids: &IdKey, phone: &str) -> Option<SenderId> {
    sender_of(ids, Some(phone), None, None)
}

/// The sender that reports with this e-mail, and no phone, count for.
pub fn sender_by_email(ids: &IdKey, email: &str) -> Option<SenderId> {
    sender_of(ids, None, Some(email), None)
}

/// Whether a phone number stands in a text, however its digits are grouped.
///
/// ```
/// use pantau::intake::names_phone;
/// assert!(names_phone("sampah 0812-3456-789"));
/// assert!(!names_phone("RT 04 RW 11, jalan 12"));
/// ```
pub fn names_phone(text: &str) -> bool {
    let mut digits = 0;
    text.chars().any(|c| {
        match c {
            '0'..='9' => digits += 1,
            ' ' | '+' | '-' | '(' | ')' | '.' | '/' => {}
            _ => digits = 0,
        }
        digits >= BARE_PHONE_DIGITS_MIN
    })
}

/// The digits that a phone has however it is written; `None` where these are too few.
///
/// ```
/// use pantau::intake::phone_key;
/// assert_eq!(phone_key("+62 812-3456"), phone_key("0812 3456"));
/// ```
pub fn phone_key(phone: &str) -> Option<String> {
    phone_mark(phone).and_then(|mark| mark.strip_prefix("phone:").map(str::to_owned))
}

/// The same phone however it is written: `+62 812-3`, `0812 3` and `62 8123` are one.
fn phone_mark(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    // After the trunk's single 0 comes an area code, and some of these begin with 62 too.
    let national = match digits.strip_prefix('0') {
        Some(national) if !national.starts_with('0') => national,
        _ => {
            let dialled = digits.trim_start_matches('0');
            dialled.strip_prefix("62").unwrap_or(dialled).trim_start_matches('0')
        }
    };
    (national.len() >= PHONE_DIGITS_MIN).then(|| format!("phone:{national}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn ids() -> IdKey {
        IdKey::new(Secret([7; 32]), "TTE")
    }

    #[test]
    fn one_phone_is_one_sender_however_it_is_written() {
        let sender = |phone| sender_of(&ids(), Some(phone), None, None);
        let same = ["+62 812-3456-7890", "0812 3456 7890", "62812 34567890", "0062 812 3456 7890"];
        for phone in same {
            assert_eq!(sender(phone), sender("81234567890"), "{phone}");
            assert_eq!(imported_sender(&ids(), "a.csv", phone), sender(phone).unwrap(), "{phone}");
        }
        assert_ne!(sender("0812 3456 7891"), sender("0812 3456 7890"));
        assert_ne!(sender("0622 123 4567"), sender("022 123 4567"), "an area code that begins with 62");
    }

    #[test]
    fn the_phone_counts_before_the_email_and_the_email_before_the_device() {
        let ids = ids();
        let phone = sender_of(&ids, Some("0811 222 333"), Some("a@b.id"), Some("d"));
        assert_eq!(phone, sender_of(&ids, Some("0811222333"), None, None));
        let email = sender_of(&ids, None, Some("A@b.ID"), Some("d"));
        assert_eq!(email, sender_of(&ids, None, Some("a@B.id"), None));
        assert_ne!(email, sender_of(&ids, None, None, Some("a@b.id")));
        assert_eq!(sender_of(&ids, None, None, None), None);
    }

    #[test]
    fn two_sources_that_number_their_callers_do_not_share_them() {
        assert_ne!(imported_sender(&ids(), "a.csv", "17"), imported_sender(&ids(), "b.csv", "17"));
    }
}
