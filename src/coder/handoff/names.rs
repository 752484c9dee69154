//! Coder's cookies, other than its session, that the two legs of a hand-off handle
//! (codersdk/client.go).

use crate::coder::cookies::is_session;

/// Proves that a password account may be converted; needed together with the session.
const CONVERT: &str = "coder_oauth_convert_jwt";

/// Coder's token against cross-site requests; passed on so that Coder does not set a new one.
const CSRF: &str = "csrf_token";

/// Whether a cookie belongs to the two legs of a sign-in: `oauth_state`, `oauth_redirect`,
/// `oauth_pkce_verifier`, `oauth_redirect_uri`.
pub(super) fn is_oauth(name: &str) -> bool {
    name.starts_with("oauth_")
}

/// Whether a cookie of the browser is sent in both legs.
pub(super) fn goes_along(name: &str) -> bool {
    is_session(name) || name == CONVERT || name == CSRF
}
