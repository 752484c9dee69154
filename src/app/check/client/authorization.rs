//! What the response of the authorization endpoint means, at any provider.

use super::super::Finding;
use super::super::told::Told;
use crate::oidc::AuthorizationProbe;

/// Errors of a sign-in without a page that mean only that a page is needed (OpenID Connect Core 1.0 §3.1.2.6).
pub(super) const NEEDS_A_PAGE: [&str; 4] =
    ["login_required", "interaction_required", "consent_required", "account_selection_required"];

/// What the response of any provider's authorization endpoint means.
pub(super) fn authorization(told: &Told, redirect_uri: &str) -> Finding {
    match &told.authorization {
        AuthorizationProbe::Back(None) => known(redirect_uri),
        AuthorizationProbe::Back(Some(error)) if NEEDS_A_PAGE.contains(&error.code.as_str()) => {
            known(redirect_uri)
        }
        AuthorizationProbe::Back(Some(error)) => Finding::wrong(
            "The provider refuses sign-ins by this client.",
            format!("{error}."),
            "Correct what the error names: oidc.scopes, oidc.authURLParams, or the client's grant and response types at \
             the provider.",
        ),
        AuthorizationProbe::Refused(status) => Finding::wrong(
            "The provider does not send sign-ins by this client back to the gateway.",
            format!(
                "Its authorization endpoint answers {status}. Providers do so when they do not know the client id, or \
                 when exactly this redirect URI is not registered."
            ),
            format!(
                "Register {redirect_uri} as a redirect URI of this client, and compare oidc.clientID with its client id."
            ),
        ),
        AuthorizationProbe::Page => {
            unknown_redirect("Its authorization endpoint shows a page although prompt=none forbids it.")
        }
        AuthorizationProbe::Unreachable(why) => {
            unknown_redirect(&format!("The request to its authorization endpoint failed: {why}."))
        }
    }
}

fn known(redirect_uri: &str) -> Finding {
    Finding::ok(format!("The provider knows the client id and the redirect URI {redirect_uri}."))
}

pub(super) fn unknown_redirect(cause: &str) -> Finding {
    Finding::hint(
        "Cannot tell whether the redirect URI is registered at the provider.",
        cause,
        "Sign in once: the provider shows an error page if it is not.",
    )
}
