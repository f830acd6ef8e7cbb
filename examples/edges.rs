//! Ten edges behind one origin, each in a network namespace of its own, while everything breaks:
//! `make edges ROUNDS=20`. As root; makes a bridge and namespaces named `pantau…`, and removes them.
//!
//! In each round reports come in, each edge meets a fault of its own (its cable pulled, packets lost both
//! ways, one way or by chance, a line of 256 kbit/s, cut off from the stream alone or from the origin alone,
//! the process held), and now and then the stream is wiped or the origin killed. Then all is healed, and the
//! time is taken until every node shows the very same. Two screens at each edge check all that they are told.
//! Ends with one line of figures, and with an error where a promise was broken.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use pantau::cli::chance::Chance;
use pantau::clock::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};

#[path = "../tests/it/support/fold.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fold;
#[path = "../tests/it/support/nodes.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nodes;
#[path = "../tests/it/support/screen.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod screen;
#[path = "../tests/it/support/socket.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod socket;
#[path = "../tests/it/support/wait.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod wait;

use nodes::{Nats, Node, Place, Plan, Process, State, are_equal};
use screen::{Screen, Seen};

const BRIDGE: &str = "pantaubr";
const ORIGIN: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const NATS: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const PORT: u16 = 8080;
/// All must be equal this long after everything is healed.
const HEAL_MAX: Duration = Duration::from_secs(10);

/// Break the lines between ten edges and their origin, heal them, and see whether all show the same
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    #[arg(long, default_value_t = 10)]
    edges: u8,
    /// The same seed makes the same faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many entries an edge misses while it is held, at the end: an hour's worth
    #[arg(long, default_value_t = 20_000)]
    hour: usize,
    /// Inside the origin's namespace: let others in, and make reports when told so on stdin
    #[arg(long, hide = true)]
    gate: bool,
}

