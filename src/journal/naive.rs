//! Random batches against a model that knows nothing but the list of entries and rereads it for
//! every question. Every store must answer as it does, also after they were opened again.

mod acting;
mod law;
mod testing;

use std::collections::{BTreeMap, BTreeSet};

use acting::{clock, due, forbidden};

use self::testing::check_acts;
use super::suite::{archived, incidents, report_places, reports, texts};
use super::testing::city;
use super::{IncidentRow, Reader, ReportPlace, ReportRow, Standing};
use crate::model::{
    Action, ActionFact, Command, Entry, ErasedNote, ErasedReport, ErasureFact, Fact, HOUR_MS, IncidentNo,
    Kinds, MergeFact, NewAction, NewErasure, NewMerge, NewRecord, NewReport, Opening, Outcome, PhotoKind,
    PhotoName, PhotoNo, PhotoRow, Receipt, RecordFact, Refusal, ReportFact, ReportNo, SenderId, Seq,
    Status, Step as ClockStep, TimeMs,
};

#[derive(Default)]
struct Naive {
    entries: Vec<Entry>,
    /// Every accepted report as it was sent, with its receipt.
    sent: Vec<(NewReport, Receipt, TimeMs)>,
}

impl Naive {
    fn now(&self, now: TimeMs) -> TimeMs {
        self.entries.iter().map(|entry| entry.at).chain([now]).max().unwrap()
    }

    fn submit(&mut self, command: Command, now: TimeMs) -> Outcome {
        let at = self.now(now);
        match command {
            Command::Report(new) => self.report(*new, at),
            Command::Action(new) => self.action(*new, at),
            Command::Erasure(new) => self.erase(*new, at),
            Command::Pack { key, hash } => {
                self.push(at, Fact::Pack { key, hash }, |seq| Receipt::Other { seq })
            }
            Command::Tick => self.push(at, Fact::Tick, |seq| Receipt::Other { seq }),
            Command::Merge(new) => self.merge(*new, at),
            Command::Split(new) => self.split(*new, at),
            Command::Record(new) => match new.incident.filter(|no| self.incident(*no).is_none()) {
                Some(_) => Outcome::Refused(Refusal::UnknownIncident),
                None => {
                    let NewRecord { kind, incident, actor, text } = *new;
                    let fact = RecordFact { kind, incident, actor, text: Some(text) };
                    self.push(at, Fact::Record(Box::new(fact)), |seq| Receipt::Other { seq })
                }
            },
        }
    }

    /// Who is absorbed by whom.
    fn parents(&self) -> BTreeMap<IncidentNo, IncidentNo> {
        let mut parents = BTreeMap::new();
        for entry in &self.entries {
            match &entry.fact {
                Fact::Merge(fact) => drop(parents.insert(fact.absorbed, fact.into)),
                Fact::Split(fact) => drop(parents.remove(&fact.absorbed)),
                _ => {}
            }
        }
        parents
    }

    fn root(&self, no: IncidentNo) -> IncidentNo {
        let parents = self.parents();
        std::iter::successors(Some(no), |no| parents.get(no).copied()).last().unwrap()
    }

