//! The database stands still, dies and comes back while reports come in: each is acknowledged, with `201`
//! or, kept on the node, with `202`, and in the end each is in the journal once.
//! `PANTAU_STOPS=n` goes on to stops of 1 to n seconds and prints how long senders waited.

use std::thread;
use std::time::Duration;

use pantau::cli::Client;
use pantau::journal::{StoreUrl, verify_database};
use serde_json::{Value, json};

use crate::photos::{MARKER, form, jpeg};
use crate::support::node::{Node, marks_in, monotonic, texts_in};
use crate::support::postgres::{Cluster, SETTINGS, shared, skipped};

pub fn report(mark: &str) -> Value {
    json!({"category": "garbage", "lng": 127.381, "lat": 0.791, "description": mark})
}

pub fn look_again() {
    thread::park_timeout(Duration::from_millis(5));
}

/// What a sender was told: the mark of the report, its code, and whether it waits.
pub struct Told {
    pub mark: String,
    pub code: String,
    pub waits: bool,
}

pub fn post(client: &Client, mark: String, key: Option<&str>) -> Told {
    let receipt = client.post("/api/v1/reports", &report(&mark), key).unwrap();
    Told { mark, code: receipt["code"].as_str().unwrap().to_owned(), waits: receipt["status"] == "waiting" }
}

/// With a photo, which waits with it.
pub fn post_photo(client: &Client, mark: &str, key: Option<&str>) -> Told {
    let json = report(mark).to_string();
    let body =
        form(&[("report", json.as_bytes()), ("photo", &jpeg(40, 30, MARKER)), ("photo", b"no photo")]);
    let receipt =
        client.post_bytes("/api/v1/reports", "multipart/form-data; boundary=b", &body, key).unwrap();
    assert_eq!(receipt["warnings"].as_array().map(Vec::len), Some(1), "{receipt}");
    let code = receipt["code"].as_str().unwrap().to_owned();
    Told { mark: mark.to_owned(), code, waits: receipt["status"] == "waiting" }
}

fn wait_until_handed_on(client: &Client) {
    while client.get("/readyz").unwrap()["waiting"] != 0 {
        look_again();
    }
}

/// Every promise kept, once: by the texts in the journal, and by what the codes lead to.
pub fn check(store: &StoreUrl, client: &Client, told: &[Told]) {
    for one in told {
        let status = client.get(&format!("/api/v1/reports/{}", one.code)).unwrap();
        assert_eq!(status["status"], "new", "{}: {status}", one.mark);
    }
    let found = verify_database(store, &mut |_, _| {}).unwrap();
    assert_eq!(found.faults, []);
}

pub fn check_once(store: &StoreUrl, told: &[Told]) {
    let marks = marks_in(store);
    for one in told {
        assert_eq!(marks.get(&one.mark), Some(&1), "{} ({})", one.mark, one.code);
    }
    assert_eq!(marks.len(), told.len(), "nothing else is there");
}

