//! `pantau import`: past reports from a file, in bulk.
//!
//! One thread reads, maps and checks; another appends, straight to the journal or through a running
//! server. Between them stand at most [`BATCHES_WAITING_MAX`] batches, so memory stays bounded
//! however large the file is and whichever side is slower.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::http::{Client, HttpError, patiently};
use super::mapped::{MappedFile, Rejected, read_mapping, source_name};
use super::progress::{Progress, grouped};
use super::rows::RawRow;
use super::time::{Stop, Stopwatch, now};
use super::{Defaults, city_keys};
use crate::city::City;
use crate::intake::{Ahead, Context, IMPORT_BODY_BYTES_MAX, IMPORT_LINES_MAX, ImportAnswer, ImportRecord};
use crate::journal::{FolderMode, Journal, JournalError, Place};
use crate::model::{Command, IdKey, NewReport, Outcome};

const BATCHES_WAITING_MAX: usize = 1;
/// Rows of one commit. Past reports come in no order of time, so a commit rewrites pages all over the
/// index by time; the more rows share it, the fewer bytes are written.
const ROWS_A_COMMIT: usize = 10_000;

/// Bring in past reports from a file
///
/// Reads a CSV, GeoJSON or newline-delimited JSON file of any size. Every row becomes one report with
/// its own time and status; only place and time are required. A mapping file says which columns mean
/// what (ready ones are in geodata/mappings).
///
/// Importing the same file again adds nothing twice: rows are known by their id, or by all they say.
/// Rows that cannot be taken are written to FILE.rejected.csv with the line and the reason; correct
/// them there and import that file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pantau import complaints.csv --map geodata/mappings/complaints.toml
      into the data folder of this machine (the server must be stopped)
  pantau import floods.geojson --map floods.toml --data ./trial --city geodata/blank
      into a folder of its own, which is made
  pantau import complaints.csv --map complaints.toml --url http://127.0.0.1:8080
      through a running server, as staff

A mapping file:
  [columns]
  id = \"Unique Key\"
  lng = \"Longitude\"
  lat = \"Latitude\"
  occurred_at = \"Created Date\"
  category = \"Complaint Type\"
  [time]
  format = \"%m/%d/%Y %I:%M:%S %p\"
  zone = \"Asia/Jayapura\"
  [category]
  \"Noise*\" = \"social\"
  default = \"infrastructure\"")]
pub struct ImportArgs {
    /// The file to read: .csv, .tsv, .geojson, .ndjson (others are told by how they begin)
    pub file: PathBuf,
    /// The mapping file that explains the columns
    #[arg(long, value_name = "MAP.toml")]
    pub map: PathBuf,
    /// The data folder to write to; it is made if it is not there [default: ./var]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database to write to in place of a data folder
    #[arg(long, value_name = "postgres://…", conflicts_with = "data")]
    pub store: Option<String>,
    /// The city pack of that folder [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    pub city: Option<PathBuf>,
    /// Send the rows through this running server instead
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "store", "city"])]
    pub url: Option<String>,
}

/// Runs the import. It succeeds where the file was read to its end, refused rows or not.
pub fn run(args: ImportArgs, place: &Place, defaults: &Defaults) -> anyhow::Result<()> {
    let summary = match &args.url {
        Some(url) => into_server(&args.file, &args.map, url, &Stop::on_ctrl_c())?,
        None => {
            let city = args.city.as_ref().unwrap_or(&defaults.city);
            into_journal(&args.file, &args.map, place, city)?
        }
    };
    print!("{summary}");
    Ok(())
}

/// What an import did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub source: String,
    pub rows: u64,
    pub new: u64,
    pub already_there: u64,
    pub refused: u64,
    pub rejected: PathBuf,
    pub seconds: f64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows_per_s = (self.rows as f64 / self.seconds.max(0.001)) as u64;
        writeln!(
            f,
            "{}: {} rows in {:.1} s ({} rows/s)",
            self.source,
            grouped(self.rows),
            self.seconds,
            grouped(rows_per_s)
        )?;
        writeln!(f, "  new            {:>12}", grouped(self.new))?;
        writeln!(f, "  already there  {:>12}", grouped(self.already_there))?;
        write!(f, "  refused        {:>12}", grouped(self.refused))?;
        if self.refused > 0 {
            write!(f, "  see {}", self.rejected.display())?;
        }
        writeln!(f)
    }
}

/// Imports into the data folder of a stopped server.
pub fn into_folder(file: &Path, map: &Path, data: &Path, city: &Path) -> anyhow::Result<Summary> {
    into_journal(file, map, &Place::Folder(data.to_owned()), city)
}

