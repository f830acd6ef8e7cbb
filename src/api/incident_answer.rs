//! One incident as staff get it: its feature, its reports, what was done, and what it is joined with.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::Caller;
use super::app::App;
use super::detail;
use super::incidents::{Named, no_such_incident};
use super::joined::{below, standing};
use super::photos::{photo_json, photos_of_all};
use super::problem::Problem;
use crate::access::Permission;
use crate::feed::wire::{Feature, time};
use crate::journal::{IncidentRow, JournalError, Reader, check_incident};
use crate::live::Incident;
use crate::model::{Action, ActionFact, AgencyId, Entry, Fact, IncidentNo, MergeFact, Projection, TimeMs};

/// The incident's feature for staff, with its reports and its log for whoever may see them.
pub(super) async fn answer(app: &App, caller: &Caller, named: &Named) -> Result<Response, Problem> {
    let no = named.no;
    let live = app.live();
    let reader = app.engine.reader().clone();
    let city = app.city.clone();
    let asks = caller.clone();
    let read = move || {
        let sees = |row: &IncidentRow| {
            let object = Named::of(&Incident::from_row(row, &city)).object();
            asks.may(Permission::SeeIncident, object).is_ok()
        };
        Ok((History::read(&*reader, no, sees)?, photos_of_all(&*reader, &city, no)?))
    };
    let (history, photos) = super::blocking(read).await?;
    let incident = match live.any_incident(no) {
        Some(incident) => *incident,
        None => Incident::from_row(history.row.as_ref().ok_or_else(no_such_incident)?, &app.city),
    };
    let mut feature = json!(Feature::incident(&live, &incident, Projection::Staff));
    feature["seq"] = live.seq().0.into();
    feature["incident"] = history.uuid(app, no).into();
    let properties = &mut feature["properties"];
    if let Some(standing) = history.standing {
        properties["joined"] = true.into();
        // Which one it went into is for whoever may see that.
        if let Some(uuid) = history.uuid(app, standing) {
            properties["merged_into"] = uuid.into();
        }
    }
    properties["merged"] = history.absorbed(no).map(|merged| history.merged(app, merged)).collect();
    let object = Named::of(&incident).object();
    if caller.may(Permission::SeeIncident, object).is_ok() {
        let own = history
            .log
            .iter()
            .filter(|entry| matches!(&entry.fact, Fact::Action(fact) if fact.incident == no));
        let own: Vec<Entry> = own.cloned().collect();
        detail::add(&app.city, &incident, &own, properties);
        let shown = history.row.as_ref().is_some_and(|row| row.standing.repair_shown);
        let wanted = app.city.category(incident.category).repair_photo && incident.status.is_open();
        properties["repair_photo"] = (wanted && !shown).into();
        properties["photos"] = photos.iter().map(|photo| photo_json(app, &photo.row, true)).collect();
        say_who_paused(properties, &own);
        // Who looked at contact data, and why, is for those who may look.
        let sees_looks = caller.may(Permission::SeeContacts, object).is_ok();
        let log = history.log.iter().filter(|entry| sees_looks || !matches!(entry.fact, Fact::Record(_)));
        properties["log"] = log.filter_map(|entry| history.line(app, no, entry)).collect();
    }
    Ok(Json(feature).into_response())
}

/// Who stopped the clock, and why.
fn say_who_paused(properties: &mut Value, log: &[Entry]) {
    let paused = properties.pointer_mut("/clock/paused").and_then(Value::as_object_mut);
    let Some(paused) = paused else { return };
    let by = log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Action(fact) if fact.action == Action::Pause => Some(fact),
        _ => None,
    });
    paused.insert("by".to_owned(), by.map(|fact| fact.actor.clone()).into());
    paused.insert("note".to_owned(), by.and_then(|fact| fact.note.clone()).into());
}

/// What the journal knows of an incident, and of all that counts under it.
struct History {
    row: Option<IncidentRow>,
    /// In order; what is of several incidents is there once.
    log: Vec<Entry>,
    /// Of all that is spoken of here, and may be named to whoever asks.
    opened_at: BTreeMap<IncidentNo, TimeMs>,
    /// What the incident absorbed, and what these had, with the one that did it.
    tree: BTreeMap<IncidentNo, IncidentNo>,
    /// The one that it counts under, where another absorbed it.
    standing: Option<IncidentNo>,
}

impl History {
    /// Of others that are spoken of only those are named that `sees` allows.
    fn read(
        reader: &dyn Reader,
        no: IncidentNo,
        sees: impl Fn(&IncidentRow) -> bool,
    ) -> Result<History, JournalError> {
        let above = standing(reader, no)?;
        let mut history = History {
            row: above.first().cloned(),
            log: Vec::new(),
            opened_at: BTreeMap::new(),
            tree: BTreeMap::new(),
            standing: above.last().map(|row| row.no).filter(|standing| *standing != no),
        };
        for row in history.row.clone().into_iter().chain(below(reader, no)?) {
            let log = reader.incident_log(row.no)?;
            check_incident(&row, &log)?;
            history.log.extend(log);
            history.opened_at.insert(row.no, row.opened_at);
            if let Some(into) = row.merged_into.filter(|_| row.no != no) {
                history.tree.insert(row.no, into);
            }
        }
        history.log.sort_unstable_by_key(|entry| entry.seq);
        history.log.dedup_by_key(|entry| entry.seq);
        for no in history.others() {
            if let Some(other) = reader.incident(no)?.filter(&sees) {
                history.opened_at.insert(no, other.opened_at);
            }
        }
        Ok(history)
    }

