//! The settings of a hand-off: the deployment, and the person it is for.

use std::net::IpAddr;

use http::HeaderMap;
use url::Url;

use crate::types::LocalRedirect;

/// Coder's sign-in callback, under the access URL.
pub const CALLBACK: &str = "/api/v2/users/oidc/callback";

/// The hand-off's part of the configuration.
#[derive(Clone, Debug)]
pub struct HandoffSettings {
    /// Where Coder listens (`coder.url`).
    pub coder_url: Url,
    /// Coder's access URL: requests to Coder name it as the URL that the browser requested.
    pub access_url: Url,
    /// The `authorization_endpoint` that the issuer listener announces. Coder must send the
    /// browser exactly there; otherwise it is set up for another issuer.
    pub authorization_endpoint: String,
    /// The client id that Coder must present: the provider's own.
    pub client_id: String,
}

/// The person of a hand-off, and what their browser sent.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The browser's address, for Coder's audit log and rate limit.
    pub client: IpAddr,
    /// The headers of the browser's request. `User-Agent`, `Accept`, `Accept-Language` and Coder's
    /// own cookies are passed on, except `oauth_*` cookies, which are left over from other attempts.
    pub headers: HeaderMap,
    /// The page after the sign-in.
    pub redirect: LocalRedirect,
    /// The state that Coder issued for converting a password account (`oidc_merge_state`).
    pub merge_state: Option<String>,
}
