//! The alarms that a screen was told: each that concerns what it shows at least once, and none again but what came
//! after the seq that it resumed from.

use std::collections::HashSet;

use pantau::feed::wire::incident_id;
use pantau::live::LiveMap;
use pantau::model::{Entry, Fact, Seq};
use serde_json::Value;

use super::super::fold::Client;

#[derive(Default)]
pub struct AlarmsHad {
    /// By epoch and id.
    had: HashSet<(String, String)>,
    /// Ids of this line.
    on_line: HashSet<String>,
    /// On this line none is told of up to here.
    floor: u64,
    /// Since here all were to be told that concern what is shown.
    since: u64,
}

impl AlarmsHad {
    /// A new line; what it asks begins after a seq.
    pub fn asked_since(&mut self, seq: u64) {
        self.on_line.clear();
        self.floor = seq;
    }

    pub fn since(&self) -> u64 {
        self.since
    }

    /// A frame, before it is folded; answers the rule that it breaks.
    pub fn take(&mut self, client: &Client, message: &Value) -> Option<String> {
        let seq = message["seq"].as_u64().unwrap_or(0);
        match message["type"].as_str() {
            Some("alarm") => {
                let id = message["id"].as_str().expect("an id").to_owned();
                if seq <= self.floor {
                    return Some(format!("an alarm of before {}: {id}", self.floor));
                }
                self.had.insert((client.epoch.clone(), id.clone()));
                (!self.on_line.insert(id.clone())).then(|| format!("an alarm twice: {id}"))
            }
            Some("snapshot") => {
                match message["reason"].as_str() {
                    // Other questions, or levels: what came since the held seq was told for them.
                    Some("view_changed") => self.since = client.seq,
                    // Another history, or a node that is behind: its own alarms come from there on.
                    Some("ahead" | "epoch_changed") => {
                        (self.floor, self.since) = (seq, seq);
                        self.on_line.clear();
                    }
                    _ => self.since = seq,
                }
                None
            }
            _ => None,
        }
    }

    /// One that is `expected` by `map`, and was not told. A node that was started anew does not tell again of what
    /// somebody acted on since.
    pub fn missed(&self, expected: &[Value], map: &LiveMap, entries: &[Entry]) -> Option<String> {
        let epoch = map.epoch().to_string();
        let ids = expected.iter().map(|alarm| alarm["id"].as_str().expect("an id"));
        let mut missed = ids.filter(|id| !self.had.contains(&(epoch.clone(), (*id).to_owned())));
        missed.find(|id| !is_acted_on(id, map, entries)).map(str::to_owned)
    }
}

/// Whether it is an alarm of what was late, and an entry set its clock since: that by whose time it became late may be the one.
fn is_acted_on(id: &str, map: &LiveMap, entries: &[Entry]) -> bool {
    let late = map.late_alarms_since(Seq(0)).find(|alarm| {
        let incident = incident_id(map, alarm.incident.no, alarm.incident.opened_at);
        id == format!("a:{incident}/{}/{}", alarm.seq, alarm.level)
    });
    let Some(alarm) = late else { return false };
    let no = alarm.incident.no;
    let since = entries.iter().filter(|entry| entry.seq >= alarm.seq && entry.seq <= map.seq());
    let mut acts = since.map(|entry| match &entry.fact {
        Fact::Action(fact) => fact.incident == no,
        Fact::Merge(fact) | Fact::Split(fact) => fact.absorbed == no,
        _ => false,
    });
    acts.any(|acts| acts)
}
