//! Signing in and out, and who one is.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::access::Caller;
use super::app::{App, AppState};
use super::cookies;
use super::params::Params;
use super::patience;
use super::problem::Problem;
use super::visitor::{Owner, Visitor};
use crate::access::{Permission, Reach, Via};
use crate::accounts::{
    AccountEvent, Accounts, Network, Pass, SignIn, SignInFault, SignedIn, Totp, totp_address,
};
use crate::feed::wire::time;
use crate::intake::FieldFault;
use crate::model::SECOND_MS;

/// Passwords that are checked at once: each takes a core and 19 MiB for a while.
static HASHING: Semaphore = Semaphore::const_new(2);
/// Whoever waits longer for a turn is told to come back.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    description = "Who one is here, what one may do, and whether one can sign in.",
    responses((status = 200)))]
pub async fn who_am_i(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let mut response = Json(description(&app, &caller)).into_response();
    // A wall keeps its token for as long as it comes by now and then.
    if caller.is_by_cookie
        && caller.who.as_ref().is_some_and(|who| who.via == Via::Kiosk)
        && let Some(value) = cookies::session(&headers)
    {
        cookies::keep_session(response.headers_mut(), value, None);
    }
    Ok(response)
}

fn description(app: &App, caller: &Caller) -> Value {
    let ended = caller.has_ended;
    let can_sign_in = app.accounts.is_some() && caller.visit.is_private();
    let oidc = app.oidc.as_ref().filter(|_| can_sign_in).map(|oidc| json!({"name": oidc.name()}));
    let Some(who) = &caller.who else {
        return json!({
            "signed_in": false,
            "ended": ended,
            "can_sign_in": can_sign_in,
            "projection": "public",
            "oidc": oidc,
        });
    };
    let reach = |permission: Permission| {
        let reach = match who.reach(permission) {
            Reach::No => return None,
            Reach::Own => "own",
            Reach::All => "all",
        };
        Some((permission.key().to_owned(), reach.into()))
    };
    let ends_at = app.accounts.as_ref().zip(caller.pass.as_ref());
    let ends_at = ends_at.and_then(|(accounts, pass)| accounts.ends_at(pass)).map(time);
    let own = app.accounts.as_ref().filter(|_| who.via == Via::Session);
    json!({
        "signed_in": true,
        "ended": false,
        "can_sign_in": can_sign_in,
        "name": who.name,
        "full_name": own.and_then(|accounts| accounts.full_name(&who.name)),
        "role": who.role.key(),
        "head": own.is_some_and(|accounts| accounts.is_head(&who.name)),
        "via": who.via.key(),
        "agency": who.agency.map(|agency| app.city.agency(agency).key.clone()),
        "areas": who.areas.iter().map(|area| app.city.areas.get(area).code.clone()).collect::<Vec<_>>(),
        "may": Permission::all().filter_map(reach).collect::<Map<String, Value>>(),
        "projection": who.sight().key(),
        "ends_at": ends_at,
        "second_factor": own.map(|accounts| accounts.has_totp(&who.name)),
        // Whom a provider vouches for has no password here.
        "own_password": own.map(|accounts| !accounts.is_of_provider(&who.name)),
        "oidc": oidc,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    name: Option<String>,
    password: Option<String>,
    code: Option<String>,
    token: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/session", tag = "session",
    description = "Signs in with name and password, and the authenticator's code where one is asked for; or a wall with its token. \
        Answers as GET does, with the cookie of the session.",
    request_body(content = Object, description = "{name, password, code?} or {token}"),
    responses((status = 200), (status = 401), (status = 403), (status = 422), (status = 429)))]
pub async fn sign_in(State(app): State<AppState>, mut visitor: Visitor) -> Result<Response, Problem> {
    let body: SignInBody = visitor.read().await?;
    let Visitor { caller, accounts, device, client, network, .. } = visitor;
    if let Some(token) = body.token {
        return wall(&app, &accounts, caller, &token);
    }
    let (Some(name), Some(password)) = (body.name, body.password) else {
        return Err(missing(&["/name", "/password"]));
    };
    let signed_in = hashing(move || {
        let (code, device) = (body.code.as_deref(), device.as_deref());
        let name = name.trim().to_lowercase();
        let signed_in =
            accounts.sign_in(&SignIn { name: &name, password: &password, code, device, network });
        tell_sign_in(&accounts, &name, client, signed_in.as_ref().err());
        signed_in
    });
    let signed_in = signed_in.await?;
    tracing::info!(account = signed_in.pass.who.name, "signed in");
    Ok(welcome(&app, caller, signed_in))
}

/// A name that nobody has is not written down: people type passwords there.
fn tell_sign_in(accounts: &Accounts, name: &str, network: Option<IpAddr>, fault: Option<&SignInFault>) {
    let actor = Some(name).filter(|name| accounts.full_name(name).is_some());
    let detail = match fault {
        None => None,
        Some(SignInFault::Wrong) => Some("password"),
        Some(SignInFault::WrongCode) => Some("code"),
        Some(SignInFault::Wait(_)) => Some("too many tries"),
        Some(_) => return,
    };
    let event = AccountEvent { actor, network, detail, ..AccountEvent::default() };
    match fault {
        None => accounts.tell(&AccountEvent { action: "sign-in", ..event }),
        Some(_) => accounts.tell_refused(&AccountEvent { action: "sign-in-refused", ..event }),
    }
}

/// Says what somebody did to their own account.
pub(super) fn tell_own(accounts: &Accounts, pass: &Pass, action: &str, network: Option<IpAddr>) {
    let actor = Some(pass.who.name.as_str());
    accounts.tell(&AccountEvent { actor, action, network, ..AccountEvent::default() });
}

/// A wall's token becomes its cookie.
fn wall(app: &App, accounts: &Accounts, caller: Caller, token: &str) -> Result<Response, Problem> {
    let token = token.trim();
    let pass = accounts.of_cookie(token).filter(|pass| pass.who.via == Via::Kiosk).ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong-token",
            "Not a wall's token",
            "this is no token of a wall, or it was revoked; make one with pantau token create --kiosk",
        )
    })?;
    tell_own(accounts, &pass, "sign-in", caller.visit.client);
    let caller = Caller { who: Some(pass.who.clone()), pass: Some(pass), ..caller };
    let mut response = Json(description(app, &caller)).into_response();
    cookies::keep_session(response.headers_mut(), token, None);
    Ok(response)
}

