//! Passkeys (WebAuthn Level 3): a device proves itself, and by its PIN or finger who holds it. No password is
//! asked, and nothing is of use at another site; it needs no internet.
//!
//! A passkey is bound to the name that the browser calls the server by, so there is none for a bare address.
//! What was asked and is not answered yet is in memory: an answer goes to the server that asked.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::guesses::Network;
use super::pending::Open;
use super::secret::{draw, hex};
use super::sign_in::{SignInFault, SignedIn};
use super::{Accounts, Pass};
use crate::journal::PasskeyRow;

/// A finger is found sooner.
const PATIENCE: Duration = Duration::from_secs(300);
/// More devices nobody carries.
const A_PERSON_MAX: usize = 20;
const LABEL_CHARS_MAX: usize = 60;

/// Where a browser says that it is.
pub struct Site {
    host: String,
    origin: Url,
}

/// A question for the browser: `options` is what `navigator.credentials` takes, and the answer names `id`.
pub struct Asked {
    pub id: String,
    pub options: Value,
}

pub(super) enum Question {
    /// A new passkey of this account.
    Add(String, PasskeyRegistration),
    SignIn(DiscoverableAuthentication),
}

impl Site {
    /// `origin` is that of our own page.
    ///
    /// # Errors
    /// Where the browser calls the server by an address.
    pub fn of(origin: &str) -> Result<Site, SignInFault> {
        let origin: Url = origin.parse().map_err(|_| SignInFault::NoName)?;
        let host = origin.host_str().unwrap_or_default().to_owned();
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if host.is_empty() || is_address { Err(SignInFault::NoName) } else { Ok(Site { host, origin }) }
    }
}

impl Accounts {
    fn webauthn(&self, site: &Site) -> Result<Webauthn, SignInFault> {
        let builder = WebauthnBuilder::new(&site.host, &site.origin);
        builder.and_then(|b| b.rp_name(&self.city.name.id).timeout(PATIENCE).build()).map_err(|error| {
            tracing::debug!(%error, "no passkeys here");
            SignInFault::NoName
        })
    }

    /// Asks a browser for any passkey of this server.
    ///
    /// # Errors
    /// Where there can be none.
    pub fn ask_for_passkey(&self, site: &Site, network: Network) -> Result<Asked, SignInFault> {
        let (question, state) =
            self.webauthn(site)?.start_discoverable_authentication().map_err(|e| wrong(&e))?;
        let mut options = to_json(&question)?;
        // A button was pressed; the browser is not to wait for the name field.
        if let Some(options) = options.as_object_mut() {
            options.remove("mediation");
        }
        self.ask(site, network, options, Question::SignIn(state))
    }

    /// Begins a session for whom the passkey belongs to.
    ///
    /// # Errors
    /// Which of it was wrong is not told.
    pub fn sign_in_with_passkey(
        &self,
        site: &Site,
        id: &str,
        credential: Value,
        device: Option<&str>,
    ) -> Result<SignedIn, SignInFault> {
        let Some(Question::SignIn(state)) = self.answered(site, id) else {
            return Err(SignInFault::PasskeyOver);
        };
        let shown: PublicKeyCredential = serde_json::from_value(credential).map_err(|e| wrong(&e))?;
        let webauthn = self.webauthn(site)?;
        self.look()?;
        let (_, shown_id) = webauthn.identify_discoverable_authentication(&shown).map_err(|e| wrong(&e))?;
        let book = self.book.load_full();
        let row = book.passkey(&id_of(shown_id)).filter(|row| row.host == site.host);
        let row = row.ok_or(SignInFault::WrongPasskey)?;
        if book.account(&row.account).is_none_or(|account| account.is_disabled()) {
            return Err(SignInFault::WrongPasskey);
        }
        let mut passkey: Passkey = serde_json::from_str(&row.credential).map_err(|e| wrong(&e))?;
        let result =
            webauthn.finish_discoverable_authentication_v2(&shown, state, DiscoverableKey::from(&passkey));
        passkey.update_credential(&result.map_err(|e| wrong(&e))?);
        let now = self.clock.now();
        // It counts on, so that a copy of it is noticed; gone where somebody took it off meanwhile.
        if !self.store.use_passkey(&row.id, &to_text(&passkey)?, now)? {
            return Err(SignInFault::WrongPasskey);
        }
        self.begin_for(&row.account, device)
    }

