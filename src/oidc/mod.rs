//! Single sign-on at a provider of the province (OpenID Connect Core 1.0): the authorization code flow with PKCE
//! (RFC 7636), state and nonce.
//!
//! The browser is sent to the provider and comes back with a code; the server itself asks the provider who that was.
//! What must be the same at both ends is in memory, found by a cookie of that browser, and good once: an answer that
//! another browser began, or that came before, is none. What somebody may do here follows from one claim and a table;
//! who has none of its roles is not let in.
//!
//! `settings` is what a center writes, `provider` asks the provider; it is there in a build with the feature `oidc`.

#[cfg(any(test, feature = "oidc"))]
mod provider;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{OidcFile, OidcSettings, RoleRule};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::accounts::{Network, Open, Pending, Scope, Vouched, draw};
use crate::city::City;
use crate::clock::Clock;
use crate::journal::JournalError;

/// People find their telephone for the second factor.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// The key of [`OidcFault::Over`].
pub const OVER: &str = "over";

/// Why somebody is not signed in. The words are for the log; pages say it by [`OidcFault::key`].
#[derive(Debug, thiserror::Error)]
pub enum OidcFault {
    #[error("the provider does not answer: {0}")]
    Away(String),
    /// Somebody pressed cancel, perhaps.
    #[error("the provider let nobody in: {0}")]
    Refused(String),
    #[error("nobody here began this, or it was ended, or took too long")]
    Over,
    /// What the provider sent is not what it must be.
    #[error("what the provider sent is not good: {0}")]
    Wrong(String),
    #[error("the provider gives this person no role of the table")]
    Role,
    #[error(transparent)]
    Store(#[from] JournalError),
}

impl OidcFault {
    /// Its name in addresses and in the audit.
    pub fn key(&self) -> &'static str {
        match self {
            OidcFault::Away(_) => "away",
            OidcFault::Refused(_) => "refused",
            OidcFault::Over => OVER,
            OidcFault::Wrong(_) => "wrong",
            OidcFault::Role => "role",
            OidcFault::Store(_) => "failed",
        }
    }
}

/// What must be the same when the browser comes back.
#[cfg_attr(not(any(test, feature = "oidc")), expect(dead_code, reason = "made by `provider` alone"))]
pub(crate) struct Proof {
    state: String,
    nonce: String,
    /// Of PKCE: never leaves the server but to the provider's token endpoint.
    verifier: String,
}

/// What a provider says of whoever came back.
pub(crate) struct Word {
    vouched: Vouched,
    /// The values of the claim that roles follow from.
    roles: Vec<String>,
}

/// How the provider is asked. Both wait for the network.
pub(crate) trait Provider: Send + Sync {
    /// Where a browser is to go, to come back to `redirect`.
    fn begin(&self, redirect: &str) -> Result<(String, Proof), OidcFault>;

    /// Who came back with a code.
    fn finish(&self, proof: Proof, redirect: &str, code: &str) -> Result<Word, OidcFault>;
}

/// A sign-in that was begun.
struct Started {
    proof: Proof,
    redirect: String,
    next: Option<String>,
}

/// A sign-in that began: where the browser is to go, and what it is to keep until it is back.
pub struct Begun {
    pub address: String,
    pub cookie: String,
}

/// What a browser brings back.
pub struct Back<'a> {
    /// What it kept.
    pub cookie: Option<&'a str>,
    /// By what name it calls the server.
    pub host: &'a str,
    pub state: Option<&'a str>,
    pub code: Option<&'a str>,
    /// In place of a code.
    pub error: Option<&'a str>,
    /// The provider's address, where it says so (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// Somebody whom the provider vouches for, and what they are here.
pub struct Arrived {
    pub vouched: Vouched,
    /// `None`: nothing, so they are not let in.
    pub scope: Option<Scope>,
    /// The page that they wanted.
    pub next: Option<String>,
}

