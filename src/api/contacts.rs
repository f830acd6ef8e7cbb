//! The contact data of an incident's reporters: the only way to it, and every look is an entry.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::Caller;
use super::app::{App, AppState};
use super::incidents::{body_of, named};
use super::joined::below;
use super::params::Params;
use super::problem::Problem;
use super::reports::body_problem;
use crate::access::Permission;
use crate::intake::parse_reason;
use crate::journal::{JournalError, Reader};
use crate::model::{Command, Entry, Fact, IncidentNo, NewRecord, Outcome, RecordKind, Seq};

#[utoipa::path(post, path = "/api/v1/incidents/{id}/contacts", tag = "center",
    description = "Names, phones and e-mails of those who reported, for whoever says why: the look is written down for good, \
        with name and reason, before anything is answered.",
    params(("id" = String, Path, description = "UUID, with or without `i:`")),
    request_body(content = Object, description = "{reason}"),
    responses((status = 200), (status = 401), (status = 403), (status = 404), (status = 422)))]
pub async fn contacts(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let incident = named(&app, &caller, params, &id, Permission::SeeContacts).await?;
    let text = parse_reason(&body_of(request).await?).map_err(body_problem)?;
    let no = incident.no;
    let seq = write_looks(&app, &caller, &[Some(no)], &text).await?;
    let reader = app.engine.reader().clone();
    let log = super::blocking(move || log_of_all(&*reader, no)).await?;
    let contacts: Vec<Value> = log.iter().filter_map(|entry| contact(&app, entry)).collect();
    Ok(Json(json!({"seq": seq.0, "contacts": contacts})).into_response())
}

/// Writes down that somebody looks at contact data, one entry for each incident, in one commit; `None` where it is of
/// none. Answers the last entry's number once they are durable.
pub(super) async fn write_looks(
    app: &App,
    caller: &Caller,
    incidents: &[Option<IncidentNo>],
    reason: &str,
) -> Result<Seq, Problem> {
    let look = |incident: &Option<IncidentNo>| NewRecord {
        kind: RecordKind::LookUp,
        incident: *incident,
        actor: caller.actor(),
        text: reason.to_owned(),
    };
    let looks = incidents.iter().map(|incident| Command::Record(Box::new(look(incident))));
    let mut seq = None;
    for outcome in app.engine.submit(looks.collect()).await? {
        match outcome {
            Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => seq = Some(receipt.seq()),
            Outcome::Refused(refusal) => return Err(refusal.into()),
        }
    }
    seq.ok_or_else(Problem::internal)
}

/// The log of an incident, and of all that counts under it.
fn log_of_all(reader: &dyn Reader, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
    let mut log = reader.incident_log(no)?;
    for row in below(reader, no)? {
        log.extend(reader.incident_log(row.no)?);
    }
    // A merge stands in the logs of both.
    log.sort_by_key(|entry| entry.seq);
    log.dedup_by_key(|entry| entry.seq);
    Ok(log)
}

/// What a reporter left; `None` where that is nothing, or was erased.
fn contact(app: &App, entry: &Entry) -> Option<Value> {
    let Fact::Report(fact) = &entry.fact else { return None };
    let private = &fact.private;
    let is_there = private.name.is_some() || private.phone.is_some() || private.email.is_some();
    is_there.then(|| {
        json!({
            "report": app.ids.report_uuid(fact.report, entry.at).to_string(),
            "code": app.ids.report_code(fact.report),
            "name": private.name,
            "phone": private.phone,
            "email": private.email,
        })
    })
}
