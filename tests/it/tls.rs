//! TLS of the server's own: pages, sign-in and sockets over it, a certificate that changes, and what
//! whoever comes without it is told.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pantau::access::Role;
use pantau::api::TlsFiles;
use pantau::config::TlsSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::http::{report, with};
use crate::support::app::{PATIENCE, Setup, TestApp, patient, wait_for};

/// Less than what a peer that is silent has.
const KNOCKING: Duration = Duration::from_secs(9);

/// Makes or renews a certificate; answers where it is.
fn certificate(folder: &Path) -> TlsFiles {
    let made = Command::new(env!("CARGO_BIN_EXE_pantau"))
        .args(["cert", "--name", "localhost,127.0.0.1", "--out", "tls"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    TlsFiles { cert: folder.join("tls/server.pem"), key: folder.join("tls/server-key.pem") }
}

/// A client that trusts the authority, as a browser does after its page was followed.
fn connector(folder: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = folder.join("tls/trust/pantau-authority.crt");
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn dial(folder: &Path, address: SocketAddr) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector(folder).connect(name, tcp).await.expect("the certificate is trusted")
}

async fn ask(folder: &Path, app: &TestApp, head: &str, headers: &str) -> String {
    let mut line = dial(folder, app.address).await;
    let host = format!("localhost:{}", app.address.port());
    line.write_all(format!("{head} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server ends the line, with or without TLS's goodbye.
    let _ = timeout(PATIENCE, line.read_to_end(&mut answer)).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn plain(address: SocketAddr, request: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("an answer");
    answer
}

async fn start(folder: &Path) -> TestApp {
    let tls = TlsSettings { files: certificate(folder), redirect: None };
    Setup { trust_loopback: false, tls: Some(tls), pulse: patient(), ..Setup::default() }.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_tokens_go_over_tls_and_plain_http_is_sent_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let app = start(folder).await;
    let token = app.token(Role::Operator, "", "");
    // By another name than this machine's own: over TLS that is private all the same.
    let bearer = format!("Authorization: Bearer {token}\r\nX-Forwarded-For: 192.0.2.1\r\n");
    let answer = ask(folder, &app, "GET /api/v1/session", &bearer).await;
    assert!(answer.contains("200 OK") && answer.contains("\"operator\""), "{answer}");

    let port = app.address.port();
    let sent_on =
        plain(app.address, &format!("GET /wall?lang=en HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).await;
    assert!(
        sent_on.contains("308")
            && sent_on.contains(&format!("Location: https://localhost:{port}/wall?lang=en")),
        "{sent_on}"
    );
    let refused =
        plain(app.address, &format!("POST /api/v1/session HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"))
            .await;
    assert!(refused.contains("403") && refused.contains("needs-tls"), "{refused}");
    // Who only knocks holds nobody up, however many they are; nor who begins and says no more.
    let mut knocking = Vec::new();
    for i in 0..200 {
        let mut tcp = TcpStream::connect(app.address).await.unwrap();
        if i % 4 == 0 {
            tcp.write_all(&[0x16]).await.unwrap();
        }
        knocking.push(tcp);
    }
    let answer =
        timeout(KNOCKING, ask(folder, &app, "GET /healthz", "")).await.expect("before any gave up");
    assert!(answer.contains("200 OK"), "{answer}");
    drop(knocking);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_over_tls_gets_every_change_also_when_it_reads_late() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let app = start(folder).await;
    let token = app.token(Role::Operator, "", "");
    let mut request =
        format!("wss://localhost:{}/api/v1/live", app.address.port()).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers.insert("origin", format!("https://localhost:{}", app.address.port()).parse().unwrap());
    let (mut socket, _) =
        tokio_tungstenite::client_async(request, dial(folder, app.address).await).await.unwrap();
    let mut client = crate::support::fold::Client::default();
    let subscribe = json!({"type": "subscribe", "id": "main", "bbox": [-180, -90, 180, 90], "zoom": 20,
        "layers": ["incidents", "hotspots", "stats"]});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    // More than the kernel holds for a client that does not read, in the end.
    for i in 0..400 {
        let place =
            json!({"lng": 127.35 + f64::from(i % 20) / 400.0, "lat": 0.76 + f64::from(i / 20) / 400.0});
        app.report(&with(report("garbage"), place)).await;
    }
    let target = app.live().seq().0;
    let reading = async {
        while client.seq < target {
            let message = socket.next().await.expect("the socket is open").expect("a message");
            if let Message::Text(text) = message {
                client.fold(&serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("all changes");
    let fresh = app.get("/api/v1/clusters?bbox=-180,-90,180,90&zoom=20").bearing(&token).send().await.ok();
    let features = fresh["features"].as_array().unwrap();
    assert!(features.len() > 300, "{}", features.len());
    let held: Vec<&Value> = client.held.features.values().collect();
    assert_eq!(held.len(), features.len());
    for feature in features {
        assert!(held.contains(&feature), "{feature}");
    }
    drop(socket);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_changes_is_taken_up_and_one_that_is_broken_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let app = start(folder).await;
    let shown = async || {
        let line = dial(folder, app.address).await;
        line.get_ref().1.peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    let first = shown().await;
    std::fs::write(folder.join("tls/server.pem"), "no certificate").unwrap();
    let files = certificate(folder);
    let on_disk = CertificateDer::from_pem_file(&files.cert).unwrap().as_ref().to_vec();
    assert_ne!(first, on_disk);
    wait_for("the new certificate", async || (shown().await == on_disk).then_some(())).await;
    std::fs::write(&files.cert, "no certificate").unwrap();
    assert_eq!(shown().await, on_disk);
    app.stop().await;
}
