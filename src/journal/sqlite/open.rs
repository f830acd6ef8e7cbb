//! Opening a data folder: its lock, its migrations, and whether it is the one that was meant.

use std::fs::{DirBuilder, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::import_keys::ImportKeys;
use super::read::SqliteReader;
use super::reserve::Reserve;
use super::{LOSSES, MARK, SqliteJournal, file_in, restore, seals, sums};
use crate::city::City;
use crate::health::{Condition, Health};
use crate::journal::checkpoint::Sealer;
use crate::journal::codec::{CHAIN_START, Encoder, Hash};
use crate::journal::copy::UNFINISHED;
use crate::journal::decide::Counters;
use crate::journal::identity::{Fresh, read_epoch};
use crate::journal::mark::{self, Mark, Marked};
use crate::journal::photos_gone::GonePhotos;
use crate::journal::{HeldLock, JournalError, io_failure};
use crate::model::{Epoch, Secret, Seq, TimeMs, hex};

/// What a data folder is for; marked when it is made, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderMode {
    Live,
    /// Time comes from past reports (`--clock replay`).
    Replay,
}

impl FolderMode {
    /// Its name in the folder.
    pub fn key(self) -> &'static str {
        match self {
            FolderMode::Live => "live",
            FolderMode::Replay => "replay",
        }
    }

    /// What a mark says; a folder of before modes is live.
    pub(in crate::journal) fn of_key(key: Option<&str>) -> FolderMode {
        key.and_then(FolderMode::from_key).unwrap_or(FolderMode::Live)
    }

    /// The mode of that name.
    pub fn from_key(key: &str) -> Option<FolderMode> {
        [FolderMode::Live, FolderMode::Replay].into_iter().find(|mode| mode.key() == key)
    }
}

/// In order; never edited, only added to.
pub(super) const MIGRATIONS: [(&str, &str); 13] = [
    ("0001_journal", include_str!("../../../migrations/sqlite/0001_journal.sql")),
    ("0002_report_places", include_str!("../../../migrations/sqlite/0002_report_places.sql")),
    ("0003_hotspot_states", include_str!("../../../migrations/sqlite/0003_hotspot_states.sql")),
    ("0004_hotspot_members", include_str!("../../../migrations/sqlite/0004_hotspot_members.sql")),
    ("0005_surges", include_str!("../../../migrations/sqlite/0005_surges.sql")),
    ("0006_checkpoints", include_str!("../../../migrations/sqlite/0006_checkpoints.sql")),
    ("0007_erased", include_str!("../../../migrations/sqlite/0007_erased.sql")),
    ("0008_merges", include_str!("../../../migrations/sqlite/0008_merges.sql")),
    ("0009_standing", include_str!("../../../migrations/sqlite/0009_standing.sql")),
    ("0010_clocks", include_str!("../../../migrations/sqlite/0010_clocks.sql")),
    ("0011_photos", include_str!("../../../migrations/sqlite/0011_photos.sql")),
    ("0012_credibility", include_str!("../../../migrations/sqlite/0012_credibility.sql")),
    ("0013_waiting_codes", include_str!("../../../migrations/sqlite/0013_waiting_codes.sql")),
];

/// The newest that gives a table a sum: rows that have none get theirs with it.
const SUMS_SINCE: &str = "0012_credibility";

/// "PNTU", so that `file` and others know whose database it is.
pub(super) const APPLICATION_ID: i32 = 0x504E_5455;

/// Pages (4 KiB) of the write-ahead log before it is copied into the database. A copy holds up one
/// commit: at 16,384 pages for 100 to 170 ms; at SQLite's 1,000 an import copies after every batch.
pub(super) const WAL_PAGES: u32 = 4_096;
/// The log's file is cut back to this after a larger batch.
const WAL_BYTES_MAX: u32 = 32 << 20;
/// Page cache of the write connection: holds the hot part of the import index.
const CACHE_KIB: u32 = 65_536;
pub(super) const BUSY: Duration = Duration::from_secs(10);

