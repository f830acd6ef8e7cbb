//! Reading beside the writer: a small pool of sessions, one snapshot a call.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Driver, Link, Param};
use super::photos::{DatabasePhotos, PHOTO, photo_row};
use super::rows::{
    REPORT_PLACE, get, hash, incident_columns, incident_row, number, report_columns, report_place,
    report_row, seq, time,
};
use super::url::StoreUrl;
use super::{hand_in, open, read_derived};
use crate::city::City;
use crate::journal::codec::{self, Body};
use crate::journal::{
    ActsQuestion, Derived, HotspotStateRow, IncidentRow, JournalError, PhotoFiles, Reader, ReportPlace,
    ReportRow, Whereabouts,
};
use crate::model::{
    Entry, Fact, IncidentNo, PhotoName, PhotoNo, PhotoRow, Projection, ReportNo, SenderId, Seq, TimeMs,
};

/// Sessions kept between calls; more are opened for as long as more calls run at once.
const POOL_MAX: usize = 4;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

const ENTRIES: &str = "SELECT e.seq, e.at, e.body, coalesce(r.private, a.private) FROM entry e \
     LEFT JOIN report r ON r.seq = e.seq LEFT JOIN action a ON a.seq = e.seq";

pub(super) struct PostgisReader {
    url: StoreUrl,
    driver: Arc<Driver>,
    city: Arc<City>,
    pool: Mutex<Vec<Link>>,
    /// Where all sessions look at one moment: the session that keeps it, and its name.
    frozen: Option<(Mutex<Link>, String)>,
    photos: Arc<DatabasePhotos>,
}

impl PostgisReader {
    pub fn new(url: StoreUrl, driver: Arc<Driver>, city: Arc<City>) -> PostgisReader {
        let photos = Arc::new(DatabasePhotos::new(url.clone(), driver.clone()));
        PostgisReader { url, driver, city, pool: Mutex::default(), frozen: None, photos }
    }

    /// A reader of this very moment, whatever is committed meanwhile.
    pub fn frozen(&self) -> Result<PostgisReader, JournalError> {
        let link = Link::connect(&self.driver, &self.url)?;
        link.run(BEGIN)?;
        let name = link.first("SELECT pg_export_snapshot()", &[])?;
        let name: String = name.map_or(Ok(String::new()), |row| get(&row, 0))?;
        let (url, driver, city) = (self.url.clone(), self.driver.clone(), self.city.clone());
        Ok(PostgisReader {
            frozen: Some((Mutex::new(link), name)),
            ..PostgisReader::new(url, driver, city)
        })
    }

    fn connect(&self) -> Result<Link, JournalError> {
        let link = Link::connect(&self.driver, &self.url)?;
        if let Some((_, name)) = &self.frozen {
            link.run(&format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{name}'"))?;
        }
        Ok(link)
    }

    /// Seq and time of the newest entry.
    pub fn last(&self) -> Result<(Seq, TimeMs), JournalError> {
        let sql = "SELECT seq, at FROM entry ORDER BY seq DESC LIMIT 1";
        let last = self.first(sql, &[], |row| Ok((seq(row, 0)?, time(row, 1)?)))?;
        Ok(last.unwrap_or((Seq(0), TimeMs(0))))
    }

    /// Runs `read` on a session of the pool. A session that died while it lay there is no error.
    fn with<T>(&self, mut read: impl FnMut(&Link) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if let Some(link) = self.pooled() {
            match read(&link) {
                Err(JournalError::Away(_)) => {}
                result => {
                    self.give_back(link);
                    return result;
                }
            }
        }
        let link = self.connect()?;
        let result = read(&link);
        if !matches!(result, Err(JournalError::Away(_))) {
            self.give_back(link);
        }
        result
    }

    fn pooled(&self) -> Option<Link> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.retain(|link| !link.client.is_closed());
        pool.pop()
    }

