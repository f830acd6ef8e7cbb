//! A file of rows under its mapping: what `import` and `replay` read.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, bail};

use super::rows::{RawRow, RowFile};
use crate::intake::{ImportRecord, Mapping};

/// Rows of a file without a header that are looked at before the first is handed out: a column that
/// none of them has is missing, and the columns of refused rows are those that stand here.
pub const LOOK_AHEAD_ROWS: usize = 5_000;

/// Reads and checks a mapping file.
pub fn read_mapping(path: &Path, categories: &[&str]) -> anyhow::Result<Mapping> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the mapping file {} cannot be read", path.display()))?;
    Ok(Mapping::parse(&text, &path.display().to_string(), categories)?)
}

/// What a file is known by among the sources of a journal: its name without the folder.
pub fn source_name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has no name that is UTF-8", path.display()))?.to_owned())
}

/// A row and what became of it.
pub type MappedRow = (RawRow, Result<ImportRecord, String>);

pub struct MappedFile {
    file: RowFile,
    mapping: Mapping,
    /// Of the header; of a file without one, known after the first batch.
    columns: Vec<String>,
    is_checked: bool,
}

impl MappedFile {
    /// # Errors
    /// Where the file cannot be read, or its header lacks a column that the mapping names.
    pub fn open(path: &Path, mapping: Mapping) -> anyhow::Result<MappedFile> {
        let file = RowFile::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let columns = file.header().map(<[String]>::to_vec);
        let is_checked = columns.is_some();
        let columns = columns.unwrap_or_default();
        if is_checked {
            let known: HashSet<&str> = columns.iter().map(String::as_str).collect();
            check_columns(&mapping, &columns, |name| known.contains(name))?;
        }
        Ok(MappedFile { file, mapping, columns, is_checked })
    }

    pub fn bytes_total(&self) -> u64 {
        self.file.bytes_total
    }

    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.file.bytes_read)
    }

    /// Complete after the first batch.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// At most `rows_max` rows, [`LOOK_AHEAD_ROWS`] the first time; an empty batch is the end.
    pub fn next_batch(&mut self, rows_max: usize) -> anyhow::Result<Vec<MappedRow>> {
        let rows_max = if self.is_checked { rows_max } else { LOOK_AHEAD_ROWS };
        let mut batch = Vec::with_capacity(rows_max);
        let mut failed = None;
        while batch.len() < rows_max {
            match self.file.next_row() {
                Ok(Some(row)) => {
                    let record = self.record(&row);
                    batch.push((row, record));
                }
                Ok(None) => break,
                // What was read before is still good: it is handed out, the fault comes up again after.
                Err(e) if batch.is_empty() => return Err(e.into()),
                Err(e) => {
                    failed = Some(e);
                    break;
                }
            }
        }
        if !self.is_checked {
            self.is_checked = true;
            self.look_ahead(&batch)?;
        }
        if let Some(e) = failed {
            self.file.fail_next(e);
        }
        Ok(batch)
    }

    fn record(&self, row: &RawRow) -> Result<ImportRecord, String> {
        self.mapping.record(&row.parse(&self.columns)?.row())
    }

    /// Learns the columns of a file without a header.
    fn look_ahead(&mut self, batch: &[MappedRow]) -> anyhow::Result<()> {
        let mut seen = HashSet::new();
        let mut has = HashSet::new();
        for (row, _) in batch {
            let Ok(parsed) = row.parse(&[]) else { continue };
            let row = parsed.row();
            let new = row.columns().into_iter().filter(|name| seen.insert(name.clone()));
            self.columns.extend(new);
            has.extend(
                self.mapping.columns.named().filter(|(_, theirs)| row.has(theirs)).map(|(ours, _)| ours),
            );
        }
        if self.columns.is_empty() {
            return Ok(());
        }
        let missing: HashSet<&str> = self
            .mapping
            .columns
            .named()
            .filter(|(ours, _)| !has.contains(ours))
            .map(|(_, theirs)| theirs)
            .collect();
        check_columns(&self.mapping, &self.columns, |name| !missing.contains(name))
    }
}

fn check_columns(mapping: &Mapping, columns: &[String], has: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let missing: Vec<String> = mapping
        .columns
        .named()
        .filter(|(_, theirs)| !has(theirs))
        .map(|(ours, theirs)| format!("{theirs:?} (for {ours})"))
        .collect();
    if !missing.is_empty() {
        const NAMES_MAX: usize = 60;
        let names: Vec<&str> = columns.iter().take(NAMES_MAX).map(String::as_str).collect();
        let more = if columns.len() > NAMES_MAX { ", …" } else { "" };
        bail!("the file has no column {}; its columns are {}{more}", missing.join(", "), names.join(", "));
    }
    Ok(())
}

/// `FILE.rejected.csv`: the refused rows with their line and the reason. There is one only where a
/// row was refused; one of an earlier run is removed at the start.
pub struct Rejected {
    path: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
    pub rows: u64,
}

impl Rejected {
    pub fn beside(file: &Path) -> anyhow::Result<Rejected> {
        let mut path = file.as_os_str().to_owned();
        path.push(".rejected.csv");
        let path = PathBuf::from(path);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        Ok(Rejected { path, writer: None, rows: 0 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn push(&mut self, columns: &[String], row: &RawRow, reason: &str) -> anyhow::Result<()> {
        self.write(columns, row, reason)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.rows += 1;
        Ok(())
    }

    fn write(&mut self, columns: &[String], row: &RawRow, reason: &str) -> anyhow::Result<()> {
        // A file of refused rows that is imported after repair has these two already.
        let kept = columns.strip_suffix(&["line".to_owned(), "reason".to_owned()]).unwrap_or(columns);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(&self.path)?));
                writer.write_record(kept.iter().map(String::as_str).chain(["line", "reason"]))?;
                none.insert(writer)
            }
        };
        let mut cells = row.cells(columns);
        cells.truncate(kept.len());
        cells.extend([row.line.to_string(), reason.to_owned()]);
        writer.write_record(&cells)?;
        Ok(())
    }

    pub fn finish(&mut self) -> anyhow::Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.flush().with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        Ok(())
    }
}
