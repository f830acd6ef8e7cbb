//! `pantau drill`: a plausible day in the city, through the public API, marked as a drill.

mod ground;
mod scenario;
mod texts;

pub use ground::{Ground, GroundError, Spot};
pub use scenario::{Act, Deed, Event, Scenario, Sender, Told, USUAL_RATE};

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Defaults;
use super::http::{Client, HttpError, patiently};
use super::progress::{Progress, grouped};
use super::time::{Stop, Stopwatch, now};

const RATE_MAX: f64 = 1_000.0;
/// Farther behind, the drill goes on from now instead of sending everything at once.
const LAG_MAX: Duration = Duration::from_secs(5);

/// Play a drill: a lively day in the city, marked as a drill everywhere
///
/// Sends made-up reports to a running server, as people would: a flood in low villages, a market with
/// jams, garbage along the shore, an accident, a felt earthquake, pranks. It also plays the center
/// (verifies, assigns, starts, resolves, rejects), if the server takes this machine for staff; if not,
/// it goes on with reports alone. Every report carries the mark "drill" and shows as LATIHAN / DRILL.
///
/// The first incident is there within five seconds. The drill goes on until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pantau drill                       at the usual pace, on the server of this machine
  pantau drill --rate 20 --minutes 5 ten times as busy, for five minutes
  pantau drill --seed 7              another day; the same seed is always the same day")]
pub struct DrillArgs {
    /// Reports a second on average
    #[arg(long, value_name = "R", default_value_t = USUAL_RATE, value_parser = rate)]
    pub rate: f64,
    /// Which day to play: the same number gives the same day
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The running server [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// End after this many minutes
    #[arg(long, value_name = "M", value_parser = minutes)]
    pub minutes: Option<f64>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= RATE_MAX);
    rate.ok_or_else(|| format!("must be a number above 0, at most {RATE_MAX}"))
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes: &f64| *minutes > 0.0 && *minutes <= 1e6);
    minutes.ok_or_else(|| "must be a number of minutes above 0".to_owned())
}

pub fn run(args: DrillArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let stop = Stop::on_ctrl_c();
    let client = Client::new(args.url.as_ref().unwrap_or(&defaults.url))?;
    let tally = play(&client, args.seed, args.rate, args.minutes, &stop)?;
    println!("{tally}");
    Ok(())
}

/// What was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub reports: u64,
    pub actions: u64,
    pub refused: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { reports, actions, refused } = self;
        write!(f, "drill: {} reports, {} actions of the center", grouped(*reports), grouped(*actions))?;
        if *refused > 0 { write!(f, ", {} refused", grouped(*refused)) } else { Ok(()) }
    }
}

/// Plays until `minutes` are over or the user stops it.
pub fn play(
    client: &Client,
    seed: u64,
    rate: f64,
    minutes: Option<f64>,
    stop: &Stop,
) -> anyhow::Result<Tally> {
    let mut progress = Progress::new("drill", None);
    let get = |path| patiently(stop, &mut |text| progress.line(text), || client.get(path));
    let ground = ask_ground(get)?;
    progress
        .line(&format!("seed {seed}, about {rate} reports a second, to {}; Ctrl-C ends it", client.base()));
    let mut stage = Stage {
        client,
        stop,
        run: now().0,
        seed,
        incidents: HashMap::new(),
        center: true,
        tally: Tally::default(),
    };
    let (watch, mut late) = (Stopwatch::start(), Duration::ZERO);
    for event in Scenario::new(seed, rate, ground) {
        let due = Duration::from_millis(event.at_ms);
        if minutes.is_some_and(|minutes| due.as_secs_f64() > minutes * 60.0) {
            break;
        }
        if stop.wait((due + late).saturating_sub(watch.elapsed())) {
            break;
        }
        match stage.play(event.deed, &progress) {
            Err(_) if stop.is_set() => break,
            played => played?,
        }
        let lag = watch.elapsed().saturating_sub(due + late);
        if lag > LAG_MAX {
            late += lag;
        }
        let tally = stage.tally;
        progress.set(0, || tally.to_string().trim_start_matches("drill: ").to_owned());
    }
    Ok(stage.tally)
}

fn ask_ground(mut get: impl FnMut(&'static str) -> Result<Value, HttpError>) -> anyhow::Result<Ground> {
    let city = get("/api/v1/city").context("cannot ask the server for its city")?;
    let areas = get("/api/v1/areas").context("cannot ask the server for its areas")?;
    Ok(Ground::from_answers(&city, areas)?)
}

/// The server, and what the drill has open there.
struct Stage<'a> {
    client: &'a Client,
    stop: &'a Stop,
    /// Tells the submissions of one run from another's.
    run: i64,
    seed: u64,
    /// UUIDs by the number of the report that opened them, until nothing more is planned for them.
    incidents: HashMap<u64, String>,
    /// Whether the server takes us for staff.
    center: bool,
    tally: Tally,
}

