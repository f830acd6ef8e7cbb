//! Merges and splits against their rows: one among the actions, one for the incident that stays.

use std::iter::Peekable;

use rusqlite::OptionalExtension;

use super::{StoredAction, Verifier, sentence};
use crate::journal::JournalError;
use crate::journal::codec::Body;
use crate::journal::keys::Interner;
use crate::model::{Fact, IncidentNo, Seq};

impl Verifier<'_> {
    pub(super) fn merge(
        &mut self,
        seq: Seq,
        body: Body,
        keys: &Interner,
        rows: &mut Peekable<impl Iterator<Item = Result<StoredAction, JournalError>>>,
    ) -> Result<(), JournalError> {
        let kind = body.kind();
        let Some(stored) = self.take(rows, |row| row.seq, seq.0, "action")? else {
            self.fault(seq, format!("its {kind} has no row"));
            return Ok(());
        };
        self.private(seq, &body, &stored.private)?;
        let into = self.merged_into(seq)?;
        self.merges += u64::from(into.is_some());
        match body.into_fact(keys, stored.private.1.as_deref()) {
            Ok(Fact::Merge(fact) | Fact::Split(fact)) => {
                let same = fact.absorbed == stored.incident
                    && kind == stored.action
                    && fact.actor == stored.actor
                    && Some(fact.into) == into;
                if !same {
                    self.fault(seq, format!("the rows of its {kind} say otherwise"));
                }
            }
            Ok(_) => {}
            Err(error) => self.fault(seq, sentence(error)),
        }
        Ok(())
    }

    fn merged_into(&self, seq: Seq) -> Result<Option<IncidentNo>, JournalError> {
        let sql = "SELECT into_no FROM merge WHERE seq = ?1";
        let no = self.conn.prepare_cached(sql)?.query_row([seq.0.cast_signed()], |row| row.get(0));
        Ok(no.optional()?.map(IncidentNo))
    }

    /// Every row is of a merge or a split in the log.
    pub(super) fn check_merges(&mut self) -> Result<(), JournalError> {
        let rows: i64 = self.conn.query_row("SELECT count(*) FROM merge", [], |row| row.get(0))?;
        let strays = rows.unsigned_abs().saturating_sub(self.merges);
        if strays > 0 {
            self.stray(format!("{strays} rows say that incidents were joined, and no entry does"));
        }
        Ok(())
    }
}
