//! The provider, asked over HTTPS: where it is (discovery), with what it signs (its keys), and who came with a code.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm as Alg,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
    CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdToken, IdTokenClaims, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::settings::{OidcSettings, WHERE};
use super::{OidcFault, Proof, Provider, Word};
use crate::accounts::Vouched;
use crate::clock::Clock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Somebody sits before a page and waits.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// What the provider says of itself is asked anew after this.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// Clocks of two houses differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// Signed with a key that the provider keeps to itself: what is signed with the shared secret, or not at all, is not
/// taken.
const ALGS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

/// Every claim that the standard does not name.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    Alg,
>;
type Token = IdToken<OtherClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, Alg>;
type Claims = IdTokenClaims<OtherClaims, CoreGenderClaim>;
type Asker = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

pub(super) struct Remote {
    issuer: IssuerUrl,
    client: ClientId,
    secret: Option<ClientSecret>,
    scopes: Vec<Scope>,
    role_claim: String,
    agent: Agent,
    clock: Arc<dyn Clock>,
    /// What it said of itself, and when by the monotonic clock.
    known: Mutex<Option<(Duration, CoreProviderMetadata)>>,
}

impl Remote {
    /// Reads the secret and the authorities; asks nobody.
    pub fn open(settings: &OidcSettings, clock: Arc<dyn Clock>) -> anyhow::Result<Remote> {
        let issuer = IssuerUrl::new(settings.issuer.clone())
            .with_context(|| format!("{WHERE}: issuer is no address: {:?}", settings.issuer))?;
        let secret = settings.secret_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{WHERE}: secret-file {} cannot be read", file.display()))?;
            anyhow::ensure!(!text.trim().is_empty(), "{WHERE}: secret-file {} is empty", file.display());
            Ok(ClientSecret::new(text.trim().to_owned()))
        });
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Where the provider leads is no place to follow blindly.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .user_agent(concat!("pantau/", env!("CARGO_PKG_VERSION")));
        if settings.issuer.starts_with("http://") {
            // It is on this machine; a proxy of the environment is for the world outside.
            config = config.proxy(None);
        }
        if let Some(file) = &settings.ca_file {
            let roots = RootCerts::Specific(Arc::new(authorities(file)?));
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Remote {
            issuer,
            client: ClientId::new(settings.client.clone()),
            secret: secret.transpose()?,
            scopes: settings.scopes.iter().map(|scope| Scope::new(scope.clone())).collect(),
            role_claim: settings.role_claim.clone(),
            agent: config.build().into(),
            clock,
            known: Mutex::default(),
        })
    }

    /// A client of the provider, as it said of itself lately; `anew`: just now.
    fn asker(&self, anew: bool) -> Result<Asker, OidcFault> {
        let now = self.clock.monotonic();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lately = known.filter(|(at, _)| !anew && now.saturating_sub(*at) < KNOWN_FOR);
        let metadata = match lately {
            Some((_, metadata)) => metadata,
            None => {
                let metadata = CoreProviderMetadata::discover(&self.issuer, &|request| self.call(request))
                    .map_err(|e| match e {
                        DiscoveryError::Request(e) => OidcFault::Away(told(&e)),
                        e => OidcFault::Away(format!("it does not say how to sign in: {}", told(&e))),
                    })?;
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, metadata.clone()));
                metadata
            }
        };
        Ok(Client::from_provider_metadata(metadata, self.client.clone(), self.secret.clone()))
    }

    fn call(&self, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
        let (parts, body) = request.into_parts();
        let answer = match body.is_empty() {
            true => self.agent.run(Request::from_parts(parts, ())),
            false => self.agent.run(Request::from_parts(parts, body)),
        };
        let (parts, mut body) = answer?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(HttpResponse::from_parts(parts, body))
    }

    /// The claims of a token, if all of it is right: signature, issuer, audience, time and nonce.
    fn claims<'t>(
        &self,
        asker: &Asker,
        token: &'t Token,
        nonce: &Nonce,
    ) -> Result<&'t Claims, ClaimsVerificationError> {
        let now_ms = u64::try_from(self.clock.now().0).unwrap_or_default();
        let now = UNIX_EPOCH + Duration::from_millis(now_ms);
        let verifier = asker
            .id_token_verifier()
            .set_allowed_algs(ALGS)
            .set_time_fn(move || (now - LEEWAY).into())
            .set_issue_time_verifier_fn(move |at| match SystemTime::from(at) <= now + LEEWAY {
                true => Ok(()),
                false => Err("it was issued ahead of now".to_owned()),
            });
        token.claims(&verifier, nonce)
    }
}

