//! The log read as it is stored, beside the server: for backups.
//!
//! Another reader of the file, in this process or another: it neither waits for the writer nor holds
//! it up. Nothing is understood but where the private part of an entry lies. Rows of hotspots that are not
//! as they were written are an error: the chain could not tell it of the copy.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use uuid::Uuid;

use super::read::text;
use super::{file_in, open, photos, sums};
use crate::journal::PhotoFiles;
use crate::journal::codec::{Body, CHAIN_START, Hash, PrivatePart};
use crate::journal::photo_folder::PhotoFolder;
use crate::journal::{
    ChainHead, DerivedUpdate, FolderMode, HotspotMemberRow, HotspotMembersUpdate, HotspotStateRow,
    Identity, JournalError, StoredEntry, StoredPrivate,
};
use crate::model::{Epoch, PhotoName, ReportNo, Secret, Seq, TimeMs};

const CACHE_KIB: u32 = 8_192;
/// Of surges that began earlier, those that stood out until this many days before are told again: the
/// newest day of each may have moved.
const SURGE_DAYS: i64 = 2;

/// The log of the journal in a folder.
pub struct LogReader {
    conn: Connection,
    photos: PhotoFolder,
}

impl LogReader {
    /// # Errors
    /// [`JournalError::Folder`] where there is no journal, or its tables are not those of this pantau.
    pub fn open(dir: &Path) -> Result<LogReader, JournalError> {
        let file = file_in(dir);
        if !file.is_file() {
            return Err(JournalError::Folder(format!(
                "there is no journal in {}; name a data folder with --data",
                dir.display()
            )));
        }
        let conn = open::connect_read_only(&file, CACHE_KIB)?;
        open::check_tables(&conn)?;
        Ok(LogReader { conn, photos: PhotoFolder::of(dir) })
    }

    pub fn identity(&self) -> Result<Identity, JournalError> {
        let text = |key| open::meta::<String>(&self.conn, key)?.ok_or_else(|| open::lacks(key));
        let epoch = Uuid::parse_str(&text("epoch")?).map_err(|_| open::lacks("epoch"))?;
        let secret: [u8; 32] = open::meta(&self.conn, "secret")?.ok_or_else(|| open::lacks("secret"))?;
        Ok(Identity {
            city: text("city")?,
            mode: FolderMode::from_key(&text("mode")?).ok_or_else(|| open::lacks("mode"))?,
            epoch: Epoch(epoch),
            secret: Secret(secret),
        })
    }

    /// The bytes of a photo's file; `None` where it is not there.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where they are not what was written.
    pub fn photo(&self, name: PhotoName) -> Result<Option<Vec<u8>>, JournalError> {
        self.photos.get(name)
    }

    /// Everything as it stands now, for as long as the moment is held. While it is, the write-ahead log
    /// grows: not for longer than some seconds.
    pub fn moment(&mut self) -> Result<Moment<'_>, JournalError> {
        Ok(Moment { tx: self.conn.transaction()? })
    }
}

/// The log at one moment.
pub struct Moment<'c> {
    tx: Transaction<'c>,
}

