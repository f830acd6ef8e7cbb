//! Reads rows out of files of any size: CSV, GeoJSON and newline-delimited JSON.
//!
//! Invariants: memory is bounded by [`ROW_BYTES_MAX`] whatever the file holds; a row that is too
//! large, damaged or not UTF-8 is handed out with its fault, and the next one is read as if nothing
//! had happened. Only what makes the rest unreadable (the disk, an end in the middle) is an error.

mod csv;
mod geojson;
mod ndjson;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use self::csv::CsvRows;
use self::geojson::GeoJsonRows;
use self::ndjson::NdjsonRows;
use crate::intake::{Cells, Row};

/// A longer row is refused.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error("{} cannot be read", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file cannot be read on after line {line}")]
    Read {
        line: u64,
        #[source]
        source: io::Error,
    },
    #[error("line {line}: {why}")]
    Damaged { line: u64, why: String },
}

/// One row as its file holds it, with what is wrong with it as such.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRow {
    /// Line of the file that it begins on, from 1.
    pub line: u64,
    pub body: RawBody,
    pub fault: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RawBody {
    /// The cells' text and where each ends.
    Csv {
        text: Vec<u8>,
        ends: Vec<usize>,
    },
    Json(Vec<u8>),
}

/// A row parsed as far as needed to ask for its columns.
#[derive(Debug)]
pub enum ParsedRow<'a> {
    Csv { columns: &'a [String], cells: Cells<'a> },
    Json { fields: Map<String, Value>, geometry: Option<Value> },
}

impl RawRow {
    /// # Errors
    /// What is wrong with the row as such.
    pub fn parse<'a>(&'a self, columns: &'a [String]) -> Result<ParsedRow<'a>, String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        match &self.body {
            RawBody::Csv { text, ends } => {
                let text = std::str::from_utf8(text).map_err(|_| NOT_UTF8.to_owned())?;
                if ends.len() != columns.len() {
                    return Err(format!("has {} cells where the header has {}", ends.len(), columns.len()));
                }
                let cells = Cells { text, ends };
                // An end inside a letter cannot come from text that is UTF-8 cell by cell.
                let whole = (0..ends.len()).all(|i| cells.get(i).is_some());
                whole.then_some(ParsedRow::Csv { columns, cells }).ok_or_else(|| NOT_UTF8.to_owned())
            }
            RawBody::Json(bytes) => parse_json(bytes),
        }
    }

    /// The cells under `columns` as readable text, for the file of refused rows.
    pub fn cells(&self, columns: &[String]) -> Vec<String> {
        match (&self.body, self.parse(columns)) {
            (RawBody::Csv { text, ends }, _) => {
                let start = |i: usize| if i == 0 { 0 } else { ends[i - 1] };
                let cell = |i: usize| {
                    let bytes = ends.get(i).and_then(|end| text.get(start(i)..*end)).unwrap_or_default();
                    String::from_utf8_lossy(bytes).into_owned()
                };
                (0..columns.len()).map(cell).collect()
            }
            (RawBody::Json(_), Ok(parsed)) => {
                let row = parsed.row();
                columns.iter().map(|name| row.text(name).unwrap_or_default().into_owned()).collect()
            }
            (RawBody::Json(_), Err(_)) => vec![String::new(); columns.len()],
        }
    }
}

const NOT_UTF8: &str = "is not UTF-8; save the file as UTF-8";

fn parse_json(bytes: &[u8]) -> Result<ParsedRow<'static>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| NOT_UTF8.to_owned())?;
    let value: Value = serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
    let Value::Object(mut fields) = value else { return Err("is not a JSON object".to_owned()) };
    if fields.get("type").and_then(Value::as_str) != Some("Feature") {
        return Ok(ParsedRow::Json { fields, geometry: None });
    }
    let geometry = fields.remove("geometry").filter(|geometry| !geometry.is_null());
    let id = fields.remove("id");
    let mut properties = match fields.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    // A feature's id stands beside its properties; a mapping can name it like one of them.
    if let Some(id) = id.filter(|id| !id.is_null() && !properties.contains_key("id")) {
        properties.insert("id".to_owned(), id);
    }
    Ok(ParsedRow::Json { fields: properties, geometry })
}

