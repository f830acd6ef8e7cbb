//! Opening: migrations, marks, what the server promises.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use super::link::{Driver, Link};
use super::read::PostgisReader;
use super::rows::{get, hash, number, seq, time};
use super::url::StoreUrl;
use super::{Database, Promise};
use crate::city::City;
use crate::health::Health;
use crate::journal::codec::{CHAIN_START, Hash};
use crate::journal::copy::UNFINISHED;
use crate::journal::decide::Counters;
use crate::journal::identity::{Fresh, read_epoch};
use crate::journal::{FolderMode, JournalError};
use crate::model::{Epoch, Secret, Seq, TimeMs, hex, unhex};

/// In order; never edited, only added to.
pub(super) const MIGRATIONS: [(&str, &str); 15] = [
    ("0001_journal", include_str!("../../../migrations/postgis/0001_journal.sql")),
    ("0002_erased", include_str!("../../../migrations/postgis/0002_erased.sql")),
    ("0003_accounts", include_str!("../../../migrations/postgis/0003_accounts.sql")),
    ("0004_merges", include_str!("../../../migrations/postgis/0004_merges.sql")),
    ("0005_standing", include_str!("../../../migrations/postgis/0005_standing.sql")),
    ("0006_clocks", include_str!("../../../migrations/postgis/0006_clocks.sql")),
    ("0007_account_events", include_str!("../../../migrations/postgis/0007_account_events.sql")),
    ("0008_passkeys", include_str!("../../../migrations/postgis/0008_passkeys.sql")),
    ("0009_photos", include_str!("../../../migrations/postgis/0009_photos.sql")),
    ("0010_credibility", include_str!("../../../migrations/postgis/0010_credibility.sql")),
    ("0012_subjects", include_str!("../../../migrations/postgis/0012_subjects.sql")),
    ("0013_handed_in", include_str!("../../../migrations/postgis/0013_handed_in.sql")),
    ("0014_waiting_codes", include_str!("../../../migrations/postgis/0014_waiting_codes.sql")),
    ("0015_checkpoints", include_str!("../../../migrations/postgis/0015_checkpoints.sql")),
    ("0016_heads", include_str!("../../../migrations/postgis/0016_heads.sql")),
];

/// PostgreSQL 15: `server_version_num`.
const VERSION_MIN: i32 = 150_000;
/// Held by a transaction that changes the tables.
const MIGRATING: i64 = 0x504E_5455_0001;

/// Opens the database: makes the tables where there are none, and checks whose it is. Reads no history.
pub(super) fn open(
    url: &StoreUrl,
    city: Arc<City>,
    mode: FolderMode,
    may_be_unfinished: bool,
) -> Result<Database, JournalError> {
    let driver = Driver::start()?;
    let link = Link::connect(&driver, url)?;
    migrate(&link, url)?;
    link.run("BEGIN")?;
    mark(&link, url, &city, mode)?;
    if !may_be_unfinished && meta(&link, UNFINISHED)?.is_some() {
        return Err(JournalError::Folder(format!(
            "the database {url} holds a migration that was cut; run the same pantau migrate again to its end"
        )));
    }
    let epoch = epoch(&link)?;
    let secret = meta(&link, "secret")?.and_then(|text| unhex(&text)).ok_or_else(|| lacks("secret"))?;
    link.run("COMMIT")?;
    let promise = Promise::read(&link)?;
    Ok(Database {
        url: url.clone(),
        reader: Arc::new(PostgisReader::new(url.clone(), driver.clone(), city.clone())),
        driver,
        city,
        epoch,
        secret: Secret(secret),
        promise,
        health: Health::default(),
        folder: None,
        key: Ok(None),
    })
}

/// A connection to the tables, which are made where there are none.
pub(in crate::journal) fn prepare_tables(
    driver: &Arc<Driver>,
    url: &StoreUrl,
) -> Result<Link, JournalError> {
    let link = Link::connect(driver, url)?;
    migrate(&link, url)?;
    Ok(link)
}

fn migrate(link: &Link, url: &StoreUrl) -> Result<(), JournalError> {
    migrate_by(&MIGRATIONS, link, url)
}