impl Provider for Remote {
    fn begin(&self, redirect: &str) -> Result<(String, Proof), OidcFault> {
        let asker = self.asker(false)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state, nonce) = asker
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(challenge)
            .set_redirect_uri(Cow::Owned(own_address(redirect)?))
            .url();
        let (state, nonce) = (state.into_secret(), nonce.secret().clone());
        let verifier = verifier.into_secret();
        Ok((address.into(), Proof { state, nonce, verifier }))
    }

    fn finish(&self, proof: Proof, redirect: &str, code: &str) -> Result<Word, OidcFault> {
        let asker = self.asker(false)?;
        let exchange = asker
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|e| OidcFault::Wrong(told(&e)))?
            .set_pkce_verifier(PkceCodeVerifier::new(proof.verifier))
            .set_redirect_uri(Cow::Owned(own_address(redirect)?));
        let answer = exchange.request(&|request| self.call(request)).map_err(|e| match e {
            RequestTokenError::Request(e) => OidcFault::Away(told(&e)),
            RequestTokenError::ServerResponse(e) => OidcFault::Wrong(format!("no token: {}", e.error())),
            // What could not be read may hold a token.
            RequestTokenError::Parse(e, _) => {
                OidcFault::Wrong(format!("no token in the answer: {}", told(&e)))
            }
            RequestTokenError::Other(e) => OidcFault::Wrong(e),
        })?;
        let token = answer.id_token().ok_or_else(|| OidcFault::Wrong("no ID token".to_owned()))?;
        let nonce = Nonce::new(proof.nonce);
        let claims = match self.claims(&asker, token, &nonce) {
            // It signs with a key that is newer than what it said of itself.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => self.claims(&self.asker(true)?, token, &nonce),
            claims => claims,
        };
        let claims = claims.map_err(|e| OidcFault::Wrong(told(&e)))?;
        Ok(self.word(claims))
    }
}

impl Remote {
    fn word(&self, claims: &Claims) -> Word {
        let full_name = claims.name().and_then(|names| {
            names
                .get(None)
                .or_else(|| names.iter().next().map(|(_, name)| name))
                .map(|name| name.to_string())
        });
        Word {
            vouched: Vouched {
                issuer: claims.issuer().to_string(),
                subject: claims.subject().to_string(),
                username: claims.preferred_username().map(|name| name.to_string()),
                full_name,
            },
            roles: roles(&claims.additional_claims().0, &self.role_claim),
        }
    }
}

/// The values of a claim: one, or a list of them. A name with dots is that of a claim, or leads into one.
fn roles(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let found = claims.get(name).or_else(|| {
        let mut path = name.split('.');
        let first = claims.get(path.next()?)?;
        path.try_fold(first, |value, key| value.get(key))
    });
    let texts = |value: &Value| value.as_str().map(str::to_owned);
    match found {
        Some(Value::Array(list)) => list.iter().filter_map(texts).collect(),
        Some(value) => texts(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn own_address(redirect: &str) -> Result<RedirectUrl, OidcFault> {
    let wrong = |_| OidcFault::Wrong("the browser calls this server by no address".to_owned());
    RedirectUrl::new(redirect.to_owned()).map_err(wrong)
}

fn authorities(file: &std::path::Path) -> anyhow::Result<Vec<Certificate<'static>>> {
    let pem = std::fs::read(file)
        .with_context(|| format!("{WHERE}: ca-file {} cannot be read", file.display()))?;
    let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>();
    let items = items.with_context(|| format!("{WHERE}: ca-file {} is no PEM", file.display()))?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    anyhow::ensure!(!certificates.is_empty(), "{WHERE}: ca-file {} holds no certificate", file.display());
    Ok(certificates)
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_providers_put_them() {
        let claims = serde_json::json!({
            "groups": ["staf", "tim", 7],
            "peran": "operator",
            "realm_access": {"roles": ["a", "b"]},
            "https://pantau.example/roles": ["url"],
        });
        let Value::Object(claims) = claims else { panic!("an object") };
        for (name, expected) in [
            ("groups", &["staf", "tim"][..]),
            ("peran", &["operator"]),
            ("realm_access.roles", &["a", "b"]),
            ("https://pantau.example/roles", &["url"]),
            ("realm_access", &[]),
            ("realm_access.groups", &[]),
            ("nothing.at.all", &[]),
        ] {
            assert_eq!(roles(&claims, name), expected, "{name}");
        }
    }
}