/// What can happen to an edge.
const FAULTS: [&str; 9] =
    ["none", "cable", "blackhole", "deaf", "mute", "loss", "slow", "no-stream", "no-origin"];

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if args.gate {
        return runtime.block_on(gate()).map(|()| ExitCode::SUCCESS);
    }
    let network = Network::build(args.edges)?;
    let tally = runtime.block_on(run(&args, &network))?;
    println!("{}", tally.line(args.seed));
    Ok(if tally.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Tally {
    rounds: u32,
    faults: u32,
    wipes: u32,
    kills: u32,
    entries: u64,
    heal_ms: Vec<u128>,
    late: u32,
    wrong: usize,
    catch_up: String,
}

impl Tally {
    fn holds(&self) -> bool {
        self.late == 0 && self.wrong == 0
    }

    fn line(&self, seed: u64) -> String {
        let mut heal_ms = self.heal_ms.clone();
        heal_ms.sort_unstable();
        let (p50, max) = (heal_ms.get(heal_ms.len() / 2), heal_ms.last());
        format!(
            "rounds={} faults={} wipes={} kills={} entries={} heal_ms_p50={} heal_ms_max={} late={} wrong={} {} seed={seed}",
            self.rounds,
            self.faults,
            self.wipes,
            self.kills,
            self.entries,
            p50.unwrap_or(&0),
            max.unwrap_or(&0),
            self.late,
            self.wrong,
            self.catch_up,
        )
    }
}

async fn run(args: &Args, network: &Network) -> anyhow::Result<Tally> {
    let clock = SystemClock::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = build(here)?;
    let city = here.join("geodata/ternate");
    let nats_place = Place { namespace: Some("pantaun".to_owned()) };
    let mut nats =
        Nats::start(&nats_place, SocketAddr::from((NATS, 4222))).context("nats-server is missing")?;
    wait::wait_for("NATS", async || nats.is_up().then_some(())).await;
    let folder = tempfile::tempdir()?;
    // On the loopback of its namespace, where it trusts; others come in by the gate.
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let origin_plan = Plan {
        place: Place { namespace: Some("pantauo".to_owned()) },
        ..Plan::new(&program, &city, listen).origin(folder.path(), Some(&nats.url()))
    };
    let mut origin = origin_plan.start().map_err(anyhow::Error::msg)?;
    origin.address = SocketAddr::from((ORIGIN, PORT));
    let mut gate = Gate::open()?;
    let edge = |n: u8| {
        let plan = Plan::new(&program, &city, SocketAddr::from((network.edge(n), PORT)));
        let plan = plan.edge(origin.address, Some(&nats.url()));
        let place = Place { namespace: Some(format!("pantau{n}")) };
        Plan { place, ..plan }.start().map_err(anyhow::Error::msg)
    };
    let edges: Vec<Node> = (0..args.edges).map(edge).collect::<Result<_, _>>()?;
    let seen = Seen::default();
    let mut screens: Vec<Screen> = edges.iter().map(|edge| Screen::open(edge.address, "", &seen)).collect();
    screens.extend(edges.iter().map(|edge| Screen::open(edge.address, "?projection=public", &seen)));
    screens.push(Screen::open(origin.address, "?projection=public", &seen));
    let mut tally = Tally::default();
    let mut chance = Chance::new(args.seed);
    gate.make(40)?;
    settle(&clock, &[&origin], &edges, &mut tally, "start").await?;
    for round in 0..args.rounds {
        let mut held = Vec::new();
        let mut names = Vec::new();
        for (n, edge) in (0..).zip(&edges) {
            if chance.below(6) == 0 {
                edge.process.signal("STOP");
                held.push(edge);
                names.push("held");
            } else {
                let fault = *chance.pick(&FAULTS);
                network.fault(n, fault)?;
                names.push(fault);
            }
        }
        tally.faults += names.iter().filter(|name| **name != "none").count() as u32;
        gate.make(20 + chance.below(60))?;
        if chance.below(3) == 0 {
            nats.start_wiped();
            tally.wipes += 1;
        }
        if chance.below(4) == 0 {
            origin.process.kill();
            origin = origin_plan.start().map_err(anyhow::Error::msg)?;
            origin.address = SocketAddr::from((ORIGIN, PORT));
            tally.kills += 1;
        }
        gate.make(20 + chance.below(60))?;
        // Long enough for time limits to pass, or not.
        tokio::time::sleep(Duration::from_millis(500 + chance.below(7_000) as u64)).await;
        gate.make(20)?;
        for n in 0..args.edges {
            network.heal(n)?;
        }
        held.iter().for_each(|edge| edge.process.signal("CONT"));
        let what = format!("round {round}: {}", names.join(" "));
        settle(&clock, &[&origin], &edges, &mut tally, &what).await?;
        tally.rounds += 1;
    }
    tally.catch_up = catch_up(args, &clock, &mut gate, &origin, &edges).await?;
    tally.entries = origin.state().map_or(0, |state| state.seq);
    tally.wrong = screens.iter().filter(|screen| !screen.is_right()).count();
    Ok(tally)
}

/// Waits until all are equal, and says how long that took.
async fn settle(
    clock: &SystemClock,
    origin: &[&Node],
    edges: &[Node],
    tally: &mut Tally,
    what: &str,
) -> anyhow::Result<()> {
    let began = clock.monotonic();
    let nodes: Vec<&Node> = origin.iter().copied().chain(edges).collect();
    let State { seq, hash, .. } = wait::wait_for("all to be equal", async || are_equal(&nodes)).await;
    let took = clock.monotonic().saturating_sub(began);
    eprintln!("{what}: equal at {seq} ({}…) after {} ms", &hash[..8], took.as_millis());
    tally.heal_ms.push(took.as_millis());
    tally.late += u32::from(took > HEAL_MAX);
    Ok(())
}

/// How long an edge takes for what it missed while it was held for an hour: by the stream, and from the
/// origin alone.
async fn catch_up(
    args: &Args,
    clock: &SystemClock,
    gate: &mut Gate,
    origin: &Node,
    edges: &[Node],
) -> anyhow::Result<String> {
    let Some(edge) = edges.first().filter(|_| args.hour > 0) else { return Ok(String::new()) };
    let mut line = Vec::new();
    for way in ["stream", "origin"] {
        edge.process.signal("STOP");
        let before = origin.state().context("the origin answers")?.seq;
        gate.import(args.hour / 2)?;
        if way == "origin" {
            let client = async_nats::connect(format!("nats://{NATS}:4222")).await?;
            let context = async_nats::jetstream::new(client);
            context.get_stream("pantau-ternate").await?.purge().await?;
        }
        let missed = origin.state().context("the origin answers")?.seq - before;
        let began = clock.monotonic();
        edge.process.signal("CONT");
        wait::wait_for("the edge to catch up", async || are_equal(&[origin, edge])).await;
        let took = clock.monotonic().saturating_sub(began).as_millis();
        line.push(format!("catch_up_by_{way}={missed}_entries_in_{took}_ms"));
    }
    Ok(line.join(" "))
}

fn build(here: &Path) -> anyhow::Result<PathBuf> {
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--bin", "pantau"]).args(profile).current_dir(here);
    ensure!(build.status()?.success(), "the server could not be built");
    let examples = std::env::current_exe()?;
    let folder = examples.parent().and_then(Path::parent).context("examples lie beside the program")?;
    Ok(folder.join("pantau"))
}

/// A bridge on this machine, and a namespace a node on it.
struct Network {
    n_edges: u8,
}

fn sh(script: &str) -> anyhow::Result<()> {
    let status = Command::new("sh").args(["-ec", script]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "failed: {script}");
    Ok(())
}

impl Network {
    fn build(n_edges: u8) -> anyhow::Result<Network> {
        let network = Network { n_edges };
        network.remove();
        sh(&format!("ip link add {BRIDGE} type bridge; ip addr add 10.78.0.254/24 dev {BRIDGE}; ip link set {BRIDGE} up"))
            .context("namespaces need root")?;
        let others = [("o".to_owned(), ORIGIN), ("n".to_owned(), NATS)];
        let edges = (0..n_edges).map(|n| (n.to_string(), network.edge(n)));
        for (name, address) in others.into_iter().chain(edges) {
            sh(&format!(
                "ip netns add pantau{name}; ip link add pv{name} type veth peer name eth0 netns pantau{name}; \
                 ip link set pv{name} master {BRIDGE} up; ip -n pantau{name} addr add {address}/24 dev eth0; \
                 ip -n pantau{name} link set eth0 up; ip -n pantau{name} link set lo up"
            ))?;
        }
        Ok(network)
    }

    fn edge(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, 100 + n)
    }

    /// Only the lines to origin and stream break, but for the pulled cable: screens go on looking.
    fn fault(&self, n: u8, fault: &str) -> anyhow::Result<()> {
        let drop = |rule: &str| {
            format!(
                "ip netns exec pantau{n} nft 'add table inet f; add chain inet f i {{ type filter hook input priority 0; }}; \
                 add chain inet f o {{ type filter hook output priority 0; }}; {rule}'"
            )
        };
        let both = format!("{{ {ORIGIN}, {NATS} }}");
        let input = |from: &str, how: &str| format!("add rule inet f i ip saddr {from} {how} drop; ");
        let output = |to: &str, how: &str| format!("add rule inet f o ip daddr {to} {how} drop; ");
        let (origin, nats) = (ORIGIN.to_string(), NATS.to_string());
        let by_chance = "numgen random mod 100 < 30";
        match fault {
            "cable" => sh(&format!("ip link set pv{n} down")),
            "blackhole" => sh(&drop(&(input(&both, "") + &output(&both, "")))),
            "deaf" => sh(&drop(&input(&both, ""))),
            "mute" => sh(&drop(&output(&both, ""))),
            "loss" => sh(&drop(&(input(&both, by_chance) + &output(&both, by_chance)))),
            "slow" => sh(&format!("tc qdisc replace dev pv{n} root tbf rate 256kbit burst 4kb latency 2s")),
            "no-stream" => sh(&drop(&(input(&nats, "") + &output(&nats, "")))),
            "no-origin" => sh(&drop(&(input(&origin, "") + &output(&origin, "")))),
            _ => Ok(()),
        }
    }

    fn heal(&self, n: u8) -> anyhow::Result<()> {
        sh(&format!(
            "ip link set pv{n} up; ip netns exec pantau{n} nft flush ruleset; tc qdisc del dev pv{n} root 2>/dev/null || true"
        ))
    }

    fn remove(&self) {
        let edges = (0..self.n_edges).map(|n| n.to_string());
        for name in ["o".to_owned(), "n".to_owned()].into_iter().chain(edges) {
            let _ = sh(&format!("ip netns del pantau{name}"));
        }
        let _ = sh(&format!("ip link del {BRIDGE}"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The process inside the origin's namespace that lets others in and makes reports.
struct Gate {
    child: std::process::Child,
    answers: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Gate {
    fn open() -> anyhow::Result<Gate> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", "pantauo"]).arg(std::env::current_exe()?).arg("--gate");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let answers = std::io::BufRead::lines(std::io::BufReader::new(stdout));
        let mut gate = Gate { child, answers };
        gate.until_done()?;
        Ok(gate)
    }

    /// Reports, most of them verified.
    fn make(&mut self, n: usize) -> anyhow::Result<()> {
        self.tell(&format!("report {n}"))
    }

    /// Rows of an import: an entry each.
    fn import(&mut self, n: usize) -> anyhow::Result<()> {
        self.tell(&format!("import {n}"))
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        use std::io::Write;
        let stdin = self.child.stdin.as_mut().context("the input is piped")?;
        writeln!(stdin, "{line}")?;
        self.until_done()
    }

    fn until_done(&mut self) -> anyhow::Result<()> {
        let answer = self.answers.next().context("the gate ended")??;
        ensure!(answer == "done", "{answer}");
        Ok(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn gate() -> anyhow::Result<()> {
    let listener = TcpListener::bind((ORIGIN, PORT)).await?;
    let inner = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut inner) = TcpStream::connect(inner).await {
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                }
            });
        }
    });
    println!("done");
    tokio::task::spawn_blocking(move || {
        let mut made = 0;
        for order in std::io::stdin().lines() {
            let order = order?;
            let (what, n) = order.split_once(' ').context("an order has two words")?;
            let n: usize = n.parse()?;
            match what {
                "report" => {
                    _ = Node { process: Process::default(), address: inner }.reports(made..made + n)
                }
                _ => import(inner, made, n)?,
            }
            made += n;
            println!("done");
        }
        Ok(())
    })
    .await?
}

fn import(address: SocketAddr, from: usize, n: usize) -> anyhow::Result<()> {
    let client = pantau::cli::Client::new(&format!("http://{address}"))?;
    let rows: Vec<usize> = (from..from + n).collect();
    for batch in rows.chunks(2_000) {
        let line = |i: &usize| {
            let (lng, lat) = (127.34 + (i % 100) as f64 * 0.000_7, 0.76 + (i / 100 % 90) as f64 * 0.000_7);
            serde_json::json!({"id": format!("{i:032x}"), "category": "garbage", "lng": lng, "lat": lat,
                "occurred_at": "2026-11-01T08:00:00+09:00", "status": "verified"})
            .to_string()
        };
        let body = batch.iter().map(line).collect::<Vec<_>>().join("\n");
        let path = "/api/v1/import?source=hour";
        let answer = client.post_bytes(path, "application/x-ndjson", body.as_bytes(), None)?;
        ensure!(answer["accepted"] == batch.len(), "{answer}");
    }
    Ok(())
}
