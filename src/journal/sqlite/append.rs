//! Writing: one transaction a batch.

use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use super::SqliteJournal;
use super::acts::insert_record;
use super::erase;
use super::import_keys::{ImportKeys, Staged};
use super::merges;
use super::open::WAL_PAGES;
use super::photos;
use super::put::{self, RowKeys};
use super::read::{self, incident_columns};
use super::seals;
use super::sums;
use crate::city::City;
use crate::health::Condition;
use crate::journal::codec::{Encoder, Hash, chain};
use crate::journal::decide::{
    Accepted, IDEMPOTENCY_MS, Keyed, PRUNE_EVERY_MS, PRUNED_KEYS_MAX, Store, decide_all,
};
use crate::journal::erase::{Held, HeldNote};
use crate::journal::photos_sent::PhotosSent;
use crate::journal::{
    DerivedUpdate, HotspotMemberRow, HotspotMembersUpdate, IncidentRow, JournalError, SurgeRow,
};
use crate::model::{
    Command, Entry, Fact, ImportRow, IncidentNo, Outcome, PhotoName, Receipt, ReportFact, ReportNo,
    SenderId, Seq, TimeMs,
};

static KEYED: LazyLock<String> = LazyLock::new(|| {
    let sound = sums::IDEMPOTENCY.is_sound("i");
    format!("SELECT report_no, body_digest, at, {sound} FROM idempotency i WHERE key = ?1")
});
static PUT_KEYED: LazyLock<String> = LazyLock::new(|| sums::IDEMPOTENCY.put());

pub(super) fn append(
    journal: &mut SqliteJournal,
    commands: Vec<Command>,
    now: TimeMs,
    derived: Option<&DerivedUpdate>,
) -> Result<Vec<Outcome>, JournalError> {
    // Only at stopping and starting is there something to keep beside commands. And who asks to be forgotten
    // is not told to wait for a larger disk.
    let erases = commands.iter().all(|command| matches!(command, Command::Erasure(_)));
    let again = if erases { commands.clone() } else { Vec::new() };
    guarded(journal, erases, (commands, again), |journal, commands| {
        append_in_transaction(journal, commands, now, derived)
    })
}

/// A checkpoint at the head, and the mark on the disk.
pub(super) fn seal(journal: &mut SqliteJournal) -> Result<(), JournalError> {
    guarded(journal, true, ((), ()), |journal, ()| {
        let last = journal.last;
        if journal.sealer.is_behind(last.seq) {
            let tx = journal.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let made = journal.sealer.seal(last.seq, last.at, &journal.head_hash);
            seals::put(&tx, &made)?;
            tx.commit()?;
            journal.sealer.commit(&made);
            made.say();
        }
        journal.mark.sync().map_err(super::io_failure)
    })
}

/// Runs one transaction and draws the consequences of its failure: after an I/O error nothing more is
/// written, a full disk refuses reports until there is room.
///
/// Where the reserve may be used, it is tried once more with the second argument.
fn guarded<A, T>(
    journal: &mut SqliteJournal,
    may_use_reserve: bool,
    (argument, again): (A, A),
    write: impl Fn(&mut SqliteJournal, A) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    if journal.broken {
        let sentence = "writing failed earlier; start pantau again when the disk is sound";
        return Err(JournalError::Store(sentence.into()));
    }
    if !may_use_reserve && !journal.reserve.is_whole() && journal.reserve.fill().is_err() {
        journal.say_full();
        return Err(JournalError::Full);
    }
    let head = journal.last.seq;
    let mut result = write(journal, argument);
    if may_use_reserve && matches!(result, Err(JournalError::Full)) && journal.reserve.release() {
        result = write(journal, again);
    }
    match &result {
        Ok(_) if journal.last.seq > head && journal.reserve.is_whole() => {
            journal.health.clear(Condition::DiskFull)
        }
        Err(JournalError::Full) => journal.say_full(),
        Err(JournalError::Store(error)) => {
            let error = error.downcast_ref::<rusqlite::Error>();
            if error.is_some_and(|e| e.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)) {
                break_off(journal);
            }
        }
        _ => {}
    }
    if result.is_ok() {
        copy_log_back(journal);
    }
    result
}

/// The kernel has dropped pages that it could not write; trying again would look like success. So
/// nothing is tried again, also not when the file is closed.
fn break_off(journal: &mut SqliteJournal) {
    journal.broken = true;
    let no_more = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    if let Err(error) = journal.conn.set_db_config(no_more, true) {
        tracing::warn!(%error, "closing may still write");
    }
}

