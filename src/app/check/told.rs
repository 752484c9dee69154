//! What the provider is asked about this client, and what it answers.

use crate::oidc::{AuthorizationProbe, NotReady, ProbeSecret, Probed, Provider};

/// The provider's answers, none of which needs anybody to sign in.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// To a sign-in without a page.
    pub(super) authorization: AuthorizationProbe,
    /// How far its clock is ahead, in seconds; `None` when it does not say.
    pub(super) ahead: Option<i64>,
    /// To a made-up refresh token with the configured secret.
    pub(super) refresh: Probed,
    /// … with a made-up secret.
    pub(super) refresh_as_stranger: Probed,
    /// To a made-up code with the configured secret.
    pub(super) code: Probed,
    /// … with a made-up secret; asked at authentik alone, where it shows the grant types.
    pub(super) code_as_stranger: Option<Probed>,
}

/// Asks: four or five requests, one after the other.
pub(super) async fn ask(provider: &Provider, is_authentik: bool) -> Result<Told, NotReady> {
    let (authorization, ahead) = provider.probe_authorization().await?;
    Ok(Told {
        authorization,
        ahead,
        refresh: provider.probe_refresh(ProbeSecret::Configured).await?,
        refresh_as_stranger: provider.probe_refresh(ProbeSecret::MadeUp).await?,
        code: provider.probe_code(ProbeSecret::Configured).await?,
        code_as_stranger: if is_authentik {
            Some(provider.probe_code(ProbeSecret::MadeUp).await?)
        } else {
            None
        },
    })
}
