//! `pantau backup` and `pantau restore`: a second place for everything that must not be lost, and back.

use std::path::PathBuf;

use anyhow::bail;

use super::Defaults;
use super::progress::{Progress, grouped};
use super::time::Stopwatch;
use crate::backup::{self, Opener, Sealer, Updated};

/// Back up everything that the server must not lose, beside the running server
///
/// TARGET is a folder that is there: on a USB stick, a second disk, a mounted share. The first run
/// writes everything, each later one what is new, after reading what lies there against its checksums;
/// a damaged file is written anew. A backup that was cut short is as it was before.
///
/// Try it:  mkdir /media/usb/pantau && pantau backup /media/usb/pantau
#[derive(clap::Args)]
pub struct BackupArgs {
    /// The folder that the backup lies in
    #[arg(value_name = "TARGET", required_unless_present = "new_key")]
    target: Option<PathBuf>,
    /// The data folder [default: var]
    #[arg(long, env = "PANTAU_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Encrypt for this public key (age1…), or for those in this file; may be given several times
    #[arg(long, value_name = "KEY|FILE")]
    recipient: Vec<String>,
    /// Make a key pair instead: write the secret key to this new file and print the public one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "recipient"])]
    new_key: Option<PathBuf>,
}

/// Make a data folder of a backup
///
/// Writes into a new or empty folder only, and proves every entry before the journal is put in its
/// place. Then start the server with --data on it. Codes and links of before stay good; open pages
/// load themselves anew.
///
/// Try it:  pantau restore /media/usb/pantau --data /srv/pantau-new
#[derive(clap::Args)]
pub struct RestoreArgs {
    /// The folder that the backup lies in
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// The new data folder
    #[arg(long, value_name = "NEWDIR")]
    data: PathBuf,
    /// File with the secret key of an encrypted backup
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// # Errors
/// In words: what is wrong with the target or the data folder, and what to do.
pub fn run(args: BackupArgs, defaults: &Defaults) -> anyhow::Result<()> {
    if let Some(file) = args.new_key {
        let public = backup::new_key(&file)?;
        println!("{public}");
        eprintln!(
            "The secret key is in {}. Keep it where the backups are not, twice, and on paper: without it nobody can read them.",
            file.display()
        );
        return Ok(());
    }
    let Some(target) = args.target else { bail!("name the folder that the backup shall lie in") };
    let data = args.data.unwrap_or_else(|| defaults.data.clone());
    let sealer = Sealer::of(&args.recipient)?;
    let mut progress: Option<Progress> = None;
    let took = Stopwatch::start();
    let updated = backup::backup(&data, &target, &sealer, &mut |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("backup", Some(total)));
        progress.set(done, || format!("{} of {} entries", grouped(done), grouped(total)));
    })?;
    drop(progress);
    for line in lines(&updated, took.elapsed().as_secs_f64()) {
        println!("{line}");
    }
    Ok(())
}

fn lines(updated: &Updated, seconds: f64) -> Vec<String> {
    let Updated { head, new_entries, healed, forgot, bytes, bytes_written, pieces, .. } = updated;
    let mut lines: Vec<String> =
        healed.iter().map(|file| format!("{file} was damaged and is written anew")).collect();
    if *forgot > 0 {
        lines.push(format!("{forgot} piece(s) held what was erased since and are written anew without it"));
    }
    if updated.photos_written > 0 {
        lines.push(format!("{} file(s) of photos", grouped(updated.photos_written)));
    }
    if let Some(first) = updated.photos_missing.first() {
        lines.push(format!(
            "WARNING: {} file(s) of photos are not in the data folder any more, or damaged ({first} first); pantau verify names all",
            updated.photos_missing.len()
        ));
    }
    lines.push(match new_entries {
        0 => "nothing new".to_owned(),
        n => format!("{} new entries", grouped(*n)),
    });
    lines.push(format!(
        "the target holds entries 1 to {head} in {pieces} piece(s), {:.1} MB; {:.1} MB written in {seconds:.1} s",
        *bytes as f64 / 1e6,
        *bytes_written as f64 / 1e6,
    ));
    lines
}

/// # Errors
/// In words; no journal was made then.
pub fn run_restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let opener = args.identity.as_deref().map_or_else(|| Ok(Opener::default()), Opener::from_file)?;
    let mut progress: Option<(&'static str, Progress)> = None;
    let took = Stopwatch::start();
    let restored = backup::restore(&args.target, &args.data, &opener, &mut |name, done, total| {
        if progress.as_ref().is_none_or(|(running, _)| *running != name) {
            progress = None;
            progress = Some((name, Progress::new(name, Some(total))));
        }
        if let Some((_, progress)) = &mut progress {
            progress.set(done, || format!("{} of {}", grouped(done), grouped(total)));
        }
    })?;
    drop(progress);
    let verified = &restored.verified;
    println!(
        "{} entries, {} reports, {} incidents of {}, up to {}; every entry was proven",
        grouped(verified.entries),
        grouped(verified.reports),
        grouped(verified.incidents),
        restored.city,
        restored.newest
    );
    println!("{} file(s) of photos", grouped(restored.photos));
    if let Some(first) = restored.photos_missing.first() {
        println!(
            "WARNING: {} file(s) of photos are not in the backup, or damaged ({first} first); everything else is there",
            restored.photos_missing.len()
        );
    }
    println!("head {} {}", verified.head, verified.head_hash);
    let clock = if restored.replay { " --clock replay" } else { "" };
    let data = args.data.display();
    println!(
        "restored into {data} in {:.1} s; start: pantau serve --data {data}{clock}",
        took.elapsed().as_secs_f64()
    );
    Ok(())
}
