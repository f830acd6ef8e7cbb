//! `pantau`: a match over its subcommands.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use pantau::cli::backup::{BackupArgs, RestoreArgs};
use pantau::cli::cert::CertArgs;
use pantau::cli::drill::DrillArgs;
use pantau::cli::evaluate::EvaluateArgs;
use pantau::cli::import::ImportArgs;
use pantau::cli::migrate::MigrateArgs;
use pantau::cli::nodes::NodeArgs;
use pantau::cli::privacy::PrivacyCommand;
use pantau::cli::replay::ReplayArgs;
use pantau::cli::user::{TokenArgs, UserArgs, WhereArgs};
use pantau::cli::verify::VerifyArgs;
use pantau::cli::waiting::WaitingArgs;
use pantau::cli::{self, Defaults};
use pantau::config::{self, FileSettings, ServeFlags, ServeSettings};
use pantau::edge_node;
use pantau::journal::{Place, StoreUrl};
use pantau::server::Server;
use pantau::startup;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// A report is read by one thread, kept by another and told by a third: what they allocate wanders.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is logged where `PANTAU_LOG` does not say.
const LOG_DEFAULT: &str = "pantau=info,warn";

/// Pantau ("watch over"): a real-time incident map server.
///
/// Reports come in, are kept durably, become incidents, clusters and hotspots, and every change is on
/// the wall a moment later. Settings come from flags, then PANTAU_* variables, then pantau.toml in the
/// working directory.
#[derive(Parser)]
#[command(version = pantau::BUILD, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(ServeArgs),
    Import(ImportArgs),
    Replay(ReplayArgs),
    Drill(DrillArgs),
    Evaluate(EvaluateArgs),
    Verify(VerifyArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Migrate(MigrateArgs),
    Waiting(WaitingArgs),
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    User(UserArgs),
    Token(TokenArgs),
    Cert(CertArgs),
    /// Look after city packs
    #[command(subcommand)]
    City(CityCommand),
}

/// Run the server
///
/// Opens the data folder (made if it is not there), loads the city pack, and serves pages, API and
/// live sockets until it is stopped with Ctrl-C or SIGTERM. One process a folder.
///
/// Try it:  pantau serve --trust-loopback      then open http://127.0.0.1:8080/wall
#[derive(clap::Args)]
struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "PANTAU_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder that holds everything the server must not lose [default: var]
    #[arg(long, env = "PANTAU_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL database with PostGIS that holds the journal in place of the data folder. Better in
    /// PANTAU_STORE or pantau.toml than here where it holds a password. Where another pantau writes it,
    /// this one stands by and takes over
    #[arg(long, env = "PANTAU_STORE", hide_env_values = true, value_name = "postgres://…")]
    store: Option<String>,
    /// City pack: names, areas, categories, base map [default: geodata/ternate]
    #[arg(long, env = "PANTAU_CITY", value_name = "DIR")]
    city: Option<PathBuf>,
    /// Treat everybody who comes straight from this machine as staff: for trying and developing.
    /// Refused together with an address that others can reach
    #[arg(long, env = "PANTAU_TRUST_LOOPBACK")]
    trust_loopback: bool,
    /// Address or network of a reverse proxy whose X-Forwarded-* headers are believed; by comma, or several
    /// times
    #[arg(long, env = "PANTAU_TRUSTED_PROXY", value_name = "ADDRESS", value_delimiter = ',')]
    trusted_proxy: Vec<String>,
    /// Certificate (PEM) for TLS of the server's own; pantau cert makes one. Taken up anew when it changes
    #[arg(long, env = "PANTAU_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, env = "PANTAU_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Address and port where plain HTTP is sent on to https, for instance 0.0.0.0:80
    #[arg(long, env = "PANTAU_REDIRECT", value_name = "ADDRESS")]
    redirect: Option<String>,
    /// MiB of the disk that are kept free in the data folder, for stopping, starting and deleting when it
    /// is full; 0 keeps none [default: 64]
    #[arg(long, env = "PANTAU_RESERVE_MIB", value_name = "MIB")]
    reserve_mib: Option<u64>,
    /// Where the time comes from. A replay server takes it from the reports that `pantau replay` sends;
    /// its folder is marked so and serves nothing else
    #[arg(long, value_enum, default_value_t = ClockChoice::System)]
    clock: ClockChoice,
    /// Keep a backup in this folder (on a stick, a second disk, a share) up to date with every commit, a
    /// second behind at most; `pantau restore` makes a data folder of it
    #[arg(long, env = "PANTAU_SHIP", value_name = "TARGET")]
    ship: Option<PathBuf>,
    /// Encrypt what is shipped for this public key (age1…), or for those in this file; may be given several
    /// times, in the variable with commas
    #[arg(long, env = "PANTAU_SHIP_RECIPIENT", value_name = "KEY|FILE", value_delimiter = ',')]
    ship_recipient: Vec<String>,
    /// Let people sign in at a provider of single sign-on, too (OpenID Connect): issuer=, client=, secret-file=,
    /// role-claim=, role=ROLE:CLAIM and others, by comma or several times; the manual has them all. Needs a pantau
    /// built with the feature oidc
    #[arg(long, env = "PANTAU_OIDC", value_name = "KEY=VALUE", value_delimiter = ',')]
    oidc: Vec<String>,
    #[command(flatten)]
    nodes: NodeArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockChoice {
    System,
    Replay,
}

