//! Reports in, and what became of them.

use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::{Caller, media_type};
use super::app::{App, AppState, Mode};
use super::form::{self, unreadable};
use super::incidents::any_incident;
use super::params::Params;
use super::patience;
use super::photo_desk::{KeptPhotos, PhotoWarning, SentPhoto};
use super::photos;
use super::problem::Problem;
use super::spool::{self, Found};
use super::track::{self, ToldOf};
use crate::access::{Object, Permission};
use crate::city::Text;
use crate::engine::EngineError;
use crate::feed::wire::time;
use crate::health::Condition;
use crate::intake::{Ahead, Context, FieldFault, REPORT_BODY_BYTES_MAX, Submission, parse_report};
use crate::model::{Command, Idempotency, NewReport, Outcome, Receipt, Refusal, TimeMs};

/// A body with photos may be this large.
pub const BODY_BYTES_MAX: usize = photos::FORM_BYTES_MAX;
const JOINED_ID: &str = "Laporan Anda digabung dengan laporan lain tentang kejadian yang sama. Statusnya mengikuti kejadian itu.";
const JOINED_EN: &str =
    "Your report was joined with others about the same incident. Its status is that incident's.";
/// Longer keys are refused.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// The answer to an accepted report.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReportReceipt {
    /// What the reporter keeps to ask what became of it.
    code: String,
    /// UUID of the report.
    report: String,
    /// UUID of the incident that it opened or joined.
    incident: String,
    /// Its entry's number: any later answer has one at least as high.
    seq: u64,
    /// Which photos were not kept, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<PhotoWarning>,
}

/// What became of a report, in public words.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReportStatus {
    code: String,
    category: String,
    status: &'static str,
    received_at: String,
    updated_at: String,
    drill: bool,
    /// Key of the agency that must act; null while nobody has it.
    agency: Option<String>,
    /// What happened, in order: `{at, step, text: {id, en}}`.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Value>,
    /// What was answered: `{at, text, agency}`; agency is null where the center speaks.
    #[schema(value_type = Vec<Object>)]
    answers: Vec<Value>,
    /// It was joined with others about the same, and its status is theirs.
    joined: bool,
    /// Says so, in both languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    joined_words: Option<Text>,
    /// Photos that were released, of the incident that it counts under: `{id, kind, at, width, height, …}`.
    #[schema(value_type = Vec<Object>)]
    photos: Vec<Value>,
}

#[utoipa::path(post, path = "/api/v1/reports", tag = "reports",
    description = "Takes a report: JSON, or multipart with a part `report` that holds the JSON and up to 4 parts `photo` (JPEG, PNG or \
        WebP of at most 12 MiB each). Answered when it is durable; the report stands also where a photo cannot be kept, and \
        `warnings` say which and why.",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent twice, stored once and answered alike; kept at least 72 h")),
    request_body(content = Object, description = "{category, lng, lat, accuracy_m?, description?, occurred_at?, incident?, reporter?: {name?, phone?, email?, device?}, channel?, drill?}"),
    responses((status = 201, body = ReportReceipt), (status = 202, description = "The database is away, or its disk is full: stored here under a code, and shared later"), (status = 400), (status = 409), (status = 422), (status = 507)))]
