//! Which open incidents may be the same as one.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::access::Caller;
use super::app::AppState;
use super::incidents::named;
use super::params::Params;
use super::problem::Problem;
use crate::access::Permission;
use crate::city::Text;
use crate::feed::wire::Feature;
use crate::journal::{JournalError, Reader};
use crate::live::{Candidate, LiveMap, Suggestion, TEXTS_MAX, suggestions};
use crate::model::{IncidentNo, MINUTE_MS, Projection};

#[derive(Serialize)]
struct Suggestions<'a> {
    seq: u64,
    suggestions: Vec<One<'a>>,
}

/// An incident that may be the same.
#[derive(Serialize)]
struct One<'a> {
    incident: Feature<'a>,
    distance_m: f64,
    /// Between their openings.
    minutes_apart: i64,
    /// Of what was said of both, from 0 to 1; 0 too where one says nothing.
    likeness: f64,
    /// From 0 to 1.
    score: f64,
    why: Text,
}

#[utoipa::path(get, path = "/api/v1/incidents/{id}/suggestions", tag = "center",
    description = "Open incidents that may be the same as this one, the best first, at most 10: of its category, within the radius and the hours that the city pack gives that, told in like words. Staff.",
    params(("id" = String, Path, description = "UUID, with or without `i:`")),
    responses((status = 200), (status = 401), (status = 403), (status = 404)))]
pub async fn suggested(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
) -> Result<axum::response::Response, Problem> {
    let asked = named(&app, &caller, params, &id, Permission::Merge).await?;
    let (live, reader, sight, no) = (app.live(), app.engine.reader().clone(), caller.sight(), asked.no);
    let map = live.clone();
    let found = super::blocking(move || read(&map, &*reader, no, map.candidates(no, &sight))).await?;
    let suggestions = found.iter().map(|suggestion| one(&live, suggestion)).collect();
    let answer = Suggestions { seq: live.seq().0, suggestions };
    Ok(axum::response::IntoResponse::into_response(Json(answer)))
}

/// Compares what was said.
fn read(
    map: &LiveMap,
    reader: &dyn Reader,
    no: IncidentNo,
    candidates: Vec<Candidate>,
) -> Result<Vec<Suggestion>, JournalError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let asked = texts(map, reader, no)?;
    let with_texts = candidates.into_iter().map(|candidate| {
        let texts = texts(map, reader, candidate.incident.no)?;
        Ok((candidate, texts))
    });
    Ok(suggestions(&asked, with_texts.collect::<Result<_, JournalError>>()?))
}

/// The first texts of an incident and of those that it absorbed.
fn texts(map: &LiveMap, reader: &dyn Reader, no: IncidentNo) -> Result<Vec<String>, JournalError> {
    let mut texts = Vec::new();
    for no in map.tree(no) {
        if texts.len() < TEXTS_MAX {
            texts.extend(reader.first_texts(no, TEXTS_MAX - texts.len())?);
        }
    }
    Ok(texts)
}

fn one<'a>(map: &'a LiveMap, suggestion: &Suggestion) -> One<'a> {
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let Candidate { incident, distance_m, later_ms, .. } = &suggestion.candidate;
    One {
        incident: Feature::incident(map, incident, Projection::Staff),
        distance_m: (distance_m * 10.0).round() / 10.0,
        minutes_apart: later_ms.abs() / MINUTE_MS,
        likeness: hundredths(suggestion.likeness.unwrap_or(0.0)),
        score: hundredths(suggestion.score),
        why: suggestion.why.clone(),
    }
}
