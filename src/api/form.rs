//! Forms (multipart/form-data): their parts, each within what it may take of memory and of time.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use bytes::Bytes;

use super::patience;
use super::problem::Problem;
use crate::intake::REPORT_BODY_BYTES_MAX;

/// A body that is no such form as is wanted.
pub fn unreadable(detail: impl Into<String>) -> Problem {
    Problem::bad_request("unreadable-body", detail)
}

/// # Errors
/// Where the request's head names no form.
pub async fn open(request: Request) -> Result<Multipart, Problem> {
    Multipart::from_request(request, &()).await.map_err(|e| unreadable(e.body_text()))
}

/// The next part; `None` after the last.
///
/// # Errors
/// Where the form is cut, broken or too large, or does not come.
pub async fn next_part(form: &mut Multipart) -> Result<Option<Field<'_>>, Problem> {
    patience::piece(form.next_field()).await?.map_err(|e| problem(&e))
}

/// The next bytes of a part; `None` at its end.
///
/// # Errors
/// As [`next_part`].
pub async fn next_bytes(part: &mut Field<'_>) -> Result<Option<Bytes>, Problem> {
    patience::piece(part.chunk()).await?.map_err(|e| problem(&e))
}

/// All of a part that is words.
///
/// # Errors
/// As [`next_part`].
pub async fn words(part: &mut Field<'_>) -> Result<Vec<u8>, Problem> {
    let mut words = Vec::new();
    while let Some(bytes) = next_bytes(part).await? {
        if words.len() + bytes.len() > REPORT_BODY_BYTES_MAX {
            return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        words.extend_from_slice(&bytes);
    }
    Ok(words)
}

fn problem(error: &MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE),
        _ => unreadable(error.body_text()),
    }
}
