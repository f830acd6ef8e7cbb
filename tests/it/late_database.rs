//! A server that is started while its database is not there waits for it, says so, and ends at once where waiting
//! would not help.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

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
