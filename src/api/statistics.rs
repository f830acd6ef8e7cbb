//! Statistics: how long the steps of the center's work took, for the center and for the city to judge it by.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::app::AppState;
use super::moment::turn;
use super::params::Params;
use super::problem::Problem;
use crate::city::{AreaLevel, City};
use crate::feed::wire::time;
use crate::model::{Projection, Seq};
use crate::past::{By, Figures, Group, Question, SMALL_MAX, Step};

/// What was asked, and what is answered.
struct Answer {
    question: Question,
    figures: Arc<Figures>,
    seq: Seq,
}

#[utoipa::path(get, path = "/api/v1/statistics", tag = "map",
    description = "How long steps took: median and 90th percentile in seconds from the opening, and what was resolved \
        in time (`on_time`) or is late, of those whose category has a deadline of the whole (`with_deadline`). Imports \
        are left out. The public sees what it sees on the map; of sensitive categories only whole months of whole \
        districts, and no groups of fewer than five.",
    params(("by" = Option<String>, Query, description = "agency, category, area or month; agency where it is left out"),
        ("level" = Option<String>, Query, description = "with by=area: district or village"),
        ("since" = Option<String>, Query, description = "opened at or after, RFC 3339"),
        ("until" = Option<String>, Query, description = "opened before"),
        ("category" = Option<String>, Query), ("agency" = Option<String>, Query), ("area" = Option<String>, Query),
        ("drill" = Option<bool>, Query, description = "true: of drills alone")),
    responses((status = 200), (status = 400), (status = 503)))]
pub async fn statistics(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let answer = answer(&app, &caller, params).await?;
    let Answer { question, figures, seq } = &answer;
    let group = |group: &Group| group_json(group, question.by, &app.city);
    let is_public = question.projection == Projection::Public;
    Ok(Json(json!({
        "seq": seq.0,
        "by": question.by.key(),
        "since": question.filter.since.map(time),
        "until": question.filter.until.map(time),
        "groups": figures.groups.iter().map(group).collect::<Vec<_>>(),
        "total": group(&figures.total),
        "fewest": if is_public { json!(SMALL_MAX) } else { Value::Null },
    }))
    .into_response())
}

#[utoipa::path(get, path = "/api/v1/statistics.csv", tag = "map",
    description = "The same as a table, a row a group; takes the same parameters.",
    responses((status = 200, content_type = "text/csv"), (status = 400), (status = 503)))]
pub async fn statistics_csv(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let answer = answer(&app, &caller, params).await?;
    table(&answer, &app.city).map_err(|e| {
        tracing::error!(error = &*e, "a table could not be written");
        Problem::internal()
    })
}

async fn answer(app: &AppState, caller: &Caller, mut params: Params) -> Result<Answer, Problem> {
    let by = params.read("by", read_by);
    let level = params.read("level", |text| match AreaLevel::from_key(text) {
        Some(level @ (AreaLevel::District | AreaLevel::Village)) => Ok(level),
        _ => Err(format!("{text:?} is neither district nor village")),
    });
    let filter = params.statistics_filter(&app.city, &caller.sight());
    if level.is_some() && !matches!(by, Some(By::Area(_))) {
        params.fault("level", "goes with by=area only");
    }
    params.finish()?;
    let by = match (by.unwrap_or(By::Agency), level) {
        (By::Area(_), Some(level)) => By::Area(level),
        (by, _) => by,
    };
    let filter = filter.ok_or_else(Problem::internal)?;
    let question = Question { by, projection: caller.sight().projection(), filter };
    let _turn = turn(app).await?;
    let (past, live) = (app.past.clone(), app.live());
    let asked = question.clone();
    let computed = super::aside(move || past.statistics.answer(&asked, live.seq(), live.now()));
    let (seq, figures) = computed.await?;
    Ok(Answer { question, figures, seq })
}

fn read_by(text: &str) -> Result<By, String> {
    let known = [By::Agency, By::Category, By::Area(AreaLevel::District), By::Month];
    known
        .into_iter()
        .find(|by| by.key() == text)
        .ok_or_else(|| format!("{text:?} is no way to group; known are {}", known.map(By::key).join(", ")))
}

fn group_json(group: &Group, by: By, city: &City) -> Value {
    let steps = |read: fn(&Group, Step) -> Value| {
        Step::ALL.into_iter().map(|step| (step.key().to_owned(), read(group, step))).collect::<Map<_, _>>()
    };
    json!({
        "key": group.key.and_then(|key| key.key(city)),
        "name": group.key.map(|key| key.name(by, city)),
        "incidents": group.incidents,
        "open": group.open,
        "resolved": group.resolved,
        "on_time": group.on_time,
        "late": group.late,
        "with_deadline": group.with_deadline,
        "n": steps(|group, step| group.steps[step as usize].n.into()),
        "median_s": steps(|group, step| group.steps[step as usize].median_s.into()),
        "p90_s": steps(|group, step| group.steps[step as usize].p90_s.into()),
    })
}

fn table(answer: &Answer, city: &City) -> Result<Response, Box<dyn std::error::Error>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> =
        ["key", "name_id", "name_en", "incidents", "open", "resolved", "on_time", "late"]
            .map(str::to_owned)
            .to_vec();
    for step in Step::ALL.map(Step::key) {
        head.extend([format!("{step}_n"), format!("{step}_median_s"), format!("{step}_p90_s")]);
    }
    // Behind all that was there before it.
    head.push("with_deadline".to_owned());
    table.write_record(&head)?;
    for group in &answer.figures.groups {
        let name = group.key.map(|key| key.name(answer.question.by, city));
        let name = name.map_or_else(Default::default, |name| [name.id, name.en]);
        let mut row = vec![group.key.and_then(|key| key.key(city)).unwrap_or_default()];
        row.extend(name);
        let counts = [group.incidents, group.open, group.resolved, group.on_time, group.late];
        row.extend(counts.map(|n| n.to_string()));
        for step in &group.steps {
            let seconds = |value: Option<u32>| value.map_or_else(String::new, |s| s.to_string());
            row.extend([step.n.to_string(), seconds(step.median_s), seconds(step.p90_s)]);
        }
        row.push(group.with_deadline.to_string());
        table.write_record(&row)?;
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"pantau-statistics.csv\""),
    ];
    Ok((headers, table.into_inner()?).into_response())
}