/// Copies the write-ahead log into the database once it is long. By ourselves, because SQLite does not
/// tell when its own copying fails; what was acknowledged is durable in the log all the same.
fn copy_log_back(journal: &mut SqliteJournal) {
    if journal.wal_pages.load(Ordering::Relaxed) < WAL_PAGES {
        return;
    }
    let copied = journal.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    match copied.map_err(JournalError::from) {
        Ok(()) => journal.wal_pages.store(0, Ordering::Relaxed),
        Err(JournalError::Full) => {} // at the next commit again
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log could not be copied into the database"
            );
            break_off(journal);
        }
    }
}

/// Changes the journal's own fields only after the commit.
fn append_in_transaction(
    journal: &mut SqliteJournal,
    commands: Vec<Command>,
    now: TimeMs,
    derived: Option<&DerivedUpdate>,
) -> Result<Vec<Outcome>, JournalError> {
    let SqliteJournal { conn, encoder, import_keys, city, .. } = journal;
    let mut last = journal.last;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut batch = Batch::new(&tx, city, encoder, import_keys, journal.head_hash)?;
    let outcomes = decide_all(&mut batch, &mut last, commands, now)?;
    let (head_hash, mut staged_keys, gone_photos) = batch.finish();
    if last == journal.last && derived.is_none() {
        return Ok(outcomes); // nothing to make durable: the transaction is rolled back
    }
    if let Some(update) = derived {
        update_derived(&tx, update)?;
    }
    let prunes = last.at >= journal.prune_at;
    if prunes {
        prune_idempotency(&tx, last.at)?;
    }
    import_keys.merge(&mut staged_keys, &tx)?;
    let sealer = &journal.sealer;
    let sealed = sealer.is_due(last.seq).then(|| sealer.seal(last.seq, last.at, &head_hash));
    sealed.iter().try_for_each(|made| seals::put(&tx, made))?;
    tx.commit()?;
    if last != journal.last {
        journal.mark.set(last.seq, &head_hash);
    }
    if let Some(made) = sealed {
        journal.sealer.commit(&made);
    }
    if prunes {
        journal.prune_at = last.at.plus_ms(PRUNE_EVERY_MS);
    }
    journal.import_keys.commit(staged_keys);
    journal.gone_photos.extend(gone_photos);
    journal.last = last;
    journal.head_hash = head_hash;
    Ok(outcomes)
}

pub(super) fn update_derived(conn: &Connection, update: &DerivedUpdate) -> Result<(), JournalError> {
    let as_of_seq = update.as_of_seq.0.cast_signed();
    conn.prepare_cached(&sums::DERIVED.put())?.execute([1, as_of_seq])?;
    let mut put = conn.prepare_cached(&sums::HOTSPOT.put())?;
    for row in &update.hotspots {
        let changed_seq = row.changed_seq.0.cast_signed();
        let ended_seq = row.ended_seq.map(|seq| seq.0.cast_signed());
        put.execute(params![row.projection.key(), row.id, row.category, changed_seq, ended_seq, row.body])?;
    }
    let mut put = conn.prepare_cached(&sums::HOTSPOT_STATE.put())?;
    for row in &update.states {
        put.execute(params![row.projection.key(), row.id, row.changed_seq.0.cast_signed(), row.body])?;
    }
    update.members.iter().try_for_each(|change| update_members(conn, change))?;
    let mut put = conn.prepare_cached(&sums::HOTSPOT_EVENT.put())?;
    for row in &update.events {
        let seq = row.seq.0.cast_signed();
        put.execute(params![seq, row.projection.key(), row.id, row.kind, row.at.0, row.body])?;
    }
    update.surges.iter().try_for_each(|row| put_surge(conn, row))
}

fn put_surge(conn: &Connection, row: &SurgeRow) -> Result<(), JournalError> {
    let SurgeRow { projection, seq, n, at, category, area, until_day, body } = row;
    let (seq, projection) = (seq.0.cast_signed(), projection.key());
    let values = params![seq, projection, n, at.0, category, area, until_day, body];
    conn.prepare_cached(&sums::SURGE.put())?.execute(values)?;
    Ok(())
}