/// All of it or nothing.
pub(super) fn migrate_by(
    migrations: &[(&str, &str)],
    link: &Link,
    url: &StoreUrl,
) -> Result<(), JournalError> {
    let version = link.first("SELECT current_setting('server_version_num')::int", &[])?;
    if version.map_or(Ok(0), |row| get::<i32>(&row, 0))? < VERSION_MIN {
        return Err(JournalError::Folder(format!(
            "the server of {url} is older than PostgreSQL 15; install 15 or newer"
        )));
    }
    link.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATING})"))?;
    let result = migrate_locked(migrations, link, url);
    link.run(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    result
}

fn migrate_locked(migrations: &[(&str, &str)], link: &Link, url: &StoreUrl) -> Result<(), JournalError> {
    let there = link.first("SELECT 1 FROM pg_extension WHERE extname = 'postgis'", &[])?;
    if there.is_none() {
        link.run("CREATE EXTENSION postgis SCHEMA public").map_err(|error| {
            JournalError::Folder(format!(
                "the database {url} lacks PostGIS, and this user may not add it ({error}); install the package (Debian: postgresql-15-postgis-3) and let an administrator run CREATE EXTENSION postgis SCHEMA public in it"
            ))
        })?;
    }
    link.run(
        "CREATE SCHEMA IF NOT EXISTS pantau; \
         CREATE TABLE IF NOT EXISTS pantau.migration (name text PRIMARY KEY, sha256 text NOT NULL)",
    )?;
    let mut applied: Vec<(String, String)> = Vec::new();
    link.rows("SELECT name, sha256 FROM pantau.migration ORDER BY name", &[], &mut |row| {
        applied.push((get(row, 0)?, get(row, 1)?));
        Ok(())
    })?;
    if let Some((newer, _)) =
        applied.iter().find(|(name, _)| migrations.iter().all(|(known, _)| known != name))
    {
        return Err(JournalError::Folder(format!(
            "a newer pantau has changed the tables of {url} ({newer}); use that one, or a backup from before"
        )));
    }
    for &(name, sql) in migrations {
        let digest = hex(&Sha256::digest(sql));
        match applied.iter().find(|(known, _)| known == name) {
            Some((_, applied)) if *applied == digest => continue,
            Some(_) => {
                return Err(JournalError::Corrupt(format!(
                    "its tables were made by another {name}.sql than this pantau has; use the pantau that made them"
                )));
            }
            None => {}
        }
        link.run(sql)?;
        let sql = "INSERT INTO migration (name, sha256) VALUES ($1, $2)";
        link.execute(sql, &[(&name, Type::TEXT), (&digest, Type::TEXT)])?;
    }
    Ok(())
}

/// Marks a new database; of an old one, checks that it is the city's and of the mode.
fn mark(link: &Link, url: &StoreUrl, city: &City, mode: FolderMode) -> Result<(), JournalError> {
    let Some(marked_city) = meta(link, "city")? else {
        return mark_new(link, city, mode);
    };
    if marked_city != city.key {
        return Err(JournalError::Folder(format!(
            "the database {url} belongs to the city {marked_city:?}, not to {:?}; start with its city pack, or name another database with --store",
            city.key
        )));
    }
    let marked_mode = meta(link, "mode")?.ok_or_else(|| lacks("mode"))?;
    match mode {
        _ if marked_mode == mode.key() => Ok(()),
        FolderMode::Live => Err(JournalError::Folder(format!(
            "the database {url} holds a replay; add --clock replay, or name another one with --store"
        ))),
        FolderMode::Replay => Err(JournalError::Folder(format!(
            "the database {url} holds live reports, and a replay needs a store of its own; name one with --store or --data"
        ))),
    }
}

fn mark_new(link: &Link, city: &City, mode: FolderMode) -> Result<(), JournalError> {
    let Fresh { epoch, secret } = Fresh::draw()?;
    let marks = [
        ("city", city.key.clone()),
        ("mode", mode.key().to_owned()),
        ("epoch", epoch.0.to_string()),
        ("secret", hex(&secret)),
    ];
    for (key, value) in &marks {
        // Two that open a new database at once: the first marks it.
        let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        link.execute(sql, &[(key, Type::TEXT), (value, Type::TEXT)])?;
    }
    Ok(())
}

