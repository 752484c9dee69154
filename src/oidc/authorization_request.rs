//! The start of a sign-in: the authorization request with which a browser is sent to the provider (OpenID Connect Core
//! 1.0 §3.1.2.1).

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::discovery::{Discovery, NotReady};
use super::pending_login::PendingLogin;
use super::scopes::requested_scopes;
use super::settings::{ProviderSettings, RESERVED_PARAMETERS};
use crate::types::{Clock, LocalRedirect};

/// The `max_age` that goes with `prompt=login`.
///
/// authentik (2026.8.0-rc1) honours `prompt=login` once in a session, for all clients together, and answers later ones
/// silently. It honours `max_age` each time, but not 0. It checks the age of the sign-in again when the browser returns
/// from its form, a moment later: with a shorter `max_age` it would ask once more.
const REAUTHENTICATION_MAX_AGE: Duration = Duration::from_secs(3);

/// Makes authorization requests.
pub(super) struct AuthorizationRequests {
    settings: Arc<ProviderSettings>,
    discovery: Arc<Discovery>,
    clock: Clock,
}

impl AuthorizationRequests {
    /// Requests with these settings to the provider of `discovery`.
    pub(super) fn new(settings: Arc<ProviderSettings>, discovery: Arc<Discovery>, clock: Clock) -> Self {
        Self { settings, discovery, clock }
    }

    /// Begins a sign-in with the configured prompt: what to remember, and where to send the browser.
    ///
    /// # Errors
    ///
    /// [`NotReady`] before the provider is discovered.
    pub(super) fn begin(
        &self,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        self.begin_with_prompt(self.settings.prompt.as_deref(), redirect, merge_state)
    }

    /// As [`Self::begin`], with another prompt than the configured one.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`].
    pub(super) fn begin_with_prompt(
        &self,
        prompt: Option<&str>,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        let known = self.discovery.ready()?;
        let reauthenticates = prompt.is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"));
        let login = PendingLogin::new(redirect, merge_state, reauthenticates, self.clock.now());
        let url = known.relying_party.authorization_url(
            [&login.state, &login.nonce, &login.verifier],
            &requested_scopes(&self.settings.scopes),
            self.parameters(prompt, reauthenticates),
        );
        Ok((login, url))
    }

    /// `prompt`, `max_age` and the configured parameters, each name once. Parameters of the protocol win over
    /// configured ones.
    fn parameters<'a>(&'a self, prompt: Option<&str>, reauthenticates: bool) -> Vec<(&'a str, String)> {
        let mut parameters = Vec::new();
        parameters.extend(prompt.map(|prompt| ("prompt", prompt.to_owned())));
        let required = reauthenticates.then_some(REAUTHENTICATION_MAX_AGE);
        let max_age = self.settings.max_age.into_iter().chain(required).min();
        parameters.extend(max_age.map(|age| ("max_age", age.as_secs().to_string())));
        let is_own = |name: &str| {
            RESERVED_PARAMETERS.contains(&name)
                || (name == "prompt" && prompt.is_some())
                || (name == "max_age" && max_age.is_some())
        };
        let configured = self.settings.auth_url_params.iter().filter(|(name, _)| !is_own(name));
        parameters.extend(configured.map(|(name, value)| (name.as_str(), value.clone())));
        parameters
    }
}
