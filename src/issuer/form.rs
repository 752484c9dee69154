//! The body of a token request.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::answer::oauth_error;
use crate::types::Secret;
use crate::web::{ReadError, Response, read_limited};

/// The longest body accepted, in bytes: codes, handles and verifiers are a few hundred bytes.
const MAX_BODY: usize = 16 * 1024;

/// The time limit for receiving the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The parameters of a token request. Any of them may be secret, so all are kept as such.
#[derive(Debug)]
pub(super) struct Form(HashMap<String, Secret>);

/// Why a body is not a usable form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadForm {
    /// Not `application/x-www-form-urlencoded`.
    ContentType,
    /// Longer than [`MAX_BODY`].
    TooLarge,
    /// It broke off, or took too long.
    Broken,
    /// A parameter occurs twice (RFC 6749 §3.2).
    Duplicate,
}

impl Form {
    pub(super) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Self, BadForm>
    where
        B: http_body::Body<Data = Bytes> + Send,
    {
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(BadForm::ContentType);
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, read_limited(body, MAX_BODY));
        match body.await {
            Ok(Ok(body)) => Self::parse(&body),
            Ok(Err(ReadError::TooLarge)) => Err(BadForm::TooLarge),
            Ok(Err(ReadError::Broken)) | Err(_) => Err(BadForm::Broken),
        }
    }

    fn parse(body: &[u8]) -> Result<Self, BadForm> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.insert(name.into_owned(), Secret::new(value)).is_some() {
                return Err(BadForm::Duplicate);
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter. One without a value counts as absent (RFC 6749 §3.2).
    pub(super) fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name).filter(|value| !value.is_empty())
    }
}

impl BadForm {
    pub(super) fn answer(self) -> Response {
        let (status, description) = match self {
            Self::ContentType => {
                (StatusCode::BAD_REQUEST, "the body must be application/x-www-form-urlencoded")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 16 KiB"),
            Self::Broken => (StatusCode::BAD_REQUEST, "the body did not arrive"),
            Self::Duplicate => (StatusCode::BAD_REQUEST, "a parameter is there twice"),
        };
        oauth_error(status, "invalid_request", description)
    }
}
