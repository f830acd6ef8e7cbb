//! The journal of a node that has none: whatever is asked of it, it says where to ask.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::journal::{
    ActsQuestion, Derived, HotspotStateRow, IncidentRow, JournalError, PhotoFiles, Reader, ReportPlace,
    ReportRow,
};
use crate::model::{
    Entry, IncidentNo, PhotoName, PhotoNo, PhotoRow, Projection, ReportNo, SenderId, Seq, TimeMs,
};

pub(super) struct Elsewhere;

fn elsewhere<T>() -> Result<T, JournalError> {
    Err(JournalError::Elsewhere("this node keeps no journal; ask the origin"))
}

impl Reader for Elsewhere {
    fn incidents(
        &self,
        _: RangeInclusive<IncidentNo>,
        _: TimeMs,
        _: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        elsewhere()
    }

    fn last_incident(&self) -> Result<IncidentNo, JournalError> {
        elsewhere()
    }

    fn changed_incidents(&self, _: Seq, _: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn archived(&self, _: TimeMs, _: TimeMs, _: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn entry_hash(&self, _: Seq) -> Result<Option<[u8; 32]>, JournalError> {
        elsewhere()
    }

    fn recent_reports(&self, _: TimeMs, _: &mut dyn FnMut(ReportRow)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn report_places(&self, _: TimeMs, _: &mut dyn FnMut(ReportPlace)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn texts(&self, _: TimeMs, _: &mut dyn FnMut(IncidentNo, Seq, &str)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn entries(&self, _: Seq, _: usize) -> Result<Vec<Entry>, JournalError> {
        elsewhere()
    }

    fn report(&self, _: ReportNo) -> Result<Option<ReportRow>, JournalError> {
        elsewhere()
    }

    fn last_report(&self) -> Result<ReportNo, JournalError> {
        elsewhere()
    }

    fn reports_of(&self, _: SenderId, _: usize) -> Result<Vec<ReportRow>, JournalError> {
        elsewhere()
    }

    fn incident(&self, _: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        elsewhere()
    }

    fn incident_log(&self, _: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        elsewhere()
    }

    fn incident_actions(&self, _: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        elsewhere()
    }

    fn absorbed_by(&self, _: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
        elsewhere()
    }

    fn first_texts(&self, _: IncidentNo, _: usize) -> Result<Vec<String>, JournalError> {
        elsewhere()
    }

    fn absorbed(&self, _: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError> {
        elsewhere()
    }

    fn derived(&self) -> Result<Derived, JournalError> {
        elsewhere()
    }

    fn hotspots_at(&self, _: Projection, _: Seq) -> Result<Vec<HotspotStateRow>, JournalError> {
        elsewhere()
    }

    fn last_erasure(&self) -> Result<Seq, JournalError> {
        elsewhere()
    }

    fn acts(&self, _: &ActsQuestion, _: usize) -> Result<Vec<Entry>, JournalError> {
        elsewhere()
    }

    fn photo(&self, _: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
        elsewhere()
    }

    fn photos_of(&self, _: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
        elsewhere()
    }

    fn named_photos(&self, _: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        elsewhere()
    }

    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError> {
        elsewhere()
    }

    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError> {
        elsewhere()
    }
}
