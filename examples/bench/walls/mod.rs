//! Many walls in one process, as cheap as they can be: sockets read without a copy kept, messages
//! counted. A process of its own, so that its processor time is not the server's.
//!
//! `bench walls KIND ADDRESS N MESSAGES OUT` connects N walls, says `ready`, and then answers a line
//! of its input with a line of its output: `count`, `record`, `arrivals`, `frames`, and `storm`, which
//! cuts all lines and has all walls come back at once. Ends with its input.

mod decode;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use decode::{Decoder, Heard, Kind};

/// Handshakes at a time.
const KNOCKING_MAX: usize = 64;
/// Source addresses: each has some 28,000 ports.
const SOURCES: u8 = 8;
const PATIENCE: Duration = Duration::from_secs(120);
/// So many walls keep their frames at most.
const KEEPERS_MAX: usize = 100;
const SCRATCH_BYTES: usize = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A message that a wall read to its end.
struct Arrival {
    wall: u32,
    seq: u32,
    at_ns: u64,
}

/// What all walls saw.
struct Seen {
    ready: AtomicUsize,
    gone: AtomicUsize,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// By wall: the newest seq, and how many messages.
    seqs: Vec<AtomicU64>,
    counts: Vec<AtomicU64>,
    recording: AtomicBool,
    arrivals: Mutex<Vec<Arrival>>,
    /// Walls that keep their frames, for whoever wants to fold them: the first of each message.
    keepers: usize,
    frames: Mutex<Vec<(usize, Vec<u8>)>>,
}

