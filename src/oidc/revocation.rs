//! Revocation of tokens at the provider (RFC 7009).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use tracing::debug;
use url::{Url, form_urlencoded};

use super::client_authentication::ClientVerdict;
use super::client_authenticator::{ClientAuthenticator, ClientProof};
use super::discovery::Discovery;
use super::error_log::Confidential;
use super::oauth_error::OAuthError;
use super::provider_client::ProviderClient;
use super::settings::ProviderSettings;
use super::token_answer::TokenEndpointResponse;
use super::unreachable::Unreachable;
use crate::types::Secret;

/// The kind of token to revoke (RFC 7009 §2.1, `token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// Why a token may still be valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RevokeError {
    /// The provider has no revocation endpoint, so another attempt cannot help.
    #[error("the provider cannot revoke tokens")]
    Unsupported,
    /// The provider does not answer. Another attempt may help.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The provider responds with an error.
    #[error(transparent)]
    Refused(#[from] OAuthError),
}

/// The provider's revocation endpoint.
pub(super) struct RevocationEndpoint {
    settings: Arc<ProviderSettings>,
    discovery: Arc<Discovery>,
    http: Arc<ProviderClient>,
    authenticator: Arc<ClientAuthenticator>,
}

impl RevocationEndpoint {
    /// Requests go through `http` to the endpoint that `discovery` knows; `authenticator` authenticates the
    /// client.
    pub(super) fn new(
        settings: Arc<ProviderSettings>,
        discovery: Arc<Discovery>,
        http: Arc<ProviderClient>,
        authenticator: Arc<ClientAuthenticator>,
    ) -> Self {
        Self { settings, discovery, http, authenticator }
    }

    /// Revokes a token. A token that the provider does not know counts as revoked (RFC 7009 §2.2). authentik revokes
    /// only the given one: revoke both.
    ///
    /// # Errors
    ///
    /// [`RevokeError`] when the token may still be valid.
    pub(super) async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        let known = self.discovery.reachable()?;
        let endpoint = known.metadata.revocation.as_ref().ok_or(RevokeError::Unsupported)?;
        let send = |proof| self.revoke_by(endpoint, proof, token, kind);
        self.authenticator.authenticate(&known.metadata, send, client_verdict).await
    }

    async fn revoke_by(
        &self,
        endpoint: &Url,
        proof: ClientProof,
        token: &Secret,
        kind: TokenKind,
    ) -> Result<(), RevokeError> {
        let hint = match kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let fields = [("token", token.expose()), ("token_type_hint", hint)];
        let request = self.authenticated_form(endpoint, &proof, &fields);
        let request = request.map_err(|_| RevokeError::Unsupported)?;
        let secrets: Vec<&Secret> = std::iter::once(token).chain(proof.secret()).collect();
        let sent = Confidential::of(&secrets, request.headers());
        let answer = self.http.send_logged("revocation endpoint", request, &sent).await?;
        if answer.status() == StatusCode::OK {
            return Ok(());
        }
        Err(OAuthError { status: Some(answer.status().as_u16()), ..read_error(answer.body(), &sent) }.into())
    }

    /// Revokes the tokens of a person who may not come in. A failure is only logged: the tokens also expire.
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

    /// A form with our client's credentials. `openidconnect` cannot make it: it refuses to revoke over plain http, also
    /// on loopback.
    fn authenticated_form(
        &self,
        endpoint: &Url,
        proof: &ClientProof,
        fields: &[(&str, &str)],
    ) -> Result<Request<Bytes>, http::Error> {
        let id = self.settings.client_id.as_str();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Request::post(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match proof {
            ClientProof::Basic(secret) => {
                // RFC 6749 §2.3.1: both halves are form-encoded first.
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let credentials = STANDARD.encode(format!("{}:{}", encode(id), encode(secret.expose())));
                request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
            }
            ClientProof::Post(secret) => {
                form.append_pair("client_id", id).append_pair("client_secret", secret.expose());
            }
            ClientProof::Assertion(_) | ClientProof::Certificate => {
                form.append_pair("client_id", id).extend_pairs(proof.assertion_parameters());
            }
        }
        request.body(Bytes::from(form.finish()))
    }
}

fn read_error(body: &[u8], sent: &Confidential) -> OAuthError {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
        error_description: Option<String>,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => {
            let description = answer.error_description.map(|text| sent.redact(&text));
            OAuthError::new(&answer.error, description.as_deref())
        }
        Err(_) => OAuthError::new("", None),
    }
}

fn client_verdict(answer: &Result<(), RevokeError>) -> ClientVerdict {
    match answer {
        Ok(()) => ClientVerdict::Accepted,
        Err(RevokeError::Refused(error)) if error.is_about_the_client() => ClientVerdict::Refused,
        Err(_) => ClientVerdict::Unclear,
    }
}
