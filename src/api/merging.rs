//! Incidents that are made one, and two again.

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::access::Caller;
use super::app::AppState;
use super::incident_answer::answer;
use super::incidents::{Named, body_of, find, named};
use super::params::Params;
use super::problem::Problem;
use super::reports::body_problem;
use super::submit::submit;
use crate::access::Permission;
use crate::intake::{FieldFault, MergeRequest, parse_merge};
use crate::model::{Command, NewMerge};

#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "center",
    description = "Lets another incident absorb this one: its reports count there from here on, and it is on no map until it is split off again. Both must be open and alike in drill. Answers the incident that stays. Staff.",
    params(("id" = String, Path, description = "UUID of the one that is absorbed")),
    request_body(content = Object, description = "{incident, version?, note?}: `incident` is the UUID of the one that stays, `version` that of the one in the path"),
    responses((status = 200), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub async fn merge(
    state: State<AppState>,
    caller: Caller,
    params: Params,
    path: Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    join(state, caller, params, path, request, Way::Merge).await
}

#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", tag = "center",
    description = "Sets an incident free again that this one absorbed: it stands as it did, with its reports, status, agency and deadline. What came in meanwhile stays. Answers the incident that was set free. Staff.",
    params(("id" = String, Path, description = "UUID of the one that stays")),
    request_body(content = Object, description = "{incident, version?, note?}: `incident` is the UUID of one in `merged`, `version` that of the one in the path"),
    responses((status = 200), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub async fn split(
    state: State<AppState>,
    caller: Caller,
    params: Params,
    path: Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    join(state, caller, params, path, request, Way::Split).await
}

/// Which way two incidents go.
#[derive(Clone, Copy)]
enum Way {
    Merge,
    Split,
}

impl Way {
    fn permission(self) -> Permission {
        match self {
            Way::Merge => Permission::Merge,
            Way::Split => Permission::Split,
        }
    }

    /// What the body names.
    fn other(self) -> &'static str {
        match self {
            Way::Merge => "the UUID of the incident that stays",
            Way::Split => "the UUID of an incident that this one absorbed",
        }
    }

    /// `absorbed` and `into` of the one in the path and the other.
    fn sort<'n>(self, named: &'n Named, other: &'n Named) -> (&'n Named, &'n Named) {
        match self {
            Way::Merge => (named, other),
            Way::Split => (other, named),
        }
    }

    fn command(self, merge: NewMerge) -> Command {
        match self {
            Way::Merge => Command::Merge(Box::new(merge)),
            Way::Split => Command::Split(Box::new(merge)),
        }
    }
}

/// Answers the other: the one that stays, or that was set free.
async fn join(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
    request: Request,
    way: Way,
) -> Result<Response, Problem> {
    let named = named(&app, &caller, params, &id, way.permission()).await?;
    let ask = parse_merge(&body_of(request).await?, way.other()).map_err(body_problem)?;
    let other = find(&app, &ask.incident.to_string()).await.map_err(in_body)?;
    caller.may(way.permission(), other.object())?;
    let (absorbed, into) = way.sort(&named, &other);
    let MergeRequest { version, note, .. } = ask;
    let merge = NewMerge { absorbed: absorbed.no, into: into.no, version, note, actor: caller.actor() };
    submit(&app, &caller, named.no, way.command(merge)).await?;
    answer(&app, &caller, &other).await
}

/// Of an incident that the body names.
fn in_body(problem: Problem) -> Problem {
    match problem.kind {
        "not-found" => {
            let (pointer, detail) = ("/incident".to_owned(), "there is no such incident".to_owned());
            Problem::invalid_body(vec![FieldFault { pointer, detail }])
        }
        _ => problem,
    }
}
