//! `kill -9` of the database, of the server, or of both, while sixteen clients post: what was acknowledged
//! is there, once, and the chain is whole. And the same where the power of the database's disk goes.
//! `make crash-postgres ROUNDS=n` runs as many as one likes.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pantau::cli::Client;
use pantau::cli::chance::Chance;
use pantau::health::Condition;
use pantau::journal::{FolderMode, Journal, JournalError, Place, StoreUrl, verify_database};
use pantau::model::{Command as Commit, TimeMs};
use serde_json::json;

use crate::support::node::{Node, marks_in};
use crate::support::postgres::{Cluster, SETTINGS, skipped};
use crate::support::power_cut::{Cut, PowerCut};
use crate::support::{skipped_because, ternate};

const CLIENTS: usize = 16;
/// A blow falls within this many acknowledged reports.
const REPORTS_MAX: usize = 300;

#[derive(Debug, Clone, Copy)]
enum Blow {
    Database,
    Server,
    Both,
}

/// What a client sent, and whether it was promised to be kept.
#[derive(Debug)]
struct Sent {
    mark: String,
    acknowledged: bool,
}

/// Posts until the blow has fallen and one more answer has come or stayed out.
fn post(
    client: &Client,
    name: &str,
    mut chance: Chance,
    acknowledged: &AtomicUsize,
    until: usize,
) -> Vec<Sent> {
    let mut sent = Vec::new();
    loop {
        let mark = format!("{name} {}", sent.len());
        let body = json!({
            "category": "garbage", "lng": 127.38 + chance.below(30) as f64 * 0.000_3, "lat": 0.791, "description": mark,
        });
        let keyed = chance.happens(0.5);
        let answer = client.post("/api/v1/reports", &body, keyed.then_some(&*mark));
        let is_over = acknowledged.load(Ordering::Acquire) >= until;
        sent.push(Sent { mark, acknowledged: answer.is_ok() });
        if answer.is_err() || is_over {
            return sent;
        }
        acknowledged.fetch_add(1, Ordering::AcqRel);
    }
}

fn wait_until_handed_on(node: &Node) {
    let client = node.client();
    loop {
        match client.get("/readyz") {
            Ok(ready) if ready["waiting"] == 0 => return,
            _ => thread::park_timeout(std::time::Duration::from_millis(5)),
        }
    }
}

/// Load, and a blow in the middle of it; `strike` may end the node.
fn under_load(
    store: &str,
    folder: &Path,
    (seed, n): (u64, u32),
    until: usize,
    sent: &mut Vec<Sent>,
    strike: impl FnOnce(&mut Option<Node>),
) -> Option<Node> {
    let mut node = Some(Node::on_database(store, folder).unwrap());
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|i| {
                let client = node.as_ref().unwrap().client();
                let chance = Chance::new(seed ^ u64::from(n) << 32 ^ (i as u64) << 16);
                let acknowledged = &acknowledged;
                scope.spawn(move || post(&client, &format!("{n}-{i}"), chance, acknowledged, until))
            })
            .collect();
        while acknowledged.load(Ordering::Acquire) < until && !clients.iter().all(|c| c.is_finished()) {
            thread::park_timeout(std::time::Duration::from_millis(1));
        }
        strike(&mut node);
        for client in clients {
            sent.extend(client.join().unwrap());
        }
    });
    node
}

/// One round: load, a blow, and back on its feet until nothing waits any more.
fn round(cluster: &mut Cluster, store: &str, folder: &Path, seed: u64, n: u32, sent: &mut Vec<Sent>) {
    let mut chance = Chance::new(seed ^ u64::from(n) << 40);
    let until = 1 + chance.below(REPORTS_MAX);
    let blow = [Blow::Database, Blow::Server, Blow::Both][chance.below(3)];
    let node = under_load(store, folder, (seed, n), until, sent, |node| {
        if matches!(blow, Blow::Database | Blow::Both) {
            cluster.kill().unwrap();
        }
        if matches!(blow, Blow::Server | Blow::Both) {
            node.take().unwrap().kill();
        }
    });
    if matches!(blow, Blow::Database | Blow::Both) {
        cluster.run().unwrap();
    }
    let node = node.unwrap_or_else(|| Node::on_database(store, folder).unwrap());
    wait_until_handed_on(&node);
    node.kill();
}

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().and_then(|text| text.parse().ok())
}

#[test]
fn what_was_acknowledged_survives_kill_9_of_the_database_and_of_the_server() {
    let rounds = number("PANTAU_CRASH_POSTGRES_ROUNDS").unwrap_or(3) as u32;
    let seed = number("PANTAU_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("kill -9 of PostgreSQL");
    };
    let store = cluster.new_database().unwrap();
    let url: StoreUrl = store.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for n in 0..rounds {
        round(&mut cluster, &store, folder.path(), seed, n, &mut sent);
    }
    check(&url, &sent, &format!("postgres rounds={rounds} seed={seed}"));
}

