//! Keeps a target up to date while the server runs: what the journal commits is there within a second.
//!
//! A thread of its own looks after every commit, at most every [`ROUND`]. It reads the journal as another
//! reader of the file and writes what `pantau backup` would, so the engine never waits for it, and a
//! target that is slow, full or gone costs those who report nothing. Nothing gathers meanwhile: what is
//! still to be written is in the journal, and the next round that succeeds writes all of it.
//!
//! Nothing of the target is kept open between two rounds, so that a stick can be pulled.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::target::Target;
use super::update::Run;
use super::{BackupError, Sealer};
use crate::clock::Clock;
use crate::engine::{Engine, Moments};
use crate::health::{Condition, Health};
use crate::journal::LogReader;

/// Rounds begin at least this far apart.
const ROUND: Duration = Duration::from_millis(300);
/// A target that could not be written is tried again this often.
const RETRY: Duration = Duration::from_secs(1);
/// Where nothing happens, whether the target is still there is looked at this often.
const IDLE: Duration = Duration::from_secs(10);
/// A target this far behind is said to be so, also while the round that writes it has not come back.
const LATE: Duration = Duration::from_secs(10);
/// A round reads what was written long ago against its checksums for this long; the next goes on.
const CHECK: Duration = Duration::from_millis(150);
/// Who may sign in is looked at this often: no entry tells of it. Where nothing happens, every [`IDLE`].
const ACCOUNTS: Duration = Duration::from_secs(5);
/// Remembers in the data folder which target holds a backup, so that an empty folder in its place is
/// not taken for it.
const SEEN: &str = "shipped-to";

/// Where to ship to, and for whom it is sealed.
#[derive(Clone)]
pub struct ShipSettings {
    pub target: PathBuf,
    pub sealer: Sealer,
}

/// How far the target is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShipStatus {
    /// The newest entry that the target holds durably.
    pub seq: u64,
    pub behind_entries: u64,
    /// How long the oldest entry that it does not hold has waited, in seconds; rather too long than too
    /// short by a round.
    pub behind_s: f64,
}

/// The running thread. It ends after the engine, with a last round.
pub struct Ship {
    watch: ShipWatch,
    ended: oneshot::Receiver<()>,
}

/// What others see of it. Clones are cheap.
#[derive(Clone)]
pub struct ShipWatch {
    standing: Arc<Mutex<Standing>>,
    moments: Moments,
    health: Health,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Standing {
    shipped: u64,
    /// Real time since which something has not been there, or may not have been.
    waiting_since: Option<Duration>,
    /// Why the last round failed, if it did.
    fault: Option<String>,
}

impl Ship {
    /// Starts the thread beside the engine that writes the journal in `data`.
    ///
    /// # Errors
    /// Where the journal cannot be read, or the system has no thread to give. What is wrong with the
    /// target is found in rounds, and said as [`Condition::NotShipped`].
    pub fn start(
        data: &Path,
        settings: ShipSettings,
        engine: &Engine,
        clock: Arc<dyn Clock>,
    ) -> Result<Ship, BackupError> {
        let no_thread =
            |e: std::io::Error| BackupError::Unfit(format!("the system has no thread to ship with: {e}"));
        let target = std::path::absolute(&settings.target).unwrap_or(settings.target);
        let standing = Standing { waiting_since: Some(clock.monotonic()), ..Standing::default() };
        let watch = ShipWatch {
            standing: Arc::new(Mutex::new(standing)),
            moments: engine.moments(),
            health: engine.health().clone(),
            clock,
        };
        let shipper = Shipper {
            log: LogReader::open(data)?,
            data: data.to_owned(),
            seen: Seen::of(data, &target),
            target,
            sealer: settings.sealer,
            watch: watch.clone(),
            unchecked: None,
            broken: Vec::new(),
            accounts_at: None,
        };
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let timer = timer.map_err(no_thread)?;
        let (ends, ended) = oneshot::channel();
        let run = move || {
            shipper.run(&timer);
            drop(ends);
        };
        std::thread::Builder::new().name("ship".to_owned()).spawn(run).map_err(no_thread)?;
        Ok(Ship { watch, ended })
    }

    pub fn watch(&self) -> &ShipWatch {
        &self.watch
    }

    /// Waits until the last round is over, which begins when the engine has ended: what that made durable at its end is in
    /// the second place, too. At most for `within`; says where it is not.
    pub async fn end(self, within: Duration) {
        if tokio::time::timeout(within, self.ended).await.is_err() {
            tracing::warn!("the target of --ship lacks the last entries; the next start ships them");
        }
    }
}

impl ShipWatch {
    /// How it stands now; raises or clears the condition accordingly.
    pub fn look(&self) -> ShipStatus {
        let newest = self.moments.published().borrow().0;
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let behind_entries = newest.saturating_sub(standing.shipped);
        let since = standing.waiting_since.filter(|_| behind_entries > 0);
        let behind = since.map_or(Duration::ZERO, |since| self.clock.monotonic().saturating_sub(since));
        match &standing.fault {
            Some(fault) => self.health.raise(Condition::NotShipped, fault.clone()),
            None if behind > LATE => self.health.raise(
                Condition::NotShipped,
                "the target of --ship is more than ten seconds behind: it is slow or does not answer; look at \
                 the disk or the line",
            ),
            None => self.health.clear(Condition::NotShipped),
        }
        ShipStatus { seq: standing.shipped, behind_entries, behind_s: behind.as_secs_f64() }
    }

