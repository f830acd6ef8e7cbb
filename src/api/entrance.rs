//! How connections come in: each with a limit to how long its peer may be gone, and whoever comes to
//! watch by a door of their own.
//!
//! When ten thousand walls come back at once, a report that is sent meanwhile must not stand in a queue
//! with them, not even to be read. So a connection is taken up when it comes, its first bytes are looked
//! at where the kernel holds them, and a live socket's handshake is answered on the sockets' threads,
//! one after the other, while all else is answered beside it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::clock::{Clock, SystemClock};

/// Connections that are taken up in a second, for each core, where it cannot be seen what they come for.
/// A handshake takes some 50 µs, so all together leave seven eighths of the machine to those who report
/// and to the walls that are there: when ten thousand come back at once, the others wait in the kernel.
const ACCEPTED_PER_S: u32 = 2_500;
/// … counted over this long. Who comes alone never waits.
const WINDOW: Duration = Duration::from_millis(5);
/// Probes of a silent line within the patience that a peer has.
const PROBES: u32 = 3;
/// How a request begins that is for a live socket, or for its events.
const TO_WATCH: &[u8] = b"GET /api/v1/live";
/// Connections that wait behind a door, sorted; the others wait beside it.
const WAITING_MAX: usize = 64;

/// Takes up connections.
pub struct Entrance {
    listener: TcpListener,
    /// Turns true when somebody else takes connections up here.
    left: Option<watch::Receiver<bool>>,
    /// How long a peer may answer nothing before its line is cut.
    patience: Duration,
    /// Connections that may be taken up in a window.
    accepted_max: u32,
    /// … and were, since this one began.
    accepted: u32,
    began: Duration,
    /// Its own: who may come is a matter of the machine, whatever time the center has.
    clock: SystemClock,
}

type Came = (TcpStream, SocketAddr);

impl Entrance {
    pub fn new(listener: TcpListener, patience: Duration) -> Entrance {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let accepted_max = ACCEPTED_PER_S * cores * WINDOW.as_millis() as u32 / 1_000;
        Entrance {
            listener,
            left: None,
            patience,
            accepted_max,
            accepted: 0,
            began: Duration::ZERO,
            clock: SystemClock::new(),
        }
    }

    /// The same, until `left` turns true: those who come after that are taken up by whoever has the listener, too.
    #[must_use]
    pub fn until(self, left: watch::Receiver<bool>) -> Entrance {
        Entrance { left: Some(left), ..self }
    }

    /// Parts those who come to watch from all others. Must be called within a runtime.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn part(self) -> io::Result<Doors> {
        let address = Listener::local_addr(&self)?;
        let door = || {
            let (tell, came) = mpsc::channel(WAITING_MAX);
            (tell, Door { address, came })
        };
        let ((others, to_others), (watchers, to_watchers)) = (door(), door());
        tokio::spawn(sort(self, others, watchers));
        Ok(Doors { others: to_others, watchers: WatchDoor(to_watchers) })
    }

    /// The next connection, as soon as it comes.
    async fn take_up(&mut self) -> Came {
        let (tcp, peer) = tokio::select! {
            biased;
            () = has_left(&mut self.left) => std::future::pending().await,
            came = Listener::accept(&mut self.listener) => came,
        };
        if let Err(e) = prepare(&tcp, self.patience) {
            tracing::debug!(error = %e, "an option of a connection could not be set");
        }
        (tcp, peer)
    }
}

/// Ends once somebody else takes connections up.
async fn has_left(left: &mut Option<watch::Receiver<bool>>) {
    let Some(left) = left else { return std::future::pending().await };
    // Whoever would say so has gone without saying it.
    if left.wait_for(|left| *left).await.is_err() {
        std::future::pending().await
    }
}

/// Where it cannot be seen what a connection is for: at a pace.
impl Listener for Entrance {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Came {
        if self.accepted >= self.accepted_max {
            self.clock.until(self.began + WINDOW).await;
        }
        let came = self.take_up().await;
        let now = self.clock.monotonic();
        if now.saturating_sub(self.began) >= WINDOW {
            (self.accepted, self.began) = (0, now);
        }
        self.accepted += 1;
        came
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Listener::local_addr(&self.listener)
    }
}

/// Behind an entrance.
pub struct Doors {
    pub others: Door,
    /// To be served where sockets are heard.
    pub watchers: WatchDoor,
}

