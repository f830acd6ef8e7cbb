//! `pantau migrate` there and back: whoever could sign in can, with what happened to accounts and nothing of sessions.

use std::path::Path;
use std::process::Command;

use pantau::access::Role;
use pantau::accounts::{Scope, hash_password, new_account};
use pantau::journal::{AccountStore, EventRow, FolderMode, PasskeyRow, Place, PostgisJournal, SubjectRow};
use pantau::model::TimeMs;
use serde_json::{Value, json};

use crate::http::report;
use crate::sign_in::{PASSWORD, session};
use crate::support::app::{Setup, TestApp, wait_for};
use crate::support::nodes::{Node, Plan, free_address};
use crate::support::{postgres, repo, ternate};

/// What the command says, and whether it came to its end.
fn migrate(from: &str, to: &str) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pantau"));
    command.args(["migrate", "--from", from, "--to", to, "--city"]).arg(repo("geodata/ternate"));
    let done = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (format!("{out}{err}"), done.status.success())
}

/// How many rows of a table the command says that it carried.
fn carried(told: &str, table: &str) -> Option<usize> {
    let line = told.lines().find(|line| line.split_whitespace().nth(1) == Some(table))?;
    line.split_whitespace().next()?.parse().ok()
}

fn events(store: &AccountStore) -> Vec<EventRow> {
    store.events_from(i64::MIN, i64::MAX, 1_000).unwrap()
}

fn place(text: &str) -> Place {
    if text.contains("://") { Place::Database(text.parse().unwrap()) } else { Place::Folder(text.into()) }
}

/// Whoever may sign in, in every way that there is, and something that happened to some.
async fn fill(folder: &Path) -> (TestApp, String, String) {
    let setup = Setup { trust_loopback: false, ..Setup::in_folder(folder) };
    let app = setup.start().await;
    let now = app.app.clock.now();
    let scope = |role| Scope::new(role, None, Vec::new(), None).unwrap();
    let store = app.accounts().store();
    for (name, role) in [("ani", Role::Operator), ("budi", Role::Admin)] {
        let mut account = new_account(name, None, &scope(role), now).unwrap();
        account.password = Some(hash_password(PASSWORD, name).unwrap());
        assert!(store.add_account(&account).unwrap());
    }
    let text = str::to_owned;
    let passkey = PasskeyRow {
        id: text("0a"),
        account: text("ani"),
        label: text("telepon"),
        host: text("pantau.example.id"),
        credential: text("{}"),
        created_at: now.0,
        used_at: None,
    };
    assert!(store.add_passkey(&passkey).unwrap());
    let subject = SubjectRow {
        issuer: text("https://masuk.example.id"),
        subject: text("7"),
        account: text("citra"),
        created_at: now.0,
    };
    assert!(
        store
            .add_subject(&subject, &new_account("citra", None, &scope(Role::Viewer), now).unwrap())
            .unwrap()
    );
    let token = app.token(Role::Operator, "", "");
    app.report(&report("garbage")).await;
    let wrong = json!({"name": "ani", "password": "wrong-wrong-wrong"}).to_string();
    app.post("/api/v1/session", wrong).send().await.problem(401);
    let cookie = session(&app, "ani").await;
    (app, token, cookie)
}

fn signed_in(node: &Node, header: (&str, &str)) -> bool {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    let request = ureq::Agent::from(config).get(format!("http://{}/api/v1/session", node.address));
    let mut answer = request.header(header.0, header.1).call().expect("the node answers");
    let told: Value = serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
    told["signed_in"] == true
}

/// Signs in where the history is now, with a wrong word first; the server stops.
async fn use_at(to: &str, token: &str, cookie: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut plan =
        Plan::new(Path::new(env!("CARGO_BIN_EXE_pantau")), &repo("geodata/ternate"), free_address());
    plan.args = match place(to) {
        Place::Folder(_) => vec!["--data".to_owned(), to.to_owned()],
        Place::Database(_) => {
            let data = folder.path().display().to_string();
            vec!["--store".to_owned(), to.to_owned(), "--data".to_owned(), data]
        }
    };
    let mut node = plan.start().unwrap();
    wait_for("the server", async || (node.ready()["ready"] == true).then_some(())).await;
    let bearer = format!("Bearer {token}");
    assert!(signed_in(&node, ("authorization", &bearer)), "the token of before, at {to}");
    assert!(!signed_in(&node, ("cookie", cookie)), "sessions end, at {to}");
    for (password, status) in [("wrong-wrong-wrong", 401), (PASSWORD, 200)] {
        let body = json!({"name": "ani", "password": password});
        assert_eq!(node.post("/api/v1/session", &body, None).unwrap().status, status, "at {to}");
    }
    node.process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_what_happened_to_them_go_into_a_database_and_back() {
    let Some(cluster) = postgres::shared() else { return };
    let database = cluster.new_database().unwrap();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let back = there.path().join("back").display().to_string();
    let (app, token, cookie) = fill(here.path()).await;
    app.stop().await;
    let here = here.path().display().to_string();

    // What is cut at the accounts, or finds others there, goes on with the same command once they are away; until then
    // nobody serves a half of it.
    let scope = Scope::new(Role::Viewer, None, Vec::new(), None).unwrap();
    let other = new_account("lain", None, &scope, TimeMs(0)).unwrap();
    assert!(AccountStore::open(&place(&database)).unwrap().add_account(&other).unwrap());
    let (told, is_done) = migrate(&here, &database);
    assert!(!is_done && told.contains("has other accounts"), "{told}");
    let opened = PostgisJournal::open(&database.parse().unwrap(), ternate(), FolderMode::Live);
    assert!(opened.err().unwrap().to_string().contains("holds a migration that was cut"));
    cluster.query(database.rsplit('/').next().unwrap(), "DELETE FROM pantau.account").unwrap();

    let mut told_before: Vec<EventRow> = Vec::new();
    for (from, to) in [(&here, &database), (&database, &back)] {
        let source = AccountStore::open(&place(from)).unwrap();
        let (lasting, events_then) = (source.lasting().unwrap(), events(&source));
        assert!(!events_then.is_empty() && events_then.starts_with(&told_before));
        let (told, is_done) = migrate(from, to);
        assert!(is_done && told.contains("Both sides hold the same"), "{told}");
        let rows = ["account", "account_token", "account_passkey", "account_subject", "account_event"];
        let counts = rows.map(|table| carried(&told, table));
        let n =
            [lasting.accounts.len(), lasting.tokens.len(), lasting.passkeys.len(), 1, events_then.len()];
        assert_eq!(counts, n.map(Some), "{told}");
        assert_eq!(n[..4], [3, 1, 1, 1], "something of each");

        let target = AccountStore::open(&place(to)).unwrap();
        assert_eq!(target.lasting().unwrap(), lasting);
        assert_eq!(events(&target), events_then, "with their ids, in their order");
        let all = target.load().unwrap();
        assert_eq!((all.sessions, all.devices, all.links), (vec![], vec![], vec![]));
        drop((source, target));

        use_at(to, &token, &cookie).await;
        let target = AccountStore::open(&place(to)).unwrap();
        let after = events(&target);
        assert!(after.starts_with(&events_then), "what happens later gets ids of its own");
        let later: Vec<&str> = after[events_then.len()..].iter().map(|event| &*event.action).collect();
        assert_eq!(later, ["sign-in-refused", "sign-in"]);
        told_before = after;
    }
    cluster.drop_database(&database).unwrap();
}
