//! Photos: their rows against the entries that brought, released and erased them, and the files that rows name
//! against their names.

use super::Verifier;
use crate::journal::photo_folder::PhotoFolder;
use crate::journal::sqlite::photos;
use crate::journal::{JournalError, PhotoFiles, fold};
use crate::model::{Fact, PhotoNo, PhotoRow, Seq, TimeMs, hex};

impl Verifier<'_> {
    /// The rows of what an entry brought; whether the public may see them is known at the end only.
    pub(super) fn photos_of(&mut self, seq: Seq, at: TimeMs, fact: &Fact) -> Result<(), JournalError> {
        self.released.extend(fold::photo_released(fact));
        for expected in fold::photo_rows(seq, at, fact) {
            self.photo_rows += 1;
            let n = expected.no.n;
            // What was said of a photo before it was there says nothing.
            self.released.remove(&expected.no);
            match photos::photo(self.conn, expected.no) {
                Ok(Some(row)) if PhotoRow { public: expected.public, ..row.clone() } == expected => {
                    // A later entry must say so, and takes this one's place.
                    if row.public != expected.public {
                        self.released.entry(expected.no).or_insert(expected.public);
                    }
                }
                Ok(Some(_)) => self.fault(seq, format!("the row of its photo {n} says otherwise")),
                Ok(None) => self.fault(seq, format!("its photo {n} has no row")),
                Err(error) => self.fault(seq, super::sentence(error)),
            }
        }
        Ok(())
    }

    /// Every row is of an entry, and its files are there, whole.
    pub(super) fn photos(&mut self, files: Option<&PhotoFolder>) -> Result<(), JournalError> {
        let conn = self.conn;
        let mut rows = 0;
        photos::each(conn, |row| {
            rows += 1;
            self.step();
            match row {
                Ok(row) => self.photo(&row, files),
                Err(error) => {
                    self.stray(super::sentence(error));
                    Ok(())
                }
            }
        })?;
        if rows > self.photo_rows {
            self.stray(format!("{} photos have a row but no entry", rows - self.photo_rows));
        }
        Ok(())
    }

    fn photo(&mut self, row: &PhotoRow, files: Option<&PhotoFolder>) -> Result<(), JournalError> {
        let PhotoNo { seq, n } = row.no;
        if self.released.get(&row.no).is_some_and(|public| *public != row.public) {
            self.fault(seq, format!("the row of its photo {n} says otherwise (public)"));
        }
        let Some(files) = files else { return Ok(()) };
        for name in [row.photo.name, row.photo.thumb] {
            let hex = hex(&name.0);
            match files.get(name) {
                Ok(Some(_)) => self.found.photos += 1,
                // Beside a running server an erasure may have come after this moment.
                Ok(None) if self.is_erased_by_now(seq)? => {}
                Ok(None) => self.fault(seq, format!("the file of its photo {hex} is not there")),
                Err(JournalError::Corrupt(_)) => {
                    self.fault(seq, format!("the file of its photo {hex} was changed"));
                }
                Err(error) => self.fault(seq, format!("the file of its photo {hex}: {error}")),
            }
        }
        Ok(())
    }

    /// Whether the photos of an entry were erased after the moment that is read.
    fn is_erased_by_now(&self, entry: Seq) -> Result<bool, JournalError> {
        let Some(file) = self.conn.path().map(std::path::Path::new) else { return Ok(false) };
        let newest = super::open::connect_read_only(file, super::CACHE_KIB)?;
        Ok(photos::of_entries(&newest, entry.before(), entry)?.is_empty())
    }
}
