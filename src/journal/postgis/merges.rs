//! What a batch knows of incidents that became one: who absorbed whom, and who reported which.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::Type;

use super::columns::Change;
use super::link::Link;
use super::rows::{get, number};
use crate::journal::{IncidentRow, JournalError};
use crate::model::{IncidentNo, NewReport, ReportFact, SenderId, Seq};

/// Whose reports must be known of the incidents that a batch refers to.
#[derive(Default)]
pub(super) struct AskedSenders {
    /// There are merges or splits: everybody's.
    pub all: bool,
    of: Vec<i64>,
}

impl AskedSenders {
    /// One that joins an incident; where it counts for itself nobody can have been before it.
    pub fn of_report(&mut self, report: &NewReport) {
        let sender = report.sender.filter(|_| report.incident.is_some());
        self.of.extend(sender.map(|sender| sender.0.cast_signed()));
    }
}

/// Of the incidents that a batch refers to and of all in their trees, as they stand in it.
#[derive(Default)]
pub(super) struct Joined {
    /// The one that absorbed, and the one that it absorbed.
    absorbed: BTreeSet<(IncidentNo, IncidentNo)>,
    into: HashMap<IncidentNo, IncidentNo>,
    /// As far as they were asked for, of the reports that opened or joined each.
    senders: HashMap<IncidentNo, BTreeSet<SenderId>>,
    /// Seqs of merges and splits, with the incident that stays.
    pub merges: Vec<(Seq, IncidentNo)>,
}

impl Joined {
    /// An incident stands like this from here on.
    pub fn stands(&mut self, row: &IncidentRow) {
        if let Some(before) = self.into.remove(&row.no) {
            self.absorbed.remove(&(before, row.no));
        }
        if let Some(into) = row.merged_into {
            self.into.insert(row.no, into);
            self.absorbed.insert((into, row.no));
        }
    }

    pub fn said(&mut self, report: &ReportFact) {
        self.senders.entry(report.incident).or_default().insert(report.sender);
    }

    pub fn absorbed_by(&self, no: IncidentNo) -> Vec<IncidentNo> {
        let all = (no, IncidentNo(0))..=(no, IncidentNo(u32::MAX));
        self.absorbed.range(all).map(|(_, absorbed)| *absorbed).collect()
    }

    pub fn senders(&self, no: IncidentNo) -> BTreeSet<SenderId> {
        self.senders.get(&no).cloned().unwrap_or_default()
    }

    /// Asks who reported these incidents, where it matters.
    pub fn ask<'i>(
        &mut self,
        link: &Link,
        incidents: impl Iterator<Item = &'i IncidentNo>,
        asked: &AskedSenders,
    ) -> Result<(), JournalError> {
        if !asked.all && asked.of.is_empty() {
            return Ok(());
        }
        let incidents: Vec<i64> = incidents.map(|no| no.0.into()).collect();
        let sql = "SELECT DISTINCT incident_no, sender FROM report \
                   WHERE incident_no = ANY($1) AND ($2 OR sender = ANY($3))";
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&incidents, Type::INT8_ARRAY), (&asked.all, Type::BOOL), (&asked.of, Type::INT8_ARRAY)];
        link.rows(sql, &params, &mut |row| {
            let sender = SenderId(get::<i64>(row, 1)?.cast_unsigned());
            self.senders.entry(IncidentNo(number(row, 0)?)).or_default().insert(sender);
            Ok(())
        })
    }

    pub fn rows(&self) -> Change {
        Change::new("INSERT INTO merge (seq, into_no) SELECT * FROM unnest($1, $2)")
            .numbers(self.merges.iter().map(|(seq, _)| seq.0.cast_signed()))
            .numbers(self.merges.iter().map(|(_, into)| into.0.into()))
    }
}
