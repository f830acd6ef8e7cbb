//! Reports while the database is away: kept in the node's spool and acknowledged with `202`, then handed
//! on in order, each once; to the journal where this node writes it, else to the writer through the database.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::app::{App, AppState};
use super::parcel::{unwrap, wrap};
use super::photo_desk::{KeptPhotos, put};
use super::problem::Problem;
use super::reports::prepare;
use crate::feed::wire::time;
use crate::health::Condition;
use crate::intake::Ahead;
use crate::journal::{HandIn, JournalError, Kept, Spool, Waiting, WaitingRoom, Whereabouts};
use crate::model::{
    Command, IdKey, Idempotency, NewReport, Outcome, Photo, PhotoName, Receipt, Refusal, ReportNo, TimeMs,
};

/// Handed on together, at most.
const BATCH: usize = 256;
/// How often the spool is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a reporter is told whose report waits.
fn message() -> serde_json::Value {
    json!({
        "id": "Laporan Anda sudah tersimpan di sini dan belum diteruskan; laporan diteruskan sendiri begitu sambungan pulih.",
        "en": "Your report is stored here and not yet shared; it will be shared by itself when the connection is back.",
    })
}

/// A key for a report that was sent under none: by it the report is stored once, however often it has to
/// be handed on.
pub(super) fn key_of_our_own() -> Result<String, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Problem::internal())?;
    Ok(format!("auto:{:032x}", u128::from_be_bytes(random)))
}

/// Keeps a report and answers its sender.
pub(super) async fn keep(
    app: &App,
    spool: Arc<Spool>,
    sent: Idempotency,
    (body, photos): (Vec<u8>, KeptPhotos),
    now: TimeMs,
) -> Result<Response, Problem> {
    let body = wrap(body, &photos.drawn);
    let kept = super::blocking(move || spool.keep(&sent.key, sent.body_digest, &body, now, draw)).await?;
    let Kept::Under(no) = kept else { return Err(Refusal::KeyReused.into()) };
    metrics::counter!("pantau_spooled_total").increment(1);
    let mut body = json!({"code": app.ids.waiting_code(no), "status": "waiting", "message": message()});
    if !photos.warnings.is_empty() {
        body["warnings"] = json!(photos.warnings);
    }
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

fn draw() -> Result<u64, JournalError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| JournalError::Store(Box::new(e)))?;
    Ok(IdKey::waiting_no(u64::from_be_bytes(random)))
}

/// What became of a report whose code says that it had to wait.
pub(super) enum Found {
    InJournal(ReportNo),
    Answer(Response),
}

/// `None` where the code is no such code, or of another node.
pub(super) async fn find(app: &App, code: &str) -> Result<Option<Found>, Problem> {
    let (Some(spool), Some(no)) = (app.spool.clone(), app.ids.waiting_of_code(code)) else {
        return Ok(None);
    };
    let waiting = |status: &str, received_at| {
        let code = app.ids.waiting_code(no);
        let mut body = json!({"code": code, "status": status, "received_at": time(received_at)});
        if status == "waiting" {
            body["message"] = message();
        }
        Found::Answer(Json(body).into_response())
    };
    let elsewhere = app.hand_in.clone();
    let found = super::blocking(move || match (spool.whereabouts(no)?, elsewhere) {
        // Of another node, or handed in.
        (None | Some(Whereabouts::HandedIn), Some(elsewhere)) => elsewhere.whereabouts(no),
        (found, _) => Ok(found),
    });
    Ok(found.await?.and_then(|found| match found {
        Whereabouts::HandedIn => None,
        Whereabouts::InJournal(no) => Some(Found::InJournal(no)),
        Whereabouts::Waiting { received_at } => Some(waiting("waiting", received_at)),
        Whereabouts::Refused { received_at } => Some(waiting("rejected", received_at)),
    }))
}

/// Hands on what waits whenever the database is there, until the server stops.
pub async fn hand_on(app: AppState) {
    let Some(spool) = app.spool.clone() else { return };
    let mut stopping = app.stopping.clone();
    loop {
        let stopped = tokio::time::timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok();
        if stopped {
            return;
        }
        let stands = |condition| app.engine.health().stands(condition);
        if stands(Condition::DatabaseAway) || stands(Condition::ReadOnly) {
            continue;
        }
        let done = match (&app.hand_in, stands(Condition::StandsBy)) {
            (Some(hand_in), true) => to_the_writer(&spool, hand_in).await,
            (hand_in, _) => {
                let mut rooms: Vec<Arc<dyn WaitingRoom>> = vec![spool.clone()];
                rooms.extend(hand_in.clone().map(|hand_in| hand_in as Arc<dyn WaitingRoom>));
                into_journal(&app, &rooms).await
            }
        };
        if let Err(problem) = done {
            tracing::warn!("reports in the spool wait on: {}", problem.detail);
        }
    }
}

