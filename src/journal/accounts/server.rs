//! The accounts in the journal's database: the same for every server on it.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::{Cell, Numbered, Sheet, Step};
use crate::journal::JournalError;
use crate::journal::postgis::{Driver, Link, Param, StoreUrl, get, prepare_tables};

pub(super) struct ServerSheet {
    url: StoreUrl,
    driver: Arc<Driver>,
    link: Option<Link>,
}

impl ServerSheet {
    pub fn open(url: &StoreUrl) -> Result<ServerSheet, JournalError> {
        let driver = Driver::start()?;
        let link = prepare_tables(&driver, url)?;
        Ok(ServerSheet { url: url.clone(), driver, link: Some(link) })
    }

    /// Uses the connection, or a new one where it is broken.
    fn with<T>(&mut self, ask: impl FnOnce(&Link) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let link = match self.link.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => Link::connect(&self.driver, &self.url)?,
        };
        let answer = ask(&link)?;
        // One that failed is not used again: it may be in the middle of a transaction.
        self.link = Some(link);
        Ok(answer)
    }
}

impl Sheet for ServerSheet {
    fn change(&mut self, steps: &[Step]) -> Result<bool, JournalError> {
        self.with(|link| {
            link.run("BEGIN; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'")?;
            for step in steps {
                let changed = link.execute(step.sql, &params(&step.cells))?;
                if step.must_change && changed == 0 {
                    link.run("ROLLBACK")?;
                    return Ok(false);
                }
            }
            link.run("COMMIT")?;
            Ok(true)
        })
    }

    fn numbered_events(&self) -> Numbered {
        Numbered {
            insert: "INSERT INTO account_event (id, at, actor, action, subject, network, detail) \
                     OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            after: Some(
                "SELECT setval(pg_get_serial_sequence('account_event', 'id'), (SELECT max(id) FROM account_event))",
            ),
        }
    }

    fn rows_of(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, JournalError> {
        self.with(|link| {
            let mut rows = Vec::new();
            link.rows(sql, &params(cells), &mut |row| {
                let cell = |(i, column): (usize, &tokio_postgres::Column)| {
                    Ok(match *column.type_() {
                        Type::INT8 => Cell::Int(get(row, i)?),
                        _ => Cell::Text(get(row, i)?),
                    })
                };
                let cells: Result<Vec<Cell>, JournalError> =
                    row.columns().iter().enumerate().map(cell).collect();
                rows.push(cells?);
                Ok(())
            })?;
            Ok(rows)
        })
    }
}

fn params(cells: &[Cell]) -> Vec<Param<'_>> {
    cells
        .iter()
        .map(|cell| match cell {
            Cell::Int(int) => (int as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8),
            Cell::Text(text) => (text as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
        })
        .collect()
}
