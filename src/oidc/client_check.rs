//! Whether the provider takes our client, asked without any person's token.
//!
//! A refresh token that nobody has is presented. The client is authenticated before the token is looked at
//! (RFC 6749 §6), so `invalid_grant` shows that id and secret are good, and `invalid_client` that they are
//! not. authentik, Keycloak, Hydra and Spring answer so; Dex and LemonLDAP::NG answer `invalid_request`
//! for any refresh token that they do not know, which shows less. A server may also look at the refresh token
//! first: where the client itself is in doubt, a made-up secret must be refused too.

use super::error::{OAuthError, OutageCause, ProviderFault, Unreachable};
use super::probe::{ProbeSecret, Probed};
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
    /// Asks the token endpoint whether it takes our client; `in_doubt` says that it has just refused it.
    pub async fn check_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        let live = self.live().ok_or(Unreachable::because(OutageCause::NotDiscovered))?;
        let nobodys = Secret::new(random_token());
        match self.present(&live, Presented::RefreshToken(&nobodys)).await {
            Err(TokenError::Unreachable(unreachable)) => Err(unreachable),
            Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.code == INVALID_GRANT => {
                if in_doubt { self.check_for_the_secret().await } else { Ok(ClientCheck::Good) }
            }
            Err(TokenError::Fault(ProviderFault::OAuth(error))) if error.is_about_the_client() => {
                Ok(ClientCheck::Refused(error))
            }
            Err(TokenError::Fault(fault)) => Ok(ClientCheck::Unclear(fault)),
            Ok(_) => Ok(ClientCheck::Unclear(ProviderFault::TokenEndpointResponse(
                "it gives tokens for a refresh token that nobody has",
            ))),
        }
    }

    /// Whether a made-up secret is refused, where the right one was not.
    async fn check_for_the_secret(&self) -> Result<ClientCheck, Unreachable> {
        match self.probe_refresh(ProbeSecret::MadeUp).await {
            Err(_) => Err(Unreachable::because(OutageCause::NotDiscovered)),
            Ok(Probed::Unreachable(unreachable)) => Err(unreachable),
            Ok(Probed::Error(error)) if error.code == INVALID_GRANT => Ok(ClientCheck::Unclear(error.into())),
            Ok(Probed::Error(_) | Probed::Odd(_)) => Ok(ClientCheck::Good),
        }
    }
}
