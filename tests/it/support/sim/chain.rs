//! The same batches through the product's own store on a file: it decides alike, and its chain verifies.

use std::sync::Arc;

use pantau::city::City;
use pantau::journal::{FolderMode, Journal, SqliteJournal, verify};
use pantau::model::{Entry, Seq};

use super::disk::Batch;

/// What differs or does not verify, in words.
pub fn differences(city: &Arc<City>, batches: &[Arc<Batch>], entries: &[Entry]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let opened = SqliteJournal::open(folder.path(), city.clone(), FolderMode::Live);
    let mut journal = opened.expect("a new folder can be opened");
    let mut faults = Vec::new();
    for batch in batches {
        let appended = journal.append(batch.commands.clone(), batch.now, batch.derived.as_ref());
        faults.extend(appended.err().map(|e| format!("the file does not take a batch: {e}")));
    }
    match journal.reader().entries(Seq(0), usize::MAX >> 1) {
        Ok(found) if found == entries => {}
        Ok(found) => {
            let same = found.iter().zip(entries).take_while(|(a, b)| a == b).count();
            faults.push(format!("the file decides otherwise from entry {} on", same + 1));
        }
        Err(e) => faults.push(format!("the file cannot be read: {e}")),
    }
    faults.extend(journal.seal().err().map(|e| format!("the file cannot be sealed: {e}")));
    drop(journal);
    match verify(folder.path(), &mut |_, _| {}) {
        Ok(report) if report.faults_total == 0 && report.entries == entries.len() as u64 => {}
        Ok(report) => faults.push(format!("the chain does not verify: {:?}", report.faults)),
        Err(e) => faults.push(format!("the chain cannot be verified: {e}")),
    }
    faults
}