pub async fn post_report(State(app): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    Params::from_request_parts(&mut parts, &app).await?.finish()?;
    let key = idempotency_key(&parts.headers)?;
    let Received { json: body, sent } =
        patience::whole(receive(&app, Request::from_parts(parts, body))).await?;

    let now = app.now();
    // Only staff may move a replay's clock, by a report as by setting it.
    let moves_clock = match &app.mode {
        Mode::Replay(clock) if caller.may(Permission::SetClock, Object::Center).is_ok() => Some(clock),
        Mode::Replay(_) | Mode::Live => None,
    };
    let ahead = if moves_clock.is_some() { Ahead::Take } else { Ahead::Refuse };
    let prepared = prepare(&app, &body, now, ahead).await;
    let report = match prepared {
        // It waits, and the incident that it names is looked for when it is handed on.
        Err(problem) if app.spool.is_some() && problem.is_of(Condition::DatabaseAway) => None,
        prepared => Some(prepared?),
    };
    if let (Some(clock), Some(occurred_at)) = (moves_clock, report.as_ref().and_then(|r| r.occurred_at)) {
        clock.advance_to(occurred_at);
    }
    // Where the database may go away a report needs a key, so that it can be handed on later, once.
    let key = match (key, &app.spool) {
        (None, Some(_)) => Some(spool::key_of_our_own()?),
        (key, _) => key,
    };
    let body_digest = digest(&body, &sent);
    let sent_under = key.map(|key| Idempotency { key, body_digest });
    let kept = KeptPhotos::keep(&app, sent).await;
    let mut report = match (report, &app.spool, &sent_under) {
        (Some(report), ..) if !kept.is_away => report,
        (_, Some(spool), Some(sent)) => {
            return spool::keep(&app, spool.clone(), sent.clone(), (body, kept), now).await;
        }
        (Some(report), ..) => report,
        (None, ..) => return Err(Problem::internal()),
    };
    report.idempotency.clone_from(&sent_under);
    report.private.photos.clone_from(&kept.photos);

    let submitted = app.engine.submit(vec![Command::Report(report)]).await;
    let outcomes = match (submitted, &app.spool, sent_under) {
        (Err(EngineError::Away | EngineError::Full), Some(spool), Some(sent)) => {
            return spool::keep(&app, spool.clone(), sent, (body, kept), now).await;
        }
        // Of other failures nobody knows what became durable.
        (Err(error @ (EngineError::Full | EngineError::StandsBy)), ..) => {
            kept.drop_files(&kept.photos).await;
            return Err(Problem::of_report(&error));
        }
        (submitted, ..) => submitted.map_err(|error| Problem::of_report(&error))?,
    };
    let outcome = outcomes.into_iter().next().ok_or_else(Problem::internal)?;
    match outcome {
        Outcome::Accepted { receipt, .. } => {
            metrics::counter!("pantau_reports_total").increment(1);
            kept.named(&kept.photos);
            created(&app, receipt, kept.warnings)
        }
        Outcome::Repeat { receipt } => {
            kept.drop_files(&kept.photos).await;
            created(&app, receipt, kept.warnings)
        }
        Outcome::Refused(refusal) => {
            kept.drop_files(&kept.photos).await;
            Err(refusal.into())
        }
    }
}

/// Checks the body of a report sent at `now`.
pub(super) async fn prepare(
    app: &AppState,
    body: &[u8],
    now: TimeMs,
    ahead: Ahead,
) -> Result<Box<NewReport>, Problem> {
    let ctx = Context { city: &app.city, ids: &app.ids, now, ahead };
    let Submission { mut report, incident } = parse_report(body, &ctx).map_err(body_problem)?;
    if let Some(uuid) = incident {
        // What joins a sensitive incident is as sensitive: the chained body must not hold its place.
        if named_incident(app, &report, uuid).await? {
            report.coarse_place = Some(report.place.coarsened(app.city.coarse_res));
        }
    }
    Ok(Box::new(report))
}

/// The digest of what was sent: of the JSON alone where nothing is beside it.
fn digest(json: &[u8], sent: &[SentPhoto]) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(json);
    sent.iter().for_each(|photo| digest.update(photo.digest));
    digest.finalize().into()
}

/// What came in: the JSON of the report, and the photos beside it.
struct Received {
    json: Vec<u8>,
    sent: Vec<SentPhoto>,
}

/// The body, or the multipart's parts.
async fn receive(app: &App, request: Request) -> Result<Received, Problem> {
    if media_type(request.headers()) != "multipart/form-data" {
        let body = axum::body::to_bytes(request.into_body(), REPORT_BODY_BYTES_MAX).await;
        let json = body.map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE))?.to_vec();
        return Ok(Received { json, sent: Vec::new() });
    }
    let mut form = form::open(request).await?;
    let mut json = None;
    let mut sent = Vec::new();
    while let Some(mut part) = form::next_part(&mut form).await? {
        match part.name() {
            Some("report") if json.is_none() => json = Some(form::words(&mut part).await?),
            Some("photo") => {
                let number = sent.len() + 1;
                sent.push(app.photos.take(&mut part, number).await?);
            }
            other => {
                let name = other.unwrap_or_default();
                return Err(unreadable(format!(
                    "the part {name:?} is unknown or given twice; send one part \"report\" that holds the JSON, and parts \"photo\""
                )));
            }
        }
    }
    let missing = || unreadable("the part \"report\" is missing; it holds the JSON of the report");
    Ok(Received { json: json.ok_or_else(missing)?, sent })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let detail =
            format!("Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters");
        Problem::bad_request("idempotency-key", detail)
    })
}

