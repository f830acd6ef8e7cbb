//! The replay's clock.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::app::{AppState, Mode};
use super::params::Params;
use super::problem::Problem;
use crate::feed::wire::time;
use crate::intake::FieldFault;
use crate::model::TimeMs;

/// A day in less than a second is as fast as anybody can watch.
const SPEED_MAX: f64 = 100_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    at: String,
    speed: f64,
}

#[utoipa::path(post, path = "/api/v1/clock", tag = "operation",
    description = "Sets the replay's clock: from now on it is `at`, and time passes `speed` times faster. Staff, on a replay server only.",
    request_body(content = Object, description = "{at, speed}"),
    responses((status = 200), (status = 401), (status = 409), (status = 422)))]
pub async fn set_clock(
    State(app): State<AppState>,
    params: Params,
    body: axum::body::Bytes,
) -> Result<Response, Problem> {
    params.finish()?;
    let Mode::Replay(clock) = &app.mode else {
        let detail =
            "this server lives in the present; start one with --clock replay on a folder of its own";
        return Err(Problem::conflict("not-a-replay", detail));
    };
    let ask: SetClock = serde_json::from_slice(&body).map_err(|e| {
        let faults = vec![FieldFault { pointer: String::new(), detail: e.to_string() }];
        if e.is_data() { Problem::invalid_body(faults) } else { Problem::unreadable_body(faults) }
    })?;
    let fault = |key: &str, detail: String| {
        Problem::invalid_body(vec![FieldFault { pointer: format!("/{key}"), detail }])
    };
    let at = TimeMs::parse_rfc3339(&ask.at)
        .ok_or_else(|| fault("at", format!("{:?} is not an RFC 3339 time with its offset", ask.at)))?;
    if !(ask.speed > 0.0 && ask.speed <= SPEED_MAX) {
        return Err(fault("speed", format!("speed is more than 0 and at most {SPEED_MAX}")));
    }
    let newest = app.live().now();
    if at < newest {
        let detail = format!(
            "the journal has entries up to {newest} already, and time never falls; replay into a new folder"
        );
        return Err(Problem::conflict("clock-behind", detail));
    }
    clock.set(at, ask.speed);
    // The engine reckons anew how long to wait, the pages how fast their clocks run.
    app.engine.submit(Vec::new()).await?;
    app.nudge.notify_one();
    Ok(Json(json!({"at": time(at), "speed": ask.speed})).into_response())
}