    /// Reports of an incident, and of those that lead up to it.
    fn below(&self, no: IncidentNo) -> Vec<&ReportFact> {
        let parents = self.parents();
        let leads_here =
            |from| std::iter::successors(Some(from), |no| parents.get(no).copied()).any(|up| up == no);
        let reports = self.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::Report(fact) => Some(&**fact),
            _ => None,
        });
        reports.filter(|fact| leads_here(fact.incident)).collect()
    }

    fn senders(&self, no: IncidentNo) -> BTreeSet<SenderId> {
        self.below(no).iter().map(|fact| fact.sender).collect()
    }

    fn merge(&mut self, new: NewMerge, at: TimeMs) -> Outcome {
        if new.absorbed == new.into {
            return Outcome::Refused(Refusal::MergeSelf);
        }
        let (Some(absorbed), Some(into)) = (self.incident(new.absorbed), self.incident(new.into)) else {
            return Outcome::Refused(Refusal::UnknownIncident);
        };
        for row in [&absorbed, &into] {
            if row.merged_into.is_some() {
                return Outcome::Refused(Refusal::Merged { into: self.root(row.no) });
            }
        }
        if new.version.is_some_and(|version| version != absorbed.version) {
            return Outcome::Refused(Refusal::Version { current: absorbed.version });
        }
        for row in [&absorbed, &into] {
            if !row.status.is_open() {
                return Outcome::Refused(Refusal::MergeClosed { status: row.status });
            }
        }
        if absorbed.drill != into.drill {
            return Outcome::Refused(Refusal::MergeDrill);
        }
        let all: BTreeSet<SenderId> = &self.senders(absorbed.no) | &self.senders(into.no);
        let fact = merge_fact(&absorbed, &into, all.len(), new);
        let incident = into.no;
        self.push(at, Fact::Merge(Box::new(fact)), |seq| Receipt::Action { seq, incident })
    }

    fn split(&mut self, new: NewMerge, at: TimeMs) -> Outcome {
        let (Some(absorbed), Some(into)) = (self.incident(new.absorbed), self.incident(new.into)) else {
            return Outcome::Refused(Refusal::UnknownIncident);
        };
        if into.merged_into.is_some() {
            return Outcome::Refused(Refusal::Merged { into: self.root(into.no) });
        }
        if new.version.is_some_and(|version| version != into.version) {
            return Outcome::Refused(Refusal::Version { current: into.version });
        }
        if absorbed.merged_into != Some(into.no) {
            return Outcome::Refused(Refusal::NotMerged);
        }
        let gone: BTreeSet<ReportNo> = self.below(absorbed.no).iter().map(|fact| fact.report).collect();
        let left = self.below(into.no).into_iter().filter(|fact| !gone.contains(&fact.report));
        let left: BTreeSet<SenderId> = left.map(|fact| fact.sender).collect();
        let fact = merge_fact(&absorbed, &into, left.len(), new);
        let incident = absorbed.no;
        self.push(at, Fact::Split(Box::new(fact)), |seq| Receipt::Action { seq, incident })
    }

    fn push(&mut self, at: TimeMs, fact: Fact, receipt: impl FnOnce(Seq) -> Receipt) -> Outcome {
        let seq = Seq(self.entries.len() as u64 + 1);
        let entry = Entry { seq, at, fact };
        self.entries.push(entry.clone());
        Outcome::Accepted { entries: vec![entry], receipt: receipt(seq) }
    }

    fn repeat(&self, new: &NewReport, at: TimeMs) -> Option<Outcome> {
        for (sent, receipt, sent_at) in self.sent.iter().rev() {
            if let (Some(a), Some(b)) = (&sent.idempotency, &new.idempotency)
                && a.key == b.key
                && at.since(*sent_at) <= 72 * HOUR_MS
            {
                return Some(if a.body_digest == b.body_digest {
                    Outcome::Repeat { receipt: *receipt }
                } else {
                    Outcome::Refused(Refusal::KeyReused)
                });
            }
        }
        let row = new.import.as_ref().map(|row| (&row.source, row.row_digest));
        let same = |sent: &NewReport| sent.import.as_ref().map(|row| (&row.source, row.row_digest)) == row;
        let (_, receipt, _) = self.sent.iter().find(|(sent, ..)| row.is_some() && same(sent))?;
        Some(Outcome::Repeat { receipt: *receipt })
    }

    fn report(&mut self, mut new: NewReport, at: TimeMs) -> Outcome {
        if let Some(outcome) = self.repeat(&new, at) {
            return outcome;
        }
        let joined = match new.incident {
            None => None,
            Some(no) => match self.incident(self.root(no)) {
                None => return Outcome::Refused(Refusal::UnknownIncident),
                Some(row) if !row.status.is_open() => {
                    return Outcome::Refused(Refusal::IncidentClosed { status: row.status });
                }
                Some(row) if row.drill != new.drill => return Outcome::Refused(Refusal::DrillMismatch),
                Some(row) => Some(row),
            },
        };
        let city = city();
        if joined.as_ref().is_some_and(|row| city.category(row.category).sensitive) {
            new.coarse_place.get_or_insert(new.place.coarsened(city.coarse_res));
        }
        let report = ReportNo(self.sent.len() as u32 + 1);
        let imported = new.import.is_some();
        let occurred_at = new.occurred_at.unwrap_or(at);
        let opened_at = if imported { occurred_at } else { at };
        let incident = joined.as_ref().map_or(IncidentNo(self.incidents().len() as u32 + 1), |row| row.no);
        let fact = ReportFact {
            report,
            incident,
            opens: joined.is_none().then_some(Opening {
                status: new.import.as_ref().map_or(Status::New, |row| row.status),
                agency: new.agency,
                opened_at,
                due_at: new.due_after_ms.filter(|_| !imported).map(|ms| at.plus_ms(ms)),
                clock: new
                    .due_after_ms
                    .filter(|_| !imported)
                    .map(|ms| clock(ClockStep::Verify, at.plus_ms(ms))),
            }),
            place: new.place,
            accuracy_m: new.accuracy_m,
            category: new.category,
            occurred_at,
            area: new.area,
            sender: new.sender.unwrap_or(SenderId(u64::from(report.0))),
            again: new.sender.is_some_and(|sender| self.senders(incident).contains(&sender)),
            channel: new.channel,
            drill: new.drill,
            imported,
            n_photos: new.private.photos.len() as u8,
            private: new.private.clone(),
        };
        let opened_at = joined.map_or(opened_at, |row| row.opened_at);
        let outcome = self.push(at, Fact::Report(Box::new(fact)), |seq| Receipt::Report {
            seq,
            report,
            received_at: at,
            incident,
            opened_at,
        });
        if let Outcome::Accepted { receipt, .. } = &outcome {
            self.sent.push((new, *receipt, at));
        }
        outcome
    }

    /// The same photos once more, or others under their key.
    fn photos_again(&self, new: &NewAction) -> Option<Outcome> {
        let sent = new.more.photos.as_ref()?.sent?;
        let before = |entry: &Entry| match &entry.fact {
            Fact::Action(fact) if fact.incident == new.incident => {
                let before = fact.more.photos.as_ref()?.sent?;
                (before.key == sent.key).then_some((entry.seq, before))
            }
            _ => None,
        };
        let (seq, before) = self.entries.iter().find_map(before)?;
        Some(match before.content {
            Some(_) if before == sent => {
                Outcome::Repeat { receipt: Receipt::Action { seq, incident: new.incident } }
            }
            _ => Outcome::Refused(Refusal::KeyReused),
        })
    }

    fn action(&mut self, new: NewAction, at: TimeMs) -> Outcome {
        let Some(row) = self.incident(new.incident) else {
            return Outcome::Refused(Refusal::UnknownIncident);
        };
        if let Some(outcome) = self.photos_again(&new) {
            return outcome;
        }
        if row.merged_into.is_some() {
            return Outcome::Refused(Refusal::Merged { into: self.root(row.no) });
        }
        if new.version.is_some_and(|version| version != row.version) {
            return Outcome::Refused(Refusal::Version { current: row.version });
        }
        let Some(to) = new.action.leads_to(row.status) else {
            return Outcome::Refused(Refusal::Transition { action: new.action, from: row.status });
        };
        if let Some(refusal) = forbidden(&new, &row) {
            return Outcome::Refused(refusal);
        }
        let agency = if new.action == Action::Return { None } else { new.agency.or(row.agency) };
        let (due_at, clock) = match due(&row, &new, (to, agency), at) {
            Ok(due) => due,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let fact = ActionFact {
            incident: new.incident,
            action: new.action,
            from: row.status,
            to,
            agency,
            due_at,
            clock,
            actor: new.actor,
            note: new.note,
            more: new.more,
        };
        self.push(at, Fact::Action(Box::new(fact)), |seq| Receipt::Action { seq, incident: new.incident })
    }

    /// Edits the entries themselves.
    fn erase(&mut self, mut new: NewErasure, at: TimeMs) -> Outcome {
        new.reports.sort_unstable_by_key(|no| no.0);
        new.reports.dedup();
        new.notes.sort_unstable();
        new.notes.dedup();
        if new.reports.iter().any(|no| no.0 == 0 || no.0 as usize > self.sent.len()) {
            return Outcome::Refused(Refusal::UnknownReport);
        }
        let is_action = |seq: &Seq| {
            let entry = self.entries.iter().find(|entry| entry.seq == *seq);
            let has_note = |fact: &Fact| {
                matches!(fact, Fact::Action(_) | Fact::Merge(_) | Fact::Split(_) | Fact::Record(_))
            };
            entry.is_some_and(|entry| has_note(&entry.fact))
        };
        if !new.notes.iter().all(is_action) {
            return Outcome::Refused(Refusal::UnknownNote);
        }
        let head = Seq(self.entries.len() as u64);
        let (mut reports, mut notes) = (Vec::new(), Vec::new());
        for entry in &mut self.entries {
            match &mut entry.fact {
                Fact::Report(fact) if new.reports.contains(&fact.report) => {
                    let sent = &mut self.sent[fact.report.0 as usize - 1].0;
                    let private = &mut fact.private;
                    let contact = [&mut private.name, &mut private.phone, &mut private.email];
                    let mut gone = Kinds::default();
                    for field in contact.into_iter().filter(|_| new.kinds.contact) {
                        gone.contact |= field.take().is_some();
                    }
                    gone.text = new.kinds.text && private.description.take().is_some();
                    gone.photos = new.kinds.photos && !private.photos.is_empty();
                    if gone.photos {
                        private.photos.clear();
                    }
                    let place = sent.coarse_place.take_if(|_| new.kinds.place);
                    gone.place = place.is_some();
                    if gone.is_empty() {
                        continue;
                    }
                    fact.place = place.unwrap_or(fact.place);
                    if let Some(key) = &mut sent.idempotency {
                        key.body_digest = [0; 32];
                    }
                    let (report, incident, opens) = (fact.report, fact.incident, fact.opens.is_some());
                    reports.push(ErasedReport { report, seq: entry.seq, incident, opens, gone, place });
                }
                Fact::Action(fact) if new.notes.contains(&entry.seq) => {
                    let incident = fact.incident;
                    let some = fact.has_private();
                    fact.note = None;
                    fact.more.photos.iter_mut().for_each(|added| added.erase());
                    notes.extend(some.then_some(ErasedNote { seq: entry.seq, incident }));
                }
                Fact::Merge(fact) | Fact::Split(fact) if new.notes.contains(&entry.seq) => {
                    let incident = fact.absorbed;
                    notes.extend(fact.note.take().map(|_| ErasedNote { seq: entry.seq, incident }));
                }
                Fact::Record(fact) if new.notes.contains(&entry.seq) => {
                    let incident = fact.incident.unwrap_or(IncidentNo(0));
                    notes.extend(fact.text.take().map(|_| ErasedNote { seq: entry.seq, incident }));
                }
                _ => {}
            }
        }
        if reports.is_empty() && notes.is_empty() {
            return Outcome::Repeat { receipt: Receipt::Other { seq: head } };
        }
        let fact = ErasureFact { reason: new.reason, reports, notes };
        self.push(at, Fact::Erasure(Box::new(fact)), |seq| Receipt::Other { seq })
    }

    fn log(&self, no: IncidentNo) -> Vec<&Entry> {
        let about = |entry: &&Entry| match &entry.fact {
            Fact::Report(fact) => fact.incident == no,
            Fact::Action(fact) => fact.incident == no,
            Fact::Merge(fact) | Fact::Split(fact) => fact.absorbed == no || fact.into == no,
            _ => false,
        };
        self.entries.iter().filter(about).collect()
    }

    /// The log, and who looked at its contact data.
    fn log_and_looks(&self, no: IncidentNo) -> Vec<&Entry> {
        let looks = self
            .entries
            .iter()
            .filter(|entry| matches!(&entry.fact, Fact::Record(fact) if fact.incident == Some(no)));
        let mut all: Vec<&Entry> = self.log(no).into_iter().chain(looks).collect();
        all.sort_unstable_by_key(|entry| entry.seq);
        all
    }

    /// The incident, every column worked out from its log by itself.
    fn incident(&self, no: IncidentNo) -> Option<IncidentRow> {
        let log = self.log(no);
        let (first, newest) = (log.first()?, log.last()?);
        let Fact::Report(opener) = &first.fact else { panic!("an incident begins with a report") };
        let opening = opener.opens.unwrap();
        let actions = || {
            log.iter().filter_map(|entry| match &entry.fact {
                Fact::Action(action) => Some((entry.at, action)),
                _ => None,
            })
        };
        let status = actions().next_back().map_or(opening.status, |(_, action)| action.to);
        let closing = actions().rfind(|(_, action)| action.from.is_open() != action.to.is_open());
        Some(IncidentRow {
            no,
            opened_seq: first.seq,
            changed_seq: newest.seq,
            category: opener.category,
            status,
            agency: actions().next_back().map_or(opening.agency, |(_, action)| action.agency),
            area: opener.area,
            place: opener.place,
            opened_at: opening.opened_at,
            updated_at: if log.len() == 1 { opening.opened_at } else { newest.at },
            due_at: actions().next_back().map_or(opening.due_at, |(_, action)| action.due_at),
            clock: actions().next_back().map_or(opening.clock, |(_, action)| action.clock),
            closed_at: (!status.is_open()).then(|| closing.map_or(first.at, |(at, _)| at)),
            closed_by_import: !status.is_open() && closing.is_none(),
            reports: self.below(no).len() as u32,
            reporters: self.senders(no).len() as u32,
            merged_into: self.parents().get(&no).copied(),
            version: log.len() as u32,
            drill: opener.drill,
            imported: opener.imported,
            standing: standing(status, actions().map(|(_, action)| &**action).collect()),
        })
    }

    /// Each as its entry brought it, with the last word on whether the public may see it.
    fn photos(&self) -> Vec<PhotoRow> {
        let mut rows = Vec::new();
        for Entry { seq, at, fact } in &self.entries {
            let (incident, report, kind, actor, photos, public) = match fact {
                Fact::Report(fact) => {
                    let photos = &fact.private.photos;
                    (fact.incident, Some(fact.report), PhotoKind::Report, None, photos, false)
                }
                Fact::Action(fact) => match &fact.more.photos {
                    Some(added) => {
                        let (actor, photos) = (Some(fact.actor.clone()), &added.photos);
                        (fact.incident, None, added.kind, actor, photos, added.public)
                    }
                    None => continue,
                },
                _ => continue,
            };
            for (n, photo) in photos.iter().enumerate() {
                let no = PhotoNo { seq: *seq, n: n as u8 };
                let word = self.entries.iter().rev().find_map(|entry| match &entry.fact {
                    Fact::Action(fact) if fact.more.photo == Some(no) && entry.seq > *seq => {
                        Some(fact.action == Action::Release)
                    }
                    _ => None,
                });
                let (actor, photo, public) = (actor.clone(), *photo, word.unwrap_or(public));
                rows.push(PhotoRow { no, incident, report, at: *at, kind, actor, photo, public });
            }
        }
        rows
    }

    fn incidents(&self) -> Vec<IncidentRow> {
        (1..).map_while(|no| self.incident(IncidentNo(no))).collect()
    }

    fn reports(&self) -> Vec<ReportRow> {
        let row = |entry: &Entry| match &entry.fact {
            Fact::Report(fact) => Some(ReportRow {
                no: fact.report,
                seq: entry.seq,
                incident: fact.incident,
                received_at: entry.at,
                occurred_at: fact.occurred_at,
                category: fact.category,
                place: fact.place,
                area: fact.area,
                sender: fact.sender,
                channel: fact.channel,
                drill: fact.drill,
                imported: fact.imported,
                n_photos: fact.n_photos,
                private: fact.private.clone(),
                accuracy_m: fact.accuracy_m,
            }),
            _ => None,
        };
        self.entries.iter().filter_map(row).collect()
    }
}

