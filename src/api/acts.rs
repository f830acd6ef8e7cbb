//! Acts of people on their way into answers: what the audit, the shift log and the situation report share.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::app::App;
use crate::engine::last_before;
use crate::feed::wire::time;
use crate::journal::{ERASE, JournalError, MERGE, Reader, SPLIT};
use crate::live::LiveMap;
use crate::model::{Entry, Fact, IncidentNo, RecordKind, Seq, TimeMs};

/// UUIDs of incidents, looked up once each.
pub struct Names {
    app: Arc<App>,
    live: Arc<LiveMap>,
    known: HashMap<IncidentNo, Option<String>>,
}

impl Names {
    pub fn new(app: Arc<App>) -> Names {
        let live = app.live();
        Names { app, live, known: HashMap::new() }
    }

    /// `None` where there is no such incident.
    pub fn incident(&mut self, no: IncidentNo) -> Result<Option<String>, JournalError> {
        if let Some(known) = self.known.get(&no) {
            return Ok(known.clone());
        }
        let opened_at = match self.live.any_incident(no) {
            Some(incident) => Some(incident.opened_at),
            None => self.app.engine.reader().incident(no)?.map(|row| row.opened_at),
        };
        let name = opened_at.map(|opened_at| self.app.ids.incident_uuid(no, opened_at).to_string());
        self.known.insert(no, name.clone());
        Ok(name)
    }

    /// What somebody did, as an answer has it; `None` of what nobody did.
    pub fn act(&mut self, entry: &Entry) -> Result<Option<Value>, JournalError> {
        let line = |actor: Option<&str>, action: &str, incident: Option<String>| {
            json!({
                "seq": entry.seq.0,
                "at": time(entry.at),
                "actor": actor,
                "action": action,
                "incident": incident,
                "from": null,
                "to": null,
                "agency": null,
                "subject": null,
                "network": null,
                "note": null,
            })
        };
        Ok(match &entry.fact {
            Fact::Action(fact) => {
                let incident = self.incident(fact.incident)?;
                let mut line = line(Some(&fact.actor), fact.action.key(), incident);
                line["from"] = fact.from.key().into();
                line["to"] = fact.to.key().into();
                line["agency"] = fact.agency.map(|id| self.app.city.agency(id).key.clone()).into();
                line["note"] = fact.note.clone().into();
                Some(line)
            }
            Fact::Merge(fact) | Fact::Split(fact) => {
                let is_merge = matches!(entry.fact, Fact::Merge(_));
                let incident = self.incident(fact.absorbed)?;
                let mut line = line(Some(&fact.actor), if is_merge { MERGE } else { SPLIT }, incident);
                line["from"] = fact.status.key().into();
                line["to"] = fact.status.key().into();
                line["subject"] = self.incident(fact.into)?.into();
                line["note"] = fact.note.clone().into();
                Some(line)
            }
            Fact::Record(fact) => {
                let incident = fact.incident.map(|no| self.incident(no)).transpose()?.flatten();
                let mut line = line(Some(&fact.actor), fact.kind.key(), incident);
                line["note"] = fact.text.clone().into();
                Some(line)
            }
            Fact::Erasure(fact) => {
                let mut line = line(None, ERASE, None);
                line["note"] = fact.reason.clone().into();
                Some(line)
            }
            _ => None,
        })
    }
}

/// An entry of the shift log as an answer has it; `None` where it is none.
pub fn shift_entry(entry: &Entry) -> Option<Value> {
    let Fact::Record(fact) = &entry.fact else { return None };
    let kind = match fact.kind {
        RecordKind::ShiftNote => "note",
        RecordKind::Handover => "handover",
        RecordKind::LookUp => return None,
    };
    Some(json!({
        "seq": entry.seq.0,
        "at": time(entry.at),
        "actor": fact.actor,
        "kind": kind,
        // Empty once it was erased.
        "text": fact.text.as_deref().unwrap_or_default(),
    }))
}

/// The kinds of records that stand in the shift log.
pub fn shift_kinds() -> Vec<String> {
    let kinds = RecordKind::ALL.into_iter().filter(|kind| kind.is_of_shift());
    kinds.map(|kind| kind.key().to_owned()).collect()
}

/// The first entry that is not before `time`; the one after `head` where all are.
pub fn first_from(reader: &dyn Reader, head: Seq, time: TimeMs) -> Result<Seq, JournalError> {
    Ok(last_before(reader, Seq(0), head.next(), time)?.next())
}
