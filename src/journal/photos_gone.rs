//! Files of erased photos, until they are gone: taken away on a thread of its own, so that the one that takes reports in
//! waits for no disk. An erasure can name thousands of files, each of which is overwritten, and the disk asked for each.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::JournalError;
use super::photos::PhotoFiles;
use crate::model::PhotoName;

/// So few go at once: it takes no longer than a commit.
const AT_ONCE: usize = 8;
/// A stop waits for what is being taken away for so long; the sweep at the next start takes the rest.
const PATIENCE: Duration = Duration::from_secs(3);

/// What erasures took. When it is dropped, what is being taken away is waited for.
pub(super) struct GonePhotos {
    due: Vec<PhotoName>,
    taking: Option<Taking>,
    patience: Duration,
}

struct Taking {
    names: Vec<PhotoName>,
    thread: JoinHandle<Result<(), JournalError>>,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

impl Default for GonePhotos {
    fn default() -> GonePhotos {
        GonePhotos { due: Vec::new(), taking: None, patience: PATIENCE }
    }
}

impl GonePhotos {
    /// These are to go, too.
    pub fn extend(&mut self, names: Vec<PhotoName>) {
        self.due.extend(names);
    }

    /// Begins to take away what is due, or looks how that went: whether all of it is gone. Holds up nobody.
    ///
    /// # Errors
    /// Where files could not be taken away: asking again tries again.
    pub fn take_away(&mut self, files: Arc<dyn PhotoFiles>) -> Result<bool, JournalError> {
        if self.taking.as_ref().is_some_and(|taking| !taking.thread.is_finished()) {
            return Ok(false);
        }
        self.wait()?;
        if self.due.len() <= AT_ONCE {
            files.remove(&self.due)?;
            self.due.clear();
            return Ok(true);
        }
        let names = std::mem::take(&mut self.due);
        let theirs = names.clone();
        let thread = std::thread::Builder::new().name("erase-photos".to_owned());
        let (goes, ended) = channel();
        let take = move || {
            let _goes: std::sync::mpsc::Sender<()> = goes;
            let files = files;
            files.remove(&theirs)
        };
        match thread.spawn(take) {
            Ok(thread) => self.taking = Some(Taking { names, thread, ended }),
            Err(error) => {
                self.due = names;
                return Err(JournalError::Store(Box::new(error)));
            }
        }
        Ok(false)
    }

    /// Takes all of it away before it returns.
    ///
    /// # Errors
    /// As [`GonePhotos::take_away`].
    pub fn take_away_now(&mut self, files: &dyn PhotoFiles) -> Result<(), JournalError> {
        self.wait()?;
        files.remove(&self.due)?;
        self.due.clear();
        Ok(())
    }

