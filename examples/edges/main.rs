//! Ten edges behind one origin, each in a network namespace of its own, while everything breaks:
//! `make edges ROUNDS=20`. As root; makes a bridge and namespaces named `pantau…`, and removes them.
//!
//! In each round reports come in, each edge meets a fault of its own (its cable pulled, packets lost both
//! ways, one way or by chance, a line of 256 kbit/s, cut off from the stream alone or from the origin alone,
//! both ways or one, the process held), so may the line between origin and stream, and now and then the stream
//! is wiped or the origin killed. Then all is healed, and the time is taken until every node shows the very
//! same. Two screens at each edge check all that they are told.
//! At the end an edge is held for an hour's entries, and the origin publishes into a line that is cut.
//! Ends with a table of faults and one line of figures, and with an error where a promise was broken.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use pantau::cli::chance::Chance;
use pantau::clock::{Clock, SystemClock};

mod gate;
mod network;
mod publishing;

#[path = "../../tests/it/support/fold.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fold;
#[path = "../../tests/it/support/nodes.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nodes;
#[path = "../../tests/it/support/screen.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod screen;
#[path = "../../tests/it/support/socket.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod socket;
#[path = "../../tests/it/support/wait.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod wait;

use gate::Gate;
use network::{FAULTS, LINE_FAULTS, NATS, NATS_PLACE, Network, ORIGIN, ORIGIN_PLACE};
use nodes::{Nats, Node, Place, Plan, State, are_equal};
use publishing::Published;
use screen::{Screen, Seen};

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
    /// The server that is played with; without it one is built
    #[arg(long)]
    program: Option<PathBuf>,
    /// Inside the origin's namespace: let others in, and make reports when told so on stdin
    #[arg(long, hide = true)]
    gate: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if args.gate {
        return runtime.block_on(gate::gate()).map(|()| ExitCode::SUCCESS);
    }
    let network = Network::build(args.edges)?;
    let tally = runtime.block_on(run(&args, &network))?;
    tally.table().for_each(|line| println!("{line}"));
    println!("{}", tally.line(args.seed));
    Ok(if tally.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Tally {
    rounds: u32,
    /// How often each was played, but for none.
    faults: BTreeMap<String, u32>,
    wipes: u32,
    kills: u32,
    entries: u64,
    heal_ms: Vec<u128>,
    /// A report with its actions, while lines were broken.
    slowest_report: Duration,
    late: u32,
    wrong: usize,
    catch_up: String,
    published: Vec<Published>,
}

impl Tally {
    fn holds(&self) -> bool {
        self.late == 0 && self.wrong == 0 && self.published.iter().all(Published::is_bounded)
    }

    fn played(&mut self, fault: &str) {
        if !fault.ends_with("none") {
            *self.faults.entry(fault.to_owned()).or_default() += 1;
        }
    }

    fn healed(&mut self, after: Duration) {
        self.late += u32::from(after > HEAL_MAX);
    }

    fn table(&self) -> impl Iterator<Item = String> {
        let faults = self.faults.iter().map(|(fault, n)| format!("{fault:<24} {n:>4}"));
        faults.chain(self.published.iter().map(Published::line))
    }

    fn line(&self, seed: u64) -> String {
        let mut heal_ms = self.heal_ms.clone();
        heal_ms.sort_unstable();
        let (p50, max) = (heal_ms.get(heal_ms.len() / 2), heal_ms.last());
        format!(
            "rounds={} faults={} wipes={} kills={} entries={} heal_ms_p50={} heal_ms_max={} slowest_report_ms={} late={} wrong={} {} seed={seed}",
            self.rounds,
            self.faults.values().sum::<u32>(),
            self.wipes,
            self.kills,
            self.entries,
            p50.unwrap_or(&0),
            max.unwrap_or(&0),
            self.slowest_report.as_millis(),
            self.late,
            self.wrong,
            self.catch_up,
        )
    }
}

async fn run(args: &Args, network: &Network) -> anyhow::Result<Tally> {
    let clock = SystemClock::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = args.program.clone().map_or_else(|| build(here), Ok)?;
    let city = here.join("geodata/ternate");
    let nats_place = Place { namespace: Some(NATS_PLACE.to_owned()) };
    let mut nats =
        Nats::start(&nats_place, SocketAddr::from((NATS, 4222))).context("nats-server is missing")?;
    wait::wait_for("NATS", async || nats.is_up().then_some(())).await;
    let folder = tempfile::tempdir()?;
    // On the loopback of its namespace, where it trusts; others come in by the gate.
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let origin_plan = Plan {
        place: Place { namespace: Some(ORIGIN_PLACE.to_owned()) },
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
        names.iter().for_each(|name| tally.played(&format!("edge {name}")));
        let line = *chance.pick(&LINE_FAULTS);
        network.line_fault(line)?;
        tally.played(&format!("origin|stream {line}"));
        let mut slowest = gate.make(20 + chance.below(60))?;
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
        slowest = slowest.max(gate.make(20 + chance.below(60))?);
        // Long enough for time limits to pass, or not.
        tokio::time::sleep(Duration::from_millis(500 + chance.below(7_000) as u64)).await;
        tally.slowest_report = tally.slowest_report.max(slowest).max(gate.make(20)?);
        for n in 0..args.edges {
            network.heal(n)?;
        }
        network.line_heal()?;
        held.iter().for_each(|edge| edge.process.signal("CONT"));
        let what = format!("round {round}: origin|stream {line}, edges {}", names.join(" "));
        settle(&clock, &[&origin], &edges, &mut tally, &what).await?;
        tally.rounds += 1;
    }
    tally.catch_up = catch_up(args, &clock, &mut gate, &origin, &edges).await?;
    if args.hour > 0 {
        tally.published = publishing::publish(args.hour / 4, (network, &mut gate), &origin, &edges).await?;
        let equal: Vec<Duration> = tally.published.iter().map(Published::equal).collect();
        equal.into_iter().for_each(|after| tally.healed(after));
    }
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
    tally.healed(took);
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