    /// Asks a browser to make a passkey for the own account.
    ///
    /// # Errors
    /// Where the password is wrong.
    pub fn draw_passkey(
        &self,
        pass: &Pass,
        password: &str,
        site: &Site,
        (network, device): (Network, Option<&str>),
    ) -> Result<Asked, SignInFault> {
        let name = &pass.who.name;
        self.check_password(name, password, network, device)?;
        let book = self.book.load_full();
        let there: Vec<Passkey> = book
            .passkeys_of(name)
            .filter(|row| row.host == site.host)
            .filter_map(|row| serde_json::from_str(&row.credential).ok())
            .collect();
        let there = there.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let full_name = self.full_name(name).unwrap_or_else(|| name.clone());
        let started =
            self.webauthn(site)?.start_passkey_registration(handle(name), name, &full_name, Some(there));
        let (question, state) = started.map_err(|e| wrong(&e))?;
        let mut options = to_json(&question)?;
        // So that a device offers it by itself, without a name.
        if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection") {
            selection["residentKey"] = "required".into();
            selection["requireResidentKey"] = true.into();
        }
        self.ask(site, network, options, Question::Add(name.clone(), state))
    }

    /// Adds the passkey that was made. `label` is what its owner calls the device.
    ///
    /// # Errors
    /// Where it is not the one that was asked for.
    pub fn add_passkey(
        &self,
        pass: &Pass,
        site: &Site,
        (id, credential): (&str, Value),
        label: &str,
    ) -> Result<(), SignInFault> {
        let name = &pass.who.name;
        let state = match self.answered(site, id) {
            Some(Question::Add(account, state)) if account == *name => state,
            _ => return Err(SignInFault::PasskeyOver),
        };
        let label = label.trim();
        if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX {
            let detail = format!("name the device with 1 to {LABEL_CHARS_MAX} characters");
            return Err(SignInFault::Unfit { field: "/label", detail });
        }
        if self.book.load().passkeys_of(name).count() >= A_PERSON_MAX {
            let detail = format!("there are {A_PERSON_MAX} passkeys already; take one off");
            return Err(SignInFault::Unfit { field: "/label", detail });
        }
        let made: RegisterPublicKeyCredential =
            serde_json::from_value(credential).map_err(|e| wrong(&e))?;
        let passkey =
            self.webauthn(site)?.finish_passkey_registration(&made, &state).map_err(|e| wrong(&e))?;
        let row = PasskeyRow {
            id: id_of(passkey.cred_id()),
            account: name.clone(),
            label: label.to_owned(),
            host: site.host.clone(),
            credential: to_text(&passkey)?,
            created_at: self.clock.now().0,
            used_at: None,
        };
        // Somebody else's may not be taken over by showing it again.
        if !self.store.add_passkey(&row)? {
            return Err(SignInFault::WrongPasskey);
        }
        Ok(self.look()?)
    }

    /// Those of an account, the oldest first.
    pub fn passkeys(&self, name: &str) -> Vec<PasskeyRow> {
        let mut rows: Vec<PasskeyRow> = self.book.load().passkeys_of(name).cloned().collect();
        rows.sort_by_key(|row| row.created_at);
        rows
    }

    /// Takes one off the own account. `false`: it has none of this id.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn drop_passkey(&self, pass: &Pass, id: &str) -> Result<bool, SignInFault> {
        let dropped = self.store.drop_passkey(&pass.who.name, id)?;
        self.look()?;
        Ok(dropped)
    }

    fn ask(
        &self,
        site: &Site,
        network: Network,
        options: Value,
        question: Question,
    ) -> Result<Asked, SignInFault> {
        let (id, now) = (draw()?, self.clock.monotonic());
        let open = Open { question, host: site.host.clone(), network, until: now + PATIENCE };
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).add(&id, open, now);
        Ok(Asked { id, options })
    }

    fn answered(&self, site: &Site, id: &str) -> Option<Question> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        questions.take(id, &site.host, self.clock.monotonic())
    }
}

/// What a passkey is called by: the digest of its id, which may be long.
fn id_of(credential_id: &[u8]) -> String {
    hex(&Sha256::digest(credential_id)[..16])
}

/// What devices know an account by: the same for the same name, and not the name.
fn handle(name: &str) -> Uuid {
    let digest = Sha256::new().chain_update("pantau account\0").chain_update(name).finalize();
    Uuid::from_slice(&digest[..16]).unwrap_or_default()
}

fn wrong(error: &impl std::fmt::Display) -> SignInFault {
    tracing::debug!(%error, "a passkey was refused");
    SignInFault::WrongPasskey
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, SignInFault> {
    serde_json::to_value(value).map_err(|e| wrong(&e))
}

fn to_text(value: &impl serde::Serialize) -> Result<String, SignInFault> {
    serde_json::to_string(value).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_a_name() {
        for origin in ["https://peta.example", "http://localhost:8080", "https://pantau.lan:8443"] {
            assert!(Site::of(origin).is_ok(), "{origin}");
        }
        for origin in ["http://127.0.0.1:8080", "https://[::1]:8443", "https://10.0.0.4", "null", ""] {
            assert!(matches!(Site::of(origin), Err(SignInFault::NoName)), "{origin}");
        }
    }
}
