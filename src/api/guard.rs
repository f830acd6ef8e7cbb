//! Stands before every route: who asks, whether their page is ours, whether they may. Only then is
//! anything else of the request looked at.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Caller, check_node};
use super::app::{App, AppState};
use super::origin::{check_origin, is_unsafe};
use super::pages::wrong_method;
use super::problem::Problem;
use super::rules::{Needs, Rule, rule_of, rules_of};
use super::visit::Visit;
use crate::access::{Denied, Permission, Who, may_ever};
use crate::accounts::AccountEvent;
use crate::model::Action;

pub async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_default();
    let Some(rule) = rule_of(request.method(), &path) else { return without_rule(&path).await };
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts, &app.trusted_proxies);
    let (who, response) = match admit(&parts, &app, rule, visit) {
        Ok(caller) => {
            let who = caller.who.clone().map(|who| (who, caller.visit.client));
            let mut request = Request::from_parts(parts, body);
            request.extensions_mut().insert(caller);
            (who, next.run(request).await)
        }
        Err(refused) => (refused.who, refused.problem.into_response()),
    };
    if let (Some((who, client)), Some(accounts), StatusCode::FORBIDDEN) =
        (who, &app.accounts, response.status())
    {
        accounts.tell_refused(&AccountEvent {
            actor: Some(&who.name),
            action: "denied",
            network: client,
            detail: Some(&format!("{} {path}", rule.method)),
            ..AccountEvent::default()
        });
    }
    response
}

/// Whoever is not let in, if they are known, and why.
struct Refused {
    problem: Problem,
    who: Option<(Arc<Who>, Option<IpAddr>)>,
}

impl From<Problem> for Box<Refused> {
    fn from(problem: Problem) -> Box<Refused> {
        Box::new(Refused { problem, who: None })
    }
}

fn admit(
    parts: &axum::http::request::Parts,
    app: &App,
    rule: &Rule,
    visit: Visit,
) -> Result<Caller, Box<Refused>> {
    let is_checked = is_unsafe(&parts.method) || rule.is_stream();
    if is_checked {
        check_origin(parts, &visit, false)?;
    }
    if rule.needs == Needs::Node {
        check_node(parts, app, &visit)?;
        return Ok(Caller { who: None, pass: None, is_by_cookie: false, has_ended: false, visit });
    }
    let caller = Caller::of(parts, app, visit)?;
    if is_checked && caller.is_by_cookie {
        check_origin(parts, &caller.visit, true)?;
    }
    let needed = match rule.needs {
        Needs::Nothing | Needs::Node => Ok(()),
        Needs::SignedIn => caller.pass.as_ref().map(drop).ok_or(Denied::SignIn),
        Needs::Permission(permission) => may_ever(caller.who.as_deref(), permission),
        Needs::PermissionOfAction => may_act(&caller, parts.uri.path()),
    };
    match needed {
        Ok(()) => Ok(caller),
        Err(denied) => {
            let problem = caller.problem(denied);
            Err(Box::new(Refused { problem, who: caller.who.map(|who| (who, caller.visit.client)) }))
        }
    }
}

/// Whether the caller may do what the end of the path says. Of an action that there is not, only those
/// are told who may do another.
fn may_act(caller: &Caller, path: &str) -> Result<(), Denied> {
    let action = path.rsplit('/').next().and_then(Action::from_key);
    let who = caller.who.as_deref();
    match action {
        Some(action) => may_ever(who, Permission::of_action(action)),
        None => {
            let mut all =
                Action::ALL.into_iter().map(|action| may_ever(who, Permission::of_action(action)));
            all.find(Result::is_ok).unwrap_or(Err(who.map_or(Denied::SignIn, |_| Denied::Role)))
        }
    }
}

/// A method that an address does not take; or an address that nobody wrote a rule for.
async fn without_rule(path: &str) -> Response {
    let methods: Vec<&str> =
        rules_of(path)
            .flat_map(|rule| {
                if rule.method == Method::GET.as_str() { vec!["GET", "HEAD"] } else { vec![rule.method] }
            })
            .collect();
    if methods.is_empty() {
        tracing::error!(path, "this address has no rule in api/rules.rs, so nobody may use it");
        let (kind, title) = ("no-rule", "Not allowed");
        let detail = "nobody is allowed here; this is a mistake of the server's makers";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, kind, title, detail).into_response();
    }
    let mut response = wrong_method().await.into_response();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
