//! `pantau replay`: past reports sent again through the API, in their order, N times faster.
//!
//! Rows are held in memory, sorted by time. They are sent one by one over one
//! connection, so the server sees them in their order; where it is slower than the rows, they follow
//! late and in order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Client, HttpError, patiently};
use super::mapped::{LOOK_AHEAD_ROWS, MappedFile, Rejected, read_mapping, source_name};
use super::past::{PastRow, PastRows};
use super::progress::{Progress, grouped};
use super::time::{Stop, Stopwatch};
use super::{Defaults, city_keys};
use crate::intake::{ImportRecord, Mapping};
use crate::model::TimeMs;

const SPEED_MIN: f64 = 0.001;
/// As much as a replay server's clock takes.
const SPEED_MAX: f64 = 100_000.0;

/// Send past reports through a running server, in their order, faster than they happened
///
/// Reads the same files and mappings as `pantau import`, sorts the rows by time and reports them one
/// by one. On a server started with `--clock replay` the clock starts at the first row and runs N times
/// faster, so hotspots, windows and deadlines are as they were. On any other server the rows happen
/// now, with their spacing kept divided by N.
///
/// Rows that are refused are written to FILE.rejected.csv.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pantau serve --city geodata/blank --data ./flood --clock replay --trust-loopback
  pantau replay floods.geojson --map floods.toml --speed 1200
      a day in 72 seconds, with the clock of that day
  pantau replay floods.geojson --map floods.toml --speed 60 --url http://127.0.0.1:8080
      an hour a minute")]
pub struct ReplayArgs {
    /// The file to read: .csv, .tsv, .geojson, .ndjson (others are told by how they begin)
    pub file: PathBuf,
    /// The mapping file that explains the columns (see `pantau import --help`)
    #[arg(long, value_name = "MAP.toml")]
    pub map: PathBuf,
    /// How many times faster than it happened
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: f64,
    /// The running server [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| (SPEED_MIN..=SPEED_MAX).contains(speed));
    speed.ok_or_else(|| {
        format!("must be a number from {SPEED_MIN} to {SPEED_MAX}; 1 is as fast as it happened")
    })
}

pub fn run(args: ReplayArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let stop = Stop::on_ctrl_c();
    let client = Client::new(args.url.as_ref().unwrap_or(&defaults.url))?;
    let summary = replay(&client, &args.file, &args.map, args.speed, &stop)?;
    print!("{summary}");
    Ok(())
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub source: String,
    pub rows: u64,
    pub sent: u64,
    pub refused: u64,
    pub rejected: PathBuf,
    pub seconds: f64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {} rows in {:.1} s", self.source, grouped(self.rows), self.seconds)?;
        writeln!(f, "  sent     {:>12}", grouped(self.sent))?;
        write!(f, "  refused  {:>12}", grouped(self.refused))?;
        if self.refused > 0 {
            write!(f, "  see {}", self.rejected.display())?;
        }
        writeln!(f)?;
        let left = self.rows - self.sent - self.refused;
        if left > 0 { writeln!(f, "  not sent {:>12}  (stopped)", grouped(left)) } else { Ok(()) }
    }
}

pub fn replay(
    client: &Client,
    file: &Path,
    map: &Path,
    speed: f64,
    stop: &Stop,
) -> anyhow::Result<Summary> {
    let watch = Stopwatch::start();
    let city = patiently(stop, &mut |text| eprintln!("replay: {text}"), || client.get("/api/v1/city"))?;
    let keys = city_keys(&city, "categories");
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mapping = read_mapping(map, &keys)?;
    let mut rows = PastRows::read(file, mapping.clone())?;
    let source = source_name(file)?;
    let clock = match rows.sorted.first() {
        Some(first) => set_clock(client, &city, first.record.occurred_at, speed)?,
        None => Clock::Now,
    };
    let mut player = Player { client, source: &source, clock, speed, stop };
    let sent = player.play(&mut rows)?;
    let mut rejected = Rejected::beside(file)?;
    write_rejected(&mut rejected, file, mapping, &rows.refused)?;
    Ok(Summary {
        source,
        rows: rows.total,
        sent,
        refused: rejected.rows,
        rejected: rejected.path().to_owned(),
        seconds: watch.elapsed().as_secs_f64(),
    })
}

/// Which time the rows get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// Their own: the server's clock goes with them.
    Replay,
    /// The server's now.
    Now,
}

