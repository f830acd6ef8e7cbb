//! Decides commands against the state: accepted with an entry, a repeat, or refused.
//!
//! Pure but for the look-ups that a [`Store`] answers; both stores decide here, so they agree.
//! What was decided is written before the next command is looked at, so a batch sees itself.

use std::collections::BTreeSet;

use super::clocks::{self, Acted, Due};
use super::erase::{Held, HeldNote, Left};
use super::photos_sent::{self, PhotosSent};
use super::{IncidentRow, JournalError, erase, fold, merging, records};
use crate::city::City;
use crate::model::transitions::transition;
use crate::model::{
    Action, ActionFact, Command, Entry, Fact, HOUR_MS, Idempotency, ImportRow, IncidentNo, LngLat,
    MINUTE_MS, NewAction, NewReport, Opening, Outcome, Receipt, Refusal, ReportFact, ReportNo, Requirement,
    SenderId, Seq, Status, TimeMs, Transition,
};

/// How long after its entry an idempotency key counts, by the time of entries.
pub(super) const IDEMPOTENCY_MS: i64 = 72 * HOUR_MS;
/// How often keys that count no more are deleted, and how many at most at once.
pub(super) const PRUNE_EVERY_MS: i64 = 10 * MINUTE_MS;
pub(super) const PRUNED_KEYS_MAX: u32 = 10_000;

/// What deciding needs to know, and where it puts what was accepted.
pub(super) trait Store {
    fn incident(&mut self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError>;

    /// The submission stored under an idempotency key, if any; may be older than it counts.
    fn keyed(&mut self, key: &str) -> Result<Option<Keyed>, JournalError>;

    /// The photos that were added to an incident under a key, if any.
    fn photos_sent(&mut self, no: IncidentNo, key: [u8; 16]) -> Result<Option<PhotosSent>, JournalError>;

    fn imported(&mut self, row: &ImportRow) -> Result<Option<ReportNo>, JournalError>;

    /// The receipt of a report that is stored.
    fn receipt(&mut self, no: ReportNo) -> Result<Receipt, JournalError>;

    /// A report with all of it that can be erased, as it stands in this batch.
    fn held(&mut self, no: ReportNo) -> Result<Option<Held>, JournalError>;

    /// The action of an entry, as it stands in this batch.
    fn held_note(&mut self, seq: Seq) -> Result<Option<HeldNote>, JournalError>;

    /// The incidents that one has absorbed and not let go of; not those that these had absorbed.
    fn absorbed_by(&mut self, no: IncidentNo) -> Result<Vec<IncidentNo>, JournalError>;

    /// The senders of the reports that opened or joined an incident itself.
    fn senders(&mut self, no: IncidentNo) -> Result<BTreeSet<SenderId>, JournalError>;

    /// Whether one of these is a sender's.
    fn has_sender(&mut self, no: IncidentNo, sender: SenderId) -> Result<bool, JournalError> {
        Ok(self.senders(no)?.contains(&sender))
    }

    fn write(&mut self, accepted: &Accepted) -> Result<(), JournalError>;

    /// The pack in force.
    fn city(&self) -> &City;
}

/// A submission under an idempotency key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed {
    pub report: ReportNo,
    pub body_digest: [u8; 32],
    pub at: TimeMs,
}

/// The last numbers given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    pub seq: Seq,
    pub at: TimeMs,
    pub report: u32,
    pub incident: u32,
}

/// An accepted command: its entry, and what the state tables get.
#[derive(Debug)]
pub(super) struct Accepted {
    pub entry: Entry,
    pub receipt: Receipt,
    /// The incident touched, as it stands after the entry. New where the entry opened it.
    pub incident: Option<IncidentRow>,
    /// The other one that the entry touched.
    pub partner: Option<IncidentRow>,
    /// All that the chained body may say of the place.
    pub coarse_place: Option<LngLat>,
    pub idempotency: Option<Idempotency>,
    pub import: Option<ImportRow>,
    /// What an erasure leaves of each report that it names, in its order.
    pub lefts: Vec<Left>,
}

#[expect(clippy::large_enum_variant, reason = "there is one at a time, and most are the large one")]
pub(super) enum Decision {
    Accept(Accepted),
    Repeat(Receipt),
    Refuse(Refusal),
}

/// Decides a batch, writes what is accepted, and moves the counters on. All entries are at `now`,
/// or at the head's time where `now` is behind it.
///
/// # Errors
/// Those of the store; the caller takes back what was written and the counters.
///
/// # Panics
/// Where a tick is not the last command.
pub(super) fn decide_all(
    store: &mut impl Store,
    counters: &mut Counters,
    commands: Vec<Command>,
    now: TimeMs,
) -> Result<Vec<Outcome>, JournalError> {
    let tick_before_last = commands.iter().rev().skip(1).any(|c| matches!(c, Command::Tick));
    assert!(!tick_before_last, "a tick is the last command of its batch");

    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        outcomes.push(match decide(store, counters, command, now.max(counters.at))? {
            Decision::Accept(accepted) => {
                store.write(&accepted)?;
                counters.advance(&accepted.entry);
                Outcome::Accepted { entries: vec![accepted.entry], receipt: accepted.receipt }
            }
            Decision::Repeat(receipt) => Outcome::Repeat { receipt },
            Decision::Refuse(refusal) => Outcome::Refused(refusal),
        });
    }
    Ok(outcomes)
}

