//! Who is asking: found out once per request, before anything else of it is looked at (design: "Who may
//! see what").

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};

use super::app::{App, AppState};
use super::cookies;
use super::problem::Problem;
use super::visit::Visit;
use crate::access::{Denied, Object, Permission, Role, Who, may};
use crate::accounts::Pass;
use crate::live::Sight;
use crate::model::AgencyId;

/// Whoever asks, and how they come.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `None`: nobody who is known, or who wants to be.
    pub who: Option<Arc<Who>>,
    /// What they showed: sockets are good as long as it is. `None` on the loopback.
    pub pass: Option<Pass>,
    /// The browser sent it by itself: then its page must be ours.
    pub is_by_cookie: bool,
    /// There was a session, and it has ended.
    pub has_ended: bool,
    pub visit: Visit,
}

impl Caller {
    /// # Errors
    /// Where a token is not good: whoever sends one wants to be known.
    pub fn of(parts: &Parts, app: &App, visit: Visit) -> Result<Caller, Problem> {
        let nobody = Caller { who: None, pass: None, is_by_cookie: false, has_ended: false, visit };
        if let Some(named) = parts.headers.get(header::AUTHORIZATION) {
            let pass = of_token(named.as_bytes(), app, &nobody.visit)?;
            return nobody.known(pass, false).lowered(&parts.uri);
        }
        let cookie = cookies::session(&parts.headers).filter(|_| nobody.visit.is_private());
        let found = match (&app.accounts, cookie) {
            (Some(accounts), Some(value)) => Some(accounts.of_cookie(value)),
            _ => None,
        };
        let caller = match found {
            Some(Some(pass)) => nobody.known(pass, true),
            Some(None) => Caller { has_ended: true, ..nobody },
            None => nobody,
        };
        let trusted =
            app.trust_loopback && caller.who.is_none() && is_trusted_loopback(parts, &caller.visit);
        let who = if trusted { Some(Arc::new(Who::on_loopback())) } else { caller.who.clone() };
        Caller { who, ..caller }.lowered(&parts.uri)
    }

    fn known(self, pass: Pass, is_by_cookie: bool) -> Caller {
        Caller { who: Some(pass.who.clone()), pass: Some(pass), is_by_cookie, ..self }
    }

    /// `?projection=public` on any address: as if nobody were known.
    fn lowered(self, uri: &Uri) -> Result<Caller, Problem> {
        match wanted_projection(uri).as_deref() {
            None => Ok(self),
            Some("public") => Ok(Caller { who: None, pass: None, ..self }),
            Some(_) => {
                Err(Problem::bad_request("projection", "projection can only be lowered, to \"public\""))
            }
        }
    }

    /// As the journal remembers who acted.
    pub fn actor(&self) -> String {
        self.who.as_ref().map_or_else(String::new, |who| who.name.clone())
    }

    /// The agency in whose name they answer; `None`: the center's.
    pub fn speaks_for(&self) -> Option<AgencyId> {
        self.who.as_ref().filter(|who| who.role == Role::Agency).and_then(|who| who.agency)
    }

    /// What they see of the map.
    pub fn sight(&self) -> Sight {
        self.who.as_ref().map_or(Sight::PUBLIC, |who| who.sight())
    }

    /// Whether they may do this to `object`.
    ///
    /// # Errors
    /// The problem that says why not; what is foreign to them is not there.
    pub fn may(&self, permission: Permission, object: Object) -> Result<(), Problem> {
        may(self.who.as_deref(), permission, object).map_err(|denied| self.problem(denied))
    }

    /// Why somebody may not.
    pub fn problem(&self, denied: Denied) -> Problem {
        match (denied, &self.who) {
            (Denied::SignIn, _) if self.has_ended => {
                Problem::unauthorized("this session has ended; sign in again")
            }
            (Denied::Foreign, _) => Problem::not_found("there is no such incident"),
            (Denied::Role, Some(who)) if who.only.is_some() => Problem::forbidden(
                "this token is not for that; make one with the scope that it needs, or without scopes",
            ),
            (Denied::Role, Some(who)) => {
                Problem::forbidden(format!("the role {} may not do this", who.role.key()))
            }
            (Denied::SignIn | Denied::Role, _) => {
                Problem::unauthorized("only staff may do this; sign in first")
            }
        }
    }
}

fn of_token(named: &[u8], app: &App, visit: &Visit) -> Result<Pass, Problem> {
    let Some(accounts) = &app.accounts else {
        return Err(Problem::unauthorized(
            "an edge knows no tokens; ask the origin, or send none to see what is public",
        ));
    };
    if !visit.is_private() {
        return Err(Problem::needs_tls());
    }
    let token = std::str::from_utf8(named).ok().and_then(bearer);
    token.and_then(|token| accounts.of_token(token)).ok_or_else(|| {
        Problem::unauthorized("this token is not known here, or is over; send none to see what is public")
    })
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn wanted_projection(uri: &Uri) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "projection")
        .map(|(_, v)| v.into_owned())
}

/// A peer on this machine that came straight, to a name of this machine, from no foreign page.
fn is_trusted_loopback(parts: &Parts, visit: &Visit) -> bool {
    let origin = parts.headers.get(header::ORIGIN);
    let is_ours = origin.is_none_or(|origin| origin.to_str().is_ok_and(|origin| visit.is_ours(origin)));
    visit.is_local() && is_ours
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    /// The guard has found out; without it nobody gets here.
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Caller, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)
    }
}

/// Another node of the center: it names the token, or comes from this machine where that is trusted.
///
/// # Errors
/// Where it does neither.
pub fn check_node(parts: &Parts, app: &App, visit: &Visit) -> Result<(), Problem> {
    let named = parts.headers.get(header::AUTHORIZATION);
    // Whoever wants to be nobody is no node.
    let is_lowered = wanted_projection(&parts.uri).is_some();
    let known = !is_lowered
        && match (named, app.edge_token()) {
            (Some(named), Some(token)) => token.is_named_by(named.as_bytes()),
            (Some(_), None) => false,
            (None, _) => app.trust_loopback && is_trusted_loopback(parts, visit),
        };
    known.then_some(()).ok_or_else(|| {
        Problem::unauthorized(
            "this is for the center's own nodes; give both sides the same PANTAU_EDGE_TOKEN",
        )
    })
}

/// The media type of the body, without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
