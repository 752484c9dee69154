//! What the provider reveals before anybody signs in: through its documents and its refusals. Every request fails on
//! purpose and creates no session, code or token.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use serde::Deserialize;
use url::Url;

use super::authorization_request::AuthorizationRequests;
use super::discovery::{Discovery, NotReady};
use super::oauth_error::OAuthError;
use super::provider_client::ProviderClient;
use super::provider_fault::ProviderFault;
use super::relying_party::{PresentedGrant, TokenError};
use super::settings::ProviderSettings;
use super::token_answer::TokenEndpointResponse;
use super::token_endpoint::TokenEndpoint;
use super::unreachable::Unreachable;
use crate::types::{Clock, LocalRedirect, Secret, Timestamp, random_token};

/// What the discovery document announces that an operator needs to know, and a sign-in does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whether it is an authentik (`acr_values_supported`).
    pub is_authentik: bool,
    /// The listed scopes; authentik lists those that the provider has a mapping for. None without a list, which
    /// Discovery §3 allows.
    pub scopes: Option<Vec<String>>,
    /// Whether it lists algorithms to encrypt ID tokens with. authentik does so when the provider has an
    /// encryption key, and then encrypts; others list what a client may ask for.
    pub lists_encryption: bool,
}

/// The client authentication of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeSecret {
    /// With the configured credential.
    Configured,
    /// With a secret, or the signature of an assertion, that was made up for the probe.
    MadeUp,
}

/// The response of the token endpoint to a made-up code or refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// With an error of RFC 6749 §5.2, as it should.
    Error(OAuthError),
    /// With something else: the fault of the response.
    Odd(String),
    /// With no response, or one that means "not now".
    Unreachable(Unreachable),
}

/// How the authorization endpoint answers a sign-in without a page (`prompt=none`) in a browser that it does not know.
/// OpenID Connect Core 1.0 §3.1.2.6 has it send the browser back with an error; RFC 6749 §4.1.2.1 forbids that when the
/// client or the redirect URI is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationProbe {
    /// A redirect back to the redirect URI, with this error.
    Back(Option<OAuthError>),
    /// A refusal with this status, without a redirect.
    Refused(u16),
    /// A page, or a redirect to one.
    Page,
    /// No response, or one that means "not now".
    Unreachable(Unreachable),
}

/// Asks the provider what it reveals without a sign-in.
pub(super) struct ProviderProbe {
    pub(super) settings: Arc<ProviderSettings>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) tokens: Arc<TokenEndpoint>,
    pub(super) requests: Arc<AuthorizationRequests>,
    pub(super) http: Arc<ProviderClient>,
    pub(super) clock: Clock,
}

impl ProviderProbe {
    /// What the discovery document announces beyond the needs of a sign-in; none until it was read.
    pub(super) fn announced(&self) -> Option<Announced> {
        #[derive(Deserialize)]
        struct Encryption {
            #[serde(default)]
            id_token_encryption_alg_values_supported: Vec<String>,
        }
        let known = self.discovery.known()?;
        let encryption = serde_json::from_str::<Encryption>(&known.documents.discovery).ok();
        Some(Announced {
            is_authentik: known.metadata.is_authentik,
            scopes: known.metadata.scopes.clone(),
            lists_encryption: encryption
                .is_some_and(|listed| !listed.id_token_encryption_alg_values_supported.is_empty()),
        })
    }

    /// Presents a made-up refresh token.
    ///
    /// # Errors
    ///
    /// [`NotReady`] until the discovery document was read.
    pub(super) async fn refresh(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.present(secret, PresentedGrant::RefreshToken(&made_up())).await
    }

    /// Presents a made-up code, for the configured redirect URI.
    ///
    /// # Errors
    ///
    /// As [`Self::refresh`].
    pub(super) async fn code(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.present(secret, PresentedGrant::Code(&made_up(), &made_up())).await
    }

    async fn present(&self, secret: ProbeSecret, grant: PresentedGrant<'_>) -> Result<Probed, NotReady> {
        let known = self.discovery.ready()?;
        Ok(Probed::of(match secret {
            ProbeSecret::Configured => self.tokens.present(&known, grant).await,
            ProbeSecret::MadeUp => self.tokens.present_as_stranger(&known, grant).await,
        }))
    }

