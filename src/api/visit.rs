//! Where a request comes from: which machine, over what kind of line, from whose page.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A mark on requests that came over our own TLS.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// Addresses of a proxy whose `X-Forwarded-*` are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy {
    network: IpAddr,
    prefix_bits: u8,
}

impl FromStr for TrustedProxy {
    type Err = String;

    /// `10.0.0.4`, `10.0.0.0/24`, `::1`.
    fn from_str(text: &str) -> Result<TrustedProxy, String> {
        let wrong = || format!("{text:?} is not an address or a network; write 127.0.0.1 or 10.0.0.0/24");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits_max = if network.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(bits_max), |bits| bits.trim().parse().map_err(|_| wrong()))?;
        if prefix_bits > bits_max { Err(wrong()) } else { Ok(TrustedProxy { network, prefix_bits }) }
    }
}

impl TrustedProxy {
    fn holds(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32_u8),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let ((ours, family), (theirs, of)) = (bits(self.network), bits(address));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
        family == of && (ours ^ theirs) & mask == 0
    }
}

/// What is known of how a request came.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The machine it comes from; behind a trusted proxy, the one that the proxy names.
    pub client: Option<IpAddr>,
    /// Nobody on the way could read it.
    pub is_secure: bool,
    /// A proxy passed it on that is not trusted, so nobody knows where it comes from.
    pub is_passed_on: bool,
    /// The name that the client called this server by.
    host: Option<String>,
}

impl Visit {
    pub fn of(parts: &Parts, trusted: &[TrustedProxy]) -> Visit {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(address)| address.ip().to_canonical());
        let host = text(&parts.headers, &header::HOST);
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        let host = host.map(str::to_owned);
        let is_secure = parts.extensions.get::<OverTls>().is_some();
        let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.holds(address));
        if !peer.is_some_and(is_trusted) {
            let is_passed_on = is_forwarded(&parts.headers);
            return Visit { client: peer, is_secure, is_passed_on, host };
        }
        // The nearest that is no proxy of ours: what stands before it may be anybody's invention.
        let chain: Vec<IpAddr> = forwarded_for(&parts.headers);
        let client = chain.iter().rev().find(|address| !is_trusted(**address)).or(chain.first()).copied();
        let proto = text(&parts.headers, &FORWARDED_PROTO).map(last_of);
        Visit {
            client: client.or(peer),
            is_secure: proto.map_or(is_secure, |proto| proto.eq_ignore_ascii_case("https")),
            is_passed_on: false,
            host: text(&parts.headers, &FORWARDED_HOST).map(|host| last_of(host).to_owned()).or(host),
        }
    }

    /// Straight from this machine, to a name of this machine.
    pub fn is_local(&self) -> bool {
        let from_loopback = self.client.is_some_and(|client| client.is_loopback());
        from_loopback && !self.is_passed_on && self.host.as_deref().is_some_and(is_loopback_host)
    }

    /// Whether a password, a session or a token may come this way.
    pub fn is_private(&self) -> bool {
        self.is_secure || self.is_local()
    }

    /// What the client calls this server: scheme and host, without a path. `None`: by nothing.
    pub fn base(&self) -> Option<String> {
        let scheme = if self.is_secure { "https" } else { "http" };
        self.host.as_ref().map(|host| format!("{scheme}://{host}"))
    }

    /// Whether an `Origin` is that of our own pages, as this client calls them.
    pub fn is_ours(&self, origin: &str) -> bool {
        let Some(host) = self.host.as_deref() else { return false };
        let schemes: &[(&str, &str)] = match (self.is_secure, self.is_passed_on) {
            (true, _) => &[("https://", ":443")],
            (false, false) => &[("http://", ":80")],
            // One that is not trusted may have TLS before it, and only it knows.
            (false, true) => &[("http://", ":80"), ("https://", ":443")],
        };
        let host = host.to_ascii_lowercase();
        schemes.iter().any(|(scheme, port)| {
            let named = origin.strip_prefix(scheme);
            named.is_some_and(|named| named == host.strip_suffix(port).unwrap_or(&host))
        })
    }
}

/// The header as text, where it is there once and readable.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The part that the nearest proxy put there.
fn last_of(list: &str) -> &str {
    list.rsplit(',').next().unwrap_or_default().trim()
}

