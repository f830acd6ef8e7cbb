//! Photos: their rows, and the table that holds their files, which every node of a database reaches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::columns::Change;
use super::link::{Driver, Link};
use super::rows::{bad_row, get, hash, number, seq, time};
use super::url::StoreUrl;
use crate::journal::codec::Body;
use crate::journal::photos::{PhotoFiles, proven};
use crate::journal::photos_sent::{PhotosSent, sent_of};
use crate::journal::{JournalError, fold};
use crate::model::{
    ErasureFact, Fact, IncidentNo, Photo, PhotoKind, PhotoName, PhotoNo, PhotoRow, ReportNo, Seq, TimeMs,
};

/// A file this young may be named by an entry in a moment, on whichever node it came in.
const SETTLED_AFTER: &str = "1 hour";

/// What [`photo_row`] reads.
pub(super) const PHOTO: &str =
    "seq, n, incident_no, report_no, at, kind, actor, name, thumb, width, height, public";

/// Reads a row of [`PHOTO`].
pub(super) fn photo_row(row: &Row) -> Result<PhotoRow, JournalError> {
    let no = PhotoNo { seq: seq(row, 0)?, n: number(row, 1)? };
    let kind = PhotoKind::from_key(get(row, 5)?)
        .ok_or_else(|| bad_row("photo", no.seq, "there is no such kind of photo"))?;
    let report = get::<Option<i64>>(row, 3)?.map(|_| number(row, 3)).transpose()?;
    Ok(PhotoRow {
        no,
        incident: IncidentNo(number(row, 2)?),
        report: report.map(ReportNo),
        at: time(row, 4)?,
        kind,
        actor: get(row, 6)?,
        photo: Photo {
            name: PhotoName(hash(row, 7)?),
            thumb: PhotoName(hash(row, 8)?),
            width: number(row, 9)?,
            height: number(row, 10)?,
        },
        public: get(row, 11)?,
    })
}

/// What the entries of a batch do to the rows, but for erasures.
#[derive(Default)]
pub(super) struct Photos {
    added: Vec<PhotoRow>,
    /// The last word on each.
    released: BTreeMap<PhotoNo, bool>,
    /// What came under keys, as it stands in this batch.
    sent: HashMap<(IncidentNo, [u8; 16]), PhotosSent>,
}

impl Photos {
    pub fn add(&mut self, seq: Seq, at: TimeMs, fact: &Fact) {
        for row in fold::photo_rows(seq, at, fact) {
            // What was said of a photo before it was there says nothing.
            self.released.remove(&row.no);
            self.added.push(row);
        }
        self.released.extend(fold::photo_released(fact));
        if let Some((no, sent)) = sent_of(fact) {
            self.sent.insert((no, sent.key), PhotosSent { seq, content: sent.content });
        }
    }

    /// Asks what came to these incidents under keys.
    pub fn know_sent(&mut self, link: &Link, incidents: &[i64]) -> Result<(), JournalError> {
        if incidents.is_empty() {
            return Ok(());
        }
        let sql = "SELECT e.seq, e.body, a.private, a.incident_no FROM action a JOIN entry e ON e.seq = a.seq \
                   WHERE a.incident_no = ANY($1) AND a.action = 'photo'";
        link.rows(sql, &[(&incidents, Type::INT8_ARRAY)], &mut |row| {
            let seq = seq(row, 0)?;
            if let Some(sent) = Body::parse(seq, get(row, 1)?)?.sent_photos(get(row, 2)?)? {
                let no = IncidentNo(number(row, 3)?);
                self.sent.insert((no, sent.key), PhotosSent { seq, content: sent.content });
            }
            Ok(())
        })
    }

    pub fn sent(&self, no: IncidentNo, key: [u8; 16]) -> Option<PhotosSent> {
        self.sent.get(&(no, key)).copied()
    }

