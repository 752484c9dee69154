//! The token endpoint (RFC 6749 §3.2): tokens for codes and refresh tokens.

use std::sync::Arc;

use super::client_authentication::{ClientAuthenticator, ClientVerdict};
use super::discovery::KnownProvider;
use super::oauth_error::INVALID_GRANT;
use super::provider_client::ProviderClient;
use super::provider_fault::ProviderFault;
use super::relying_party::{PresentedGrant, TokenError};
use super::token_answer::TokenEndpointResponse;
use crate::types::Secret;

/// The provider's token endpoint.
pub(super) struct TokenEndpoint {
    http: Arc<ProviderClient>,
    authenticator: Arc<ClientAuthenticator>,
}

impl TokenEndpoint {
    /// Requests go through `http`; `authenticator` chooses the method of client authentication.
    pub(super) fn new(http: Arc<ProviderClient>, authenticator: Arc<ClientAuthenticator>) -> Self {
        Self { http, authenticator }
    }

    /// Presents a code or a refresh token. With `oidc.clientAuthentication: auto`, presents it once more by the other
    /// method when the provider refuses the client.
    ///
    /// # Errors
    ///
    /// [`TokenError`] when no token response comes.
    pub(super) async fn present(
        &self,
        known: &KnownProvider,
        grant: PresentedGrant<'_>,
    ) -> Result<TokenEndpointResponse, TokenError> {
        let send = |method| known.relying_party.present(&self.http, method, grant);
        self.authenticator.authenticate(known.metadata.authentication, send, client_verdict).await
    }

    /// Presents a grant with another client secret, by one method: a made-up secret is refused by either.
    ///
    /// # Errors
    ///
    /// As [`Self::present`].
    pub(super) async fn present_with(
        &self,
        known: &KnownProvider,
        client_secret: Secret,
        grant: PresentedGrant<'_>,
    ) -> Result<TokenEndpointResponse, TokenError> {
        let method = self.authenticator.first(known.metadata.authentication);
        known.relying_party.with_secret(client_secret).present(&self.http, method, grant).await
    }
}

/// `invalid_grant` shows that the provider accepts the client. Other errors may concern the method: some providers
/// respond `unauthorized_client` when the client is registered for the other one.
fn client_verdict(answer: &Result<TokenEndpointResponse, TokenError>) -> ClientVerdict {
    match answer {
        Ok(_) => ClientVerdict::Accepted,
        Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.code == INVALID_GRANT => {
            ClientVerdict::Accepted
        }
        Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.is_about_the_client() => {
            ClientVerdict::Refused
        }
        Err(_) => ClientVerdict::Unclear,
    }
}
