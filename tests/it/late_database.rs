//! A server that is started while its database is not there waits for it, takes reports meanwhile where it knows the
//! database, says so, and ends at once where waiting would not help.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pantau::cli::Client;
use pantau::journal::StoreUrl;
use serde_json::{Value, json};

use crate::database_away::{Told, check, check_once, look_again, post, post_photo, report};
use crate::support::node::{Node, texts_in};
use crate::support::nodes::{self, Process, Reply};
use crate::support::postgres::{Cluster, SETTINGS, skipped};
use crate::support::repo;
use crate::support::wait::PATIENCE;

/// The server as the service manager starts it; what it says comes by the socket.
fn serve(store: &str, folder: &Path) -> (Child, UnixDatagram) {
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = Command::new(env!("CARGO_BIN_EXE_pantau"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--city"])
        .arg(repo("geodata/blank"))
        .current_dir(folder)
        .env("PANTAU_STORE", store)
        .env("PANTAU_LOG", "warn")
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (server, socket)
}

fn hear(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let n = socket.recv(&mut buffer).expect("a word in time");
    String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
}

fn stop(server: &mut Child) {
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(server.wait().unwrap().success());
}

#[test]
fn a_start_waits_for_its_database_and_serves_once_it_is_there() {
    let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("a start without its database");
    };
    let store = cluster.new_database().unwrap();
    cluster.kill().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut server, socket) = serve(&store, folder.path());
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let line = log.by_ref().lines().map(Result::unwrap).find(|line| line.contains("waits for it")).unwrap();
    assert!(line.contains("the database cannot be reached"), "{line}");
    assert!(line.contains("nothing is served yet (this data folder was never started on it"), "{line}");
    // Again and again, and nothing that says that it serves.
    for _ in 0..3 {
        let word = hear(&socket);
        assert!(word.starts_with("EXTEND_TIMEOUT_USEC="), "{word}");
    }
    cluster.run().unwrap();
    let first_other =
        std::iter::repeat_with(|| hear(&socket)).find(|word| !word.starts_with("EXTEND_TIMEOUT_USEC="));
    assert_eq!(first_other.as_deref(), Some("READY=1"));
    stop(&mut server);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("waits for it"), "said once a minute, not at each try: {rest}");
}

#[test]
fn a_start_that_waits_is_stopped_at_once() {
    // Whoever comes is let in and gets no answer.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silence = format!("postgres://pantau@{}/pantau", silent.local_addr().unwrap());
    let nobody = format!("postgres://pantau@{gone}/pantau");
    let folder = tempfile::tempdir().unwrap();
    let (mut server, socket) = serve(&nobody, folder.path());
    assert!(hear(&socket).starts_with("EXTEND_TIMEOUT_USEC="));
    stop(&mut server);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, socket) = serve(&silence, folder.path());
    let (line, _) = silent.accept().unwrap();
    stop(&mut server);
    drop(line);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err(), "it was in the middle of its first try");
}

#[test]
fn a_start_that_no_waiting_helps_ends_with_its_sentence() {
    let Some(cluster) = Cluster::start(&SETTINGS).unwrap() else {
        return skipped("a start that the database refuses");
    };
    let store = cluster.new_database().unwrap();
    let name = store.rsplit('/').next().unwrap();
    cluster.query(name, "CREATE SCHEMA pantau; CREATE TABLE pantau.migration (name text, sha256 text); INSERT INTO pantau.migration VALUES ('9999_future', '')").unwrap();
    let nowhere = store.replace(name, "nowhere");
    for (store, sentence) in [
        (&store, "a newer pantau has changed the tables"),
        (&nowhere, "the database refused the connection"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (server, _socket) = serve(store, folder.path());
        let output = server.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(sentence), "{said}");
        assert!(!said.contains("waits for it"), "{said}");
    }
}

/// Asks with nothing but the address.
struct Passer(nodes::Node);

impl Passer {
    fn at(node: &Node) -> Passer {
        Passer(nodes::Node { process: Process::default(), address: address(node) })
    }

    fn get(&self, path: &str) -> Reply {
        self.0.get(path, false).expect("it answers")
    }
}

