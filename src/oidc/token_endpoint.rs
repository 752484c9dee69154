//! The token endpoint (RFC 6749 §3.2): tokens for codes and refresh tokens.

use std::sync::Arc;

use super::client_authentication::ClientVerdict;
use super::client_authenticator::ClientAuthenticator;
use super::discovery::KnownProvider;
use super::oauth_error::INVALID_GRANT;
use super::provider_client::ProviderClient;
use super::provider_fault::ProviderFault;
use super::relying_party::{PresentedGrant, TokenError};
use super::token_answer::TokenEndpointResponse;

/// The provider's token endpoint.
pub(super) struct TokenEndpoint {
    http: Arc<ProviderClient>,
    authenticator: Arc<ClientAuthenticator>,
}

impl TokenEndpoint {
    /// Requests go through `http`; `authenticator` authenticates the client.
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
        let send = |proof| known.relying_party.present(&self.http, proof, grant);
        self.authenticator.authenticate(&known.metadata, send, client_verdict).await
    }

    /// Presents a grant with client authentication that was made up, by one method: it is refused by either.
    ///
    /// # Errors
    ///
    /// As [`Self::present`].
    pub(super) async fn present_as_stranger(
        &self,
        known: &KnownProvider,
        grant: PresentedGrant<'_>,
    ) -> Result<TokenEndpointResponse, TokenError> {
        let proof = self.authenticator.made_up(&known.metadata)?;
        known.relying_party.present(&self.http, proof, grant).await
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
