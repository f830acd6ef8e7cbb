//! What each address needs of who asks: the one table, looked at before anything of the request is.
//!
//! An address that is not in it is answered by nobody.

use axum::http::Method;

use crate::access::Permission;

/// What an address needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Everybody may; what they see is theirs to see.
    Nothing,
    /// Somebody who signed in, whoever it is.
    SignedIn,
    Permission(Permission),
    /// That of the action in the address.
    PermissionOfAction,
    /// A node of the center.
    Node,
}

/// What one method of one address needs.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub method: &'static str,
    /// As the router has it.
    pub path: &'static str,
    pub needs: Needs,
}

impl Rule {
    /// Whether the answer goes on and on: then a page of another site must not have it, either.
    pub fn is_stream(&self) -> bool {
        matches!(self.path, "/api/v1/live" | "/api/v1/live.sse")
    }
}

const fn get(path: &'static str, needs: Needs) -> Rule {
    Rule { method: "GET", path, needs }
}

const fn post(path: &'static str, needs: Needs) -> Rule {
    Rule { method: "POST", path, needs }
}

const fn delete(path: &'static str, needs: Needs) -> Rule {
    Rule { method: "DELETE", path, needs }
}

pub const RULES: &[Rule] = &[
    get("/api/v1/city", Needs::Nothing),
    get("/api/v1/areas", Needs::Nothing),
    get("/api/v1/areas/{code}", Needs::Nothing),
    post("/api/v1/reports", Needs::Nothing),
    get("/api/v1/reports/{code}", Needs::Nothing),
    get("/api/v1/incidents", Needs::Nothing),
    get("/api/v1/incidents/{id}", Needs::Permission(Permission::SeeIncident)),
    post("/api/v1/incidents/{id}/{action}", Needs::PermissionOfAction),
    post("/api/v1/incidents/{id}/contacts", Needs::Permission(Permission::SeeContacts)),
    get("/api/v1/search", Needs::Permission(Permission::SeeIncident)),
    post("/api/v1/search/phone", Needs::Permission(Permission::SeeContacts)),
    get("/api/v1/audit", Needs::Permission(Permission::SeeAudit)),
    get("/api/v1/audit.csv", Needs::Permission(Permission::SeeAudit)),
    get("/api/v1/shift-log", Needs::Permission(Permission::ShiftLog)),
    post("/api/v1/shift-log", Needs::Permission(Permission::ShiftLog)),
    get("/api/v1/sitrep", Needs::Permission(Permission::ShiftLog)),
    get("/api/v1/transitions", Needs::Nothing),
    get("/api/v1/incidents/{id}/suggestions", Needs::Permission(Permission::Merge)),
    post("/api/v1/incidents/{id}/merge", Needs::Permission(Permission::Merge)),
    post("/api/v1/incidents/{id}/split", Needs::Permission(Permission::Split)),
    get("/api/v1/incidents/{id}/photos", Needs::Nothing),
    post("/api/v1/incidents/{id}/photos", Needs::Permission(Permission::Photo)),
    post("/api/v1/incidents/{id}/photos/{photo}/release", Needs::Permission(Permission::Answer)),
    post("/api/v1/incidents/{id}/photos/{photo}/withdraw", Needs::Permission(Permission::Answer)),
    get("/api/v1/photos/{photo}", Needs::Nothing),
    get("/api/v1/clusters", Needs::Nothing),
    get("/api/v1/hotspots", Needs::Nothing),
    get("/api/v1/stats", Needs::Nothing),
    get("/api/v1/statistics", Needs::Nothing),
    get("/api/v1/statistics.csv", Needs::Nothing),
    get("/api/v1/live", Needs::Nothing),
    get("/api/v1/live.sse", Needs::Nothing),
    post("/api/v1/clock", Needs::Permission(Permission::SetClock)),
    post("/api/v1/import", Needs::Permission(Permission::Import)),
    get("/api/v1/session", Needs::Nothing),
    post("/api/v1/session", Needs::Nothing),
    delete("/api/v1/session", Needs::Nothing),
    post("/api/v1/session/link", Needs::Nothing),
    post("/api/v1/session/password", Needs::SignedIn),
    post("/api/v1/session/totp", Needs::SignedIn),
    delete("/api/v1/session/totp", Needs::SignedIn),
    get("/api/v1/session/oidc", Needs::Nothing),
    get("/api/v1/session/oidc/back", Needs::Nothing),
    post("/api/v1/session/passkey", Needs::Nothing),
    get("/api/v1/session/passkeys", Needs::SignedIn),
    post("/api/v1/session/passkeys", Needs::SignedIn),
    delete("/api/v1/session/passkeys/{id}", Needs::SignedIn),
    get("/api/v1/nodes/snapshot", Needs::Node),
    get("/api/v1/nodes/entries", Needs::Node),
    get("/api/v1/nodes/state", Needs::Node),
    get("/healthz", Needs::Nothing),
    get("/readyz", Needs::Nothing),
    get("/metrics", Needs::Nothing),
    get("/openapi.json", Needs::Nothing),
    get("/tiles/base.pmtiles", Needs::Nothing),
    get("/tiles/overlays/{file}", Needs::Nothing),
    get("/", Needs::Nothing),
    get("/wall", Needs::Nothing),
    get("/console", Needs::Nothing),
    get("/field", Needs::Nothing),
    get("/embed", Needs::Nothing),
    get("/login", Needs::Nothing),
    get("/statistics", Needs::Nothing),
    get("/sitrep", Needs::Nothing),
    get("/handover", Needs::Nothing),
    get("/audit", Needs::Nothing),
    get("/replay", Needs::Nothing),
    get("/assets/{*path}", Needs::Nothing),
    get("/favicon.svg", Needs::Nothing),
];

/// The rules of an address, one a method.
pub fn rules_of(path: &str) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| rule.path == path)
}

/// The rule of a request; a question about an answer's head is as one for all of it.
pub fn rule_of(method: &Method, path: &str) -> Option<&'static Rule> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    rules_of(path).find(|rule| rule.method == method)
}
