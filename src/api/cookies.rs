//! What browsers keep for us: the session, and that they are known.

use axum::http::{HeaderMap, HeaderValue, header};

/// `__Host-`: only over a secure line, only to this very host, to all of it.
const SESSION: &str = "__Host-pantau";
/// So that a known browser is not held up by guesses elsewhere.
const DEVICE: &str = "__Host-pantau-device";
/// That this browser began a single sign-on. `Lax`: it comes along when the provider sends the browser back.
const SSO: &str = "__Host-pantau-oidc";
/// Browsers keep none for longer.
const LONGEST_S: i64 = 400 * 86_400;

pub fn session(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION)
}

pub fn device(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, DEVICE)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Keeps a session for `seconds`; a wall's for as long as browsers keep anything.
pub fn keep_session(headers: &mut HeaderMap, secret: &str, seconds: Option<i64>) {
    set(headers, SESSION, secret, seconds.unwrap_or(LONGEST_S));
}

pub fn keep_device(headers: &mut HeaderMap, secret: &str) {
    set(headers, DEVICE, secret, LONGEST_S);
}

pub fn forget_session(headers: &mut HeaderMap) {
    set(headers, SESSION, "", 0);
}

pub fn sso(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SSO)
}

pub fn keep_sso(headers: &mut HeaderMap, secret: &str, seconds: i64) {
    set_for(headers, "Lax", SSO, secret, seconds);
}

pub fn forget_sso(headers: &mut HeaderMap) {
    set_for(headers, "Lax", SSO, "", 0);
}

fn set(headers: &mut HeaderMap, name: &str, value: &str, seconds: i64) {
    set_for(headers, "Strict", name, value, seconds);
}

fn set_for(headers: &mut HeaderMap, site: &str, name: &str, value: &str, seconds: i64) {
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite={site}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        headers.append(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(value));
            headers
        };
        assert_eq!(session(&headers("a=b; __Host-pantau=abc; __Host-pantau-device=d")), Some("abc"));
        assert_eq!(device(&headers("a=b; __Host-pantau=abc; __Host-pantau-device=d")), Some("d"));
        assert_eq!(session(&headers("pantau=abc; x__Host-pantau=abc; __Host-pantau=")), None);
    }
}
