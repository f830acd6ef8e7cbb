//! Has the engine do one thing about an incident, and says in words why it would not.

use super::access::Caller;
use super::app::App;
use super::detail;
use super::incidents::{Named, any_incident, no_such_incident};
use super::problem::Problem;
use crate::access::Permission;
use crate::live::Incident;
use crate::model::{Command, IncidentNo, Outcome, Refusal};

/// Done, and durable. `named` is the incident in the address.
///
/// # Errors
/// Why it was refused; or that the engine takes nothing.
pub(super) async fn submit(
    app: &App,
    caller: &Caller,
    named: IncidentNo,
    command: Command,
) -> Result<(), Problem> {
    let outcomes = app.engine.submit(vec![command]).await?;
    told(app, caller, named, outcomes).await.map(drop)
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
pub(super) async fn told(
    app: &App,
    caller: &Caller,
    named: IncidentNo,
    outcomes: Vec<Outcome>,
) -> Result<Done, Problem> {
    match outcomes.into_iter().next() {
        Some(Outcome::Accepted { .. }) => Ok(Done::Now),
        Some(Outcome::Repeat { .. }) => Ok(Done::Before),
        Some(Outcome::Refused(refusal)) => Err(refused(app, caller, named, refusal).await),
        None => Err(Problem::internal()),
    }
}

/// One that was absorbed says where it went, to whoever may see that one.
async fn refused(app: &App, caller: &Caller, named: IncidentNo, refusal: Refusal) -> Problem {
    let sees =
        |incident: &Incident| caller.may(Permission::SeeIncident, Named::of(incident).object()).is_ok();
    match refusal {
        Refusal::UnknownIncident => no_such_incident(),
        Refusal::Merged { into } => match any_incident(app, into).await {
            Ok(Some(into)) if !sees(&into) => {
                let detail = "the incident was joined with one that is not yours to see; whoever has that one acts on it";
                Problem::conflict("merged", detail)
            }
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
