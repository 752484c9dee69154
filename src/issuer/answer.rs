//! The shapes of answers (RFC 6749 §5, RFC 6750 §3).

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER as RETRY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json as object};

use crate::web::{Body, Response};

/// When Coder is to come again, when nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Nothing said here is kept by a cache (RFC 6749 §5.1), nor taken for another type.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (PRAGMA, HeaderValue::from_static("no-cache")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

pub(super) fn empty(status: StatusCode) -> Response {
    of(status, HeaderValue::from_static("text/plain; charset=utf-8"), Bytes::new())
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    of(status, HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
}

/// JSON text as it is.
pub(super) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response {
    of(status, HeaderValue::from_static("application/json"), text.into())
}

fn of(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().extend(HEADERS);
    response
}

/// An OAuth error. The description goes to Coder's log and to the page it shows: no secret in it.
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    let body: Value = object!({ "error": error, "error_description": description });
    json(status, body.to_string())
}

/// Not now, and no judgement: Coder must not take it for `invalid_grant`, which ends a session.
pub(super) fn unavailable(after: Duration, description: &str) -> Response {
    let mut response = oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description);
    response.headers_mut().insert(RETRY, HeaderValue::from(after.as_secs().max(1)));
    response
}
