//! The hand-off: Coder's own sign-in callback, driven from here, both legs back to back.
//!
//! Coder starts and ends a sign-in at one URL. The first leg makes it name its `state`, its
//! redirect URI and its PKCE challenge, as it would to a browser; the second brings the one-time
//! code, upon which Coder asks the issuer listener for the tokens and answers with its session
//! cookie. What belongs to these two legs alone, the `oauth_*` cookies, stays here. A refusal of
//! Coder's is an error with Coder's own words.
//!
//! Facts about Coder: coderd/httpmw/oauth2.go and coderd/userauth.go, 2025-07 to v2.38.

mod answer;
mod error;
mod names;
mod request;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::HeaderMap;
use url::Url;

use crate::coder::refusal::CoderRefusal;
use crate::types::{LocalRedirect, Secret};
use crate::web::{Client, Response};
use answer::Begun;
use request::Leg;

pub use answer::relay_json;
pub use error::{HandoffError, Unexpected};

/// Where a sign-in starts and ends at Coder, under the access URL.
pub const CALLBACK: &str = "/api/v2/users/oidc/callback";

/// The largest answer of Coder that is relayed, in bytes: its refusals are pages of a few KiB.
/// The [`Client`] given to [`Handoff::new`] is to be made with this limit.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// What the hand-off takes from the configuration.
#[derive(Clone, Debug)]
pub struct HandoffSettings {
    /// Where Coder listens (`coder.url`).
    pub coder_url: Url,
    /// Coder's access URL: what Coder is told that the browser asked for.
    pub access_url: Url,
    /// The `authorization_endpoint` that the issuer listener announces. Coder must send the
    /// browser exactly there, or it is set up for another issuer.
    pub authorization_endpoint: String,
    /// The client id that Coder must present: the provider's own.
    pub client_id: String,
}

/// Whom a hand-off is for, and what their browser sent.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The browser's address: Coder's audit log and rate limit are to see the person.
    pub client: IpAddr,
    /// The headers of the browser's request. `User-Agent`, `Accept`, `Accept-Language` and Coder's
    /// own cookies are passed on, but for `oauth_*` ones: those are left from other attempts.
    pub headers: HeaderMap,
    /// Where the browser goes in the end.
    pub redirect: LocalRedirect,
    /// The state that Coder gave for converting a password account (`oidc_merge_state`).
    pub merge_state: Option<String>,
}

/// Hands people over to Coder.
#[derive(Clone, Debug)]
pub struct Handoff {
    settings: HandoffSettings,
    client: Client,
}

/// A hand-off between its two legs. Consumed by [`Handoff::finish`].
#[derive(Debug)]
pub struct Started {
    begun: Begun,
    leg: Leg,
}

/// What became of a hand-off.
#[derive(Debug)]
pub struct HandoffResult {
    /// Coder's new session token. Without one Coder has converted a password account, and wants a second
    /// sign-in.
    pub session: Option<Secret>,
    /// Coder's answer, to be relayed.
    pub response: Response,
}

impl Handoff {
    /// With a client that follows no redirect and takes answers up to [`MAX_ANSWER`].
    pub fn new(settings: HandoffSettings, client: Client) -> Self {
        Self { settings, client }
    }

    /// The first leg: has Coder begin a sign-in.
    ///
    /// # Errors
    /// [`HandoffError::Unreachable`] when Coder does not answer, [`HandoffError::Refused`] when it says no
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
    /// [`Started::code_challenge`]. Coder redeems it at the issuer listener before it answers.
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

    /// The PKCE challenge (S256, RFC 7636 §4.2) whose verifier Coder will show; older versions
    /// of Coder have none.
    pub fn code_challenge(&self) -> Option<&str> {
        self.begun.code_challenge.as_deref()
    }
}
