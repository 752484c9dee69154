//! The forms of responses (RFC 6749 §5, RFC 6750 §3).

use std::time::Duration;

use bytes::Bytes;
use http::header::{PRAGMA, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, StatusCode};
use serde_json::json as object;

use crate::web::{Response, UncachedResponse};

/// When Coder should retry, unless a better time is known.
pub(super) const ISSUER_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Headers of every response: HTTP/1.0 caches do not keep it either (RFC 6749 §5.1), and nobody guesses another type.
const ISSUER_HEADERS: [(HeaderName, &str); 2] = [(PRAGMA, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn empty(status: StatusCode) -> Response {
    text(status, "")
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    start(status).body(PLAIN_TEXT, text).build()
}

/// JSON text, unchanged.
pub(super) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response {
    start(status).body("application/json", text).build()
}

/// An OAuth error. Coder logs the description and shows it on its page, so it contains no secret.
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    json(status, error_body(error, description))
}

/// Unavailable for now: Coder must not take it for `invalid_grant`, which ends a session.
pub(super) fn unavailable(after: Duration, description: &str) -> Response {
    start(StatusCode::SERVICE_UNAVAILABLE)
        .body("application/json", error_body("temporarily_unavailable", description))
        .retry_after(after)
        .build()
}

fn start(status: StatusCode) -> UncachedResponse {
    UncachedResponse::new(status).headers(ISSUER_HEADERS)
}

fn error_body(error: &str, description: &str) -> String {
    object!({ "error": error, "error_description": description }).to_string()
}
