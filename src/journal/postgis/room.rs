//! A full disk of the database: said, and looked at until it has room again.

use std::time::Duration;

use super::link::Link;
use crate::health::{Condition, Health};
use crate::journal::JournalError;

/// The engine's loop waits for a look.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes some 4 MB where the tables are, and gives them back. Commits need far less.
const LOOK: &str = "BEGIN; SET LOCAL temp_tablespaces = ''; \
    CREATE TEMP TABLE room ON COMMIT DROP AS \
    SELECT n, repeat(md5(n::text), 60) AS filler FROM generate_series(1, 2000) AS n; ROLLBACK";

pub(super) fn say_full(health: &Health) {
    health.raise(
        Condition::DiskFull,
        "the disk of the database is full: reports are kept here until there is room; reading goes on. \
         Make room there, nothing needs to be restarted",
    );
}

/// Whether there is room.
///
/// # Errors
/// [`JournalError::Full`] where there is none. After others the session must not be used any more.
pub(super) fn look(link: &Link) -> Result<(), JournalError> {
    let look = |sql| link.driver().wait(PATIENCE, link.client.batch_execute(sql));
    look(LOOK).inspect_err(|error| {
        if matches!(error, JournalError::Full) {
            // Where this fails the next question does too, and says so.
            let _ = look("ROLLBACK");
        }
    })
}
