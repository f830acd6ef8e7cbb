//! The opening handshake of RFC 6455.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::derive_accept_key;

use super::{PROTOCOL, PROTOCOL_DEFLATE};
use crate::api::problem::Problem;

/// A handshake that can be answered.
pub(super) struct Handshake {
    accept_key: String,
    protocol: Option<&'static str>,
}

impl Handshake {
    /// Takes the connection out of the request.
    ///
    /// # Errors
    /// The request is no handshake, or its connection cannot become a socket.
    pub fn of(parts: &mut Parts) -> Result<(Handshake, OnUpgrade), Problem> {
        let headers = &parts.headers;
        let is_handshake = parts.method == Method::GET
            && parts.version >= Version::HTTP_11
            && tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
            && tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
            && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_handshake);
        let connection = parts.extensions.remove::<OnUpgrade>();
        let (Some(key), Some(connection)) = (key, connection) else {
            return Err(Problem::of_status(StatusCode::UPGRADE_REQUIRED));
        };
        let offers = |protocol: &&str| {
            tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == *protocol)
        };
        let protocol = [PROTOCOL_DEFLATE, PROTOCOL].into_iter().find(offers);
        Ok((Handshake { accept_key: derive_accept_key(key.as_bytes()), protocol }, connection))
    }

    /// Whether long messages go out deflated.
    pub fn deflates(&self) -> bool {
        self.protocol == Some(PROTOCOL_DEFLATE)
    }

    pub fn answer(&self) -> Response {
        let mut response = (
            StatusCode::SWITCHING_PROTOCOLS,
            [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")],
            Body::empty(),
        )
            .into_response();
        let headers = response.headers_mut();
        // Base64 is a header's value.
        if let Ok(key) = HeaderValue::from_str(&self.accept_key) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        }
        if let Some(protocol) = self.protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        response
    }
}

/// The tokens of a list, perhaps over several headers.
fn tokens<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}
