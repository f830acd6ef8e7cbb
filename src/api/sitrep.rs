//! The situation report: all that a page of it needs, in one answer. The fields follow EDXL-SitRep 1.0 (who prepared
//! it, for which period, situation, significant events), without its XML.

mod acts;
mod open;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::acts::first_from;
use super::app::{App, AppState};
use super::map::hotspots_of;
use super::moment::{Moment, turn};
use super::params::Params;
use super::problem::Problem;
use crate::city::{City, Text};
use crate::feed::parse_time;
use crate::feed::wire::{Feature, StatsBody, time};
use crate::journal::{ActsQuestion, JournalError, MERGE, SPLIT};
use crate::live::{Filter, Incident, LiveMap, Sort, Stats, StatusSet, Where};
use crate::model::{Action, Fact, HOUR_MS, IncidentNo, Projection, RecordKind, Seq, Status, TimeMs};
use acts::Acts;
use open::{LIST_MAX, Open, Ranked};

/// Where nobody handed over yet, a report begins so long ago.
const PERIOD_MS: i64 = 12 * HOUR_MS;

#[utoipa::path(get, path = "/api/v1/sitrep", tag = "center",
    description = "The situation: figures at the end and at the beginning of a period, hotspots, open and overdue incidents, what \
        changed, the shift log, who acted, and of now who is signed in. Without since it begins with the last handover, else twelve hours before.",
    params(("since" = Option<String>, Query), ("until" = Option<String>, Query, description = "RFC 3339; now where it is left out"),
        ("drill" = Option<bool>, Query, description = "true: of drills alone")),
    responses((status = 200), (status = 400), (status = 401), (status = 403)))]
pub async fn sitrep(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let now = app.now();
    let since = params.read("since", parse_time);
    let until = params.read("until", |text| match parse_time(text)? {
        until if until > now => Err(format!("{text} lies ahead; leave until out for now")),
        until => Ok(until),
    });
    let drill = params.flag("drill").unwrap_or(false);
    if let (Some(since), end) = (since, until.unwrap_or(now))
        && since > end
    {
        params.fault("since", "is after until; a report is of what lies between");
    }
    params.finish()?;

    let end = until.unwrap_or(now);
    let (head, reader) = (app.live().seq(), app.engine.reader().clone());
    let begin = match since {
        Some(since) => since,
        None => super::blocking(move || last_handover(&*reader, head, end)).await?,
    };
    let (then, before) = (Moment::of(&app, until).await?, Moment::of(&app, Some(begin)).await?);
    let hotspots = hotspots_of(&app, until, drill).await?;
    let period = Period { begin, end, is_over: until.is_some() };
    let _turn = turn(&app).await?;
    let (asked, by) = (app.clone(), caller.actor());
    let report = super::blocking(move || {
        let acts = Acts::read(&**asked.engine.reader(), &then.live, &period, drill)?;
        Ok(Report { app: &asked, then: &then.live, before: &before.live, period, drill, acts, hotspots }
            .json(&by))
    });
    Ok(Json(report.await?).into_response())
}

/// From, and to but not with.
#[derive(Clone, Copy)]
struct Period {
    begin: TimeMs,
    end: TimeMs,
    /// It ends at a moment that was asked for, and not now.
    is_over: bool,
}

/// When the last shift before `end` was handed over; twelve hours before where none was.
fn last_handover(
    reader: &dyn crate::journal::Reader,
    head: Seq,
    end: TimeMs,
) -> Result<TimeMs, JournalError> {
    let below = first_from(reader, head, end)?;
    let kinds = vec![RecordKind::Handover.key().to_owned()];
    let last = reader.acts(&ActsQuestion { kinds, ..ActsQuestion::below(below) }, 1)?;
    Ok(last.first().map_or(end.plus_ms(-PERIOD_MS), |entry| entry.at))
}

/// All that a report is made of.
struct Report<'r> {
    app: &'r Arc<App>,
    then: &'r LiveMap,
    before: &'r LiveMap,
    period: Period,
    drill: bool,
    acts: Acts,
    hotspots: Vec<Value>,
}

