//! What happened to accounts, kept for the audit; for a while, since it says who came from where.

use super::rows::Row;
use super::{AccountStore, Cell, Numbered, Step};
use crate::journal::JournalError;
use crate::model::{DAY_MS, TimeMs};

/// How long an event is kept.
pub const EVENT_DAYS: i64 = 400;
/// The newest so many are kept: a flood of refused sign-ins fills no disk.
pub const EVENTS_KEPT_MAX: i64 = 200_000;

/// One event. Those of one time stand in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Given when it is written; 0 before.
    pub id: i64,
    pub at: TimeMs,
    /// Account or token; `None`: nobody who is known.
    pub actor: Option<String>,
    pub action: String,
    /// The account or token that it was done to.
    pub subject: Option<String>,
    /// Address that it came from; `None`: a command on the server's machine.
    pub network: Option<String>,
    pub detail: Option<String>,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuestion {
    /// At this time or later.
    pub since: Option<TimeMs>,
    /// Older than this time, or of it with an id below.
    pub before: Option<(TimeMs, i64)>,
    /// Who did it, or whom it was done to.
    pub actor: Option<String>,
    pub action: Option<String>,
}

/// What every question reads.
macro_rules! event_columns {
    () => {
        "SELECT id, at, actor, action, subject, network, detail FROM account_event"
    };
}

impl AccountStore {
    /// Writes events down; forgets what is too old.
    ///
    /// # Errors
    /// Where the store cannot be written: none is there.
    pub fn add_events(&self, events: &[EventRow]) -> Result<(), JournalError> {
        let Some(newest) = events.iter().map(|event| event.at).max() else { return Ok(()) };
        let oldest = newest.plus_ms(-EVENT_DAYS * DAY_MS);
        let forget = [
            Step::new("DELETE FROM account_event WHERE at < $1", vec![Cell::Int(Some(oldest.0))]),
            Step::new(
                "DELETE FROM account_event WHERE id <= (SELECT max(id) FROM account_event) - $1",
                vec![Cell::Int(Some(EVENTS_KEPT_MAX))],
            ),
        ];
        let steps: Vec<Step> = events.iter().map(insert).chain(forget).collect();
        self.with(|sheet| sheet.change(&steps)).map(drop)
    }

    /// At most `limit` events, the newest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn events(&self, asked: &EventQuestion, limit: usize) -> Result<Vec<EventRow>, JournalError> {
        let sql = concat!(
            event_columns!(),
            " WHERE at >= $1 AND (at < $2 OR (at = $2 AND id < $3)) \
             AND ($4 = '' OR actor = $4 OR subject = $4) AND ($5 = '' OR action = $5) \
             ORDER BY at DESC, id DESC LIMIT $6"
        );
        let (before, id) = asked.before.unwrap_or((TimeMs::MAX, 0));
        let text = |text: &Option<String>| Cell::Text(Some(text.clone().unwrap_or_default()));
        let cells = [
            Cell::Int(Some(asked.since.unwrap_or(TimeMs::MIN).0)),
            Cell::Int(Some(before.0)),
            Cell::Int(Some(id)),
            text(&asked.actor),
            text(&asked.action),
            Cell::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX))),
        ];
        let rows = self.with(|sheet| sheet.rows_of(sql, &cells))?;
        rows.into_iter().map(|cells| event(&mut Row::of(cells))).collect()
    }
}

impl AccountStore {
    /// The oldest and the newest id; `None` where there is no event.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn event_ids(&self) -> Result<Option<(i64, i64)>, JournalError> {
        let sql = "SELECT min(id), max(id) FROM account_event HAVING count(*) > 0";
        let rows = self.with(|sheet| sheet.rows(sql))?;
        rows.into_iter()
            .next()
            .map(|cells| {
                let mut row = Row::of(cells);
                Ok((row.int()?, row.int()?))
            })
            .transpose()
    }

    /// At most `limit` events with ids from `from` to `to`, by id.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn events_from(&self, from: i64, to: i64, limit: usize) -> Result<Vec<EventRow>, JournalError> {
        let sql = concat!(event_columns!(), " WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT $3");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let cells = [from, to, limit].map(|n| Cell::Int(Some(n)));
        let rows = self.with(|sheet| sheet.rows_of(sql, &cells))?;
        rows.into_iter().map(|cells| event(&mut Row::of(cells))).collect()
    }

    /// Puts events of another store in, with their ids; those that are there stay. Forgets none.
    ///
    /// # Errors
    /// Where the store cannot be written: none is there.
    pub fn put_events(&self, events: &[EventRow]) -> Result<(), JournalError> {
        if events.is_empty() {
            return Ok(());
        }
        self.with(|sheet| {
            let Numbered { insert, after } = sheet.numbered_events();
            let put = |event: &EventRow| {
                let mut cells = vec![Cell::Int(Some(event.id))];
                cells.extend(cells_of(event));
                Step::new(insert, cells)
            };
            let after = after.map(|sql| Step::new(sql, Vec::new()));
            let steps: Vec<Step> = events.iter().map(put).chain(after).collect();
            sheet.change(&steps)
        })
        .map(drop)
    }
}

fn cells_of(event: &EventRow) -> Vec<Cell> {
    vec![
        Cell::Int(Some(event.at.0)),
        Cell::Text(event.actor.clone()),
        Cell::Text(Some(event.action.clone())),
        Cell::Text(event.subject.clone()),
        Cell::Text(event.network.clone()),
        Cell::Text(event.detail.clone()),
    ]
}

fn insert(event: &EventRow) -> Step {
    Step::new(
        "INSERT INTO account_event (at, actor, action, subject, network, detail) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        cells_of(event),
    )
}

fn event(row: &mut Row) -> Result<EventRow, JournalError> {
    Ok(EventRow {
        id: row.int()?,
        at: TimeMs(row.int()?),
        actor: row.maybe_text()?,
        action: row.text()?,
        subject: row.maybe_text()?,
        network: row.maybe_text()?,
        detail: row.maybe_text()?,
    })
}