fn set_clock(client: &Client, city: &Value, at: TimeMs, speed: f64) -> anyhow::Result<Clock> {
    let is_replay = city["mode"] == "replay";
    match client.post("/api/v1/clock", &json!({"at": at.to_rfc3339(), "speed": speed}), None) {
        Ok(_) => Ok(Clock::Replay),
        Err(e) if is_replay && matches!(e.status(), Some(401 | 403)) => Err(anyhow::Error::new(e).context(
            "only staff may set a replay server's clock; run it with --trust-loopback on its own machine",
        )),
        Err(HttpError::Problem { status: 401 | 403 | 404 | 405 | 409, .. }) if !is_replay => {
            eprintln!(
                "replay: this is not a replay server, so the rows happen now, with their spacing kept"
            );
            Ok(Clock::Now)
        }
        Err(e) => Err(anyhow::Error::new(e).context("cannot set the replay server's clock")),
    }
}

struct Player<'a> {
    client: &'a Client,
    source: &'a str,
    clock: Clock,
    speed: f64,
    stop: &'a Stop,
}

impl Player<'_> {
    /// Sends the rows at their time; answers how many were taken.
    fn play(&mut self, rows: &mut PastRows) -> anyhow::Result<u64> {
        let Some(start) = rows.sorted.first().map(|row| row.record.occurred_at) else { return Ok(0) };
        let mut progress = Progress::new("replay", Some(rows.sorted.len() as u64));
        let (watch, mut pause) = (Stopwatch::start(), Duration::ZERO);
        let mut sent = 0;
        for (i, row) in rows.sorted.iter().enumerate() {
            let at = row.record.occurred_at;
            let due = pause + Duration::from_secs_f64(at.since(start) as f64 / 1_000.0 / self.speed);
            if self.stop.wait(due.saturating_sub(watch.elapsed())) {
                break;
            }
            let late = watch.elapsed().saturating_sub(due);
            let mut was_away = false;
            match self.send(row, &progress, &mut was_away) {
                Ok(()) => sent += 1,
                Err(_) if self.stop.is_set() => break,
                Err(HttpError::Problem { status: 400..=499, sentence, .. }) => {
                    rows.refused.insert(row.no, sentence);
                }
                Err(e) => {
                    return Err(
                        anyhow::Error::new(e).context(format!("stopped after {} rows", grouped(sent)))
                    );
                }
            }
            if was_away && self.clock == Clock::Replay {
                // A replay server stands at its last entry after a restart: set its clock going
                // again, and let the rows wait as long as it stood.
                self.client.post(
                    "/api/v1/clock",
                    &json!({"at": at.to_rfc3339(), "speed": self.speed}),
                    None,
                )?;
                pause += watch.elapsed().saturating_sub(due);
            }
            progress.set(i as u64 + 1, || {
                let behind = if late.as_secs() > 0 {
                    format!(", {} s behind", late.as_secs())
                } else {
                    String::new()
                };
                format!(
                    "{} of {} rows, at {at}{behind}",
                    grouped(i as u64 + 1),
                    grouped(rows.sorted.len() as u64)
                )
            });
        }
        Ok(sent)
    }

    fn send(&self, row: &PastRow, progress: &Progress, was_away: &mut bool) -> Result<(), HttpError> {
        let key = idempotency_key(self.source, &row.record);
        let body = body_of(&row.record, self.clock);
        let mut tell = |text: &str| {
            *was_away = true;
            progress.line(text);
        };
        patiently(self.stop, &mut tell, || self.client.post("/api/v1/reports", &body, Some(&key))).map(drop)
    }
}

fn body_of(record: &ImportRecord, clock: Clock) -> Value {
    let mut body = json!({
        "category": *record.category,
        "lng": record.lng,
        "lat": record.lat,
        "channel": "other",
        "description": record.description,
    });
    if clock == Clock::Replay {
        body["occurred_at"] = record.occurred_at.to_rfc3339().into();
    }
    if let Some(reporter) = &record.reporter {
        // As a device key: enough to tell senders apart, and no phone number is stored.
        body["reporter"] = json!({"device": reporter.replace(char::is_control, " ")});
    }
    body
}

/// The same row of the same source is never reported twice within the days that a key lives.
fn idempotency_key(source: &str, record: &ImportRecord) -> String {
    let mut hash = Sha256::new();
    hash.update(source.as_bytes());
    hash.update([0]);
    hash.update(record.digest);
    let hex: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("replay-{hex}")
}

/// Reads the file once more for the rows that were refused: holding all rows as they stood in the
/// file would cost more memory than the few that are needed.
fn write_rejected(
    rejected: &mut Rejected,
    file: &Path,
    mapping: Mapping,
    refused: &HashMap<u64, String>,
) -> anyhow::Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let mut mapped = MappedFile::open(file, mapping)?;
    let mut no = 0;
    loop {
        let batch = mapped.next_batch(LOOK_AHEAD_ROWS)?;
        if batch.is_empty() {
            return rejected.finish();
        }
        for (row, _) in &batch {
            if let Some(reason) = refused.get(&no) {
                rejected
                    .push(mapped.columns(), row, reason)
                    .context("the refused rows cannot be written down")?;
            }
            no += 1;
        }
    }
}

#[cfg(test)]
mod tests;
