//! The map's answers: clusters, hotspots, figures.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::app::{App, AppState};
use super::moment::{Moment, read_at};
use super::params::Params;
use super::problem::Problem;
use crate::access::{Object, Permission};
use crate::city::HotspotParameters;
use crate::engine::last_before;
use crate::feed::wire::{Feature, StatsBody, time};
use crate::feed::{features, hotspot_features, parse_bbox, past_hotspot_features};
use crate::journal::JournalError;
use crate::live::hotspots::{Hotspot, read_states};
use crate::live::{CellRange, Filter, LiveMap};
use crate::model::{Projection, SECOND_MS, Seq, TimeMs};

/// What one screen shows.
#[derive(Serialize)]
struct ClusterList<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    level: u8,
    features: Vec<Feature<'a>>,
}

#[utoipa::path(get, path = "/api/v1/clusters", tag = "map",
    description = "What the map draws at an integer zoom: clusters, and incidents that stand alone in their cell.",
    params(("bbox" = String, Query, description = "west,south,east,north, widened to whole cells"),
        ("zoom" = u32, Query, description = "0 to 20"), ("category" = Option<String>, Query), ("status" = Option<String>, Query),
        ("agency" = Option<String>, Query), ("area" = Option<String>, Query), ("within" = Option<String>, Query),
        ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("q" = Option<String>, Query),
        ("overdue" = Option<bool>, Query), ("escalation" = Option<u8>, Query), ("drill" = Option<bool>, Query),
        ("returned" = Option<bool>, Query), ("at" = Option<String>, Query, description = "RFC 3339: what was known then")),
    responses((status = 200), (status = 400)))]
pub async fn clusters(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let bbox = params.read("bbox", parse_bbox);
    let zoom = params.whole("zoom", 0, 20);
    let filter = params.filter(&app.city, &caller.sight());
    let at = read_at(&mut params, &app);
    for (key, missing) in [("bbox", bbox.is_none()), ("zoom", zoom.is_none())] {
        if missing {
            params.require(key);
        }
    }
    params.finish()?;
    let (Some(bbox), Some(zoom), Some(filter)) = (bbox, zoom, filter) else {
        return Err(Problem::internal());
    };

    let projection = caller.sight().projection();
    let moment = Moment::of(&app, at).await?;
    let asked = moment.asked();
    let answer = moment.compute(projection, filter, move |live, filter| {
        let level = live.level_in_force(projection, filter, &bbox, zoom as u8);
        let features = features(live, projection, filter, &CellRange::of(&bbox, level));
        let seq = live.seq().0;
        let list = ClusterList { kind: "FeatureCollection", seq, at: asked, level, features };
        super::feature_list(&list, list.features.len())
    });
    answer.await?
}

#[utoipa::path(get, path = "/api/v1/hotspots", tag = "map",
    description = "The hotspots that live now, or lived at a time, with the parameters that find them.",
    params(("bbox" = Option<String>, Query), ("category" = Option<String>, Query), ("area" = Option<String>, Query),
        ("within" = Option<String>, Query), ("drill" = Option<bool>, Query),
        ("at" = Option<String>, Query, description = "RFC 3339: as they stood then"),
        ("members" = Option<bool>, Query, description = "With the reports of each. Staff; not with at.")),
    responses((status = 200), (status = 400), (status = 401)))]
