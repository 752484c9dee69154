//! Answers in Coder's shape: `{"message", "detail"}`, with the words that its CLI, IDE extensions and
//! dashboard know.

use std::time::Duration;

use bytes::Bytes;
use http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use url::Url;

use super::names::RESOURCE_METADATA;
use crate::policy::Denial;
use crate::web::{Body, Response, UncachedResponse, response};

/// What Coder says to everybody who must sign in again; its clients look for it.
const SIGNED_OUT_MESSAGE: &str =
    "You are signed out or your session has expired. Please sign in again to continue.";

/// Why a credential is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// There is none.
    Missing,
    /// Its session, or its user's authorization, has ended.
    Ended,
    /// Nobody knows it, or not here.
    Invalid,
}

impl Unauthorized {
    const fn detail(self) -> &'static str {
        match self {
            Self::Missing => "Cookie \"coder_session_token\" or query parameter must be provided.",
            Self::Ended => "Your sign-in has ended. Sign in again in a browser, or run \"coder login\".",
            Self::Invalid => "API key is invalid.",
        }
    }
}

/// The 401s, with the challenge that OAuth 2.0 clients follow (RFC 9728 §5.1). Written once: nobody is refused as
/// often as scanners are.
#[derive(Debug)]
pub struct Challenge {
    headers: HeaderMap,
    missing: Bytes,
    ended: Bytes,
    invalid: Bytes,
}

impl Challenge {
    /// For a deployment's access URL.
    pub fn new(access_url: &Url) -> Self {
        let origin = access_url.as_str().trim_end_matches('/');
        // Word for word what Coder says, also to somebody without any credential.
        let challenge = format!(
            "Bearer realm=\"coder\", error=\"invalid_token\", error_description=\"The access token has expired\", \
             resource_metadata=\"{origin}{RESOURCE_METADATA}\""
        );
        let mut headers =
            json_response(StatusCode::UNAUTHORIZED, Bytes::new()).build().into_parts().0.headers;
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let body = |why: Unauthorized| {
            written(&CoderMessage { message: SIGNED_OUT_MESSAGE, detail: Some(why.detail()) })
        };
        Self {
            headers,
            missing: body(Unauthorized::Missing),
            ended: body(Unauthorized::Ended),
            invalid: body(Unauthorized::Invalid),
        }
    }

    /// 401.
    pub fn answer(&self, why: Unauthorized) -> Response {
        let body = match why {
            Unauthorized::Missing => &self.missing,
            Unauthorized::Ended => &self.ended,
            Unauthorized::Invalid => &self.invalid,
        };
        response(StatusCode::UNAUTHORIZED, self.headers.clone(), Body::full(body.clone()))
    }
}

#[derive(Serialize)]
struct CoderMessage<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// An answer of a status with a message and a detail.
pub fn message(status: StatusCode, message: &str, detail: Option<&str>) -> Response {
    json(status, &CoderMessage { message, detail })
}

/// An answer of a status with any JSON, which nobody stores.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_response(status, written(value)).build()
}

fn json_response(status: StatusCode, body: Bytes) -> UncachedResponse {
    UncachedResponse::new(status)
        .headers([(X_CONTENT_TYPE_OPTIONS, "nosniff")])
        .body("application/json; charset=utf-8", body)
}

fn written(value: &impl Serialize) -> Bytes {
    // Nothing that is answered here can fail to serialise; an empty object is JSON all the same.
    serde_json::to_vec(value).map_or(Bytes::from_static(b"{}"), Bytes::from)
}

/// 403, with what would have to change.
pub fn forbidden(cause: Denial) -> Response {
    let (what, why) = why_forbidden(cause);
    message(StatusCode::FORBIDDEN, what, Some(why))
}

/// What a refusal means, and what would have to change: a sentence each.
pub const fn why_forbidden(cause: Denial) -> (&'static str, &'static str) {
    match cause {
        Denial::MethodOff => (
            "This way to sign in is switched off here.",
            "Sign in with OpenID Connect. An administrator can allow other ways with policy.passwordSignIn in Vestibule's configuration.",
        ),
        Denial::Closed => (
            "This part of Coder is closed here.",
            "An administrator can open it with policy.routes in Vestibule's configuration.",
        ),
        Denial::Address => (
            "This part of Coder is not open to your address.",
            "An administrator sets the addresses with policy.routes in Vestibule's configuration.",
        ),
        Denial::WithoutGrant(_) => (
            "The owner of this token has not signed in through the gateway.",
            "Let them sign in once, or set policy.tokens.withoutGrant in Vestibule's configuration.",
        ),
        Denial::Unattributed => (
            "It is not known whose token this is.",
            "Create a new token while signed in through the gateway, or set policy.tokens.unattributed in Vestibule's configuration.",
        ),
        _ => ("This is not open to you.", "Ask your administrator if you need it."),
    }
}

/// 503: nobody can say now whether a sign-in still counts. `answers`: the sign-in service answers, and
/// what it says cannot be verified.
pub fn unavailable(answers: bool, after: Duration) -> Response {
    let what = "Your sign-in cannot be checked at the moment.";
    let why = if answers {
        "The sign-in service's answer cannot be verified. Your sign-in is kept; tell your administrator."
    } else {
        "The sign-in service does not answer. Your sign-in is kept; try again in a moment."
    };
    let body = written(&CoderMessage { message: what, detail: Some(why) });
    json_response(StatusCode::SERVICE_UNAVAILABLE, body).retry_after(after).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::read_limited;

    #[tokio::test]
    async fn a_401_has_coders_words_and_the_challenge_of_its_clients() {
        let url = Url::parse("https://coder.company/").unwrap();
        let response = Challenge::new(&url).answer(Unauthorized::Invalid);
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

    #[test]
    fn every_refusal_is_json_that_nobody_stores() {
        let wait = Duration::from_millis(10);
        for response in [forbidden(Denial::Closed), unavailable(false, wait)] {
            assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        assert_eq!(unavailable(false, wait).headers()["retry-after"], "1");
    }
}
