//! Small responses that must not be cached.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use crate::web::{Response, UncachedResponse};

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    UncachedResponse::new(status).build()
}

/// A redirect; to the start page when `to` is not a valid header value.
pub(super) fn redirect_to(status: StatusCode, to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    UncachedResponse::new(status).header(LOCATION, to).build()
}
