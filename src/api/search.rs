//! The search box of the center: one line that finds a report by its code, a place by its name, an incident by
//! words; and, with a reason, reports by the phone that they were sent with.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::access::Caller;
use super::app::AppState;
use super::contacts::write_looks;
use super::incidents::Named;
use super::params::Params;
use super::patience;
use super::problem::Problem;
use super::reports::body_problem;
use super::visitor::WholeBody;
use crate::access::{Object, Permission};
use crate::city::{AreaLevel, Areas, City, Text};
use crate::feed::parse_words;
use crate::feed::wire::time;
use crate::intake::{PhoneLook, names_phone, parse_phone_look, phone_key, sender_by_phone};
use crate::journal::{JournalError, ReportRow};
use crate::live::{Filter, Incident, LiveMap, Words};
use crate::model::{AreaId, CodeStart, IdKey, IncidentNo, Projection};

const LIMIT_MAX: u32 = 20;
/// So many places of a name: what happens there follows.
const AREAS_MAX: usize = 5;
/// Of one phone, so many of its newest reports are looked at.
const PHONE_REPORTS_MAX: usize = 200;
const CHARS_MIN: usize = 2;
/// Each search may read every report once.
static TURNS: Semaphore = Semaphore::const_new(2);
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Something that was found.
#[derive(Serialize)]
struct Found {
    kind: &'static str,
    /// The incident that it is, or counts under.
    incident: Option<String>,
    area: Option<String>,
    /// A report's.
    code: Option<String>,
    lng: f64,
    lat: f64,
    title: Text,
    status: Option<&'static str>,
    /// When the incident was opened.
    at: Option<String>,
    why: Text,
}

/// One line of the search box, in all that it may mean.
struct Question {
    code: Option<CodeStart>,
    uuid: Option<Uuid>,
    /// In lower case.
    words: Vec<String>,
}

impl Question {
    fn parse(text: &str, ids: &IdKey, city: &City) -> Result<Question, String> {
        let text = text.trim();
        if text.chars().count() < CHARS_MIN {
            return Err(format!("give at least {CHARS_MIN} signs: of a code, a place, or a word"));
        }
        let uuid = text.strip_prefix("i:").unwrap_or(text).parse().ok();
        let code = ids.code_start(text);
        let is_known = uuid.is_some()
            || code.as_ref().is_some_and(CodeStart::is_named)
            || city.areas.by_code(text).is_some();
        if !is_known && names_phone(text) {
            return Err("a phone number is not for an address, which logs and browsers keep; \
                 POST it to /api/v1/search/phone, with a reason"
                .to_owned());
        }
        Ok(Question { code, uuid, words: parse_words(text)? })
    }
}

#[utoipa::path(get, path = "/api/v1/search", tag = "center",
    description = "Finds what one line names, the best first, at most 20: a report by its code (with or without dashes; its first \
        four signs or more), an incident by its UUID, a place by its name or code, incidents in memory by words of their title and \
        of what was reported, as who asks may see it: open ones first, the newest first. Never by phone. Staff.",
    params(("q" = String, Query, description = "2 to 200 signs"), ("limit" = Option<u32>, Query, description = "1 to 20")),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 503)))]
pub async fn search(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let question = params.read("q", |text| Question::parse(text, &app.ids, &app.city));
    let limit = params.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_MAX) as usize;
    if question.is_none() {
        params.require("q");
    }
    params.finish()?;
    let question = question.ok_or_else(Problem::internal)?;
    let _turn = turn().await?;
    let live = app.live();
    let seq = live.seq();
    let seeker = Seeker { app, live, caller, permission: Permission::SeeIncident };
    let results = super::blocking(move || seeker.search(&question, limit)).await?;
    Ok(Json(json!({"seq": seq.0, "results": results})).into_response())
}

#[utoipa::path(post, path = "/api/v1/search/phone", tag = "center",
    description = "The reports that were sent with a phone, however it is written, the newest first, at most 20, one an incident; for \
        whoever says why: the look is written down for good, with name and reason and for each incident found, before anything is \
        answered.",
    request_body(content = Object, description = "{phone, reason}"),
    responses((status = 200), (status = 401), (status = 403), (status = 422), (status = 503)))]
