//! An erasure makes texts that searches went by stale, and reading them again takes as long as the disk takes: nobody
//! but who searches waits for that.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use pantau::journal::{
    ActsQuestion, Derived, DerivedUpdate, Head, HotspotStateRow, IncidentRow, Journal, JournalError,
    MemoryJournal, PhotoFiles, Reader, ReportPlace, ReportRow, Whereabouts,
};
use pantau::model::{
    Command, Entry, IncidentNo, Kinds, NewErasure, Outcome, PhotoName, PhotoNo, PhotoRow, Projection,
    ReportNo, Secret, SenderId, Seq, TimeMs,
};
use serde_json::{Value, json};

use crate::sse::Events;
use crate::support::app::{Kept, PATIENCE, SECRET, Setup, TestApp, patient};
use crate::support::socket::Socket;
use crate::support::ternate;
use crate::support::wait::wait_for;

/// Texts come only while it is open.
#[derive(Default)]
struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stuck: bool,
    waiting: usize,
}

impl Disk {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        let passed = self.changed.wait_timeout_while(state, PATIENCE, |state| state.is_stuck).unwrap();
        state = passed.0;
        state.waiting -= 1;
    }

    fn set_stuck(&self, is_stuck: bool) {
        self.state.lock().unwrap().is_stuck = is_stuck;
        self.changed.notify_all();
    }

    fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }
}

struct Slow {
    inner: MemoryJournal,
    disk: Arc<Disk>,
}

struct SlowReader {
    inner: Arc<dyn Reader>,
    disk: Arc<Disk>,
}

impl Journal for Slow {
    fn head(&self) -> Head {
        self.inner.head()
    }

    fn secret(&self) -> Secret {
        self.inner.secret()
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        self.inner.append(commands, now, derived)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(SlowReader { inner: self.inner.reader(), disk: self.disk.clone() })
    }
}

/// Asks the reader within.
macro_rules! as_within {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($arg: $kind),*) -> Result<$answer, JournalError> {
            self.inner.$name($($arg),*)
        })*
    };
}

impl Reader for SlowReader {
    fn texts(
        &self,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentNo, Seq, &str),
    ) -> Result<(), JournalError> {
        self.disk.pass();
        self.inner.texts(closed_after, each)
    }

    as_within! {
        fn incidents(numbers: RangeInclusive<IncidentNo>, after: TimeMs, each: &mut dyn FnMut(IncidentRow)) -> ();
        fn last_incident() -> IncidentNo;
        fn changed_incidents(after: Seq, each: &mut dyn FnMut(IncidentRow)) -> ();
        fn archived(after: TimeMs, until: TimeMs, each: &mut dyn FnMut(IncidentRow)) -> ();
        fn entry_hash(seq: Seq) -> Option<[u8; 32]>;
        fn recent_reports(after: TimeMs, each: &mut dyn FnMut(ReportRow)) -> ();
        fn report_places(after: TimeMs, each: &mut dyn FnMut(ReportPlace)) -> ();
        fn entries(after: Seq, limit: usize) -> Vec<Entry>;
        fn report(no: ReportNo) -> Option<ReportRow>;
        fn waiting_report(no: u64) -> Option<Whereabouts>;
        fn last_report() -> ReportNo;
        fn reports_of(sender: SenderId, limit: usize) -> Vec<ReportRow>;
        fn incident(no: IncidentNo) -> Option<IncidentRow>;
        fn absorbed_by(no: IncidentNo) -> Vec<IncidentRow>;
        fn first_texts(no: IncidentNo, limit: usize) -> Vec<String>;
        fn absorbed(each: &mut dyn FnMut(IncidentNo, IncidentNo)) -> ();
        fn incident_log(no: IncidentNo) -> Vec<Entry>;
        fn incident_actions(no: IncidentNo) -> Vec<Entry>;
        fn derived() -> Derived;
        fn hotspots_at(projection: Projection, seq: Seq) -> Vec<HotspotStateRow>;
        fn last_erasure() -> Seq;
        fn acts(asked: &ActsQuestion, limit: usize) -> Vec<Entry>;
        fn photo(no: PhotoNo) -> Option<PhotoRow>;
        fn photos_of(no: IncidentNo) -> Vec<PhotoRow>;
        fn named_photos(names: &[PhotoName]) -> Vec<PhotoName>;
        fn photo_files() -> Arc<dyn PhotoFiles>;
        fn pack_in_force() -> Option<[u8; 32]>;
    }
}

fn view(words: Option<&str>) -> Value {
    let mut view = json!({"bbox": [127.2, 0.6, 127.5, 1.0], "zoom": 18, "layers": ["incidents"]});
    if let Some(words) = words {
        view["filter"] = json!({"q": words});
    }
    view
}

/// Far enough from the others to be seen by itself.
fn report(n: u32, words: &str) -> Value {
    json!({"category": "garbage", "lng": 127.36 + f64::from(n) * 0.004, "lat": 0.791, "description": words})
}

async fn erase(app: &TestApp, no: u32) {
    let erasure = NewErasure {
        reason: "surat 1".to_owned(),
        kinds: Kinds::ALL,
        reports: vec![ReportNo(no)],
        notes: Vec::new(),
    };
    let outcomes = app.app.engine.submit(vec![Command::Erasure(Box::new(erasure))]).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Accepted { .. }), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_holds_up_nobody_but_who_searches_and_they_lose_nothing() {
    let disk = Arc::new(Disk::default());
    let journal = Slow { inner: MemoryJournal::new(ternate(), SECRET), disk: disk.clone() };
    let app = Setup { journal: Kept::Given(Box::new(journal)), pulse: patient(), ..Setup::default() }
        .start()
        .await;
    app.report(&report(1, "kambing hitam")).await;
    app.report(&report(2, "kambing putih")).await;
    let (mut searching, mut others) =
        (Socket::connect(app.address, "").await, Socket::connect(app.address, "").await);
    searching.subscribe(view(Some("kambing"))).await;
    searching.until("both that the word finds", |client| client.held.features.len() == 2).await;
    others.subscribe(view(None)).await;
    others.until("all that there is", |client| client.held.features.len() == 2).await;
    let mut events = Events::open(&app, "bbox=127.2,0.6,127.5,1.0&zoom=18&q=kambing", None).await;
    events.until(|client| client.held.features.len() == 2).await;

    disk.set_stuck(true);
    erase(&app, 1).await;
    wait_for("somebody who reads texts", async || (disk.waiting() > 0).then_some(())).await;
    // Twice: by the second the thread that tells all has come by whoever searches.
    for n in 3..=4 {
        app.report(&report(n, "kambing lain")).await;
        others.until("what is new", |client| client.held.features.len() == n as usize).await;
    }
    // What they say meanwhile is answered in its turn.
    searching.send(&json!({"type": "ping", "t": 7})).await;
    disk.set_stuck(false);
    searching.until("what the word finds now", |client| client.held.features.len() == 3).await;
    assert_eq!(searching.until_type("pong").await["t"], 7);
    events.until(|client| client.held.features.len() == 3).await;
    for client in [&searching.client, &events.client] {
        assert_eq!(client.reasons, ["subscribed"], "it goes on by deltas");
    }
    app.stop().await;
}