fn update_members(conn: &Connection, change: &HotspotMembersUpdate) -> Result<(), JournalError> {
    let (projection, id) = (change.projection.key(), &change.id);
    if change.whole {
        conn.prepare_cached("DELETE FROM hotspot_member WHERE projection = ?1 AND id = ?2")?
            .execute(params![projection, id])?;
    }
    let mut put = conn.prepare_cached(&sums::HOTSPOT_MEMBER.put())?;
    for &HotspotMemberRow { seq, report, received_at, core, doubts } in &change.came {
        let (seq, report, received_at) = (seq.0.cast_signed(), report.0, received_at.0);
        let [repeats, rejections, channel, vague, photo, agreeing] = doubts;
        put.execute(params![
            projection,
            id,
            seq,
            report,
            received_at,
            core,
            repeats,
            rejections,
            channel,
            vague,
            photo,
            agreeing
        ])?;
    }
    let mut take =
        conn.prepare_cached("DELETE FROM hotspot_member WHERE projection = ?1 AND id = ?2 AND seq = ?3")?;
    for seq in &change.left {
        take.execute(params![projection, id, seq.0.cast_signed()])?;
    }
    Ok(())
}

fn prune_idempotency(conn: &Connection, at: TimeMs) -> Result<(), JournalError> {
    conn.prepare_cached(
        "DELETE FROM idempotency \
         WHERE key IN (SELECT key FROM idempotency WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute(params![at.plus_ms(-IDEMPOTENCY_MS).0, PRUNED_KEYS_MAX])?;
    Ok(())
}

/// One batch inside its transaction, its statements at hand.
struct Batch<'b> {
    city: &'b City,
    encoder: &'b mut Encoder,
    import_keys: &'b ImportKeys,
    staged_keys: Staged,
    head_hash: Hash,
    /// Files of photos that erasures took.
    gone_photos: Vec<PhotoName>,
    conn: &'b Connection,
    select_incident: CachedStatement<'b>,
    insert_entry: CachedStatement<'b>,
    insert_report: CachedStatement<'b>,
    put_incident: CachedStatement<'b>,
}

impl<'b> Batch<'b> {
    fn new(
        conn: &'b Connection,
        city: &'b City,
        encoder: &'b mut Encoder,
        import_keys: &'b ImportKeys,
        head_hash: Hash,
    ) -> Result<Batch<'b>, JournalError> {
        Ok(Batch {
            city,
            encoder,
            import_keys,
            staged_keys: Staged::default(),
            head_hash,
            gone_photos: Vec::new(),
            conn,
            select_incident: conn.prepare_cached(concat!(
                "SELECT ",
                incident_columns!(),
                " FROM incident WHERE no = ?1"
            ))?,
            insert_entry: conn.prepare_cached(put::ENTRY)?,
            insert_report: conn.prepare_cached(put::REPORT)?,
            put_incident: conn.prepare_cached(put::INCIDENT)?,
        })
    }

    /// The new head's hash, the import keys that the transaction added, and the photos that it erased.
    fn finish(self) -> (Hash, Staged, Vec<PhotoName>) {
        (self.head_hash, self.staged_keys, self.gone_photos)
    }

    fn put_incident(&mut self, row: &IncidentRow) -> Result<(), JournalError> {
        let keys = RowKeys {
            category: &self.city.category(row.category).key,
            agency: row.agency.map(|id| self.city.agency(id).key.as_str()),
            area: row.area.map(|id| self.city.areas.get(id).code.as_str()),
        };
        put::incident(&mut self.put_incident, row, &keys)
    }
}

