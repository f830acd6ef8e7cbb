//! The listening socket.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

/// Connections that may wait to be taken up; the system may allow fewer. One that finds no room tries
/// again after a second, and when a server comes back all its walls do so at once.
const BACKLOG: u32 = 16_384;

/// Listens, for as many as the system allows.
///
/// # Errors
/// Where somebody else does, in words for whoever starts the server.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    try_listen(address).with_context(|| {
        format!("cannot listen on {address}; is another server there? choose another with --listen")
    })
}

fn try_listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // The address of a server that stopped a moment ago is free for the next.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
