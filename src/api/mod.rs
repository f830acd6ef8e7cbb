//! HTTP and sockets: the only place that knows them.
//!
//! Handlers are thin: extract, convert, call, convert. Who asks and what they may is decided once, by the
//! `guard` before every route, after the table in `rules`; what they see is applied where the live map's layers are built, never here.

mod access;
mod acts;
mod app;
mod audit;
mod awaited;
mod city;
mod clock;
mod contacts;
mod cookies;
mod detail;
mod entrance;
mod form;
mod forward;
mod guard;
mod health;
mod import;
mod incident_answer;
mod incidents;
mod joined;
mod live;
mod map;
mod merging;
mod middleware;
mod moment;
mod nodes;
mod oidc;
mod openapi;
mod origin;
mod pages;
mod params;
mod parcel;
mod passkeys;
mod patience;
mod photo_desk;
mod photos;
mod problem;
mod reception;
mod redirect;
mod reports;
mod rules;
mod search;
mod serve;
mod session;
mod shift;
mod sitrep;
mod spool;
mod sse;
mod statistics;
mod submit;
mod suggestions;
mod tls;
mod track;
mod transitions;
mod visit;
mod visitor;

pub use app::{App, AppState, Edge, Mode, Role};
pub use entrance::Entrance;
pub use forward::Forwarding;
pub use health::tell_health;
pub use live::{Beats, Rounds, Sockets};
pub use parcel::words_of;
pub use photo_desk::PhotoDesk;
pub use problem::Problem;
pub use reception::Reception;
pub use redirect::redirect_all;
pub use rules::{Needs, RULES, Rule};
pub use serve::{serve_at, serve_behind};
pub use spool::hand_on;
pub use tls::{Tls, TlsEntrance, TlsFiles};
pub use visit::{OverTls, TrustedProxy};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use serde::Serialize;

use crate::intake::IMPORT_BODY_BYTES_MAX;

/// A larger body is refused before it is read, but for reports and imports.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// All routes of the server.
pub fn build_router(app: AppState) -> Router {
    middleware::around(routes(app))
}

/// The same of a server whose database has not answered since it was started: reports are taken, and all else is told
/// to wait.
pub fn build_awaiting_router(app: AppState) -> Router {
    let routes = routes(app.clone()).layer(from_fn_with_state(app, awaited::let_reports_pass));
    middleware::around(routes)
}

fn routes(app: AppState) -> Router {
    let report = post(reports::post_report).layer(DefaultBodyLimit::max(reports::BODY_BYTES_MAX));
    let photos = post(photos::add).layer(DefaultBodyLimit::max(photos::FORM_BYTES_MAX)).get(photos::list);
    let import = post(import::import).layer(DefaultBodyLimit::max(IMPORT_BODY_BYTES_MAX));
    let session = get(session::who_am_i).post(session::sign_in).delete(session::sign_out);
    let api = Router::new()
        .route("/city", get(city::city))
        .route("/areas", get(city::areas))
        .route("/areas/{code}", get(city::area))
        .route("/reports", report)
        .route("/reports/{code}", get(reports::report))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::incident))
        .route("/incidents/{id}/{action}", post(incidents::act))
        .route("/incidents/{id}/contacts", post(contacts::contacts))
        .route("/search", get(search::search))
        .route("/search/phone", post(search::by_phone))
        .route("/audit", get(audit::audit))
        .route("/audit.csv", get(audit::audit_csv))
        .route("/shift-log", get(shift::shift_log).post(shift::write_shift_log))
        .route("/sitrep", get(sitrep::sitrep))
        .route("/transitions", get(transitions::transitions))
        .route("/incidents/{id}/suggestions", get(suggestions::suggested))
        .route("/incidents/{id}/merge", post(merging::merge))
        .route("/incidents/{id}/split", post(merging::split))
        .route("/incidents/{id}/photos", photos)
        .route("/incidents/{id}/photos/{photo}/release", post(photos::release))
        .route("/incidents/{id}/photos/{photo}/withdraw", post(photos::withdraw))
        .route("/photos/{photo}", get(photos::photo))
        .route("/clusters", get(map::clusters))
        .route("/hotspots", get(map::hotspots))
        .route("/stats", get(map::stats))
        .route("/statistics", get(statistics::statistics))
        .route("/statistics.csv", get(statistics::statistics_csv))
        .route("/live", get(live::live))
        .route("/live.sse", get(sse::live_sse))
        .route("/clock", post(clock::set_clock))
        .route("/import", import)
        .route("/session", session)
        .route("/session/link", post(session::use_link))
        .route("/session/password", post(session::change_password))
        .route("/session/oidc", get(oidc::begin))
        .route("/session/oidc/back", get(oidc::come_back))
        .route("/session/passkey", post(passkeys::sign_in))
        .route("/session/passkeys", get(passkeys::list).post(passkeys::add))
        .route("/session/passkeys/{id}", delete(passkeys::remove))
        .route("/session/totp", post(session::set_totp).delete(session::drop_totp))
        .route("/nodes/snapshot", get(nodes::snapshot))
        .route("/nodes/entries", get(nodes::entries))
        .route("/nodes/state", get(nodes::state));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .route("/tiles/base.pmtiles", get(pages::base_map))
        .route("/tiles/overlays/{file}", get(pages::overlay))
        .route("/", get(pages::home))
        .route("/wall", get(pages::wall))
        .route("/console", get(pages::console))
        .route("/field", get(pages::field))
        .route("/embed", get(pages::embed))
        .route("/login", get(pages::login))
        .route("/statistics", get(pages::statistics))
        .route("/sitrep", get(pages::sitrep))
        .route("/handover", get(pages::handover))
        .route("/audit", get(pages::audit))
        .route("/replay", get(pages::replay))
        .route("/assets/{*path}", get(pages::asset))
        .route("/favicon.svg", get(pages::favicon))
        .route_layer(from_fn_with_state(app.clone(), guard::guard))
        .fallback(pages::nothing_here)
        .method_not_allowed_fallback(pages::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(app.clone(), forward::forward_if_elsewhere))
        .with_state(app)
}

/// Runs a read of the journal where blocking is allowed.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, crate::journal::JournalError> + Send + 'static,
) -> Result<T, Problem> {
    Ok(aside(read).await?)
}

/// Runs what waits, or takes long, where it holds up no other request. A panic there is one here.
async fn aside<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(run).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// What one feature takes in JSON, about.
const FEATURE_BYTES: usize = 512;

/// A list of features as JSON, written once into a buffer of about its size: through a tree of values
/// or a buffer that grows, that took longer than to find them.
fn feature_list(list: &impl Serialize, n_features: usize) -> Result<Response, Problem> {
    let mut body = Vec::with_capacity((n_features + 1) * FEATURE_BYTES);
    serde_json::to_writer(&mut body, list).map_err(|_| Problem::internal())?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
