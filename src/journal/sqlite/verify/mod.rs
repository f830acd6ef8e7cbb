//! Proves that nobody edited history: the chain from its start, the checkpoints over it, then every row
//! against it, and the file itself.
//!
//! Streams; what it holds in memory does not grow with the journal. It reads one snapshot through a
//! read-only connection of its own, so it works beside a running server, and it needs no city pack.

mod erasures;
mod incidents;
mod merges;
mod photos;
mod seals;

pub(in crate::journal) use seals::Beside;

use std::collections::HashMap;
use std::iter::Peekable;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};

use super::read::{self, report_columns, text};
use super::{file_in, open};
use crate::journal::checkpoint::Noted;
use crate::journal::codec::{Body, CHAIN_START, Hash, chain};
use crate::journal::keys::Interner;
use crate::journal::photo_folder::PhotoFolder;
use crate::journal::{JournalError, ReportRow, fold, records};
use crate::model::{Fact, IncidentNo, PhotoNo, Seq, TimeMs, hex};

/// Faults that are named; more are counted.
const FAULTS_NAMED_MAX: usize = 100;
/// After how many entries progress is told.
const PROGRESS_EVERY: u64 = 4_096;
const CACHE_KIB: u32 = 16_384;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    pub entries: u64,
    pub reports: u64,
    pub incidents: u64,
    /// Private parts of which something was erased; no fault.
    pub erased: u64,
    /// Of these, those of which something is gone that no entry speaks of: erased by hand.
    pub erased_by_hand: u64,
    pub head: Seq,
    /// Photos whose files were read.
    pub photos: u64,
    /// Hash of the newest entry, in hex. It stands for all of history: keep it elsewhere, and a
    /// journal that was rewritten as a whole, or cut at its end, can be told from this one.
    pub head_hash: String,
    /// The head as it can be written down outside of this machine; `None` where nothing is written yet.
    pub noted: Option<Noted>,
    /// Checkpoints that are under this folder's key and hold.
    pub checkpoints: u64,
    /// Checkpoints that cannot be checked: the key that they were made with is not here.
    pub unchecked: u64,
    /// What was lost before, as it is on record beside the database.
    pub loss: Option<String>,
    /// The first faults, at most 100.
    pub faults: Vec<VerifyFault>,
    pub faults_total: u64,
}

/// Something in the journal that Pantau did not write so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFault {
    /// The entry concerned; `None` where it is a row without one.
    pub seq: Option<Seq>,
    pub message: String,
}

/// Checks the journal in `dir` and tells `progress` how much of how much is done.
///
/// # Errors
/// Where the file cannot be read at all. What is wrong in it is in the report.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, JournalError> {
    verify_against(dir, None, progress)
}

/// As [`verify`], and against a checkpoint that was written down elsewhere.
///
/// # Errors
/// As [`verify`].
pub fn verify_against(
    dir: &Path,
    noted: Option<Noted>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    let file = file_in(dir);
    if !file.is_file() {
        return Err(JournalError::Folder(format!(
            "there is no journal in {}; name a data folder with --data",
            dir.display()
        )));
    }
    // Before the snapshot is taken: beside a running server the mark moves on.
    let beside = Beside::read(dir)?;
    verify_beside(&file, beside, noted, Some(&PhotoFolder::of(dir)), progress)
}

/// As [`verify_against`], of a copy: what lay beside the original was read before, and so were the photos' files.
pub(in crate::journal) fn verify_rows_beside(
    dir: &Path,
    beside: Beside,
    noted: Option<Noted>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    verify_beside(&file_in(dir), beside, noted, None, progress)
}

/// As [`verify`], of a database file that nothing lies beside.
pub(in crate::journal::sqlite) fn verify_file(
    file: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    verify_beside(file, Beside::default(), None, None, progress)
}

fn verify_beside(
    file: &Path,
    beside: Beside,
    noted: Option<Noted>,
    files: Option<&PhotoFolder>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    let conn = open::connect_read_only(file, CACHE_KIB)?;
    std::thread::scope(|scope| {
        let pages = scope.spawn(|| seals::faults_of_pages(file));
        let mut found = verify_rows(&conn, &beside, noted, files, progress)?;
        let pages = pages.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        found.loss = beside.loss;
        for message in pages? {
            found.add(VerifyFault { seq: None, message });
        }
        Ok(found)
    })
}

