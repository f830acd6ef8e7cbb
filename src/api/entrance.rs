//! How connections come in: not all at once, and each with a limit to how long its peer may be gone.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// Connections that are taken up in a second, for each core. A handshake takes some 50 µs, so all
/// together leave seven eighths of the machine to those who report and to the walls that are there:
/// when ten thousand come back at once, the others wait in the kernel.
const ACCEPTED_PER_S: u32 = 2_500;
/// … counted over this long. Who comes alone never waits.
const WINDOW: Duration = Duration::from_millis(5);
/// Probes of a silent line within the patience that a peer has.
const PROBES: u32 = 3;

/// Takes up connections for the router.
pub struct Entrance {
    listener: TcpListener,
    /// How long a peer may answer nothing before its line is cut.
    patience: Duration,
    /// Connections that may be taken up in a window.
    accepted_max: u32,
    /// … and were, since this one began.
    accepted: u32,
    began: Instant,
}

impl Entrance {
    pub fn new(listener: TcpListener, patience: Duration) -> Entrance {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let accepted_max = ACCEPTED_PER_S * cores * WINDOW.as_millis() as u32 / 1_000;
        Entrance { listener, patience, accepted_max, accepted: 0, began: Instant::now() }
    }
}

impl Listener for Entrance {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if self.accepted >= self.accepted_max {
            sleep_until(self.began + WINDOW).await;
        }
        let (tcp, peer) = Listener::accept(&mut self.listener).await;
        if self.began.elapsed() >= WINDOW {
            (self.accepted, self.began) = (0, Instant::now());
        }
        self.accepted += 1;
        if let Err(e) = prepare(&tcp, self.patience) {
            tracing::debug!(error = %e, "an option of a connection could not be set");
        }
        (tcp, peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Listener::local_addr(&self.listener)
    }
}

/// Sends without delay, and notices a peer that vanished: a pulled cable says no goodbye. What is not
/// acknowledged within the patience ends the line; so does a silent line whose peer answers no probe
/// for as long.
fn prepare(tcp: &TcpStream, patience: Duration) -> std::io::Result<()> {
    // Frames are small and must not wait for each other.
    tcp.set_nodelay(true)?;
    // The kernel counts these in whole seconds.
    let between = (patience / (2 * PROBES)).max(Duration::from_secs(1));
    let probing = TcpKeepalive::new()
        .with_time((patience / 2).max(Duration::from_secs(1)))
        .with_interval(between)
        .with_retries(PROBES);
    let tcp = SockRef::from(tcp);
    tcp.set_tcp_keepalive(&probing)?;
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(patience))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_taken_up_with_a_limit_to_silence() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut entrance = Entrance::new(listener, Duration::from_secs(30));
        let client = TcpStream::connect(entrance.local_addr().unwrap()).await.unwrap();
        let (tcp, peer) = entrance.accept().await;
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(tcp.nodelay().unwrap());
        let tcp = SockRef::from(&tcp);
        #[cfg(target_os = "linux")]
        assert_eq!(tcp.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert!(tcp.keepalive().unwrap());
        assert_eq!(tcp.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
        assert_eq!(tcp.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(tcp.tcp_keepalive_retries().unwrap(), 3);
    }
}
