//! Rows of a CSV file: quoted cells may hold line breaks, cells are separated by comma, semicolon,
//! tab or bar, whichever is most frequent in the header.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{ROW_BYTES_MAX, RawBody, RawRow, RowsError, too_large};

const CELLS_MAX: usize = 4_096;

pub(super) struct CsvRows<R> {
    source: R,
    reader: Reader,
    columns: Vec<String>,
    /// Line breaks consumed so far.
    line_breaks: u64,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> CsvRows<R> {
    pub fn new(mut source: R) -> Result<CsvRows<R>, RowsError> {
        let head = source.fill_buf().map_err(|source| RowsError::Read { line: 1, source })?;
        let reader = ReaderBuilder::new().delimiter(delimiter_of(head)).build();
        let mut rows = CsvRows {
            source,
            reader,
            columns: Vec::new(),
            line_breaks: 0,
            text: vec![0; 4_096],
            ends: vec![0; 64],
        };
        let damaged = |why: &str| RowsError::Damaged { line: 1, why: why.to_owned() };
        let header =
            rows.next_row()?.ok_or_else(|| damaged("the file is empty; it must begin with a header"))?;
        if let Some(fault) = header.fault {
            return Err(damaged(&format!("the header {fault}")));
        }
        let RawBody::Csv { text, ends } = header.body else { return Err(damaged("the header is not CSV")) };
        let text = std::str::from_utf8(&text).map_err(|_| damaged("the header is not UTF-8"))?;
        let cells = crate::intake::Cells { text, ends: &ends };
        rows.columns =
            (0..ends.len()).map(|i| cells.get(i).unwrap_or_default().trim().to_owned()).collect();
        Ok(rows)
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn next_row(&mut self) -> Result<Option<RawRow>, RowsError> {
        let line = self.skip_line_ends().map_err(|source| self.failed(source))?;
        let (mut text_len, mut ends_len, mut overflow) = (0, 0, false);
        loop {
            let input = self.source.fill_buf().map_err(|source| RowsError::Read { line, source })?;
            let (result, n_in, n_text, n_ends) =
                self.reader.read_record(input, &mut self.text[text_len..], &mut self.ends[ends_len..]);
            self.line_breaks += count_breaks(&input[..n_in]);
            self.source.consume(n_in);
            text_len += n_text;
            ends_len += n_ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() < ROW_BYTES_MAX => {
                    self.text.resize(self.text.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < CELLS_MAX => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                // Too large: read on over the same memory until the row ends.
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (text_len, ends_len, overflow) = (0, 0, true);
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        if overflow {
            let fault =
                format!("{}, or has more than {CELLS_MAX} cells; is a quote not closed?", too_large());
            let body = RawBody::Csv { text: Vec::new(), ends: Vec::new() };
            return Ok(Some(RawRow { line, body, fault: Some(fault) }));
        }
        let body =
            RawBody::Csv { text: self.text[..text_len].to_vec(), ends: self.ends[..ends_len].to_vec() };
        Ok(Some(RawRow { line, body, fault: None }))
    }

    /// Skips what is left of the last line's end, and blank lines; answers the line that comes now.
    fn skip_line_ends(&mut self) -> io::Result<u64> {
        loop {
            let input = self.source.fill_buf()?;
            let n = input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if n == 0 {
                return Ok(self.line_breaks + 1);
            }
            self.line_breaks += count_breaks(&input[..n]);
            self.source.consume(n);
        }
    }

    fn failed(&self, source: io::Error) -> RowsError {
        RowsError::Read { line: self.line_breaks + 1, source }
    }
}

fn count_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'\n').count() as u64
}

/// The separator that the header uses most, quoted text left out; a comma where there is none.
fn delimiter_of(head: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut in_quotes = false;
    for byte in head.iter().take_while(|b| **b != b'\n') {
        if *byte == b'"' {
            in_quotes = !in_quotes;
        }
        if let Some((_, count)) = counts.iter_mut().find(|(d, _)| d == byte && !in_quotes) {
            *count += 1;
        }
    }
    // Of equals the first wins.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}
