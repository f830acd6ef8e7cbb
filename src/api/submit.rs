//! Has the engine do one thing about an incident, and says in words why it would not.

use super::app::App;
use super::detail;
use super::incidents::{any_incident, no_such_incident};
use super::problem::Problem;
use crate::model::{Command, IncidentNo, Outcome, Refusal};

/// Done, and durable. `named` is the incident in the address.
///
/// # Errors
/// Why it was refused; or that the engine takes nothing.
pub(super) async fn submit(app: &App, named: IncidentNo, command: Command) -> Result<(), Problem> {
    let outcomes = app.engine.submit(vec![command]).await?;
    told(app, named, outcomes).await.map(drop)
}

/// When a thing that is done was done.
pub(super) enum Done {
    Now,
    /// By what was sent before under the same key.
    Before,
}

/// What the engine answered to one command.
///
/// # Errors
/// Why it was refused.
pub(super) async fn told(app: &App, named: IncidentNo, outcomes: Vec<Outcome>) -> Result<Done, Problem> {
    match outcomes.into_iter().next() {
        Some(Outcome::Accepted { .. }) => Ok(Done::Now),
        Some(Outcome::Repeat { .. }) => Ok(Done::Before),
        Some(Outcome::Refused(refusal)) => Err(refused(app, named, refusal).await),
        None => Err(Problem::internal()),
    }
}

/// One that was absorbed says where it went.
async fn refused(app: &App, named: IncidentNo, refusal: Refusal) -> Problem {
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