#[test]
fn reports_go_on_while_the_database_stands_still_or_is_killed_and_each_is_stored_once() {
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("a database that is away");
    };
    let store: StoreUrl = cluster.new_database().unwrap().parse().unwrap();
    let text = cluster.url(store.to_string().rsplit('/').next().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on_database(&text, folder.path()).unwrap();
    let client = node.client();
    let mut told: Vec<Told> = (0..5).map(|i| post(&client, format!("before {i}"), None)).collect();
    told.push(post_photo(&client, "before, with a photo", None));
    assert!(told.iter().all(|one| !one.waits));

    // It stands still, in the middle of a commit as likely as not.
    cluster.signal("STOP").unwrap();
    let began = monotonic();
    told.extend((0..20).map(|i| post(&client, format!("stopped {i}"), Some(&format!("key {i}")))));
    assert!(told.iter().skip(6).all(|one| one.waits));
    assert!((monotonic() - began) < Duration::from_secs(10), "{:?}", (monotonic() - began));
    let again = post(&client, "stopped 3".to_owned(), Some("key 3"));
    assert_eq!(again.code, told[9].code, "sent twice, kept once");
    let other = client.post("/api/v1/reports", &report("other"), Some("key 3")).unwrap_err().to_string();
    assert!(other.contains("422"), "{other}");
    let answer = client.get(&format!("/api/v1/reports/{}", told[9].code)).unwrap();
    assert_eq!(answer["status"], "waiting");
    assert!(answer["message"]["id"].as_str().unwrap().contains("belum diteruskan"), "{answer}");
    let ready = client.get("/readyz").unwrap();
    assert_eq!((&ready["waiting"], &ready["conditions"][0]["name"]), (&json!(20), &json!("database-away")));
    assert!(client.get("/api/v1/stats").is_ok(), "reading goes on");
    cluster.signal("CONT").unwrap();
    wait_until_handed_on(&client);
    check(&store, &client, &told);

    // It dies; the server dies too, with reports in its spool.
    let taken = post(&client, "taken".to_owned(), Some("key taken"));
    cluster.kill().unwrap();
    told.extend((0..20).map(|i| post(&client, format!("killed {i}"), None)));
    assert!(told[30].waits);
    let waits = post_photo(&client, "killed, with a photo", None);
    assert!(waits.waits);
    told.push(waits);
    // Nobody can say now that its key stands for another report.
    let refused = post_photo(&client, "refused, with a photo", Some("key taken"));
    assert!(refused.waits);
    node.kill();
    cluster.run().unwrap();
    let node = Node::on_database(&text, folder.path()).unwrap();
    let client = node.client();
    wait_until_handed_on(&client);
    // It came after the first 26.
    told.insert(26, taken);
    told.push(post(&client, "after".to_owned(), None));
    assert_eq!(client.get(&format!("/api/v1/reports/{}", refused.code)).unwrap()["status"], "rejected");
    check(&store, &client, &told);
    assert_eq!(
        verify_database(&store, &mut |_, _| {}).unwrap().photos,
        4,
        "two photos, and their small ones"
    );
    let files =
        cluster.query(text.rsplit('/').next().unwrap(), "SELECT count(*) FROM pantau.photo_file").unwrap();
    assert_eq!(files.trim(), "4", "of the one that was refused none is left");
    node.kill();
    check_once(&store, &told);
    let sent: Vec<&String> = told.iter().map(|one| &one.mark).collect();
    assert_eq!(texts_in(&store).iter().collect::<Vec<_>>(), sent, "in the order in which they came");
}

fn condition_stands(client: &Client, name: &str) -> bool {
    let ready = client.get("/readyz").unwrap();
    ready["conditions"].as_array().unwrap().iter().any(|condition| condition["name"] == name)
}

#[test]
fn a_database_that_goes_while_nobody_reports_is_said_all_the_same() {
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("a database that goes while nobody reports");
    };
    let store = cluster.new_database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on_database(&store, folder.path()).unwrap();
    let client = node.client();
    post(&client, "before".to_owned(), None);
    let wait_until = |away: bool| {
        while condition_stands(&client, "database-away") != away {
            look_again();
        }
    };
    wait_until(false);
    let noticed = |what: &str, began: Duration| {
        println!("{what} database noticed within {} ms", (monotonic() - began).as_millis());
    };
    cluster.signal("STOP").unwrap();
    let began = monotonic();
    wait_until(true);
    noticed("a silent", began);
    cluster.signal("CONT").unwrap();
    wait_until(false);
    let began = monotonic();
    cluster.kill().unwrap();
    wait_until(true);
    noticed("a killed", began);
    cluster.run().unwrap();
    wait_until(false);
    assert!(!post(&client, "after".to_owned(), None).waits);
}

