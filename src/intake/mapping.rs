//! The mapping file: how the columns of somebody else's file become reports.
//!
//! Rules are tried in the order of the file and the first match wins. `*` stands for any run of
//! letters, also none. Letters match whatever their case: exports of one system differ in little
//! else, and two categories that differ by case alone have not been seen. A cell that no rule
//! matches stands for itself where it is one of our own keys (`"garbage"`, `"resolved"`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::json::nearest;
use super::place::unknown_word;
use crate::city::Fault;
use crate::model::{Status, TimeMs};

/// A checked mapping file.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub columns: Columns,
    pub(super) time: TimeFormat,
    pub(super) category: Rules<Arc<str>>,
    pub(super) status: Rules<Status>,
    /// Between the values of a cell with several.
    pub(super) split: Option<String>,
}

/// Names of the file's columns; dots reach into objects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    pub id: Option<String>,
    pub lng: Option<String>,
    pub lat: Option<String>,
    pub occurred_at: String,
    pub category: Option<String>,
    pub description: Option<String>,
    pub status: Option<String>,
    pub reporter: Option<String>,
}

impl Columns {
    /// Ours and theirs, in the order of the mapping file's description.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("id", self.id.as_deref()),
            ("lng", self.lng.as_deref()),
            ("lat", self.lat.as_deref()),
            ("occurred_at", Some(self.occurred_at.as_str())),
            ("category", self.category.as_deref()),
            ("description", self.description.as_deref()),
            ("status", self.status.as_deref()),
            ("reporter", self.reporter.as_deref()),
        ]
        .into_iter()
        .filter_map(|(ours, theirs)| Some((ours, theirs?)))
    }
}

