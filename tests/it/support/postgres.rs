//! A PostgreSQL server of one's own for tests and measurements: on a free port, in a folder of its own,
//! everything durable, gone with the process that started it, however that ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// What a server for tests is started with: durable as a real one, small.
pub const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=128MB",
    "max_connections=200",
    "log_min_messages=fatal",
];

/// A running server. Ends with the value.
pub struct Cluster {
    /// Its end is heard by the shell that watches over the server.
    watch: Option<(Child, ChildStdin)>,
    folder: TempDir,
    bin: PathBuf,
    settings: Vec<String>,
    pub address: SocketAddr,
}

/// The folder of PostgreSQL's programs; `None` where it or PostGIS is not on the machine.
pub fn find_bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut bins: Vec<PathBuf> = versions.filter_map(|v| Some(v.ok()?.path().join("bin"))).collect();
    bins.sort();
    let bin = bins.pop()?;
    let version = bin.parent()?.file_name()?;
    let postgis = Path::new("/usr/share/postgresql").join(version).join("extension/postgis.control");
    (bin.join("postgres").exists() && postgis.exists()).then_some(bin)
}

/// Says that something could not be tested, and why, so that whoever ran the tests reads it at the end.
pub fn skipped_because(what: &str, why: &str) {
    // Not `println!`: the test runner would keep that to itself. One write, so that lines stay whole.
    let _ = std::io::stderr().write_all(format!("skipped: {what}, {why}\n").as_bytes());
}

/// The same where PostGIS is not on the machine.
pub fn skipped(what: &str) {
    skipped_because(what, "PostGIS is not on this machine (apt-get install postgresql postgresql-postgis)");
}

/// The server that the tests of one program share; `None` where there is no PostGIS, which is said once.
pub fn shared() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || match Cluster::start(&SETTINGS) {
        Ok(Some(cluster)) => Some(cluster),
        Ok(None) => {
            skipped("the journal in PostgreSQL");
            None
        }
        Err(error) => panic!("PostgreSQL does not start: {error:#}"),
    };
    CLUSTER.get_or_init(start).as_ref()
}

impl Cluster {
    /// `None` where PostGIS is not on the machine.
    pub fn start(settings: &[&str]) -> anyhow::Result<Option<Cluster>> {
        let Some(bin) = find_bin() else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("pantau-pg-").tempdir()?;
        if is_root()? {
            // PostgreSQL does not run as root: it gets a folder of its own.
            let owned = Command::new("chown").arg("postgres").arg(folder.path()).status()?;
            ensure!(owned.success(), "there is no user postgres");
        }
        let init = as_server_user(&bin.join("initdb"))?
            .arg("-D")
            .arg(folder.path().join("data"))
            .args(["-A", "trust", "-U", "pantau", "--locale=C.UTF-8", "-E", "UTF8"])
            .stdout(Stdio::null())
            .status()?;
        ensure!(init.success(), "initdb failed");
        // Asking for a port and giving it back leaves it free for a while.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut cluster = Cluster { watch: None, folder, bin, settings, address };
        cluster.run()?;
        cluster.query("postgres", "CREATE DATABASE pantau_template")?;
        cluster.query("pantau_template", "CREATE EXTENSION postgis SCHEMA public")?;
        Ok(Some(cluster))
    }

