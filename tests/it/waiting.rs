//! Reports that were acknowledged while the database was away: their codes lead somewhere on every node and after a
//! move, nobody leaves them behind in silence, and what does not fit the city pack any more is kept and told of.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pantau::cli::{Client, Stopwatch};
use serde_json::{Value, json};

use crate::support::node::Node;
use crate::support::postgres::{Cluster, SETTINGS, skipped};
use crate::support::repo;

const PHONE: &str = "0812-3456-7890";

fn report(mark: &str) -> Value {
    json!({"category": "garbage", "lng": 127.381, "lat": 0.791, "description": mark, "reporter": {"phone": PHONE}})
}

/// Within this every state must be there; long, so that a busy machine is no fault.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a state; what it is about stands where it was called.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let waited = Stopwatch::start();
    while waited.elapsed() < PATIENCE {
        match look() {
            Some(found) => return found,
            None => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
    panic!("not there within {PATIENCE:?}");
}

fn until_none_waits(client: &Client) -> Value {
    until(|| client.get("/readyz").ok().filter(|ready| ready["waiting"] == 0))
}

/// What became of the report under a code.
fn status(client: &Client, code: &str) -> Option<String> {
    let answer = client.get(&format!("/api/v1/reports/{code}")).ok()?;
    answer["status"].as_str().map(str::to_owned)
}

/// Takes one report while the database stands still.
fn acknowledged(cluster: &Cluster, client: &Client, mark: &str) -> String {
    cluster.signal("STOP").unwrap();
    let receipt = client.post("/api/v1/reports", &report(mark), None).unwrap();
    assert_eq!(receipt["status"], "waiting", "{receipt}");
    receipt["code"].as_str().unwrap().to_owned()
}

fn pantau(args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pantau"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_")) {
        command.env_remove(key);
    }
    let Output { status, stdout, stderr } = command
        .args(args)
        .arg("--city")
        .arg(repo("geodata/ternate"))
        .current_dir(repo(""))
        .output()
        .unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.success(), said)
}

