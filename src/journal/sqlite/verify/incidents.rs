//! Incident rows against the fold of their entries.

use std::iter::Peekable;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Verifier, differences, sentence};
use crate::journal::codec::{Body, PrivatePart};
use crate::journal::keys::Interner;
use crate::journal::sqlite::read::{self, incident_columns, text};
use crate::journal::{IncidentRow, JournalError, fold};
use crate::model::{
    ActionFact, Fact, IncidentNo, MergeFact, Opening, ReportFact, ReportNo, Seq, Status, TimeMs,
};

struct StoredIncident {
    no: u64,
    row: Result<IncidentRow, JournalError>,
}

impl Verifier<'_> {
    /// Incident rows against the fold of their entries, which the rows checked before lead to.
    pub(super) fn incidents(&mut self) -> Result<(), JournalError> {
        let conn = self.conn;
        let keys = Interner::default();
        let mut rows =
            conn.prepare(concat!("SELECT ", incident_columns!(), " FROM incident ORDER BY no"))?;
        let mut rows = rows.query_and_then([], |row| stored_incident(row, &keys))?.peekable();
        let mut events = conn.prepare(
            "SELECT incident_no, seq FROM report UNION ALL SELECT incident_no, seq FROM action \
             UNION ALL SELECT into_no, seq FROM merge ORDER BY incident_no, seq",
        )?;
        let mut events = events.query([])?;
        let mut folded: Option<IncidentRow> = None;
        while let Some(row) = events.next()? {
            self.step();
            let no = IncidentNo(row.get(0)?);
            let seq = Seq(row.get::<_, i64>(1)?.cast_unsigned());
            if folded.as_ref().is_some_and(|incident| incident.no != no) {
                self.compare(folded.take(), &mut rows)?;
            }
            match fact_of(conn, seq, &keys) {
                Ok(Some((at, fact))) => self.fold(&mut folded, no, seq, at, &fact),
                Ok(None) => {} // named among the entries
                Err(JournalError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.compare(folded.take(), &mut rows)?;
        for row in rows {
            self.stray(format!("incident {} has a row but no report", row?.no));
        }
        Ok(())
    }

    fn fold(
        &mut self,
        folded: &mut Option<IncidentRow>,
        no: IncidentNo,
        seq: Seq,
        at: TimeMs,
        fact: &Fact,
    ) {
        match (fact, folded) {
            (Fact::Report(report), folded @ None) => match opening(report, no) {
                Some(opening) => *folded = Some(fold::opened(seq, at, report, &opening)),
                None => self.fault(seq, format!("incident {} does not begin with its opening", no.0)),
            },
            (Fact::Report(report), Some(incident)) if joins(report, no) => {
                fold::join(incident, seq, at, report);
            }
            (Fact::Action(action), Some(incident)) if follows(action, incident) => {
                fold::act(incident, seq, at, action);
            }
            (Fact::Merge(fact), Some(incident)) if merges(fact, incident) => {
                fold::merge(incident, seq, at, fact);
            }
            (Fact::Split(fact), Some(incident)) if splits(fact, incident) => {
                fold::split(incident, seq, at, fact);
            }
            (Fact::Record(_), _) => {}
            _ => self.fault(seq, format!("it does not follow from incident {} before it", no.0)),
        }
    }

    fn compare(
        &mut self,
        folded: Option<IncidentRow>,
        rows: &mut Peekable<impl Iterator<Item = Result<StoredIncident, JournalError>>>,
    ) -> Result<(), JournalError> {
        let Some(folded) = folded else { return Ok(()) };
        self.found.incidents += 1;
        let (no, seq) = (folded.no.0, folded.opened_seq);
        if u64::from(no) != self.found.incidents {
            self.fault(seq, format!("it opens incident {no}, where {} was due", self.found.incidents));
            self.found.incidents = u64::from(no);
        }
        match self.take(rows, |row| row.no, u64::from(no), "incident")?.map(|stored| stored.row) {
            Some(Ok(row)) => {
                let differing = incident_differences(&folded, &row);
                if !differing.is_empty() {
                    let columns = differing.join(", ");
                    self.fault(seq, format!("the row of incident {no} says otherwise ({columns})"));
                }
            }
            Some(Err(error)) => self.fault(seq, sentence(error)),
            None => self.fault(seq, format!("incident {no} has no row")),
        }
        Ok(())
    }
}

fn stored_incident(row: &Row, keys: &Interner) -> Result<StoredIncident, JournalError> {
    let no: i64 = row.get(0)?;
    Ok(StoredIncident { no: no.cast_unsigned(), row: read::incident_row(row, keys) })
}

/// One entry's time and fact; `None` where the entry is not there.
fn fact_of(conn: &Connection, seq: Seq, keys: &Interner) -> Result<Option<(TimeMs, Fact)>, JournalError> {
    let mut statement = conn.prepare_cached("SELECT at, body FROM entry WHERE seq = ?1")?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let body = Body::parse(seq, text(row, 1)?)?;
    let private: Option<String> = match body.private_part() {
        Some(PrivatePart::Report(ReportNo(no))) => conn
            .prepare_cached("SELECT private FROM report WHERE no = ?1")?
            .query_row([no], |row| row.get(0))
            .optional()?
            .flatten(),
        Some(PrivatePart::Action) | None => None, // a note changes no row
    };
    let at = TimeMs(row.get(0)?);
    Ok(Some((at, body.into_fact(keys, private.as_deref())?)))
}

fn opening(report: &ReportFact, no: IncidentNo) -> Option<Opening> {
    report.opens.filter(|_| report.incident == no)
}

fn joins(report: &ReportFact, no: IncidentNo) -> bool {
    report.incident == no && report.opens.is_none()
}

fn follows(action: &ActionFact, incident: &IncidentRow) -> bool {
    action.incident == incident.no
        && action.from == incident.status
        && action.action.leads_to(action.from) == Some(action.to)
}

/// Neither is part of another one yet, and both stand as the entry says.
fn merges(fact: &MergeFact, incident: &IncidentRow) -> bool {
    let (status, reports) = as_said(fact, incident);
    incident.merged_into.is_none() && status == incident.status && status.is_open() && reports
}

fn splits(fact: &MergeFact, incident: &IncidentRow) -> bool {
    let into = (incident.no == fact.absorbed).then_some(fact.into);
    let (status, reports) = as_said(fact, incident);
    incident.merged_into == into && status == incident.status && reports
}

/// The status that the entry gives the incident, and whether the reports can be those that it tells of.
fn as_said(fact: &MergeFact, incident: &IncidentRow) -> (Status, bool) {
    match incident.no == fact.absorbed {
        true => (fact.status, incident.reports == fact.reports),
        false => (fact.into_status, true),
    }
}

fn incident_differences(a: &IncidentRow, b: &IncidentRow) -> Vec<&'static str> {
    differences!(
        a,
        b,
        no,
        opened_seq,
        changed_seq,
        category,
        status,
        agency,
        area,
        place,
        opened_at,
        updated_at,
        due_at,
        clock,
        closed_at,
        closed_by_import,
        reports,
        version,
        drill,
        imported,
        reporters,
        merged_into,
        standing
    )
}
