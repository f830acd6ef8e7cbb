//! The contract of erasing, as tests that run over every store.

use super::suite::{Kind, Store, over, over_all_stores, texts};
use super::testing::{NOW, act, key, merge, receipt, report, sensitive_report};
use super::{ReportRow, verify, verify_database};
use crate::model::{
    Action, Command, ERASED_MAX, ErasedNote, ErasedReport, ErasureFact, Fact, IncidentNo, Kinds,
    NewErasure, Outcome, Receipt, Refusal, ReportNo, ReportPrivate, Seq, TimeMs,
};

over_all_stores! {
    what_is_erased_is_gone_and_the_rest_stays
    a_sensitive_place_becomes_the_coarse_one_of_its_incident_too
    a_report_that_comes_to_a_sensitive_incident_through_one_that_it_absorbed_can_lose_its_place
    erased_twice_is_a_repeat
    what_is_unknown_is_refused_and_nothing_of_its_erasure_happens
    whoever_sends_an_erased_report_again_does_not_bring_it_back
    an_erasure_changes_incidents_for_those_who_carry_on_from_before
    an_erasure_sees_its_batch_and_the_next_sees_it
}

fn full() -> ReportPrivate {
    ReportPrivate {
        description: Some("pohon tumbang \"besar\"".to_owned()),
        name: Some("Nurul".to_owned()),
        phone: Some("0812-3456-7890".to_owned()),
        email: Some("nurul@example.id".to_owned()),
        photos: Vec::new(),
    }
}

fn erase(kinds: Kinds, reports: &[u32], notes: &[u64]) -> Command {
    Command::Erasure(Box::new(NewErasure {
        reason: "surat 12".to_owned(),
        kinds,
        reports: reports.iter().map(|no| ReportNo(*no)).collect(),
        notes: notes.iter().map(|seq| Seq(*seq)).collect(),
    }))
}

fn row(store: &mut Store, no: u32) -> ReportRow {
    store.reader().report(ReportNo(no)).unwrap().unwrap()
}

/// The log, the tables and what both say of each other, where there is something to verify.
fn check(store: &mut Store, erased: u64) {
    store.reopen();
    let found = match &store.url {
        Some(url) => verify_database(&url.parse().unwrap(), &mut |_, _| {}).unwrap(),
        None if store.dir.path().join("pantau.db").exists() => {
            verify(store.dir.path(), &mut |_, _| {}).unwrap()
        }
        None => return,
    };
    assert_eq!((found.faults, found.erased, found.erased_by_hand), (vec![], erased, 0));
}

fn fact_of(outcome: &Outcome) -> ErasureFact {
    match outcome {
        Outcome::Accepted { entries, .. } => match &entries[0].fact {
            Fact::Erasure(fact) => (**fact).clone(),
            other => panic!("no erasure: {other:?}"),
        },
        other => panic!("not accepted: {other:?}"),
    }
}

fn what_is_erased_is_gone_and_the_rest_stays(mut store: Store) {
    store.append(vec![report(|r| r.private = full()), report(|_| {}), act(1, Action::Verify)], NOW);
    let contact = store.one(erase(Kinds::CONTACT, &[1], &[]), NOW);
    let fact = fact_of(&contact);
    let (report, seq, incident) = (ReportNo(1), Seq(1), IncidentNo(1));
    let gone = Kinds::CONTACT;
    let expected = ErasedReport { report, seq, incident, opens: true, gone, place: None };
    assert_eq!((fact.reason.as_str(), fact.reports, fact.notes), ("surat 12", vec![expected], vec![]));
    assert_eq!(receipt(&contact), Receipt::Other { seq: Seq(4) });
    let left = ReportPrivate { description: full().description, ..ReportPrivate::default() };
    assert_eq!(row(&mut store, 1).private, left);
    check(&mut store, 1);

    let all = store.one(erase(Kinds::ALL, &[1], &[3]), NOW);
    let fact = fact_of(&all);
    assert_eq!(fact.reports, [ErasedReport { gone: Kinds { text: true, ..Kinds::NONE }, ..expected }]);
    assert_eq!(fact.notes, [ErasedNote { seq: Seq(3), incident }]);
    assert_eq!(row(&mut store, 1).private, ReportPrivate::default());
    assert!(row(&mut store, 2).private.description.is_some(), "others keep theirs");
    check(&mut store, 2);

    let entries = store.reader().entries(Seq(0), 10).unwrap();
    assert!(matches!(&entries[0].fact, Fact::Report(fact) if fact.private == ReportPrivate::default()));
    assert!(matches!(&entries[2].fact, Fact::Action(fact) if fact.note.is_none()));
    assert_eq!(entries[4].fact, Fact::Erasure(Box::new(fact)));
    assert_eq!(store.reader().last_erasure().unwrap(), Seq(5));
    let said: Vec<u32> = texts(&*store.reader(), TimeMs::MIN).iter().map(|text| text.0.0).collect();
    assert_eq!(said, [2]);
    let incident = store.incident(1);
    assert_eq!((incident.version, incident.changed_seq), (2, Seq(3)), "the case goes on as it was");
}

fn a_sensitive_place_becomes_the_coarse_one_of_its_incident_too(mut store: Store) {
    let new = sensitive_report();
    let (exact, coarse) = (new.place, new.coarse_place.unwrap());
    let joins = || {
        let mut joins = sensitive_report();
        joins.incident = Some(IncidentNo(1));
        Command::Report(Box::new(joins))
    };
    store.append(vec![Command::Report(Box::new(new)), joins()], NOW);
    store.one(erase(Kinds::ALL, &[2], &[]), NOW);
    assert_eq!((row(&mut store, 2).place, store.incident(1).place), (coarse, exact));
    let fact = fact_of(&store.one(erase(Kinds { text: false, ..Kinds::ALL }, &[1], &[]), NOW));
    assert_eq!((fact.reports[0].place, fact.moves_something()), (Some(coarse), true));
    assert_eq!((row(&mut store, 1).place, store.incident(1).place), (coarse, coarse));
    assert!(row(&mut store, 1).private.description.is_some());
    check(&mut store, 2);
    store.one(act(1, Action::Verify), NOW);
    assert_eq!(store.incident(1).place, coarse, "also after what comes next");
    check(&mut store, 2);
}