/// Everything that is wrong with a mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError(pub Vec<Fault>);

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping file has {} fault(s)", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for MappingError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    columns: Spanned<Columns>,
    time: Spanned<TimeTable>,
    #[serde(default)]
    category: RuleTable,
    #[serde(default)]
    status: RuleTable,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeTable {
    format: Spanned<String>,
    zone: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Options {
    split: Option<Spanned<String>>,
}

/// Patterns and what they stand for; sorted by their place in the file before use, because a TOML
/// table keeps no order of its own.
type RuleTable = BTreeMap<Spanned<String>, Spanned<String>>;

impl Mapping {
    /// Reads a mapping. `file` is what faults call it; `categories` are the keys of the city pack.
    ///
    /// # Errors
    /// All faults found, each with its line.
    pub fn parse(text: &str, file: &str, categories: &[&str]) -> Result<Mapping, MappingError> {
        let mut check = Check { file: file.into(), text, faults: Vec::new() };
        let mapping = check.mapping(categories);
        match mapping {
            Some(mapping) if check.faults.is_empty() => Ok(mapping),
            _ => Err(MappingError(check.faults)),
        }
    }
}

/// A mapping while it is read: collects faults.
struct Check<'a> {
    file: PathBuf,
    text: &'a str,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn mapping(&mut self, categories: &[&str]) -> Option<Mapping> {
        let file: MappingFile = match toml::from_str(self.text) {
            Ok(file) => file,
            Err(e) => {
                self.fault_at(e.span().map_or(0, |span| span.start), e.message());
                return None;
            }
        };
        self.columns(&file);
        let time = self.time(file.time.get_ref());
        let split = file.options.split.as_ref();
        if let Some(split) = split.filter(|split| split.get_ref().is_empty()) {
            self.fault_at(
                split.span().start,
                "split must not be empty; leave it out for cells with one value",
            );
        }
        let keys: Vec<(String, Arc<str>)> =
            categories.iter().map(|key| ((*key).to_owned(), Arc::from(*key))).collect();
        let category = self.rules("category", file.category, keys);
        let status_keys = Status::ALL.map(|s| (s.key().to_owned(), s)).to_vec();
        let mut status = self.rules("status", file.status, status_keys);
        status.default = status.default.or(Some(Status::New));
        if file.columns.get_ref().category.is_none() && category.default.is_none() {
            let detail = "[category] needs a default, because [columns] names no category";
            self.fault_at(file.columns.span().start, detail);
        }
        Some(Mapping {
            columns: file.columns.into_inner(),
            time: time?,
            category,
            status,
            split: file.options.split.map(Spanned::into_inner),
        })
    }

    fn columns(&mut self, file: &MappingFile) {
        let columns = file.columns.get_ref();
        if columns.lng.is_some() != columns.lat.is_some() {
            self.fault_at(
                file.columns.span().start,
                "name both lng and lat, or neither for GeoJSON points",
            );
        }
        for (ours, theirs) in columns.named() {
            if theirs.is_empty() {
                self.fault_at(file.columns.span().start, format!("the column for {ours} has no name"));
            }
        }
    }

    fn time(&mut self, table: &TimeTable) -> Option<TimeFormat> {
        let format = table.format.get_ref();
        let zone = table.zone.as_ref().and_then(|name| {
            let zone = TimeZone::get(name.get_ref());
            let detail = "zone must be an IANA name, for instance Asia/Jayapura";
            zone.map_err(|_| self.fault_at(name.span().start, detail)).ok()
        });
        if format == "rfc3339" {
            return Some(TimeFormat { strptime: None, zone });
        }
        let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        if let Err(e) = BrokenDownTime::from(&sample).to_string(format) {
            self.fault_at(
                table.format.span().start,
                format!("format is neither \"rfc3339\" nor strptime: {e}"),
            );
        } else if table.zone.is_none() && !OFFSETS.iter().any(|offset| format.contains(offset)) {
            let detail = "these times have no offset: add zone, for instance \"Asia/Jayapura\"";
            self.fault_at(table.format.span().start, detail);
        }
        Some(TimeFormat { strptime: Some(format.clone()), zone })
    }

    /// `keys` are the words that a rule may lead to.
    fn rules<T: Clone>(&mut self, table: &str, rules: RuleTable, keys: Vec<(String, T)>) -> Rules<T> {
        let mut in_order: Vec<_> = rules.into_iter().collect();
        in_order.sort_by_key(|(pattern, _)| pattern.span().start);
        let mut read = Rules { rules: Vec::new(), default: None, keys };
        for (pattern, target) in in_order {
            let Some(value) = read.of_key(target.get_ref()) else {
                let known: Vec<&str> = read.keys.iter().map(|(key, _)| key.as_str()).collect();
                let near = nearest(target.get_ref(), &known);
                let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                self.fault_at(target.span().start, unknown_word(table, target.get_ref(), &known) + &hint);
                continue;
            };
            match pattern.get_ref().as_str() {
                "default" => read.default = Some(value),
                pattern => read.rules.push((Pattern::new(pattern), value)),
            }
        }
        read
    }

    fn fault_at(&mut self, byte: usize, message: impl Into<String>) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        self.faults.push(Fault { file: self.file.clone(), line: Some(line), message: message.into() });
    }
}

/// Directives of strptime that say where on earth a time is.
const OFFSETS: [&str; 6] = ["%z", "%:z", "%::z", "%s", "%Q", "%:Q"];

#[derive(Debug, Clone)]
pub(super) struct TimeFormat {
    /// `None`: RFC 3339.
    strptime: Option<String>,
    /// For times without an offset.
    zone: Option<TimeZone>,
}

impl TimeFormat {
    pub fn parse(&self, text: &str) -> Result<TimeMs, String> {
        let text = text.trim();
        match &self.strptime {
            Some(format) => self.parse_format(format, text),
            None => TimeMs::parse_rfc3339(text)
                .or_else(|| self.in_zone(text.parse().ok()?))
                .ok_or_else(|| "is not an RFC 3339 time".to_owned()),
        }
    }

    fn parse_format(&self, format: &str, text: &str) -> Result<TimeMs, String> {
        let time = BrokenDownTime::parse(format, text).map_err(|_| format!("is not like {format}"))?;
        if time.offset().is_some() || time.timestamp().is_some() {
            let at = time.to_timestamp().map_err(|e| e.to_string())?;
            return Ok(TimeMs(at.as_millisecond()));
        }
        let civil = time.to_datetime().map_err(|e| e.to_string())?;
        self.in_zone(civil).ok_or_else(|| "has no offset, and the mapping names no zone".to_owned())
    }

