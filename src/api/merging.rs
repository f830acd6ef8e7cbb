//! Incidents that are made one, and two again.

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::Response;

use super::access::Caller;
use super::app::{App, AppState};
use super::detail;
use super::incident_answer::answer;
use super::incidents::{Named, any_incident, find, no_such_incident};
use super::params::Params;
use super::problem::Problem;
use super::reports::body_problem;
use crate::access::Permission;
use crate::intake::{FieldFault, MergeRequest, parse_merge};
use crate::model::{Command, IncidentNo, NewMerge, Outcome, Refusal};

#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "center",
    description = "Lets another incident absorb this one: its reports count there from here on, and it is on no map until it is split off again. Both must be open and alike in drill. Answers the incident that stays. Staff.",
    params(("id" = String, Path, description = "UUID of the one that is absorbed")),
    request_body(content = Object, description = "{incident, version?, note?}: `incident` is the UUID of the one that stays, `version` that of the one in the path"),
    responses((status = 200), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub async fn merge(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    params.finish()?;
    let absorbed = find(&app, &id).await?;
    caller.may(Permission::Merge, absorbed.object())?;
    let (ask, into) = read(&app, request, "the UUID of the incident that stays").await?;
    caller.may(Permission::Merge, into.object())?;
    let command = Command::Merge(Box::new(new_merge(&absorbed, &into, ask, &caller)));
    submit(&app, absorbed.no, command).await?;
    answer(&app, &caller, &into).await
}

#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", tag = "center",
    description = "Sets an incident free again that this one absorbed: it stands as it did, with its reports, status, agency and deadline. What came in meanwhile stays. Answers the incident that was set free. Staff.",
    params(("id" = String, Path, description = "UUID of the one that stays")),
    request_body(content = Object, description = "{incident, version?, note?}: `incident` is the UUID of one in `merged`, `version` that of the one in the path"),
    responses((status = 200), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub async fn split(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    params.finish()?;
    let into = find(&app, &id).await?;
    caller.may(Permission::Split, into.object())?;
    let (ask, absorbed) = read(&app, request, "the UUID of an incident that this one absorbed").await?;
    caller.may(Permission::Split, absorbed.object())?;
    let command = Command::Split(Box::new(new_merge(&absorbed, &into, ask, &caller)));
    submit(&app, into.no, command).await?;
    answer(&app, &caller, &absorbed).await
}

/// The body, and the other incident, which it names.
async fn read(app: &App, request: Request, other: &str) -> Result<(MergeRequest, Named), Problem> {
    let body = <Bytes as FromRequest<()>>::from_request(request, &()).await;
    let body = body.map_err(|e| Problem::of_status(e.status()))?;
    let ask = parse_merge(&body, other).map_err(body_problem)?;
    let named = find(app, &ask.incident.to_string()).await.map_err(|problem| match problem.kind {
        "not-found" => {
            let detail = "there is no such incident".to_owned();
            Problem::invalid_body(vec![FieldFault { pointer: "/incident".to_owned(), detail }])
        }
        _ => problem,
    })?;
    Ok((ask, named))
}

fn new_merge(absorbed: &Named, into: &Named, ask: MergeRequest, caller: &Caller) -> NewMerge {
    NewMerge {
        absorbed: absorbed.no,
        into: into.no,
        version: ask.version,
        note: ask.note,
        actor: caller.actor(),
    }
}

/// `named` is the one in the path.
async fn submit(app: &App, named: IncidentNo, command: Command) -> Result<(), Problem> {
    match app.engine.submit(vec![command]).await?.into_iter().next() {
        Some(Outcome::Accepted { .. } | Outcome::Repeat { .. }) => Ok(()),
        Some(Outcome::Refused(refusal)) => Err(refused(app, named, refusal).await),
        None => Err(Problem::internal()),
    }
}

/// Why staff's wish for the incident was refused. One that was absorbed says where it went.
pub(super) async fn refused(app: &App, named: IncidentNo, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::UnknownIncident => no_such_incident(),
        Refusal::Merged { into } => match any_incident(app, into).await {
            Ok(Some(into)) => {
                let uuid = app.ids.incident_uuid(into.no, into.opened_at);
                let detail = format!(
                    "the incident was joined with {uuid}; act on that one, or split this one off it first"
                );
                Problem::conflict("merged", detail)
            }
            _ => refusal.into(),
        },
        refusal => detail::refused(app, named, refusal).await,
    }
}
