//! Tokens given back to the provider (RFC 7009).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use tracing::debug;
use url::{Url, form_urlencoded};

use super::client_authentication::ClientAuthentication;
use super::error::{OAuthError, OutageCause, Unreachable};
use super::error_log::Confidential;
use super::provider::Provider;
use super::token_answer::TokenEndpointResponse;
use crate::types::Secret;

/// What kind of token is revoked (RFC 7009 §2.1, `token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// Why a token may still be good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RevokeError {
    /// The provider has no revocation endpoint: trying again does not help.
    #[error("the provider cannot revoke tokens")]
    Unsupported,
    /// It does not answer: try again.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It answers with an error.
    #[error(transparent)]
    Refused(#[from] OAuthError),
}

impl Provider {
    /// Revokes a token. A token that the provider does not know counts as revoked (RFC 7009 §2.2).
    /// authentik revokes only the one named: revoke both.
    pub async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        let live = self.live().ok_or(Unreachable::because(OutageCause::NotDiscovered))?;
        let endpoint = live.metadata.revocation.as_ref().ok_or(RevokeError::Unsupported)?;
        let mut methods = self.authentication.methods(live.metadata.authentication);
        loop {
            let method = methods.first();
            match self.revoke_by(endpoint, method, token, kind).await {
                Err(RevokeError::Refused(error)) if error.is_about_the_client() => match methods.other() {
                    Some(other) => methods = other,
                    None => return Err(error.into()),
                },
                Err(RevokeError::Unreachable(unreachable)) => return Err(unreachable.into()),
                done => {
                    if done.is_ok() {
                        self.authentication.worked(method);
                    }
                    return done;
                }
            }
        }
    }

    async fn revoke_by(
        &self,
        endpoint: &Url,
        method: ClientAuthentication,
        token: &Secret,
        kind: TokenKind,
    ) -> Result<(), RevokeError> {
        let hint = match kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let fields = [("token", token.expose()), ("token_type_hint", hint)];
        let request = self.authenticated_form(endpoint, method, &fields);
        let request = request.map_err(|_| RevokeError::Unsupported)?;
        let sent = Confidential::of(&[token, &self.settings.client_secret], request.headers());
        let answer = self.ask("revocation endpoint", request, &sent).await?;
        if answer.status() == StatusCode::OK {
            return Ok(());
        }
        Err(OAuthError { status: Some(answer.status().as_u16()), ..refused(answer.body(), &sent) }.into())
    }

    /// Revokes tokens that nobody will use: of a person who may not come in. Best effort, they expire by
    /// themselves too.
    pub(super) async fn give_back(&self, answer: &TokenEndpointResponse) {
        let access = async {
            match answer.tokens() {
                Ok(tokens) => self.revoke(&tokens.access_token, TokenKind::Access).await,
                Err(_) => Ok(()),
            }
        };
        let refresh = async {
            match answer.refresh_token() {
                Some(token) => self.revoke(token, TokenKind::Refresh).await,
                None => Ok(()),
            }
        };
        let (access, refresh) = tokio::join!(access, refresh);
        if let Err(error) = access.and(refresh) {
            debug!(%error, "the tokens of a refused sign-in could not be revoked");
        }
    }

    /// A form with our client's credentials. (`openidconnect` refuses to revoke over plain http, also
    /// on loopback.)
    fn authenticated_form(
        &self,
        endpoint: &Url,
        method: ClientAuthentication,
        fields: &[(&str, &str)],
    ) -> Result<Request<Bytes>, http::Error> {
        let (id, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.expose());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Request::post(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match method {
            ClientAuthentication::Basic => {
                // RFC 6749 §2.3.1: both halves are form-encoded first.
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let credentials = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
            }
            ClientAuthentication::Post => {
                form.append_pair("client_id", id).append_pair("client_secret", secret);
            }
        }
        request.body(Bytes::from(form.finish()))
    }
}

fn refused(body: &[u8], sent: &Confidential) -> OAuthError {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
        error_description: Option<String>,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => {
            let description = answer.error_description.map(|text| sent.taken_out_of(&text));
            OAuthError::new(&answer.error, description.as_deref())
        }
        Err(_) => OAuthError::new("", None),
    }
}