pub(super) fn welcome(app: &App, caller: Caller, signed_in: SignedIn) -> Response {
    let pass = signed_in.pass.clone();
    let caller = Caller { who: Some(pass.who.clone()), pass: Some(pass), has_ended: false, ..caller };
    let mut response = Json(description(app, &caller)).into_response();
    keep_signed_in(app, &signed_in, response.headers_mut());
    response
}

/// What the browser keeps of a session that began.
pub(super) fn keep_signed_in(app: &App, signed_in: &SignedIn, headers: &mut HeaderMap) {
    let seconds = (signed_in.ends_at.0 - app.clock.now().0) / SECOND_MS;
    // On a replay server the clock is of another day.
    let seconds = if seconds > 0 { seconds } else { 86_400 };
    cookies::keep_session(headers, &signed_in.session, Some(seconds));
    cookies::keep_device(headers, &signed_in.device);
}

#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    description = "Signs out: the session ends everywhere, its sockets within two seconds.",
    responses((status = 204)))]
pub async fn sign_out(
    State(app): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    if let (Some(accounts), Some(pass)) = (app.accounts.clone(), caller.pass) {
        tell_own(&accounts, &pass, "sign-out", caller.visit.client);
        super::blocking(move || accounts.sign_out(&pass)).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::forget_session(response.headers_mut());
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkBody {
    link: String,
    name: Option<String>,
    password: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/session/link", tag = "session",
    description = "Uses a one-time link: chooses the password of its account, or makes the first admin, and signs in. \
        Without a password it says what the link is for.",
    request_body(content = Object, description = "{link, name?, password?}"),
    responses((status = 200), (status = 403), (status = 410), (status = 422)))]
pub async fn use_link(State(app): State<AppState>, mut visitor: Visitor) -> Result<Response, Problem> {
    let LinkBody { link, name, password } = visitor.read().await?;
    let Visitor { caller, accounts, client, .. } = visitor;
    let Some(password) = password else {
        let account = asked(move || accounts.link(&link)).await?;
        return Ok(Json(json!({"account": account, "first": account.is_none()})).into_response());
    };
    let name = name.map(|name| name.trim().to_lowercase());
    let signed_in = hashing(move || {
        let signed_in = accounts.redeem(&link, name.as_deref(), &password)?;
        tell_own(&accounts, &signed_in.pass, "sign-in-by-link", client);
        Ok(signed_in)
    });
    let signed_in = signed_in.await?;
    tracing::info!(account = signed_in.pass.who.name, "signed in with a one-time link");
    Ok(welcome(&app, caller, signed_in))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    old: String,
    new: String,
}

#[utoipa::path(post, path = "/api/v1/session/password", tag = "session",
    description = "Changes the own password; every other session of the account ends.",
    request_body(content = Object, description = "{old, new}"),
    responses((status = 204), (status = 401), (status = 403), (status = 422), (status = 429)))]
