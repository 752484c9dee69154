//! Sign-out at the provider (RP-Initiated Logout 1.0).

use url::Url;

use super::discovery::AUTHENTIK;
use super::jws::claims_again;
use super::person::ClaimMap;
use super::provider::Provider;
use crate::types::Secret;

/// The longest URL that a sign-out is asked for with, in bytes; beyond, the parameters are sent as a form.
/// Servers take a request line of 4 KiB at least (gunicorn, and Vert.x, on which Keycloak runs), while a form is not
/// taken everywhere: npm's oidc-provider 9.13.3 answers 404 by default.
const MAX_URL: usize = 4000;

/// The same for authentik, which refuses a form of another site (403, for want of its CSRF token) and takes long
/// URLs: 2026.8.0-rc1 took hints of 6,187 characters. Web servers in front of it commonly take 8 KiB.
const MAX_URL_AT_AUTHENTIK: usize = 7000;

/// Where the browser is to go after a sign-out (RP-Initiated Logout 1.0 §2).
const RETURN_TO: &str = "post_logout_redirect_uri";

/// A sign-out at the provider, to be sent by the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSession {
    url: Url,
    parameters: Vec<(&'static str, Secret)>,
    /// The longest address for a GET, in bytes.
    longest: usize,
}

impl EndSession {
    /// The address with all parameters, when that is short enough for a GET.
    pub fn get_url(&self) -> Option<Url> {
        let mut url = self.url.clone();
        for (name, value) in &self.parameters {
            url.query_pairs_mut().append_pair(name, value.expose());
        }
        (url.as_str().len() <= self.longest).then_some(url)
    }

    /// The address for a POST.
    pub fn form_url(&self) -> &Url {
        &self.url
    }

    /// Whether the provider is asked to send the browser back.
    pub fn comes_back(&self) -> bool {
        self.parameters.iter().any(|(name, _)| *name == RETURN_TO)
    }

    /// The form's fields for a POST.
    pub fn form_fields(&self) -> &[(&'static str, Secret)] {
        &self.parameters
    }
}

impl Provider {
    /// A sign-out at the provider; none when it has no such endpoint or is not known yet.
    ///
    /// `return_to` must be registered there as a logout redirect URI; `state` comes back with the browser.
    /// Neither is sent where the browser would not come back: see `sends_back`. Without a hint the client is
    /// named instead; so it is where authentik would refuse a hint for its length.
    pub fn end_session(
        &self,
        id_token: Option<&Secret>,
        return_to: Option<&Url>,
        state: Option<&str>,
    ) -> Option<EndSession> {
        let live = self.live()?;
        let url = live.metadata.end_session.clone()?;
        let claims = id_token.and_then(|hint| claims_again(hint.expose()));
        let is_authentik = live.metadata.is_authentik || claims.as_ref().is_some_and(is_of_authentik);
        let client = ("client_id", Secret::new(self.settings.client_id.as_str()));
        let mut parameters = Vec::new();
        match id_token {
            Some(hint) => parameters.push(("id_token_hint", hint.clone())),
            None => parameters.push(client.clone()),
        }
        if let Some(return_to) = return_to.filter(|_| sends_back(is_authentik, claims.as_ref())) {
            parameters.push((RETURN_TO, Secret::new(return_to.as_str())));
            parameters.extend(state.map(|state| ("state", Secret::new(state))));
        }
        let longest = if is_authentik { MAX_URL_AT_AUTHENTIK } else { MAX_URL };
        let full = EndSession { url, parameters, longest };
        if is_authentik && full.get_url().is_none() {
            return Some(EndSession { parameters: vec![client], ..full });
        }
        Some(full)
    }
}

/// Whether the claims of an ID token are authentik's.
pub(super) fn is_of_authentik(claims: &ClaimMap) -> bool {
    claims.get("acr").and_then(|acr| acr.as_str()).is_some_and(|acr| acr.starts_with(AUTHENTIK))
}

/// Whether the provider sends a browser back after a sign-out with a hint of these claims.
///
/// authentik before 2026.5 shows a page of its own, whatever it is asked for, and since 2026.5 it answers an
/// address to return to without a hint with an error. Its ID tokens have had a `jti` since just that version,
/// which nothing else of what it says tells.
pub(super) fn sends_back(is_authentik: bool, hint: Option<&ClaimMap>) -> bool {
    !is_authentik || hint.is_some_and(|claims| claims.get("jti").is_some_and(serde_json::Value::is_string))
}
