//! Real nodes as processes, and a NATS server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// What the nodes share.
pub const TOKEN: &str = "a-token-of-the-tests-alone";

/// Runs commands somewhere: on this machine, or in a network namespace.
#[derive(Debug, Clone, Default)]
pub struct Place {
    pub namespace: Option<String>,
}

impl Place {
    fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
        }
    }
}

/// A process that is killed with its owner.
#[derive(Default)]
pub struct Process {
    /// `None`: it is somebody else's.
    child: Option<Child>,
}

impl Process {
    fn spawn(mut command: Command) -> Process {
        Process { child: Some(command.spawn().expect("the program is there")) }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn ended(&mut self) -> std::process::ExitStatus {
        self.child.as_mut().expect("a child of ours").wait().expect("a child of ours")
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("a child of ours").id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.id();
        let sent = Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let ended = self.ended();
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free address of this machine; nobody else asks for it.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// A NATS server with JetStream, its files in a folder of its own.
pub struct Nats {
    process: Process,
    program: PathBuf,
    place: Place,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Nats {
    /// `None`, with a line that says why, where there is no nats-server.
    pub fn start(place: &Place, address: SocketAddr) -> Option<Nats> {
        let folders = std::env::var("PATH").unwrap_or_default();
        let folders = folders.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
        let program =
            folders.map(|folder| Path::new(folder).join("nats-server")).find(|path| path.exists());
        let Some(program) = program else {
            // Not `println!`: the test runner would keep that to itself.
            let _ =
                std::io::stderr().write_all(b"skipped: edges over NATS, nats-server is not installed\n");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let process = Nats::spawn(&program, place, address, folder.path());
        Some(Nats { process, program, place: place.clone(), address, folder })
    }

    fn spawn(program: &Path, place: &Place, address: SocketAddr, folder: &Path) -> Process {
        let mut command = place.command(program);
        command.args(["-a", &address.ip().to_string(), "-p", &address.port().to_string(), "-js", "-sd"]);
        command.arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
        Process::spawn(command)
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Comes back with nothing in it.
    pub fn start_wiped(&mut self) {
        self.process.kill();
        self.folder = tempfile::tempdir().expect("a folder");
        self.process = Nats::spawn(&self.program, &self.place, self.address, self.folder.path());
    }

    /// Whether it takes connections.
    pub fn is_up(&self) -> bool {
        TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).is_ok()
    }
}

/// How a node is started.
#[derive(Debug, Clone)]
pub struct Plan {
    pub program: PathBuf,
    pub city: PathBuf,
    pub place: Place,
    pub listen: SocketAddr,
    pub args: Vec<String>,
}

impl Plan {
    pub fn new(program: &Path, city: &Path, listen: SocketAddr) -> Plan {
        let (program, city) = (program.to_owned(), city.to_owned());
        Plan { program, city, place: Place::default(), listen, args: Vec::new() }
    }

    #[must_use]
    pub fn origin(mut self, folder: &Path, nats: Option<&str>) -> Plan {
        self.args = vec!["--data".to_owned(), folder.display().to_string()];
        if self.listen.ip().is_loopback() {
            self.args.push("--trust-loopback".to_owned());
        }
        self.args.extend(nats.into_iter().flat_map(|url| ["--nats".to_owned(), url.to_owned()]));
        self
    }

    #[must_use]
    pub fn edge(mut self, origin: SocketAddr, nats: Option<&str>) -> Plan {
        self.args = vec!["--origin".to_owned(), format!("http://{origin}")];
        self.args.extend(nats.into_iter().flat_map(|url| ["--follow".to_owned(), url.to_owned()]));
        self
    }

    /// Starts the node and waits until it serves; a node that ends instead answers its last words.
    pub fn start(&self) -> Result<Node, String> {
        let mut command = self.place.command(&self.program);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_"))
        {
            command.env_remove(key);
        }
        command.args(["serve", "--listen", &self.listen.to_string(), "--city"]).arg(&self.city);
        command.args(&self.args).env("PANTAU_EDGE_TOKEN", TOKEN).current_dir(std::env::temp_dir());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is there");
        let stdout = child.stdout.take().expect("the output is piped");
        let stderr = child.stderr.take().expect("the errors are piped");
        let (told, last_words) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                let _ = told.send(line);
            }
        });
        let mut node = Node { process: Process { child: Some(child) }, address: self.listen };
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let serves = lines.any(|line| line.starts_with("Pantau "));
        std::thread::spawn(move || lines.for_each(drop));
        if serves {
            return Ok(node);
        }
        let _ = node.process.ended();
        Err(last_words.iter().collect::<Vec<_>>().join("\n"))
    }
}

/// A node that serves.
pub struct Node {
    pub process: Process,
    pub address: SocketAddr,
}

/// An answer as text, and its status.
pub struct Reply {
    pub status: u16,
    pub text: String,
    pub headers: Vec<(String, String)>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// What two nodes that hold the same agree in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub epoch: String,
    pub seq: u64,
    pub hash: String,
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    config
        .timeout_connect(Some(Duration::from_secs(2)))
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

impl Node {
    fn reply(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<Reply> {
        let mut answer = answer.ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        Some(Reply { status: answer.status().as_u16(), headers: headers.collect(), text })
    }

    /// `None` where it does not answer. With the token, or as whoever comes by.
    pub fn get(&self, path: &str, token: bool) -> Option<Reply> {
        let mut request = agent().get(format!("http://{}{path}", self.address));
        if token {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        Node::reply(request.call())
    }

    /// With a token, of somebody who calls the node `host`.
    pub fn get_as(&self, path: &str, host: &str) -> Option<Reply> {
        let request = agent().get(format!("http://{}{path}", self.address)).header("host", host);
        Node::reply(request.header("authorization", format!("Bearer {TOKEN}")).call())
    }

    pub fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<Reply> {
        let mut request = agent().post(format!("http://{}{path}", self.address));
        request = request.header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Node::reply(request.send(body.to_string().as_bytes()))
    }

    /// A report of garbage near the centre that is taken; its receipt.
    pub fn report(&self, n: usize) -> Value {
        let (lng, lat) = (127.38 + (n % 40) as f64 * 0.000_3, 0.79 + (n / 40 % 40) as f64 * 0.000_3);
        let body = json!({"category": "garbage", "lng": lng, "lat": lat, "description": format!("marker-{n}"),
            "reporter": {"phone": format!("+62811{:05}", n % 7), "name": "marker-name"}});
        let reply = self.post("/api/v1/reports", &body, None).expect("the node answers");
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()
    }

    /// As many as there are numbers, at an origin that trusts who asks; most are verified, so that the public
    /// sees them, and some resolved. The last seq.
    pub fn reports(&self, numbers: std::ops::Range<usize>) -> u64 {
        let seq = |answer: Value| answer["seq"].as_u64().expect("an answer has a seq");
        let act = |incident: &Value, action: &str| {
            let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().expect("an id"));
            let reply = self.post(&path, &json!({}), None).expect("the node answers");
            assert_eq!(reply.status, 200, "{}", reply.text);
            seq(reply.json())
        };
        numbers.fold(0, |_, n| {
            let receipt = self.report(n);
            match n % 4 {
                0 => seq(receipt),
                1 => [act(&receipt["incident"], "verify"), act(&receipt["incident"], "resolve")][1],
                _ => act(&receipt["incident"], "verify"),
            }
        })
    }

    pub fn state(&self) -> Option<State> {
        let reply = self.get("/api/v1/nodes/state", true).filter(|reply| reply.status == 200)?;
        let state = reply.json();
        let text = |key: &str| state[key].as_str().expect("a text").to_owned();
        Some(State {
            epoch: text("epoch"),
            seq: state["seq"].as_u64().expect("a number"),
            hash: text("hash"),
        })
    }

    pub fn ready(&self) -> Value {
        self.get("/readyz", false).map_or(Value::Null, |reply| reply.json())
    }

    /// A figure of Prometheus by the start of its line; 0 where it is not there.
    pub fn figure(&self, name: &str) -> f64 {
        let text = self.get("/metrics", false).map(|reply| reply.text).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }
}

/// Whether all nodes show the very same, at the same seq.
pub fn are_equal(nodes: &[&Node]) -> Option<State> {
    let states: Option<Vec<State>> = nodes.iter().map(|node| node.state()).collect();
    let states = states?;
    states.windows(2).all(|pair| pair[0] == pair[1]).then(|| states[0].clone())
}
