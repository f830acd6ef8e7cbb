//! One row of somebody else's file, mapped: first to an [`ImportRecord`], which needs no secret and
//! can be sent to a server, then to a report.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::mapping::Mapping;
use super::place::{checked_place, known_category, route};
use super::report::checked_time;
use super::sender::imported_sender;
use super::text::{Lines, checked_text};
use super::{Context, DESCRIPTION_CHARS_MAX, REPORTER_CHARS_MAX};
use crate::model::{Channel, ImportRow, NewReport, ReportPrivate, Status, TimeMs};

/// A row as its file holds it.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// A record of a CSV file under its header.
    Csv { columns: &'a [String], cells: Cells<'a> },
    /// An object of a newline-delimited file, or the properties of a GeoJSON feature.
    Json { fields: &'a Map<String, Value>, geometry: Option<&'a Value> },
}

/// The cells of one CSV record: one text and where each cell ends in it.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    pub text: &'a str,
    pub ends: &'a [usize],
}

impl<'a> Cells<'a> {
    pub fn get(&self, i: usize) -> Option<&'a str> {
        let start = if i == 0 { 0 } else { *self.ends.get(i - 1)? };
        self.text.get(start..*self.ends.get(i)?)
    }
}

/// A row with our words in place of the source's. Place and time are not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRecord {
    /// The first 16 bytes of SHA-256 of the row's id, or of the whole row where it has none.
    pub digest: [u8; 16],
    pub lng: f64,
    pub lat: f64,
    pub occurred_at: TimeMs,
    pub category: Arc<str>,
    pub status: Status,
    pub description: Option<String>,
    pub reporter: Option<String>,
}

impl Mapping {
    /// Maps a row.
    ///
    /// # Errors
    /// Everything that is wrong with the row, in one sentence.
    pub fn record(&self, row: &Row) -> Result<ImportRecord, String> {
        let mut faults = Vec::new();
        let mut keep = |value: Result<f64, String>| value.map_err(|fault| faults.push(fault)).ok();
        let place = match (&self.columns.lng, &self.columns.lat) {
            (Some(lng), Some(lat)) => (keep(number(row, lng)), keep(number(row, lat))),
            _ => match point(row) {
                Ok((lng, lat)) => (Some(lng), Some(lat)),
                Err(fault) => {
                    faults.push(fault);
                    (None, None)
                }
            },
        };
        let occurred_at = self.occurred_at(row).map_err(|fault| faults.push(fault)).ok();
        let category = self.category_of(row).map_err(|fault| faults.push(fault)).ok();
        let description = optional(row, self.columns.description.as_deref(), DESCRIPTION_CHARS_MAX)
            .map_err(|fault| faults.push(fault))
            .ok();
        let reporter = optional(row, self.columns.reporter.as_deref(), REPORTER_CHARS_MAX)
            .map_err(|fault| faults.push(fault))
            .ok();
        let status = self.status.of_values(&self.values(row, self.columns.status.as_deref()));
        match (place, occurred_at, category, description, reporter, status) {
            (
                (Some(lng), Some(lat)),
                Some(occurred_at),
                Some(category),
                Some(description),
                Some(reporter),
                Some(status),
            ) => {
                let digest = self.digest(row);
                Ok(ImportRecord { digest, lng, lat, occurred_at, category, status, description, reporter })
            }
            _ => Err(faults.join("; ")),
        }
    }

    fn occurred_at(&self, row: &Row) -> Result<TimeMs, String> {
        let column = &self.columns.occurred_at;
        let text = row.text(column).filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| format!("{column:?} is empty: a row needs a time"))?;
        self.time
            .parse(&text)
            .map_err(|why| format!("{column:?}: {:?} {why}", super::json::shortened(&text)))
    }

    fn category_of(&self, row: &Row) -> Result<Arc<str>, String> {
        let values = self.values(row, self.columns.category.as_deref());
        self.category.of_values(&values).ok_or_else(|| {
            let seen = super::json::shortened(&values.join(", "));
            format!("no rule of [category] matches {seen:?}, and there is no default")
        })
    }

    /// The values of a cell, split where the mapping says so.
    fn values<'r>(&self, row: &Row<'r>, column: Option<&str>) -> Vec<Cow<'r, str>> {
        let cells = column.map(|column| row.values(column)).unwrap_or_default();
        let Some(split) = &self.split else { return cells };
        let parts = |cell: Cow<'r, str>| match cell {
            Cow::Borrowed(text) => text.split(split.as_str()).map(Cow::Borrowed).collect::<Vec<_>>(),
            Cow::Owned(text) => {
                text.split(split.as_str()).map(|part| Cow::Owned(part.to_owned())).collect()
            }
        };
        cells.into_iter().flat_map(parts).collect()
    }

    fn digest(&self, row: &Row) -> [u8; 16] {
        let id = self.columns.id.as_deref().and_then(|column| row.text(column));
        let mut hash = Sha256::new();
        match id.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
            Some(id) => hash.update(id.as_bytes()),
            None => row.hash_whole(&mut hash),
        }
        hash.finalize()[..16].try_into().expect("a digest has 32 bytes")
    }
}

