//! Serves at a listener that another server takes over: nobody who is there is sent away.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::entrance::Entrance;
use super::serve::serve_at;
use super::tls::{Tls, TlsEntrance};
use super::visit::OverTls;

/// What is asked of each request: changed under the lines that are open.
type Current = Arc<Mutex<Router>>;

/// Takes connections up until it hands over, and serves those until it is told to stop.
pub struct Reception {
    current: Current,
    leave: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

impl Reception {
    /// Must be called within a runtime. `patience`: how long a peer may be silent.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn open(
        listener: TcpListener,
        patience: Duration,
        tls: Option<Arc<Tls>>,
        router: Router,
    ) -> io::Result<Reception> {
        let current: Current = Arc::new(Mutex::new(router));
        let ((leave, left), (stop, stopped)) = (watch::channel(false), watch::channel(false));
        let asked = current.clone();
        let whoever = Router::new().fallback(move |request: Request| newest(&asked).oneshot(request));
        let entrance = Entrance::new(listener, patience).until(left);
        let serving = match tls {
            None => tokio::spawn(serve_at(entrance, whoever, stopped)),
            Some(tls) => {
                tokio::spawn(tls.clone().keep_fresh(stopped.clone()));
                let entrance = TlsEntrance::new(entrance, tls)?;
                tokio::spawn(serve_at(entrance, whoever.layer(Extension(OverTls)), stopped))
            }
        };
        Ok(Reception { current, leave, stop, serving })
    }

    /// Takes up no more connections: whoever has the listener does. What is asked on those that are open goes to
    /// `router` from now on, until `stopping` turns true; what was asked before ends where it was.
    pub fn hand_over(self, router: Router, mut stopping: watch::Receiver<bool>) {
        let Reception { current, leave, stop, serving } = self;
        *current.lock().unwrap_or_else(PoisonError::into_inner) = router;
        leave.send_replace(true);
        tokio::spawn(async move {
            let _ = stopping.wait_for(|stop| *stop).await;
            stop.send_replace(true);
            // Ends with the last of them.
            let _ = serving.await;
        });
    }

    /// Stops: what was asked is answered, within `patience`.
    pub async fn close(self, patience: Duration) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(patience, self.serving).await;
    }
}

fn newest(current: &Current) -> Router {
    current.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    async fn answer(line: &mut TcpStream) -> String {
        let mut text = String::new();
        while !text.contains("\r\n\r\n") || !text.ends_with('.') {
            let mut bytes = [0; 256];
            let n = line.read(&mut bytes).await.unwrap();
            assert!(n > 0, "it was cut after {text:?}");
            text += std::str::from_utf8(&bytes[..n]).unwrap();
        }
        text.rsplit("\r\n").next().unwrap().to_owned()
    }

    async fn ask(line: &mut TcpStream) -> String {
        line.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        answer(line).await
    }

    #[tokio::test]
    async fn lines_that_are_open_go_on_with_the_next_and_what_was_begun_ends_where_it_was() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let next = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (begun.clone(), go_on.clone());
        let slow = get(async move || {
            tell.notify_one();
            wait.notified().await;
            "first, slowly."
        });
        let first = Router::new().route("/", get("first.")).route("/slow", slow);
        let listener = TcpListener::from_std(listener).unwrap();
        let reception = Reception::open(listener, Duration::from_secs(30), None, first).unwrap();
        let (mut kept, mut slow) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        assert_eq!(ask(&mut kept).await, "first.");
        slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        begun.notified().await;

        let (stop, stopping) = watch::channel(false);
        let second = Router::new().route("/", get("second."));
        reception.hand_over(second.clone(), stopping.clone());
        let serving =
            tokio::spawn(serve_at(Entrance::new(next, Duration::from_secs(30)), second, stopping));
        assert_eq!(ask(&mut kept).await, "second.");
        go_on.notify_one();
        assert_eq!(answer(&mut slow).await, "first, slowly.");
        assert_eq!(ask(&mut slow).await, "second.");
        assert_eq!(ask(&mut TcpStream::connect(address).await.unwrap()).await, "second.");
        stop.send_replace(true);
        serving.await.unwrap().unwrap();
        assert_eq!(kept.read(&mut [0; 1]).await.unwrap(), 0, "and all are let go at the end");
    }
}
