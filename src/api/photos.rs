//! Photos of incidents: added by staff, released to the public and withdrawn, listed, served.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::{Caller, media_type};
use super::app::{App, AppState};
use super::form::{self, unreadable};
use super::incident_answer::answer;
use super::incidents::{Named, find, named, no_such_incident};
use super::joined::{below, standing};
use super::params::Params;
use super::patience;
use super::photo_desk::{KeptPhotos, SentPhoto};
use super::problem::Problem;
use super::reports::{body_problem, idempotency_key};
use super::submit::{Done, submit, told};
use crate::access::Permission;
use crate::city::City;
use crate::engine::EngineError;
use crate::feed::wire::time;
use crate::health::Condition;
use crate::intake::{ActionRequest, FieldFault, PhotoForm, parse_photo_form};
use crate::journal::{IncidentRow, JournalError, Reader};
use crate::live::Incident;
use crate::model::{
    Action, ActionMore, AddedPhotos, Command, IncidentNo, PHOTOS_MAX, PhotoRow, Projection, SentPhotos,
};

/// A form with photos may be this large: four of them, and some words.
pub const FORM_BYTES_MAX: usize = PHOTOS_MAX * crate::photos::FILE_BYTES_MAX + (1 << 20);
/// Parts of such a form that are words: more than there are names for, so that a wrong one is named.
const WORDS_MAX: usize = 16;
/// How long a browser may show a photo without asking again: one that was withdrawn is gone by then.
const CACHE_S: u32 = 60;

#[utoipa::path(post, path = "/api/v1/incidents/{id}/photos", tag = "center",
    description = "Adds photos of before or after the work: a form with parts `photo` (1 to 4; JPEG, PNG or WebP of at most 12 MiB), \
        `kind` (before or after), and where wanted `note`, `version` and `public` (\"true\": released at once, which needs the \
        permission `answer` too). Answers the incident. Staff.",
    params(("id" = String, Path, description = "UUID, with or without `i:`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent twice to the incident, added once; kept for good. Another form under the same key is 422")),
    request_body(content = Object, content_type = "multipart/form-data", description = "photo, kind, note?, public?, version?"),
    responses((status = 200), (status = 401), (status = 404), (status = 409), (status = 413), (status = 422), (status = 503)))]
pub async fn add(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let incident = named(&app, &caller, params, &id, Permission::Photo).await?;
    let key = idempotency_key(request.headers())?.map(|key| app.ids.sent_key(&key));
    let Received { form, sent, digest } = patience::whole(receive(&app, request)).await?;
    if form.public {
        caller.may(Permission::Answer, incident.object())?;
    }
    let kept = KeptPhotos::keep(&app, sent).await;
    if !kept.warnings.is_empty() {
        kept.drop_files(&kept.photos).await;
        // Nothing is wrong with the photos, so nobody must give them up.
        if kept.may_be_kept_later() {
            return Err(Problem::busy(
                "photos cannot be taken at this moment; send it again, nothing was stored",
            ));
        }
        let fault = |warning: &super::photo_desk::PhotoWarning| FieldFault {
            pointer: format!("/photo/{}", warning.photo),
            detail: warning.en.clone(),
        };
        return Err(body_problem(kept.warnings.iter().map(fault).collect()));
    }
    if kept.is_away {
        let is_full = app.engine.health().stands(Condition::DiskFull);
        let why = if is_full { EngineError::Full } else { EngineError::Away };
        return Err(engine_problem(&why, key.is_some()));
    }
    let photos = kept.photos.clone();
    let n = photos.len() as u8;
    let under = key.map(|key| SentPhotos { key, content: Some(digest) });
    let added = AddedPhotos { kind: form.kind, public: form.public, n, photos, sent: under };
    let more = ActionMore { photos: Some(Box::new(added)), ..ActionMore::default() };
    let ask = ActionRequest { note: form.note, version: form.version, ..of_photos(Action::Photo, more) };
    let command = ask.for_incident(incident.no, caller.actor(), None);
    let submitted = app.engine.submit(vec![Command::Action(Box::new(command))]).await;
    let done = match submitted {
        Ok(outcomes) => told(&app, &caller, incident.no, outcomes).await,
        Err(error) => Err(engine_problem(&error, key.is_some())),
    };
    match &done {
        Ok(Done::Now) => kept.named(&kept.photos),
        // What is there already has files of its own.
        Ok(Done::Before) => kept.drop_files(&kept.photos).await,
        // Of other failures nobody knows what became durable.
        Err(problem) if problem.nothing_was_stored() => kept.drop_files(&kept.photos).await,
        Err(_) => {}
    }
    done?;
    answer(&app, &caller, &incident).await
}

/// Why photos are not taken; under a key they can be sent twice without harm.
fn engine_problem(error: &EngineError, is_keyed: bool) -> Problem {
    if is_keyed { Problem::of_keyed(error) } else { error.clone().into() }
}

/// What came in.
struct Received {
    form: PhotoForm,
    sent: Vec<SentPhoto>,
    /// Of all words and files, whatever their order.
    digest: [u8; 32],
}

