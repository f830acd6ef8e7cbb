//! Who is who: accounts, sessions, tokens, and what proves them.
//!
//! [`Accounts`] holds a copy of all of them in memory, so a request is known without a look at the disk,
//! and looks twice a second whether somebody changed them: another server on the same database, or
//! `pantau user` beside this one. What it changes itself it sees at once.
//!
//! Invariants:
//! - No secret that is drawn is kept, only its digest; no password, only its argon2id hash; of a passkey, its public key.
//! - Right after a change everybody is what they are now: whoever lost something is told by
//!   [`Accounts::changes`] within [`LOOK_EVERY`], and asks [`Accounts::holds`].
//! - What slows guessing down never keeps out a browser that its account signed in from before.

mod book;
mod guesses;
mod issue;
mod log;
mod passkey;
mod password;
mod pending;
mod secret;
mod sign_in;
mod subject;
mod totp;

pub use book::Credential;
pub use guesses::Network;
pub use issue::{NewToken, Scope, check_name, first_link, link_for, new_account, new_token};
pub use log::{ACCOUNT_ACTIONS, AccountEvent};
pub use passkey::{Asked, Site};
pub use password::{PASSWORD_CHARS_MIN, hash_password};
pub(crate) use pending::{Open, Pending};
pub(crate) use secret::draw;
pub use sign_in::{SignIn, SignInFault, SignedIn};
pub use subject::Vouched;
pub use totp::{Totp, address as totp_address};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::access::Who;
use crate::city::City;
use crate::clock::Clock;
use crate::journal::{AccountStore, JournalError};
use crate::model::TimeMs;
use book::Book;
use guesses::Guesses;
use log::Log;
use passkey::Question;

/// How often it is looked whether somebody else changed the accounts.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The accounts of a running server.
pub struct Accounts {
    store: Arc<AccountStore>,
    city: Arc<City>,
    clock: Arc<dyn Clock>,
    book: ArcSwap<Book>,
    /// Held from a look at the store until its answer is the book: an older one never comes after a newer.
    looking: Mutex<()>,
    guesses: Mutex<Guesses>,
    questions: Mutex<Pending<Question>>,
    /// Rises when somebody may have lost, or got, something.
    changes: watch::Sender<u64>,
    /// The time up to which ends of sessions and tokens were told.
    told: Mutex<TimeMs>,
    log: Log,
}

/// What somebody showed, and who that made them: good as long as [`Accounts::holds`] says so.
#[derive(Debug, Clone)]
pub struct Pass {
    pub credential: Credential,
    pub who: Arc<Who>,
}

