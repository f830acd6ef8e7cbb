//! Pages, their assets, and map archives. Pages are built into the binary; maps lie in the city pack.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::app::AppState;
use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Pages;

/// Names of assets hold a digest of their contents.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Pages are small and change with the build.
const ASK_AGAIN: &str = "no-cache";

pub async fn home() -> Response {
    page("index.html")
}

pub async fn wall() -> Response {
    page("wall.html")
}

pub async fn console() -> Response {
    page("console.html")
}

pub async fn field() -> Response {
    page("field.html")
}

pub async fn embed() -> Response {
    page("embed.html")
}

pub async fn login() -> Response {
    page("login.html")
}

pub async fn statistics() -> Response {
    page("statistics.html")
}

pub async fn sitrep() -> Response {
    page("sitrep.html")
}

pub async fn handover() -> Response {
    page("handover.html")
}

pub async fn audit() -> Response {
    page("audit.html")
}

pub async fn replay() -> Response {
    page("replay.html")
}

pub async fn favicon() -> Response {
    file("favicon.svg", ASK_AGAIN)
}

pub async fn asset(Path(path): Path<String>) -> Response {
    file(&format!("assets/{path}"), FOR_EVER)
}

pub async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this address; / lists the pages, /openapi.json the API")
}

pub async fn wrong_method() -> Problem {
    let detail = "this address does not take this method; the Allow header lists those it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
}

fn page(name: &str) -> Response {
    if Pages::get(name).is_none() {
        let detail = "the pages are not built into this program; run npm --prefix web ci and npm --prefix web run build, then build it again";
        return Problem::new(StatusCode::NOT_FOUND, "no-pages", "No pages", detail).into_response();
    }
    file(name, ASK_AGAIN)
}

fn file(name: &str, cache: &'static str) -> Response {
    let Some(file) = Pages::get(name) else {
        return Problem::not_found("there is no such file").into_response();
    };
    let mut response = Body::from(file.data).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "json" => "application/json",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

/// The base map, by ranges.
pub async fn base_map(State(app): State<AppState>, request: Request) -> Response {
    match &app.city.basemap {
        Some(path) => map_archive(path, request).await,
        None => Problem::not_found("this city pack has no base map").into_response(),
    }
}

/// A map that the city laid over the base map, by ranges.
pub async fn overlay(State(app): State<AppState>, Path(name): Path<String>, request: Request) -> Response {
    let named =
        |overlay: &&crate::city::Overlay| overlay.file.file_name().is_some_and(|file| *file == *name);
    match app.city.overlays.iter().find(named) {
        Some(overlay) => map_archive(&overlay.file, request).await,
        None => Problem::not_found("the city pack names no such overlay").into_response(),
    }
}

async fn map_archive(path: &std::path::Path, request: Request) -> Response {
    let pmtiles: mime::Mime = "application/vnd.pmtiles".parse().unwrap_or(mime::APPLICATION_OCTET_STREAM);
    match ServeFile::new_with_mime(path, &pmtiles).oneshot(request).await {
        Ok(mut response) => {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN));
            response.into_response()
        }
        Err(never) => match never {},
    }
}