/// Worked out backwards, from the newest action.
fn standing(status: Status, actions: Vec<&ActionFact>) -> Standing {
    let newest = |wanted: &dyn Fn(&&&ActionFact) -> bool| actions.iter().rev().find(wanted).copied();
    let since_reopened = actions.iter().rev().take_while(|action| action.action != Action::Reopen);
    let since_reopened: Vec<_> = since_reopened.collect();
    let is = |wanted: Action| since_reopened.iter().find(|action| action.action == wanted);
    Standing {
        disposition: is(Action::Reject).and_then(|action| action.more.disposition),
        returned: newest(&|action| matches!(action.action, Action::Return | Action::Assign))
            .is_some_and(|action| action.action == Action::Return),
        resolved_by: is(Action::Resolve).map(|action| action.actor.clone()),
        confirmed: status == Status::Resolved && is(Action::Confirm).is_some(),
        repair_shown: since_reopened
            .iter()
            .any(|action| action.more.photos.as_ref().is_some_and(|added| added.kind == PhotoKind::After)),
    }
}

/// Everything a reader says equals what the entries say.
fn check_reading(naive: &Naive, reader: &dyn Reader, now: TimeMs) {
    assert_eq!(reader.entries(Seq(0), 10_000).unwrap(), naive.entries);
    let all = naive.incidents();
    assert_eq!(incidents(reader, TimeMs::MIN), all);
    let then = now.plus_ms(-20 * HOUR_MS);
    let (old, live): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|row| row.closed_at.is_some_and(|at| at <= then));
    assert_eq!(incidents(reader, then), live);
    assert_eq!(archived(reader, then), old);
    let mut recent = naive.reports();
    let mut said: Vec<_> = recent
        .iter()
        .filter(|report| live.iter().any(|row| row.no == report.incident))
        .filter_map(|report| Some((report.incident, report.seq, report.private.description.clone()?)))
        .collect();
    said.sort_by_key(|(no, seq, _)| (*no, *seq));
    assert_eq!(texts(reader, then), said);
    recent.retain(|report| report.occurred_at > then);
    assert_eq!(reports(reader, then), recent);
    let place = |row: &ReportRow| ReportPlace {
        no: row.no,
        incident: row.incident,
        occurred_at: row.occurred_at,
        category: row.category,
        place: row.place,
        area: row.area,
        drill: row.drill,
    };
    assert_eq!(report_places(reader, then), recent.iter().map(place).collect::<Vec<_>>());
    let mut merged: Vec<(IncidentNo, IncidentNo)> = Vec::new();
    reader.absorbed(&mut |no, into| merged.push((no, into))).unwrap();
    merged.sort_unstable();
    assert_eq!(merged, naive.parents().into_iter().collect::<Vec<_>>());
    check_acts(naive, reader);
    for no in (1..=all.len() as u32 + 1).map(IncidentNo) {
        let below: Vec<IncidentRow> =
            all.iter().filter(|row| row.merged_into == Some(no)).cloned().collect();
        assert_eq!(reader.absorbed_by(no).unwrap(), below);
        let reports = naive.reports().into_iter().filter(|row| row.incident == no);
        let texts: Vec<String> = reports.filter_map(|row| row.private.description).take(2).collect();
        assert_eq!(reader.first_texts(no, 2).unwrap(), texts);
        assert_eq!(reader.incident(no).unwrap(), naive.incident(no));
        let log: Vec<Entry> = naive.log_and_looks(no).into_iter().cloned().collect();
        assert_eq!(reader.incident_log(no).unwrap(), log);
        let actions: Vec<Entry> = log.iter().filter(|e| e.fact.turned() == Some(no)).cloned().collect();
        assert_eq!(reader.incident_actions(no).unwrap(), actions);
        let photos = naive.photos().into_iter().filter(|row| row.incident == no).collect::<Vec<_>>();
        assert_eq!(reader.photos_of(no).unwrap(), photos);
        for row in photos {
            assert_eq!(reader.photo(row.no).unwrap().as_ref(), Some(&row));
            let names = [row.photo.name, PhotoName([0; 32]), row.photo.thumb];
            assert_eq!(reader.named_photos(&names).unwrap().len(), 2);
        }
    }
}

fn merge_fact(absorbed: &IncidentRow, into: &IncidentRow, reporters: usize, new: NewMerge) -> MergeFact {
    MergeFact {
        absorbed: absorbed.no,
        into: into.no,
        status: absorbed.status,
        into_status: into.status,
        reports: absorbed.reports,
        reporters: reporters as u32,
        actor: new.actor,
        note: new.note,
    }
}
