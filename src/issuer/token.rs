//! The token endpoint (RFC 6749 §3.2): codes and refresh handles for the provider's tokens.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json as object;

use super::answer::{json, oauth_error, unavailable};
use super::client::{ClientCredentials, MatchedSecret};
use super::form::Form;
use super::tokens::{TokenRefusal, TokenSource};
use crate::grant::TokenReply;
use crate::types::Secret;
use crate::web::Response;

/// Handles a token request. The client is checked before the code or handle, so a first attempt in the wrong style
/// spends nothing.
pub(super) async fn answer<T, B>(
    tokens: &T,
    client: &ClientCredentials,
    headers: &HeaderMap,
    body: B,
) -> Response
where
    T: TokenSource,
    B: http_body::Body<Data = Bytes> + Send,
{
    let form = match Form::read(headers, body).await {
        Ok(form) => form,
        Err(bad) => return bad.answer(),
    };
    match client.check(headers, &form) {
        Ok(MatchedSecret::Present) => {}
        Ok(MatchedSecret::Previous) => tracing::info!(
            "Coder still has the secret of coder.issuer.previousClientSecret: restart it with the present one"
        ),
        Err(not) => {
            tracing::warn!(
                reason = ?not,
                "a token request with wrong client authentication: does Coder run with the client id and secret \
                 that `vestibule coder-env` prints?"
            );
            return not.answer();
        }
    }
    match form.get("grant_type").map(Secret::expose) {
        Some("authorization_code") => by_code(tokens, &form).await,
        Some("refresh_token") => by_handle(tokens, &form).await,
        Some(_) => oauth_error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "only authorization_code and refresh_token are known here",
        ),
        None => missing("grant_type"),
    }
}

/// RFC 6749 §4.1.3, RFC 7636 §4.5.
async fn by_code<T: TokenSource>(tokens: &T, form: &Form) -> Response {
    let Some(code) = form.get("code") else { return missing("code") };
    let Some(redirect_uri) = form.get("redirect_uri") else { return missing("redirect_uri") };
    let verifier = form.get("code_verifier");
    match tokens.redeem(code, redirect_uri.expose(), verifier).await {
        Ok(answer) => granted(&answer),
        Err(TokenRefusal::Invalid) => invalid_grant("the code is unknown, expired, used or bound otherwise"),
        Err(TokenRefusal::Unavailable(after)) => unavailable(after, "the code cannot be looked up right now"),
    }
}

/// RFC 6749 §6. `scope` is ignored: the scope is what the provider granted.
async fn by_handle<T: TokenSource>(tokens: &T, form: &Form) -> Response {
    let Some(handle) = form.get("refresh_token") else { return missing("refresh_token") };
    match tokens.by_handle(handle).await {
        Ok(answer) => granted(&answer),
        Err(TokenRefusal::Invalid) => invalid_grant("nobody is signed in under this refresh token any more"),
        Err(TokenRefusal::Unavailable(after)) => {
            unavailable(after, "whether this person is still signed in cannot be found out right now")
        }
    }
}

/// RFC 6749 §5.1, OpenID Connect Core §3.1.3.3.
fn granted(answer: &TokenReply) -> Response {
    // Coder takes 0 for "never expires" and would not ask again (golang.org/x/oauth2).
    let expires_in = answer.expires_in.as_secs().max(1);
    let mut body = object!({
        "access_token": answer.access_token.expose(),
        "token_type": "Bearer",
        "expires_in": expires_in,
        "refresh_token": answer.refresh_handle.expose(),
        "id_token": answer.id_token.expose(),
    });
    if let (Some(scope), Some(body)) = (&answer.scope, body.as_object_mut()) {
        body.insert("scope".to_owned(), scope.as_str().into());
    }
    json(StatusCode::OK, body.to_string())
}

fn missing(parameter: &str) -> Response {
    oauth_error(StatusCode::BAD_REQUEST, "invalid_request", &format!("the parameter {parameter} is missing"))
}

fn invalid_grant(description: &str) -> Response {
    oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", description)
}