pub fn run(args: &[&str]) -> anyhow::Result<()> {
    let [kind, address, n, messages, out] = args else { bail!("walls KIND ADDRESS N MESSAGES OUT") };
    let (kind, address, n) = (Kind::of_name(kind)?, address.parse()?, n.parse()?);
    let messages: Vec<String> = serde_json::from_slice(&std::fs::read(messages)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(host(kind, address, n, messages, out.as_ref()))
}

async fn host(
    kind: Kind,
    address: SocketAddr,
    n: usize,
    messages: Vec<String>,
    out: &Path,
) -> anyhow::Result<()> {
    let seen = Arc::new(Seen {
        ready: AtomicUsize::new(0),
        gone: AtomicUsize::new(0),
        messages: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        seqs: (0..n).map(|_| AtomicU64::new(0)).collect(),
        counts: (0..n).map(|_| AtomicU64::new(0)).collect(),
        recording: AtomicBool::new(false),
        arrivals: Mutex::default(),
        keepers: messages.len().min(KEEPERS_MAX),
        frames: Mutex::default(),
    });
    let mut walls = Walls { kind, address, messages, seen: seen.clone(), tasks: Vec::new() };
    walls.connect(KNOCKING_MAX, "");
    let began = std::time::Instant::now();
    while seen.ready.load(Relaxed) < n {
        ensure!(began.elapsed() < PATIENCE, "only {} of {n} walls are ready", seen.ready.load(Relaxed));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say("ready");
    let mut lines = input_lines();
    while let Some(line) = lines.recv().await {
        if line == "storm" {
            walls.storm()?;
            say("storming");
        } else {
            say(&seen.answer(&line, out)?);
        }
    }
    Ok(())
}

/// All walls, to be connected and cut.
struct Walls {
    kind: Kind,
    address: SocketAddr,
    messages: Vec<String>,
    seen: Arc<Seen>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Walls {
    /// `knocking` at a time. Where `view` is not empty they hold what it names, and resume.
    fn connect(&mut self, knocking: usize, view: &str) {
        let knocking = Arc::new(Semaphore::new(knocking));
        for i in 0..self.seen.seqs.len() {
            let (kind, address) = (self.kind, self.address);
            let (seen, knocking) = (self.seen.clone(), knocking.clone());
            let mut message =
                self.messages.get(i % self.messages.len().max(1)).cloned().unwrap_or_default();
            if !view.is_empty() {
                message.pop();
                message += &format!(",\"resume\":{{{view},\"seq\":{}}}}}", seen.seqs[i].load(Relaxed));
            }
            self.tasks.push(tokio::spawn(async move {
                if let Err(e) = wall(i, kind, address, &message, &knocking, &seen).await {
                    eprintln!("wall {i}: {e:#}");
                }
                seen.gone.fetch_add(1, Relaxed);
            }));
        }
    }

    /// Cuts all lines; then all come back, as fast as they can.
    fn storm(&mut self) -> anyhow::Result<()> {
        self.tasks.drain(..).for_each(|task| task.abort());
        self.seen.ready.store(0, Relaxed);
        // All walls look at one screen, and the first one knows its name.
        let frames = String::from_utf8(self.seen.frames())?;
        let newest = |key: &str| {
            let (_, rest) = frames.rsplit_once(&format!("\"{key}\":\""))?;
            Some(format!("\"{key}\":\"{}\"", rest.split('"').next()?))
        };
        let view = newest("epoch").zip(newest("view")).context("a hello and a snapshot")?;
        self.connect(self.seen.seqs.len(), &format!("{},{}", view.0, view.1));
        Ok(())
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn input_lines() -> mpsc::UnboundedReceiver<String> {
    let (send, receive) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

impl Seen {
    fn answer(&self, line: &str, out: &Path) -> anyhow::Result<String> {
        let least = |of: &[AtomicU64]| of.iter().map(|n| n.load(Relaxed)).min().unwrap_or(0);
        Ok(match line {
            "count" => json!({
                "messages": self.messages.load(Relaxed),
                "bytes": self.bytes.load(Relaxed),
                "least_seq": least(&self.seqs),
                "least_count": least(&self.counts),
                "gone": self.gone.load(Relaxed),
                "ready": self.ready.load(Relaxed),
            })
            .to_string(),
            "record" => {
                self.recording.store(true, Relaxed);
                "recording".to_owned()
            }
            "arrivals" => {
                self.recording.store(false, Relaxed);
                let arrivals = std::mem::take(&mut *lock(&self.arrivals));
                let bytes: Vec<u8> = arrivals.iter().flat_map(Arrival::bytes).collect();
                std::fs::write(out, bytes)?;
                "written".to_owned()
            }
            "frames" => {
                std::fs::write(out, self.frames())?;
                "written".to_owned()
            }
            other => bail!("{other:?} is not understood"),
        })
    }

    /// A line each: the wall, and what it read.
    fn frames(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (wall, frame) in lock(&self.frames).iter() {
            lines.extend_from_slice(format!("{wall} ").as_bytes());
            lines.extend_from_slice(frame);
            lines.push(b'\n');
        }
        lines
    }

    fn hear(&self, wall: usize, heard: Heard, bytes: usize) {
        let Heard { seq, counts } = heard;
        self.seqs[wall].fetch_max(seq, Relaxed);
        if !counts {
            return;
        }
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.counts[wall].fetch_add(1, Relaxed);
        if self.recording.load(Relaxed) {
            lock(&self.arrivals).push(Arrival { wall: wall as u32, seq: seq as u32, at_ns: now_ns() });
        }
    }
}

impl Arrival {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.wall.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at_ns.to_le_bytes());
        bytes
    }
}

/// The machine's clock, which all processes on it share.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Connects, asks, and reads until the line ends.
async fn wall(
    i: usize,
    kind: Kind,
    address: SocketAddr,
    message: &str,
    knocking: &Semaphore,
    seen: &Seen,
) -> anyhow::Result<()> {
    let permit = knocking.acquire().await?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 1 + (i % usize::from(SOURCES)) as u8), 0)))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let mut decoder = Decoder::new(kind);
    let mut rest = Vec::new();
    if kind.is_websocket() {
        send(&stream, kind.handshake(address).as_bytes()).await?;
        rest = read_head(&stream).await?;
    }
    send(&stream, &kind.subscribing(message)).await?;
    if i < seen.keepers && kind == Kind::Pantau {
        decoder.keep_frames();
    }
    let mut permit = Some(permit);
    let mut replies = Vec::new();
    loop {
        if !rest.is_empty() {
            decoder.feed(&rest, &mut replies, |heard, bytes| seen.hear(i, heard, bytes));
            rest.clear();
        }
        if let Some(frames) = decoder.take_frames() {
            lock(&seen.frames).extend(frames.into_iter().map(|frame| (i, frame)));
        }
        if decoder.is_ready() && permit.take().is_some() {
            seen.ready.fetch_add(1, Relaxed);
        }
        if !replies.is_empty() {
            send(&stream, &std::mem::take(&mut replies)).await?;
        }
        stream.readable().await?;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = stream.try_read(scratch)?;
            decoder.feed(&scratch[..read], &mut replies, |heard, bytes| seen.hear(i, heard, bytes));
            Ok::<_, std::io::Error>(read)
        });
        match read {
            Ok(0) => bail!("the server ended the line"),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
    }
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> anyhow::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Reads the answer to the handshake; what came after it belongs to the frames.
async fn read_head(stream: &TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        stream.readable().await?;
        let mut some = [0; 1024];
        match stream.try_read(&mut some) {
            Ok(0) => bail!("the server ended the handshake"),
            Ok(n) => head.extend_from_slice(&some[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e.into()),
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let mut status = String::new();
            write!(status, "{}", String::from_utf8_lossy(&head[..end.min(60)]))?;
            ensure!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket: {status}");
            return Ok(head.split_off(end + 4));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what [`run`] wrote for `arrivals`: wall, seq, time.
pub fn read_arrivals(file: &Path) -> anyhow::Result<Vec<(u32, u64, u64)>> {
    let bytes = std::fs::read(file)?;
    let arrival = |b: &[u8]| {
        let (wall, rest) = b.split_first_chunk::<4>().context("an arrival")?;
        let (seq, rest) = rest.split_first_chunk::<4>().context("an arrival")?;
        let at_ns = u64::from_le_bytes(rest.try_into()?);
        Ok((u32::from_le_bytes(*wall), u64::from(u32::from_le_bytes(*seq)), at_ns))
    };
    bytes.chunks_exact(16).map(arrival).collect()
}
