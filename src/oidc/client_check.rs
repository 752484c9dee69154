//! Whether the provider accepts our client, checked without any user's token.
//!
//! The gateway presents a refresh token that it made up. The provider authenticates the client before it looks at the
//! token (RFC 6749 §6), so `invalid_grant` shows that client id and secret are right, and `invalid_client` that they
//! are not. authentik, Keycloak, Hydra and Spring answer so. Dex and LemonLDAP::NG answer `invalid_request` for every
//! unknown refresh token, which shows less. A provider may also look at the refresh token first: when it has just
//! refused the client, it must refuse a made-up secret too.

use super::oauth_error::{INVALID_GRANT, OAuthError};
use super::probe::{ProbeSecret, Probed, ProviderProbe};
use super::provider_fault::ProviderFault;
use super::unreachable::{OutageCause, Unreachable};

/// What the provider's response to a made-up refresh token shows about our client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCheck {
    /// `invalid_grant`: the provider accepts the client.
    Good,
    /// The provider refuses the client.
    Refused(OAuthError),
    /// The provider answers, but the response shows neither.
    Unclear(ProviderFault),
}

impl ClientCheck {
    /// Asks the token endpoint whether it accepts our client. `in_doubt`: it has just refused the client.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when the provider does not answer.
    pub(super) async fn run(probe: &ProviderProbe, in_doubt: bool) -> Result<Self, Unreachable> {
        match present(probe, ProbeSecret::Configured).await? {
            Ok(error) if error.code == INVALID_GRANT => {
                if in_doubt {
                    Self::run_with_made_up_secret(probe).await
                } else {
                    Ok(Self::Good)
                }
            }
            Ok(error) if error.is_about_the_client() => Ok(Self::Refused(error)),
            Ok(error) => Ok(Self::Unclear(error.into())),
            Err(odd) => Ok(Self::Unclear(odd)),
        }
    }

    /// Whether the provider refuses a made-up secret after accepting the configured one.
    async fn run_with_made_up_secret(probe: &ProviderProbe) -> Result<Self, Unreachable> {
        match present(probe, ProbeSecret::MadeUp).await? {
            Ok(error) if error.code == INVALID_GRANT => Ok(Self::Unclear(error.into())),
            Ok(_) | Err(_) => Ok(Self::Good),
        }
    }
}

/// The error with which the provider refuses a made-up refresh token, or the fault of a response without one.
async fn present(
    probe: &ProviderProbe,
    secret: ProbeSecret,
) -> Result<Result<OAuthError, ProviderFault>, Unreachable> {
    match probe.refresh(secret).await {
        Ok(Probed::Error(error)) => Ok(Ok(error)),
        Ok(Probed::Odd(_)) => {
            let fault = "it does not refuse a made-up refresh token";
            Ok(Err(ProviderFault::TokenEndpointResponse(fault)))
        }
        Ok(Probed::Unreachable(unreachable)) => Err(unreachable),
        Err(_) => Err(Unreachable::because(OutageCause::NotDiscovered)),
    }
}
