//! An older copy comes up in the place of the database: what was acknowledged since is gone, which is noticed at once and
//! after a start, said, and no wall takes new entries for old ones.

use std::thread;
use std::time::Duration;

use pantau::cli::Client;
use serde_json::{Value, json};

use crate::support::node::Node;
use crate::support::postgres::{Cluster, SETTINGS, skipped};

fn post(client: &Client, mark: &str) -> Value {
    let report = json!({"category": "garbage", "lng": 127.381, "lat": 0.791, "description": mark});
    client.post("/api/v1/reports", &report, None).unwrap()
}

fn look_again() {
    thread::park_timeout(Duration::from_millis(5));
}

/// What it says once it writes: the session of one that was killed may be about to end.
fn ready(client: &Client) -> Value {
    loop {
        match client.get("/readyz") {
            Ok(ready) => return ready,
            Err(_) => look_again(),
        }
    }
}

fn loss(client: &Client) -> Option<String> {
    let ready = ready(client);
    let lost = ready["conditions"].as_array().unwrap().iter().find(|one| one["name"] == "entries-lost");
    lost.map(|one| one["detail"].as_str().unwrap().to_owned())
}

/// With `restarted` the copy is of before the server's newest term.
fn older_copy(restarted: bool) {
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("an older copy of the database");
    };
    let store = cluster.new_database().unwrap();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut node = Node::on_database(&store, folder.path()).unwrap();
    post(&node.client(), "before");
    let copy = cluster.base_backup().unwrap();
    if restarted {
        node.kill();
        node = Node::on_database(&store, folder.path()).unwrap();
    }
    let client = node.client();
    ready(&client);
    let standby = Node::on_database(&store, other.path()).unwrap();
    let seqs: Vec<u64> =
        (0..3).map(|i| post(&client, &format!("gone {i}"))["seq"].as_u64().unwrap()).collect();
    let newest = seqs[2];
    while standby.client().get("/api/v1/stats").unwrap()["seq"].as_u64().unwrap() < newest {
        look_again();
    }
    let epoch = ready(&client)["epoch"].clone();
    cluster.kill().unwrap();
    cluster.put_back(&copy).unwrap();
    cluster.run().unwrap();
    // Both show what is gone: both end, and say that this is no good end.
    assert!(!node.ended_well());
    assert!(!standby.ended_well());
    let mut epochs = Vec::new();
    for _ in 0..2 {
        let node = Node::on_database(&store, folder.path()).unwrap();
        let client = node.client();
        let lost = loss(&client).expect("it is said");
        assert!(lost.contains("were acknowledged and are gone"), "{lost}");
        assert!(lost.contains("look for a newer copy"), "{lost}");
        epochs.push(ready(&client)["epoch"].clone());
        assert!(post(&client, "goes on")["seq"].is_u64());
        node.kill();
    }
    assert!(epochs[0] == epochs[1] && epochs[0] != epoch, "{epoch} {epochs:?}");
    std::fs::remove_file(folder.path().join("database-losses.log")).unwrap();
    assert_eq!(loss(&Node::on_database(&store, folder.path()).unwrap().client()), None, "settled");
}

#[test]
fn an_older_copy_of_the_same_term_is_noticed_and_said() {
    older_copy(false);
}

#[test]
fn an_older_copy_of_an_older_term_is_noticed_and_said() {
    older_copy(true);
}
