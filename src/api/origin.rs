//! Refuses pages of other sites: sockets and unsafe methods are for our own pages and for programs.

use axum::http::request::Parts;
use axum::http::{HeaderName, Method, StatusCode, header};

use super::problem::Problem;
use super::visit::Visit;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a method can change something.
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// What a browser says of the page that asks. A program says nothing, and that is well: but where
/// `is_by_cookie`, the browser sent along what the user has, so it must have said that the page is ours.
///
/// # Errors
/// Where the page is another site's.
pub fn check_origin(parts: &Parts, visit: &Visit, is_by_cookie: bool) -> Result<(), Problem> {
    let origin = parts.headers.get(header::ORIGIN);
    let site = parts.headers.get(SEC_FETCH_SITE);
    let is_ours = origin.map(|origin| origin.to_str().is_ok_and(|origin| visit.is_ours(origin)));
    // Typed into the address bar, or from a bookmark: no page asks.
    let is_same = site.map(|site| site == "same-origin" || site == "none");
    match (is_ours, is_same) {
        (Some(false), _) | (_, Some(false)) => Err(foreign()),
        (None, None) if is_by_cookie => Err(foreign()),
        _ => Ok(()),
    }
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "Foreign origin",
        "a page of another site may not do this; use the embed, or the read-only API",
    )
}
