//! `pantau verify`: proves that a data folder or a database is whole.

use std::process::ExitCode;

use super::progress::Progress;
use crate::journal::{Place, verify, verify_database};

/// Prints what was read and every fault; the exit code says whether there are any.
///
/// # Errors
/// Where the journal cannot be read at all.
pub fn run(place: &Place) -> anyhow::Result<ExitCode> {
    let mut progress: Option<Progress> = None;
    let mut tell = |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::new("verify", Some(total)));
        progress.set(done, || format!("{done} of {total} entries"));
    };
    let report = match place {
        Place::Folder(data) => verify(data, &mut tell)?,
        Place::Database(url) => verify_database(url, &mut tell)?,
    };
    drop(progress);
    println!(
        "{} entries, {} reports, {} incidents; {} private parts were erased on request",
        report.entries, report.reports, report.incidents, report.erased
    );
    println!("head {} {}", report.head, report.head_hash);
    if report.faults.is_empty() {
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
