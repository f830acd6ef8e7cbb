//! A small OpenID provider on 127.0.0.1: discovery, keys, authorize, token. It signs by itself (ES256), not with the
//! library that checks, and holds what it is sent against the standard; what it sends can be made wrong.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use crate::clock::{Clock, ManualClock};

pub const CLIENT: &str = "pantau";
pub const SECRET: &str = "rahasia provinsi";

/// What is wrong with the ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    Nonce,
    NoNonce,
    Audience,
    SecondAudience,
    Issuer,
    Expired,
    Ahead,
    /// Signed with a key that is not among those that it shows.
    Key,
    /// `alg: none`.
    Unsigned,
    /// Signed with the client's secret.
    Shared,
    /// Changed after it was signed.
    Changed,
    NoToken,
}

struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
}

pub struct Pretend {
    pub wrong: Wrong,
    pub subject: String,
    pub claims: Value,
    issuer: String,
    clock: Arc<ManualClock>,
    key: KeyPair,
    key_id: u32,
    codes: HashMap<String, Asked>,
    n_codes: u32,
    /// How often somebody asked for its keys.
    pub n_looks: u32,
}

pub struct Province {
    pub address: SocketAddr,
    pub state: Arc<Mutex<Pretend>>,
    /// Of its own: with it all lines to it end.
    runtime: Mutex<Option<Runtime>>,
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

impl Province {
    pub fn start(clock: Arc<ManualClock>) -> Province {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(Pretend {
            wrong: Wrong::Nothing,
            subject: "f7a1".to_owned(),
            claims: json!({"preferred_username": "ani", "name": "Ani Wijaya", "groups": ["staf", "dinas-lh"]}),
            issuer: format!("http://{address}"),
            clock,
            key: new_key(),
            key_id: 1,
            codes: HashMap::new(),
            n_codes: 0,
            n_looks: 0,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(state.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Province { address, state, runtime: Mutex::new(Some(runtime)) }
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nobody listens there.
    pub async fn stop(&self) {
        let runtime = self.runtime.lock().unwrap().take().unwrap();
        let stopped = tokio::task::spawn_blocking(|| runtime.shutdown_timeout(Duration::from_secs(10)));
        stopped.await.unwrap();
    }
}

impl Drop for Province {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().unwrap().take() {
            // Within another runtime nobody may wait for it.
            runtime.shutdown_background();
        }
    }
}

impl Pretend {
    /// It signs with another key from now on.
    pub fn change_key(&mut self) {
        self.key = new_key();
        self.key_id += 1;
    }

    fn id_token(&self, nonce: &str) -> String {
        let now_s = self.clock.now().0 / 1_000;
        let mut claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT, "exp": now_s + 300, "iat": now_s, "nonce": nonce,
        });
        for (key, value) in self.claims.as_object().unwrap() {
            claims[key] = value.clone();
        }
        match self.wrong {
            Wrong::Nonce => claims["nonce"] = "another".into(),
            Wrong::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Wrong::Audience => claims["aud"] = "another".into(),
            Wrong::SecondAudience => claims["aud"] = json!([CLIENT, "another"]),
            Wrong::Issuer => claims["iss"] = "https://another.example".into(),
            Wrong::Expired => claims["exp"] = (now_s - 120).into(),
            Wrong::Ahead => claims["iat"] = (now_s + 3_600).into(),
            _ => {}
        }
        let alg = match self.wrong {
            Wrong::Unsigned => "none",
            Wrong::Shared => "HS256",
            _ => "ES256",
        };
        let head = json!({"alg": alg, "typ": "JWT", "kid": self.key_id.to_string()});
        let signed = format!("{}.{}", base64(head.to_string()), base64(claims.to_string()));
        let signature = match self.wrong {
            Wrong::Unsigned => Vec::new(),
            Wrong::Shared => {
                use hmac::{Hmac, KeyInit, Mac};
                let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
            Wrong::Key => raw_signature(&new_key().sign(signed.as_bytes()).unwrap()),
            _ => raw_signature(&self.key.sign(signed.as_bytes()).unwrap()),
        };
        match self.wrong {
            Wrong::Changed => {
                claims["groups"] = json!(["pantau-admin"]);
                format!("{}.{}.{}", base64(head.to_string()), base64(claims.to_string()), base64(signature))
            }
            _ => format!("{signed}.{}", base64(signature)),
        }
    }
}

type Shared = State<Arc<Mutex<Pretend>>>;

async fn discovery(State(state): Shared) -> Json<Value> {
    let issuer = state.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    }))
}

