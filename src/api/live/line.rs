//! A line to a client: bytes out and bytes in, never waited for while the sockets are walked.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::tls_line::TlsLine;

pub(super) enum Line {
    Tcp(TcpStream),
    /// In a box: most of what TLS keeps is its own.
    Tls(Box<TlsLine>),
}

impl Line {
    /// The line under an HTTP connection that ended in an upgrade, and what the client sent right
    /// after its request. From now on the runtime that this is called in hears of it. `None` where it
    /// is of a kind that is not known here.
    pub fn of_upgraded(upgraded: Upgraded) -> Option<(Line, Bytes)> {
        match downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => Some((Line::Tcp(in_this_runtime(parts.io.into_inner())?), parts.read_buf)),
            Err(upgraded) => {
                let parts = downcast::<TokioIo<TlsStream<TcpStream>>>(upgraded).ok()?;
                let (tcp, conn) = parts.io.into_inner().into_inner();
                let line = TlsLine::new(in_this_runtime(tcp)?, conn);
                Some((Line::Tls(Box::new(line)), parts.read_buf))
            }
        }
    }

    /// Writes what the kernel takes now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where it takes nothing.
    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Line::Tcp(tcp) => match slices {
                [one] => tcp.try_write(one),
                many => tcp.try_write_vectored(many),
            },
            Line::Tls(tls) => tls.try_write(slices),
        }
    }

    /// Reads what is there; 0 at the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing is.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Tcp(tcp) => tcp.try_read(into),
            Line::Tls(tls) => tls.try_read(into),
        }
    }

    /// Says that nothing more will be written.
    pub fn end(&self) {
        match self {
            // One that the peer cut has ended already.
            Line::Tcp(tcp) => drop(SockRef::from(tcp).shutdown(Shutdown::Write)),
            Line::Tls(tls) => tls.end(),
        }
    }

    /// Reads on, and forgets what it reads, until the peer ends the line.
    pub async fn read_to_end(&self) {
        while self.readable().await.is_ok() {
            match self.try_read(&mut [0; 1024]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Line::Tcp(tcp) => tcp.readable().await,
            Line::Tls(tls) => tls.readable().await,
        }
    }

    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Line::Tcp(tcp) => tcp.writable().await,
            Line::Tls(tls) => tls.tcp().writable().await,
        }
    }
}

fn in_this_runtime(tcp: TcpStream) -> Option<TcpStream> {
    TcpStream::from_std(tcp.into_std().ok()?).ok()
}
