//! Rows of a file with one JSON object a line; a line may also be a GeoJSON feature.

use std::io::BufRead;

use super::{RawBody, RawRow, RowsError, push_bounded, too_large};

pub(super) struct NdjsonRows<R> {
    source: R,
    line: u64,
}

impl<R: BufRead> NdjsonRows<R> {
    pub fn new(source: R) -> NdjsonRows<R> {
        NdjsonRows { source, line: 0 }
    }

    /// Blank lines are passed over.
    pub fn next_row(&mut self) -> Result<Option<RawRow>, RowsError> {
        loop {
            let (mut row, mut overflow, mut at_end) = (Vec::new(), false, true);
            self.line += 1;
            loop {
                let input =
                    self.source.fill_buf().map_err(|source| RowsError::Read { line: self.line, source })?;
                if input.is_empty() {
                    break;
                }
                at_end = false;
                let n = input.iter().position(|b| *b == b'\n');
                push_bounded(&mut row, &input[..n.unwrap_or(input.len())], &mut overflow);
                let consumed = n.map_or(input.len(), |n| n + 1);
                self.source.consume(consumed);
                if n.is_some() {
                    break;
                }
            }
            if at_end {
                return Ok(None);
            }
            // RFC 8142 lets a record separator stand before each text.
            let row = row.strip_prefix(b"\x1e").unwrap_or(&row).trim_ascii().to_vec();
            if overflow || !row.is_empty() {
                let fault = overflow.then(too_large);
                return Ok(Some(RawRow { line: self.line, body: RawBody::Json(row), fault }));
            }
        }
    }
}
