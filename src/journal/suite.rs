//! The contract, as tests that run over every store.

use std::sync::Arc;

use tempfile::TempDir;

use super::testing::{self, NOW, SECRET, act, import_row, key, receipt, report, sensitive_report};
use super::{
    DerivedUpdate, FolderMode, HotspotEventRow, HotspotMemberRow, HotspotMembers, HotspotMembersUpdate,
    HotspotRow, HotspotStateRow, IncidentRow, Journal, JournalError, MemoryJournal, PostgisJournal, Reader,
    ReportPlace, ReportRow, SqliteJournal, SurgeRow, postgres_server,
};
use crate::model::{
    Action, AgencyId, Command, Entry, Fact, HOUR_MS, IncidentNo, Outcome, Projection, Receipt, Refusal,
    ReportNo, SenderId, Seq, Status, TimeMs,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
    Postgis,
}

/// A journal that can be closed and opened again. (In memory, closing does nothing.)
pub struct Store {
    kind: Kind,
    pub dir: TempDir,
    /// Of the database, where it is one.
    pub url: Option<String>,
    journal: Option<Box<dyn Journal>>,
}

impl Store {
    /// `None` where the machine has nothing to keep it in, which is said.
    pub fn new(kind: Kind) -> Option<Store> {
        let mut store = Store { kind, dir: tempfile::tempdir().unwrap(), url: None, journal: None };
        if kind == Kind::Postgis {
            store.url = Some(postgres_server::shared()?.new_database().unwrap());
        }
        store.journal = Some(store.opened());
        Some(store)
    }

    fn opened(&self) -> Box<dyn Journal> {
        let city = testing::city();
        let opened: Result<Box<dyn Journal>, JournalError> = match self.kind {
            Kind::Memory => Ok(Box::new(MemoryJournal::new(city, SECRET))),
            Kind::Sqlite => {
                SqliteJournal::open(self.dir.path(), city, FolderMode::Live).map(|j| Box::new(j) as _)
            }
            Kind::Postgis => {
                let url = self.url.as_deref().unwrap().parse().unwrap();
                PostgisJournal::open(&url, city, FolderMode::Live).map(|j| Box::new(j) as _)
            }
        };
        opened.unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn reopen(&mut self) {
        if self.kind != Kind::Memory {
            self.journal = None;
            self.journal = Some(self.opened());
        }
    }

    pub fn journal(&mut self) -> &mut dyn Journal {
        self.journal.as_deref_mut().unwrap()
    }

    pub fn append(&mut self, commands: Vec<Command>, now: TimeMs) -> Vec<Outcome> {
        self.journal().append(commands, now, None).unwrap()
    }

    pub fn one(&mut self, command: Command, now: TimeMs) -> Outcome {
        self.append(vec![command], now).remove(0)
    }

    pub fn reader(&mut self) -> Arc<dyn Reader> {
        self.journal().reader()
    }

    pub fn incident(&mut self, no: u32) -> IncidentRow {
        self.reader().incident(IncidentNo(no)).unwrap().unwrap()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.journal = None;
        if let (Some(url), Some(server)) = (&self.url, postgres_server::shared()) {
            server.drop_database(url).unwrap();
        }
    }
}

pub fn incidents(reader: &dyn Reader, closed_after: TimeMs) -> Vec<IncidentRow> {
    let mut rows = Vec::new();
    let all = IncidentNo(0)..=IncidentNo(u32::MAX);
    reader.incidents(all, closed_after, &mut |row| rows.push(row)).unwrap();
    rows
}

pub fn archived(reader: &dyn Reader, closed_at: TimeMs) -> Vec<IncidentRow> {
    let mut rows = Vec::new();
    reader.archived(TimeMs::MIN, closed_at, &mut |row| rows.push(row)).unwrap();
    rows
}

pub fn reports(reader: &dyn Reader, occurred_after: TimeMs) -> Vec<ReportRow> {
    let mut rows = Vec::new();
    reader.recent_reports(occurred_after, &mut |row| rows.push(row)).unwrap();
    rows
}

/// By number.
pub fn report_places(reader: &dyn Reader, occurred_after: TimeMs) -> Vec<ReportPlace> {
    let mut rows = Vec::new();
    reader.report_places(occurred_after, &mut |row| rows.push(row)).unwrap();
    rows.sort_unstable_by_key(|row| row.no);
    rows
}

pub fn texts(reader: &dyn Reader, closed_after: TimeMs) -> Vec<(IncidentNo, Seq, String)> {
    let mut texts = Vec::new();
    reader.texts(closed_after, &mut |no, seq, text| texts.push((no, seq, text.to_owned()))).unwrap();
    texts.sort_unstable();
    texts
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.0).collect()
}

fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn is_repeat_of(outcome: &Outcome, first: &Outcome) -> bool {
    matches!(outcome, Outcome::Repeat { .. }) && receipt(outcome) == receipt(first)
}

macro_rules! over_all_stores {
    ($($name:ident)+) => {
        mod memory { $(#[test] fn $name() { super::over(super::Kind::Memory, super::$name); })+ }
        mod sqlite { $(#[test] fn $name() { super::over(super::Kind::Sqlite, super::$name); })+ }
        mod postgis { $(#[test] fn $name() { super::over(super::Kind::Postgis, super::$name); })+ }
    };
}

pub(super) use over_all_stores;

pub fn over(kind: Kind, test: fn(Store)) {
    if let Some(store) = Store::new(kind) {
        test(store);
    }
}

over_all_stores! {
    a_report_opens_an_incident_with_the_next_number_and_a_deadline
    a_report_joins_an_open_incident_and_raises_its_version
    a_report_cannot_join_what_is_unknown_closed_or_of_the_other_kind_of_drill
    one_refusal_never_stops_its_neighbours
    the_same_key_is_answered_alike_and_another_body_under_it_is_refused
    a_key_counts_for_72_hours
    an_import_row_is_stored_once_with_its_own_time_and_status_and_without_a_deadline
    actions_follow_the_table_of_transitions
    an_action_on_another_version_is_refused
    reopening_sets_a_new_deadline_and_takes_back_the_closing
    time_never_falls
    a_reopened_journal_goes_on_counting
    a_sensitive_report_keeps_its_exact_place_for_staff
    readers_get_what_is_closed_lately_and_the_archive_apart
    the_log_of_an_incident_is_its_reports_and_actions
    hotspots_are_kept_with_the_next_commit_also_without_commands
    an_empty_batch_changes_nothing
    what_a_sender_reported_comes_newest_first
}

fn a_report_opens_an_incident_with_the_next_number_and_a_deadline(mut store: Store) {
    let outcome = store.one(report(|_| {}), NOW);
    let expected = Receipt::Report {
        seq: Seq(1),
        report: ReportNo(1),
        received_at: NOW,
        incident: IncidentNo(1),
        opened_at: NOW,
    };
    assert_eq!(receipt(&outcome), expected);
    let second = store.one(report(|r| r.due_after_ms = None), NOW);
    assert!(matches!(
        receipt(&second),
        Receipt::Report { report: ReportNo(2), incident: IncidentNo(2), .. }
    ));

    let incident = store.incident(1);
    assert_eq!((incident.status, incident.version, incident.reports), (Status::New, 1, 1));
    assert_eq!(incident.due_at, Some(NOW.plus_ms(HOUR_MS)));
    assert_eq!(incident.agency, Some(AgencyId(0)));
    assert_eq!(store.incident(2).due_at, None);
    let row = store.reader().report(ReportNo(2)).unwrap().unwrap();
    assert_eq!((row.sender, row.occurred_at), (SenderId::of_report(ReportNo(2)), NOW));
    assert_eq!(store.reader().report(ReportNo(3)).unwrap(), None);
    assert_eq!(store.reader().incident(IncidentNo(0)).unwrap(), None);
}

fn a_report_joins_an_open_incident_and_raises_its_version(mut store: Store) {
    store.append(vec![report(|_| {}), report(|r| r.incident = Some(IncidentNo(1)))], NOW);
    let later = NOW.plus_ms(5);
    store.one(report(|r| r.incident = Some(IncidentNo(1))), later);
    let incident = store.incident(1);
    assert_eq!((incident.reports, incident.version), (3, 3));
    assert_eq!((incident.opened_seq, incident.changed_seq), (Seq(1), Seq(3)));
    assert_eq!((incident.opened_at, incident.updated_at), (NOW, later));
    assert_eq!(incidents(&*store.reader(), TimeMs::MIN).len(), 1);
}

fn a_report_cannot_join_what_is_unknown_closed_or_of_the_other_kind_of_drill(mut store: Store) {
    store.append(vec![report(|_| {}), report(|r| r.drill = true), act(1, Action::Reject)], NOW);
    let mut join = |no, drill| {
        refusal(store.one(
            report(|r| {
                r.incident = Some(IncidentNo(no));
                r.drill = drill;
            }),
            NOW,
        ))
    };
    assert_eq!(join(9, false), Refusal::UnknownIncident);
    assert_eq!(join(1, false), Refusal::IncidentClosed { status: Status::Rejected });
    assert_eq!(join(2, false), Refusal::DrillMismatch);
    assert_eq!(store.journal().head().seq, Seq(3));
}

fn one_refusal_never_stops_its_neighbours(mut store: Store) {
    let batch = vec![
        report(|_| {}),
        report(|r| r.incident = Some(IncidentNo(5))),
        act(1, Action::Verify),
        act(1, Action::Verify),
        report(|_| {}),
        Command::Tick,
    ];
    let outcomes = store.append(batch, NOW);
    let accepted: Vec<bool> = outcomes.iter().map(|o| matches!(o, Outcome::Accepted { .. })).collect();
    assert_eq!(accepted, [true, false, true, false, true, true]);
    let entries = store.reader().entries(Seq(0), 100).unwrap();
    assert_eq!(seqs(&entries), [1, 2, 3, 4]);
    let returned: Vec<Entry> = outcomes
        .into_iter()
        .flat_map(|o| match o {
            Outcome::Accepted { entries, .. } => entries,
            _ => vec![],
        })
        .collect();
    assert_eq!(returned, entries, "what is returned is what is read back");
    assert_eq!(seqs(&store.reader().entries(Seq(1), 2).unwrap()), [2, 3]);
}

fn the_same_key_is_answered_alike_and_another_body_under_it_is_refused(mut store: Store) {
    let keyed = |body| report(move |r| r.idempotency = key("k", body));
    let batch = store.append(vec![keyed(1), keyed(1), keyed(2)], NOW);
    assert!(is_repeat_of(&batch[1], &batch[0]));
    assert_eq!(batch[2], Outcome::Refused(Refusal::KeyReused));
    store.reopen();
    let again = store.one(keyed(1), NOW.plus_ms(HOUR_MS));
    assert!(is_repeat_of(&again, &batch[0]));
    assert_eq!(store.journal().head().seq, Seq(1));
}

fn a_key_counts_for_72_hours(mut store: Store) {
    let keyed = || report(|r| r.idempotency = key("k", 1));
    let first = store.one(keyed(), NOW);
    assert!(is_repeat_of(&store.one(keyed(), NOW.plus_ms(72 * HOUR_MS)), &first));
    let late = NOW.plus_ms(72 * HOUR_MS + 1);
    let second = store.one(keyed(), late);
    assert!(matches!(second, Outcome::Accepted { .. }));
    assert!(is_repeat_of(&store.one(keyed(), late), &second));
}

fn an_import_row_is_stored_once_with_its_own_time_and_status_and_without_a_deadline(mut store: Store) {
    let long_ago = NOW.plus_ms(-1_000 * HOUR_MS);
    let row = |source: &'static str, row, status| {
        report(move |r| {
            r.import = import_row(source, row, status);
            r.occurred_at = Some(long_ago);
        })
    };
    let batch = vec![
        row("a.csv", 1, Status::Resolved),
        row("a.csv", 1, Status::Resolved),
        row("b.csv", 1, Status::New),
        row("a.csv", 2, Status::InProgress),
    ];
    let outcomes = store.append(batch, NOW);
    assert!(is_repeat_of(&outcomes[1], &outcomes[0]));
    let incident = store.incident(1);
    assert_eq!((incident.opened_at, incident.updated_at), (long_ago, long_ago));
    assert_eq!((incident.status, incident.due_at), (Status::Resolved, None));
    assert_eq!((incident.closed_at, incident.closed_by_import), (Some(NOW), true));
    assert_eq!(store.incident(3).status, Status::InProgress);
    store.reopen();
    assert!(is_repeat_of(&store.one(row("a.csv", 1, Status::New), NOW), &outcomes[0]));
    assert_eq!(store.journal().head().seq, Seq(3));
}

fn actions_follow_the_table_of_transitions(mut store: Store) {
    store.one(report(|_| {}), NOW);
    for (action, status) in [
        (Action::Verify, Status::Verified),
        (Action::Assign, Status::Verified),
        (Action::Start, Status::InProgress),
        (Action::Resolve, Status::Resolved),
        (Action::Note, Status::Resolved),
        (Action::Reopen, Status::Verified),
    ] {
        store.one(act(1, action), NOW);
        assert_eq!(store.incident(1).status, status);
    }
    assert_eq!(store.incident(1).version, 7);
    let refused = refusal(store.one(act(1, Action::Verify), NOW));
    assert_eq!(refused, Refusal::Transition { action: Action::Verify, from: Status::Verified });
    assert_eq!(refusal(store.one(act(2, Action::Note), NOW)), Refusal::UnknownIncident);

    let mut assign = act(1, Action::Assign);
    if let Command::Action(new) = &mut assign {
        new.agency = Some(AgencyId(1));
    }
    store.one(assign, NOW);
    assert_eq!(store.incident(1).agency, Some(AgencyId(1)));
}

fn an_action_on_another_version_is_refused(mut store: Store) {
    store.one(report(|_| {}), NOW);
    let at_version = |version| match act(1, Action::Note) {
        Command::Action(mut new) => {
            new.version = Some(version);
            Command::Action(new)
        }
        other => other,
    };
    let outcomes = store.append(vec![at_version(1), at_version(1)], NOW);
    assert_eq!(receipt(&outcomes[0]), Receipt::Action { seq: Seq(2), incident: IncidentNo(1) });
    assert_eq!(outcomes[1], Outcome::Refused(Refusal::Version { current: 2 }));
}

fn reopening_sets_a_new_deadline_and_takes_back_the_closing(mut store: Store) {
    let at = |ms| NOW.plus_ms(ms);
    store.one(report(|_| {}), at(0));
    store.one(act(1, Action::Reject), at(10));
    let closed = store.incident(1);
    assert_eq!((closed.closed_at, closed.closed_by_import), (Some(at(10)), false));
    assert_eq!(closed.due_at, Some(at(HOUR_MS)));
    store.one(act(1, Action::Note), at(15));
    assert_eq!(store.incident(1).closed_at, Some(at(10)), "a note closes nothing");
    store.one(act(1, Action::Reopen), at(20));
    let open = store.incident(1);
    assert_eq!((open.closed_at, open.status), (None, Status::New));
    assert_eq!(open.due_at, Some(at(20 + 2 * HOUR_MS)));
    assert_eq!((open.updated_at, open.changed_seq), (at(20), Seq(4)));
}

fn time_never_falls(mut store: Store) {
    store.one(Command::Tick, NOW);
    store.one(Command::Tick, NOW.plus_ms(-5_000));
    store.one(report(|_| {}), NOW.plus_ms(-9_000));
    assert_eq!(store.journal().head().at, NOW);
    assert_eq!(store.incident(1).opened_at, NOW);
}

fn a_reopened_journal_goes_on_counting(mut store: Store) {
    let pack = || Command::Pack { key: "testville".to_owned(), hash: [9; 32] };
    store.append(vec![pack(), report(|_| {}), report(|_| {})], NOW);
    let (head, secret) = (store.journal().head(), store.journal().secret());
    store.reopen();
    assert_eq!((store.journal().head(), store.journal().secret()), (head, secret));
    let outcome = store.one(report(|_| {}), NOW);
    assert!(matches!(
        receipt(&outcome),
        Receipt::Report { seq: Seq(4), report: ReportNo(3), incident: IncidentNo(3), .. }
    ));
    let entries = store.reader().entries(Seq(0), 10).unwrap();
    assert_eq!(entries[0].fact, Fact::Pack { key: "testville".to_owned(), hash: [9; 32] });
    assert_eq!(seqs(&entries), [1, 2, 3, 4]);
}

fn a_sensitive_report_keeps_its_exact_place_for_staff(mut store: Store) {
    let new = sensitive_report();
    let (exact, coarse) = (new.place, new.coarse_place.unwrap());
    assert_ne!(exact, coarse);
    store.one(Command::Report(Box::new(new)), NOW);
    assert_eq!(store.incident(1).place, exact);
    assert_eq!(reports(&*store.reader(), TimeMs::MIN)[0].place, exact);
    let entries = store.reader().entries(Seq(0), 1).unwrap();
    assert!(matches!(&entries[0].fact, Fact::Report(report) if report.place == exact));
}

fn readers_get_what_is_closed_lately_and_the_archive_apart(mut store: Store) {
    let at = |ms| NOW.plus_ms(ms);
    for no in 1..=6 {
        store.one(report(|r| r.occurred_at = Some(at(-no))), at(0));
    }
    for no in 1..=4 {
        store.one(act(no, Action::Reject), at(i64::from(no)));
    }
    let reader = store.reader();
    let numbers = |rows: Vec<IncidentRow>| rows.iter().map(|row| row.no.0).collect::<Vec<_>>();
    assert_eq!(numbers(incidents(&*reader, at(2))), [3, 4, 5, 6]);
    assert_eq!(numbers(incidents(&*reader, at(4))), [5, 6], "most are archived: read by index");
    assert_eq!(numbers(incidents(&*reader, TimeMs::MIN)), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(archived(&*reader, at(2))), [1, 2]);
    let mut between = Vec::new();
    reader.archived(at(1), at(3), &mut |row| between.push(row.no.0)).unwrap();
    assert_eq!(between, [2, 3]);
    let mut upper = Vec::new();
    let numbers_of = IncidentNo(2)..=IncidentNo(5);
    reader.incidents(numbers_of, at(2), &mut |row| upper.push(row.no.0)).unwrap();
    assert_eq!((upper, reader.last_incident().unwrap().0), (vec![3, 4, 5], 6));
    let recent: Vec<u32> = reports(&*reader, at(-3)).iter().map(|row| row.no.0).collect();
    assert_eq!(recent, [1, 2]);
    let places = report_places(&*reader, at(-3));
    assert_eq!(places.iter().map(|row| row.no.0).collect::<Vec<_>>(), recent);
    assert_eq!(texts(&*reader, at(2)).iter().map(|text| text.0.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
}

fn the_log_of_an_incident_is_its_reports_and_actions(mut store: Store) {
    let join = || report(|r| r.incident = Some(IncidentNo(1)));
    store.append(
        vec![report(|_| {}), report(|_| {}), act(1, Action::Verify), act(2, Action::Verify), join()],
        NOW,
    );
    let log = store.reader().incident_log(IncidentNo(1)).unwrap();
    assert_eq!(seqs(&log), [1, 3, 5]);
    assert!(matches!(&log[1].fact, Fact::Action(action) if action.note.as_deref() == Some("catatan")));
    assert_eq!(store.reader().incident_log(IncidentNo(7)).unwrap(), []);
}

fn hotspots_are_kept_with_the_next_commit_also_without_commands(mut store: Store) {
    let hotspot = |id: &str, body: &str, ended_seq| HotspotRow {
        projection: Projection::Staff,
        id: id.to_owned(),
        category: "garbage".to_owned(),
        changed_seq: Seq(1),
        ended_seq,
        body: body.to_owned(),
    };
    let event = |projection, kind: &str| HotspotEventRow {
        projection,
        seq: Seq(1),
        at: NOW,
        id: "1-0".to_owned(),
        kind: kind.to_owned(),
        body: "{}".to_owned(),
    };
    let state = |id: &str, seq, body: &str| HotspotStateRow {
        projection: Projection::Staff,
        id: id.to_owned(),
        category: "garbage".to_owned(),
        changed_seq: Seq(seq),
        body: body.to_owned(),
    };
    let row = |seq, core| HotspotMemberRow {
        seq: Seq(seq),
        report: ReportNo(7),
        received_at: NOW,
        core,
        doubts: [1, 2, 1, 1, 0, 3],
    };
    let update = |whole, came: &[HotspotMemberRow], left: &[u64]| HotspotMembersUpdate {
        projection: Projection::Staff,
        id: "1-1".to_owned(),
        whole,
        came: came.to_vec(),
        left: left.iter().map(|seq| Seq(*seq)).collect(),
    };
    let surge = |n, until_day: &str| SurgeRow {
        projection: Projection::Public,
        seq: Seq(1),
        n,
        at: NOW,
        category: "garbage".to_owned(),
        area: "1.2".to_owned(),
        until_day: until_day.to_owned(),
        body: "{}".to_owned(),
    };
    assert_eq!(store.reader().derived().unwrap(), Default::default());
    store.one(Command::Tick, NOW);
    let born = DerivedUpdate {
        as_of_seq: Seq(1),
        hotspots: vec![hotspot("1-0", "born", None), hotspot("1-1", "born", None)],
        states: vec![state("1-0", 1, "born"), state("1-1", 1, "born"), state("1-1", 3, "grown")],
        members: vec![
            update(false, &[row(1, true), row(2, false)], &[]),
            update(true, &[row(3, true), row(4, true)], &[]),
            update(false, &[row(5, true), row(4, false)], &[3]),
        ],
        events: vec![event(Projection::Staff, "born"), event(Projection::Public, "born")],
        surges: vec![surge(0, "2026-11-24"), surge(1, "2026-11-24"), surge(0, "2026-11-25")],
    };
    store.journal().append(vec![], NOW, Some(&born)).unwrap();
    let ended = DerivedUpdate {
        as_of_seq: Seq(2),
        hotspots: vec![hotspot("1-0", "ended", Some(Seq(2)))],
        states: vec![],
        members: vec![],
        events: vec![event(Projection::Staff, "ended")],
        surges: vec![surge(1, "2026-11-26")],
    };
    store.journal().append(vec![Command::Tick], NOW, Some(&ended)).unwrap();
    store.reopen();
    let derived = store.reader().derived().unwrap();
    assert_eq!(derived.as_of_seq, Seq(2));
    assert_eq!(derived.hotspots, [hotspot("1-0", "ended", Some(Seq(2))), hotspot("1-1", "born", None)]);
    let (projection, id, members) =
        (Projection::Staff, "1-1".to_owned(), vec![row(4, false), row(5, true)]);
    assert_eq!(derived.members, [HotspotMembers { projection, id, members }]);
    let kinds: Vec<&str> = derived.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["born", "born", "ended"]);
    assert_eq!(derived.surges, [surge(0, "2026-11-25"), surge(1, "2026-11-26")]);
    let reader = store.reader();
    let then = |seq| reader.hotspots_at(Projection::Staff, Seq(seq)).unwrap();
    assert_eq!(then(0), []);
    assert_eq!(then(1), [state("1-0", 1, "born"), state("1-1", 1, "born")]);
    assert_eq!(then(2), [state("1-1", 1, "born")]);
    assert_eq!(then(3), [state("1-1", 3, "grown")]);
    assert_eq!(reader.hotspots_at(Projection::Public, Seq(3)).unwrap(), []);
}

fn an_empty_batch_changes_nothing(mut store: Store) {
    assert_eq!(store.append(vec![], NOW), []);
    assert_eq!(store.journal().head().seq, Seq(0));
    assert_eq!(store.journal().head().at, TimeMs(0));
}

fn what_a_sender_reported_comes_newest_first(mut store: Store) {
    assert_eq!(store.reader().last_report().unwrap(), ReportNo(0));
    let own = SenderId(1 << 63 | 7);
    let by = |sender| report(|r| r.sender = Some(sender));
    store.append(vec![by(own), by(SenderId(1 << 63 | 8)), report(|_| {}), by(own)], NOW);
    store.one(by(own), NOW.plus_ms(1));
    store.reopen();
    let reader = store.reader();
    assert_eq!(reader.last_report().unwrap(), ReportNo(5));
    let all = reader.reports_of(own, 10).unwrap();
    let rows = reports(&*reader, TimeMs::MIN);
    assert_eq!(all, [5, 4, 1].map(|no: usize| rows[no - 1].clone()));
    assert_eq!(reader.reports_of(own, 2).unwrap(), all[..2]);
    assert_eq!(reader.reports_of(SenderId(1 << 63 | 9), 10).unwrap(), []);
}
