//! The JSON bodies of what is written down: why contact data is looked at, and the shift log.

use super::fault::Faults;
use super::json::{Fields, Object};
use super::sender::{BARE_PHONE_DIGITS_MIN, phone_key};
use super::text::{Lines, checked_phone, checked_text};
use super::{ACTION_BODY_BYTES_MAX, FieldFault, NOTE_CHARS_MAX, REASON_CHARS_MAX};
use crate::model::RecordKind;

/// Reads why contact data is looked at.
///
/// # Errors
/// All faults at once.
pub fn parse_reason(body: &[u8]) -> Result<String, Vec<FieldFault>> {
    read(body, &["reason"], |fields| {
        fields.require("reason", "why you look: it is written down under your name");
        words(fields, "reason", REASON_CHARS_MAX)
    })
}

/// Whose reports are looked for, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneLook {
    /// As it was typed.
    pub phone: String,
    pub reason: String,
}

/// Reads by which phone reports are looked for, and why. No fault repeats the number.
///
/// # Errors
/// All faults at once.
pub fn parse_phone_look(body: &[u8]) -> Result<PhoneLook, Vec<FieldFault>> {
    read(body, &["phone", "reason"], |fields| {
        fields.require("phone", "the number that the reports were sent with");
        fields.require("reason", "why you look: it is written down under your name");
        let phone = fields.text("phone").map(|phone| whole_phone(&phone));
        let phone = phone.and_then(|phone| fields.keep("phone", phone));
        let reason = words(fields, "reason", REASON_CHARS_MAX);
        Some(PhoneLook { phone: phone?, reason: reason? })
    })
}

/// A number with enough digits to be one person's.
fn whole_phone(text: &str) -> Result<String, String> {
    let phone = checked_phone(text)?.unwrap_or_default();
    let digits = phone.bytes().filter(u8::is_ascii_digit).count();
    let enough = digits >= BARE_PHONE_DIGITS_MIN && phone_key(&phone).is_some();
    let short = || {
        format!(
            "must be the whole number: {BARE_PHONE_DIGITS_MIN} digits or more, for instance +62 812 3456 7890"
        )
    };
    enough.then_some(phone).ok_or_else(short)
}

/// Reads an entry of the shift log.
///
/// # Errors
/// All faults at once.
pub fn parse_shift_entry(body: &[u8]) -> Result<(RecordKind, String), Vec<FieldFault>> {
    read(body, &["text", "kind"], |fields| {
        fields.require("text", "what the next shift must know");
        let kind = fields.text("kind").and_then(|kind| match kind.as_ref() {
            "note" => Some(RecordKind::ShiftNote),
            "handover" => Some(RecordKind::Handover),
            other => {
                fields.fault("kind", format!("{other:?} is not a kind; known are note, handover"));
                None
            }
        });
        let text = words(fields, "text", NOTE_CHARS_MAX)?;
        Some((kind.unwrap_or(RecordKind::ShiftNote), text))
    })
}

fn read<T>(
    body: &[u8],
    known: &[&'static str],
    read: impl FnOnce(&mut Fields) -> Option<T>,
) -> Result<T, Vec<FieldFault>> {
    if body.len() > ACTION_BODY_BYTES_MAX {
        let detail = format!("the body has {} bytes; the most is {ACTION_BODY_BYTES_MAX}", body.len());
        return Err(vec![FieldFault { pointer: String::new(), detail }]);
    }
    let object = Object::of_body(body).map_err(|fault| vec![fault])?;
    let mut faults = Faults::default();
    let mut fields = Fields::new(object, "", known, &mut faults);
    let value = read(&mut fields);
    drop(fields);
    faults.into_result()?;
    value.ok_or_else(|| vec![FieldFault { pointer: String::new(), detail: "is not complete".to_owned() }])
}

/// Text that is not blank.
fn words(fields: &mut Fields, name: &str, chars_max: usize) -> Option<String> {
    if fields.is_blank(name) {
        fields.fault(name, "must not be blank");
    }
    let text = fields.text(name)?;
    fields.keep(name, checked_text(&text, chars_max, Lines::Many)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(faults: &[FieldFault]) -> Vec<String> {
        faults.iter().map(|fault| fault.pointer.clone()).collect()
    }

    #[test]
    fn every_fault_of_what_is_written_down_is_named() {
        let reason = |body: &str| pointers(&parse_reason(body.as_bytes()).err().unwrap_or_default());
        assert_eq!(reason(r#"{"reason":"ring back"}"#), Vec::<String>::new());
        assert_eq!(reason("{}"), ["/reason"]);
        assert_eq!(reason(r#"{"reason":" "}"#), ["/reason"]);
        assert_eq!(reason(r#"{"reason":7,"why":"x"}"#), ["/why", "/reason"]);
        assert_eq!(reason("reason"), [""]);
        let look = |body: &str| pointers(&parse_phone_look(body.as_bytes()).err().unwrap_or_default());
        assert_eq!(look(r#"{"phone":"+62 812-7777-001","reason":"ring back"}"#), Vec::<String>::new());
        assert_eq!(look("{}"), ["/phone", "/reason"]);
        assert_eq!(look(r#"{"phone":"0812777","reason":"ring back"}"#), ["/phone"]);
        assert_eq!(look(r#"{"phone":"00000000","reason":"ring back"}"#), ["/phone"]);
        let told = parse_phone_look(br#"{"phone":"x0812777001","reason":""}"#).err().unwrap_or_default();
        assert_eq!(pointers(&told), ["/phone", "/reason"]);
        assert!(!format!("{told:?}").contains("0812777001"), "{told:?}");
        let entry = |body: &str| pointers(&parse_shift_entry(body.as_bytes()).err().unwrap_or_default());
        assert_eq!(entry(r#"{"text":"Genset menyala"}"#), Vec::<String>::new());
        assert_eq!(entry(r#"{"kind":"party"}"#), ["/text", "/kind"]);
        assert_eq!(
            parse_shift_entry(br#"{"text":"Selesai","kind":"handover"}"#),
            Ok((RecordKind::Handover, "Selesai".to_owned()))
        );
    }
}
