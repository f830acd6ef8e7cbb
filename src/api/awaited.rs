//! A server whose database has not answered since it was started: reports are kept here and acknowledged, as while
//! the database is away; whoever looks is told what is awaited, and everything else to come again.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::app::{App, AppState};
use super::problem::Problem;
use crate::health::Condition;
use crate::journal::WaitingRoom;

/// The database is asked for each second.
const RETRY_AFTER_S: u32 = 5;
/// Beside the page, which may hold no style of its own.
const STYLE: &str = "/database-awaited.css";

/// Marks an answer that is an error and says so in a page of its own.
#[derive(Debug, Clone, Copy)]
pub struct Worded;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To its route.
    On,
    Readiness,
    Page,
    Style,
    /// Told to come again.
    Later,
}

/// Goes around every route.
pub async fn let_reports_pass(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    match way(request.method(), request.uri().path()) {
        Way::On => {
            // Nobody can be known yet, and a report needs nobody to be.
            for known_by in [header::AUTHORIZATION, header::COOKIE] {
                request.headers_mut().remove(known_by);
            }
            next.run(request).await
        }
        Way::Readiness => readiness(&app, request.uri()).await.unwrap_or_else(Problem::into_response),
        Way::Page => page(&app),
        Way::Style => ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE_TEXT).into_response(),
        Way::Later => awaited(&app).into_response(),
    }
}

fn way(method: &Method, path: &str) -> Way {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let of_code = path.strip_prefix("/api/v1/reports/").is_some_and(|code| !code.contains('/'));
    match path {
        "/api/v1/reports" if *method == Method::POST => Way::On,
        "/healthz" | "/metrics" | "/openapi.json" | "/favicon.svg" | "/api/v1/city" if reads => Way::On,
        _ if of_code && reads => Way::On,
        "/readyz" if reads => Way::Readiness,
        STYLE if reads => Way::Style,
        _ if reads && !["/api/", "/tiles/", "/assets/"].iter().any(|start| path.starts_with(start)) => {
            Way::Page
        }
        _ => Way::Later,
    }
}

/// What is awaited, as the health of this node has it.
fn detail(app: &App) -> String {
    let standing = app.engine.health().standing();
    let away = standing.into_iter().find(|(condition, _)| *condition == Condition::DatabaseAway);
    away.map_or_else(|| "the database has just answered; ask again".to_owned(), |(_, detail)| detail)
}

fn awaited(app: &App) -> Problem {
    let problem = Problem::unhealthy(Condition::DatabaseAway, &detail(app));
    Problem { retry_after_s: Some(RETRY_AFTER_S), title: "The database is awaited", ..problem }
}

/// Not ready. With `?for=reports`, for a proxy that sends on reports alone: they are taken.
async fn readiness(app: &App, uri: &Uri) -> Result<Response, Problem> {
    let mut asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    if !asked.any(|(key, value)| key == "for" && value == "reports") {
        return Err(awaited(app));
    }
    let spool = app.spool.clone().ok_or_else(Problem::internal)?;
    let waiting = super::blocking(move || spool.unshared()).await?.waiting;
    let condition = json!({"name": Condition::DatabaseAway.key(), "detail": detail(app)});
    let body = json!({"ready": false, "takes_reports": true, "waiting": waiting, "build": crate::BUILD, "conditions": [condition]});
    Ok(Json(body).into_response())
}

/// For whoever looks at a screen. It loads itself again until the screen is there.
fn page(app: &App) -> Response {
    let name = &app.city.name;
    let (id, en) = (escaped(&name.id), escaped(&name.en));
    let text = format!(
        r#"<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<meta http-equiv="refresh" content="{RETRY_AFTER_S}">
<title>GANGGUAN · Pantau {id}</title>
<link rel="icon" type="image/svg+xml" href="/favicon.svg">
<link rel="stylesheet" href="{STYLE}">
</head>
<body>
<main data-awaits="database">
<p role="status"><span>GANGGUAN: data tertahan</span> · <span lang="en">DEGRADED: data held back</span></p>
<h1>{id}: <span>basis data ditunggu</span></h1>
<p>Basis data belum menjawab sejak server ini dinyalakan. Laporan tetap diterima, disimpan di server ini, dan diteruskan sendiri begitu basis data kembali.</p>
<p>Peta, antrean, dan tindakan belum tersedia: pandu petugas lewat radio atau telepon. Halaman ini terbuka sendiri begitu basis data kembali. Petugas server: sebabnya tertulis di /readyz.</p>
<section lang="en">
<h2>{en}: <span>the database is awaited</span></h2>
<p>The database has not answered since this server was started. Reports are taken all the same, stored on this server, and shared by themselves once the database is back.</p>
<p>Map, queue and actions are not there yet: guide people by radio or telephone. This page opens by itself once the database is back. Whoever looks after the server: /readyz says why.</p>
</section>
</main>
</body>
</html>
"#
    );
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Html(text)).into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    response.extensions_mut().insert(Worded);
    response
}

const STYLE_TEXT: &str = "body{margin:0;min-height:100vh;display:grid;place-content:center;background:#101a24;color:#e8eef4;\
     font:max(1.125rem,1.4vw)/1.5 system-ui,sans-serif}\
main{max-width:36em;padding:1.5em 1.25em}\
p{margin:.75em 0;text-wrap:pretty}\
span{display:inline-block}\
[role=status]{display:inline-block;margin:0;padding:.3em .8em;border-radius:4px;background:#ffd23f;color:#12202b;font-weight:700}\
h1,h2{margin:.9em 0 .5em;font-size:1.6em;line-height:1.2}\
h2{font-size:1.3em}\
section{margin-top:1.5em;border-top:1px solid #33475a;color:#b9c7d4}\n";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_pass_whoever_looks_is_told_and_everything_else_is_to_come_again() {
        for (method, path, expected) in [
            ("POST", "/api/v1/reports", Way::On),
            ("GET", "/api/v1/reports/TTE-7K3M-9QXAC", Way::On),
            ("GET", "/healthz", Way::On),
            ("GET", "/api/v1/city", Way::On),
            ("GET", "/readyz", Way::Readiness),
            ("GET", "/", Way::Page),
            ("HEAD", "/wall", Way::Page),
            ("GET", "/console", Way::Page),
            ("GET", "/api/v1/reports", Way::Later),
            ("GET", "/api/v1/reports/a/b", Way::Later),
            ("POST", "/api/v1/session", Way::Later),
            ("POST", "/api/v1/incidents/019a/verify", Way::Later),
            ("POST", "/wall", Way::Later),
            ("GET", "/api/v1/incidents", Way::Later),
            ("GET", "/api/v1/live", Way::Later),
            ("GET", "/api/v1/nodes/snapshot", Way::Later),
            ("GET", "/tiles/base.pmtiles", Way::Later),
        ] {
            assert_eq!(way(&method.parse().unwrap(), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_citys_name_is_text() {
        assert_eq!(escaped("<b>Kota & Pulau</b>"), "&lt;b&gt;Kota &amp; Pulau&lt;/b&gt;");
    }
}
