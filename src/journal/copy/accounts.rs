//! Accounts on their way from one store to another: they go along with the history, sessions do not, as the server's
//! address may be another.

use crate::journal::{AccountStore, JournalError, Place};

/// Events of accounts are copied so many at a time.
const EVENTS_AT_ONCE: usize = 5_000;

/// How many rows both sides have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopiedAccounts {
    pub accounts: usize,
    pub tokens: usize,
    pub passkeys: usize,
    pub subjects: usize,
    /// Of what happened to accounts: those that were copied now.
    pub events: usize,
}

/// Goes on where an attempt before this one was cut.
pub(super) fn carry(from: &Place, to: &Place) -> Result<CopiedAccounts, JournalError> {
    let source = AccountStore::open(from)?;
    let rows = source.lasting()?;
    let target = AccountStore::open(to)?;
    // An attempt before this one may have carried them already.
    if !target.fill(&rows)? && target.lasting()? != rows {
        return Err(JournalError::Folder(format!(
            "{to} has other accounts than {from}; they were left as they are"
        )));
    }
    Ok(CopiedAccounts {
        accounts: rows.accounts.len(),
        tokens: rows.tokens.len(),
        passkeys: rows.passkeys.len(),
        subjects: rows.subjects.len(),
        events: carry_events(&source, &target, to)?,
    })
}

/// What happened to accounts goes along with its ids.
fn carry_events(from: &AccountStore, to: &AccountStore, name: &Place) -> Result<usize, JournalError> {
    let mut copied = 0;
    let mut next = to.event_ids()?.map_or(i64::MIN, |(_, newest)| newest + 1);
    loop {
        let events = from.events_from(next, i64::MAX, EVENTS_AT_ONCE)?;
        let Some(last) = events.last() else { break };
        to.put_events(&events)?;
        next = last.id + 1;
        copied += events.len();
    }
    let ends = |store: &AccountStore| -> Result<_, JournalError> {
        let Some((oldest, newest)) = store.event_ids()? else { return Ok(None) };
        Ok(Some((store.events_from(oldest, oldest, 1)?, store.events_from(newest, newest, 1)?)))
    };
    if ends(from)? != ends(to)? {
        return Err(JournalError::Folder(format!(
            "{name} holds other events of accounts than were to be copied; they were left as they are"
        )));
    }
    Ok(copied)
}
