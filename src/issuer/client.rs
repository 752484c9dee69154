//! Client authentication at the token endpoint: is it Coder? (RFC 6749 §2.3.1)
//!
//! Coder's OAuth library does not ask which style is right. It tries `client_secret_basic`, and after any failure
//! sends the same code or refresh token again with `client_secret_post`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::oauth_error;
use super::form::Form;
use crate::types::{Secret, WatchedSecret};
use crate::web::Response;

/// The expected credentials.
#[derive(Debug)]
pub(super) struct ClientCredentials {
    id: Secret,
    /// The accepted secrets, the present one first.
    secrets: Vec<Arc<WatchedSecret>>,
}

/// Which of the accepted secrets the client presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchedSecret {
    /// The present one.
    Present,
    /// The one that is being replaced.
    Previous,
}

/// Why the client is not Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTheClient {
    /// The `Authorization: Basic` header has wrong credentials.
    Basic,
    /// The parameters are wrong, or there are no credentials.
    Post,
    /// Both styles at once, or a header of neither (RFC 6749 §2.3).
    Malformed,
}

impl ClientCredentials {
    pub(super) fn new(id: String, secrets: Vec<Arc<WatchedSecret>>) -> Self {
        Self { id: Secret::new(id), secrets }
    }

    /// Compares credentials in constant time.
    pub(super) fn check(&self, headers: &HeaderMap, form: &Form) -> Result<MatchedSecret, NotTheClient> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let header = lines.next();
        let in_form = form.get("client_secret");
        match (header, in_form) {
            _ if lines.next().is_some() => Err(NotTheClient::Malformed),
            (Some(_), Some(_)) => Err(NotTheClient::Malformed),
            (Some(header), None) => {
                let encoded = basic(header).ok_or(NotTheClient::Malformed)?;
                let (id, secret) = decode(encoded).ok_or(NotTheClient::Basic)?;
                // A client_id next to the header is allowed if it is the same.
                let same = form.get("client_id").is_none_or(|named| *named == id);
                self.matched(&id, &secret).filter(|_| same).ok_or(NotTheClient::Basic)
            }
            (None, Some(secret)) => {
                let id = form.get("client_id").ok_or(NotTheClient::Post)?;
                self.matched(id, secret).ok_or(NotTheClient::Post)
            }
            (None, None) => Err(NotTheClient::Post),
        }
    }

    fn matched(&self, id: &Secret, secret: &Secret) -> Option<MatchedSecret> {
        // Everything is compared, whatever the comparisons before gave. An empty secret is never right.
        let known = *id == self.id;
        let right = self.secrets.iter().map(|own| *secret == *own.current());
        let right: Vec<bool> = right.map(|right| right & known & !secret.is_empty()).collect();
        match right.iter().position(|right| *right)? {
            0 => Some(MatchedSecret::Present),
            _ => Some(MatchedSecret::Previous),
        }
    }
}

impl NotTheClient {
    /// RFC 6749 §5.2: 401 with a challenge if the client used the header, else 400.
    pub(super) fn answer(self) -> Response {
        match self {
            Self::Basic => {
                let description = "the client id or secret in the Authorization header is wrong";
                let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", description);
                let challenge = HeaderValue::from_static("Basic realm=\"vestibule issuer\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Post => oauth_error(
                StatusCode::BAD_REQUEST,
                "invalid_client",
                "the client id or secret is missing or wrong",
            ),
            Self::Malformed => oauth_error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the client must authenticate in exactly one way: HTTP Basic, or client_id and client_secret",
            ),
        }
    }
}

/// The value after `Basic` (RFC 7617 §2).
fn basic(header: &HeaderValue) -> Option<&str> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(encoded.trim())
}

/// Id and secret, each form-encoded before they are joined (RFC 6749 §2.3.1).
fn decode(encoded: &str) -> Option<(Secret, Secret)> {
    let joined = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<Secret> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Secret::new(decoded.into_owned()))
}