pub async fn by_phone(
    State(app): State<AppState>,
    caller: Caller,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    caller.may(Permission::SeeContacts, Object::Center)?;
    let PhoneLook { phone, reason } = parse_phone_look(&body).map_err(body_problem)?;
    let _turn = turn().await?;
    let seeker = Seeker {
        app: app.clone(),
        live: app.live(),
        caller: caller.clone(),
        permission: Permission::SeeContacts,
    };
    let found = super::blocking(move || seeker.by_phone(&phone)).await?;
    let (incidents, results): (Vec<IncidentNo>, Vec<Found>) = found.into_iter().unzip();
    let looked_at: Vec<Option<IncidentNo>> = match incidents.is_empty() {
        true => vec![None],
        false => incidents.into_iter().map(Some).collect(),
    };
    let seq = write_looks(&app, &caller, &looked_at, &reason).await?;
    Ok(Json(json!({"seq": seq.0, "results": results})).into_response())
}

async fn turn() -> Result<SemaphorePermit<'static>, Problem> {
    patience::turn(&TURNS, TURN_TIMEOUT, "others search at this moment; try again in a few seconds").await
}

/// Somebody who searches, at one moment.
struct Seeker {
    app: AppState,
    live: Arc<LiveMap>,
    caller: Caller,
    /// What they need to be shown an incident.
    permission: Permission,
}

impl Seeker {
    fn search(&self, question: &Question, limit: usize) -> Result<Vec<Found>, JournalError> {
        let mut results = Vec::new();
        if let Some(uuid) = question.uuid {
            results.extend(self.by_uuid(uuid)?);
        }
        let codes = question.code.as_ref().map_or(Ok(Vec::new()), |code| self.by_code(code, limit))?;
        // What may as well be a word is one first.
        let (codes, doubtful) = match &question.code {
            Some(code) if code.may_be_word() => (Vec::new(), codes),
            _ => (codes, Vec::new()),
        };
        results.extend(codes);
        results.extend(areas_of(&self.app.city.areas, &question.words));
        results.extend(self.by_words(&question.words, limit)?);
        results.extend(doubtful);
        let mut seen = HashSet::new();
        // What two of these lead to is there once, as the better of them found it.
        results.retain(|found| seen.insert((found.incident.clone(), found.area.clone())));
        results.truncate(limit);
        Ok(results)
    }

    fn by_uuid(&self, uuid: Uuid) -> Result<Option<Found>, JournalError> {
        let ids = &self.app.ids;
        let Some(no) = ids.incident_of_uuid(uuid) else { return Ok(None) };
        let own = self.any(no)?.filter(|own| ids.incident_uuid(no, own.opened_at) == uuid);
        let Some(own) = own.filter(|own| self.may_see(own)) else { return Ok(None) };
        Ok(self.standing(own.no)?.map(|incident| {
            let why = text("Pengenal kejadian", "The incident's identifier");
            self.found("incident", &incident, None, why)
        }))
    }

    fn by_code(&self, code: &CodeStart, limit: usize) -> Result<Vec<Found>, JournalError> {
        let (reader, ids) = (self.app.engine.reader(), &self.app.ids);
        let mut results = Vec::new();
        for no in ids.reports_of_code_start(code, reader.last_report()?, limit) {
            let Some(report) = reader.report(no)? else { continue };
            if let Some(incident) = self.standing(report.incident)? {
                let why = text("Kode laporan", "A report's code");
                results.push(self.found("report", &incident, Some(ids.report_code(no)), why));
            }
        }
        Ok(results)
    }

    fn by_words(&self, words: &[String], limit: usize) -> Result<Vec<Found>, JournalError> {
        let sight = self.caller.sight();
        let projection = sight.projection();
        let mut filter = sight.narrow(Filter { words: Words::new(words.to_vec()), ..Filter::everything() });
        // What people wrote is not for everybody; their titles are.
        if !sight.hides_texts() {
            self.app.search.look_up(&mut filter, projection, &self.live)?;
        }
        let hits = self.live.search(projection, &filter, limit).into_iter();
        let visible = hits.filter(|hit| self.may_see(&hit.incident));
        let results = visible.map(|hit| {
            let why = match hit.is_in_title {
                true => text("Nama kejadian", "Its name"),
                false => text("Isi laporan", "What was reported"),
            };
            self.found("incident", &hit.incident, None, why)
        });
        Ok(results.collect())
    }

