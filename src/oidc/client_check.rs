//! Whether the provider takes our client, asked without any person's token.
//!
//! A refresh token that nobody has is presented. The client is authenticated before the token is looked at
//! (RFC 6749 §6), so `invalid_grant` shows that id and secret are good, and `invalid_client` that they are
//! not. authentik, Keycloak, Hydra and Spring answer so; Dex and LemonLDAP::NG answer `invalid_request`
//! for any refresh token that they do not know, which shows less.

use super::error::{Cause, OAuthError, ProviderFault, Unreachable};
use super::provider::Provider;
use super::token::{INVALID_GRANT, Presented, TokenError};
use crate::types::{Secret, random_token};

/// What the provider answered to a refresh token that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCheck {
    /// `invalid_grant`: it takes the client.
    Good,
    /// It refuses the client.
    Refused(OAuthError),
    /// It answers, and that says neither.
    Unclear(ProviderFault),
}

impl Provider {
    /// Asks the token endpoint whether it takes our client.
    pub async fn check_client(&self) -> Result<ClientCheck, Unreachable> {
        let live = self.live().ok_or(Unreachable::because(Cause::NotDiscovered))?;
        let nobodys = Secret::new(random_token());
        match self.present(&live, Presented::RefreshToken(&nobodys)).await {
            Err(TokenError::Unreachable(unreachable)) => Err(unreachable),
            Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.code == INVALID_GRANT => {
                Ok(ClientCheck::Good)
            }
            Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.is_about_the_client() => {
                Ok(ClientCheck::Refused(error))
            }
            Err(TokenError::Fault(fault)) => Ok(ClientCheck::Unclear(fault)),
            Ok(_) => Ok(ClientCheck::Unclear(ProviderFault::TokenAnswer(
                "it gives tokens for a refresh token that nobody has",
            ))),
        }
    }
}