fn digest(words: &BTreeMap<String, String>, sent: &[SentPhoto]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in words.iter().flat_map(|(name, text)| [name, text]) {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    sent.iter().for_each(|photo| digest.update(photo.digest));
    digest.finalize().into()
}

/// Words and photos of a form.
async fn receive(app: &App, request: Request) -> Result<Received, Problem> {
    if media_type(request.headers()) != "multipart/form-data" {
        return Err(unreadable("photos come as multipart/form-data, in parts \"photo\""));
    }
    let mut form = form::open(request).await?;
    let (mut words, mut sent) = (BTreeMap::new(), Vec::new());
    while let Some(mut part) = form::next_part(&mut form).await? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "photo" {
            sent.push(app.photos.take(&mut part, sent.len() + 1).await?);
            continue;
        }
        let text = String::from_utf8(form::words(&mut part).await?)
            .map_err(|_| unreadable(format!("the part {name:?} is no text in UTF-8")))?;
        if words.len() >= WORDS_MAX {
            return Err(unreadable(format!("a form takes at most {WORDS_MAX} parts beside the photos")));
        }
        if words.insert(name.clone(), text).is_some() {
            return Err(unreadable(format!("the part {name:?} is given twice")));
        }
    }
    let form = parse_photo_form(&words, sent.len()).map_err(body_problem)?;
    let digest = digest(&words, &sent);
    Ok(Received { form, sent, digest })
}

/// What is done to an incident with its photos.
fn of_photos(action: Action, more: ActionMore) -> ActionRequest {
    ActionRequest { action, more, agency: None, note: None, version: None }
}

#[utoipa::path(post, path = "/api/v1/incidents/{id}/photos/{photo}/release", tag = "center",
    description = "The public may see the photo, where it may see the incident and that is not sensitive. Answers the incident. Staff.",
    params(("id" = String, Path), ("photo" = String, Path, description = "its id")),
    responses((status = 200), (status = 401), (status = 404), (status = 409)))]
pub async fn release(
    state: State<AppState>,
    caller: Caller,
    params: Params,
    path: Path<(String, String)>,
) -> Result<Response, Problem> {
    set_public(state, caller, params, path, Action::Release).await
}

#[utoipa::path(post, path = "/api/v1/incidents/{id}/photos/{photo}/withdraw", tag = "center",
    description = "The public may not see the photo any more. Answers the incident. Staff.",
    params(("id" = String, Path), ("photo" = String, Path, description = "its id")),
    responses((status = 200), (status = 401), (status = 404), (status = 409)))]
pub async fn withdraw(
    state: State<AppState>,
    caller: Caller,
    params: Params,
    path: Path<(String, String)>,
) -> Result<Response, Problem> {
    set_public(state, caller, params, path, Action::Withdraw).await
}

async fn set_public(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path((id, photo)): Path<(String, String)>,
    action: Action,
) -> Result<Response, Problem> {
    let incident = named(&app, &caller, params, &id, Permission::Answer).await?;
    let found = read(&app, &photo).await?;
    let row =
        found.filter(|found| found.tree.iter().any(|row| row.no == incident.no)).map(|found| found.row);
    let row = row.ok_or_else(no_such_photo)?;
    // Asking twice is no second entry.
    if row.public != (action == Action::Release) {
        let more = ActionMore { photo: Some(row.no), ..ActionMore::default() };
        let command = of_photos(action, more).for_incident(incident.no, caller.actor(), None);
        submit(&app, &caller, incident.no, Command::Action(Box::new(command))).await?;
    }
    answer(&app, &caller, &incident).await
}

#[utoipa::path(get, path = "/api/v1/incidents/{id}/photos", tag = "map",
    description = "The photos of an incident that the asker may see: staff all of theirs, the public those that were released, of \
        incidents that it may see and that are not sensitive.",
    params(("id" = String, Path, description = "UUID, with or without `i:`")),
    responses((status = 200), (status = 404)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    params.finish()?;
    let incident = find(&app, &id).await?;
    let is_staff = caller.may(Permission::SeeIncident, incident.object()).is_ok();
    let no = incident.no;
    let reader = app.engine.reader().clone();
    let city = app.city.clone();
    let read = move || Ok((standing(&*reader, no)?, photos_of_all(&*reader, &city, no)?));
    let (tree, photos) = super::blocking(read).await?;
    if !is_staff && !is_visible(&app, &tree) {
        return Err(no_such_incident());
    }
    let photos: Vec<Value> = match is_staff {
        true => photos.iter().map(|photo| photo_json(&app, &photo.row, true)).collect(),
        false => public_photos(&app, &tree, &photos),
    };
    Ok(Json(json!({"seq": app.live().seq().0, "photos": photos})).into_response())
}

#[utoipa::path(get, path = "/api/v1/photos/{photo}", tag = "map",
    description = "A photo as JPEG, for whoever may see it; to all others it is not there.",
    params(("photo" = String, Path), ("size" = Option<String>, Query, description = "thumb: the small one")),
    responses((status = 200, content_type = "image/jpeg"), (status = 404)))]