/// Whatever was acknowledged is there, once, in a chain that is whole.
fn check(url: &StoreUrl, sent: &[Sent], told: &str) {
    let there = marks_in(url);
    let times = |one: &Sent| there.get(&one.mark).copied().unwrap_or(0);
    let acknowledged = sent.iter().filter(|one| one.acknowledged).count();
    let lost = sent.iter().filter(|one| one.acknowledged && times(one) == 0).count();
    let doubled = sent.iter().filter(|one| times(one) > 1).count();
    println!("{told} acknowledged={acknowledged} lost={lost} doubled={doubled}");
    assert_eq!((lost, doubled), (0, 0), "{told}");
    assert!(acknowledged > 0);
    assert_eq!(verify_database(url, &mut |_, _| {}).unwrap().faults, [], "{told}");
}

/// The database's folder on a disk of ours, whose power is cut.
struct OnPowerCut {
    cluster: Cluster,
    platters: std::path::PathBuf,
    disk: Option<PowerCut>,
}

impl OnPowerCut {
    fn new() -> Option<OnPowerCut> {
        if let Some(why) = PowerCut::missing() {
            // Who asks for rounds shall not take none for an answer.
            assert!(number("PANTAU_CRASH_POSTGRES_ROUNDS").is_none(), "no power cuts: {why}");
            skipped_because("power cuts under PostgreSQL", why);
            return None;
        }
        // What is not flushed by its commit is not flushed in passing either.
        let settings: Vec<&str> = SETTINGS.into_iter().chain(["wal_writer_delay=10s"]).collect();
        let Some(mut cluster) = Cluster::start(&settings).unwrap() else {
            skipped("power cuts under PostgreSQL");
            return None;
        };
        cluster.stop().unwrap();
        let platters = cluster.data().with_extension("platters");
        std::fs::rename(cluster.data(), &platters).unwrap();
        std::fs::create_dir(cluster.data()).unwrap();
        let mut on_disk = OnPowerCut { cluster, platters, disk: None };
        on_disk.power_on();
        Some(on_disk)
    }

    fn power_on(&mut self) {
        self.disk = Some(PowerCut::mount_for_all(&self.platters, &self.cluster.data()).unwrap());
        self.cluster.run().unwrap();
    }

    fn cut(&mut self, how: Cut) {
        let mut disk = self.disk.take().expect("the power is on");
        self.cluster.ends_with(|| disk.cut(how)).unwrap();
        disk.unmount().unwrap();
    }
}

/// What a node takes while its database is away: it is in the spool alone.
fn keep_some(client: &Client, n: u32) -> Vec<Sent> {
    let one = |i: u32| {
        let mark = format!("{n}-kept {i}");
        let body = json!({"category": "garbage", "lng": 127.38, "lat": 0.791, "description": mark});
        let acknowledged = client.post("/api/v1/reports", &body, None).is_ok();
        Sent { mark, acknowledged }
    };
    (0..5).map(one).collect()
}

/// The folder of the node, with its spool, on a disk of ours too.
struct NodeFolder {
    platters: tempfile::TempDir,
    mount: tempfile::TempDir,
    disk: Option<PowerCut>,
}

impl NodeFolder {
    fn new() -> NodeFolder {
        let (platters, mount) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = PowerCut::mount(platters.path(), mount.path()).unwrap();
        NodeFolder { platters, mount, disk: Some(disk) }
    }

    fn path(&self) -> &Path {
        self.mount.path()
    }

    /// The machine's power goes, and comes back.
    fn cut(&mut self, how: Cut, node: Node) {
        let mut disk = self.disk.take().expect("the power is on");
        disk.cut(how);
        node.kill();
        disk.unmount().unwrap();
        self.disk = Some(PowerCut::mount(self.platters.path(), self.mount.path()).unwrap());
    }
}

impl Drop for NodeFolder {
    fn drop(&mut self) {
        if let Some(mut disk) = self.disk.take() {
            let _ = disk.unmount();
        }
    }
}

impl Drop for OnPowerCut {
    fn drop(&mut self) {
        if self.disk.is_some() {
            self.cut(Cut::Clean);
        }
    }
}

