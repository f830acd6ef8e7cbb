//! A line with TLS on it, written and read without waiting.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::net::TcpStream;

/// Sealed bytes that wait for the kernel, at most: then no more is sealed.
const SEALED_BYTES_MAX: usize = 64 * 1024;

pub(super) struct TlsLine {
    tcp: TcpStream,
    state: Mutex<State>,
}

struct State {
    conn: ServerConnection,
    /// Of the bytes that come next, so many are sealed already: whoever writes was not told of the last one
    /// before the kernel has it, so that they come back until it does.
    owed: usize,
}

impl TlsLine {
    pub fn new(tcp: TcpStream, mut conn: ServerConnection) -> TlsLine {
        conn.set_buffer_limit(Some(SEALED_BYTES_MAX));
        TlsLine { tcp, state: Mutex::new(State { conn, owed: 0 }) }
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        state.flush(&self.tcp)?;
        let owed = std::mem::take(&mut state.owed);
        let fresh = state.seal(slices, owed)?;
        match state.flush(&self.tcp) {
            Ok(()) => Ok(owed + fresh),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                state.owed = 1.min(owed + fresh);
                match (owed + fresh).saturating_sub(1) {
                    0 => Err(e),
                    told => Ok(told),
                }
            }
            Err(e) => Err(e),
        }
    }

    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.lock();
        loop {
            match state.conn.reader().read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // A line that was cut without TLS's goodbye has ended, too.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if state.conn.read_tls(&mut Kernel(&self.tcp))? == 0 {
                return Ok(0);
            }
            let processed = state.conn.process_new_packets();
            processed.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            // What the protocol itself has to say goes out with the next write where it does not now.
            match state.flush(&self.tcp) {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
                _ => {}
            }
        }
    }

    /// Waits until there is something to read; it may have come in with what was read before.
    pub async fn readable(&self) -> io::Result<()> {
        if self.lock().has_read_ahead() {
            return Ok(());
        }
        self.tcp.readable().await
    }

    pub fn end(&self) {
        let mut state = self.lock();
        state.conn.send_close_notify();
        // One that the peer cut has ended already.
        let _ = state.flush(&self.tcp);
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Write);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives the kernel what is sealed.
    fn flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.conn.wants_write() {
            self.conn.write_tls(&mut Kernel(tcp))?;
        }
        Ok(())
    }

    /// Seals what it takes of the slices after the first `skip` bytes.
    fn seal(&mut self, slices: &[IoSlice<'_>], mut skip: usize) -> io::Result<usize> {
        let mut sealed = 0;
        for slice in slices {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            let rest = &slice[skipped..];
            if rest.is_empty() {
                continue;
            }
            let n = self.conn.writer().write(rest)?;
            sealed += n;
            if n < rest.len() {
                break;
            }
        }
        Ok(sealed)
    }

    fn has_read_ahead(&mut self) -> bool {
        self.conn.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }
}

/// The kernel's end, now or not at all.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