/// This node only follows: the writer finds them in the database.
async fn to_the_writer(spool: &Arc<Spool>, hand_in: &Arc<dyn HandIn>) -> Result<(), Problem> {
    let (spool, hand_in) = (spool.clone(), hand_in.clone());
    super::blocking(move || {
        loop {
            let waiting = spool.waiting(BATCH)?;
            if waiting.is_empty() {
                return Ok(());
            }
            hand_in.hand_in(&waiting)?;
            spool.handed_in(&waiting)?;
            tracing::info!(reports = waiting.len(), "were handed in for the server that writes");
        }
    })
    .await
}

async fn into_journal(app: &AppState, rooms: &[Arc<dyn WaitingRoom>]) -> Result<(), Problem> {
    for room in rooms {
        loop {
            match hand_on_batch(app, room).await? {
                0 => break,
                n => tracing::info!(reports = n, "were handed on from the spool"),
            }
        }
    }
    Ok(())
}

/// How many were handed on.
async fn hand_on_batch(app: &AppState, spool: &Arc<dyn WaitingRoom>) -> Result<usize, Problem> {
    let reading = spool.clone();
    let waiting = super::blocking(move || reading.waiting(BATCH)).await?;
    let (mut answers, mut commands, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for report in &waiting {
        match command(app, report).await {
            Ok(new) => {
                sent.push((report, new.private.photos.clone()));
                commands.push(Command::Report(new));
            }
            // It was checked when it came: what it names has gone since, with another city pack.
            Err(problem) if problem.status.is_client_error() => {
                answers.push((report.place, Err(problem.detail)))
            }
            Err(problem) => return Err(problem),
        }
    }
    let outcomes = app.engine.submit(commands).await.map_err(|error| Problem::of_report(&error))?;
    for ((report, photos), outcome) in sent.into_iter().zip(outcomes) {
        let answer = match outcome {
            Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => report_no(receipt)?,
            Outcome::Refused(Refusal::KeyReused) => Err(Refusal::KeyReused.to_string()),
            // The incident that it was to join is closed by now: the report opens one of its own.
            Outcome::Refused(refusal) => alone(app, report, &refusal).await?,
        };
        photos_answered(app, &photos, answer.is_ok()).await?;
        answers.push((report.place, answer));
    }
    let n = answers.len();
    let marking = spool.clone();
    super::blocking(move || marking.handed_on(&answers)).await?;
    Ok(n)
}

/// Of a report that is in the journal its entry names the photos; of one that was refused none ever will, and nobody
/// is to find them here until the next start.
async fn photos_answered(app: &AppState, photos: &[Photo], are_named: bool) -> Result<(), Problem> {
    if photos.is_empty() {
        return Ok(());
    }
    let names: Vec<PhotoName> = photos.iter().flat_map(|photo| [photo.name, photo.thumb]).collect();
    let reader = app.engine.reader().clone();
    super::blocking(move || {
        let files = reader.photo_files()?;
        if are_named {
            files.settle(&names);
            return Ok(());
        }
        files.remove(&names)
    })
    .await
}

fn report_no(receipt: Receipt) -> Result<Result<ReportNo, String>, Problem> {
    match receipt {
        Receipt::Report { report, .. } => Ok(Ok(report)),
        Receipt::Action { .. } | Receipt::Other { .. } => Err(Problem::internal()),
    }
}

/// The report as a command, at the time when it was sent.
async fn command(app: &AppState, waiting: &Waiting) -> Result<Box<NewReport>, Problem> {
    let cut = || Problem::bad_request("unreadable-body", "what waited here is cut");
    let (json, photos) = unwrap(&waiting.body).ok_or_else(cut)?;
    let mut report = prepare(app, json, waiting.received_at, Ahead::Refuse).await?;
    if !photos.is_empty() {
        let reader = app.engine.reader().clone();
        let put_all = move || {
            let files = reader.photo_files()?;
            photos.iter().map(|drawn| put(&*files, drawn)).collect::<Result<Vec<_>, _>>()
        };
        report.private.photos = super::blocking(put_all).await?;
    }
    report.occurred_at = report.occurred_at.or(Some(waiting.received_at));
    let (key, body_digest) = (waiting.key.clone(), waiting.body_digest);
    report.idempotency = Some(Idempotency { key, body_digest });
    Ok(report)
}

async fn alone(
    app: &AppState,
    waiting: &Waiting,
    refusal: &Refusal,
) -> Result<Result<ReportNo, String>, Problem> {
    let mut report = command(app, waiting).await?;
    report.incident = None;
    let submitted = app.engine.submit(vec![Command::Report(report)]).await;
    let outcomes = submitted.map_err(|error| Problem::of_report(&error))?;
    match outcomes.into_iter().next().ok_or_else(Problem::internal)? {
        Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => report_no(receipt),
        Outcome::Refused(_) => Ok(Err(refusal.to_string())),
    }
}
