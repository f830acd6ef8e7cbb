//! The origin as an edge sees it: over HTTP, with time limits that a cut line does not outlast.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use ureq::Agent;
use ureq::http::Response;

use super::settings::EdgeToken;
use crate::model::Seq;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// An answer begins within this time, beside what was asked to wait, and never pauses for longer: a line
/// may be as slow as it likes, but not silent.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// A snapshot is made before it begins: a second for a million incidents.
const SNAPSHOT_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The origin answers when a report is durable; a disk may take its time.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(20);
const NEWS_BYTES_MAX: u64 = 64 << 20;
const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;
/// Larger answers are not passed on.
const FORWARD_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Nothing was answered; what was sent may have arrived all the same.
    #[error("{0}")]
    Away(String),
    #[error("the origin answered {status}: {sentence}")]
    Refused { status: u16, sentence: String },
}

/// Cheap to clone; connections are kept and shared.
#[derive(Clone)]
pub struct Origin {
    agent: Agent,
    base: String,
    bearer: Option<String>,
}

/// What the origin answered to something that was passed on.
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Origin {
    /// `base` is checked: `http://` or `https://` and a host.
    pub fn new(base: &str, token: Option<&EdgeToken>) -> Origin {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("pantau-edge/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment is for the world outside.
        if is_near(base) {
            config = config.proxy(None);
        }
        let bearer = token.map(EdgeToken::bearer);
        Origin { agent: config.build().into(), base: base.to_owned(), bearer }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// [`super::NodeSnapshot`], encoded. Blocks, for minutes where the line is slow.
    ///
    /// # Errors
    /// Where nothing whole came.
    pub fn snapshot(&self) -> Result<Vec<u8>, OriginError> {
        self.get("/api/v1/nodes/snapshot", SNAPSHOT_SILENCE_MAX, SNAPSHOT_BYTES_MAX)
    }

    /// [`super::News`] of entries after `after`, as JSON; waits up to `wait` for the first. Blocks.
    ///
    /// # Errors
    /// Where nothing whole came.
    pub fn news(&self, after: Seq, limit: usize, wait: Duration) -> Result<Vec<u8>, OriginError> {
        let wait_ms = wait.as_millis();
        let path = format!("/api/v1/nodes/entries?after={after}&limit={limit}&wait_ms={wait_ms}");
        self.get(&path, wait + SILENCE_MAX, NEWS_BYTES_MAX)
    }

    fn get(&self, path: &str, silence_max: Duration, bytes_max: u64) -> Result<Vec<u8>, OriginError> {
        let mut request = self.agent.get(format!("{}{path}", self.base)).header("accept-encoding", "gzip");
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let config = request.config();
        let config = config.timeout_recv_response(Some(silence_max)).timeout_per_read(Some(silence_max));
        let mut answer = config.build().call().map_err(|e| self.away(&e))?;
        let status = answer.status().as_u16();
        let body = body_of(&mut answer, bytes_max).map_err(|e| self.away(&e))?;
        if status == 200 {
            return Ok(body);
        }
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let sentence = problem["detail"].as_str().unwrap_or("without a reason").to_owned();
        Err(OriginError::Refused { status, sentence })
    }

    /// Passes a request on, under the asker's headers and none of this node's. Blocks.
    ///
    /// # Errors
    /// Where nothing whole came back.
    pub fn forward(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &[(String, Vec<u8>)],
        body: Vec<u8>,
    ) -> Result<Answer, OriginError> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path_and_query}", self.base));
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        let request = request.body(body).map_err(|e| OriginError::Away(e.to_string()))?;
        let config = self.agent.configure_request(request);
        let request = config
            .timeout_recv_response(Some(FORWARD_TIMEOUT))
            .timeout_recv_body(Some(FORWARD_TIMEOUT))
            .build();
        let mut answer = self.agent.run(request).map_err(|e| self.away(&e))?;
        let body = answer.body_mut().with_config().limit(FORWARD_BYTES_MAX).read_to_vec();
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: body.map_err(|e| self.away(&e))?,
        })
    }

    fn away(&self, why: &dyn std::fmt::Display) -> OriginError {
        OriginError::Away(format!("no answer from {} ({why})", self.base))
    }
}

fn body_of(answer: &mut Response<ureq::Body>, bytes_max: u64) -> Result<Vec<u8>, String> {
    let coded = answer.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
    let body = answer.body_mut().with_config().limit(bytes_max).read_to_vec();
    let body = body.map_err(|e| e.to_string())?;
    if !coded {
        return Ok(body);
    }
    let mut plain = Vec::new();
    GzDecoder::new(&body[..]).take(bytes_max).read_to_end(&mut plain).map_err(|e| e.to_string())?;
    Ok(plain)
}

/// On this machine or in its own network.
fn is_near(base: &str) -> bool {
    let uri: Option<ureq::http::Uri> = base.parse().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost"
        || address.is_some_and(|address| match address {
            std::net::IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
        })
}
