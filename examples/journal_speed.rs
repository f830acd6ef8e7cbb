//! How fast the journal takes an import and single reports, and how fast it opens and is read.
//!
//! `cargo run --release --example journal_speed -- CITY_PACK [ROWS] [BATCH]`
//!
//! Each figure stands twice: by the clock, and by the processor time that the thread used, which
//! says more on a machine that has other work.

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the real clock")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pantau::city::City;
use pantau::journal::{FolderMode, Journal, JournalError, Reader, SqliteJournal, verify};
use pantau::model::{
    AgencyId, CategoryId, Channel, Command, DAY_MS, HOUR_MS, ImportRow, IncidentNo, LngLat, NewReport,
    ReportPrivate, Seq, Status, TimeMs,
};

const NOW: TimeMs = TimeMs(1_764_000_000_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let pack = args.next().unwrap_or_else(|| "geodata/blank".to_owned());
    let rows: u64 = args.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let batch: u64 = args.next().map_or(Ok(5_000), |n| n.parse())?;
    let city = Arc::new(City::load(pack.as_ref())?);
    let dir = std::env::temp_dir().join(format!("journal_speed_{}", std::process::id()));

    let mut journal = SqliteJournal::open(&dir, Arc::clone(&city), FolderMode::Live)?;
    import(&mut journal, rows, batch)?;
    single_reports(&mut journal, rows)?;
    drop(journal);
    let opening = Watch::start();
    let mut journal = SqliteJournal::open(&dir, city, FolderMode::Live)?;
    opening.stop("open", 1);
    read(&*journal.reader(), journal.head().seq)?;
    let again = Watch::start();
    for first in (0..rows.min(100_000)).step_by(batch as usize) {
        journal.append(import_rows(first, batch), NOW, None)?;
    }
    again.stop("the same rows again", rows.min(100_000));
    let verifying = Watch::start();
    let found = verify(&dir, &mut |_, _| {})?;
    assert_eq!(found.faults, []);
    verifying.stop("verify", found.entries);
    println!("peak memory {} MB", status_kib("VmHWM") / 1024);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn import(journal: &mut SqliteJournal, rows: u64, batch: u64) -> Result<(), JournalError> {
    let (whole, mut slowest_ms) = (Watch::start(), 0);
    for first in (0..rows).step_by(batch as usize) {
        let commands = import_rows(first, batch.min(rows - first));
        let begun = Instant::now();
        journal.append(commands, NOW, None)?;
        slowest_ms = slowest_ms.max(begun.elapsed().as_millis());
    }
    whole.stop("import", rows);
    println!("slowest batch {slowest_ms} ms, memory {} MB", status_kib("VmRSS") / 1024);
    Ok(())
}

fn single_reports(journal: &mut SqliteJournal, first: u64) -> Result<(), JournalError> {
    let mut times_us = Vec::new();
    let singles = Watch::start();
    for no in first..first + 2_000 {
        let command = report(no, false);
        let begun = Instant::now();
        journal.append(vec![command], NOW, None)?;
        times_us.push(begun.elapsed().as_micros());
    }
    singles.stop("one report a commit", 2_000);
    times_us.sort_unstable();
    println!("p50 {} us, p99 {} us, max {} us", times_us[1_000], times_us[1_980], times_us[1_999]);
    let groups = Watch::start();
    for group in 0..100 {
        let first = first + 2_000 + group * 64;
        journal.append((first..first + 64).map(|no| report(no, false)).collect(), NOW, None)?;
    }
    groups.stop("64 reports a commit", 6_400);
    Ok(())
}

fn read(reader: &dyn Reader, head: Seq) -> Result<(), JournalError> {
    let all = IncidentNo(0)..=IncidentNo(u32::MAX);
    for _cold_then_warm in 0..2 {
        let mut n = 0;
        let watch = Watch::start();
        reader.incidents(all.clone(), TimeMs::MIN, &mut |_| n += 1)?;
        watch.stop("incidents, all", n);
        let (watch, mut n) = (Watch::start(), 0);
        reader.incidents(all.clone(), NOW, &mut |_| n += 1)?;
        watch.stop("incidents, open ones", n);
        let (watch, mut n) = (Watch::start(), 0);
        reader.recent_reports(NOW.plus_ms(-14 * DAY_MS), &mut |_| n += 1)?;
        watch.stop("reports of 14 days", n);
        let (watch, mut n) = (Watch::start(), 0);
        reader.texts(TimeMs::MIN, &mut |_, _, _| n += 1)?;
        watch.stop("texts, all", n);
        let watch = Watch::start();
        let entries = reader.entries(Seq(head.0.saturating_sub(10_000)), 10_000)?;
        watch.stop("newest entries", entries.len() as u64);
    }
    Ok(())
}

struct Watch {
    begun: Instant,
    cpu_ns: u64,
}

impl Watch {
    fn start() -> Watch {
        Watch { begun: Instant::now(), cpu_ns: cpu_ns() }
    }

    fn stop(self, what: &str, n: u64) {
        let (wall_s, cpu_s) = (self.begun.elapsed().as_secs_f64(), (cpu_ns() - self.cpu_ns) as f64 / 1e9);
        let rate = |s: f64| n as f64 / s.max(1e-9);
        println!(
            "{what:>22}: {n:>8} in {wall_s:>7.3} s ({:>9.0}/s), processor {cpu_s:>7.3} s ({:>9.0}/s)",
            rate(wall_s),
            rate(cpu_s)
        );
    }
}

/// What this thread used of the processor; 0 where Linux does not say.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc/thread-self/schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn status_kib(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn import_rows(first: u64, n: u64) -> Vec<Command> {
    (first..first + n).map(|no| report(no, true)).collect()
}

/// A report like any other of the city, all of it a function of its number. Those of an import are
/// spread over two years in no order, and eight in ten are resolved.
fn report(no: u64, imported: bool) -> Command {
    let mut random = Random(no);
    let (lng_e7, lat_e7) = (1_273_000_000 + random.below(1_000_000), random.below(1_000_000));
    let ago_ms = i64::from(random.below(730 * 24)) * HOUR_MS + i64::from(random.below(3_600_000));
    let status = if random.below(10) < 8 { Status::Resolved } else { Status::New };
    let row_digest = (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes();
    let description = format!("sampah menumpuk di jalan nomor {}", no % 1_000);
    Command::Report(Box::new(NewReport {
        category: CategoryId(random.below(7) as u8),
        place: LngLat::from_e7(lng_e7, lat_e7).expect("Ternate is in the world"),
        coarse_place: None,
        accuracy_m: None,
        occurred_at: imported.then(|| NOW.plus_ms(-ago_ms)),
        area: None,
        incident: None,
        agency: Some(AgencyId(random.below(7) as u8)),
        due_after_ms: Some(DAY_MS),
        sender: None,
        channel: if imported { Channel::Import } else { Channel::Web },
        drill: false,
        private: ReportPrivate { description: Some(description), ..ReportPrivate::default() },
        idempotency: None,
        import: imported.then(|| ImportRow { source: "two_years.csv".to_owned(), row_digest, status }),
    }))
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, n: u64) -> i32 {
        (self.next() % n) as i32
    }
}
