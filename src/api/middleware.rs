//! What goes around every request: an id, a log line, safe headers, problems in one shape.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::awaited::Worded;
use super::forward::Forwarded;
use super::nodes::SNAPSHOT_TYPE;
use super::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Nothing that a page of ours needs comes from elsewhere.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; connect-src 'self'; \
     object-src 'none'; base-uri 'none'; form-action 'self'";
/// Smaller answers do not gain from compression.
const COMPRESS_BYTES_MIN: u64 = 1024;

pub fn around(router: Router) -> Router {
    // A map archive is compressed inside and read by ranges: it must go out as it is.
    let predicate =
        SizeAbove::new(COMPRESS_BYTES_MIN).and(NotForContentType::const_new("application/vnd.pmtiles"));
    // Events must not wait in an encoder for more of their kind.
    let predicate = predicate.and(NotForContentType::SSE);
    let predicate = predicate.and(NotForContentType::const_new(SNAPSHOT_TYPE));
    router
        .layer(CompressionLayer::new().gzip(true).compress_when(predicate))
        .layer(CatchPanicLayer::custom(|_| Problem::internal().into_response()))
        .layer(from_fn(finish))
}

/// Gives the request its id, and its answer the headers and the shape that all answers have.
async fn finish(request: Request, next: Next) -> Response {
    let id = next_request_id();
    let method = request.method().clone();
    // The path alone: a query can hold what somebody searched for.
    let path = request.uri().path().to_owned();
    let page = match path.as_str() {
        "/embed" => Page::Framed,
        // Somebody else's picture, however clean: nothing in it may run, wherever it is opened.
        path if path.starts_with("/api/v1/photos/") => Page::Photo,
        _ => Page::Ours,
    };
    let mut response = next.run(request).await;
    let extensions = response.extensions();
    let is_worded = extensions.get::<Forwarded>().is_some() || extensions.get::<Worded>().is_some();
    if !is_worded && (response.status().is_client_error() || response.status().is_server_error()) {
        let problem = response.extensions().get::<Problem>().cloned();
        let problem = problem.unwrap_or_else(|| Problem::of_status(response.status()));
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%method, path, request_id = id, "a request failed inside");
    } else {
        tracing::debug!(%method, path, status = status.as_u16(), request_id = id, "answered");
    }
    metrics::counter!("pantau_http_answers_total", "class" => class(status)).increment(1);
    add_headers(&mut response, &id, page);
    response
}

/// What an answer is to a browser.
#[derive(Clone, Copy)]
enum Page {
    Ours,
    /// Others may show it in a frame.
    Framed,
    Photo,
}

fn add_headers(response: &mut Response, id: &str, page: Page) {
    let headers = response.headers_mut();
    // What was passed on has the origin's: under that the reason is in a log.
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
    let policy = match page {
        Page::Ours => format!("{CSP}; frame-ancestors 'none'"),
        Page::Framed => format!("{CSP}; frame-ancestors *"),
        Page::Photo => "sandbox; default-src 'none'; frame-ancestors 'none'".to_owned(),
    };
    if let Ok(csp) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Rises; unique within one run of the server, and across runs with the log's times.
fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("r{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
