//! Decides whether one incident may absorb another, or let go of it.
//!
//! Absorbed incidents point at the one that absorbed them, so they form trees; at each root stands the
//! incident under which all of it counts. Only roots are acted on, so a root's tree is taken off it as it
//! was put on, whatever happened meanwhile: what came to the root since stays with the root.

use std::collections::BTreeSet;

use super::decide::{Accepted, Counters, Decision, Store, is_archived};
use super::{IncidentRow, JournalError, fold};
use crate::model::{Entry, Fact, IncidentNo, MergeFact, NewMerge, Receipt, Refusal, SenderId, Seq, TimeMs};

/// The incident under which what is said of `no` counts: itself, or the one that absorbed it in the end.
pub(super) fn standing(
    store: &mut impl Store,
    no: IncidentNo,
) -> Result<Option<IncidentRow>, JournalError> {
    let mut incident = store.incident(no)?;
    while let Some(into) = incident.as_ref().and_then(|incident| incident.merged_into) {
        incident = store.incident(into)?;
    }
    Ok(incident)
}

/// Why an incident cannot be acted on, where another absorbed it.
pub(super) fn refusal_of_absorbed(
    store: &mut impl Store,
    incident: &IncidentRow,
) -> Result<Option<Refusal>, JournalError> {
    let Some(into) = incident.merged_into else { return Ok(None) };
    Ok(standing(store, into)?.map(|standing| Refusal::Merged { into: standing.no }))
}

/// An incident and all that it absorbed, and these before it.
fn tree(store: &mut impl Store, root: IncidentNo) -> Result<Vec<IncidentNo>, JournalError> {
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(no) = tree.get(next) {
        let below = store.absorbed_by(*no)?;
        tree.extend(below);
        next += 1;
    }
    Ok(tree)
}

/// Whether a sender has said something that counts under an incident.
pub(super) fn has_sender(
    store: &mut impl Store,
    root: IncidentNo,
    sender: SenderId,
) -> Result<bool, JournalError> {
    for no in tree(store, root)? {
        if store.has_sender(no, sender)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The senders of all that counts under an incident, but for what came with `without`.
fn senders(
    store: &mut impl Store,
    root: IncidentNo,
    without: Option<IncidentNo>,
) -> Result<BTreeSet<SenderId>, JournalError> {
    let left_out: BTreeSet<IncidentNo> = match without {
        Some(no) => tree(store, no)?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    let mut senders = BTreeSet::new();
    for no in tree(store, root)?.into_iter().filter(|no| !left_out.contains(no)) {
        senders.append(&mut store.senders(no)?);
    }
    Ok(senders)
}

/// # Errors
/// Those of the store.
pub(super) fn decide_merge(
    store: &mut impl Store,
    last: &Counters,
    new: NewMerge,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    if new.absorbed == new.into {
        return Ok(Decision::Refuse(Refusal::MergeSelf));
    }
    let (Some(mut absorbed), Some(mut into)) = (store.incident(new.absorbed)?, store.incident(new.into)?)
    else {
        return Ok(Decision::Refuse(Refusal::UnknownIncident));
    };
    for incident in [&absorbed, &into] {
        if let Some(refusal) = refusal_of_absorbed(store, incident)? {
            return Ok(Decision::Refuse(refusal));
        }
    }
    if new.version.is_some_and(|version| version != absorbed.version) {
        return Ok(Decision::Refuse(Refusal::Version { current: absorbed.version }));
    }
    if let Some(closed) = [&absorbed, &into].into_iter().find(|incident| !incident.status.is_open()) {
        return Ok(Decision::Refuse(Refusal::MergeClosed { status: closed.status }));
    }
    if absorbed.drill != into.drill {
        return Ok(Decision::Refuse(Refusal::MergeDrill));
    }
    let mut all = senders(store, into.no, None)?;
    all.append(&mut senders(store, absorbed.no, None)?);
    let fact = fact(&absorbed, &into, all.len(), new);
    let seq = last.seq.next();
    fold::merge(&mut absorbed, seq, at, &fact);
    fold::merge(&mut into, seq, at, &fact);
    let receipt = Receipt::Action { seq, incident: into.no };
    Ok(accept(seq, at, Fact::Merge(Box::new(fact)), [absorbed, into], receipt))
}

/// # Errors
/// Those of the store.
pub(super) fn decide_split(
    store: &mut impl Store,
    last: &Counters,
    new: NewMerge,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    let (Some(mut absorbed), Some(mut into)) = (store.incident(new.absorbed)?, store.incident(new.into)?)
    else {
        return Ok(Decision::Refuse(Refusal::UnknownIncident));
    };
    if let Some(refusal) = refusal_of_absorbed(store, &into)? {
        return Ok(Decision::Refuse(refusal));
    }
    if new.version.is_some_and(|version| version != into.version) {
        return Ok(Decision::Refuse(Refusal::Version { current: into.version }));
    }
    if is_archived(store, &into, at) {
        return Ok(Decision::Refuse(Refusal::Archived));
    }
    if absorbed.merged_into != Some(into.no) {
        return Ok(Decision::Refuse(Refusal::NotMerged));
    }
    let reporters = senders(store, into.no, Some(absorbed.no))?.len();
    let fact = fact(&absorbed, &into, reporters, new);
    let seq = last.seq.next();
    fold::split(&mut absorbed, seq, at, &fact);
    fold::split(&mut into, seq, at, &fact);
    let receipt = Receipt::Action { seq, incident: absorbed.no };
    Ok(accept(seq, at, Fact::Split(Box::new(fact)), [absorbed, into], receipt))
}

fn fact(absorbed: &IncidentRow, into: &IncidentRow, reporters: usize, new: NewMerge) -> MergeFact {
    MergeFact {
        absorbed: absorbed.no,
        into: into.no,
        status: absorbed.status,
        into_status: into.status,
        reports: absorbed.reports,
        reporters: u32::try_from(reporters).expect("there are as many senders as reports at most"),
        actor: new.actor,
        note: new.note,
    }
}

fn accept(
    seq: Seq,
    at: TimeMs,
    fact: Fact,
    [absorbed, into]: [IncidentRow; 2],
    receipt: Receipt,
) -> Decision {
    Decision::Accept(Accepted {
        entry: Entry { seq, at, fact },
        receipt,
        incident: Some(into),
        partner: Some(absorbed),
        coarse_place: None,
        idempotency: None,
        import: None,
        lefts: Vec::new(),
    })
}
