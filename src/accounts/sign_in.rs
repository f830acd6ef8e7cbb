//! Signing in, and what it takes: a password, a second factor, or a one-time link.

use std::sync::PoisonError;
use std::time::Duration;

use super::guesses::{Network, Turn};
use super::issue::NAME_CHARS_MAX;
use super::password::{hash_password, is_password};
use super::secret::{digest, draw};
use super::totp::Totp;
use super::{Accounts, Pass, check_name};
use crate::access::Role;
use crate::accounts::Credential;
use crate::journal::{AccountRow, JournalError, SessionRow};
use crate::model::{HOUR_MS, TimeMs};

/// A shift of twelve hours, and its handover.
const SESSION_MS: i64 = 13 * HOUR_MS;
/// A browser that nobody signed in from for this long is a stranger again.
const DEVICE_MS: i64 = 365 * 24 * HOUR_MS;

/// What somebody says who signs in.
#[derive(Clone)]
pub struct SignIn<'a> {
    pub name: &'a str,
    pub password: &'a str,
    /// Of the second factor.
    pub code: Option<&'a str>,
    /// What the browser remembers of an earlier time.
    pub device: Option<&'a str>,
    pub network: Network,
}

/// A session that began: what the browser is to keep.
pub struct SignedIn {
    pub session: String,
    pub device: String,
    pub pass: Pass,
    pub ends_at: TimeMs,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInFault {
    /// Too many guesses: nothing was checked.
    #[error("too many tries; wait {0:?}")]
    Wait(Duration),
    #[error("the name or the password is wrong")]
    Wrong,
    /// The password is right; a code of the second factor is asked for.
    #[error("a code of the authenticator is needed")]
    CodeNeeded,
    #[error("the code is wrong, too old, or was used")]
    WrongCode,
    #[error("the link was used, or is over")]
    Link,
    #[error("passkeys are bound to a name, and the server was called by an address")]
    NoName,
    #[error("the question for a passkey is over, or was answered")]
    PasskeyOver,
    #[error("no account has this passkey")]
    WrongPasskey,
    #[error("the name is taken")]
    NameTaken,
    /// What was chosen is not taken; the field, and what to change.
    #[error("{detail}")]
    Unfit { field: &'static str, detail: String },
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// All of these wait for the disk, and most for argon2id.
impl Accounts {
    /// # Errors
    /// Whether the name or the password was wrong is not told.
    pub fn sign_in(&self, ask: &SignIn) -> Result<SignedIn, SignInFault> {
        // No account has such a name, and guesses are counted by it.
        if ask.name.len() > NAME_CHARS_MAX {
            return Err(SignInFault::Wrong);
        }
        let turn = self.turn(ask.name, ask.network, ask.device)?;
        // An account may be made, or get another password, beside the server a moment before.
        self.look()?;
        let book = self.book.load_full();
        let account = book.account(ask.name).filter(|account| !account.is_disabled());
        let kept = account.and_then(|account| account.row.password.as_deref());
        let is_right = is_password(ask.password, kept);
        let Some(account) = account.filter(|_| is_right) else { return Err(SignInFault::Wrong) };
        if let Some(secret) = &account.row.totp {
            match ask.code {
                Some(code) => self.check_code(ask.name, secret, code, account.row.totp_step)?,
                // The password alone proves nothing yet: it must not make wrong codes forgotten.
                None => {
                    self.guesses.lock().unwrap_or_else(PoisonError::into_inner).give_back(turn);
                    return Err(SignInFault::CodeNeeded);
                }
            }
        }
        self.was_right(turn);
        self.begin_for(ask.name, ask.device)
    }

    /// Begins a session for somebody who is who they say.
    pub(super) fn begin_for(&self, name: &str, device: Option<&str>) -> Result<SignedIn, SignInFault> {
        self.begin(name, device, |session, device| {
            let oldest_device = self.clock.now().plus_ms(-DEVICE_MS);
            self.store.begin_session(session, device, oldest_device)
        })
    }

    /// Begins a session with a one-time link, and sets the password. `name` is for the link of the first
    /// start, which makes an admin of that name.
    ///
    /// # Errors
    /// The link is used up only where all is well.
    pub fn redeem(&self, link: &str, name: Option<&str>, password: &str) -> Result<SignedIn, SignInFault> {
        self.look()?;
        let (digest, now) = (digest(link), self.clock.now());
        let account = self.book.load().link(&digest, now).map(|account| account.map(str::to_owned));
        let account = account.ok_or(SignInFault::Link)?;
        let unfit = |field| move |detail| SignInFault::Unfit { field, detail };
        let name = match (&account, name) {
            (Some(account), _) => account.as_str(),
            (None, Some(name)) => name,
            (None, None) => {
                return Err(unfit("/name")("choose a name for the first admin's account".to_owned()));
            }
        };
        if account.is_none() {
            check_name(name).map_err(unfit("/name"))?;
        }
        let password = hash_password(password, name).map_err(unfit("/password"))?;
        if account.is_none() && self.book.load().account(name).is_some() {
            return Err(SignInFault::NameTaken);
        }
        self.begin(name, None, |session, device| match account {
            Some(_) => self.store.redeem(&digest, &password, session, device, now),
            None => {
                let admin = AccountRow {
                    password: Some(password),
                    ..AccountRow::new(name, Role::Admin.key(), now)
                };
                self.store.redeem_first(&digest, &admin, session, device, now)
            }
        })
    }

    /// What a link is for: the name of an account, or `None` for the first admin.
    ///
    /// # Errors
    /// Where it is used, or over.
    pub fn link(&self, link: &str) -> Result<Option<String>, SignInFault> {
        self.look()?;
        let account = self.book.load().link(&digest(link), self.clock.now()).map(|a| a.map(str::to_owned));
        account.ok_or(SignInFault::Link)
    }

    /// Changes the own password; every other session of the account ends.
    ///
    /// # Errors
    /// Where the old one is wrong, which counts as a guess.
    pub fn change_password(
        &self,
        pass: &Pass,
        old: &str,
        new: &str,
        (network, device): (Network, Option<&str>),
    ) -> Result<(), SignInFault> {
        let name = &pass.who.name;
        self.check_password(name, old, network, device)?;
        let unfit = |detail| SignInFault::Unfit { field: "/password", detail };
        let password = hash_password(new, name).map_err(unfit)?;
        let keep = match &pass.credential {
            Credential::Session(digest) | Credential::Token(digest) => Some(digest.as_str()),
        };
        if !self.store.set_password(name, &password, keep)? {
            return Err(SignInFault::Wrong);
        }
        Ok(self.look()?)
    }

    /// Asks a second factor of an account from now on; `code` proves that the authenticator has the secret.
    ///
    /// # Errors
    /// Where the password or the code is wrong.
    pub fn set_totp(
        &self,
        pass: &Pass,
        password: &str,
        (totp, code): (&Totp, &str),
        (network, device): (Network, Option<&str>),
    ) -> Result<(), SignInFault> {
        let name = &pass.who.name;
        self.check_password(name, password, network, device)?;
        let step = totp.step_of(code, self.clock.now(), 0).ok_or(SignInFault::WrongCode)?;
        self.store.set_totp(name, Some(&totp.to_hex()), step)?;
        Ok(self.look()?)
    }

    /// Asks no second factor any more.
    ///
    /// # Errors
    /// Where the password is wrong.
    pub fn drop_totp(
        &self,
        pass: &Pass,
        password: &str,
        (network, device): (Network, Option<&str>),
    ) -> Result<(), SignInFault> {
        self.check_password(&pass.who.name, password, network, device)?;
        self.store.set_totp(&pass.who.name, None, 0)?;
        Ok(self.look()?)
    }

    pub(super) fn check_password(
        &self,
        name: &str,
        password: &str,
        network: Network,
        device: Option<&str>,
    ) -> Result<(), SignInFault> {
        let turn = self.turn(name, network, device)?;
        let book = self.book.load_full();
        let kept = book.account(name).and_then(|account| account.row.password.as_deref());
        if !is_password(password, kept) {
            return Err(SignInFault::Wrong);
        }
        self.was_right(turn);
        Ok(())
    }

    fn turn(&self, name: &str, network: Network, device: Option<&str>) -> Result<Turn, SignInFault> {
        let known = device.map(digest).filter(|device| self.book.load().is_device_of(device, name));
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = guesses.take(name, network, known.as_deref(), self.clock.monotonic());
        turn.map_err(|wait| {
            metrics::counter!("pantau_sign_ins_delayed_total").increment(1);
            SignInFault::Wait(wait)
        })
    }

    fn was_right(&self, turn: Turn) {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).was_right(turn);
    }

    fn check_code(&self, name: &str, secret: &str, code: &str, used: i64) -> Result<(), SignInFault> {
        let totp = Totp::of_hex(secret).ok_or(SignInFault::WrongCode)?;
        let step = totp.step_of(code, self.clock.now(), used).ok_or(SignInFault::WrongCode)?;
        // Another server on the same database may have seen it a moment ago.
        if self.store.use_totp(name, step)? { Ok(()) } else { Err(SignInFault::WrongCode) }
    }

    fn begin(
        &self,
        name: &str,
        device: Option<&str>,
        write: impl FnOnce(&SessionRow, &str) -> Result<bool, JournalError>,
    ) -> Result<SignedIn, SignInFault> {
        let known = device.filter(|device| self.book.load().is_device_of(&digest(device), name));
        let device = known.map_or_else(draw, |known| Ok(known.to_owned()))?;
        let session = draw()?;
        let now = self.clock.now();
        let ends_at = now.plus_ms(SESSION_MS);
        let row = SessionRow {
            digest: digest(&session),
            account: name.to_owned(),
            began_at: now.0,
            ends_at: ends_at.0,
        };
        if !write(&row, &digest(&device))? {
            return Err(SignInFault::Link);
        }
        self.look()?;
        // Disabled a moment ago, perhaps.
        let pass = self.pass(Credential::Session(row.digest)).ok_or(SignInFault::Wrong)?;
        Ok(SignedIn { session, device, pass, ends_at })
    }
}