impl Report<'_> {
    fn json(&self, by: &str) -> Value {
        let Period { begin, end, .. } = self.period;
        let city = self.then.city();
        let (n_opened, opened) = self.opened();
        let resolved = self.led_to(Status::Resolved);
        let figures = Figures::of(self, n_opened, resolved.len());
        let open = Open::of(self.then, &self.filter(), &self.period);
        json!({
            "message_id": format!("{}:{}:{}", self.then.epoch(), self.then.seq(), begin.0),
            "seq": self.then.seq().0,
            "since": time(begin),
            "until": time(end),
            "prepared_at": time(self.app.now()),
            "prepared_by": self.person(by),
            "center": {"key": city.key, "name": city.name},
            "bbox": open.bbox.or_else(|| city.bounds.map(|b| [b.west(), b.south(), b.east(), b.north()])),
            "summary": figures.sentence(self, city),
            "now": stats(&figures.now, city),
            "before": stats(&figures.before, city),
            "changes": self.changes(&figures, &opened, &resolved, open.newly_overdue),
            "open": open.all.json(self.then),
            "overdue": open.overdue.json(self.then),
            "hotspots": self.hotspots,
            "log": self.acts.log,
            "people": self.people(),
        })
    }

    /// The open ones of the kind that is reported.
    fn filter(&self) -> Filter {
        Filter { drill: Some(self.drill), ..Filter::default() }
    }

    /// Those that an action of the period led to a status, and that stand there still.
    fn led_to(&self, to: Status) -> Vec<&Incident> {
        let mut numbers: Vec<IncidentNo> = Vec::new();
        for entry in &self.acts.entries {
            if let Fact::Action(fact) = &entry.fact
                && fact.to == to
                && fact.from != to
            {
                numbers.push(fact.incident);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let stands = |no: &IncidentNo| {
            let incident = self.then.incident(*no)?;
            (incident.status == to && incident.drill == self.drill).then_some(incident)
        };
        numbers.iter().filter_map(stands).collect()
    }

    fn changes(
        &self,
        figures: &Figures,
        opened: &[Incident],
        resolved: &[&Incident],
        newly_overdue: Ranked,
    ) -> Value {
        let listed = |incidents: &[&Incident]| {
            let first = incidents.iter().copied().take(LIST_MAX);
            json!({"total": incidents.len(), "incidents": features(self.then, first)})
        };
        json!({
            "actions": figures.actions,
            "is_cut": self.acts.is_cut,
            "opened": {"total": figures.opened, "incidents": features(self.then, opened.iter())},
            "resolved": listed(resolved),
            "rejected": listed(&self.led_to(Status::Rejected)),
            "newly_overdue": newly_overdue.json(self.then),
        })
    }

    /// Those that came in the period, the newest first, and how many they are.
    fn opened(&self) -> (u64, Vec<Incident>) {
        let opened = Filter { statuses: StatusSet::ALL, since: Some(self.period.begin), ..self.filter() };
        let (place, sort) = (Where::default(), Sort::NewestFirst);
        let found = self.then.incidents(Projection::Staff, &opened, &place, sort, None, LIST_MAX);
        let count = || self.then.count(Projection::Staff, &opened, &place);
        (found.matched.unwrap_or_else(count), found.incidents)
    }

    fn person(&self, name: &str) -> Value {
        let accounts = self.app.accounts.as_ref();
        json!({
            "name": name,
            "full_name": accounts.and_then(|accounts| accounts.full_name(name)),
            "role": accounts.and_then(|accounts| accounts.role(name)),
        })
    }

    /// Who is signed in now, and whoever acted in the period, with how often.
    fn people(&self) -> Vec<Value> {
        let mut people: BTreeMap<String, (Option<TimeMs>, u32)> = BTreeMap::new();
        // Of a period that is over nobody knows who was signed in; who acted is in the log.
        if !self.period.is_over {
            let signed_in = self.app.accounts.iter().flat_map(|accounts| accounts.signed_in());
            people.extend(signed_in.map(|(name, since)| (name, (Some(since), 0))));
        }
        for entry in &self.acts.entries {
            let actor = match &entry.fact {
                Fact::Action(fact) => &fact.actor,
                Fact::Record(fact) => &fact.actor,
                Fact::Merge(fact) | Fact::Split(fact) => &fact.actor,
                _ => continue,
            };
            people.entry(actor.clone()).or_default().1 += 1;
        }
        let person = |(name, (since, acts)): (String, (Option<TimeMs>, u32))| {
            let mut person = self.person(&name);
            person["since"] = since.map(time).into();
            person["acts"] = acts.into();
            person
        };
        people.into_iter().map(person).collect()
    }
}

fn features<'i>(map: &LiveMap, incidents: impl Iterator<Item = &'i Incident>) -> Vec<Value> {
    incidents.map(|incident| json!(Feature::incident(map, incident, Projection::Staff))).collect()
}

/// The figures of both ends, and how often each action was taken between them.
struct Figures {
    now: Stats,
    before: Stats,
    actions: Map<String, Value>,
    opened: u64,
    /// And stand so at the end: what was opened again is not told of as done.
    resolved: usize,
}

impl Figures {
    fn of(report: &Report, opened: u64, resolved: usize) -> Figures {
        let (then, open) = (report.then, report.filter());
        let mut actions: Map<String, Value> = Action::ALL
            .map(Action::key)
            .into_iter()
            .chain([MERGE, SPLIT])
            .map(|key| (key.to_owned(), 0.into()))
            .collect();
        for entry in &report.acts.entries {
            match &entry.fact {
                Fact::Merge(_) => count(&mut actions, MERGE),
                Fact::Split(_) => count(&mut actions, SPLIT),
                Fact::Action(fact) => count(&mut actions, fact.action.key()),
                _ => {}
            }
        }
        Figures {
            now: then.stats(Projection::Staff, &open),
            before: report.before.stats(Projection::Staff, &open),
            actions,
            opened,
            resolved,
        }
    }