fn forwarded_for(headers: &HeaderMap) -> Vec<IpAddr> {
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|address| address.trim().parse().ok()).collect()
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        name == header::FORWARDED || name.as_str().starts_with("x-forwarded-") || name == "x-real-ip"
    })
}

/// `127.0.0.1:8080`, `localhost`, `[::1]:8080` and their like.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(peer: &str, headers: &[(&str, &str)], trusted: &[&str]) -> Visit {
        let mut request = axum::http::Request::builder().uri("/api/v1/incidents");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer: SocketAddr = peer.parse().unwrap();
        parts.extensions.insert(ConnectInfo(peer));
        let trusted: Vec<TrustedProxy> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        Visit::of(&parts, &trusted)
    }

    #[test]
    fn only_a_straight_visit_from_this_machine_is_local() {
        let host = ("host", "127.0.0.1:8080");
        let local = |peer: &str, headers: &[(&str, &str)]| visit(peer, headers, &[]).is_local();
        assert!(local("127.0.0.1:5", &[host]));
        assert!(local("[::1]:5", &[("host", "[::1]:8080")]));
        assert!(local("127.0.0.1:5", &[("host", "localhost:8080")]));
        assert!(!local("192.0.2.1:5", &[host]));
        assert!(!local("127.0.0.1:5", &[]));
        assert!(!local("127.0.0.1:5", &[("host", "evil.example")]));
        assert!(!local("127.0.0.1:5", &[("host", "127.0.0.1.evil.example")]));
        assert!(!local("127.0.0.1:5", &[host, ("x-forwarded-for", "192.0.2.1")]));
        assert!(!local("127.0.0.1:5", &[host, ("forwarded", "for=192.0.2.1")]));
    }

    #[test]
    fn an_origin_is_ours_sign_by_sign() {
        let plain = visit("192.0.2.1:5", &[("host", "Peta.example:8080")], &[]);
        assert!(plain.is_ours("http://peta.example:8080"));
        for foreign in [
            "null",
            "http://evil.example",
            "http://evil.peta.example:8080",
            "http://peta.example:8080.evil.example",
            "HTTP://peta.example:8080",
            "http://PETA.example:8080",
            "http://peta.example.:8080",
            "http://peta.example:8081",
            "http://peta.example",
            "https://peta.example:8080",
            "",
        ] {
            assert!(!plain.is_ours(foreign), "{foreign}");
        }
        let headers = [("host", "peta.example"), ("x-forwarded-proto", "https")];
        let behind = visit("10.0.0.4:5", &headers, &["10.0.0.0/24"]);
        assert!(behind.is_ours("https://peta.example") && !behind.is_ours("http://peta.example"));
        assert!(behind.is_private());
        let unknown = visit("10.0.1.4:5", &headers, &["10.0.0.0/24"]);
        assert!(unknown.is_ours("https://peta.example") && unknown.is_ours("http://peta.example"));
        assert!(!unknown.is_private());
    }

    #[test]
    fn only_a_listed_proxy_is_believed_and_only_the_nearest_stranger_counts() {
        let client = |peer: &str, chain: &str| {
            let headers = [("host", "a"), ("x-forwarded-for", chain)];
            visit(peer, &headers, &["10.0.0.0/8", "::1"]).client.unwrap().to_string()
        };
        assert_eq!(client("10.0.0.4:5", "203.0.113.9"), "203.0.113.9");
        // A client may write whatever it likes before what the proxy adds.
        assert_eq!(client("10.0.0.4:5", "127.0.0.1, 203.0.113.9"), "203.0.113.9");
        assert_eq!(client("10.0.0.4:5", "127.0.0.1, 203.0.113.9, 10.9.9.9"), "203.0.113.9");
        assert_eq!(client("192.0.2.1:5", "203.0.113.9"), "192.0.2.1");
        assert_eq!(client("[::1]:5", "not an address"), "::1");
        let forged = visit("192.0.2.1:5", &[("host", "a"), ("x-forwarded-proto", "https")], &["10.0.0.4"]);
        assert!(!forged.is_secure && !forged.is_private());
        for wrong in ["", "10.0.0", "10.0.0.0/33", "::1/129", "proxy"] {
            assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        }
        let everywhere: TrustedProxy = "0.0.0.0/0".parse().unwrap();
        assert!(
            everywhere.holds([203, 0, 113, 9].into()) && !everywhere.holds("2001:db8::1".parse().unwrap())
        );
    }
}
