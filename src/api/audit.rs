//! The audit: who did what, and who looked at contact data; who signed in, was refused, or was denied.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::acts::{Names, first_from};
use super::app::{App, AppState};
use super::incidents::find;
use super::params::Params;
use super::problem::Problem;
use crate::accounts::ACCOUNT_ACTIONS;
use crate::feed::parse_time;
use crate::feed::wire::time;
use crate::journal::{ActsQuestion, ERASE, EventQuestion, EventRow, JournalError, MERGE, SPLIT};
use crate::model::{Action, IncidentNo, RecordKind, Seq, TimeMs};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;
/// A table for a spreadsheet has more at once.
const ROWS_MAX: u32 = 10_000;
/// Where the next page of a table begins.
pub(super) const NEXT: HeaderName = HeaderName::from_static("pantau-next");
/// In the order of an answer's members.
const COLUMNS: [&str; 11] =
    ["seq", "at", "actor", "action", "incident", "from", "to", "agency", "subject", "network", "note"];

/// A line of the audit, with its place in it: newest first, of one time those of the journal first.
struct Line {
    at: TimeMs,
    is_of_journal: bool,
    /// Seq of the entry, or id of the event.
    id: i64,
    value: Value,
}

impl Line {
    fn place(&self) -> Place {
        (Reverse(self.at), Reverse(self.is_of_journal), Reverse(self.id))
    }
}

type Place = (Reverse<TimeMs>, Reverse<bool>, Reverse<i64>);

#[derive(Clone)]
struct Question {
    since: Option<TimeMs>,
    until: Option<TimeMs>,
    actor: Option<String>,
    incident: Option<IncidentNo>,
    action: Option<String>,
    /// What comes after this place.
    after: Option<Place>,
    limit: usize,
}

#[utoipa::path(get, path = "/api/v1/audit", tag = "center",
    description = "Who did what, the newest first: actions, looks at contact data with their reasons, the shift log, erasures; \
        sign-ins, refusals, denials and changes of accounts, with the address that they came from. For supervisors.",
    params(("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("actor" = Option<String>, Query, description = "who did it, or the account that it was done to"),
        ("incident" = Option<String>, Query, description = "UUID"), ("action" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 403)))]
pub async fn audit(State(app): State<AppState>, params: Params) -> Result<Response, Problem> {
    let (lines, next) = answer(&app, params, LIMIT_DEFAULT, LIMIT_MAX).await?;
    let entries: Vec<Value> = lines.into_iter().map(|line| line.value).collect();
    Ok(Json(json!({"seq": app.live().seq().0, "next": next, "entries": entries})).into_response())
}

#[utoipa::path(get, path = "/api/v1/audit.csv", tag = "center",
    description = "The same as a table, up to 10000 rows; the header pantau-next has the cursor of the next.",
    responses((status = 200, content_type = "text/csv"), (status = 400), (status = 401), (status = 403)))]
pub async fn audit_csv(State(app): State<AppState>, params: Params) -> Result<Response, Problem> {
    let (lines, next) = answer(&app, params, ROWS_MAX, ROWS_MAX).await?;
    let table = table(&lines).map_err(|e| {
        tracing::error!(error = &*e, "a table could not be written");
        Problem::internal()
    })?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"pantau-audit.csv\""),
    ];
    let mut response = (headers, table).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}

/// One page, and where the next begins.
async fn answer(
    app: &AppState,
    mut params: Params,
    limit: u32,
    limit_max: u32,
) -> Result<(Vec<Line>, Option<String>), Problem> {
    let question = Question {
        since: params.read("since", parse_time),
        until: params.read("until", parse_time),
        actor: params.text("actor"),
        incident: match params.text("incident") {
            Some(id) => match find(app, &id).await {
                Ok(incident) => Some(incident.no),
                Err(problem) if problem.status == StatusCode::NOT_FOUND => {
                    params.fault("incident", problem.detail);
                    None
                }
                Err(problem) => return Err(problem),
            },
            None => None,
        },
        action: params.read("action", known_action),
        after: params.read("cursor", read_cursor),
        limit: params.whole("limit", 1, limit_max).unwrap_or(limit) as usize,
    };
    params.finish()?;
    let app = app.clone();
    super::blocking(move || page(&app, &question)).await
}

fn known_action(text: &str) -> Result<String, String> {
    let acts = Action::ALL.into_iter().map(Action::key);
    let records = RecordKind::ALL.into_iter().map(RecordKind::key);
    let known: Vec<&str> =
        acts.chain(records).chain([MERGE, SPLIT, ERASE]).chain(ACCOUNT_ACTIONS).collect();
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is nothing that anybody does; known are {}", known.join(", "))),
    }
}