pub async fn change_password(mut owner: Owner) -> Result<Response, Problem> {
    let PasswordBody { old, new } = owner.visitor.read().await?;
    let Owner { pass, visitor: Visitor { accounts, device, client, network, .. } } = owner;
    hashing(move || {
        accounts.change_password(&pass, &old, &new, (network, device.as_deref()))?;
        tell_own(&accounts, &pass, "password-changed", client);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TotpBody {
    password: String,
    secret: Option<String>,
    code: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/session/totp", tag = "session",
    description = "A second factor for the own account (RFC 6238). Without a code it answers a new secret for an authenticator; with that \
        secret and a code of it the factor is asked for from then on.",
    request_body(content = Object, description = "{password, secret?, code?}"),
    responses((status = 200), (status = 204), (status = 401), (status = 403), (status = 422), (status = 429)))]
pub async fn set_totp(State(app): State<AppState>, mut owner: Owner) -> Result<Response, Problem> {
    let TotpBody { password, secret, code } = owner.visitor.read().await?;
    let Owner { pass, visitor: Visitor { accounts, device, client, network, .. } } = owner;
    let (Some(secret), Some(code)) = (secret, code) else {
        let totp = Totp::draw()?;
        let address = totp_address(&totp, &pass.who.name, &app.city.name.id);
        return Ok(Json(json!({"secret": totp.base32(), "address": address})).into_response());
    };
    let totp =
        Totp::of_base32(&secret).ok_or_else(|| unfit("/secret", "is not the secret that was given"))?;
    hashing(move || {
        accounts.set_totp(&pass, &password, (&totp, &code), (network, device.as_deref()))?;
        tell_own(&accounts, &pass, "second-factor-on", client);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(delete, path = "/api/v1/session/totp", tag = "session",
    description = "Takes the second factor off the own account.",
    request_body(content = Object, description = "{password}"),
    responses((status = 204), (status = 401), (status = 403), (status = 429)))]
pub async fn drop_totp(mut owner: Owner) -> Result<Response, Problem> {
    let TotpBody { password, .. } = owner.visitor.read().await?;
    let Owner { pass, visitor: Visitor { accounts, device, client, network, .. } } = owner;
    hashing(move || {
        accounts.drop_totp(&pass, &password, (network, device.as_deref()))?;
        tell_own(&accounts, &pass, "second-factor-off", client);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The accounts, where secrets may come this way.
pub(super) fn private_accounts(app: &App, caller: &Caller) -> Result<std::sync::Arc<Accounts>, Problem> {
    let accounts = app.accounts.clone().ok_or_else(|| {
        Problem::forbidden("an edge has no accounts; sign in at the origin, where staff work")
    })?;
    if caller.visit.is_private() { Ok(accounts) } else { Err(Problem::needs_tls()) }
}

pub(super) fn network(caller: &Caller) -> Network {
    Network::of(caller.visit.client.unwrap_or([0; 4].into()))
}

pub(super) fn missing(pointers: &[&str]) -> Problem {
    let fault =
        |pointer: &&str| FieldFault { pointer: (*pointer).to_owned(), detail: "is needed".to_owned() };
    Problem::invalid_body(pointers.iter().map(fault).collect())
}

fn unfit(pointer: &str, detail: &str) -> Problem {
    Problem::invalid_body(vec![FieldFault { pointer: pointer.to_owned(), detail: detail.to_owned() }])
}

/// Asks the accounts where blocking is allowed.
pub(super) async fn asked<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, SignInFault> + Send + 'static,
) -> Result<T, Problem> {
    Ok(super::aside(ask).await?)
}

/// The same for what hashes a password: a few at once.
pub(super) async fn hashing<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, SignInFault> + Send + 'static,
) -> Result<T, Problem> {
    let busy = "many sign in at this moment; try again in a few seconds";
    let _turn = patience::turn(&HASHING, TURN_TIMEOUT, busy).await?;
    asked(ask).await
}
