//! One connection, driven by a thread of its own, used from plain threads.
//!
//! The journal's contract knows no `async`: whoever calls waits. The sockets are driven by one thread
//! for all connections of a store, and a caller waits on its own thread, also inside another runtime.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, Socket};

use super::term::fenced;
use super::tls::Tls;
use super::url::StoreUrl;
use crate::journal::JournalError;

/// What the function `fence` of the migrations says.
const FENCED: &str = "PTERM";
/// A statement that reads or opens is given up after this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A parameter of a statement, and its type in the database.
pub(in crate::journal) type Param<'p> = (&'p (dyn ToSql + Sync), Type);

/// Rows that are looked at together, at most.
const ROWS_AT_ONCE: usize = 512;

/// The thread that drives the connections.
pub(in crate::journal) struct Driver {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Driver {
    pub fn start() -> Result<Arc<Driver>, JournalError> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("database").enable_all().build();
        let runtime = runtime.map_err(|e| JournalError::Store(Box::new(e)))?;
        Ok(Arc::new(Driver { handle: runtime.handle().clone(), runtime: Some(runtime) }))
    }

    /// Waits for `future` on this very thread.
    ///
    /// # Errors
    /// [`JournalError::Away`] where it takes longer than `patience`.
    pub fn wait<T>(
        &self,
        patience: Duration,
        future: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, JournalError> {
        let _timers = self.handle.enter();
        // The caller may be a task that used its turn up: that must not keep a timer from firing.
        let limited = tokio::task::unconstrained(tokio::time::timeout(patience, future));
        match pollster::block_on(limited) {
            Ok(result) => result.map_err(JournalError::from),
            Err(_) => Err(JournalError::Away(format!("gave no answer for {} s", patience.as_secs_f32()))),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Within another runtime nobody may wait for it.
            runtime.shutdown_background();
        }
    }
}

/// One session of the database.
pub(in crate::journal) struct Link {
    pub client: Client,
    driver: Arc<Driver>,
    /// Changes with each notice that was listened for.
    notices: watch::Receiver<u64>,
}

impl Link {
    /// Connects, and sets what every session of ours needs.
    pub fn connect(driver: &Arc<Driver>, url: &StoreUrl) -> Result<Link, JournalError> {
        let (client, notices) = match url.tls() {
            None => {
                let (client, connection) = driver.wait(PATIENCE, url.config().connect(NoTls))?;
                (client, listen(driver, connection))
            }
            Some(tls) => {
                let (client, connection) = driver.wait(PATIENCE, url.config().connect(Tls::new(tls)?))?;
                (client, listen(driver, connection))
            }
        };
        let link = Link { client, driver: driver.clone(), notices };
        // Questions here are short and asked often: compiling them takes longer than answering.
        link.run(
            "SET search_path = pantau, public; SET datestyle = ISO; SET lock_timeout = '20s'; SET jit = off",
        )?;
        Ok(link)
    }

    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Waits for a notice that was not heard yet, or until the time is up. Many notices are heard as one.
    pub fn hear(&mut self, within: Duration) {
        let _timers = self.driver.handle.enter();
        let heard = tokio::time::timeout(within, self.notices.changed());
        if let Ok(Err(_)) = pollster::block_on(tokio::task::unconstrained(heard)) {
            // The session ended; whoever uses it next finds out. Here the time passes all the same.
            pollster::block_on(tokio::task::unconstrained(tokio::time::sleep(within)));
        }
    }

    pub fn wait<T>(
        &self,
        future: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, JournalError> {
        self.driver.wait(PATIENCE, future)
    }

    /// Runs statements without parameters.
    pub fn run(&self, sql: &str) -> Result<(), JournalError> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Calls `each` for every row of a query, as they come; no answer is held as a whole.
    pub fn rows(
        &self,
        sql: &str,
        params: &[Param],
        each: &mut dyn FnMut(&Row) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let params: Vec<Param> = params.to_vec();
        let stream = self.wait(self.client.query_typed_raw(sql, params))?;
        let mut chunks = std::pin::pin!(stream.ready_chunks(ROWS_AT_ONCE));
        while let Some(rows) = self.wait(async { Ok(chunks.next().await) })? {
            for row in rows {
                each(&row?)?;
            }
        }
        Ok(())
    }

    /// Runs a statement and answers how many rows it changed.
    pub fn execute(&self, sql: &str, params: &[Param]) -> Result<u64, JournalError> {
        self.wait(self.client.execute_typed(sql, params))
    }

    /// The one row that a query answers, if it answers any.
    pub fn first(&self, sql: &str, params: &[Param]) -> Result<Option<Row>, JournalError> {
        self.wait(self.client.query_typed_opt(sql, params))
    }
}

/// Drives a connection until it ends; what is answered changes with each notice.
fn listen<S>(driver: &Driver, mut connection: Connection<Socket, S>) -> watch::Receiver<u64>
where
    S: TlsStream + Unpin + Send + 'static,
{
    let (heard, notices) = watch::channel(0_u64);
    driver.handle.spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            match message {
                Ok(AsyncMessage::Notification(_)) => heard.send_modify(|n| *n = n.wrapping_add(1)),
                Ok(AsyncMessage::Notice(notice)) => tracing::debug!("the database says: {notice}"),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "a connection to the database ended");
                    break;
                }
            }
        }
    });
    notices
}

impl From<tokio_postgres::Error> for JournalError {
    fn from(error: tokio_postgres::Error) -> JournalError {
        let Some(db) = error.as_db_error() else {
            let is_value = std::error::Error::source(&error).is_some_and(|s| {
                s.is::<tokio_postgres::types::WrongType>() || s.is::<tokio_postgres::types::WasNull>()
            });
            return match is_value {
                true => JournalError::Store(Box::new(error)),
                false => JournalError::Away(format!("cannot be reached: {}", causes(&error))),
            };
        };
        let code = db.code();
        if code.code() == FENCED {
            return fenced();
        }
        let class = &code.code()[..2];
        if *code == SqlState::DISK_FULL {
            return JournalError::Full;
        }
        // Connections, shutting down, crashed, starting, too many of us, its disk fails (what became of the commit
        // is read from the log once it is back), read-only after a switch-over, a table that somebody rebuilds.
        let is_away = ["08", "57", "53", "58"].contains(&class)
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || *code == SqlState::LOCK_NOT_AVAILABLE;
        if is_away {
            return JournalError::Away(format!("cannot be used now: {}", db.message()));
        }
        if class == "28" || code.code() == "3D000" {
            return JournalError::Folder(format!(
                "the database refused the connection: {}; check user, password and name in the store's address",
                db.message()
            ));
        }
        if code.code() == "42501" {
            return JournalError::Folder(format!(
                "the database's user lacks a right: {}; let it own the database",
                db.message()
            ));
        }
        if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
            return JournalError::Corrupt(format!(
                "PostgreSQL says that it is damaged ({}); restore a backup",
                db.message()
            ));
        }
        JournalError::Store(Box::new(error))
    }
}

/// The error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}
