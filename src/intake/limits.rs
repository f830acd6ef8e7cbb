//! The limits of every field. Each is far above what an honest sender needs.

use crate::model::{MINUTE_MS, TimeMs};

/// A larger body is refused before it is parsed, in bytes of JSON (photos are not counted here).
pub const REPORT_BODY_BYTES_MAX: usize = 64 * 1024;
pub const ACTION_BODY_BYTES_MAX: usize = 64 * 1024;
/// One request of a bulk import holds at most this many lines …
pub const IMPORT_LINES_MAX: usize = 5_000;
/// … and at most this many bytes.
pub const IMPORT_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A JSON object with more members than this is refused.
pub const MEMBERS_MAX: usize = 64;
/// At most this many faults are named in one answer.
pub const FAULTS_MAX: usize = 32;

pub const DESCRIPTION_CHARS_MAX: usize = 4_000;
pub const NOTE_CHARS_MAX: usize = 4_000;
/// Of a look at contact data.
pub const REASON_CHARS_MAX: usize = 500;
pub const NAME_CHARS_MAX: usize = 200;
pub const PHONE_CHARS_MAX: usize = 40;
/// Short service numbers count as phones; international ones have at most 15 digits, prefixes aside.
pub const PHONE_DIGITS_MIN: usize = 3;
pub const PHONE_DIGITS_MAX: usize = 20;
pub const EMAIL_CHARS_MAX: usize = 254;
pub const DEVICE_CHARS_MAX: usize = 200;
/// The reporter column of an import: a phone, an e-mail, a name or a number of the source's own.
pub const REPORTER_CHARS_MAX: usize = 200;
pub const SOURCE_CHARS_MAX: usize = 200;
/// A radius above 100 km says nothing about a place in a city.
pub const ACCURACY_M_MAX: f64 = 100_000.0;

/// A time further ahead of now is refused; a smaller lead is taken as now.
pub const LEAD_MS_MAX: i64 = 5 * MINUTE_MS;
/// 1900-01-01T00:00:00Z. An earlier time is a slip, not an incident.
pub const OCCURRED_AT_MIN: TimeMs = TimeMs(-2_208_988_800_000);
