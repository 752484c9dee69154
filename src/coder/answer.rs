//! Responses in Coder's shape: `{"message", "detail"}`, with the texts that its CLI, IDE extensions and
//! dashboard know.

use bytes::Bytes;
use http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use url::Url;

use super::names::RESOURCE_METADATA;
use crate::web::{Body, Response, UncachedResponse, response};

/// Coder's message when a user must sign in again; its clients look for it.
const SIGNED_OUT_MESSAGE: &str =
    "You are signed out or your session has expired. Please sign in again to continue.";

/// Coder's detail for a request without a credential.
pub const NO_CREDENTIAL: &str = "Cookie \"coder_session_token\" or query parameter must be provided.";

/// Coder's detail for an unknown credential.
pub const API_KEY_INVALID: &str = "API key is invalid.";

/// The 401 responses, with the challenge that OAuth 2.0 clients follow (RFC 9728 §5.1). Their bodies are built once,
/// because scanners are refused most often.
#[derive(Debug)]
pub struct Challenge {
    headers: HeaderMap,
    bodies: Vec<(&'static str, Bytes)>,
}

impl Challenge {
    /// For a deployment's access URL, with the details of its responses.
    pub fn new(access_url: &Url, details: &[&'static str]) -> Self {
        let origin = access_url.as_str().trim_end_matches('/');
        // Coder's exact text, also for a client without any credential.
        let challenge = format!(
            "Bearer realm=\"coder\", error=\"invalid_token\", error_description=\"The access token has expired\", \
             resource_metadata=\"{origin}{RESOURCE_METADATA}\""
        );
        let mut headers =
            json_response(StatusCode::UNAUTHORIZED, Bytes::new()).build().into_parts().0.headers;
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Self { headers, bodies: details.iter().map(|detail| (*detail, must_sign_in(detail))).collect() }
    }

    /// The 401 with a detail.
    pub fn answer(&self, detail: &str) -> Response {
        let written = self.bodies.iter().find(|(known, _)| *known == detail);
        let body = written.map_or_else(|| must_sign_in(detail), |(_, body)| body.clone());
        response(StatusCode::UNAUTHORIZED, self.headers.clone(), Body::full(body))
    }
}

fn must_sign_in(detail: &str) -> Bytes {
    written(&CoderMessage { message: SIGNED_OUT_MESSAGE, detail: Some(detail) })
}

#[derive(Serialize)]
struct CoderMessage<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// A response with a status, a message and a detail.
pub fn message(status: StatusCode, message: &str, detail: Option<&str>) -> Response {
    json(status, &CoderMessage { message, detail })
}

/// A response with a status and any JSON, not to be stored.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_response(status, written(value)).build()
}

fn json_response(status: StatusCode, body: Bytes) -> UncachedResponse {
    UncachedResponse::new(status)
        .headers([(X_CONTENT_TYPE_OPTIONS, "nosniff")])
        .body("application/json; charset=utf-8", body)
}

fn written(value: &impl Serialize) -> Bytes {
    // None of these values can fail to serialise; an empty object is still JSON.
    serde_json::to_vec(value).map_or(Bytes::from_static(b"{}"), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::read_limited;

    #[tokio::test]
    async fn a_401_has_coders_words_and_the_challenge_of_its_clients() {
        let url = Url::parse("https://coder.company/").unwrap();
        let response = Challenge::new(&url, &[API_KEY_INVALID]).answer(API_KEY_INVALID);
        assert_eq!(response.status(), 401);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(
            challenge,
            "Bearer realm=\"coder\", error=\"invalid_token\", error_description=\"The access token has expired\", \
             resource_metadata=\"https://coder.company/.well-known/oauth-protected-resource\""
        );
        let body: serde_json::Value =
            serde_json::from_slice(&read_limited(response.into_body(), 1000).await.unwrap()).unwrap();
        assert_eq!(body["message"], SIGNED_OUT_MESSAGE);
        assert_eq!(body["detail"], "API key is invalid.");
    }

    #[tokio::test]
    async fn a_401_whose_detail_was_not_written_before_has_it_too() {
        let url = Url::parse("https://coder.company/").unwrap();
        let response = Challenge::new(&url, &[NO_CREDENTIAL]).answer(API_KEY_INVALID);
        let body = read_limited(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, must_sign_in(API_KEY_INVALID));
    }

    #[test]
    fn every_message_is_json_that_nobody_stores() {
        let response = message(StatusCode::FORBIDDEN, "No.", Some("Never."));
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