fn verify_rows(
    conn: &Connection,
    beside: &Beside,
    noted: Option<Noted>,
    files: Option<&PhotoFolder>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, JournalError> {
    let snapshot = conn.unchecked_transaction()?;
    let total = snapshot.query_row(
        "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM report) + (SELECT count(*) FROM action) \
         + (SELECT count(*) FROM photo)",
        [],
        |row| row.get::<_, i64>(0),
    )?;
    let mut verifier = Verifier {
        conn: &snapshot,
        found: VerifyReport::default(),
        erased_rows: 0,
        merges: 0,
        photo_rows: 0,
        released: HashMap::new(),
        done: 0,
        total: total.unsigned_abs(),
        progress,
    };
    verifier.entries(&mut seals::Seals::read(&snapshot, beside, noted)?)?;
    verifier.meta()?;
    verifier.sums()?;
    verifier.photos(files)?;
    verifier.incidents()?;
    verifier.pointers()?;
    (verifier.progress)(verifier.total, verifier.total);
    Ok(verifier.found)
}

struct Verifier<'v> {
    conn: &'v Connection,
    found: VerifyReport,
    /// Rows that erasures of the log vouch for.
    erased_rows: u64,
    merges: u64,
    /// Rows that entries of the log vouch for.
    photo_rows: u64,
    /// What was released or withdrawn last.
    released: HashMap<PhotoNo, bool>,
    done: u64,
    total: u64,
    progress: &'v mut dyn FnMut(u64, u64),
}

/// Salt and JSON of a private part, as far as they are there.
type Private = (Option<Vec<u8>>, Option<String>);

struct StoredReport {
    no: u64,
    row: Result<ReportRow, JournalError>,
    private: Private,
}

struct StoredAction {
    seq: u64,
    incident: IncidentNo,
    action: String,
    actor: String,
    private: Private,
}

