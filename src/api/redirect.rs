//! Tells whoever comes over plain HTTP where the server is: one answer, then the line ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A request's head is not longer.
const HEAD_BYTES_MAX: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
const AT_ONCE_MAX: usize = 64;
static AT_ONCE: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// Answers everybody at `listener` that the server is at `port` with TLS; never ends.
pub async fn redirect_all(listener: TcpListener, port: u16) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(turn) = AT_ONCE.acquire().await else { return };
        tokio::spawn(async move {
            let _turn = turn;
            answer(tcp, Some(port)).await;
        });
    }
}

/// Reads one request and answers it. `port`: where TLS is; `None`: where the request came.
pub(super) async fn answer(mut tcp: TcpStream, port: Option<u16>) {
    let Ok(Some(head)) = timeout(PATIENCE, head(&mut tcp)).await else { return };
    let response = response(&head, port);
    let _ = timeout(PATIENCE, async {
        tcp.write_all(response.as_bytes()).await?;
        tcp.shutdown().await
    })
    .await;
}

async fn head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX || tcp.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// Only what can be asked again unchanged is sent on: a secret that came this way has been read already.
fn response(head: &str, port: Option<u16>) -> String {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    };
    let host = lines.find_map(named).filter(|host| is_host(host));
    match host {
        Some(host) if matches!(method, "GET" | "HEAD") && path.starts_with('/') => {
            let location = format!("https://{}{path}", with_port(&host, port));
            format!(
                "HTTP/1.1 308 Permanent Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        _ => {
            let body = "{\"type\":\"/problems/needs-tls\",\"title\":\"A secure line is needed\",\"status\":403,\
                \"detail\":\"this server speaks https; send it there\"}";
            format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn with_port(host: &str, port: Option<u16>) -> String {
    let Some(port) = port else { return host.to_owned() };
    // The colons of an IPv6 address stand within brackets.
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let name = host[end..].rfind(':').map_or(host, |colon| &host[..end + colon]);
    if port == 443 { name.to_owned() } else { format!("{name}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_is_sent_on_and_whoever_sends_is_told() {
        let location = |head: &str, port| {
            let response = response(head, port);
            response.lines().find_map(|line| line.strip_prefix("Location: ").map(str::to_owned))
        };
        let get = "GET /wall?lang=en HTTP/1.1\r\nHost: peta.example:8080\r\n\r\n";
        assert_eq!(location(get, None).unwrap(), "https://peta.example:8080/wall?lang=en");
        assert_eq!(location(get, Some(443)).unwrap(), "https://peta.example/wall?lang=en");
        assert_eq!(location(get, Some(8443)).unwrap(), "https://peta.example:8443/wall?lang=en");
        let v6 = "HEAD / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n";
        assert_eq!(location(v6, Some(443)).unwrap(), "https://[::1]/");
        for head in [
            "POST /api/v1/session HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: evil.example/@\r\n\r\n",
            "GET https://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            assert_eq!(location(head, None), None, "{head}");
            assert!(response(head, None).starts_with("HTTP/1.1 403"));
        }
    }
}
