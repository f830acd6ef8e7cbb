//! A second process on the database: it reads, waits, and takes over.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::hand_in::PostgisHandIn;
use super::link::Link;
use super::losses::{self, Stand};
use super::session::Session;
use super::term::Watch;
use super::url::StoreUrl;
use super::{Database, PostgisJournal, open};
use crate::city::City;
use crate::health::{Condition, Health};
use crate::journal::checkpoint::Key;
use crate::journal::codec::CHAIN_START;
use crate::journal::mark::Mark;
use crate::journal::{FolderMode, HandIn, Head, Journal, JournalError, Reader, Standby};
use crate::model::{Secret, Seq};

/// How often the writer is looked after, where no notice comes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub struct PostgisStandby {
    db: Arc<Database>,
    node: String,
    watch: Watch,
    /// Listens for notices of new entries.
    ears: Option<Link>,
    /// Up to where this node follows.
    stand: Option<Stand>,
    /// The same, in its folder; not where that says that something was lost.
    mark: Option<Mark>,
}

impl PostgisStandby {
    /// Opens the database without writing it, but for tables that are not there yet.
    ///
    /// # Errors
    /// As [`PostgisJournal::open`], but for another process that writes.
    pub fn open(url: &StoreUrl, city: Arc<City>, mode: FolderMode) -> Result<PostgisStandby, JournalError> {
        PostgisStandby::with(open::open(url, city, mode, false)?)
    }

    /// As [`PostgisStandby::open`], also where it holds a migration that was cut.
    pub(super) fn open_unfinished(
        url: &StoreUrl,
        city: Arc<City>,
        mode: FolderMode,
    ) -> Result<PostgisStandby, JournalError> {
        PostgisStandby::with(open::open(url, city, mode, true)?)
    }

    /// What is derived of the journal may be kept in this folder of the node, and the key of its checkpoints is: made
    /// where there is none.
    #[must_use]
    pub fn keeping_in(mut self, folder: &Path) -> PostgisStandby {
        if let Some(db) = Arc::get_mut(&mut self.db) {
            db.folder = Some(folder.to_owned());
            db.key = Key::of_folder(folder).map(Some).map_err(|error| error.to_string());
            // One that only stands by goes on until it is to write.
            if let Err(error) = &db.key {
                tracing::error!("this server cannot take over as the writer: {error}");
            }
        }
        self
    }

    /// Where every node may leave reports for the writer.
    pub fn hand_in(&self) -> Arc<dyn HandIn> {
        Arc::new(PostgisHandIn::new(self.db.clone()))
    }

    fn with(db: Database) -> Result<PostgisStandby, JournalError> {
        if !db.promise.broken.is_empty() {
            let broken = db.promise.broken.join("; ");
            let detail = format!("the promise that nothing acknowledged is lost does NOT hold: {broken}");
            db.health.raise(Condition::PromiseBroken, detail);
        }
        if db.promise.commit_is_asynchronous {
            tracing::warn!(
                "synchronous_commit is off at the database; it is set on for pantau's own commits"
            );
        }
        let mut node = [0; 8];
        getrandom::fill(&mut node).map_err(|e| JournalError::Store(Box::new(e)))?;
        let node = format!("{:016x}", u64::from_be_bytes(node));
        Ok(PostgisStandby {
            db: Arc::new(db),
            node,
            watch: Watch::new(),
            ears: None,
            stand: None,
            mark: None,
        })
    }

    /// Takes the right to write, if nobody has it.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn take_now(&mut self) -> Result<Option<PostgisJournal>, JournalError> {
        let Some(held) = self.watch.try_take(&self.db, &self.node)? else { return Ok(None) };
        let session = Session::begin(held, self.db.key()?)?;
        PostgisJournal::with_session(self.db.clone(), self.node.clone(), session).map(Some)
    }

    /// What this node knew as durable before it was started. Where it is gone the writer may not know: its node
    /// says so, and leaves its mark to itself as the next writer.
    fn begin_to_look(&mut self, link: &Link) -> Result<(), JournalError> {
        let (db, head) = (&self.db, open::last(link)?.0.seq);
        match losses::look(db, link, db.epoch, head)? {
            Some(loss) => losses::raise(db, &loss),
            None => {
                losses::say(db);
                self.mark = losses::mark(db, db.epoch);
            }
        }
        Ok(())
    }

    fn ears(&mut self) -> Result<Link, JournalError> {
        match self.ears.take().filter(|link| !link.client.is_closed()) {
            Some(link) => Ok(link),
            None => {
                let link = Link::connect(&self.db.driver, &self.db.url)?;
                link.run("LISTEN pantau")?;
                Ok(link)
            }
        }
    }
}

impl Standby for PostgisStandby {
    fn moment(&self) -> Result<(Head, Arc<dyn Reader>), JournalError> {
        let reader = self.db.reader.frozen()?;
        let (seq, at) = reader.last()?;
        Ok((Head { epoch: self.db.epoch, seq, at }, Arc::new(reader)))
    }

    fn secret(&self) -> Secret {
        self.db.secret
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.db.reader.clone()
    }

    fn look_for_losses(&mut self, at: Seq) -> Result<(), JournalError> {
        let link = self.ears()?;
        match &self.stand {
            Some(stand) => stand.check(&link)?,
            None => self.begin_to_look(&link)?,
        }
        if self.stand.is_none_or(|stand| stand.seq != at) {
            let hash = self.db.reader.entry_hash(at)?;
            let stand = Stand { epoch: self.db.epoch, seq: at, hash: hash.unwrap_or(CHAIN_START) };
            if hash.is_none() {
                // It went in this very moment.
                stand.check(&link)?;
            }
            self.stand = Some(stand);
            if let Some(mark) = self.mark.as_mut().filter(|_| at > Seq(0)) {
                mark.set(at, &stand.hash);
            }
        }
        self.ears = Some(link);
        Ok(())
    }

    fn wait(&mut self) {
        match self.ears() {
            Ok(mut link) => {
                // A lost notice costs the rest of one look.
                link.hear(LOOK_EVERY);
                self.ears = Some(link);
            }
            Err(error) => {
                tracing::debug!(%error, "notices of new entries cannot be heard");
                let (_never, wait) = std::sync::mpsc::channel::<()>();
                let _ = wait.recv_timeout(LOOK_EVERY);
            }
        }
    }

    fn take(&mut self) -> Result<Option<Box<dyn Journal>>, JournalError> {
        Ok(self.take_now()?.map(|journal| Box::new(journal) as Box<dyn Journal>))
    }

    fn folder(&self) -> Option<&Path> {
        self.db.folder.as_deref()
    }

    fn health(&self) -> Health {
        self.db.health.clone()
    }
}
