//! A WebSocket client that folds what it hears.

use std::io::Read;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::fold::Client;
use super::wait::PATIENCE;

pub struct Socket {
    ws: WebSocketStream<TcpStream>,
    pub client: Client,
    pub hello: Value,
    /// Every text that came, one a line.
    pub seen: String,
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a close frame of this code.
    Code(u16),
    /// Without a word.
    Cut,
}

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct Dial<'a> {
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    /// Offer to inflate.
    pub deflate: bool,
    /// The kernel holds about this much for a client that does not read; 0 for its own choice.
    pub receive_bytes: u32,
    /// The client's own address, where it matters.
    pub source: Option<[u8; 4]>,
}

impl Dial<'_> {
    /// # Errors
    /// The status of a refused handshake; 0 where nobody listens, or the line was cut.
    pub async fn connect(&self, address: SocketAddr) -> Result<Socket, u16> {
        let tcp = TcpSocket::new_v4().expect("a socket");
        if self.receive_bytes > 0 {
            tcp.set_recv_buffer_size(self.receive_bytes).expect("a smaller buffer");
        }
        if let Some(source) = self.source {
            tcp.bind((source, 0).into()).expect("an address of this machine");
        }
        let tcp = tcp.connect(address).await.map_err(|_| 0_u16)?;
        tcp.set_nodelay(true).expect("a TCP socket");
        let url = format!("ws://{address}/api/v1/live{}", self.query);
        let mut request = url.into_client_request().expect("an address");
        let offer = if self.deflate { "pantau.v1, pantau.v1.deflate" } else { "pantau.v1" };
        let chosen = if self.deflate { "pantau.v1.deflate" } else { "pantau.v1" };
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(offer));
        for (name, value) in self.headers {
            let name = name.parse::<tokio_tungstenite::tungstenite::http::HeaderName>().expect("a header");
            headers.insert(name, value.parse().expect("a value"));
        }
        let ws = match tokio_tungstenite::client_async(request, tcp).await {
            Ok((ws, answer)) => {
                let protocol = answer.headers().get("sec-websocket-protocol");
                assert_eq!(protocol.and_then(|p| p.to_str().ok()), Some(chosen));
                ws
            }
            Err(Error::Http(answer)) => return Err(answer.status().as_u16()),
            Err(Error::Io(_) | Error::Protocol(_) | Error::ConnectionClosed) => return Err(0),
            Err(other) => panic!("{other}"),
        };
        let mut socket = Socket { ws, client: Client::default(), hello: Value::Null, seen: String::new() };
        socket.hello = socket.next().await.map_err(|_| 0_u16)?;
        assert_eq!(socket.hello["type"], "hello");
        Ok(socket)
    }
}

impl Socket {
    pub async fn connect(address: SocketAddr, query: &str) -> Socket {
        Dial { query, ..Dial::default() }.connect(address).await.expect("the handshake")
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.expect("the socket is open");
    }

    /// Sends whatever it is; `false` where the socket is closed by now.
    pub async fn try_send(&mut self, message: Message) -> bool {
        self.ws.send(message).await.is_ok()
    }

    /// Subscribes as `main`, or as the `id` in `ask`.
    pub async fn subscribe(&mut self, ask: Value) {
        let mut message = json!({"type": "subscribe", "id": "main"});
        for (key, value) in ask.as_object().expect("fields") {
            message[key] = value.clone();
        }
        self.send(&message).await;
    }

    /// The next message, folded in.
    ///
    /// # Errors
    /// How the socket ended.
    pub async fn next(&mut self) -> Result<Value, End> {
        loop {
            let message = timeout(PATIENCE, self.ws.next()).await.expect("waited too long for a message");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(self.take(&text)),
                Some(Ok(Message::Binary(bytes))) => {
                    let mut text = String::new();
                    flate2::read::DeflateDecoder::new(&bytes[..])
                        .read_to_string(&mut text)
                        .expect("raw DEFLATE");
                    return Ok(self.take(&text));
                }
                Some(Ok(Message::Close(Some(frame)))) => return Err(End::Code(frame.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return Err(End::Cut),
            }
        }
    }

    fn take(&mut self, text: &str) -> Value {
        self.seen += text;
        self.seen.push('\n');
        let message: Value = serde_json::from_str(text).expect("JSON");
        self.client.fold(&message);
        message
    }

    /// Reads on until what was folded satisfies `state`.
    pub async fn until(&mut self, what: &str, state: impl Fn(&Client) -> bool) {
        let reading = async {
            while !state(&self.client) {
                self.next().await.expect("the socket is open");
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("waited too long for {what}"));
    }

    /// Reads on until a message of this type; answers it.
    pub async fn until_type(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|end| panic!("{end:?} instead of {kind}"));
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads to the end; answers how it ended.
    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    /// Goes away without a word.
    pub fn cut(self) -> Client {
        Client { in_step: false, ..self.client }
    }
}
