//! A server of answers for tests of the commands: it says what the test wants and keeps what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::Client;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// For instance `POST /api/v1/reports`.
    pub what: String,
    pub key: Option<String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub struct Stub {
    pub client: Client,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Stub {
    /// `answer` is given each request and how many came before it.
    pub fn start(answer: impl Fn(&Asked, usize) -> (u16, Value) + Send + Sync + 'static) -> Stub {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let keep = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
            let request = Asked { what: format!("{method} {uri}"), key, body: body.to_vec() };
            let mut asked = keep.lock().unwrap();
            let (status, value) = answer(&request, asked.len());
            asked.push(request);
            async move { (StatusCode::from_u16(status).unwrap(), value.to_string()) }
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(handler);
        runtime.spawn(async move { axum::serve(listener, app).await });
        Stub { client: Client::new(&url).unwrap(), asked, _runtime: runtime }
    }

    /// Everything asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests whose first line begins like this.
    pub fn asked_for(&self, what: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.what.starts_with(what)).collect()
    }
}

/// What a server says about a city with these categories.
pub fn city(mode: &str) -> Value {
    let keys = ["garbage", "traffic", "water", "infrastructure", "accident", "disaster", "social"];
    let list = |keys: &[&str]| keys.iter().map(|key| json!({"key": key})).collect::<Vec<_>>();
    json!({"key": "blank", "centre": [127.38, 0.79], "mode": mode, "categories": list(&keys), "agencies": list(&["dlh", "bpbd"])})
}

pub fn problem(status: u16, detail: &str) -> (u16, Value) {
    (status, json!({"type": "about:blank", "title": "no", "status": status, "detail": detail}))
}
