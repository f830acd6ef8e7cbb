//! All accounts as of one revision, ready to be asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::secret::digest;
use crate::access::{Permission, Permissions, Role, Via, Who};
use crate::city::{AreaSet, City};
use crate::journal::{AccountRow, AccountRows, PasskeyRow, SessionRow, TokenRow};
use crate::model::{AreaId, TimeMs};

/// What somebody showed, as its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    Session(String),
    Token(String),
}

impl Credential {
    pub(super) fn of_session(secret: &str) -> Credential {
        Credential::Session(digest(secret))
    }

    pub(super) fn of_token(token: &str) -> Credential {
        Credential::Token(digest(token))
    }
}

pub(super) struct Account {
    pub row: AccountRow,
    /// `None` where its role is of another pantau.
    who: Option<Arc<Who>>,
}

struct Session {
    account: String,
    began_at: TimeMs,
    ends_at: TimeMs,
}

impl Session {
    fn of(row: SessionRow) -> Session {
        let SessionRow { account, began_at, ends_at, .. } = row;
        Session { account, began_at: TimeMs(began_at), ends_at: TimeMs(ends_at) }
    }
}

struct Token {
    who: Option<Arc<Who>>,
    ends_at: TimeMs,
}

pub(super) struct Book {
    revision: i64,
    accounts: HashMap<String, Account>,
    sessions: HashMap<String, Session>,
    /// Those that are not revoked.
    tokens: HashMap<String, Token>,
    /// By digest, whose.
    devices: HashMap<String, String>,
    /// Digest to whose password it sets, and until when.
    links: HashMap<String, (Option<String>, TimeMs)>,
    /// By their id.
    passkeys: HashMap<String, PasskeyRow>,
    /// Issuer and subject to account.
    subjects: HashMap<(String, String), String>,
}

impl Book {
    pub fn of(rows: AccountRows, city: &City) -> Book {
        let account = |row: AccountRow| {
            let who = who_of_account(&row, city).map(Arc::new);
            (row.name.clone(), Account { row, who })
        };
        let token = |row: &TokenRow| {
            let ends_at = row.expires_at.map_or(TimeMs::MAX, TimeMs);
            (row.digest.clone(), Token { who: who_of_token(row, city).map(Arc::new), ends_at })
        };
        Book {
            revision: rows.revision,
            accounts: rows.accounts.into_iter().map(account).collect(),
            sessions: rows.sessions.into_iter().map(|row| (row.digest.clone(), Session::of(row))).collect(),
            tokens: rows.tokens.iter().filter(|row| row.revoked_at.is_none()).map(token).collect(),
            devices: rows.devices.into_iter().map(|row| (row.digest, row.account)).collect(),
            links: rows
                .links
                .into_iter()
                .map(|row| (row.digest, (row.account, TimeMs(row.expires_at))))
                .collect(),
            passkeys: rows.passkeys.into_iter().map(|row| (row.id.clone(), row)).collect(),
            subjects: rows
                .subjects
                .into_iter()
                .map(|row| ((row.issuer, row.subject), row.account))
                .collect(),
        }
    }