    fn give_back(&self, link: Link) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL_MAX {
            pool.push(link);
        }
    }

    /// As [`PostgisReader::with`], all of it on one snapshot.
    fn snapshot<T>(
        &self,
        mut read: impl FnMut(&Link) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if self.frozen.is_some() {
            return self.with(read);
        }
        self.with(|link| {
            link.run(BEGIN)?;
            let result = read(link);
            link.run("ROLLBACK")?;
            result
        })
    }

    /// Calls `each` for every incident of a query that selects their columns. Where a session dies in
    /// the middle the query fails, and is not begun again.
    fn each_incident(
        &self,
        sql: &str,
        params: &[Param],
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        self.each_row(sql, params, &mut |row| {
            each(incident_row(row, &*self.city)?);
            Ok(())
        })
    }

    fn each_row(
        &self,
        sql: &str,
        params: &[Param],
        each: &mut dyn FnMut(&Row) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        // What was handed on must not come twice.
        let mut begun = false;
        self.with(|link| {
            if begun {
                return Err(JournalError::Away("was lost in the middle of an answer".to_owned()));
            }
            link.rows(sql, params, &mut |row| {
                begun = true;
                each(row)
            })
        })
    }

    fn entries_of(&self, sql: &str, params: &[Param]) -> Result<Vec<Entry>, JournalError> {
        let mut entries = Vec::new();
        self.each_row(sql, params, &mut |row| {
            let (seq, at) = (seq(row, 0)?, time(row, 1)?);
            let fact = Body::parse(seq, get(row, 2)?)?.into_fact(&*self.city, get(row, 3)?)?;
            entries.push(Entry { seq, at, fact });
            Ok(())
        })?;
        Ok(entries)
    }

    /// The first row of a query, read by `read`.
    fn first<T>(
        &self,
        sql: &str,
        params: &[Param],
        read: impl Fn(&Row) -> Result<T, JournalError>,
    ) -> Result<Option<T>, JournalError> {
        let row = self.with(|link| link.first(sql, params))?;
        row.map(|row| read(&row)).transpose()
    }
}

impl Reader for PostgisReader {
    fn incidents(
        &self,
        numbers: RangeInclusive<IncidentNo>,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        let sql = concat!(
            "SELECT ",
            incident_columns!(),
            " FROM incident WHERE (closed_at IS NULL OR closed_at > $1) AND no BETWEEN $2 AND $3 ORDER BY no"
        );
        let (from, to) = (i64::from(numbers.start().0), i64::from(numbers.end().0));
        self.each_incident(
            sql,
            &[(&closed_after.0, Type::INT8), (&from, Type::INT8), (&to, Type::INT8)],
            each,
        )
    }

    fn last_incident(&self) -> Result<IncidentNo, JournalError> {
        let sql = "SELECT coalesce(max(no), 0) FROM incident";
        Ok(self.first(sql, &[], |row| number(row, 0).map(IncidentNo))?.unwrap_or(IncidentNo(0)))
    }

    fn changed_incidents(&self, after: Seq, each: &mut dyn FnMut(IncidentRow)) -> Result<(), JournalError> {
        let sql = concat!(
            "SELECT ",
            incident_columns!(),
            " FROM incident WHERE no IN (SELECT incident_no FROM report WHERE seq > $1 \
             UNION SELECT incident_no FROM action WHERE seq > $1 \
             UNION SELECT incident_no FROM erased WHERE seq > $1 \
             UNION SELECT into_no FROM merge WHERE seq > $1) ORDER BY no"
        );
        self.each_incident(sql, &[(&after.0.cast_signed(), Type::INT8)], each)
    }

    fn archived(
        &self,
        after: TimeMs,
        until: TimeMs,
        each: &mut dyn FnMut(IncidentRow),
    ) -> Result<(), JournalError> {
        let sql = concat!(
            "SELECT ",
            incident_columns!(),
            " FROM incident WHERE closed_at > $1 AND closed_at <= $2 ORDER BY no"
        );
        self.each_incident(sql, &[(&after.0, Type::INT8), (&until.0, Type::INT8)], each)
    }

    fn entry_hash(&self, seq: Seq) -> Result<Option<[u8; 32]>, JournalError> {
        let sql = "SELECT hash FROM entry WHERE seq = $1";
        self.first(sql, &[(&seq.0.cast_signed(), Type::INT8)], |row| hash(row, 0))
    }

