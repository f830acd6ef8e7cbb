//! The journal of a node that has none, or none yet: whatever is asked of it, it says where to ask, or when.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::journal::{
    ActsQuestion, Derived, HotspotStateRow, IncidentRow, JournalError, PhotoFiles, Reader, ReportPlace,
    ReportRow, Whereabouts,
};
use crate::model::{
    Entry, IncidentNo, PhotoName, PhotoNo, PhotoRow, Projection, ReportNo, SenderId, Seq, TimeMs,
};

/// Says why there is none.
pub(super) struct Absent(pub fn() -> JournalError);

/// An edge has none, ever.
pub(super) const ELSEWHERE: Absent =
    Absent(|| JournalError::Elsewhere("this node keeps no journal; ask the origin"));

/// The database has not answered since this process began.
pub(super) const AWAITED: Absent =
    Absent(|| JournalError::Away("has not answered since this server was started".to_owned()));

impl Reader for Absent {
    fn incidents(
        &self,
        _: RangeInclusive<IncidentNo>,
        _: TimeMs,
        _: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn last_incident(&self) -> Result<IncidentNo, JournalError> {
        Err(self.0())
    }

    fn changed_incidents(&self, _: Seq, _: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn archived(&self, _: TimeMs, _: TimeMs, _: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn entry_hash(&self, _: Seq) -> Result<Option<[u8; 32]>, JournalError> {
        Err(self.0())
    }

    fn recent_reports(&self, _: TimeMs, _: &mut dyn FnMut(ReportRow)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn report_places(&self, _: TimeMs, _: &mut dyn FnMut(ReportPlace)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn texts(&self, _: TimeMs, _: &mut dyn FnMut(IncidentNo, Seq, &str)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn entries(&self, _: Seq, _: usize) -> Result<Vec<Entry>, JournalError> {
        Err(self.0())
    }

    fn report(&self, _: ReportNo) -> Result<Option<ReportRow>, JournalError> {
        Err(self.0())
    }

    fn waiting_report(&self, _: u64) -> Result<Option<Whereabouts>, JournalError> {
        Err(self.0())
    }

    fn last_report(&self) -> Result<ReportNo, JournalError> {
        Err(self.0())
    }

    fn reports_of(&self, _: SenderId, _: usize) -> Result<Vec<ReportRow>, JournalError> {
        Err(self.0())
    }

    fn incident(&self, _: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        Err(self.0())
    }

    fn incident_log(&self, _: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        Err(self.0())
    }

    fn incident_actions(&self, _: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        Err(self.0())
    }

    fn absorbed_by(&self, _: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
        Err(self.0())
    }

    fn first_texts(&self, _: IncidentNo, _: usize) -> Result<Vec<String>, JournalError> {
        Err(self.0())
    }

    fn absorbed(&self, _: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError> {
        Err(self.0())
    }

    fn derived(&self) -> Result<Derived, JournalError> {
        Err(self.0())
    }

    fn hotspots_at(&self, _: Projection, _: Seq) -> Result<Vec<HotspotStateRow>, JournalError> {
        Err(self.0())
    }

    fn last_erasure(&self) -> Result<Seq, JournalError> {
        Err(self.0())
    }

    fn acts(&self, _: &ActsQuestion, _: usize) -> Result<Vec<Entry>, JournalError> {
        Err(self.0())
    }

    fn photo(&self, _: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
        Err(self.0())
    }

    fn photos_of(&self, _: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
        Err(self.0())
    }

    fn named_photos(&self, _: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        Err(self.0())
    }

    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError> {
        Err(self.0())
    }

    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError> {
        Err(self.0())
    }
}