pub async fn hotspots(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let projection = caller.sight().hotspots();
    let live = app.live();
    let bbox = params.read("bbox", parse_bbox);
    let filter = params.hotspot_filter(&app.city, &caller.sight());
    let members = params.flag("members").unwrap_or(false);
    let at = read_at(&mut params, &app);
    if members && at.is_some() {
        params.fault("members", "members are those of now; leave out members or at");
    }
    params.finish()?;
    let filter = filter.ok_or_else(Problem::internal)?;
    if members {
        caller.may(Permission::SeeMembers, Object::Center)?;
    }
    let past = match at {
        Some(at) => past_hotspots(&app, &live, projection, at).await?,
        None => None,
    };
    let (seq, features) = match past {
        Some((seq, past)) => (seq, past_hotspot_features(&past, &filter, bbox.as_ref(), &app.city)),
        None => (live.seq(), hotspot_features(&live, projection, &filter, bbox.as_ref(), members)),
    };
    let categories = app.city.categories.iter().map(|c| (c.key.clone(), parameters(&c.hotspot)));
    let all = [("all".to_owned(), parameters(&app.city.all_categories))];
    let mut body = json!({
        "type": "FeatureCollection",
        "seq": seq.0,
        "parameters": categories.chain(all).collect::<Map<String, Value>>(),
        "features": features,
    });
    if let Some(at) = at {
        body["at"] = time(at).into();
    }
    Ok(Json(body).into_response())
}

/// The hotspots as staff see them, now or at a time.
pub(super) async fn hotspots_of(app: &App, at: Option<TimeMs>, drill: bool) -> Result<Vec<Value>, Problem> {
    let live = app.live();
    let filter = Filter { drill: Some(drill), ..Filter::everything() };
    let past = match at {
        Some(at) => past_hotspots(app, &live, Projection::Staff, at).await?,
        None => None,
    };
    let features = match &past {
        Some((_, past)) => past_hotspot_features(past, &filter, None, &app.city),
        None => hotspot_features(&live, Projection::Staff, &filter, None, false),
    };
    Ok(features.iter().map(|feature| json!(feature)).collect())
}

/// The newest seq at a time, and the hotspots as they stood then; `None` where they stand so still.
async fn past_hotspots(
    app: &App,
    live: &Arc<LiveMap>,
    projection: Projection,
    at: TimeMs,
) -> Result<Option<(Seq, Vec<Hotspot>)>, Problem> {
    let (reader, live) = (app.engine.reader().clone(), live.clone());
    super::blocking(move || {
        let seq = last_before(&*reader, Seq(0), live.seq().next(), at.plus_ms(1))?;
        if seq >= live.hotspots(projection).as_of() {
            return Ok(None);
        }
        let rows = reader.hotspots_at(projection, seq)?;
        let past = read_states(&rows, live.city()).map_err(|e| JournalError::Corrupt(e.to_string()))?;
        Ok(Some((seq, past)))
    })
    .await
}

fn parameters(p: &HotspotParameters) -> Value {
    json!({
        "eps_m": p.eps_m,
        "min_reports": p.min_reports,
        "min_reporters": p.min_reporters,
        "window_s": p.window_ms / SECOND_MS,
    })
}

#[utoipa::path(get, path = "/api/v1/stats", tag = "map",
    description = "The figures of a filter; `by_status` and the day's figures ignore its statuses.",
    params(("category" = Option<String>, Query), ("status" = Option<String>, Query), ("agency" = Option<String>, Query),
        ("area" = Option<String>, Query), ("within" = Option<String>, Query), ("since" = Option<String>, Query),
        ("until" = Option<String>, Query), ("q" = Option<String>, Query), ("overdue" = Option<bool>, Query),
        ("escalation" = Option<u8>, Query), ("drill" = Option<bool>, Query), ("returned" = Option<bool>, Query),
        ("at" = Option<String>, Query, description = "RFC 3339: what was known then")),
    responses((status = 200), (status = 400)))]
pub async fn stats(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = params.filter(&app.city, &caller.sight());
    let at = read_at(&mut params, &app);
    params.finish()?;
    let filter = filter.ok_or_else(Problem::internal)?;
    let projection = caller.sight().projection();
    let moment = Moment::of(&app, at).await?;
    let answer = moment.compute(projection, filter, move |live, filter| {
        let stats = StatsBody::of(&live.stats(projection, filter), live.city());
        let mut body = json!(stats);
        body["seq"] = live.seq().0.into();
        body
    });
    let mut body = answer.await?;
    moment.mark(&mut body);
    Ok(Json(body).into_response())
}