    pub fn revision(&self) -> i64 {
        self.revision
    }

    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name)
    }

    pub fn passkey(&self, id: &str) -> Option<&PasskeyRow> {
        self.passkeys.get(id)
    }

    pub fn passkeys_of(&self, name: &str) -> impl Iterator<Item = &PasskeyRow> {
        self.passkeys.values().filter(move |row| row.account == name)
    }

    /// The account of somebody whom a provider vouches for.
    pub fn account_of(&self, issuer: &str, subject: &str) -> Option<&Account> {
        self.account(self.subjects.get(&(issuer.to_owned(), subject.to_owned()))?)
    }

    /// Whether a provider vouches for whose account it is.
    pub fn is_of_provider(&self, name: &str) -> bool {
        self.subjects.values().any(|account| account == name)
    }

    pub fn has_admin(&self) -> bool {
        self.accounts.values().any(|account| account.row.role == Role::Admin.key())
    }

    pub fn is_device_of(&self, device: &str, name: &str) -> bool {
        self.devices.get(device).is_some_and(|owner| owner == name)
    }

    /// Whose password a link sets; `Some(None)`: it makes the first admin.
    pub fn link(&self, digest: &str, now: TimeMs) -> Option<Option<&str>> {
        let (account, expires_at) = self.links.get(digest)?;
        (*expires_at > now).then_some(account.as_deref())
    }

    /// Who a credential stands for now.
    pub fn who(&self, credential: &Credential, now: TimeMs) -> Option<Arc<Who>> {
        match credential {
            Credential::Session(digest) => {
                let session = self.sessions.get(digest).filter(|session| session.ends_at > now)?;
                self.accounts.get(&session.account)?.who.clone()
            }
            Credential::Token(digest) => {
                self.tokens.get(digest).filter(|token| token.ends_at > now)?.who.clone()
            }
        }
    }

    /// Whose sessions go on, and since when the longest of each does; by name.
    pub fn signed_in(&self, now: TimeMs) -> Vec<(String, TimeMs)> {
        let mut people = BTreeMap::new();
        for session in self.sessions.values().filter(|session| session.ends_at > now) {
            let since = people.entry(session.account.clone()).or_insert(session.began_at);
            *since = session.began_at.min(*since);
        }
        people.into_iter().collect()
    }

    pub fn ends_at(&self, credential: &Credential) -> Option<TimeMs> {
        match credential {
            Credential::Session(digest) => self.sessions.get(digest).map(|session| session.ends_at),
            Credential::Token(digest) => {
                self.tokens.get(digest).map(|token| token.ends_at).filter(|end| *end != TimeMs::MAX)
            }
        }
    }

    /// Whether a session or a token ended after `from`, up to `to`.
    pub fn ends_between(&self, from: TimeMs, to: TimeMs) -> bool {
        let sessions = self.sessions.values().map(|session| session.ends_at);
        let tokens = self.tokens.values().map(|token| token.ends_at);
        sessions.chain(tokens).any(|end| end > from && end <= to)
    }
}

impl Account {
    pub fn is_disabled(&self) -> bool {
        self.row.disabled_at.is_some() || self.who.is_none()
    }
}

fn who_of_account(row: &AccountRow, city: &City) -> Option<Who> {
    if row.disabled_at.is_some() {
        return None;
    }
    let role = known_role(&row.role, &row.name)?;
    let agency = row.agency.as_deref().and_then(|key| city.agency_by_key(key));
    let areas = area_set(&row.areas, city);
    Some(Who { name: row.name.clone(), role, via: Via::Session, agency, areas, only: None })
}

fn who_of_token(row: &TokenRow, city: &City) -> Option<Who> {
    let name = format!("token:{}", row.id);
    let role = known_role(&row.role, &name)?;
    let via = if row.kiosk { Via::Kiosk } else { Via::Token };
    let agency = row.agency.as_deref().and_then(|key| city.agency_by_key(key));
    let areas = area_set(&row.areas, city);
    // A scope of a newer pantau allows nothing here.
    let only = row
        .scopes
        .as_ref()
        .map(|scopes| Permissions::of(scopes.iter().filter_map(|scope| Permission::from_key(scope))));
    Some(Who { name, role, via, agency, areas, only })
}

fn known_role(key: &str, name: &str) -> Option<Role> {
    let role = Role::from_key(key);
    if role.is_none() {
        tracing::warn!("{name} has the role {key:?}, which this pantau does not know; it may do nothing");
    }
    role
}

fn area_set(codes: &[String], city: &City) -> AreaSet {
    let ids: Vec<AreaId> = codes.iter().filter_map(|code| city.areas.by_code(code)).collect();
    city.areas.with_descendants(&ids)
}
