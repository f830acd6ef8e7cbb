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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use crate::journal::testing::{NOW, city, merge, report, split};
    use crate::journal::{FolderMode, Journal, SqliteJournal, verify};

    /// What `pantau verify` says after a hand ran `sql` on a history with a merge (entry 5), another (6) and
    /// its split (7).
    fn faults(sql: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = SqliteJournal::open(dir.path(), city(), FolderMode::Live).unwrap();
        let reports = (0..4).map(|_| report(|_| {}));
        let merges = [merge(2, 1), merge(3, 1), split(3, 1)];
        journal.append(reports.chain(merges).collect(), NOW, None).unwrap();
        drop(journal);
        Connection::open(dir.path().join("pantau.db")).unwrap().execute_batch(sql).unwrap();
        let found = verify(dir.path(), &mut |_, _| {}).unwrap();
        found.faults.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn a_merge_that_a_hand_changed_is_named() {
        assert_eq!(faults(""), [""; 0]);
        for (sql, named) in [
            (
                "UPDATE incident SET merged_into = NULL WHERE no = 2",
                "incident 2 says otherwise (merged_into)",
            ),
            ("UPDATE incident SET merged_into = 1 WHERE no = 3", "incident 3 says otherwise (merged_into)"),
            ("UPDATE incident SET reporters = 9 WHERE no = 1", "incident 1 says otherwise (reporters)"),
            ("UPDATE merge SET into_no = 4 WHERE seq = 5", "the rows of its merge say otherwise"),
            ("DELETE FROM merge WHERE seq = 7", "the rows of its split say otherwise"),
            ("DELETE FROM action WHERE seq = 6", "its merge has no row"),
            ("UPDATE action SET actor = 'x' WHERE seq = 7", "the rows of its split say otherwise"),
            ("UPDATE action SET private = '{}' WHERE seq = 5", "its private part was changed"),
            ("INSERT INTO merge VALUES (2, 1)", "1 rows say that incidents were joined, and no entry does"),
        ] {
            let found = faults(sql);
            assert!(found.iter().any(|fault| fault.contains(named)), "{sql}: {found:?}");
        }
    }
}