    /// Requests a sign-in without a page. Also returns how far the provider's clock is ahead of ours, in seconds, from
    /// the `Date` of its response (RFC 9110 §6.6.1).
    ///
    /// # Errors
    ///
    /// As [`Self::refresh`].
    pub(super) async fn authorization(&self) -> Result<(AuthorizationProbe, Option<i64>), NotReady> {
        let (_, url) = self.requests.begin_with_prompt(Some("none"), LocalRedirect::root(), None)?;
        let request = Request::get(url.as_str()).header(header::ACCEPT, "text/html").body(Bytes::new());
        let Ok(request) = request else { return Ok((AuthorizationProbe::Page, None)) };
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(unreachable) => return Ok((AuthorizationProbe::Unreachable(unreachable), None)),
        };
        let text =
            |name| answer.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let ahead = text(header::DATE).and_then(|date| ahead(date, self.clock.wall()));
        let outcome = match answer.status() {
            status if status.is_client_error() => AuthorizationProbe::Refused(status.as_u16()),
            status if status.is_redirection() => text(header::LOCATION)
                .map_or(AuthorizationProbe::Page, |to| sent_back(to, &self.settings.redirect_uri)),
            _ => AuthorizationProbe::Page,
        };
        Ok((outcome, ahead))
    }
}

impl Probed {
    fn of(answer: Result<TokenEndpointResponse, TokenError>) -> Self {
        match answer {
            Err(TokenError::Fault(ProviderFault::OAuth(error))) => Self::Error(error),
            Err(TokenError::Fault(fault)) => Self::Odd(fault.to_string()),
            Err(TokenError::Unreachable(unreachable)) => Self::Unreachable(unreachable),
            Ok(_) => Self::Odd("the provider issues tokens for a made-up grant".to_owned()),
        }
    }

    /// The error code, when it is an error.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(&error.code),
            Self::Odd(_) | Self::Unreachable(_) => None,
        }
    }
}

impl std::fmt::Display for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.write_answer(f),
            Self::Odd(what) => f.write_str(what),
            Self::Unreachable(unreachable) => unreachable.fmt(f),
        }
    }
}

/// A secret, code, token or verifier that was never issued.
fn made_up() -> Secret {
    Secret::new(random_token())
}

/// Where a redirect leads: back to our redirect URI, or to a page.
fn sent_back(location: &str, redirect_uri: &Url) -> AuthorizationProbe {
    let is_ours = |to: &Url| to.origin() == redirect_uri.origin() && to.path() == redirect_uri.path();
    let Some(to) = Url::parse(location).ok().filter(is_ours) else { return AuthorizationProbe::Page };
    let value =
        |name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    AuthorizationProbe::Back(
        value("error").map(|code| OAuthError::new(&code, value("error_description").as_deref())),
    )
}

/// How far a `Date` is ahead of `now`, in seconds; negative when it is behind.
fn ahead(date: &str, now: Timestamp) -> Option<i64> {
    let date = httpdate::parse_http_date(date).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(i64::try_from(date.as_secs()).ok()?.saturating_sub(now.as_seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_to_us_only_at_our_redirect_uri() {
        let ours = Url::parse("https://coder.acme.company/api/v2/users/oidc/callback").unwrap();
        let back = |query: &str| sent_back(&format!("{ours}{query}"), &ours);
        assert_eq!(back("?state=x"), AuthorizationProbe::Back(None));
        let error = back("?error=login_required&error_description=no%0Asession&state=x");
        let AuthorizationProbe::Back(Some(error)) = error else { panic!("{error:?}") };
        assert_eq!(
            (error.code.as_str(), error.description.as_deref()),
            ("login_required", Some("nosession"))
        );
        for elsewhere in
            ["/login", "https://evil.example/api/v2/users/oidc/callback?error=x", "", "javascript:x"]
        {
            assert_eq!(sent_back(elsewhere, &ours), AuthorizationProbe::Page, "{elsewhere}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_present_and_nonsense_is_no_date() {
        let now = Timestamp::from_seconds(784_111_777);
        assert_eq!(ahead("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(0));
        assert_eq!(ahead("Sun, 06 Nov 1994 08:51:37 GMT", now), Some(120));
        assert_eq!(ahead("Sun, 06 Nov 1994 08:49:07 GMT", now), Some(-30));
        assert_eq!(ahead("yesterday", now), None);
    }
}