impl Stage<'_> {
    fn play(&mut self, deed: Deed, progress: &Progress) -> Result<(), HttpError> {
        match deed {
            Deed::Report(told) => self.report(&told, progress),
            Deed::Act(act) if self.center => self.act(act, progress),
            Deed::Act(_) => Ok(()),
        }
    }

    fn report(&mut self, told: &Told, progress: &Progress) -> Result<(), HttpError> {
        let joined = told.joins.and_then(|main| self.incidents.get(&main).cloned());
        let mut answer = self.send(told, joined.as_deref(), progress);
        // Somebody else may have closed the incident meanwhile: then the report opens its own.
        if joined.is_some() && answer.as_ref().is_err_and(|e| e.status().is_some_and(|s| s < 500)) {
            answer = self.send(told, None, progress);
        }
        match answer {
            Ok(answer) => {
                self.tally.reports += 1;
                if let Some(uuid) =
                    answer["incident"].as_str().filter(|_| self.center && told.joins.is_none())
                {
                    self.incidents.insert(told.no, uuid.to_owned());
                }
                Ok(())
            }
            Err(e) => self.refused(e, "a report was refused", progress),
        }
    }

    fn send(&self, told: &Told, incident: Option<&str>, progress: &Progress) -> Result<Value, HttpError> {
        let body = body_of(told, incident);
        let joining = if incident.is_some() { "-joining" } else { "" };
        let key = format!("drill-{}-{}-{}{joining}", self.seed, self.run, told.no);
        patiently(self.stop, &mut |text| progress.line(text), || {
            self.client.post("/api/v1/reports", &body, Some(&key))
        })
    }

    fn act(&mut self, act: Act, progress: &Progress) -> Result<(), HttpError> {
        let Some(uuid) = self.incidents.get(&act.on) else { return Ok(()) };
        let path = format!("/api/v1/incidents/{uuid}/{}", act.action.key());
        if act.is_last {
            self.incidents.remove(&act.on);
        }
        let mut body = serde_json::Map::new();
        body.extend(act.agency.map(|agency| ("agency".to_owned(), agency.into())));
        let words = if act.action == crate::model::Action::Reject { "reason" } else { "note" };
        body.extend(act.note.map(|note| (words.to_owned(), note.into())));
        if act.action == crate::model::Action::Reject {
            // The scenario rejects nothing but pranks.
            body.insert("disposition".to_owned(), crate::model::Disposition::Prank.key().into());
        }
        let body = Value::Object(body);
        let mut tell = |text: &str| progress.line(text);
        match patiently(self.stop, &mut tell, || self.client.post(&path, &body, None)) {
            Ok(_) => {
                self.tally.actions += 1;
                Ok(())
            }
            Err(e) if matches!(e.status(), Some(401 | 403)) => {
                self.center = false;
                self.incidents.clear();
                progress.line(
                    "the server does not take this machine for staff: the drill goes on with reports alone",
                );
                Ok(())
            }
            // An operator was faster.
            Err(e) if e.status() == Some(409) => Ok(()),
            Err(e) => self.refused(e, "an action was refused", progress),
        }
    }

    /// A refusal is counted, and told the first time; anything else ends the drill.
    fn refused(&mut self, error: HttpError, what: &str, progress: &Progress) -> Result<(), HttpError> {
        if error.status().is_none_or(|status| status >= 500 || status == 429) {
            return Err(error);
        }
        if self.tally.refused == 0 {
            progress.line(&format!("{what}: {error}"));
        }
        self.tally.refused += 1;
        Ok(())
    }
}

fn body_of(told: &Told, incident: Option<&str>) -> Value {
    let Sender { name, phone, device } = &told.sender;
    json!({
        "category": told.category,
        "lng": told.place.lng(),
        "lat": told.place.lat(),
        "accuracy_m": told.accuracy_m,
        "description": told.text,
        "channel": told.channel,
        "reporter": {"name": name, "phone": phone, "device": device},
        "incident": incident,
        "drill": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stub::{Asked, Stub, city, problem};

    /// `act` answers the center's actions.
    fn server(act: fn(&Asked) -> (u16, Value)) -> Stub {
        Stub::start(move |asked, before| match asked.what.as_str() {
            "GET /api/v1/city" => (200, city("live")),
            "GET /api/v1/areas" => (200, json!({"type": "FeatureCollection", "features": [], "seq": 0})),
            "POST /api/v1/reports" => (201, json!({"incident": format!("uuid-{before}"), "seq": before})),
            _ => act(asked),
        })
    }

    #[test]
    fn reports_are_marked_as_a_drill_and_the_center_acts_on_what_they_opened() {
        let stub = server(|_| (200, json!({})));
        let tally = play(&stub.client, 1, 1_000.0, Some(0.02), &Stop::default()).unwrap();
        let reports = stub.asked_for("POST /api/v1/reports");
        assert_eq!(tally.reports, reports.len() as u64);
        assert!(reports.iter().all(|asked| asked.json()["drill"] == true && asked.key.is_some()));
        let joined = reports.iter().filter_map(|asked| Some(asked.json()["incident"].as_str()?.to_owned()));
        let acted = stub.asked_for("POST /api/v1/incidents/");
        assert!(!acted.is_empty() && tally.refused == 0, "{tally}");
        let is_known = |uuid: &str| uuid.strip_prefix("uuid-").is_some_and(|no| no.parse::<u32>().is_ok());
        assert!(joined.into_iter().all(|uuid| is_known(&uuid)));
        assert!(acted.iter().any(|asked| asked.what.ends_with("/verify")));
    }

    #[test]
    fn without_the_rights_of_staff_the_drill_goes_on_with_reports_alone() {
        let stub = server(|_| problem(403, "staff only"));
        let tally = play(&stub.client, 1, 1_000.0, Some(0.02), &Stop::default()).unwrap();
        assert!(tally.reports > 20 && tally.actions == 0, "{tally}");
        assert_eq!(stub.asked_for("POST /api/v1/incidents/").len(), 1);
    }
}
