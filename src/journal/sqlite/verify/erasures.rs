//! Private parts against the digests that vouch for them: the one that an entry was written with, or the
//! newest erasure's. And the table of erasures against those in the log.

use rusqlite::OptionalExtension;

use super::{Private, Verifier};
use crate::journal::JournalError;
use crate::journal::codec::{Body, Hash, private_hash};
use crate::model::Seq;

/// A row of the table of erasures.
struct Erased {
    /// Of the newest erasure.
    seq: Seq,
    digest: Option<Hash>,
}

impl Verifier<'_> {
    pub(super) fn private(&mut self, seq: Seq, body: &Body, stored: &Private) -> Result<(), JournalError> {
        let erased = self.erased(seq)?;
        match (body.private_part(), erased, stored) {
            (None, None, (None, None)) => {}
            (None, ..) => self.fault(seq, "it has a private part that it was not written with"),
            (Some(_), Some(erased), (None, None)) => {
                self.found.erased += 1;
                self.found.erased_by_hand += u64::from(erased.digest.is_some());
            }
            (Some(_), None, (None, None)) => {
                self.found.erased += 1;
                self.found.erased_by_hand += 1;
            }
            (Some(_), Some(erased), (Some(salt), Some(private))) => {
                if erased.digest == Some(private_hash(salt, private.as_bytes())) {
                    self.found.erased += 1;
                } else if body.vouches_for(salt, private) {
                    let again = format!("what entry {} erased is there again", erased.seq);
                    self.fault(seq, again);
                } else {
                    self.fault(seq, "what an erasure left of its private part was changed");
                }
            }
            (Some(_), None, (Some(salt), Some(private))) if body.vouches_for(salt, private) => {}
            (Some(_), None, (Some(_), Some(_))) => self.fault(seq, "its private part was changed"),
            (Some(_), ..) => self.fault(seq, "its private part was erased by half: salt or text is left"),
        }
        Ok(())
    }

    fn erased(&self, part: Seq) -> Result<Option<Erased>, JournalError> {
        let sql = "SELECT seq, digest FROM erased WHERE part = ?1";
        let row = self.conn.prepare_cached(sql)?.query_row([part.0.cast_signed()], |row| {
            Ok(Erased { seq: Seq(row.get::<_, i64>(0)?.cast_unsigned()), digest: row.get(1)? })
        });
        Ok(row.optional()?)
    }

    /// Each part that an erasure names has a row of it or of a later one.
    pub(super) fn erasure(&mut self, seq: Seq, body: &Body) -> Result<(), JournalError> {
        let parts = match body.erased_parts() {
            Ok(parts) => parts,
            Err(error) => {
                self.fault(seq, super::sentence(error));
                return Ok(());
            }
        };
        for part in parts {
            let of = part.part;
            match self.erased(of)? {
                Some(row) if row.seq == seq && row.digest == part.digest => self.erased_rows += 1,
                Some(row) if row.seq > seq => {}
                Some(_) => {
                    self.fault(seq, format!("the row of what it erased of entry {of} says otherwise"))
                }
                None => self.fault(seq, format!("what it erased of entry {of} has no row")),
            }
        }
        Ok(())
    }

    /// Every row is of an erasure in the log.
    pub(super) fn check_erased(&mut self) -> Result<(), JournalError> {
        let rows: i64 = self.conn.query_row("SELECT count(*) FROM erased", [], |row| row.get(0))?;
        let strays = rows.unsigned_abs().saturating_sub(self.erased_rows);
        if strays > 0 {
            self.stray(format!("{strays} rows say that something was erased, and no entry does"));
        }
        Ok(())
    }
}