    fn in_zone(&self, civil: DateTime) -> Option<TimeMs> {
        let at = self.zone.as_ref()?.to_timestamp(civil).ok()?;
        Some(TimeMs(at.as_millisecond()))
    }
}

/// What the words of a cell stand for.
#[derive(Debug, Clone)]
pub(super) struct Rules<T> {
    rules: Vec<(Pattern, T)>,
    default: Option<T>,
    keys: Vec<(String, T)>,
}

impl<T: Clone> Rules<T> {
    /// The first of the values that a rule matches, else the first that is a key itself, else the default.
    pub fn of_values(&self, values: &[impl AsRef<str>]) -> Option<T> {
        let by_rule = |value: &str| {
            let value = value.to_lowercase();
            self.rules.iter().find(|(pattern, _)| pattern.matches(&value)).map(|(_, to)| to.clone())
        };
        let trimmed = || values.iter().map(|value| value.as_ref().trim());
        trimmed()
            .find_map(by_rule)
            .or_else(|| trimmed().find_map(|value| self.of_key(value)))
            .or_else(|| self.default.clone())
    }

    fn of_key(&self, key: &str) -> Option<T> {
        self.keys.iter().find(|(have, _)| have == key).map(|(_, value)| value.clone())
    }
}

/// Lower-case text with `*` for any run of letters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// The text between the stars; one piece: no star.
    pieces: Vec<String>,
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        Pattern { pieces: text.trim().to_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// `value` must be lower case. Takes each piece at its first place, which is enough for stars.
    fn matches(&self, value: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return value.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return value == first };
        let Some(mut value) = value.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = value.find(piece.as_str()) else { return false };
            value = &value[at + piece.len()..];
        }
        value.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CATEGORIES: [&str; 3] = ["water", "social", "infrastructure"];

    fn parse(text: &str) -> Result<Mapping, MappingError> {
        Mapping::parse(text, "m.toml", &CATEGORIES)
    }

    const FULL: &str = r#"
