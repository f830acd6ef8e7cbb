//! Reads JSON objects member by member, so that one wrong field does not hide the next.
//!
//! The values stay raw text until a field asks for its type. No value is ever nested deeper than
//! the fields are, whatever the body holds, because only scalars and known objects are descended into.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::error::Category as JsonFault;
use serde_json::value::RawValue;

use super::fault::Faults;
use super::{FieldFault, MEMBERS_MAX};

/// The members of one object in the order they stand, doubles included.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// One fault for a body that is not UTF-8, not JSON or not an object, with line and column.
    pub fn of_body(body: &'a [u8]) -> Result<Object<'a>, FieldFault> {
        let whole = |detail| FieldFault { pointer: String::new(), detail };
        let text = std::str::from_utf8(body).map_err(|e| {
            whole(format!("the body is not UTF-8: byte {} is wrong; send UTF-8", e.valid_up_to() + 1))
        })?;
        Object::of_text(text).map_err(whole)
    }

    pub fn of_text(text: &'a str) -> Result<Object<'a>, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_ascii_start().is_empty() {
            return Err("the body is empty; send a JSON object".to_owned());
        }
        serde_json::from_str(text).map_err(|e| why_not_json(text, &e))
    }
}

fn why_not_json(text: &str, error: &serde_json::Error) -> String {
    let at = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        JsonFault::Data if !text.trim_ascii_start().starts_with('{') => {
            format!("must be a JSON object, not {}", kind_of(text.trim_ascii_start()))
        }
        JsonFault::Eof => format!("the JSON ends too early, at {at}"),
        _ if is_at_not_a_number(text, error) => format!("JSON has no NaN and no Infinity, at {at}"),
        _ => format!("not JSON: {error}"),
    }
}

fn is_at_not_a_number(text: &str, error: &serde_json::Error) -> bool {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let near = line.as_bytes().get(error.column().saturating_sub(2)..).unwrap_or_default();
    let near = near.trim_ascii_start();
    let near = near.strip_prefix(b":").unwrap_or(near).trim_ascii_start();
    [&b"NaN"[..], b"Infinity", b"-Infinity", b"-NaN"].iter().any(|word| near.starts_with(word))
}

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(A::Error::custom(format!("more than {MEMBERS_MAX} fields")));
                    }
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The known fields of one object; faults go to a shared list under the object's pointer.
pub(super) struct Fields<'a, 'f> {
    object: Object<'a>,
    pointer: &'static str,
    faults: &'f mut Faults,
}

impl<'a, 'f> Fields<'a, 'f> {
    /// Names every unknown and every doubled member at once. `pointer` is the object's own.
    pub fn new(
        object: Object<'a>,
        pointer: &'static str,
        known: &[&str],
        faults: &'f mut Faults,
    ) -> Fields<'a, 'f> {
        for (i, (name, _)) in object.0.iter().enumerate() {
            let at = format!("{pointer}/{}", escaped(name));
            if !known.contains(&name.as_ref()) {
                faults.push(at, unknown_field(name, known));
            } else if object.0[..i].iter().any(|(earlier, _)| earlier == name) {
                faults.push(at, "stands twice; send it once");
            }
        }
        Fields { object, pointer, faults }
    }

    pub fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(format!("{}/{name}", self.pointer), detail);
    }

    /// The value, or its fault under the field's name.
    pub fn keep<T>(&mut self, name: &str, value: Result<T, String>) -> Option<T> {
        self.faults.keep(&format!("{}/{name}", self.pointer), value)
    }

    /// Whether the member is there and not null.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Whether the member is a string of nothing but blanks.
    pub fn is_blank(&self, name: &str) -> bool {
        let raw = self.raw(name).unwrap_or_default();
        serde_json::from_str::<Text>(raw).is_ok_and(|text| text.0.trim().is_empty())
    }

    /// Adds a fault where the member is absent or null.
    pub fn require(&mut self, name: &str, what: &str) {
        if !self.has(name) {
            self.fault(name, format!("is missing; it must be {what}"));
        }
    }

    pub fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.raw(name)?;
        let value = if raw.starts_with('"') {
            serde_json::from_str::<Text<'a>>(raw)
                .map(|t| t.0)
                .map_err(|e| format!("not a JSON string: {e}"))
        } else {
            Err(wrong_type("a string", raw))
        };
        self.keep(name, value)
    }

    pub fn number(&mut self, name: &str) -> Option<f64> {
        let raw = self.raw(name)?;
        let value = if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            let finite = raw.parse().ok().filter(|n: &f64| n.is_finite());
            finite.ok_or_else(|| format!("{} is too large for a number", shortened(raw)))
        } else {
            Err(wrong_type("a number", raw))
        };
        self.keep(name, value)
    }

    /// A whole number of 1 or more that fits 32 bits.
    pub fn count(&mut self, name: &str) -> Option<u32> {
        let raw = self.raw(name)?;
        let value = match raw.parse::<u32>() {
            Ok(count) if count > 0 => Ok(count),
            _ if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Err(format!("{} is not a whole number from 1 to {}", shortened(raw), u32::MAX))
            }
            _ => Err(wrong_type("a whole number", raw)),
        };
        self.keep(name, value)
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let raw = self.raw(name)?;
        let value = match raw {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(wrong_type("true or false", other)),
        };
        self.keep(name, value)
    }

    pub fn object(&mut self, name: &str) -> Option<Object<'a>> {
        let raw = self.raw(name)?;
        let value = if raw.starts_with('{') {
            serde_json::from_str(raw).map_err(|e| format!("cannot be read: {e}"))
        } else {
            Err(wrong_type("an object", raw))
        };
        self.keep(name, value)
    }

    /// The list of faults, for a nested object.
    pub fn faults(&mut self) -> &mut Faults {
        self.faults
    }

    /// The raw value; null stands for absent.
    fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, raw) = self.object.0.iter().find(|(have, _)| have == name)?;
        Some(raw.get()).filter(|raw| *raw != "null")
    }
}

/// Borrows where the string holds no escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn wrong_type(wanted: &str, raw: &str) -> String {
    format!("must be {wanted}, not {}", kind_of(raw))
}

fn kind_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A sender's own words, cut so that an answer stays small.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A member's name as one step of a JSON pointer.
fn escaped(name: &str) -> String {
    shortened(name).replace('~', "~0").replace('/', "~1")
}

/// Names that other services use for our fields.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("longitude", "lng"),
    ("lon", "lng"),
    ("long", "lng"),
    ("x", "lng"),
    ("latitude", "lat"),
    ("y", "lat"),
    ("text", "description"),
    ("message", "description"),
    ("type", "category"),
    ("service_code", "category"),
    ("time", "occurred_at"),
    ("created_at", "occurred_at"),
    ("accuracy", "accuracy_m"),
    ("comment", "note"),
];

fn unknown_field(name: &str, known: &[&str]) -> String {
    let other = OTHER_NAMES.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, ours)| *ours);
    match other.filter(|ours| known.contains(ours)).or_else(|| nearest(name, known)) {
        Some(near) => format!("there is no such field; did you mean {near:?}?"),
        None => format!("there is no such field; the fields are {}", known.join(", ")),
    }
}

/// The known word that differs from `name` by at most a third of its letters.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const CHARS_MAX: usize = 40;
    if name.len() > CHARS_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let distance = |word: &str| edit_distance(&name, &word.to_lowercase());
    let (away, word) = known.iter().map(|word| (distance(word), *word)).min()?;
    (away <= word.len().div_ceil(3) && away < word.len()).then_some(word)
}

/// Levenshtein's: how many letters must be put in, left out or changed.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
