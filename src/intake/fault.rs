//! What is wrong with a submission, field by field.

use super::FAULTS_MAX;

/// One fault: where (RFC 6901; empty for the whole body) and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    pub pointer: String,
    pub detail: String,
}

/// The faults of one submission, in the order they were found. Beyond [`FAULTS_MAX`] they are only
/// counted, so a hostile body cannot make a large answer.
#[derive(Debug, Default)]
pub(super) struct Faults {
    named: Vec<FieldFault>,
    unnamed: usize,
}

impl Faults {
    pub fn push(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.named.len() < FAULTS_MAX {
            self.named.push(FieldFault { pointer: pointer.into(), detail: detail.into() });
        } else {
            self.unnamed += 1;
        }
    }

    /// The value of a field, or its fault under the field's pointer.
    pub fn keep<T>(&mut self, pointer: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|detail| self.push(pointer, detail)).ok()
    }

    /// `Ok` where there are none.
    pub fn into_result(mut self) -> Result<(), Vec<FieldFault>> {
        if self.unnamed > 0 {
            let detail = format!("and {} more faults", self.unnamed);
            self.named.push(FieldFault { pointer: String::new(), detail });
        }
        if self.named.is_empty() { Ok(()) } else { Err(self.named) }
    }
}
