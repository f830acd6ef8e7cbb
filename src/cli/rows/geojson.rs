//! Features of a GeoJSON `FeatureCollection`, one at a time.
//!
//! Only strings and brackets are understood here, enough to cut the list of features into its
//! members; each member is parsed by itself later. So a file of any size is read in the memory of its
//! largest feature, and one damaged feature does not spoil the rest.

use std::io::BufRead;

use super::{RawBody, RawRow, RowsError, push_bounded, too_large};

pub(super) struct GeoJsonRows<R> {
    bytes: Bytes<R>,
    features: u64,
    ended: bool,
}

impl<R: BufRead> GeoJsonRows<R> {
    /// Reads up to the first feature.
    pub fn new(source: R) -> Result<GeoJsonRows<R>, RowsError> {
        let mut bytes = Bytes { source, line: 1 };
        if bytes.next_sign()? != Some(b'{') {
            return Err(bytes.damaged("the file must begin with { as a GeoJSON FeatureCollection does"));
        }
        loop {
            match bytes.next_sign()? {
                Some(b',') => continue,
                Some(b'"') => {}
                Some(b'}') => {
                    return Err(
                        bytes.damaged("the file has no \"features\"; it must be a FeatureCollection")
                    );
                }
                _ => return Err(bytes.damaged("the file is not JSON: a member's name should stand here")),
            }
            let name = bytes.string()?;
            if bytes.next_sign()? != Some(b':') {
                return Err(bytes.damaged("the file is not JSON: a colon should stand here"));
            }
            let first = bytes.next_sign()?;
            if name == b"features" && first == Some(b'[') {
                return Ok(GeoJsonRows { bytes, features: 0, ended: false });
            }
            bytes.rest_of_value(first, &mut |_| {})?;
        }
    }

    pub fn next_row(&mut self) -> Result<Option<RawRow>, RowsError> {
        if self.ended {
            return Ok(None);
        }
        let first = loop {
            match self.bytes.next_sign()? {
                Some(b',') => {}
                Some(b']') => {
                    self.read_tail()?;
                    return Ok(None);
                }
                first => break first,
            }
        };
        self.features += 1;
        let line = self.bytes.line;
        let (mut row, mut overflow) = (Vec::new(), false);
        self.bytes.rest_of_value(first, &mut |bytes| push_bounded(&mut row, bytes, &mut overflow))?;
        let fault = overflow.then(|| format!("feature {} {}", self.features, too_large()));
        Ok(Some(RawRow { line, body: RawBody::Json(row), fault }))
    }

    /// What stands behind the features: more members, and the closing brace.
    fn read_tail(&mut self) -> Result<(), RowsError> {
        self.ended = true;
        loop {
            match self.bytes.next_sign()? {
                Some(b'}') => return Ok(()),
                None => return Err(self.bytes.damaged(CUT)),
                first => self.bytes.rest_of_value(first, &mut |_| {})?,
            }
        }
    }
}

const CUT: &str = "the file ends in the middle; is it whole?";

/// The bytes of a file with the line they stand on.
struct Bytes<R> {
    source: R,
    line: u64,
}

impl<R: BufRead> Bytes<R> {
    fn damaged(&self, why: &str) -> RowsError {
        RowsError::Damaged { line: self.line, why: why.to_owned() }
    }

    fn fill(&mut self) -> Result<&[u8], RowsError> {
        let line = self.line;
        self.source.fill_buf().map_err(|source| RowsError::Read { line, source })
    }

    fn peek(&mut self) -> Result<Option<u8>, RowsError> {
        Ok(self.fill()?.first().copied())
    }

    fn advance(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.source.consume(1);
    }

    /// The next byte that is not white space, consumed.
    fn next_sign(&mut self) -> Result<Option<u8>, RowsError> {
        while let Some(byte) = self.peek()? {
            self.advance(byte);
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
        }
        Ok(None)
    }

    /// The rest of a string whose opening quote is consumed, as it stands in the file; the closing
    /// quote is consumed and left out. Cut at a length that no name of a member needs.
    fn string(&mut self) -> Result<Vec<u8>, RowsError> {
        const NAME_BYTES_MAX: usize = 256;
        let (mut name, mut escaped) = (Vec::new(), false);
        while let Some(byte) = self.peek()? {
            self.advance(byte);
            match byte {
                b'"' if !escaped => return Ok(name),
                _ => escaped = byte == b'\\' && !escaped,
            }
            if name.len() < NAME_BYTES_MAX {
                name.push(byte);
            }
        }
        Err(self.damaged(CUT))
    }

    /// Hands `each` a whole value in pieces; `first` is its first byte, already consumed.
    fn rest_of_value(&mut self, first: Option<u8>, each: &mut impl FnMut(&[u8])) -> Result<(), RowsError> {
        let Some(first) = first else { return Err(self.damaged(CUT)) };
        each(&[first]);
        let mut scan = Scan::default();
        scan.step(first);
        if scan.is_plain() {
            return self.rest_of_plain(each);
        }
        while !scan.is_done() {
            let input = self.fill()?;
            if input.is_empty() {
                return Err(self.damaged(CUT));
            }
            let n = input
                .iter()
                .position(|byte| {
                    scan.step(*byte);
                    scan.is_done()
                })
                .map_or(input.len(), |i| i + 1);
            each(&input[..n]);
            let breaks = input[..n].iter().filter(|b| **b == b'\n').count() as u64;
            self.line += breaks;
            self.source.consume(n);
        }
        Ok(())
    }

    /// A number, true, false, null or rubbish: up to the next sign that can follow a value.
    fn rest_of_plain(&mut self, each: &mut impl FnMut(&[u8])) -> Result<(), RowsError> {
        while let Some(byte) = self.peek()? {
            if matches!(byte, b',' | b']' | b'}') {
                break;
            }
            each(&[byte]);
            self.advance(byte);
        }
        Ok(())
    }
}

/// Where in a value the scan stands.
#[derive(Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// Asked after the first byte: neither a string nor brackets.
    fn is_plain(&self) -> bool {
        self.is_done()
    }
}
