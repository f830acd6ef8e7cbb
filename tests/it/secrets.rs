//! The real program: accounts and tokens beside the running server, and no secret in anything that it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use pantau::journal::{AccountStore, EventQuestion, PasskeyRow, Place};
use serde_json::{Value, json};

use crate::support::app::PATIENCE;
use crate::support::repo;

fn pantau(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pantau"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_")) {
        command.env_remove(key);
    }
    command.current_dir(folder);
    command
}

/// Runs a command that must succeed; what it says.
fn run(folder: &Path, args: &[&str], input: &str) -> String {
    let mut child = pantau(folder)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read its input is done with it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One question over a line of its own: status, head and body.
fn ask(address: &str, head: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request =
        format!("{head} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    tcp.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn cookies(head: &str) -> Vec<String> {
    let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    set.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect()
}

#[test]
fn the_program_keeps_accounts_beside_the_server_and_its_log_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Before the server was ever started, as a setup script does.
    let early = run(folder, &["token", "create", "--role", "operator", "--data", "data"], "");
    let early = early.split_whitespace().last().unwrap().to_owned();
    assert!(early.starts_with("pantau_"), "{early}");

    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut server = pantau(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--city"])
        .arg(repo("geodata/ternate"))
        .env("PANTAU_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    let address = first.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();

    let link = run(folder, &["user", "link", "--data", "data"], "");
    let link = link.split("#link=").nth(1).unwrap().trim().to_owned();
    let password = "rahasia sekali ini";
    let body = json!({"link": link, "name": "ani", "password": password}).to_string();
    let (status, head, me) = ask(&address, "POST /api/v1/session/link", "", &body);
    assert_eq!((status, &me["role"]), (200, &json!("admin")), "{head}");
    let mut secrets = vec![early.clone(), link.clone(), password.to_owned()];
    secrets.extend(cookies(&head).iter().map(|cookie| cookie.split('=').nth(1).unwrap().to_owned()));
    assert_eq!(secrets.len(), 5, "{head}");

    let add = [
        "user",
        "add",
        "budi",
        "--role",
        "agency",
        "--agency",
        "dlh",
        "--password-stdin",
        "--data",
        "data",
        "--city",
    ];
    let city = repo("geodata/ternate");
    let add: Vec<&str> = add.into_iter().chain([city.to_str().unwrap()]).collect();
    run(folder, &add, "kunci rumah biru\n");
    secrets.push("kunci rumah biru".to_owned());
    let token = run(folder, &["token", "create", "--role", "viewer", "--kiosk", "--data", "data"], "");
    assert!(token.contains("/login?next=/wall#token=pantau_"), "{token}");
    let token = token.split_whitespace().last().unwrap().to_owned();
    secrets.push(token.clone());
    // The server notices by itself, within a moment.
    let sign_in = json!({"name": "budi", "password": "kunci rumah biru"}).to_string();
    let wall = json!({"token": token}).to_string();
    let bearer = format!("Authorization: Bearer {early}\r\n");
    let began = crate::support::node::monotonic();
    for (head, headers, body) in [
        ("POST /api/v1/session", "", &*sign_in),
        ("POST /api/v1/session", "", &*wall),
        ("GET /api/v1/session", &*bearer, ""),
    ] {
        loop {
            let (status, head, answer) = ask(&address, head, headers, body);
            secrets
                .extend(cookies(&head).iter().map(|cookie| cookie.split('=').nth(1).unwrap().to_owned()));
            if status == 200 {
                assert_eq!(answer["signed_in"], true, "{answer}");
                break;
            }
            assert!(status == 401 || status == 429, "{head}");
            assert!(crate::support::node::monotonic() - began < PATIENCE, "{head}");
        }
    }
    // Wrong ones, and wrong ways, are not repeated either.
    let wrong = json!({"name": "kunci rumah biru", "password": "kunci rumah biru", "x": link}).to_string();
    assert_eq!(ask(&address, "POST /api/v1/session", "", &wrong).0, 422);
    assert_eq!(ask(&address, "POST /api/v1/session", "", "{kunci rumah biru").0, 400);
    let list = run(folder, &["user", "list", "--data", "data"], "")
        + &run(folder, &["token", "list", "--data", "data"], "");
    assert!(list.contains("ani") && list.contains("budi") && list.contains("wall"), "{list}");
    assert!(run(folder, &["user", "disable", "budi", "--data", "data"], "").contains("signed out"));

    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(server.wait().unwrap().success());
    // Where nobody looks it names the command, and no link.
    assert!(rest.contains("pantau user link --data data") && !rest.contains("#link="), "{rest}");
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("signed in") && log.contains("/api/v1/session"), "{log:.2000}");
    let spoken = [first, rest, log, list].concat();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!spoken.contains(secret.as_str()), "a secret was said: {secret}");
    }
    // Nor is any kept as it is.
    for file in ["data/accounts.db", "data/accounts.db-wal"] {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{file} holds {secret}");
        }
    }
}

#[test]
fn passkeys_are_taken_off_an_account_that_is_there_and_the_audit_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let add = ["user", "add", "ani", "--role", "operator", "--password-stdin", "--data", "data"];
    run(folder, &add, "kunci rumah biru\n");
    let store = AccountStore::open(&Place::Folder(folder.join("data"))).unwrap();
    let drop = |name: &str| {
        let output =
            pantau(folder).args(["user", "drop-passkeys", name, "--data", "data"]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    };
    let events = || {
        let asked =
            EventQuestion { action: Some("passkey-removed".to_owned()), ..EventQuestion::default() };
        store.events(&asked, 10).unwrap().into_iter().map(|event| event.subject).collect::<Vec<_>>()
    };
    let (done, said) = drop("ami");
    assert!(!done && said.contains("there is no account ami"), "{said}");
    let (done, said) = drop("ani");
    assert!(done && said.contains("ani had no passkeys") && events().is_empty(), "{said}");
    let passkey = PasskeyRow {
        id: "0a".to_owned(),
        account: "ani".to_owned(),
        label: "telepon".to_owned(),
        host: "localhost".to_owned(),
        credential: "{}".to_owned(),
        created_at: 0,
        used_at: None,
    };
    assert!(store.add_passkey(&passkey).unwrap());
    let (done, said) = drop("ani");
    assert!(done && said.contains("ani has no more passkeys"), "{said}");
    assert_eq!(events(), [Some("ani".to_owned())]);
}
