//! What works beside the server, or still holds what the server holds: a stop waits for it, for a while, and says what
//! is left. What is cut then is done at the next start, or was only reading.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// How long it may take to end, once all else has ended.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether all has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Whether something is there still.
type IsThere = Box<dyn Fn() -> bool + Send + Sync>;

/// The list of what works beside the server. Clones are one.
#[derive(Clone)]
pub struct Background(Arc<Shared>);

struct Shared {
    stop: watch::Sender<bool>,
    works: Mutex<Vec<(&'static str, IsThere)>>,
}

/// Held by a thread or task for as long as it works.
pub struct Work {
    stop: watch::Receiver<bool>,
    /// By it the list knows that this is held.
    _held: Arc<()>,
}

impl Default for Background {
    fn default() -> Background {
        Background(Arc::new(Shared { stop: watch::Sender::new(false), works: Mutex::default() }))
    }
}

impl Background {
    /// Something begins; it is to end soon once it is asked to stop.
    pub fn begin(&self, name: &'static str) -> Work {
        let held = Arc::new(());
        self.watch(name, &held);
        Work { stop: self.0.stop.subscribe(), _held: held }
    }

    /// What ends when nobody holds this any more.
    pub fn watch<T: ?Sized + Send + Sync + 'static>(&self, name: &'static str, held: &Arc<T>) {
        let held = Arc::downgrade(held);
        let is_there: IsThere = Box::new(move || held.strong_count() > 0);
        self.0.works.lock().unwrap_or_else(PoisonError::into_inner).push((name, is_there));
    }

    /// Asks all to stop.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// Waits until all has ended, at most for `within`; the names of what is left then.
    pub async fn ended(&self, within: Duration) -> Vec<&'static str> {
        let all = async {
            let mut often = tokio::time::interval(LOOK);
            while !self.left().is_empty() {
                often.tick().await;
            }
        };
        match tokio::time::timeout(within, all).await {
            Ok(()) => Vec::new(),
            Err(_) => self.left(),
        }
    }

    /// The same, and says in the log what is left.
    pub async fn end(&self) {
        let left = self.ended(PATIENCE).await.join(", ");
        if !left.is_empty() {
            tracing::warn!(
                "the server ends while work goes on beside it ({left}); what is cut is done at the next start"
            );
        }
    }

    fn left(&self) -> Vec<&'static str> {
        let mut works = self.0.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.retain(|(_, is_there)| is_there());
        works.iter().map(|(name, _)| *name).collect()
    }
}

impl Work {
    /// Whether it is to end.
    pub fn is_to_stop(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until it is to end.
    pub async fn stopped(&mut self) {
        if self.stop.wait_for(|stop| *stop).await.is_err() {
            // The list is gone, so nobody will ask.
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_what_works_and_names_what_is_left_after_a_while() {
        let background = Background::default();
        assert_eq!(background.ended(Duration::ZERO).await, <Vec<&str>>::new());
        let (mut obeys, stuck, held) =
            (background.begin("a"), background.begin("b"), Arc::<str>::from("c"));
        background.watch("c", &held);
        assert!(!obeys.is_to_stop());
        let obedient = tokio::spawn(async move { obeys.stopped().await });
        background.stop();
        obedient.await.unwrap();
        assert_eq!(background.ended(Duration::from_millis(5)).await, ["b", "c"]);
        assert!(stuck.is_to_stop());
        let waiting = tokio::spawn({
            let background = background.clone();
            async move { background.ended(Duration::from_secs(60)).await }
        });
        drop((stuck, held));
        assert_eq!(waiting.await.unwrap(), <Vec<&str>>::new());
    }
}
