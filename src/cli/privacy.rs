//! `pantau privacy`: what is held about a person, and its erasure.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::Defaults;
use super::time::now;
use crate::city::City;
use crate::clock::SystemClock;
use crate::config;
use crate::journal::{
    FolderMode, JournalError, Place, Reader, Reading, Unshared, check_spool, vacuum_erased,
};
use crate::model::{IdKey, Kinds, ReportNo};
use crate::privacy::control::{self, ControlError};
use crate::privacy::{
    EraseError, Erased, Erasures, Found, Request, Selector, again, compact, erase_here, export, file_of,
    find, list, proof,
};

/// What the command ends with where nothing is held about the person.
const NOTHING_HELD: u8 = 3;

/// Answer what a person asks about their data (UU PDP)
///
/// Runs on the machine of the data folder, beside the running server or without one. Ends with 0 when it
/// is done, and with 3 when nothing is held. docs/privacy.md says step by step how to answer a request.
#[derive(Debug, clap::Subcommand)]
pub enum PrivacyCommand {
    /// Write everything that is held about a person, to be given to them
    ///
    /// Try it:  pantau privacy export --phone 0812-3456-7890 --out export.json
    Export(ExportArgs),
    /// Erase what is held about a person: contact, text, exact place of sensitive reports, notes that quote
    /// them
    ///
    /// The reports stay, without what is personal. The erasure is an entry of the log for good, so that
    /// verify and every backup agree; afterwards all files of the data folder are searched for what must
    /// be gone. Run pantau backup to every target after it.
    ///
    /// Try it:  pantau privacy erase --code TTE-7K3M-9QXAC --reason "letter 12/2026" --dry-run
    Erase(EraseArgs),
    /// List all erasures, without personal data: keep it apart from the backups
    ///
    /// Try it:  pantau privacy list --out erasures.json
    List(ListArgs),
    /// Erase again what a list names: after restoring a backup from before the erasures
    ///
    /// Try it:  pantau privacy again erasures.json --data /var/lib/pantau-new
    Again(AgainArgs),
}

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    who: Who,
    /// Write to this new file, readable by its owner alone, and not to the screen
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, clap::Args)]
pub struct EraseArgs {
    #[command(flatten)]
    who: Who,
    /// Why, in a line without personal data: it stays in the log for good
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Also erase the notes on these incidents that do not quote the person
    #[arg(long)]
    all_notes: bool,
    /// Also build the data folder's file anew, without what may lie between its rows; only while the
    /// server is stopped
    #[arg(long, conflicts_with = "dry_run")]
    compact: bool,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Write to this new file, and not to the screen
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, clap::Args)]
pub struct AgainArgs {
    /// What pantau privacy list wrote
    list: PathBuf,
    #[command(flatten)]
    at: Where,
}

