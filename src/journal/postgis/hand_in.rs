//! The table in which every node may leave reports for the writer: those that it took while it could not
//! reach the database.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Database;
use super::columns::Change;
use super::link::{Link, Param};
use super::rows::{bad_row, get, number, time};
use crate::journal::spool::WAITING_BYTES_MAX;
use crate::journal::{
    Answers, CodeTold, HandIn, HeldReport, JournalError, Unshared, Waiting, WaitingRoom, Whereabouts,
};
use crate::model::ReportNo;

/// A session whose database would acknowledge before it is durable does not.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// How many reports lie in the table that are in no journal.
pub(in crate::journal) fn unshared(link: &Link) -> Result<Unshared, JournalError> {
    let sql = "SELECT count(*) FILTER (WHERE refused IS NULL), count(*) FILTER (WHERE refused IS NOT NULL) \
               FROM handed_in WHERE body IS NOT NULL";
    let Some(row) = link.first(sql, &[])? else { return Ok(Unshared::default()) };
    let count = |i| get::<i64>(&row, i).map(i64::unsigned_abs);
    Ok(Unshared { waiting: count(0)?, set_aside: count(1)? })
}

pub(super) struct PostgisHandIn {
    db: Arc<Database>,
    link: Mutex<Option<Link>>,
}

impl PostgisHandIn {
    pub fn new(db: Arc<Database>) -> PostgisHandIn {
        PostgisHandIn { db, link: Mutex::default() }
    }

    fn with<T>(&self, ask: impl FnOnce(&Link) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let mut kept = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let link = match kept.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => Link::connect(&self.db.driver, &self.db.url)?,
        };
        let answer = ask(&link)?;
        *kept = Some(link);
        Ok(answer)
    }
}

impl HandIn for PostgisHandIn {
    fn hand_in(&self, reports: &[Waiting]) -> Result<(), JournalError> {
        // What came to another node under the same key and is in the log already has nothing to wait for.
        let change = Change::new(
            "INSERT INTO handed_in (waiting_no, key, body_digest, received_at, body, report_no) \
             SELECT a.no, a.key, a.digest, a.at, CASE WHEN known.report_no IS NULL THEN a.body END, known.report_no \
             FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS a (no, key, digest, at, body, nth) \
             LEFT JOIN LATERAL ( \
               SELECT h.report_no FROM handed_in h \
               WHERE h.key = a.key AND h.body IS NULL AND h.report_no IS NOT NULL \
                 AND h.body_digest IN (a.digest, decode(repeat('00', 32), 'hex')) \
               ORDER BY h.place LIMIT 1 \
             ) AS known ON true \
             ORDER BY a.nth ON CONFLICT (waiting_no) DO NOTHING",
        )
        .numbers(reports.iter().map(|report| report.no.cast_signed()))
        .texts(reports.iter().map(|report| report.key.clone()))
        .bytes(reports.iter().map(|report| report.body_digest.to_vec()))
        .numbers(reports.iter().map(|report| report.received_at.0))
        .bytes(reports.iter().map(|report| report.body.clone()));
        let known = Change::new(
            "INSERT INTO waiting_code (waiting_no, received_at, report_no) \
             SELECT waiting_no, received_at, report_no FROM handed_in \
             WHERE waiting_no = ANY($1) AND body IS NULL AND report_no IS NOT NULL ON CONFLICT DO NOTHING",
        )
        .numbers(reports.iter().map(|report| report.no.cast_signed()));
        self.with(|link| {
            link.run(DURABLE)?;
            link.execute(change.sql, &change.params())?;
            link.execute(known.sql, &known.params()).map(drop)
        })
    }

    fn note_codes(&self, told: &[CodeTold]) -> Result<(), JournalError> {
        let change = Change::new(
            "INSERT INTO waiting_code (waiting_no, received_at, report_no, refused) \
             SELECT * FROM unnest($1, $2, $3, $4) \
             ON CONFLICT (waiting_no) DO UPDATE SET report_no = excluded.report_no, refused = excluded.refused",
        )
        .numbers(told.iter().map(|told| told.no.cast_signed()))
        .numbers(told.iter().map(|told| told.received_at.0))
        .numbers_or_null(told.iter().map(|told| number_of(&told.answer)))
        .texts_or_null(told.iter().map(|told| told.answer.as_ref().err().cloned()));
        self.with(|link| {
            link.run(DURABLE)?;
            link.execute(change.sql, &change.params()).map(drop)
        })
    }
}

/// The number in the log, where there is one.
fn number_of(answer: &Result<ReportNo, String>) -> Option<i64> {
    answer.as_ref().ok().map(|no| i64::from(no.0))
}

/// What is known of the code of a report that had to wait.
pub(super) const WHEREABOUTS: &str = "SELECT received_at, report_no, is_refused FROM ( \
       SELECT 0 AS nth, received_at, report_no, refused IS NOT NULL AS is_refused \
       FROM waiting_code WHERE waiting_no = $1 \
       UNION ALL SELECT 1, received_at, report_no, refused IS NOT NULL AND body IS NULL \
       FROM handed_in WHERE waiting_no = $1) AS known ORDER BY nth LIMIT 1";

