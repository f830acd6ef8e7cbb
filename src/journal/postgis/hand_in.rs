//! The table in which every node may leave reports for the writer: those that it took while it could not
//! reach the database.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::Type;

use super::Database;
use super::columns::Change;
use super::link::Link;
use super::rows::{bad_row, get, number, time};
use crate::journal::spool::WAITING_BYTES_MAX;
use crate::journal::{Answers, HandIn, JournalError, Waiting, WaitingRoom, Whereabouts};
use crate::model::ReportNo;

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
        let change = Change::new(
            "INSERT INTO handed_in (waiting_no, key, body_digest, received_at, body) \
             SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .numbers(reports.iter().map(|report| report.no.cast_signed()))
        .texts(reports.iter().map(|report| report.key.clone()))
        .bytes(reports.iter().map(|report| report.body_digest.to_vec()))
        .numbers(reports.iter().map(|report| report.received_at.0))
        .bytes(reports.iter().map(|report| report.body.clone()));
        self.with(|link| {
            link.run("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")?;
            link.execute(change.sql, &change.params()).map(drop)
        })
    }
}

impl WaitingRoom for PostgisHandIn {
    fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, JournalError> {
        let mut waiting = Vec::new();
        // The database sends no body that is not to be held: an answer comes faster than it is looked at.
        let sql = "SELECT place, waiting_no, key, body_digest, received_at, body FROM \
                     (SELECT *, sum(octet_length(body)) OVER (ORDER BY place) - octet_length(body) AS held \
                      FROM (SELECT * FROM handed_in WHERE body IS NOT NULL ORDER BY place LIMIT $1) AS oldest) AS w \
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
        let number_of = |answer: &Result<ReportNo, String>| answer.as_ref().ok().map(|no| i64::from(no.0));
        // By the digest of all that was sent somebody could try what is gone, or what was refused and stands nowhere.
        let change = Change::new(
            "UPDATE handed_in h SET body = NULL, body_digest = decode(repeat('00', 32), 'hex'), report_no = a.report_no, refused = a.refused \
             FROM unnest($1, $2, $3) AS a (place, report_no, refused) WHERE h.place = a.place",
        )
        .numbers(answers.iter().map(|(place, _)| *place))
        .numbers_or_null(answers.iter().map(|(_, answer)| number_of(answer)))
        .texts_or_null(answers.iter().map(|(_, answer)| answer.as_ref().err().cloned()));
        self.with(|link| link.execute(change.sql, &change.params()).map(drop))
    }

    fn whereabouts(&self, no: u64) -> Result<Option<Whereabouts>, JournalError> {
        let sql = "SELECT received_at, report_no, refused IS NOT NULL FROM handed_in WHERE waiting_no = $1";
        let row = self.with(|link| link.first(sql, &[(&no.cast_signed(), Type::INT8)]))?;
        let Some(row) = row else { return Ok(None) };
        let received_at = time(&row, 0)?;
        Ok(Some(match get::<Option<i64>>(&row, 1)? {
            Some(_) => Whereabouts::InJournal(ReportNo(number(&row, 1)?)),
            None if get(&row, 2)? => Whereabouts::Refused { received_at },
            None => Whereabouts::Waiting { received_at },
        }))
    }
}