fn address(node: &Node) -> SocketAddr {
    node.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// A database that a server was started on before both lost their power, and what that server had taken.
struct PowerCut {
    cluster: Cluster,
    text: String,
    store: StoreUrl,
    folder: tempfile::TempDir,
    told: Vec<Told>,
    incident: String,
}

impl PowerCut {
    fn play(what: &str) -> Option<PowerCut> {
        let Some(mut cluster) = Cluster::start(&SETTINGS).unwrap() else {
            skipped(what);
            return None;
        };
        let text = cluster.new_database().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let node = Node::on_database(&text, folder.path()).unwrap();
        let receipt = node.client().post("/api/v1/reports", &report("before"), Some("key before")).unwrap();
        node.kill();
        cluster.kill().unwrap();
        let of = |key: &str| receipt[key].as_str().unwrap().to_owned();
        let told = vec![Told { mark: "before".to_owned(), code: of("code"), waits: false }];
        Some(PowerCut {
            cluster,
            store: text.parse().unwrap(),
            text,
            folder,
            told,
            incident: of("incident"),
        })
    }

    fn start(&self) -> Node {
        Node::on_database(&self.text, self.folder.path()).unwrap()
    }
}

fn wait_until_handed_on(client: &Client) {
    while !client.get("/readyz").is_ok_and(|ready| ready["waiting"] == 0) {
        look_again();
    }
}

/// Everything but reports is told what is awaited: programs in a problem, people on a page in both languages.
fn check_what_is_said(node: &Node, waiting: usize) {
    let passer = Passer::at(node);
    assert_eq!(passer.get("/healthz").text, "ok\n");
    let ready = passer.get("/readyz");
    assert_eq!((ready.status, ready.json()["type"].clone()), (503, json!("/problems/database-away")));
    assert!(ready.text.contains("reports are kept here until it answers"), "{}", ready.text);
    let reports = passer.get("/readyz?for=reports");
    assert_eq!(
        (reports.status, reports.json()["waiting"].clone()),
        (200, json!(waiting)),
        "{}",
        reports.text
    );
    assert_eq!(reports.json()["ready"], false);
    for path in ["/api/v1/incidents", "/api/v1/live", "/api/v1/session", "/api/v1/nodes/state"] {
        let refused = passer.get(path);
        assert_eq!((refused.status, refused.header("content-type")), (503, "application/problem+json"));
        assert_eq!(
            (refused.json()["title"].clone(), refused.header("retry-after")),
            (json!("The database is awaited"), "5")
        );
    }
    for path in ["/", "/wall", "/console", "/field"] {
        let page = passer.get(path);
        assert_eq!((page.status, page.header("content-type")), (503, "text/html; charset=utf-8"), "{path}");
        assert!(page.text.contains("GANGGUAN") && page.text.contains("DEGRADED"), "{}", page.text);
        assert!(page.text.contains("basis data ditunggu") && page.text.contains("the database is awaited"));
        assert_eq!(page.header("retry-after"), "5");
        assert!(page.header("content-security-policy").contains("default-src 'self'"));
    }
    assert_eq!(passer.get("/database-awaited.css").status, 200, "and may be looked at");
    assert_eq!(passer.get("/api/v1/city").json()["key"], "ternate", "who reports has its categories");
}

#[test]
fn a_start_without_its_database_takes_reports_and_each_is_in_the_journal_once_and_in_order() {
    let Some(mut cut) = PowerCut::play("reports while a start waits for its database") else { return };
    let node = cut.start();
    let client = node.client();
    let mut told: Vec<Told> =
        (0..10).map(|i| post(&client, format!("waiting {i}"), Some(&format!("key {i}")))).collect();
    told.push(post_photo(&client, "waiting, with a photo", None));
    assert!(told.iter().all(|one| one.waits));
    // As while it is away: the same again is the same, another under its key is none, a faulty one is refused.
    assert_eq!(post(&client, "waiting 3".to_owned(), Some("key 3")).code, told[3].code);
    let other = client.post("/api/v1/reports", &report("other"), Some("key 3")).unwrap_err();
    assert_eq!(other.status(), Some(422));
    let nowhere = json!({"category": "garbage", "lng": 0.0, "lat": 0.0});
    assert_eq!(client.post("/api/v1/reports", &nowhere, None).unwrap_err().status(), Some(422));
    let of_code = |client: &Client, code: &str| client.get(&format!("/api/v1/reports/{code}"));
    let known = of_code(&client, &told[0].code).unwrap();
    assert_eq!(known["status"], "waiting");
    assert!(known["message"]["id"].as_str().unwrap().contains("belum diteruskan"), "{known}");
    let in_journal = of_code(&client, &cut.told[0].code).unwrap_err();
    assert_eq!(in_journal.status(), Some(503), "nobody can say now what became of it");
    check_what_is_said(&node, 11);

    // The server dies, too, with what it has acknowledged; and takes on where it was.
    node.kill();
    let node = cut.start();
    let client = node.client();
    assert_eq!(of_code(&client, &told[0].code).unwrap()["status"], "waiting");
    let mut joining = report("waiting, of a known incident");
    joining["incident"] = Value::from(cut.incident.clone());
    let joined = client.post("/api/v1/reports", &joining, None).unwrap();
    assert_eq!(joined["status"], "waiting", "{joined}");
    // What the journal has already is known again once it is there.
    let again = client.post("/api/v1/reports", &report("before"), Some("key before")).unwrap();
    assert_eq!(again["status"], "waiting");
    told.push(Told {
        mark: "waiting, of a known incident".to_owned(),
        code: joined["code"].as_str().unwrap().to_owned(),
        waits: true,
    });
    told.extend((0..10).map(|i| post(&client, format!("waiting on {i}"), None)));

    cut.cluster.run().unwrap();
    wait_until_handed_on(&client);
    told.push(post(&client, "after".to_owned(), None));
    assert!(!told.last().unwrap().waits);
    told.splice(0..0, cut.told.drain(..));
    check(&cut.store, &client, &told);
    let same = of_code(&client, again["code"].as_str().unwrap()).unwrap();
    assert_eq!(same["code"], told[0].code, "by the key it is the one from before");
    let incident = client.get(&format!("/api/v1/incidents/{}", cut.incident)).unwrap();
    assert_eq!(incident["properties"]["reports"], 2, "{incident}");
    node.kill();
    check_once(&cut.store, &told);
    let sent: Vec<&String> = told.iter().map(|one| &one.mark).collect();
    assert_eq!(texts_in(&cut.store).iter().collect::<Vec<_>>(), sent, "in the order in which they came");
}

/// The head of an answer, and the body that it says the length of.
fn read_answer(line: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(line.read_line(&mut head).unwrap() > 0, "the line was cut after {head:?}");
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    line.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[test]
fn who_is_in_the_middle_of_a_report_when_the_database_comes_is_not_cut_off() {
    let Some(mut cut) = PowerCut::play("a report that is being sent when the database comes") else {
        return;
    };
    let node = cut.start();
    let open = || {
        let line = TcpStream::connect(address(&node)).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(line)
    };
    let ask_ready = |line: &mut BufReader<TcpStream>| {
        line.get_mut().write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        read_answer(line)
    };
    let (mut sends, mut looks) = (open(), open());
    let body = report("in the middle").to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    sends.get_mut().write_all(head.as_bytes()).unwrap();
    // Somebody has begun to read it.
    assert!(read_answer(&mut sends).0.starts_with("HTTP/1.1 100"));
    sends.get_mut().write_all(first.as_bytes()).unwrap();
    assert!(ask_ready(&mut looks).0.starts_with("HTTP/1.1 503"));

    cut.cluster.run().unwrap();
    while !node.client().get("/readyz").is_ok_and(|ready| ready["ready"] == true) {
        look_again();
    }
    let (head, ready) = ask_ready(&mut looks);
    assert!(
        head.starts_with("HTTP/1.1 200") && ready["ready"] == true,
        "a line that was open goes on: {head}"
    );
    sends.get_mut().write_all(rest.as_bytes()).unwrap();
    let (head, receipt) = read_answer(&mut sends);
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    assert!(ask_ready(&mut sends).0.starts_with("HTTP/1.1 200"));
    let client = node.client();
    let path = format!("/api/v1/reports/{}", receipt["code"].as_str().unwrap());
    while client.get(&path).unwrap()["status"] != "new" {
        look_again();
    }
    // It stops at once although lines are open.
    node.signal("TERM");
    assert!(node.ended_well());
    assert_eq!(texts_in(&cut.store), ["before", "in the middle"]);
}

#[test]
fn a_start_that_takes_reports_is_stopped_at_once_and_keeps_them() {
    let Some(mut cut) = PowerCut::play("a stop while reports are taken and the database is awaited") else {
        return;
    };
    let node = cut.start();
    let kept = post(&node.client(), "kept".to_owned(), None);
    node.signal("TERM");
    assert!(kept.waits && node.ended_well());
    cut.cluster.run().unwrap();
    let node = cut.start();
    wait_until_handed_on(&node.client());
    node.kill();
    assert_eq!(texts_in(&cut.store), ["before", "kept"]);
}

#[test]
fn of_two_servers_that_wait_for_one_database_each_takes_reports_and_one_writes_them_all() {
    let Some(mut cut) = PowerCut::play("two servers that wait for one database") else { return };
    // The second has stood by before the power went.
    cut.cluster.run().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let (first, second) = (cut.start(), Node::on_database(&cut.text, other_folder.path()).unwrap());
    assert!(second.client().get("/readyz").is_err(), "it stands by");
    first.kill();
    second.kill();
    cut.cluster.kill().unwrap();
    let (first, second) = (cut.start(), Node::on_database(&cut.text, other_folder.path()).unwrap());
    let mut told: Vec<Told> = (0..5)
        .map(|i| post(&first.client(), format!("at the first {i}"), Some("key").filter(|_| i == 0)))
        .collect();
    told.extend((0..5).map(|i| post(&second.client(), format!("at the second {i}"), None)));
    // Whoever got no answer in time sends it to the other, under the same key.
    let twice = post(&second.client(), "at the first 0".to_owned(), Some("key"));
    assert!(told.iter().chain([&twice]).all(|one| one.waits));
    cut.cluster.run().unwrap();
    let clients = [first.client(), second.client()];
    let writes = loop {
        if let Some(writer) = clients.iter().find(|client| client.get("/readyz").is_ok()) {
            break writer;
        }
        look_again();
    };
    for one in told.iter().chain([&twice]) {
        let path = format!("/api/v1/reports/{}", one.code);
        while !writes.get(&path).is_ok_and(|known| known["status"] == "new") {
            look_again();
        }
    }
    told.splice(0..0, cut.told.drain(..));
    first.kill();
    second.kill();
    check_once(&cut.store, &told);
}
