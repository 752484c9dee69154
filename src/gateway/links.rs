//! The paths of the gateway's own endpoints, and links to them and to the sign-in.

use crate::coder::handoff::CALLBACK;
use crate::pages::Link;
use crate::types::LocalRedirect;

/// The prefix of all paths of the gateway's own endpoints. Coder uses no such path.
pub(super) const OWN_PATHS: &str = "/vestibule/";

/// The gateway's sign-in page.
pub(super) const SIGN_IN_PAGE: &str = "/vestibule/sign-in";

/// The page where a sign-out ends.
pub const SIGNED_OUT: &str = "/vestibule/signed-out";

/// The page with a user's own sessions and tokens.
pub(super) const SESSIONS_PAGE: &str = "/vestibule/sessions";

/// Where the provider reports that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.5).
pub const BACKCHANNEL_LOGOUT: &str = "/vestibule/backchannel-logout";

/// A link to a path of this origin.
pub(super) fn link_to(path: &str) -> Link {
    Link::to(&LocalRedirect::parse_or_root(path))
}

/// The start of a sign-in that returns to `wanted`.
pub(super) fn sign_in_link(wanted: &LocalRedirect) -> Link {
    link_to(CALLBACK).with("redirect", wanted.as_str())
}

/// The start of a sign-in that returns to `wanted` and asks the provider for another account than the one of its
/// session.
pub(super) fn another_account_link(wanted: &LocalRedirect) -> Link {
    sign_in_link(wanted).with("prompt", "login")
}

/// The page where a sign-out ends, with the page that the next sign-in returns to.
pub(super) fn signed_out_link(wanted: &LocalRedirect) -> Link {
    link_to(SIGNED_OUT).with("redirect", wanted.as_str())
}