#[test]
fn what_was_acknowledged_survives_power_cuts_of_the_databases_disk() {
    let rounds = number("PANTAU_CRASH_POSTGRES_ROUNDS").unwrap_or(3) as u32;
    let seed = number("PANTAU_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let Some(mut database) = OnPowerCut::new() else { return };
    let store = database.cluster.new_database().unwrap();
    let url: StoreUrl = store.parse().unwrap();
    let mut folder = NodeFolder::new();
    let (mut sent, mut kept, mut torn) = (Vec::new(), Vec::new(), 0);
    for n in 0..rounds {
        let mut chance = Chance::new(seed ^ u64::from(n) << 40);
        let until = 1 + chance.below(REPORTS_MAX);
        let how = if chance.happens(0.6) { Cut::Torn { seed: chance.draw() } } else { Cut::Clean };
        torn += u32::from(how != Cut::Clean);
        // Now and then it was one machine.
        let with_server = chance.happens(0.5);
        let at = folder.path().to_owned();
        let node = under_load(&store, &at, (seed, n), until, &mut sent, |node| {
            database.cut(how);
            if with_server {
                let node = node.take().unwrap();
                kept.extend(keep_some(&node.client(), n));
                folder.cut(how, node);
            }
        });
        database.power_on();
        let node = node.unwrap_or_else(|| Node::on_database(&store, folder.path()).unwrap());
        wait_until_handed_on(&node);
        node.kill();
    }
    let in_spool = kept.iter().filter(|one: &&Sent| one.acknowledged).count();
    println!("of these the node alone had {in_spool} when the power went");
    sent.append(&mut kept);
    check(&url, &sent, &format!("postgres power cuts={rounds} torn={torn} seed={seed}"));
}

/// Without this, the cuts above would prove nothing: the same disk loses what PostgreSQL did not flush.
#[test]
fn a_power_cut_loses_what_the_database_acknowledged_too_early() {
    let Some(mut database) = OnPowerCut::new() else { return };
    let store = database.cluster.new_database().unwrap();
    let name = store.rsplit('/').next().unwrap().to_owned();
    let sql = "CREATE TABLE r (no int); CHECKPOINT";
    database.cluster.query(&name, sql).unwrap();
    let sql = "SET synchronous_commit = off; INSERT INTO r SELECT generate_series(1, 200)";
    database.cluster.query(&name, sql).unwrap();
    database.cut(Cut::Clean);
    database.power_on();
    let there = database.cluster.query(&name, "SELECT count(*) FROM r").unwrap();
    assert_eq!(there.trim(), "0", "nothing was lost, so a round would not notice either");
}

#[test]
fn a_full_disk_of_the_database_is_noticed_until_it_has_room() {
    let Some(mut database) = OnPowerCut::new() else { return };
    let store = database.cluster.new_database().unwrap();
    let place = Place::Database(store.parse().unwrap());
    let mut journal = place.open(ternate(), FolderMode::Live).unwrap();
    let tick = |journal: &mut Box<dyn Journal>| journal.append(vec![Commit::Tick], TimeMs(0), None);
    tick(&mut journal).unwrap();
    let disk = database.disk.as_mut().expect("the power is on");
    disk.fill(0);
    // Pages that are there already have room for some.
    let error = (0..2_000).find_map(|_| tick(&mut journal).err()).expect("it is full");
    assert!(matches!(error, JournalError::Full), "{error}");
    for _ in 0..2 {
        journal.try_again();
        assert!(journal.health().stands(Condition::DiskFull));
    }
    disk.behave(|manners| manners.room = None);
    journal.try_again();
    assert!(!journal.health().stands(Condition::DiskFull));
    tick(&mut journal).unwrap();
}

/// Without this, the rounds above would prove nothing: the same blow loses what was not durable.
#[test]
fn kill_9_of_the_database_loses_what_was_acknowledged_too_early() {
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("the control of kill -9 of PostgreSQL");
    };
    let store = cluster.new_database().unwrap();
    let name = store.rsplit('/').next().unwrap().to_owned();
    cluster.query(&name, "CREATE TABLE r (no int); CHECKPOINT").unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut acknowledged = 0;
    let config = store.clone();
    let (client, connection) = runtime
        .block_on(async move { tokio_postgres::connect(&config, tokio_postgres::NoTls).await })
        .unwrap();
    runtime.spawn(connection);
    runtime.block_on(async {
        client.batch_execute("SET synchronous_commit = off").await.unwrap();
        for no in 0..200 {
            client.execute("INSERT INTO r VALUES ($1)", &[&no]).await.unwrap();
            acknowledged += 1;
        }
    });
    cluster.kill().unwrap();
    cluster.run().unwrap();
    let there: usize = cluster.query(&name, "SELECT count(*) FROM r").unwrap().trim().parse().unwrap();
    assert!(there < acknowledged, "nothing of {acknowledged} was lost, so a round would not notice either");
}