impl Moment<'_> {
    pub fn head(&self) -> Result<ChainHead, JournalError> {
        let sql = "SELECT seq, at, hash FROM entry ORDER BY seq DESC LIMIT 1";
        let head = self.tx.query_row(sql, [], |row| {
            Ok(ChainHead {
                seq: Seq(row.get::<_, i64>(0)?.cast_unsigned()),
                at: TimeMs(row.get(1)?),
                hash: row.get(2)?,
            })
        });
        Ok(head.optional()?.unwrap_or(ChainHead { seq: Seq(0), at: TimeMs(0), hash: CHAIN_START }))
    }

    /// What the chain says of an entry and all before it; that of `Seq(0)` is the chain's start.
    pub fn hash(&self, seq: Seq) -> Result<Option<Hash>, JournalError> {
        if seq == Seq(0) {
            return Ok(Some(CHAIN_START));
        }
        let sql = "SELECT hash FROM entry WHERE seq = ?1";
        Ok(self.tx.prepare_cached(sql)?.query_row([seq.0.cast_signed()], |row| row.get(0)).optional()?)
    }

    /// The names of the photos' files that the entries after `after` up to `until` name still.
    pub fn photos(&self, after: Seq, until: Seq) -> Result<Vec<PhotoName>, JournalError> {
        let rows = photos::of_entries(&self.tx, after, until)?;
        Ok(rows.iter().flat_map(|row| [row.photo.name, row.photo.thumb]).collect())
    }

    /// Those of the names that an entry names still.
    pub fn named_photos(&self, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        photos::named(&self.tx, names)
    }

    /// The entries of whose private parts an erasure after `after` took something, by seq, each with the
    /// newest that did.
    pub fn erased(&self, after: Seq) -> Result<Vec<(Seq, Seq)>, JournalError> {
        let mut statement =
            self.tx.prepare_cached("SELECT part, seq FROM erased WHERE seq > ?1 ORDER BY part")?;
        let mut rows = statement.query([after.0.cast_signed()])?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            parts.push((super::read::seq(row, 0)?, super::read::seq(row, 1)?));
        }
        Ok(parts)
    }

    /// The tick that the derived tables stand at.
    pub fn derived_as_of(&self) -> Result<Seq, JournalError> {
        let as_of = self.tx.query_row("SELECT as_of_seq FROM derived", [], |row| row.get::<_, i64>(0));
        Ok(Seq(as_of.optional()?.unwrap_or(0).cast_unsigned()))
    }

    /// The entries after `after` up to `until`, in order, all in memory: some hundred bytes each.
    pub fn entries(&self, after: Seq, until: Seq) -> Result<Vec<StoredEntry>, JournalError> {
        let mut statement = self.tx.prepare_cached(
            "SELECT seq, at, body, hash FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
        )?;
        let mut rows = statement.query([after.0.cast_signed(), until.0.cast_signed()])?;
        let mut entries = Vec::new();
        let mut reports = HashMap::new();
        let mut imported = Vec::new();
        while let Some(row) = rows.next()? {
            let seq = Seq(row.get::<_, i64>(0)?.cast_unsigned());
            let body: String = row.get(2)?;
            let parsed = Body::parse(seq, &body)?;
            let private = match parsed.private_part() {
                Some(part) => self.private(part, seq)?,
                None => None,
            };
            if let Some(no) = parsed.report_no() {
                reports.insert(no, entries.len());
                imported.extend(parsed.is_imported().then_some(no));
            }
            entries.push(StoredEntry {
                seq,
                at: TimeMs(row.get(1)?),
                hash: row.get(3)?,
                body,
                private,
                import: None,
                idempotency: None,
                waiting: Vec::new(),
            });
        }
        self.add_import_keys(&mut entries, &reports, &imported)?;
        self.add_idempotency_keys(&mut entries, &reports)?;
        self.add_waiting_codes(&mut entries, &reports)?;
        Ok(entries)
    }

    fn private(&self, part: PrivatePart, seq: Seq) -> Result<Option<StoredPrivate>, JournalError> {
        let (sql, key) = match part {
            PrivatePart::Report(no) => ("SELECT salt, private FROM report WHERE no = ?1", i64::from(no.0)),
            PrivatePart::Action => ("SELECT salt, private FROM action WHERE seq = ?1", seq.0.cast_signed()),
        };
        let read = |row: &Row| Ok((row.get(0)?, row.get(1)?));
        match self.tx.prepare_cached(sql)?.query_row([key], read).optional()? {
            Some((Some(salt), Some(json))) => Ok(Some(StoredPrivate { salt, json })),
            Some((None, None)) => Ok(None),
            _ => Err(JournalError::Corrupt(format!(
                "entry {seq}: its private part is there by half; pantau verify names all faults"
            ))),
        }
    }

    fn add_import_keys(
        &self,
        entries: &mut [StoredEntry],
        reports: &HashMap<ReportNo, usize>,
        imported: &[ReportNo],
    ) -> Result<(), JournalError> {
        let (Some(first), Some(last)) = (imported.iter().min(), imported.iter().max()) else {
            return Ok(());
        };
        let sound = sums::IMPORT_SOURCE.is_sound("s");
        let mut sources =
            self.tx.prepare_cached(&format!("SELECT id, name, {sound} FROM import_source s"))?;
        let sources = sources.query_and_then([], |row| {
            sums::IMPORT_SOURCE.check(row, 2)?;
            Ok::<_, JournalError>((row.get(0)?, row.get(1)?))
        })?;
        let sources: HashMap<i64, String> = sources.collect::<Result<_, _>>()?;
        let mut n_found = 0;
        // The newest keys are found by their reports' numbers; only where some are not among them is the
        // whole index read past.
        for table in [sums::IMPORT_KEY_NEW, sums::IMPORT_KEY] {
            if n_found == imported.len() {
                break;
            }
            let sql = format!(
                "SELECT report_no, source_id, row_digest, {} FROM {} k WHERE report_no BETWEEN ?1 AND ?2",
                table.is_sound("k"),
                table.table,
            );
            let mut statement = self.tx.prepare_cached(&sql)?;
            let mut rows = statement.query([first.0, last.0])?;
            while let Some(row) = rows.next()? {
                table.check(row, 3)?;
                let name = sources.get(&row.get::<_, i64>(1)?);
                if let (Some(index), Some(name)) = (reports.get(&ReportNo(row.get(0)?)), name) {
                    entries[*index].import = Some((name.clone(), row.get(2)?));
                    n_found += 1;
                }
            }
        }
        Ok(())
    }

    fn add_idempotency_keys(
        &self,
        entries: &mut [StoredEntry],
        reports: &HashMap<ReportNo, usize>,
    ) -> Result<(), JournalError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        // A key is as old as its entry.
        let (from, to) = (first.at.0, last.at.0);
        let sound = sums::IDEMPOTENCY.is_sound("i");
        let sql = format!(
            "SELECT report_no, key, body_digest, {sound} FROM idempotency i WHERE at BETWEEN ?1 AND ?2"
        );
        let mut statement = self.tx.prepare_cached(&sql)?;
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            sums::IDEMPOTENCY.check(row, 3)?;
            if let Some(index) = reports.get(&ReportNo(row.get(0)?)) {
                entries[*index].idempotency = Some((row.get(1)?, row.get(2)?));
            }
        }
        Ok(())
    }

    fn add_waiting_codes(
        &self,
        entries: &mut [StoredEntry],
        reports: &HashMap<ReportNo, usize>,
    ) -> Result<(), JournalError> {
        let (Some(first), Some(last)) = (reports.keys().min(), reports.keys().max()) else { return Ok(()) };
        let sound = sums::WAITING_CODE.is_sound("c");
        let sql = format!(
            "SELECT report_no, waiting_no, {sound} FROM waiting_code c WHERE report_no BETWEEN ?1 AND ?2 \
             ORDER BY waiting_no"
        );
        let mut statement = self.tx.prepare_cached(&sql)?;
        let mut rows = statement.query([first.0, last.0])?;
        while let Some(row) = rows.next()? {
            sums::WAITING_CODE.check(row, 2)?;
            if let Some(index) = reports.get(&ReportNo(row.get(0)?)) {
                entries[*index].waiting.push(row.get::<_, i64>(1)?.cast_unsigned());
            }
        }
        Ok(())
    }

    /// What ticks after `after` up to `until` left in the derived tables. What a later tick changed
    /// again is with that one.
    pub fn derived(&self, after: Seq, until: Seq) -> Result<DerivedUpdate, JournalError> {
        let mut update = DerivedUpdate { as_of_seq: until, ..DerivedUpdate::default() };
        self.hotspots(&mut update, after, until)?;
        let range = [after.0.cast_signed(), until.0.cast_signed()];
        let mut statement = self.tx.prepare_cached(&format!(
            "SELECT projection, seq, at, id, kind, body, {} FROM hotspot_event e \
             WHERE seq > ?1 AND seq <= ?2 ORDER BY seq, projection, id, kind",
            sums::HOTSPOT_EVENT.is_sound("e"),
        ))?;
        let mut rows = statement.query(range)?;
        while let Some(row) = rows.next()? {
            sums::HOTSPOT_EVENT.check(row, 6)?;
            update.events.push(super::read::event_row(row)?);
        }
        // An older surge may have gone on since: it is told again, with its newest day.
        let since: Option<i64> = self
            .tx
            .prepare_cached("SELECT at FROM entry WHERE seq = ?1")?
            .query_row([range[0]], |row| row.get(0))
            .optional()?;
        let mut statement = self.tx.prepare_cached(&format!(
            "SELECT projection, seq, n, at, category, area, until_day, body, {} FROM surge s \
             WHERE seq <= ?2 AND (seq > ?1 OR until_day >= date(?3 / 1000, 'unixepoch', ?4)) \
             ORDER BY seq, projection, n",
            sums::SURGE.is_sound("s"),
        ))?;
        let days_before = format!("-{SURGE_DAYS} days");
        let mut rows =
            statement.query(rusqlite::params![range[0], range[1], since.unwrap_or(0), days_before])?;
        while let Some(row) = rows.next()? {
            sums::SURGE.check(row, 8)?;
            update.surges.push(super::read::surge_row(row)?);
        }
        Ok(update)
    }

    /// Hotspots that changed last in the range, with their members; the states of each in the range.
    fn hotspots(&self, update: &mut DerivedUpdate, after: Seq, until: Seq) -> Result<(), JournalError> {
        let range = [after.0.cast_signed(), until.0.cast_signed()];
        // To end changes a hotspot last, and not the seq of what a reader saw change.
        let mut of_hotspot = self.tx.prepare_cached(&format!(
            "SELECT projection, id, category, changed_seq, ended_seq, body, {} FROM hotspot h \
             WHERE ended_seq > ?1 OR (ended_seq IS NULL AND changed_seq > ?1) ORDER BY projection, id",
            sums::HOTSPOT.is_sound("h"),
        ))?;
        let mut states = self.tx.prepare_cached(&format!(
            "SELECT changed_seq, body, {} FROM hotspot_state s \
             WHERE projection = ?1 AND id = ?2 AND changed_seq > ?3 AND changed_seq <= ?4 ORDER BY changed_seq",
            sums::HOTSPOT_STATE.is_sound("s"),
        ))?;
        let mut members = self.tx.prepare_cached(&format!(
            "SELECT seq, report_no, received_at, core, repeats, rejections, channel, vague, photo, \
             agreeing, {} FROM hotspot_member m WHERE projection = ?1 AND id = ?2 ORDER BY seq",
            sums::HOTSPOT_MEMBER.is_sound("m"),
        ))?;
        let mut rows = of_hotspot.query([range[0]])?;
        while let Some(row) = rows.next()? {
            sums::HOTSPOT.check(row, 6)?;
            let hotspot = super::read::hotspot_row(row)?;
            let key = hotspot.projection.key();
            let mut states = states.query(rusqlite::params![key, hotspot.id, range[0], range[1]])?;
            while let Some(row) = states.next()? {
                sums::HOTSPOT_STATE.check(row, 2)?;
                update.states.push(HotspotStateRow {
                    projection: hotspot.projection,
                    id: hotspot.id.clone(),
                    category: hotspot.category.clone(),
                    changed_seq: super::read::seq(row, 0)?,
                    body: text(row, 1)?.to_owned(),
                });
            }
            if hotspot.ended_seq.unwrap_or(hotspot.changed_seq) > until {
                continue;
            }
            let came = members.query_and_then(rusqlite::params![key, hotspot.id], |row| {
                sums::HOTSPOT_MEMBER.check(row, 10)?;
                Ok::<_, JournalError>(HotspotMemberRow {
                    seq: super::read::seq(row, 0)?,
                    report: ReportNo(row.get(1)?),
                    received_at: TimeMs(row.get(2)?),
                    core: row.get(3)?,
                    doubts: [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
                })
            })?;
            let (projection, id) = (hotspot.projection, hotspot.id.clone());
            let came = came.collect::<Result<_, _>>()?;
            update.members.push(HotspotMembersUpdate {
                projection,
                id,
                whole: true,
                came,
                left: Vec::new(),
            });
            update.hotspots.push(hotspot);
        }
        Ok(())
    }
}