/// Single sign-on of a running server.
pub struct Oidc {
    /// What people call the accounts of the provider.
    name: String,
    issuer: String,
    /// In the order of the table: the first that holds counts.
    rules: Vec<(String, Scope)>,
    provider: Box<dyn Provider>,
    started: Mutex<Pending<Started>>,
    clock: Arc<dyn Clock>,
}

impl Oidc {
    /// Asks nobody yet: a center starts also where its provider is away.
    ///
    /// # Errors
    /// In words: what is wrong with the settings, or that this pantau was built without.
    pub fn open(settings: &OidcSettings, city: &City, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Oidc>> {
        let rules = settings.roles.iter().map(|rule| {
            let scope = Scope::new(rule.role, rule.agency.clone(), rule.areas.clone(), Some(city));
            let scope = scope.map_err(|fault| {
                anyhow::anyhow!("{}: the role for {:?}: {fault}", settings::WHERE, rule.claim)
            });
            Ok((rule.claim.clone(), scope?))
        });
        let rules = rules.collect::<anyhow::Result<Vec<_>>>()?;
        let provider = provider_of(settings, clock.clone())?;
        let (name, issuer) = (settings.name.clone(), settings.issuer.clone());
        Ok(Arc::new(Oidc { name, issuer, rules, provider, started: Mutex::default(), clock }))
    }

    /// What people call the accounts of the provider: "akun provinsi".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins a sign-in of a browser that calls the server `host` and shall come back to `redirect`, and go on to
    /// `next`. Waits for the network.
    ///
    /// # Errors
    /// Where the provider is away.
    pub fn begin(
        &self,
        network: Network,
        host: &str,
        redirect: &str,
        next: Option<String>,
    ) -> Result<Begun, OidcFault> {
        let (address, proof) = self.provider.begin(redirect)?;
        let (cookie, now) = (draw()?, self.clock.monotonic());
        let started = Started { proof, redirect: redirect.to_owned(), next };
        let open = Open { question: started, host: host.to_owned(), network, until: now + PATIENCE };
        self.started.lock().unwrap_or_else(PoisonError::into_inner).add(&cookie, open, now);
        Ok(Begun { address, cookie })
    }

    /// Who came back. Waits for the network.
    ///
    /// # Errors
    /// Why nobody did.
    pub fn finish(&self, back: &Back) -> Result<Arrived, OidcFault> {
        let cookie = back.cookie.ok_or(OidcFault::Over)?;
        let now = self.clock.monotonic();
        // Let go of again in the same line: whoever begins must not wait until the provider answers.
        let started =
            self.started.lock().unwrap_or_else(PoisonError::into_inner).take(cookie, back.host, now);
        let Started { proof, redirect, next } = started.ok_or(OidcFault::Over)?;
        if back.state != Some(&proof.state) {
            return Err(OidcFault::Over);
        }
        if back.issuer.is_some_and(|issuer| issuer != self.issuer) {
            return Err(OidcFault::Wrong("another provider answered".to_owned()));
        }
        if let Some(error) = back.error {
            return Err(OidcFault::Refused(error.chars().take(80).collect()));
        }
        let code = back.code.ok_or_else(|| OidcFault::Wrong("there is no code".to_owned()))?;
        let Word { vouched, roles } = self.provider.finish(proof, &redirect, code)?;
        let rule = self.rules.iter().find(|(claim, _)| roles.contains(claim));
        Ok(Arrived { vouched, scope: rule.map(|(_, scope)| scope.clone()), next })
    }
}

#[cfg(any(test, feature = "oidc"))]
fn provider_of(settings: &OidcSettings, clock: Arc<dyn Clock>) -> anyhow::Result<Box<dyn Provider>> {
    Ok(Box::new(provider::Remote::open(settings, clock)?))
}

#[cfg(not(any(test, feature = "oidc")))]
fn provider_of(_: &OidcSettings, _: Arc<dyn Clock>) -> anyhow::Result<Box<dyn Provider>> {
    anyhow::bail!(
        "{}: this pantau was built without single sign-on; build it with --features oidc, or leave oidc out",
        settings::WHERE
    )
}
