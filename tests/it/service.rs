//! What the service manager hears: READY once the server serves, WATCHDOG while commits go through, STOPPING.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pantau::clock::SystemClock;
use pantau::engine::Engine;
use pantau::journal::{DerivedUpdate, Head, Journal, JournalError, MemoryJournal, Reader};
use pantau::model::{Command, Outcome, Secret, TimeMs};
use pantau::service::{Notify, Service};
use tokio::sync::Mutex;

use crate::support::app::{PATIENCE, SECRET, wait_for};
use crate::support::node::Node;
use crate::support::postgres::{Cluster, SETTINGS, skipped};
use crate::support::{blank, repo};

#[test]
fn the_service_manager_is_told_when_the_server_serves_lives_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = Program::new(env!("CARGO_BIN_EXE_pantau"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--city"])
        .arg(repo("geodata/blank"))
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let n = socket.recv(&mut buffer).expect("a word in time");
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    let id = server.id().to_string();
    assert!(Program::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let last = std::iter::repeat_with(hear).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(server.wait().unwrap().success());
}

/// Its own thread waits for the database; that it does so is no reason to end it.
#[test]
fn a_server_that_stands_by_feeds_the_watchdog_also_while_its_database_stands_still() {
    let Some(cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("the watchdog of a server that stands by");
    };
    let store = cluster.new_database().unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let _writer = Node::on_database(&store, folders[0].path()).unwrap();
    let path = folders[1].path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Less than a question to the database may take.
    socket.set_read_timeout(Some(PATIENCE / 2)).unwrap();
    let settings = [
        ("PANTAU_STORE", store.as_str()),
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "600000"),
    ];
    let standby = Node::start(folders[1].path(), &settings).unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let n = socket.recv(&mut buffer).expect("a word in time");
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    let ready = standby.client().get("/readyz").unwrap_err().to_string();
    assert!(ready.contains("503"), "{ready}");
    cluster.signal("STOP").unwrap();
    // By the last of these it has looked at the database, and waits for it.
    for _ in 0..10 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    cluster.signal("CONT").unwrap();
}

/// A journal on a disk that takes its time.
struct Stuck {
    inner: MemoryJournal,
    /// A commit waits for it.
    disk: Arc<Mutex<()>>,
}

impl Journal for Stuck {
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
        let _turn = self.disk.blocking_lock();
        self.inner.append(commands, now, derived)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_hangs_starves_the_watchdog_and_nothing_holds_up_the_stop() {
    let disk = Arc::new(Mutex::new(()));
    let journal = Box::new(Stuck { inner: MemoryJournal::new(blank(), SECRET), disk: disk.clone() });
    let start = move || Engine::start(journal, blank(), Arc::new(SystemClock::new())).unwrap();
    let (engine, thread) = tokio::task::spawn_blocking(start).await.unwrap();
    let (fed, said) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let notify: Notify = {
        let (fed, said) = (fed.clone(), said.clone());
        Arc::new(move |state| {
            let word = state[0].to_string();
            if word == "WATCHDOG=1" {
                fed.fetch_add(1, Ordering::Relaxed);
            } else {
                said.lock().unwrap().push(word);
            }
        })
    };
    let service = Service::telling(notify, Some(Duration::from_millis(60)), engine.probe());
    let feeds = || fed.load(Ordering::Relaxed);
    wait_for("a lively engine", async || (feeds() > 3).then_some(())).await;
    let hangs = disk.lock().await;
    let hanging = tokio::spawn({
        let engine = engine.clone();
        async move { engine.submit(vec![Command::Tick]).await.map(|_| ()) }
    });
    // Once the commit hangs nothing is fed any more: not for as long as several feeds would take.
    let mut often = tokio::time::interval(Duration::from_millis(300));
    often.tick().await;
    wait_for("hunger", async || {
        let before = feeds();
        often.tick().await;
        (feeds() == before).then_some(())
    })
    .await;
    let hungry = feeds();
    drop(hangs);
    hanging.await.unwrap().unwrap();
    wait_for("food", async || (feeds() > hungry + 2).then_some(())).await;
    // The service still runs, and keeps no engine alive.
    drop(engine);
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    service.stop();
    assert_eq!(*said.lock().unwrap(), ["READY=1", "STOPPING=1"]);
}
