//! The API's own description.

use axum::Json;
use utoipa::OpenApi;

use super::{
    audit, city, clock, contacts, health, import, incidents, live, map, merging, nodes, oidc, passkeys,
};
use super::{photos, reports, search, session, shift, sitrep, sse, statistics, suggestions, transitions};

#[derive(OpenApi)]
#[openapi(
    info(title = "Pantau", description = "Real-time incident map server. Errors are RFC 9457 problems. \
        Coordinates are WGS 84; arrays are [lng, lat]. `?projection=public` on any GET lowers what is shown."),
    paths(
        city::city, city::areas, city::area,
        reports::post_report, reports::report,
        incidents::list, incidents::incident, incidents::act, merging::merge, merging::split,
        photos::list, photos::add, photos::release, photos::withdraw, photos::photo,
        suggestions::suggested, transitions::transitions, contacts::contacts,
        search::search, search::by_phone,
        audit::audit, audit::audit_csv, shift::shift_log, shift::write_shift_log, sitrep::sitrep,
        map::clusters, map::hotspots, map::stats,
        statistics::statistics, statistics::statistics_csv,
        live::live, sse::live_sse, clock::set_clock, import::import,
        session::who_am_i, session::sign_in, session::sign_out, session::use_link, session::change_password,
        session::set_totp, session::drop_totp,
        oidc::begin, oidc::come_back,
        passkeys::sign_in, passkeys::list, passkeys::add, passkeys::remove,
        nodes::snapshot, nodes::entries, nodes::state,
        health::healthz, health::readyz, health::metrics,
    ),
    tags(
        (name = "reports", description = "Reports in, and what became of them"),
        (name = "map", description = "What the map shows"),
        (name = "center", description = "The center's work; staff"),
        (name = "city", description = "The city pack"),
        (name = "session", description = "Signing in, and who one is"),
        (name = "nodes", description = "For the center's other nodes"),
        (name = "operation", description = "For operators and programs"),
    )
)]
struct Description;

pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
