//! `pantau verify`: proves that a data folder is whole.

use std::path::Path;
use std::process::ExitCode;

use crate::journal::verify;

/// Prints what was read and every fault; the exit code says whether there are any.
///
/// # Errors
/// Where the folder cannot be read at all.
pub fn run(data: &Path) -> anyhow::Result<ExitCode> {
    let progress = super::progress::Progress::start("verified", "entries");
    let report = verify(data, &mut |done, total| progress.at(done, total))?;
    progress.finish();
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
    println!("{} fault(s). Keep this folder as it is, and restore the newest backup that verifies.", report.faults_total);
    Ok(ExitCode::FAILURE)
}
