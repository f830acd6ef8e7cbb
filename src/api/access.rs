//! Who is asking, and what they may see and do (design: "Who may see what").

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};

use super::app::AppState;
use super::problem::Problem;
use crate::model::Projection;

/// What the asker may see. Until there is sign-in, staff is who is trusted on the loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub projection: Projection,
}

/// Staff, or the request is refused: before id and body are looked at.
#[derive(Debug, Clone)]
pub struct Staff {
    /// Who acts, as the journal shall remember it.
    pub actor: String,
}

impl FromRequestParts<AppState> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Access, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(Problem::unauthorized(
                "this token is not known here; send none to see what is public",
            ));
        }
        let trusted = app.trust_loopback && is_trusted_loopback(parts);
        let projection = match wanted_projection(&parts.uri) {
            None if trusted => Projection::Staff,
            None => Projection::Public,
            Some(wanted) if wanted == "public" => Projection::Public,
            Some(_) => {
                return Err(Problem::bad_request(
                    "projection",
                    "projection can only be lowered, to \"public\"",
                ));
            }
        };
        Ok(Access { projection })
    }
}

impl FromRequestParts<AppState> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Staff, Problem> {
        match Access::from_request_parts(parts, app).await?.projection {
            Projection::Staff => Ok(Staff { actor: "loopback".to_owned() }),
            Projection::Public => Err(Problem::unauthorized("only staff may do this; sign in first")),
        }
    }
}

/// Another node of the center: it names the token, or comes from this machine where that is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Peer;

impl FromRequestParts<AppState> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Peer, Problem> {
        let named = parts.headers.get(header::AUTHORIZATION);
        let known = match (named, app.edge_token()) {
            (Some(named), Some(token)) => token.is_named_by(named.as_bytes()),
            (Some(_), None) => false,
            (None, _) => app.trust_loopback && is_trusted_loopback(parts),
        };
        known.then_some(Peer).ok_or_else(|| {
            Problem::unauthorized(
                "this is for the center's own nodes; give both sides the same PANTAU_EDGE_TOKEN",
            )
        })
    }
}

fn wanted_projection(uri: &Uri) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "projection")
        .map(|(_, v)| v.into_owned())
}

/// A peer on this machine that came straight, to a name of this machine, from no foreign page.
fn is_trusted_loopback(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let from_loopback = peer.is_some_and(|ConnectInfo(addr)| addr.ip().to_canonical().is_loopback());
    let forwarded = parts.headers.keys().any(|name| {
        name == header::FORWARDED || name.as_str().starts_with("x-forwarded-") || name == "x-real-ip"
    });
    from_loopback && !forwarded && host(parts).is_some_and(is_loopback_host) && origin_is_ours(parts)
}

fn host(parts: &Parts) -> Option<&str> {
    let of_header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    of_header.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
}

/// `127.0.0.1:8080`, `localhost`, `[::1]:8080` and their like.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the `Origin` is absent (a program, or a page's own GET) or that of our own pages.
fn origin_is_ours(parts: &Parts) -> bool {
    let Some(origin) = parts.headers.get(header::ORIGIN) else { return true };
    let (Ok(origin), Some(host)) = (origin.to_str(), host(parts)) else { return false };
    ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host)))
}

/// Refuses a page of another site: sockets and unsafe methods are for our own pages and for programs.
pub fn check_origin(parts: &Parts) -> Result<(), Problem> {
    if origin_is_ours(parts) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "Foreign origin",
        "a page of another site may not do this; use the embed, or the read-only API",
    ))
}

/// The media type of the body, without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::builder().uri("/api/v1/incidents");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer: SocketAddr = peer.parse().unwrap();
        parts.extensions.insert(ConnectInfo(peer));
        parts
    }

    #[test]
    fn only_a_straight_visit_from_this_machine_is_trusted() {
        let host = ("host", "127.0.0.1:8080");
        let trusted = |peer: &str, headers: &[(&str, &str)]| is_trusted_loopback(&parts(peer, headers));
        assert!(trusted("127.0.0.1:5", &[host]));
        assert!(trusted("[::1]:5", &[("host", "[::1]:8080")]));
        assert!(trusted("127.0.0.1:5", &[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
        assert!(!trusted("192.0.2.1:5", &[host]));
        assert!(!trusted("127.0.0.1:5", &[]));
        assert!(!trusted("127.0.0.1:5", &[("host", "evil.example")]));
        assert!(!trusted("127.0.0.1:5", &[("host", "127.0.0.1.evil.example")]));
        assert!(!trusted("127.0.0.1:5", &[host, ("x-forwarded-for", "192.0.2.1")]));
        assert!(!trusted("127.0.0.1:5", &[host, ("forwarded", "for=192.0.2.1")]));
        assert!(!trusted("127.0.0.1:5", &[host, ("origin", "http://evil.example")]));
        assert!(!trusted("127.0.0.1:5", &[host, ("origin", "null")]));
    }
}
