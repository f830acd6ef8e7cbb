//! Single sign-on in the browser: to the provider, and back. Both are addresses that a browser goes to by itself, so
//! whatever goes wrong ends at the sign-in page, which says it in words.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::access::Caller;
use super::app::{App, AppState};
use super::cookies;
use super::params::Params;
use super::problem::Problem;
use super::session::{keep_signed_in, network, private_accounts, tell_own};
use crate::accounts::{AccountEvent, Accounts, SignInFault, SignedIn};
use crate::oidc::{Arrived, Back, OVER, Oidc, OidcFault, PATIENCE};

const BACK: &str = "/api/v1/session/oidc/back";
/// The provider is asked for so many at once; who comes then waits.
static ASKING: Semaphore = Semaphore::const_new(8);
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
const NEXT_CHARS_MAX: usize = 500;

#[utoipa::path(get, path = "/api/v1/session/oidc", tag = "session",
    description = "Begins single sign-on: sends the browser to the provider, and back to the sign-in page where that is away. For \
        browsers, which go there by a link; GET /api/v1/session says in `oidc` whether there is one.",
    params(("next" = Option<String>, Query, description = "a page of this server to go on to")),
    responses((status = 303), (status = 400), (status = 403), (status = 404)))]
pub async fn begin(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
) -> Result<Response, Problem> {
    let next = params.read("next", |text| match is_own_page(text) {
        true => Ok(text.to_owned()),
        false => Err("is not a page of this server, for instance /console".to_owned()),
    });
    params.finish()?;
    let (oidc, _) = single_sign_on(&app, &caller)?;
    let (host, redirect) = own_address(&caller)?;
    let network = network(&caller);
    let begun = asking(move || oidc.begin(network, &host, &redirect, next)).await;
    Ok(match begun {
        Ok(begun) => {
            let mut response = see_other(&begun.address);
            let seconds = PATIENCE.as_secs().cast_signed();
            cookies::keep_sso(response.headers_mut(), &begun.cookie, seconds);
            response
        }
        Err(fault) => {
            tracing::warn!("single sign-on could not begin: {fault}");
            to_login(fault.key())
        }
    })
}

#[utoipa::path(get, path = "/api/v1/session/oidc/back", tag = "session",
    description = "Ends single sign-on: the provider sends the browser here with a code, which is good once. The session begins as \
        any other; whatever is wrong is said on the sign-in page.",
    params(("state" = Option<String>, Query), ("code" = Option<String>, Query), ("error" = Option<String>, Query),
        ("iss" = Option<String>, Query)),
    responses((status = 303), (status = 400), (status = 403), (status = 404)))]
pub async fn come_back(
    State(app): State<AppState>,
    caller: Caller,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Providers add parameters of their own, so unknown ones are let be.
    let [state, code, error, issuer] = ["state", "code", "error", "iss"].map(|key| params.text(key));
    let (oidc, accounts) = single_sign_on(&app, &caller)?;
    let (host, _) = own_address(&caller)?;
    let cookie = cookies::sso(&headers).map(str::to_owned);
    let device = cookies::device(&headers).map(str::to_owned);
    let client = caller.visit.client;
    let signed_in = asking(move || {
        let back = Back {
            cookie: cookie.as_deref(),
            host: &host,
            state: state.as_deref(),
            code: code.as_deref(),
            error: error.as_deref(),
            issuer: issuer.as_deref(),
        };
        let arrived = oidc.finish(&back).map_err(Refused::from);
        let signed_in = arrived.and_then(|arrived| sign_in(&accounts, arrived, device.as_deref()));
        tell(&accounts, client, &signed_in);
        signed_in
    });
    let mut response = match signed_in.await {
        Ok((signed_in, next)) => {
            let mut response = see_other(next.as_deref().unwrap_or("/login"));
            keep_signed_in(&app, &signed_in, response.headers_mut());
            response
        }
        Err(refused) => to_login(refused.key),
    };
    cookies::forget_sso(response.headers_mut());
    Ok(response)
}

/// Why somebody who came back is not signed in.
struct Refused {
    key: &'static str,
    why: String,
}

impl From<OidcFault> for Refused {
    fn from(fault: OidcFault) -> Refused {
        Refused { key: fault.key(), why: fault.to_string() }
    }
}

impl From<SignInFault> for Refused {
    fn from(fault: SignInFault) -> Refused {
        let key = if matches!(fault, SignInFault::Wrong) { "disabled" } else { "failed" };
        Refused { key, why: fault.to_string() }
    }
}

type Signed = Result<(SignedIn, Option<String>), Refused>;

fn sign_in(accounts: &Accounts, arrived: Arrived, device: Option<&str>) -> Signed {
    let Arrived { vouched, scope, next } = arrived;
    let Some(scope) = scope else {
        accounts.end_vouched(&vouched)?;
        return Err(OidcFault::Role.into());
    };
    Ok((accounts.sign_in_vouched(&vouched, &scope, device)?, next))
}

fn tell(accounts: &Accounts, network: Option<IpAddr>, signed: &Signed) {
    match signed {
        Ok((signed_in, _)) => {
            tell_own(accounts, &signed_in.pass, "sign-in-by-oidc", network);
            tracing::info!(account = signed_in.pass.who.name, "signed in by single sign-on");
        }
        // Anybody can come back from where they never were, as often as they like.
        Err(Refused { key: OVER, why }) => tracing::debug!("single sign-on was refused: {why}"),
        Err(Refused { key, why }) => {
            tracing::warn!(key, "single sign-on was refused: {why}");
            let detail = format!("single sign-on: {key}");
            accounts.tell_refused(&AccountEvent {
                action: "sign-in-refused",
                network,
                detail: Some(&detail),
                ..AccountEvent::default()
            });
        }
    }
}

fn single_sign_on(app: &App, caller: &Caller) -> Result<(Arc<Oidc>, Arc<Accounts>), Problem> {
    let nothing = || Problem::not_found("this server has no single sign-on; sign in at /login");
    let oidc = app.oidc.clone().ok_or_else(nothing)?;
    Ok((oidc, private_accounts(app, caller)?))
}

/// The name that the browser calls this server by, and where the provider is to send it back to.
fn own_address(caller: &Caller) -> Result<(String, String), Problem> {
    let base = caller.visit.base();
    let base = base.ok_or_else(|| Problem::bad_request("host", "the request names no host"))?;
    let redirect = format!("{base}{BACK}");
    Ok((base, redirect))
}

/// Asks where blocking is allowed, a few at once.
async fn asking<T: Send + 'static, E: From<OidcFault> + Send + 'static>(
    ask: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, ASKING.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(OidcFault::Away("many wait for the provider already".to_owned()).into());
    };
    super::aside(ask).await
}

fn to_login(key: &str) -> Response {
    see_other(&format!("/login?sso={key}"))
}

fn see_other(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

/// A path of ours with a plain query, as the sign-in page takes it.
fn is_own_page(text: &str) -> bool {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_=&.%-".contains(c);
    text.len() <= NEXT_CHARS_MAX
        && path.strip_prefix('/').is_some_and(|name| name.chars().all(|c| c.is_ascii_alphabetic()))
        && query.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for own in ["/console", "/", "/field?area=82.71.04", "/wall?lang=en&x=%20"] {
            assert!(is_own_page(own), "{own}");
        }
        for other in [
            "",
            "console",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a/b",
            "/a#b",
            "/a?b=/c",
        ] {
            assert!(!is_own_page(other), "{other}");
        }
    }
}
