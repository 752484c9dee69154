//! The hand-off: the gateway drives Coder's own sign-in callback, both legs back to back.
//!
//! Coder starts and ends a sign-in at one URL. In the first leg it names its `state`, its
//! redirect URI and its PKCE challenge, as it would to a browser. The second leg brings the one-time
//! code: Coder asks the issuer listener for the tokens and responds with its session
//! cookie. The `oauth_*` cookies belong to these two legs alone and stay here. A refusal by
//! Coder is an error with Coder's own words.
//!
//! Facts about Coder: coderd/httpmw/oauth2.go and coderd/userauth.go, 2025-07 to v2.38.

mod answer;
mod error;
mod names;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use crate::coder::refusal::CoderRefusal;
use crate::types::Secret;
use crate::web::Client;
use answer::Begun;
use request::Leg;

pub(super) use answer::is_refusal;
pub use answer::{HandoffResult, relay_json};
pub use error::{HandoffError, Unexpected};
pub use settings::{CALLBACK, HandoffSettings, Visit};

/// The largest response of Coder that is relayed, in bytes: its refusals are pages of a few KiB.
/// Make the [`Client`] for [`Handoff::new`] with this limit.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// Hands people over to Coder.
#[derive(Clone, Debug)]
pub struct Handoff {
    settings: HandoffSettings,
    client: Client,
}

/// A hand-off between its two legs. [`Handoff::finish`] consumes it.
#[derive(Debug)]
pub struct Started {
    begun: Begun,
    leg: Leg,
}

impl Handoff {
    /// `client` must follow no redirect and accept responses up to [`MAX_ANSWER`].
    pub fn new(settings: HandoffSettings, client: Client) -> Self {
        Self { settings, client }
    }

    /// The first leg: has Coder begin a sign-in.
    ///
    /// # Errors
    /// [`HandoffError::Unreachable`] when Coder does not respond, [`HandoffError::Refused`] when it refuses
    /// (too many sign-ins a minute, sign-in not set up), [`HandoffError::Unexpected`] when it is not set up for
    /// the issuer listener.
    pub async fn start(&self, visit: Visit) -> Result<Started, HandoffError> {
        let leg = Leg::new(&self.settings, &visit);
        let response = self.client.send(leg.first(&visit)).await?;
        if answer::is_refusal(response.status()) {
            return Err(CoderRefusal::read(response).into());
        }
        let begun = answer::read_first(&response, &self.settings)?;
        Ok(Started { begun, leg })
    }

    /// The second leg: brings Coder the one-time code, made for [`Started::redirect_uri`] and
    /// [`Started::code_challenge`]. Coder redeems it at the issuer listener before it responds.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn finish(&self, started: Started, code: &Secret) -> Result<HandoffResult, HandoffError> {
        let Started { begun, leg } = started;
        let request = leg.second(&begun.state, &begun.cookies, code);
        let response = self.client.send(request).await?;
        if answer::is_refusal(response.status()) {
            return Err(CoderRefusal::read(response).into());
        }
        answer::read_second(response).map_err(HandoffError::from)
    }
}

impl Started {
    /// The redirect URI that Coder will name when it redeems the code.
    pub fn redirect_uri(&self) -> &str {
        &self.begun.redirect_uri
    }

    /// The PKCE challenge (S256, RFC 7636 §4.2) whose verifier Coder will present; older versions
    /// of Coder have none.
    pub fn code_challenge(&self) -> Option<&str> {
        self.begun.code_challenge.as_deref()
    }
}