/// Bodies that are no JSON object are 400, faulty fields 422.
pub fn body_problem(faults: Vec<FieldFault>) -> Problem {
    let whole_body = faults.len() == 1 && faults[0].pointer.is_empty();
    if whole_body { Problem::unreadable_body(faults) } else { Problem::invalid_body(faults) }
}

/// Whether the incident that a UUID names is sensitive, or the one that absorbed it: only if all of the UUID is
/// right, the time too.
async fn named_incident(app: &App, report: &NewReport, uuid: uuid::Uuid) -> Result<bool, Problem> {
    let no = report.incident.ok_or(Refusal::UnknownIncident)?;
    let incident = any_incident(app, no).await?;
    let named = incident.filter(|incident| app.ids.incident_uuid(no, incident.opened_at) == uuid);
    let category = named.ok_or(Refusal::UnknownIncident)?.category;
    let live = app.live();
    let standing = live.incident(live.standing_no(no)).map(|incident| incident.category);
    Ok(standing.into_iter().chain([category]).any(|category| app.city.category(category).sensitive))
}

fn created(app: &App, receipt: Receipt, warnings: Vec<PhotoWarning>) -> Result<Response, Problem> {
    let Receipt::Report { seq, report, received_at, incident, opened_at } = receipt else {
        return Err(Problem::internal());
    };
    let code = app.ids.report_code(report);
    let location = format!("/api/v1/reports/{code}");
    let body = ReportReceipt {
        code,
        report: app.ids.report_uuid(report, received_at).to_string(),
        incident: app.ids.incident_uuid(incident, opened_at).to_string(),
        seq: seq.0,
        warnings,
    };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

#[utoipa::path(get, path = "/api/v1/reports/{code}", tag = "reports",
    description = "What became of a report, for whoever holds its code.",
    params(("code" = String, Path, description = "The code, however it was written down")),
    responses((status = 200, body = ReportStatus), (status = 404)))]
pub async fn report(
    State(app): State<AppState>,
    params: Params,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    params.finish()?;
    let unknown = || Problem::not_found("no report has this code; check it sign by sign");
    let no = match app.ids.report_of_code(&code) {
        Some(no) => no,
        // A code that was given out while the database was away.
        None => match spool::find(&app, &code).await?.ok_or_else(unknown)? {
            Found::InJournal(no) => no,
            Found::Answer(answer) => return Ok(answer),
        },
    };
    let (reader, city) = (app.engine.reader().clone(), app.city.clone());
    let found = super::blocking(move || {
        let Some(told_of) = ToldOf::read(&*reader, no)? else { return Ok(None) };
        let photos = photos::photos_of_all(&*reader, &city, told_of.incident.no)?;
        Ok(Some((told_of, photos)))
    });
    let (told_of, photos) = found.await?.ok_or_else(unknown)?;
    let ToldOf { report, incident, joined, turns, .. } = &told_of;
    let status = ReportStatus {
        code: app.ids.report_code(no),
        category: app.city.category(report.category).key.clone(),
        status: incident.status.key(),
        received_at: time(report.received_at),
        updated_at: time(incident.updated_at),
        drill: report.drill,
        agency: incident.agency.map(|agency| app.city.agency(agency).key.clone()),
        steps: track::steps(&app.city, &told_of),
        answers: track::answers(&app.city, turns),
        photos: photos::public_photos(&app, std::slice::from_ref(incident), &photos),
        joined: *joined,
        joined_words: joined.then(|| Text { id: JOINED_ID.to_owned(), en: JOINED_EN.to_owned() }),
    };
    let mut body = json!(status);
    body["seq"] = app.live().seq().0.into();
    Ok(Json(body).into_response())
}
