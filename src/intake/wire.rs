//! The body of a bulk import over HTTP: one normalised row a line.
//!
//! The sender has read and mapped the source's file; the server checks place, time and words again,
//! because it trusts no sender, and hashes the reporter under its own secret.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::json::shortened;
use super::place::unknown_word;
use super::row::ImportRecord;
use super::text::{Lines, checked_text};
use super::{Context, DESCRIPTION_CHARS_MAX, FieldFault, IMPORT_BODY_BYTES_MAX, IMPORT_LINES_MAX};
use super::{REPORTER_CHARS_MAX, SOURCE_CHARS_MAX};
use crate::model::{NewReport, Status, TimeMs};

/// One line of `POST /api/v1/import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportLine {
    /// 32 hexadecimal digits: the first half of SHA-256 of the row's id, or of the whole row.
    pub id: String,
    pub lng: f64,
    pub lat: f64,
    /// RFC 3339.
    pub occurred_at: String,
    pub category: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<String>,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// Rows that are new.
    pub accepted: u64,
    /// Rows that were there before.
    pub repeated: u64,
    pub refused: Vec<RefusedLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// From 1, in this request.
    pub line: usize,
    pub reason: String,
}

/// Reads the body of a bulk import: one result a line, in order, blank lines included as refusals.
///
/// # Errors
/// Where the request as a whole is too large or its source has no usable name.
pub fn parse_import(
    body: &[u8],
    source: &str,
    ctx: &Context,
) -> Result<Vec<Result<NewReport, String>>, FieldFault> {
    let whole = |detail| FieldFault { pointer: String::new(), detail };
    let source = checked_text(source, SOURCE_CHARS_MAX, Lines::One)
        .and_then(|source| source.ok_or_else(|| "must not be blank".to_owned()))
        .map_err(|why| whole(format!("the source {why}")))?;
    if body.len() > IMPORT_BODY_BYTES_MAX {
        return Err(whole(format!(
            "{} bytes are too many; send at most {IMPORT_BODY_BYTES_MAX}",
            body.len()
        )));
    }
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let lines: Vec<&[u8]> = if body.is_empty() {
        Vec::new()
    } else {
        body.split(|b| *b == b'\n').take(IMPORT_LINES_MAX + 1).collect()
    };
    if lines.len() > IMPORT_LINES_MAX {
        return Err(whole(format!("more than {IMPORT_LINES_MAX} lines; send them in several requests")));
    }
    let read = |line: &&[u8]| {
        let line: ImportLine =
            serde_json::from_slice(line).map_err(|e| format!("not a line of an import: {e}"))?;
        line.into_record()?.into_report(&source, ctx)
    };
    Ok(lines.iter().map(read).collect())
}

impl ImportRecord {
    pub fn to_line(&self) -> ImportLine {
        ImportLine {
            id: self.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            lng: self.lng,
            lat: self.lat,
            occurred_at: self.occurred_at.to_rfc3339(),
            category: self.category.to_string(),
            status: self.status.key().to_owned(),
            description: self.description.clone(),
            reporter: self.reporter.clone(),
        }
    }
}

impl ImportLine {
    /// Back to what [`ImportRecord::to_line`] was given.
    pub fn into_record(self) -> Result<ImportRecord, String> {
        let digest = digest_of_hex(&self.id).ok_or_else(|| {
            format!("\"id\" must be 32 hexadecimal digits, not {:?}", shortened(&self.id))
        })?;
        let occurred_at = TimeMs::parse_rfc3339(&self.occurred_at).ok_or_else(|| {
            format!("\"occurred_at\": {:?} is not an RFC 3339 time", shortened(&self.occurred_at))
        })?;
        let status = Status::from_key(&self.status)
            .ok_or_else(|| unknown_word("status", &self.status, &Status::ALL.map(Status::key)))?;
        let text = |name: &str, text: Option<String>, chars_max| match text {
            Some(text) => {
                checked_text(&text, chars_max, Lines::Many).map_err(|why| format!("{name:?} {why}"))
            }
            None => Ok(None),
        };
        Ok(ImportRecord {
            digest,
            lng: self.lng,
            lat: self.lat,
            occurred_at,
            category: Arc::from(self.category),
            status,
            description: text("description", self.description, DESCRIPTION_CHARS_MAX)?,
            reporter: text("reporter", self.reporter, REPORTER_CHARS_MAX)?,
        })
    }
}

fn digest_of_hex(hex: &str) -> Option<[u8; 16]> {
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intake::testing::{ctx, ternate};

    fn record() -> ImportRecord {
        ImportRecord {
            digest: [0x0a; 16],
            lng: 127.38,
            lat: 0.79,
            occurred_at: TimeMs(1_764_000_000_123),
            category: "water".into(),
            status: Status::InProgress,
            description: Some("Air mati\nsejak pagi".into()),
            reporter: None,
        }
    }

    #[test]
    fn a_line_says_all_that_the_record_says() {
        let line = record().to_line();
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","lng":127.38,"lat":0.79,"occurred_at":"2025-11-24T16:00:00.123Z","category":"water","status":"in_progress","description":"Air mati\nsejak pagi"}"#
        );
        assert_eq!(line.into_record(), Ok(record()));
    }

    #[test]
    fn each_line_is_answered_for_itself() {
        let good = serde_json::to_string(&record().to_line()).unwrap();
        let check = |line: &str, expected: Option<&str>| {
            let found =
                parse_import(format!("{good}\n{line}\n{good}\n").as_bytes(), "a.csv", &ctx(ternate()))
                    .unwrap();
            assert_eq!(found.len(), 3);
            assert!(found[0].is_ok() && found[0] == found[2]);
            let reason = found[1].as_ref().err().map(String::as_str);
            match expected {
                Some(expected) => assert!(reason.unwrap().starts_with(expected), "{reason:?}"),
                None => assert_eq!(reason, None),
            }
        };
        check(&good, None);
        check("", Some("not a line of an import: EOF"));
        check("[]", Some("not a line of an import: "));
        check(&good.replace("0a0a", "zz"), Some("\"id\" must be 32 hexadecimal digits"));
        check(&good.replace("2025-", ""), Some("\"occurred_at\": \"11-24T16"));
        check(&good.replace("in_progress", "done"), Some("there is no status \"done\""));
        check(&good.replace("water", "fire"), Some("there is no category \"fire\""));
        check(&good.replace("127.38", "1e999"), Some("not a line of an import: number out of range"));
        check(&good.replace("127.38", "12.38"), Some("the place 12.38, 0.79 lies outside"));
        check(
            &good.replace("\"lat\"", "\"x\":1,\"lat\""),
            Some("not a line of an import: unknown field `x`"),
        );
    }

    #[test]
    fn a_request_that_is_too_large_is_refused_as_a_whole() {
        let refused =
            |body: &[u8], source: &str| parse_import(body, source, &ctx(ternate())).unwrap_err().detail;
        assert!(refused(&vec![b'\n'; IMPORT_LINES_MAX + 2], "a").starts_with("more than 5000 lines"));
        assert!(refused(&vec![b' '; IMPORT_BODY_BYTES_MAX + 1], "a").contains("bytes are too many"));
        assert_eq!(refused(b"", " "), "the source must not be blank");
        assert_eq!(parse_import(b"", "a", &ctx(ternate())), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_import(&body, "a", &ctx(ternate()));
        }
    }
}
