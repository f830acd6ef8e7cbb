//! The line between the server that writes and its database is cut, while the standby has its own: what the
//! first took meanwhile, what it had on its way, and what the second took are all in the journal, once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use pantau::cli::Client;
use pantau::journal::{StoreUrl, verify_database};
use serde_json::{Value, json};

use crate::support::node::{Node, marks_in};
use crate::support::postgres;

/// A line that can be cut: what is sent then is not lost, it arrives when the line heals.
struct Line {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_cut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_cut: bool) {
        *self.is_cut.lock().unwrap() = is_cut;
        self.changed.notify_all();
    }

    fn wait_until_whole(&self) {
        let is_cut = self.is_cut.lock().unwrap();
        drop(self.changed.wait_while(is_cut, |is_cut| *is_cut).unwrap());
    }
}

impl Line {
    fn to(target: SocketAddr) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line { address: listener.local_addr().unwrap(), gate: Arc::default() };
        let gate = line.gate.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, gate) = (near.unwrap(), gate.clone());
                thread::spawn(move || {
                    gate.wait_until_whole();
                    let far = TcpStream::connect(target).unwrap();
                    let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
                    let back = gate.clone();
                    thread::spawn(move || pump(far, near, &back));
                    pump(ends.0, ends.1, &gate);
                });
            }
        });
        line
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut buffer = [0; 16_384];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        gate.wait_until_whole();
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

fn report(mark: &str) -> Value {
    json!({"category": "garbage", "lng": 127.381, "lat": 0.791, "description": mark})
}

fn look_again() {
    thread::park_timeout(Duration::from_millis(5));
}

fn post(client: &Client, marks: &mut Vec<String>, mark: String) -> Value {
    let receipt = client.post("/api/v1/reports", &report(&mark), None).unwrap();
    marks.push(mark);
    receipt
}

#[test]
fn a_server_that_is_cut_off_from_its_database_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = postgres::shared() else { return };
    let text = cluster.new_database().unwrap();
    let store: StoreUrl = text.parse().unwrap();
    let line = Line::to(cluster.address);
    let through = text.replace(&cluster.address.to_string(), &line.address.to_string());
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Node::on_database(&through, folders[0].path()).unwrap();
    let second = Node::on_database(&text, folders[1].path()).unwrap();
    let (to_first, to_second) = (first.client(), second.client());
    let mut marks = Vec::new();
    for i in 0..5 {
        post(&to_first, &mut marks, format!("before {i}"));
    }

    line.gate.set(true);
    // The first of these is on its way to the database, and arrives there after another has taken over.
    let kept: Vec<Value> = (0..5).map(|i| post(&to_first, &mut marks, format!("cut off {i}"))).collect();
    assert!(kept.iter().all(|receipt| receipt["status"] == "waiting"), "{kept:?}");
    while to_second.post("/api/v1/reports", &report("elsewhere"), Some("elsewhere")).is_err() {
        look_again();
    }
    marks.push("elsewhere".to_owned());

    line.gate.set(false);
    assert!(!first.ended_well(), "it was replaced, and says so");
    let first = Node::on_database(&through, folders[0].path()).unwrap();
    let refused = first.client().post("/api/v1/reports", &report("too early"), None).unwrap_err();
    assert!(refused.to_string().contains("stands by"), "{refused}");
    for receipt in &kept {
        let path = format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap());
        // At the writer, and at the server that gave the code out.
        for client in [&to_second, &first.client()] {
            while !client.get(&path).is_ok_and(|known| known["status"] == "new") {
                look_again();
            }
        }
    }
    first.kill();
    second.kill();
    let there = marks_in(&store);
    for mark in &marks {
        assert_eq!(there.get(mark), Some(&1), "{mark}");
    }
    assert_eq!(there.len(), marks.len(), "{there:?}");
    assert_eq!(verify_database(&store, &mut |_, _| {}).unwrap().faults, []);
    cluster.drop_database(&text).unwrap();
}