    /// What the batch itself erases is gone for the commands after it.
    pub fn forget_sent(&mut self, fact: &ErasureFact) {
        for sent in self.sent.values_mut() {
            if fact.notes.iter().any(|erased| erased.seq == sent.seq) {
                sent.content = None;
            }
        }
    }

    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let rows = || self.added.iter();
        let added = Change::new(
            "INSERT INTO photo (seq, n, incident_no, report_no, at, kind, actor, name, thumb, width, height, public) \
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .numbers(rows().map(|row| row.no.seq.0.cast_signed()))
        .numbers(rows().map(|row| row.no.n.into()))
        .numbers(rows().map(|row| row.incident.0.into()))
        .numbers_or_null(rows().map(|row| row.report.map(|no| no.0.into())))
        .numbers(rows().map(|row| row.at.0))
        .texts(rows().map(|row| row.kind.key().to_owned()))
        .texts_or_null(rows().map(|row| row.actor.clone()))
        .bytes(rows().map(|row| row.photo.name.0.to_vec()))
        .bytes(rows().map(|row| row.photo.thumb.0.to_vec()))
        .numbers(rows().map(|row| row.photo.width.into()))
        .numbers(rows().map(|row| row.photo.height.into()))
        .flags(rows().map(|row| row.public));
        let released = Change::new(
            "UPDATE photo p SET public = a.public FROM unnest($1, $2, $3) AS a (seq, n, public) \
             WHERE p.seq = a.seq AND p.n = a.n",
        )
        .numbers(self.released.keys().map(|no| no.seq.0.cast_signed()))
        .numbers(self.released.keys().map(|no| no.n.into()))
        .flags(self.released.values().copied());
        [added, released].into_iter().filter(|change| !change.is_empty())
    }
}

/// The files in the database.
pub(super) struct DatabasePhotos {
    url: StoreUrl,
    driver: Arc<Driver>,
    /// Kept between calls.
    link: Mutex<Option<Link>>,
}

impl DatabasePhotos {
    pub fn new(url: StoreUrl, driver: Arc<Driver>) -> DatabasePhotos {
        DatabasePhotos { url, driver, link: Mutex::default() }
    }

    /// Runs `run` on a session of its own. One that died while it lay there is no error; what was begun is done
    /// again, which does no harm.
    fn with<T>(&self, run: impl Fn(&Link) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let kept = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(link) = kept.filter(|link| !link.client.is_closed()) {
            match run(&link) {
                Err(JournalError::Away(_)) => {}
                result => return self.give_back(link, result),
            }
        }
        let link = Link::connect(&self.driver, &self.url)?;
        let result = run(&link);
        if matches!(result, Err(JournalError::Away(_))) { result } else { self.give_back(link, result) }
    }

    fn give_back<T>(&self, link: Link, result: T) -> T {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        result
    }
}

impl PhotoFiles for DatabasePhotos {
    fn put(&self, files: &[(PhotoName, &[u8])]) -> Result<(), JournalError> {
        let names: Vec<&[u8]> = files.iter().map(|(name, _)| &name.0[..]).collect();
        let bytes: Vec<&[u8]> = files.iter().map(|(_, bytes)| *bytes).collect();
        // On its own, so that it is durable before the entry's commit begins. One that is there and was changed
        // since is made good.
        let sql = "INSERT INTO photo_file (name, bytes) \
                   SELECT DISTINCT ON (name) name, bytes FROM unnest($1, $2) AS file (name, bytes) \
                   ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes \
                   WHERE photo_file.bytes <> excluded.bytes";
        self.with(|link| {
            link.run("SET synchronous_commit = on")?;
            link.execute(sql, &[(&names, Type::BYTEA_ARRAY), (&bytes, Type::BYTEA_ARRAY)]).map(drop)
        })
    }

    fn get(&self, name: PhotoName) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT bytes FROM photo_file WHERE name = $1";
        let row = self.with(|link| link.first(sql, &[(&&name.0[..], Type::BYTEA)]))?;
        row.map(|row| proven(name, get(&row, 0)?)).transpose()
    }

    fn remove(&self, names: &[PhotoName]) -> Result<(), JournalError> {
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&[u8]> = names.iter().map(|name| &name.0[..]).collect();
        let sql = "DELETE FROM photo_file WHERE name = ANY($1)";
        self.with(|link| link.execute(sql, &[(&names, Type::BYTEA_ARRAY)]).map(drop))
    }

    fn settle(&self, _: &[PhotoName]) {}

    fn settled(&self, each: &mut dyn FnMut(PhotoName)) -> Result<(), JournalError> {
        let sql = format!("SELECT name FROM photo_file WHERE put_at < now() - interval '{SETTLED_AFTER}'");
        let names = self.with(|link| {
            let mut names = Vec::new();
            link.rows(&sql, &[], &mut |row| {
                names.push(PhotoName(hash(row, 0)?));
                Ok(())
            })?;
            Ok(names)
        })?;
        names.into_iter().for_each(each);
        Ok(())
    }
}