fn refused(args: &[&str], words: &[&str]) {
    let (well, said) = pantau(args);
    assert!(!well && words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn folder(root: &Path, name: &str) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn a_code_leads_to_its_report_on_every_node_after_a_takeover_and_after_moving_back() {
    let Some(cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("codes of reports that waited");
    };
    let store = cluster.new_database().unwrap();
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder(root.path(), name));
    let first = Node::on_database(&store, &a).unwrap();
    let to_first = first.client();
    to_first.post("/api/v1/reports", &report("before"), None).unwrap();
    let code = acknowledged(&cluster, &to_first, "waited");
    cluster.signal("CONT").unwrap();
    until_none_waits(&to_first);
    assert_eq!(status(&to_first, &code).as_deref(), Some("new"));
    // Only now: one that stands by while the database stands still may take over.
    let second = Node::on_database(&store, &b).unwrap();
    let to_second = second.client();
    assert_eq!(status(&to_second, &code).as_deref(), Some("new"), "also at the standby");
    first.kill();
    until(|| to_second.post("/api/v1/reports", &report("after"), Some("after")).ok());
    assert_eq!(status(&to_second, &code).as_deref(), Some("new"), "also after the takeover");
    let none = to_second.get("/api/v1/reports/TTE-0000-00000").unwrap_err().to_string();
    assert!(none.contains("404"), "{none}");
    second.kill();

    let back = root.path().join("back");
    let moved = ["migrate", "--from", &store, "--to", text(&back), "--data", text(&a), "--data", text(&b)];
    let (well, said) = pantau(&moved);
    assert!(well, "{said}");
    let node = Node::start(&back, &[]).unwrap();
    assert_eq!(status(&node.client(), &code).as_deref(), Some("new"), "also after moving back");
}

/// Edits the body of what waits for a server that is stopped, here or in the database: as if the city pack had lost the
/// category.
fn edit((cluster, store): (&Cluster, &str), folder: &Path, from: &str, to: &str) {
    let conn = rusqlite::Connection::open(folder.join("spool.db")).unwrap();
    let sql = "UPDATE spooled SET body = CAST(replace(CAST(body AS TEXT), ?1, ?2) AS BLOB) WHERE body IS NOT NULL";
    let here = conn.execute(sql, [from, to]).unwrap();
    let sql = format!(
        "UPDATE pantau.handed_in SET body = convert_to(replace(convert_from(body, 'UTF8'), '{from}', '{to}'), 'UTF8') \
         WHERE body IS NOT NULL RETURNING 'edited'"
    );
    let there = cluster.query(store.rsplit('/').next().unwrap(), &sql).unwrap();
    assert_eq!(here + there.matches("edited").count(), 1);
}

#[test]
fn what_waits_or_does_not_fit_is_kept_told_of_and_left_behind_by_nobody() {
    let Some(cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("reports that do not fit the city pack");
    };
    let store = cluster.new_database().unwrap();
    let root = tempfile::tempdir().unwrap();
    let (data, back) = (folder(root.path(), "data"), root.path().join("back"));
    let node = Node::on_database(&store, &data).unwrap();
    node.client().post("/api/v1/reports", &report("before"), None).unwrap();
    let code = acknowledged(&cluster, &node.client(), "waited");
    node.kill();
    cluster.signal("CONT").unwrap();

    let migrate = ["migrate", "--from", &store, "--to", text(&back), "--data", text(&data)];
    let export = ["privacy", "export", "--phone", PHONE, "--store", &store, "--data", text(&data)];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data)];
    let waiting = ["waiting", "--store", &store, "--data", text(&data)];
    for command in [&migrate[..], &export, &serve] {
        refused(command, &["1 report(s) that were acknowledged", "the server"]);
    }
    assert!(!back.exists() && !data.join("pantau.db").exists(), "nothing was begun");
    let (_, listed) = pantau(&waiting);
    assert!(listed.contains(&code) && listed.contains("1 report(s) wait, 0 are set aside"), "{listed}");

    edit((&cluster, &store), &data, "garbage", "gone away");
    let node = Node::on_database(&store, &data).unwrap();
    let stands = |ready: &Value| ready["conditions"].to_string().contains("reports-set-aside");
    let ready = until(|| node.client().get("/readyz").ok().filter(stands));
    assert_eq!(ready["waiting"], 0, "it holds up nothing: {ready}");
    assert!(ready["conditions"].to_string().contains("1 report(s)"), "{ready}");
    assert_eq!(status(&node.client(), &code).as_deref(), Some("waiting"), "it is not rejected");
    refused(&export, &["set aside", "pantau waiting"]);
    let (_, listed) = pantau(&waiting);
    assert!(listed.contains(&code) && listed.contains("/category") && !listed.contains(PHONE), "{listed}");
    let (_, shown) = pantau(&[&waiting[..], &["--show"]].concat());
    assert!(shown.contains(PHONE), "{shown}");

    // The pack is mended: the next start takes it.
    node.kill();
    refused(&migrate, &["set aside", "pantau waiting"]);
    edit((&cluster, &store), &data, "gone away", "garbage");
    let node = Node::on_database(&store, &data).unwrap();
    until_none_waits(&node.client());
    assert_eq!(status(&node.client(), &code).as_deref(), Some("new"));
    let (well, exported) = pantau(&export);
    assert!(well && exported.contains("waited"), "{exported}");

    // One that nobody wants is discarded, in the database too.
    let code = acknowledged(&cluster, &node.client(), "unwanted");
    node.kill();
    cluster.signal("CONT").unwrap();
    let (well, said) = pantau(&[&waiting[..], &["--discard", &code]].concat());
    assert!(well && said.contains("is erased"), "{said}");
    let node = Node::on_database(&store, &data).unwrap();
    assert_eq!(status(&node.client(), &code).as_deref(), Some("rejected"));
    node.kill();
    let (well, said) = pantau(&migrate);
    assert!(well, "{said}");
}