impl ImportRecord {
    /// Checks place and time and makes the report. No deadline runs for it.
    ///
    /// # Errors
    /// Everything that is wrong, in one sentence.
    pub fn into_report(self, source: &str, ctx: &Context) -> Result<NewReport, String> {
        let mut faults = Vec::new();
        let category = known_category(ctx.city, &self.category).map_err(|fault| faults.push(fault)).ok();
        let place = checked_place(self.lng, self.lat, ctx.city)
            .map_err(|found| faults.extend(found.into_iter().map(|(_, detail)| detail)))
            .ok();
        let occurred_at = checked_time(self.occurred_at, ctx).map_err(|fault| faults.push(fault)).ok();
        let (Some(category), Some(place), Some(occurred_at)) = (category, place, occurred_at) else {
            return Err(faults.join("; "));
        };
        let route = route(ctx.city, category, place);
        Ok(NewReport {
            category,
            place,
            coarse_place: route.coarse_place,
            accuracy_m: None,
            occurred_at: Some(occurred_at),
            area: route.area,
            incident: None,
            agency: route.agency,
            due_after_ms: None,
            sender: self.reporter.map(|reporter| imported_sender(ctx.ids, source, &reporter)),
            channel: Channel::Import,
            drill: false,
            private: ReportPrivate { description: self.description, ..ReportPrivate::default() },
            idempotency: None,
            import: Some(ImportRow {
                source: source.to_owned(),
                row_digest: self.digest,
                status: self.status,
            }),
        })
    }
}

impl<'a> Row<'a> {
    /// Whether the row has such a column, also where it is blank.
    pub fn has(&self, column: &str) -> bool {
        match self {
            Row::Csv { columns, .. } => columns.iter().any(|name| name == column),
            Row::Json { fields, .. } => find(fields, column).is_some(),
        }
    }

    /// The column as one text; `None` where the row has none.
    pub fn text(&self, column: &str) -> Option<Cow<'a, str>> {
        match self {
            Row::Csv { columns, cells } => {
                cells.get(columns.iter().position(|name| name == column)?).map(Cow::Borrowed)
            }
            Row::Json { fields, .. } => find(fields, column).map(text_of),
        }
    }

    /// The column's values: the members of a list, or the one text.
    fn values(&self, column: &str) -> Vec<Cow<'a, str>> {
        match self {
            Row::Json { fields, .. } if let Some(Value::Array(members)) = find(fields, column) => {
                members.iter().map(text_of).collect()
            }
            _ => self.text(column).into_iter().collect(),
        }
    }

    /// Names of all columns that hold plain values; dots reach into objects and lists.
    pub fn columns(&self) -> Vec<String> {
        self.leaves().into_iter().map(|(name, _)| name.into_owned()).collect()
    }

    /// Every plain value with its column's name, in the order of the file.
    fn leaves(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let mut leaves = Vec::new();
        match self {
            Row::Csv { columns, cells } => {
                let cell = |(i, name): (usize, &'a String)| {
                    (Cow::Borrowed(name.as_str()), Cow::Borrowed(cells.get(i).unwrap_or_default()))
                };
                leaves.extend(columns.iter().enumerate().map(cell));
            }
            Row::Json { fields, geometry } => {
                fields.iter().for_each(|(name, value)| collect(Cow::Borrowed(name), value, &mut leaves));
                if let Some(geometry) = geometry {
                    collect(Cow::Borrowed("geometry"), geometry, &mut leaves);
                }
            }
        }
        leaves
    }

    /// The same for the same values, whatever the kind of file and the order of its columns:
    /// names and texts with their lengths, sorted by name, blank ones left out.
    fn hash_whole(&self, hash: &mut Sha256) {
        let mut leaves = self.leaves();
        leaves.retain(|(_, text)| !text.is_empty());
        leaves.sort();
        for part in leaves.iter().flat_map(|(name, text)| [name, text]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
}

/// The member of that name, or what its dots reach.
fn find<'a>(fields: &'a Map<String, Value>, column: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(column) {
        return Some(value);
    }
    let (head, rest) = column.split_once('.')?;
    find(fields.get(head)?.as_object()?, rest)
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn collect<'a>(name: Cow<'a, str>, value: &'a Value, leaves: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| collect(format!("{name}.{key}").into(), value, leaves));
        }
        Value::Array(members) => {
            members
                .iter()
                .enumerate()
                .for_each(|(i, value)| collect(format!("{name}.{i}").into(), value, leaves));
        }
        plain => leaves.push((name, text_of(plain))),
    }
}

