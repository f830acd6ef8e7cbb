//! Incidents: lists, one of them with its history, and what staff do to it.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;

use super::access::Caller;
use super::app::{App, AppState};
use super::detail;
use super::incident_answer::answer;
use super::moment::{Moment, read_at};
use super::params::Params;
use super::problem::Problem;
use super::reports::body_problem;
use super::submit::submit;
use crate::access::{Object, Permission};
use crate::feed::parse_bbox;
use crate::feed::wire::{self, Feature};
use crate::intake::parse_action;
use crate::live::{
    ArchivePage, ArchiveQuestion, ArchiveSearch, Circle, Cursor, Filter, Incident, LiveMap, Sort, Where,
};
use crate::model::{Action, AgencyId, AreaId, CategoryId, Command, IncidentNo, LngLat, Projection, TimeMs};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;
/// Half the way round the earth: farther is everything.
const RADIUS_M_MAX: f64 = 20_037_509.0;

/// One page.
#[derive(Serialize)]
struct IncidentList<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Left out where more than [`crate::live::COUNTED_MAX`] match and no sums tell how many.
    #[serde(rename = "numberMatched", skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
    #[serde(rename = "numberReturned")]
    returned: usize,
    next: Option<String>,
    features: Vec<Feature<'a>>,
}

#[utoipa::path(get, path = "/api/v1/incidents", tag = "map",
    description = "Incidents as a GeoJSON FeatureCollection, newest first; pages by `cursor`. `numberMatched` is exact; it is left out \
        where more than 10,000 match a filter by time, words or rung of the ladder.",
    params(
        ("bbox" = Option<String>, Query, description = "west,south,east,north; west above east crosses the antimeridian"),
        ("near" = Option<String>, Query, description = "lng,lat; with radius_m"),
        ("radius_m" = Option<f64>, Query), ("within" = Option<String>, Query, description = "Polygon as WKT or GeoJSON"),
        ("cell" = Option<String>, Query, description = "c:level/x/y: the members of one cluster"),
        ("area" = Option<String>, Query), ("category" = Option<String>, Query), ("status" = Option<String>, Query),
        ("agency" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("q" = Option<String>, Query), ("overdue" = Option<bool>, Query), ("drill" = Option<bool>, Query),
        ("returned" = Option<bool>, Query, description = "sent back by an agency, and not assigned anew; staff"),
        ("escalation" = Option<u8>, Query, description = "staff: late, and 1: the supervisor was told, 2: the head too"),
        ("include" = Option<String>, Query, description = "archive: those that left memory too"),
        ("at" = Option<String>, Query, description = "RFC 3339: what was known then"),
        ("sort" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200), (status = 400)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let projection = caller.sight().projection();
    let filter = params.filter(&app.city, &caller.sight());
    let place = place(&mut params);
    let archive = params.read("include", |text| match text {
        "archive" => Ok(()),
        other => Err(format!("{other:?} cannot be included; known is archive")),
    });
    let limit = params.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT) as usize;
    let sort = params.read("sort", |text| {
        let known: Vec<&str> = Sort::ALL.iter().map(|sort| sort.key()).collect();
        Sort::from_key(text)
            .ok_or_else(|| format!("{text:?} is not a known sort; known are {}", known.join(", ")))
    });
    let sort = sort.unwrap_or_default();
    let after = params.read("cursor", |text| read_cursor(text, sort));
    let at = read_at(&mut params, &app);
    params.finish()?;
    let filter = filter.ok_or_else(Problem::internal)?;

    let moment = Moment::of(&app, at).await?;
    let live = moment.live.clone();
    let ask = ArchiveQuestion { projection, filter, place, sort, after, limit };
    let answer =
        move |map: &LiveMap, filter: &Filter| map.incidents(projection, filter, &place, sort, after, limit);
    let mut found = match sort {
        Sort::NewestFirst => moment.compute(projection, ask.filter.clone(), answer).await?,
        // The first after much has changed looks at all that did.
        _ => moment.compute_aside(projection, ask.filter.clone(), answer).await?,
    };
    if archive.is_some() {
        let archived = archived(&app, &live, &ask).await?;
        found = live.merge_archived(found, archived, &ask);
    }
    let features: Vec<Feature> =
        found.incidents.iter().map(|incident| Feature::incident(&live, incident, projection)).collect();
    let list = IncidentList {
        kind: "FeatureCollection",
        seq: live.seq().0,
        at: moment.asked(),
        matched: found.matched,
        returned: features.len(),
        next: found.next.map(|cursor| write_cursor(cursor, sort)),
        features,
    };
    super::feature_list(&list, list.features.len())
}

fn place(params: &mut Params) -> Where {
    let centre = params.read("near", |text| {
        let numbers: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some([lng, lat]) => LngLat::new(*lng, *lat).map_err(|e| format!("{e}; near is lng,lat")),
            _ => Err(format!("{text:?} is not lng,lat")),
        }
    });
    let radius_m = params.number("radius_m", 0.0, RADIUS_M_MAX);
    match (centre, radius_m) {
        (Some(_), None) => params.require_because("radius_m", "near needs a radius_m beside it"),
        (None, Some(_)) => params.require_because("near", "radius_m needs near=lng,lat beside it"),
        _ => {}
    }
    Where {
        bbox: params.read("bbox", parse_bbox),
        circle: centre.zip(radius_m).map(|(centre, radius_m)| Circle { centre, radius_m }),
        cell: params.read("cell", |text| {
            wire::parse_cell_id(text).ok_or_else(|| format!("{text:?} is not a cell like c:16/55956/32624"))
        }),
    }
}

