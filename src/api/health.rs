//! For operations: is it alive, are its answers complete, what are its figures.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::AppState;
use super::problem::Problem;
use crate::backup::{ShipStatus, ShipWatch};
use crate::edge::{EdgeStatus, Standing};
use crate::health::Condition;
use crate::journal::WaitingRoom;

/// How often it is looked after whether screens must be told.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Brings the next heartbeat early whenever this node becomes degraded, or well again: until the server stops.
pub async fn tell_health(app: AppState) {
    let mut stopping = app.stopping.clone();
    let mut told = app.engine.health().is_degraded();
    while tokio::time::timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_err() {
        let degraded = app.engine.health().is_degraded();
        if degraded != told {
            told = degraded;
            app.nudge.notify_one();
        }
    }
}

#[utoipa::path(get, path = "/healthz", tag = "operation", description = "The process is alive.", responses((status = 200)))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

#[utoipa::path(get, path = "/readyz", tag = "operation",
    description = "Answers are complete (the server listens only once they are) and reports are taken. `conditions` names what is \
        not well all the same. `state` is the newest hash of all that is shown, with its seq: equal on every node that has the \
        same seq there.",
    responses((status = 200), (status = 503)))]
pub async fn readyz(State(app): State<AppState>) -> Result<Response, Problem> {
    app.engine.look_at_clock(app.clock.now());
    let shipped = app.ship.as_ref().map(ShipWatch::look);
    let standing = app.engine.health().standing();
    // Where the database's disk is full they wait in the spool, as while it is away.
    let spools = |condition: Condition| condition == Condition::DiskFull && app.spool.is_some();
    let stops = |condition: Condition| condition.stops_reports() && !spools(condition);
    if let Some((condition, detail)) = standing.iter().find(|(condition, _)| stops(*condition)) {
        return Err(Problem::unhealthy(*condition, detail));
    }
    let live = app.live();
    let epoch = live.epoch().to_string();
    let conditions: Vec<_> = standing
        .iter()
        .map(|(condition, detail)| json!({"name": condition.key(), "detail": detail}))
        .collect();
    let mut body = json!({
        "ready": true, "seq": live.seq().0, "epoch": epoch, "build": crate::BUILD, "conditions": conditions,
    });
    if let Some(spool) = app.spool.clone() {
        body["waiting"] = super::blocking(move || spool.unshared()).await?.waiting.into();
    }
    if let Some(ShipStatus { seq, behind_entries, behind_s }) = shipped {
        body["ship"] = json!({"seq": seq, "behind": behind_entries, "behind_s": behind_s});
    }
    if let Some(mark) = app.engine.moments().marks().newest() {
        body["state"] = json!({"seq": mark.seq.0, "hash": mark.hash.to_string()});
    }
    if let Some(edge) = app.edge() {
        if let Some(why) = edge.status.stuck() {
            return Err(Problem::origin_away(format!("this edge does not follow: {why}")));
        }
        body["edge"] = edge_body(&edge.status);
    }
    Ok(Json(body).into_response())
}

/// How far an edge is behind, and whether it is told anything.
fn edge_body(status: &EdgeStatus) -> Value {
    let standing = |standing: Standing| match standing {
        Standing::Away(why) => json!({"is": "away", "why": why}),
        up => json!({"is": up.key()}),
    };
    json!({
        "origin_seq": status.head().0,
        "behind": status.behind(),
        "silent_s": status.silent_for().as_secs_f64(),
        "in_touch": status.is_in_touch(),
        "origin": standing(status.origin()),
        "stream": status.stream().map(standing),
    })
}

#[utoipa::path(get, path = "/metrics", tag = "operation", description = "Figures for Prometheus.", responses((status = 200)))]
pub async fn metrics(State(app): State<AppState>) -> Response {
    let live = app.live();
    metrics::gauge!("pantau_seq").set(live.seq().0 as f64);
    metrics::gauge!("pantau_incidents").set(live.incident_count() as f64);
    metrics::gauge!("pantau_journal_failed").set(f64::from(u8::from(app.engine.has_failed())));
    if let Some(mark) = app.engine.moments().marks().newest() {
        metrics::gauge!("pantau_state_seq").set(mark.seq.0 as f64);
        metrics::gauge!("pantau_state_hash").set(mark.hash.as_figure());
    }
    if let Some(edge) = app.edge() {
        metrics::gauge!("pantau_edge_behind").set(edge.status.behind() as f64);
        metrics::gauge!("pantau_edge_silent_seconds").set(edge.status.silent_for().as_secs_f64());
        metrics::gauge!("pantau_edge_in_touch").set(f64::from(u8::from(edge.status.is_in_touch())));
    }
    if let Some(ShipStatus { seq, behind_entries, behind_s }) = app.ship.as_ref().map(ShipWatch::look) {
        metrics::gauge!("pantau_ship_seq").set(seq as f64);
        metrics::gauge!("pantau_ship_behind_entries").set(behind_entries as f64);
        metrics::gauge!("pantau_ship_behind_seconds").set(behind_s);
    }
    for condition in Condition::ALL {
        let stands = app.engine.health().stands(condition);
        metrics::gauge!("pantau_condition", "name" => condition.key()).set(f64::from(u8::from(stands)));
    }
    if let Some(unshared) = app.spool.as_ref().and_then(|spool| spool.unshared().ok()) {
        metrics::gauge!("pantau_spool_waiting").set(unshared.waiting as f64);
    }
    metrics::gauge!("pantau_views").set(app.views.view_count() as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}