    /// Incidents that are spoken of, and neither it nor below it.
    fn others(&self) -> BTreeSet<IncidentNo> {
        let merges = self.log.iter().filter_map(|entry| match &entry.fact {
            Fact::Merge(fact) | Fact::Split(fact) => Some([fact.absorbed, fact.into]),
            _ => None,
        });
        let spoken_of = merges.flatten().chain(self.standing);
        spoken_of.filter(|no| !self.opened_at.contains_key(no)).collect()
    }

    /// `None` of one that is not for whoever asks.
    fn uuid(&self, app: &App, no: IncidentNo) -> Option<String> {
        self.opened_at.get(&no).map(|opened_at| app.ids.incident_uuid(no, *opened_at).to_string())
    }

    /// Those that it absorbed itself.
    fn absorbed(&self, no: IncidentNo) -> impl Iterator<Item = IncidentNo> {
        self.tree.iter().filter(move |(_, into)| **into == no).map(|(absorbed, _)| *absorbed)
    }

    /// One of these, with when and by whom it was absorbed.
    fn merged(&self, app: &App, absorbed: IncidentNo) -> Value {
        let merge = self.log.iter().rev().find_map(|entry| match &entry.fact {
            Fact::Merge(fact) if fact.absorbed == absorbed => Some((entry.at, fact)),
            _ => None,
        });
        json!({
            "incident": self.uuid(app, absorbed),
            "at": merge.map(|(at, _)| time(at)),
            "by": merge.map(|(_, fact)| fact.actor.clone()),
            "reports": merge.map(|(_, fact)| fact.reports),
        })
    }

    /// One entry. What is of an incident below the one that is asked for names that.
    fn line(&self, app: &App, asked: IncidentNo, entry: &Entry) -> Option<Value> {
        let (mut line, no) = match &entry.fact {
            Fact::Merge(fact) => self.merge_line(app, "merge", asked, fact),
            Fact::Split(fact) => self.merge_line(app, "split", asked, fact),
            fact => log_line(app, fact, entry.at)?,
        };
        line["seq"] = entry.seq.0.into();
        line["at"] = time(entry.at).into();
        if no != asked {
            line["incident"] = self.uuid(app, no).into();
        }
        Some(line)
    }

    fn merge_line(
        &self,
        app: &App,
        action: &str,
        asked: IncidentNo,
        fact: &MergeFact,
    ) -> (Value, IncidentNo) {
        let no = [fact.absorbed, fact.into].into_iter().find(|no| *no == asked).unwrap_or(fact.into);
        let status = if no == fact.absorbed { fact.status } else { fact.into_status };
        let line = json!({
            "kind": "action",
            "action": action,
            "from": status.key(),
            "to": status.key(),
            "agency": null,
            "actor": fact.actor,
            "note": fact.note,
            "absorbed": self.uuid(app, fact.absorbed),
            "into": self.uuid(app, fact.into),
            "reports": fact.reports,
        });
        (line, no)
    }
}

/// A report, an action or a look, with the incident that it is of. Contact data stays in the journal until looking at
/// it is an entry.
fn log_line(app: &App, fact: &Fact, at: TimeMs) -> Option<(Value, IncidentNo)> {
    let (line, no) = match fact {
        Fact::Report(fact) => {
            let line = json!({
                "kind": "report",
                "report": app.ids.report_uuid(fact.report, at).to_string(),
                "code": app.ids.report_code(fact.report),
                "category": app.city.category(fact.category).key,
                "occurred_at": time(fact.occurred_at),
                "lng": fact.place.lng(),
                "lat": fact.place.lat(),
                "channel": fact.channel.key(),
                "description": fact.private.description,
            });
            (line, fact.incident)
        }
        Fact::Action(fact) => {
            let line = json!({
                "kind": "action",
                "action": fact.action.key(),
                "from": fact.from.key(),
                "to": fact.to.key(),
                "agency": fact.agency.map(|agency| app.city.agency(agency).key.clone()),
                "actor": fact.actor,
                "note": fact.note,
            });
            (more(app, fact, line), fact.incident)
        }
        Fact::Record(fact) => {
            let line = json!({
                "kind": "record",
                "record": fact.kind.key(),
                "actor": fact.actor,
                "note": fact.text,
            });
            (line, fact.incident?)
        }
        _ => return None,
    };
    Some((line, no))
}

/// What only some actions carry.
fn more(app: &App, fact: &ActionFact, mut line: Value) -> Value {
    let agency = |agency: AgencyId| app.city.agency(agency).key.clone();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            line[key] = value;
        }
    };
    put("public", (fact.action == Action::Answer).then_some(true.into()));
    put("speaker", fact.more.speaker.map(|speaker| agency(speaker).into()));
    put("disposition", fact.more.disposition.map(|disposition| disposition.key().into()));
    put("suggested", fact.more.suggested.map(|suggested| agency(suggested).into()));
    put("step", fact.more.step.as_ref().map(|step| step.key.clone().into()));
    put("photos", fact.more.photos.as_ref().map(|added| json!({"kind": added.kind.key(), "n": added.n})));
    put("done", fact.more.step.as_ref().map(|step| step.done.into()));
    line
}