/// Whose data.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("who").required(true).args(["code", "phone", "email"])))]
struct Who {
    /// The code of one report
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// A phone number, however it is written: all reports with it
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// An e-mail address: all reports with it
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

/// Where the data is.
#[derive(Debug, clap::Args)]
struct Where {
    /// The data folder [default: var]. With --store: that of the server that writes the database
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database that holds the journal in place of the data folder
    #[arg(long, value_name = "postgres://…")]
    store: Option<String>,
    /// The city pack [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    city: Option<PathBuf>,
}

/// # Errors
/// In words: what is wrong with the question or the store, and what to do. Nothing was erased then.
pub fn run(command: PrivacyCommand, defaults: &Defaults) -> anyhow::Result<ExitCode> {
    match command {
        PrivacyCommand::Export(args) => run_export(&args, defaults),
        PrivacyCommand::Erase(args) => run_erase(&args, defaults),
        PrivacyCommand::List(args) => run_list(&args, defaults),
        PrivacyCommand::Again(args) => run_again(&args, defaults),
    }
}

/// A store, opened to read.
struct Store {
    place: Place,
    /// Of the server, where one runs.
    folder: PathBuf,
    city: Arc<City>,
    mode: FolderMode,
    ids: IdKey,
    reader: Arc<dyn Reader>,
}

impl Where {
    fn open(&self, defaults: &Defaults) -> anyhow::Result<Store> {
        let folder = self.data.clone().unwrap_or_else(|| defaults.data.clone());
        let default_store = defaults.store.clone().filter(|_| self.data.is_none());
        let place = match self.store.clone().or(default_store) {
            Some(store) => Place::Database(config::store(&store)?),
            None => Place::Folder(folder.clone()),
        };
        let city = Arc::new(City::load(self.city.as_ref().unwrap_or(&defaults.city))?);
        let Reading { reader, secret, mode, unshared } = place.read(city.clone())?;
        let asked_again =
            "start the server on the database, wait until `waiting` of /readyz is 0, and ask again";
        check_spool(&folder, Arc::new(SystemClock::new()), asked_again)?;
        let Unshared { waiting, set_aside } = unshared;
        if waiting > 0 {
            bail!(
                "{waiting} reports wait in the database and are not in the journal yet; start the server, wait \
                 until they are, and ask again"
            );
        }
        if set_aside > 0 {
            bail!(
                "{set_aside} reports that were acknowledged do not fit the city pack and are set aside in the database; \
                 `pantau waiting` shows them: mend the city pack and start the server again, or discard them, and ask again"
            );
        }
        let ids = IdKey::new(secret, &city.code_prefix);
        Ok(Store { place, folder, city, mode, ids, reader })
    }
}

impl Who {
    fn selector(&self) -> anyhow::Result<Selector> {
        let code = self.code.clone().map(Selector::Code);
        let selector = code.or(self.phone.clone().map(Selector::Phone));
        let selector = selector.or(self.email.clone().map(Selector::Email));
        selector.context("name the person with --code, --phone or --email")
    }