/// `value.no.sort`: a cursor is only good for the order it was made in.
fn write_cursor(cursor: Cursor, sort: Sort) -> String {
    format!("{}.{}.{}", cursor.value, cursor.no.0.0, sort.key())
}

fn read_cursor(text: &str, sort: Sort) -> Result<Cursor, String> {
    let mut parts = text.splitn(3, '.');
    let mut cursor = || {
        let value = parts.next()?.parse().ok()?;
        let no = parts.next()?.parse().ok()?;
        (parts.next()? == sort.key()).then_some(Cursor { value, no: Reverse(IncidentNo(no)) })
    };
    cursor().ok_or_else(|| "is not a cursor of this list in this order; begin again without it".to_owned())
}

/// The page of those that left memory. Rows are read past as a stream; only one page is held.
async fn archived(app: &App, live: &Arc<LiveMap>, ask: &ArchiveQuestion) -> Result<ArchivePage, Problem> {
    let Some(closed_by) = live.archived_up_to() else { return Ok(ArchivePage::default()) };
    let (reader, live, ask) = (app.engine.reader().clone(), live.clone(), ask.clone());
    super::blocking(move || {
        let mut search = ArchiveSearch::of(&live, &ask);
        reader.archived(TimeMs::MIN, closed_by, &mut |row| search.look_at(&row))?;
        Ok(search.page())
    })
    .await
}

#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "center",
    description = "One incident, with its reports and what was done. Staff.",
    params(("id" = String, Path, description = "UUID, with or without `i:`")),
    responses((status = 200), (status = 401), (status = 404)))]
pub async fn incident(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let incident = named(&app, &caller, params, &id, Permission::SeeIncident).await?;
    answer(&app, &caller, &incident).await
}

#[utoipa::path(post, path = "/api/v1/incidents/{id}/{action}", tag = "center",
    description = "Acts on an incident: verify, reject, assign, return, start, resolve, confirm, reopen, note, answer, check, \
        pause, resume; GET /api/v1/transitions says what is possible and what it needs. After a conflict `current` says how the \
        incident stands. Staff.",
    params(("id" = String, Path), ("action" = String, Path)),
    request_body(content = Object, description = "{note?, reason?, agency?, version?, disposition?, public?, step?, done?}"),
    responses((status = 200), (status = 401), (status = 404), (status = 409), (status = 422)))]
pub async fn act(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    Path((id, action)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let action = Action::from_key(&action).ok_or_else(|| {
        let known: Vec<&str> = Action::ALL.iter().map(|a| a.key()).collect();
        Problem::not_found(format!("there is no action {action:?}; known are {}", known.join(", ")))
    })?;
    let incident = named(&app, &caller, params, &id, Permission::of_action(action)).await?;
    let body = body_of(request).await?;
    let ask = parse_action(action, &body, &app.city).map_err(body_problem)?;
    if ask.action != action {
        caller.may(Permission::of_action(ask.action), incident.object())?;
    }
    detail::check_step(&app.city, incident.category, &ask)?;
    let due_after_ms = app.city.category(incident.category).deadline_ms;
    let mut command = ask.for_incident(incident.no, caller.actor(), due_after_ms);
    command.more.speaker = caller.speaks_for().filter(|_| command.action == Action::Answer);
    submit(&app, &caller, incident.no, Command::Action(Box::new(command))).await?;
    answer(&app, &caller, &incident).await
}

/// The whole body of a request.
pub(super) async fn body_of(request: Request) -> Result<Bytes, Problem> {
    let body = <Bytes as axum::extract::FromRequest<()>>::from_request(request, &()).await;
    body.map_err(|e| Problem::of_status(e.status()))
}

pub(super) fn no_such_incident() -> Problem {
    Problem::not_found("there is no such incident")
}

/// An incident that an address names.
pub(super) struct Named {
    pub no: IncidentNo,
    category: CategoryId,
    agency: Option<AgencyId>,
    area: Option<AreaId>,
}

impl Named {
    pub fn of(incident: &Incident) -> Named {
        let area = incident.area(Projection::Staff);
        let &Incident { no, category, agency, .. } = incident;
        Named { no, category, agency, area }
    }

    pub fn object(&self) -> Object {
        Object::Incident { agency: self.agency, area: self.area }
    }
}

/// How every address about one incident begins: no parameters are left, the incident is there, the caller may.
///
/// # Errors
/// The first of these that does not hold.
pub(super) async fn named(
    app: &App,
    caller: &Caller,
    params: Params,
    id: &str,
    permission: Permission,
) -> Result<Named, Problem> {
    params.finish()?;
    let incident = find(app, id).await?;
    caller.may(permission, incident.object())?;
    Ok(incident)
}

/// The incident that a UUID names, if all of the UUID is right.
pub(super) async fn find(app: &App, id: &str) -> Result<Named, Problem> {
    let uuid: Uuid = id.strip_prefix("i:").unwrap_or(id).parse().map_err(|_| no_such_incident())?;
    let no = app.ids.incident_of_uuid(uuid).ok_or_else(no_such_incident)?;
    let incident = any_incident(app, no).await?.ok_or_else(no_such_incident)?;
    let is_right = app.ids.incident_uuid(no, incident.opened_at) == uuid;
    if is_right { Ok(Named::of(&incident)) } else { Err(no_such_incident()) }
}

/// An incident, also where it left memory. The journal is read where that holds up nobody.
pub(super) async fn any_incident(app: &App, no: IncidentNo) -> Result<Option<Incident>, Problem> {
    if let Some(incident) = app.live().any_incident(no) {
        return Ok(Some(*incident));
    }
    let reader = app.engine.reader().clone();
    let row = super::blocking(move || reader.incident(no)).await?;
    Ok(row.map(|row| Incident::from_row(&row, &app.city)))
}
