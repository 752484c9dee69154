//! Whether the provider knows this client: its id and secret, its redirect URI and its grant types; and the provider's
//! clock.
//!
//! authentik (2026.8.0-rc1) checks a request in this order: the grant type (since 2026.5), the client, the redirect URI,
//! the code or token. So each error rules something out. Other providers use other orders: for them the check relies only
//! on RFC 6749 and OpenID Connect Core 1.0.

mod authentik;
mod authorization;
#[cfg(test)]
mod tests;

use super::Finding;
use super::told::Told;
use crate::oidc::{OAuthError, Probed};
use authorization::authorization;

/// The difference of the clocks, in seconds, from which the gateway refuses ID tokens.
const CLOCK_WRONG: u64 = 60;

/// The difference of the clocks, in seconds, from which the check gives a hint. A `Date` is up to a second old, and the
/// response took time.
const CLOCK_ODD: u64 = 20;

/// Turns the provider's responses into findings.
/// `credential` is what the gateway authenticates with, in words.
pub(super) fn judge(told: &Told, is_authentik: bool, redirect_uri: &str, credential: &str) -> Vec<Finding> {
    let mut findings = if is_authentik {
        authentik::judge(told, redirect_uri)
    } else {
        let mut findings = vec![accepts(told, credential)];
        findings.extend(may_not_refresh(told));
        findings.push(authorization(told, redirect_uri));
        findings
    };
    findings.push(clock(told.ahead));
    findings
}

/// Whether an error is about the client and nothing else. A wrong secret is `invalid_client` (RFC 6749 §5.2);
/// Keycloak 26.7.3 uses `unauthorized_client` with "Invalid client or Invalid client credentials".
fn is_about_client(error: &OAuthError) -> bool {
    let text = error.description.as_deref().unwrap_or_default().to_lowercase();
    error.code == "invalid_client" || text.contains("client credentials") || text.contains("client secret")
}

fn accepts(told: &Told, credential: &str) -> Finding {
    let unknown = |cause: String| {
        Finding::hint(
            format!("Cannot tell whether client id and {credential} are right."),
            cause,
            "Sign in once: if the provider does not accept the client, the error page and the log say so.",
        )
    };
    let Probed::Error(ours) = &told.refresh else {
        return unknown(format!("Asked with a made-up refresh token, {}.", told.refresh));
    };
    if is_about_client(ours) {
        return refused(told, credential);
    }
    match &told.refresh_as_stranger {
        Probed::Error(stranger) if stranger.code != ours.code || is_about_client(stranger) => {
            Finding::ok(format!("The provider accepts the client id and the {credential}."))
        }
        stranger => unknown(format!(
            "The provider gives the same answer to the configured {credential} and to a made-up one: {stranger}."
        )),
    }
}

fn refused(told: &Told, credential: &str) -> Finding {
    let (cause, remedy) = match credential {
        "client secret" => (
            "oidc.clientID or oidc.clientSecret is wrong, or the client is registered for another method of client \
             authentication (client_secret_basic, client_secret_post).",
            "Compare both with the client at the provider, and oidc.clientAuthentication with its authentication method.",
        ),
        "client assertion" => (
            "oidc.clientID is wrong, the provider does not know the key of oidc.oidcClientKeyFile, or the client is \
             registered for another method than private_key_jwt.",
            "Register the certificate or the public key for this client at the provider (openssl rsa -in KEY -pubout), \
             with the method private_key_jwt. Microsoft Entra ID also needs oidc.oidcClientCertFile. Compare the clocks.",
        ),
        _ => (
            "oidc.clientID is wrong, the provider does not know the certificate of oidc.tlsClientCertFile, or a proxy in \
             front of it does not pass the certificate on.",
            "Register the certificate or its subject for this client at the provider, with the method tls_client_auth or \
             self_signed_tls_client_auth.",
        ),
    };
    Finding::wrong(
        format!("The provider does not accept the client id or the {credential}."),
        format!("{}. {cause}", told.refresh),
        remedy,
    )
}

/// RFC 6749 §5.2: `unauthorized_client` is for a known client that may not use this grant. Gitea also uses it for a dead
/// refresh token.
fn may_not_refresh(told: &Told) -> Option<Finding> {
    let Probed::Error(error) = &told.refresh else { return None };
    let refused = matches!(error.code.as_str(), "unauthorized_client" | "unsupported_grant_type");
    (refused && !is_about_client(error)).then(|| {
        Finding::hint(
            "This client may not be allowed to use refresh tokens. Sessions would then end with the access token.",
            format!("Asked with a made-up refresh token, {}.", told.refresh),
            "Allow the grant type refresh_token for this client at the provider, if it has such a setting.",
        )
    })
}

fn clock(ahead: Option<i64>) -> Finding {
    let Some(ahead) = ahead else {
        return Finding::hint(
            "Cannot tell whether the provider's clock is right.",
            "Its response has no Date header.",
            "Synchronize the clocks of both machines with NTP.",
        );
    };
    let (by, direction) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
    let what = format!("The provider's clock is {by} seconds {direction} the clock of this machine.");
    let remedy = "Synchronize both clocks with NTP. ID tokens are refused when the clocks differ by more than a minute.";
    match by {
        CLOCK_WRONG.. => Finding::wrong(what, "One of the two clocks is wrong.", remedy),
        CLOCK_ODD.. => {
            Finding::hint(what, "One of the two clocks is wrong, or the response was slow.", remedy)
        }
        _ => Finding::ok("The provider's clock agrees with the clock of this machine."),
    }
}
