//! Sign-out at the provider (RP-Initiated Logout 1.0).

use url::Url;

use super::jws::claims_again;
use super::metadata::{AUTHENTIK, Metadata};
use super::person::ClaimMap;
use crate::types::Secret;

/// The longest URL of a sign-out, in bytes; longer ones become a form. Servers accept a request line of at least 4 KiB
/// (gunicorn, and Vert.x, on which Keycloak runs), but not all accept a form: npm's oidc-provider 9.13.3 responds 404
/// by default.
const MAX_LOGOUT_URL: usize = 4000;

/// The same for authentik, which refuses a form from another site (403, without its CSRF token) and accepts long URLs:
/// 2026.8.0-rc1 accepted hints of 6,187 characters. Web servers in front of it commonly accept 8 KiB.
const MAX_AUTHENTIK_LOGOUT_URL: usize = 7000;

/// The parameter with the address that the browser returns to after a sign-out (RP-Initiated Logout 1.0 §2).
const POST_LOGOUT_REDIRECT_URI: &str = "post_logout_redirect_uri";

/// A request to the provider's end-session endpoint, which the browser sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSession {
    url: Url,
    parameters: Vec<(&'static str, Secret)>,
    /// The longest URL for a GET, in bytes.
    longest: usize,
}

impl EndSession {
    /// A sign-out at the provider; none when it has no such endpoint.
    ///
    /// `return_to` must be registered there as a logout redirect URI; `state` comes back with the browser. Neither is
    /// sent where the browser would not come back (see [`sends_back`]). Without a hint, or when authentik would refuse
    /// the hint for its length, the request names the client instead.
    pub(super) fn new(
        metadata: &Metadata,
        client_id: &str,
        id_token: Option<&Secret>,
        return_to: Option<&Url>,
        state: Option<&str>,
    ) -> Option<Self> {
        let url = metadata.end_session.clone()?;
        let claims = id_token.and_then(|hint| claims_again(hint.expose()));
        let is_authentik = metadata.is_authentik || claims.as_ref().is_some_and(is_of_authentik);
        let client = ("client_id", Secret::new(client_id));
        let mut parameters = Vec::new();
        match id_token {
            Some(hint) => parameters.push(("id_token_hint", hint.clone())),
            None => parameters.push(client.clone()),
        }
        if let Some(return_to) = return_to.filter(|_| sends_back(is_authentik, claims.as_ref())) {
            parameters.push((POST_LOGOUT_REDIRECT_URI, Secret::new(return_to.as_str())));
            parameters.extend(state.map(|state| ("state", Secret::new(state))));
        }
        let longest = if is_authentik { MAX_AUTHENTIK_LOGOUT_URL } else { MAX_LOGOUT_URL };
        let full = Self { url, parameters, longest };
        if is_authentik && full.get_url().is_none() {
            return Some(Self { parameters: vec![client], ..full });
        }
        Some(full)
    }

    /// The URL with all parameters; none when it is too long for a GET.
    pub fn get_url(&self) -> Option<Url> {
        let mut url = self.url.clone();
        for (name, value) in &self.parameters {
            url.query_pairs_mut().append_pair(name, value.expose());
        }
        (url.as_str().len() <= self.longest).then_some(url)
    }

    /// The URL for a POST.
    pub fn form_url(&self) -> &Url {
        &self.url
    }

    /// Whether the request asks the provider to send the browser back.
    pub fn comes_back(&self) -> bool {
        self.parameters.iter().any(|(name, _)| *name == POST_LOGOUT_REDIRECT_URI)
    }

    /// The form fields for a POST.
    pub fn form_fields(&self) -> &[(&'static str, Secret)] {
        &self.parameters
    }
}

/// Whether the claims of an ID token are authentik's.
pub(super) fn is_of_authentik(claims: &ClaimMap) -> bool {
    claims.get("acr").and_then(|acr| acr.as_str()).is_some_and(|acr| acr.starts_with(AUTHENTIK))
}

/// Whether the provider sends a browser back after a sign-out with a hint of these claims.
///
/// authentik before 2026.5 always shows its own page; since 2026.5 it responds with an error to a return address
/// without a hint. Its ID tokens have a `jti` since that version, and nothing else reveals the version.
pub(super) fn sends_back(is_authentik: bool, hint: Option<&ClaimMap>) -> bool {
    !is_authentik || hint.is_some_and(|claims| claims.get("jti").is_some_and(serde_json::Value::is_string))
}