impl ParsedRow<'_> {
    pub fn row(&self) -> Row<'_> {
        match self {
            ParsedRow::Csv { columns, cells } => Row::Csv { columns, cells: *cells },
            ParsedRow::Json { fields, geometry } => Row::Json { fields, geometry: geometry.as_ref() },
        }
    }
}

/// A file of rows, opened.
pub struct RowFile {
    pub bytes_total: u64,
    /// How far reading has come; for the progress bar.
    pub bytes_read: Arc<AtomicU64>,
    rows: Rows,
    /// An error that was met behind rows that had to be handed out first.
    failed: Option<RowsError>,
}

enum Rows {
    Csv(Box<CsvRows<Source>>),
    GeoJson(GeoJsonRows<Source>),
    Ndjson(NdjsonRows<Source>),
}

type Source = BufReader<Counted<File>>;

impl RowFile {
    /// Tells the kind of file by its ending, and where that says nothing by its first sign.
    ///
    /// # Errors
    /// Where the file cannot be opened, is empty, or does not begin as its kind must.
    pub fn open(path: &Path) -> Result<RowFile, RowsError> {
        let open = |source| RowsError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if metadata.is_dir() {
            return Err(open(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; name a file")));
        }
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: file, bytes: Arc::clone(&bytes_read) };
        let mut source = BufReader::with_capacity(BUFFER_BYTES, counted);
        skip_mark(&mut source).map_err(|source| RowsError::Read { line: 1, source })?;
        let rows = match kind_of(path, source.buffer()) {
            Kind::Csv => Rows::Csv(Box::new(CsvRows::new(source)?)),
            Kind::GeoJson => Rows::GeoJson(GeoJsonRows::new(source)?),
            Kind::Ndjson => Rows::Ndjson(NdjsonRows::new(source)),
        };
        Ok(RowFile { bytes_total: metadata.len(), bytes_read, rows, failed: None })
    }

    /// The header of a CSV file; the other kinds have none.
    pub fn header(&self) -> Option<&[String]> {
        match &self.rows {
            Rows::Csv(rows) => Some(rows.columns()),
            _ => None,
        }
    }

    /// The next row, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<RawRow>, RowsError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match &mut self.rows {
            Rows::Csv(rows) => rows.next_row(),
            Rows::GeoJson(rows) => rows.next_row(),
            Rows::Ndjson(rows) => rows.next_row(),
        }
    }
}

impl RowFile {
    /// Lets the next call of [`RowFile::next_row`] fail with an error met before.
    pub fn fail_next(&mut self, error: RowsError) {
        self.failed = Some(error);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    GeoJson,
    Ndjson,
}

fn kind_of(path: &Path, head: &[u8]) -> Kind {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match ending.as_str() {
        "csv" | "tsv" => return Kind::Csv,
        "geojson" => return Kind::GeoJson,
        "ndjson" | "jsonl" | "geojsonl" | "geojsons" | "ldjson" => return Kind::Ndjson,
        _ => {}
    }
    let head = head.trim_ascii_start();
    let first_line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let is_collection = head.windows(17).take(BUFFER_BYTES).any(|w| w == b"FeatureCollection");
    match head.first() {
        Some(b'{') if is_collection => Kind::GeoJson,
        Some(b'{') if serde_json::from_slice::<&serde_json::value::RawValue>(first_line).is_ok() => {
            Kind::Ndjson
        }
        Some(b'{' | b'[') => Kind::GeoJson,
        _ => Kind::Csv,
    }
}

/// Skips the byte order mark that some programs put before UTF-8.
fn skip_mark(source: &mut impl BufRead) -> io::Result<()> {
    let head = source.fill_buf()?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is UTF-16; save it as UTF-8"));
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        source.consume(3);
    }
    Ok(())
}

/// Counts what was read of a file.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

fn too_large() -> String {
    format!("is larger than {} KiB", ROW_BYTES_MAX / 1024)
}

/// Appends as long as the row is small enough; says whether it still is.
fn push_bounded(row: &mut Vec<u8>, bytes: &[u8], overflow: &mut bool) {
    if *overflow || row.len() + bytes.len() > ROW_BYTES_MAX {
        *overflow = true;
        *row = Vec::new();
    } else {
        row.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
