//! What is kept of accounts, and how it is read.

use super::{AccountStore, Cell, Sheet};
use crate::journal::JournalError;
use crate::model::TimeMs;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRow {
    pub name: String,
    pub full_name: String,
    /// A key of [`crate::access::Role`].
    pub role: String,
    /// A key of the city pack.
    pub agency: Option<String>,
    /// Codes of the city pack.
    pub areas: Vec<String>,
    /// argon2id in its PHC form; `None` until one is chosen.
    pub password: Option<String>,
    /// In hex.
    pub totp: Option<String>,
    pub totp_step: i64,
    /// Milliseconds since 1970, as all times here.
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    /// Whether they are told what is late once it is the head's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub digest: String,
    pub account: String,
    pub began_at: i64,
    pub ends_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRow {
    pub id: String,
    pub digest: String,
    pub label: String,
    pub kiosk: bool,
    pub role: String,
    pub agency: Option<String>,
    pub areas: Vec<String>,
    /// Keys of [`crate::access::Permission`]; `None`: all that the role has.
    pub scopes: Option<Vec<String>>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    pub digest: String,
    pub account: String,
    pub seen_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    pub digest: String,
    /// Whose password it sets; `None`: it makes the first admin.
    pub account: Option<String>,
    pub expires_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRow {
    /// The beginning of the digest of the device's own id, in hex.
    pub id: String,
    pub account: String,
    /// What its owner calls the device.
    pub label: String,
    /// The name of the server that it is for.
    pub host: String,
    /// Its public key and counter, as JSON of the library that checks them.
    pub credential: String,
    pub created_at: i64,
    pub used_at: Option<i64>,
}

/// Whom a provider of single sign-on vouches for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRow {
    /// The provider's address.
    pub issuer: String,
    /// What it calls them.
    pub subject: String,
    pub account: String,
    pub created_at: i64,
}

/// What a backup holds of the accounts: without sessions, links and known browsers. As it is stored there; a
/// promise, only added to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastingRows {
    pub accounts: Vec<AccountRow>,
    pub tokens: Vec<TokenRow>,
    #[serde(default)]
    pub passkeys: Vec<PasskeyRow>,
    /// Left out where there are none, so that an older pantau reads the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectRow>,
}

/// Everything, as of one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRows {
    pub revision: i64,
    pub accounts: Vec<AccountRow>,
    pub sessions: Vec<SessionRow>,
    pub tokens: Vec<TokenRow>,
    pub devices: Vec<DeviceRow>,
    pub links: Vec<LinkRow>,
    pub passkeys: Vec<PasskeyRow>,
    pub subjects: Vec<SubjectRow>,
}

/// How often the tables are read again where somebody changes them meanwhile.
const LOOKS_MAX: usize = 20;

impl AccountStore {
    /// Rises with every change.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn revision(&self) -> Result<i64, JournalError> {
        self.with(revision)
    }

    /// Everything. There are hundreds of accounts, not millions.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn load(&self) -> Result<AccountRows, JournalError> {
        self.with(|sheet| {
            let mut rows = AccountRows::default();
            for _ in 0..LOOKS_MAX {
                rows = load(sheet)?;
                if revision(sheet)? == rows.revision {
                    return Ok(rows);
                }
            }
            // What is read between two changes is no worse than what was read before both.
            Ok(AccountRows { revision: 0, ..rows })
        })
    }

    /// What a backup holds of it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn lasting(&self) -> Result<LastingRows, JournalError> {
        let AccountRows { accounts, tokens, passkeys, subjects, .. } = self.load()?;
        Ok(LastingRows { accounts, tokens, passkeys, subjects })
    }
}

fn revision(sheet: &mut dyn Sheet) -> Result<i64, JournalError> {
    let mut rows = sheet.rows("SELECT n FROM account_revision WHERE id = 1")?;
    let mut row = Row::of(rows.pop().ok_or_else(|| damaged("account_revision"))?);
    row.int()
}

