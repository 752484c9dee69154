//! The gateway's part of the configuration.

use url::Url;

use super::relay::RelaySettings;
use crate::coder::hosts::Wildcard;
use crate::web::TrustedProxies;

/// The gateway's settings.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Coder's access URL: the one origin that is served, apart from app hosts.
    pub access_url: Url,
    /// Coder's wildcard access URL, for app hosts.
    pub wildcard: Option<Wildcard>,
    /// Where a browser is sent to sign in.
    pub sign_in: SignInMode,
    /// The sign-in button's text.
    pub sign_in_text: String,
    /// The sign-in button's icon; empty for none.
    pub icon_url: String,
    /// Whether a sign-out also ends the session at the provider.
    pub sign_out_at_provider: bool,
    /// Whether a sign-out also ends the user's tokens.
    pub sign_out_ends_tokens: bool,
    /// The proxies in front of the gateway that are trusted to name the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Who may use the relay.
    pub relay: RelaySettings,
}

/// Where a browser is sent to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMode {
    /// To the gateway's own page with a button.
    Page,
    /// To the provider, at once.
    Redirect,
    /// To Coder's own sign-in page.
    Coder,
}