fn page(app: &Arc<App>, question: &Question) -> Result<(Vec<Line>, Option<String>), JournalError> {
    let mut lines = of_journal(app, question)?;
    lines.extend(of_accounts(app, question)?);
    lines.sort_unstable_by_key(Line::place);
    let is_more = lines.len() > question.limit;
    lines.truncate(question.limit);
    let next = lines.last().filter(|_| is_more).map(write_cursor);
    Ok((lines, next))
}

fn of_journal(app: &Arc<App>, question: &Question) -> Result<Vec<Line>, JournalError> {
    let is_account = |action: &String| ACCOUNT_ACTIONS.contains(&action.as_str());
    if question.action.as_ref().is_some_and(is_account) {
        return Ok(Vec::new());
    }
    let (reader, head) = (app.engine.reader(), app.live().seq());
    let mut below = head.next();
    if let Some(until) = question.until {
        below = below.min(first_from(&**reader, head, until)?);
    }
    match question.after {
        Some((_, Reverse(true), Reverse(seq))) => below = below.min(Seq(seq.unsigned_abs())),
        Some((Reverse(at), ..)) => below = below.min(first_from(&**reader, head, at)?),
        None => {}
    }
    let asked = ActsQuestion {
        below,
        actor: question.actor.clone(),
        incident: question.incident,
        kinds: question.action.iter().cloned().collect(),
    };
    let mut names = Names::new(app.clone());
    let mut lines = Vec::new();
    for entry in reader.acts(&asked, question.limit + 1)? {
        if question.since.is_some_and(|since| entry.at < since) {
            break;
        }
        if let Some(value) = names.act(&entry)? {
            lines.push(Line { at: entry.at, is_of_journal: true, id: entry.seq.0.cast_signed(), value });
        }
    }
    Ok(lines)
}

fn of_accounts(app: &App, question: &Question) -> Result<Vec<Line>, JournalError> {
    let is_other = |action: &String| !ACCOUNT_ACTIONS.contains(&action.as_str());
    let Some(accounts) = &app.accounts else { return Ok(Vec::new()) };
    if question.incident.is_some() || question.action.as_ref().is_some_and(is_other) {
        return Ok(Vec::new());
    }
    accounts.write_log()?;
    let until = question.until.unwrap_or(TimeMs::MAX);
    let before = match question.after {
        // Of that time there are events still where the last line was of the journal.
        Some((Reverse(at), Reverse(true), _)) => (at, i64::MAX),
        Some((Reverse(at), _, Reverse(id))) => (at, id),
        None => (TimeMs::MAX, 0),
    };
    let asked = EventQuestion {
        since: question.since,
        before: Some(if before.0 < until { before } else { (until, 0) }),
        actor: question.actor.clone(),
        action: question.action.clone(),
    };
    let events = accounts.store().events(&asked, question.limit + 1)?;
    let line = |row: EventRow| Line { at: row.at, is_of_journal: false, id: row.id, value: event(row) };
    Ok(events.into_iter().map(line).collect())
}

fn event(row: EventRow) -> Value {
    json!({
        "seq": null,
        "at": time(row.at),
        "actor": row.actor,
        "action": row.action,
        "incident": null,
        "from": null,
        "to": null,
        "agency": null,
        "subject": row.subject,
        "network": row.network,
        "note": row.detail,
    })
}

/// `at.j.id`, or with `a` for an event of accounts.
fn write_cursor(line: &Line) -> String {
    format!("{}.{}.{}", line.at.0, if line.is_of_journal { 'j' } else { 'a' }, line.id)
}

fn read_cursor(text: &str) -> Result<Place, String> {
    let mut parts = text.splitn(3, '.');
    let mut cursor = || {
        let at = TimeMs(parts.next()?.parse().ok()?);
        let is_of_journal = match parts.next()? {
            "j" => true,
            "a" => false,
            _ => return None,
        };
        let id: i64 = parts.next()?.parse().ok()?;
        Some((Reverse(at), Reverse(is_of_journal), Reverse(id)))
    };
    cursor().ok_or_else(|| "is not a cursor of the audit; begin again without it".to_owned())
}

fn table(lines: &[Line]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for line in lines {
        table.write_record(COLUMNS.map(|column| cell(&line.value[column])))?;
    }
    Ok(table.into_inner()?)
}

/// A text that a spreadsheet would take for a formula is marked as one that is none.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
