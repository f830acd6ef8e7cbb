//! From bytes off the wire to messages heard: WebSocket frames, NATS's and Redis's lines.

use std::net::SocketAddr;

use anyhow::bail;

/// The beginning of a message says all that is counted.
const HEAD_BYTES: usize = 256;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pantau,
    /// NATS's protocol within WebSocket frames.
    Nats,
    /// RESP over TCP.
    Redis,
}

impl Kind {
    pub fn of_name(name: &str) -> anyhow::Result<Kind> {
        Ok(match name {
            "pantau" => Kind::Pantau,
            "nats" => Kind::Nats,
            "redis" => Kind::Redis,
            _ => bail!("{name:?} is no kind of wall"),
        })
    }

    pub fn is_websocket(self) -> bool {
        self != Kind::Redis
    }

    pub fn handshake(self, address: SocketAddr) -> String {
        let (path, protocol) = match self {
            Kind::Pantau => ("/api/v1/live", "Sec-WebSocket-Protocol: pantau.v1\r\n"),
            Kind::Nats | Kind::Redis => ("/", ""),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        )
    }

    /// What a wall sends to be told of changes.
    pub fn subscribing(self, message: &str) -> Vec<u8> {
        match self {
            Kind::Pantau => masked(1, message.as_bytes()),
            Kind::Nats => {
                masked(2, b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB wall 1\r\nPING\r\n")
            }
            Kind::Redis => b"SUBSCRIBE wall\r\n".to_vec(),
        }
    }
}

/// A frame as a client must send it; the mask is zero, which changes nothing.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A whole message.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub seq: u64,
    /// It brings a change; a heartbeat does not.
    pub counts: bool,
}

/// The state of one wall between two reads.
pub struct Decoder {
    kind: Kind,
    ready: bool,
    frame: FrameReader,
    /// Beginning and length of the message or line that is coming in.
    head: Vec<u8>,
    length: usize,
    /// Whole frames, where they are kept.
    kept: Option<Vec<Vec<u8>>>,
    whole: Vec<u8>,
}

impl Decoder {
    pub fn new(kind: Kind) -> Decoder {
        Decoder {
            kind,
            ready: false,
            frame: FrameReader::default(),
            head: Vec::new(),
            length: 0,
            kept: None,
            whole: Vec::new(),
        }
    }

    /// Whether the subscription stands.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    pub fn keep_frames(&mut self) {
        self.kept = Some(Vec::new());
    }

    pub fn take_frames(&mut self) -> Option<Vec<Vec<u8>>> {
        self.kept.as_mut().filter(|frames| !frames.is_empty()).map(std::mem::take)
    }

    /// Takes bytes in; `hear` is told of every whole message and its length.
    pub fn feed(&mut self, bytes: &[u8], replies: &mut Vec<u8>, mut hear: impl FnMut(Heard, usize)) {
        if !self.kind.is_websocket() {
            return self.lines(bytes, replies, &mut hear);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = self.frame.next(rest);
            rest = after;
            let Some(Piece { data, opcode, ended }) = piece else { continue };
            match (opcode, self.kind) {
                (OPCODE_PING, _) if ended => replies.extend(masked(OPCODE_PONG, b"")),
                (OPCODE_CLOSE.., _) => {}
                (_, Kind::Nats) => self.lines(data, replies, &mut hear),
                _ => {
                    self.take(data);
                    if ended {
                        self.end_of_frame(&mut hear);
                    }
                }
            }
        }
    }

    fn take(&mut self, data: &[u8]) {
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(data.len());
        self.head.extend_from_slice(&data[..wanted]);
        self.length += data.len();
        if self.kept.is_some() {
            self.whole.extend_from_slice(data);
        }
    }

    fn end_of_frame(&mut self, hear: &mut impl FnMut(Heard, usize)) {
        let is = |kind: &[u8]| self.head[..self.head.len().min(40)].windows(kind.len()).any(|w| w == kind);
        if is(b"\"type\":\"snapshot\"") || is(b"\"type\":\"delta\"") {
            self.ready = true;
        }
        if is(b"\"type\":\"error\"") {
            eprintln!("{}", String::from_utf8_lossy(&self.head));
        }
        // A hello and an alarm move no cursor.
        if !is(b"\"type\":\"hello\"") && !is(b"\"type\":\"alarm\"") {
            let heard =
                Heard { seq: number_after(&self.head, b"\"seq\":"), counts: is(b"\"type\":\"delta\"") };
            hear(heard, self.length);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(std::mem::take(&mut self.whole));
        }
        self.head.clear();
        self.length = 0;
    }

    fn lines(&mut self, bytes: &[u8], replies: &mut Vec<u8>, hear: &mut impl FnMut(Heard, usize)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.take(part);
            if part.ends_with(b"\n") {
                self.end_of_line(replies, hear);
                self.head.clear();
                self.length = 0;
            }
        }
    }

    fn end_of_line(&mut self, replies: &mut Vec<u8>, hear: &mut impl FnMut(Heard, usize)) {
        match &*self.head {
            line if line.starts_with(b"payload ") => {
                hear(Heard { seq: number_after(line, b"payload "), counts: true }, self.length);
            }
            b"PING\r\n" => replies.extend(masked(2, b"PONG\r\n")),
            b"PONG\r\n" | b"subscribe\r\n" => self.ready = true,
            line if line.starts_with(b"-ERR") => eprintln!("{}", String::from_utf8_lossy(line)),
            _ => {}
        }
    }
}

fn number_after(text: &[u8], mark: &[u8]) -> u64 {
    let Some(at) = text.windows(mark.len()).position(|window| window == mark) else { return 0 };
    let digits = text[at + mark.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// A piece of a frame's payload, perhaps empty.
struct Piece<'a> {
    data: &'a [u8],
    opcode: u8,
    /// The frame is whole with it.
    ended: bool,
}

/// Reads the frames of a server, which are not masked.
#[derive(Default)]
struct FrameReader {
    head: Vec<u8>,
    /// Bytes of the payload to come, once the head is whole.
    left: Option<u64>,
}

impl FrameReader {
    /// The next piece, `None` where the bytes end within a head; and the bytes after it.
    fn next<'a>(&mut self, mut bytes: &'a [u8]) -> (Option<Piece<'a>>, &'a [u8]) {
        while self.left.is_none() {
            let missing = self.head_bytes() - self.head.len();
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.head.extend_from_slice(taken);
            bytes = rest;
            if self.head.len() == self.head_bytes() {
                let length = match self.head[1] & 0x7F {
                    short @ 0..126 => u64::from(short),
                    _ => self.head[2..].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
                };
                self.left = Some(length);
            } else if bytes.is_empty() {
                return (None, bytes);
            }
        }
        let left = self.left.unwrap_or(0);
        let (data, rest) = bytes.split_at(left.min(bytes.len() as u64) as usize);
        let (opcode, ended) = (self.head[0] & 0x0F, data.len() as u64 == left);
        self.left = Some(left - data.len() as u64);
        if ended {
            self.head.clear();
            self.left = None;
        }
        (Some(Piece { data, opcode, ended }), rest)
    }

    fn head_bytes(&self) -> usize {
        match self.head.get(1).map(|byte| byte & 0x7F) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        }
    }
}
