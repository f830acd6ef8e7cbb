//! Reports while the database is away, or its disk is full: kept in the node's spool and acknowledged with `202`, then
//! handed on in order, each once; to the journal where this node writes it, else to the writer through the database.
//! What the journal cannot take as it is, is set aside and told to whoever looks after the center.

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
use crate::journal::{
    CodeTold, HandIn, JournalError, Kept, Spool, Unshared, Waiting, WaitingRoom, Whereabouts,
};
use crate::model::{
    Command, IdKey, Idempotency, NewReport, Outcome, Photo, PhotoName, Receipt, Refusal, ReportNo, TimeMs,
};

/// Handed on together, at most.
const BATCH: usize = 256;
/// How often the spool is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is counted what was set aside: a command may have discarded it.
const COUNT_EVERY: Duration = Duration::from_secs(60);

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
    let kept = super::blocking(move || spool.keep(&sent.key, sent.body_digest, body, now, draw)).await?;
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

/// `None` where the code is no such code.
pub(super) async fn find(app: &App, code: &str) -> Result<Option<Found>, Problem> {
    let Some(no) = app.ids.waiting_of_code(code) else { return Ok(None) };
    let waiting = |status: &str, received_at| {
        let code = app.ids.waiting_code(no);
        let mut body = json!({"code": code, "status": status, "received_at": time(received_at)});
        if status == "waiting" {
            body["message"] = message();
        }
        Found::Answer(Json(body).into_response())
    };
    let (spool, reader) = (app.spool.clone(), app.engine.reader().clone());
    let found = super::blocking(move || {
        let here = spool.map_or(Ok(None), |spool| spool.whereabouts(no))?;
        match here {
            // Of another node, or handed in.
            None | Some(Whereabouts::HandedIn) => reader.waiting_report(no),
            known => Ok(known),
        }
    });
    let not_yet = || {
        Problem::not_found(
            "no report has this code here; check it sign by sign. Where it was given out while the database was away, \
             the server that took the report has not handed it on yet: ask again later",
        )
    };
    match found.await?.ok_or_else(not_yet)? {
        Whereabouts::HandedIn => Err(not_yet()),
        Whereabouts::InJournal(no) => Ok(Some(Found::InJournal(no))),
        Whereabouts::Waiting { received_at } => Ok(Some(waiting("waiting", received_at))),
        Whereabouts::Refused { received_at } => Ok(Some(waiting("rejected", received_at))),
    }
}

/// Hands on what waits whenever the database is there, until the server stops.
pub async fn hand_on(app: AppState) {
    let Some(spool) = app.spool.clone() else { return };
    let mut stopping = app.stopping.clone();
    let mut aside = Aside::default();
    loop {
        let stopped = tokio::time::timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok();
        if stopped {
            return;
        }
        let stands = |condition| app.engine.health().stands(condition);
        let waits = [Condition::DatabaseAway, Condition::DiskFull, Condition::ReadOnly];
        if waits.into_iter().any(stands) {
            continue;
        }
        let done = match (&app.hand_in, stands(Condition::StandsBy)) {
            (Some(hand_in), true) => to_the_writer(&spool, hand_in).await,
            (hand_in, _) => as_the_writer(&app, &spool, hand_in.as_ref(), &mut aside).await,
        };
        if let Err(problem) = done {
            tracing::warn!("reports in the spool wait on: {}", problem.detail);
        }
    }
}

/// What is remembered of reports that were set aside.
#[derive(Default)]
struct Aside {
    /// Those in the database wait again since this node writes.
    is_taken_up: bool,
    /// Monotonic time at which they were counted last.
    counted: Option<Duration>,
}

async fn as_the_writer(
    app: &AppState,
    spool: &Arc<Spool>,
    hand_in: Option<&Arc<dyn HandIn>>,
    aside: &mut Aside,
) -> Result<(), Problem> {
    let mut rooms: Vec<Arc<dyn WaitingRoom>> = vec![spool.clone()];
    rooms.extend(hand_in.cloned().map(|hand_in| hand_in as Arc<dyn WaitingRoom>));
    if let (false, Some(hand_in)) = (aside.is_taken_up, hand_in.cloned()) {
        super::blocking(move || hand_in.take_up_again()).await?;
        aside.is_taken_up = true;
    }
    let n = into_journal(app, &rooms, hand_in).await?;
    let now = app.clock.monotonic();
    if n > 0 || aside.counted.is_none_or(|at| now.saturating_sub(at) >= COUNT_EVERY) {
        aside.counted = Some(now);
        let (spool, seen_at) = (spool.clone(), app.live().now());
        super::blocking(move || spool.seen(seen_at)).await?;
        let counts = move || rooms.iter().map(|room| room.unshared()).collect::<Result<Vec<_>, _>>();
        tell_set_aside(app, &super::blocking(counts).await?);
    }
    Ok(())
}

