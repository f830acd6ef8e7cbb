//! The shift log: what the next shift must know, entry by entry.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::Caller;
use super::acts::{first_from, shift_entry, shift_kinds};
use super::app::AppState;
use super::params::Params;
use super::problem::Problem;
use super::reports::body_problem;
use super::visitor::WholeBody;
use crate::feed::parse_time;
use crate::intake::parse_shift_entry;
use crate::journal::ActsQuestion;
use crate::model::{Command, NewRecord, Outcome, Seq};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

#[utoipa::path(get, path = "/api/v1/shift-log", tag = "center",
    description = "The shift log, the newest first.",
    params(("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 403)))]
pub async fn shift_log(State(app): State<AppState>, mut params: Params) -> Result<Response, Problem> {
    let since = params.read("since", parse_time);
    let until = params.read("until", parse_time);
    let limit = params.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT) as usize;
    let cursor = params.read("cursor", |text| {
        text.parse()
            .map(Seq)
            .map_err(|_| "is not a cursor of the shift log; begin again without it".to_owned())
    });
    params.finish()?;
    let (reader, head) = (app.engine.reader().clone(), app.live().seq());
    let mut entries = super::blocking(move || {
        let mut below = cursor.unwrap_or(head.next()).min(head.next());
        if let Some(until) = until {
            below = below.min(first_from(&*reader, head, until)?);
        }
        let asked = ActsQuestion { kinds: shift_kinds(), ..ActsQuestion::below(below) };
        let mut entries = reader.acts(&asked, limit + 1)?;
        entries.retain(|entry| since.is_none_or(|since| entry.at >= since));
        Ok(entries)
    })
    .await?;
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_more).map(|entry| entry.seq.to_string());
    let entries: Vec<Value> = entries.iter().filter_map(shift_entry).collect();
    Ok(Json(json!({"seq": head.0, "next": next, "entries": entries})).into_response())
}

#[utoipa::path(post, path = "/api/v1/shift-log", tag = "center",
    description = "Writes into the shift log: a note, or that the shift is handed over.",
    request_body(content = Object, description = "{text, kind?: note|handover}"),
    responses((status = 201), (status = 401), (status = 403), (status = 422)))]
pub async fn write_shift_log(
    State(app): State<AppState>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    let (kind, text) = parse_shift_entry(&body).map_err(body_problem)?;
    let record = NewRecord { kind, incident: None, actor: caller.actor(), text };
    let outcomes = app.engine.submit(vec![Command::Record(Box::new(record))]).await?;
    match outcomes.into_iter().next() {
        Some(Outcome::Accepted { entries, .. }) => {
            let entry = entries.first().and_then(shift_entry).ok_or_else(Problem::internal)?;
            Ok((StatusCode::CREATED, Json(entry)).into_response())
        }
        Some(Outcome::Refused(refusal)) => Err(refusal.into()),
        _ => Err(Problem::internal()),
    }
}
