//! `oidc.scopes`: the scopes requested from the provider.

use crate::config::entry::ValueKind;
use crate::config::fault::ValueFault;
use crate::config::key::{ListKey, keys};
use crate::config::reader::SettingsReader;

keys! { KEYS;
    SCOPES: ListKey<Vec<String>> = ListKey::new(
        "oidc.scopes", "CODER_OIDC_SCOPES", ValueKind::List, "openid,profile,email,offline_access", scopes_of_entry,
        "The requested scopes, separated by commas or spaces. Without `offline_access` most providers, including authentik, send no refresh token, and a session ends with its first access token. Keycloak sends one without it; with it, Keycloak offers neither single sign-on nor back-channel logout. A scope named `groups` also makes `groups` the group claim.",
    ).and_coder();
}

/// Reads the scopes, which must include `openid`.
pub(super) fn read(r: &mut SettingsReader) -> Option<Vec<String>> {
    let scopes: Vec<String> = r.list(&SCOPES)?.into_iter().flatten().collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        r.wrong(SCOPES.entry(), "lacks openid, without which there is no ID token", "Add `openid`");
    }
    if !scopes.iter().any(|scope| scope == "offline_access") {
        r.warn(
            SCOPES.entry(),
            "lacks offline_access, without which most providers send no refresh token: a session then ends with its \
             first access token",
            "Add `offline_access`; with authentik, also select it among the scopes of the provider. With Keycloak, leave \
             it out: Keycloak sends a refresh token without it, and with it sends no back-channel logout",
        );
    }
    Some(scopes)
}

/// The scopes of one entry. It may hold several with spaces between: Coder joins its list with spaces (RFC 6749
/// §3.3), so that `openid profile email` as one value works there.
fn scopes_of_entry(text: &str) -> Result<Vec<String>, ValueFault> {
    let scopes: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
    // RFC 6749 §3.3: a scope is visible ASCII without quotation mark and backslash.
    let good = |scope: &String| scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if !scopes.is_empty() && scopes.iter().all(good) {
        return Ok(scopes);
    }
    let remedy = "Write one word for each scope, as a list or separated by commas or spaces";
    Err(ValueFault::new("has an entry that is not a scope", remedy))
}