/// Whoever took the report in saw an incident that was not sensitive then.
fn a_report_that_comes_to_a_sensitive_incident_through_one_that_it_absorbed_can_lose_its_place(
    mut store: Store,
) {
    let joins = || report(|r| r.incident = Some(IncidentNo(1)));
    let commands = vec![joins(), merge(1, 2), joins()];
    store.append(vec![report(|_| {}), Command::Report(Box::new(sensitive_report()))], NOW);
    store.append(commands, NOW);
    let (exact, coarse) = (sensitive_report().place, sensitive_report().coarse_place.unwrap());
    assert_eq!((row(&mut store, 4).incident, row(&mut store, 4).place), (IncidentNo(2), exact));
    let place = Kinds { place: true, ..Kinds::default() };
    let fact = fact_of(&store.one(erase(place, &[3, 4], &[]), NOW));
    let gone: Vec<_> = fact.reports.iter().map(|erased| (erased.report, erased.place)).collect();
    assert_eq!(gone, [(ReportNo(4), Some(coarse))], "of the one before the whole body knows the place");
    assert_eq!(row(&mut store, 4).place, coarse);
    check(&mut store, 1);
}

fn erased_twice_is_a_repeat(mut store: Store) {
    store.append(vec![report(|r| r.private = full()), act(1, Action::Verify)], NOW);
    let outcomes = store.append(vec![erase(Kinds::ALL, &[1, 1], &[2]), erase(Kinds::ALL, &[1], &[2])], NOW);
    assert!(matches!(outcomes[0], Outcome::Accepted { .. }));
    assert_eq!(outcomes[1], Outcome::Repeat { receipt: Receipt::Other { seq: Seq(3) } });
    store.reopen();
    assert!(matches!(store.one(erase(Kinds::ALL, &[1], &[]), NOW), Outcome::Repeat { .. }));
    assert_eq!(store.journal().head().seq, Seq(3));
    check(&mut store, 2);
}

fn what_is_unknown_is_refused_and_nothing_of_its_erasure_happens(mut store: Store) {
    store.append(vec![report(|r| r.private = full())], NOW);
    let outcomes = store
        .append(vec![erase(Kinds::ALL, &[1, 7], &[]), erase(Kinds::ALL, &[1], &[1]), report(|_| {})], NOW);
    assert_eq!(outcomes[0], Outcome::Refused(Refusal::UnknownReport));
    assert_eq!(outcomes[1], Outcome::Refused(Refusal::UnknownNote));
    assert!(matches!(outcomes[2], Outcome::Accepted { .. }));
    assert_eq!(row(&mut store, 1).private, full());
    check(&mut store, 0);
}

fn whoever_sends_an_erased_report_again_does_not_bring_it_back(mut store: Store) {
    let keyed = || {
        report(|r| {
            r.private = full();
            r.idempotency = key("k", 9);
        })
    };
    let first = store.one(keyed(), NOW);
    assert!(matches!(store.one(keyed(), NOW), Outcome::Repeat { .. }));
    store.one(erase(Kinds::ALL, &[1], &[]), NOW);
    assert!(matches!(first, Outcome::Accepted { .. }));
    assert_eq!(store.one(keyed(), NOW), Outcome::Refused(Refusal::KeyReused));
    store.reopen();
    assert_eq!(store.one(keyed(), NOW), Outcome::Refused(Refusal::KeyReused));
}

fn an_erasure_changes_incidents_for_those_who_carry_on_from_before(mut store: Store) {
    store.append(vec![report(|r| r.private = full()), report(|_| {}), act(2, Action::Verify)], NOW);
    store.one(erase(Kinds::CONTACT, &[1], &[]), NOW);
    store.one(erase(Kinds::CONTACT, &[], &[3]), NOW);
    let mut changed = |after| {
        let mut numbers = Vec::new();
        store.reader().changed_incidents(Seq(after), &mut |row| numbers.push(row.no.0)).unwrap();
        numbers
    };
    assert_eq!((changed(3), changed(4), changed(5)), (vec![1, 2], vec![2], vec![]));
}

fn an_erasure_sees_its_batch_and_the_next_sees_it(mut store: Store) {
    let keyed = || report(|r| r.idempotency = key("k", 9));
    let batch = vec![
        Command::Report(Box::new(sensitive_report())),
        keyed(),
        act(1, Action::Verify),
        erase(Kinds::ALL, &[1, 2], &[3]),
        erase(Kinds::ALL, &[1, 2], &[3]),
        keyed(),
        act(1, Action::Start),
    ];
    let outcomes = store.append(batch, NOW);
    assert!(matches!(outcomes[4], Outcome::Repeat { .. }));
    assert_eq!(outcomes[5], Outcome::Refused(Refusal::KeyReused));
    let coarse = sensitive_report().coarse_place.unwrap();
    assert_eq!((store.incident(1).place, row(&mut store, 1).place), (coarse, coarse));
    check(&mut store, 3);
}

#[test]
#[should_panic(expected = "an erasure is bounded")]
fn an_erasure_is_bounded() {
    let mut store = Store::new(Kind::Memory).unwrap();
    store.one(erase(Kinds::ALL, &vec![1; ERASED_MAX + 1], &[]), NOW);
}