impl Verifier<'_> {
    /// Chain, numbers, times, private parts; report and action rows against their entries.
    fn entries(&mut self, seals: &mut seals::Seals) -> Result<(), JournalError> {
        let conn = self.conn;
        let keys = Interner::default();
        let mut reports =
            conn.prepare(concat!("SELECT ", report_columns!(), ", salt FROM report ORDER BY no"))?;
        let mut reports = reports.query_and_then([], |row| stored_report(row, &keys))?.peekable();
        let mut actions =
            conn.prepare("SELECT seq, incident_no, action, actor, salt, private FROM action ORDER BY seq")?;
        let mut actions = actions.query_and_then([], stored_action)?.peekable();
        let mut entries = conn.prepare("SELECT seq, at, kind, body, hash FROM entry ORDER BY seq")?;
        let mut entries = entries.query([])?;

        let mut link = Link { seq: Seq(0), at: TimeMs::MIN, hash: CHAIN_START };
        while let Some(row) = entries.next()? {
            self.step();
            self.found.entries += 1;
            let (seq, at) = (Seq(row.get::<_, i64>(0)?.cast_unsigned()), TimeMs(row.get(1)?));
            let body = text(row, 3)?;
            self.link(&mut link, seq, at, body, row.get(4)?);
            self.seal(seals, &link);
            match Body::parse(seq, body) {
                Ok(body) => {
                    if body.kind() != text(row, 2)? {
                        self.fault(seq, "its kind is not the one in its body");
                    }
                    match body.kind() {
                        "report" => self.report(seq, at, body, &keys, &mut reports)?,
                        "action" | "record" => self.action(seq, at, body, &keys, &mut actions)?,
                        "merge" | "split" => self.merge(seq, body, &keys, &mut actions)?,
                        "erasure" => self.erasure(seq, &body)?,
                        _ => {}
                    }
                }
                Err(error) => self.fault(seq, sentence(error)),
            }
        }
        self.check_erased()?;
        self.check_merges()?;
        self.found.head = link.seq;
        self.found.head_hash = hex(&link.hash);
        self.found.noted = (link.seq > Seq(0)).then(|| Noted::of(link.seq, &link.hash));
        self.ends(seals, link.seq);
        for report in reports {
            self.stray(format!("report {} has a row but no entry", report?.no));
        }
        for action in actions {
            self.stray(format!("the action of entry {} has a row but no entry", action?.seq));
        }
        Ok(())
    }

    /// One link of the chain. After a fault it goes on from what is stored, so that each edit is
    /// named once and not with everything after it.
    fn link(&mut self, link: &mut Link, seq: Seq, at: TimeMs, body: &str, hash: Hash) {
        if seq != link.seq.next() {
            self.fault(
                seq,
                format!("entries {} to {} are missing before it", link.seq.next(), Seq(seq.0 - 1)),
            );
        }
        if at < link.at {
            self.fault(seq, "its time is before that of the entry before it");
        }
        if hash != chain(&link.hash, seq, at, body) {
            self.fault(seq, "it or the entry before it was changed: its hash is not that of its contents");
        }
        *link = Link { seq, at, hash };
    }

    fn report(
        &mut self,
        seq: Seq,
        at: TimeMs,
        body: Body,
        keys: &Interner,
        rows: &mut Peekable<impl Iterator<Item = Result<StoredReport, JournalError>>>,
    ) -> Result<(), JournalError> {
        let Some(no) = body.report_no() else { return Ok(()) };
        self.found.reports += 1;
        if u64::from(no.0) != self.found.reports {
            self.fault(seq, format!("it is report {}, where report {} was due", no.0, self.found.reports));
        }
        let Some(stored) = self.take(rows, |row| row.no, u64::from(no.0), "report")? else {
            self.fault(seq, format!("report {} has no row", no.0));
            return Ok(());
        };
        self.private(seq, &body, &stored.private)?;
        let fact = match body.into_fact(keys, stored.private.1.as_deref()) {
            Ok(Fact::Report(fact)) => fact,
            Ok(_) => return Ok(()),
            Err(error) => {
                self.fault(seq, sentence(error));
                return Ok(());
            }
        };
        let fact = Fact::Report(fact);
        self.photos_of(seq, at, &fact)?;
        let Fact::Report(fact) = fact else { return Ok(()) };
        match stored.row {
            Ok(row) => {
                let differing = report_differences(&fold::report_row(seq, at, &fact), &row);
                if !differing.is_empty() {
                    let columns = differing.join(", ");
                    self.fault(seq, format!("the row of report {} says otherwise ({columns})", no.0));
                }
            }
            Err(error) => self.fault(seq, sentence(error)),
        }
        Ok(())
    }

    fn action(
        &mut self,
        seq: Seq,
        at: TimeMs,
        body: Body,
        keys: &Interner,
        rows: &mut Peekable<impl Iterator<Item = Result<StoredAction, JournalError>>>,
    ) -> Result<(), JournalError> {
        let Some(stored) = self.take(rows, |row| row.seq, seq.0, "action")? else {
            self.fault(seq, "its action has no row");
            return Ok(());
        };
        self.private(seq, &body, &stored.private)?;
        match body.into_fact(keys, stored.private.1.as_deref()) {
            Ok(Fact::Action(fact)) => {
                let same = fact.incident == stored.incident
                    && fact.action.key() == stored.action
                    && fact.actor == stored.actor;
                if !same {
                    self.fault(seq, "the row of its action says otherwise");
                }
                self.photos_of(seq, at, &Fact::Action(fact))?;
            }
            Ok(Fact::Record(fact)) => {
                let same = records::row_no(&fact) == stored.incident
                    && fact.kind.key() == stored.action
                    && fact.actor == stored.actor;
                if !same {
                    self.fault(seq, "the row of its record says otherwise");
                }
            }
            Ok(_) => {}
            Err(error) => self.fault(seq, sentence(error)),
        }
        Ok(())
    }

    /// Keys of imports and submissions, and codes, lead to reports that exist; hotspots are not of the future.
    fn pointers(&mut self) -> Result<(), JournalError> {
        for (table, noun) in [
            ("import_key", "an import row"),
            ("import_key_new", "an import row"),
            ("idempotency", "an idempotency key"),
            ("waiting_code", "the code of a report that waited"),
        ] {
            let sql = format!(
                "SELECT report_no FROM {table} WHERE report_no NOT IN (SELECT no FROM report) LIMIT 101"
            );
            let mut statement = self.conn.prepare(&sql)?;
            for no in statement.query_map([], |row| row.get::<_, i64>(0))? {
                self.stray(format!("{noun} leads to report {}, which is not there", no?));
            }
        }
        let sql = "SELECT count(*) FROM import_key WHERE source_id NOT IN (SELECT id FROM import_source)";
        if self.conn.query_row(sql, [], |row| row.get::<_, i64>(0))? > 0 {
            self.stray("there are import rows of a source that has no name".to_owned());
        }
        let as_of = self.conn.query_row("SELECT as_of_seq FROM derived", [], |row| row.get::<_, i64>(0));
        if as_of.optional()?.is_some_and(|seq| seq.cast_unsigned() > self.found.head.0) {
            self.stray("the hotspots stand at an entry that is not there".to_owned());
        }
        Ok(())
    }

    /// The row with key `wanted`; rows before it have no entry.
    fn take<T>(
        &mut self,
        rows: &mut Peekable<impl Iterator<Item = Result<T, JournalError>>>,
        key: impl Fn(&T) -> u64,
        wanted: u64,
        noun: &str,
    ) -> Result<Option<T>, JournalError> {
        loop {
            let next = rows.next_if(|row| row.as_ref().map_or(true, |row| key(row) <= wanted));
            match next.transpose()? {
                Some(row) if key(&row) == wanted => return Ok(Some(row)),
                Some(row) => self.stray(format!("{noun} {} has a row but no entry", key(&row))),
                None => return Ok(None),
            }
        }
    }

    fn step(&mut self) {
        if self.done.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(self.done, self.total);
        }
        self.done += 1;
    }

    fn fault(&mut self, seq: Seq, message: impl Into<String>) {
        self.add(VerifyFault { seq: Some(seq), message: message.into() });
    }

    fn stray(&mut self, message: String) {
        self.add(VerifyFault { seq: None, message });
    }

    fn add(&mut self, fault: VerifyFault) {
        self.found.add(fault);
    }
}

