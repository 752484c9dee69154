//! What a hand-off is made with: the deployment, and the person it is for.

use std::net::IpAddr;

use http::HeaderMap;
use url::Url;

use crate::types::LocalRedirect;

/// Where a sign-in starts and ends at Coder, under the access URL.
pub const CALLBACK: &str = "/api/v2/users/oidc/callback";

/// What the hand-off takes from the configuration.
#[derive(Clone, Debug)]
pub struct HandoffSettings {
    /// Where Coder listens (`coder.url`).
    pub coder_url: Url,
    /// Coder's access URL, which requests to Coder name as what the browser asked for.
    pub access_url: Url,
    /// The `authorization_endpoint` that the issuer listener announces. Coder must send the
    /// browser exactly there, or it is set up for another issuer.
    pub authorization_endpoint: String,
    /// The client id that Coder must present: the provider's own.
    pub client_id: String,
}

/// Whom a hand-off is for, and what their browser sent.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The browser's address: Coder's audit log and rate limit are to see the person.
    pub client: IpAddr,
    /// The headers of the browser's request. `User-Agent`, `Accept`, `Accept-Language` and Coder's
    /// own cookies are passed on, but for `oauth_*` ones: those are left from other attempts.
    pub headers: HeaderMap,
    /// Where the browser goes in the end.
    pub redirect: LocalRedirect,
    /// The state that Coder gave for converting a password account (`oidc_merge_state`).
    pub merge_state: Option<String>,
}
