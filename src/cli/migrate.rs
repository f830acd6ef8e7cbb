//! `pantau migrate`: moves a history from a data folder into a database, or back.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Defaults;
use super::progress::Progress;
use crate::city::City;
use crate::clock::SystemClock;
use crate::config;
use crate::journal::{CopiedAccounts, CopiedKey, Place, carry_key, check_spool, migrate};

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
    /// The data folder of each server that was on the database, or will be, if it is on this machine: reports that wait
    /// in one are not left behind, and the key of checkpoints goes along [default: var]
    #[arg(long, value_name = "DIR")]
    pub data: Vec<PathBuf>,
}

/// What to do where reports wait in a folder that a history is moved away from.
const LEFT_BEHIND: &str = "they would be left behind. Start the server on the database with that folder (--store, --data), \
     wait until `waiting` of /readyz is 0, stop it, and migrate again";

/// # Errors
/// Where a side cannot be used, or the copy does not compare equal.
pub fn run(args: &MigrateArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let (from, to) = (place(&args.from)?, place(&args.to)?);
    for dir in folders(args, &from, &to, defaults) {
        check_spool(&dir, Arc::new(SystemClock::new()), LEFT_BEHIND)?;
    }
    let city = Arc::new(City::load(args.city.as_ref().unwrap_or(&defaults.city))?);
    carry_keys(args, &from, &to, defaults)?;
    let mut progress: Option<Progress> = None;
    let copied = migrate(&from, &to, city, &mut |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("migrate", Some(total)));
        progress.set(done, || format!("{done} of {total} rows"));
    })?;
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
    let CopiedAccounts { accounts, tokens, passkeys, subjects, events } = copied.accounts;
    println!("{accounts:>12} account");
    println!("{tokens:>12} account_token");
    println!("{passkeys:>12} account_passkey");
    println!("{subjects:>12} account_subject");
    println!("{events:>12} account_event");
    println!("head {} {}", copied.head, copied.head_hash);
    println!(
        "Both sides hold the same. Start the server on {to}, keep {from} as a backup, and never serve both."
    );
    Ok(())
}

/// The key of checkpoints goes along: also that of a history in a database lies in a folder.
fn carry_keys(args: &MigrateArgs, from: &Place, to: &Place, defaults: &Defaults) -> anyhow::Result<()> {
    let of = |place: &Place| match place {
        Place::Folder(dir) => vec![dir.clone()],
        Place::Database(_) if args.data.is_empty() => vec![defaults.data.clone()],
        Place::Database(_) => args.data.clone(),
    };
    for source in of(from).iter().filter(|dir| dir.is_dir()) {
        for target in of(to) {
            if matches!(to, Place::Folder(_)) {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&target)?;
            } else if !target.is_dir() {
                continue;
            }
            let (source, target, kept) = (source.display(), target.display(), carry_key(source, &target)?);
            match kept {
                CopiedKey::Carried => println!("{target} has the key of checkpoints of {source} now"),
                CopiedKey::Other => println!(
                    "WARNING: {target} has another key of checkpoints than {source}: pantau verify cannot check with it what was \
                     sealed before; keep {source}/checkpoint.key"
                ),
                CopiedKey::Same | CopiedKey::None => {}
            }
        }
    }
    Ok(())
}

/// The folders in which reports may wait that the history does not know of.
fn folders(args: &MigrateArgs, from: &Place, to: &Place, defaults: &Defaults) -> Vec<PathBuf> {
    let mut folders = args.data.clone();
    for place in [from, to] {
        match place {
            Place::Folder(dir) => folders.push(dir.clone()),
            // Of the server that was on it.
            Place::Database(_) if args.data.is_empty() => folders.push(defaults.data.clone()),
            Place::Database(_) => {}
        }
    }
    folders
}

fn place(text: &str) -> anyhow::Result<Place> {
    match text.contains("://") {
        true => config::store(text).map(Place::Database),
        false => Ok(Place::Folder(text.into())),
    }
}
