//! Proves that nobody edited history.
use super::super::JournalError;
use crate::model::Seq;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFault {
    pub seq: Option<Seq>,
    pub message: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    pub entries: u64,
}
pub fn verify(_dir: &Path, _progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, JournalError> {
    todo!()
}
