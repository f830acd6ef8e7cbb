//! What an entry does to the rows of the state tables. Pure; the one place that knows.
//!
//! Deciding, verifying and every store go through here, so rows are always the fold of the entries.

use super::{IncidentRow, JournalError, ReportRow, Standing};
use crate::model::{
    Action, ActionFact, Entry, Fact, IncidentNo, MergeFact, Opening, Photo, PhotoKind, PhotoNo, PhotoRow,
    ReportFact, ReportNo, Seq, TimeMs,
};

/// The incident that a report opened.
pub(super) fn opened(seq: Seq, at: TimeMs, report: &ReportFact, opening: &Opening) -> IncidentRow {
    let closed = !opening.status.is_open();
    IncidentRow {
        no: report.incident,
        opened_seq: seq,
        changed_seq: seq,
        category: report.category,
        status: opening.status,
        agency: opening.agency,
        area: report.area,
        place: report.place,
        opened_at: opening.opened_at,
        updated_at: if report.imported { opening.opened_at } else { at },
        due_at: opening.due_at,
        clock: opening.clock,
        closed_at: closed.then_some(at),
        closed_by_import: closed,
        reports: 1,
        version: 1,
        drill: report.drill,
        imported: report.imported,
        reporters: 1,
        merged_into: None,
        standing: Standing::default(),
    }
}

/// One more report joined the incident.
pub(super) fn join(incident: &mut IncidentRow, seq: Seq, at: TimeMs, report: &ReportFact) {
    incident.reports += 1;
    incident.reporters += u32::from(!report.again);
    touch(incident, seq, at);
}

/// Staff acted on the incident.
pub(super) fn act(incident: &mut IncidentRow, seq: Seq, at: TimeMs, action: &ActionFact) {
    match (action.from.is_open(), action.to.is_open()) {
        (true, false) => incident.closed_at = Some(at),
        (false, true) => {
            incident.closed_at = None;
            incident.closed_by_import = false;
        }
        (true, true) | (false, false) => {}
    }
    incident.status = action.to;
    incident.agency = action.agency;
    incident.due_at = action.due_at;
    incident.clock = action.clock;
    incident.standing.act(action);
    touch(incident, seq, at);
}

/// The incident was absorbed by another, or absorbed that.
pub(super) fn merge(incident: &mut IncidentRow, seq: Seq, at: TimeMs, fact: &MergeFact) {
    if incident.no == fact.absorbed {
        incident.merged_into = Some(fact.into);
    } else {
        incident.reports = incident.reports.saturating_add(fact.reports);
        incident.reporters = fact.reporters;
    }
    touch(incident, seq, at);
}

/// The incident stands by itself again, or let go of another.
pub(super) fn split(incident: &mut IncidentRow, seq: Seq, at: TimeMs, fact: &MergeFact) {
    if incident.no == fact.absorbed {
        incident.merged_into = None;
    } else {
        incident.reports = incident.reports.saturating_sub(fact.reports);
        incident.reporters = fact.reporters;
    }
    touch(incident, seq, at);
}

/// The row of an incident as of the entry `seq`, from its entries; `None` where it was not there yet.
pub fn incident_at(log: &[Entry], seq: Seq) -> Option<IncidentRow> {
    let mut folded: Option<IncidentRow> = None;
    for Entry { seq, at, fact } in log.iter().filter(|entry| entry.seq <= seq) {
        match (fact, &mut folded) {
            (Fact::Report(report), folded @ None) => {
                *folded = report.opens.as_ref().map(|opening| opened(*seq, *at, report, opening));
            }
            (Fact::Report(report), Some(incident)) => join(incident, *seq, *at, report),
            (Fact::Action(action), Some(incident)) => act(incident, *seq, *at, action),
            (Fact::Merge(fact), Some(incident)) => merge(incident, *seq, *at, fact),
            (Fact::Split(fact), Some(incident)) => split(incident, *seq, *at, fact),
            _ => {}
        }
    }
    folded
}

/// Whether the row of an incident is what its entries come to, those after its newest left out.
///
/// # Errors
/// [`JournalError::Corrupt`] where it is not.
pub fn check_incident(row: &IncidentRow, log: &[Entry]) -> Result<(), JournalError> {
    let folded = incident_at(log, row.changed_seq);
    if folded.as_ref() == Some(row) {
        return Ok(());
    }
    Err(JournalError::Corrupt(format!(
        "the row of incident {} says otherwise than its entries: the disk or a hand changed it; run `pantau verify`, \
         restore a backup",
        row.no.0
    )))
}

fn touch(incident: &mut IncidentRow, seq: Seq, at: TimeMs) {
    incident.changed_seq = seq;
    incident.updated_at = at;
    incident.version += 1;
}

/// The row of a report.
pub(super) fn report_row(seq: Seq, at: TimeMs, report: &ReportFact) -> ReportRow {
    ReportRow {
        no: report.report,
        seq,
        incident: report.incident,
        received_at: at,
        occurred_at: report.occurred_at,
        category: report.category,
        place: report.place,
        area: report.area,
        sender: report.sender,
        channel: report.channel,
        drill: report.drill,
        imported: report.imported,
        n_photos: report.n_photos,
        private: report.private.clone(),
        accuracy_m: report.accuracy_m,
    }
}

/// The rows of the photos that an entry brought, as it left them.
pub(super) fn photo_rows(seq: Seq, at: TimeMs, fact: &Fact) -> Vec<PhotoRow> {
    let rows =
        |incident: IncidentNo, of: (Option<ReportNo>, Option<&String>), kind, public, photos: &[Photo]| {
            let row = |(n, photo): (u8, &Photo)| PhotoRow {
                no: PhotoNo { seq, n },
                incident,
                report: of.0,
                at,
                kind,
                actor: of.1.cloned(),
                photo: *photo,
                public,
            };
            (0..).zip(photos).map(row).collect()
        };
    match fact {
        Fact::Report(fact) => {
            let of = (Some(fact.report), None);
            rows(fact.incident, of, PhotoKind::Report, false, &fact.private.photos)
        }
        Fact::Action(fact) => match &fact.more.photos {
            Some(added) => {
                let of = (None, Some(&fact.actor));
                rows(fact.incident, of, added.kind, added.public, &added.photos)
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Which photo an entry makes public, or not public any more.
pub(super) fn photo_released(fact: &Fact) -> Option<(PhotoNo, bool)> {
    match fact {
        Fact::Action(fact) => fact.more.photo.map(|no| (no, fact.action == Action::Release)),
        _ => None,
    }
}
