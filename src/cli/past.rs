//! The rows of a file in the order of their times.

use std::collections::HashMap;
use std::path::Path;

use anyhow::bail;

use super::mapped::{LOOK_AHEAD_ROWS, MappedFile};
use super::progress::grouped;
use crate::intake::{ImportRecord, Mapping};

/// About half a gigabyte of rows.
const ROWS_MAX: usize = 2_000_000;

pub struct PastRows {
    pub total: u64,
    /// By time, then as they stand in the file.
    pub sorted: Vec<PastRow>,
    /// By number of the row in the file, from 0.
    pub refused: HashMap<u64, String>,
}

pub struct PastRow {
    pub no: u64,
    pub record: ImportRecord,
}

impl PastRows {
    /// # Errors
    /// Where the file cannot be read or holds more than [`ROWS_MAX`] rows.
    pub fn read(file: &Path, mapping: Mapping) -> anyhow::Result<PastRows> {
        let mut mapped = MappedFile::open(file, mapping)?;
        let mut rows = PastRows { total: 0, sorted: Vec::new(), refused: HashMap::new() };
        loop {
            let batch = mapped.next_batch(LOOK_AHEAD_ROWS)?;
            if batch.is_empty() {
                break;
            }
            for (_, record) in batch {
                match record {
                    Ok(record) => rows.sorted.push(PastRow { no: rows.total, record }),
                    Err(reason) => drop(rows.refused.insert(rows.total, reason)),
                }
                rows.total += 1;
            }
            if rows.sorted.len() > ROWS_MAX {
                let max = grouped(ROWS_MAX as u64);
                bail!("the file holds more than {max} rows; cut it into parts by time");
            }
        }
        rows.sorted.sort_by_key(|row| (row.record.occurred_at, row.no));
        Ok(rows)
    }
}
