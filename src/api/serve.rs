//! The router behind an entrance, until the server stops.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::serve::{Listener, ListenerExt};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::entrance::Doors;

/// Serves those who come to watch on the threads of the sockets, `ears`, and all others here.
///
/// # Errors
/// Where the listener fails.
pub async fn serve_behind(
    Doors { others, watchers }: Doors,
    router: Router,
    ears: Handle,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let watching = ears.spawn(serve_at(watchers, router.clone(), stopped.clone()));
    let served = serve_at(others, router, stopped).await;
    served.and(watching.await.map_err(io::Error::other)?)
}

/// Serves until told to stop, and then until the open requests have ended.
///
/// # Errors
/// Where the listener fails.
pub async fn serve_at<L>(entrance: L, router: Router, mut stopped: watch::Receiver<bool>) -> io::Result<()>
where
    L: Listener<Addr = SocketAddr>,
{
    let shutdown = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    // Tapped for nothing: so axum knows how to name the peer.
    let entrance = entrance.tap_io(|_| {});
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(entrance, service).with_graceful_shutdown(shutdown).await
}
