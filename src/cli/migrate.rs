//! `pantau migrate`: moves a history from a data folder into a database, or back.

use std::path::PathBuf;
use std::sync::Arc;

use super::Defaults;
use super::progress::Progress;
use crate::city::City;
use crate::config;
use crate::journal::{AccountStore, JournalError, Place, migrate_with};

/// Move a whole history into a database, or back into a folder
///
/// Stop the server first. Everything is carried over as it is stored: codes, ids and the chain of hashes
/// stay, and screens go on where they were. May be cut at any time: the same command again goes on where
/// it stopped. At the end heads and counts of both sides are compared. The source is not changed; keep it
/// as a backup, and never serve both.
///
/// There:  pantau migrate --from var --to postgres://pantau@127.0.0.1/pantau
/// Back:   pantau migrate --from postgres://pantau@127.0.0.1/pantau --to var2
#[derive(clap::Args)]
pub struct MigrateArgs {
    /// The data folder or database to read
    #[arg(long, value_name = "DIR|postgres://…")]
    pub from: String,
    /// The empty data folder or database to write; a folder is made if it is not there
    #[arg(long, value_name = "DIR|postgres://…")]
    pub to: String,
    /// The city pack of the history [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    pub city: Option<PathBuf>,
}

/// Events of accounts are copied so many at a time.
const EVENTS_AT_ONCE: usize = 5_000;

/// # Errors
/// Where a side cannot be used, or the copy does not compare equal.
pub fn run(args: &MigrateArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let (from, to) = (place(&args.from)?, place(&args.to)?);
    let city = Arc::new(City::load(args.city.as_ref().unwrap_or(&defaults.city))?);
    let mut progress: Option<Progress> = None;
    let mut tell = |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("migrate", Some(total)));
        progress.set(done, || format!("{done} of {total} rows"));
    };
    let mut accounts = Vec::new();
    let mut beside = || {
        let carried = migrate_accounts(&from, &to).map_err(|e| JournalError::Folder(format!("{e:#}")))?;
        accounts = carried;
        Ok(())
    };
    let copied = migrate_with(&from, &to, city, &mut tell, &mut beside)?;
    drop(progress);
    for (table, rows) in &copied.rows {
        println!("{rows:>12} {table}");
    }
    if copied.were_there > 0 {
        println!("{} rows were there from an earlier attempt", copied.were_there);
    }
    println!("{:>12} file(s) of photos", copied.photos);
    if let Some(first) = copied.photos_missing.first() {
        println!(
            "WARNING: {} file(s) of photos are not in {from}, or damaged ({first} first); everything else is there",
            copied.photos_missing.len()
        );
    }
    for (table, rows) in accounts {
        println!("{rows:>12} {table}");
    }
    println!("head {} {}", copied.head, copied.head_hash);
    println!(
        "Both sides hold the same. Start the server on {to}, keep {from} as a backup, and never serve both."
    );
    Ok(())
}

/// Accounts and tokens go along; sessions end, as the server's address may be another. How many rows of which table.
fn migrate_accounts(from: &Place, to: &Place) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let rows = AccountStore::open(from)?.lasting()?;
    let store = AccountStore::open(to)?;
    // An attempt before this one may have carried them already.
    if !store.fill(&rows)? && store.lasting()? != rows {
        anyhow::bail!("{to} has other accounts than {from}; they were left as they are");
    }
    let events = migrate_events(&AccountStore::open(from)?, &store, to)?;
    Ok(vec![
        ("account", rows.accounts.len()),
        ("account_token", rows.tokens.len()),
        ("account_passkey", rows.passkeys.len()),
        ("account_subject", rows.subjects.len()),
        ("account_event", events),
    ])
}

/// What happened to accounts goes along with its ids; goes on where an attempt before this one was cut.
fn migrate_events(from: &AccountStore, to: &AccountStore, name: &Place) -> anyhow::Result<usize> {
    let mut copied = 0;
    let mut next = to.event_ids()?.map_or(i64::MIN, |(_, newest)| newest + 1);
    loop {
        let events = from.events_from(next, i64::MAX, EVENTS_AT_ONCE)?;
        let Some(last) = events.last() else { break };
        to.put_events(&events)?;
        next = last.id + 1;
        copied += events.len();
    }
    let ends = |store: &AccountStore| -> Result<_, JournalError> {
        let Some((oldest, newest)) = store.event_ids()? else { return Ok(None) };
        Ok(Some((store.events_from(oldest, oldest, 1)?, store.events_from(newest, newest, 1)?)))
    };
    anyhow::ensure!(
        ends(from)? == ends(to)?,
        "{name} holds other events of accounts than were to be copied; they were left as they are"
    );
    Ok(copied)
}

fn place(text: &str) -> anyhow::Result<Place> {
    match text.contains("://") {
        true => config::store(text).map(Place::Database),
        false => Ok(Place::Folder(text.into())),
    }
}
