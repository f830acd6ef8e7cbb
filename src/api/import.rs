//! Bulk import into a running server.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::app::{AppState, Mode};
use super::incidents::body_of;
use super::params::Params;
use super::problem::Problem;
use crate::intake::{Ahead, Context, ImportAnswer, RefusedLine, parse_import};
use crate::model::{Command, Outcome};

#[utoipa::path(post, path = "/api/v1/import", tag = "operation",
    description = "Takes past reports in bulk, one normalised row a line (NDJSON), with their own times and statuses. \
        Rows seen before are counted, not stored again. Staff; `pantau import` speaks it.",
    params(("source" = String, Query, description = "Name of the source: row ids are unique within it")),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200), (status = 400), (status = 401), (status = 409), (status = 413)))]
pub async fn import(
    State(app): State<AppState>,
    mut params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let source = params.text("source");
    if source.is_none() {
        params.require("source");
    }
    params.finish()?;
    if matches!(app.mode, Mode::Replay(_)) {
        let detail = "this server replays the past; use pantau replay, or import into another folder";
        return Err(Problem::conflict("is-a-replay", detail));
    }
    let body = body_of(request).await?;
    let ctx = Context { city: &app.city, ids: &app.ids, now: app.now(), ahead: Ahead::Refuse };
    let lines = parse_import(&body, &source.unwrap_or_default(), &ctx)
        .map_err(|fault| Problem::bad_request("import", fault.detail))?;

    let mut answer = ImportAnswer::default();
    let mut commands = Vec::with_capacity(lines.len());
    let mut line_of = Vec::with_capacity(lines.len());
    for (line, report) in (1..).zip(lines) {
        match report {
            Ok(report) => {
                commands.push(Command::Report(Box::new(report)));
                line_of.push(line);
            }
            Err(reason) => answer.refused.push(RefusedLine { line, reason }),
        }
    }
    for (line, outcome) in line_of.into_iter().zip(app.engine.submit(commands).await?) {
        match outcome {
            Outcome::Accepted { .. } => answer.accepted += 1,
            Outcome::Repeat { .. } => answer.repeated += 1,
            Outcome::Refused(refusal) => {
                answer.refused.push(RefusedLine { line, reason: refusal.to_string() })
            }
        }
    }
    answer.refused.sort_by_key(|refused| refused.line);
    Ok(Json(answer).into_response())
}