    /// Waits for what is being taken away; what could not be is due again.
    fn wait(&mut self) -> Result<(), JournalError> {
        let Some(Taking { names, thread, ended: _ }) = self.taking.take() else { return Ok(()) };
        let taken = thread.join().unwrap_or_else(|_| Err(JournalError::Store("a thread broke off".into())));
        taken.inspect_err(|_| self.due.extend(names))
    }
}

impl Drop for GonePhotos {
    fn drop(&mut self) {
        if let Some(Taking { names, ended, .. }) = &self.taking
            && ended.recv_timeout(self.patience) == Err(RecvTimeoutError::Timeout)
        {
            let n = names.len();
            return tracing::warn!(
                "files of {n} erased photos are still being taken away; what is left of them goes at the next start"
            );
        }
        if let Err(error) = self.wait() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "files of erased photos are left to the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A disk that takes files away when it is told to, and says which.
    struct Slow {
        may: Mutex<Receiver<bool>>,
        gone: Mutex<Vec<PhotoName>>,
    }

    fn slow() -> (Sender<bool>, Arc<Slow>) {
        let (let_go, may) = channel();
        (let_go, Arc::new(Slow { may: Mutex::new(may), gone: Mutex::default() }))
    }

    impl PhotoFiles for Slow {
        fn put(&self, _: &[(PhotoName, &[u8])]) -> Result<(), JournalError> {
            Ok(())
        }

        fn get(&self, _: PhotoName) -> Result<Option<Vec<u8>>, JournalError> {
            Ok(None)
        }

        fn remove(&self, names: &[PhotoName]) -> Result<(), JournalError> {
            if !names.is_empty() && !self.may.lock().unwrap().recv().unwrap() {
                return Err(JournalError::Full);
            }
            self.gone.lock().unwrap().extend(names);
            Ok(())
        }

        fn settle(&self, _: &[PhotoName]) {}

        fn settled(&self, _: &mut dyn FnMut(PhotoName)) -> Result<(), JournalError> {
            Ok(())
        }
    }

    fn names(n: u8) -> Vec<PhotoName> {
        (0..n).map(|n| PhotoName([n; 32])).collect()
    }

    /// As the engine does: asks until it is told that all is gone.
    fn until_gone(gone: &mut GonePhotos, files: &Arc<Slow>) {
        while !gone.take_away(files.clone()).unwrap() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nobody_waits_while_many_files_are_taken_away_and_none_is_forgotten() {
        let (let_go, files) = slow();
        let mut gone = GonePhotos::default();
        gone.extend(names(100));
        for _ in 0..3 {
            assert!(!gone.take_away(files.clone()).unwrap(), "the disk has not even begun");
        }
        // Another erasure meanwhile.
        gone.extend(vec![PhotoName([200; 32]); 20]);
        assert!(!gone.take_away(files.clone()).unwrap());
        let_go.send(true).unwrap();
        let_go.send(true).unwrap();
        until_gone(&mut gone, &files);
        let expected = [names(100), vec![PhotoName([200; 32]); 20]].concat();
        assert_eq!(*files.gone.lock().unwrap(), expected);
    }

    #[test]
    fn what_could_not_be_taken_away_is_tried_again() {
        let (let_go, files) = slow();
        let mut gone = GonePhotos::default();
        gone.extend(names(50));
        let_go.send(false).unwrap();
        assert!(!gone.take_away(files.clone()).unwrap());
        let failed = loop {
            match gone.take_away(files.clone()) {
                Ok(is_gone) => assert!(!is_gone),
                Err(error) => break error,
            }
        };
        assert!(matches!(failed, JournalError::Full));
        let_go.send(true).unwrap();
        until_gone(&mut gone, &files);
        assert_eq!(*files.gone.lock().unwrap(), names(50));
    }

    #[test]
    fn a_stop_waits_for_what_is_being_taken_away_and_not_for_a_disk_that_stands_still() {
        let (let_go, files) = slow();
        let mut gone = GonePhotos::default();
        gone.extend(names(50));
        assert!(!gone.take_away(files.clone()).unwrap());
        let_go.send(true).unwrap();
        drop(gone);
        assert_eq!(*files.gone.lock().unwrap(), names(50));

        let mut gone = GonePhotos::default();
        gone.patience = Duration::from_millis(5);
        gone.extend(names(50));
        assert!(!gone.take_away(files.clone()).unwrap());
        drop(gone);
        assert_eq!(files.gone.lock().unwrap().len(), 50, "it stands still");
        let_go.send(true).unwrap();
    }

    #[test]
    fn a_few_go_at_once_and_whoever_may_wait_has_all_gone_at_once() {
        let (let_go, files) = slow();
        let mut gone = GonePhotos::default();
        assert!(gone.take_away(files.clone()).unwrap(), "nothing is due");
        gone.extend(names(8));
        let_go.send(true).unwrap();
        assert!(gone.take_away(files.clone()).unwrap());
        gone.extend(names(50));
        assert!(!gone.take_away(files.clone()).unwrap());
        gone.extend(names(9));
        let_go.send(true).unwrap();
        let_go.send(true).unwrap();
        gone.take_away_now(&*files).unwrap();
        assert_eq!(files.gone.lock().unwrap().len(), 67);
    }
}