    fn recent_reports(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportRow),
    ) -> Result<(), JournalError> {
        // By number is by seq.
        let sql = concat!(
            "SELECT ",
            report_columns!(),
            " FROM report WHERE occurred_at / 604800000 >= $1 / 604800000 AND occurred_at > $1 ORDER BY no"
        );
        self.each_row(sql, &[(&occurred_after.0, Type::INT8)], &mut |row| {
            each(report_row(row, &*self.city)?);
            Ok(())
        })
    }

    fn report_places(
        &self,
        occurred_after: TimeMs,
        each: &mut dyn FnMut(ReportPlace),
    ) -> Result<(), JournalError> {
        let sql = format!(
            "SELECT {REPORT_PLACE} FROM report \
             WHERE occurred_at / 604800000 >= $1 / 604800000 AND occurred_at > $1"
        );
        self.each_row(&sql, &[(&occurred_after.0, Type::INT8)], &mut |row| {
            each(report_place(row, &*self.city)?);
            Ok(())
        })
    }

    fn texts(
        &self,
        closed_after: TimeMs,
        each: &mut dyn FnMut(IncidentNo, Seq, &str),
    ) -> Result<(), JournalError> {
        let sql = "SELECT r.incident_no, r.seq, r.private FROM report r JOIN incident i ON i.no = r.incident_no \
                   WHERE (i.closed_at IS NULL OR i.closed_at > $1) AND r.private IS NOT NULL";
        self.each_row(sql, &[(&closed_after.0, Type::INT8)], &mut |row| {
            let (no, seq) = (IncidentNo(number(row, 0)?), seq(row, 1)?);
            let read = codec::read_description(get(row, 2)?, |text| each(no, seq, text));
            read.map_err(|e| JournalError::Corrupt(format!("entry {seq}: {e}")))
        })
    }

    fn entries(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = format!("{ENTRIES} WHERE e.seq > $1 ORDER BY e.seq LIMIT $2");
        self.entries_of(&sql, &[(&after, Type::INT8), (&limit, Type::INT8)])
    }

    fn report(&self, no: ReportNo) -> Result<Option<ReportRow>, JournalError> {
        let sql = concat!("SELECT ", report_columns!(), " FROM report WHERE no = $1");
        self.first(sql, &[(&i64::from(no.0), Type::INT8)], |row| report_row(row, &*self.city))
    }

    fn waiting_report(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        self.first(hand_in::WHEREABOUTS, &[(&no.cast_signed(), Type::INT8)], hand_in::whereabouts)
    }

    fn last_report(&self) -> Result<ReportNo, JournalError> {
        let sql = "SELECT coalesce(max(no), 0) FROM report";
        Ok(self.first(sql, &[], |row| number(row, 0).map(ReportNo))?.unwrap_or(ReportNo(0)))
    }

    fn reports_of(&self, sender: SenderId, limit: usize) -> Result<Vec<ReportRow>, JournalError> {
        let sql = concat!(
            "SELECT ",
            report_columns!(),
            " FROM report WHERE sender = $1 ORDER BY no DESC LIMIT $2"
        );
        let (sender, limit) = (sender.0.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX));
        let mut rows = Vec::new();
        self.each_row(sql, &[(&sender, Type::INT8), (&limit, Type::INT8)], &mut |row| {
            rows.push(report_row(row, &*self.city)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn incident(&self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        let sql = concat!("SELECT ", incident_columns!(), " FROM incident WHERE no = $1");
        self.first(sql, &[(&i64::from(no.0), Type::INT8)], |row| incident_row(row, &*self.city))
    }

    fn incident_log(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        let sql = format!(
            "{ENTRIES} WHERE e.seq IN (SELECT seq FROM report WHERE incident_no = $1 \
             UNION ALL SELECT seq FROM action WHERE incident_no = $1 \
             UNION ALL SELECT seq FROM merge WHERE into_no = $1) ORDER BY e.seq"
        );
        self.entries_of(&sql, &[(&i64::from(no.0), Type::INT8)])
    }

    fn incident_actions(&self, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
        let sql = format!(
            "{ENTRIES} WHERE e.seq IN (SELECT seq FROM action WHERE incident_no = $1) \
             AND e.kind IN ('action', 'merge', 'split') ORDER BY e.seq"
        );
        self.entries_of(&sql, &[(&i64::from(no.0), Type::INT8)])
    }

    fn absorbed_by(&self, no: IncidentNo) -> Result<Vec<IncidentRow>, JournalError> {
        let sql =
            concat!("SELECT ", incident_columns!(), " FROM incident WHERE merged_into = $1 ORDER BY no");
        let mut absorbed = Vec::new();
        self.each_incident(sql, &[(&i64::from(no.0), Type::INT8)], &mut |row| absorbed.push(row))?;
        Ok(absorbed)
    }

    fn first_texts(&self, no: IncidentNo, limit: usize) -> Result<Vec<String>, JournalError> {
        // In JSON a quotation mark within a text is escaped, so the member is found by its name.
        let sql = "SELECT seq, private FROM report WHERE incident_no = $1 AND private LIKE '%\"description\":%' \
                   ORDER BY no LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut texts = Vec::new();
        self.each_row(sql, &[(&i64::from(no.0), Type::INT8), (&limit, Type::INT8)], &mut |row| {
            let seq = seq(row, 0)?;
            let read = codec::read_description(get(row, 1)?, |text| texts.push(text.to_owned()));
            read.map_err(|e| JournalError::Corrupt(format!("entry {seq}: {e}")))
        })?;
        Ok(texts)
    }

    fn absorbed(&self, each: &mut dyn FnMut(IncidentNo, IncidentNo)) -> Result<(), JournalError> {
        let sql = "SELECT no, merged_into FROM incident WHERE merged_into IS NOT NULL";
        self.each_row(sql, &[], &mut |row| {
            each(IncidentNo(number(row, 0)?), IncidentNo(number(row, 1)?));
            Ok(())
        })
    }

    fn derived(&self) -> Result<Derived, JournalError> {
        self.snapshot(|link| {
            let (last, _) = open::last(link)?;
            read_derived::derived(link, last.seq)
        })
    }

    fn hotspots_at(&self, projection: Projection, seq: Seq) -> Result<Vec<HotspotStateRow>, JournalError> {
        self.with(|link| read_derived::hotspots_at(link, projection, seq))
    }

    fn last_erasure(&self) -> Result<Seq, JournalError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM entry WHERE kind = 'erasure'";
        Ok(self.first(sql, &[], |row| seq(row, 0))?.unwrap_or(Seq(0)))
    }

    fn acts(&self, asked: &ActsQuestion, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let below = i64::try_from(asked.below.0).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let incident = asked.incident.map(|no| i64::from(no.0));
        let erasures = if asked.has_erasures() {
            "UNION ALL (SELECT seq FROM entry WHERE kind = 'erasure' AND seq < $1 ORDER BY seq DESC LIMIT $2)"
        } else {
            ""
        };
        let sql = format!(
            "{ENTRIES} WHERE e.seq IN (SELECT seq FROM ((SELECT seq FROM action WHERE seq < $1 \
             AND ($3::text IS NULL OR actor = $3) AND ($4::bigint IS NULL OR incident_no = $4 OR seq IN (SELECT seq FROM merge WHERE into_no = $4)) \
             AND (cardinality($5::text[]) = 0 OR action = ANY($5)) ORDER BY seq DESC LIMIT $2) {erasures}) AS s \
             ORDER BY seq DESC LIMIT $2) ORDER BY e.seq DESC"
        );
        self.entries_of(
            &sql,
            &[
                (&below, Type::INT8),
                (&limit, Type::INT8),
                (&asked.actor, Type::TEXT),
                (&incident, Type::INT8),
                (&asked.kinds, Type::TEXT_ARRAY),
            ],
        )
    }

    fn photo(&self, no: PhotoNo) -> Result<Option<PhotoRow>, JournalError> {
        let sql = format!("SELECT {PHOTO} FROM photo WHERE seq = $1 AND n = $2");
        let (seq, n) = (no.seq.0.cast_signed(), i64::from(no.n));
        self.first(&sql, &[(&seq, Type::INT8), (&n, Type::INT8)], photo_row)
    }

    fn photos_of(&self, no: IncidentNo) -> Result<Vec<PhotoRow>, JournalError> {
        let sql = format!("SELECT {PHOTO} FROM photo WHERE incident_no = $1 ORDER BY seq, n");
        let mut photos = Vec::new();
        self.each_row(&sql, &[(&i64::from(no.0), Type::INT8)], &mut |row| {
            photos.push(photo_row(row)?);
            Ok(())
        })?;
        Ok(photos)
    }

    fn named_photos(&self, names: &[PhotoName]) -> Result<Vec<PhotoName>, JournalError> {
        let sql = "SELECT name FROM photo WHERE name = ANY($1) UNION ALL SELECT thumb FROM photo WHERE thumb = ANY($1)";
        let asked: Vec<&[u8]> = names.iter().map(|name| &name.0[..]).collect();
        let mut named = Vec::new();
        self.each_row(sql, &[(&asked, Type::BYTEA_ARRAY)], &mut |row| {
            named.push(PhotoName(hash(row, 0)?));
            Ok(())
        })?;
        Ok(named)
    }

    fn photo_files(&self) -> Result<Arc<dyn PhotoFiles>, JournalError> {
        Ok(Arc::clone(&self.photos) as Arc<dyn PhotoFiles>)
    }

    fn pack_in_force(&self) -> Result<Option<[u8; 32]>, JournalError> {
        let sql = format!("{ENTRIES} WHERE e.kind = 'pack' ORDER BY e.seq DESC LIMIT 1");
        Ok(self.entries_of(&sql, &[])?.iter().find_map(|entry| match entry.fact {
            Fact::Pack { hash, .. } => Some(hash),
            _ => None,
        }))
    }
}
