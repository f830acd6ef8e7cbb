//! Walks over what was joined: down to what counts under an incident, and up to the one that it counts under.

use crate::journal::{IncidentRow, JournalError, Reader};
use crate::model::IncidentNo;

/// All that counts under an incident: what it absorbed, and what these had; each after the one that absorbed it.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) fn below(reader: &dyn Reader, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
    let mut below = reader.absorbed_by(no)?;
    let mut looked_at = 0;
    while let Some(no) = below.get(looked_at).map(|row| row.no) {
        below.extend(reader.absorbed_by(no)?);
        looked_at += 1;
    }
    Ok(below)
}

/// An incident, and those that absorbed it, up to the one that stands, which is the last. Empty where there is none.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) fn standing(reader: &dyn Reader, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
    let mut tree = Vec::new();
    let mut next = Some(no);
    while let Some(no) = next {
        let Some(row) = reader.incident(no)? else { break };
        next = row.merged_into;
        tree.push(row);
    }
    Ok(tree)
}