impl Counters {
    fn advance(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        self.at = entry.at;
        if let Fact::Report(report) = &entry.fact {
            self.report = report.report.0;
            self.incident = self.incident.max(report.incident.0);
        }
    }
}

fn decide(
    store: &mut impl Store,
    last: &Counters,
    command: Command,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    match command {
        Command::Report(report) => decide_report(store, last, *report, at),
        Command::Action(action) => decide_action(store, last, *action, at),
        Command::Erasure(erasure) => erase::decide(store, last, *erasure, at),
        Command::Pack { key, hash } => Ok(other(last, at, Fact::Pack { key, hash })),
        Command::Tick => Ok(other(last, at, Fact::Tick)),
        Command::Merge(merge) => merging::decide_merge(store, last, *merge, at),
        Command::Split(split) => merging::decide_split(store, last, *split, at),
        Command::Record(record) => records::decide(store, last, *record, at),
    }
}

pub(super) fn other(last: &Counters, at: TimeMs, fact: Fact) -> Decision {
    let seq = last.seq.next();
    Decision::Accept(Accepted {
        entry: Entry { seq, at, fact },
        receipt: Receipt::Other { seq },
        incident: None,
        partner: None,
        coarse_place: None,
        idempotency: None,
        import: None,
        lefts: Vec::new(),
    })
}

fn decide_report(
    store: &mut impl Store,
    last: &Counters,
    mut new: NewReport,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    if let Some(repeat) = repeat_of(store, &new, at)? {
        return Ok(repeat);
    }
    let mut joined = None;
    if let Some(no) = new.incident {
        let incident = merging::standing(store, no)?;
        match incident.ok_or(Refusal::UnknownIncident).and_then(|i| joinable(i, new.drill)) {
            Ok(incident) => joined = Some(incident),
            Err(refusal) => return Ok(Decision::Refuse(refusal)),
        }
    }
    let (idempotency, import) = (new.idempotency.take(), new.import.take());
    let coarse_place = coarse_place(store.city(), &new, joined.as_ref());
    let status = import.as_ref().map(|row| row.status);
    let seq = last.seq.next();
    let mut fact = report_fact(store.city(), last, new, joined.as_ref(), status, at);
    if let Some(incident) = &joined {
        fact.again = merging::has_sender(store, incident.no, fact.sender)?;
    }
    let incident = match (joined, &fact.opens) {
        (Some(mut incident), _) => {
            fold::join(&mut incident, seq, at, &fact);
            incident
        }
        (None, Some(opening)) => fold::opened(seq, at, &fact, opening),
        (None, None) => unreachable!("a report opens an incident or joins one"),
    };
    let receipt = Receipt::Report {
        seq,
        report: fact.report,
        received_at: at,
        incident: fact.incident,
        opened_at: incident.opened_at,
    };
    Ok(Decision::Accept(Accepted {
        entry: Entry { seq, at, fact: Fact::Report(Box::new(fact)) },
        receipt,
        incident: Some(incident),
        partner: None,
        coarse_place,
        idempotency,
        import,
        lefts: Vec::new(),
    }))
}

/// All that the chained body may say of a report's place. Only here is it known for sure which incident a report
/// joins: the one that it named may have been absorbed by a sensitive one since it was looked at.
fn coarse_place(city: &City, new: &NewReport, joined: Option<&IncidentRow>) -> Option<LngLat> {
    let is_sensitive = joined.is_some_and(|incident| city.category(incident.category).sensitive);
    new.coarse_place.or_else(|| is_sensitive.then(|| new.place.coarsened(city.coarse_res)))
}

/// The earlier answer, where the report was sent under the same key before.
fn repeat_of(
    store: &mut impl Store,
    new: &NewReport,
    at: TimeMs,
) -> Result<Option<Decision>, JournalError> {
    if let Some(submitted) = &new.idempotency {
        let keyed = store.keyed(&submitted.key)?.filter(|keyed| at.since(keyed.at) <= IDEMPOTENCY_MS);
        if let Some(keyed) = keyed {
            return Ok(Some(if keyed.body_digest == submitted.body_digest {
                Decision::Repeat(store.receipt(keyed.report)?)
            } else {
                Decision::Refuse(Refusal::KeyReused)
            }));
        }
    }
    if let Some(row) = &new.import
        && let Some(no) = store.imported(row)?
    {
        return Ok(Some(Decision::Repeat(store.receipt(no)?)));
    }
    Ok(None)
}

fn joinable(incident: IncidentRow, drill: bool) -> Result<IncidentRow, Refusal> {
    if !incident.status.is_open() {
        return Err(Refusal::IncidentClosed { status: incident.status });
    }
    if incident.drill != drill {
        return Err(Refusal::DrillMismatch);
    }
    Ok(incident)
}

