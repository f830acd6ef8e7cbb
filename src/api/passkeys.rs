//! Passkeys: signing in with one, and looking after one's own.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::AppState;
use super::problem::Problem;
use super::session::{asked, hashing, missing, tell_own, welcome};
use super::visitor::{Owner, Visitor};
use crate::accounts::{AccountEvent, Asked, SignInFault};
use crate::feed::wire::time;
use crate::model::TimeMs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    id: Option<String>,
    credential: Option<Value>,
}

#[utoipa::path(post, path = "/api/v1/session/passkey", tag = "session",
    description = "Signs in with a passkey (WebAuthn). Without an answer it gives the question for navigator.credentials.get and \
        its id, good once for five minutes; with that id and the credential in its JSON form it answers as POST /api/v1/session does.",
    request_body(content = Object, description = "{} or {id, credential}"),
    responses((status = 200), (status = 401), (status = 403), (status = 409), (status = 410)))]
pub async fn sign_in(State(app): State<AppState>, mut visitor: Visitor) -> Result<Response, Problem> {
    let site = visitor.site()?;
    let SignInBody { id, credential } = visitor.read().await?;
    let Visitor { caller, accounts, device, client, network, .. } = visitor;
    let (Some(id), Some(credential)) = (id, credential) else {
        return Ok(question(accounts.ask_for_passkey(&site, network)?));
    };
    let signed_in = asked(move || {
        let signed_in = accounts.sign_in_with_passkey(&site, &id, credential, device.as_deref());
        match &signed_in {
            Ok(signed_in) => tell_own(&accounts, &signed_in.pass, "sign-in-by-passkey", client),
            Err(SignInFault::WrongPasskey) => accounts.tell_refused(&AccountEvent {
                action: "sign-in-refused",
                network: client,
                detail: Some("passkey"),
                ..AccountEvent::default()
            }),
            Err(_) => {}
        }
        signed_in
    });
    let signed_in = signed_in.await?;
    tracing::info!(account = signed_in.pass.who.name, "signed in with a passkey");
    Ok(welcome(&app, caller, signed_in))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    password: Option<String>,
    id: Option<String>,
    credential: Option<Value>,
    label: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/session/passkeys", tag = "session",
    description = "A passkey for the own account. With the password it gives the question for navigator.credentials.create and its id; \
        with that id, the credential in its JSON form and a name for the device the passkey is good from then on.",
    request_body(content = Object, description = "{password} or {id, credential, label}"),
    responses((status = 200), (status = 204), (status = 401), (status = 403), (status = 409), (status = 410), (status = 422),
        (status = 429)))]
pub async fn add(mut owner: Owner) -> Result<Response, Problem> {
    let site = owner.visitor.site()?;
    let body: AddBody = owner.visitor.read().await?;
    let Owner { pass, visitor: Visitor { accounts, device, client, network, .. } } = owner;
    match body {
        AddBody { id: Some(id), credential: Some(credential), label: Some(label), password: None } => {
            asked(move || {
                accounts.add_passkey(&pass, &site, (&id, credential), &label)?;
                tell_own(&accounts, &pass, "passkey-added", client);
                Ok(())
            })
            .await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        AddBody { password: Some(password), id: None, credential: None, label: None } => {
            let asked = hashing(move || {
                accounts.draw_passkey(&pass, &password, &site, (network, device.as_deref()))
            });
            Ok(question(asked.await?))
        }
        AddBody { id: None, credential: None, label: None, .. } => Err(missing(&["/password"])),
        _ => Err(missing(&["/id", "/credential", "/label"])),
    }
}

#[utoipa::path(get, path = "/api/v1/session/passkeys", tag = "session",
    description = "The passkeys of the own account.",
    responses((status = 200), (status = 401), (status = 403)))]
pub async fn list(Owner { pass, visitor }: Owner) -> Result<Response, Problem> {
    let rows = visitor.accounts.passkeys(&pass.who.name);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            json!({"id": row.id, "label": row.label, "host": row.host,
                "created_at": time(TimeMs(row.created_at)), "used_at": row.used_at.map(|at| time(TimeMs(at)))})
        })
        .collect();
    Ok(Json(json!({ "passkeys": rows })).into_response())
}

#[utoipa::path(delete, path = "/api/v1/session/passkeys/{id}", tag = "session",
    description = "Takes a passkey off the own account.",
    params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub async fn remove(Path(id): Path<String>, owner: Owner) -> Result<Response, Problem> {
    let Owner { pass, visitor: Visitor { accounts, client, .. } } = owner;
    let dropped = asked(move || {
        let dropped = accounts.drop_passkey(&pass, &id)?;
        if dropped {
            tell_own(&accounts, &pass, "passkey-removed", client);
        }
        Ok(dropped)
    });
    if dropped.await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::not_found("the account has no such passkey"))
    }
}

fn question(asked: Asked) -> Response {
    Json(json!({"id": asked.id, "options": asked.options})).into_response()
}