#[derive(Subcommand)]
enum CityCommand {
    /// Check a city pack and name every fault with its file and line
    Check {
        /// The pack's folder, for instance geodata/ternate
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    start_log();
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pantau: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to stderr what `PANTAU_LOG` asks for: `target=level` by comma, as in `pantau=debug,warn`.
fn start_log() {
    let asked = std::env::var("PANTAU_LOG").unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let parsed: Result<Targets, _> = asked.parse();
    let fault = parsed.as_ref().err().map(ToString::to_string);
    let targets = parsed.unwrap_or_else(|_| LOG_DEFAULT.parse().expect("the default is well-formed"));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(to_stderr.with_filter(targets)).init();
    if let Some(fault) = fault {
        tracing::warn!("PANTAU_LOG={asked} is not understood ({fault}); logging {LOG_DEFAULT}");
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let file = FileSettings::load(Path::new(config::FILE))?;
    match cli.command {
        Command::Serve(args) => serve(args, file).map(|()| ExitCode::SUCCESS),
        Command::Import(args) => {
            let defaults = defaults(file);
            let place = place(args.data.clone(), args.store.clone(), defaults.clone())?;
            cli::import::run(args, &place, &defaults).map(|()| ExitCode::SUCCESS)
        }
        Command::Replay(args) => cli::replay::run(args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Drill(args) => cli::drill::run(args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Evaluate(args) => cli::evaluate::run(&args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Verify(args) => {
            let defaults = defaults(file);
            let node = args.data.clone().unwrap_or_else(|| defaults.data.clone());
            let data = args.data.filter(|_| args.store.is_none());
            let place = place(data, args.store, defaults)?;
            cli::verify::run(&place, &node, args.checkpoint)
        }
        Command::Migrate(args) => cli::migrate::run(&args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Waiting(args) => cli::waiting::run(&args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Privacy(command) => cli::privacy::run(command, &defaults(file)),
        Command::Backup(args) => cli::backup::run(args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::Restore(args) => cli::backup::run_restore(&args).map(|()| ExitCode::SUCCESS),
        Command::User(args) => {
            let defaults = defaults(file);
            let place = accounts_place(args.place(), &defaults)?;
            cli::user::run(args, &place, &defaults).map(|()| ExitCode::SUCCESS)
        }
        Command::Token(args) => {
            let defaults = defaults(file);
            let place = accounts_place(args.place(), &defaults)?;
            cli::user::run_token(args, &place, &defaults).map(|()| ExitCode::SUCCESS)
        }
        Command::Cert(args) => cli::cert::run(&args, &defaults(file)).map(|()| ExitCode::SUCCESS),
        Command::City(CityCommand::Check { dir }) => cli::city::check(&dir),
    }
}

/// What the flags of the other commands fall back to.
fn defaults(file: FileSettings) -> Defaults {
    let of_env = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty());
    let built_in = Defaults::default();
    Defaults {
        data: of_env("PANTAU_DATA").map(PathBuf::from).or(file.data).unwrap_or(built_in.data),
        store: of_env("PANTAU_STORE").or(file.store),
        city: of_env("PANTAU_CITY").map(PathBuf::from).or(file.city).unwrap_or(built_in.city),
        url: of_env("PANTAU_URL").or(file.url).unwrap_or(built_in.url),
    }
}

/// The journal that a command is about: a flag comes before what the environment and the file say, and
/// there a database before a folder.
fn place(data: Option<PathBuf>, store: Option<String>, defaults: Defaults) -> anyhow::Result<Place> {
    match (data, store.or(defaults.store)) {
        (Some(data), _) => Ok(Place::Folder(data)),
        (None, Some(store)) => config::store(&store).map(Place::Database),
        (None, None) => Ok(Place::Folder(defaults.data)),
    }
}

fn accounts_place(at: &WhereArgs, defaults: &Defaults) -> anyhow::Result<Place> {
    place(at.data.clone(), at.store.clone(), defaults.clone())
}

fn serve(args: ServeArgs, file: FileSettings) -> anyhow::Result<()> {
    let flags = ServeFlags {
        listen: args.listen,
        data: args.data,
        store: args.store,
        city: args.city,
        trust_loopback: args.trust_loopback,
        trusted_proxies: args.trusted_proxy,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        redirect: args.redirect,
        replay: args.clock == ClockChoice::Replay,
        reserve_mib: args.reserve_mib,
        nodes: args.nodes.into(),
        ship: args.ship,
        ship_recipient: args.ship_recipient,
        oidc: args.oidc,
    };
    let settings = ServeSettings::resolve(flags, file)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not be started")?;
    runtime.block_on(async {
        if let Some(edge) = &settings.nodes.edge {
            let until_stopped = until_stopped().context("signals cannot be heard")?;
            edge_node::serve(&settings, edge, until_stopped, &say).await?;
            say("Stopped.");
            return Ok(());
        }
        let mut until_stopped = Box::pin(until_stopped().context("signals cannot be heard")?);
        let Some((server, listener)) = startup::start(&settings, &mut until_stopped, &say).await? else {
            say("Stopped before it served.");
            return Ok(());
        };
        let address = listener.local_addr().context("the listener has no address")?;
        let live = server.app().live();
        let base = format!("{}://{address}", if settings.tls.is_some() { "https" } else { "http" });
        say(&format!("Pantau {}: {} on {base}/", pantau::BUILD, live.city().name.en));
        say(&format!("  wall {base}/wall · field {base}/field · embed {base}/embed"));
        let n_incidents = live.incident_count();
        let place = settings
            .store
            .as_ref()
            .map_or_else(|| settings.data.display().to_string(), StoreUrl::to_string);
        say(&format!("  data {place} · {n_incidents} incidents at seq {}", live.seq()));
        drop(live);
        say_how_to_sign_in(&server, &settings, &base)?;
        if let Some(ship) = &settings.ship {
            say(&format!("  every commit is shipped to {}", ship.target.display()));
        }
        server.serve(listener, until_stopped).await?;
        say("Stopped; everything is durable.");
        Ok(())
    })
}

/// How the first admin is made, while there is none. The secret of the one-time link goes to a terminal
/// only: where nobody looks, what is said ends in a log.
fn say_how_to_sign_in(server: &Server, settings: &ServeSettings, base: &str) -> anyhow::Result<()> {
    let Some(accounts) = &server.app().accounts else { return Ok(()) };
    if settings.trust_loopback {
        say("  everybody on this machine is staff (--trust-loopback)");
    } else if accounts.lacks_admin() {
        if std::io::stdout().is_terminal() {
            let secret = accounts.first_link()?;
            say("  nobody looks after this server yet; make the first admin within an hour:");
            say(&format!("  {base}/login#link={secret}"));
        } else {
            let at = match settings.store {
                None => format!(" --data {}", settings.data.display()),
                Some(_) => String::new(),
            };
            say(&format!(
                "  nobody looks after this server yet; make the first admin: pantau user link{at}"
            ));
        }
    }
    Ok(())
}

/// One line for whoever started the server. It goes on where they stopped listening.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Ends with Ctrl-C or SIGTERM. They are heard from this call on, not only once somebody waits: whoever
/// reads the address may stop the server at once.
fn until_stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}
