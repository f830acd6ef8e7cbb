//! Records: how they are decided and stored. Their rows stand among those of actions, with the number 0 where
//! they are about no incident, so their texts are proven, erased and copied as notes are.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::action_wire::read_note;
use super::codec::corrupt;
use super::decide::{Counters, Decision, Store, other};
use crate::model::{Entry, Fact, IncidentNo, NewRecord, RecordFact, RecordKind, Refusal, Seq, TimeMs};

/// The body of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordWire<'a> {
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<u32>,
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// Digest of the private part, where there is one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Cow<'a, str>>,
}

impl<'a> RecordWire<'a> {
    pub fn of(record: &'a RecordFact, digest: Option<&'a str>) -> RecordWire<'a> {
        RecordWire {
            kind: Cow::Borrowed(record.kind.key()),
            incident: record.incident.map(|no| no.0),
            actor: Cow::Borrowed(&record.actor),
            private: digest.map(Cow::Borrowed),
        }
    }

    pub fn into_fact(self, seq: Seq, private: Option<&str>) -> Result<RecordFact, JournalError> {
        let unknown = || corrupt(seq, format!("there is no record {:?}", self.kind));
        Ok(RecordFact {
            kind: RecordKind::from_key(&self.kind).ok_or_else(unknown)?,
            incident: self.incident.map(IncidentNo),
            actor: self.actor.into_owned(),
            text: private.map(read_note).transpose().map_err(|e| corrupt(seq, e))?,
        })
    }
}

/// # Errors
/// Those of the store.
pub(super) fn decide(
    store: &mut impl Store,
    last: &Counters,
    new: NewRecord,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    if let Some(no) = new.incident
        && store.incident(no)?.is_none()
    {
        return Ok(Decision::Refuse(Refusal::UnknownIncident));
    }
    let NewRecord { kind, incident, actor, text } = new;
    Ok(other(last, at, Fact::Record(Box::new(RecordFact { kind, incident, actor, text: Some(text) }))))
}

/// The incident of a record's row: 0 where it is about none.
pub(super) fn row_no(record: &RecordFact) -> IncidentNo {
    record.incident.unwrap_or(IncidentNo(0))
}

/// What people did, as the audit asks for it: actions, records, erasures. What is absent does not filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActsQuestion {
    /// Before this entry.
    pub below: Seq,
    pub actor: Option<String>,
    pub incident: Option<IncidentNo>,
    /// Keys of actions and kinds of records, as their rows have them; `erase` for erasures. None: all.
    pub kinds: Vec<String>,
}

/// The keys of erasures, merges and splits among acts.
pub const ERASE: &str = "erase";
pub const MERGE: &str = "merge";
pub const SPLIT: &str = "split";

impl ActsQuestion {
    /// Everything before an entry.
    pub fn below(seq: Seq) -> ActsQuestion {
        ActsQuestion { below: seq, actor: None, incident: None, kinds: Vec::new() }
    }

    /// Whether erasures are asked for: nobody's name stands at them.
    pub(super) fn has_erasures(&self) -> bool {
        let asked = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == ERASE);
        asked && self.actor.is_none() && self.incident.is_none()
    }

    /// Whether an entry is asked for. The stores answer by their rows, without looking at every entry.
    pub fn holds(&self, entry: &Entry) -> bool {
        let act = match &entry.fact {
            Fact::Action(fact) => Some((fact.action.key(), &fact.actor, fact.incident, None)),
            Fact::Record(fact) => Some((fact.kind.key(), &fact.actor, row_no(fact), None)),
            Fact::Merge(fact) => Some((MERGE, &fact.actor, fact.absorbed, Some(fact.into))),
            Fact::Split(fact) => Some((SPLIT, &fact.actor, fact.absorbed, Some(fact.into))),
            Fact::Erasure(_) => return entry.seq < self.below && self.has_erasures(),
            _ => None,
        };
        act.is_some_and(|(kind, actor, incident, other)| {
            entry.seq < self.below
                && self.actor.as_ref().is_none_or(|asked| asked == actor)
                && self.incident.is_none_or(|asked| asked == incident || Some(asked) == other)
                && (self.kinds.is_empty() || self.kinds.iter().any(|asked| asked == kind))
        })
    }
}
