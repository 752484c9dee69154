//! The userinfo endpoint (OpenID Connect Core §5.3), for bearers of an access token (RFC 6750).

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::answer::{json, oauth_error, unavailable};
use super::tokens::{TokenRefusal, TokenSource};
use crate::types::Secret;
use crate::web::Response;

/// Returns the provider's claims for the bearer of this access token. The token is accepted only in the header: not
/// in the query, which ends up in logs, nor in the body.
pub(super) async fn answer<T: TokenSource>(tokens: &T, headers: &HeaderMap) -> Response {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let token = match (lines.next(), lines.next()) {
        (Some(line), None) => bearer(line),
        (None, _) => return challenge("Bearer realm=\"vestibule issuer\"", "an access token is needed"),
        (Some(_), Some(_)) => None,
    };
    let Some(token) = token else {
        return oauth_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the Authorization header must be there once, as Bearer",
        );
    };
    match tokens.user_info(&token).await {
        Ok(claims) => json(StatusCode::OK, Value::Object(claims).to_string()),
        Err(TokenRefusal::Invalid) => challenge(
            "Bearer realm=\"vestibule issuer\", error=\"invalid_token\"",
            "the access token is unknown or expired",
        ),
        Err(TokenRefusal::Unavailable(after)) => {
            unavailable(after, "the access token cannot be looked up right now")
        }
    }
}

fn bearer(line: &HeaderValue) -> Option<Secret> {
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

fn challenge(challenge: &'static str, description: &str) -> Response {
    let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", description);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