/// Reads [`WHEREABOUTS`].
pub(super) fn whereabouts(row: &Row) -> Result<Whereabouts, JournalError> {
    let received_at = time(row, 0)?;
    Ok(match get::<Option<i64>>(row, 1)? {
        Some(_) => Whereabouts::InJournal(ReportNo(number(row, 1)?)),
        None if get(row, 2)? => Whereabouts::Refused { received_at },
        None => Whereabouts::Waiting { received_at },
    })
}

impl WaitingRoom for PostgisHandIn {
    fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, JournalError> {
        let mut waiting = Vec::new();
        // The database sends no body that is not to be held: an answer comes faster than it is looked at.
        let sql = "SELECT place, waiting_no, key, body_digest, received_at, body FROM \
                     (SELECT *, sum(octet_length(body)) OVER (ORDER BY place) - octet_length(body) AS held \
                      FROM (SELECT * FROM handed_in WHERE body IS NOT NULL AND refused IS NULL ORDER BY place LIMIT $1) AS oldest) AS w \
                   WHERE held <= $2 ORDER BY place";
        let params = [(&(limit as i64) as _, Type::INT8), (&(WAITING_BYTES_MAX as i64) as _, Type::INT8)];
        self.with(|link| {
            link.rows(sql, &params, &mut |row| {
                let place: i64 = get(row, 0)?;
                let body_digest: &[u8] = get(row, 3)?;
                let is_none = |_| bad_row("handed_in", place, "its digest is no digest");
                waiting.push(Waiting {
                    place,
                    no: get::<i64>(row, 1)?.cast_unsigned(),
                    key: get(row, 2)?,
                    body_digest: body_digest.try_into().map_err(is_none)?,
                    received_at: time(row, 4)?,
                    body: get(row, 5)?,
                });
                Ok(())
            })
        })?;
        Ok(waiting)
    }

    fn handed_on(&self, answers: &Answers) -> Result<(), JournalError> {
        // By the digest of all that was sent somebody could try what is gone, or what was refused and stands nowhere.
        let change = Change::new(
            "UPDATE handed_in h SET body = NULL, body_digest = decode(repeat('00', 32), 'hex'), \
             report_no = a.report_no, refused = a.refused FROM unnest($1, $2, $3) AS a (place, report_no, refused) WHERE h.place = a.place",
        )
        .numbers(answers.iter().map(|(place, _)| *place))
        .numbers_or_null(answers.iter().map(|(_, answer)| number_of(answer)))
        .texts_or_null(answers.iter().map(|(_, answer)| answer.as_ref().err().cloned()));
        self.with(|link| link.execute(change.sql, &change.params()).map(drop))
    }

    fn whereabouts(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        let row = self.with(|link| link.first(WHEREABOUTS, &[(&no.cast_signed(), Type::INT8)]))?;
        row.as_ref().map(whereabouts).transpose()
    }

    fn set_aside(&self, reports: &[(i64, String)]) -> Result<(), JournalError> {
        let change = Change::new(
            "UPDATE handed_in h SET refused = a.refused FROM unnest($1, $2) AS a (place, refused) \
             WHERE h.place = a.place AND h.body IS NOT NULL",
        )
        .numbers(reports.iter().map(|(place, _)| *place))
        .texts(reports.iter().map(|(_, why)| why.clone()));
        self.with(|link| link.execute(change.sql, &change.params()).map(drop))
    }

    fn take_up_again(&self) -> Result<(), JournalError> {
        self.with(|link| {
            link.run("UPDATE handed_in SET refused = NULL WHERE body IS NOT NULL AND refused IS NOT NULL")
        })
    }

    fn unshared(&self) -> Result<Unshared, JournalError> {
        self.with(unshared)
    }

    fn held(&self) -> Result<Vec<HeldReport>, JournalError> {
        let mut held = Vec::new();
        let sql = "SELECT waiting_no, received_at, refused, body FROM handed_in WHERE body IS NOT NULL ORDER BY place";
        self.with(|link| {
            link.rows(sql, &[], &mut |row| {
                held.push(HeldReport {
                    no: get::<i64>(row, 0)?.cast_unsigned(),
                    received_at: time(row, 1)?,
                    why: get(row, 2)?,
                    body: get(row, 3)?,
                });
                Ok(())
            })
        })?;
        Ok(held)
    }

    fn discard(&self, no: u64, why: &str) -> Result<bool, JournalError> {
        let sql = "UPDATE handed_in SET body = NULL, body_digest = decode(repeat('00', 32), 'hex'), refused = $2 \
                   WHERE waiting_no = $1 AND body IS NOT NULL";
        let params: [Param; 2] = [(&no.cast_signed(), Type::INT8), (&why, Type::TEXT)];
        self.with(|link| Ok(link.execute(sql, &params)? > 0))
    }
}
