//! What authentik's responses mean, given the order in which it checks a request.

use super::super::Finding;
use super::super::told::Told;
use super::authorization::{NEEDS_A_PAGE, authorization, unknown_redirect};
use crate::oidc::AuthorizationProbe;

/// The client is unknown, its secret is wrong, or, for a code, its redirect URI is not registered.
const CLIENT: &str = "invalid_client";
/// The grant type is not allowed; or the client is valid, and the code or token is unknown.
const GRANT: &str = "invalid_grant";

/// Findings about secret, grant types and redirect URI, in the order of authentik's form.
pub(super) fn judge(told: &Told, redirect_uri: &str) -> Vec<Finding> {
    let stranger = told.code_as_stranger.as_ref().and_then(|probed| probed.code());
    match (told.refresh.code(), told.refresh_as_stranger.code()) {
        (Some(CLIENT), _) => vec![wrong_client(told)],
        (Some(GRANT), Some(CLIENT)) => {
            vec![right_secret(), refresh_allowed(), code(told.code.code(), stranger, redirect_uri, told)]
        }
        (Some(GRANT), Some(GRANT)) => refresh_hidden(told, stranger, redirect_uri),
        _ => vec![
            Finding::hint(
                "Cannot tell whether client id, client secret and grant types are right.",
                format!("Asked with a made-up refresh token, {}.", told.refresh),
                "Look at authentik's log, then run the check again.",
            ),
            authorization(told, redirect_uri),
        ],
    }
}

/// authentik does not show whether client id or secret is wrong, but its authorization endpoint depends on the id only.
fn wrong_client(told: &Told) -> Finding {
    let id_is_known = match &told.authorization {
        AuthorizationProbe::Back(None) => true,
        AuthorizationProbe::Back(Some(error)) => NEEDS_A_PAGE.contains(&error.code.as_str()),
        _ => false,
    };
    let (which, remedy) = if id_is_known {
        (
            "oidc.clientSecret is wrong: authentik's authorization endpoint knows the client id.",
            "Copy the field \"Client Secret\" of the provider in authentik into oidc.clientSecret.",
        )
    } else {
        (
            "oidc.clientID or oidc.clientSecret is wrong.",
            "Copy the fields \"Client ID\" and \"Client Secret\" of the provider in authentik into oidc.clientID and \
             oidc.clientSecret.",
        )
    };
    Finding::wrong(
        "authentik does not accept the client id or the client secret.",
        format!("{which} Asked with a made-up refresh token, {}.", told.refresh),
        remedy,
    )
}

/// authentik refuses a refresh before it checks the client: the grant type is missing, or the client is public and
/// authentik never checks it. A code shows which.
fn refresh_hidden(told: &Told, code_as_stranger: Option<&str>, redirect_uri: &str) -> Vec<Finding> {
    let no_grants = matches!(&told.authorization, AuthorizationProbe::Back(Some(error)) if error.code == "invalid_request");
    match (code_as_stranger, told.code.code()) {
        (Some(CLIENT), Some(GRANT)) => vec![right_secret(), no_refresh(), registered(redirect_uri)],
        (Some(CLIENT), Some(CLIENT)) => vec![
            no_refresh(),
            Finding::wrong(
                "authentik does not accept the client secret, or does not know the redirect URI.",
                format!("Asked with a made-up code, {}.", told.code),
                format!(
                    "Copy \"Client Secret\" of the provider in authentik into oidc.clientSecret, and register \
                     {redirect_uri} in its field \"Redirect URIs\" with the type Authorization."
                ),
            ),
        ],
        (Some(GRANT), _) if no_grants => vec![Finding::wrong(
            "The provider in authentik allows no grant types, so nobody can sign in.",
            "authentik since 2026.5 has a list of grant types for each provider. It is empty when an API call, a blueprint \
             or Terraform creates the provider without one.",
            "Allow authorization_code and refresh_token in the field \"Grant types\" of the provider in authentik.",
        )],
        (Some(GRANT), _) => vec![
            Finding::hint(
                "authentik does not check the client secret.",
                "It accepts a made-up secret too: the client type is Public, or neither grant type is allowed.",
                "Set the field \"Client type\" of the provider in authentik to Confidential, and allow authorization_code \
                 and refresh_token in \"Grant types\".",
            ),
            authorization(told, redirect_uri),
        ],
        _ => vec![no_refresh(), unknown_redirect(&format!("Asked with a made-up code, {}.", told.code))],
    }
}

/// The finding about the redirect URI, if the secret is right.
fn code(code: Option<&str>, as_stranger: Option<&str>, redirect_uri: &str, told: &Told) -> Finding {
    match (code, as_stranger) {
        (Some(CLIENT), _) => Finding::wrong(
            "The redirect URI is not registered at the provider in authentik, or has the type Logout.",
            format!(
                "Asked with a made-up code for {redirect_uri}, {}. It accepts client id and secret.",
                told.code
            ),
            format!(
                "Add {redirect_uri} to the field \"Redirect URIs\" of the provider in authentik: matching mode Strict, \
                 type Authorization."
            ),
        ),
        (Some(GRANT), Some(CLIENT)) => registered(redirect_uri),
        (Some(GRANT), Some(GRANT)) => Finding::wrong(
            "The provider in authentik does not allow the authorization code grant.",
            "It refuses a made-up code before it checks the client: authorization_code is not among its grant types.",
            "Allow authorization_code in the field \"Grant types\" of the provider in authentik.",
        ),
        _ => authorization(told, redirect_uri),
    }
}

fn right_secret() -> Finding {
    Finding::ok("authentik accepts the client id and the client secret.")
}

fn refresh_allowed() -> Finding {
    Finding::ok("authentik allows this client to use refresh tokens.")
}

fn registered(redirect_uri: &str) -> Finding {
    Finding::ok(format!("authentik knows the redirect URI {redirect_uri}."))
}

fn no_refresh() -> Finding {
    Finding::wrong(
        "The provider in authentik does not allow refresh tokens, so sessions end with the access token.",
        "It refuses a refresh before it checks the client: refresh_token is not among its grant types (since 2026.5).",
        "Allow refresh_token in the field \"Grant types\" of the provider in authentik.",
    )
}
