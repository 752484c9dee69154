//! Responses on the operator's listeners.

use bytes::Bytes;
use http::StatusCode;
use http::header::ALLOW;
use serde_json::Value;

use crate::web::{Response, UncachedResponse};

/// A response with a body of the media type `kind`.
pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    UncachedResponse::new(status).body(kind, body).build()
}

/// A response with a body of JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    text(status, "application/json", body.to_string())
}

/// The 405 response for a method other than `methods`.
pub(super) fn not_allowed(methods: &'static str) -> Response {
    UncachedResponse::new(StatusCode::METHOD_NOT_ALLOWED)
        .body("text/plain", "")
        .headers([(ALLOW, methods)])
        .build()
}