    /// The incidents of a phone, each with its newest report.
    fn by_phone(&self, phone: &str) -> Result<Vec<(IncidentNo, Found)>, JournalError> {
        let (reader, ids) = (self.app.engine.reader(), &self.app.ids);
        let (Some(sender), Some(key)) = (sender_by_phone(ids, phone), phone_key(phone)) else {
            return Ok(Vec::new());
        };
        // Whoever's number was erased is not found by it.
        let has_phone =
            |row: &ReportRow| row.private.phone.as_deref().and_then(phone_key).as_ref() == Some(&key);
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for report in reader.reports_of(sender, PHONE_REPORTS_MAX)?.into_iter().filter(has_phone) {
            let Some(incident) = self.standing(report.incident)?.filter(|one| seen.insert(one.no)) else {
                continue;
            };
            let why = text("Laporan dari nomor ini", "A report from this number");
            let code = Some(ids.report_code(report.no));
            found.push((incident.no, self.found("phone", &incident, code, why)));
            if found.len() == LIMIT_MAX as usize {
                break;
            }
        }
        Ok(found)
    }

    /// An incident, also where it left memory.
    fn any(&self, no: IncidentNo) -> Result<Option<Incident>, JournalError> {
        match self.live.any_incident(no) {
            Some(incident) => Ok(Some(*incident)),
            None => {
                let row = self.app.engine.reader().incident(no)?;
                Ok(row.map(|row| Incident::from_row(&row, &self.app.city)))
            }
        }
    }

    /// The incident that what is said of one counts under, if they may see it.
    fn standing(&self, no: IncidentNo) -> Result<Option<Incident>, JournalError> {
        let mut no = self.live.standing_no(no);
        let mut incident = self.live.incident(no).copied();
        while incident.is_none() {
            let Some(row) = self.app.engine.reader().incident(no)? else { return Ok(None) };
            match row.merged_into {
                Some(into) => no = into,
                None => incident = Some(Incident::from_row(&row, &self.app.city)),
            }
        }
        Ok(incident.filter(|incident| self.may_see(incident)))
    }

    fn may_see(&self, incident: &Incident) -> bool {
        self.caller.may(self.permission, Named::of(incident).object()).is_ok()
    }

    fn found(&self, kind: &'static str, incident: &Incident, code: Option<String>, why: Text) -> Found {
        let projection = self.caller.sight().projection();
        let place = incident.spot(projection, &self.app.city).place;
        Found {
            kind,
            incident: Some(self.app.ids.incident_uuid(incident.no, incident.opened_at).to_string()),
            area: None,
            code,
            lng: place.lng(),
            lat: place.lat(),
            title: title(&self.live, incident, projection),
            status: Some(incident.status.key()),
            at: Some(time(incident.opened_at)),
            why,
        }
    }
}

fn title(live: &LiveMap, incident: &Incident, projection: Projection) -> Text {
    let title = live.title(incident, projection);
    Text { id: title.id().to_string(), en: title.en().to_string() }
}

fn text(id: &str, en: &str) -> Text {
    Text { id: id.to_owned(), en: en.to_owned() }
}

/// Places whose names hold all of the words, or that one word is the code of: the closest names first.
fn areas_of(areas: &Areas, words: &[String]) -> Vec<Found> {
    let line = words.join(" ");
    let rank = |id: AreaId| {
        let area = areas.get(id);
        let name = area.name.to_lowercase();
        let is_named = words.iter().all(|word| name.contains(word.as_str()));
        match area.code == line {
            true => Some((0, area.level, id)),
            false if !is_named => None,
            false if name == line => Some((1, area.level, id)),
            false if name.starts_with(&line) => Some((2, area.level, id)),
            false => Some((3, area.level, id)),
        }
    };
    let mut found: Vec<_> = areas.iter().filter_map(|(id, _)| rank(id)).collect();
    found.sort_unstable();
    found.truncate(AREAS_MAX);
    found.into_iter().map(|(_, level, id)| found_area(areas, level, id)).collect()
}

fn found_area(areas: &Areas, level: AreaLevel, id: AreaId) -> Found {
    let area = areas.get(id);
    Found {
        kind: "area",
        incident: None,
        area: Some(area.code.clone()),
        code: None,
        lng: area.label.lng(),
        lat: area.label.lat(),
        title: text(&area.name, &area.name),
        status: None,
        at: None,
        why: match level {
            AreaLevel::City => text("Kota", "City"),
            AreaLevel::District => text("Kecamatan", "District"),
            AreaLevel::Village => text("Kelurahan", "Village"),
        },
    }
}
