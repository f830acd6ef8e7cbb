//! For other nodes of the center: entries, snapshots, and whether two nodes hold the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::app::{AppState, Role};
use super::params::Params;
use super::problem::Problem;
use crate::edge::{Desk, ENTRIES_MAX};
use crate::model::Seq;

/// Compressed already.
pub const SNAPSHOT_TYPE: &str = "application/vnd.pantau.snapshot";
/// An answer is held back for at most this long.
const WAIT_MS_MAX: u32 = 20_000;

fn desk(role: &Role) -> Result<Arc<Desk>, Problem> {
    match role {
        Role::Origin(Some(desk)) => Ok(desk.clone()),
        Role::Origin(None) => Err(Problem::not_found("a replay server has no edges")),
        Role::Edge(_) => Err(Problem::not_found("this node is an edge itself; ask the origin")),
    }
}

#[utoipa::path(get, path = "/api/v1/nodes/snapshot", tag = "nodes",
    description = "What an edge stands up from. For the center's own nodes: Authorization: Bearer, with the edge token.",
    responses((status = 200), (status = 401)))]
pub async fn snapshot(State(app): State<AppState>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let desk = desk(&app.role)?;
    let bytes = super::blocking(move || desk.snapshot()).await?;
    Ok(([(CONTENT_TYPE, SNAPSHOT_TYPE)], bytes).into_response())
}

#[utoipa::path(get, path = "/api/v1/nodes/entries", tag = "nodes",
    description = "Entries after one, without contacts, texts, notes and actors; waits for the first where `wait_ms` says so. For the center's own nodes.",
    params(("after" = u64, Query), ("limit" = Option<u32>, Query), ("wait_ms" = Option<u32>, Query)),
    responses((status = 200), (status = 401)))]
pub async fn entries(State(app): State<AppState>, mut params: Params) -> Result<Response, Problem> {
    let after = params.read("after", |text| {
        text.parse().map(Seq).map_err(|_| format!("{text:?} is not the number of an entry"))
    });
    let limit = params.whole("limit", 1, ENTRIES_MAX as u32).map_or(ENTRIES_MAX, |limit| limit as usize);
    let wait_ms = params.whole("wait_ms", 0, WAIT_MS_MAX).unwrap_or(0);
    if after.is_none() {
        params.require_because("after", "name the newest entry that you have; 0 for none");
    }
    params.finish()?;
    let after = after.ok_or_else(Problem::internal)?;
    let desk = desk(&app.role)?;
    let mut published = desk.moments().published();
    let mut stopping = app.stopping.clone();
    let news = published.wait_for(|seq| *seq > after);
    tokio::select! {
        _ = tokio::time::timeout(Duration::from_millis(wait_ms.into()), news) => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    let json = super::blocking(move || desk.news(after, limit)).await?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

#[utoipa::path(get, path = "/api/v1/nodes/state", tag = "nodes",
    description = "A hash of all that this node shows, now and at the marks that every node takes: equal at equal seq. For the center's own nodes.",
    responses((status = 200), (status = 401)))]
pub async fn state(State(app): State<AppState>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let live = app.live();
    let hashed = live.clone();
    let hash = super::blocking(move || Ok(hashed.state_hash())).await?;
    let marks = app.engine.moments().marks().all();
    let marks: Vec<_> =
        marks.iter().map(|mark| json!({"seq": mark.seq.0, "hash": mark.hash.to_string()})).collect();
    let (seq, epoch) = (live.seq().0, live.epoch().to_string());
    Ok(Json(json!({"epoch": epoch, "seq": seq, "hash": hash.to_string(), "marks": marks})).into_response())
}