fn number(row: &Row, column: &str) -> Result<f64, String> {
    let text = row.text(column).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{column:?} is empty: a row needs a place"));
    }
    let number = text.parse().ok().filter(|n: &f64| n.is_finite());
    number.ok_or_else(|| format!("{column:?}: {:?} is not a number", super::json::shortened(text)))
}

fn point(row: &Row) -> Result<(f64, f64), String> {
    let Row::Json { geometry: Some(geometry), .. } = row else {
        return Err("the mapping names no columns for lng and lat, and the row has no geometry".to_owned());
    };
    let coordinates = (geometry["type"] == "Point").then(|| &geometry["coordinates"]);
    let lng_lat = coordinates.and_then(|at| Some((at[0].as_f64()?, at[1].as_f64()?)));
    lng_lat.ok_or_else(|| "the geometry is not a Point with [lng, lat]".to_owned())
}

/// A text that a row may lack. Control characters of old systems become blanks.
fn optional(row: &Row, column: Option<&str>, chars_max: usize) -> Result<Option<String>, String> {
    let Some(column) = column else { return Ok(None) };
    let Some(text) = row.text(column) else { return Ok(None) };
    let is_noise = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let clean = if text.contains(is_noise) { Cow::Owned(text.replace(is_noise, " ")) } else { text };
    checked_text(&clean, chars_max, Lines::Many).map_err(|why| format!("{column:?} {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::intake::testing::{NOW, ctx, ids, ternate};
    use crate::model::SECOND_MS;

    fn mapping(more: &str) -> Mapping {
        let text = format!(
            "[columns]\noccurred_at = \"at\"\ncategory = \"tags.kind\"\ndescription = \"text\"\nreporter = \"who\"\n\
             status = \"state\"\n{more}\n[time]\nformat = \"rfc3339\"\n[category]\n\"flood*\" = \"disaster\"\n[options]\nsplit = \";\"\n"
        );
        let categories: Vec<&str> = ternate().categories.iter().map(|c| c.key.as_str()).collect();
        Mapping::parse(&text, "m.toml", &categories).unwrap()
    }

    fn row() -> Value {
        json!({"at": "2026-11-24T03:00:00Z", "tags": {"kind": "flood"}, "text": " Banjir\u{7} ", "who": "A7", "state": "resolved"})
    }

    fn record(fields: &Value, geometry: &Value, mapping: &Mapping) -> Result<ImportRecord, String> {
        mapping.record(&Row::Json { fields: fields.as_object().unwrap(), geometry: Some(geometry) })
    }

    fn point(lng: f64, lat: f64) -> Value {
        json!({"type": "Point", "coordinates": [lng, lat]})
    }

    #[test]
    fn a_row_becomes_a_report_of_the_past() {
        let mapping = mapping("");
        let report = |row: &Value| {
            record(row, &point(127.38, 0.79), &mapping)?.into_report("a.geojson", &ctx(ternate()))
        };
        let read = report(&row()).unwrap();
        assert_eq!(read.occurred_at, Some(NOW.plus_ms(-3_600 * SECOND_MS)));
        assert_eq!(read.private.description.as_deref(), Some("Banjir"));
        assert_eq!((read.channel, read.due_after_ms), (Channel::Import, None));
        assert_eq!(read.sender, Some(imported_sender(ids(), "a.geojson", "a7")));
        let import = read.import.unwrap();
        assert_eq!((import.source.as_str(), import.status), ("a.geojson", Status::Resolved));
        assert!(read.area.is_some() && read.agency.is_some());

        let mut least = row();
        least.as_object_mut().unwrap().retain(|name, _| !["text", "who", "state"].contains(&name.as_str()));
        let read = report(&least).unwrap();
        assert_eq!(
            (read.sender, read.private, read.import.unwrap().status),
            (None, ReportPrivate::default(), Status::New)
        );
    }

    #[test]
    fn several_values_of_a_category_are_tried_in_turn() {
        let mapping = mapping("");
        for (kind, expected) in [
            (json!("other; flooded"), Some("disaster")),
            (json!(["other", "x;Flood"]), Some("disaster")),
            (json!("x;water"), Some("water")),
            (json!(null), None),
            (json!({"flood": 1}), None),
        ] {
            let mut row = row();
            row["tags"]["kind"] = kind.clone();
            let found = record(&row, &point(127.38, 0.79), &mapping);
            assert_eq!(found.ok().map(|r| r.category.to_string()).as_deref(), expected, "{kind}");
        }
    }

    #[test]
    fn everything_wrong_with_a_row_is_one_sentence() {
        let check = |change: &dyn Fn(&mut Value, &mut Value), expected: &str| {
            let (mut row, mut geometry) = (row(), point(127.38, 0.79));
            change(&mut row, &mut geometry);
            let found =
                record(&row, &geometry, &mapping("")).and_then(|r| r.into_report("s", &ctx(ternate())));
            assert_eq!(found.map(|_| ()).unwrap_err(), expected);
        };
        check(
            &|row, geometry| {
                row["at"] = json!("yesterday");
                row["tags"] = json!(7);
                row["who"] = json!("x".repeat(201));
                *geometry = json!({"type": "Polygon", "coordinates": []});
            },
            "the geometry is not a Point with [lng, lat]; \"at\": \"yesterday\" is not an RFC 3339 time; \
             no rule of [category] matches \"\", and there is no default; \"who\" has 201 characters; the most is 200",
        );
        check(&|row, _| row["at"] = json!(" "), "\"at\" is empty: a row needs a time");
        check(
            &|row, geometry| {
                row["at"] = json!("2026-11-25T03:00:00Z");
                *geometry = point(0.79, 127.38);
            },
            "lng 0.79 and lat 127.38 are probably swapped: lng is the longitude (east), lat the latitude (north); \
             2026-11-25T03:00:00Z is more than 5 minutes ahead; it is 2026-11-24T04:00:00Z now: check clock and time zone",
        );
    }

    #[test]
    fn numbers_of_a_place_are_read_from_text_and_nothing_else_is_taken_for_one() {
        let mapping = mapping("lng = \"x\"\nlat = \"y\"");
        let columns = ["x", "y", "at", "tags.kind"].map(str::to_owned);
        let check = |x: &str, expected: Result<f64, &str>| {
            let cells = [x, " 0.79", "2026-11-24T03:00:00Z", "water"];
            let ends: Vec<usize> = cells
                .iter()
                .scan(0, |end, cell| {
                    *end += cell.len();
                    Some(*end)
                })
                .collect();
            let row = Row::Csv { columns: &columns, cells: Cells { text: &cells.concat(), ends: &ends } };
            assert_eq!(mapping.record(&row).map(|r| r.lng), expected.map_err(str::to_owned));
        };
        check(" 127.38 ", Ok(127.38));
        check("1.2738e2", Ok(127.38));
        check("", Err("\"x\" is empty: a row needs a place"));
        for wrong in ["127,38", "NaN", "inf", "1e999", "E 127"] {
            check(wrong, Err(&format!("\"x\": {wrong:?} is not a number")));
        }
    }

    #[test]
    fn a_row_is_known_by_its_id_or_else_by_all_it_says() {
        let by_id = mapping("id = \"no\"");
        let digest = |row: Value, geometry: &Value, mapping: &Mapping| {
            let mut full = self::row();
            full.as_object_mut().unwrap().extend(row.as_object().unwrap().clone());
            record(&full, geometry, mapping).unwrap().digest
        };
        let (here, there) = (point(127.38, 0.79), point(127.39, 0.79));
        assert_eq!(
            digest(json!({"no": 7}), &here, &by_id),
            digest(json!({"no": " 7 ", "text": "new"}), &there, &by_id)
        );
        assert_ne!(digest(json!({"no": 7}), &here, &by_id), digest(json!({"no": 8}), &here, &by_id));

        let whole = mapping("");
        let base = digest(json!({}), &here, &whole);
        assert_eq!(base, digest(json!({"blank": "", "nothing": null}), &here, &whole));
        assert_ne!(base, digest(json!({"more": 1}), &here, &whole));
        assert_ne!(base, digest(json!({}), &there, &whole));
        // An id column that is blank in one row falls back to the row.
        assert_eq!(base, digest(json!({"no": ""}), &here, &by_id));
    }

    #[test]
    fn the_columns_of_a_row_are_named_with_dots() {
        let fields = json!({"a": 1, "b": {"c": null, "d": [2, 3]}});
        let row = Row::Json { fields: fields.as_object().unwrap(), geometry: None };
        assert_eq!(row.columns(), ["a", "b.c", "b.d.0", "b.d.1"]);
        assert!(row.has("b.d") && row.has("b.c") && !row.has("b.e"));
    }
}