fn tell_set_aside(app: &AppState, rooms: &[Unshared]) {
    let health = app.engine.health();
    match rooms.iter().map(|room| room.set_aside).sum::<u64>() {
        0 => health.clear(Condition::SetAside),
        n => health.raise(
            Condition::SetAside,
            format!(
                "{n} report(s) that were acknowledged do not fit this city pack: they are kept whole and in no journal. \
                 `pantau waiting` shows them, with the reason of each; mend the city pack and start the server again, \
                 or discard them"
            ),
        ),
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

/// How many were handed on, or set aside.
async fn into_journal(
    app: &AppState,
    rooms: &[Arc<dyn WaitingRoom>],
    hand_in: Option<&Arc<dyn HandIn>>,
) -> Result<usize, Problem> {
    let mut total = 0;
    for room in rooms {
        loop {
            match hand_on_batch(app, room, hand_in).await? {
                0 => break,
                n => {
                    total += n;
                    tracing::info!(reports = n, "were handed on from the spool");
                }
            }
        }
    }
    Ok(total)
}

/// How many were handed on, or set aside.
async fn hand_on_batch(
    app: &AppState,
    spool: &Arc<dyn WaitingRoom>,
    hand_in: Option<&Arc<dyn HandIn>>,
) -> Result<usize, Problem> {
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
                answers.push((report, Answer::SetAside(reason(&problem))));
            }
            Err(problem) => return Err(problem),
        }
    }
    let outcomes = app.engine.submit(commands).await.map_err(|error| Problem::of_report(&error))?;
    for ((report, photos), outcome) in sent.into_iter().zip(outcomes) {
        let answer = match outcome {
            Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => report_no(receipt)?,
            // What was erased must not come back by it.
            Outcome::Refused(Refusal::KeyReused) => Answer::Rejected(Refusal::KeyReused.to_string()),
            // The incident that it was to join is closed by now: the report opens one of its own.
            Outcome::Refused(refusal) => alone(app, report, &refusal).await?,
        };
        photos_answered(app, &photos, &answer).await?;
        answers.push((report, answer));
    }
    let (n, marking, hand_in) = (answers.len(), spool.clone(), hand_in.cloned());
    let marks = Marks::of(app, answers);
    super::blocking(move || marks.put(&*marking, hand_in.as_deref())).await?;
    Ok(n)
}

/// The journal's answer to a report that waited.
enum Answer {
    InJournal(ReportNo),
    /// For good.
    Rejected(String),
    /// It stays as it was sent until somebody mends what is in its way.
    SetAside(String),
}

/// What is noted of a batch.
#[derive(Default)]
struct Marks {
    answers: Vec<(i64, Result<ReportNo, String>)>,
    told: Vec<CodeTold>,
    aside: Vec<(i64, String)>,
}

impl Marks {
    fn of(app: &App, answers: Vec<(&Waiting, Answer)>) -> Marks {
        let mut marks = Marks::default();
        for (report, answer) in answers {
            let answer = match answer {
                Answer::InJournal(no) => Ok(no),
                Answer::Rejected(why) => Err(why),
                Answer::SetAside(why) => {
                    let code = app.ids.waiting_code(report.no);
                    tracing::error!(
                        code,
                        "a report that was acknowledged is set aside; `pantau waiting` shows why"
                    );
                    marks.aside.push((report.place, why));
                    continue;
                }
            };
            let (no, received_at) = (report.no, report.received_at);
            marks.told.push(CodeTold { no, received_at, answer: answer.clone() });
            marks.answers.push((report.place, answer));
        }
        marks
    }

    /// First where every node finds it: what is erased after that is told there.
    fn put(&self, room: &dyn WaitingRoom, hand_in: Option<&dyn HandIn>) -> Result<(), JournalError> {
        if let (Some(hand_in), false) = (hand_in, self.told.is_empty()) {
            hand_in.note_codes(&self.told)?;
        }
        room.set_aside(&self.aside)?;
        room.handed_on(&self.answers)
    }
}

/// Why a report does not fit.
fn reason(problem: &Problem) -> String {
    let faults = problem.errors.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
    match faults.collect::<Vec<_>>().join("; ") {
        faults if faults.is_empty() => problem.detail.clone(),
        faults => faults,
    }
}

/// Of a report that is in the journal its entry names the photos; of one that was refused none ever will, and nobody
/// is to find them here until the next start.
async fn photos_answered(app: &AppState, photos: &[Photo], answer: &Answer) -> Result<(), Problem> {
    let are_named = match answer {
        _ if photos.is_empty() => return Ok(()),
        Answer::InJournal(_) => true,
        Answer::Rejected(_) => false,
        // They wait with it.
        Answer::SetAside(_) => return Ok(()),
    };
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

fn report_no(receipt: Receipt) -> Result<Answer, Problem> {
    match receipt {
        Receipt::Report { report, .. } => Ok(Answer::InJournal(report)),
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

async fn alone(app: &AppState, waiting: &Waiting, refusal: &Refusal) -> Result<Answer, Problem> {
    let mut report = command(app, waiting).await?;
    report.incident = None;
    let submitted = app.engine.submit(vec![Command::Report(report)]).await;
    let outcomes = submitted.map_err(|error| Problem::of_report(&error))?;
    match outcomes.into_iter().next().ok_or_else(Problem::internal)? {
        Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => report_no(receipt),
        Outcome::Refused(_) => Ok(Answer::SetAside(refusal.to_string())),
    }
}