#[test]
fn reports_wait_while_the_disk_of_the_database_is_full() {
    let Some(cluster) = shared() else { return };
    let text = cluster.new_database().unwrap();
    let (store, name): (StoreUrl, _) = (text.parse().unwrap(), text.rsplit('/').next().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on_database(&text, folder.path()).unwrap();
    let client = node.client();
    let mut told = vec![post(&client, "before".to_owned(), None)];
    let full = "CREATE FUNCTION pantau.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                  RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
                CREATE TRIGGER no_room BEFORE INSERT ON pantau.entry EXECUTE FUNCTION pantau.no_room()";
    cluster.query(name, full).unwrap();
    told.extend((0..5).map(|i| post(&client, format!("full {i}"), None)));
    told.push(post_photo(&client, "full, with a photo", None));
    assert!(told[1..].iter().all(|one| one.waits), "none is refused");
    // It is said, and whoever looks where reports are taken still finds this server.
    while !condition_stands(&client, "disk-full") {
        look_again();
    }
    cluster.query(name, "DROP TRIGGER no_room ON pantau.entry").unwrap();
    wait_until_handed_on(&client);
    while condition_stands(&client, "disk-full") {
        look_again();
    }
    told.push(post(&client, "after".to_owned(), None));
    assert!(!told[7].waits);
    check(&store, &client, &told);
    node.kill();
    let sent: Vec<&String> = told.iter().map(|one| &one.mark).collect();
    assert_eq!(texts_in(&store).iter().collect::<Vec<_>>(), sent);
    cluster.drop_database(&text).unwrap();
}

#[test]
fn senders_hardly_wait_for_a_database_that_stands_still() {
    let stops: u64 = std::env::var("PANTAU_STOPS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let Some(cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("how long senders wait for a database");
    };
    let text = cluster.new_database().unwrap();
    let store: StoreUrl = text.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = Node::on_database(&text, folder.path()).unwrap();
    let (mut told, mut kept_by_sender) = (Vec::new(), Vec::new());
    for seconds in [1, 3, 10, 30].into_iter().filter(|seconds| *seconds <= stops) {
        let began = monotonic();
        let (mut waits, mut n) = (Vec::new(), 0);
        cluster.signal("STOP").unwrap();
        thread::scope(|scope| {
            let senders: Vec<_> = (0..8)
                .map(|sender| {
                    let client = node.client();
                    scope.spawn(move || {
                        let (mut waits, mut told) = (Vec::new(), Vec::new());
                        while (monotonic() - began) < Duration::from_secs(seconds) {
                            let asked = monotonic();
                            told.push(post(&client, format!("{seconds} {sender} {}", told.len()), None));
                            waits.push(monotonic() - asked);
                            // About what a city in trouble sends: not as much as the machine can take.
                            thread::park_timeout(Duration::from_millis(20));
                        }
                        (waits, told)
                    })
                })
                .collect();
            while (monotonic() - began) < Duration::from_secs(seconds) {
                look_again();
            }
            cluster.signal("CONT").unwrap();
            for sender in senders {
                let (waited, promised) = sender.join().unwrap();
                n += promised.iter().filter(|one| one.waits).count();
                waits.extend(waited);
                let kept = promised.iter().filter(|one| one.waits);
                kept_by_sender.push(kept.map(|one| one.mark.clone()).collect::<Vec<_>>());
                told.extend(promised);
            }
        });
        let drained = monotonic();
        wait_until_handed_on(&node.client());
        waits.sort();
        let quantile = |q: f64| waits[((waits.len() - 1) as f64 * q).round() as usize].as_millis();
        println!(
            "stopped {seconds} s: sent={} kept={n} p50={} ms p99={} ms max={} ms, handed on within {} ms",
            waits.len(),
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
            (monotonic() - drained).as_millis()
        );
    }
    check(&store, &node.client(), &told);
    node.kill();
    check_once(&store, &told);
    let texts = texts_in(&store);
    let place = |mark: &String| texts.iter().position(|text| text == mark);
    for kept in kept_by_sender {
        assert!(kept.iter().map(place).is_sorted(), "handed on in the order in which they came");
    }
}