/// Imports into a journal that no server has open.
pub fn into_journal(file: &Path, map: &Path, place: &Place, city: &Path) -> anyhow::Result<Summary> {
    let city = Arc::new(City::load(city)?);
    let keys: Vec<&str> = city.categories.iter().map(|c| c.key.as_str()).collect();
    // Whatever is wrong with mapping or file is said before a folder is made.
    let mapped = MappedFile::open(file, read_mapping(map, &keys)?)?;
    let journal = place.open(city.clone(), FolderMode::Live);
    let mut journal = journal.map_err(|e| match e {
        JournalError::InUse { .. } => {
            anyhow::Error::new(e).context("send the rows through the running server with --url")
        }
        e => e.into(),
    })?;
    crate::engine::settle(&mut *journal, &city, now())?;
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let ctx = Context { city: &city, ids: &ids, now: now(), ahead: Ahead::Refuse };
    let source = source_name(file)?;
    let job = Job { file, source: source.clone(), mapped, rows_a_batch: ROWS_A_COMMIT };
    let prepare = |record: ImportRecord| record.into_report(&source, &ctx);
    let summary = import(job, prepare, |reports| append(&mut *journal, reports))?;
    journal.seal()?;
    Ok(summary)
}

fn append(journal: &mut dyn Journal, reports: Vec<NewReport>) -> anyhow::Result<Taken> {
    let commands = reports.into_iter().map(|report| Command::Report(Box::new(report))).collect();
    let mut taken = Taken::default();
    for (i, outcome) in journal.append(commands, now(), None)?.into_iter().enumerate() {
        match outcome {
            Outcome::Accepted { .. } => taken.new += 1,
            Outcome::Repeat { .. } => taken.already_there += 1,
            Outcome::Refused(refusal) => taken.refused.push((i, refusal.to_string())),
        }
    }
    Ok(taken)
}

/// Imports through a running server, which must take the caller for staff.
pub fn into_server(file: &Path, map: &Path, url: &str, stop: &Stop) -> anyhow::Result<Summary> {
    let client = Client::new(url)?;
    let answer = client.get("/api/v1/city")?;
    let keys = city_keys(&answer, "categories");
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mapped = MappedFile::open(file, read_mapping(map, &keys)?)?;
    let source = source_name(file)?;
    let path = format!("/api/v1/import?source={}", percent_encoded(&source));
    // An empty request first: who may not import is told so before megabytes are on their way.
    send(&client, &path, b"", stop)?;
    let job = Job { file, source, mapped, rows_a_batch: IMPORT_LINES_MAX };
    let prepare =
        |record: ImportRecord| serde_json::to_string(&record.to_line()).map_err(|e| e.to_string());
    import(job, prepare, |lines| {
        let mut taken = Taken::default();
        let mut first = 0;
        while first < lines.len() {
            let (body, n) = chunk(&lines[first..]);
            let answer = send(&client, &path, body.as_bytes(), stop)?;
            taken.new += answer.accepted;
            taken.already_there += answer.repeated;
            let refused = answer.refused.into_iter().map(|r| (first + r.line.saturating_sub(1), r.reason));
            taken.refused.extend(refused.filter(|(i, _)| *i < first + n));
            first += n;
        }
        Ok(taken)
    })
}

/// As many lines as one request may hold, and how many they are.
fn chunk(lines: &[String]) -> (String, usize) {
    let mut body = String::new();
    let mut n = 0;
    for line in lines {
        if n > 0 && body.len() + line.len() + 1 > IMPORT_BODY_BYTES_MAX {
            break;
        }
        body.push_str(line);
        body.push('\n');
        n += 1;
    }
    (body, n)
}

fn send(client: &Client, path: &str, body: &[u8], stop: &Stop) -> anyhow::Result<ImportAnswer> {
    if stop.is_set() {
        bail!("stopped; import the file again to go on where it ended");
    }
    let mut tell = |text: &str| eprintln!("import: {text}");
    let answer: Value =
        patiently(stop, &mut tell, || client.post_bytes(path, "application/x-ndjson", body, None))
            .map_err(|e| match e {
                HttpError::Problem { status: 401 | 403, .. } => anyhow::Error::new(e).context(
                    "only staff may import; run it on the server's own machine with --trust-loopback",
                ),
                e => e.into(),
            })?;
    serde_json::from_value(answer).context("the server's answer to an import is not understood")
}

fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What became of one batch; `refused` by index.
#[derive(Debug, Default)]
struct Taken {
    new: u64,
    already_there: u64,
    refused: Vec<(usize, String)>,
}

struct Job<'a> {
    file: &'a Path,
    source: String,
    mapped: MappedFile,
    rows_a_batch: usize,
}

/// One batch on its way from the reader to the writer.
struct Batch<T> {
    /// Of the file; the first batch brings them.
    columns: Option<Vec<String>>,
    rows: Vec<RawRow>,
    /// Index into `rows`, and the row made ready.
    ready: Vec<(usize, T)>,
    refused: Vec<(usize, String)>,
}

/// Reads, maps and prepares on a thread of its own, and hands batches to `take` on this one.
fn import<T: Send>(
    job: Job,
    prepare: impl Fn(ImportRecord) -> Result<T, String> + Send,
    take: impl FnMut(Vec<T>) -> anyhow::Result<Taken>,
) -> anyhow::Result<Summary> {
    let watch = Stopwatch::start();
    let Job { file, source, mapped, rows_a_batch } = job;
    let progress = Progress::new("import", Some(mapped.bytes_total()));
    let bytes_read = mapped.bytes_read();
    let mut writer = Writer {
        rejected: Rejected::beside(file)?,
        columns: Vec::new(),
        rows: 0,
        new: 0,
        already_there: 0,
    };
    let (sender, receiver) = sync_channel(BATCHES_WAITING_MAX);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(mapped, rows_a_batch, prepare, &sender));
        let written = writer.write_all(receiver, take, progress, || bytes_read.load(Ordering::Relaxed));
        let read = reader.join().unwrap_or_else(|_| bail!("the reader of the file failed"));
        // Where the writer failed, the reader only found nobody to hand rows to.
        written.and(match writer.rows {
            0 => read,
            rows => read.with_context(|| format!("{source} was read to row {} only", grouped(rows))),
        })
    })?;
    writer.rejected.finish()?;
    Ok(Summary {
        source,
        rows: writer.rows,
        new: writer.new,
        already_there: writer.already_there,
        refused: writer.rejected.rows,
        rejected: writer.rejected.path().to_owned(),
        seconds: watch.elapsed().as_secs_f64(),
    })
}

fn read_all<T>(
    mut mapped: MappedFile,
    rows_a_batch: usize,
    prepare: impl Fn(ImportRecord) -> Result<T, String>,
    sender: &SyncSender<Batch<T>>,
) -> anyhow::Result<()> {
    let mut columns_sent = false;
    loop {
        let rows = mapped.next_batch(rows_a_batch)?;
        if rows.is_empty() {
            return Ok(());
        }
        let columns = (!columns_sent).then(|| mapped.columns().to_vec());
        columns_sent = true;
        let mut batch =
            Batch { columns, rows: Vec::with_capacity(rows.len()), ready: Vec::new(), refused: Vec::new() };
        for (i, (row, record)) in rows.into_iter().enumerate() {
            match record.and_then(&prepare) {
                Ok(ready) => batch.ready.push((i, ready)),
                Err(reason) => batch.refused.push((i, reason)),
            }
            batch.rows.push(row);
        }
        if sender.send(batch).is_err() {
            return Ok(());
        }
    }
}

struct Writer {
    rejected: Rejected,
    columns: Vec<String>,
    rows: u64,
    new: u64,
    already_there: u64,
}

impl Writer {
    fn write_all<T>(
        &mut self,
        receiver: Receiver<Batch<T>>,
        mut take: impl FnMut(Vec<T>) -> anyhow::Result<Taken>,
        mut progress: Progress,
        bytes_read: impl Fn() -> u64,
    ) -> anyhow::Result<()> {
        for batch in receiver {
            if let Some(columns) = batch.columns {
                self.columns = columns;
            }
            let (places, ready): (Vec<usize>, Vec<T>) = batch.ready.into_iter().unzip();
            let taken = if ready.is_empty() { Taken::default() } else { take(ready)? };
            self.new += taken.new;
            self.already_there += taken.already_there;
            let mut refused = batch.refused;
            refused.extend(
                taken.refused.into_iter().filter_map(|(i, reason)| Some((*places.get(i)?, reason))),
            );
            refused.sort_by_key(|(i, _)| *i);
            for (i, reason) in &refused {
                self.rejected.push(&self.columns, &batch.rows[*i], reason)?;
            }
            self.rows += batch.rows.len() as u64;
            progress.set(bytes_read(), || {
                format!("{} rows, {} refused", grouped(self.rows), grouped(self.rejected.rows))
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
