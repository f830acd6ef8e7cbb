//! The namespaces, and what breaks the lines between them.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

const BRIDGE: &str = "pantaubr";
pub const ORIGIN: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
pub const NATS: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
/// Where the origin is.
pub const ORIGIN_PLACE: &str = "pantauo";
pub const NATS_PLACE: &str = "pantaun";

/// What can happen to an edge.
pub const FAULTS: [&str; 13] = [
    "none",
    "cable",
    "blackhole",
    "deaf",
    "mute",
    "loss",
    "slow",
    "no-stream",
    "stream-deaf",
    "stream-mute",
    "no-origin",
    "origin-deaf",
    "origin-mute",
];

/// What can happen to the line between origin and stream; deaf or mute is the origin.
pub const LINE_FAULTS: [&str; 6] = ["none", "cut", "deaf", "mute", "loss", "slow"];

/// Which way packets to and from somebody are lost.
#[derive(Clone, Copy)]
enum Lost {
    Both,
    Incoming,
    Outgoing,
    /// Three in ten, both ways.
    ByChance,
}

/// A bridge on this machine, and a namespace a node on it.
pub struct Network {
    n_edges: u8,
}

fn sh(script: &str) -> anyhow::Result<()> {
    let status = Command::new("sh").args(["-ec", script]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "failed: {script}");
    Ok(())
}

fn lose(place: &str, peer: &str, lost: Lost) -> anyhow::Result<()> {
    let how = if matches!(lost, Lost::ByChance) { "numgen random mod 100 < 30" } else { "" };
    let mut rules = String::new();
    if !matches!(lost, Lost::Outgoing) {
        rules += &format!("add rule inet f i ip saddr {peer} {how} drop; ");
    }
    if !matches!(lost, Lost::Incoming) {
        rules += &format!("add rule inet f o ip daddr {peer} {how} drop; ");
    }
    sh(&format!(
        "ip netns exec {place} nft 'add table inet f; add chain inet f i {{ type filter hook input priority 0; }}; \
         add chain inet f o {{ type filter hook output priority 0; }}; {rules}'"
    ))
}

/// What goes to the end of this line goes slowly.
fn slow(line: &str) -> anyhow::Result<()> {
    sh(&format!("tc qdisc replace dev {line} root tbf rate 256kbit burst 4kb latency 2s"))
}

fn mend(place: &str, line: &str) -> anyhow::Result<()> {
    sh(&format!(
        "ip netns exec {place} nft flush ruleset; tc qdisc del dev {line} root 2>/dev/null || true"
    ))
}

impl Network {
    pub fn build(n_edges: u8) -> anyhow::Result<Network> {
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

    pub fn edge(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, 100 + n)
    }

    /// Only the lines to origin and stream break, but for the pulled cable: screens go on looking.
    pub fn fault(&self, n: u8, fault: &str) -> anyhow::Result<()> {
        let place = format!("pantau{n}");
        let (both, origin, nats) =
            (format!("{{ {ORIGIN}, {NATS} }}"), ORIGIN.to_string(), NATS.to_string());
        let lost = |peer: &str, lost| lose(&place, peer, lost);
        match fault {
            "cable" => sh(&format!("ip link set pv{n} down")),
            "blackhole" => lost(&both, Lost::Both),
            "deaf" => lost(&both, Lost::Incoming),
            "mute" => lost(&both, Lost::Outgoing),
            "loss" => lost(&both, Lost::ByChance),
            "slow" => slow(&format!("pv{n}")),
            "no-stream" => lost(&nats, Lost::Both),
            "stream-deaf" => lost(&nats, Lost::Incoming),
            "stream-mute" => lost(&nats, Lost::Outgoing),
            "no-origin" => lost(&origin, Lost::Both),
            "origin-deaf" => lost(&origin, Lost::Incoming),
            "origin-mute" => lost(&origin, Lost::Outgoing),
            _ => Ok(()),
        }
    }

    pub fn heal(&self, n: u8) -> anyhow::Result<()> {
        sh(&format!("ip link set pv{n} up"))?;
        mend(&format!("pantau{n}"), &format!("pv{n}"))
    }

    /// The line between origin and stream; edges go on with both.
    pub fn line_fault(&self, fault: &str) -> anyhow::Result<()> {
        let lost = |lost| lose(ORIGIN_PLACE, &NATS.to_string(), lost);
        match fault {
            "cut" => lost(Lost::Both),
            "deaf" => lost(Lost::Incoming),
            "mute" => lost(Lost::Outgoing),
            "loss" => lost(Lost::ByChance),
            // What comes to the stream: from the origin all of it, from edges next to nothing.
            "slow" => slow("pvn"),
            _ => Ok(()),
        }
    }

    pub fn line_heal(&self) -> anyhow::Result<()> {
        mend(ORIGIN_PLACE, "pvn")
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
