//! One small client for Pantau's own API: keep-alive, time limits, problems shown as sentences.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::time::{Stop, Stopwatch};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// City answers hold polygons; nothing that is asked for here is larger.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a command goes on trying while the server is away.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0:?} is not an address like http://127.0.0.1:8080")]
    Url(String),
    #[error("no answer from {base} ({why}); is the server running?")]
    Unreachable { base: String, why: String },
    /// The server answered with a problem; its words.
    #[error("{sentence} ({status})")]
    Problem { status: u16, sentence: String, retry_after: Option<Duration> },
    #[error("{base} answered something that is not Pantau's")]
    NotOurs { base: String },
}

impl HttpError {
    pub fn status(&self) -> Option<u16> {
        match self {
            HttpError::Problem { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may be answered well a moment later.
    fn is_passing(&self) -> bool {
        match self {
            HttpError::Unreachable { .. } => true,
            HttpError::Problem { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            HttpError::Url(_) | HttpError::NotOurs { .. } => false,
        }
    }
}

/// A server by its address. Cheap to clone; connections are kept and shared.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    /// Sent with every question, where `PANTAU_TOKEN` holds one.
    authorization: Option<String>,
}

impl Client {
    /// # Errors
    /// Where `url` is not an `http` or `https` address.
    pub fn new(url: &str) -> Result<Client, HttpError> {
        let base = url.trim().trim_end_matches('/');
        let wrong = || HttpError::Url(url.to_owned());
        let uri: ureq::http::Uri = base.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .user_agent(concat!("pantau/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment is for the world outside, never for this machine.
        if host == "localhost" || host.starts_with("127.") || host == "[::1]" {
            config = config.proxy(None);
        }
        let token = std::env::var("PANTAU_TOKEN").ok().filter(|token| !token.trim().is_empty());
        let authorization = token.map(|token| format!("Bearer {}", token.trim()));
        Ok(Client { agent: config.build().into(), base: base.to_owned(), authorization })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str) -> Result<Value, HttpError> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        self.read(request.call())
    }

    /// Posts JSON. With a `key`, sending it again does no harm.
    pub fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, HttpError> {
        self.post_bytes(path, "application/json", body.to_string().as_bytes(), key)
    }

    pub fn post_bytes(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
        key: Option<&str>,
    ) -> Result<Value, HttpError> {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("content-type", content_type);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        self.read(request.send(body))
    }

    fn read(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, HttpError> {
        let unreachable =
            |e: ureq::Error| HttpError::Unreachable { base: self.base.clone(), why: e.to_string() };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body =
            answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        let json = serde_json::from_slice::<Value>(&body);
        if status >= 400 {
            let sentence = sentence_of(&json.unwrap_or_default());
            return Err(HttpError::Problem { status, sentence, retry_after });
        }
        json.map_err(|_| HttpError::NotOurs { base: self.base.clone() })
    }
}

/// Detail and faults of RFC 9457, as one sentence.
fn sentence_of(problem: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut sentence = text(&problem["detail"])
        .or_else(|| text(&problem["title"]))
        .unwrap_or_else(|| "the server refused without a reason".to_owned());
    for fault in problem["errors"].as_array().into_iter().flatten().take(5) {
        let (pointer, detail) = (text(&fault["pointer"]), text(&fault["detail"]));
        sentence.push_str(&format!("; {} {}", pointer.unwrap_or_default(), detail.unwrap_or_default()));
    }
    sentence
}

/// Tries until it works, the server refuses for good, the user stops it, or two minutes are over.
/// `tell` gets one sentence when the waiting begins and one when it ends.
pub fn patiently<T>(
    stop: &Stop,
    tell: &mut dyn FnMut(&str),
    mut attempt: impl FnMut() -> Result<T, HttpError>,
) -> Result<T, HttpError> {
    let (mut waiting, mut pause) = (None, PAUSE_MIN);
    loop {
        let error = match attempt() {
            Ok(value) => {
                if waiting.is_some() {
                    tell("the server answers again");
                }
                return Ok(value);
            }
            Err(error) => error,
        };
        let since = waiting.get_or_insert_with(|| {
            if error.is_passing() {
                tell(&format!("{error}; trying again for {} s", PATIENCE.as_secs()));
            }
            Stopwatch::start()
        });
        if !error.is_passing() || since.elapsed() >= PATIENCE {
            return Err(error);
        }
        let asked = match &error {
            HttpError::Problem { retry_after, .. } => retry_after.map(|pause| pause.min(PATIENCE)),
            _ => None,
        };
        if stop.wait(asked.unwrap_or(pause)) {
            return Err(error);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one() {
        for url in ["http://127.0.0.1:8080", "https://peta.example.org/", " http://localhost "] {
            assert!(Client::new(url).is_ok(), "{url}");
        }
        for url in ["", "127.0.0.1:8080", "ftp://a", "http://", "http:/x", "/x"] {
            assert!(Client::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_problem_is_told_as_a_sentence() {
        let problem = serde_json::json!({"title": "T", "detail": "two fields are wrong",
            "errors": [{"pointer": "/lng", "detail": "is missing"}, {"pointer": "/lat", "detail": "is missing"}]});
        assert_eq!(sentence_of(&problem), "two fields are wrong; /lng is missing; /lat is missing");
        assert_eq!(sentence_of(&Value::Null), "the server refused without a reason");
    }

    #[test]
    fn trying_again_ends_where_the_server_refuses_for_good() {
        let problem = |status| HttpError::Problem {
            status,
            sentence: "no".into(),
            retry_after: Some(Duration::ZERO),
        };
        let (mut tries, mut told) = (0, Vec::new());
        let answer = patiently(&Stop::default(), &mut |text| told.push(text.to_owned()), || {
            tries += 1;
            if tries < 3 { Err(problem(503)) } else { Ok(7) }
        });
        assert_eq!((answer.ok(), tries, told.len()), (Some(7), 3, 2));
        let refused: Result<(), _> = patiently(&Stop::default(), &mut |_| {}, || Err(problem(403)));
        assert_eq!(refused.unwrap_err().status(), Some(403));
        let stopped = Stop::default();
        stopped.set();
        assert!(patiently::<()>(&stopped, &mut |_| {}, || Err(problem(503))).is_err());
    }
}