    /// Starts the server, at first or after [`Cluster::kill`], and waits until it lets people in.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let mut server = as_server_user(&self.bin.join("postgres"))?;
        server.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        server.args(["-p", &self.address.port().to_string()]);
        self.settings.iter().for_each(|setting| {
            server.args(["-c", setting]);
        });
        let words = std::iter::once(server.get_program()).chain(server.get_args());
        // The server ends with the writer of this shell's input, that is: with us; and so does its folder.
        let script = "folder=$1; shift; \"$@\" </dev/null >/dev/null & server=$!; read word; \
                      kill -QUIT $server 2>/dev/null; wait $server; [ \"$word\" = keep ] || rm -rf \"$folder\"";
        let mut watch = Command::new("sh");
        watch.args(["-c", script, "sh"]).arg(self.folder.path()).args(words);
        watch.current_dir("/").stdin(Stdio::piped());
        let mut child = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let input = child.stdin.take().context("the input is piped")?;
        self.watch = Some((child, input));
        let mut ready = Command::new(self.bin.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        for _ in 0..3_000 {
            if ready.status()?.success() {
                return Ok(());
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        anyhow::bail!("PostgreSQL did not come up")
    }

    /// The postmaster's and all its children's numbers.
    pub fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let pid_file = std::fs::File::open(self.folder.path().join("data/postmaster.pid"))?;
        let mut first = String::new();
        BufReader::new(pid_file).read_line(&mut first)?;
        let postmaster: u32 = first.trim().parse()?;
        let children =
            Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster.to_string()]).output()?;
        let children = String::from_utf8(children.stdout)?;
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(std::iter::once(postmaster).chain(children).collect())
    }

    /// Sends a signal (`KILL`, `STOP`, `CONT`) to every process of the server.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pids = self.processes()?;
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).args(pids.iter().map(u32::to_string));
        // A backend may have ended by itself meanwhile.
        kill.stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// Stops the server as an administrator does.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let mut stop = as_server_user(&self.bin.join("pg_ctl"))?;
        stop.args(["stop", "-m", "fast", "-w", "-D"]).arg(self.data()).stdout(Stdio::null());
        ensure!(stop.status()?.success(), "PostgreSQL did not stop");
        self.let_go()
    }

    /// A copy of everything as it is now, in a folder beside, taken while the server runs.
    pub fn base_backup(&self) -> anyhow::Result<PathBuf> {
        let copy = self.folder.path().join("copy");
        let mut backup = as_server_user(&self.bin.join("pg_basebackup"))?;
        backup.args(["-h", "127.0.0.1", "-U", "pantau", "-c", "fast", "-X", "stream", "-p"]);
        backup.arg(self.address.port().to_string()).arg("-D").arg(&copy);
        ensure!(backup.status()?.success(), "pg_basebackup failed");
        Ok(copy)
    }

    /// After [`Cluster::kill`]: the copy takes the place of what was there.
    pub fn put_back(&self, copy: &Path) -> anyhow::Result<()> {
        std::fs::rename(self.data(), self.folder.path().join("gone"))?;
        Ok(std::fs::rename(copy, self.data())?)
    }

    /// The folder that holds the databases.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends everything after `blow`, which has taken its disk away; returns once nobody uses it any more.
    pub fn ends_with(&mut self, blow: impl FnOnce()) -> anyhow::Result<()> {
        let pids = self.processes()?;
        blow();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status()?;
        self.let_go()?;
        let lives = |pid: &u32| Path::new("/proc").join(pid.to_string()).exists();
        while pids.iter().any(lives) {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        Ok(())
    }

    /// The shell that watches over the server ends and leaves the folder.
    fn let_go(&mut self) -> anyhow::Result<()> {
        if let Some((mut child, mut input)) = self.watch.take() {
            input.write_all(b"keep\n")?;
            drop(input);
            child.wait()?;
        }
        Ok(())
    }

    /// `kill -9` of everything; what was not on the disk is gone. [`Cluster::run`] starts it again.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.signal("KILL")?;
        self.let_go()
    }

    /// A new empty database with PostGIS, and its address.
    pub fn new_database(&self) -> anyhow::Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pantau_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE pantau_template"))?;
        Ok(self.url(&name))
    }

    pub fn drop_database(&self, url: &str) -> anyhow::Result<()> {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.query("postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).map(drop)
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://pantau@{}/{database}", self.address)
    }

    /// What `psql` prints: a line a row, columns by `|`.
    pub fn query(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "pantau"]);
        psql.args(["-p", &self.address.port().to_string(), "-d", database, "-c", sql]);
        let answer = psql.output()?;
        ensure!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        Ok(String::from_utf8(answer.stdout)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((mut child, input)) = self.watch.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}

fn is_root() -> anyhow::Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}

/// The command as the user `postgres` where we are root.
fn as_server_user(program: &Path) -> anyhow::Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir("/");
    Ok(command)
}
