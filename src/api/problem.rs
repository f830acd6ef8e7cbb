//! RFC 9457 problems: the only file that maps errors to status codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::accounts::SignInFault;
use crate::engine::EngineError;
use crate::feed::SubscribeFault;
use crate::health::Condition;
use crate::intake::FieldFault;
use crate::journal::JournalError;
use crate::model::{Action, Refusal, Requirement};
use crate::past::{PastError, StatisticsError};

/// What went wrong, in words that say what to change. Rendered by the middleware, which adds the
/// request id.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable name: the end of `type`.
    pub kind: &'static str,
    pub title: &'static str,
    pub detail: String,
    pub errors: Vec<FieldFault>,
    /// After a conflict: how what it is about stands now.
    pub current: Option<Box<Value>>,
    pub retry_after_s: Option<u32>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            kind,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            current: None,
            retry_after_s: None,
        }
    }

    /// The body is not what it must be.
    pub fn invalid_body(errors: Vec<FieldFault>) -> Problem {
        let detail = "some fields are missing or wrong; see \"errors\"";
        Problem {
            errors,
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid body", detail)
        }
    }

    /// The body is not even JSON.
    pub fn unreadable_body(errors: Vec<FieldFault>) -> Problem {
        let detail = "the body is not a JSON object; see \"errors\"";
        Problem {
            errors,
            ..Problem::new(StatusCode::BAD_REQUEST, "unreadable-body", "Unreadable body", detail)
        }
    }

    /// The query parameters are not what they must be.
    pub fn invalid_query(errors: Vec<FieldFault>) -> Problem {
        let detail = "some query parameters are unknown, missing or wrong; see \"errors\"";
        Problem {
            errors,
            ..Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "Invalid query", detail)
        }
    }

    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign-in needed", detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// A secret came where others can read it.
    pub fn needs_tls() -> Problem {
        let detail = "passwords and tokens are not taken over plain HTTP, where everybody on the way can read them: \
             give the server a certificate (--tls-cert, --tls-key; pantau cert makes one), put a proxy with TLS \
             before it and name it with --trusted-proxy, or sign in on the server's own machine";
        Problem::new(StatusCode::FORBIDDEN, "needs-tls", "A secure line is needed", detail)
    }

    pub fn conflict(kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, kind, "Conflict", detail)
    }

    pub fn bad_request(kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, kind, "Bad request", detail)
    }

    /// Something of ours failed. The cause is for the log.
    pub fn internal() -> Problem {
        let detail = "the server made a mistake; it is in its log under the request id";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// An edge cannot answer by itself, and the origin does not.
    pub fn origin_away(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem {
            retry_after_s: Some(5),
            ..Problem::new(status, "origin-away", "The origin is away", detail)
        }
    }

    /// Too many ask at once for what takes long.
    pub fn busy(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem { retry_after_s: Some(10), ..Problem::new(status, "busy", "Busy", detail) }
    }

    /// A body stopped on its way. Not 408, as nothing is wrong with what was sent: whoever keeps it sends it again.
    pub fn too_slow() -> Problem {
        let detail = "the body came too slowly, and nothing was stored; send it again over a better line, or less at once";
        Problem {
            retry_after_s: Some(5),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow", "Too slow", detail)
        }
    }

    /// More than this server computes.
    pub fn too_much(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-much", "Too much", detail)
    }

    /// Reports are not taken for a while.
    pub fn unhealthy(condition: Condition, detail: &str) -> Problem {
        Problem {
            retry_after_s: Some(60),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, condition.key(), "Not ready", detail)
        }
    }

    /// Why a report is not taken: unlike all that is sent without a key it can be sent twice without harm.
    pub fn of_report(error: &EngineError) -> Problem {
        Problem::of_keyed(error)
    }

    /// Why something that came under a key is not taken.
    pub fn of_keyed(error: &EngineError) -> Problem {
        of_engine(error, "send it again later with the same Idempotency-Key: it is stored once")
    }

    /// Whether this is why.
    pub fn is_of(&self, condition: Condition) -> bool {
        self.kind == condition.key()
    }

    /// Whether nothing of what was to be written is stored, for certain.
    pub fn nothing_was_stored(&self) -> bool {
        let taken_nowhere = [Condition::DiskFull.key(), Condition::StandsBy.key()];
        self.status.is_client_error() || taken_nowhere.contains(&self.kind)
    }

    /// For answers that a library gave without words of ours.
    pub fn of_status(status: StatusCode) -> Problem {
        let (kind, title, detail) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too-large", "Too large", "the body is larger than this address takes; send less at once")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                "media-type",
                "Unsupported media type",
                "send Content-Type: application/json or multipart/form-data",
            ),
            StatusCode::URI_TOO_LONG => ("uri-too-long", "Address too long", "the address is too long"),
            StatusCode::UPGRADE_REQUIRED => {
                ("upgrade-required", "WebSocket needed", "this address speaks WebSocket; connect with one")
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                ("range", "Range not satisfiable", "the range asked for is outside the file")
            }
            status if status.is_client_error() => {
                ("bad-request", "Bad request", "the request cannot be understood")
            }
            _ => return Problem { status, ..Problem::internal() },
        };
        Problem::new(status, kind, title, detail)
    }

    /// The answer as it goes out.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let errors = self.errors.iter().map(|e| json!({"pointer": e.pointer, "detail": e.detail}));
        let mut body = json!({
            "type": format!("/problems/{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        if !self.errors.is_empty() {
            body["errors"] = errors.collect();
        }
        if let Some(current) = &self.current {
            body["current"] = Value::clone(current);
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<SubscribeFault> for Problem {
    fn from(fault: SubscribeFault) -> Problem {
        let SubscribeFault { kind, title, detail, errors } = fault;
        let (status, retry_after_s) = match kind {
            "too-many-views" => (StatusCode::SERVICE_UNAVAILABLE, Some(60)),
            "internal" => (StatusCode::INTERNAL_SERVER_ERROR, None),
            _ => (StatusCode::BAD_REQUEST, None),
        };
        Problem { errors, retry_after_s, ..Problem::new(status, kind, title, detail) }
    }
}

impl From<SignInFault> for Problem {
    fn from(fault: SignInFault) -> Problem {
        let refused =
            |kind, title, detail: &str| Problem::new(StatusCode::UNAUTHORIZED, kind, title, detail);
        match fault {
            SignInFault::Wait(wait) => {
                // A whole second at least: nobody can wait less.
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                let detail = format!("too many tries from there; nothing was checked, wait {seconds} s");
                let status = StatusCode::TOO_MANY_REQUESTS;
                Problem {
                    retry_after_s: Some(seconds),
                    ..Problem::new(status, "too-many-tries", "Too many tries", detail)
                }
            }
            SignInFault::Wrong => {
                refused("wrong-password", "Not signed in", "the name or the password is wrong")
            }
            SignInFault::CodeNeeded => refused(
                "code-needed",
                "A code is needed",
                "send the code that the authenticator shows, too",
            ),
            SignInFault::WrongCode => refused(
                "wrong-code",
                "Wrong code",
                "the code is wrong, too old, or was used already; take the next one, and look at the clocks",
            ),
            SignInFault::Link => Problem::new(
                StatusCode::GONE,
                "link-over",
                "The link is over",
                "a link is good once, and not for long; ask for a new one (pantau user password NAME)",
            ),
            SignInFault::NoName => Problem::conflict(
                "passkeys-need-a-name",
                "passkeys are bound to a name: open the server by its name over https, or as localhost, not by an address",
            ),
            SignInFault::PasskeyOver => Problem::new(
                StatusCode::GONE,
                "passkey-over",
                "The question is over",
                "a question for a passkey is good once, for five minutes; ask for a new one",
            ),
            SignInFault::WrongPasskey => refused(
                "wrong-passkey",
                "Not signed in",
                "no account of this server has this passkey, or it was taken off; sign in with the password",
            ),
            SignInFault::NameTaken => {
                Problem::conflict("name-taken", "there is an account of this name; take another")
            }
            SignInFault::Unfit { field, detail } => {
                Problem::invalid_body(vec![FieldFault { pointer: field.to_owned(), detail }])
            }
            SignInFault::Store(error) => error.into(),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        of_engine(&error, "it may have been done all the same: look, and send it again if it was not")
    }
}

/// `again`: what to do where nobody knows whether it is stored, as a commit that failed may be on the disk.
fn of_engine(error: &EngineError, again: &str) -> Problem {
    let away = StatusCode::SERVICE_UNAVAILABLE;
    let (status, condition, title, retry_after_s, what_to_do) = match error {
        EngineError::Full => (
            StatusCode::INSUFFICIENT_STORAGE,
            Condition::DiskFull.key(),
            "Disk full",
            60,
            "nothing was stored, send it again later",
        ),
        EngineError::Journal => (away, Condition::ReadOnly.key(), "Only reading goes on", 60, again),
        EngineError::Away => {
            (away, Condition::DatabaseAway.key(), "The database does not answer", 5, again)
        }
        EngineError::StandsBy => (
            away,
            Condition::StandsBy.key(),
            "This server stands by",
            1,
            "nothing was stored, send it there, or again in a moment",
        ),
        EngineError::Stopped => (away, "unavailable", "Unavailable", 5, again),
    };
    Problem {
        retry_after_s: Some(retry_after_s),
        ..Problem::new(status, condition, title, format!("{error}; {what_to_do}"))
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Problem {
        if let JournalError::Elsewhere(where_) = error {
            return Problem::origin_away(where_);
        }
        if matches!(error, JournalError::Full) {
            return EngineError::Full.into();
        }
        if let JournalError::Away(what) = &error {
            let detail = format!("the database {what}; ask again in a moment");
            let (kind, title) = (Condition::DatabaseAway.key(), "The database does not answer");
            return Problem {
                retry_after_s: Some(5),
                ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail)
            };
        }
        tracing::error!(error = &error as &dyn std::error::Error, "reading the journal failed");
        if matches!(error, JournalError::Corrupt(_)) {
            return Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                Condition::Damaged.key(),
                "Damaged",
                "what is stored of this was changed by the disk or by hand, so it is not shown; the server's log says more",
            );
        }
        Problem::internal()
    }
}

impl From<PastError> for Problem {
    fn from(error: PastError) -> Problem {
        match error {
            PastError::Journal(error) => error.into(),
            PastError::TooLarge { .. } | PastError::TooMuchChanged => Problem::too_much(error.to_string()),
        }
    }
}

impl From<StatisticsError> for Problem {
    fn from(error: StatisticsError) -> Problem {
        match error {
            StatisticsError::Journal(error) => error.into(),
            StatisticsError::TooLarge => Problem::too_much(error.to_string()),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        match refusal {
            Refusal::UnknownIncident => {
                Problem::invalid_body(vec![FieldFault { pointer: "/incident".to_owned(), detail }])
            }
            Refusal::UnknownReport | Refusal::UnknownNote => {
                Problem::new(StatusCode::NOT_FOUND, "not-found", "Nothing there", detail)
            }
            Refusal::IncidentClosed { .. } => Problem::conflict("incident-closed", detail),
            Refusal::DrillMismatch => Problem::conflict("drill-mismatch", detail),
            Refusal::Transition { .. } => Problem::conflict("transition", detail),
            Refusal::Lacks { action, what: Requirement::Photo } => {
                let detail = match action {
                    Action::Resolve => {
                        "a photo of the repair is wanted first: add one with kind=after at \
                         POST /api/v1/incidents/{id}/photos, then resolve it"
                    }
                    _ => "no photo is named",
                };
                let pointer = "/photo".to_owned();
                Problem::invalid_body(vec![FieldFault { pointer, detail: detail.to_owned() }])
            }
            Refusal::Lacks { what, .. } => {
                let pointer = format!("/{}", what.key());
                Problem::invalid_body(vec![FieldFault { pointer, detail }])
            }
            Refusal::Unassigned => Problem::conflict("unassigned", detail),
            Refusal::FourEyes { .. } => Problem::conflict("four-eyes", detail),
            Refusal::Confirmed => Problem::conflict("confirmed", detail),
            Refusal::NoClock | Refusal::Paused | Refusal::NotPaused => Problem::conflict("clock", detail),
            Refusal::Archived => Problem::conflict("archived", detail),
            Refusal::Version { .. } => Problem::conflict("version", detail),
            Refusal::Merged { .. } => Problem::conflict("merged", detail),
            Refusal::MergeSelf => {
                Problem::invalid_body(vec![FieldFault { pointer: "/incident".to_owned(), detail }])
            }
            Refusal::MergeClosed { .. } => Problem::conflict("incident-closed", detail),
            Refusal::MergeDrill => Problem::conflict("drill-mismatch", detail),
            Refusal::NotMerged => Problem::conflict("not-merged", detail),
            Refusal::KeyReused => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "Idempotency-Key used before",
                detail,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_reports_is_told_of_a_key() {
        for error in [EngineError::Journal, EngineError::Away, EngineError::Stopped] {
            let report = Problem::of_report(&error);
            assert!(report.detail.contains("with the same Idempotency-Key"), "{}", report.detail);
            let other = Problem::from(error);
            assert!(!other.detail.contains("Key") && other.detail.contains("look"), "{}", other.detail);
            assert_eq!((report.status, report.kind), (other.status, other.kind));
        }
        for error in [EngineError::Full, EngineError::StandsBy] {
            assert_eq!(Problem::of_report(&error).detail, Problem::from(error).detail);
        }
    }
}
