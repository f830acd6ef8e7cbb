//! Decides what an erasure takes, and what it leaves. Pure; both stores decide here.
//!
//! The private part of an entry goes as a whole, with its salt; what is left of it gets a salt of its
//! own, and the erasure's body holds the digest under that. So nobody can try phone numbers against the
//! first digest, which stays in the chain, and nobody can change what is left.

use std::collections::BTreeSet;

use super::JournalError;
use super::decide::{Accepted, Counters, Decision, Store};
use crate::model::{
    ERASED_MAX, Entry, ErasedNote, ErasedReport, ErasureFact, Fact, IncidentNo, Kinds, LngLat, NewErasure,
    Receipt, Refusal, ReportNo, ReportPrivate, Seq, TimeMs,
};

/// What a store holds of a report that can be erased.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub report: ReportNo,
    /// Of its entry.
    pub seq: Seq,
    pub incident: IncidentNo,
    pub opens: bool,
    pub private: ReportPrivate,
    /// Where it is known more exactly than the chained body says.
    pub exact_place: Option<LngLat>,
    /// What the chained body says of the place.
    pub body_place: LngLat,
}

/// What stays in the private part of a report that something was erased of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Left {
    pub private: ReportPrivate,
    pub exact_place: Option<LngLat>,
}

/// An action as an erasure sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldNote {
    pub incident: IncidentNo,
    /// It still has its note.
    pub is_there: bool,
}

/// # Errors
/// Those of the store.
///
/// # Panics
/// Where it names more than [`ERASED_MAX`].
pub(super) fn decide(
    store: &mut impl Store,
    last: &Counters,
    new: NewErasure,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    assert!(new.reports.len() + new.notes.len() <= ERASED_MAX, "an erasure is bounded");
    let mut fact = ErasureFact { reason: new.reason, reports: Vec::new(), notes: Vec::new() };
    let mut lefts = Vec::new();
    for no in new.reports.into_iter().collect::<BTreeSet<_>>() {
        let Some(held) = store.held(no)? else { return Ok(Decision::Refuse(Refusal::UnknownReport)) };
        if let Some((erased, left)) = take(held, new.kinds) {
            fact.reports.push(erased);
            lefts.push(left);
        }
    }
    for seq in new.notes.into_iter().collect::<BTreeSet<_>>() {
        match store.held_note(seq)? {
            None => return Ok(Decision::Refuse(Refusal::UnknownNote)),
            Some(note) if note.is_there => fact.notes.push(ErasedNote { seq, incident: note.incident }),
            Some(_) => {}
        }
    }
    if fact.reports.is_empty() && fact.notes.is_empty() {
        return Ok(Decision::Repeat(Receipt::Other { seq: last.seq }));
    }
    let seq = last.seq.next();
    Ok(Decision::Accept(Accepted {
        entry: Entry { seq, at, fact: Fact::Erasure(Box::new(fact)) },
        receipt: Receipt::Other { seq },
        incident: None,
        partner: None,
        coarse_place: None,
        idempotency: None,
        import: None,
        lefts,
    }))
}

/// Takes what is there of the kinds; `None` where nothing is.
fn take(held: Held, kinds: Kinds) -> Option<(ErasedReport, Left)> {
    let Held { report, seq, incident, opens, mut private, exact_place, body_place } = held;
    let mut gone = Kinds::default();
    if kinds.contact {
        let contact = [&mut private.name, &mut private.phone, &mut private.email];
        for field in contact {
            gone.contact |= field.take().is_some();
        }
    }
    if kinds.text {
        gone.text = private.description.take().is_some();
    }
    if kinds.photos {
        gone.photos = !std::mem::take(&mut private.photos).is_empty();
    }
    gone.place = kinds.place && exact_place.is_some();
    if gone.is_empty() {
        return None;
    }
    let place = gone.place.then_some(body_place);
    let left = Left { private, exact_place: exact_place.filter(|_| !gone.place) };
    Some((ErasedReport { report, seq, incident, opens, gone, place }, left))
}