pub(in crate::journal) fn meta(link: &Link, key: &str) -> Result<Option<String>, JournalError> {
    let row = link.first("SELECT value FROM meta WHERE key = $1", &[(&key, Type::TEXT)])?;
    row.map(|row| get(&row, 0)).transpose()
}

/// The epoch that the database counts under now.
pub(super) fn epoch(link: &Link) -> Result<Epoch, JournalError> {
    meta(link, "epoch")?.and_then(|text| read_epoch(&text)).ok_or_else(|| lacks("epoch"))
}

pub(super) fn lacks(key: &str) -> JournalError {
    JournalError::Corrupt(format!("the table meta has no sound {key}; restore a backup"))
}

/// Coarse places of what is sensitive, from the entries: only they and the private parts know them. Where
/// the exact one was erased, the coarse one is all there is.
pub(in crate::journal) fn coarsen(link: &Link) -> Result<(), JournalError> {
    // In JSON a quotation mark within a text is escaped, so the private part's member is found by its text.
    link.run(
        r#"UPDATE report r SET
             coarse_lng_e7 = round(substring(e.body FROM '"place":\[([-+0-9.eE]+),')::numeric * 1e7)::integer,
             coarse_lat_e7 = round(substring(e.body FROM '"place":\[[-+0-9.eE]+,([-+0-9.eE]+)\]')::numeric * 1e7)::integer
           FROM entry e WHERE e.seq = r.seq AND r.private LIKE '%"place":[%';
           UPDATE report r SET coarse_lng_e7 = r.lng_e7, coarse_lat_e7 = r.lat_e7
           FROM entry e, jsonb_array_elements(e.body::jsonb -> 'erasure' -> 'reports') AS erased
           WHERE e.kind = 'erasure' AND erased -> 'place' IS NOT NULL AND r.no = (erased ->> 'no')::bigint;
           UPDATE incident i SET coarse_lng_e7 = r.coarse_lng_e7, coarse_lat_e7 = r.coarse_lat_e7
           FROM report r WHERE r.seq = i.opened_seq AND r.coarse_lng_e7 IS NOT NULL"#,
    )
}

/// The last numbers given out, and the head's hash.
pub(super) fn last(link: &Link) -> Result<(Counters, Hash), JournalError> {
    let head = link.first("SELECT seq, at, hash FROM entry ORDER BY seq DESC LIMIT 1", &[])?;
    let (seq, at, head_hash) = match head {
        Some(row) => (seq(&row, 0)?, time(&row, 1)?, hash(&row, 2)?),
        None => (Seq(0), TimeMs(0), CHAIN_START),
    };
    let numbers = link.first(
        "SELECT (SELECT coalesce(max(no), 0) FROM report), (SELECT coalesce(max(no), 0) FROM incident)",
        &[],
    )?;
    let (report, incident) = match numbers {
        Some(row) => (number(&row, 0)?, number(&row, 1)?),
        None => (0, 0),
    };
    Ok((Counters { seq, at, report, incident }, head_hash))
}

impl Promise {
    fn read(link: &Link) -> Result<Promise, JournalError> {
        let sql = "SELECT current_setting('fsync'), current_setting('full_page_writes'), \
                   current_setting('synchronous_commit')";
        let row = link.first(sql, &[])?.ok_or_else(|| lacks("settings"))?;
        let (fsync, pages, commit): (&str, &str, &str) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
        let mut broken = Vec::new();
        if fsync != "on" {
            broken.push(format!("fsync is {fsync}: a power cut loses acknowledged reports or the whole database; set fsync = on in postgresql.conf and restart PostgreSQL"));
        }
        if pages != "on" {
            broken.push(format!("full_page_writes is {pages}: a power cut can tear pages; set full_page_writes = on, unless the file system cannot tear them"));
        }
        Ok(Promise { broken, commit_is_asynchronous: commit == "off" })
    }
}
