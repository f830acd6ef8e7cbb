//! New accounts, tokens and one-time links: what `pantau user` and `pantau token` make.

use super::secret::{TOKEN_PREFIX, digest, draw};
use crate::access::{Permissions, Role};
use crate::city::City;
use crate::journal::{AccountRow, AccountStore, JournalError, LinkRow, TokenRow};
use crate::model::{HOUR_MS, TimeMs};

/// The first admin's link is for whoever just started the server.
const FIRST_LINK_MS: i64 = HOUR_MS;
/// A colleague's link may wait for the next shift.
const LINK_MS: i64 = 72 * HOUR_MS;
pub(super) const NAME_CHARS_MAX: usize = 32;
/// Of a token's digest, what it is called by.
const ID_CHARS: usize = 8;

/// What part of the city a role is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub role: Role,
    pub agency: Option<String>,
    pub areas: Vec<String>,
}

impl Scope {
    /// `city` may be left out where there is neither agency nor area.
    ///
    /// # Errors
    /// In words: what the role needs, or the city pack does not have.
    pub fn new(
        role: Role,
        agency: Option<String>,
        areas: Vec<String>,
        city: Option<&City>,
    ) -> Result<Scope, String> {
        if let (Some(key), Some(city)) = (&agency, city)
            && city.agency_by_key(key).is_none()
        {
            let known: Vec<&str> = city.agencies.iter().map(|agency| &*agency.key).collect();
            return Err(format!(
                "{key:?} is not an agency of the city pack; known are {}",
                known.join(", ")
            ));
        }
        let is_unknown = |code: &&String| city.is_some_and(|city| city.areas.by_code(code).is_none());
        if let Some(code) = areas.iter().find(is_unknown) {
            return Err(format!(
                "{code:?} is not an area of the city pack; GET /api/v1/areas lists the codes"
            ));
        }
        match role {
            Role::Agency if agency.is_none() => {
                Err("the role agency sees its own incidents: name it with --agency".to_owned())
            }
            Role::Responder if areas.is_empty() => {
                Err("the role responder sees its areas: name them with --area".to_owned())
            }
            role if role != Role::Agency && agency.is_some() => {
                Err(format!("--agency is for the role agency; leave it out for {}", role.key()))
            }
            role if role != Role::Responder && !areas.is_empty() => {
                Err(format!("--area is for the role responder; leave it out for {}", role.key()))
            }
            _ => Ok(Scope { role, agency, areas }),
        }
    }
}

/// Checks an account's name: it stands in the journal beside what its owner did, for ever.
///
/// # Errors
/// In words: what to change.
pub fn check_name(name: &str) -> Result<(), String> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !begins_well || !name.chars().all(inside) || !(2..=NAME_CHARS_MAX).contains(&name.len()) {
        return Err(format!(
            "{name:?} is no name for an account; use 2 to {NAME_CHARS_MAX} of a-z, 0-9, dot, dash and underscore"
        ));
    }
    // What the journal calls whoever is trusted on the loopback.
    if name == "loopback" {
        return Err("the name loopback is taken by the server itself".to_owned());
    }
    Ok(())
}

/// A new account without a password.
///
/// # Errors
/// As [`check_name`].
pub fn new_account(
    name: &str,
    full_name: Option<&str>,
    scope: &Scope,
    now: TimeMs,
) -> Result<AccountRow, String> {
    check_name(name)?;
    Ok(AccountRow {
        full_name: full_name.unwrap_or(name).trim().to_owned(),
        agency: scope.agency.clone(),
        areas: scope.areas.clone(),
        ..AccountRow::new(name, scope.role.key(), now)
    })
}

/// What a new token is for.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub label: String,
    pub scope: Scope,
    /// Of a wall: it may only look, and is good as a cookie.
    pub kiosk: bool,
    /// `None`: all that the role has.
    pub only: Option<Permissions>,
    /// `None`: it never expires.
    pub expires_at: Option<TimeMs>,
}

/// Draws a token: the secret, which is shown once, and what is kept.
///
/// # Errors
/// Where the system has no randomness to give.
pub fn new_token(new: NewToken, now: TimeMs) -> Result<(String, TokenRow), JournalError> {
    let NewToken { label, scope, kiosk, only, expires_at } = new;
    let secret = format!("{TOKEN_PREFIX}{}", draw()?);
    let digest = digest(&secret);
    let row = TokenRow {
        id: digest[..ID_CHARS].to_owned(),
        digest,
        label,
        kiosk,
        role: scope.role.key().to_owned(),
        agency: scope.agency,
        areas: scope.areas,
        scopes: only.map(|only| only.iter().map(|permission| permission.key().to_owned()).collect()),
        created_at: now.0,
        expires_at: expires_at.map(|at| at.0),
        revoked_at: None,
    };
    Ok((secret, row))
}

/// A one-time link's secret with which the owner of an account chooses a password.
///
/// # Errors
/// Where the store cannot be written.
pub fn link_for(store: &AccountStore, name: &str, now: TimeMs) -> Result<String, JournalError> {
    link(store, Some(name), now.plus_ms(LINK_MS))
}

/// A one-time link's secret with which the first admin is made.
///
/// # Errors
/// Where the store cannot be written.
pub fn first_link(store: &AccountStore, now: TimeMs) -> Result<String, JournalError> {
    link(store, None, now.plus_ms(FIRST_LINK_MS))
}

fn link(store: &AccountStore, account: Option<&str>, expires_at: TimeMs) -> Result<String, JournalError> {
    let secret = draw()?;
    let account = account.map(str::to_owned);
    store.add_link(&LinkRow { digest: digest(&secret), account, expires_at: expires_at.0 })?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_never_the_servers_own() {
        for good in ["ani", "budi.s", "op-2", "a_b", "0k"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a", "Ani", "budi s", ".ani", "token:1", "loopback", "ánì", &"a".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