async fn keys(State(state): Shared) -> Json<Value> {
    let mut state = state.lock().unwrap();
    state.n_looks += 1;
    // An uncompressed point: 4, x, y.
    let point = state.key.public_key_raw();
    let (x, y) = (base64(&point[1..33]), base64(&point[33..]));
    Json(json!({"keys": [
        {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": state.key_id.to_string(), "x": x, "y": y}
    ]}))
}

fn fields(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// Whoever comes is signed in at once.
async fn authorize(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    let asked = fields(query.unwrap().as_bytes());
    assert_eq!((&*asked["response_type"], &*asked["client_id"]), ("code", CLIENT));
    assert_eq!(asked["code_challenge_method"], "S256");
    let scopes: Vec<&str> = asked["scope"].split(' ').collect();
    assert!(scopes.contains(&"openid") && scopes.contains(&"profile"), "{scopes:?}");
    let mut state = state.lock().unwrap();
    state.n_codes += 1;
    let code = format!("code-{}", state.n_codes);
    let redirect = asked["redirect_uri"].clone();
    let back = format!("{redirect}?session_state=x&code={code}&state={}", asked["state"]);
    let (nonce, challenge) = (asked["nonce"].clone(), asked["code_challenge"].clone());
    state.codes.insert(code, Asked { nonce, challenge, redirect });
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

async fn token(State(state): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let asked = fields(&body);
    let mut state = state.lock().unwrap();
    let refuse = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    // RFC 6749, 2.3.1: both are encoded before they are joined.
    let secret: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", base64_padded(format!("{CLIENT}:{secret}")));
    if headers[header::AUTHORIZATION] != *basic {
        return refuse("invalid_client");
    }
    // Each is good once.
    let Some(begun) = state.codes.remove(&asked["code"]) else { return refuse("invalid_grant") };
    let challenge = base64(Sha256::digest(&asked["code_verifier"]));
    if asked["grant_type"] != "authorization_code"
        || asked["redirect_uri"] != begun.redirect
        || challenge != begun.challenge
    {
        return refuse("invalid_grant");
    }
    let mut answer = json!({"access_token": "x", "token_type": "Bearer", "expires_in": 300});
    if state.wrong != Wrong::NoToken {
        answer["id_token"] = state.id_token(&begun.nonce).into();
    }
    Json(answer).into_response()
}

fn encoded(bytes: &[u8], last: [char; 2]) -> String {
    let sign = |value: u8| match value {
        0..26 => char::from(b'A' + value),
        26..52 => char::from(b'a' + value - 26),
        52..62 => char::from(b'0' + value - 52),
        62 => last[0],
        _ => last[1],
    };
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let block = three.iter().fold(0_u32, |block, byte| block << 8 | u32::from(*byte));
        let block = block << (8 * (3 - three.len()));
        text.extend((0..=three.len()).map(|i| sign((block >> (18 - 6 * i) & 63) as u8)));
    }
    text
}

/// As tokens have it (RFC 7515): without padding.
fn base64(bytes: impl AsRef<[u8]>) -> String {
    encoded(bytes.as_ref(), ['-', '_'])
}

fn base64_padded(bytes: impl AsRef<[u8]>) -> String {
    let mut text = encoded(bytes.as_ref(), ['+', '/']);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// `r` and `s` of 32 bytes each (RFC 7518, 3.4), out of a DER sequence of two integers.
fn raw_signature(der: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let length = usize::from(der[at + 1]);
        let digits = &der[at + 2..at + 2 + length];
        let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        let mut padded = vec![0; 32 - digits.len()];
        padded.extend(digits);
        (padded, at + 2 + length)
    };
    let (r, at) = number(2);
    let (s, _) = number(at);
    [r, s].concat()
}