    fn find(&self, store: &Store) -> anyhow::Result<Found> {
        find(&*store.reader, &store.ids, &self.selector()?)
    }
}

impl Store {
    fn codes(&self, numbers: &[ReportNo]) -> String {
        numbers.iter().map(|no| self.ids.report_code(*no)).collect::<Vec<_>>().join(", ")
    }
}

fn run_export(args: &ExportArgs, defaults: &Defaults) -> anyhow::Result<ExitCode> {
    let store = args.at.open(defaults)?;
    let found = args.who.find(&store)?;
    if found.is_empty() {
        return Ok(nothing_held(&store, &found));
    }
    let json = serde_json::to_string_pretty(&export(&found, &store.city, &store.ids, now()))?;
    write_out(args.out.as_deref(), &json, &format!("{} report(s)", found.reports.len()))?;
    write_photos(args.out.as_deref(), &store, &found)?;
    if !found.mentions.is_empty() {
        let codes = store.codes(&found.mentions);
        eprintln!("{} report(s) of others name the person in their text: {codes}", found.mentions.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// The person's photos, in a folder beside the file.
fn write_photos(out: Option<&Path>, store: &Store, found: &Found) -> anyhow::Result<()> {
    let photos: Vec<_> = found.reports.iter().flat_map(|report| &report.row.private.photos).collect();
    if photos.is_empty() {
        return Ok(());
    }
    let Some(out) = out else {
        eprintln!("{} photo(s) are named in it; with --out FILE they are written beside it", photos.len());
        return Ok(());
    };
    let folder = out.with_extension("photos");
    std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let files = store.reader.photo_files()?;
    for photo in &photos {
        let bytes =
            files.get(photo.name)?.with_context(|| format!("the photo {} is not there", photo.name))?;
        let path = folder.join(file_of(photo));
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    eprintln!("{} photo(s) written to {}", photos.len(), folder.display());
    Ok(())
}

fn write_out(path: Option<&Path>, json: &str, what: &str) -> anyhow::Result<()> {
    let Some(path) = path else {
        println!("{json}");
        return Ok(());
    };
    write_new(path, json).with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!("{what} written to {}", path.display());
    Ok(())
}

fn write_new(path: &Path, json: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{json}")?;
    file.sync_all()
}

fn nothing_held(store: &Store, found: &Found) -> ExitCode {
    println!("Nothing is held about this person: no report has this code, phone or e-mail.");
    if !found.mentions.is_empty() {
        let codes = store.codes(&found.mentions);
        println!("But reports of others name it in their text: {codes}. Look at each with --code.");
    }
    ExitCode::from(NOTHING_HELD)
}

fn run_erase(args: &EraseArgs, defaults: &Defaults) -> anyhow::Result<ExitCode> {
    let store = args.at.open(defaults)?;
    let found = args.who.find(&store)?;
    if found.is_empty() {
        return Ok(nothing_held(&store, &found));
    }
    let notes = notes(&found, args.all_notes);
    say_what_goes(&store, &found, notes.len());
    if args.dry_run {
        println!("Nothing was erased: this was a dry run.");
        return Ok(ExitCode::SUCCESS);
    }
    let reason = args.reason.clone().unwrap_or_default();
    found.check_reason(&reason).map_err(anyhow::Error::msg)?;
    let request = Request {
        reason,
        kinds: Kinds::ALL.keys().map(str::to_owned).collect(),
        reports: found.reports.iter().map(|report| report.row.no.0).collect(),
        notes,
    };
    let erased = erase(&store, &request)?;
    match erased.entries.as_slice() {
        [] => println!("All of it was erased before."),
        entries => {
            let entries: Vec<String> = entries.iter().map(u64::to_string).collect();
            println!("Erased; it is entry {} of the log.", entries.join(", "));
        }
    }
    if args.compact && matches!(store.place, Place::Folder(_)) {
        compact(&store.folder, &store.city, store.mode)?;
        println!("The file was built anew.");
    }
    let values = proof::values(&found, &store.city);
    let searched = match values.is_empty() {
        false => Searched { values, what: "erased value(s)" },
        // All of it went before: by what the person was asked for it can be looked whether that is true.
        true => Searched {
            values: proof::spellings(&args.who.selector()?),
            what: "way(s) to write what the person was asked for by",
        },
    };
    prove(&store, searched, erased.wiped)
}

/// What must be gone.
struct Searched {
    values: Vec<Vec<u8>>,
    what: &'static str,
}

/// The seqs of the notes that go.
fn notes(found: &Found, all: bool) -> Vec<u64> {
    let others = found.other_notes.iter().filter(|_| all);
    let mut seqs: Vec<u64> =
        found.notes.iter().map(|note| note.seq.0).chain(others.map(|seq| seq.0)).collect();
    seqs.sort_unstable();
    seqs
}

fn say_what_goes(store: &Store, found: &Found, n_notes: usize) {
    for report in &found.reports {
        let private = &report.row.private;
        let place = report.row.place;
        let is_sensitive = store.city.category(report.row.category).sensitive;
        let parts = [
            (private.name.is_some(), "name"),
            (private.phone.is_some(), "phone"),
            (private.email.is_some(), "e-mail"),
            (private.description.is_some(), "text"),
            (is_sensitive && place != place.coarsened(store.city.coarse_res), "exact place"),
        ];
        let parts: Vec<&str> =
            parts.iter().filter(|(is_there, _)| *is_there).map(|(_, part)| *part).collect();
        let parts = if parts.is_empty() { "nothing personal is left".to_owned() } else { parts.join(", ") };
        println!("{}  {}  {parts}", store.ids.report_code(report.row.no), report.row.received_at);
    }
    println!("{} report(s), {n_notes} note(s)", found.reports.len());
    let n_others = (found.notes.len() + found.other_notes.len()).saturating_sub(n_notes);
    if n_others > 0 {
        println!("{n_others} other note(s) on these incidents stay; read them, or add --all-notes");
    }
    if !found.mentions.is_empty() {
        println!("named in the text of others: {}", store.codes(&found.mentions));
    }
}

fn run_list(args: &ListArgs, defaults: &Defaults) -> anyhow::Result<ExitCode> {
    let store = args.at.open(defaults)?;
    let list = list(&*store.reader)?;
    let json = serde_json::to_string_pretty(&list)?;
    write_out(args.out.as_deref(), &json, &format!("{} erasure(s)", list.erasures.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn run_again(args: &AgainArgs, defaults: &Defaults) -> anyhow::Result<ExitCode> {
    let path = args.list.display();
    let text = std::fs::read_to_string(&args.list).with_context(|| format!("{path} cannot be read"))?;
    let listed: Erasures = serde_json::from_str(&text)
        .with_context(|| format!("{path} is not what pantau privacy list writes"))?;
    let store = args.at.open(defaults)?;
    let (requests, unknown) = again(&listed, &*store.reader)?;
    let (mut n_entries, mut wiped) = (0, true);
    for request in &requests {
        let erased = erase(&store, request)?;
        n_entries += erased.entries.len();
        wiped &= erased.wiped;
    }
    println!("{} erasure(s) on the list; {n_entries} new entries", listed.erasures.len());
    if unknown > 0 {
        println!("{unknown} report(s) and note(s) on the list are not in this history.");
    }
    if matches!(store.place, Place::Folder(_)) && n_entries > 0 {
        // What the values were is known no more, so they cannot be searched for.
        match compact(&store.folder, &store.city, store.mode) {
            Ok(()) => println!("The file was built anew: nothing of it is left."),
            Err(JournalError::InUse { .. }) => {
                println!("To be sure to the last byte, stop the server and run this again.");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(if wiped { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// By this process where no server writes the store, else by the server.
fn erase(store: &Store, request: &Request) -> anyhow::Result<Erased> {
    let by_server = || control::ask_to_erase(&store.folder, request);
    if matches!(store.place, Place::Database(_)) {
        // A server that writes it lies in the folder, or there is none here.
        match by_server() {
            Err(ControlError::Nobody { .. }) => {}
            answered => return Ok(answered?),
        }
    }
    match erase_here(&store.place, &store.city, store.mode, request, now()) {
        Err(EraseError::Journal(JournalError::InUse { .. })) => Ok(by_server()?),
        Err(error @ EraseError::Journal(_)) if matches!(store.place, Place::Database(_)) => {
            Err(anyhow::Error::new(error).context(
                "run this on the machine of the server that writes, with --data naming its data folder",
            ))
        }
        erased => Ok(erased?),
    }
}

/// Looks whether it is gone, to the last byte.
fn prove(store: &Store, searched: Searched, wiped: bool) -> anyhow::Result<ExitCode> {
    let Searched { mut values, what } = searched;
    if let Place::Database(url) = &store.place {
        vacuum_erased(url)?;
        println!(
            "PostgreSQL overwrites the old rows as it goes on (VACUUM was run). Its write-ahead log, archives of \
             that and its backups hold them until they are recycled: see docs/privacy.md."
        );
    }
    if !store.folder.is_dir() {
        return Ok(ExitCode::SUCCESS);
    }
    if values.is_empty() {
        println!(
            "Nothing was searched for: what these reports said is held no more, so nobody knows it. Name the person by \
             --phone or --email, and the files are searched for that."
        );
        return Ok(if wiped { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut proven = proof::search(&store.folder, &values)?;
    if !proven.found_in.is_empty() {
        // The same name, the same street corner: of somebody else.
        let n = values.len();
        values = proof::not_held(&*store.reader, values)?;
        let n_held = n - values.len();
        if n_held > 0 {
            println!("{n_held} value(s) stand in what is held about others too, and stay there.");
        }
        proven = proof::search(&store.folder, &values)?;
    }
    if !proven.found_in.is_empty() && matches!(store.place, Place::Folder(_)) {
        // Where the server has the folder this is left to the next stop.
        match compact(&store.folder, &store.city, store.mode) {
            Ok(()) => proven = proof::search(&store.folder, &values)?,
            Err(JournalError::InUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (files, mb) = (proven.files, proven.bytes as f64 / 1e6);
    if proven.found_in.is_empty() && wiped && proven.values == 0 {
        println!(
            "Nothing is left to search for: all of it stands in what is held about others, and stays there."
        );
        return Ok(ExitCode::SUCCESS);
    }
    if proven.found_in.is_empty() && wiped {
        println!(
            "Proven: of {} {what} none is in the {files} files of {} ({mb:.1} MB).",
            proven.values,
            store.folder.display()
        );
        println!("Now run pantau backup to every target, so that no backup brings it back.");
        return Ok(ExitCode::SUCCESS);
    }
    for path in &proven.found_in {
        println!("NOT GONE YET: one of the values still stands in {}", path.display());
    }
    println!(
        "It is erased, but bytes of it may be left. Stop the server, run the same command with --compact, and \
         start it."
    );
    Ok(ExitCode::FAILURE)
}