/// Hands connections on, in the order in which they began to speak.
pub struct Door {
    address: SocketAddr,
    came: mpsc::Receiver<Came>,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Came {
        match self.came.recv().await {
            Some(came) => came,
            // Whoever sorts ends only with this.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The same for one after the other: the next is let in once those before it, and whoever else the
/// runtime has to hear, had their turn. What it hands on belongs to the runtime that it is asked in.
pub struct WatchDoor(Door);

impl Listener for WatchDoor {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Came {
        loop {
            yield_now().await;
            let (tcp, peer) = self.0.accept().await;
            match tcp.into_std().and_then(TcpStream::from_std) {
                Ok(tcp) => return (tcp, peer),
                Err(e) => tracing::debug!(error = %e, "a connection could not be handed on"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Sends each connection to its door, until nobody stands behind the doors any more.
async fn sort(mut entrance: Entrance, others: mpsc::Sender<Came>, watchers: mpsc::Sender<Came>) {
    let patience = entrance.patience;
    loop {
        let came = tokio::select! {
            came = entrance.take_up() => came,
            () = others.closed() => return,
        };
        let (others, watchers) = (others.clone(), watchers.clone());
        tokio::spawn(async move {
            let watches = tokio::select! {
                watches = timeout(patience, comes_to_watch(&came.0)) => watches.unwrap_or(false),
                () = others.closed() => return,
            };
            // Where the door is gone the server stops, and the connection ends.
            let _ = if watches { watchers } else { others }.send(came).await;
        });
    }
}

/// Whether a connection begins with a request for a live socket. One whose first line comes in pieces is
/// served by the other door as well.
async fn comes_to_watch(tcp: &TcpStream) -> bool {
    let mut head = [0; TO_WATCH.len()];
    tcp.peek(&mut head).await.is_ok() && head == TO_WATCH
}

/// Sends without delay, and notices a peer that vanished: a pulled cable says no goodbye. What is not
/// acknowledged within the patience ends the line; so does a silent line whose peer answers no probe
/// for as long.
fn prepare(tcp: &TcpStream, patience: Duration) -> io::Result<()> {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn entrance() -> Entrance {
        Entrance::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), PATIENCE)
    }

    async fn says(address: SocketAddr, words: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(words).await.unwrap();
        client
    }

    #[tokio::test]
    async fn a_connection_is_taken_up_with_a_limit_to_silence() {
        let mut entrance = entrance().await;
        let client = TcpStream::connect(entrance.local_addr().unwrap()).await.unwrap();
        let (tcp, peer) = entrance.accept().await;
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(tcp.nodelay().unwrap());
        let tcp = SockRef::from(&tcp);
        #[cfg(target_os = "linux")]
        assert_eq!(tcp.tcp_user_timeout().unwrap(), Some(PATIENCE));
        assert!(tcp.keepalive().unwrap());
        assert_eq!(tcp.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
        assert_eq!(tcp.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(tcp.tcp_keepalive_retries().unwrap(), 3);
    }

    #[tokio::test]
    async fn whoever_comes_after_it_left_is_taken_up_by_the_next_on_the_same_listener() {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        first.set_nonblocking(true).unwrap();
        let listener = |tcp: std::net::TcpListener| TcpListener::from_std(tcp).unwrap();
        let second = listener(first.try_clone().unwrap());
        let (leave, left) = watch::channel(false);
        let mut entrance = Entrance::new(listener(first), PATIENCE).until(left);
        let address = entrance.local_addr().unwrap();
        let early = TcpStream::connect(address).await.unwrap();
        assert_eq!(entrance.accept().await.1, early.local_addr().unwrap());
        leave.send_replace(true);
        let late = TcpStream::connect(address).await.unwrap();
        let mut next = Entrance::new(second, PATIENCE);
        let came = tokio::select! {
            biased;
            came = entrance.accept() => panic!("{came:?}"),
            came = next.accept() => came,
        };
        assert_eq!(came.1, late.local_addr().unwrap());
    }

    #[tokio::test]
    async fn who_comes_to_watch_has_a_door_of_their_own_and_nothing_that_was_said_is_lost() {
        let Doors { mut others, mut watchers } = entrance().await.part().unwrap();
        let address = others.local_addr().unwrap();
        assert_eq!(watchers.local_addr().unwrap(), address);
        // One that says nothing holds up nobody.
        let _silent = TcpStream::connect(address).await.unwrap();
        for (words, watches) in [
            ("GET /api/v1/live HTTP/1.1\r\n", true),
            ("GET /api/v1/live.sse?zoom=4 HTTP/1.1\r\n", true),
            ("POST /api/v1/reports HTTP/1.1\r\n", false),
            ("GET /api/v1/list", false),
            ("GET /api", false),
            ("x", false),
        ] {
            let client = says(address, words.as_bytes()).await;
            let (mut tcp, peer) = if watches { watchers.accept().await } else { others.accept().await };
            assert_eq!(peer, client.local_addr().unwrap(), "{words}");
            let mut heard = vec![0; words.len()];
            tcp.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, words.as_bytes());
        }
    }

    #[tokio::test]
    async fn reports_pass_walls_that_nobody_lets_in() {
        let Doors { mut others, watchers } = entrance().await.part().unwrap();
        let address = others.local_addr().unwrap();
        let mut walls = Vec::new();
        for _ in 0..2 * WAITING_MAX {
            walls.push(says(address, b"GET /api/v1/live HTTP/1.1\r\n").await);
        }
        let reporter = says(address, b"POST /api/v1/reports HTTP/1.1\r\n").await;
        let (_, peer) = others.accept().await;
        assert_eq!(peer, reporter.local_addr().unwrap());
        drop(watchers);
    }

    #[tokio::test]
    async fn a_server_that_stops_lets_go_of_those_who_say_nothing() {
        let Doors { others, watchers } = entrance().await.part().unwrap();
        let address = others.local_addr().unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        // The one after it is sorted, so it was taken up.
        let mut others = others;
        let _client = says(address, b"GET / HTTP/1.1\r\n").await;
        others.accept().await;
        drop((others, watchers));
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
