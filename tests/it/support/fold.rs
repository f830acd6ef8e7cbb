//! A client of the live socket, as simple as the protocol allows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What one subscription holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    pub features: BTreeMap<String, Value>,
    pub hotspots: BTreeMap<String, Value>,
    pub stats: Value,
}

impl Held {
    /// What differs from `other`, part by part; empty where nothing does.
    pub fn differences(&self, other: &Held) -> Vec<String> {
        let mut differences = Vec::new();
        for (mine, theirs) in [(&self.features, &other.features), (&self.hotspots, &other.hotspots)] {
            let ids: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
            for id in ids {
                let (mine, theirs) = (mine.get(id), theirs.get(id));
                if mine != theirs {
                    differences.push(format!("{id}\n   held {}\n  fresh {}", shown(mine), shown(theirs)));
                }
            }
        }
        if self.stats != other.stats {
            differences.push(format!("stats\n   held {}\n  fresh {}", self.stats, other.stats));
        }
        differences
    }
}

fn shown(feature: Option<&Value>) -> String {
    feature.map_or("nothing".to_owned(), Value::to_string)
}

#[derive(Debug, Clone, Default)]
pub struct Client {
    pub held: Held,
    pub epoch: String,
    pub seq: u64,
    pub view: String,
    /// Whether this socket has answered: before that its heartbeats say nothing of what is held.
    pub in_step: bool,
    /// Reasons of snapshots, in order.
    pub reasons: Vec<String>,
    pub alarms: Vec<Value>,
    pub errors: Vec<Value>,
}

impl Client {
    /// Folds one message in. Panics where the server breaks the protocol.
    pub fn fold(&mut self, message: &Value) {
        match message["type"].as_str().expect("a type") {
            "hello" => self.epoch = text(&message["epoch"]),
            "snapshot" => {
                self.held = Held {
                    features: by_id(&message["features"]),
                    hotspots: by_id(&message["hotspots"]),
                    stats: message["stats"].clone(),
                };
                self.view = text(&message["view"]);
                self.seq = number(&message["seq"]);
                self.in_step = true;
                self.reasons.push(text(&message["reason"]));
            }
            "delta" => self.delta(message),
            "heartbeat" if self.in_step => self.seq = self.seq.max(number(&message["seq"])),
            "alarm" => self.alarms.push(message.clone()),
            "error" => self.errors.push(message.clone()),
            "heartbeat" | "pong" | "presence" => {}
            other => panic!("unknown message {other}"),
        }
    }

    fn delta(&mut self, message: &Value) {
        let (from, seq) = (number(&message["from"]), number(&message["seq"]));
        assert!(from <= self.seq, "a hole: from {from}, held {}", self.seq);
        assert!(seq >= self.seq, "a delta goes backward");
        change(&mut self.held.features, &message["upsert"], &message["remove"]);
        let hotspots = &message["hotspots"];
        change(&mut self.held.hotspots, &hotspots["upsert"], &hotspots["remove"]);
        if !message["stats"].is_null() {
            self.held.stats = message["stats"].clone();
        }
        self.seq = seq;
        self.in_step = true;
        self.view = text(&message["view"]);
    }

    pub fn resume(&self) -> Value {
        json!({"epoch": self.epoch, "seq": self.seq, "view": self.view})
    }
}

fn change(held: &mut BTreeMap<String, Value>, upsert: &Value, remove: &Value) {
    let upsert = by_id(upsert);
    for id in remove.as_array().into_iter().flatten() {
        let id = text(id);
        assert!(!upsert.contains_key(&id), "{id} stands in both upsert and remove");
        held.remove(&id);
    }
    held.extend(upsert);
}

pub fn by_id(features: &Value) -> BTreeMap<String, Value> {
    let features = features.as_array().into_iter().flatten();
    features.map(|feature| (text(&feature["id"]), feature.clone())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}
