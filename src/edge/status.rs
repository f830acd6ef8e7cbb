//! How an edge stands: what it has heard, and from whom.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::engine::Moments;
use crate::model::Seq;

/// An edge that has not shown for this long all that the origin told it of tells its screens nothing more, so
/// that they say themselves that what they show is old.
const TOUCH: Duration = Duration::from_secs(15);

/// Whether somebody answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    NotYet,
    Up,
    /// With the reason.
    Away(String),
}

impl Standing {
    pub fn key(&self) -> &'static str {
        match self {
            Standing::NotYet => "not yet",
            Standing::Up => "up",
            Standing::Away(_) => "away",
        }
    }
}

pub struct EdgeStatus {
    clock: Arc<dyn Clock>,
    moments: Moments,
    /// The newest entry at the origin that this node knows of.
    head: AtomicU64,
    /// Monotonic milliseconds of the last word from the origin.
    heard_ms: AtomicU64,
    touch: Mutex<Touch>,
    has_stream: bool,
    stream_is_up: AtomicBool,
    stream: Mutex<Standing>,
    origin: Mutex<Standing>,
    /// Why it does not follow any more, until it is started again.
    stuck: Mutex<Option<String>>,
}

/// How old what is shown can be. Under load there is always an entry on its way, so it does not go by the moments
/// at which nothing is missing: it goes by the time at which the origin told of what is shown by now.
#[derive(Debug, Clone, Copy, Default)]
struct Touch {
    /// The origin was told to be here …
    head: Seq,
    /// … at this time, in monotonic milliseconds.
    told_ms: u64,
    /// All that the origin told by then is shown.
    shown_ms: u64,
}

impl Touch {
    /// This node shows everything up to `seq`; the newest it was told of is `head`, at `told_ms`.
    fn look(&mut self, seq: Seq, head: Seq, told_ms: u64) {
        if seq >= self.head {
            self.shown_ms = self.told_ms;
            (self.head, self.told_ms) = (head, told_ms);
        }
        if seq >= self.head {
            self.shown_ms = self.told_ms;
        }
    }
}

impl EdgeStatus {
    /// Of an edge that shows `moments`, and has heard nothing yet.
    pub fn new(clock: Arc<dyn Clock>, moments: Moments, has_stream: bool) -> EdgeStatus {
        let status = EdgeStatus {
            head: AtomicU64::new(moments.live().seq().0),
            heard_ms: AtomicU64::new(0),
            touch: Mutex::default(),
            has_stream,
            stream_is_up: AtomicBool::new(false),
            stream: Mutex::default(),
            origin: Mutex::default(),
            stuck: Mutex::default(),
            clock,
            moments,
        };
        status.heard(Seq(0));
        status
    }

    /// A word from the origin, straight or by the stream.
    pub(super) fn heard(&self, head: Seq) {
        self.head.fetch_max(head.0, Ordering::Relaxed);
        self.heard_ms.store(self.clock.monotonic().as_millis() as u64, Ordering::Relaxed);
        self.has_applied();
    }

    /// What is shown is another than before.
    pub(super) fn has_applied(&self) {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        lock(&self.touch).look(self.seq(), self.head(), heard_ms);
    }

    pub fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::Relaxed)).max(self.seq())
    }

    pub fn seq(&self) -> Seq {
        self.moments.live().seq()
    }

    /// How many entries this node lacks, as far as it knows.
    pub fn behind(&self) -> u64 {
        self.head().0 - self.seq().0
    }

    /// How long ago the last word from the origin came.
    pub fn silent_for(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(heard)
    }

    /// Whether what this node shows is as new as it can be: nobody is to be told that it is while entries are
    /// missing that it knows of, whoever gives signs of life.
    pub fn is_in_touch(&self) -> bool {
        let shown = Duration::from_millis(lock(&self.touch).shown_ms);
        self.clock.monotonic().saturating_sub(shown) < TOUCH && self.stuck().is_none()
    }

    pub fn stuck(&self) -> Option<String> {
        lock(&self.stuck).clone()
    }

    pub(super) fn set_stuck(&self, why: Option<String>) {
        let before = std::mem::replace(&mut *lock(&self.stuck), why.clone());
        if let Some(why) = why.filter(|why| before.as_ref() != Some(why)) {
            tracing::error!("this edge does not follow: {why}");
        }
    }

    /// `None` where it follows no stream.
    pub fn stream(&self) -> Option<Standing> {
        self.has_stream.then(|| lock(&self.stream).clone())
    }

    pub(super) fn stream_is_up(&self) -> bool {
        self.stream_is_up.load(Ordering::Relaxed)
    }

    /// Whether the stream brings what is new.
    pub fn set_stream(&self, standing: Standing) {
        self.stream_is_up.store(standing == Standing::Up, Ordering::Relaxed);
        change(&self.stream, standing, "the stream");
    }

    pub fn origin(&self) -> Standing {
        lock(&self.origin).clone()
    }

    pub(super) fn set_origin(&self, standing: Standing) {
        change(&self.origin, standing, "the origin");
    }
}

/// Says so once, whatever the reason turns into.
fn change(standing: &Mutex<Standing>, now: Standing, whose: &str) {
    let before = std::mem::replace(&mut *lock(standing), now.clone());
    match now {
        Standing::Away(why) if !matches!(before, Standing::Away(_)) => {
            tracing::warn!("{whose} is away: {why}")
        }
        Standing::Up if before != Standing::Up => tracing::info!("{whose} answers"),
        _ => {}
    }
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
