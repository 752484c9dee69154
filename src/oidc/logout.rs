//! Sign-out at the provider (RP-Initiated Logout 1.0).

use url::Url;

use super::discovery::AUTHENTIK;
use super::jws::claims_again;
use super::provider::Provider;
use crate::types::Secret;

/// The longest URL that a sign-out is asked for with; beyond, the parameters are sent as a form.
/// authentik's ID token, the hint, can have 8 KiB, which servers refuse in a request line.
const MAX_URL: usize = 2000;

/// Where the browser is to go after a sign-out (RP-Initiated Logout 1.0 §2).
const RETURN_TO: &str = "post_logout_redirect_uri";

/// A sign-out at the provider, to be sent by the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSession {
    url: Url,
    parameters: Vec<(&'static str, Secret)>,
}

impl EndSession {
    /// The address with all parameters, when that is short enough for a GET.
    pub fn get_url(&self) -> Option<Url> {
        let mut url = self.url.clone();
        for (name, value) in &self.parameters {
            url.query_pairs_mut().append_pair(name, value.expose());
        }
        (url.as_str().len() <= MAX_URL).then_some(url)
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
    /// Neither is sent where the browser would not come back: see [`sends_back`]. Without a hint the client is
    /// named instead.
    pub fn end_session(
        &self,
        id_token: Option<&Secret>,
        return_to: Option<&Url>,
        state: Option<&str>,
    ) -> Option<EndSession> {
        let live = self.live()?;
        let url = live.metadata.end_session.clone()?;
        let return_to = return_to.filter(|_| sends_back(live.metadata.is_authentik, id_token));
        let mut parameters = Vec::new();
        match id_token {
            Some(hint) => parameters.push(("id_token_hint", hint.clone())),
            None => parameters.push(("client_id", Secret::new(self.settings.client_id.as_str()))),
        }
        if let Some(return_to) = return_to {
            parameters.push((RETURN_TO, Secret::new(return_to.as_str())));
            parameters.extend(state.map(|state| ("state", Secret::new(state))));
        }
        Some(EndSession { url, parameters })
    }
}

/// Whether the provider sends a browser back after a sign-out with this hint.
///
/// authentik before 2026.5 shows a page of its own, whatever it is asked for, and since 2026.5 it answers an
/// address to return to without a hint with an error. Its ID tokens have had a `jti` since just that version,
/// which nothing else of what it says tells.
pub(super) fn sends_back(is_authentik: bool, hint: Option<&Secret>) -> bool {
    let claims = hint.and_then(|hint| claims_again(hint.expose()));
    let says = |name: &str| claims.as_ref().and_then(|claims| claims.get(name)?.as_str());
    let is_authentik = is_authentik || says("acr").is_some_and(|acr| acr.starts_with(AUTHENTIK));
    !is_authentik || says("jti").is_some()
}
