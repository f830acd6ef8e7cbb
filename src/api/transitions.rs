//! What may be done to an incident, for programs and pages.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::params::Params;
use super::problem::Problem;
use crate::access::Permission;
use crate::model::{Requirement, TRANSITIONS};

#[utoipa::path(get, path = "/api/v1/transitions", tag = "center",
    description = "The table of transitions: each action from each status, what it must carry (note, agency, disposition, step; photo: \
        a photo `after` must be on the incident, where its category wants one of the repair), the permission that it needs, and whether somebody else must do it than who resolved the incident.",
    responses((status = 200)))]
pub async fn transitions(params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let rows = TRANSITIONS.iter().map(|row| {
        json!({
            "action": row.action.key(),
            "from": row.from.key(),
            "to": row.to.key(),
            "requires": row.requires.iter().map(|requirement| Requirement::key(*requirement)).collect::<Vec<_>>(),
            "permission": Permission::of_action(row.action).key(),
            "four_eyes": row.four_eyes,
        })
    });
    Ok(Json(rows.collect::<Vec<Value>>()).into_response())
}