impl Store for Batch<'_> {
    fn city(&self) -> &City {
        self.city
    }

    fn incident(&mut self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        let mut rows = self.select_incident.query([no.0])?;
        rows.next()?.map(|row| read::incident_row(row, self.city)).transpose()
    }

    fn keyed(&mut self, key: &str) -> Result<Option<Keyed>, JournalError> {
        let mut statement = self.conn.prepare_cached(&KEYED)?;
        let mut rows = statement.query([key])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        sums::IDEMPOTENCY.check(row, 3)?;
        let (report, at) = (ReportNo(row.get(0)?), TimeMs(row.get(2)?));
        Ok(Some(Keyed { report, body_digest: row.get(1)?, at }))
    }

    fn photos_sent(&mut self, no: IncidentNo, key: [u8; 16]) -> Result<Option<PhotosSent>, JournalError> {
        photos::sent(self.conn, no, key)
    }

    fn imported(&mut self, row: &ImportRow) -> Result<Option<ReportNo>, JournalError> {
        self.import_keys.find(&mut self.staged_keys, self.conn, row)
    }

    fn receipt(&mut self, no: ReportNo) -> Result<Receipt, JournalError> {
        let sql = "SELECT r.seq, r.received_at, i.no, i.opened_at \
                   FROM report r JOIN incident i ON i.no = r.incident_no WHERE r.no = ?1";
        let receipt = |row: &rusqlite::Row| {
            Ok(Receipt::Report {
                seq: Seq(row.get::<_, i64>(0)?.cast_unsigned()),
                report: no,
                received_at: TimeMs(row.get(1)?),
                incident: IncidentNo(row.get(2)?),
                opened_at: TimeMs(row.get(3)?),
            })
        };
        let found = self.conn.prepare_cached(sql)?.query_row([no.0], receipt).optional()?;
        found.ok_or_else(|| super::bad_row("report", no.0, "a key points at it, but it is not there"))
    }

    fn held(&mut self, no: ReportNo) -> Result<Option<Held>, JournalError> {
        erase::held(self.conn, no)
    }

    fn held_note(&mut self, seq: Seq) -> Result<Option<HeldNote>, JournalError> {
        erase::held_note(self.conn, seq)
    }

    fn absorbed_by(&mut self, no: IncidentNo) -> Result<Vec<IncidentNo>, JournalError> {
        merges::absorbed_by(self.conn, no)
    }

    fn senders(&mut self, no: IncidentNo) -> Result<BTreeSet<SenderId>, JournalError> {
        merges::senders(self.conn, no)
    }

    fn has_sender(&mut self, no: IncidentNo, sender: SenderId) -> Result<bool, JournalError> {
        merges::has_sender(self.conn, no, sender)
    }

    fn write(&mut self, accepted: &Accepted) -> Result<(), JournalError> {
        let Entry { seq, at, ref fact } = accepted.entry;
        if let Fact::Erasure(fact) = fact {
            let encoded = self.encoder.encode_erasure(fact, &accepted.lefts)?;
            self.head_hash = chain(&self.head_hash, seq, at, &encoded.body);
            let values = params![seq.0.cast_signed(), at.0, "erasure", encoded.body, self.head_hash];
            self.insert_entry.execute(values)?;
            self.gone_photos.extend(erase::write(self.conn, seq, fact, &encoded)?);
            return Ok(());
        }
        let encoded = self.encoder.encode(self.city, &accepted.entry, accepted.coarse_place)?;
        let hash = chain(&self.head_hash, seq, at, encoded.body);
        self.insert_entry.execute(params![seq.0.cast_signed(), at.0, encoded.kind, encoded.body, hash])?;
        self.head_hash = hash;
        photos::apply(self.conn, at, seq, fact)?;
        match fact {
            Fact::Report(report) => {
                let keys = RowKeys {
                    category: &self.city.category(report.category).key,
                    agency: None,
                    area: report.area.map(|id| self.city.areas.get(id).code.as_str()),
                };
                put::report(&mut self.insert_report, (seq, at), report, &keys, encoded.private)?;
                self.insert_keys(accepted, report, at)?;
            }
            Fact::Action(action) => put::action(self.conn, seq, action, encoded.private)?,
            Fact::Merge(merge) => merges::insert(self.conn, seq, encoded.kind, merge, encoded.private)?,
            Fact::Split(split) => merges::insert(self.conn, seq, encoded.kind, split, encoded.private)?,
            Fact::Record(record) => insert_record(self.conn, seq, record, encoded.private)?,
            Fact::Erasure(_) | Fact::Pack { .. } | Fact::Tick => {}
        }
        accepted.incident.iter().chain(&accepted.partner).try_for_each(|row| self.put_incident(row))
    }
}

impl Batch<'_> {
    fn insert_keys(
        &mut self,
        accepted: &Accepted,
        report: &ReportFact,
        at: TimeMs,
    ) -> Result<(), JournalError> {
        if let Some(row) = &accepted.import {
            self.import_keys.insert(&mut self.staged_keys, self.conn, row, report.report)?;
        }
        if let Some(sent) = &accepted.idempotency {
            // Replaces a key that no longer counts.
            let sql = &*PUT_KEYED;
            let mut put = self.conn.prepare_cached(sql)?;
            put.execute(params![sent.key, sent.body_digest, report.report.0, at.0])?;
        }
        Ok(())
    }
}