pub(super) fn open(
    dir: &Path,
    city: Arc<City>,
    mode: FolderMode,
    may_be_unfinished: bool,
) -> Result<SqliteJournal, JournalError> {
    let folder = |what: std::io::Error| {
        JournalError::Folder(format!("the data folder {} cannot be used: {what}", dir.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
    let lock = lock(dir, &folder)?;
    if restore::is_unfinished(dir) {
        return Err(JournalError::Folder(format!(
            "the data folder {} holds a restore that was cut or failed; run the same pantau restore again to its end, or \
             name another folder",
            dir.display()
        )));
    }
    let mut reserve = Reserve::none(dir);
    let open = || open_locked(dir, &city, mode, may_be_unfinished);
    match open() {
        // For this it was kept.
        Err(JournalError::Full) if reserve.release() => open(),
        opened => opened,
    }
    .map(
        |Opened { conn, wal_pages, epoch, secret, last, head_hash, import_keys, sealer, mark, health }| {
            SqliteJournal {
                dir: dir.to_owned(),
                reader: Arc::new(SqliteReader::new(file_in(dir), Arc::clone(&city))),
                city,
                epoch,
                secret,
                conn,
                last,
                head_hash,
                encoder: Encoder::default(),
                import_keys,
                prune_at: TimeMs::MIN,
                broken: false,
                health,
                sealer,
                mark,
                reserve,
                wal_pages,
                gone_photos: GonePhotos::default(),
                _lock: lock,
            }
        },
    )
}

/// What opening finds.
struct Opened {
    conn: Connection,
    wal_pages: Arc<AtomicU32>,
    epoch: Epoch,
    secret: Secret,
    last: Counters,
    head_hash: Hash,
    import_keys: ImportKeys,
    sealer: Sealer,
    mark: Mark,
    health: Health,
}

fn open_locked(
    dir: &Path,
    city: &City,
    mode: FolderMode,
    may_be_unfinished: bool,
) -> Result<Opened, JournalError> {
    let mut conn = connect(dir)?;
    let wal_pages = count_wal_pages(&mut conn)?;
    migrate(&mut conn)?;
    let health = Health::default();
    let tx = conn.transaction()?;
    mark(&tx, dir, city, mode)?;
    if !may_be_unfinished && meta::<String>(&tx, UNFINISHED)?.is_some() {
        return Err(JournalError::Folder(format!(
            "the data folder {} holds a migration that was cut; run the same pantau migrate again to its end",
            dir.display()
        )));
    }
    check_meta(&tx)?;
    let (last, head_hash) = last(&tx)?;
    notice_losses(&tx, dir, last.seq, &health)?;
    let epoch = meta::<String>(&tx, "epoch")?.and_then(|text| read_epoch(&text));
    let epoch = epoch.ok_or_else(|| lacks("epoch"))?;
    let secret: [u8; 32] = meta(&tx, "secret")?.ok_or_else(|| lacks("secret"))?;
    tx.commit()?;
    let mut mark = Mark::open(&dir.join(MARK)).map_err(io_failure)?;
    if last.seq > Seq(0) {
        mark.set(last.seq, &head_hash);
    }
    let import_keys = ImportKeys::load(&conn)?;
    let sealer = seals::sealer(dir, &conn)?;
    Ok(Opened {
        conn,
        wal_pages,
        epoch,
        secret: Secret(secret),
        last,
        head_hash,
        import_keys,
        sealer,
        mark,
        health,
    })
}

/// Compares the head with the mark of what was confirmed. Where entries are gone their seqs will be
/// given out again, so the folder counts anew: under a new epoch no wall takes them for the old ones.
fn notice_losses(conn: &Connection, dir: &Path, head: Seq, health: &Health) -> Result<(), JournalError> {
    let loss = match Marked::read(&dir.join(MARK)) {
        Some(marked) => marked.loss(head, entry_hash(conn, marked.seq)?),
        None => None,
    };
    if let Some(loss) = loss {
        conn.execute(
            "UPDATE meta SET value = ?1 WHERE key = 'epoch'",
            [Fresh::draw()?.epoch.0.to_string()],
        )?;
        mark::record_loss(&dir.join(LOSSES), &loss).map_err(io_failure)?;
    }
    if let Some(loss) = mark::newest_loss(&dir.join(LOSSES)) {
        let advice =
            "look at the disk, compare with other copies; when it is settled, move losses.log away";
        health.raise(Condition::EntriesLost, format!("{loss}; {advice}"));
    }
    Ok(())
}

pub(super) fn entry_hash(conn: &Connection, seq: Seq) -> Result<Option<Hash>, JournalError> {
    let sql = "SELECT hash FROM entry WHERE seq = ?1";
    Ok(conn.query_row(sql, [seq.0.cast_signed()], |row| row.get(0)).optional()?)
}

/// Takes the folder for this process, until the file is dropped.
pub(super) fn lock(
    dir: &Path,
    folder: &dyn Fn(std::io::Error) -> JournalError,
) -> Result<HeldLock, JournalError> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(folder)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
            let pid = if known { pid.trim().to_owned() } else { "unknown".to_owned() };
            return Err(JournalError::InUse { folder: dir.display().to_string(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(folder(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(folder)?;
    writeln!(file, "{}", std::process::id()).map_err(folder)?;
    Ok(HeldLock::of(file))
}

/// Tables without marks, in a file for a look: fast, not durable.
pub(in crate::journal) fn scratch(dir: &Path) -> Result<Connection, JournalError> {
    let mut conn = connect(dir)?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Pages in the write-ahead log, as they are at each commit. In the place of SQLite's own copying back.
fn count_wal_pages(conn: &mut Connection) -> Result<Arc<AtomicU32>, JournalError> {
    let wal_pages = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&wal_pages);
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        counted.store(pages.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(wal_pages)
}

pub(in crate::journal) fn connect(dir: &Path) -> Result<Connection, JournalError> {
    let conn = Connection::open(file_in(dir))?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    let wal: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if wal != "wal" {
        return Err(JournalError::Folder(format!(
            "the file system of {} cannot keep SQLite's write-ahead log; use a local disk",
            dir.display()
        )));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    conn.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // What is erased is overwritten, not only unlinked.
    conn.pragma_update(None, "secure_delete", "ON")?;
    conn.set_prepared_statement_cache_capacity(32);
    sums::teach(&conn)?;
    Ok(conn)
}

/// A connection that can only read. `temp_store` stays on disk where much may have to be sorted.
pub(super) fn connect_read_only(file: &Path, cache_kib: u32) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    conn.set_prepared_statement_cache_capacity(32);
    sums::teach(&conn)?;
    Ok(conn)
}

/// Whether the tables are those of this pantau, for readers that may not bring them up to date.
pub(super) fn check_tables(conn: &Connection) -> Result<(), JournalError> {
    let mut statement = conn.prepare("SELECT name FROM migration")?;
    let applied: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let known = |name: &str| applied.iter().any(|applied| applied == name);
    match MIGRATIONS.iter().find(|(name, _)| !known(name)) {
        None if applied.len() == MIGRATIONS.len() => Ok(()),
        None => Err(JournalError::Folder(
            "a newer pantau has changed the tables of this folder; use that one".to_owned(),
        )),
        Some((name, _)) => Err(JournalError::Folder(format!(
            "the tables of this folder are of an older pantau ({name} is not there yet); start the server of this version on it once"
        ))),
    }
}

pub(super) fn migrate(conn: &mut Connection) -> Result<(), JournalError> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT",
    )?;
    let known: Vec<&str> = MIGRATIONS.iter().map(|(name, _)| *name).collect();
    let applied: Vec<String> = conn
        .prepare("SELECT name FROM migration")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if let Some(newer) = applied.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(JournalError::Folder(format!(
            "a newer pantau has changed the tables of this folder ({newer}); use that one, or a backup from before"
        )));
    }
    for (name, sql) in MIGRATIONS {
        let tx = conn.transaction()?;
        let digest = hex(&Sha256::digest(sql));
        let applied: Option<String> = tx
            .query_row("SELECT sha256 FROM migration WHERE name = ?1", [name], |row| row.get(0))
            .optional()?;
        match applied {
            Some(applied) if applied == digest => continue,
            Some(_) => {
                return Err(JournalError::Corrupt(format!(
                    "its tables were made by another {name}.sql than this pantau has; use the pantau that made them"
                )));
            }
            None => {}
        }
        tx.execute_batch(sql)?;
        if name == SUMS_SINCE {
            sums::fill(&tx)?;
        }
        tx.execute("INSERT INTO migration (name, sha256) VALUES (?1, ?2)", [name, &digest])?;
        tx.commit()?;
    }
    Ok(())
}

/// Marks a new folder; of an old one, checks that it is the city's and of the mode.
fn mark(conn: &Connection, dir: &Path, city: &City, mode: FolderMode) -> Result<(), JournalError> {
    let Some(marked_city) = meta::<String>(conn, "city")? else {
        return mark_new(conn, &city.key, mode, None);
    };
    let dir = dir.display();
    if marked_city != city.key {
        return Err(JournalError::Folder(format!(
            "the data folder {dir} belongs to the city {marked_city:?}, not to {:?}; start with its city pack, or name another folder with --data",
            city.key
        )));
    }
    let marked_mode: String = meta(conn, "mode")?.ok_or_else(|| lacks("mode"))?;
    match mode {
        _ if marked_mode == mode.key() => Ok(()),
        FolderMode::Live => Err(JournalError::Folder(format!(
            "the data folder {dir} holds a replay; add --clock replay, or name another folder with --data"
        ))),
        FolderMode::Replay => Err(JournalError::Folder(format!(
            "the data folder {dir} holds live reports, and a replay needs a folder of its own; name one with --data"
        ))),
    }
}

/// Marks a folder with an epoch of its own; `secret` is that of the folder it goes on for, if any.
pub(super) fn mark_new(
    conn: &Connection,
    city: &str,
    mode: FolderMode,
    secret: Option<&[u8]>,
) -> Result<(), JournalError> {
    let Fresh { epoch, secret: fresh_secret } = Fresh::draw()?;
    let mut put = conn.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)")?;
    put.execute(params!["city", city])?;
    put.execute(params!["mode", mode.key()])?;
    put.execute(params!["epoch", epoch.0.to_string()])?;
    put.execute(params!["secret", secret.unwrap_or(&fresh_secret)])?;
    Ok(())
}

/// The folder's secret is under every code and id that was ever handed out: a bit of it that the disk
/// changed must not pass. The epoch is not in the sum; a restore gives a new one.
fn check_meta(conn: &Connection) -> Result<(), JournalError> {
    match meta::<String>(conn, "sum")? {
        None => {
            let sum = meta_sum(conn)?;
            conn.execute("INSERT INTO meta (key, value) VALUES ('sum', ?1)", [sum])?;
            Ok(())
        }
        Some(sum) if sum == meta_sum(conn)? => Ok(()),
        Some(_) => Err(lacks("city, mode or secret: the disk or a hand changed one")),
    }
}

/// Over city, mode and secret.
pub(super) fn meta_sum(conn: &Connection) -> Result<String, JournalError> {
    let mut digest = Sha256::new();
    for key in ["city", "mode"] {
        digest.update(meta::<String>(conn, key)?.ok_or_else(|| lacks(key))?);
        digest.update([0]);
    }
    digest.update(meta::<[u8; 32]>(conn, "secret")?.ok_or_else(|| lacks("secret"))?);
    Ok(hex(&digest.finalize()))
}

pub(super) fn meta<T: FromSql>(conn: &Connection, key: &str) -> Result<Option<T>, JournalError> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    Ok(conn.query_row(sql, [key], |row| row.get(0)).optional()?)
}

pub(super) fn lacks(key: &str) -> JournalError {
    JournalError::Corrupt(format!("the table meta has no sound {key}; restore a backup"))
}

/// The last numbers given out, and the head's hash.
pub(super) fn last(conn: &Connection) -> Result<(Counters, Hash), JournalError> {
    let head = conn
        .query_row("SELECT seq, at, hash FROM entry ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (seq, at, hash) = head.unwrap_or((0, 0, CHAIN_START));
    let no = |sql: &str| conn.query_row(sql, [], |row| row.get(0));
    let counters = Counters {
        seq: Seq(seq.cast_unsigned()),
        at: TimeMs(at),
        report: no("SELECT coalesce(max(no), 0) FROM report")?,
        incident: no("SELECT coalesce(max(no), 0) FROM incident")?,
    };
    Ok((counters, hash))
}