impl VerifyReport {
    fn add(&mut self, fault: VerifyFault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_NAMED_MAX {
            self.faults.push(fault);
        }
    }
}

/// The end of the chain so far.
struct Link {
    seq: Seq,
    at: TimeMs,
    hash: Hash,
}

fn stored_report(row: &Row, keys: &Interner) -> Result<StoredReport, JournalError> {
    let no: i64 = row.get(0)?;
    Ok(StoredReport {
        no: no.cast_unsigned(),
        row: read::report_row(row, keys),
        private: (row.get(16)?, row.get(13)?),
    })
}

fn stored_action(row: &Row) -> Result<StoredAction, JournalError> {
    Ok(StoredAction {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        incident: IncidentNo(row.get(1)?),
        action: row.get(2)?,
        actor: row.get(3)?,
        private: (row.get(4)?, row.get(5)?),
    })
}

fn sentence(error: JournalError) -> String {
    match error {
        JournalError::Corrupt(sentence) => sentence,
        other => other.to_string(),
    }
}

/// Names of the fields in which two rows differ.
macro_rules! differences {
    ($a:expr, $b:expr, $($field:ident),+) => {
        [$((stringify!($field), $a.$field == $b.$field)),+]
            .into_iter()
            .filter(|(_, same)| !same)
            .map(|(name, _)| name)
            .collect()
    };
}

use differences;

fn report_differences(a: &ReportRow, b: &ReportRow) -> Vec<&'static str> {
    differences!(
        a,
        b,
        no,
        seq,
        incident,
        received_at,
        occurred_at,
        category,
        place,
        area,
        sender,
        channel,
        drill,
        imported,
        n_photos,
        private,
        accuracy_m
    )
}
