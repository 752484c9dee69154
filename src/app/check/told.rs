//! Probes the provider about this client, and holds its responses.

use crate::oidc::{AuthorizationProbe, NotReady, ProbeSecret, Probed, Provider};

/// The provider's responses to probes that need no sign-in.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The response to a sign-in without a page.
    pub(super) authorization: AuthorizationProbe,
    /// How many seconds the provider's clock is ahead; `None` if its response has no `Date`.
    pub(super) ahead: Option<i64>,
    /// The response to a made-up refresh token with the configured secret.
    pub(super) refresh: Probed,
    /// The response to a made-up refresh token with a made-up secret.
    pub(super) refresh_as_stranger: Probed,
    /// The response to a made-up code with the configured secret.
    pub(super) code: Probed,
    /// The response to a made-up code with a made-up secret; only for authentik, where it shows the grant types.
    pub(super) code_as_stranger: Option<Probed>,
}

/// Sends four or five probes, one after the other.
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
