//! What is on its way to one client: normally nothing, for a line takes a frame at once.
//!
//! Where it does not, the frames that were due stay here with what of them is written. Nothing is put
//! behind them but answers to the client's own messages, one at a time: a client that is behind gets
//! the newest later, in one delta. So a socket holds what one beat or one answer had for it, shared
//! with all others who got the same.

use std::io::{self, IoSlice};

use bytes::Bytes;

use super::line::Line;
use crate::feed::Frame;

/// Messages written with one call.
const BATCH: usize = 16;
/// The head of a frame without a mask: two bytes and at most eight of length.
const HEAD_BYTES_MAX: usize = 10;
const FINAL: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// A message on its way out.
#[derive(Debug, Clone)]
pub(super) enum Out {
    Text(Bytes),
    Binary(Bytes),
    /// Whole frames of control as they go over the line.
    Raw(Bytes),
}

impl Out {
    /// A frame in the form that the client asked for.
    pub fn frame(frame: &Frame, deflate: bool) -> Out {
        match if deflate { frame.deflated() } else { None } {
            Some(bytes) => Out::Binary(bytes.clone()),
            None => Out::Text(frame.json().clone()),
        }
    }

    fn payload(&self) -> &Bytes {
        match self {
            Out::Text(bytes) | Out::Binary(bytes) | Out::Raw(bytes) => bytes,
        }
    }

    /// The head of the frame, of which the first bytes are meant.
    fn head(&self) -> ([u8; HEAD_BYTES_MAX], usize) {
        let mut head = [0; HEAD_BYTES_MAX];
        let opcode = match self {
            Out::Raw(_) => return (head, 0),
            Out::Text(_) => TEXT,
            Out::Binary(_) => BINARY,
        };
        head[0] = FINAL | opcode;
        let length = self.payload().len();
        let n = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..126), _) => {
                head[1] = short;
                2
            }
            (_, Ok(medium)) => {
                head[1] = 126;
                head[2..4].copy_from_slice(&medium.to_be_bytes());
                4
            }
            _ => {
                head[1] = 127;
                head[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        (head, n)
    }

    fn len(&self) -> usize {
        self.head().1 + self.payload().len()
    }
}

/// Oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Vec<Out>,
    /// Bytes of the first that are written.
    written: usize,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes what waits and then what is given, as far as the line takes it; the rest waits. `given`
    /// is empty afterwards.
    ///
    /// # Errors
    /// The line is broken.
    pub fn send(&mut self, given: &mut Vec<Out>, line: &Line) -> io::Result<()> {
        if self.waiting.is_empty() {
            let sent = write(given, &mut self.written, line);
            // Nothing is kept for a client that keeps up.
            self.waiting.append(given);
            sent
        } else {
            self.waiting.append(given);
            self.flush(line)
        }
    }

    /// Writes what waits, as far as the line takes it.
    ///
    /// # Errors
    /// The line is broken.
    pub fn flush(&mut self, line: &Line) -> io::Result<()> {
        let sent = write(&mut self.waiting, &mut self.written, line);
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        sent
    }
}

/// Takes off `messages` what the line took. Stops at the first that it does not take whole.
fn write(messages: &mut Vec<Out>, written: &mut usize, line: &Line) -> io::Result<()> {
    while !messages.is_empty() {
        match write_some(messages, *written, line) {
            Ok(n) => {
                *written += n;
                let mut whole = 0;
                while let Some(length) =
                    messages.get(whole).map(Out::len).filter(|length| length <= written)
                {
                    *written -= length;
                    whole += 1;
                }
                messages.drain(..whole);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// One call: as many messages as it can hold, from the byte on that comes next.
fn write_some(messages: &[Out], mut skip: usize, line: &Line) -> io::Result<usize> {
    let mut heads = [([0; HEAD_BYTES_MAX], 0); BATCH];
    for (head, message) in heads.iter_mut().zip(messages) {
        *head = message.head();
    }
    let mut slices = [IoSlice::new(&[]); 2 * BATCH];
    let mut n = 0;
    for ((head, length), message) in heads.iter().zip(messages) {
        for part in [&head[..*length], message.payload()] {
            let skipped = skip.min(part.len());
            skip -= skipped;
            if skipped < part.len() {
                slices[n] = IoSlice::new(&part[skipped..]);
                n += 1;
            }
        }
    }
    line.try_write(&slices[..n])
}