[columns]
id = "Unique Key"
lng = "Longitude"
lat = "Latitude"
occurred_at = "Created Date"
category = "Complaint Type"
status = "Status"
[time]
format = "%m/%d/%Y %I:%M:%S %p"
zone = "America/New_York"
[category]
"Noise*" = "social"
"Water System" = "water"
"*water*leak*" = "infrastructure"
"*" = "social"
default = "infrastructure"
[status]
"Closed" = "resolved"
"In Progress" = "in_progress"
[options]
split = ","
"#;

    #[test]
    fn the_first_rule_in_the_order_of_the_file_wins() {
        let mapping = parse(FULL).unwrap();
        let category = |value: &str| mapping.category.of_values(&[value]).unwrap().to_string();
        for (value, expected) in [
            ("Noise - Street", "social"),
            ("NOISE", "social"),
            (" water system ", "water"),
            ("Hot Water pipe LEAKS", "infrastructure"),
            ("water", "social"),
            ("", "social"),
        ] {
            assert_eq!(category(value), expected, "{value:?}");
        }
        let status = |value: &str| mapping.status.of_values(&[value]);
        assert_eq!(status("closed"), Some(Status::Resolved));
        assert_eq!(status("rejected"), Some(Status::Rejected));
        assert_eq!(status("who knows"), Some(Status::New));
    }

    #[test]
    fn the_values_of_a_cell_are_tried_in_turn_and_the_default_comes_last() {
        let mapping = parse(&FULL.replace("\"*\" = \"social\"\n", "")).unwrap();
        let category = |values: &[&str]| mapping.category.of_values(values).unwrap().to_string();
        assert_eq!(category(&["Unknown", "noise - party", "water system"]), "social");
        assert_eq!(category(&["Unknown", "water"]), "water");
        assert_eq!(category(&["Unknown", "strange"]), "infrastructure");
    }

    #[test]
    fn times_are_read_in_their_format_and_zone() {
        let check = |format: &str, zone: &str, text: &str, expected: Option<&str>| {
            let head = "[columns]\noccurred_at = \"t\"\n[category]\ndefault = \"water\"\n[time]\n";
            let mapping = parse(&format!("{head}format = \"{format}\"\n{zone}")).unwrap();
            let found = mapping.time.parse(text).ok().map(TimeMs::to_rfc3339);
            assert_eq!(found.as_deref(), expected, "{format} {text}");
        };
        let jakarta = "zone = \"Asia/Jakarta\"";
        let fractions = "%Y-%m-%dT%H:%M:%S%.f";
        check(fractions, jakarta, "2017-02-20T02:36:00", Some("2017-02-19T19:36:00Z"));
        check(fractions, jakarta, " 2017-02-20T02:36:00.250 ", Some("2017-02-19T19:36:00.25Z"));
        check(fractions, jakarta, "2017-02-30T02:36:00", None);
        check(
            "%m/%d/%Y %I:%M:%S %p",
            "zone = \"America/New_York\"",
            "07/04/2026 12:05:00 AM",
            Some("2026-07-04T04:05:00Z"),
        );
        check("%Y-%m-%d", jakarta, "2017-02-20", Some("2017-02-19T17:00:00Z"));
        check("%Y-%m-%d %H:%M%z", "", "2017-02-20 07:00+0700", Some("2017-02-20T00:00:00Z"));
        check("%s", "", "1487548800", Some("2017-02-20T00:00:00Z"));
        check("rfc3339", "", "2017-02-20T07:00:00+07:00", Some("2017-02-20T00:00:00Z"));
        check("rfc3339", "", "2017-02-20T07:00:00", None);
        check("rfc3339", jakarta, "2017-02-20T07:00:00", Some("2017-02-20T00:00:00Z"));
    }

    fn check_faults(text: &str, expected: &[&str]) {
        let found: Vec<String> =
            parse(text).err().map(|e| e.0.iter().map(ToString::to_string).collect()).unwrap_or_default();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn every_fault_of_a_mapping_is_named_with_its_line() {
        check_faults("", &["m.toml:1: missing field `columns`"]);
        check_faults("[columns\n", &["m.toml:1: "]);
        check_faults(&FULL.replace("id =", "key ="), &["m.toml:3: unknown field `key`"]);
        check_faults(
            &FULL
                .replace("Longitude", "")
                .replace("%p", "%!")
                .replace("America/New_York", "Mars")
                .replace("= \"water\"", "= \"watr\"")
                .replace("\"resolved\"", "\"done\"")
                .replace("\",\"", "\"\""),
            &[
                "m.toml:2: the column for lng has no name",
                "m.toml:11: zone must be an IANA name",
                "m.toml:10: format is neither \"rfc3339\" nor strptime",
                "m.toml:22: split must not be empty",
                "m.toml:14: there is no category \"watr\"; choose one of water, social, infrastructure; did you mean \"water\"?",
                "m.toml:19: there is no status \"done\"",
            ],
        );
        check_faults(
            "[columns]\nlng = \"x\"\noccurred_at = \"t\"\n[time]\nformat = \"%Y\"\n",
            &[
                "m.toml:1: name both lng and lat",
                "m.toml:5: these times have no offset: add zone",
                "m.toml:1: [category] needs a default",
            ],
        );
    }

    proptest! {
        /// The oracle tries every way to let a star stand for letters.
        #[test]
        fn a_pattern_matches_what_it_says(pattern in "[ab*]{0,6}", value in "[ab]{0,8}") {
            fn oracle(pattern: &[u8], value: &[u8]) -> bool {
                match pattern.split_first() {
                    None => value.is_empty(),
                    Some((b'*', rest)) => (0..=value.len()).any(|n| oracle(rest, &value[n..])),
                    Some((letter, rest)) => value.first() == Some(letter) && oracle(rest, &value[1..]),
                }
            }
            prop_assert_eq!(Pattern::new(&pattern).matches(&value), oracle(pattern.as_bytes(), value.as_bytes()));
        }
    }
}
