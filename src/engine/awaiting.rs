//! The engine of a server whose database has not answered since it was started: it shows nothing and takes nothing,
//! so that reports go where they wait for the database.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use super::elsewhere::AWAITED;
use super::{Engine, EngineError, INBOX_MAX, Job, Publisher, spawn};
use crate::city::City;
use crate::health::{Condition, Health};
use crate::journal::JournalError;
use crate::live::LiveWriter;
use crate::model::{Epoch, IdKey, Seq};

impl Engine {
    /// Tells whoever submits that the database is away, which its health says, too. The thread ends when the last
    /// `Engine` is dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn awaiting(
        city: Arc<City>,
        ids: IdKey,
        epoch: Epoch,
        detail: &str,
    ) -> Result<(Engine, JoinHandle<()>), JournalError> {
        let publisher = Publisher::new(LiveWriter::new(city, ids, epoch).map());
        let (inbox, mut jobs) = mpsc::channel(INBOX_MAX);
        let (_, wiped) = watch::channel(Seq(0));
        let (failed, health) = (Arc::default(), Health::default());
        health.raise(Condition::DatabaseAway, detail);
        let (moments, reader) = (publisher.moments(), Arc::new(AWAITED));
        let engine = Engine { inbox, moments, reader, failed, health, wiped };
        let answer_all = move || {
            // Its moments end with it.
            let _publisher = publisher;
            while let Some(Job { commands, reply }) = jobs.blocking_recv() {
                let is_probe = commands.is_empty();
                // Who went away needs none.
                let _ = reply.send(if is_probe { Ok(Vec::new()) } else { Err(EngineError::Away) });
            }
        };
        Ok((engine, spawn(answer_all)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::City;
    use crate::model::{Command, ReportNo, Secret};
    use uuid::Uuid;

    #[tokio::test]
    async fn it_is_alive_and_everything_else_is_away() {
        let city = Arc::new(City::load(std::path::Path::new("geodata/blank")).unwrap());
        let ids = IdKey::new(Secret([7; 32]), &city.code_prefix);
        let epoch = Epoch(Uuid::from_u128(1));
        let (engine, thread) = Engine::awaiting(city, ids, epoch, "the database rests").unwrap();
        assert!(engine.probe().answers().await);
        assert!(matches!(engine.submit(vec![Command::Tick]).await, Err(EngineError::Away)));
        assert!(matches!(engine.reader().report(ReportNo(1)), Err(JournalError::Away(_))));
        assert!(engine.health().is_degraded() && engine.live().incident_count() == 0);
        drop(engine);
        thread.join().unwrap();
    }
}
