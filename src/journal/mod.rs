//! The journal: the only truth, and the only SQL.
//!
//! One contract, [`Journal`] and [`Reader`], over an embedded SQLite file ([`SqliteJournal`]), a
//! PostgreSQL database with PostGIS ([`PostgisJournal`]) and, for tests, memory ([`MemoryJournal`]).
//! Invariants:
//!
//! - What [`Journal::append`] returned as accepted is durable: it survives `kill -9` and a power cut.
//! - Seqs are dense from 1 in commit order; `at` never falls.
//! - State tables and log change in one transaction, so rows are always as of the head.
//! - A tick is the last entry of its commit, and the derived tables of a tick are written with the
//!   very next commit. So at opening at most one tick, the head itself, is not in the derived tables.
//! - Entries form a hash chain; personal data stands beside it under a salted digest and can be erased.

mod accounts;
mod action_wire;
mod checkpoint;
mod clock_wire;
mod clocks;
mod codec;
mod copy;
mod decide;
mod erase;
#[cfg(test)]
#[path = "erase/suite.rs"]
mod erase_suite;
mod fold;
mod identity;
mod keys;
mod lock;
mod mark;
mod memory;
mod merge_wire;
mod merging;
#[cfg(test)]
mod naive;
mod photo_folder;
mod photo_wire;
mod photos;
mod photos_gone;
mod photos_sent;
mod place;
mod postgis;
#[cfg(test)]
#[allow(dead_code, reason = "shared with the integration tests, which use other parts of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres_server;
mod records;
mod salts;
mod shared;
mod spool;
mod sqlite;
mod standing;
mod stored;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;
mod wire;

pub use accounts::{
    AccountRow, AccountRows, AccountStore, DeviceRow, EVENT_DAYS, EVENTS_KEPT_MAX, EventQuestion, EventRow,
    LastingRows, LinkRow, PasskeyRow, SessionRow, SubjectRow, TokenRow,
};
pub use checkpoint::Noted;
use copy::unshared_in;
pub use copy::{
    Copied, CopiedAccounts, CopiedKey, carry_key, migrate, verify_database, verify_database_beside,
};
pub use fold::{check_incident, incident_at};
pub use lock::HeldLock;
pub use memory::MemoryJournal;
pub use photos::{PhotoFiles, photo_name, sweep_photos, sweep_photos_soon, sweep_photos_until};
pub use place::{Place, Reading};
pub use postgis::{PostgisJournal, PostgisStandby, StoreUrl, vacuum_erased};
pub use records::{ActsQuestion, ERASE, MERGE, SPLIT};
pub use shared::{Pseudonyms, SharedEntry, shared_accuracy_m};
pub use spool::{
    Answers, CodeTold, HandIn, HeldReport, Kept, KnownDatabase, Spool, Unshared, Waiting, WaitingRoom,
    Whereabouts, check_spool,
};
use sqlite::folder_reader;
pub use sqlite::{
    FolderMode, LogReader, Moment, Proven, Restoring, SqliteJournal, VerifyFault, VerifyReport, is_journal,
    verify, verify_against,
};
pub use standing::Standing;
pub use stored::{ChainHead, Identity, StoredEntry, StoredPrivate};

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::health::Health;
use crate::model::{
    AgencyId, AreaId, CategoryId, Channel, Clock, Command, Entry, Epoch, IncidentNo, LngLat, Outcome,
    PhotoName, PhotoNo, PhotoRow, Projection, ReportNo, ReportPrivate, Secret, SenderId, Seq, Status,
    TimeMs,
};

/// Ended hotspots are in [`Derived`] while their end is among this many newest entries.
const ENDED_ENTRIES_MAX: u64 = 10_000;
/// This many newest events of hotspots are in [`Derived`].
const EVENTS_MAX: usize = 1_000;
/// And this many newest surges.
const SURGES_MAX: usize = 2_000;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process has the data folder open.
    #[error("the data folder {folder} is in use by another pantau (process {pid}); stop that one first")]
    InUse { folder: String, pid: String },
    /// The folder cannot be opened as asked; the words say why and what to do.
    #[error("{0}")]
    Folder(String),
    #[error("the disk is full")]
    Full,
    /// The database does not answer. Whether the last batch became durable is not known until it does.
    #[error("the database {0}")]
    Away(String),
    /// Another process has taken over the writing.
    #[error("{0}")]
    Fenced(String),
    /// The database is not the one that this process knew: what was durable there is gone, or it is counted anew.
    #[error("{0}")]
    Lost(String),
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This node has no journal.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The stored history contradicts itself or the city pack.
    #[error("the stored history cannot be read: {0}")]
    Corrupt(String),
}