impl Accounts {
    /// Reads everything. `clock` is the real one, also where the center plays back the past.
    ///
    /// # Errors
    /// Where the accounts cannot be read.
    pub fn open(
        store: AccountStore,
        city: Arc<City>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Accounts>, JournalError> {
        let book = ArcSwap::from_pointee(Book::of(store.load()?, &city));
        let told = Mutex::new(clock.now());
        Ok(Arc::new(Accounts {
            store: Arc::new(store),
            city,
            clock,
            book,
            looking: Mutex::default(),
            guesses: Mutex::default(),
            questions: Mutex::default(),
            changes: watch::Sender::new(0),
            told,
            log: Log::default(),
        }))
    }

    /// Who an `Authorization: Bearer` token stands for.
    pub fn of_token(&self, token: &str) -> Option<Pass> {
        self.pass(Credential::of_token(token))
    }

    /// Who a cookie stands for: a session's, or a wall's token.
    pub fn of_cookie(&self, value: &str) -> Option<Pass> {
        let kiosk = || self.pass(Credential::of_token(value)).filter(|pass| pass.is_kiosk());
        self.pass(Credential::of_session(value)).or_else(kiosk)
    }

    fn pass(&self, credential: Credential) -> Option<Pass> {
        let who = self.book.load().who(&credential, self.clock.now())?;
        Some(Pass { credential, who })
    }

    /// Whether a pass is still good for all that it was good for.
    pub fn holds(&self, pass: &Pass) -> bool {
        self.book.load().who(&pass.credential, self.clock.now()).is_some_and(|who| who == pass.who)
    }

    /// When the session or token of a pass ends.
    pub fn ends_at(&self, pass: &Pass) -> Option<TimeMs> {
        self.book.load().ends_at(&pass.credential)
    }

    /// What people call somebody.
    pub fn full_name(&self, name: &str) -> Option<String> {
        self.book.load().account(name).map(|account| account.row.full_name.clone())
    }

    /// The key of an account's role.
    pub fn role(&self, name: &str) -> Option<String> {
        self.book.load().account(name).map(|account| account.row.role.clone())
    }

    /// Whose sessions go on, and since when; by name.
    pub fn signed_in(&self) -> Vec<(String, TimeMs)> {
        self.book.load().signed_in(self.clock.now())
    }

    /// Whether a second factor is asked of an account.
    pub fn has_totp(&self, name: &str) -> bool {
        self.book.load().account(name).is_some_and(|account| account.row.totp.is_some())
    }

    /// Whether somebody is told what is late once it is the head's.
    pub fn is_head(&self, name: &str) -> bool {
        self.book.load().account(name).is_some_and(|account| account.row.head)
    }

    /// Whether a provider vouches for whose account it is: then it has no password here.
    pub fn is_of_provider(&self, name: &str) -> bool {
        self.book.load().is_of_provider(name)
    }

    /// Whether nobody looks after this server yet.
    pub fn lacks_admin(&self) -> bool {
        !self.book.load().has_admin()
    }

    /// A one-time link's secret for the first admin; an earlier one is good no more. Waits for the disk.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn first_link(&self) -> Result<String, JournalError> {
        first_link(&self.store, self.clock.now())
    }

    /// Where they are kept; after a change there, [`Accounts::look`].
    pub fn store(&self) -> &AccountStore {
        &self.store
    }

    /// Told when somebody may have lost, or got, something.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads the accounts again where they are others than known. Waits for the disk.
    ///
    /// # Errors
    /// Where they cannot be read; what is known stays.
    pub fn look(&self) -> Result<(), JournalError> {
        let is_new = {
            let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = self.store.revision()? != self.book.load().revision();
            if is_new {
                self.book.store(Arc::new(Book::of(self.store.load()?, &self.city)));
            }
            is_new
        };
        let now = self.clock.now();
        let before = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), now);
        if is_new || self.book.load().ends_between(before, now) {
            self.changes.send_modify(|n| *n = n.wrapping_add(1));
        }
        Ok(())
    }

    /// Looks twice a second, until `stopping` turns true. A store that does not answer changes nobody's
    /// rights meanwhile, either: they are what was last read.
    pub async fn keep_looking(self: Arc<Accounts>, mut stopping: watch::Receiver<bool>) {
        let mut was_away = false;
        while tokio::time::timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_err() {
            let accounts = self.clone();
            let looked =
                tokio::task::spawn_blocking(move || accounts.look().and(accounts.write_log())).await;
            let is_away = match looked {
                Ok(Ok(())) => false,
                Ok(Err(e)) => {
                    if !was_away {
                        tracing::warn!(error = %e, "the accounts cannot be read; they stay as they were");
                    }
                    true
                }
                Err(_) => true,
            };
            was_away = is_away;
        }
        let accounts = self.clone();
        if !matches!(tokio::task::spawn_blocking(move || accounts.write_log()).await, Ok(Ok(()))) {
            tracing::warn!("the last events of accounts are not in the audit");
        }
    }

    /// Ends a session. Waits for the disk.
    ///
    /// # Errors
    /// Where the store cannot be written: it goes on.
    pub fn sign_out(&self, pass: &Pass) -> Result<(), JournalError> {
        if let Credential::Session(digest) = &pass.credential {
            self.store.end_session(digest)?;
            self.look()?;
        }
        Ok(())
    }
}

impl Pass {
    fn is_kiosk(&self) -> bool {
        self.who.via == crate::access::Via::Kiosk
    }
}
