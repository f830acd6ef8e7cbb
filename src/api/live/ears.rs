//! What a client says: the frames of RFC 6455, read by tungstenite out of bytes that are there.

use std::io::{self, Read, Write};

use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use super::{CloseReason, MESSAGE_BYTES_MAX};

/// One thing that was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Text(Utf8Bytes),
    /// A ping or a pong.
    Alive,
    /// The client said goodbye, and the answer is among the replies.
    Goodbye,
    Fault(CloseReason),
}

/// The state between two reads: the beginning of a frame or of a message, where one is coming in.
pub(super) struct Ears(WebSocketContext);

impl Ears {
    pub fn new() -> Ears {
        // No buffer is kept but for what is coming in.
        let config = WebSocketConfig::default()
            .read_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Ears(WebSocketContext::new(Role::Server, Some(config)))
    }

    /// Takes bytes in. `replies` gets the frames that the protocol itself answers with.
    pub fn hear(&mut self, bytes: &[u8], replies: &mut Vec<u8>) -> Vec<Heard> {
        let mut exchange = Exchange { bytes, replies };
        let mut heard = Vec::new();
        loop {
            heard.push(match self.0.read(&mut exchange) {
                Ok(Message::Text(text)) => Heard::Text(text),
                Ok(Message::Binary(_)) => Heard::Fault(CloseReason::Binary),
                Ok(Message::Ping(_) | Message::Pong(_)) => Heard::Alive,
                // Once more: the answer is written with the next read.
                Ok(Message::Close(_) | Message::Frame(_)) => continue,
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => return heard,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => Heard::Goodbye,
                Err(_) => Heard::Fault(CloseReason::Unreadable),
            });
            if matches!(heard.last(), Some(Heard::Goodbye | Heard::Fault(_))) {
                return heard;
            }
        }
    }
}

/// Bytes in and replies out, between memory and memory.
struct Exchange<'a> {
    bytes: &'a [u8],
    replies: &'a mut Vec<u8>,
}

impl Read for Exchange<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(into)? {
            // The end of what is there is not the end of the line.
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 1, 200, 33];
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            medium @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((medium as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Heard in pieces of each size alike.
    fn check(frames: &[Vec<u8>], expected: &[Heard], replies: &[u8]) {
        let bytes = frames.concat();
        for piece in [1, 2, 3, 7, 100, bytes.len()] {
            let mut ears = Ears::new();
            let (mut heard, mut replied) = (Vec::new(), Vec::new());
            for bytes in bytes.chunks(piece) {
                heard.extend(ears.hear(bytes, &mut replied));
                if matches!(heard.last(), Some(Heard::Goodbye | Heard::Fault(_))) {
                    break;
                }
            }
            assert_eq!(heard, expected, "in pieces of {piece}");
            assert_eq!(replied, replies, "in pieces of {piece}");
        }
    }

    fn text(text: &str) -> Heard {
        Heard::Text(text.into())
    }

    #[test]
    fn messages_come_whole_however_the_line_cuts_them() {
        check(
            &[frame(0x81, b"hello"), frame(0x81, "jalan é".as_bytes())],
            &[text("hello"), text("jalan é")],
            &[],
        );
        // In fragments, one of them within a character, and a ping between them.
        let accent = "é".as_bytes();
        let fragments = [
            frame(0x01, &accent[..1]),
            frame(0x89, b"still?"),
            frame(0x00, &accent[1..]),
            frame(0x80, b"!"),
        ];
        check(&fragments, &[Heard::Alive, text("é!")], b"\x8a\x06still?");
        let long = "x".repeat(MESSAGE_BYTES_MAX);
        check(&[frame(0x81, long.as_bytes()), frame(0x8a, b"")], &[text(&long), Heard::Alive], &[]);
    }

    #[test]
    fn what_breaks_the_protocol_is_a_fault() {
        let unreadable = || [Heard::Fault(CloseReason::Unreadable)];
        check(&[frame(0x82, b"\x01")], &[Heard::Fault(CloseReason::Binary)], &[]);
        check(&[frame(0x81, &[b'x'; MESSAGE_BYTES_MAX + 1])], &unreadable(), &[]);
        let halves = [frame(0x01, &[b'x'; 40_000]), frame(0x80, &[b'x'; 40_000])];
        check(&halves, &unreadable(), &[]);
        check(&[frame(0x81, b"\xff")], &unreadable(), &[]);
        check(&[frame(0x80, b"continues nothing")], &unreadable(), &[]);
        check(&[frame(0xc1, b"reserved bit")], &unreadable(), &[]);
        check(&[frame(0x83, b"reserved opcode")], &unreadable(), &[]);
        check(&[frame(0x89, &[b'x'; 126])], &unreadable(), &[]);
        check(&[vec![0x81, 0x01, b'x']], &unreadable(), &[]);
    }

    #[test]
    fn a_goodbye_is_answered_with_its_own_code() {
        check(&[frame(0x88, &[0x03, 0xe8])], &[Heard::Goodbye], b"\x88\x02\x03\xe8");
        check(&[frame(0x88, b"")], &[Heard::Goodbye], b"\x88\x00");
    }
}