/// A failure of a file beside the journal.
fn io_failure(error: std::io::Error) -> JournalError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => JournalError::Full,
        _ => JournalError::Store(Box::new(error)),
    }
}

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub epoch: Epoch,
    /// `Seq(0)` where nothing is written yet.
    pub seq: Seq,
    /// The newest entry's time; `TimeMs(0)` where there is none.
    pub at: TimeMs,
}

/// The one writer.
pub trait Journal: Send {
    fn head(&self) -> Head;

    /// The folder's secret, under which codes, UUIDs and senders are made.
    fn secret(&self) -> Secret;

    /// Decides each command against the state, this batch included, and commits all that was
    /// accepted in one transaction. One outcome a command, in order; one refusal never stops its
    /// neighbours. `now` is the time of the new entries (raised to the head's where it is behind).
    /// `derived` goes into the same commit, also where no command is accepted.
    ///
    /// # Errors
    /// On an error nothing of the batch is durable and nothing may be acknowledged.
    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError>;

    /// The folder on this machine that the journal is in, if it is in one: what is derived from it may
    /// be kept beside it.
    fn folder(&self) -> Option<&Path>;

    /// A handle for readers on other threads; it sees everything that was appended.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Puts a checkpoint at the head: the last call before the journal is dropped.
    ///
    /// # Errors
    /// The checkpoint is not durable; what was appended is.
    fn seal(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// After an erasure: makes its bytes be gone from where the journal is, but for what readers of an
    /// older moment hold up, or what takes long and goes on beside; then it answers `false`, and is to be asked
    /// again.
    ///
    /// # Errors
    /// Where the disk fails. What was erased is erased all the same.
    fn wipe(&mut self) -> Result<bool, JournalError> {
        Ok(true)
    }

    /// The same where nobody waits for the journal: what takes long is done when this returns.
    ///
    /// # Errors
    /// As [`Journal::wipe`].
    fn wipe_patiently(&mut self) -> Result<bool, JournalError> {
        self.wipe()
    }

    /// Looks whether what stopped reports for a while is over, and says so in its health. Called every
    /// few seconds while a condition stands.
    fn try_again(&mut self) {}

    /// Where the journal says what is not well with it, always the same list. A node's is its journal's.
    fn health(&self) -> Health {
        Health::default()
    }

    /// How often [`Journal::check`] is to be called where nothing is written; `None`: it need not be.
    fn check_every(&self) -> Option<Duration> {
        None
    }

    /// Whether this is still the one writer, and its store is there.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] where another process took over, [`JournalError::Lost`] where the store went
    /// back: nothing more may be written. [`JournalError::Away`] where it does not answer: see [`Journal::resume`].
    fn check(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// After [`JournalError::Away`]: the head once the store is back, `None` until then; does not wait.
    /// The head may be higher than it was: what was in flight may have become durable.
    ///
    /// # Errors
    /// Where it will not come back for this process; [`JournalError::Lost`] where it came back with less.
    fn resume(&mut self) -> Result<Option<Head>, JournalError> {
        Ok(Some(self.head()))
    }
}

/// A store that another process may be writing: it can be read, followed, and taken over.
pub trait Standby: Send {
    /// The head, and a reader of that very moment, whatever is committed meanwhile. It holds old rows in
    /// the database up: use it to stand up, then let it go.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn moment(&self) -> Result<(Head, Arc<dyn Reader>), JournalError>;

    fn secret(&self) -> Secret;

    /// A reader of what is there now.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Whether the store still leads to the entry `at`, up to which this node follows it, and to those of the
    /// calls before.
    ///
    /// # Errors
    /// [`JournalError::Lost`] where it does not: this node shows what is gone.
    fn look_for_losses(&mut self, at: Seq) -> Result<(), JournalError>;

    /// Waits until something new may be there to read, for a fraction of a second at most.
    fn wait(&mut self);

    /// The journal, where nobody else has it.
    ///
    /// # Errors
    /// Where the store fails; asking again may help where it is away.
    fn take(&mut self) -> Result<Option<Box<dyn Journal>>, JournalError>;

    /// As [`Journal::folder`].
    fn folder(&self) -> Option<&Path>;

    /// As [`Journal::health`]; the same list.
    fn health(&self) -> Health;
}

/// What can be read of the journal, at any time, beside the writer.
pub trait Reader: Send + Sync {
    /// Calls `each` for every incident with one of the `numbers` that is open or was closed after
    /// `closed_after` (`TimeMs::MIN` for all), by number. One that was absorbed is open, whatever became of
    /// the one that absorbed it.
    fn incidents(
        &self,
        numbers: RangeInclusive<IncidentNo>,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError>;

    /// The highest number of an incident; 0 where there is none.
    fn last_incident(&self) -> Result<IncidentNo, JournalError>;

    /// Calls `each` for every incident that an entry after `after` opened or changed, or erased something
    /// of, by number. Takes time in proportion to those entries.
    fn changed_incidents(&self, after: Seq, each: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError>;

    /// Calls `each` for every incident closed after `after` and not after `until`, by number.
    fn archived(
        &self,
        after: TimeMs,
        until: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError>;

    /// What the chain says of an entry and of all before it; `None` where there is no such entry.
    fn entry_hash(&self, seq: Seq) -> Result<Option<[u8; 32]>, JournalError>;

    /// Calls `each` for every report that occurred after `occurred_after`, in the order of its seq.
    fn recent_reports(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportRow),
    ) -> Result<(), JournalError>;

    /// Calls `each` with when and where of every report that occurred after `occurred_after`; in no
    /// particular order. Much cheaper than [`Reader::recent_reports`].
    fn report_places(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportPlace),
    ) -> Result<(), JournalError>;

    /// Calls `each` with incident, report seq and text for every report with a description whose
    /// incident [`Reader::incidents`] gives for `closed_after`; in no particular order.
    fn texts(
        &self,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentNo, Seq, &str),
    ) -> Result<(), JournalError>;

    /// At most `limit` entries with a seq above `after`, in order.
    fn entries(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, JournalError>;

    fn report(&self, no: ReportNo) -> Result<Option<ReportRow>, JournalError>;

    /// What became of a report that had to wait while the database was away, by the number in its code; `None` where
    /// nobody has handed it on yet.
    fn waiting_report(&self, _no: u64) -> Result<Option<Whereabouts>, JournalError> {
        Ok(None)
    }

    /// The highest number of a report; 0 where there is none.
    fn last_report(&self) -> Result<ReportNo, JournalError>;

    /// The reports that count for a sender, the newest first, at most `limit`. Looks every report through.
    fn reports_of(&self, sender: SenderId, limit: usize) -> Result<Vec<ReportRow>, JournalError>;

    fn incident(&self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError>;

    /// The incidents that one has absorbed and not let go of, by number; not those that these had absorbed.
    fn absorbed_by(&self, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError>;

    /// What the first reports said that opened or joined an incident itself: at most `limit` texts.
    fn first_texts(&self, no: IncidentNo, limit: usize) -> Result<Vec<String>, JournalError>;

    /// Calls `each` with every incident that is absorbed and the one that absorbed it, in no particular order.
    fn absorbed(&self, each: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError>;

    /// The reports, actions, merges and splits of one incident as entries, in order. What incidents that it
    /// absorbed had of their own is in theirs.
    fn incident_log(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError>;

    /// The actions on one incident, and the merges and splits by which others absorbed it and let it go, as entries, in
    /// order: however many reports it has.
    fn incident_actions(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError>;

    fn derived(&self) -> Result<Derived, JournalError>;

    /// The hotspots that lived after the entry `seq`, as they stood then, by id. `seq` must not be above
    /// [`Derived::as_of_seq`].
    fn hotspots_at(&self, projection: Projection, seq: Seq) -> Result<Vec<HotspotStateRow>, JournalError>;

    /// The newest erasure; `Seq(0)` where there is none.
    fn last_erasure(&self) -> Result<Seq, JournalError>;

    /// At most `limit` of the entries that people made by what they did, the newest first.
    fn acts(&self, asked: &ActsQuestion, limit: usize) -> Result<Vec<Entry>, JournalError>;

    /// A photo's row; `None` where there is no such photo, or it was erased.
    fn photo(&self, no: PhotoNo) -> Result<Option<PhotoRow>, JournalError>;

    /// The photos that entries of one incident brought, in order; not those of what it absorbed.
    fn photos_of(&self, no: IncidentNo) -> Result<Vec<PhotoRow>, JournalError>;

    /// Those of the names that a row names.
    fn named_photos(&self, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError>;

    /// Where the files of photos lie.
    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError>;

    /// Hash of the city pack that the newest `pack` entry put in force.
    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError>;
}

/// An incident as the state tables hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRow {
    pub no: IncidentNo,
    /// Seq of the entry that opened it.
    pub opened_seq: Seq,
    /// Seq of the newest entry that changed it.
    pub changed_seq: Seq,
    pub category: CategoryId,
    pub status: Status,
    pub agency: Option<AgencyId>,
    pub area: Option<AreaId>,
    pub place: LngLat,
    pub opened_at: TimeMs,
    /// Time of the newest entry that changed it; an imported one begins with `opened_at`.
    pub updated_at: TimeMs,
    pub due_at: Option<TimeMs>,
    /// While it is open; `None` of one whose newest entry is of before there were clocks.
    pub clock: Option<Clock>,
    /// Time of the entry that closed it, while it is closed.
    pub closed_at: Option<TimeMs>,
    /// Closed by the import itself, not by an action.
    pub closed_by_import: bool,
    /// Its own and those of incidents that it absorbed.
    pub reports: u32,
    /// Counts every change, from 1.
    pub version: u32,
    pub drill: bool,
    pub imported: bool,
    /// Distinct senders of these reports; of joins from before that was noted each counts as another.
    pub reporters: u32,
    /// The incident that absorbed it: its reports count there.
    pub merged_into: Option<IncidentNo>,
    pub standing: Standing,
}

/// A report as the state tables hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    pub no: ReportNo,
    pub seq: Seq,
    pub incident: IncidentNo,
    pub received_at: TimeMs,
    pub occurred_at: TimeMs,
    pub category: CategoryId,
    pub place: LngLat,
    pub area: Option<AreaId>,
    pub sender: SenderId,
    pub channel: Channel,
    pub drill: bool,
    pub imported: bool,
    pub n_photos: u8,
    pub private: ReportPrivate,
    pub accuracy_m: Option<u32>,
}

/// When and where a report was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportPlace {
    pub no: ReportNo,
    pub incident: IncidentNo,
    pub occurred_at: TimeMs,
    pub category: CategoryId,
    pub place: LngLat,
    pub area: Option<AreaId>,
    pub drill: bool,
}

/// Hotspots as of a tick: derived from the entries, kept so that opening needs no replay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Derived {
    /// The tick that the hotspots stand at; `Seq(0)` before the first.
    pub as_of_seq: Seq,
    /// Every hotspot that lives, and those that ended among the newest 10,000 entries.
    pub hotspots: Vec<HotspotRow>,
    /// Of these, those that have any.
    pub members: Vec<HotspotMembers>,
    /// The newest 1,000 events, oldest first.
    pub events: Vec<HotspotEventRow>,
    /// The newest 2,000 surges, oldest first.
    pub surges: Vec<SurgeRow>,
}

/// What a tick changed in the derived tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DerivedUpdate {
    pub as_of_seq: Seq,
    pub hotspots: Vec<HotspotRow>,
    /// Of those that changed and live on: one for each tick.
    pub states: Vec<HotspotStateRow>,
    /// In this order.
    pub members: Vec<HotspotMembersUpdate>,
    pub events: Vec<HotspotEventRow>,
    /// In this order; a later one takes the place of an earlier.
    pub surges: Vec<SurgeRow>,
}

/// How a hotspot stood after a tick that changed it. Key: projection, id and `changed_seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotStateRow {
    pub projection: Projection,
    pub id: String,
    pub category: String,
    pub changed_seq: Seq,
    /// As in [`HotspotRow`], without members.
    pub body: String,
}

/// One hotspot. Key: projection and id.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotRow {
    pub projection: Projection,
    /// `1187-0`: seq of the tick that bore it, and its number there.
    pub id: String,
    pub category: String,
    pub changed_seq: Seq,
    pub ended_seq: Option<Seq>,
    /// Everything else, as `live::hotspots` writes and reads it.
    pub body: String,
}

/// The members of one hotspot, in the order of their seqs.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotMembers {
    pub projection: Projection,
    /// Of the hotspot.
    pub id: String,
    pub members: Vec<HotspotMemberRow>,
}

/// How the members of one hotspot changed.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotMembersUpdate {
    pub projection: Projection,
    /// Of the hotspot.
    pub id: String,
    /// All members are among `came`; what was there before goes.
    pub whole: bool,
    /// In the place of those with the same seqs.
    pub came: Vec<HotspotMemberRow>,
    pub left: Vec<Seq>,
}

/// A report in a hotspot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotspotMemberRow {
    /// Of the report's entry.
    pub seq: Seq,
    pub report: ReportNo,
    pub received_at: TimeMs,
    pub core: bool,
    /// What speaks against it and for it: repeats, rejections, channel, vague, photo, agreeing.
    pub doubts: [u8; 6],
}

/// One event in a hotspot's life. Key: projection, seq, id and kind.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotEventRow {
    pub projection: Projection,
    pub seq: Seq,
    pub at: TimeMs,
    pub id: String,
    /// `born`, `doubled`, `merged`, `split`, `ended`.
    pub kind: String,
    pub body: String,
}

/// An alarm of kind surge. Key: projection, seq and n.
#[derive(Debug, Clone, PartialEq)]
pub struct SurgeRow {
    pub projection: Projection,
    /// The tick that raised it.
    pub seq: Seq,
    /// Its number among those of the tick.
    pub n: u32,
    pub at: TimeMs,
    pub category: String,
    /// Its code.
    pub area: String,
    /// The newest day of the city on which it still stood out.
    pub until_day: String,
    /// Everything else, as `live::hotspots` writes and reads it.
    pub body: String,
}