    fn set(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn waits_since(&self, at: Duration) {
        self.set(|standing| {
            standing.waiting_since.get_or_insert(at);
        });
    }
}

/// What a round leaves for the next.
enum Next {
    /// Nothing until there is something new.
    Idle,
    /// Something is still to be read or mended.
    Soon,
    /// It failed.
    Again,
}

struct Shipper {
    log: LogReader,
    data: PathBuf,
    target: PathBuf,
    sealer: Sealer,
    watch: ShipWatch,
    seen: Seen,
    /// Pieces that were not read against their checksums since the target was last away; `None`: it was
    /// away until now.
    unchecked: Option<Vec<u64>>,
    /// Pieces that the next round writes anew.
    broken: Vec<u64>,
    /// When the accounts were looked at last; `None`: the next round does.
    accounts_at: Option<Duration>,
}

impl Shipper {
    fn run(mut self, timer: &Runtime) {
        let mut published = self.watch.moments.published();
        loop {
            published.mark_unchanged();
            let began = self.watch.clock.monotonic();
            let next = self.round(began);
            if timer.block_on(self.rest(&mut published, next, began)).is_err() {
                break;
            }
        }
        // The engine's last commit, and whatever the journal did at its end.
        if let Ok(log) = LogReader::open(&self.data) {
            self.log = log;
        }
        self.accounts_at = None;
        self.round(self.watch.clock.monotonic());
    }

    /// Waits for the time of the next round; an error where the engine has ended.
    async fn rest(
        &self,
        published: &mut watch::Receiver<crate::model::Seq>,
        next: Next,
        began: Duration,
    ) -> Result<(), watch::error::RecvError> {
        let apart = match next {
            Next::Again => RETRY,
            Next::Idle | Next::Soon => ROUND,
        };
        if matches!(next, Next::Idle) {
            match tokio::time::timeout(IDLE, published.changed()).await {
                Ok(Ok(())) => self.watch.waits_since(self.watch.clock.monotonic()),
                Ok(Err(ended)) => return Err(ended),
                Err(_) => return Ok(()),
            }
        }
        let rest = apart.saturating_sub(self.watch.clock.monotonic().saturating_sub(began));
        tokio::time::sleep(rest).await;
        published.has_changed().map(drop)
    }

    fn round(&mut self, began: Duration) -> Next {
        // Should the round not come back, what comes in from now on waits.
        self.watch.waits_since(began);
        let mut shipped = None;
        let result = self.update(began, &mut shipped);
        let newest = self.watch.moments.published().borrow().0;
        self.watch.set(|standing| {
            standing.shipped = shipped.unwrap_or(standing.shipped);
            // What is not there came after the round had begun.
            let since = if result.is_ok() { Some(began) } else { standing.waiting_since };
            standing.waiting_since = since.filter(|_| newest > standing.shipped);
            standing.fault = result.as_ref().err().map(|e| self.words(e));
        });
        self.watch.look();
        if result.is_err() {
            self.unchecked = None;
            self.accounts_at = None;
        }
        result.unwrap_or(Next::Again)
    }

    /// Writes what is new, then reads some of what was there. `shipped` is told as soon as it is durable.
    fn update(&mut self, began: Duration, shipped: &mut Option<u64>) -> Result<Next, BackupError> {
        let target = Target::open(&self.target)?.lock()?;
        if self.seen.is_known && target.manifest()?.is_none() {
            return Err(BackupError::Unfit(format!(
                "the backup in {target} is gone: the disk may be unplugged and its folder empty. Plug it in; to begin a new \
                 backup there, run pantau backup {target} once",
                target = self.target.display()
            )));
        }
        let mut run = Run::open(&mut self.log, &target, &self.sealer)?;
        let written = run.update(&self.broken, &mut |_, _| {});
        *shipped = Some(run.done.head);
        written?;
        self.broken.clear();
        self.seen.remember();
        if self.unchecked.is_none() {
            run.add_missing_photos()?;
            run.heal_identity()?;
        }
        if self.accounts_at.is_none_or(|at| began.saturating_sub(at) >= ACCOUNTS) {
            run.update_accounts(&self.data)?;
            run.update_events(&self.data, self.accounts_at.is_none())?;
            self.accounts_at = Some(began);
        }
        let unchecked = self.unchecked.get_or_insert_with(|| run.piece_numbers());
        while self.watch.clock.monotonic().saturating_sub(began) < CHECK {
            let Some(n) = unchecked.pop() else { break };
            if run.is_broken(n)? {
                self.broken.push(n);
            }
        }
        for file in &run.done.healed {
            tracing::warn!(file, "a file of the shipped backup is damaged and is written anew");
        }
        let is_done = unchecked.is_empty() && self.broken.is_empty();
        Ok(if is_done { Next::Idle } else { Next::Soon })
    }

    /// An error with what led to it, and what it means.
    fn words(&self, error: &BackupError) -> String {
        let mut words = format!("entries are not shipped to {}: {error}", self.target.display());
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            words += &format!(": {error}");
            source = error.source();
        }
        words + "; it goes on by itself once that is mended"
    }
}

/// Whether the target was seen with a backup of ours in it.
struct Seen {
    is_known: bool,
    file: PathBuf,
    target: String,
}

impl Seen {
    fn of(data: &Path, target: &Path) -> Seen {
        let (file, target) = (data.join(SEEN), target.display().to_string());
        let is_known = std::fs::read_to_string(&file).is_ok_and(|seen| seen.trim_end() == target);
        Seen { is_known, file, target }
    }

    fn remember(&mut self) {
        if !self.is_known {
            self.is_known = true;
            // One that is lost in a power cut is written again after the next start.
            if let Err(e) = std::fs::write(&self.file, format!("{}\n", self.target)) {
                tracing::warn!(error = %e, file = %self.file.display(), "the target could not be remembered");
            }
        }
    }
}