pub async fn photo(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let thumb = params.read("size", |text| match text {
        "thumb" => Ok(()),
        other => Err(format!("{other:?} is no size; known is thumb")),
    });
    params.finish()?;
    let found = read(&app, &id).await?.ok_or_else(no_such_photo)?;
    if !found.may_be_seen(&app, &caller) {
        return Err(no_such_photo());
    }
    let name = if thumb.is_some() { found.row.photo.thumb } else { found.row.photo.name };
    let reader = app.engine.reader().clone();
    let bytes = super::blocking(move || reader.photo_files()?.get(name)).await?;
    let bytes = bytes.ok_or_else(|| {
        tracing::error!(entry = %found.row.no.seq, "the file of a photo is not there; run pantau verify");
        no_such_photo()
    })?;
    let headers =
        [(CONTENT_TYPE, "image/jpeg".to_owned()), (CACHE_CONTROL, format!("private, max-age={CACHE_S}"))];
    Ok((headers, bytes).into_response())
}

fn no_such_photo() -> Problem {
    Problem::not_found("there is no such photo")
}

/// A photo, and the incident that it came to with all that absorbed it, the standing one last.
struct Found {
    row: PhotoRow,
    tree: Vec<IncidentRow>,
}

impl Found {
    fn may_be_seen(&self, app: &App, caller: &Caller) -> bool {
        let is_staff = self.tree.iter().any(|row| {
            let incident = Named::of(&Incident::from_row(row, &app.city));
            caller.may(Permission::SeeIncident, incident.object()).is_ok()
        });
        is_staff || self.row.public && shows_photos(app, &self.tree)
    }
}

/// Whether the public may know of an incident: what another absorbed is public with that one, the last.
fn is_visible(app: &App, tree: &[IncidentRow]) -> bool {
    let standing = tree.last().map(|row| Incident::from_row(row, &app.city));
    standing.is_some_and(|incident| incident.is_visible(Projection::Public))
}

/// Whether it may see the released photos of one.
fn shows_photos(app: &App, tree: &[IncidentRow]) -> bool {
    is_visible(app, tree) && !tree.iter().any(|row| app.city.category(row.category).sensitive)
}

/// The photo of an id, if all of the id is right.
async fn read(app: &Arc<App>, id: &str) -> Result<Option<Found>, Problem> {
    let Some(uuid) = id.parse::<uuid::Uuid>().ok() else { return Ok(None) };
    let Some(no) = app.ids.photo_of_uuid(uuid) else { return Ok(None) };
    let reader = app.engine.reader().clone();
    let found = super::blocking(move || {
        let Some(row) = reader.photo(no)? else { return Ok(None) };
        let tree = standing(&*reader, row.incident)?;
        Ok(Some(Found { row, tree }))
    });
    let found = found.await?;
    Ok(found.filter(|found| app.ids.photo_uuid(found.row.no, found.row.at) == uuid))
}

/// A photo of an incident, or of one that counts under it.
pub(super) struct Counted {
    pub row: PhotoRow,
    /// It came with something sensitive that the incident absorbed: the public never sees it.
    is_sensitive: bool,
}

/// The photos of an incident and of all that counts under it, in the order in which they came.
pub(super) fn photos_of_all(
    reader: &dyn Reader,
    city: &City,
    no: IncidentNo,
) -> Result<Vec<Counted>, JournalError> {
    let mut sensitive = HashSet::new();
    let counted = |is_sensitive: bool| move |row: PhotoRow| Counted { row, is_sensitive };
    let mut photos: Vec<Counted> = reader.photos_of(no)?.into_iter().map(counted(false)).collect();
    for row in below(reader, no)? {
        let is_sensitive = city.category(row.category).sensitive
            || row.merged_into.is_some_and(|into| sensitive.contains(&into));
        if is_sensitive {
            sensitive.insert(row.no);
        }
        photos.extend(reader.photos_of(row.no)?.into_iter().map(counted(is_sensitive)));
    }
    photos.sort_unstable_by_key(|photo| photo.row.no);
    Ok(photos)
}

/// The photos of an incident that the public may see; `tree`: with what it counts under.
pub(super) fn public_photos(app: &App, tree: &[IncidentRow], photos: &[Counted]) -> Vec<Value> {
    if !shows_photos(app, tree) {
        return Vec::new();
    }
    let shown = photos.iter().filter(|photo| photo.row.public && !photo.is_sensitive);
    shown.map(|photo| photo_json(app, &photo.row, false)).collect()
}

/// A photo in an answer. The public learns neither whose nor by whom it is.
pub(super) fn photo_json(app: &App, row: &PhotoRow, is_staff: bool) -> Value {
    let report = row.report.filter(|_| is_staff);
    json!({
        "id": app.ids.photo_uuid(row.no, row.at).to_string(),
        "kind": row.kind.key(),
        "report": report.map(|no| app.ids.report_uuid(no, row.at).to_string()),
        "at": time(row.at),
        "by": row.actor.as_ref().filter(|_| is_staff),
        "width": row.photo.width,
        "height": row.photo.height,
        "public": row.public,
    })
}
