//! Answers on the operator's listeners.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

/// An answer on one of the operator's listeners.
pub(super) type AdminAnswer = Response<Full<Bytes>>;

/// A body of the media type `kind`, which is not to be stored.
pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> AdminAnswer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A body of JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> AdminAnswer {
    text(status, "application/json", body.to_string())
}

/// The answer to another method than `methods`.
pub(super) fn not_allowed(methods: &'static str) -> AdminAnswer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}