    /// The situation in a sentence.
    fn sentence(&self, report: &Report, city: &City) -> Text {
        let Period { begin, end, .. } = report.period;
        let local = |at: TimeMs| city.time_zone.to_datetime(at.timestamp());
        let (id, en) = if local(begin).year() == local(report.app.now()).year() {
            ("%d/%m %H.%M", "%d %b %H:%M")
        } else {
            ("%d/%m/%Y %H.%M", "%d %b %Y %H:%M")
        };
        let [begin, end] = [begin, end].map(local);
        let (total, overdue) = (self.now.matched.total.count, self.now.matched.overdue);
        let hotspots = count_told(&report.hotspots);
        Text {
            id: format!(
                "Antara {} dan {}: {} kejadian dibuka, {} selesai; {total} terbuka, {overdue} terlambat; {hotspots} titik panas.",
                begin.strftime(id),
                end.strftime(id),
                self.opened,
                self.resolved,
            ),
            en: format!(
                "Between {} and {}: {} {} opened, {} resolved; {total} open, {overdue} overdue; {hotspots} {}.",
                begin.strftime(en),
                end.strftime(en),
                self.opened,
                if self.opened == 1 { "incident" } else { "incidents" },
                self.resolved,
                if hotspots == 1 { "hotspot" } else { "hotspots" },
            ),
        }
    }
}

/// Hotspots as pages list them: one over all categories is none of its own where one category makes most of it
/// and so says the same more precisely (`web/src/map/hotspots.ts`).
fn count_told(hotspots: &[Value]) -> usize {
    let is_repeat = |mixed: &Value| hotspots.iter().any(|one| makes_most_of(one, mixed));
    hotspots.iter().filter(|hotspot| !is_repeat(hotspot)).count()
}

fn makes_most_of(one: &Value, mixed: &Value) -> bool {
    let (one, all) = (&one["properties"], &mixed["properties"]);
    let reports = |properties: &Value| properties["reports"].as_u64().unwrap_or(0);
    let is_of_all = |properties: &Value| properties["category"] == "all";
    if !is_of_all(all) || is_of_all(one) || one["drill"] != all["drill"] || reports(one) * 2 < reports(all)
    {
        return false;
    }
    let mut bbox = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
    spread(&mixed["geometry"]["coordinates"], &mut bbox);
    let [west, south, east, north] = bbox;
    let centre = one["centroid"][0].as_f64().zip(one["centroid"][1].as_f64());
    centre.is_some_and(|(lng, lat)| (west..=east).contains(&lng) && (south..=north).contains(&lat))
}

/// Grows a box over coordinates, however deep they are nested.
fn spread(coordinates: &Value, bbox: &mut [f64; 4]) {
    if let Some((lng, lat)) = coordinates[0].as_f64().zip(coordinates[1].as_f64()) {
        let [west, south, east, north] = *bbox;
        *bbox = [west.min(lng), south.min(lat), east.max(lng), north.max(lat)];
    } else {
        coordinates.as_array().into_iter().flatten().for_each(|inner| spread(inner, bbox));
    }
}

fn count(actions: &mut Map<String, Value>, key: &str) {
    let n = actions.get(key).and_then(Value::as_u64).unwrap_or(0);
    actions.insert(key.to_owned(), (n + 1).into());
}

fn stats(stats: &Stats, city: &City) -> Value {
    json!(StatsBody::of(stats, city))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hotspot(category: &str, reports: u32, drill: bool, [lng, lat]: [f64; 2]) -> Value {
        let corners =
            [(-0.1, -0.1), (0.1, -0.1), (0.1, 0.1), (-0.1, -0.1)].map(|(x, y)| [lng + x, lat + y]);
        json!({
            "geometry": {"type": "MultiPolygon", "coordinates": [[corners]]},
            "properties": {"category": category, "reports": reports, "drill": drill, "centroid": [lng, lat]},
        })
    }

    #[test]
    fn the_sentence_counts_the_hotspots_that_pages_list() {
        let (here, there) = ([127.0, 0.5], [127.3, 0.5]);
        let mixed = hotspot("all", 8, false, here);
        for (other, told) in [
            (hotspot("water", 4, false, here), 1),
            (hotspot("water", 3, false, here), 2),
            (hotspot("water", 4, true, here), 2),
            (hotspot("water", 4, false, there), 2),
            (hotspot("all", 8, false, here), 2),
        ] {
            assert_eq!(count_told(&[mixed.clone(), other.clone()]), told, "{other}");
        }
        assert_eq!(count_told(&[mixed]), 1);
        assert_eq!(count_told(&[]), 0);
    }
}
