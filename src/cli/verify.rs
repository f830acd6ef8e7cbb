//! `pantau verify`: proves that a data folder or a database is whole.

use std::path::PathBuf;
use std::process::ExitCode;

use super::progress::Progress;
use crate::journal::{Noted, Place, verify_against, verify_database_against};

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
    /// The data folder [default: var]
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    pub data: Option<PathBuf>,
    /// The database that holds the journal in place of a data folder
    #[arg(long, value_name = "postgres://…")]
    pub store: Option<String>,
    /// A checkpoint that was printed before; spaces and dashes do not matter
    #[arg(long, value_name = "HEX")]
    pub checkpoint: Option<Noted>,
}

/// Prints what was read and every fault; the exit code says whether there are any.
///
/// # Errors
/// Where the journal cannot be read at all.
pub fn run(place: &Place, checkpoint: Option<Noted>) -> anyhow::Result<ExitCode> {
    let mut progress: Option<Progress> = None;
    let mut tell = |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("verify", Some(total)));
        progress.set(done, || format!("{done} of {total} entries"));
    };
    let report = match place {
        Place::Folder(data) => verify_against(data, checkpoint, &mut tell)?,
        Place::Database(url) => verify_database_against(url, checkpoint, &mut tell)?,
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
    println!("{} checkpoint(s) under this folder's key hold", report.checkpoints);
    if report.unchecked > 0 {
        println!(
            "WARNING: {} checkpoint(s) cannot be checked: their key, checkpoint.key, is not here",
            report.unchecked
        );
    }
    if let Some(loss) = &report.loss {
        println!("WARNING: on record in losses.log: {loss}");
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
