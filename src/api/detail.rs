//! What the answer about one incident says beside its feature: whether it was confirmed, by which rule it
//! was routed, how far its checklist is. And how it stands where an action comes too late.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::app::App;
use super::problem::Problem;
use crate::city::{Area, City, Text};
use crate::feed::wire::time;
use crate::intake::{ActionRequest, FieldFault};
use crate::journal::IncidentRow;
use crate::live::Incident;
use crate::model::{
    Action, ActionFact, CategoryId, Entry, Fact, IncidentNo, Projection, Refusal, SECOND_MS, Status, TimeMs,
};

/// Puts it all into the feature's properties.
pub(super) fn add(city: &City, incident: &Incident, log: &[Entry], properties: &mut Value) {
    properties["confirmed"] = confirmed(incident.status, log);
    properties["routing"] = routing(city, incident);
    properties["checklist"] = checklist(city, incident, log).into();
}

fn actions(log: &[Entry]) -> impl DoubleEndedIterator<Item = (TimeMs, &ActionFact)> {
    log.iter().filter_map(|entry| match &entry.fact {
        Fact::Action(fact) => Some((entry.at, &**fact)),
        _ => None,
    })
}

/// When and by whom; null where it is not.
fn confirmed(status: Status, log: &[Entry]) -> Value {
    let since_resolved = actions(log).rev().take_while(|(_, fact)| fact.from == fact.to);
    let mut confirmed = since_resolved.filter(|(_, fact)| fact.action == Action::Confirm);
    match confirmed.next().filter(|_| status == Status::Resolved) {
        Some((at, fact)) => json!({"at": time(at), "by": fact.actor}),
        None => Value::Null,
    }
}

/// Who gets such an incident in such a place by the city pack, and why.
fn routing(city: &City, incident: &Incident) -> Value {
    let area = incident.area(Projection::Staff);
    let routed = city.route(incident.category, area);
    let category = &city.category(incident.category).name;
    let agency = routed.agency.map(|agency| city.agency(agency));
    let why = match (agency, routed.area.map(|area| city.areas.get(area))) {
        (Some(agency), Some(Area { name, .. })) => Text {
            id: format!("{} di {name} ditangani {}", category.id, agency.short.id),
            en: format!("{} in {name} goes to {}", category.en, agency.short.en),
        },
        (Some(agency), None) => Text {
            id: format!(
                "{} ditangani {}; wilayah ini tidak punya aturan sendiri",
                category.id, agency.short.id
            ),
            en: format!("{} goes to {}; this area has no rule of its own", category.en, agency.short.en),
        },
        (None, _) => Text {
            id: format!("Paket kota tidak menyebut instansi untuk {}", category.id),
            en: format!("The city pack names no agency for {}", category.en),
        },
    };
    json!({"agency": agency.map(|agency| &agency.key), "why": why})
}

/// Each step with when and by whom it was done, and how long after the opening.
fn checklist(city: &City, incident: &Incident, log: &[Entry]) -> Vec<Value> {
    let checked = |key: &str| {
        let of_step =
            actions(log).rev().filter_map(|(at, fact)| Some((at, fact, fact.more.step.as_ref()?)));
        let newest = of_step.into_iter().find(|(_, _, step)| step.key == key);
        newest.filter(|(_, _, step)| step.done).map(|(at, fact, _)| (at, &fact.actor))
    };
    let steps = city.category(incident.category).checklist.iter().map(|step| {
        let done = checked(&step.key);
        json!({
            "key": step.key,
            "name": step.name,
            "done_at": done.map(|(at, _)| time(at)),
            "by": done.map(|(_, by)| by),
            "after_s": done.map(|(at, _)| at.since(incident.opened_at) / SECOND_MS),
        })
    });
    steps.collect()
}

/// Whether the category's checklist has the step that is to be checked.
///
/// # Errors
/// Names the steps that it has.
pub(super) fn check_step(city: &City, category: CategoryId, ask: &ActionRequest) -> Result<(), Problem> {
    let Some(step) = &ask.more.step else { return Ok(()) };
    let checklist = &city.category(category).checklist;
    if checklist.iter().any(|known| known.key == step.key) {
        return Ok(());
    }
    let known: Vec<&str> = checklist.iter().map(|step| step.key.as_str()).collect();
    let detail = if known.is_empty() {
        "the city pack has no checklist for this category".to_owned()
    } else {
        format!("the checklist has no such step; choose one of {}", known.join(", "))
    };
    Err(Problem::invalid_body(vec![FieldFault { pointer: "/step".to_owned(), detail }]))
}

/// The problem of a refused action; of one that came too late, with how the incident stands by now.
pub(super) async fn refused(app: &App, no: IncidentNo, refusal: Refusal) -> Problem {
    let is_stale = matches!(refusal, Refusal::Version { .. });
    let problem = Problem::from(refusal);
    if problem.status != StatusCode::CONFLICT {
        return problem;
    }
    let reader = app.engine.reader().clone();
    let read = super::blocking(move || {
        let Some(row) = reader.incident(no)? else { return Ok(None) };
        let newest = reader.entries(row.changed_seq.before(), 1)?.pop();
        Ok(Some((row, newest)))
    });
    // Without it the refusal is as right.
    let Ok(Some((row, newest))) = read.await else { return problem };
    let (current, words) = standing(&app.city, &row, newest.as_ref());
    let detail = if is_stale { format!("{}: {words}", problem.detail) } else { problem.detail };
    Problem { detail, current: Some(Box::new(current)), ..problem }
}

/// How an incident stands, who made it so and when; and the same as a sentence.
fn standing(city: &City, row: &IncidentRow, newest: Option<&Entry>) -> (Value, String) {
    let at = newest.map(|entry| time(entry.at));
    let (action, by) = match newest.map(|entry| &entry.fact) {
        Some(Fact::Action(fact)) => (Some(fact.action.key()), Some(fact.actor.as_str())),
        Some(Fact::Report(_)) => (Some("report"), None),
        _ => (None, None),
    };
    let words = match (action, by, &at) {
        (Some(action), Some(by), Some(at)) => format!("{by} did {action} at {at}, it is {}", row.status),
        (Some(_), None, Some(at)) => format!("a report joined at {at}, it is {}", row.status),
        _ => format!("it is {}", row.status),
    };
    let current = json!({
        "version": row.version,
        "status": row.status.key(),
        "agency": row.agency.map(|agency| &city.agency(agency).key),
        "action": action,
        "by": by,
        "at": at,
    });
    (current, words)
}
