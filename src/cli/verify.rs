//! `pantau verify`: proves that a data folder or a database is whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::progress::Progress;
use crate::journal::{Noted, Place, verify_against, verify_database_beside};

/// Prove that a data folder or database is whole
///
/// Reads the journal from its first entry to its last: the chain of hashes and the checkpoints over it,
/// the numbers, the personal data against its digests, every row of the tables against the log, and the
/// pages of the file. Changes nothing; may run beside the server. Exit code 0 means that nobody edited
/// history.
///
/// It prints a checkpoint of the head: write it down, or send it on, outside of this machine. Later
/// --checkpoint proves that all up to there is still the same.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// The data folder; of a journal in a database that of the server which writes it, with the key of the checkpoints
    /// [default: var]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database that holds the journal in place of a data folder
    #[arg(long, value_name = "postgres://…")]
    pub store: Option<String>,
    /// A checkpoint that was printed before; spaces and dashes do not matter
    #[arg(long, value_name = "HEX")]
    pub checkpoint: Option<Noted>,
}

/// Prints what was read and every fault; the exit code says whether there are any. `node` is the folder of a server on
/// the database, where the journal is in one.
///
/// # Errors
/// Where the journal cannot be read at all.
pub fn run(place: &Place, node: &Path, checkpoint: Option<Noted>) -> anyhow::Result<ExitCode> {
    let mut progress: Option<Progress> = None;
    let mut tell = |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("verify", Some(total)));
        progress.set(done, || format!("{done} of {total} entries"));
    };
    let report = match place {
        Place::Folder(data) => verify_against(data, checkpoint, &mut tell)?,
        Place::Database(url) => verify_database_beside(url, Some(node), checkpoint, &mut tell)?,
    };
    drop(progress);
    println!(
        "{} entries, {} reports, {} incidents; of {} something personal was erased",
        report.entries, report.reports, report.incidents, report.erased
    );
    println!("{} file(s) of photos are as they were written", report.photos);
    if report.erased_by_hand > 0 {
        println!(
            "WARNING: of {} of these no entry says why: somebody erased by hand, or a backup was cut short",
            report.erased_by_hand
        );
    }
    println!("head {} {}", report.head, report.head_hash);
    if let Some(noted) = report.noted {
        println!("checkpoint {noted}");
    }
    let (folder, losses) = match place {
        Place::Folder(data) => (data.as_path(), "losses.log"),
        Place::Database(_) => (node, "database-losses.log"),
    };
    println!("{} checkpoint(s) under the key of {} hold", report.checkpoints, folder.display());
    if report.unchecked > 0 {
        println!(
            "WARNING: {} checkpoint(s) cannot be checked: their key, checkpoint.key, is not in {}",
            report.unchecked,
            folder.display()
        );
    }
    if let Some(loss) = &report.loss {
        println!("WARNING: on record in {losses}: {loss}");
    }
    if report.faults.is_empty() {
        if checkpoint.is_some() {
            println!("The noted checkpoint is of this very history.");
        }
        println!("The chain is whole: nobody edited history.");
        return Ok(ExitCode::SUCCESS);
    }
    for fault in &report.faults {
        match fault.seq {
            Some(seq) => println!("FAULT at entry {seq}: {}", fault.message),
            None => println!("FAULT: {}", fault.message),
        }
    }
    println!(
        "{} fault(s). Keep it as it is, and restore the newest backup that verifies.",
        report.faults_total
    );
    Ok(ExitCode::FAILURE)
}
