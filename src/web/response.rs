//! The gateway's own small responses.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::{Body, Response};

/// A response with this status, these headers and this body.
pub fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Builds a response that no cache keeps (`Cache-Control: no-store`, RFC 9111 §5.2.2.5). It has no body until
/// [`Self::body`] sets one.
#[derive(Debug)]
#[must_use]
pub struct UncachedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl UncachedResponse {
    /// An empty response with a status.
    pub fn new(status: StatusCode) -> Self {
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
        Self { status, headers, body: Body::empty() }
    }

    /// Sets a header, replacing an earlier one of this name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets headers with known values.
    pub fn headers(self, headers: impl IntoIterator<Item = (HeaderName, &'static str)>) -> Self {
        headers
            .into_iter()
            .fold(self, |response, (name, value)| response.header(name, HeaderValue::from_static(value)))
    }

    /// Sets `Retry-After` (RFC 9110 §10.2.3), in whole seconds, at least one.
    pub fn retry_after(self, after: Duration) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))
    }

    /// Sets the body and its `Content-Type`.
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = Body::full(body);
        self.header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// The finished response.
    pub fn build(self) -> Response {
        response(self.status, self.headers, self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::read_limited;

    #[tokio::test]
    async fn what_was_set_is_answered_and_no_cache_keeps_it() {
        let response = UncachedResponse::new(StatusCode::SERVICE_UNAVAILABLE)
            .body("text/plain", "later\n")
            .retry_after(Duration::from_millis(10))
            .build();
        assert_eq!(response.status(), 503);
        for (name, value) in
            [("cache-control", "no-store"), ("content-type", "text/plain"), ("retry-after", "1")]
        {
            assert_eq!(response.headers()[name], value);
        }
        assert_eq!(response.headers().len(), 3);
        assert_eq!(&read_limited(response.into_body(), 10).await.unwrap()[..], b"later\n");
    }

    #[test]
    fn an_answer_without_a_body_has_no_type() {
        let response = UncachedResponse::new(StatusCode::NO_CONTENT).build();
        assert_eq!(response.headers().len(), 1);
        assert!(http_body::Body::is_end_stream(response.body()));
    }
}
