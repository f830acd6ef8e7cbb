//! TLS before the router: handshakes beside each other, a certificate that may change while the server
//! runs, and a way to https for whoever comes without.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::entrance::Entrance;
use super::redirect;

/// Handshakes at once: each takes a core for a millisecond or two, once its peer has spoken.
const HANDSHAKES_MAX: usize = 64;
/// The turn of a handshake ends after this: what is left of it waits for the peer, and takes no core.
const TURN_MAX: Duration = Duration::from_secs(1);
/// A peer that is silent for longer wants nothing; a handshake that takes longer is none.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether the certificate's files changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What the first byte of a TLS handshake is.
const HANDSHAKE: u8 = 0x16;

/// Where certificate and key are, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What handshakes go by: changed for those that come after.
pub struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// # Errors
    /// Names the file that is wrong, and what it must hold.
    pub fn load(files: &TlsFiles) -> anyhow::Result<Arc<Tls>> {
        let config = ArcSwap::new(read(files)?);
        Ok(Arc::new(Tls { files: files.clone(), config }))
    }

    /// Takes a new certificate up when its files change, until `stopping` turns true. One that cannot be
    /// used is said, and the one before goes on.
    pub async fn keep_fresh(self: Arc<Tls>, mut stopping: watch::Receiver<bool>) {
        let mut seen = changed_at(&self.files);
        while timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_err() {
            let now = changed_at(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.files) {
                Ok(config) => {
                    self.config.store(config);
                    tracing::info!("the certificate changed and is in use");
                }
                Err(e) => tracing::warn!("the new certificate cannot be used, the old one goes on: {e:#}"),
            }
        }
    }
}

fn changed_at(files: &TlsFiles) -> [Option<(SystemTime, u64)>; 2] {
    [&files.cert, &files.key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let in_file = |what: &str, file: &Path| {
        format!(
            "{what} {} cannot be used; it holds PEM, as pantau cert and certbot write it",
            file.display()
        )
    };
    let certs = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| in_file("the certificate (--tls-cert)", &files.cert))?;
    anyhow::ensure!(!certs.is_empty(), in_file("the certificate (--tls-cert)", &files.cert));
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| in_file("the key (--tls-key)", &files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = builder.with_no_client_auth().with_single_cert(certs, key);
    let mut config =
        config.context("certificate (--tls-cert) and key (--tls-key) do not fit each other")?;
    // Sockets need it, and one line a page is enough.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes up connections and has each shake hands, without one holding up another.
pub struct TlsEntrance {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsEntrance {
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn new(entrance: Entrance, tls: Arc<Tls>) -> io::Result<TlsEntrance> {
        let address = Listener::local_addr(&entrance)?;
        let (tell, ready) = mpsc::channel(HANDSHAKES_MAX);
        tokio::spawn(take_up(entrance, tls, tell));
        Ok(TlsEntrance { address, ready })
    }
}

impl Listener for TlsEntrance {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The task that takes up ends only with this.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn take_up(
    mut entrance: Entrance,
    tls: Arc<Tls>,
    tell: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let turns = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let (tcp, peer) = tokio::select! {
            accepted = entrance.accept() => accepted,
            () = tell.closed() => return,
        };
        let (tls, turns, tell) = (tls.clone(), turns.clone(), tell.clone());
        // Not before it has its turn: whoever connects and says nothing must keep nobody out.
        tokio::spawn(async move {
            if let Some(stream) = shake_hands(tcp, &tls, &turns).await {
                let _ = tell.send((stream, peer)).await;
            }
        });
    }
}

/// `None` for whoever says nothing, for whoever speaks plain HTTP, and was told where to go, and for whoever fails.
async fn shake_hands(tcp: TcpStream, tls: &Tls, turns: &Semaphore) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    let spoke = timeout(HANDSHAKE_TIMEOUT, tcp.peek(&mut first)).await.ok()?.ok()?;
    if spoke == 1 && first[0] != HANDSHAKE {
        redirect::answer(tcp, None).await;
        return None;
    }
    let turn = turns.acquire().await.ok()?;
    let mut shaking = std::pin::pin!(TlsAcceptor::from(tls.config.load_full()).accept(tcp));
    let shaken = match timeout(TURN_MAX, &mut shaking).await {
        Ok(shaken) => shaken,
        Err(_) => {
            drop(turn);
            timeout(HANDSHAKE_TIMEOUT, shaking).await.ok()?
        }
    };
    shaken.map_err(|e| tracing::debug!(error = %e, "a TLS handshake failed")).ok()
}
