//! What happens to accounts is written down for the audit: who signed in from where, who was refused, what became
//! of whom. Never in the way of those who sign in: it is kept in memory for half a second at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{Accounts, Network};
use crate::journal::{EventRow, JournalError};
use crate::model::{MINUTE_MS, TimeMs};

/// Events that wait for the disk; beyond it the newest are left out, which the log says.
const WAITING_MAX: usize = 1_000;
/// The same refusal is written down once in this time.
const REFUSED_EVERY_MS: i64 = MINUTE_MS;
/// Refusals remembered for that; beyond it all are forgotten.
const REFUSALS_MAX: usize = 1_000;

/// All that is told.
pub const ACCOUNT_ACTIONS: [&str; 21] = [
    "sign-in",
    "sign-in-refused",
    "sign-in-by-link",
    "sign-in-by-passkey",
    "sign-in-by-oidc",
    "sign-out",
    "signed-out",
    "denied",
    "password-changed",
    "second-factor-on",
    "second-factor-off",
    "passkey-added",
    "passkey-removed",
    "link-made",
    "account-added",
    "account-role",
    "account-head",
    "account-disabled",
    "account-enabled",
    "token-made",
    "token-revoked",
];

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountEvent<'e> {
    /// Account or token; `None`: nobody who is known.
    pub actor: Option<&'e str>,
    pub action: &'e str,
    /// The account or token that it was done to.
    pub subject: Option<&'e str>,
    /// `None`: a command on the server's machine.
    pub network: Option<IpAddr>,
    pub detail: Option<&'e str>,
}

impl AccountEvent<'_> {
    /// As it is kept.
    pub fn row(&self, at: TimeMs) -> EventRow {
        debug_assert!(ACCOUNT_ACTIONS.contains(&self.action), "{} is not listed", self.action);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        EventRow {
            id: 0,
            at,
            actor: owned(self.actor),
            action: self.action.to_owned(),
            subject: owned(self.subject),
            network: self.network.map(|network| network.to_string()),
            detail: owned(self.detail),
        }
    }
}

/// What waits to be written down.
#[derive(Default)]
pub(super) struct Log {
    waiting: Mutex<Vec<EventRow>>,
    refused: Mutex<HashMap<Refusal, TimeMs>>,
}

/// Who was refused, what, and where they came from.
type Refusal = (Option<String>, Option<String>, Option<Network>);

impl Accounts {
    /// Says that something happened, now.
    pub fn tell(&self, event: &AccountEvent) {
        let mut waiting = self.log.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push(event.row(self.clock.now()));
        } else {
            tracing::warn!(action = event.action, "too much happens to accounts; this is not in the audit");
        }
    }

    /// Says that somebody was refused. Whoever tries again and again is told of once a minute.
    pub fn tell_refused(&self, event: &AccountEvent) {
        let now = self.clock.now();
        {
            let mut refused = self.log.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.len() >= REFUSALS_MAX {
                refused.clear();
            }
            let [actor, detail] = [event.actor, event.detail].map(|text| text.map(str::to_owned));
            let last =
                refused.entry((actor, detail, event.network.map(Network::of))).or_insert(TimeMs::MIN);
            if now.since(*last) < REFUSED_EVERY_MS {
                return;
            }
            *last = now;
        }
        self.tell(event);
    }

    /// Writes down what waits. Waits for the disk.
    ///
    /// # Errors
    /// Where the store cannot be written: it waits on.
    pub fn write_log(&self) -> Result<(), JournalError> {
        let lock = || self.log.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let events = std::mem::take(&mut *lock());
        let written = self.store.add_events(&events);
        if written.is_err() {
            let mut waiting = lock();
            let newer = std::mem::replace(&mut *waiting, events);
            waiting.extend(newer);
            waiting.truncate(WAITING_MAX);
        }
        written
    }
}