/// `imported` is the status of the row where the report comes from an import.
fn report_fact(
    city: &City,
    last: &Counters,
    new: NewReport,
    joined: Option<&IncidentRow>,
    imported: Option<Status>,
    at: TimeMs,
) -> ReportFact {
    let report = ReportNo(next_no(last.report));
    let occurred_at = new.occurred_at.unwrap_or(at);
    let opened_at = if imported.is_some() { occurred_at } else { at };
    let status = imported.unwrap_or(Status::New);
    let due = match imported {
        Some(_) => Due::default(),
        None => clocks::opened(city, new.category, status, new.agency, (opened_at, new.due_after_ms)),
    };
    let opening = Opening { status, agency: new.agency, opened_at, due_at: due.at, clock: due.clock };
    ReportFact {
        report,
        incident: joined.map_or_else(|| IncidentNo(next_no(last.incident)), |incident| incident.no),
        opens: joined.is_none().then_some(opening),
        place: new.place,
        accuracy_m: new.accuracy_m,
        category: new.category,
        occurred_at,
        area: new.area,
        sender: new.sender.unwrap_or(SenderId::of_report(report)),
        again: false,
        channel: new.channel,
        drill: new.drill,
        imported: imported.is_some(),
        n_photos: new.private.photos.len() as u8,
        private: new.private,
    }
}

fn next_no(last: u32) -> u32 {
    last.checked_add(1).expect("four thousand million reports are beyond any city")
}

/// Why an action that the status allows is not allowed all the same.
fn forbidden(row: &Transition, new: &NewAction, incident: &IncidentRow, city: &City) -> Option<Refusal> {
    let repair_wanted = city.category(incident.category).repair_photo && !incident.standing.repair_shown;
    if let Some(what) = row.lacking(new, repair_wanted) {
        return Some(Refusal::Lacks { action: new.action, what });
    }
    match new.action {
        Action::Photo if new.more.photos.is_none() => return Some(lacks_photo(new.action)),
        Action::Release | Action::Withdraw if new.more.photo.is_none() => {
            return Some(lacks_photo(new.action));
        }
        Action::Return if incident.agency.is_none() => return Some(Refusal::Unassigned),
        Action::Confirm if incident.standing.confirmed => return Some(Refusal::Confirmed),
        _ => {}
    }
    let by = incident.standing.resolved_by.as_ref().filter(|by| row.four_eyes && **by == new.actor)?;
    Some(Refusal::FourEyes { by: by.clone() })
}

fn lacks_photo(action: Action) -> Refusal {
    Refusal::Lacks { action, what: Requirement::Photo }
}

/// Whether an incident has left the live map by `at`.
pub(super) fn is_archived(store: &impl Store, incident: &IncidentRow, at: TimeMs) -> bool {
    let leaves_at = incident.closed_at.zip(store.city().keep_closed_ms);
    leaves_at.is_some_and(|(closed_at, ms)| closed_at.plus_ms(ms) <= at)
}

fn decide_action(
    store: &mut impl Store,
    last: &Counters,
    new: NewAction,
    at: TimeMs,
) -> Result<Decision, JournalError> {
    let Some(mut incident) = store.incident(new.incident)? else {
        return Ok(Decision::Refuse(Refusal::UnknownIncident));
    };
    if let Some(repeat) = photos_sent::repeat_of(store, &new)? {
        return Ok(repeat);
    }
    if let Some(refusal) = merging::refusal_of_absorbed(store, &incident)? {
        return Ok(Decision::Refuse(refusal));
    }
    if new.version.is_some_and(|version| version != incident.version) {
        return Ok(Decision::Refuse(Refusal::Version { current: incident.version }));
    }
    // It has left the live map by now, which could not show the change.
    if is_archived(store, &incident, at) {
        return Ok(Decision::Refuse(Refusal::Archived));
    }
    let from = incident.status;
    let Some(row) = transition(new.action, from) else {
        return Ok(Decision::Refuse(Refusal::Transition { action: new.action, from }));
    };
    if let Some(refusal) = forbidden(row, &new, &incident, store.city()) {
        return Ok(Decision::Refuse(refusal));
    }
    let to = row.to;
    let agency = match new.action {
        Action::Return => None,
        _ => new.agency.or(incident.agency),
    };
    let acted = Acted { action: new.action, to, agency, at, whole_after_ms: new.due_after_ms };
    let due = match clocks::acted(store.city(), &incident, &acted) {
        Ok(due) => due,
        Err(refusal) => return Ok(Decision::Refuse(refusal)),
    };
    let fact = ActionFact {
        incident: incident.no,
        action: new.action,
        from,
        to,
        agency,
        due_at: due.at,
        clock: due.clock,
        actor: new.actor,
        note: new.note,
        more: new.more,
    };
    let seq = last.seq.next();
    fold::act(&mut incident, seq, at, &fact);
    Ok(Decision::Accept(Accepted {
        receipt: Receipt::Action { seq, incident: incident.no },
        entry: Entry { seq, at, fact: Fact::Action(Box::new(fact)) },
        incident: Some(incident),
        partner: None,
        coarse_place: None,
        idempotency: None,
        import: None,
        lefts: Vec::new(),
    }))
}