fn load(sheet: &mut dyn Sheet) -> Result<AccountRows, JournalError> {
    Ok(AccountRows {
        revision: revision(sheet)?,
        accounts: all(
            sheet,
            "SELECT name, full_name, role, agency, areas, password, totp, totp_step, created_at, disabled_at, head \
             FROM account ORDER BY name",
            account,
        )?,
        sessions: all(sheet, "SELECT digest, account, began_at, ends_at FROM account_session", |row| {
            Ok(SessionRow {
                digest: row.text()?,
                account: row.text()?,
                began_at: row.int()?,
                ends_at: row.int()?,
            })
        })?,
        tokens: all(
            sheet,
            "SELECT id, digest, label, kiosk, role, agency, areas, scopes, created_at, expires_at, revoked_at \
             FROM account_token ORDER BY created_at, id",
            token,
        )?,
        devices: all(sheet, "SELECT digest, account, seen_at FROM account_device", |row| {
            Ok(DeviceRow { digest: row.text()?, account: row.text()?, seen_at: row.int()? })
        })?,
        links: all(sheet, "SELECT digest, account, expires_at FROM account_link", |row| {
            Ok(LinkRow { digest: row.text()?, account: row.maybe_text()?, expires_at: row.int()? })
        })?,
        passkeys: all(
            sheet,
            "SELECT id, account, label, host, credential, created_at, used_at FROM account_passkey \
             ORDER BY created_at, id",
            passkey,
        )?,
        subjects: all(
            sheet,
            "SELECT issuer, subject, account, created_at FROM account_subject ORDER BY account",
            |row| {
                Ok(SubjectRow {
                    issuer: row.text()?,
                    subject: row.text()?,
                    account: row.text()?,
                    created_at: row.int()?,
                })
            },
        )?,
    })
}

fn account(row: &mut Row) -> Result<AccountRow, JournalError> {
    Ok(AccountRow {
        name: row.text()?,
        full_name: row.text()?,
        role: row.text()?,
        agency: row.maybe_text()?,
        areas: split(&row.text()?),
        password: row.maybe_text()?,
        totp: row.maybe_text()?,
        totp_step: row.int()?,
        created_at: row.int()?,
        disabled_at: row.maybe_int()?,
        head: row.int()? == 1,
    })
}

fn token(row: &mut Row) -> Result<TokenRow, JournalError> {
    Ok(TokenRow {
        id: row.text()?,
        digest: row.text()?,
        label: row.text()?,
        kiosk: row.int()? == 1,
        role: row.text()?,
        agency: row.maybe_text()?,
        areas: split(&row.text()?),
        scopes: row.maybe_text()?.map(|scopes| split(&scopes)),
        created_at: row.int()?,
        expires_at: row.maybe_int()?,
        revoked_at: row.maybe_int()?,
    })
}

fn passkey(row: &mut Row) -> Result<PasskeyRow, JournalError> {
    Ok(PasskeyRow {
        id: row.text()?,
        account: row.text()?,
        label: row.text()?,
        host: row.text()?,
        credential: row.text()?,
        created_at: row.int()?,
        used_at: row.maybe_int()?,
    })
}

fn all<T>(
    sheet: &mut dyn Sheet,
    sql: &str,
    read: impl Fn(&mut Row) -> Result<T, JournalError>,
) -> Result<Vec<T>, JournalError> {
    sheet.rows(sql)?.into_iter().map(|cells| read(&mut Row::of(cells))).collect()
}

/// A list in one column.
fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The columns of a row, taken one by one.
pub(super) struct Row(std::vec::IntoIter<Cell>);

impl Row {
    pub fn of(cells: Vec<Cell>) -> Row {
        Row(cells.into_iter())
    }

    pub fn maybe_int(&mut self) -> Result<Option<i64>, JournalError> {
        match self.0.next() {
            Some(Cell::Int(int)) => Ok(int),
            // SQLite does not say of what type a NULL is.
            Some(Cell::Text(None)) => Ok(None),
            _ => Err(damaged("a number")),
        }
    }

    pub fn maybe_text(&mut self) -> Result<Option<String>, JournalError> {
        match self.0.next() {
            Some(Cell::Text(text)) => Ok(text),
            _ => Err(damaged("a text")),
        }
    }

    pub fn int(&mut self) -> Result<i64, JournalError> {
        self.maybe_int()?.ok_or_else(|| damaged("a number"))
    }

    pub fn text(&mut self) -> Result<String, JournalError> {
        self.maybe_text()?.ok_or_else(|| damaged("a text"))
    }
}

fn damaged(what: &str) -> JournalError {
    JournalError::Corrupt(format!("the accounts lack {what}; restore a backup"))
}

impl AccountRow {
    /// A new one that cannot sign in before a password is chosen.
    pub fn new(name: &str, role: &str, created_at: TimeMs) -> AccountRow {
        AccountRow {
            name: name.to_owned(),
            full_name: name.to_owned(),
            role: role.to_owned(),
            agency: None,
            areas: Vec::new(),
            password: None,
            totp: None,
            totp_step: 0,
            created_at: created_at.0,
            disabled_at: None,
            head: false,
        }
    }
}
