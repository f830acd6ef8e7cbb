//! The real server as a process of its own, to be killed, stopped and continued.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use pantau::cli::Client;
use pantau::clock::{Clock, SystemClock};
use pantau::journal::{FolderMode, Place, StoreUrl};
use pantau::model::{Fact, Seq};

use super::{repo, ternate};

/// Real time since some fixed moment.
pub fn monotonic() -> Duration {
    static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);
    CLOCK.monotonic()
}

pub struct Node {
    child: Child,
    pub url: String,
}

impl Node {
    /// Starts a server on a database, with a data folder of its own; returns once it listens.
    pub fn on_database(store: &str, folder: &Path) -> anyhow::Result<Node> {
        Node::start(folder, &[("PANTAU_STORE", store)])
    }

    /// Starts a server on a data folder; returns once it listens.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Node> {
        Node::start_at("127.0.0.1:0", folder, settings)
    }

    /// The same, at an address of the caller's choice.
    pub fn start_at(listen: &str, folder: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Node> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pantau"));
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_"))
        {
            command.env_remove(key);
        }
        command.args(["serve", "--listen", listen, "--trust-loopback", "--data"]).arg(folder);
        command.arg("--city").arg(repo("geodata/ternate")).current_dir(folder);
        command.envs(settings.iter().copied()).env("PANTAU_LOG", "warn");
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("the output is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let Some(url) = url.map(str::to_owned) else {
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("the server did not start: {line:?}");
        };
        Ok(Node { child, url })
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url).expect("the address is one")
    }

    /// `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself; whether it says that all was well.
    pub fn ended_well(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often each text stands in a journal that no server has open.
pub fn marks_in(store: &StoreUrl) -> BTreeMap<String, usize> {
    let mut marks = BTreeMap::new();
    for text in texts_in(store) {
        *marks.entry(text).or_default() += 1;
    }
    marks
}

/// The texts of the reports in a journal that no server has open, in the order of their seqs.
pub fn texts_in(store: &StoreUrl) -> Vec<String> {
    let journal = Place::Database(store.clone()).open(ternate(), FolderMode::Live).unwrap();
    let (mut texts, mut after) = (Vec::new(), Seq(0));
    loop {
        let entries = journal.reader().entries(after, 5_000).unwrap();
        let Some(last) = entries.last() else { return texts };
        after = last.seq;
        for entry in entries {
            if let Fact::Report(report) = entry.fact {
                texts.push(report.private.description.unwrap());
            }
        }
    }
}
