//! How every handler about accounts begins, and every handler that takes a body and nothing else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::access::Caller;
use super::app::AppState;
use super::cookies;
use super::params::Params;
use super::problem::Problem;
use super::session::{network, private_accounts};
use crate::access::Via;
use crate::accounts::{Accounts, Network, Pass, Site};
use crate::intake::FieldFault;

const BODY_BYTES_MAX: usize = 8 * 1024;

/// Whoever asks something of the accounts, over a line that secrets may take. The body is looked at by
/// [`Visitor::read`] alone.
pub struct Visitor {
    pub caller: Caller,
    pub accounts: Arc<Accounts>,
    /// What the browser remembers of an earlier time.
    pub device: Option<String>,
    /// The machine that they come from, and the network that guesses count for.
    pub client: Option<IpAddr>,
    pub network: Network,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<AppState> for Visitor {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Visitor, Problem> {
        let (mut parts, body) = request.into_parts();
        Params::from_request_parts(&mut parts, app).await?.finish()?;
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let accounts = private_accounts(app, &caller)?;
        let client = caller.visit.client;
        Ok(Visitor {
            accounts,
            device: cookies::device(&parts.headers).map(str::to_owned),
            client,
            network: network(&caller),
            headers: parts.headers,
            caller,
            body,
        })
    }
}

impl Visitor {
    /// What they sent; there is nothing more to be read then.
    ///
    /// # Errors
    /// Where it is no such JSON. Nothing of it is said again: it may be a password.
    pub async fn read<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let body = axum::body::to_bytes(std::mem::take(&mut self.body), BODY_BYTES_MAX).await;
        let body = body.map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE))?;
        serde_json::from_slice(&body).map_err(|e| {
            // The library's words may repeat what was sent: a password, perhaps.
            let detail = if e.is_data() {
                "has a field that is missing, unknown or of another type"
            } else {
                "is not JSON"
            };
            let faults = vec![FieldFault { pointer: String::new(), detail: format!("the body {detail}") }];
            if e.is_data() { Problem::invalid_body(faults) } else { Problem::unreadable_body(faults) }
        })
    }

    /// Where their page is; that it is ours was seen before.
    ///
    /// # Errors
    /// Where the browser calls the server by an address.
    pub fn site(&self) -> Result<Site, Problem> {
        let origin = self.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        Ok(Site::of(origin.unwrap_or_default())?)
    }
}

/// Whoever asks something of their own account: tokens have none.
pub struct Owner {
    pub pass: Pass,
    pub visitor: Visitor,
}

impl FromRequest<AppState> for Owner {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Owner, Problem> {
        let visitor = Visitor::from_request(request, app).await?;
        let pass = visitor.caller.pass.clone().filter(|pass| pass.who.via == Via::Session);
        let no_account = || Problem::forbidden("a token has no password; sign in with an account");
        Ok(Owner { pass: pass.ok_or_else(no_account)?, visitor })
    }
}

/// The whole body of a request to an address that takes no parameters.
pub struct WholeBody(pub Bytes);

impl FromRequest<AppState> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<WholeBody, Problem> {
        let (mut parts, body) = request.into_parts();
        Params::from_request_parts(&mut parts, app).await?.finish()?;
        super::incidents::body_of(Request::from_parts(parts, body)).await.map(WholeBody)
    }
}
